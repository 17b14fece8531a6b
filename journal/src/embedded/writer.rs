//! The writing handle of the embedded engine: it queues, others write. Never waits, except in `close`.

use std::sync::{Arc, Mutex, PoisonError};

use domain::StreamId;

use crate::{Append, Completion, Epoch, Refused, Snapshot, Writer};

use super::Repairs;
use super::queue::Queue;
use super::snapshots::Keeper;
use super::threads::Threads;

/// Appends to the embedded journal. Dropping it closes the journal in good order.
pub struct EmbeddedWriter {
    pub(crate) epoch: Epoch,
    pub(crate) repairs: Repairs,
    pub(crate) queue: Arc<Queue>,
    pub(crate) keeper: Arc<Keeper>,
    /// None when a stepper does the work.
    pub(crate) threads: Mutex<Option<Threads>>,
}

impl EmbeddedWriter {
    /// Takes no more appends, writes those that wait, completes them, and gives the directory free. Returns when all
    /// that is done; on the engine's own threads it does not wait for itself. May be called again.
    pub fn close(&self) {
        self.queue.close();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(threads) = threads {
            threads.finish(&self.keeper);
        }
    }

    /// What the opening had to put right after a crash.
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// Why nothing can be written any more, if a write or a sync has failed: the process must end.
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.queue.poisoned()
    }
}

impl Drop for EmbeddedWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl Writer for EmbeddedWriter {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn append(&self, append: Append, done: Completion) -> std::result::Result<(), Box<Refused>> {
        self.queue.push(append, done)
    }

    fn save_snapshot(&self, stream: &StreamId, snapshot: Snapshot) {
        self.keeper.save(stream, snapshot);
    }
}
