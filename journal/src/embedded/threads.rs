//! The engine's threads, each a thin loop: the writer (write and sync), the publisher (index, readers, completions), the
//! indexer (index files of full segments) and the keeper of snapshots.
//!
//! The writer hands a durable batch on and goes straight to the next sync; it waits only when the publisher is several
//! batches behind, and the publisher only when the indexer is.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::Error;
use crate::limits::UNPUBLISHED_BATCHES_MAX;

use super::core::Core;
use super::queue::{Fill, Queue};
use super::segment::Segment;
use super::shared::{Durable, Shared};
use super::snapshots::Keeper;
use super::{EmbeddedReader, EmbeddedWriter, Opened};

/// The running threads of an open journal.
pub(crate) struct Threads {
    writer: JoinHandle<()>,
    publisher: JoinHandle<()>,
    indexer: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

/// The next batch, durable or failed. When it failed, so did everything that waits behind it, in order.
pub(crate) fn commit(core: &mut Core, queue: &Queue, fill: Fill) -> Durable {
    let mut durable = core.commit(fill);
    if let Some(why) = &durable.poison {
        let failed = queue.poison(why.clone()).into_iter();
        durable
            .outcomes
            .extend(failed.map(|append| (append.done, Err(Error::Poisoned(why.clone())))));
    }
    durable
}

/// Publishes a batch and completes its appends. Says whether readers could be shown it; if not, its appends fail (they
/// are durable, but that is for the next start to find out) and nothing more is written.
pub(crate) fn publish(shared: &Shared, queue: &Queue, mut durable: Durable) -> bool {
    let published = shared.publish(&mut durable);
    if let Err(error) = &published {
        tracing::error!(%error, "a durable batch could not be published");
        let why: Arc<str> = error.to_string().into();
        let failed = queue.poison(why.clone()).into_iter();
        durable
            .outcomes
            .extend(failed.map(|append| (append.done, Err(Error::Closed))));
        for (_, outcome) in &mut durable.outcomes {
            *outcome = Err(Error::Poisoned(why.clone()));
        }
    }
    for (done, outcome) in durable.outcomes {
        done(outcome);
    }
    published.is_ok()
}

type Lock = Arc<Box<dyn Send + Sync>>;

fn spawn(name: &str, lock: Lock, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        work();
        drop(lock);
    })
}

impl Threads {
    /// Waits for the threads, but never for the one that asks.
    pub(crate) fn finish(self, keeper: &Keeper) {
        for thread in [self.writer, self.publisher, self.indexer] {
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
        }
        keeper.close();
        if self.keeper.thread().id() != thread::current().id() && self.keeper.join().is_err() {
            tracing::error!("the keeper of snapshots panicked");
        }
    }

    fn start(opened: Opened) -> std::io::Result<(Self, Arc<Queue>, Arc<Keeper>)> {
        let Opened {
            lock,
            core,
            shared,
            queue,
            keeper,
            ..
        } = opened;
        let (to_publisher, durable) = sync_channel(UNPUBLISHED_BATCHES_MAX - 1);
        let (to_indexer, sealed) = sync_channel(1);
        let unfinished: Vec<_> = shared
            .segments()
            .iter()
            .filter(|s| s.is_unfinished())
            .cloned()
            .collect();
        // The directory is free when the last thread has ended.
        let lock = Arc::new(lock);
        let (writers, publishers, keepers) = (queue.clone(), queue.clone(), keeper.clone());
        let (published, kept) = (shared.clone(), shared);
        let (lock_1, lock_2, lock_3, lock_4) = (lock.clone(), lock.clone(), lock.clone(), lock);
        let threads = Self {
            writer: spawn("journal-writer", lock_1, move || {
                write_all(core, &writers, &to_publisher)
            })?,
            publisher: spawn("journal-publisher", lock_2, move || {
                publish_all(&published, &publishers, &durable, &to_indexer);
            })?,
            indexer: spawn("journal-indexer", lock_3, move || index_all(unfinished, &sealed))?,
            keeper: spawn("journal-snapshots", lock_4, move || {
                keepers.run(&kept);
                kept.snapshots.close();
            })?,
        };
        Ok((threads, queue, keeper))
    }
}

fn write_all(mut core: Core, queue: &Queue, publisher: &SyncSender<Durable>) {
    // After a failure the queue takes nothing more: the loop then waits for the end.
    while let Some(fill) = queue.take() {
        if publisher.send(commit(&mut core, queue, fill)).is_err() {
            return;
        }
    }
    if let Err(error) = core.close() {
        tracing::error!(%error, "the journal could not be closed in good order; nothing acknowledged is lost");
    }
}

fn publish_all(
    shared: &Shared,
    queue: &Queue,
    durable: &Receiver<Durable>,
    indexer: &SyncSender<Arc<Segment>>,
) {
    let mut good = true;
    while let Ok(durable) = durable.recv() {
        if !good {
            let why = queue
                .poisoned()
                .unwrap_or_else(|| "a batch could not be published".into());
            for (done, _) in durable.outcomes {
                done(Err(Error::Poisoned(why.clone())));
            }
            continue;
        }
        let sealed = durable.sealed.clone();
        good = publish(shared, queue, durable);
        if let Some(sealed) = sealed {
            _ = indexer.send(sealed);
        }
    }
    shared.close();
}

fn index_all(unfinished: Vec<Arc<Segment>>, sealed: &Receiver<Arc<Segment>>) {
    for segment in unfinished.into_iter().chain(sealed.iter()) {
        if let Err(error) = segment.finish_index() {
            tracing::warn!(%error, "the index of a segment could not be made; the next start makes it");
        }
    }
}

impl Opened {
    pub(super) fn with_threads(self) -> crate::Result<(EmbeddedReader, EmbeddedWriter)> {
        let reader = self.reader();
        let (epoch, repairs) = (self.core.epoch(), self.repairs);
        let started = Threads::start(self);
        let (threads, queue, keeper) = started.map_err(|source| Error::Io {
            path: "thread".into(),
            source: Arc::new(source),
        })?;
        Ok((
            reader,
            EmbeddedWriter {
                epoch,
                repairs,
                queue,
                keeper,
                threads: Mutex::new(Some(threads)),
            },
        ))
    }
}
