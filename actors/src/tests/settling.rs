//! Settlement step by step: exactly once, whatever crashes, fails or comes twice, and whenever.

use std::collections::BTreeMap;

use domain::{Aggregate, Rejection};
use futures_util::FutureExt;
use journal::Position;

use super::*;
use crate::Failure;
use crate::settlement::{Core, Effect, Input};

/// A small generator of its own: the same seed, the same run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The settlement's core and the streamers it talks to, over one journal, step by step.
struct Settling {
    world: World,
    core: Core,
    streamers: BTreeMap<String, Kim>,
    inputs: Arc<Mutex<Vec<Input>>>,
    effects: Vec<Effect>,
    cursor: u64,
}

impl Settling {
    fn new() -> Self {
        let world = World::new();
        Self {
            world,
            core: Core::new(0, 0),
            streamers: BTreeMap::new(),
            inputs: Arc::default(),
            effects: Vec::new(),
            cursor: 0,
        }
    }

    /// Everything but the journal is gone.
    fn crash(&mut self) {
        self.streamers.clear();
        self.inputs = Arc::default();
        self.effects.clear();
        self.core = Core::new(0, self.cursor);
    }

    fn streamer(&mut self, key: &str) -> &mut Kim {
        let world = &self.world;
        self.streamers
            .entry(key.to_owned())
            .or_insert_with(|| world.actor(key))
    }

    fn read(&mut self, bytes_max: usize) {
        if self.core.can_read() {
            let after = Position {
                shard: 0,
                sequence: self.core.read_upto(),
            };
            let batch = self
                .world
                .journal
                .read(after, bytes_max)
                .now_or_never()
                .expect("ready")
                .expect("read");
            self.core.read(&batch).expect("decodes");
        }
    }

    fn perform(&mut self, effect: Effect) {
        let inputs = self.inputs.clone();
        match effect {
            Effect::Reread { after } => assert_eq!(after, self.core.read_upto()),
            Effect::Ask { generation, streamer } => {
                let whom = streamer.clone();
                let reply = Reply::from(move |told: Outcome<Streamer>| {
                    let settled = told.map(|told| told.answer.settled_upto(0));
                    inputs.lock().push(Input::Settled(generation, whom, settled));
                });
                assert!(
                    self.streamer(streamer.as_str())
                        .shell
                        .handle(Work::Ask(reply))
                        .is_none()
                );
            }
            Effect::Credit {
                generation,
                streamer,
                credit,
            } => {
                let whom = streamer.clone();
                let reply = Reply::from(move |outcome: Outcome<streamer::Answer>| {
                    inputs
                        .lock()
                        .push(Input::Credited(generation, whom, outcome.map(|_| ())));
                });
                let command = streamer::Command::CreditTickets(credit);
                let work = Work::Command(Job {
                    request: Request::of_system("settlement"),
                    command,
                    reply,
                });
                assert!(self.streamer(streamer.as_str()).shell.handle(work).is_none());
            }
        }
    }

    fn step(&mut self) -> bool {
        self.effects
            .extend(std::iter::from_fn(|| self.core.next_effect()));
        let effects = std::mem::take(&mut self.effects);
        let inputs = |s: &Self| std::mem::take(&mut *s.inputs.lock());
        let moved = !effects.is_empty();
        effects.into_iter().for_each(|effect| self.perform(effect));
        let inputs = inputs(self);
        let moved = moved || !inputs.is_empty();
        inputs.into_iter().for_each(|input| _ = self.core.input(input));
        moved
    }

    /// Runs until nothing moves and everything is read.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.core.retry();
            self.read(usize::MAX);
            let read_all = self.core.read_upto() == self.world.journal.head().get(0);
            if !self.step() && read_all && self.core.can_read() {
                return;
            }
            // Credits are records too: they are read, and are no gifts.
        }
        panic!("settlement does not come to rest");
    }

    fn tickets(&mut self, key: &str) -> u64 {
        let told = Arc::new(Mutex::new(0));
        let teller = told.clone();
        let reply = Reply::from(move |state: Outcome<Streamer>| {
            *teller.lock() = state.expect("told").answer.tickets()
        });
        assert!(self.streamer(key).shell.handle(Work::Ask(reply)).is_none());
        *told.lock()
    }
}

fn gift_to(room: &str, count: u32) -> viewer::Command {
    let viewer::Command::SendGift(send) = roses(count) else {
        unreachable!("a gift")
    };
    viewer::Command::SendGift(SendGift {
        room: id(room),
        ..send
    })
}

#[test]
fn gifts_that_come_while_a_credit_is_under_way_go_together_into_the_next_one() {
    let mut settling = Settling::new();
    let mut ann: Ann = settling.world.actor("ann");
    _ = ann.ask("grant", grant(1_000_000));
    _ = ann.ask("g0", gift_to("kim", 1));
    settling.read(usize::MAX);
    settling.step();
    let first = settling.core.next_effect().expect("a credit");
    for n in 1..100 {
        _ = ann.ask(&format!("g{n}"), gift_to("kim", 1));
    }
    settling.read(usize::MAX);
    assert_eq!(settling.core.next_effect(), None, "one at a time");
    settling.perform(first);
    settling.settle();
    assert_eq!(settling.tickets("kim"), 500);
    let credits = settling
        .world
        .journal
        .records(0)
        .iter()
        .filter(|r| r.stream.kind == Streamer::KIND)
        .count();
    assert_eq!(credits, 2);
    assert_eq!(
        settling.core.credited_upto(),
        settling.world.journal.head().get(0)
    );
}

