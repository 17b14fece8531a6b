//! Walks through a segment batch by batch and believes nothing: every checksum, every link of the chain, every sequence.
//! Used to open, to verify and to rebuild indexes. It never writes.

use std::io;

use crate::frame;
use crate::limits::BATCH_BYTES_MAX;
use crate::storage::{File, read_up_to};
use crate::{Epoch, JournalId};

use super::layout::{
    BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, BatchKind, Chain, SEGMENT_HEADER_BYTES, SegmentHeader,
};

const WINDOW_BYTES: usize = 8 << 20;

/// How far a walk has come: what the next batch must fit.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) journal: JournalId,
    pub(crate) segment: u32,
    pub(crate) next_sequence: u64,
    pub(crate) chain: Chain,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at_ms: i64,
    pub(crate) offset: u64,
    pub(crate) batches: u64,
    /// Where the last batch begins; 0 before the first.
    pub(crate) last_batch: u64,
    pub(crate) last_kind: Option<BatchKind>,
}

impl Progress {
    /// At the first batch of a segment.
    pub(crate) fn start(header: &SegmentHeader) -> Self {
        Self {
            journal: header.journal,
            segment: header.segment,
            next_sequence: header.first_sequence,
            chain: header.chain,
            epoch: header.epoch,
            recorded_at_ms: header.recorded_at_ms,
            offset: SEGMENT_HEADER_BYTES as u64,
            batches: 0,
            last_batch: 0,
            last_kind: None,
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.last_kind == Some(BatchKind::Sealed)
    }
}

/// The first thing in a segment that is not as it must be.
#[derive(Debug, Clone)]
pub(crate) struct Flaw {
    pub(crate) offset: u64,
    pub(crate) what: String,
}

/// One batch that was found good.
pub(crate) struct Found<'a> {
    pub(crate) header: &'a BatchHeader,
    pub(crate) payload: &'a [u8],
}

