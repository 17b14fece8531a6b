//! Every limit of the business, with its unit in its name and what happens at it.

/// Longest user, room, gift or combo id in bytes; a longer one is refused where it is parsed.
pub const ID_LEN_BYTES_MAX: usize = 64;
/// Longest command id in characters; a longer one is refused with `bad_command_id`.
pub const COMMAND_ID_LEN_CHARS_MAX: usize = 64;
/// Most gifts in one `gift.send`, and the largest step of a combo; more is refused with `bad_count`.
pub const GIFT_COUNT_MAX: u32 = 9_999;
/// Highest cumulative total of one combo; more is refused with `bad_count`.
pub const COMBO_TOTAL_MAX: u32 = 1_000_000;
/// A combo ends this long after its last gift.
pub const COMBO_IDLE_MS: i64 = 5_000;
/// Combos a viewer's state remembers, running or ended; one more pushes out the one whose last gift is oldest, and ends
/// it if it still runs. A step of a combo that was pushed out counts as the first of a new one.
pub const COMBOS_REMEMBERED_MAX: usize = 16;
/// Streamers one viewer may follow; one more is refused with `follow_limit`.
pub const FOLLOWING_MAX: usize = 5_000;
/// Longest chat text in characters after cleaning; longer is refused with `text_too_long`.
pub const CHAT_TEXT_CHARS_MAX: usize = 200;
/// Longest title of a live session in characters; longer is refused with `text_too_long`.
pub const TITLE_CHARS_MAX: usize = 100;
/// Longest reason of an adjustment in characters; longer is refused with `text_too_long`.
pub const REASON_CHARS_MAX: usize = 200;
/// Most coins one account may hold: below 2^53, so that every client can hold it exactly.
pub const COINS_MAX: u64 = 1 << 52;
/// Most tickets one streamer's account may hold, for the same reason.
pub const TICKETS_MAX: u64 = 1 << 52;
/// Most likes in one `like.send`; more is refused with `bad_like_count`.
pub const LIKES_PER_SEND_MAX: u32 = 100;
/// Likes one user may give a second, and at once after a pause; more is refused with `too_many_likes`.
pub const LIKES_PER_SECOND_MAX: u32 = 200;
/// Most likes one live session counts, for the same reason as coins; there the count stays.
pub const LIKES_MAX: u64 = 1 << 52;
/// Sends that are remembered of each user who likes; a repetition of an older one counts again.
pub const LIKE_SENDS_REMEMBERED_MAX: usize = 8;

const _: () = assert!(LIKES_PER_SEND_MAX <= LIKES_PER_SECOND_MAX);
const _: () = assert!(COMBO_TOTAL_MAX >= GIFT_COUNT_MAX);
const _: () = assert!(COINS_MAX < 1 << 53 && TICKETS_MAX < 1 << 53);
