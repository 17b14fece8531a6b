//! The index of a segment that is still being written, in memory: every stream's records, every command id, every batch.
//!
//! It is a pure fold of the segment, and what the segment's index file is made from. It holds places, never records; it
//! must be fed durable batches only, in order.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use domain::{StreamId, StreamKind};
use hashbrown::HashTable;

use crate::{JournalId, command_id, frame};

use super::commands::Commands;

/// Locks that readers and the publisher share; a power of two.
const PARTS: usize = 64;
/// Bytes of a small record, to guess how many a batch holds.
const RECORD_BYTES_GUESS: usize = 128;

/// Hashes of streams and commands, seeded by the journal's id. Clients see that id, so a hash proves nothing: whatever is
/// found by one is compared, or read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashing(u64);

impl Hashing {
    pub(crate) fn of(journal: JournalId) -> Self {
        Self((journal.0 >> 64) as u64 ^ journal.0 as u64)
    }

    pub(crate) fn stream(self, kind: StreamKind, key: &str) -> u64 {
        self.key(kind as u8, key.as_bytes())
    }

    fn key(self, kind: u8, key: &[u8]) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(key, self.0 ^ u64::from(kind))
    }

    /// The key of a command. Its high half is that of the id as the client made it, so that keys in order find it in every
    /// stream; its low half is that of stream and whole id, so that one id in many streams makes many keys.
    pub(crate) fn command(self, stream_hash: u64, command_id: &[u8]) -> u64 {
        let whole = xxhash_rust::xxh3::xxh3_64_with_seed(command_id, self.0 ^ stream_hash);
        let bare = self.bare_command(command_id::bare_bytes(command_id));
        (u64::from(bare) << 32) | (whole & u64::from(u32::MAX))
    }

    /// The high half of the keys of all commands with this id, which names no sender.
    pub(crate) fn bare_command(self, bare: &[u8]) -> u32 {
        (xxhash_rust::xxh3::xxh3_64_with_seed(bare, !self.0) >> 32) as u32
    }
}

/// The records of one stream in one segment: consecutive versions, so the place follows from the version.
#[derive(Debug)]
struct StreamSlots {
    hash: u64,
    stream: StreamId,
    first_version: u64,
    offsets: Vec<u32>,
}

impl StreamSlots {
    fn last_version(&self) -> u64 {
        self.first_version + self.offsets.len() as u64 - 1
    }
}

#[derive(Default)]
struct Part {
    streams: HashTable<StreamSlots>,
    commands: Commands,
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
        for run in self.by_part(records).chunk_by(|a, b| a.part() == b.part()) {
            let mut part = self.part(run[0].stream_hash);
            for found in run {
                part.add(
                    found,
                    &records[found.at as usize..],
                    place.payload_offset + found.at,
                )?;
            }
        }
        let mut batches = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        batches.push((place.first_sequence, place.offset));
        Ok(())
    }

    /// The records, those of one part together, each part's in order. Of the records that one append wrote only the first
    /// is found by their command, or a search for it would have to look at all of them.
    fn by_part(&self, records: &[u8]) -> Vec<Found> {
        let (mut found, mut counts) = (Vec::with_capacity(records.len() / RECORD_BYTES_GUESS), [0; PARTS]);
        let (mut at, mut before) = (0, None);
        while at < records.len() {
            let bytes = &records[at..];
            let names = frame::names(bytes);
            let stream_hash = self.hashing.key(names.kind, names.key);
            let this = (names.kind, names.key, names.command);
            let command = names.command.filter(|_| before != Some(this));
            before = Some(this);
            let one = Found {
                stream_hash,
                command_hash: command.map(|id| self.hashing.command(stream_hash, id)),
                version: names.version,
                at: at as u32,
            };
            counts[one.part()] += 1;
            found.push(one);
            at += frame::length(bytes);
        }
        let mut next = [0; PARTS];
        for part in 1..PARTS {
            next[part] = next[part - 1] + counts[part - 1];
        }
        let mut sorted = vec![Found::default(); found.len()];
        for one in found {
            let place = &mut next[one.part()];
            sorted[*place] = one;
            *place += 1;
        }
        sorted
    }

    /// The last version of a stream here.
    pub(crate) fn last_version(&self, hash: u64, stream: &StreamId) -> Option<u64> {
        let part = self.part(hash);
        part.slots(hash, stream).map(StreamSlots::last_version)
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
        let slots = part.slots(hash, stream)?;
        let skipped = ((after + 1).saturating_sub(slots.first_version) as usize).min(slots.offsets.len());
        let wanted = &slots.offsets[skipped..];
        Some((slots.first_version, wanted[..limit.min(wanted.len())].to_vec()))
    }

    /// Where records stand whose command has this hash, in order.
    pub(crate) fn command(&self, stream_hash: u64, command_hash: u64) -> Vec<u32> {
        self.part(stream_hash).commands.find(command_hash)
    }

    /// Where records stand whose command has this high half, in no order. One part after the other is locked.
    pub(crate) fn commands(&self, half: u32) -> Vec<u32> {
        let mut found = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.commands.find_half(half, &mut found);
        }
        found
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
            for slots in &part.streams {
                sorted
                    .streams
                    .push((slots.hash, slots.first_version, slots.offsets.clone()));
            }
            part.commands.copy_to(&mut sorted.commands);
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
    fn slots(&self, hash: u64, stream: &StreamId) -> Option<&StreamSlots> {
        self.streams
            .find(hash, |slots| slots.hash == hash && slots.stream == *stream)
    }

    fn add(&mut self, found: &Found, record: &[u8], offset: u32) -> std::result::Result<(), String> {
        let names = frame::names(record);
        let hash = found.stream_hash;
        let same = |slots: &StreamSlots| {
            let stream = (slots.stream.kind as u8, slots.stream.key.as_bytes());
            slots.hash == hash && stream == (names.kind, names.key)
        };
        let slots = self.streams.entry(hash, same, |slots| slots.hash);
        let slots = slots.or_insert_with(|| StreamSlots {
            hash,
            stream: frame::stream(record),
            first_version: found.version,
            offsets: Vec::new(),
        });
        let slots = slots.into_mut();
        let wanted = slots.first_version + slots.offsets.len() as u64;
        if found.version != wanted {
            let (last, version) = (wanted - 1, found.version);
            return Err(format!(
                "version {version} of {} follows version {last}",
                slots.stream
            ));
        }
        slots.offsets.push(offset);
        if let Some(command) = found.command_hash {
            self.commands.add(command, offset);
        }
        Ok(())
    }
}

/// Where one record of a batch stands, and what it is found by.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    stream_hash: u64,
    command_hash: Option<u64>,
    version: u64,
    at: u32,
}

impl Found {
    fn part(&self) -> usize {
        part_of(self.stream_hash)
    }
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
