//! Opens a directory: finds out where the journal ends, and whether everything before that is as it was acknowledged.
//!
//! Files and directory are synced before they are read. The only thing that is ever cut off is a torn tail: at most one
//! batch at the end of the last segment, with no batch after it. Anything else is an error that names file and offset;
//! nothing is deleted on doubt.

use std::cell::Cell;
use std::sync::Arc;

use crate::limits::BATCH_BYTES_MAX;
use crate::storage::{Access, File, Storage, named, read_up_to, write_all_at};
use crate::{Epoch, Error, JournalId, Result};

use super::active::{ActiveIndex, Hashing};
use super::core::{End, create_segment, seal_header};
use super::indexing::walk_and_index;
use super::layout::{
    BATCH_HEADER_BYTES, BatchHeader, BatchKind, IDENTITY_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader,
    encode_identity, parse_identity, segment_name, segment_number,
};
use super::sealed::Seal;
use super::segment::Segment;
use super::walk::{Flaw, Progress, any_batch_after, walk};

/// Name of the file that says which journal a directory holds.
pub(crate) const IDENTITY: &str = "identity";
/// A crash leaves so many full segments without an index at most; a start folds theirs in memory and writes them later.
const INDEXES_MADE_LATER_MAX: u32 = 3;

/// What an opening had to put right after a crash. None of it ever touches what was acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Bytes of a torn batch that were cut off.
    pub torn_tail_bytes: u64,
    /// A full segment's missing seal was written.
    pub seals_completed: u32,
    /// A segment whose header never became durable was removed.
    pub segments_stillborn: u32,
    /// A segment that held only its header was made anew, for nobody knows whether its directory entry is durable.
    pub segments_made_again: u32,
    /// The journal itself was only half made.
    pub journals_stillborn: u32,
    /// The last batch was written again, for nobody knows whether its sync succeeded.
    pub batches_written_again: u32,
}

/// A directory that was found good.
pub(crate) struct Recovered {
    pub(crate) repairs: Repairs,
    pub(crate) id: JournalId,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) end: End,
}

/// What a new journal is made with.
pub(crate) struct Birth {
    pub(crate) id: JournalId,
    pub(crate) now_ms: i64,
}

/// The directory under examination.
pub(crate) struct Recovery<'a> {
    pub(crate) storage: &'a Arc<dyn Storage>,
    /// Nothing is written: no torn tail is cut, no seal completed, no index kept.
    pub(crate) read_only: bool,
    pub(crate) repairs: Cell<Repairs>,
}

impl<'a> Recovery<'a> {
    pub(crate) fn new(storage: &'a Arc<dyn Storage>, read_only: bool) -> Self {
        Self {
            storage,
            read_only,
            repairs: Cell::default(),
        }
    }

    fn note(&self, note: impl FnOnce(&mut Repairs)) {
        let mut repairs = self.repairs.get();
        note(&mut repairs);
        self.repairs.set(repairs);
    }

    /// Opens the journal; makes it first when the directory is empty and `birth` says how.
    pub(crate) fn run(&self, birth: Option<Birth>) -> Result<Recovered> {
        let names = self.named(".", self.storage.list())?;
        let numbers = segment_numbers(&names);
        if !names.iter().any(|name| name == IDENTITY) {
            let Some(birth) = birth else {
                return Err(self.unusable(".", "there is no journal here: no identity file".into()));
            };
            self.create(&numbers, &birth)?;
            return self.open(birth.id, &[1]);
        }
        let id = self.identity()?;
        if !self.read_only && numbers[..] == [1] && self.length(1)? == SEGMENT_HEADER_BYTES as u64 {
            self.make_journal_again()?;
        }
        self.open(id, &numbers)
    }

    /// Which journal the directory holds.
    pub(crate) fn identity(&self) -> Result<JournalId> {
        let file = self.named(IDENTITY, self.storage.open(IDENTITY, Access::Read))?;
        let mut bytes = vec![0; IDENTITY_BYTES + 1];
        let length = self.named(IDENTITY, read_up_to(&*file, &mut bytes, 0))?;
        parse_identity(&bytes[..length]).map_err(|what| self.unusable(IDENTITY, what))
    }

