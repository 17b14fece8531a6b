//! Directories that are not as they should be: each is refused by name, and nothing in them is changed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;

use domain::event::{ChatSent, Role};
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, EmbeddedReader, EmbeddedWriter, Options, verify, verify_storage};
use journal::storage::Storage;
use journal::storage::sim::{Fault, SimStorage};
use journal::{Append, Appended, Cause, Error, Expected, JournalId, Position, Reader, Result, Writer};

fn small() -> Options {
    Options {
        segment_bytes: 4_096,
        ..Options::default()
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the embedded engine's futures are ready at once"),
    }
}

fn chat(writer: &EmbeddedWriter, number: usize) -> Append {
    let text = format!("{number} {}", "x".repeat(100));
    Append {
        stream: StreamId::new(StreamKind::Room, &format!("room-{}", number % 3)),
        expected: Expected::Any,
        epoch: writer.epoch(),
        cause: Cause {
            command_id: Some(format!("c{number}").into()),
            request_hash: number as u64,
            actor: "ann".into(),
        },
        events: vec![
            ChatSent {
                user: "ann".parse().expect("a good id"),
                text,
                role: Role::Viewer,
            }
            .into(),
        ],
    }
}

fn say(writer: &EmbeddedWriter, number: usize) -> Result<Appended> {
    let (told, outcome) = channel();
    let taken = writer.append(
        chat(writer, number),
        Box::new(move |result| _ = told.send(result)),
    );
    assert!(taken.is_ok(), "the queue is not full");
    outcome.recv().expect("a completion is called exactly once")
}

/// A directory with a journal of several segments, closed in good order.
fn journal_of(records: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (_reader, writer) = Embedded::open(dir.path(), small()).expect("an empty directory");
    for number in 0..records {
        assert!(say(&writer, number).is_ok());
    }
    drop(writer);
    dir
}

fn files(dir: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).expect("the same file");
}

fn read_all(reader: &EmbeddedReader) -> Result<u64> {
    let mut after = Position::start(0);
    loop {
        let batch = now(reader.read(after, 1 << 20))?;
        if batch.is_empty() {
            return Ok(after.sequence);
        }
        after = batch.last();
    }
}

