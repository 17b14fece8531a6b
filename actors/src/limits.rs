//! Every limit of the actors, with its unit in its name and what happens at it.

/// Commands that wait for one viewer; one more is refused with `busy`.
pub const VIEWER_MAILBOX_COMMANDS_MAX: usize = 128;
/// Commands that wait for one streamer; one more is refused with `busy`.
pub const STREAMER_MAILBOX_COMMANDS_MAX: usize = 1_024;
/// Commands that wait for one room; one more is refused with `busy`.
pub const ROOM_MAILBOX_COMMANDS_MAX: usize = 4_096;
/// Commands that wait for one order; one more is refused with `busy`.
pub const ORDER_MAILBOX_COMMANDS_MAX: usize = 32;
/// Commands that wait for one payment; one more is refused with `busy`, and its provider tells it again.
pub const PAYMENT_MAILBOX_COMMANDS_MAX: usize = 32;
/// Commands that wait for the catalogue; one more is refused with `busy`.
pub const CATALOGUE_MAILBOX_COMMANDS_MAX: usize = 1_024;
/// Commands that wait for one conversation; one more is refused with `busy`.
pub const CONVERSATION_MAILBOX_COMMANDS_MAX: usize = 64;
/// Users who wrote a private message lately are looked through for those whose allowance is full again when there are this
/// many, and then whenever twice as many are there as were left. Each of them has a resident conversation: that bounds them.
pub const MESSAGE_WRITERS_SWEEP_AT: usize = 4_096;
/// Viewers with a gift that waits until its room has said which session runs in it; a gift of one more is refused with
/// `busy`. What they give meanwhile waits behind it, as much as their mailbox would hold.
pub const SENDERS_WAITING_MAX: usize = 65_536;
/// Commands that wait until a viewer who was not resident has said whom they block; one more is refused with `busy`.
pub const BLOCK_QUESTIONS_WAITING_MAX: usize = 65_536;
/// Follows that blocks have ended and that are being let go at once; more wait for their turn.
pub const RELATIONS_IN_FLIGHT_MAX: usize = 1_024;
/// Blocks that the process `relations` has read and not dealt with; when there are more, it reads no further until some are.
pub const RELATIONS_PENDING_MAX: usize = 65_536;
/// Actors of one kind that are resident at once; a command for one more is refused with `busy`.
pub const RESIDENTS_MAX: usize = 2_000_000;
/// A snapshot is taken when an actor has had this many events since its last one, and when it is stopped as idle.
pub const SNAPSHOT_EVERY_EVENTS: u64 = 256;
/// Records read at once when an actor is replayed.
pub const REPLAY_PAGE_RECORDS: usize = 512;
/// How often the actors are looked through for combos that ran out and for idle ones.
pub const SWEEP_INTERVAL_MS: u64 = 500;
/// Credits (and questions) of one shard's settlement that are under way at once; more streamers wait for their turn.
pub const CREDITS_IN_FLIGHT_MAX: usize = 4_096;
/// Streamers whose settled position a shard's settlement remembers; above it, those with nothing due are forgotten and
/// asked again.
pub const LANES_REMEMBERED_MAX: usize = 200_000;
/// The cursor of a process (settlement, cashier) is written at most this often, and once at the end.
pub const ADVANCE_INTERVAL_MS: u64 = 1_000;
/// The cursor of a process is written, even if there was nothing to do, when it is this many records ahead.
pub const ADVANCE_AFTER_RECORDS_MAX: u64 = 65_536;
/// How long a process waits before it repeats what failed; the cashier waits longer each time.
pub const PROCESS_RETRY_MS: u64 = 50;
/// Steps of the cashier that are under way at once; more orders wait for their turn.
pub const CASHIER_STEPS_IN_FLIGHT_MAX: usize = 1_024;
/// Steps that the cashier has read and not done; when there are more, it reads no further until some are done.
pub const CASHIER_STEPS_PENDING_MAX: usize = 65_536;
/// The cashier's longest pause before it repeats what failed, in turns of [`PROCESS_RETRY_MS`].
pub const CASHIER_RETRY_TURNS_MAX: u64 = 64;
/// The cashier's pause before it asks again for what was refused for good, such as coins for somebody who has as many as
/// one may have, in turns of [`PROCESS_RETRY_MS`]: a minute.
pub const CASHIER_OWED_RETRY_TURNS: u64 = 1_200;
/// In-flight command ids of one actor are looked through for finished ones when there are this many, and then whenever
/// twice as many are there as were left.
pub(crate) const IN_FLIGHT_SWEEP_AT: usize = 7;

const _: () = assert!(SNAPSHOT_EVERY_EVENTS > 0 && REPLAY_PAGE_RECORDS > 0 && CREDITS_IN_FLIGHT_MAX > 0);
