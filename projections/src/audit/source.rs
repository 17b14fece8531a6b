//! Where the records of an audit come from: a reader, or a walk through the files that checks every byte on the way.

use std::sync::Arc;

use journal::embedded::VerifiedWalk;
use journal::{BoxFuture, Position, Reader, RecordBatch};

use crate::limits::READ_BYTES;
use crate::wait::{Stop, Waited, wait};

/// What a source has checked of the bytes, at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Batches whose checksums and link were checked.
    pub batches: u64,
    /// The last link of the hash chain.
    pub chain: [u8; 32],
}

/// The records of a journal, in order, from the first.
pub trait Source: Send {
    /// The next records, at least one; none at the end. Damage is final.
    fn next(&mut self) -> journal::Result<Option<RecordBatch>>;

    /// What was checked of the bytes; none from a source that checks no chain, and before its end.
    fn checked(&self) -> Option<Checked>;
}

/// The records that a reader hands out, up to where its journal ended when this was made.
pub struct FromReader<'a> {
    reader: &'a dyn Reader,
    at: Position,
    upto: u64,
    never: Stop,
}

impl<'a> FromReader<'a> {
    /// From the first record.
    pub fn new(reader: &'a dyn Reader) -> Self {
        Self {
            reader,
            at: Position::start(0),
            upto: reader.head().get(0),
            never: Stop::default(),
        }
    }

    fn read(&self) -> journal::Result<Arc<RecordBatch>> {
        let read: BoxFuture<'_, _> = self.reader.read(self.at, READ_BYTES);
        match wait(read, None, &self.never) {
            Waited::Ready(read) => read,
            Waited::Late | Waited::Stopped => Err(journal::Error::Closed),
        }
    }
}

impl Source for FromReader<'_> {
    fn next(&mut self) -> journal::Result<Option<RecordBatch>> {
        if self.at.sequence >= self.upto {
            return Ok(None);
        }
        let batch = self.read()?.through(self.upto);
        if batch.is_empty() {
            return Ok(None);
        }
        self.at = batch.last();
        Ok(Some(batch))
    }

    fn checked(&self) -> Option<Checked> {
        None
    }
}

/// The records of the files of a journal, of which every byte is checked on the way, on a thread of its own.
pub struct FromFiles(VerifiedWalk);

impl FromFiles {
    /// The records that a walk hands out; it must be at its beginning.
    pub fn new(walk: VerifiedWalk) -> Self {
        Self(walk)
    }
}

impl Source for FromFiles {
    fn next(&mut self) -> journal::Result<Option<RecordBatch>> {
        self.0.next_records()
    }

    fn checked(&self) -> Option<Checked> {
        self.0.verified().map(|verified| Checked {
            batches: verified.batches,
            chain: verified.chain,
        })
    }
}
