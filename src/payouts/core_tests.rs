//! The worker against every behaviour of the sandbox, step by step and with a crash at each: paid once, under one id.

use std::collections::{BTreeMap, VecDeque};

use domain::streamer::WithdrawalState;
use domain::{Currency, Rejection, UserId, WithdrawalId};

use super::core::{
    Core, Effect, End, Input, LOOK_BACK_AFTER_MS, LOOK_BACK_AFTER_MS_MAX, Note, Noted, OVER_MAX, TRACKED_MAX,
    UNDER_WAY_MAX,
};
use super::{Answer, Books, Payout};

const PATIENCE_MS: i64 = 1_000;

fn payout(id: &str, account: &str) -> Payout {
    Payout {
        id: id.parse().unwrap(),
        account: account.into(),
        amount: 1_900,
        currency: Currency::cny(),
    }
}

fn star() -> UserId {
    "star".parse().unwrap()
}

/// The streamer's stream, the provider, and a worker that can be lost at any moment.
struct World {
    now_ms: i64,
    core: Core,
    todo: VecDeque<Effect>,
    books: Books,
    payouts: BTreeMap<WithdrawalId, Payout>,
    /// As the streamer's actor has it.
    states: BTreeMap<WithdrawalId, WithdrawalState>,
    /// What was done, in order.
    log: Vec<String>,
}

impl World {
    fn with(accounts: &[(&str, &str)]) -> Self {
        let payouts = accounts.iter().map(|(id, account)| payout(id, account));
        let payouts: BTreeMap<_, _> = payouts.map(|payout| (payout.id.clone(), payout)).collect();
        let states = payouts.keys().map(|id| (id.clone(), WithdrawalState::Approved));
        Self {
            now_ms: 0,
            core: Core::new(PATIENCE_MS),
            todo: VecDeque::new(),
            books: Books::default(),
            states: states.collect(),
            payouts,
            log: Vec::new(),
        }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        self.todo.extend(effects);
    }

    fn input(&mut self, input: Input) {
        let effects = self.core.input(input, self.now_ms);
        self.take(effects);
    }

    /// What the view lists as approved or submitted.
    fn look(&mut self) {
        for (id, state) in self.states.clone() {
            if matches!(state, WithdrawalState::Approved | WithdrawalState::Submitted) {
                self.input(Input::Found {
                    user: star(),
                    payout: self.payouts[&id].clone(),
                    submitted: state == WithdrawalState::Submitted,
                });
            }
        }
    }

    /// The actor decides, as the domain does.
    fn note(&mut self, id: &WithdrawalId, note: &Note) -> Noted {
        let wanted = match note {
            Note::Submitted => WithdrawalState::Submitted,
            Note::Over(End::Paid { .. }) => WithdrawalState::Paid,
            Note::Over(End::Failed { .. }) => WithdrawalState::Failed,
        };
        let state = self.states.get_mut(id).expect("a withdrawal that was requested");
        match (*state, wanted) {
            (now, wanted) if now == wanted => Noted::Done,
            (WithdrawalState::Approved, WithdrawalState::Submitted)
            | (WithdrawalState::Submitted, WithdrawalState::Paid | WithdrawalState::Failed) => {
                *state = wanted;
                Noted::Done
            }
            _ => Noted::Refused(Rejection::WithdrawalClosed),
        }
    }

    /// Does one effect and hands back what came of it; none when there is nothing to do.
    fn perform(&mut self) -> Option<Input> {
        let effect = self.todo.pop_front()?;
        Some(match effect {
            Effect::Note { id, note, .. } => {
                let noted = self.note(&id, &note);
                self.log.push(format!("note {id} {}", self.states[&id].word()));
                Input::Noted { id, noted }
            }
            Effect::Submit { call, payout } => {
                assert_eq!(
                    self.states[&payout.id],
                    WithdrawalState::Submitted,
                    "a submission is noted before it is sent"
                );
                let answer = self.books.submit(&payout);
                self.log.push(format!("submit {}", payout.id));
                let id = payout.id;
                Input::Answered { id, call, answer }
            }
            Effect::Ask { call, id } => {
                let answer = self.books.status(&id);
                self.log.push(format!("ask {id}"));
                Input::Answered { id, call, answer }
            }
        })
    }

    /// Does what is to be done, and lets time pass, until nothing is left; says after how many effects.
    fn settle(&mut self) -> usize {
        let mut done = 0;
        loop {
            while let Some(input) = self.perform() {
                done += 1;
                self.input(input);
            }
            let over = self.states.values().all(|state| state.is_over());
            match self.core.next_ms() {
                Some(at) if !over => {
                    self.now_ms = self.now_ms.max(at);
                    let effects = self.core.tick(self.now_ms);
                    self.take(effects);
                }
                _ => return done,
            }
            assert!(done < 10_000, "it does not come to an end: {:?}", self.log);
        }
    }

