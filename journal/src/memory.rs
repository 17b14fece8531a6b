//! A journal in memory, for the tests of everything that needs one.
//!
//! It keeps the ports' promises except durability, and fails on demand. It is never used by the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::StreamId;
use tokio::sync::watch;

use crate::limits::APPEND_BYTES_MAX;
use crate::lines::Lines;
use crate::{
    Append, Appended, BoxFuture, Checkpoint, Completion, Epoch, Error, Expected, JournalId, Position, Reader,
    Record, RecordBatch, RecordBatchBuilder, Refused, Result, Snapshot, Tail, Writer, codec, command_id,
    frame,
};

/// When the clock of a new journal in memory stands, unix ms; [`MemoryJournal::set_now_ms`] moves it.
pub const NOW_MS: i64 = 1_700_000_000_000;
/// Bytes of one batch that a tail hands out.
const TAIL_BATCH_BYTES: usize = 1 << 20;

/// A journal over vectors: both powers in one handle, cheap to clone. Appends complete before `append` returns, unless
/// held.
#[derive(Clone)]
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    shards: u16,
}

#[derive(Default)]
struct State {
    shards: Vec<Vec<Record>>,
    streams: HashMap<StreamId, Vec<Position>>,
    commands: HashMap<(StreamId, String), Position>,
    snapshots: HashMap<StreamId, Snapshot>,
    queue: VecDeque<(Append, Completion)>,
    held: bool,
    full: bool,
    fail_next: VecDeque<Error>,
    now_ms: i64,
    lines: Lines,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal of one shard.
    pub fn new() -> Self {
        Self::with_shards(1)
    }

    /// An empty journal of `shards` shards; streams are spread over them by their name.
    pub fn with_shards(shards: u16) -> Self {
        let shards = shards.max(1);
        let vectors = (0..shards).map(|_| Vec::new()).collect();
        let state = State {
            shards: vectors,
            now_ms: NOW_MS,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changed: watch::channel(0).0,
            shards,
        }
    }

    /// Sets the clock; recorded times still never go back.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.lock().now_ms = now_ms;
    }

    /// From now on appends are queued: nothing is written, read or completed until [`Self::release`].
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// How many appends wait.
    pub fn held(&self) -> usize {
        self.lock().queue.len()
    }

    /// Writes and completes what waits, in order, and holds no longer.
    pub fn release(&self) {
        self.lock().held = false;
        while self.complete_one() {}
    }

    /// Writes and completes the first append that waits, and goes on holding; `false` when none waits.
    pub fn release_one(&self) -> bool {
        self.complete_one()
    }

    /// The next append (that is not merely a barrier) fails with this error and writes nothing; may be called again for
    /// the one after it.
    pub fn fail_next(&self, error: Error) {
        self.lock().fail_next.push_back(error);
    }

    /// Whether every append is refused from now on, as when the queue is full.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Every record of a shard.
    pub fn records(&self, shard: u16) -> Vec<Record> {
        self.lock().shards[usize::from(shard)].clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes outside of the lock: a completion may append.
    fn complete_one(&self) -> bool {
        let mut state = self.lock();
        let Some((append, done)) = state.queue.pop_front() else {
            return false;
        };
        let outcome = state.write(append);
        drop(state);
        if outcome.is_ok() {
            self.changed.send_modify(|n| *n += 1);
        }
        done(outcome);
        true
    }
}

fn shard_of(stream: &StreamId, shards: usize) -> u16 {
    (xxhash_rust::xxh3::xxh3_64(stream.to_string().as_bytes()) % shards as u64) as u16
}

impl State {
    fn write(&mut self, append: Append) -> Result<Appended> {
        let expected = append.expected;
        let outcome = self.place(append);
        if outcome.is_err() {
            self.lines.cut(expected);
        }
        outcome
    }

    fn place(&mut self, append: Append) -> Result<Appended> {
        if append.epoch < Epoch(1) {
            return Err(Error::StaleOwner {
                stale: append.epoch,
                current: Epoch(1),
            });
        }
        let shard = shard_of(&append.stream, self.shards.len());
        let records = &self.shards[usize::from(shard)];
        let head = Position {
            shard,
            sequence: records.len() as u64,
        };
        let recorded_at_ms = records
            .last()
            .map_or(self.now_ms, |r| r.recorded_at_ms.max(self.now_ms));
        if append.events.is_empty() {
            return Ok(Appended {
                first: head,
                last: head,
                version: 0,
                recorded_at_ms,
            });
        }
        if let Some(error) = self.fail_next.pop_front() {
            return Err(error);
        }
        let actual = self.streams.get(&append.stream).map_or(0, Vec::len) as u64;
        let Append {
            stream,
            expected,
            cause,
            events,
            ..
        } = append;
        self.lines.check(&stream, expected, actual)?;
        let records = new_records(&stream, &cause, &events)?;
        let first = Position {
            shard,
            sequence: head.sequence + 1,
        };
        let mut last = head;
        let mut version = actual;
        for record in records {
            last.sequence += 1;
            version += 1;
            if let Some(id) = &cause.command_id {
                self.commands
                    .entry((stream.clone(), id.to_string()))
                    .or_insert(last);
            }
            self.streams.entry(stream.clone()).or_default().push(last);
            let placed = Record {
                position: last,
                version,
                recorded_at_ms,
                ..record
            };
            self.shards[usize::from(shard)].push(placed);
        }
        Ok(Appended {
            first,
            last,
            version,
            recorded_at_ms,
        })
    }

    fn record(&self, position: Position) -> Record {
        self.shards[usize::from(position.shard)][position.sequence as usize - 1].clone()
    }
}

