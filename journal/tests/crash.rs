//! Crashes by seed over the simulated disk: whatever is lost, everything acknowledged is there, in order, and nothing is
//! half applied. `LIVEHOUSE_SEEDS=N` runs N seeds, `LIVEHOUSE_SEED=N` only that one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use compact_str::CompactString;
use domain::event::{ChatSent, Role};
use domain::{Event, StreamId, StreamKind};
use journal::embedded::{
    Embedded, EmbeddedReader, EmbeddedWriter, Options, Repairs, Stepper, verify_storage,
};
use journal::storage::Storage;
use journal::storage::sim::{Counts, Fault, SimStorage};
use journal::{Append, Cause, Error, Expected, JournalId, Position, Reader, Result, Snapshot, Writer, codec};

const SEEDS: u64 = 2_000;
const ROOMS: usize = 5;

/// One event as the oracle knows it: it never asks the journal what it should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    room: usize,
    version: u64,
    text: String,
    command: String,
}

/// An append that was queued in this life: its events, and what its completion said.
struct Queued {
    events: Vec<Said>,
    outcome: Rc<RefCell<Option<Result<journal::Appended>>>>,
}

#[derive(Default)]
struct Reached {
    lives: u64,
    crashes_in_open: u64,
    acknowledged: u64,
    unacknowledged_kept: u64,
    poisoned: u64,
    conflicts: u64,
    repairs: Repairs,
    torn_tails: u64,
    faults: Counts,
}

fn stream(room: usize) -> StreamId {
    StreamId::new(StreamKind::Room, &format!("room-{room}"))
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the embedded engine's futures are ready at once"),
    }
}

