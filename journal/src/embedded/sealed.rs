//! The index file of a full segment: immutable, checksummed by block, a pure function of the segment.
//!
//! A lookup is a few comparisons in memory (Bloom filter, fence keys) and one block read. It is never trusted without its
//! checksums nor without naming its segment's last link of the chain; one that is missing or damaged is made again.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use crate::JournalId;
use crate::frame::{u32_at, u64_at, u128_at};
use crate::storage::{File, read_up_to};

use super::active::Sorted;
use super::filter::Filter;
use super::layout::Chain;

const MAGIC: &[u8; 8] = b"LVHINDX2";
const BLOCK_BYTES: usize = 4_096;
/// Bytes of a block before its checksum.
const BODY_BYTES: usize = BLOCK_BYTES - 4;
const STREAM_BYTES: usize = 24;
const COMMAND_BYTES: usize = 12;
const BATCH_BYTES: usize = 8;
const OFFSET_BYTES: usize = 4;
const WORD_BYTES: usize = 8;

/// What a segment came to when it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) len_bytes: u64,
    pub(crate) next_sequence: u64,
    pub(crate) chain: Chain,
}

/// Which segment an index is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexOf {
    pub(crate) journal: JournalId,
    pub(crate) segment: u32,
    pub(crate) first_sequence: u64,
    pub(crate) seal: Seal,
}

/// Sections of the file after its header block, in order.
#[derive(Debug, Clone, Copy)]
enum Section {
    Streams,
    Offsets,
    Commands,
    Batches,
    StreamFilter,
    CommandFilter,
    StreamFences,
    CommandFences,
    BatchFences,
}

const SECTIONS: [(Section, usize); 9] = [
    (Section::Streams, STREAM_BYTES),
    (Section::Offsets, OFFSET_BYTES),
    (Section::Commands, COMMAND_BYTES),
    (Section::Batches, BATCH_BYTES),
    (Section::StreamFilter, WORD_BYTES),
    (Section::CommandFilter, WORD_BYTES),
    (Section::StreamFences, WORD_BYTES),
    (Section::CommandFences, WORD_BYTES),
    (Section::BatchFences, WORD_BYTES),
];

const fn per_block(entry_bytes: usize) -> usize {
    BODY_BYTES / entry_bytes
}

/// Lays an index file out.
pub(crate) fn image(of: &IndexOf, sorted: &Sorted) -> Vec<u8> {
    let mut streams = Vec::with_capacity(sorted.streams.len() * STREAM_BYTES);
    let mut offsets = Vec::new();
    let mut stream_filter = Filter::for_keys(sorted.streams.len());
    for (hash, first_version, places) in &sorted.streams {
        streams.extend(hash.to_le_bytes());
        streams.extend(first_version.to_le_bytes());
        streams.extend(((offsets.len() / OFFSET_BYTES) as u32).to_le_bytes());
        streams.extend((places.len() as u32).to_le_bytes());
        offsets.extend(places.iter().flat_map(|place| place.to_le_bytes()));
        stream_filter.insert(*hash);
    }
    let mut commands = Vec::with_capacity(sorted.commands.len() * COMMAND_BYTES);
    let mut command_filter = Filter::for_keys(sorted.commands.len());
    for (hash, place) in &sorted.commands {
        commands.extend(hash.to_le_bytes());
        commands.extend(place.to_le_bytes());
        command_filter.insert(in_filter(*hash));
    }
    let mut batches = Vec::with_capacity(sorted.batches.len() * BATCH_BYTES);
    for (first_sequence, place) in &sorted.batches {
        batches.extend(((first_sequence - of.first_sequence) as u32).to_le_bytes());
        batches.extend(place.to_le_bytes());
    }
    let words = |filter: &Filter| filter.words().flat_map(|word| word.to_le_bytes()).collect();
    let stream_fences = fences(&streams, STREAM_BYTES, |at| u64_at(&streams, at));
    let command_fences = fences(&commands, COMMAND_BYTES, |at| u64_at(&commands, at));
    let batch_fences = fences(&batches, BATCH_BYTES, |at| u64::from(u32_at(&batches, at)));
    let sections: [Vec<u8>; 9] = [
        streams,
        offsets,
        commands,
        batches,
        words(&stream_filter),
        words(&command_filter),
        stream_fences,
        command_fences,
        batch_fences,
    ];
    let mut file = Vec::new();
    push_block(&mut file, &header(of, &sections));
    for (section, (_, entry_bytes)) in sections.iter().zip(SECTIONS) {
        for body in section.chunks(per_block(entry_bytes) * entry_bytes) {
            push_block(&mut file, body);
        }
    }
    file
}

