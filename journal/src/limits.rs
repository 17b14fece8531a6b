//! Every limit of the journal, with its unit in its name and what happens at it. Never a limit without its sentence.

/// Longest key of a stream, in bytes; a longer one fails the append with [`crate::Error::TooLarge`].
pub const STREAM_KEY_BYTES_MAX: usize = 255;
/// Longest name of the actor that caused a record, in bytes; a longer one fails the append with `TooLarge`.
pub const ACTOR_BYTES_MAX: usize = 255;
/// Longest command id, in bytes (64 characters of up to 4 bytes); a longer one fails the append with `TooLarge`.
pub const COMMAND_ID_BYTES_MAX: usize = 256;
/// Largest append, all its records together, in bytes; a larger one fails with `TooLarge`.
pub const APPEND_BYTES_MAX: usize = 1 << 20;
/// Most bytes of records in one batch, the unit of write and fsync; what does not fit waits for the next one.
pub const BATCH_BYTES_MAX: usize = 2 << 20;

const _: () = assert!(APPEND_BYTES_MAX <= BATCH_BYTES_MAX);
