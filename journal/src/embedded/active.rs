//! The index of a segment that is still being written, in memory: every stream's records, every command id, every batch.
//!
//! It is a pure fold of the segment, and what the segment's index file is made from. It holds places, never records; it
//! must be fed durable batches only, in order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use compact_str::CompactString;
use domain::{StreamId, StreamKind};
use foldhash::fast::RandomState;

use crate::{JournalId, RecordRef, frame};

/// Locks that readers and the publisher share; a power of two.
const PARTS: usize = 64;

/// Hashes of streams and commands, seeded by the journal's id so that nobody outside can aim for collisions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashing(u64);

impl Hashing {
    pub(crate) fn of(journal: JournalId) -> Self {
        Self((journal.0 >> 64) as u64 ^ journal.0 as u64)
    }

    pub(crate) fn stream(self, kind: StreamKind, key: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), self.0 ^ kind as u64)
    }

    pub(crate) fn command(self, stream_hash: u64, command_id: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(command_id.as_bytes(), self.0 ^ stream_hash)
    }
}

/// The records of one stream in one segment: consecutive versions, so the place follows from the version.
#[derive(Debug, Default)]
pub(crate) struct StreamSlots {
    pub(crate) hash: u64,
    pub(crate) first_version: u64,
    pub(crate) offsets: Vec<u32>,
}

impl StreamSlots {
    pub(crate) fn last_version(&self) -> u64 {
        self.first_version + self.offsets.len() as u64 - 1
    }
}

#[derive(Default)]
struct Part {
    streams: HashMap<StreamId, StreamSlots, RandomState>,
    /// First record of a command, by hash.
    commands: HashMap<u64, u32, RandomState>,
    /// Further records of the same hash: later ones of the same command, or another command altogether.
    more_commands: HashMap<u64, Vec<u32>, RandomState>,
}

/// See the module.
pub(crate) struct ActiveIndex {
    hashing: Hashing,
    parts: Vec<Mutex<Part>>,
    batches: RwLock<Vec<(u64, u32)>>,
}

/// Where one batch of records stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchPlace {
    pub(crate) first_sequence: u64,
    /// Where its header begins.
    pub(crate) offset: u32,
    /// Where its first record begins.
    pub(crate) payload_offset: u32,
}