/// The first key of every block of a section.
fn fences(section: &[u8], entry_bytes: usize, key: impl Fn(usize) -> u64) -> Vec<u8> {
    let starts = (0..section.len()).step_by(per_block(entry_bytes) * entry_bytes);
    starts.flat_map(|at| key(at).to_le_bytes()).collect()
}

fn header(of: &IndexOf, sections: &[Vec<u8>; 9]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(of.journal.0.to_le_bytes());
    bytes.extend(of.segment.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(of.first_sequence.to_le_bytes());
    bytes.extend(of.seal.next_sequence.to_le_bytes());
    bytes.extend(of.seal.len_bytes.to_le_bytes());
    bytes.extend(of.seal.chain);
    for (section, (_, entry_bytes)) in sections.iter().zip(SECTIONS) {
        bytes.extend(((section.len() / entry_bytes) as u64).to_le_bytes());
    }
    bytes
}

/// A command's hash as the filter takes it. The filter spreads by the high half, and one client's id may be that of very many
/// commands: the low half goes there.
fn in_filter(command_hash: u64) -> u64 {
    command_hash.rotate_left(32)
}

fn block_crc(number: usize, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&(number as u64).to_le_bytes()), body)
}

fn push_block(file: &mut Vec<u8>, body: &[u8]) {
    let number = file.len() / BLOCK_BYTES;
    file.extend(body);
    file.resize(number * BLOCK_BYTES + BODY_BYTES, 0);
    let crc = block_crc(number, &file[number * BLOCK_BYTES..]);
    file.extend(crc.to_le_bytes());
}

/// An index file cannot be used: it must be made again from its segment.
#[derive(Debug)]
pub(crate) struct Unusable;

impl From<io::Error> for Unusable {
    fn from(_: io::Error) -> Self {
        Self
    }
}

type Use<T> = std::result::Result<T, Unusable>;

/// Where the blocks come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// The file.
    File(Arc<dyn File>),
    /// A file that could not be written, or was made again.
    Memory(Arc<[u8]>),
}

impl Source {
    fn block(&self, number: usize) -> Use<Vec<u8>> {
        let start = number * BLOCK_BYTES;
        let mut block = vec![0; BLOCK_BYTES];
        match self {
            Self::File(file) => {
                if read_up_to(&**file, &mut block, start as u64)? < BLOCK_BYTES {
                    return Err(Unusable);
                }
            }
            Self::Memory(bytes) => {
                block.copy_from_slice(bytes.get(start..start + BLOCK_BYTES).ok_or(Unusable)?);
            }
        }
        if block_crc(number, &block[..BODY_BYTES]) != u32_at(&block, BODY_BYTES) {
            return Err(Unusable);
        }
        Ok(block)
    }
}

/// One stream of an index file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamEntry {
    pub(crate) first_version: u64,
    start: u32,
    pub(crate) count: u32,
}

/// An open index file.
pub(crate) struct SealedIndex {
    source: RwLock<Source>,
    first_sequence: u64,
    /// Number of entries and first block of every section.
    places: [(usize, usize); 9],
    stream_filter: Filter,
    command_filter: Filter,
    stream_fences: Vec<u64>,
    command_fences: Vec<u64>,
    batch_fences: Vec<u64>,
}

impl SealedIndex {
    /// Opens an index; it must be of exactly this segment.
    pub(crate) fn open(source: Source, of: &IndexOf) -> Use<Self> {
        let head = source.block(0)?;
        let mut chain = [0; 32];
        chain.copy_from_slice(&head[56..88]);
        let found = IndexOf {
            journal: JournalId(u128_at(&head, 8)),
            segment: u32_at(&head, 24),
            first_sequence: u64_at(&head, 32),
            seal: Seal {
                len_bytes: u64_at(&head, 48),
                next_sequence: u64_at(&head, 40),
                chain,
            },
        };
        if &head[..8] != MAGIC || found != *of {
            return Err(Unusable);
        }
        let (mut places, mut block) = ([(0, 0); 9], 1);
        for (number, (_, entry_bytes)) in SECTIONS.into_iter().enumerate() {
            let entries = u64_at(&head, 88 + number * 8) as usize;
            places[number] = (entries, block);
            block += entries.div_ceil(per_block(entry_bytes));
        }
        let words = |section| words(&source, places[section as usize]);
        Ok(Self {
            stream_filter: Filter::from_words(&words(Section::StreamFilter)?),
            command_filter: Filter::from_words(&words(Section::CommandFilter)?),
            stream_fences: words(Section::StreamFences)?,
            command_fences: words(Section::CommandFences)?,
            batch_fences: words(Section::BatchFences)?,
            first_sequence: of.first_sequence,
            places,
            source: RwLock::new(source),
        })
    }

