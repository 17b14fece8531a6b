//! Whatever happens, in whatever batches, with whatever crashes: the views are what the plain model says.

use std::sync::Arc;

use domain::{Event, StreamId};
use journal::memory::MemoryJournal;
use proptest::prelude::*;

use projections::{FjallStore, Options, Runner, Stopper, ViewStore, check, rebuild};

use crate::model::{PEOPLE, assert_like_the_model};
use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    Happens(StreamId, Event),
    /// Time goes on by so many hours.
    Later(i64),
    /// The runner folds and commits what there is.
    Turn,
    /// The runner ends and begins again.
    Restart,
    /// The runner folds, but its next commit fails; it begins again.
    Crash,
}

fn happens() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    (who.clone(), who, 0u8..27, 0u64..50, 1u32..3).prop_map(|(a, b, kind, n, session)| {
        let (a, b) = (PEOPLE[a], PEOPLE[b]);
        let (stream, event): (_, Event) = match kind {
            0 => (viewer(a), grant(n as i64 + 1, n).into()),
            1 => (viewer(a), followed(b).into()),
            2 => (viewer(a), unfollowed(b).into()),
            3 => (streamer(a), started(session, a).into()),
            4 => (streamer(a), stopped(session).into()),
            5 => (streamer(a), credited(n, 1, n, n).into()),
            6 => (room_stream(b), chat(a).into()),
            7 => (viewer(a), combo_ended(b, session).into()),
            8 => (room_stream(b), liked(session, 1, n + 1).into()),
            9..12 => (room_stream(b), order(a, n)),
            12..15 => (viewer(a), combo_gift(b, session).into()),
            15 | 16 => (viewer(a), blocked(b).into()),
            17 => (viewer(a), unblocked(b).into()),
            // Nobody writes to themselves: the last of them has somebody before.
            18..21 if a != b => (conversation(a, b), message(a, b, n + 1).into()),
            21 if a != b => (conversation(a, b), messages_read(a, b, n + 1).into()),
            _ => (viewer(a), gift(b, session, n, n / 2, n * 3).into()),
        };
        Step::Happens(stream, event)
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => happens(),
        1 => (1i64..30).prop_map(Step::Later),
        2 => Just(Step::Turn),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

fn play(steps: Vec<Step>, store: &Arc<dyn ViewStore>) {
    let journal = MemoryJournal::new();
    let mut now = MORNING_MS;
    journal.set_now_ms(now);
    let mut runner = open(journal.clone(), store);
    for step in steps {
        match step {
            Step::Happens(stream, event) => append(&journal, stream, event),
            Step::Later(hours) => {
                now += hours * HOUR_MS;
                journal.set_now_ms(now);
            }
            Step::Turn => {
                runner.turn().unwrap();
                let handle = runner.handle();
                assert_like_the_model(&journal, &handle.read());
            }
            Step::Restart => {
                drop(runner);
                runner = open(journal.clone(), store);
            }
            Step::Crash => {
                drop(runner);
                let crashing = Crashing::after(0, store);
                let reader = Arc::new(journal.clone());
                let mut doomed = Runner::open(reader, crashing, Options::default(), Arc::new(())).unwrap();
                let folded = doomed.turn();
                assert_eq!(
                    folded.is_err(),
                    doomed.handle().position().sequence < journal.records(0).len() as u64
                );
                drop(doomed);
                runner = open(journal.clone(), store);
            }
        }
    }
    runner.turn().unwrap();
    assert_like_the_model(&journal, &runner.handle().read());
    drop(runner);
    let compare = || {
        check(
            &journal,
            store,
            &[],
            Options::default(),
            &Stopper::default(),
            |_| {},
        )
    };
    assert_eq!(compare().unwrap(), [], "a fresh fold differs");
    rebuild(
        &journal,
        store,
        &[],
        Options::default(),
        &Stopper::default(),
        |_| {},
    )
    .unwrap();
    assert_eq!(compare().unwrap(), [], "a rebuilt view differs");
    let runner = folded(journal.clone(), store);
    assert_like_the_model(&journal, &runner.handle().read());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn views_equal_the_plain_model_through_batches_restarts_and_crashes(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        play(steps, &memory());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_holds_on_disk(steps in proptest::collection::vec(step(), 0..120)) {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn ViewStore> = Arc::new(FjallStore::open(&directory.path().join("views")).unwrap());
        play(steps, &store);
    }
}