    /// The process is gone; what was under way at the provider is done, and its answer lost.
    fn crash(&mut self) {
        self.core = Core::new(PATIENCE_MS);
        self.todo.clear();
        self.look();
    }

    fn state(&self, id: &str) -> WithdrawalState {
        self.states[&id.parse().unwrap()]
    }

    fn payments(&self, id: &str) -> u32 {
        self.books.payments(&id.parse().unwrap())
    }
}

/// Each behaviour, how it ends, and what the worker does when nothing goes wrong.
const BEHAVIOURS: &[(&str, WithdrawalState, &[&str])] = &[
    ("sandbox:ok", WithdrawalState::Paid, &["submit w"]),
    ("sandbox:fail", WithdrawalState::Failed, &["submit w"]),
    (
        "sandbox:timeout-then-paid",
        WithdrawalState::Paid,
        &["submit w", "ask w"],
    ),
    (
        "sandbox:timeout-then-lost",
        WithdrawalState::Paid,
        &["submit w", "ask w", "submit w"],
    ),
    ("sandbox:twice", WithdrawalState::Paid, &["submit w"]),
    (
        "sandbox:late",
        WithdrawalState::Paid,
        &["submit w", "ask w", "ask w", "ask w"],
    ),
];

#[test]
fn every_behaviour_of_the_sandbox_ends_as_it_should_and_pays_at_most_once() {
    for (account, end, calls) in BEHAVIOURS {
        let mut world = World::with(&[("w", account)]);
        world.look();
        world.settle();
        assert_eq!(world.state("w"), *end, "{account}");
        assert_eq!(
            world.payments("w"),
            u32::from(*end == WithdrawalState::Paid),
            "{account}"
        );
        let mut expected = vec!["note w submitted".to_owned()];
        expected.extend(calls.iter().map(|call| (*call).to_owned()));
        expected.push(format!("note w {}", end.word()));
        assert_eq!(world.log, expected, "{account}");
        assert_eq!(world.core.unknown(), 0, "{account}");
        assert_eq!(world.core.contradictions(), 0, "{account}");
    }
}

#[test]
fn a_worker_that_is_lost_at_any_step_asks_first_and_never_pays_twice_nor_under_another_id() {
    for (account, end, _) in BEHAVIOURS {
        let steps = {
            let mut world = World::with(&[("w", account)]);
            world.look();
            world.settle()
        };
        for crash_at in 0..=steps {
            // Lost before the answer to an effect is heard, and before it is done.
            for heard in [false, true] {
                let mut world = World::with(&[("w", account)]);
                world.look();
                for _ in 0..crash_at {
                    let Some(input) = world.perform() else {
                        let at = world.core.next_ms().expect("something to wait for");
                        world.now_ms = world.now_ms.max(at);
                        let effects = world.core.tick(world.now_ms);
                        world.take(effects);
                        continue;
                    };
                    world.input(input);
                }
                if !heard {
                    world.perform();
                }
                let submitted = world.state("w") == WithdrawalState::Submitted;
                let before = world.log.len();
                world.crash();
                world.settle();
                let after = &world.log[before..];
                let told = format!("{account}, lost at {crash_at}, heard {heard}: {:?}", world.log);
                if submitted {
                    assert_eq!(after.first().map(String::as_str), Some("ask w"), "{told}");
                }
                assert_eq!(world.state("w"), *end, "{told}");
                assert_eq!(
                    world.payments("w"),
                    u32::from(*end == WithdrawalState::Paid),
                    "{told}"
                );
                assert!(world.books.ids().all(|id| id.as_str() == "w"), "{told}");
            }
        }
    }
}

/// A worker whose provider has the payout and has not answered.
fn submitted(account: &str) -> (World, u64) {
    let mut world = World::with(&[("w", account)]);
    world.look();
    let noted = world.perform().unwrap();
    world.input(noted);
    let Some(Effect::Submit { call, .. }) = world.todo.pop_front() else {
        panic!("{:?}", world.log)
    };
    (world, call)
}

fn answered(call: u64, answer: Answer) -> Input {
    Input::Answered {
        id: "w".parse().unwrap(),
        call,
        answer,
    }
}

fn paid() -> Answer {
    Answer::Paid {
        reference: "r".into(),
    }
}

