//! Every bound of the gateway, with its unit in its name and a sentence on what happens there. What an operator may
//! want to move is a field of [`crate::Config`] and starts from here; the rest is fixed. Never a bound without a policy.

/// Largest WebSocket message a client may send; a larger one closes the socket with 1009, before it is buffered.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// Largest frame we ever emit stays below this: some SDKs refuse 1 MiB. What would be larger is answered with error 100.
pub const FRAME_BYTES_MAX: usize = 1_048_576 - 1_024;

/// Waiting output is joined into one WebSocket message up to about this size; a single larger reply goes alone.
pub const FRAME_BYTES_TARGET: usize = 32_768;

/// Largest payload of one publication; `publish` refuses a larger one.
pub const PUBLICATION_BYTES_MAX: usize = 262_144;

/// What a channel says within this time after its last frame travels as one frame. It grows with the channel: a
/// millisecond for every [`TICK_SUBSCRIBERS_PER_MS`] subscribers; and it is doubled, and doubled again, while more than
/// half of the subscribers have not taken the frame before.
pub const TICK_MS_MIN: u64 = 50;

/// No tick is longer, however large the channel and however late its readers.
pub const TICK_MS_MAX: u64 = 200;

/// See [`TICK_MS_MIN`]: 1,250 subscribers still have the shortest tick, 5,000 the longest.
pub const TICK_SUBSCRIBERS_PER_MS: u64 = 25;

/// Payload bytes waiting for the end of a channel's tick that end it at once.
pub const TICK_BYTES_TARGET: usize = FRAME_BYTES_TARGET / 2;

/// Payload bytes waiting for a channel's fan-out. At the bound ephemeral publications go first; a durable one that does
/// not fit makes every subscriber of the channel lose its place (2500, as with a full outbox): publishers never wait.
pub const CHANNEL_PENDING_BYTES_MAX: usize = 1_048_576;

/// Members served under one lock: who comes or goes meanwhile waits no longer than this takes.
pub const FANOUT_STRIDE_MEMBERS: usize = 512;

/// Threads that fan out. One channel keeps one of them busy at a time; when all are, other channels wait for a turn.
pub const FANOUT_THREADS: usize = 4;

/// Publications that fit into one subscribe or connect reply; the rest follow as ordinary pushes right behind it.
pub const RECOVERY_REPLY_BYTES_MAX: usize = 262_144;

/// Publications asked from the backend at once while a subscription catches up.
pub const RECOVERY_PAGE_PUBLICATIONS: usize = 256;

/// Payload bytes of one such page; what is over is cut off and asked for again.
pub const RECOVERY_PAGE_BYTES_MAX: usize = 262_144;

/// Publications in one history reply; a larger `limit` is cut to this.
pub const HISTORY_PUBLICATIONS_MAX: usize = 300;

/// Bytes of payload in one history reply; later publications are left for the next page.
pub const HISTORY_BYTES_MAX: usize = 524_288;

/// Clients listed in one presence reply; a larger presence answers error 106 (ask `presence_stats`).
pub const PRESENCE_CLIENTS_MAX: usize = 2_048;

/// Output waiting for one socket. At the bound ephemeral publications go first, then a durable channel is given up
/// with `unsubscribe` 2500 (recoverable, client-side), close 3010 (server-side) or close 3008 (anything else).
pub const OUTBOX_BYTES_MAX: usize = 1_048_576;

/// Room above [`OUTBOX_BYTES_MAX`] that only the newest state per channel may use; a state that does not fit is dropped
/// and counted, its successor tries again.
pub const OUTBOX_STATE_RESERVE_BYTES: usize = 65_536;

/// Live publications held back for one subscription while it is being opened or recovers. At the bound a recoverable
/// one forgets them and reads them from the log instead; any other is given up like an overflowing durable channel.
pub const SUBSCRIBE_BUFFER_BYTES_MAX: usize = 262_144;

/// Backend calls one connection may have under way; at the bound its socket is not read until one is answered.
pub const COMMANDS_IN_FLIGHT_MAX: usize = 128;

/// Connections the system keeps that were not accepted yet; more are not answered, and their clients try again.
pub const CONNECTIONS_WAITING_MAX: i32 = 4_096;