/// Whether a stream at version `actual` is as expected.
pub(crate) fn check_expected(stream: &StreamId, expected: Expected, actual: u64) -> Result<()> {
    let holds = match expected {
        Expected::Any => true,
        Expected::Empty => actual == 0,
        Expected::Exact(version) | Expected::InLine { version, .. } => actual == version,
    };
    if holds {
        Ok(())
    } else {
        Err(Error::Conflict {
            stream: stream.clone(),
            expected,
            actual,
        })
    }
}

/// Records of an append without their place; refuses what the embedded engine would refuse.
fn new_records(stream: &StreamId, cause: &crate::Cause, events: &[domain::Event]) -> Result<Vec<Record>> {
    if let Some((bytes, bytes_max)) = frame::oversized(stream, cause) {
        return Err(Error::TooLarge { bytes, bytes_max });
    }
    let records: Vec<_> = events
        .iter()
        .map(|event| {
            let (event_type, schema, payload) = codec::encode(event);
            Record {
                position: Position::start(0),
                stream: stream.clone(),
                version: 0,
                recorded_at_ms: 0,
                cause: cause.clone(),
                event_type,
                schema,
                payload: payload.into(),
            }
        })
        .collect();
    let bytes = records.iter().map(|r| r.payload.len() + frame::HEAD_BYTES).sum();
    if bytes > APPEND_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes,
            bytes_max: APPEND_BYTES_MAX,
        });
    }
    Ok(records)
}

impl Writer for MemoryJournal {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn append(&self, append: Append, done: Completion) -> std::result::Result<(), Box<Refused>> {
        let mut state = self.lock();
        if state.full {
            return Err(Box::new(Refused { append, done }));
        }
        state.queue.push_back((append, done));
        if state.held {
            return Ok(());
        }
        drop(state);
        while self.complete_one() {}
        Ok(())
    }

    fn save_snapshot(&self, stream: &StreamId, snapshot: Snapshot) {
        self.lock().snapshots.insert(stream.clone(), snapshot);
    }
}

impl Reader for MemoryJournal {
    fn id(&self) -> JournalId {
        JournalId(1)
    }

    fn shards(&self) -> u16 {
        self.shards
    }

    fn head(&self) -> Checkpoint {
        let state = self.lock();
        let mut head = Checkpoint::start(self.shards);
        for (shard, records) in (0u16..).zip(&state.shards) {
            head.advance(Position {
                shard,
                sequence: records.len() as u64,
            });
        }
        head
    }

    fn read(&self, after: Position, bytes_max: usize) -> BoxFuture<'_, Result<Arc<RecordBatch>>> {
        let state = self.lock();
        let mut batch = RecordBatchBuilder::after(after);
        let records = state
            .shards
            .get(usize::from(after.shard))
            .map_or(&[][..], Vec::as_slice);
        for record in records.iter().skip(after.sequence as usize) {
            if !batch.push(&record.as_ref()) || batch.size_bytes() >= bytes_max {
                break;
            }
        }
        Box::pin(std::future::ready(Ok(Arc::new(batch.finish()))))
    }

    fn tail(&self, after: &Checkpoint) -> Box<dyn Tail> {
        Box::new(MemoryTail {
            journal: self.clone(),
            at: after.clone(),
            changed: self.changed.subscribe(),
        })
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after_version: u64,
        _not_before: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>>> {
        let state = self.lock();
        let positions = state.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let wanted = positions.iter().skip(after_version as usize).take(limit);
        Box::pin(std::future::ready(Ok(wanted.map(|p| state.record(*p)).collect())))
    }

    fn stream_version<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<u64>> {
        let versions = self.lock().streams.get(stream).map_or(0, Vec::len);
        Box::pin(std::future::ready(Ok(versions as u64)))
    }

    fn find_command(&self, stream: &StreamId, command_id: &str) -> BoxFuture<'_, Result<Option<Record>>> {
        let state = self.lock();
        let found = state
            .commands
            .get(&(stream.clone(), command_id.to_owned()))
            .map(|p| state.record(*p));
        Box::pin(std::future::ready(Ok(found)))
    }

    fn find_command_anywhere(&self, command_id: &str, limit: usize) -> BoxFuture<'_, Result<Vec<Record>>> {
        let state = self.lock();
        let commands = state.commands.iter();
        let wanted = commands.filter(|((_, stored), _)| command_id::answers(stored, command_id));
        let mut positions: Vec<_> = wanted.map(|(_, position)| *position).collect();
        positions.sort_unstable();
        let found = positions.into_iter().take(limit).map(|p| state.record(p));
        Box::pin(std::future::ready(Ok(found.collect())))
    }

    fn snapshot(&self, stream: &StreamId) -> BoxFuture<'_, Result<Option<Snapshot>>> {
        let state = self.lock();
        let found = state.snapshots.get(stream).filter(|s| {
            let version = (s.version as usize).checked_sub(1);
            let positions = state.streams.get(stream);
            version
                .zip(positions)
                .and_then(|(at, positions)| positions.get(at))
                == Some(&s.position)
        });
        Box::pin(std::future::ready(Ok(found.cloned())))
    }
}

struct MemoryTail {
    journal: MemoryJournal,
    at: Checkpoint,
    changed: watch::Receiver<u64>,
}

impl Tail for MemoryTail {
    fn next(&mut self) -> BoxFuture<'_, Result<Arc<RecordBatch>>> {
        Box::pin(async move {
            loop {
                self.changed.borrow_and_update();
                for after in self.at.positions().collect::<Vec<_>>() {
                    let batch = self.journal.read(after, TAIL_BATCH_BYTES).await?;
                    if !batch.is_empty() {
                        self.at.advance(batch.last());
                        return Ok(batch);
                    }
                }
                self.changed.changed().await.map_err(|_| Error::Closed)?;
            }
        })
    }
}
