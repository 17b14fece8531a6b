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
/// Users one viewer may block; one more is refused with `block_limit`.
pub const BLOCKED_MAX: usize = 1_000;
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
/// Length of a currency's code in bytes; others are refused where they are parsed.
pub const CURRENCY_LEN_BYTES: usize = 3;
/// Longest name of a payment or payout provider in bytes; a longer one is refused where it is parsed.
pub const PROVIDER_LEN_BYTES_MAX: usize = 16;
/// Longest id that a provider may give a payment, in bytes; a longer one is refused where it is parsed.
pub const PAYMENT_ID_LEN_BYTES_MAX: usize = 40;
/// Longest name of a gift in characters; longer is refused with `text_too_long`.
pub const GIFT_NAME_CHARS_MAX: usize = 40;
/// Gifts on offer at once; one more is refused with `catalogue_full`.
pub const GIFTS_MAX: usize = 1_000;
/// Withdrawals of one streamer that are under way at once; one more is refused with `withdrawal_limit`.
pub const WITHDRAWALS_OPEN_MAX: usize = 16;
/// Withdrawals that are over and that a streamer's state remembers; what is told of an older one is refused with
/// `unknown_withdrawal`, and changes nothing.
pub const WITHDRAWALS_CLOSED_MAX: usize = 64;
/// Longest account that is paid out to, in characters; longer is refused with `text_too_long`.
pub const ACCOUNT_CHARS_MAX: usize = 100;
/// Longest name of a payout provider's transfer, in characters; more is cut off.
pub const REFERENCE_CHARS_MAX: usize = 100;
/// Most likes in one `like.send`; more is refused with `bad_like_count`.
pub const LIKES_PER_SEND_MAX: u32 = 100;
/// Likes one user may give a second, and at once after a pause; more is refused with `too_many_likes`.
pub const LIKES_PER_SECOND_MAX: u32 = 200;
/// Most likes one live session counts, for the same reason as coins; there the count stays.
pub const LIKES_MAX: u64 = 1 << 52;
/// Sends that are remembered of each user who likes; a repetition of an older one counts again.
pub const LIKE_SENDS_REMEMBERED_MAX: usize = 8;
/// A user writes once in so long, in each room...
pub const CHAT_INTERVAL_MS: i64 = 1_000;
/// ... and after a pause so often at once; more is refused with `chat_too_fast`.
pub const CHAT_BURST: i64 = 5;
/// How long a text of a user is remembered as said.
pub const REPEATED_TEXT_MS: i64 = 10_000;
/// The same text by the same user within [`REPEATED_TEXT_MS`]; once more is refused with `repeated_text`.
pub const REPEATED_TEXT_MAX: usize = 2;
/// Chats that reach the screens of one room within any second; one more is refused with `room_chat_full`, and leaves no
/// record.
pub const ROOM_CHATS_PER_SECOND_MAX: usize = 40;
/// Of these, kept for the streamer and the moderators: one burst. Viewers meet `room_chat_full` so much earlier.
pub const ROOM_CHATS_FOR_STAFF: usize = CHAT_BURST as usize;
/// Chats of the last seconds (10, or the slow mode's where that is longer) that a room remembers to judge the next by;
/// above it the oldest are forgotten: a slow mode so long that more are written within it lets some write again earlier.
pub const CHATS_REMEMBERED_MAX: usize = 8_192;
/// Longest private message in characters after cleaning; longer is refused with `text_too_long`.
pub const MESSAGE_TEXT_CHARS_MAX: usize = 500;
/// Messages to somebody who has not answered since, for two who do not follow each other; one more is refused with
/// `answer_awaited`.
pub const MESSAGES_UNANSWERED_MAX: u32 = 3;
/// A user sends a private message once in so long, to whomever...
pub const MESSAGE_INTERVAL_MS: i64 = 1_000;
/// ... and after a pause so often at once; more is refused with `message_too_fast`.
pub const MESSAGE_BURST: i64 = 5;
/// Moderators of one room; one more is refused with `moderator_limit`.
pub const MODERATORS_MAX: usize = 50;
/// Users banned from one room; one more is refused with `ban_limit`.
pub const BANNED_MAX: usize = 10_000;
/// Users muted in one room at once; one more is refused with `mute_limit`.
pub const MUTED_MAX: usize = 1_000;
/// Longest mute, in seconds: 30 days; longer is refused with `bad_duration`.
pub const MUTE_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// A kicked user may come back after so long.
pub const KICK_MS: i64 = 60_000;
/// Kicked users of one room who may not come back yet; one more, and the one kicked first may come back at once.
pub const KICKED_MAX: usize = 1_000;
/// Longest slow mode, in seconds; longer is refused with `bad_slow_mode`.
pub const SLOW_MODE_SECONDS_MAX: u32 = 3_600;
/// Whoever is in charge gives an order that changes something once in so long, in each room...
pub const ORDER_INTERVAL_MS: i64 = 500;
/// ... and after a pause so often at once; more is refused with `order_too_fast`.
pub const ORDER_BURST: i64 = 20;
/// Longest notice in characters after cleaning; longer is refused with `text_too_long`.
pub const NOTICE_CHARS_MAX: usize = 200;
/// Longest pinned text in characters after cleaning; longer is refused with `text_too_long`.
pub const PINNED_CHARS_MAX: usize = 200;

const _: () = assert!(ROOM_CHATS_FOR_STAFF < ROOM_CHATS_PER_SECOND_MAX);
// The rates and the guard against repetition are exact, however full the room.
const _: () = assert!(CHATS_REMEMBERED_MAX > ROOM_CHATS_PER_SECOND_MAX * 10 && REPEATED_TEXT_MS == 10_000);
const _: () = assert!(CHAT_BURST * CHAT_INTERVAL_MS <= REPEATED_TEXT_MS);
const _: () = assert!(LIKES_PER_SEND_MAX <= LIKES_PER_SECOND_MAX);
// A payment's key is an id.
const _: () = assert!(PROVIDER_LEN_BYTES_MAX + 1 + PAYMENT_ID_LEN_BYTES_MAX <= ID_LEN_BYTES_MAX);
const _: () = assert!(COMBO_TOTAL_MAX >= GIFT_COUNT_MAX);
const _: () = assert!(COINS_MAX < 1 << 53 && TICKETS_MAX < 1 << 53);