/// Walks to the end of the file, or to the first flaw. `visit` sees every good batch, in order; its complaint is a flaw.
pub(crate) fn walk(
    file: &dyn File,
    end: u64,
    mut progress: Progress,
    visit: &mut dyn FnMut(&Found<'_>) -> std::result::Result<(), String>,
) -> io::Result<(Progress, Option<Flaw>)> {
    let mut window = Window {
        file,
        end,
        base: 0,
        buffer: Vec::new(),
    };
    while progress.offset < end {
        let at = progress.offset;
        let flaw = |offset, what| Some(Flaw { offset, what });
        let bytes = window.get(at, BATCH_HEADER_BYTES)?;
        let header = match check_header(&progress, bytes) {
            Ok(header) => header,
            Err(what) => return Ok((progress, flaw(at, what))),
        };
        let total = header.total_bytes() as usize;
        let bytes = window.get(at, total)?;
        if bytes.len() < total {
            return Ok((
                progress,
                flaw(
                    at,
                    format!("a batch of {total} bytes is cut short at {}", bytes.len()),
                ),
            ));
        }
        let payload = &bytes[BATCH_HEADER_BYTES..];
        let found = Found {
            header: &header,
            payload,
        };
        if let Err((offset, what)) = check_payload(&found) {
            return Ok((progress, flaw(at + (BATCH_HEADER_BYTES + offset) as u64, what)));
        }
        if let Err(what) = visit(&found) {
            return Ok((progress, flaw(at, what)));
        }
        progress.pass(&header);
    }
    Ok((progress, None))
}

impl Progress {
    fn pass(&mut self, header: &BatchHeader) {
        self.next_sequence = header.last_sequence() + 1;
        self.chain = header.chain;
        self.epoch = header.epoch;
        self.recorded_at_ms = header.recorded_at_ms;
        self.last_batch = self.offset;
        self.offset += header.total_bytes();
        self.batches += 1;
        self.last_kind = Some(header.kind);
    }
}

/// Whether a batch header fits in its place.
fn check_header(progress: &Progress, bytes: &[u8]) -> std::result::Result<BatchHeader, String> {
    let header = BatchHeader::parse(bytes)?;
    if progress.is_sealed() {
        return Err("a batch after the end of a sealed segment".into());
    }
    if header.journal != progress.journal {
        return Err(format!(
            "a batch of journal {} in journal {}",
            header.journal, progress.journal
        ));
    }
    if (header.segment, header.offset) != (progress.segment, progress.offset) {
        return Err(format!(
            "a batch that belongs to segment {} at byte {}",
            header.segment, header.offset
        ));
    }
    if header.first_sequence != progress.next_sequence {
        let (first, next) = (header.first_sequence, progress.next_sequence);
        return Err(format!(
            "a batch that begins with record {first} where {next} belongs"
        ));
    }
    if header.epoch < progress.epoch || header.recorded_at_ms < progress.recorded_at_ms {
        return Err("a batch whose epoch or time goes back".into());
    }
    if header.durable_upto >= header.first_sequence {
        return Err("a batch that says it was durable before it was written".into());
    }
    if header.payload_bytes as usize > BATCH_BYTES_MAX {
        return Err(format!(
            "a batch of {} bytes is larger than any may be",
            header.payload_bytes
        ));
    }
    if !header.follows(&progress.chain, bytes) {
        return Err("a batch that does not follow the one before it: the hash chain is broken".into());
    }
    Ok(header)
}

/// Whether the records are those that the header speaks of; the flaw's offset counts from the payload's start.
fn check_payload(found: &Found<'_>) -> std::result::Result<(), (usize, String)> {
    let Found { header, payload } = found;
    let (mut offset, mut sequence) = (0, header.first_sequence);
    while offset < payload.len() {
        let length = frame::check(&payload[offset..]).map_err(|what| (offset, what))?;
        if frame::sequence(&payload[offset..]) != sequence {
            return Err((offset, format!("record {sequence} is missing")));
        }
        offset += length;
        sequence += 1;
    }
    if sequence != header.last_sequence() + 1 {
        return Err((0, format!("a batch of {} records holds others", header.count)));
    }
    if blake3::hash(payload).as_bytes() != &header.digest {
        return Err((0, "a batch's digest is wrong".into()));
    }
    Ok(())
}

/// Whether there is any batch of this segment after a flaw. There can only be one if everything before it was durable
/// when it was written: then the flaw is damage, and no torn tail.
pub(crate) fn any_batch_after(file: &dyn File, end: u64, progress: &Progress) -> io::Result<bool> {
    let from = progress.offset + 1;
    if from >= end {
        return Ok(false);
    }
    let mut rest = vec![0; (end - from) as usize];
    let length = read_up_to(file, &mut rest, from)?;
    let rest = &rest[..length];
    let starts = rest
        .windows(BATCH_MAGIC.len())
        .enumerate()
        .filter(|(_, bytes)| bytes == BATCH_MAGIC);
    Ok(starts.map(|(at, _)| at).any(|at| {
        BatchHeader::parse(&rest[at..]).is_ok_and(|header| {
            let place = (header.journal, header.segment, header.offset);
            place == (progress.journal, progress.segment, from + at as u64)
        })
    }))
}

/// A part of a file in memory, moved forward as needed.
struct Window<'a> {
    file: &'a dyn File,
    end: u64,
    base: u64,
    buffer: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `offset`, fewer than asked for at the end of the file.
    fn get(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        let bytes = bytes.min((self.end - offset) as usize);
        let loaded = offset >= self.base && offset + bytes as u64 <= self.base + self.buffer.len() as u64;
        if !loaded {
            let wanted = bytes.max(WINDOW_BYTES).min((self.end - offset) as usize);
            self.buffer.resize(wanted, 0);
            let length = read_up_to(self.file, &mut self.buffer, offset)?;
            self.buffer.truncate(length);
            self.base = offset;
        }
        let start = (offset - self.base) as usize;
        Ok(&self.buffer[start..(start + bytes).min(self.buffer.len())])
    }
}
