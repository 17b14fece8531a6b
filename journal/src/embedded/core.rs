//! The one who writes: checks what was expected, gives records their places, and makes them durable batch by batch.
//!
//! Free of threads and clocks, so that it can be run step by step over simulated storage. A failed write or sync is the
//! end: it is never tried again, and nothing is acknowledged after it.

use std::sync::{Arc, OnceLock};

use domain::StreamId;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::limits::STREAM_HEADS_MAX;
use crate::lines::Lines;
use crate::storage::{Storage, named, write_all_at};
use crate::{Appended, Epoch, Error, JournalId, Position, RecordBatch, Result, frame};

use super::Clock;
use super::active::{ActiveIndex, BatchPlace, Hashing};
use super::buffers::Buffers;
use super::layout::{
    BATCH_HEADER_BYTES, BatchHeader, BatchKind, Chain, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name,
};
use super::queue::{Fill, Waiting};
use super::sealed::Seal;
use super::segment::{SHARD, Segment};
use super::shared::{Durable, Shared};
use super::walk::Progress;

/// Where the journal ends.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) offset: u64,
    pub(crate) next_sequence: u64,
    pub(crate) chain: Chain,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at_ms: i64,
}

impl End {
    /// Where a walk has ended.
    pub(crate) fn of(progress: &Progress) -> Self {
        Self {
            offset: progress.offset,
            next_sequence: progress.next_sequence,
            chain: progress.chain,
            epoch: progress.epoch,
            recorded_at_ms: progress.recorded_at_ms,
        }
    }
}

/// See the module.
pub(crate) struct Core {
    storage: Arc<dyn Storage>,
    journal: JournalId,
    segment: Arc<Segment>,
    end: End,
    segment_bytes: u64,
    clock: Clock,
    buffers: Arc<Buffers>,
    heads: Heads,
    lines: Lines,
    shared: Arc<OnceLock<Arc<Shared>>>,
    poison: Option<Arc<str>>,
}

