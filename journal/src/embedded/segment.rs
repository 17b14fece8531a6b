//! One segment with its file and its index, whichever state they are in. It reads; only the core writes.

use std::io;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use domain::StreamId;

use crate::storage::{Access, File, Storage, named, read_up_to, write_all_at};
use crate::{Error, Position, Record, RecordBatch, Result, command_id, frame};

use super::active::{ActiveIndex, BatchPlace, Hashing};
use super::core::{End, seal_header};
use super::indexing::walk_and_index;
use super::layout::{BATCH_HEADER_BYTES, BatchHeader, SegmentHeader, index_name, segment_name};
use super::sealed::{self, IndexOf, Seal, SealedIndex, Source};
use super::walk::Progress;

/// The shard of the embedded engine.
pub(crate) const SHARD: u16 = 0;
/// Bytes read at first for one record; a longer one is read again.
const RECORD_GUESS_BYTES: usize = 768;
/// Records nearer than this to each other are read in one go.
const NEAR_BYTES: u32 = 4_096;
/// Records of one command id that are read before the next are asked for.
const COMMANDS_READ_TOGETHER: usize = 32;
/// Most bytes read in one go for records of one stream.
const SPAN_BYTES: u32 = 128 << 10;

/// One segment.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn File>,
    storage: Arc<dyn Storage>,
    hashing: Hashing,
    read_only: bool,
    active: RwLock<Option<Arc<ActiveIndex>>>,
    sealed: OnceLock<SealedIndex>,
    pub(crate) seal: OnceLock<Seal>,
}

impl Segment {
    /// A segment whose index is in memory.
    pub(crate) fn active(
        storage: &Arc<dyn Storage>,
        header: SegmentHeader,
        file: Arc<dyn File>,
        index: ActiveIndex,
        read_only: bool,
    ) -> Self {
        Self {
            active: RwLock::new(Some(Arc::new(index))),
            ..Self::bare(storage, header, file, read_only)
        }
    }

    fn bare(storage: &Arc<dyn Storage>, header: SegmentHeader, file: Arc<dyn File>, read_only: bool) -> Self {
        Self {
            hashing: Hashing::of(header.journal),
            header,
            file,
            storage: storage.clone(),
            read_only,
            active: RwLock::new(None),
            sealed: OnceLock::new(),
            seal: OnceLock::new(),
        }
    }

    /// A sealed segment; its index is read, or made again when it is missing or damaged. With `later` an index that is made
    /// again stays in memory until [`Self::finish_index`].
    pub(crate) fn sealed(
        storage: &Arc<dyn Storage>,
        header: SegmentHeader,
        file: Arc<dyn File>,
        seal: Seal,
        (read_only, later): (bool, bool),
    ) -> Result<Self> {
        let segment = Self::bare(storage, header, file, read_only);
        let of = segment.index_of(seal.clone());
        _ = segment.seal.set(seal);
        let on_disk = storage.open(&index_name(segment.number()), Access::Read);
        let index = on_disk
            .ok()
            .and_then(|file| SealedIndex::open(Source::File(file), &of).ok());
        let index = match index {
            Some(index) => index,
            None if later => {
                let made = Arc::new(segment.fold(&of)?);
                *segment.active.write().unwrap_or_else(PoisonError::into_inner) = Some(made);
                return Ok(segment);
            }
            None => segment.keep_index(&of, segment.remake_index(&of)?)?,
        };
        _ = segment.sealed.set(index);
        Ok(segment)
    }

    pub(crate) fn number(&self) -> u32 {
        self.header.segment
    }

    pub(crate) fn first_sequence(&self) -> u64 {
        self.header.first_sequence
    }

    fn index_of(&self, seal: Seal) -> IndexOf {
        let SegmentHeader {
            journal,
            segment,
            first_sequence,
            ..
        } = self.header;
        IndexOf {
            journal,
            segment,
            first_sequence,
            seal,
        }
    }