/// One seed: a disk, its journal over several lives, and what must be in it.
struct World {
    sim: SimStorage,
    random: fastrand::Rng,
    /// What was acknowledged, or found by an opening for writing: it must be there.
    durable: Vec<Said>,
    /// Appends that were never acknowledged: the first of them may be there.
    maybe: Vec<Vec<Said>>,
    queued: Vec<Queued>,
    next_text: u64,
    reached: Reached,
    epoch: u64,
    /// The power will go in this life: reading may fail too.
    doomed: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            sim: SimStorage::new(seed),
            random: fastrand::Rng::with_seed(seed ^ 0x5eed),
            durable: Vec::new(),
            maybe: Vec::new(),
            queued: Vec::new(),
            next_text: 0,
            reached: Reached::default(),
            epoch: 0,
            doomed: false,
        }
    }

    fn open(&self) -> Result<(EmbeddedReader, EmbeddedWriter, Stepper)> {
        let options = Options {
            segment_bytes: 4_096,
            recent_bytes_max: 3_000,
            // A clock that jumps back now and then.
            clock: Arc::new({
                let jump = self.random.clone().i64(-5_000..5_000);
                move || 1_700_000_000_000 + jump
            }),
            new_id: Some(JournalId(77)),
            batch_appends_max: 8,
            ..Options::default()
        };
        Embedded::open_stepped(Arc::new(self.sim.clone()), options)
    }

    fn version(&self, room: usize) -> u64 {
        let queued = self.queued.iter().flat_map(|q| &q.events);
        self.durable
            .iter()
            .chain(queued)
            .filter(|s| s.room == room)
            .count() as u64
    }

    /// Queues an append of up to four events; now and then one that expects what is not so.
    fn append(&mut self, writer: &EmbeddedWriter) {
        let room = self.random.usize(0..ROOMS);
        let version = self.version(room);
        let wrong = self.random.u8(0..20) == 0;
        let expected = match self.random.u8(0..3) {
            _ if wrong => Expected::Exact(version + 7),
            0 => Expected::Any,
            _ if version == 0 => Expected::Empty,
            _ => Expected::Exact(version),
        };
        let length = if self.random.u8(0..30) == 0 {
            3_000
        } else {
            self.random.usize(0..120)
        };
        let command = format!("command-{}", self.next_text);
        let events: Vec<Said> = (1..=self.random.u64(1..5))
            .map(|after| {
                self.next_text += 1;
                let text = format!("{}{}", self.next_text, "x".repeat(length));
                Said {
                    room,
                    version: version + after,
                    text,
                    command: command.clone(),
                }
            })
            .collect();
        let user: domain::UserId = "ann".parse().expect("a good id");
        let event = |said: &Said| {
            Event::from(ChatSent {
                user: user.clone(),
                text: said.text.clone(),
                role: Role::Viewer,
            })
        };
        let append = Append {
            stream: stream(room),
            expected,
            epoch: writer.epoch(),
            cause: Cause {
                command_id: Some(CompactString::from(command)),
                request_hash: 3,
                actor: "ann".into(),
            },
            events: events.iter().map(event).collect(),
        };
        let outcome = Rc::new(RefCell::new(None));
        let (told, wait) = std::sync::mpsc::channel();
        let taken = writer.append(append, Box::new(move |result| _ = told.send(result)));
        assert!(taken.is_ok(), "the queue is not full");
        let events = if wrong { Vec::new() } else { events };
        self.queued.push(Queued {
            events,
            outcome: outcome.clone(),
        });
        OUTCOMES.with_borrow_mut(|all| all.push((wait, outcome)));
    }

    /// A fault for this life, or none.
    fn misfortune(&mut self) {
        let nth = self.random.u64(0..12);
        self.doomed = self.random.u8(0..5) < 2;
        match self.random.u8(3..9) {
            _ if self.doomed => self.sim.cut_power_after(self.random.u64(1..60)),
            3 => self.sim.inject(Fault::SyncError, nth),
            4 => self.sim.inject(Fault::NoSpace, nth),
            5 => self.sim.inject(Fault::ShortWrite, nth),
            6 => self.sim.inject(Fault::WriteError, nth),
            7 => self.sim.inject(Fault::SyncDirError, nth % 4),
            _ => {}
        }
    }

    fn live(&mut self) {
        self.reached.lives += 1;
        self.misfortune();
        let opened = self.open();
        let Ok((reader, writer, mut stepper)) = opened else {
            let error = opened.err().expect("it is no success");
            assert!(
                matches!(error, Error::Io { .. }),
                "a crash made an opening find {error}"
            );
            self.reached.crashes_in_open += 1;
            return;
        };
        self.note(writer.repairs());
        assert!(writer.epoch().0 > self.epoch, "an epoch came twice");
        self.epoch = writer.epoch().0;
        self.decide(&reader);
        if !self.doomed {
            self.check(&reader);
        }
        for _ in 0..self.random.u8(0..40) {
            match self.random.u8(0..10) {
                0..=5 => self.append(&writer),
                6 if !self.doomed => self.snapshot(&writer, &reader),
                _ => _ = stepper.step(),
            }
            settle();
        }
        if self.random.u8(0..3) == 0 {
            while stepper.step() {}
            settle();
        }
        if self.random.u8(0..6) == 0 && writer.poisoned().is_none() && !self.sim.is_off() {
            _ = stepper.close();
            settle();
        }
    }

    fn note(&mut self, repairs: Repairs) {
        let sum = &mut self.reached.repairs;
        self.reached.torn_tails += u64::from(repairs.torn_tail_bytes > 0);
        sum.torn_tail_bytes += repairs.torn_tail_bytes;
        sum.seals_completed += repairs.seals_completed;
        sum.segments_stillborn += repairs.segments_stillborn;
        sum.segments_made_again += repairs.segments_made_again;
        sum.journals_stillborn += repairs.journals_stillborn;
        sum.batches_written_again += repairs.batches_written_again;
    }

    fn snapshot(&mut self, writer: &EmbeddedWriter, reader: &EmbeddedReader) {
        let room = self.random.usize(0..ROOMS);
        let last = self.durable.iter().rposition(|said| said.room == room);
        if let Some(at) = last {
            let version = self.durable[at].version;
            let position = Position {
                shard: 0,
                sequence: at as u64 + 1,
            };
            let snapshot = Snapshot {
                version,
                position,
                schema: 1,
                state: self.durable[at].text.clone().into(),
            };
            writer.save_snapshot(&stream(room), snapshot);
        }
        if let Some(found) = now(reader.snapshot(&stream(room))).expect("a good journal") {
            let said = &self.durable[found.position.sequence as usize - 1];
            assert_eq!(
                (said.room, said.version, said.text.as_bytes()),
                (room, found.version, &found.state[..])
            );
        }
    }

    /// After a life: everything acknowledged must be there, and of the rest a prefix of whole appends may be.
    fn crash(&mut self) {
        self.sim.clear_faults();
        if self.random.bool() {
            self.sim.restart()
        } else {
            self.sim.kill()
        }
        settle();
        OUTCOMES.with_borrow_mut(Vec::clear);
        let queued = std::mem::take(&mut self.queued);
        for q in &queued {
            match &*q.outcome.borrow() {
                Some(Ok(_)) => {
                    assert!(
                        !q.events.is_empty(),
                        "an append that expected something else was acknowledged"
                    );
                    self.reached.acknowledged += 1;
                }
                Some(Err(Error::Poisoned(_) | Error::Closed | Error::Io { .. })) => {
                    self.reached.poisoned += 1
                }
                Some(Err(Error::Conflict { .. })) => {
                    assert!(q.events.is_empty(), "an append as expected was refused");
                    self.reached.conflicts += 1;
                }
                Some(Err(other)) => panic!("an append failed with {other}"),
                None => {}
            }
        }
        let acknowledged = queued
            .iter()
            .rposition(|q| matches!(&*q.outcome.borrow(), Some(Ok(_))));
        for (number, q) in queued.into_iter().enumerate() {
            if acknowledged.is_some_and(|last| number <= last) {
                self.durable.extend(q.events);
            } else if !q.events.is_empty() {
                self.maybe.push(q.events);
            }
        }
        let surviving = self.surviving();
        assert_eq!(self.with_maybe(surviving.len()).0, surviving);
    }

    /// The oracle's records if the journal has so many: all that must be there, then whole appends of those that may.
    /// With the number of those.
    fn with_maybe(&self, records: usize) -> (Vec<Said>, usize) {
        assert!(
            records >= self.durable.len(),
            "{records} records, {} were acknowledged",
            self.durable.len()
        );
        let (mut said, mut appends) = (self.durable.clone(), 0);
        while said.len() < records {
            said.extend(self.maybe[appends].iter().cloned());
            appends += 1;
        }
        assert_eq!(said.len(), records, "an append is there by half");
        (said, appends)
    }

    /// An opening for writing decides what became of what was never acknowledged.
    fn decide(&mut self, reader: &EmbeddedReader) {
        let (said, appends) = self.with_maybe(reader.head().get(0) as usize);
        self.reached.unacknowledged_kept += appends as u64;
        (self.durable, self.maybe) = (said, Vec::new());
    }

    /// What an honest reader finds, without touching anything.
    fn surviving(&self) -> Vec<Said> {
        match Embedded::read_only(Arc::new(self.sim.clone())) {
            Ok(reader) => all(&reader),
            Err(Error::Unusable { .. }) => Vec::new(),
            Err(error) => panic!("a crash made {error}"),
        }
    }

    /// Every way of reading agrees with the oracle.
    fn check(&self, reader: &EmbeddedReader) {
        assert_eq!(all(reader), self.durable);
        for room in 0..ROOMS {
            let records = now(reader.read_stream(&stream(room), 0, Position::start(0), 10_000));
            let records = records.expect("a good journal");
            let texts: Vec<_> = records.iter().map(|r| text(&r.as_ref())).collect();
            let wanted: Vec<_> = self.durable.iter().filter(|s| s.room == room).collect();
            assert_eq!(texts, wanted.iter().map(|s| s.text.clone()).collect::<Vec<_>>());
            assert!(
                records
                    .windows(2)
                    .all(|w| w[0].recorded_at_ms <= w[1].recorded_at_ms),
                "time went back"
            );
        }
        for said in self.durable.iter().rev().step_by(7) {
            let found = now(reader.find_command(&stream(said.room), &said.command)).expect("a good journal");
            let found = found.unwrap_or_else(|| panic!("{} is forgotten", said.command));
            let first = self
                .durable
                .iter()
                .find(|s| s.command == said.command)
                .expect("itself");
            assert_eq!(
                (found.version, text(&found.as_ref())),
                (first.version, first.text.clone())
            );
            assert!(matches!(
                now(reader.find_command(&stream(said.room), "never")),
                Ok(None)
            ));
        }
    }
}

