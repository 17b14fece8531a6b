//! The two ports of a journal. Every engine offers exactly these, and one conformance suite judges them all.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Event, StreamId};

use crate::{Cause, Checkpoint, Epoch, JournalId, Position, Record, RecordBatch, Result};

/// A future of an engine; the embedded engine's are ready at once.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the stream must look like for an append to take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// No event yet.
    Empty,
    /// Exactly this many events.
    Exact(u64),
    /// Exactly this many events, and no append of this line has failed: for those who decide an append on the outcome of
    /// ones that still wait, and so must lose all that follow a lost one.
    InLine {
        /// How many events.
        version: u64,
        /// Names the line; unique among all lines of a process.
        line: u64,
    },
}

/// Events to be appended to one stream, all or none.
#[derive(Debug)]
pub struct Append {
    /// Which stream.
    pub stream: StreamId,
    /// What it must look like.
    pub expected: Expected,
    /// The epoch of the owner who decided; an older one than the journal's is refused.
    pub epoch: Epoch,
    /// Why.
    pub cause: Cause,
    /// What; empty = a barrier: completes when everything queued before it is durable.
    pub events: Vec<Event>,
}

/// Where an append came to stand, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event (of a barrier: the durable head).
    pub first: Position,
    /// Position of the last event.
    pub last: Position,
    /// Version of the last event in its stream (0 for a barrier).
    pub version: u64,
    /// The server time all events carry, unix ms.
    pub recorded_at_ms: i64,
}

/// Called exactly once, when the append is durable or has failed. Runs on the engine's own thread: it must be short,
/// and must not block.
pub type Completion = Box<dyn FnOnce(Result<Appended>) + Send>;

/// The queue is full: nothing was taken. The completion comes back uncalled.
pub struct Refused {
    /// What was not queued.
    pub append: Append,
    /// Its completion, not called.
    pub done: Completion,
}

/// The power to append. Only `actors` holds one.
pub trait Writer: Send + Sync {
    /// The epoch of this opening, for [`Append::epoch`].
    fn epoch(&self) -> Epoch;

    /// Queues an append. Appends are written in the order of the calls; `done` is called when the outcome is durable.
    /// Fails at once only when the queue is full (the limits are the engine's; full means busy).
    fn append(&self, append: Append, done: Completion) -> std::result::Result<(), Box<Refused>>;

    /// Keeps a snapshot, instead of the last one of that stream. It may be lost; it is never waited for.
    fn save_snapshot(&self, stream: &StreamId, snapshot: Snapshot);
}

/// A state at a version, so that an actor need not be replayed from the start. Never trusted without its identity: the
/// journal hands it out only if it names this journal, its digest is right and its position is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Version of the stream it stands at.
    pub version: u64,
    /// Position of the record of that version.
    pub position: Position,
    /// Shape of the state, see `Aggregate::SNAPSHOT_SCHEMA`.
    pub schema: u16,
    /// The state, encoded by its owner.
    pub state: Bytes,
}

/// The power to read. Everything it hands out is durable.
pub trait Reader: Send + Sync {
    /// Which journal this is.
    fn id(&self) -> JournalId;

    /// How many shards it has, at least 1.
    fn shards(&self) -> u16;

    /// The durable end of every shard.
    fn head(&self) -> Checkpoint;

    /// The next records of one shard after a position, in order: as many as fit into about `bytes_max` (at least one,
    /// if there is one). Empty at the head.
    fn read(&self, after: Position, bytes_max: usize) -> BoxFuture<'_, Result<Arc<RecordBatch>>>;

    /// Follows the whole journal from a checkpoint: first what is there, then what becomes durable.
    fn tail(&self, after: &Checkpoint) -> Box<dyn Tail>;

    /// Up to `limit` records of one stream with a version above `after_version`, in order. Its cost does not depend on
    /// the length of the journal. `not_before` is a position known to be at or before the first wanted record (such as
    /// a snapshot's), or the shard's start.
    fn read_stream(
        &self,
        stream: &StreamId,
        after_version: u64,
        not_before: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>>>;

    /// The version of a stream's last record; 0 when it has none. What an engine does not know better is found out by
    /// reading single records: ever further ahead, then halving what is left.
    fn stream_version<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<u64>> {
        Box::pin(find_version(self, stream))
    }

    /// The first record that a command id left in a stream, however long ago.
    fn find_command(&self, stream: &StreamId, command_id: &str) -> BoxFuture<'_, Result<Option<Record>>>;

    /// The first record of every command of this id, whatever its stream: at most `limit` of them, in order of their
    /// positions, each of another stream or another sender. An id without a sender finds those of every sender, one that
    /// is qualified (see [`crate::command_id`]) only its own. Its cost grows slowly with the length of the journal, and
    /// is bounded by `limit`.
    fn find_command_anywhere(&self, command_id: &str, limit: usize) -> BoxFuture<'_, Result<Vec<Record>>>;

    /// The last trustworthy snapshot of a stream.
    fn snapshot(&self, stream: &StreamId) -> BoxFuture<'_, Result<Option<Snapshot>>>;
}

/// The last version of a stream, found out by reading single records.
pub(crate) async fn find_version<R: Reader + ?Sized>(reader: &R, stream: &StreamId) -> Result<u64> {
    let (mut there, mut step) = (0, 1);
    while exists(reader, stream, there + step).await? {
        there += step;
        step *= 2;
    }
    // There is a record at `there`, unless it is 0, and none at `there + step`.
    while step > 1 {
        step /= 2;
        if exists(reader, stream, there + step).await? {
            there += step;
        }
    }
    Ok(there)
}

async fn exists<R: Reader + ?Sized>(reader: &R, stream: &StreamId, version: u64) -> Result<bool> {
    let found = reader
        .read_stream(stream, version - 1, Position::start(0), 1)
        .await?;
    Ok(!found.is_empty())
}

/// A place in the journal that moves with it.
pub trait Tail: Send {
    /// The next durable records, in order; waits at the head. Batches of one shard never overlap and leave no gap.
    /// Cancel-safe. An error is final: damage, or [`crate::Error::Closed`] when the journal closes.
    fn next(&mut self) -> BoxFuture<'_, Result<Arc<RecordBatch>>>;
}