/// Bytes read from a socket at once, on the stack; what is more is read in the next round.
pub const READ_BYTES_AT_ONCE: usize = 8_192;

/// A frame up to this size is copied together with its head before it is written; a larger one is gathered.
pub const WRITE_JOINED_BYTES_MAX: usize = 4_096;

/// Frames one wake-up of a socket may write before others get their turn.
pub const FRAMES_PER_WAKE_MAX: usize = 16;

/// Rounds of work one wake-up of a connection may do before others get their turn.
pub const ROUNDS_PER_WAKE_MAX: usize = 64;

/// Open sockets; one more upgrade is answered with 503 and `Retry-After`.
pub const CONNECTIONS_MAX: usize = 100_000;

/// Open connections of one address (IPv6: of one /64); one more is answered with 429 and `Retry-After`. As many again may
/// be no sockets: ordinary HTTP, or handshakes that are not over; one more of those is hung up on without a word. Whole
/// villages stand behind a carrier's address. 0 = no limit.
pub const CONNECTIONS_PER_ADDRESS_MAX: u32 = 1_000;

/// New connections per second, with a burst of two seconds' worth; more are answered with 503 and `Retry-After`, their
/// SDKs come back after a random pause. 0 = no limit.
pub const HANDSHAKES_PER_SECOND_MAX: u32 = 5_000;

/// The same for one address, with a burst of ten seconds' worth; more are answered with 429. 0 = no limit.
pub const HANDSHAKES_PER_ADDRESS_PER_SECOND_MAX: u32 = 100;

/// Addresses remembered; at the bound those who have no connection open are forgotten.
pub const ADDRESSES_REMEMBERED_MAX: usize = 200_000;

/// Commands of one connection per second in the long run; one more is answered with error 111. 0 = no limit.
pub const COMMANDS_PER_SECOND_MAX: u32 = 1_000;

/// Commands one connection may send at once after a rest: enough to subscribe to every channel it may have and to send
/// again what was under way.
pub const COMMANDS_BURST: u32 = 2_000;

/// Error 111 so often at once, and then once more a second, is forgiven; beyond, the connection is closed with 3013.
pub const REFUSED_COMMANDS_BURST: u32 = 200;

/// Frames of a client without a socket that its connection has not taken yet; one more is answered with 503, and its
/// SDK begins anew.
pub const EMULATION_INBOX_BYTES_MAX: usize = 262_144;

/// What a request to `/emulation` may hold besides its frame; a longer one is answered with 413.
pub const EMULATION_ENVELOPE_BYTES_MAX: usize = 1_024;

/// Subscriptions of one connection, server-side ones included; one more is answered with error 106.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 128;

/// Length of a channel's name; a longer one is answered with error 107.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// Length of an RPC method's name; a longer one is answered with error 104.
pub const METHOD_NAME_BYTES_MAX: usize = 128;

/// Close reasons are cut here: a WebSocket control frame holds 125 bytes, two of them the code.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Offsets stay below this: JavaScript holds them as doubles.
pub const OFFSET_MAX: u64 = (1 << 53) - 1;

const _: () = assert!(FRAME_BYTES_TARGET + PUBLICATION_BYTES_MAX * 2 < FRAME_BYTES_MAX);
const _: () = assert!(RECOVERY_REPLY_BYTES_MAX + PUBLICATION_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(HISTORY_BYTES_MAX + PUBLICATION_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= OUTBOX_BYTES_MAX);
const _: () = assert!(TICK_MS_MIN < TICK_MS_MAX && TICK_BYTES_TARGET < CHANNEL_PENDING_BYTES_MAX);
const _: () = assert!(PUBLICATION_BYTES_MAX < CHANNEL_PENDING_BYTES_MAX);
const _: () = assert!(COMMANDS_BURST as usize > 2 * CHANNELS_PER_CONNECTION_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX * 2 < EMULATION_INBOX_BYTES_MAX);
const _: () = assert!(CONNECTIONS_MAX < ADDRESSES_REMEMBERED_MAX);
const _: () = assert!(SUBSCRIBE_BUFFER_BYTES_MAX < OUTBOX_BYTES_MAX);
