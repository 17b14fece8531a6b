//! The walk that verifies on its way: it hands out what a reader reads, and finds what verify finds.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use domain::event::{ChatSent, Role};
use domain::{StreamId, StreamKind};
use journal::embedded::{
    Embedded, EmbeddedReader, EmbeddedWriter, Options, VerifiedWalk, verify, verify_storage,
};
use journal::limits::{BATCH_BYTES_MAX, PIECES_AHEAD_MAX};
use journal::storage::sim::SimStorage;
use journal::storage::{Access, Disk, File, Storage};
use journal::{Append, Cause, Error, Expected, Position, Reader, Record, Result, Writer};

fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the embedded engine's futures are ready at once"),
    }
}

/// Appends `records` chats of `text_bytes`, each on its own, and waits for all.
fn fill(writer: &EmbeddedWriter, records: usize, text_bytes: usize) {
    let (told, outcomes) = channel();
    for number in 0..records {
        let event = ChatSent {
            user: "ann".parse().expect("a good id"),
            text: "x".repeat(text_bytes),
            role: Role::Viewer,
        };
        let append = Append {
            stream: StreamId::new(StreamKind::Room, &format!("room-{}", number % 3)),
            expected: Expected::Any,
            epoch: writer.epoch(),
            cause: Cause {
                command_id: Some(format!("c{number}").into()),
                request_hash: 1,
                actor: "ann".into(),
            },
            events: vec![event.into()],
        };
        let told = told.clone();
        let done = Box::new(move |outcome: Result<_>| _ = told.send(outcome.is_ok()));
        assert!(writer.append(append, done).is_ok(), "the queue is not full");
        assert!(outcomes.recv() == Ok(true));
    }
}

fn small() -> Options {
    Options {
        segment_bytes: 4_096,
        ..Options::default()
    }
}

/// A closed journal of several segments.
fn several_segments() -> SimStorage {
    let sim = SimStorage::new(1);
    let (_, writer) = Embedded::open_storage(Arc::new(sim.clone()), small()).expect("an empty directory");
    fill(&writer, 60, 100);
    drop(writer);
    sim
}

fn read_all(reader: &EmbeddedReader) -> Vec<Record> {
    let (mut after, mut records) = (Position::start(0), Vec::new());
    loop {
        let batch = now(reader.read(after, 1 << 20)).expect("a good journal");
        if batch.is_empty() {
            return records;
        }
        records.extend(batch.iter().map(|record| record.to_record()));
        after = batch.last();
    }
}

/// What a walk hands out, and how it ends.
fn walked(walk: &mut VerifiedWalk) -> (Vec<Record>, Result<()>) {
    let mut records = Vec::new();
    loop {
        match walk.next_records() {
            Ok(Some(piece)) => records.extend(piece.iter().map(|record| record.to_record())),
            Ok(None) => return (records, Ok(())),
            Err(error) => return (records, Err(error)),
        }
    }
}

#[test]
fn a_walk_hands_out_every_record_once_and_comes_to_what_verify_comes_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let (reader, writer) = Embedded::open(dir.path(), small()).expect("an empty directory");
    fill(&writer, 200, 100);
    drop(writer);
    let mut walk = VerifiedWalk::open(dir.path()).expect("a journal");
    let (_, total) = walk.progress_bytes();
    let (mut records, mut done_before) = (Vec::new(), 0);
    while let Some(piece) = walk.next_records().expect("a good journal") {
        assert!(walk.verified().is_none(), "not all of it is checked");
        assert!(!piece.is_empty());
        let (done, of) = walk.progress_bytes();
        assert!(done_before < done && done <= of && of == total);
        done_before = done;
        records.extend(piece.iter().map(|record| record.to_record()));
    }
    assert_eq!(walk.progress_bytes(), (total, total));
    assert_eq!(records.len(), 200);
    assert!(records == read_all(&reader));
    let verified = verify(dir.path(), |_, _| {}).expect("a good journal");
    assert!(verified.segments > 3, "{verified:?}");
    assert_eq!(walk.verified(), Some(&verified));
    assert!(
        matches!(walk.next_records(), Ok(None)),
        "the end is still the end"
    );
}

