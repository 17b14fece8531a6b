//! The end of a seed: no fault any more, everything comes to rest, and what is left is held against what must be left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actors::{Reply, Work};
use domain::UserId;
use domain::limits::ORDER_INTERVAL_MS;
use domain::streamer::WithdrawalState;
use journal::Error;
use journal::embedded::verify_storage;
use journal::storage::Storage;
use livehouse::payouts::core::LOOK_BACK_AFTER_MS_MAX;

use crate::cashier::Till;
use crate::checks::{books_are_clean, views_are_right};
use crate::explained;
use crate::life::{Life, id};
use crate::model::Model;
use crate::payouts::Payouts;
use crate::script::{Body, Family};

use super::{Doom, World};

/// Rounds of resending after which everything must have an answer.
const ROUNDS_MAX: usize = 60;
/// Rounds after which what processes owe must be done; each lets the clock go on as far as they wait at most.
const PROCESS_ROUNDS_MAX: usize = 1_000;
const PROCESS_ROUND_MS: i64 = 61_000;

impl World {
    /// Judges a journal that goes on.
    pub(super) fn look(&mut self, life: &mut Life) -> Model {
        self.turn_views(life);
        let log = life.log().expect("a sound journal can be read");
        let model = self.oracle.judge(log);
        views_are_right(life, &self.machine.store, &model);
        model
    }

    /// No fault any more: every command gets its answer, every gift its credit.
    pub(super) fn finish(&mut self, mut life: Life) {
        let ticks = self.random.usize(0..300);
        for _ in 0..ticks {
            self.tick(&mut life);
        }
        self.say(|| "-- no more faults".into());
        self.lossy = false;
        if let Some(bank) = &self.machine.bank {
            bank.lock().expect("one thread").silent = false;
        }
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
        self.finish_processes(&mut life);
        let model = self.look(&mut life);
        self.check_rest(&life, &model);
        explained::some(&life.reader, &self.oracle.on_record(), &mut self.tally);
        self.note_life(&mut life, Doom::Close);
        let head = life.head();
        self.stop_all(&mut life);
        self.rest(&mut life);
        life.close().expect("nothing is wrong with the disk");
        self.verify(head);
    }

    pub(super) fn answer_all(&mut self, life: &mut Life) {
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
    pub(super) fn end_combos(&mut self, life: &mut Life) {
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

    /// What the cashier, the payouts and settlement owe is done when they have had the time that they wait.
    pub(super) fn finish_processes(&mut self, life: &mut Life) {
        for _ in 0..PROCESS_ROUNDS_MAX {
            self.machine
                .clock_ms
                .fetch_add(PROCESS_ROUND_MS, Ordering::SeqCst);
            life.till.iter_mut().for_each(Till::retry);
            life.relations.retry();
            let before = life.head();
            self.rest(life);
            let log = life.log().expect("a sound journal can be read");
            let model = self.oracle.judge(log);
            let open = model.streamers.values().any(|streamer| {
                let approved = streamer.payroll.in_state(WithdrawalState::Approved).next();
                approved
                    .or(streamer.payroll.in_state(WithdrawalState::Submitted).next())
                    .is_some()
            });
            let unpaid = life
                .till
                .as_ref()
                .is_some_and(|till| till.settled_upto() < before);
            if !open && !unpaid && life.head() == before {
                break;
            }
        }
        // What failed last is looked back at, also where nobody said how it ended when it was last asked for.
        for _ in 0..2 {
            self.machine
                .clock_ms
                .fetch_add(LOOK_BACK_AFTER_MS_MAX, Ordering::SeqCst);
            self.rest(life);
        }
        for _ in 0..2 {
            life.till.iter_mut().for_each(Till::advance);
            life.relations.retry();
            life.relations.advance();
            life.settlers.iter_mut().for_each(|settler| {
                settler.retry();
                settler.advance();
            });
            self.rest(life);
        }
    }

    /// Who was paid for a recharge has the coins, who was refunded has not, and whatever was approved is over.
    pub(super) fn check_money(&mut self, life: &Life, model: &Model) {
        let (Some(bank), Some(till)) = (&self.machine.bank, &life.till) else {
            return;
        };
        let open = model.tills.open(life.head());
        if till.owed() == 0 {
            assert!(open.is_empty(), "the cashier leaves undone: {open:?}");
        } else {
            self.tally.one("recharges that wait for room on the account");
        }
        let bank = bank.lock().expect("one thread");
        for (name, streamer) in &model.streamers {
            for state in [WithdrawalState::Approved, WithdrawalState::Submitted] {
                let left: Vec<_> = streamer.payroll.in_state(state).collect();
                assert!(left.is_empty(), "withdrawals of {name} never end: {left:?}");
            }
            let steady = |id: &&str| !bank.turned.contains(*id);
            for paid in streamer.payroll.in_state(WithdrawalState::Paid).filter(steady) {
                assert!(bank.has_paid(paid), "nobody paid {paid} of {name}");
            }
            for failed in streamer.payroll.in_state(WithdrawalState::Failed) {
                // Tickets that were given back and paid out as well: staff must have been told.
                assert!(
                    bank.has_refused(failed) || bank.contradicted.contains(failed),
                    "the bank did not refuse {failed} of {name}, and nobody noticed"
                );
            }
        }
        let paid: std::collections::BTreeSet<_> = model
            .streamers
            .values()
            .flat_map(|s| s.payroll.in_state(WithdrawalState::Paid))
            .collect();
        for id in bank.paid.keys() {
            let known = paid.contains(id.as_str()) || bank.contradicted.contains(id);
            assert!(known, "the bank paid {id}, and nobody knows of it");
        }
        assert!(
            bank.paid.values().all(|times| *times == 1),
            "paid twice: {:?}",
            bank.paid
        );
        life.payouts.iter().for_each(Payouts::check_contradictions);
        model
            .unmatched
            .iter()
            .for_each(|rejection| self.tally.refused(*rejection));
        for (state, times) in &model.reached {
            self.tally.add(state, *times);
        }
    }

    pub(super) fn check_rest(&mut self, life: &Life, model: &Model) {
        model.check_relations();
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
        self.check_money(life, model);
        books_are_clean(life, life.till.as_ref().map_or(0, Till::owed));
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

    pub(super) fn verify(&mut self, head: u64) {
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
    pub(super) fn rot(&mut self, storage: &Arc<dyn Storage>, head: u64) {
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
