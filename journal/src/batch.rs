//! Many records in one piece of memory, shared without copying.
//!
//! The bytes are checked when a batch is made from bytes, or written by this crate; so reading them cannot fail. A batch
//! never has a gap, and never holds records of two shards.

use bytes::Bytes;

use crate::frame::{self, BadRecord};
use crate::{Position, RecordRef};

/// Consecutive records of one shard, in our binary layout (`docs/journal-format.md`). Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    shard: u16,
    first: u64,
    count: usize,
    bytes: Bytes,
}

impl RecordBatch {
    /// No records, after a position.
    pub fn empty(after: Position) -> Self {
        Self {
            shard: after.shard,
            first: after.sequence + 1,
            count: 0,
            bytes: Bytes::new(),
        }
    }

    /// Reads records from bytes, checking every one: its checksum, its texts, and that the first has the sequence
    /// `first` and the others follow it without a gap.
    pub fn checked(shard: u16, first: u64, bytes: Bytes) -> std::result::Result<Self, BadRecord> {
        let (mut offset, mut count) = (0, 0);
        while offset < bytes.len() {
            let bad = |what| BadRecord { offset, what };
            let length = frame::check(&bytes[offset..]).map_err(bad)?;
            let (found, wanted) = (frame::sequence(&bytes[offset..]), first + count as u64);
            if found != wanted {
                return Err(bad(format!("record {found} stands where {wanted} belongs")));
            }
            offset += length;
            count += 1;
        }
        Ok(Self {
            shard,
            first,
            count,
            bytes,
        })
    }

    /// Records that this crate has just written, or has checked.
    pub(crate) fn trusted(shard: u16, first: u64, count: usize, bytes: Bytes) -> Self {
        Self {
            shard,
            first,
            count,
            bytes,
        }
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The shard of all of them.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// Position of the first record; of an empty batch, where the first would stand.
    pub fn first(&self) -> Position {
        Position {
            shard: self.shard,
            sequence: self.first,
        }
    }

    /// Position of the last record; of an empty batch, the position it is empty after.
    pub fn last(&self) -> Position {
        Position {
            shard: self.shard,
            sequence: self.first + self.count as u64 - 1,
        }
    }

    /// The bytes of all records together.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            shard: self.shard,
            bytes: &self.bytes,
            left: self.count,
        }
    }

    /// Those records that stand above a sequence.
    #[must_use]
    pub fn after(&self, sequence: u64) -> Self {
        let skipped = (sequence + 1).saturating_sub(self.first).min(self.count as u64) as usize;
        let offset = self.skip(0, skipped);
        Self {
            shard: self.shard,
            first: self.first + skipped as u64,
            count: self.count - skipped,
            bytes: self.bytes.slice(offset..),
        }
    }

    /// Those records that stand at or below a sequence.
    #[must_use]
    pub fn through(&self, sequence: u64) -> Self {
        let count = (sequence + 1).saturating_sub(self.first).min(self.count as u64) as usize;
        Self {
            shard: self.shard,
            first: self.first,
            count,
            bytes: self.bytes.slice(..self.skip(0, count)),
        }
    }

    /// The first records up to about `bytes_max`, at least one if there is one.
    #[must_use]
    pub fn up_to(&self, bytes_max: usize) -> Self {
        if self.bytes.len() <= bytes_max {
            return self.clone();
        }
        let (mut offset, mut count) = (0, 0);
        while count < self.count {
            let next = self.skip(offset, 1);
            if count > 0 && next > bytes_max {
                break;
            }
            (offset, count) = (next, count + 1);
        }
        Self {
            shard: self.shard,
            first: self.first,
            count,
            bytes: self.bytes.slice(..offset),
        }
    }

    fn skip(&self, mut offset: usize, records: usize) -> usize {
        for _ in 0..records {
            offset += frame::length(&self.bytes[offset..]);
        }
        offset
    }
}