    pub(crate) fn damaged(&self, offset: u64, what: String) -> Error {
        Error::Damaged {
            path: self.storage.path(&segment_name(self.number())),
            offset,
            what,
        }
    }

    fn io<T>(&self, outcome: io::Result<T>) -> Result<T> {
        named(&*self.storage, &segment_name(self.number()), outcome)
    }

    /// Makes the index file of a segment that was sealed while it was open, and forgets the index in memory.
    pub(crate) fn finish_index(&self) -> Result<()> {
        let Some(seal) = self.seal.get().cloned() else {
            return Ok(());
        };
        let Some(active) = self.in_memory() else {
            return Ok(());
        };
        let of = self.index_of(seal);
        let index = self.keep_index(&of, sealed::image(&of, &active.sorted()))?;
        _ = self.sealed.set(index);
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Lays the index file out again.
    fn remake_index(&self, of: &IndexOf) -> Result<Vec<u8>> {
        Ok(sealed::image(of, &self.fold(of)?.sorted()))
    }

    /// Whether the segment is full and its index file is still to be made.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.seal.get().is_some() && self.sealed.get().is_none()
    }

    /// Makes the index again from the segment's records, every byte of which is checked.
    fn fold(&self, of: &IndexOf) -> Result<ActiveIndex> {
        tracing::warn!(
            segment = self.number(),
            "the segment's index is missing, damaged or of an older format, and is made again"
        );
        let index = ActiveIndex::new(self.hashing);
        // Up to the seal, which may not be written yet: only its link is needed.
        let records_end = of.seal.len_bytes - BATCH_HEADER_BYTES as u64;
        let walked = walk_and_index(&*self.file, records_end, Progress::start(&self.header), &index);
        let (progress, flaw) = self.io(walked)?;
        if let Some(flaw) = flaw {
            return Err(self.damaged(flaw.offset, flaw.what));
        }
        let mut seal = seal_header(&self.header, &End::of(&progress), progress.next_sequence);
        seal.encode(&progress.chain);
        if seal.chain != of.seal.chain {
            return Err(self.damaged(records_end, "its seal is not that of its records".into()));
        }
        Ok(index)
    }

    /// Writes an index file; when that fails, the index stays in memory until the next start makes it again.
    fn keep_index(&self, of: &IndexOf, image: Vec<u8>) -> Result<SealedIndex> {
        let image: Arc<[u8]> = image.into();
        let index = SealedIndex::open(Source::Memory(image.clone()), of);
        let index = index.map_err(|_| self.damaged(0, "its index cannot be made".into()))?;
        if !self.read_only {
            match self.write_index(&image) {
                Ok(file) => index.replace(Source::File(file)),
                Err(error) => {
                    tracing::warn!(segment = self.number(), %error, "the segment's index could not be written");
                }
            }
        }
        Ok(index)
    }

    fn write_index(&self, image: &[u8]) -> io::Result<Arc<dyn File>> {
        let name = index_name(self.number());
        let made = format!("{name}.new");
        // What a crash left behind is made again.
        _ = self.storage.remove(&made);
        let file = self.storage.create(&made)?;
        write_all_at(&*file, image, 0)?;
        file.sync()?;
        self.storage.rename(&made, &name)?;
        Ok(file)
    }

    fn in_memory(&self) -> Option<Arc<ActiveIndex>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The index in memory, as long as there is no index file.
    fn in_use(&self) -> Option<Arc<ActiveIndex>> {
        if self.sealed.get().is_some() {
            None
        } else {
            self.in_memory()
        }
    }

    /// Takes in a durable batch.
    pub(crate) fn add(&self, place: BatchPlace, records: &[u8]) -> Result<()> {
        let Some(index) = self.in_memory() else {
            return Ok(());
        };
        index
            .add(place, records)
            .map_err(|what| self.damaged(u64::from(place.offset), what))
    }