thread_local! {
    static OUTCOMES: RefCell<Vec<(std::sync::mpsc::Receiver<Result<journal::Appended>>, OutcomeCell)>> =
        const { RefCell::new(Vec::new()) };
}

type OutcomeCell = Rc<RefCell<Option<Result<journal::Appended>>>>;

/// Brings the outcomes that completions have told to where the oracle looks.
fn settle() {
    OUTCOMES.with_borrow_mut(|all| {
        all.retain(|(wait, cell)| match wait.try_recv() {
            Ok(result) => {
                *cell.borrow_mut() = Some(result);
                false
            }
            Err(_) => true,
        });
    });
}

fn text(record: &journal::RecordRef<'_>) -> String {
    match codec::decode(record) {
        Ok(Event::ChatSent(chat)) => chat.text,
        other => panic!("{other:?} where a chat was written"),
    }
}

fn all(reader: &EmbeddedReader) -> Vec<Said> {
    let (mut said, mut after) = (Vec::new(), Position::start(0));
    loop {
        let batch = now(reader.read(after, 2_000)).expect("a good journal");
        if batch.is_empty() {
            assert_eq!(reader.head().get(0), after.sequence);
            return said;
        }
        said.extend(batch.iter().map(|r| {
            Said {
                room: r
                    .key
                    .trim_start_matches("room-")
                    .parse()
                    .expect("a room's number"),
                version: r.version,
                text: text(&r),
                command: r.command_id.unwrap_or_default().to_owned(),
            }
        }));
        after = batch.last();
    }
}

