//! Syncs of the directory that fail: the process sees an entry that a loss of power takes away, however often it was
//! opened since. Nothing acknowledged may go with it.

use std::sync::Arc;

use domain::event::Followed;
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, EmbeddedWriter, Options, Stepper};
use journal::storage::sim::{Fault, SimStorage};
use journal::{Append, Cause, Error, Expected, JournalId, Reader, Result, Writer};

const SEEDS: u64 = 200;
const FIRST: &str = "00000001.segment";
const SECOND: &str = "00000002.segment";
const HEADER_BYTES: usize = 128;

fn open(sim: &SimStorage) -> Result<(u64, EmbeddedWriter, Stepper)> {
    let options = Options {
        segment_bytes: 4_096,
        new_id: Some(JournalId(5)),
        ..Options::default()
    };
    let (reader, writer, stepper) = Embedded::open_stepped(Arc::new(sim.clone()), options)?;
    Ok((reader.head().get(0), writer, stepper))
}

/// Appends one event; whether it was acknowledged.
fn append(writer: &EmbeddedWriter, stepper: &mut Stepper) -> bool {
    let (told, outcome) = std::sync::mpsc::channel();
    let append = Append {
        stream: StreamId::new(StreamKind::Viewer, "ann"),
        expected: Expected::Any,
        epoch: writer.epoch(),
        cause: Cause {
            command_id: None,
            request_hash: 0,
            actor: "ann".into(),
        },
        events: vec![
            Followed {
                streamer: "bob".parse().expect("a good id"),
                cleared: 0,
            }
            .into(),
        ],
    };
    let taken = writer.append(append, Box::new(move |result| _ = told.send(result.is_ok())));
    assert!(taken.is_ok(), "the queue is not full");
    while stepper.step() {}
    outcome.try_recv().expect("every append has an outcome")
}

/// A journal whose second segment was just made when the sync of the directory failed; how many events were acknowledged.
fn with_a_segment_whose_entry_was_not_synced(sim: &SimStorage) -> u64 {
    let (mut acknowledged, writer, mut stepper) = open(sim).expect("an empty disk");
    sim.inject(Fault::SyncDirError, 0);
    while append(&writer, &mut stepper) {
        acknowledged += 1;
    }
    assert_eq!(sim.counts().faults, 1, "no segment was begun");
    assert_eq!(sim.content(SECOND).map(|bytes| bytes.len()), Some(HEADER_BYTES));
    acknowledged
}

#[test]
fn nothing_is_acknowledged_into_a_segment_whose_entry_may_vanish() {
    for seed in 0..SEEDS {
        let sim = SimStorage::new(seed);
        let mut acknowledged = with_a_segment_whose_entry_was_not_synced(&sim);
        // The process ends, the system goes on; then the power goes.
        sim.kill();
        let (head, writer, mut stepper) = open(&sim).expect("only the process has ended");
        assert_eq!(head, acknowledged, "seed {seed}");
        assert_eq!(writer.repairs().segments_made_again, 1);
        acknowledged += u64::from(append(&writer, &mut stepper));
        sim.restart();
        let (head, ..) = open(&sim).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(head, acknowledged, "seed {seed}");
    }
}

#[test]
fn nothing_is_acknowledged_into_a_journal_whose_entries_may_vanish() {
    for (seed, nth) in (0..SEEDS).flat_map(|seed| [(seed, 0), (seed, 1)]) {
        let sim = SimStorage::new(seed);
        sim.inject(Fault::SyncDirError, nth);
        assert!(matches!(open(&sim), Err(Error::Io { .. })));
        // Again it fails, this time while that is put right.
        sim.kill();
        sim.inject(Fault::SyncDirError, nth);
        assert!(matches!(open(&sim), Err(Error::Io { .. })));
        sim.kill();
        let (_, writer, mut stepper) = open(&sim).expect("only the process has ended");
        assert!(append(&writer, &mut stepper));
        sim.restart();
        let (head, ..) = open(&sim).unwrap_or_else(|error| panic!("seed {seed}, sync {nth}: {error}"));
        assert_eq!(head, 1, "seed {seed}, sync {nth}");
    }
}

#[test]
fn an_empty_segment_is_not_made_anew_behind_damage() {
    let sim = SimStorage::new(1);
    with_a_segment_whose_entry_was_not_synced(&sim);
    sim.kill();
    let length = sim.content(FIRST).expect("it is there").len();
    assert!(sim.flip_bit(FIRST, length - 1, 3));
    let before = (sim.content(FIRST), sim.content(SECOND));
    match open(&sim) {
        Err(Error::Damaged { path, .. }) => assert!(path.ends_with(FIRST), "{}", path.display()),
        other => panic!("opened, or failed otherwise: {:?}", other.err()),
    }
    assert_eq!(
        (sim.content(FIRST), sim.content(SECOND)),
        before,
        "it was changed"
    );
}
