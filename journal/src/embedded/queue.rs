//! What waits for the writer: bounded in appends and in bytes, filled by the callers' own threads.
//!
//! The queue's buffers become the batches: a caller copies its encoded records straight behind the room for the batch
//! header. Full means refused, never waiting.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use domain::StreamId;

use crate::limits::{
    APPEND_BYTES_MAX, BATCH_APPENDS_MAX, BATCH_BYTES_MAX, QUEUE_APPENDS_MAX, QUEUE_BYTES_MAX,
};
use crate::{Append, Completion, Epoch, Error, Expected, Refused, codec, frame};

use super::active::Hashing;
use super::buffers::Buffers;
use super::layout::BATCH_HEADER_BYTES;

/// One append that waits, apart from its records.
pub(crate) struct Waiting {
    pub(crate) stream: StreamId,
    pub(crate) stream_hash: u64,
    pub(crate) expected: Expected,
    pub(crate) epoch: Epoch,
    pub(crate) bytes: u32,
    pub(crate) records: u32,
    pub(crate) done: Completion,
}

/// Appends that will be one batch: room for its header, then the records of all of them, unplaced.
#[derive(Default)]
pub(crate) struct Fill {
    pub(crate) bytes: Vec<u8>,
    pub(crate) waiting: Vec<Waiting>,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) appends_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) batch_bytes_max: usize,
    pub(crate) batch_appends_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            appends_max: QUEUE_APPENDS_MAX,
            bytes_max: QUEUE_BYTES_MAX,
            batch_bytes_max: BATCH_BYTES_MAX,
            batch_appends_max: BATCH_APPENDS_MAX,
        }
    }
}

#[derive(Default)]
struct State {
    fills: VecDeque<Fill>,
    appends: usize,
    bytes: usize,
    closed: bool,
    poison: Option<Arc<str>>,
    /// Whether the writer sleeps.
    idle: bool,
}

/// See the module.
pub(crate) struct Queue {
    bounds: Bounds,
    hashing: Hashing,
    buffers: Arc<Buffers>,
    state: Mutex<State>,
    ready: Condvar,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What became of an append that was offered.
enum Offer {
    Taken,
    Full(Append, Completion),
    Failed(Error, Completion),
}

impl Queue {
    /// An empty queue; the hashes of streams are made by the callers, the buffers are shared with the writer.
    pub(crate) fn new(bounds: Bounds, hashing: Hashing, buffers: Arc<Buffers>) -> Self {
        Self {
            bounds,
            hashing,
            buffers,
            state: Mutex::default(),
            ready: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an append. One that can never succeed is completed here and now, on the caller's thread.
    pub(crate) fn push(&self, append: Append, done: Completion) -> std::result::Result<(), Box<Refused>> {
        let offer = SCRATCH.with_borrow_mut(|scratch| self.offer(scratch, append, done));
        match offer {
            Offer::Taken => Ok(()),
            Offer::Full(append, done) => Err(Box::new(Refused { append, done })),
            Offer::Failed(error, done) => {
                done(Err(error));
                Ok(())
            }
        }
    }

    fn offer(&self, scratch: &mut Vec<u8>, append: Append, done: Completion) -> Offer {
        scratch.clear();
        if let Err(error) = encode(&append, scratch) {
            return Offer::Failed(error, done);
        }
        let bytes = scratch.len();
        let stream_hash = self.hashing.stream(append.stream.kind, &append.stream.key);
        let mut state = self.lock();
        if let Some(poison) = &state.poison {
            return Offer::Failed(Error::Poisoned(poison.clone()), done);
        }
        if state.closed {
            return Offer::Failed(Error::Closed, done);
        }
        if state.appends >= self.bounds.appends_max || state.bytes + bytes > self.bounds.bytes_max {
            return Offer::Full(append, done);
        }
        let fill = state.fill(bytes, &self.bounds, &self.buffers);
        fill.bytes.extend_from_slice(scratch);
        let Append {
            stream,
            expected,
            epoch,
            events,
            ..
        } = append;
        let (bytes32, records) = (bytes as u32, events.len() as u32);
        fill.waiting.push(Waiting {
            stream,
            stream_hash,
            expected,
            epoch,
            bytes: bytes32,
            records,
            done,
        });
        state.appends += 1;
        state.bytes += bytes;
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Offer::Taken
    }

    /// The next batch; none when nothing waits.
    pub(crate) fn try_take(&self) -> Option<Fill> {
        self.lock().take()
    }

    /// The next batch; waits for one. None when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Fill> {
        let mut state = self.lock();
        loop {
            if let Some(fill) = state.take() {
                return Some(fill);
            }
            if state.closed {
                return None;
            }
            state.idle = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Takes nothing more, for this reason. What waits is handed back, to be failed.
    pub(crate) fn poison(&self, why: Arc<str>) -> Vec<Waiting> {
        let mut state = self.lock();
        state.poison.get_or_insert(why);
        let mut waiting = Vec::new();
        while let Some(fill) = state.take() {
            waiting.extend(fill.waiting);
        }
        waiting
    }

    /// Why nothing more is taken, if a write failed.
    pub(crate) fn poisoned(&self) -> Option<Arc<str>> {
        self.lock().poison.clone()
    }
}

impl State {
    /// The buffer that has room for an append. One that is begun behind another will be full, so it gets its room at once.
    fn fill(&mut self, bytes: usize, bounds: &Bounds, buffers: &Buffers) -> &mut Fill {
        let room = self.fills.back().is_some_and(|fill| {
            let fits = fill.bytes.len() + bytes <= BATCH_HEADER_BYTES + bounds.batch_bytes_max;
            fits && fill.waiting.len() < bounds.batch_appends_max
        });
        if !room {
            let mut fill = match self.fills.back() {
                None => Fill::default(),
                Some(full) => Fill {
                    bytes: buffers.take(),
                    waiting: Vec::with_capacity(full.waiting.len()),
                },
            };
            fill.bytes.resize(BATCH_HEADER_BYTES, 0);
            self.fills.push_back(fill);
        }
        let last = self.fills.len() - 1;
        &mut self.fills[last]
    }

    fn take(&mut self) -> Option<Fill> {
        let fill = self.fills.pop_front()?;
        self.appends -= fill.waiting.len();
        self.bytes -= fill.bytes.len() - BATCH_HEADER_BYTES;
        Some(fill)
    }
}

/// Writes the unplaced records of an append.
fn encode(append: &Append, out: &mut Vec<u8>) -> Result<(), Error> {
    let Append {
        stream,
        cause,
        events,
        ..
    } = append;
    if let Some((bytes, bytes_max)) = frame::oversized(stream, cause) {
        return Err(Error::TooLarge { bytes, bytes_max });
    }
    for event in events {
        let cause = (cause.command_id.as_deref(), cause.request_hash, &*cause.actor);
        let shape = (event.event_type(), codec::schema(event.event_type()));
        frame::push(out, (stream.kind, &stream.key), cause, shape, |out| {
            codec::encode_into(event, out)
        });
        if out.len() > APPEND_BYTES_MAX {
            return Err(Error::TooLarge {
                bytes: out.len(),
                bytes_max: APPEND_BYTES_MAX,
            });
        }
    }
    Ok(())
}
