//! Every limit of reading the books, with its unit in its name and what happens at it.

/// Records that one page of a history reads at most, of both of a user's streams; then the page ends, however short it
/// is, and its cursor goes on from there.
pub const HISTORY_RECORDS_MAX: usize = 1_000;
/// Records that are read at once from one end of a stream, backwards.
pub const BACKWARDS_RECORDS: u64 = 64;
/// Records that are read at once of a stream that is read from its start.
pub const STREAM_PAGE_RECORDS: usize = 1_000;
/// Bytes of the journal that are read at once where all of it is looked through.
pub const READ_BYTES: usize = 1 << 20;
/// Commands of one id that an explanation tells apart; further ones are not named.
pub const SAME_ID_COMMANDS_MAX: usize = 32;
/// Records that one command can have left: more are not looked for.
pub const COMMAND_RECORDS_MAX: usize = 16;
/// Records of a stream that are looked through for the steps of a combo, in each direction; what is farther away is not
/// told, and the explanation says that there is more.
pub const COMBO_RECORDS_MAX: u64 = 2_000;
/// Records that are looked through behind a gift for the credit that covers it; then it counts as not found.
pub const SETTLEMENT_RECORDS_MAX: u64 = 10_000;
/// Records that are looked through for the steps of a withdrawal, in each direction; what is farther away is not told.
pub const WITHDRAWAL_RECORDS_MAX: u64 = 50_000;
/// Records of an order's or a payment's stream that are told; they have a handful.
pub const MONEY_STREAM_RECORDS_MAX: usize = 64;
/// Lines of a provider's file that are compared; a longer file is refused.
pub const RECONCILE_LINES_MAX: usize = 5_000_000;
/// Payments this close to a day's edge, in ms, may stand in the provider's file of the neighbouring day: it is said.
pub const RECONCILE_EDGE_MS: i64 = 15 * 60_000;