    /// Asks the index file; a damaged one is made again, once.
    fn ask<T>(
        &self,
        question: impl Fn(&SealedIndex) -> std::result::Result<T, sealed::Unusable>,
    ) -> Result<T> {
        let Some(index) = self.sealed.get() else {
            return Err(self.damaged(0, "it has no index".into()));
        };
        if let Ok(answer) = question(index) {
            return Ok(answer);
        }
        let Some(seal) = self.seal.get().cloned() else {
            return Err(self.damaged(0, "it has no seal".into()));
        };
        index.replace(Source::Memory(self.remake_index(&self.index_of(seal))?.into()));
        question(index).map_err(|_| self.damaged(0, "its index cannot be made".into()))
    }

    /// The last version of a stream in this segment.
    pub(crate) fn last_version(&self, hash: u64, stream: &StreamId) -> Result<Option<u64>> {
        if let Some(active) = self.in_use() {
            return Ok(active.last_version(hash, stream));
        }
        for entry in self.ask(|index| index.streams(hash))? {
            let first = self.ask(|index| index.offsets(&entry, 0, 1))?;
            if self.records(&first)?.first().is_some_and(|r| r.stream == *stream) {
                return Ok(Some(entry.first_version + u64::from(entry.count) - 1));
            }
        }
        Ok(None)
    }