fn failed() -> Answer {
    Answer::Failed { reason: "no".into() }
}

#[test]
fn a_provider_without_an_answer_in_time_is_asked_and_its_late_answer_changes_nothing() {
    let (mut world, first) = submitted("sandbox:twice");
    world.books.submit(&payout("w", "sandbox:twice"));
    assert_eq!(world.core.next_ms(), Some(PATIENCE_MS));
    world.now_ms = PATIENCE_MS;
    let effects = world.core.tick(PATIENCE_MS);
    world.take(effects);
    assert!(world.todo.is_empty(), "not at once, but soon");
    assert_eq!(world.core.unknown(), 1);
    world.settle();
    assert_eq!(world.state("w"), WithdrawalState::Paid);
    assert_eq!(world.log, ["note w submitted", "ask w", "note w paid"]);
    // Its first answer comes now, and once more.
    world.input(answered(first, paid()));
    assert!(world.todo.is_empty());
    assert_eq!((world.core.contradictions(), world.core.unknown()), (0, 0));
}

#[test]
fn a_late_answer_to_an_old_call_that_ends_nothing_is_not_taken_for_one_to_the_new_call() {
    let (mut world, first) = submitted("sandbox:late");
    world.now_ms = PATIENCE_MS;
    world.core.tick(PATIENCE_MS);
    world.now_ms = world.core.next_ms().unwrap();
    let effects = world.core.tick(world.now_ms);
    assert!(matches!(effects[..], [Effect::Ask { .. }]));
    world.input(answered(first, Answer::NotFound));
    assert!(world.todo.is_empty(), "nothing is submitted again upon it");
}

#[test]
fn a_contradiction_changes_nothing_and_is_counted() {
    // Paid, then failed.
    let (mut world, call) = submitted("sandbox:ok");
    world.now_ms = PATIENCE_MS;
    world.core.tick(PATIENCE_MS);
    world.books.submit(&payout("w", "sandbox:ok"));
    world.settle();
    assert_eq!(world.state("w"), WithdrawalState::Paid);
    world.input(answered(call, failed()));
    assert_eq!(world.core.contradictions(), 1);
    assert!(world.todo.is_empty());
    assert_eq!(world.state("w"), WithdrawalState::Paid);

    // Failed, then paid: found out by looking back once.
    let mut world = World::with(&[("w", "sandbox:fail-then-paid")]);
    world.look();
    world.settle();
    assert_eq!(world.state("w"), WithdrawalState::Failed);
    assert!(world.core.tick(LOOK_BACK_AFTER_MS - 1).is_empty());
    let effects = world.core.tick(LOOK_BACK_AFTER_MS);
    world.take(effects);
    world.settle();
    assert_eq!(world.core.contradictions(), 1);
    assert_eq!(world.state("w"), WithdrawalState::Failed);
    assert_eq!(world.core.next_ms(), None, "it is asked once");
}

