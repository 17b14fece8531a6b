//! One seed from its first opening to its end: lives of a process, crashes between them, then a time without faults in
//! which everything must come to rest.

mod ending;
mod moves;

use std::collections::VecDeque;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use journal::Error;
use journal::embedded::SimSnapshots;
use journal::storage::sim::{Fault, SimStorage};

use crate::bank::Bank;
use crate::checks::views_are_right;
use crate::life::{Life, Machine};
use crate::offers::Offers;
use crate::oracle::Oracle;
use crate::store::CrashStore;
use crate::tally::Tally;
use crate::{money, script};

/// Unix ms at which most seeds begin, and one that is shortly before a midnight of the platform.
const BEGIN_MS: i64 = 1_750_000_000_000;
const BEFORE_MIDNIGHT_MS: i64 = 1_750_003_180_000;

/// Which rules a seed plays by. Seeds that were kept from before there was money play on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Coins come from staff alone, and prices never change.
    Grants,
    /// Orders, payments, withdrawals, and a catalogue that changes.
    Money,
}

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
    /// For what only the way of money needs.
    money_random: Rng,
    /// For what only relations need.
    relations_random: Rng,
    /// For what only messages need.
    letters_random: Rng,
    oracle: Oracle,
    tally: Tally,
    digest: blake3::Hasher,
    pending: VecDeque<usize>,
    trace: bool,
    /// Replies may be lost.
    lossy: bool,
}

/// Runs one seed; gives what it reached and a digest of everything that was told and written.
pub fn run(seed: u64, era: Era, trace: bool) -> (Tally, blake3::Hash) {
    let mut world = World::new(seed, era, trace);
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
    fn new(seed: u64, era: Era, trace: bool) -> Self {
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
            bank: (era == Era::Money).then(|| Arc::new(Mutex::new(Bank::new(seed)))),
            seed,
        };
        let commands = script::write(seed);
        let (commands, offers) = match era {
            Era::Grants => (commands, Offers::built_in()),
            Era::Money => (money::strew(seed, commands), Offers::default()),
        };
        Self {
            pending: (0..commands.len()).collect(),
            oracle: Oracle::new(commands, offers),
            money_random: Rng::with_seed(seed ^ 0x7e11),
            relations_random: Rng::with_seed(seed ^ 0x4e1a),
            letters_random: Rng::with_seed(seed ^ 0x1e77),
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
        if let Some(payouts) = &mut life.payouts {
            payouts.die();
        }
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
        let waited = life.viewers.waited
            + life.streamers.waited
            + life.rooms.waited
            + life.conversations.waited
            + life.second.waited;
        self.tally.add("replays that waited for queued appends", waited);
    }
}
