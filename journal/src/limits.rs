//! Every limit of the journal, with its unit in its name and what happens at it. Never a limit without its sentence.

/// Longest key of a stream, in bytes; a longer one fails the append with [`crate::Error::TooLarge`].
pub const STREAM_KEY_BYTES_MAX: usize = 255;
/// Longest name of the actor that caused a record, in bytes; a longer one fails the append with `TooLarge`.
pub const ACTOR_BYTES_MAX: usize = 255;
/// Longest command id, in bytes (64 characters of up to 4 bytes, and in front of it up to 65 that name who sent it, when
/// that is not the stream's own user); a longer one fails the append with `TooLarge`.
pub const COMMAND_ID_BYTES_MAX: usize = 384;
/// Largest append, all its records together, in bytes; a larger one fails with `TooLarge`.
pub const APPEND_BYTES_MAX: usize = 1 << 20;
/// Most bytes of records in one batch, the unit of write and fsync; what does not fit waits for the next one.
pub const BATCH_BYTES_MAX: usize = 2 << 20;

const _: () = assert!(APPEND_BYTES_MAX <= BATCH_BYTES_MAX);
/// Appends that one batch may hold; more wait for the next one.
pub const BATCH_APPENDS_MAX: usize = 16_384;
/// Appends that may wait for the writer; one more is refused (busy).
pub const QUEUE_APPENDS_MAX: usize = 131_072;
/// Lines of appends that are remembered as cut; the oldest is forgotten. Each was cut by an append, so nothing of one that
/// is forgotten can still wait.
pub const BROKEN_LINES_MAX: usize = 2 * QUEUE_APPENDS_MAX;
/// Bytes of records that may wait for the writer; more are refused (busy).
pub const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Bytes of the newest batches kept in memory, so that tails near the head read no disk; older ones are read from it.
pub const RECENT_BYTES_MAX: usize = 32 << 20;
/// Batches that may be durable but not yet published; then the writer waits.
pub const UNPUBLISHED_BATCHES_MAX: usize = 4;
/// Buffers of full batches that are kept to be used again; further ones are given back to the system.
pub const SPARE_BUFFERS_MAX: usize = 4;
/// Streams whose version the writer remembers without asking the index (twice as many at most).
pub const STREAM_HEADS_MAX: usize = 400_000;
/// Size of a segment after which the next one is begun, in bytes. A start checks every byte of the last segment and makes
/// its index, so this bounds how long a start takes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 96 << 20;
/// Largest size of a segment that may be asked for, in bytes: places in a segment are kept in 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;
/// Smallest size of a segment that may be asked for, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// Snapshots that may wait to be kept; further ones are dropped.
pub const SNAPSHOT_QUEUE_MAX: usize = 16_384;
/// Bytes of snapshots that may wait to be kept; further ones are dropped.
pub const SNAPSHOT_QUEUE_BYTES_MAX: usize = 32 << 20;
/// Pieces of up to [`BATCH_BYTES_MAX`] that a verified walk has read and checked before they are asked for; then it waits.
pub const PIECES_AHEAD_MAX: usize = 2;
// One more is being filled and one with the caller: all of them are used again.
const _: () = assert!(PIECES_AHEAD_MAX + 2 <= SPARE_BUFFERS_MAX);
/// Batches that an opening has read and checked before they are in the index; then it waits.
pub const BATCHES_AHEAD_MAX: usize = 8;
/// Bytes of one batch that a tail hands out when it has to read the disk.
pub const TAIL_BYTES: usize = 1 << 20;

// A stream forgotten by the writer must be in the index already.
const _: () = assert!(BATCH_APPENDS_MAX * (UNPUBLISHED_BATCHES_MAX + 2) < STREAM_HEADS_MAX);
const _: () = assert!(SEGMENT_BYTES_MAX + (BATCH_BYTES_MAX as u64) + 4_096 < u32::MAX as u64);