fn refusal(dir: &Path) -> String {
    let before: Vec<_> = files(dir, ".segment")
        .iter()
        .map(|f| fs::read(dir.join(f)).expect("a file"))
        .collect();
    let error = Embedded::open(dir, small())
        .err()
        .expect("a directory that must be refused")
        .to_string();
    let after: Vec<_> = files(dir, ".segment")
        .iter()
        .map(|f| fs::read(dir.join(f)).expect("a file"))
        .collect();
    assert!(before == after, "a refused directory was changed");
    error
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_named_by_verify_and_never_read() {
    let dir = journal_of(100);
    let path = dir.path().join("00000002.segment");
    flip(&path, 1_000);
    let error = verify(dir.path(), |_, _| {}).expect_err("damage");
    let Error::Damaged {
        path: named, offset, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*named, path);
    assert!((500..=1_000).contains(offset), "{error}");
    let (reader, _writer) =
        Embedded::open(dir.path(), small()).expect("sealed segments are trusted by their seal");
    assert!(matches!(read_all(&reader), Err(Error::Damaged { .. })));
}

#[test]
fn a_flipped_bit_in_the_last_segment_refuses_to_start_naming_segment_and_offset() {
    let dir = journal_of(100);
    let last = files(dir.path(), ".segment").pop().expect("a segment");
    let path = dir.path().join(&last);
    flip(&path, 500);
    let error = refusal(dir.path());
    assert!(error.contains(&last) && error.contains("at byte "), "{error}");
}

#[test]
fn every_flipped_bit_of_a_segment_is_detected_or_harmless() {
    let sim = SimStorage::new(1);
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    let open = || Embedded::open_storage(Arc::new(sim.clone()), small());
    let (_, writer) = open().expect("an empty directory");
    for number in 0..40 {
        assert!(say(&writer, number).is_ok());
    }
    drop(writer);
    let verified = verify_storage(&storage, |_, _| {}).expect("a good journal");
    let mut names = storage.list().expect("a directory");
    names.retain(|name| name.ends_with(".segment"));
    let mut flipped = 0;
    for name in names {
        let content = sim.content(&name).expect("a file");
        for offset in (0..content.len()).step_by(3) {
            assert!(sim.flip_bit(&name, offset, offset as u8));
            flipped += 1;
            match verify_storage(&storage, |_, _| {}) {
                Err(Error::Damaged { .. } | Error::Unusable { .. }) => {}
                Err(error) => panic!("{name} {offset}: {error}"),
                // The last batch of all holds no record: it says that the journal was closed.
                Ok(found) => assert!(
                    found.records == verified.records && found.torn_tail_bytes > 0,
                    "{name} {offset}"
                ),
            }
            sim.put(&name, &content);
        }
    }
    println!("{flipped} bits flipped, each detected or harmless");
    assert!(flipped > 1_000);
}

#[test]
fn lost_and_misdirected_writes_below_the_end_are_detected() {
    let (mut detected, mut harmless) = (0, 0);
    for seed in 0..400 {
        let sim = SimStorage::new(seed);
        let storage: Arc<dyn Storage> = Arc::new(sim.clone());
        let (_, writer) = Embedded::open_storage(Arc::new(sim.clone()), small()).expect("an empty directory");
        let fault = if seed % 2 == 0 {
            Fault::LostWrite
        } else {
            Fault::MisdirectedWrite
        };
        sim.inject(fault, seed % 23);
        for number in 0..60 {
            assert!(say(&writer, number).is_ok(), "the disk says that all is well");
        }
        drop(writer);
        sim.restart();
        match verify_storage(&storage, |_, _| {}) {
            Err(Error::Damaged { .. } | Error::Unusable { .. }) => {
                detected += 1;
                if let Ok(reader) = Embedded::read_only(storage.clone()) {
                    assert!(
                        read_all(&reader).is_err(),
                        "seed {seed}: verify finds damage, reading everything does not"
                    );
                }
            }
            Err(error) => panic!("seed {seed}: {error}"),
            // It struck an index file, which is no part of the journal.
            Ok(verified) => {
                harmless += 1;
                assert_eq!(
                    verified.records, 60,
                    "seed {seed}: records are missing and nobody noticed"
                );
            }
        }
    }
    println!("{detected} detected, {harmless} harmless");
    assert!(detected > 200, "{detected} detected");
}

#[test]
fn a_missing_segment_is_named() {
    for missing in [0, 1, usize::MAX] {
        let dir = journal_of(100);
        let segments = files(dir.path(), ".segment");
        let name = &segments[missing.min(segments.len() - 1)];
        fs::remove_file(dir.path().join(name)).expect("a file");
        let error = refusal(dir.path());
        assert!(error.contains(name) && error.contains("missing"), "{error}");
        let error = verify(dir.path(), |_, _| {})
            .expect_err("a missing segment")
            .to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_missing_identity_is_named() {
    let dir = journal_of(10);
    fs::remove_file(dir.path().join("identity")).expect("a file");
    assert!(refusal(dir.path()).contains("identity"));
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (dir, other) = (journal_of(100), journal_of(100));
    let name = "00000002.segment";
    fs::copy(other.path().join(name), dir.path().join(name)).expect("two files");
    let error = refusal(dir.path());
    assert!(error.contains(name) && error.contains("journal"), "{error}");
}

#[test]
fn a_journal_of_another_format_is_refused() {
    let dir = journal_of(1);
    let path = dir.path().join("identity");
    let mut bytes = fs::read(&path).expect("a file");
    bytes[8] = 9;
    fs::write(&path, bytes).expect("the same file");
    assert!(
        refusal(dir.path()).contains("format 9"),
        "{}",
        refusal(dir.path())
    );
}

#[test]
fn a_directory_that_holds_no_journal_is_not_read_and_not_verified() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(
        Embedded::open_read_only(dir.path()),
        Err(Error::Unusable { .. })
    ));
    assert!(verify(dir.path(), |_, _| {}).is_err());
    assert_eq!(
        fs::read_dir(dir.path()).expect("a directory").count(),
        0,
        "looking made files"
    );
}

/// The child of the next test: opens the journal and holds it until its input ends.
#[test]
fn a_process_that_holds_a_journal() {
    let Some(dir) = std::env::var_os("LIVEHOUSE_HOLD_JOURNAL") else {
        return;
    };
    let opened = Embedded::open(Path::new(&dir), small());
    println!("{}", if opened.is_ok() { "held" } else { "refused" });
    let ended = std::io::read_to_string(std::io::stdin());
    assert!(ended.is_ok());
}

#[test]
fn a_second_process_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let dir = journal_of(5);
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["a_process_that_holds_a_journal", "--exact", "--nocapture"])
        .env("LIVEHOUSE_HOLD_JOURNAL", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let output = std::io::BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut lines = std::io::BufRead::lines(output).map_while(std::io::Result::ok);
    let said = lines.find(|line| line.contains("held"));
    assert!(said.is_some(), "the first process could not open the journal");
    let error = Embedded::open(dir.path(), small())
        .err()
        .expect("it is held")
        .to_string();
    assert!(error.contains("another process"), "{error}");
    // Reading and verifying need no lock.
    let reader = Embedded::open_read_only(dir.path()).expect("a good journal");
    assert_eq!(read_all(&reader).ok(), Some(5));
    assert!(verify(dir.path(), |_, _| {}).is_ok());
    drop(child.stdin.take());
    assert!(lines.count() > 0, "the test's own last words");
    assert!(child.wait().expect("it ran").success());
    let (_reader, writer) = Embedded::open(dir.path(), small()).expect("it is free");
    assert!(say(&writer, 5).is_ok());
}