    /// Where up to `limit` records of a stream above a version stand; with the stream's first version here.
    pub(crate) fn stream(
        &self,
        hash: u64,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Result<Option<(u64, Vec<u32>)>> {
        if let Some(active) = self.in_use() {
            return Ok(active.stream(hash, stream, after, limit));
        }
        let entries = self.ask(|index| index.streams(hash))?;
        for entry in &entries {
            let first = self.ask(|index| index.offsets(entry, 0, 1))?;
            if self.records(&first)?.first().is_none_or(|r| r.stream != *stream) {
                continue;
            }
            let skip = (after + 1)
                .saturating_sub(entry.first_version)
                .min(u64::from(entry.count)) as usize;
            let offsets = self.ask(|index| index.offsets(entry, skip, limit))?;
            return Ok(Some((entry.first_version, offsets)));
        }
        Ok(None)
    }

    /// The first record here that a command left in a stream; with the hashes of both.
    pub(crate) fn command(
        &self,
        (stream, stream_hash): (&StreamId, u64),
        (id, hash): (&str, u64),
    ) -> Result<Option<Record>> {
        let offsets = match self.in_use() {
            Some(active) => active.command(stream_hash, hash),
            None => self.ask(|index| index.command(hash))?,
        };
        for offset in offsets {
            let record = self.records(&[offset])?.pop();
            let wanted = |r: &Record| r.stream == *stream && r.cause.command_id.as_deref() == Some(id);
            if let Some(record) = record.filter(wanted) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Shows the records here that a command of this id left, with the high half of its keys; in order, until `each` wants no more. Of what one append
    /// wrote it shows the first.
    pub(crate) fn commands(
        &self,
        (id, half): (&str, u32),
        mut each: impl FnMut(Record) -> bool,
    ) -> Result<()> {
        let mut offsets = match self.in_use() {
            Some(active) => active.commands(half),
            None => self.ask(|index| index.commands(half))?,
        };
        offsets.sort_unstable();
        for offsets in offsets.chunks(COMMANDS_READ_TOGETHER) {
            let records = self.records(offsets)?.into_iter();
            let mut wanted = records.filter(|r| {
                r.cause
                    .command_id
                    .as_deref()
                    .is_some_and(|stored| command_id::answers(stored, id))
            });
            if !wanted.all(&mut each) {
                break;
            }
        }
        Ok(())
    }

    /// Reads single records, each checked.
    pub(crate) fn records(&self, offsets: &[u32]) -> Result<Vec<Record>> {
        let mut records = Vec::with_capacity(offsets.len());
        let mut rest = offsets;
        while let Some(start) = rest.first() {
            let near = rest.windows(2).take_while(|pair| {
                pair[1].wrapping_sub(pair[0]) < NEAR_BYTES && pair[1] - start < SPAN_BYTES
            });
            let together = near.count() + 1;
            let span = (rest[together - 1] - start) as usize + RECORD_GUESS_BYTES;
            let bytes = self.bytes(u64::from(*start), span)?;
            for offset in &rest[..together] {
                records.push(self.record(*offset, &bytes[((offset - start) as usize).min(bytes.len())..])?);
            }
            rest = &rest[together..];
        }
        Ok(records)
    }

    /// The record at an offset, of which these bytes are the start, or all.
    fn record(&self, offset: u32, bytes: &[u8]) -> Result<Record> {
        let longer;
        let bytes = match frame::claimed_length(bytes) {
            Some(length) if length > bytes.len() && length <= crate::limits::BATCH_BYTES_MAX => {
                longer = self.bytes(u64::from(offset), length)?;
                &longer
            }
            _ => bytes,
        };
        match frame::check(bytes) {
            Ok(length) => Ok(frame::read(&bytes[..length], SHARD).to_record()),
            Err(what) => Err(self.damaged(u64::from(offset), what)),
        }
    }

    fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.io(read_up_to(&*self.file, &mut bytes, offset))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The records after a sequence, none above `upto`: whole batches as many as fit, at least one.
    pub(crate) fn read(&self, after: u64, upto: u64, bytes_max: usize) -> Result<RecordBatch> {
        let place = match self.in_use() {
            Some(active) => active.batch(after + 1),
            None => self.ask(|index| index.batch(after + 1))?,
        };
        let Some(place) = place.map(u64::from) else {
            return Err(self.damaged(0, format!("record {} is not in its index", after + 1)));
        };
        let mut bytes = self.bytes(place, bytes_max + BATCH_HEADER_BYTES)?;
        let first = self.batch_at(&bytes, place)?;
        if first.total_bytes() as usize > bytes.len() {
            bytes = self.bytes(place, first.total_bytes() as usize)?;
        }
        let records = self.compact(&mut bytes, place, upto)?;
        let checked = RecordBatch::checked(SHARD, first.first_sequence, Bytes::from(bytes).slice(records));
        let batch = checked.map_err(|bad| self.damaged(place + bad.offset as u64, bad.what))?;
        if batch.last().sequence <= after {
            return Err(self.damaged(place, format!("record {} is missing", after + 1)));
        }
        Ok(batch.after(after).up_to(bytes_max))
    }

    fn batch_at(&self, bytes: &[u8], offset: u64) -> Result<BatchHeader> {
        let header = BatchHeader::parse(bytes).map_err(|what| self.damaged(offset, what))?;
        if (header.offset, header.segment) != (offset, self.number()) {
            return Err(self.damaged(
                offset,
                format!("a batch of segment {} at {}", header.segment, header.offset),
            ));
        }
        Ok(header)
    }

    /// Moves the records of all whole batches together, over the headers between them. Says where they are.
    fn compact(&self, bytes: &mut [u8], place: u64, upto: u64) -> Result<std::ops::Range<usize>> {
        let (mut from, mut to, mut last) = (0, BATCH_HEADER_BYTES, 0);
        // What stands after `upto` may be half written: it is not even looked at.
        while last < upto && from + BATCH_HEADER_BYTES <= bytes.len() {
            let header = self.batch_at(&bytes[from..], place + from as u64)?;
            let end = from + header.total_bytes() as usize;
            if end > bytes.len() || header.last_sequence() > upto {
                break;
            }
            last = header.last_sequence();
            bytes.copy_within(from + BATCH_HEADER_BYTES..end, to);
            to += end - from - BATCH_HEADER_BYTES;
            from = end;
        }
        Ok(BATCH_HEADER_BYTES..to)
    }

    /// Position of the last record before this segment.
    pub(crate) fn starts_after(&self) -> Position {
        Position {
            shard: SHARD,
            sequence: self.first_sequence() - 1,
        }
    }
}
