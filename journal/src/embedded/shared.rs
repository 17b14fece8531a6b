//! What is published: the durable head, the segments with their indexes, the newest batches. Readers see only this; a
//! record is here after it is durable, never before.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::StreamId;
use tokio::sync::watch;

use crate::{Appended, Completion, Error, JournalId, Position, Record, RecordBatch, Result, command_id};

use super::active::{BatchPlace, Hashing};
use super::segment::{SHARD, Segment};
use super::snapshots::SnapshotStore;

/// A batch that has become durable, with the outcome of every append in it.
pub(crate) struct Durable {
    /// Why nothing can be written any more; then the outcomes are those of all who wait.
    pub(crate) poison: Option<Arc<str>>,
    /// The segment before, sealed by now, when this batch is the first of a new one.
    pub(crate) sealed: Option<Arc<Segment>>,
    pub(crate) segment: Arc<Segment>,
    /// None when every append was refused or a barrier.
    pub(crate) batch: Option<(BatchPlace, Arc<RecordBatch>)>,
    pub(crate) outcomes: Vec<(Completion, Result<Appended>)>,
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) id: JournalId,
    pub(crate) hashing: Hashing,
    head: AtomicU64,
    /// The durable head, for those who wait; its sender is gone when the journal is closed.
    changed: Mutex<Option<watch::Sender<u64>>>,
    subscribe: watch::Receiver<u64>,
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    recent: RwLock<Recent>,
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
}

struct Recent {
    batches: VecDeque<Arc<RecordBatch>>,
    bytes: usize,
    bytes_max: usize,
}

impl Shared {
    pub(crate) fn new(
        id: JournalId,
        head: u64,
        segments: Vec<Arc<Segment>>,
        recent_bytes_max: usize,
        snapshots: Arc<dyn SnapshotStore>,
    ) -> Self {
        let (changed, subscribe) = watch::channel(head);
        Self {
            id,
            hashing: Hashing::of(id),
            head: AtomicU64::new(head),
            changed: Mutex::new(Some(changed)),
            subscribe,
            segments: RwLock::new(Arc::new(segments)),
            recent: RwLock::new(Recent {
                batches: VecDeque::new(),
                bytes: 0,
                bytes_max: recent_bytes_max,
            }),
            snapshots,
        }
    }

    /// Sequence of the last durable record.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.subscribe.clone()
    }

    /// No record will follow: those who wait at the head are told.
    pub(crate) fn close(&self) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        self.segments
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Index first, then the newest batches, then the head; so whoever sees the head finds everything below it.
    pub(crate) fn publish(&self, durable: &mut Durable) -> Result<()> {
        if durable.sealed.is_some() {
            let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
            let mut longer = Vec::clone(&segments);
            longer.push(durable.segment.clone());
            *segments = Arc::new(longer);
        }
        let Some((place, batch)) = durable.batch.take() else {
            return Ok(());
        };
        durable.segment.add(place, batch.bytes())?;
        let head = batch.last().sequence;
        self.recent
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch);
        self.head.store(head, Ordering::Release);
        if let Some(changed) = &*self.changed.lock().unwrap_or_else(PoisonError::into_inner) {
            changed.send_replace(head);
        }
        Ok(())
    }

    /// The records after a sequence, about `bytes_max` of them; empty at the head.
    pub(crate) fn read(&self, after: u64, bytes_max: usize) -> Result<Arc<RecordBatch>> {
        let head = self.head();
        if after >= head {
            return Ok(Arc::new(RecordBatch::empty(Position {
                shard: SHARD,
                sequence: after,
            })));
        }
        if let Some(batch) = self.recent(after) {
            let whole = batch.first().sequence == after + 1 && batch.bytes().len() <= bytes_max;
            return Ok(if whole {
                batch
            } else {
                Arc::new(batch.after(after).up_to(bytes_max))
            });
        }
        let segments = self.segments();
        let next = segments.partition_point(|s| s.first_sequence() <= after + 1);
        let segment = &segments[next.saturating_sub(1)];
        segment.read(after, head, bytes_max).map(Arc::new)
    }

    fn recent(&self, after: u64) -> Option<Arc<RecordBatch>> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let next = recent.batches.partition_point(|b| b.last().sequence <= after);
        recent
            .batches
            .get(next)
            .filter(|b| b.first().sequence <= after + 1)
            .cloned()
    }

    /// The version of a stream; 0 when it has no record.
    pub(crate) fn version(&self, stream: &StreamId) -> Result<u64> {
        let hash = self.hashing.stream(stream.kind, &stream.key);
        for segment in self.segments().iter().rev() {
            if let Some(version) = segment.last_version(hash, stream)? {
                return Ok(version);
            }
        }
        Ok(0)
    }

    /// Up to `limit` records of a stream above a version, none of them before `not_before`.
    pub(crate) fn stream(
        &self,
        stream: &StreamId,
        after: u64,
        not_before: u64,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let hash = self.hashing.stream(stream.kind, &stream.key);
        let segments = self.segments();
        let mut found = Vec::new();
        for segment in segments.iter().rev() {
            if let Some((first_version, offsets)) = segment.stream(hash, stream, after, limit)? {
                found.push((segment, offsets));
                if first_version <= after + 1 {
                    break;
                }
            }
            if segment.starts_after().sequence < not_before {
                break;
            }
        }
        let mut records = Vec::new();
        for (segment, offsets) in found.iter().rev() {
            let left = limit - records.len();
            records.extend(segment.records(&offsets[..left.min(offsets.len())])?);
            if records.len() == limit {
                break;
            }
        }
        check_versions(stream, after, &records)?;
        Ok(records)
    }

    /// The first record that a command left in a stream.
    pub(crate) fn command(&self, stream: &StreamId, id: &str) -> Result<Option<Record>> {
        let hash = self.hashing.stream(stream.kind, &stream.key);
        let command_hash = self.hashing.command(hash, id.as_bytes());
        for segment in self.segments().iter() {
            if let Some(record) = segment.command((stream, hash), (id, command_hash))? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The first record of every command of this id, at most `limit`.
    pub(crate) fn command_anywhere(&self, id: &str, limit: usize) -> Result<Vec<Record>> {
        let half = self.hashing.bare_command(command_id::bare(id).as_bytes());
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        for segment in self.segments().iter() {
            segment.commands((id, half), |record| {
                if found.len() < limit
                    && known.insert((record.stream.clone(), record.cause.command_id.clone()))
                {
                    found.push(record);
                }
                found.len() < limit
            })?;
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }
}

/// Versions are consecutive: anything else is an index that lies or a record that was lost.
fn check_versions(stream: &StreamId, after: u64, records: &[Record]) -> Result<()> {
    let wrong = (after + 1..)
        .zip(records)
        .find(|(version, record)| record.version != *version);
    match wrong {
        Some((_, record)) if record.stream != *stream || record.version != after + 1 => {
            Err(Error::Undecodable {
                position: record.position,
                stream: stream.clone(),
                what: format!(
                    "version {} stands where another belongs: run verify",
                    record.version
                ),
            })
        }
        _ => Ok(()),
    }
}

impl Recent {
    fn push(&mut self, batch: Arc<RecordBatch>) {
        self.bytes += batch.bytes().len();
        self.batches.push_back(batch);
        while self.bytes > self.bytes_max && self.batches.len() > 1 {
            if let Some(oldest) = self.batches.pop_front() {
                self.bytes -= oldest.bytes().len();
            }
        }
    }
}
