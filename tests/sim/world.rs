//! One seed from its first opening to its end: lives of a process, crashes between them, then a time without faults in
//! which everything must come to rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actors::{Reply, Work};
use domain::limits::ORDER_INTERVAL_MS;
use domain::{Rejection, UserId};
use fastrand::Rng;
use journal::Error;
use journal::embedded::{SimSnapshots, verify_storage};
use journal::storage::Storage;
use journal::storage::sim::{Fault, SimStorage};

use crate::checks::views_are_right;
use crate::life::{Life, Machine, id};
use crate::model::Model;
use crate::oracle::{Oracle, Told};
use crate::script::{self, Body, Family};
use crate::store::CrashStore;
use crate::tally::Tally;

/// Unix ms at which most seeds begin, and one that is shortly before a midnight of the platform.
const BEGIN_MS: i64 = 1_750_000_000_000;
const BEFORE_MIDNIGHT_MS: i64 = 1_750_003_180_000;
/// Rounds of resending after which everything must have an answer.
const ROUNDS_MAX: usize = 60;
/// Times around after which a round must have come to rest.
const REST_MAX: usize = 100_000;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doom {
    /// In good order.
    Close,
    /// The process is killed.
    Kill,
    /// The power goes, between two operations of the disk.
    PowerLoss,
    /// The power goes at some operation.
    PowerCut,
    /// An operation of the disk fails.
    Fault(Fault),
    /// The disk is full.
    Full,
}

/// See the module.
pub struct World {
    machine: Machine,
    random: Rng,
    oracle: Oracle,
    tally: Tally,
    digest: blake3::Hasher,
    pending: VecDeque<usize>,
    trace: bool,
    /// Replies may be lost.
    lossy: bool,
}