    /// The first segment comes first, the identity last: a directory with an identity has a segment.
    fn create(&self, numbers: &[u32], birth: &Birth) -> Result<()> {
        match numbers {
            [] => {}
            [1] if self.length(1)? <= SEGMENT_HEADER_BYTES as u64 => {
                // The process died while it made the journal: nothing was ever written into it.
                self.named(&segment_name(1), self.storage.remove(&segment_name(1)))?;
                self.note(|repairs| repairs.journals_stillborn += 1);
            }
            _ => {
                let what = "segments without the identity file: restore it from a backup";
                return Err(self.unusable(IDENTITY, what.into()));
            }
        }
        let header = SegmentHeader {
            journal: birth.id,
            segment: 1,
            first_sequence: 1,
            epoch: Epoch(0),
            recorded_at_ms: i64::MIN,
            chain: [0; 32],
        };
        create_segment(self.storage, header)?;
        self.put(IDENTITY, &encode_identity(birth.id, birth.now_ms))
    }

    /// A journal without any batch: its birth may have ended with a sync of the directory that failed.
    fn make_journal_again(&self) -> Result<()> {
        self.make_again(1)?;
        let file = self.named(IDENTITY, self.storage.open(IDENTITY, Access::Read))?;
        let mut bytes = [0; IDENTITY_BYTES];
        self.named(IDENTITY, read_up_to(&*file, &mut bytes, 0))?;
        self.put(IDENTITY, &bytes)
    }

    /// A sync of the directory that failed may have left an entry that the system believes to be on the disk: it is seen,
    /// and a later sync does not write it. So a segment into which nothing was written since it was made gets a new file
    /// and with it a new entry, before anything is. Its header is known to be good.
    fn make_again(&self, number: u32) -> Result<()> {
        self.put(&segment_name(number), &self.header_bytes(number)?)?;
        self.note(|repairs| repairs.segments_made_again += 1);
        Ok(())
    }

