//! The writer without threads, for simulations: the same core, driven one batch at a time. Never used by the server.

use std::sync::{Arc, Mutex};

use crate::{Error, Result};

use super::core::Core;
use super::queue::Queue;
use super::segment::Segment;
use super::shared::Shared;
use super::snapshots::{Keeper, MemorySnapshots};
use super::{EmbeddedReader, EmbeddedWriter, Opened, threads};

/// Does the work of the engine's threads, when told. Dropping it is what a crash looks like from inside.
pub struct Stepper {
    core: Core,
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    keeper: Arc<Keeper>,
    _lock: Box<dyn Send + Sync>,
}

impl Stepper {
    /// Writes, publishes and completes the next batch, and keeps the snapshots that wait; `false` when nothing waited.
    pub fn step(&mut self) -> bool {
        let Some(fill) = self.queue.try_take() else {
            return self.keeper.keep(&self.shared) > 0;
        };
        let durable = threads::commit(&mut self.core, &self.queue, fill);
        let sealed = durable.sealed.clone();
        threads::publish(&self.shared, &self.queue, durable);
        if let Some(segment) = sealed {
            finish(&segment);
        }
        self.keeper.keep(&self.shared);
        true
    }

    /// Closes in good order: writes what waits, and says durably that all of it is.
    ///
    /// # Errors
    /// When the storage fails; [`Error::Poisoned`] when it has failed before.
    pub fn close(mut self) -> Result<()> {
        self.queue.close();
        while self.step() {}
        self.shared.close();
        match self.queue.poisoned() {
            Some(poison) => Err(Error::Poisoned(poison)),
            None => self.core.close(),
        }
    }
}

impl Drop for Stepper {
    /// What waits will never be written. It is failed, because it holds those who wait for it, who hold the writer, which
    /// holds the queue: left there, all of them would stay in memory for ever.
    fn drop(&mut self) {
        for waiting in self.queue.poison("the process is gone".into()) {
            (waiting.done)(Err(Error::Closed));
        }
    }
}

/// Snapshots in memory that outlive an opening, as those on a disk outlive a process. Clones are the same.
#[derive(Clone, Default)]
pub struct SimSnapshots(pub(super) Arc<MemorySnapshots>);

impl SimSnapshots {
    /// Loses all of them.
    pub fn lose(&self) {
        self.0.lose();
    }

    /// Flips a bit of one of them, chosen by `at`; says whether there was one.
    pub fn flip_bit(&self, at: usize) -> bool {
        self.0.flip_bit(at)
    }
}

fn finish(segment: &Segment) {
    if let Err(error) = segment.finish_index() {
        tracing::warn!(%error, "the index of a segment could not be made; the next start makes it");
    }
}

impl Opened {
    pub(super) fn with_stepper(self) -> (EmbeddedReader, EmbeddedWriter, Stepper) {
        let reader = self.reader();
        for segment in self.shared.segments().iter() {
            finish(segment);
        }
        let (epoch, queue, keeper) = (self.core.epoch(), self.queue.clone(), self.keeper.clone());
        let repairs = self.repairs;
        let writer = EmbeddedWriter {
            epoch,
            repairs,
            queue,
            keeper,
            threads: Mutex::new(None),
        };
        let Self {
            lock,
            core,
            shared,
            queue,
            keeper,
            ..
        } = self;
        (
            reader,
            writer,
            Stepper {
                core,
                shared,
                queue,
                keeper,
                _lock: lock,
            },
        )
    }
}