    /// Takes the same index from another source from now on.
    pub(crate) fn replace(&self, source: Source) {
        *self.source.write().unwrap_or_else(PoisonError::into_inner) = source;
    }

    fn source(&self) -> Source {
        self.source.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The streams of this hash: none or one, but for collisions.
    pub(crate) fn streams(&self, hash: u64) -> Use<Vec<StreamEntry>> {
        if !self.stream_filter.may_hold(hash) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        self.scan(Section::Streams, &self.stream_fences, (hash, hash), |entry| {
            let first_version = u64_at(entry, 8);
            found.push(StreamEntry {
                first_version,
                start: u32_at(entry, 16),
                count: u32_at(entry, 20),
            });
        })?;
        Ok(found)
    }

    /// Where the records of a stream stand, from its `skip`ped-th on, at most `limit`.
    pub(crate) fn offsets(&self, entry: &StreamEntry, skip: usize, limit: usize) -> Use<Vec<u32>> {
        let source = self.source();
        let (first_block, per_block) = (self.places[Section::Offsets as usize].1, per_block(OFFSET_BYTES));
        let (mut at, end) = (entry.start as usize + skip, (entry.start + entry.count) as usize);
        let end = end.min(at.saturating_add(limit));
        let mut offsets = Vec::with_capacity(end.saturating_sub(at));
        while at < end {
            let block = source.block(first_block + at / per_block)?;
            let block_end = (at / per_block + 1) * per_block;
            while at < end.min(block_end) {
                offsets.push(u32_at(&block, at % per_block * OFFSET_BYTES));
                at += 1;
            }
        }
        Ok(offsets)
    }

    /// Where records stand whose command has this hash, in order.
    pub(crate) fn command(&self, hash: u64) -> Use<Vec<u32>> {
        if !self.command_filter.may_hold(in_filter(hash)) {
            return Ok(Vec::new());
        }
        self.commands_between(hash, hash)
    }

    /// Where records stand whose command has this high half: in order of their hashes, those of one hash in order.
    pub(crate) fn commands(&self, half: u32) -> Use<Vec<u32>> {
        let first = u64::from(half) << 32;
        self.commands_between(first, first | u64::from(u32::MAX))
    }

    fn commands_between(&self, first: u64, last: u64) -> Use<Vec<u32>> {
        let mut found = Vec::new();
        self.scan(Section::Commands, &self.command_fences, (first, last), |entry| {
            found.push(u32_at(entry, 8))
        })?;
        Ok(found)
    }

    /// Where the batch begins that holds a sequence.
    pub(crate) fn batch(&self, sequence: u64) -> Use<Option<u32>> {
        let delta = sequence - self.first_sequence;
        let Some(number) = self
            .batch_fences
            .partition_point(|first| *first <= delta)
            .checked_sub(1)
        else {
            return Ok(None);
        };
        let (entries, first_block) = self.places[Section::Batches as usize];
        let block = self.source().block(first_block + number)?;
        let here = per_block(BATCH_BYTES).min(entries - number * per_block(BATCH_BYTES));
        let last = (0..here)
            .rev()
            .find(|at| u64::from(u32_at(&block, at * BATCH_BYTES)) <= delta);
        Ok(last.map(|at| u32_at(&block, at * BATCH_BYTES + 4)))
    }

    /// Shows every entry whose key, its first 8 bytes, is one of `first` to `last`.
    fn scan(
        &self,
        section: Section,
        fences: &[u64],
        (first, last): (u64, u64),
        mut each: impl FnMut(&[u8]),
    ) -> Use<()> {
        let (entries, first_block) = self.places[section as usize];
        let entry_bytes = SECTIONS[section as usize].1;
        let per_block = per_block(entry_bytes);
        let start = fences.partition_point(|fence| *fence < first).saturating_sub(1);
        let end = fences.partition_point(|fence| *fence <= last);
        let source = self.source();
        for number in start..end {
            let block = source.block(first_block + number)?;
            let here = per_block.min(entries - number * per_block);
            let entries = block[..here * entry_bytes].chunks_exact(entry_bytes);
            entries
                .filter(|entry| (first..=last).contains(&u64_at(entry, 0)))
                .for_each(&mut each);
        }
        Ok(())
    }
}

fn words(source: &Source, (entries, first_block): (usize, usize)) -> Use<Vec<u64>> {
    let per_block = per_block(WORD_BYTES);
    let mut words = Vec::new();
    for number in 0..entries.div_ceil(per_block) {
        let block = source.block(first_block + number)?;
        let here = per_block.min(entries - number * per_block);
        words.extend((0..here).map(|at| u64_at(&block, at * WORD_BYTES)));
    }
    Ok(words)
}