impl Core {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        segment: Arc<Segment>,
        end: End,
        segment_bytes: u64,
        clock: Clock,
        buffers: Arc<Buffers>,
    ) -> Self {
        let journal = segment.header.journal;
        Self {
            journal,
            storage,
            segment,
            end,
            segment_bytes,
            clock,
            buffers,
            heads: Heads::new(Hashing::of(journal)),
            lines: Lines::default(),
            shared: Arc::default(),
            poison: None,
        }
    }

    /// Says whose index knows the streams that this one has forgotten.
    pub(crate) fn attach(&self, shared: &Arc<Shared>) {
        _ = self.shared.set(shared.clone());
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.end.epoch
    }

    /// Begins a new epoch, durably.
    pub(crate) fn open_epoch(&mut self) -> Result<()> {
        self.end.epoch = Epoch(self.end.epoch.0 + 1);
        self.mark(BatchKind::Opened)
    }

    /// Says durably that everything so far is; a journal that could not write says nothing.
    pub(crate) fn close(&mut self) -> Result<()> {
        if self.poison.is_some() {
            Ok(())
        } else {
            self.mark(BatchKind::Closed)
        }
    }

    /// Writes what is acceptable of these appends as one batch. Every append has an outcome afterwards.
    pub(crate) fn commit(&mut self, fill: Fill) -> Durable {
        let Fill { mut bytes, waiting } = fill;
        let before = (self.segment.clone(), self.end.next_sequence);
        let now_ms = (self.clock)().max(self.end.recorded_at_ms);
        let mut outcomes = Vec::with_capacity(waiting.len());
        let (mut from, mut to) = (BATCH_HEADER_BYTES, BATCH_HEADER_BYTES);
        for append in waiting {
            let end = from + append.bytes as usize;
            let outcome = self.place(&append, &mut bytes[from..end], now_ms);
            if outcome.is_ok() && to != from {
                bytes.copy_within(from..end, to);
            }
            match &outcome {
                Ok(_) => to += append.bytes as usize,
                Err(_) => self.lines.cut(append.expected),
            }
            from = end;
            outcomes.push((append.done, outcome));
        }
        bytes.truncate(to);
        let mut durable = Durable {
            poison: None,
            sealed: None,
            segment: before.0.clone(),
            batch: None,
            outcomes,
        };
        if to > BATCH_HEADER_BYTES {
            match self.write_records(bytes, before.1, now_ms) {
                Ok(batch) => durable.batch = Some(batch),
                Err(error) => self.fail(error, &mut durable),
            }
        }
        if !Arc::ptr_eq(&before.0, &self.segment) {
            durable.sealed = Some(before.0);
            durable.segment = self.segment.clone();
        }
        durable
    }

    /// Gives an append's records their places, if the stream is as expected.
    fn place(&mut self, append: &Waiting, records: &mut [u8], now_ms: i64) -> Result<Appended> {
        if let Some(poison) = &self.poison {
            return Err(Error::Poisoned(poison.clone()));
        }
        if append.epoch != self.end.epoch {
            return Err(Error::StaleOwner {
                stale: append.epoch,
                current: self.end.epoch,
            });
        }
        let at = |sequence| Position {
            shard: SHARD,
            sequence,
        };
        if append.records == 0 {
            let head = at(self.end.next_sequence - 1);
            return Ok(Appended {
                first: head,
                last: head,
                version: 0,
                recorded_at_ms: now_ms,
            });
        }
        let mut version = match self.heads.get(append.stream_hash, &append.stream) {
            Some(version) => version,
            None => self
                .shared
                .get()
                .map_or(Ok(0), |shared| shared.version(&append.stream))?,
        };
        self.lines.check(&append.stream, append.expected, version)?;
        let first = at(self.end.next_sequence);
        let mut rest = records;
        while !rest.is_empty() {
            let (record, others) = rest.split_at_mut(frame::length(rest));
            version += 1;
            frame::place(record, self.end.next_sequence, version, now_ms);
            self.end.next_sequence += 1;
            rest = others;
        }
        self.heads.set(append.stream_hash, &append.stream, version);
        Ok(Appended {
            first,
            last: at(self.end.next_sequence - 1),
            version,
            recorded_at_ms: now_ms,
        })
    }

    fn write_records(
        &mut self,
        mut bytes: Vec<u8>,
        first: u64,
        now_ms: i64,
    ) -> Result<(BatchPlace, Arc<RecordBatch>)> {
        let count = (self.end.next_sequence - first) as usize;
        let full = self.end.offset + bytes.len() as u64 + BATCH_HEADER_BYTES as u64 > self.segment_bytes;
        if full && self.end.offset > (SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES) as u64 {
            self.begin_segment(first)?;
        }
        self.end.recorded_at_ms = now_ms;
        let offset = self.end.offset as u32;
        self.write_batch(BatchKind::Records, first, count as u32, &mut bytes)?;
        let place = BatchPlace {
            first_sequence: first,
            offset,
            payload_offset: offset + BATCH_HEADER_BYTES as u32,
        };
        let records = Buffers::share(&self.buffers, bytes).slice(BATCH_HEADER_BYTES..);
        Ok((
            place,
            Arc::new(RecordBatch::trusted(SHARD, first, count, records)),
        ))
    }

    /// A batch without records.
    fn mark(&mut self, kind: BatchKind) -> Result<()> {
        self.end.recorded_at_ms = (self.clock)().max(self.end.recorded_at_ms);
        let next = self.end.next_sequence;
        self.write_batch(kind, next, 0, &mut [0; BATCH_HEADER_BYTES])
    }

    /// Lays the header out before the payload, writes both, and makes them durable.
    fn write_batch(
        &mut self,
        kind: BatchKind,
        first_sequence: u64,
        count: u32,
        bytes: &mut [u8],
    ) -> Result<()> {
        let (head, payload) = bytes.split_at_mut(BATCH_HEADER_BYTES);
        let mut header = BatchHeader {
            journal: self.journal,
            segment: self.segment.number(),
            kind,
            epoch: self.end.epoch,
            first_sequence,
            count,
            payload_bytes: payload.len() as u32,
            durable_upto: first_sequence - 1,
            recorded_at_ms: self.end.recorded_at_ms,
            offset: self.end.offset,
            digest: *blake3::hash(payload).as_bytes(),
            chain: [0; 32],
        };
        head.copy_from_slice(&header.encode(&self.end.chain));
        let file = &self.segment.file;
        let written = write_all_at(&**file, bytes, self.end.offset).and_then(|()| file.sync());
        named(&*self.storage, &segment_name(self.segment.number()), written)?;
        self.end.chain = header.chain;
        self.end.offset += bytes.len() as u64;
        Ok(())
    }

    /// Makes the next segment durable, then seals the present one: so a seal says that the next segment is there.
    fn begin_segment(&mut self, first_sequence: u64) -> Result<()> {
        let number = self.segment.number() + 1;
        let header = SegmentHeader {
            journal: self.journal,
            segment: number,
            first_sequence,
            epoch: self.end.epoch,
            recorded_at_ms: self.end.recorded_at_ms,
            chain: self.seal_chain(first_sequence),
        };
        let segment = create_segment(&self.storage, header)?;
        self.write_batch(BatchKind::Sealed, first_sequence, 0, &mut [0; BATCH_HEADER_BYTES])?;
        let seal = Seal {
            len_bytes: self.end.offset,
            next_sequence: first_sequence,
            chain: self.end.chain,
        };
        _ = self.segment.seal.set(seal);
        self.segment = Arc::new(segment);
        self.end.offset = SEGMENT_HEADER_BYTES as u64;
        Ok(())
    }

    /// The link that the seal about to be written will have.
    fn seal_chain(&self, first_sequence: u64) -> Chain {
        let mut header = seal_header(&self.segment.header, &self.end, first_sequence);
        header.encode(&self.end.chain);
        header.chain
    }

    /// Nothing is known about what was just written: the end.
    fn fail(&mut self, error: Error, durable: &mut Durable) {
        let why: Arc<str> = error.to_string().into();
        tracing::error!(%error, "the journal can no longer write");
        for (_, outcome) in &mut durable.outcomes {
            if outcome.is_ok() {
                *outcome = Err(Error::Poisoned(why.clone()));
            }
        }
        durable.poison = Some(why.clone());
        self.poison = Some(why);
    }
}

