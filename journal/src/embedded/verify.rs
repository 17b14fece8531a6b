//! Checks every byte of a journal: every checksum, every record, every link of the chain. It writes nothing and needs no
//! lock, so it can run beside a server. What the records say (versions of a stream, sums) is for those to judge who fold
//! them, see `verified_walk`.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::storage::{Access, Disk, File, Storage, named};
use crate::{Error, JournalId, Result};

use super::layout::{Chain, segment_name};
use super::recover::{Recovery, segment_numbers};
use super::sealed::Seal;
use super::walk::{Found, Progress, any_batch_after, walk};

/// What was found to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which journal.
    pub id: JournalId,
    /// Segments read.
    pub segments: u32,
    /// Batches read, with and without records.
    pub batches: u64,
    /// Records read: also the sequence of the last one.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes at the very end that are no whole batch: never acknowledged, or being written by a server that runs.
    pub torn_tail_bytes: u64,
    /// The last link of the hash chain: the same on two machines means the same journal.
    pub chain: Chain,
}

/// Verifies the journal of a directory. `progress` is told bytes done and bytes in all, now and then.
///
/// # Errors
/// The first damage, as [`Error::Damaged`], naming file and offset; [`Error::Unusable`] when there is no journal.
pub fn verify(dir: impl AsRef<Path>, progress: impl FnMut(u64, u64)) -> Result<Verified> {
    verify_storage(&(Arc::new(Disk::new(dir.as_ref())) as Arc<dyn Storage>), progress)
}

/// As [`verify`], over any storage.
///
/// # Errors
/// As of [`verify`].
pub fn verify_storage(storage: &Arc<dyn Storage>, mut progress: impl FnMut(u64, u64)) -> Result<Verified> {
    let check = Check::new(storage)?;
    let total = check.total_bytes;
    let verified = check.run(&mut |_, done| {
        progress(done, total);
        ControlFlow::Continue(())
    })?;
    progress(total, total);
    Ok(verified)
}

/// Sees every batch that was found good, in order, with the bytes that are checked up to its end; says whether to go on.
pub(crate) type Visit<'a> = dyn FnMut(&Found<'_>, u64) -> ControlFlow<()> + 'a;

/// A check under way: one pass over all segments.
pub(crate) struct Check<'a> {
    storage: &'a Arc<dyn Storage>,
    recovery: Recovery<'a>,
    /// Number and length of every segment when the check began: what a server writes later is not looked at.
    segments: Vec<(u32, u64)>,
    pub(crate) total_bytes: u64,
    verified: Verified,
    before: Option<Seal>,
}

impl<'a> Check<'a> {
    /// Reads which journal it is and which segments it has.
    pub(crate) fn new(storage: &'a Arc<dyn Storage>) -> Result<Self> {
        let recovery = Recovery::new(storage, true);
        let verified = Verified {
            id: recovery.identity()?,
            segments: 0,
            batches: 0,
            records: 0,
            bytes: 0,
            torn_tail_bytes: 0,
            chain: [0; 32],
        };
        let names = named(&**storage, ".", storage.list())?;
        let mut check = Self {
            storage,
            recovery,
            segments: Vec::new(),
            total_bytes: 0,
            verified,
            before: None,
        };
        for (number, wanted) in segment_numbers(&names).into_iter().zip(1..) {
            if number != wanted {
                return Err(check.damaged(wanted, 0, "the segment is missing"));
            }
            let length = check.open(number)?.len_bytes();
            let length = named(&**storage, &segment_name(number), length)?;
            check.total_bytes += length;
            check.segments.push((number, length));
        }
        if check.segments.is_empty() {
            return Err(check.damaged(1, 0, "the first segment is missing"));
        }
        Ok(check)
    }

    /// Checks everything; when `visit` wants no more, what was found up to there.
    pub(crate) fn run(mut self, visit: &mut Visit<'_>) -> Result<Verified> {
        let segments = std::mem::take(&mut self.segments);
        for (at, (number, length)) in segments.iter().enumerate() {
            let is_last = at + 1 == segments.len();
            if self.segment(*number, *length, is_last, visit)?.is_break() {
                break;
            }
        }
        Ok(self.verified)
    }

    fn segment(
        &mut self,
        number: u32,
        length: u64,
        is_last: bool,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>> {
        let header = self
            .recovery
            .header(self.verified.id, number, self.before.as_ref())?;
        let (file, name) = (self.open(number)?, segment_name(number));
        let (done_before, mut wanted) = (self.verified.bytes, ControlFlow::Continue(()));
        let walked = walk(&*file, length, Progress::start(&header), &mut |found| {
            wanted = visit(
                found,
                done_before + found.header.offset + found.header.total_bytes(),
            );
            // Only an end of the walk, whatever it is called.
            if wanted.is_break() {
                Err(String::new())
            } else {
                Ok(())
            }
        });
        let (end, flaw) = named(&**self.storage, &name, walked)?;
        if wanted.is_break() {
            return Ok(wanted);
        }
        if let Some(flaw) = flaw {
            if !is_last || named(&**self.storage, &name, any_batch_after(&*file, length, &end))? {
                return Err(self.damaged(number, flaw.offset, &flaw.what));
            }
            self.verified.torn_tail_bytes = length - end.offset;
        }
        match (end.is_sealed(), is_last) {
            (true, true) => {
                let what = "the segment is missing: the one before it was sealed";
                return Err(self.damaged(number + 1, 0, what));
            }
            (false, false) => return Err(self.damaged(number, end.offset, "the segment's end is missing")),
            _ => {}
        }
        self.pass(length, &end);
        Ok(wanted)
    }

    fn pass(&mut self, length: u64, end: &Progress) {
        self.verified.segments += 1;
        self.verified.batches += end.batches;
        self.verified.records = end.next_sequence - 1;
        self.verified.bytes += length;
        self.verified.chain = end.chain;
        self.before = Some(Seal {
            len_bytes: length,
            next_sequence: end.next_sequence,
            chain: end.chain,
        });
    }

    fn open(&self, number: u32) -> Result<Arc<dyn File>> {
        let name = segment_name(number);
        named(&**self.storage, &name, self.storage.open(&name, Access::Read))
    }

    fn damaged(&self, number: u32, offset: u64, what: &str) -> Error {
        Error::Damaged {
            path: self.storage.path(&segment_name(number)),
            offset,
            what: what.to_owned(),
        }
    }
}
