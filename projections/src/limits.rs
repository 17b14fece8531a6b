//! Every limit of the views, with its unit in its name and what happens at it.

/// Newest publications a room's feed remembers; a client that is farther behind is told to start afresh. The feed drops
/// whole chunks, so it may hold up to one chunk more.
pub const ROOM_FEED_POSITIONS_MAX: usize = 65_536;
/// Positions in one stored chunk of a feed: what is written again when one record is shown.
pub const FEED_CHUNK_POSITIONS: usize = 128;
/// Newest chats of each room that a newcomer is shown; an older one is only in the journal.
pub const RECENT_CHATS_MAX: usize = 50;
/// Running combos of one room that a newcomer is shown; one more pushes out the one whose last gift is oldest.
pub const RUNNING_COMBOS_MAX: usize = 256;
/// A combo whose end was never told is kept no longer than this after its last gift, in ms.
pub const RUNNING_COMBO_KEPT_MS: i64 = 60_000;
/// Closed hours whose boards are kept: those that began less than so many hours before the one that runs. As with the
/// limits below, an older period goes whole, and who asks for it is told so.
pub const BOARD_HOURS_KEPT: i64 = 24;
/// Closed days whose boards are kept.
pub const BOARD_DAYS_KEPT: i64 = 31;
/// Closed weeks whose boards are kept.
pub const BOARD_WEEKS_KEPT: i64 = 12;
/// Closed months whose boards are kept.
pub const BOARD_MONTHS_KEPT: i64 = 12;
/// Ended live sessions of one room whose boards are kept, the newest ones.
pub const BOARD_SESSIONS_KEPT: i64 = 8;
/// Places in all orders of rooms' boards that stay in memory after somebody asked; beyond it those that nobody asked for
/// longest go, and are made again when somebody does.
pub const BOARD_PLACES_IN_MEMORY_MAX: usize = 2_000_000;
/// Places in one stored piece of a closed board.
pub const BOARD_PIECE_PLACES: usize = 128;
/// Conversations with unread messages that are counted for one user; with more, the sum says at least so many.
pub const UNREAD_CONVERSATIONS_MAX: usize = 1_000;
/// Longest page of any list; a longer one is cut to it.
pub const PAGE_ENTRIES_MAX: usize = 100;
/// Records folded under one hold of the views' lock, so that readers never wait for more than this many.
pub const RECORDS_PER_LOCK_MAX: usize = 1_024;
/// Records between two commits while live: when it is reached, the runner commits even before the interval has passed.
pub const RECORDS_PER_COMMIT_LIVE_MAX: usize = 16_384;
/// Records between two commits while catching up: what a crash makes to be done again.
pub const RECORDS_PER_COMMIT_CATCH_UP: usize = 2_000_000;
/// Records between two writes of views that are being rebuilt: bounds the memory of what waits to be written.
pub const RECORDS_PER_COMMIT_REBUILD: usize = 2_000_000;
/// Bytes that one record makes the views write at most, keys included.
pub const BYTES_PER_RECORD_MAX: usize = 500;
/// Largest buffer of one commit. The limits above keep below it.
pub const COMMIT_BYTES_MAX: usize = 1 << 30;
/// Shortest time between two commits while live; a record waits at most this long, one that comes after a pause not at all.
pub const COMMIT_INTERVAL_MS: u64 = 10;
/// A runner that is farther behind than this many records at its start catches up in large batches and tells nobody.
pub const CATCH_UP_LAG_RECORDS: u64 = 16_384;
/// Bytes asked for in one read of the journal while catching up: several of its own batches, of which none is then read twice.
pub const READ_BYTES: usize = 4 << 20;
/// Bytes decoded and folded at a time: with their events they stay in a core's cache.
pub const DECODE_BYTES: usize = 128 << 10;
/// Records whose rows are fetched from memory together, before they are folded one by one: their rows fit a core's cache.
pub const RECORDS_LOOKED_UP_AHEAD: usize = 128;
/// Pieces of that size decoded ahead of the fold while catching up; the reader waits when it is that far ahead.
pub const READ_AHEAD_PIECES_MAX: usize = 16;
/// Differences that a check names; it stops looking after that many.
pub const DIFFERENCES_MAX: usize = 100;
/// Generations of a view in the store: the live one and the one before it, for roll-back. Older ones are dropped.
pub const GENERATIONS_KEPT: usize = 2;

const _: () = assert!(ROOM_FEED_POSITIONS_MAX.is_multiple_of(FEED_CHUNK_POSITIONS));
const _: () = assert!(RECORDS_PER_COMMIT_REBUILD * BYTES_PER_RECORD_MAX <= COMMIT_BYTES_MAX);
const _: () = assert!(RECORDS_PER_COMMIT_CATCH_UP <= RECORDS_PER_COMMIT_REBUILD);
const _: () = assert!(RECORDS_PER_LOCK_MAX <= RECORDS_PER_COMMIT_LIVE_MAX);