impl ActiveIndex {
    pub(crate) fn new(hashing: Hashing) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self {
            hashing,
            parts,
            batches: RwLock::default(),
        }
    }

    fn part(&self, stream_hash: u64) -> MutexGuard<'_, Part> {
        let part = &self.parts[part_of(stream_hash)];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in one batch of records, which are checked. An impossible version is an error: the records are wrong then.
    /// Records are taken part by part: each lock is taken once, and what is near in memory is touched together.
    pub(crate) fn add(&self, place: BatchPlace, records: &[u8]) -> std::result::Result<(), String> {
        for run in self.by_part(records).chunk_by(|a, b| a.part == b.part) {
            let mut part = self.part(run[0].stream_hash);
            for found in run {
                let record = frame::read(&records[found.at as usize..found.end as usize], 0);
                part.add(
                    self.hashing,
                    &record,
                    found.stream_hash,
                    place.payload_offset + found.at,
                )?;
            }
        }
        let mut batches = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        batches.push((place.first_sequence, place.offset));
        Ok(())
    }

    /// The records, those of one part together, each part's in order.
    fn by_part(&self, records: &[u8]) -> Vec<Found> {
        let (mut found, mut counts) = (Vec::new(), [0usize; PARTS]);
        let mut at = 0;
        while at < records.len() {
            let end = at + frame::length(&records[at..]);
            let (kind, key) = frame::stream(&records[at..end]);
            let stream_hash = self.hashing.stream(kind, key);
            let part = part_of(stream_hash);
            counts[part] += 1;
            found.push(Found {
                at: at as u32,
                end: end as u32,
                part: part as u32,
                stream_hash,
            });
            at = end;
        }
        let mut next = [0; PARTS];
        for part in 1..PARTS {
            next[part] = next[part - 1] + counts[part - 1];
        }
        let mut sorted = vec![Found::default(); found.len()];
        for one in found {
            let place = &mut next[one.part as usize];
            sorted[*place] = one;
            *place += 1;
        }
        sorted
    }

    /// The last version of a stream here.
    pub(crate) fn last_version(&self, hash: u64, stream: &StreamId) -> Option<u64> {
        self.part(hash).streams.get(stream).map(StreamSlots::last_version)
    }

    /// Where up to `limit` records of a stream stand that are above a version; with the first version here.
    pub(crate) fn stream(
        &self,
        hash: u64,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Option<(u64, Vec<u32>)> {
        let part = self.part(hash);
        let slots = part.streams.get(stream)?;
        let skipped = ((after + 1).saturating_sub(slots.first_version) as usize).min(slots.offsets.len());
        let wanted = &slots.offsets[skipped..];
        Some((slots.first_version, wanted[..limit.min(wanted.len())].to_vec()))
    }

    /// Where records stand whose command has this hash, in order.
    pub(crate) fn command(&self, stream_hash: u64, command_hash: u64) -> Vec<u32> {
        let part = self.part(stream_hash);
        let Some(first) = part.commands.get(&command_hash) else {
            return Vec::new();
        };
        let mut offsets = vec![*first];
        offsets.extend(part.more_commands.get(&command_hash).into_iter().flatten());
        offsets
    }

    /// Where the batch begins that holds a sequence.
    pub(crate) fn batch(&self, sequence: u64) -> Option<u32> {
        let batches = self.batches.read().unwrap_or_else(PoisonError::into_inner);
        let next = batches.partition_point(|(first, _)| *first <= sequence);
        next.checked_sub(1).map(|at| batches[at].1)
    }

    /// Everything, in the order of an index file.
    pub(crate) fn sorted(&self) -> Sorted {
        let mut sorted = Sorted::default();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            for slots in part.streams.values() {
                sorted
                    .streams
                    .push((slots.hash, slots.first_version, slots.offsets.clone()));
            }
            sorted
                .commands
                .extend(part.commands.iter().map(|(hash, offset)| (*hash, *offset)));
            let more = part.more_commands.iter();
            sorted
                .commands
                .extend(more.flat_map(|(hash, offsets)| offsets.iter().map(|o| (*hash, *o))));
        }
        sorted.streams.sort_unstable();
        sorted.commands.sort_unstable();
        sorted.batches = self
            .batches
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        sorted
    }
}

impl Part {
    fn add(
        &mut self,
        hashing: Hashing,
        record: &RecordRef<'_>,
        stream_hash: u64,
        offset: u32,
    ) -> std::result::Result<(), String> {
        let stream = StreamId {
            kind: record.kind,
            key: CompactString::new(record.key),
        };
        let slots = self.streams.entry(stream).or_default();
        if slots.offsets.is_empty() {
            (slots.hash, slots.first_version) = (stream_hash, record.version);
        } else if slots.last_version() + 1 != record.version {
            let (last, version) = (slots.last_version(), record.version);
            return Err(format!(
                "version {version} of {} follows version {last}",
                record.stream()
            ));
        }
        slots.offsets.push(offset);
        if let Some(id) = record.command_id {
            let command = hashing.command(stream_hash, id);
            if *self.commands.entry(command).or_insert(offset) != offset {
                self.more_commands.entry(command).or_default().push(offset);
            }
        }
        Ok(())
    }
}

/// Where one record of a batch stands, and whose it is.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    at: u32,
    end: u32,
    part: u32,
    stream_hash: u64,
}

fn part_of(stream_hash: u64) -> usize {
    (stream_hash >> 32) as usize % PARTS
}

/// What an index file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// Hash, first version, places.
    pub(crate) streams: Vec<(u64, u64, Vec<u32>)>,
    /// Hash, place.
    pub(crate) commands: Vec<(u64, u32)>,
    /// First sequence, place of the header.
    pub(crate) batches: Vec<(u64, u32)>,
}