    /// Puts a small file in the place of what has its name, durably, entry and all.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let new = format!("{name}.new");
        // What a crash left behind is made again.
        _ = self.storage.remove(&new);
        let made = self.storage.create(&new).and_then(|file| {
            write_all_at(&*file, bytes, 0)?;
            file.sync()?;
            self.storage.rename(&new, name)?;
            self.storage.sync_dir()
        });
        self.named(name, made)
    }

    fn open(&self, id: JournalId, numbers: &[u32]) -> Result<Recovered> {
        let numbers = self.complete(numbers)?;
        if !self.read_only {
            self.named(".", self.storage.sync_dir())?;
        }
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        let mut before: Option<Seal> = None;
        let Some((last, sealed)) = numbers.split_last() else {
            return Err(self.damaged(1, 0, "the first segment is missing".into()));
        };
        for number in sealed {
            let later = !self.read_only && number + INDEXES_MADE_LATER_MAX >= *last;
            let segment = self.sealed_segment(id, *number, before.as_ref(), later)?;
            before = segment.seal.get().cloned();
            segments.push(Arc::new(segment));
        }
        let (segment, end) = self.last_segment(id, *last, before.as_ref())?;
        segments.push(Arc::new(segment));
        Ok(Recovered {
            repairs: self.repairs.get(),
            id,
            segments,
            end,
        })
    }

    /// The segments that the journal consists of: without gap, and with the last one.
    fn complete(&self, numbers: &[u32]) -> Result<Vec<u32>> {
        for (number, wanted) in numbers.iter().zip(1..) {
            if *number != wanted {
                return Err(self.damaged(wanted, 0, "the segment is missing".into()));
            }
        }
        let mut numbers = numbers.to_vec();
        if let [.., before, last] = numbers[..]
            && self.is_stillborn(before, last)?
        {
            if !self.read_only {
                self.named(&segment_name(last), self.storage.remove(&segment_name(last)))?;
            }
            self.note(|repairs| repairs.segments_stillborn += 1);
            numbers.pop();
        }
        if let Some(last) = numbers.last()
            && self.seal(*last)?.is_some()
        {
            return Err(self.damaged(
                last + 1,
                0,
                "the segment is missing: the one before it was sealed".into(),
            ));
        }
        Ok(numbers)
    }

    /// Whether a segment's header never became durable. Then the segment before it is not sealed, and nothing was ever
    /// acknowledged into it.
    fn is_stillborn(&self, before: u32, last: u32) -> Result<bool> {
        if self.length(last)? > SEGMENT_HEADER_BYTES as u64 || self.seal(before)?.is_some() {
            return Ok(false);
        }
        Ok(self
            .header_bytes(last)
            .is_ok_and(|bytes| SegmentHeader::parse(&bytes).is_err()))
    }

    fn sealed_segment(
        &self,
        id: JournalId,
        number: u32,
        before: Option<&Seal>,
        later: bool,
    ) -> Result<Segment> {
        let file = self.file(number)?;
        let header = self.header(id, number, before)?;
        let seal = match self.seal(number)? {
            Some(seal) => seal,
            None => self.complete_seal(&*file, &header, number)?,
        };
        Segment::sealed(self.storage, header, file, seal, (self.read_only, later))
    }

    /// The seal at the end of a segment, if there is one.
    fn seal(&self, number: u32) -> Result<Option<Seal>> {
        let length = self.length(number)?;
        let Some(at) = length.checked_sub(BATCH_HEADER_BYTES as u64) else {
            return Ok(None);
        };
        let file = self.file(number)?;
        let mut bytes = [0; BATCH_HEADER_BYTES];
        self.named(&segment_name(number), read_up_to(&*file, &mut bytes, at))?;
        let header = BatchHeader::parse(&bytes).ok();
        let header = header.filter(|h| h.kind == BatchKind::Sealed && (h.segment, h.offset) == (number, at));
        Ok(header.map(|h| Seal {
            len_bytes: length,
            next_sequence: h.first_sequence,
            chain: h.chain,
        }))
    }

    /// The process died between the next segment's birth and this one's seal: everything in it is durable, and the next
    /// segment's header says which seal is missing.
    fn complete_seal(&self, file: &dyn File, header: &SegmentHeader, number: u32) -> Result<Seal> {
        let next = self.header_bytes(number + 1)?;
        let next = SegmentHeader::parse(&next).map_err(|what| self.damaged(number + 1, 0, what))?;
        let length = self.length(number)?;
        let walked = walk(file, length, Progress::start(header), &mut |_| Ok(()));
        let (progress, flaw) = self.named(&segment_name(number), walked)?;
        let end = End::of(&progress);
        let mut seal = seal_header(header, &end, progress.next_sequence);
        let bytes = seal.encode(&end.chain);
        let torn = length - progress.offset;
        if seal.chain != next.chain || torn > BATCH_HEADER_BYTES as u64 {
            let flaw = flaw.unwrap_or(Flaw {
                offset: progress.offset,
                what: "the segment's end is missing".into(),
            });
            return Err(self.damaged(number, flaw.offset, flaw.what));
        }
        // A byte or so may be there from an opening that failed; a batch may not.
        let mut first = Progress::start(&next);
        first.offset -= 1;
        let next_file = self.file(number + 1)?;
        let any_batch = any_batch_after(&*next_file, self.length(number + 1)?, &first);
        if self.named(&segment_name(number + 1), any_batch)? {
            let what = "the segment's seal is missing, though there are records after it";
            return Err(self.damaged(number, progress.offset, what.into()));
        }
        if !self.read_only {
            // The seal says that the next segment is there: that must be so first, whatever became of the syncs at its
            // birth. It holds no batch, and its header is of this very seal: nothing is lost with the old file.
            self.make_again(number + 1)?;
            let written = write_all_at(file, &bytes, end.offset).and_then(|()| file.sync());
            self.named(&segment_name(number), written)?;
            self.note(|repairs| repairs.seals_completed += 1);
        }
        Ok(Seal {
            len_bytes: end.offset + BATCH_HEADER_BYTES as u64,
            next_sequence: progress.next_sequence,
            chain: seal.chain,
        })
    }

    /// The segment that is written to: every byte of it is checked.
    fn last_segment(&self, id: JournalId, number: u32, before: Option<&Seal>) -> Result<(Segment, End)> {
        let file = self.file(number)?;
        let name = segment_name(number);
        // The length first: what is written after the sync by a server that runs is not looked at.
        let length = self.length(number)?;
        self.named(&name, file.sync())?;
        let header = self.header(id, number, before)?;
        let index = ActiveIndex::new(Hashing::of(id));
        let walked = walk_and_index(&*file, length, Progress::start(&header), &index);
        let (progress, flaw) = self.named(&name, walked)?;
        if let Some(flaw) = flaw {
            self.cut_torn_tail(&*file, length, &progress, flaw)?;
        }
        if !self.read_only {
            self.write_again(&*file, number, progress.last_batch, progress.offset)?;
        }
        let end = End::of(&progress);
        Ok((
            Segment::active(self.storage, header, file, index, self.read_only),
            end,
        ))
    }

    /// A sync that failed may have left bytes in the system's cache that it believes to be on the disk: they are read,
    /// and a later sync does not write them. Only what was written last can be such bytes, so it is written again: the
    /// last batch; or, when the last segment has none, its header and the seal before it. And the length is set again,
    /// by way of another one, for the same may have happened to an earlier cut.
    fn write_again(&self, file: &dyn File, number: u32, from: u64, to: u64) -> Result<()> {
        let name = segment_name(number);
        self.named(&name, file.set_len(to + 1).and_then(|()| file.set_len(to)))?;
        self.copy_onto_itself(file, number, from, to)?;
        if from == 0 && number > 1 {
            let (file, length) = (self.file(number - 1)?, self.length(number - 1)?);
            self.copy_onto_itself(
                &*file,
                number - 1,
                length.saturating_sub(BATCH_HEADER_BYTES as u64),
                length,
            )?;
        }
        self.note(|repairs| repairs.batches_written_again += 1);
        Ok(())
    }

    fn copy_onto_itself(&self, file: &dyn File, number: u32, from: u64, to: u64) -> Result<()> {
        let mut bytes = vec![0; (to - from) as usize];
        let name = segment_name(number);
        self.named(&name, read_up_to(file, &mut bytes, from))?;
        self.named(&name, write_all_at(file, &bytes, from).and_then(|()| file.sync()))
    }

    /// A flaw is a torn tail only if it is at most one batch long and no batch follows it.
    fn cut_torn_tail(&self, file: &dyn File, length: u64, progress: &Progress, flaw: Flaw) -> Result<()> {
        let name = segment_name(progress.segment);
        let tail = length - progress.offset;
        let one_batch = tail <= (BATCH_BYTES_MAX + BATCH_HEADER_BYTES) as u64;
        if !one_batch || self.named(&name, any_batch_after(file, length, progress))? {
            return Err(self.damaged(progress.segment, flaw.offset, flaw.what));
        }
        tracing::warn!(
            segment = progress.segment,
            offset = progress.offset,
            bytes = tail,
            "a torn tail: a batch \
            that was never acknowledged is cut off"
        );
        if self.read_only {
            return Ok(());
        }
        self.note(|repairs| repairs.torn_tail_bytes += tail);
        self.named(&name, file.set_len(progress.offset).and_then(|()| file.sync()))
    }

    fn header_bytes(&self, number: u32) -> Result<Vec<u8>> {
        let file = self.file(number)?;
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        let length = self.named(&segment_name(number), read_up_to(&*file, &mut bytes, 0))?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// A segment's header, which must follow the seal of the segment before.
    pub(crate) fn header(&self, id: JournalId, number: u32, before: Option<&Seal>) -> Result<SegmentHeader> {
        let bytes = self.header_bytes(number)?;
        let header = SegmentHeader::parse(&bytes).map_err(|what| self.damaged(number, 0, what))?;
        if header.journal != id {
            let what = format!(
                "a segment of journal {}, the directory holds journal {id}",
                header.journal
            );
            return Err(self.unusable(&segment_name(number), what));
        }
        if header.segment != number {
            return Err(self.damaged(number, 0, format!("this is segment {}", header.segment)));
        }
        let (chain, first) = before.map_or(([0; 32], 1), |seal| (seal.chain, seal.next_sequence));
        if header.chain != chain || header.first_sequence != first {
            return Err(self.damaged(number, 0, "the segment does not follow the one before it".into()));
        }
        Ok(header)
    }

    fn file(&self, number: u32) -> Result<Arc<dyn File>> {
        let access = if self.read_only {
            Access::Read
        } else {
            Access::Write
        };
        self.named(
            &segment_name(number),
            self.storage.open(&segment_name(number), access),
        )
    }

    fn length(&self, number: u32) -> Result<u64> {
        let name = segment_name(number);
        self.named(
            &name,
            self.storage
                .open(&name, Access::Read)
                .and_then(|file| file.len_bytes()),
        )
    }

    fn named<T>(&self, name: &str, outcome: std::io::Result<T>) -> Result<T> {
        named(&**self.storage, name, outcome)
    }

    fn unusable(&self, name: &str, what: String) -> Error {
        Error::Unusable {
            path: self.storage.path(name),
            what,
        }
    }

    fn damaged(&self, number: u32, offset: u64, what: String) -> Error {
        Error::Damaged {
            path: self.storage.path(&segment_name(number)),
            offset,
            what,
        }
    }
}

/// The numbers of all segments, in order.
pub(crate) fn segment_numbers(names: &[String]) -> Vec<u32> {
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    numbers
}