#[test]
fn a_slow_streamer_holds_up_the_cursor_and_nobody_else() {
    let mut settling = Settling::new();
    let mut ann: Ann = settling.world.actor("ann");
    _ = ann.ask("grant", grant(1_000_000));
    _ = ann.ask("g1", gift_to("slow", 1));
    _ = ann.ask("g2", gift_to("kim", 1));
    settling.read(usize::MAX);
    settling.step();
    // The credit of the slow one stays where it is.
    let slow = settling.core.next_effect().expect("a credit");
    _ = ann.ask("g3", gift_to("kim", 1));
    settling.settle();
    assert_eq!(settling.tickets("kim"), 10);
    assert_eq!(settling.core.credited_upto(), 1, "below the slow one's gift");
    settling.perform(slow);
    settling.settle();
    assert_eq!(settling.tickets("slow"), 5);
    assert_eq!(
        settling.core.credited_upto(),
        settling.world.journal.head().get(0)
    );
}

#[test]
fn a_cursor_is_written_only_when_there_is_something_to_say() {
    let mut settling = Settling::new();
    let mut ann: Ann = settling.world.actor("ann");
    _ = ann.ask("grant", grant(1_000));
    settling.settle();
    assert_eq!(settling.core.advance_due(), None, "no gift");
    _ = ann.ask("g1", gift_to("kim", 1));
    settling.settle();
    let upto = settling.core.advance_due().expect("a gift was credited");
    settling.core.advanced(upto);
    assert_eq!(settling.core.advance_due(), None);
}

#[test]
fn a_streamer_that_cannot_be_credited_is_left_out_and_owed() {
    let mut settling = Settling::new();
    let mut ann: Ann = settling.world.actor("ann");
    _ = ann.ask("grant", grant(1_000));
    _ = ann.ask("g1", gift_to("kim", 1));
    _ = ann.ask("g2", gift_to("lee", 1));
    settling.read(usize::MAX);
    settling.step();
    let effects: Vec<_> = std::iter::from_fn(|| settling.core.next_effect()).collect();
    for effect in effects {
        match effect {
            Effect::Credit {
                generation, streamer, ..
            } if streamer.as_str() == "kim" => {
                let refused = Err(Failure::Rejected(Rejection::BalanceLimit));
                _ = settling
                    .core
                    .input(Input::Credited(generation, streamer, refused));
            }
            other => settling.perform(other),
        }
    }
    settling.settle();
    assert_eq!(settling.tickets("lee"), 5);
    assert_eq!(settling.core.credited_upto(), 1);
}

#[test]
fn every_gift_is_credited_once_whatever_crashes_fails_or_comes_twice_at_any_point() {
    let (mut crashes, mut gaps, mut failures, mut twice) = (0, 0, 0, 0);
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut settling = Settling::new();
        let mut ann: Ann = settling.world.actor("ann");
        _ = ann.ask("grant", grant(1_000_000));
        let mut owed = BTreeMap::<&str, u64>::new();
        for n in 0..120 {
            match dice.roll(12) {
                0..4 => {
                    let (room, count) = (["kim", "lee", "max"][dice.roll(3) as usize], 1 + dice.roll(3));
                    assert!(ann.ask(&format!("g{n}"), gift_to(room, count as u32)).is_ok());
                    *owed.entry(room).or_default() += 5 * count;
                }
                4 => settling.read(1 + dice.roll(400) as usize),
                5 => _ = settling.step(),
                6 => settling.effects.extend(settling.core.next_effect()),
                7 if !settling.effects.is_empty() => {
                    // Any order, and perhaps twice.
                    let at = dice.roll(settling.effects.len() as u64) as usize;
                    let effect = settling.effects.swap_remove(at);
                    if dice.roll(4) == 0 && !matches!(effect, Effect::Reread { .. }) {
                        twice += 1;
                        settling.perform(effect.clone());
                        settling.inputs.lock().pop();
                    }
                    settling.perform(effect);
                }
                8 => {
                    failures += 1;
                    let stream = domain::StreamId::streamer(&id("kim"));
                    let conflict = journal::Error::Conflict {
                        stream,
                        expected: journal::Expected::Any,
                        actual: 0,
                    };
                    settling.world.journal.fail_next(conflict);
                    // It strikes settlement, not the one who gives.
                    settling.step();
                    while ann.ask(&format!("x{n}"), grant(1)).is_err() {}
                }
                9 => {
                    // A second settlement credits by ranges of its own.
                    let mut other = Core::new(0, settling.cursor);
                    std::mem::swap(&mut settling.core, &mut other);
                    let (effects, inputs) = (std::mem::take(&mut settling.effects), settling.inputs.clone());
                    settling.inputs = Arc::default();
                    settling.settle();
                    settling.core = other;
                    (settling.effects, settling.inputs) = (effects, inputs);
                    gaps += 1;
                }
                10 if dice.roll(3) == 0 => {
                    crashes += 1;
                    settling.crash();
                }
                _ => {
                    if let Some(upto) = settling.core.advance_due() {
                        settling.core.advanced(upto);
                        settling.cursor = upto;
                    }
                }
            }
        }
        settling.settle();
        for (room, tickets) in owed {
            assert_eq!(settling.tickets(room), tickets, "seed {seed}, {room}");
        }
        assert_eq!(
            settling.core.credited_upto(),
            settling.world.journal.head().get(0),
            "seed {seed}"
        );
    }
    let reached = [crashes, gaps, failures, twice];
    assert!(reached.iter().all(|n| *n > 50), "too narrow a test: {reached:?}");
}
