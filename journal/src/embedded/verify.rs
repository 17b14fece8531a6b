//! Checks every byte of a journal: every checksum, every record, every link of the chain. It writes nothing and needs no
//! lock, so it can run beside a server.

use std::path::Path;
use std::sync::Arc;

use crate::storage::{Access, Disk, Storage, named};
use crate::{Error, JournalId, Result};

use super::layout::{BatchKind, Chain, segment_name};
use super::recover::{Recovery, segment_numbers};
use super::sealed::Seal;
use super::walk::{Progress, any_batch_after, walk};

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
    let recovery = Recovery::new(storage, true);
    let id = recovery.identity()?;
    let names = named(&**storage, ".", storage.list())?;
    let numbers = segment_numbers(&names);
    let damaged = |number, offset, what: &str| Error::Damaged {
        path: storage.path(&segment_name(number)),
        offset,
        what: what.to_owned(),
    };
    let mut lengths = Vec::new();
    for (number, wanted) in numbers.iter().zip(1..) {
        if *number != wanted {
            return Err(damaged(wanted, 0, "the segment is missing"));
        }
        let name = segment_name(*number);
        let length = storage
            .open(&name, Access::Read)
            .and_then(|file| file.len_bytes());
        lengths.push((*number, named(&**storage, &name, length)?));
    }
    let total = lengths.iter().map(|(_, length)| length).sum();
    let mut verified = Verified {
        id,
        segments: 0,
        batches: 0,
        records: 0,
        bytes: 0,
        torn_tail_bytes: 0,
        chain: [0; 32],
    };
    let mut before: Option<Seal> = None;
    for (number, length) in &lengths {
        let header = recovery.header(id, *number, before.as_ref())?;
        let name = segment_name(*number);
        let file = named(&**storage, &name, storage.open(&name, Access::Read))?;
        let done_before = verified.bytes;
        let walked = walk(&*file, *length, Progress::start(&header), &mut |found| {
            progress(
                done_before + found.header.offset + found.header.total_bytes(),
                total,
            );
            Ok(())
        });
        let (end, flaw) = named(&**storage, &name, walked)?;
        let is_last = usize::try_from(*number) == Ok(lengths.len());
        if let Some(flaw) = flaw {
            if !is_last || named(&**storage, &name, any_batch_after(&*file, *length, &end))? {
                return Err(damaged(*number, flaw.offset, &flaw.what));
            }
            verified.torn_tail_bytes = length - end.offset;
        }
        match (end.last_kind == Some(BatchKind::Sealed), is_last) {
            (true, true) => {
                return Err(damaged(
                    number + 1,
                    0,
                    "the segment is missing: the one before it was sealed",
                ));
            }
            (false, false) => return Err(damaged(*number, end.offset, "the segment's end is missing")),
            _ => {}
        }
        verified.segments += 1;
        verified.batches += end.batches;
        verified.records = end.next_sequence - 1;
        verified.bytes += length;
        verified.chain = end.chain;
        before = Some(Seal {
            len_bytes: *length,
            next_sequence: end.next_sequence,
            chain: end.chain,
        });
    }
    if lengths.is_empty() {
        return Err(damaged(1, 0, "the first segment is missing"));
    }
    progress(total, total);
    Ok(verified)
}