/// Runs one seed to its end; the files' bytes afterwards are its digest.
fn run(seed: u64) -> (Reached, blake3::Hash) {
    let mut world = World::new(seed);
    for _ in 0..6 {
        world.live();
        world.crash();
    }
    let storage: Arc<dyn Storage> = Arc::new(world.sim.clone());
    if let Ok((reader, writer, stepper)) = world.open() {
        world.note(writer.repairs());
        world.decide(&reader);
        world.check(&reader);
        stepper.close().expect("no fault is left");
        let verified = verify_storage(&storage, |_, _| {}).expect("a good journal");
        assert_eq!(
            (verified.records, verified.torn_tail_bytes),
            (world.durable.len() as u64, 0)
        );
    } else {
        panic!("the journal does not open without a fault");
    }
    world.reached.faults = world.sim.counts();
    let mut digest = blake3::Hasher::new();
    let mut names = storage.list().expect("no fault is left");
    names.sort();
    for name in names {
        digest
            .update(name.as_bytes())
            .update(&world.sim.content(&name).unwrap_or_default());
    }
    (world.reached, digest.finalize())
}

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("LIVEHOUSE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LIVEHOUSE_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

fn named<T>(seed: u64, work: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(value) => value,
        Err(panic) => {
            eprintln!("reproduce: LIVEHOUSE_SEED={seed} cargo test -p livehouse-journal --test crash");
            std::panic::resume_unwind(panic)
        }
    }
}

#[test]
fn everything_acknowledged_survives_every_crash() {
    let mut sum = Reached::default();
    let seeds = seeds();
    for seed in &seeds {
        let reached = named(*seed, || run(*seed).0);
        sum.lives += reached.lives;
        sum.crashes_in_open += reached.crashes_in_open;
        sum.acknowledged += reached.acknowledged;
        sum.unacknowledged_kept += reached.unacknowledged_kept;
        sum.poisoned += reached.poisoned;
        sum.conflicts += reached.conflicts;
        sum.torn_tails += reached.torn_tails;
        sum.repairs.seals_completed += reached.repairs.seals_completed;
        sum.repairs.segments_stillborn += reached.repairs.segments_stillborn;
        sum.repairs.segments_made_again += reached.repairs.segments_made_again;
        sum.repairs.journals_stillborn += reached.repairs.journals_stillborn;
        sum.repairs.batches_written_again += reached.repairs.batches_written_again;
        sum.faults.power_losses += reached.faults.power_losses;
        sum.faults.writes_lost += reached.faults.writes_lost;
        sum.faults.writes_torn += reached.faults.writes_torn;
        sum.faults.entries_lost += reached.faults.entries_lost;
        sum.faults.faults += reached.faults.faults;
    }
    let branches = [
        ("lives", sum.lives),
        ("crashes while opening", sum.crashes_in_open),
        ("appends acknowledged", sum.acknowledged),
        ("appends kept though not acknowledged", sum.unacknowledged_kept),
        ("appends failed by poison", sum.poisoned),
        ("appends refused as conflicts", sum.conflicts),
        ("losses of power", sum.faults.power_losses),
        ("writes lost", sum.faults.writes_lost),
        ("writes torn", sum.faults.writes_torn),
        ("directory entries lost", sum.faults.entries_lost),
        ("faults injected", sum.faults.faults),
        ("torn tails cut", sum.torn_tails),
        ("seals completed", sum.repairs.seals_completed.into()),
        (
            "stillborn segments removed",
            sum.repairs.segments_stillborn.into(),
        ),
        ("empty segments made anew", sum.repairs.segments_made_again.into()),
        (
            "stillborn journals made again",
            sum.repairs.journals_stillborn.into(),
        ),
        (
            "last batches written again",
            sum.repairs.batches_written_again.into(),
        ),
    ];
    println!("{} seeds, nothing acknowledged was lost", seeds.len());
    for (name, count) in branches {
        println!("{count:>9} {name}");
        assert!(count > 0 || seeds.len() < 500, "no seed reached: {name}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in seeds().into_iter().take(100) {
        assert_eq!(run(seed).1, run(seed).1, "seed {seed}");
    }
}