/// The header of the seal of a segment that ends here.
pub(crate) fn seal_header(segment: &SegmentHeader, end: &End, next_sequence: u64) -> BatchHeader {
    BatchHeader {
        journal: segment.journal,
        segment: segment.segment,
        kind: BatchKind::Sealed,
        epoch: end.epoch,
        first_sequence: next_sequence,
        count: 0,
        payload_bytes: 0,
        durable_upto: next_sequence - 1,
        recorded_at_ms: end.recorded_at_ms,
        offset: end.offset,
        digest: *blake3::hash(&[]).as_bytes(),
        chain: [0; 32],
    }
}

/// Makes a segment with nothing in it: header, sync of the file, sync of the directory.
pub(crate) fn create_segment(storage: &Arc<dyn Storage>, header: SegmentHeader) -> Result<Segment> {
    let name = segment_name(header.segment);
    let file = named(&**storage, &name, storage.create(&name))?;
    let written = write_all_at(&*file, &header.encode(), 0).and_then(|()| file.sync());
    named(&**storage, &name, written.and_then(|()| storage.sync_dir()))?;
    let index = ActiveIndex::new(Hashing::of(header.journal));
    Ok(Segment::active(storage, header, file, index, false))
}

/// The versions of the streams that were written last; older ones are forgotten, the index knows them.
struct Heads {
    hashing: Hashing,
    young: HashTable<(StreamId, u64)>,
    old: HashTable<(StreamId, u64)>,
}

impl Heads {
    fn new(hashing: Hashing) -> Self {
        let (young, old) = Default::default();
        Self { hashing, young, old }
    }

    fn get(&self, hash: u64, stream: &StreamId) -> Option<u64> {
        let same = |known: &(StreamId, u64)| known.0 == *stream;
        let known = self.young.find(hash, same).or_else(|| self.old.find(hash, same));
        known.map(|(_, version)| *version)
    }

    fn set(&mut self, hash: u64, stream: &StreamId, version: u64) {
        if self.young.len() >= STREAM_HEADS_MAX && self.young.find(hash, |known| known.0 == *stream).is_none()
        {
            self.old = std::mem::take(&mut self.young);
        }
        let hashing = self.hashing;
        let rehash = |known: &(StreamId, u64)| hashing.stream(known.0.kind, &known.0.key);
        match self.young.entry(hash, |known| known.0 == *stream, rehash) {
            Entry::Occupied(known) => known.into_mut().1 = version,
            Entry::Vacant(free) => _ = free.insert((stream.clone(), version)),
        }
    }
}
