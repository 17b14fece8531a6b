//! What may happen next in a life: commands are sent and sent again, actors turn, time passes, things go wrong beside the
//! journal, and clients hear what they are told.

use std::sync::atomic::Ordering;

use domain::{Rejection, UserId};

use crate::cashier::Till;
use crate::hall::Seats;
use crate::life::Life;
use crate::oracle::Told;
use crate::script::Family;

use super::World;

/// Times around after which a round must have come to rest.
const REST_MAX: usize = 100_000;

impl World {
    /// Anything that may happen next.
    pub(super) fn tick(&mut self, life: &mut Life) {
        if self.machine.bank.is_some() && self.money_random.u8(0..3) == 0 {
            self.tick_money(life);
            self.hear(life);
            return;
        }
        match self.relations_random.u8(0..24) {
            0..4 => _ = life.sever(),
            4 => life.relations.retry(),
            5 => life.relations.advance(),
            _ => {}
        }
        if self.letters_random.u8(0..3) == 0 {
            self.tick_letters(life);
        }
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

    /// Anything that may happen next on the way of money.
    pub(super) fn tick_money(&mut self, life: &mut Life) {
        let which = self.money_random.usize(0..3);
        let among = |keys: Vec<UserId>, at: usize| (!keys.is_empty()).then(|| keys[at % keys.len()].clone());
        let at = self.money_random.usize(0..1_000);
        match self.money_random.u8(0..100) {
            0..40 => {
                let hall = &mut life.tills()[which];
                let key = among(hall.busy(), at);
                _ = key.map(|key| hall.turn(&key));
            }
            40..70 => _ = life.cash(),
            70..74 => life.till.iter_mut().for_each(Till::retry),
            74..77 => life.till.iter_mut().for_each(Till::advance),
            77..93 => _ = life.pay_out(&mut self.tally),
            93..97 => {
                let hall = &mut life.tills()[which];
                let key = among(hall.keys(), at);
                let stopped = key.is_some_and(|key| hall.stop(&key));
                self.tally.add("idle actors stopped", stopped.into());
            }
            _ => {
                let hall = &mut life.tills()[which];
                let key = among(hall.keys(), at);
                let fell = key.is_some_and(|key| hall.panic(&key));
                self.tally.add("panics of actors", fell.into());
            }
        }
    }

    /// Anything that may happen next between two who write to each other.
    fn tick_letters(&mut self, life: &mut Life) {
        let hall = &mut life.conversations;
        let which = self.letters_random.u8(0..20);
        let keys = if which < 16 { hall.busy() } else { hall.keys() };
        let Some(key) = keys.get(self.letters_random.usize(0..keys.len().max(1))) else {
            return;
        };
        match which {
            0..16 => _ = hall.turn(key),
            16..19 => {
                let stopped = hall.stop(key);
                self.tally.add("idle actors stopped", stopped.into());
            }
            _ => {
                let fell = hall.panic(key);
                self.tally.add("panics of actors", fell.into());
            }
        }
    }

    pub(super) fn send_next(&mut self, life: &mut Life) {
        // Some overtake others.
        let window = if self.chance(5) { 4 } else { 1 };
        let at = self.random.usize(0..window.min(self.pending.len()).max(1));
        if let Some(number) = self.pending.remove(at) {
            self.send(life, number);
        }
    }

    pub(super) fn send(&mut self, life: &mut Life, number: usize) {
        self.tally.commands += 1;
        // Beside a second owner the first one decides on what it knew before: nothing of money, which is appended and
        // then refused as a conflict, but it may tell what is no longer so.
        let key = self.oracle.commands()[number].actor_key();
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
    pub(super) fn resend(&mut self, life: &mut Life) {
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
    pub(super) fn send_second(&mut self, life: &mut Life) {
        let next = self.pending.front().copied();
        let to_viewer = |number: &usize| {
            let body = &self.oracle.commands()[*number].body;
            body.is_money() && body.family() == Family::Viewer
        };
        let Some(number) = next.filter(to_viewer) else {
            return;
        };
        self.pending.pop_front();
        self.tally.commands += 1;
        let delivery = self.oracle.send(number, life.head());
        let command = &self.oracle.commands()[number];
        self.say(|| format!("send #{delivery} to a second owner {command:?}"));
        life.send_second(delivery, command);
    }

    pub(super) fn pick(&mut self, keys: &[UserId]) -> Option<UserId> {
        keys.get(self.random.usize(0..keys.len().max(1))).cloned()
    }

    pub(super) fn turn_someone(&mut self, life: &mut Life) {
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

    pub(super) fn settle(&mut self, life: &mut Life) {
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

    pub(super) fn turn_views(&mut self, life: &mut Life) {
        let Some(watch) = &mut life.watch else { return };
        if let Err(error) = watch.turn() {
            assert!(
                life.is_poisoned() || self.machine.disk.is_off(),
                "the views stopped: {error}"
            );
            life.watch = None;
        }
    }

    pub(super) fn pass_time(&mut self) {
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

    pub(super) fn wake_someone(&mut self, life: &mut Life) {
        let keys = life.viewers.keys();
        if let Some(key) = self.pick(&keys) {
            life.viewers.wake(&key);
        }
    }

    pub(super) fn stop_someone(&mut self, life: &mut Life) {
        let hall = self.random.u8(0..3);
        let keys = match hall {
            0 => life.viewers.keys(),
            1 => life.streamers.keys(),
            _ => life.rooms.keys(),
        };
        let Some(key) = self.pick(&keys) else { return };
        let stopped = match hall {
            0 => life.stop_viewer(&key),
            1 => life.stop_streamer(&key),
            _ => life.rooms.stop(&key),
        };
        self.tally.add("idle actors stopped", stopped.into());
    }

    pub(super) fn stop_all(&mut self, life: &mut Life) {
        for key in life.viewers.keys() {
            life.stop_viewer(&key);
        }
        for key in life.streamers.keys() {
            life.stop_streamer(&key);
        }
        for key in life.rooms.keys() {
            life.rooms.stop(&key);
        }
        for key in life.conversations.keys() {
            life.conversations.stop(&key);
        }
        for hall in life.tills() {
            for key in hall.keys() {
                hall.stop(&key);
            }
        }
    }

    pub(super) fn panic_someone(&mut self, life: &mut Life) {
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
    pub(super) fn err_beside(&mut self, life: &mut Life) {
        if self.random.bool() && life.settlers.len() < 2 {
            life.settle_twice();
        } else {
            self.flip_snapshot();
        }
    }

    /// Brings on their way what lies between the actors.
    pub(super) fn carry(&mut self, life: &mut Life) -> bool {
        let back = life.viewers.redeliver()
            + life.streamers.redeliver()
            + life.rooms.redeliver()
            + life.conversations.redeliver()
            + life.second.redeliver()
            + life.tills().into_iter().map(Seats::redeliver).sum::<usize>();
        self.tally.add(
            "commands handed back until the first of their id was durable",
            back as u64,
        );
        back + life.take_asked_rooms()
            + life.take_asked_debts()
            + life.take_asked_follows(&mut self.tally)
            + life.take_asked_mutuals(&mut self.tally)
            + life.take_asked_blocks(&mut self.tally)
            > 0
    }

    /// Clients hear what they are told, unless it is lost on the way.
    pub(super) fn hear(&mut self, life: &mut Life) -> bool {
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
    pub(super) fn sweep_once(&mut self, life: &mut Life) -> bool {
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
        for key in life.conversations.busy() {
            moved |= life.conversations.turn(&key);
        }
        for key in life.second.busy() {
            moved |= life.second.turn(&key);
        }
        for hall in life.tills() {
            for key in hall.busy() {
                moved |= hall.turn(&key);
            }
        }
        moved |= self.carry(life);
        moved |= life.step();
        moved |= life.cash();
        moved |= life.sever();
        moved |= life.pay_out(&mut self.tally);
        let Life {
            settlers, streamers, ..
        } = life;
        for settler in settlers {
            moved |= settler.step(streamers, &mut self.tally);
        }
        self.hear(life) || moved
    }

    pub(super) fn rest(&mut self, life: &mut Life) {
        for _ in 0..REST_MAX {
            if !self.sweep_once(life) {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}
