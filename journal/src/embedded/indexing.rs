//! Makes the index of a segment from its records. One thread reads and checks, another puts into the index what was found
//! good: an opening waits for the slower of the two, not for both. It indexes nothing unchecked, and writes nothing.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;

use crate::limits::BATCHES_AHEAD_MAX;
use crate::storage::File;

use super::active::{ActiveIndex, BatchPlace};
use super::layout::{BATCH_HEADER_BYTES, BatchHeader};
use super::walk::{Flaw, Progress, walk};

/// Fewer bytes than these are not worth a second thread.
const ALONE_BYTES_MAX: u64 = 4 << 20;

/// As [`walk`]; every good batch is in the index then. A complaint of the index is a flaw.
pub(crate) fn walk_and_index(
    file: &dyn File,
    end: u64,
    progress: Progress,
    index: &ActiveIndex,
) -> io::Result<(Progress, Option<Flaw>)> {
    if end.saturating_sub(progress.offset) <= ALONE_BYTES_MAX {
        return walk(file, end, progress, &mut |found| {
            add(index, place(found.header), found.payload)
        });
    }
    match side_by_side(file, end, progress.clone(), index) {
        (walked, None) => walked,
        // How far everything was good is known to the walk only: it goes there once more.
        (_, Some(wrong)) => walk(file, end, progress, &mut |found| {
            let here = found.header.offset == wrong.offset;
            if here { Err(wrong.what.clone()) } else { Ok(()) }
        }),
    }
}

/// What the walk came to, and what the index complained of.
fn side_by_side(
    file: &dyn File,
    end: u64,
    progress: Progress,
    index: &ActiveIndex,
) -> (io::Result<(Progress, Option<Flaw>)>, Option<Flaw>) {
    std::thread::scope(|scope| {
        let (put, found_good) = sync_channel::<(BatchPlace, Vec<u8>)>(BATCHES_AHEAD_MAX);
        let walking = Builder::new()
            .name("journal-check".into())
            .spawn_scoped(scope, move || {
                walk(file, end, progress, &mut |found| {
                    let sent = put.send((place(found.header), found.payload.to_vec()));
                    sent.map_err(|_| "nobody wants the rest".into())
                })
            });
        let walking = match walking {
            Ok(walking) => walking,
            Err(error) => return (Err(error), None),
        };
        let wrong = found_good.iter().find_map(|(place, payload)| {
            let what = add(index, place, &payload).err()?;
            let offset = u64::from(place.offset);
            Some(Flaw { offset, what })
        });
        drop(found_good);
        match walking.join() {
            Ok(walked) => (walked, wrong),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn place(header: &BatchHeader) -> BatchPlace {
    let offset = header.offset as u32;
    BatchPlace {
        first_sequence: header.first_sequence,
        offset,
        payload_offset: offset + BATCH_HEADER_BYTES as u32,
    }
}

/// A batch without records is not found by any.
fn add(index: &ActiveIndex, place: BatchPlace, payload: &[u8]) -> Result<(), String> {
    if payload.is_empty() {
        return Ok(());
    }
    index.add(place, payload)
}

#[cfg(test)]
mod tests {
    use domain::StreamKind;
    use domain::event::EventType;

    use super::*;
    use crate::embedded::active::Hashing;
    use crate::embedded::layout::{BatchKind, SEGMENT_HEADER_BYTES, SegmentHeader};
    use crate::storage::sim::SimStorage;
    use crate::storage::{Storage, write_all_at};
    use crate::{Epoch, JournalId, frame};

    const RECORD_BYTES: usize = 1 << 20;

    /// A segment with one large record of one stream in every batch, of these versions.
    fn segment(versions: &[u64]) -> (std::sync::Arc<dyn File>, u64, Progress) {
        let header = SegmentHeader {
            journal: JournalId(7),
            segment: 1,
            first_sequence: 1,
            epoch: Epoch(0),
            recorded_at_ms: i64::MIN,
            chain: [0; 32],
        };
        let file = SimStorage::new(1).create("segment").expect("a file");
        let (mut offset, mut chain) = (SEGMENT_HEADER_BYTES as u64, header.chain);
        for (sequence, version) in (1..).zip(versions) {
            let mut payload = Vec::new();
            let (stream, cause) = ((StreamKind::Viewer, "ann"), (Some("c1"), 1, "user"));
            let text = |out: &mut Vec<u8>| out.resize(out.len() + RECORD_BYTES, b'x');
            frame::push(&mut payload, stream, cause, (EventType::ChatSent, 1), text);
            frame::place(&mut payload, sequence, *version, 0);
            let mut batch = BatchHeader {
                journal: header.journal,
                segment: 1,
                kind: BatchKind::Records,
                epoch: Epoch(1),
                first_sequence: sequence,
                count: 1,
                payload_bytes: payload.len() as u32,
                durable_upto: sequence - 1,
                recorded_at_ms: 0,
                offset,
                digest: *blake3::hash(&payload).as_bytes(),
                chain,
            };
            write_all_at(&*file, &batch.encode(&chain), offset).expect("written");
            write_all_at(&*file, &payload, offset + BATCH_HEADER_BYTES as u64).expect("written");
            (offset, chain) = (offset + batch.total_bytes(), batch.chain);
        }
        (file, offset, Progress::start(&header))
    }

    /// Where the walk ended, with the flaw's place and the last version in the index.
    fn walked(versions: &[u64]) -> (u64, Option<u64>, Option<u64>) {
        let (file, end, start) = segment(versions);
        assert!(end > ALONE_BYTES_MAX, "large enough for two threads");
        let index = ActiveIndex::new(Hashing::of(JournalId(7)));
        let (progress, flaw) = walk_and_index(&*file, end, start, &index).expect("no fault");
        let stream = "viewer-ann".parse().expect("a stream");
        let hash = Hashing::of(JournalId(7)).stream(StreamKind::Viewer, "ann");
        (
            progress.next_sequence,
            flaw.map(|flaw| flaw.offset),
            index.last_version(hash, &stream),
        )
    }

    #[test]
    fn a_large_segment_is_indexed_to_its_end_or_to_the_first_record_that_the_index_refuses() {
        assert_eq!(walked(&[1, 2, 3, 4, 5, 6]), (7, None, Some(6)));
        let (_, end, _) = segment(&[1, 2, 3]);
        assert_eq!(walked(&[1, 2, 3, 9, 5, 6]), (4, Some(end), Some(3)));
    }
}