impl<'a> IntoIterator for &'a RecordBatch {
    type Item = RecordRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The records of a batch, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    shard: u16,
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<RecordRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (frame, rest) = self.bytes.split_at(frame::length(self.bytes));
        self.bytes = rest;
        Some(frame::read(frame, self.shard))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Makes a batch from records one by one, for engines that keep their records in another shape.
#[derive(Debug)]
pub struct RecordBatchBuilder {
    shard: u16,
    first: u64,
    count: usize,
    bytes: Vec<u8>,
}

impl RecordBatchBuilder {
    /// Starts a batch of the records that follow a position.
    pub fn after(position: Position) -> Self {
        Self {
            shard: position.shard,
            first: position.sequence + 1,
            count: 0,
            bytes: Vec::new(),
        }
    }

    /// Adds a record, with its version, time, cause and payload; its position is the next one. A record whose names are
    /// over the limits of [`crate::limits`] is not added, and its position is lost to nobody: `false` says so.
    #[must_use]
    pub fn push(&mut self, record: &RecordRef<'_>) -> bool {
        use crate::limits::{ACTOR_BYTES_MAX, COMMAND_ID_BYTES_MAX, STREAM_KEY_BYTES_MAX};
        let command_bytes = record.command_id.map_or(0, str::len);
        if record.key.len() > STREAM_KEY_BYTES_MAX
            || record.actor.len() > ACTOR_BYTES_MAX
            || command_bytes > COMMAND_ID_BYTES_MAX
        {
            return false;
        }
        let start = self.bytes.len();
        let cause = (record.command_id, record.request_hash, record.actor);
        let shape = (record.event_type, record.schema);
        frame::push(&mut self.bytes, (record.kind, record.key), cause, shape, |out| {
            out.extend_from_slice(record.payload);
        });
        let sequence = self.first + self.count as u64;
        frame::place(
            &mut self.bytes[start..],
            sequence,
            record.version,
            record.recorded_at_ms,
        );
        self.count += 1;
        true
    }

    /// Bytes so far.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch.
    pub fn finish(self) -> RecordBatch {
        RecordBatch::trusted(self.shard, self.first, self.count, Bytes::from(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::StreamKind;
    use domain::event::EventType;

    fn batch(records: u64) -> RecordBatch {
        let mut builder = RecordBatchBuilder::after(Position {
            shard: 3,
            sequence: 10,
        });
        for version in 1..=records {
            let record = RecordRef {
                position: Position::start(0),
                kind: StreamKind::Viewer,
                key: "ann",
                version,
                recorded_at_ms: 5,
                command_id: (version % 2 == 0).then_some("é-1"),
                request_hash: 7,
                actor: "ann",
                event_type: EventType::Followed,
                schema: 1,
                payload: &[1, 2, 3],
            };
            assert!(builder.push(&record));
        }
        builder.finish()
    }

    #[test]
    fn what_is_built_is_read_back() {
        let built = batch(3);
        let read = RecordBatch::checked(3, 11, built.bytes().clone());
        assert_eq!(read.as_ref(), Ok(&built));
        let records: Vec<_> = built.iter().collect();
        assert_eq!(records.len(), 3);
        assert_eq!((built.first().sequence, built.last().sequence), (11, 13));
        assert_eq!(
            records[1].position,
            Position {
                shard: 3,
                sequence: 12
            }
        );
        assert_eq!(
            (records[1].command_id, records[2].command_id),
            (Some("é-1"), None)
        );
        assert_eq!((records[2].version, records[2].payload), (3, &[1, 2, 3][..]));
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        let bytes = batch(2).bytes().to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(RecordBatch::checked(3, 11, flipped.into()).is_err(), "bit {bit}");
        }
        for length in 1..bytes.len() {
            let short = RecordBatch::checked(3, 11, bytes[..length].to_vec().into());
            assert!(
                short.is_err() || short.is_ok_and(|b| b.len() == 1),
                "length {length}"
            );
        }
        assert!(RecordBatch::checked(3, 12, bytes.into()).is_err(), "a gap");
    }

    #[test]
    fn a_batch_can_be_cut_at_both_ends() {
        let whole = batch(4);
        let one = whole.bytes().len() / 4;
        assert_eq!(whole.after(0), whole);
        assert_eq!(whole.after(12).first().sequence, 13);
        assert!(whole.after(14).is_empty());
        assert_eq!(whole.after(14).last().sequence, 14);
        assert_eq!(whole.up_to(1).len(), 1);
        assert_eq!(whole.up_to(2 * one + 20).len(), 2);
        assert_eq!(whole.after(11).up_to(usize::MAX).len(), 3);
    }
}