/// Runs one seed; gives what it reached and a digest of everything that was told and written.
pub fn run(seed: u64, trace: bool) -> (Tally, blake3::Hash) {
    let mut world = World::new(seed, trace);
    for _ in 0..world.random.u8(0..5) {
        let life = world.open();
        world.live(life);
    }
    let life = world.open();
    world.finish(life);
    world.tally.seeds = 1;
    (world.tally, world.digest.finalize())
}

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let begin = if random.u8(0..5) == 0 {
            BEFORE_MIDNIGHT_MS
        } else {
            BEGIN_MS
        };
        let machine = Machine {
            disk: SimStorage::new(seed ^ 0xd15c),
            snapshots: SimSnapshots::default(),
            store: Arc::new(CrashStore::default()),
            clock_ms: Arc::new(AtomicI64::new(begin)),
            queue_appends_max: [4, 12, 100][random.usize(0..3)],
            batch_appends_max: [1, 3, 40][random.usize(0..3)],
            mailbox_max: [2, 6, 50][random.usize(0..3)],
        };
        let commands = script::write(seed);
        Self {
            pending: (0..commands.len()).collect(),
            oracle: Oracle::new(commands),
            tally: Tally::default(),
            digest: blake3::Hasher::new(),
            machine,
            random,
            trace,
            lossy: true,
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{}", what());
        }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.random.u32(0..of) == 0
    }

    /// Opens the journal, perhaps after openings that were disturbed, and judges what is found.
    fn open(&mut self) -> Life {
        for _ in 0..3 {
            if !self.chance(5) {
                break;
            }
            self.open_disturbed();
        }
        self.machine.disk.set_capacity(u64::MAX);
        let mut life =
            Life::begin(&self.machine).unwrap_or_else(|e| panic!("a crash made an opening find {e}"));
        self.note_repairs(&life);
        let log = life.log().expect("a sound journal can be read");
        self.say(|| format!("-- open: {} records", log.len()));
        let unasked = (log.len() as u64).saturating_sub(self.oracle.must_hold());
        self.tally.add("records kept though never acknowledged", unasked);
        let model = self.oracle.judge(log);
        life.watch(&self.machine.store)
            .expect("the views open over any store");
        self.turn_views(&mut life);
        views_are_right(&life, &self.machine.store, &model);
        life
    }

    /// An opening that fails somewhere, or succeeds and is cut off at once.
    fn open_disturbed(&mut self) {
        let disk = self.machine.disk.clone();
        let faults = [
            Fault::SyncError,
            Fault::WriteError,
            Fault::NoSpace,
            Fault::SyncDirError,
            Fault::ShortWrite,
        ];
        let fault = faults[self.random.usize(0..faults.len())];
        if self.random.bool() {
            disk.cut_power_after(self.random.u64(1..50));
        } else {
            disk.inject(fault, self.random.u64(0..6));
        }
        match Life::begin(&self.machine) {
            Ok(life) => self.note_repairs(&life),
            Err(Error::Io { .. }) => self.tally.one("crashes while opening"),
            Err(error) => panic!("a crash made an opening find {error}"),
        }
        if fault == Fault::SyncDirError {
            disk.clear_faults();
            disk.restart();
        } else {
            self.crash_disk();
        }
    }

    fn note_repairs(&mut self, life: &Life) {
        let repairs = life.repairs();
        self.say(|| format!("-- {repairs:?}"));
        self.tally
            .add("torn tails cut", u64::from(repairs.torn_tail_bytes > 0));
        self.tally.add("seals completed", repairs.seals_completed.into());
        self.tally
            .add("stillborn segments removed", repairs.segments_stillborn.into());
        self.tally
            .add("stillborn journals made again", repairs.journals_stillborn.into());
        self.tally.add(
            "batches written again on open",
            repairs.batches_written_again.into(),
        );
    }

    fn crash_disk(&mut self) {
        self.machine.disk.clear_faults();
        if self.random.bool() {
            self.machine.disk.restart();
        } else {
            self.tally.one("kills");
            self.machine.disk.kill();
        }
    }

    /// One life, to its doom.
    fn live(&mut self, mut life: Life) {
        let doom = self.choose_doom();
        self.say(|| format!("-- a life that ends by {doom:?}"));
        let ticks = self.random.usize(20..500);
        let begin = self.random.usize(0..ticks);
        let mut grace = self.random.usize(0..20);
        for tick in 0..ticks {
            if tick == begin {
                self.arm(doom);
            }
            self.tick(&mut life);
            if life.is_poisoned() || self.machine.disk.is_off() {
                let Some(left) = grace.checked_sub(1) else { break };
                grace = left;
            }
        }
        self.end(life, doom);
    }

    fn choose_doom(&mut self) -> Doom {
        match self.random.u8(0..12) {
            0 => Doom::Close,
            1 | 2 => Doom::Kill,
            3 | 4 => Doom::PowerLoss,
            5..8 => Doom::PowerCut,
            8 => Doom::Full,
            9 => Doom::Fault(Fault::SyncError),
            10 => Doom::Fault(Fault::SyncDirError),
            _ => {
                let faults = [Fault::WriteError, Fault::NoSpace, Fault::ShortWrite];
                Doom::Fault(faults[self.random.usize(0..faults.len())])
            }
        }
    }

    fn arm(&mut self, doom: Doom) {
        let disk = &self.machine.disk;
        match doom {
            Doom::PowerCut => disk.cut_power_after(self.random.u64(1..60)),
            Doom::Fault(Fault::SyncDirError) => disk.inject(Fault::SyncDirError, 0),
            Doom::Fault(fault) => disk.inject(fault, self.random.u64(0..12)),
            Doom::Full => disk.set_capacity(disk.used_bytes() + self.random.u64(0..3_000)),
            Doom::Close | Doom::Kill | Doom::PowerLoss => {}
        }
    }

    fn end(&mut self, mut life: Life, doom: Doom) {
        let sound = !life.is_poisoned() && !self.machine.disk.is_off();
        self.hear(&mut life);
        let armed = matches!(doom, Doom::PowerCut | Doom::Fault(_) | Doom::Full);
        if sound && !armed && self.random.bool() {
            self.look(&mut life);
        }
        self.note_life(&mut life, doom);
        if doom == Doom::Close && sound {
            self.machine.disk.clear_faults();
            while self.sweep_once(&mut life) {}
            self.stop_all(&mut life);
            life.close().expect("nothing is wrong with the disk");
            self.tally.one("closes in good order");
            return;
        }
        match doom {
            Doom::Kill => {
                self.machine.disk.clear_faults();
                self.tally.one("kills");
                self.machine.disk.kill();
            }
            // A file system that could not write a directory goes read-only, and forgets it when it is mounted again.
            Doom::PowerLoss | Doom::PowerCut | Doom::Fault(Fault::SyncDirError) => {
                self.machine.disk.clear_faults();
                self.machine.disk.restart();
            }
            _ => self.crash_disk(),
        }
        drop(life);
        self.crash_beside();
    }

    /// What a crash does to what is beside the journal.
    fn crash_beside(&mut self) {
        let deeds = self.machine.store.deeds();
        match self.random.u8(0..8) {
            0 => {
                self.machine.store.crash(0);
                self.tally.one("views that lost all");
            }
            1..5 if deeds > 0 => {
                self.machine
                    .store
                    .crash(deeds - self.random.usize(0..deeds.min(6) + 1).min(deeds));
                self.tally.one("views that lost their last commits");
            }
            _ => {}
        }
        match self.random.u8(0..6) {
            0 => {
                self.machine.snapshots.lose();
                self.tally.one("snapshots damaged or lost");
            }
            1 | 2 => self.flip_snapshot(),
            _ => {}
        }
    }

    fn flip_snapshot(&mut self) {
        let flipped = self.machine.snapshots.flip_bit(self.random.usize(0..1 << 20));
        self.tally.add("snapshots damaged or lost", flipped.into());
    }

    fn note_life(&mut self, life: &mut Life, doom: Doom) {
        let poisoned = u64::from(life.is_poisoned());
        self.tally.add("journals poisoned", poisoned);
        match doom {
            Doom::Full => self.tally.add("full disks", poisoned),
            Doom::Fault(Fault::SyncDirError) => self.tally.add("directory syncs failed", poisoned),
            _ => {}
        }
        self.tally.add("states thrown away", life.thrown_away());
        self.tally.add("second owners met a conflict", life.conflicts());
        self.tally.add("stale owners refused", life.stale_refused());
        let waited = life.viewers.waited + life.streamers.waited + life.rooms.waited + life.second.waited;
        self.tally.add("replays that waited for queued appends", waited);
    }

    /// Anything that may happen next.
    fn tick(&mut self, life: &mut Life) {
        match self.random.u8(0..100) {
            0..22 => self.send_next(life),
            22..26 => self.resend(life),
            26..54 => self.turn_someone(life),
            54..68 => _ = life.step(),
            68..78 => self.settle(life),
            78..82 => self.turn_views(life),
            82..88 => self.pass_time(),
            88..90 => self.wake_someone(life),
            90..94 => self.stop_someone(life),
            94..96 => self.panic_someone(life),
            96 => life.send_stale(),
            97 | 98 => self.send_second(life),
            _ => self.err_beside(life),
        }
        if self.random.bool() {
            self.carry(life);
        }
        self.hear(life);
    }

    fn send_next(&mut self, life: &mut Life) {
        // Some overtake others.
        let window = if self.chance(5) { 4 } else { 1 };
        let at = self.random.usize(0..window.min(self.pending.len()).max(1));
        if let Some(number) = self.pending.remove(at) {
            self.send(life, number);
        }
    }

    fn send(&mut self, life: &mut Life, number: usize) {
        self.tally.commands += 1;
        // Beside a second owner the first one decides on what it knew before: nothing of money, which is appended and
        // then refused as a conflict, but it may tell what is no longer so.
        let key = id::<UserId>(&self.oracle.commands()[number].key);
        let since = if life.second.is_here(&key) { 0 } else { life.head() };
        let delivery = self.oracle.send(number, since);
        let command = &self.oracle.commands()[number];
        self.say(|| format!("send #{delivery} {command:?}"));
        if command.body.family() == Family::Viewer {
            let from_snapshot = !life.viewers.is_here(&key) && life.has_snapshot(&key);
            self.tally.add("replays from a snapshot", from_snapshot.into());
        }
        life.send(delivery, command, &mut self.tally);
    }

    /// A command again: one without an answer, or any.
    fn resend(&mut self, life: &mut Life) {
        let open = self.oracle.open();
        let among = if open.is_empty() || self.chance(3) {
            self.oracle.sent()
        } else {
            open
        };
        if let Some(number) = among.get(self.random.usize(0..among.len().max(1))) {
            self.send(life, *number);
        }
    }

    /// A command about money, to a second owner of that viewer.
    fn send_second(&mut self, life: &mut Life) {
        let next = self.pending.front().copied();
        let Some(number) = next.filter(|n| self.oracle.commands()[*n].body.is_money()) else {
            return;
        };
        self.pending.pop_front();
        self.tally.commands += 1;
        let delivery = self.oracle.send(number, life.head());
        let command = &self.oracle.commands()[number];
        self.say(|| format!("send #{delivery} to a second owner {command:?}"));
        life.send_second(delivery, command);
    }

    fn pick(&mut self, keys: &[UserId]) -> Option<UserId> {
        keys.get(self.random.usize(0..keys.len().max(1))).cloned()
    }

    fn turn_someone(&mut self, life: &mut Life) {
        let hall = self.random.u8(0..8);
        let busy = match hall {
            0..4 => life.viewers.busy(),
            4 | 5 => life.streamers.busy(),
            6 => life.rooms.busy(),
            _ => life.second.busy(),
        };
        let Some(key) = self.pick(&busy) else { return };
        _ = match hall {
            0..4 => life.viewers.turn(&key),
            4 | 5 => life.streamers.turn(&key),
            6 => life.rooms.turn(&key),
            _ => life.second.turn(&key),
        };
    }

    fn settle(&mut self, life: &mut Life) {
        let Life {
            settlers, streamers, ..
        } = life;
        for settler in settlers {
            match self.random.u8(0..6) {
                0 => settler.retry(),
                1 => settler.advance(),
                _ => _ = settler.step(streamers, &mut self.tally),
            }
        }
    }

    fn turn_views(&mut self, life: &mut Life) {
        let Some(watch) = &mut life.watch else { return };
        if let Err(error) = watch.turn() {
            assert!(
                life.is_poisoned() || self.machine.disk.is_off(),
                "the views stopped: {error}"
            );
            life.watch = None;
        }
    }

    fn pass_time(&mut self) {
        let ms = match self.random.u8(0..20) {
            0 => 3 * 60 * 60 * 1_000,
            1..4 => 6_000,
            4 => {
                self.tally.one("jumps of the clock backwards");
                -self.random.i64(1..20_000)
            }
            _ => self.random.i64(1..500),
        };
        self.machine.clock_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn wake_someone(&mut self, life: &mut Life) {
        let keys = life.viewers.keys();
        if let Some(key) = self.pick(&keys) {
            life.viewers.wake(&key);
        }
    }

    fn stop_someone(&mut self, life: &mut Life) {
        let hall = self.random.u8(0..3);
        let keys = match hall {
            0 => life.viewers.keys(),
            1 => life.streamers.keys(),
            _ => life.rooms.keys(),
        };
        let Some(key) = self.pick(&keys) else { return };
        let stopped = match hall {
            0 => life.viewers.stop(&key),
            1 => life.stop_streamer(&key),
            _ => life.rooms.stop(&key),
        };
        self.tally.add("idle actors stopped", stopped.into());
    }

    fn stop_all(&mut self, life: &mut Life) {
        for key in life.viewers.keys() {
            life.viewers.stop(&key);
        }
        for key in life.streamers.keys() {
            life.stop_streamer(&key);
        }
        for key in life.rooms.keys() {
            life.rooms.stop(&key);
        }
    }

    fn panic_someone(&mut self, life: &mut Life) {
        let hall = self.random.u8(0..3);
        let keys = match hall {
            0 => life.viewers.keys(),
            1 => life.streamers.keys(),
            _ => life.rooms.keys(),
        };
        let Some(key) = self.pick(&keys) else { return };
        let fell = match hall {
            0 => life.viewers.panic(&key),
            1 => life.streamers.panic(&key),
            _ => life.rooms.panic(&key),
        };
        self.tally.add("panics of actors", fell.into());
    }

    /// What goes wrong beside the journal while it runs.
    fn err_beside(&mut self, life: &mut Life) {
        if self.random.bool() && life.settlers.len() < 2 {
            life.settle_twice();
        } else {
            self.flip_snapshot();
        }
    }

    /// Brings on their way what lies between the actors.
    fn carry(&mut self, life: &mut Life) -> bool {
        let back = life.viewers.redeliver()
            + life.streamers.redeliver()
            + life.rooms.redeliver()
            + life.second.redeliver();
        self.tally.add(
            "commands handed back until the first of their id was durable",
            back as u64,
        );
        back + life.take_asked_rooms() + life.take_asked_follows(&mut self.tally) > 0
    }

    /// Clients hear what they are told, unless it is lost on the way.
    fn hear(&mut self, life: &mut Life) -> bool {
        let head = life.head();
        let replies = life.replies();
        let any = !replies.is_empty();
        for (delivery, told) in replies {
            self.digest
                .update(format!("{delivery} {told:?} {head}\n").as_bytes());
            if self.lossy && self.chance(12) {
                self.tally.one("replies lost");
                self.say(|| format!("lost #{delivery} {told:?}"));
                continue;
            }
            self.say(|| format!("told #{delivery} {told:?}"));
            match &told {
                Told::Refused(Rejection::Busy) => self.tally.one("clients that met a full mailbox or queue"),
                Told::Unknown => self.tally.one("clients that were told nothing for sure"),
                _ => {}
            }
            if let Told::Refused(rejection) = told {
                self.tally.refused(rejection);
            }
            if self.oracle.hear(delivery, told, head) {
                self.tally.one("answers repeated to a resent command");
            }
        }
        any
    }

    /// Everybody does one thing; says whether anything happened.
    fn sweep_once(&mut self, life: &mut Life) -> bool {
        let mut moved = false;
        for key in life.viewers.busy() {
            moved |= life.viewers.turn(&key);
        }
        for key in life.streamers.busy() {
            moved |= life.streamers.turn(&key);
        }
        for key in life.rooms.busy() {
            moved |= life.rooms.turn(&key);
        }
        for key in life.second.busy() {
            moved |= life.second.turn(&key);
        }
        moved |= self.carry(life);
        moved |= life.step();
        let Life {
            settlers, streamers, ..
        } = life;
        for settler in settlers {
            moved |= settler.step(streamers, &mut self.tally);
        }
        self.hear(life) || moved
    }

    fn rest(&mut self, life: &mut Life) {
        for _ in 0..REST_MAX {
            if !self.sweep_once(life) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Judges a journal that goes on.
    fn look(&mut self, life: &mut Life) -> Model {
        self.turn_views(life);
        let log = life.log().expect("a sound journal can be read");
        let model = self.oracle.judge(log);
        views_are_right(life, &self.machine.store, &model);
        model
    }

    /// No fault any more: every command gets its answer, every gift its credit.
    fn finish(&mut self, mut life: Life) {
        let ticks = self.random.usize(0..300);
        for _ in 0..ticks {
            self.tick(&mut life);
        }
        self.say(|| "-- no more faults".into());
        self.lossy = false;
        while let Some(number) = self.pending.pop_front() {
            self.send(&mut life, number);
            if self.chance(3) {
                self.rest(&mut life);
            }
        }
        self.rest(&mut life);
        self.answer_all(&mut life);
        for number in self.oracle.sent().into_iter().step_by(9) {
            self.send(&mut life, number);
            self.rest(&mut life);
        }
        self.end_combos(&mut life);
        for _ in 0..3 {
            life.settlers.iter_mut().for_each(|settler| {
                settler.retry();
                settler.advance();
            });
            self.rest(&mut life);
        }
        let model = self.look(&mut life);
        self.check_rest(&life, &model);
        self.note_life(&mut life, Doom::Close);
        let head = life.head();
        self.stop_all(&mut life);
        self.rest(&mut life);
        life.close().expect("nothing is wrong with the disk");
        self.verify(head);
    }

    fn answer_all(&mut self, life: &mut Life) {
        for _ in 0..ROUNDS_MAX {
            let open = self.oracle.open();
            if open.is_empty() {
                return;
            }
            for number in open {
                if matches!(self.oracle.commands()[number].body, Body::Order { .. }) {
                    self.machine
                        .clock_ms
                        .fetch_add(ORDER_INTERVAL_MS, Ordering::SeqCst);
                }
                self.send(life, number);
                self.rest(life);
            }
        }
        let open: Vec<_> = self.oracle.open();
        let first = open.first().map(|number| &self.oracle.commands()[*number]);
        panic!("{} commands never get an answer, such as {first:?}", open.len());
    }

    /// Combos that run end by themselves, once their viewers are awake.
    fn end_combos(&mut self, life: &mut Life) {
        let keys: std::collections::BTreeSet<_> = self
            .oracle
            .commands()
            .iter()
            .filter(|c| c.body.family() == Family::Viewer)
            .map(|c| id::<UserId>(&c.key))
            .collect();
        // Behind every jump: a viewer's time never goes back.
        self.machine
            .clock_ms
            .fetch_add(24 * 60 * 60 * 1_000, Ordering::SeqCst);
        for key in keys {
            // One that had a second owner may know too little.
            life.viewers.panic(&key);
            life.viewers.deliver(&key, Work::Ask(Reply::to_nobody()));
            self.rest(life);
            let before = life.head();
            life.viewers.wake(&key);
            self.rest(life);
            self.tally
                .add("combos ended by the clock", u64::from(life.head() > before));
        }
    }

    fn check_rest(&mut self, life: &Life, model: &Model) {
        for (name, streamer) in &model.streamers {
            assert!(
                streamer.owed.is_empty(),
                "{name} waits for the credit of {:?}",
                streamer.owed
            );
        }
        for (name, viewer) in &model.viewers {
            let running: Vec<_> = viewer.combos.iter().filter(|c| !c.ended).collect();
            assert!(running.is_empty(), "combos of {name} still run: {running:?}");
        }
        for settler in &life.settlers {
            assert_eq!(
                settler.credited_upto(),
                life.head(),
                "settlement has not reached the end"
            );
        }
        self.tally
            .add("combos pushed out by a newer one", model.pushed_out);
        self.tally
            .add("answers that needed no record", self.oracle.unrecorded());
        self.tally.records += life.head();
    }

    fn verify(&mut self, head: u64) {
        let disk = self.machine.disk.clone();
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let verified = verify_storage(&storage, |_, _| {}).expect("every byte is as it was written");
        assert_eq!((verified.records, verified.torn_tail_bytes), (head, 0));
        self.digest.update(&verified.chain);
        let counts = disk.counts();
        self.tally.add("losses of power", counts.power_losses);
        self.tally.add("writes lost", counts.writes_lost);
        self.tally.add("writes torn", counts.writes_torn);
        self.tally.add("directory entries lost", counts.entries_lost);
        self.tally.add("faults of the disk", counts.faults);
        if self.chance(4) {
            self.rot(&storage, head);
        }
    }

    /// A bit flips at rest, somewhere in a segment: verification finds it, unless it is in the mark of the last closing,
    /// which no record needs.
    fn rot(&mut self, storage: &Arc<dyn Storage>, head: u64) {
        let mut names = storage.list().expect("no fault is left");
        names.retain(|name| name.ends_with(".segment"));
        names.sort();
        let Some(name) = names.get(self.random.usize(0..names.len().max(1))) else {
            panic!("a journal without segments");
        };
        let length = self.machine.disk.content(name).map_or(0, |bytes| bytes.len());
        let (at, bit) = (self.random.usize(0..length.max(1)), self.random.u8(0..8));
        assert!(self.machine.disk.flip_bit(name, at, bit));
        match verify_storage(storage, |_, _| {}) {
            Err(Error::Damaged { .. } | Error::Unusable { .. }) => {}
            Ok(verified) if verified.records == head && verified.torn_tail_bytes > 0 => {}
            other => panic!("a flipped bit in {name} at {at} gave {other:?}"),
        }
        self.tally.one("bits flipped at rest and found");
    }
}
