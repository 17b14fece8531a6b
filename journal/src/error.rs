//! What broke. (What is merely refused is `domain::Rejection`.)

use std::path::PathBuf;
use std::sync::Arc;

use domain::StreamId;

use crate::{Epoch, Expected, Position};

/// The outcome of anything a journal does.
pub type Result<T> = std::result::Result<T, Error>;

/// Something about the journal is broken, or an append met a stream that is not as expected. Cheap to clone: one failed
/// batch fails many appends.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The stream is not at the expected version: somebody else wrote, or an append before this one failed.
    #[error("stream {stream} is at version {actual}, not as expected ({expected:?})")]
    Conflict {
        /// Which stream.
        stream: StreamId,
        /// What was expected.
        expected: Expected,
        /// Where it stands.
        actual: u64,
    },
    /// The owner who decided is not the present one.
    #[error("the owner of epoch {} is not the present one ({})", stale.0, current.0)]
    StaleOwner {
        /// Whose append it was.
        stale: Epoch,
        /// The present owner.
        current: Epoch,
    },
    /// An append that no batch can hold.
    #[error("an append of {bytes} bytes is larger than a batch may be ({bytes_max})")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The journal is closed, or closing; nothing was written.
    #[error("the journal is closed")]
    Closed,
    /// A write or an fsync failed: whether the bytes are durable is unknown, nothing more is accepted, and the process
    /// must end.
    #[error("the journal can no longer write: {0}; free space or mend the disk, then start again")]
    Poisoned(Arc<str>),
    /// The operating system refused an operation.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: Arc<std::io::Error>,
    },
    /// Acknowledged bytes are damaged or missing.
    #[error(
        "{path} is damaged at byte {offset}: {what}; nothing was changed. Restore this file from a backup"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The directory does not hold what was asked for.
    #[error("{path}: {what}")]
    Unusable {
        /// Which directory or file.
        path: PathBuf,
        /// What it is instead, and what to do.
        what: String,
    },
    /// A record whose event this program cannot read.
    #[error("record {position} of stream {stream} cannot be decoded: {what}")]
    Undecodable {
        /// Where it stands.
        position: Position,
        /// Whose it is.
        stream: StreamId,
        /// Why.
        what: String,
    },
}
