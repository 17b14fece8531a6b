//! Every engine of this crate against the one suite.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use journal::conformance::{Subject, run};
use journal::embedded::{Embedded, Options};
use journal::memory::MemoryJournal;
use journal::storage::sim::SimStorage;

/// Segments so small that every case runs over several.
fn small() -> Options {
    Options {
        segment_bytes: 4_096,
        recent_bytes_max: 2_000,
        ..Options::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn the_journal_in_memory_conforms() {
    let cases = block_on(run(|| {
        let journal = MemoryJournal::new();
        Subject::new(journal.clone(), journal)
    }));
    assert_eq!(cases, 16);
}

#[test]
fn the_embedded_engine_on_a_real_disk_conforms() {
    for options in [Options::default(), small()] {
        let dirs = RefCell::new(Vec::new());
        let cases = block_on(run(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let opened = Embedded::open(dir.path(), options.clone()).expect("an empty directory");
            dirs.borrow_mut().push(dir);
            Subject::new(opened.0, opened.1)
        }));
        assert_eq!(cases, 16);
    }
}

#[test]
fn the_embedded_engine_on_a_simulated_disk_conforms() {
    let cases = block_on(run(|| {
        let (reader, writer) =
            Embedded::open_storage(Arc::new(SimStorage::new(1)), small()).expect("a new disk");
        Subject::new(reader, writer)
    }));
    assert_eq!(cases, 16);
}

#[test]
fn the_embedded_engine_without_threads_conforms() {
    let cases = block_on(run(|| {
        let opened = Embedded::open_stepped(Arc::new(SimStorage::new(1)), small()).expect("a new disk");
        let stepper = Rc::new(RefCell::new(opened.2));
        let pump = Box::new(move || while stepper.borrow_mut().step() {});
        Subject {
            reader: Arc::new(opened.0),
            writer: Arc::new(opened.1),
            pump,
        }
    }));
    assert_eq!(cases, 16);
}
