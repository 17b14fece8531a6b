//! The reading handle of the embedded engine. It sees what is published and nothing else; its futures are ready at once.

use std::sync::Arc;

use domain::StreamId;
use tokio::sync::watch;

use crate::limits::TAIL_BYTES;
use crate::{
    BoxFuture, Checkpoint, Error, JournalId, Position, Reader, Record, RecordBatch, Result, Snapshot, Tail,
};

use super::segment::SHARD;
use super::shared::Shared;
use super::snapshots;

/// Reads the embedded journal; cheap to clone.
#[derive(Clone)]
pub struct EmbeddedReader {
    pub(crate) shared: Arc<Shared>,
}

fn ready<'a, T: Send + 'a>(outcome: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(outcome))
}

impl Reader for EmbeddedReader {
    fn id(&self) -> JournalId {
        self.shared.id
    }

    fn shards(&self) -> u16 {
        1
    }

    fn head(&self) -> Checkpoint {
        let mut head = Checkpoint::start(1);
        head.advance(Position {
            shard: SHARD,
            sequence: self.shared.head(),
        });
        head
    }

    fn read(&self, after: Position, bytes_max: usize) -> BoxFuture<'_, Result<Arc<RecordBatch>>> {
        if after.shard != SHARD {
            return ready(Ok(Arc::new(RecordBatch::empty(after))));
        }
        ready(self.shared.read(after.sequence, bytes_max))
    }

    fn tail(&self, after: &Checkpoint) -> Box<dyn Tail> {
        let changed = self.shared.subscribe();
        Box::new(EmbeddedTail {
            shared: self.shared.clone(),
            at: after.get(SHARD),
            changed,
        })
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after_version: u64,
        not_before: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>>> {
        ready(
            self.shared
                .stream(stream, after_version, not_before.sequence, limit),
        )
    }

    fn stream_version<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<u64>> {
        ready(self.shared.version(stream))
    }

    fn find_command(&self, stream: &StreamId, command_id: &str) -> BoxFuture<'_, Result<Option<Record>>> {
        ready(self.shared.command(stream, command_id))
    }

    fn find_command_anywhere(&self, command_id: &str, limit: usize) -> BoxFuture<'_, Result<Vec<Record>>> {
        ready(self.shared.command_anywhere(command_id, limit))
    }

    fn snapshot(&self, stream: &StreamId) -> BoxFuture<'_, Result<Option<Snapshot>>> {
        ready(snapshots::load(&self.shared, stream))
    }
}

struct EmbeddedTail {
    shared: Arc<Shared>,
    at: u64,
    changed: watch::Receiver<u64>,
}

impl Tail for EmbeddedTail {
    fn next(&mut self) -> BoxFuture<'_, Result<Arc<RecordBatch>>> {
        Box::pin(async move {
            loop {
                self.changed.borrow_and_update();
                let batch = self.shared.read(self.at, TAIL_BYTES)?;
                if !batch.is_empty() {
                    self.at = batch.last().sequence;
                    return Ok(batch);
                }
                self.changed.changed().await.map_err(|_| Error::Closed)?;
            }
        })
    }
}