/// Lets as much time pass as is waited before somebody looks back; the call with which it is asked then.
fn look_back(world: &mut World, after_ms: i64) -> u64 {
    let at_ms = world.now_ms + after_ms;
    assert!(world.core.tick(at_ms - 1).is_empty());
    world.now_ms = at_ms;
    match world.core.tick(at_ms)[..] {
        [Effect::Ask { call, .. }] => call,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_look_back_that_learns_nothing_is_repeated_until_the_provider_says_how_it_ended() {
    let unknown = || Answer::Unknown {
        why: "silence".into(),
    };
    let mut world = World::with(&[("w", "sandbox:fail")]);
    world.look();
    world.settle();
    let mut after_ms = LOOK_BACK_AFTER_MS;
    for answer in [unknown(), Answer::Pending, unknown()] {
        let call = look_back(&mut world, after_ms);
        world.input(answered(call, answer));
        after_ms *= 2;
    }
    for _ in 0..20 {
        let call = look_back(&mut world, after_ms.min(LOOK_BACK_AFTER_MS_MAX));
        world.input(answered(call, unknown()));
        after_ms *= 2;
    }
    let call = look_back(&mut world, LOOK_BACK_AFTER_MS_MAX);
    world.input(answered(call, paid()));
    assert_eq!(world.core.contradictions(), 1);
    assert_eq!(world.core.next_ms(), None, "now it is known");
    assert_eq!(world.state("w"), WithdrawalState::Failed);
    // What never arrived was not paid.
    let mut world = World::with(&[("w", "sandbox:fail")]);
    world.look();
    world.settle();
    let call = look_back(&mut world, LOOK_BACK_AFTER_MS);
    world.input(answered(call, Answer::NotFound));
    assert_eq!((world.core.contradictions(), world.core.next_ms()), (0, None));
}

#[test]
fn who_paid_after_a_failure_is_found_out_across_a_restart() {
    let mut world = World::with(&[("w", "sandbox:fail-then-paid")]);
    world.look();
    world.settle();
    assert_eq!(world.state("w"), WithdrawalState::Failed);
    world.crash();
    let (id, reason) = ("w".parse().unwrap(), "no".into());
    world.input(Input::Failed { id, reason });
    assert!(world.todo.is_empty(), "it is asked for later");
    let call = look_back(&mut world, LOOK_BACK_AFTER_MS);
    let answer = world.books.status(&"w".parse().unwrap());
    world.input(answered(call, answer));
    assert_eq!(world.core.contradictions(), 1);
    assert!(world.todo.is_empty());
    assert_eq!(world.state("w"), WithdrawalState::Failed);
}

#[test]
fn an_answer_that_contradicts_one_being_noted_is_counted_and_the_first_stands() {
    let (mut world, first) = submitted("sandbox:ok");
    world.now_ms = PATIENCE_MS;
    world.core.tick(PATIENCE_MS);
    world.now_ms = world.core.next_ms().unwrap();
    let effects = world.core.tick(world.now_ms);
    let [Effect::Ask { call, .. }] = effects[..] else {
        panic!("{effects:?}")
    };
    world.input(answered(call, failed()));
    world.input(answered(first, paid()));
    world.settle();
    assert_eq!(world.state("w"), WithdrawalState::Failed);
    assert_eq!(world.core.contradictions(), 1);
}

#[test]
fn an_end_other_than_the_noted_one_is_refused_and_counted() {
    let (mut world, call) = submitted("sandbox:ok");
    world.states.insert("w".parse().unwrap(), WithdrawalState::Failed);
    world.input(answered(call, paid()));
    world.settle();
    assert_eq!(world.state("w"), WithdrawalState::Failed);
    assert_eq!(world.core.contradictions(), 1);
    let later = world.core.tick(2 * LOOK_BACK_AFTER_MS_MAX);
    assert!(later.is_empty(), "it is told to staff once");
}

#[test]
fn what_the_streamer_does_not_allow_is_not_submitted() {
    let mut world = World::with(&[("w", "sandbox:ok")]);
    world.look();
    world
        .states
        .insert("w".parse().unwrap(), WithdrawalState::Rejected);
    world.settle();
    assert_eq!(world.log, ["note w rejected"]);
    assert_eq!(world.payments("w"), 0);
    // The view may lag behind: it is not tried again and again.
    assert!(world.core.knows(&"w".parse().unwrap()));
}

#[test]
fn a_submission_that_may_have_been_noted_before_is_asked_for_first() {
    let mut world = World::with(&[("w", "sandbox:ok")]);
    world.look();
    let Some(Effect::Note { id, .. }) = world.todo.pop_front() else {
        panic!()
    };
    let noted = Noted::Again;
    world.input(Input::Noted { id, noted });
    world.settle();
    assert_eq!(
        world.log,
        ["note w submitted", "ask w", "submit w", "note w paid"]
    );
    assert_eq!(world.payments("w"), 1);
}

#[test]
fn no_more_is_under_way_or_remembered_than_the_limits_say_and_all_have_their_turn() {
    let ids: Vec<_> = (0..OVER_MAX + UNDER_WAY_MAX).map(|n| format!("w{n}")).collect();
    let accounts: Vec<_> = ids.iter().map(|id| (id.as_str(), "sandbox:late")).collect();
    let mut world = World::with(&accounts);
    world.look();
    assert_eq!(world.todo.len(), UNDER_WAY_MAX);
    let mut most = 0;
    while !world.states.values().all(|state| state.is_over()) {
        most = most.max(world.todo.len());
        if let Some(input) = world.perform() {
            world.input(input);
            continue;
        }
        world.now_ms = world
            .now_ms
            .max(world.core.next_ms().expect("something to wait for"));
        let effects = world.core.tick(world.now_ms);
        world.take(effects);
    }
    world.settle();
    assert!(most <= UNDER_WAY_MAX, "{most}");
    assert!(world.states.values().all(|state| *state == WithdrawalState::Paid));
    assert!(ids.iter().all(|id| world.payments(id) == 1));
    let known = ids
        .iter()
        .filter(|id| world.core.knows(&id.parse().unwrap()))
        .count();
    assert_eq!(known, OVER_MAX);
    assert_eq!(world.core.room(), TRACKED_MAX);
}
