//! The bytes of a journal, for ever: a small one is kept in `tests/golden-journal/` and must be read and written exactly
//! so. `docs/journal-format.md` describes it. To make it anew (a new format, never a change of this one), remove it and
//! run with `LIVEHOUSE_WRITE_GOLDEN=1`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use domain::event::{ChatSent, Followed, Role};
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, Options, verify_storage};
use journal::storage::Storage;
use journal::storage::sim::SimStorage;
use journal::{Append, Cause, Expected, JournalId, Position, Reader, Writer};

const FILES: [&str; 4] = [
    "identity",
    "00000001.segment",
    "00000001.index",
    "00000002.segment",
];

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-journal")
}

fn append(writer: &impl Writer, number: u64) -> Append {
    let chat = number.is_multiple_of(2);
    let (kind, key) = if chat {
        (StreamKind::Room, "bob")
    } else {
        (StreamKind::Viewer, "ann")
    };
    let user = "ann".parse().expect("a good id");
    let event = if chat {
        ChatSent {
            user,
            text: format!("é{number}{}", "x".repeat(150)),
            role: Role::Viewer,
        }
        .into()
    } else {
        Followed {
            streamer: user,
            cleared: 0,
        }
        .into()
    };
    Append {
        stream: StreamId::new(kind, key),
        expected: Expected::Any,
        epoch: writer.epoch(),
        cause: Cause {
            command_id: chat.then(|| format!("c{number}").into()),
            request_hash: number * u64::from(chat),
            actor: "ann".into(),
        },
        events: vec![event],
    }
}

/// A journal of two segments: opened, written, closed, by the clock of this test.
fn written() -> SimStorage {
    let sim = SimStorage::new(1);
    let options = Options {
        segment_bytes: 4_096,
        clock: Arc::new(|| 1_700_000_000_000),
        new_id: Some(JournalId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)),
        batch_appends_max: 3,
        ..Options::default()
    };
    let (_reader, writer, mut stepper) =
        Embedded::open_stepped(Arc::new(sim.clone()), options).expect("an empty directory");
    let (told, outcomes) = channel();
    for number in 0..30 {
        let told = told.clone();
        let queued = append(&writer, number);
        assert!(
            writer
                .append(queued, Box::new(move |outcome| _ = told.send(outcome.is_ok())))
                .is_ok()
        );
    }
    while stepper.step() {}
    assert_eq!(outcomes.try_iter().filter(|good| *good).count(), 30);
    stepper.close().expect("a good disk");
    sim
}

#[test]
fn a_journal_is_written_as_its_golden_files_say() {
    let sim = written();
    for name in FILES {
        let path = golden_dir().join(name);
        let bytes = sim.content(name).expect("the journal has this file");
        if std::env::var_os("LIVEHOUSE_WRITE_GOLDEN").is_some() && !path.exists() {
            std::fs::write(&path, &bytes).expect("the golden directory can be written");
        }
        assert!(
            std::fs::read(&path).ok() == Some(bytes),
            "{name} is not as it was"
        );
    }
    assert_eq!(sim.list().expect("a good disk").len(), FILES.len());
}

#[test]
fn the_golden_journal_is_read_and_verified() {
    let sim = SimStorage::new(1);
    for name in FILES {
        sim.put(
            name,
            &std::fs::read(golden_dir().join(name)).expect("a golden file"),
        );
    }
    let storage: Arc<dyn Storage> = Arc::new(sim);
    let verified = verify_storage(&storage, |_, _| {}).expect("a good journal");
    assert_eq!(
        (verified.records, verified.segments, verified.torn_tail_bytes),
        (30, 2, 0)
    );
    let reader = Embedded::read_only(storage).expect("a good journal");
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let stream = StreamId::new(StreamKind::Room, "bob");
    let std::task::Poll::Ready(records) = reader
        .read_stream(&stream, 0, Position::start(0), 100)
        .as_mut()
        .poll(&mut context)
    else {
        panic!("the embedded engine's futures are ready at once");
    };
    let records = records.expect("a good journal");
    assert_eq!(records.len(), 15);
    assert!(
        records
            .iter()
            .all(|record| record.recorded_at_ms == 1_700_000_000_000)
    );
}

#[test]
fn an_index_of_the_first_format_is_made_again_and_nothing_else_is_touched() {
    let sim = SimStorage::new(1);
    for name in FILES {
        let bytes = std::fs::read(golden_dir().join(name)).expect("a golden file");
        sim.put(name, &bytes);
    }
    let name = "00000001.index";
    let old = std::fs::read(golden_dir().join("index-1").join(name)).expect("a golden file");
    assert_eq!(&old[..8], b"LVHINDX1");
    sim.put(name, &old);
    let first_segment = sim.content("00000001.segment");
    let found = |reader: &dyn Reader, id: &str| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(found) = reader.find_command_anywhere(id, 9).as_mut().poll(&mut context)
        else {
            panic!("the embedded engine's futures are ready at once");
        };
        let found = found.expect("a good journal");
        found
            .iter()
            .map(|record| record.position.sequence)
            .collect::<Vec<_>>()
    };
    let reader = Embedded::read_only(Arc::new(sim.clone())).expect("an old index is no damage");
    assert_eq!((found(&reader, "c2"), found(&reader, "c28")), (vec![3], vec![29]));
    assert_eq!(sim.content(name), Some(old), "looking changed a file");
    let (reader, writer) =
        Embedded::open_storage(Arc::new(sim.clone()), Options::default()).expect("an old index is no damage");
    assert_eq!((found(&reader, "c2"), found(&reader, "c28")), (vec![3], vec![29]));
    // It may be written in the background.
    drop(writer);
    assert_eq!(sim.content(name), std::fs::read(golden_dir().join(name)).ok());
    assert_eq!(sim.content("00000001.segment"), first_segment);
}

#[test]
fn the_page_about_the_format_names_every_field_size() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/journal-format.md");
    let page = std::fs::read_to_string(page).expect("the page");
    for size in [
        "identity: 48 bytes",
        "segment header: 128 bytes",
        "batch header: 144 bytes",
        "record head: 48 bytes",
    ] {
        assert!(page.contains(size), "the page does not say {size}");
    }
    let segment = std::fs::read(golden_dir().join("00000001.segment")).expect("a golden file");
    assert_eq!(
        (&segment[..8], &segment[128..132]),
        (&b"LVHSEGM\n"[..], &b"LVHB"[..])
    );
    assert_eq!(
        &segment[128 + 144..128 + 148],
        b"LVHB",
        "the opening has no records"
    );
}