#[test]
fn a_walk_ends_as_verify_does_at_every_flipped_bit_and_hands_out_what_stands_before_it() {
    let sim = several_segments();
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let (whole, good) = walked(&mut VerifiedWalk::open_storage(storage.clone()).expect("a journal"));
    assert!(good.is_ok() && whole.len() == 60);
    let mut names = storage.list().expect("a directory");
    names.retain(|name| name.ends_with(".segment"));
    let mut named = 0;
    for name in names {
        let content = sim.content(&name).expect("a file");
        for offset in (0..content.len()).step_by(7) {
            assert!(sim.flip_bit(&name, offset, offset as u8));
            let wanted = verify_storage(&storage, |_, _| {});
            let mut walk = VerifiedWalk::open_storage(storage.clone()).expect("a journal");
            let (records, end) = walked(&mut walk);
            assert!(
                records[..] == whole[..records.len()],
                "{name} {offset}: what was handed out was not so written"
            );
            match (wanted, end) {
                (Ok(verified), Ok(())) => assert_eq!(walk.verified(), Some(&verified)),
                (Err(wanted), Err(error)) => {
                    assert_eq!(error.to_string(), wanted.to_string());
                    assert!(walk.verified().is_none());
                    let again = walk.next_records().map(|_| ()).map_err(|error| error.to_string());
                    assert_eq!(again, Err(wanted.to_string()));
                    named += usize::from(wanted.to_string().contains(&name));
                }
                (wanted, end) => panic!("{name} {offset}: {wanted:?} and {end:?}"),
            }
            sim.put(&name, &content);
        }
    }
    assert!(named > 1_000, "{named}");
}

#[test]
fn damage_in_a_full_segment_is_named_after_every_record_before_it() {
    let sim = several_segments();
    let (name, offset) = ("00000003.segment", 1_500);
    assert!(sim.flip_bit(name, offset, 2));
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let (records, end) = walked(&mut VerifiedWalk::open_storage(storage).expect("a journal"));
    let Err(Error::Damaged { path, offset: at, .. }) = end else {
        panic!("{end:?}")
    };
    assert!(path.ends_with(name));
    assert!((1_000..=1_500).contains(&at), "{at}");
    let first = u64::from_le_bytes(
        sim.content(name).expect("a file")[32..40]
            .try_into()
            .expect("8 bytes"),
    );
    assert!(
        records.len() as u64 > first,
        "what stands before it in its segment is good"
    );
}

#[test]
fn no_journal_is_no_walk_and_a_missing_segment_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(VerifiedWalk::open(dir.path()).is_err());
    let sim = several_segments();
    sim.remove("00000002.segment").expect("a file");
    let opened = VerifiedWalk::open_storage(Arc::new(sim));
    let error = opened.err().expect("a gap").to_string();
    assert!(error.contains("00000002.segment"), "{error}");
}

/// A disk that counts the bytes that were read from it.
struct Counting {
    disk: Disk,
    read_bytes: Arc<AtomicU64>,
}

struct CountingFile {
    file: Arc<dyn File>,
    read_bytes: Arc<AtomicU64>,
}

impl Storage for Counting {
    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.disk.create(name)
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        assert_eq!(access, Access::Read, "a walk writes nothing");
        Ok(Arc::new(CountingFile {
            file: self.disk.open(name, access)?,
            read_bytes: self.read_bytes.clone(),
        }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock()
    }
}

impl File for CountingFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.file.len_bytes()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = self.file.read_at(buffer, offset)?;
        self.read_bytes.fetch_add(length as u64, Ordering::SeqCst);
        Ok(length)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.file.set_len(len_bytes)
    }
}

#[test]
fn a_walk_that_nobody_asks_waits_after_a_few_pieces_and_ends_when_it_is_dropped() {
    const RECORD_BYTES: usize = 900_000;
    const RECORDS: usize = 48;
    let dir = tempfile::tempdir().expect("a directory");
    let (_, writer) = Embedded::open(dir.path(), Options::default()).expect("an empty directory");
    fill(&writer, RECORDS, RECORD_BYTES);
    drop(writer);
    let read_bytes = Arc::new(AtomicU64::new(0));
    let disk = Disk::new(dir.path());
    let storage: Arc<dyn Storage> = Arc::new(Counting {
        disk,
        read_bytes: read_bytes.clone(),
    });
    let mut walk = VerifiedWalk::open_storage(storage.clone()).expect("a journal");
    let first = walk.next_records().expect("a good journal").expect("records");
    assert_eq!(first.first().sequence, 1);
    let mut before = 0;
    while read_bytes.load(Ordering::SeqCst) > before {
        before = read_bytes.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
    }
    // What waits, what is being filled, what was handed out, and a window of the file.
    let ahead = ((PIECES_AHEAD_MAX + 2) * BATCH_BYTES_MAX + (16 << 20)) as u64;
    assert!(
        before <= ahead && ahead < (RECORDS * RECORD_BYTES) as u64,
        "{before} bytes were read"
    );
    drop(walk);
    assert_eq!(
        Arc::strong_count(&storage),
        1,
        "its thread still has the directory"
    );
    assert_eq!(read_bytes.load(Ordering::SeqCst), before, "it read on");
}
