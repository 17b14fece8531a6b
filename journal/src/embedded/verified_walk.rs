//! Every record of a journal, in order, of which every byte is checked on the way: one pass for those who verify and fold at
//! once. A thread of its own reads and checks ahead, so that the fold has another processor to itself. It hands out nothing
//! unchecked, writes nothing, and must never be further ahead than a few pieces.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::limits::PIECES_AHEAD_MAX;
use crate::storage::{Disk, Storage};
use crate::{Error, RecordBatch, Result};

use super::buffers::Buffers;
use super::segment::SHARD;
use super::verify::{Check, Verified};
use super::walk::Found;

/// Walks through the journal of a directory once and checks all that [`super::verify`] checks: checksums, order, identity,
/// the chain. The versions of a stream are not among that; whoever folds the records sees them. A server may be
/// running: what it writes later is not seen.
///
/// Records are handed out in pieces of up to 2 MiB, several batches of the journal in one. At most [`PIECES_AHEAD_MAX`] wait.
/// Dropping the walk ends it.
pub struct VerifiedWalk {
    /// None when it is over.
    pieces: Option<Receiver<Piece>>,
    thread: Option<JoinHandle<Result<Verified>>>,
    outcome: Option<Result<Verified>>,
    done_bytes: u64,
    total_bytes: u64,
}

/// Consecutive records that were found good, and how far the check was then.
struct Piece {
    records: RecordBatch,
    done_bytes: u64,
}

impl VerifiedWalk {
    /// Begins at the first record of the journal of a directory.
    ///
    /// # Errors
    /// [`Error::Unusable`] when there is no journal, [`Error::Damaged`] when a segment is missing, [`Error::Io`] when the
    /// operating system refuses something.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_storage(Arc::new(Disk::new(dir.as_ref())))
    }

    /// As [`Self::open`], over any storage.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub fn open_storage(storage: Arc<dyn Storage>) -> Result<Self> {
        let total_bytes = Check::new(&storage)?.total_bytes;
        let (put, pieces) = sync_channel(PIECES_AHEAD_MAX);
        let path = storage.path(".");
        let thread = std::thread::Builder::new()
            .name("journal-walk".into())
            .spawn(move || run(&storage, put))
            .map_err(|source| Error::Io {
                path,
                source: Arc::new(source),
            })?;
        Ok(Self {
            pieces: Some(pieces),
            thread: Some(thread),
            outcome: None,
            done_bytes: 0,
            total_bytes,
        })
    }

    /// The next records, at least one; waits for them. None when every byte was found good: then [`Self::verified`] says
    /// what they came to.
    ///
    /// # Errors
    /// As of [`super::verify`], after all records before the damage; again at every further call.
    pub fn next_records(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(piece) = self.pieces.as_ref().and_then(|pieces| pieces.recv().ok()) {
            self.done_bytes = piece.done_bytes;
            return Ok(Some(piece.records));
        }
        self.pieces = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => self.outcome = Some(outcome),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => {}
        }
        match &self.outcome {
            Some(Ok(_)) => {
                self.done_bytes = self.total_bytes;
                Ok(None)
            }
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Closed),
        }
    }

    /// Bytes of the journal up to the end of the records last handed out, and bytes in all when the walk began.
    pub fn progress_bytes(&self) -> (u64, u64) {
        (self.done_bytes, self.total_bytes)
    }

    /// What the journal came to; none before its end, and none when it is damaged.
    pub fn verified(&self) -> Option<&Verified> {
        self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok())
    }
}

impl Drop for VerifiedWalk {
    fn drop(&mut self) {
        // The thread finds nobody to hand its next piece to, and ends.
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been reported where it happened, and dropping must not start another.
            _ = thread.join();
        }
    }
}

fn run(storage: &Arc<dyn Storage>, put: SyncSender<Piece>) -> Result<Verified> {
    let mut gathered = Gathered::new(put);
    let outcome = Check::new(storage)?.run(&mut |found, done_bytes| gathered.add(found, done_bytes));
    // Also before damage: what stands before it is good.
    _ = gathered.hand_out();
    outcome
}

/// Records of small batches are gathered: one hand-over for many.
struct Gathered {
    put: SyncSender<Piece>,
    home: Arc<Buffers>,
    bytes: Vec<u8>,
    first: u64,
    count: usize,
    done_bytes: u64,
}

impl Gathered {
    fn new(put: SyncSender<Piece>) -> Self {
        let home = Arc::<Buffers>::default();
        Self {
            put,
            bytes: home.take(),
            home,
            first: 1,
            count: 0,
            done_bytes: 0,
        }
    }

    fn add(&mut self, found: &Found<'_>, done_bytes: u64) -> ControlFlow<()> {
        if self.bytes.len() + found.payload.len() > self.bytes.capacity() {
            self.hand_out()?;
        }
        self.bytes.extend_from_slice(found.payload);
        self.count += found.header.count as usize;
        self.done_bytes = done_bytes;
        ControlFlow::Continue(())
    }

    fn hand_out(&mut self) -> ControlFlow<()> {
        if self.count == 0 {
            return ControlFlow::Continue(());
        }
        let full = std::mem::take(&mut self.bytes);
        let bytes: Bytes = Buffers::share(&self.home, full);
        let records = RecordBatch::trusted(SHARD, self.first, self.count, bytes);
        self.first += self.count as u64;
        self.count = 0;
        let piece = Piece {
            records,
            done_bytes: self.done_bytes,
        };
        if self.put.send(piece).is_err() {
            return ControlFlow::Break(());
        }
        self.bytes = self.home.take();
        ControlFlow::Continue(())
    }
}
