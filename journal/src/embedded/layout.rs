//! The bytes around the records: identity file, segment header, batch header. `docs/journal-format.md` describes them; a
//! golden segment keeps both true. Nothing here does I/O, and no length is believed before its checksum.

use crate::frame::{i64_at, u32_at, u64_at, u128_at};
use crate::{Epoch, JournalId};

/// The version of everything this module lays out.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const IDENTITY_BYTES: usize = 48;
pub(crate) const SEGMENT_HEADER_BYTES: usize = 128;
pub(crate) const BATCH_HEADER_BYTES: usize = 144;

const IDENTITY_MAGIC: &[u8; 8] = b"LVHOUSE\n";
const SEGMENT_MAGIC: &[u8; 8] = b"LVHSEGM\n";
/// First bytes of every batch; also what a search for batches looks for.
pub(crate) const BATCH_MAGIC: &[u8; 4] = b"LVHB";

/// A link of the hash chain.
pub(crate) type Chain = [u8; 32];

/// The identity file of a directory.
pub(crate) fn encode_identity(id: JournalId, created_ms: i64) -> [u8; IDENTITY_BYTES] {
    let mut bytes = [0; IDENTITY_BYTES];
    bytes[..8].copy_from_slice(IDENTITY_MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..32].copy_from_slice(&id.0.to_le_bytes());
    bytes[32..40].copy_from_slice(&created_ms.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(crate) fn parse_identity(bytes: &[u8]) -> std::result::Result<JournalId, String> {
    if bytes.len() != IDENTITY_BYTES || &bytes[..8] != IDENTITY_MAGIC {
        return Err("this is not a Livehouse journal's identity file".into());
    }
    check_format(u32_at(bytes, 8))?;
    if crc32c::crc32c(&bytes[..40]) != u32_at(bytes, 40) {
        return Err("the identity file's checksum is wrong: restore it from a backup".into());
    }
    Ok(JournalId(u128_at(bytes, 16)))
}

fn check_format(format: u32) -> std::result::Result<(), String> {
    if format == FORMAT {
        return Ok(());
    }
    Err(format!(
        "the journal has format {format}, this program reads format {FORMAT}: use the program that fits"
    ))
}

/// What stands at the start of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) journal: JournalId,
    pub(crate) segment: u32,
    pub(crate) first_sequence: u64,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at_ms: i64,
    /// The chain's link at the end of the segment before.
    pub(crate) chain: Chain,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.journal.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.recorded_at_ms.to_le_bytes());
        bytes[64..96].copy_from_slice(&self.chain);
        let crc = crc32c::crc32c(&bytes[..124]);
        bytes[124..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        if bytes.len() < SEGMENT_HEADER_BYTES {
            return Err("the segment's header is cut short".into());
        }
        if &bytes[..8] != SEGMENT_MAGIC {
            return Err("the file does not begin as a segment does".into());
        }
        check_format(u32_at(bytes, 8))?;
        if crc32c::crc32c(&bytes[..124]) != u32_at(bytes, 124) {
            return Err("the segment header's checksum is wrong".into());
        }
        let mut chain = [0; 32];
        chain.copy_from_slice(&bytes[64..96]);
        Ok(Self {
            journal: JournalId(u128_at(bytes, 16)),
            segment: u32_at(bytes, 12),
            first_sequence: u64_at(bytes, 32),
            epoch: Epoch(u64_at(bytes, 40)),
            recorded_at_ms: i64_at(bytes, 48),
            chain,
        })
    }
}

/// What a batch is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchKind {
    /// It holds records.
    Records,
    /// The journal was opened for writing: a new epoch, no records.
    Opened,
    /// The journal was closed in good order: no records.
    Closed,
    /// The last batch of a full segment: no records.
    Sealed,
}

impl BatchKind {
    fn from_number(number: u32) -> Option<Self> {
        [Self::Records, Self::Opened, Self::Closed, Self::Sealed]
            .into_iter()
            .find(|k| *k as u32 == number)
    }
}

/// What stands before the records of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) journal: JournalId,
    pub(crate) segment: u32,
    pub(crate) kind: BatchKind,
    pub(crate) epoch: Epoch,
    pub(crate) first_sequence: u64,
    pub(crate) count: u32,
    pub(crate) payload_bytes: u32,
    /// Every record up to this sequence was durable when the batch was written.
    pub(crate) durable_upto: u64,
    pub(crate) recorded_at_ms: i64,
    /// Where the batch stands in its file.
    pub(crate) offset: u64,
    /// BLAKE3 of the payload.
    pub(crate) digest: Chain,
    /// BLAKE3 of the link before and of everything above.
    pub(crate) chain: Chain,
}

impl BatchHeader {
    /// Completes the chain's link and lays the header out.
    pub(crate) fn encode(&mut self, link_before: &Chain) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[..4].copy_from_slice(BATCH_MAGIC);
        bytes[8..24].copy_from_slice(&self.journal.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.segment.to_le_bytes());
        bytes[28..32].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[32..40].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.count.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.durable_upto.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.recorded_at_ms.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.offset.to_le_bytes());
        bytes[80..112].copy_from_slice(&self.digest);
        self.chain = link(link_before, &bytes[8..112]);
        bytes[112..].copy_from_slice(&self.chain);
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header, checking only what it says of itself.
    pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        if bytes.len() < BATCH_HEADER_BYTES {
            return Err("a batch's header is cut short".into());
        }
        let bytes = &bytes[..BATCH_HEADER_BYTES];
        if &bytes[..4] != BATCH_MAGIC {
            return Err("no batch begins here".into());
        }
        if crc32c::crc32c(&bytes[8..]) != u32_at(bytes, 4) {
            return Err("a batch header's checksum is wrong".into());
        }
        let kind = BatchKind::from_number(u32_at(bytes, 28)).ok_or("a batch of a kind that is not known")?;
        let (mut digest, mut chain) = ([0; 32], [0; 32]);
        digest.copy_from_slice(&bytes[80..112]);
        chain.copy_from_slice(&bytes[112..]);
        Ok(Self {
            journal: JournalId(u128_at(bytes, 8)),
            segment: u32_at(bytes, 24),
            kind,
            epoch: Epoch(u64_at(bytes, 32)),
            first_sequence: u64_at(bytes, 40),
            count: u32_at(bytes, 48),
            payload_bytes: u32_at(bytes, 52),
            durable_upto: u64_at(bytes, 56),
            recorded_at_ms: i64_at(bytes, 64),
            offset: u64_at(bytes, 72),
            digest,
            chain,
        })
    }

    /// Whether the header, as read from these bytes, follows a link of the chain.
    pub(crate) fn follows(&self, link_before: &Chain, bytes: &[u8]) -> bool {
        link(link_before, &bytes[8..112]) == self.chain
    }

    /// Sequence of the last record, or of the last before it when it has none.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.first_sequence + u64::from(self.count) - 1
    }

    /// Bytes of header and payload.
    pub(crate) fn total_bytes(&self) -> u64 {
        BATCH_HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }
}

fn link(before: &Chain, header: &[u8]) -> Chain {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(header);
    *hasher.finalize().as_bytes()
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:08}.segment")
}

/// The name of a segment's index file.
pub(crate) fn index_name(number: u32) -> String {
    format!("{number:08}.index")
}

/// The number of a segment's file name, if it is one.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".segment")?;
    number.parse().ok().filter(|n| segment_name(*n) == name)
}