#[test]
fn a_full_disk_poisons_the_writer_while_reads_go_on_and_the_next_start_is_clean() {
    let sim = SimStorage::new(3);
    let open = || Embedded::open_storage(Arc::new(sim.clone()), small());
    let (reader, writer) = open().expect("an empty directory");
    for number in 0..20 {
        assert!(say(&writer, number).is_ok());
    }
    sim.set_capacity(sim.used_bytes() + 50);
    let error = say(&writer, 20).expect_err("the disk is full");
    assert!(
        matches!(&error, Error::Poisoned(why) if why.contains(".segment")),
        "{error}"
    );
    assert!(
        matches!(say(&writer, 21), Err(Error::Poisoned(_))),
        "nothing is accepted after it"
    );
    assert!(writer.poisoned().is_some());
    assert_eq!(read_all(&reader).ok(), Some(20));
    drop(writer);
    assert!(
        matches!(open(), Err(Error::Io { .. })),
        "a start needs room for its epoch"
    );
    sim.set_capacity(u64::MAX);
    let (reader, writer) = open().expect("there is room again");
    assert_eq!(read_all(&reader).ok(), Some(20));
    assert!(say(&writer, 20).is_ok());
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    let sim = SimStorage::new(3);
    let (reader, writer) =
        Embedded::open_storage(Arc::new(sim.clone()), small()).expect("an empty directory");
    assert!(say(&writer, 0).is_ok());
    sim.inject(Fault::SyncError, 0);
    assert!(matches!(say(&writer, 1), Err(Error::Poisoned(_))));
    let operations = sim.operations();
    assert!(matches!(say(&writer, 2), Err(Error::Poisoned(_))));
    drop(writer);
    assert_eq!(sim.operations(), operations, "a poisoned writer touched the disk");
    assert_eq!(read_all(&reader).ok(), Some(1));
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let options = Options {
        queue_appends_max: 4,
        ..small()
    };
    let (reader, writer, mut stepper) =
        Embedded::open_stepped(Arc::new(SimStorage::new(1)), options).expect("an empty directory");
    let (told, outcomes) = channel();
    let mut refused = 0;
    for number in 0..10 {
        let told = told.clone();
        let done = Box::new(move |result: Result<Appended>| _ = told.send(result.is_ok()));
        refused += usize::from(writer.append(chat(&writer, number), done).is_err());
    }
    while stepper.step() {}
    assert_eq!(
        (refused, outcomes.try_iter().filter(|good| *good).count()),
        (6, 4)
    );
    assert_eq!(read_all(&reader).ok(), Some(4));
}

#[test]
fn missing_and_damaged_indexes_are_made_again() {
    let dir = journal_of(100);
    let indexes = files(dir.path(), ".index");
    assert!(indexes.len() >= 3, "{indexes:?}");
    fs::remove_file(dir.path().join(&indexes[0])).expect("a file");
    flip(&dir.path().join(&indexes[1]), 5_000);
    flip(&dir.path().join(&indexes[2]), 20);
    let (reader, writer) = Embedded::open(dir.path(), small()).expect("indexes are no part of the journal");
    for number in 0..100usize {
        let stream = StreamId::new(StreamKind::Room, &format!("room-{}", number % 3));
        let found = now(reader.find_command(&stream, &format!("c{number}"))).expect("a good journal");
        assert_eq!(found.map(|r| r.position.sequence), Some(number as u64 + 1));
        let found = now(reader.find_command_anywhere(&format!("c{number}"), 9)).expect("a good journal");
        let places: Vec<_> = found.iter().map(|r| r.position.sequence).collect();
        assert_eq!(places, [number as u64 + 1]);
    }
    // Those of the newest full segments are written in the background.
    drop(writer);
    assert_eq!(files(dir.path(), ".index"), indexes);
}

#[test]
fn a_damaged_snapshot_store_is_thrown_away() {
    let dir = journal_of(3);
    for entry in fs::read_dir(dir.path().join("snapshots")).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::write(path, b"rubbish").expect("a file");
        }
    }
    let (reader, writer) = Embedded::open(dir.path(), small()).expect("snapshots are no part of the journal");
    assert_eq!(read_all(&reader).ok(), Some(3));
    assert!(say(&writer, 3).is_ok());
}

#[test]
fn a_clock_that_jumps_back_does_not_turn_recorded_time_back() {
    let clock = Arc::new(std::sync::atomic::AtomicI64::new(1_000));
    let told = clock.clone();
    let options = Options {
        clock: Arc::new(move || told.load(std::sync::atomic::Ordering::Relaxed)),
        new_id: Some(JournalId(5)),
        ..small()
    };
    let sim = SimStorage::new(1);
    let mut last = 0;
    for times in [[5_000, 400, 5_001], [10, 6_000, 20]] {
        let (_, writer) =
            Embedded::open_storage(Arc::new(sim.clone()), options.clone()).expect("a directory");
        for now_ms in times {
            clock.store(now_ms, std::sync::atomic::Ordering::Relaxed);
            let appended = say(&writer, 1).expect("as expected");
            assert_eq!(appended.recorded_at_ms, now_ms.max(last));
            last = appended.recorded_at_ms;
        }
    }
}
