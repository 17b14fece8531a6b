//! Wallets and withdrawals through their shells, against plain sums: whatever is asked again by its id, whatever is held up,
//! fails or is restarted in between, each command counts at most once and has one answer for ever.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;
use domain::ledger::{Account, Posting, postings};
use domain::streamer::RequestWithdrawal;
use domain::viewer::{Recharge, TakeBack};
use futures_util::FutureExt;
use journal::{Error, Expected, codec};
use proptest::prelude::*;

use crate::{Accepted, Failure};

use super::*;

/// Commands that are told apart by their ids; each id stands for one body.
const COMMANDS: usize = 24;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The command of this number, for the first time or again.
    Give(usize),
    Hold,
    ReleaseOne,
    Release,
    /// The next append fails.
    Fail,
    /// The queue is full for the next command.
    Full(usize),
    /// Everything but the journal is gone.
    Restart,
    Panic,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..COMMANDS).prop_map(Step::Give),
        2 => Just(Step::Hold),
        2 => Just(Step::ReleaseOne),
        2 => Just(Step::Release),
        1 => Just(Step::Fail),
        1 => (0..COMMANDS).prop_map(Step::Full),
        1 => Just(Step::Restart),
        1 => Just(Step::Panic),
    ];
    prop::collection::vec(step, 1..120)
}

/// Plays the steps; gives what was said to each command, in the order in which it was said.
fn play<A: Kind>(
    world: &World,
    key: &str,
    steps: &[Step],
    body: fn(usize) -> A::Command,
) -> Vec<(usize, Outcome<A::Answer>)> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut actor = world.actor::<A>(key);
    let give = |actor: &mut Driven<A>, number: usize| {
        let told = told.clone();
        let reply = Reply::from(move |outcome| told.lock().push((number, outcome)));
        let (request, command) = (request(key, &format!("c{number}"), 7), body(number));
        let job = Job {
            request,
            command,
            reply,
        };
        let mut waiting = actor.shell.handle(Work::Command(job));
        while let Some(mut suspended) = waiting {
            waiting = match suspended.as_mut().now_or_never() {
                Some(resumption) => actor.shell.resume(resumption),
                // A replay waits for what is queued.
                None => {
                    world.journal.release();
                    Some(suspended)
                }
            };
        }
    };
    let settle = |actor: &mut Driven<A>| {
        world.journal.release();
        while actor.handle_returned() > 0 {}
    };
    for step in steps {
        match *step {
            Step::Give(number) => give(&mut actor, number),
            Step::Hold => world.journal.hold(),
            Step::ReleaseOne => _ = world.journal.release_one(),
            Step::Release => settle(&mut actor),
            Step::Fail => {
                settle(&mut actor);
                world.journal.fail_next(Error::Conflict {
                    stream: domain::StreamId::new(A::KIND, key),
                    expected: Expected::Empty,
                    actual: 1,
                });
            }
            Step::Full(number) => {
                settle(&mut actor);
                world.journal.set_full(true);
                give(&mut actor, number);
                world.journal.set_full(false);
            }
            Step::Restart => {
                settle(&mut actor);
                actor = world.actor(key);
            }
            Step::Panic => actor.shell.forget(),
        }
    }
    settle(&mut actor);
    // In the end every command is asked until nothing fails: each round uses up one of the failures that still wait, if a
    // command is left that needs an append. Then all are asked once more.
    let failures = steps.iter().filter(|step| matches!(step, Step::Fail)).count();
    for _ in 0..2 + failures {
        for number in 0..COMMANDS {
            give(&mut actor, number);
            settle(&mut actor);
        }
    }
    drop(actor);
    std::mem::take(&mut *told.lock())
}

/// What is final of an outcome: what was said, and where it stands.
fn verdict<T: Clone>(outcome: &Outcome<T>) -> Option<std::result::Result<Accepted<T>, domain::Rejection>> {
    match outcome {
        Ok(accepted) => Some(Ok(accepted.clone())),
        Err(Failure::Rejected(rejection)) if !rejection.is_retryable() => Some(Err(*rejection)),
        Err(_) => None,
    }
}

/// Every command has one record at most, and one answer for ever; accounts by the postings alone.
fn judge<T: Clone + PartialEq + std::fmt::Debug>(
    world: &World,
    told: &[(usize, Outcome<T>)],
) -> (BTreeMap<String, i128>, Vec<Event>) {
    let mut answers = BTreeMap::new();
    for (number, outcome) in told {
        if let Some(verdict) = verdict(outcome) {
            let first = answers.entry(*number).or_insert_with(|| verdict.clone());
            assert_eq!(*first, verdict, "two answers to command {number}");
        }
    }
    assert!(!answers.is_empty(), "nobody got an answer");
    let (mut ids, mut accounts, mut events) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    for record in world.journal.records(0) {
        if let Some(id) = &record.cause.command_id {
            assert!(
                ids.insert((record.stream.clone(), id.clone())),
                "done twice: {id}"
            );
        }
        let event = codec::decode(&record.as_ref()).expect("what was written can be decoded");
        let mut sum = 0;
        postings(
            &event,
            record.stream.key.as_str(),
            |Posting { account, amount, .. }| {
                sum += i128::from(amount);
                let balance = accounts.entry(account.word().to_owned()).or_insert(0i128);
                *balance += i128::from(amount);
                assert!(account.allows(*balance), "{account:?} at {balance}");
            },
        );
        assert_eq!(sum, 0, "made or lost by {event:?}");
        events.push(event);
    }
    (accounts, events)
}

/// Grants, corrections, four orders with their refunds, and debts let go.
fn purse(number: usize) -> viewer::Command {
    let order = |n: usize| (id(&format!("o{}", n % 4)), 40 + n as u64 % 4);
    match number {
        0..6 => grant([100, -30, 7, -1_000, 0, -60][number]),
        6..10 => {
            let (order, coins) = order(number - 6);
            viewer::Command::Recharge(Recharge {
                order,
                provider: id("pay"),
                payment: id("p"),
                coins,
            })
        }
        10..14 => {
            let (order, coins) = order(number - 10);
            viewer::Command::TakeBack(TakeBack {
                order,
                provider: id("pay"),
                coins,
            })
        }
        14..18 => viewer::Command::ForgiveDebt {
            coins: [0, 1, 20, 100][number - 14],
            reason: "let go".into(),
        },
        _ => roses(number as u32 - 17),
    }
}

/// Corrections and four withdrawals with every step there is.
fn payroll(number: usize) -> streamer::Command {
    let withdrawal = id(&format!("w{}", number % 4));
    let (by, reason) = (id("lee"), "no".to_owned());
    match number / 4 {
        0 => streamer::Command::AdjustTickets {
            amount: [500, -50, 900, -5_000][number % 4],
            reason: "a test".into(),
        },
        1 => {
            let (tickets, account, debt) = (100 + 50 * (number as u64 % 4), "bank:1".to_owned(), 0);
            streamer::Command::RequestWithdrawal(RequestWithdrawal {
                withdrawal,
                tickets,
                account,
                debt,
            })
        }
        2 => streamer::Command::ApproveWithdrawal {
            withdrawal,
            by,
            debt: 0,
        },
        3 if number.is_multiple_of(2) => streamer::Command::RejectWithdrawal {
            withdrawal,
            by,
            reason,
        },
        3 | 4 => streamer::Command::SubmitWithdrawal {
            withdrawal,
            provider: id("bank"),
        },
        _ if number.is_multiple_of(3) => streamer::Command::FailWithdrawal { withdrawal, reason },
        _ => streamer::Command::ConfirmWithdrawal {
            withdrawal,
            reference: "t1".into(),
        },
    }
}

/// The state as a restart finds it.
fn state<A: Kind>(mut actor: Driven<A>) -> A {
    let found = Arc::new(Mutex::new(None));
    let slot = found.clone();
    let reply = Reply::from(move |told: Outcome<A>| *slot.lock() = told.ok());
    assert!(actor.shell.handle(Work::Ask(reply)).is_none(), "suspended");
    let state = found.lock().take();
    state.expect("told").answer
}

#[test]
fn a_wallet_comes_to_all_its_orders_after_several_failures_in_a_row() {
    let world = World::new();
    let told = play::<Viewer>(&world, "ann", &[Step::Fail; 9], purse);
    let (_, events) = judge(&world, &told);
    assert_eq!(credits(&events), 4);
}

/// How many orders were credited.
fn credits(events: &[Event]) -> usize {
    let credit = |event: &&Event| matches!(event, Event::CoinsRecharged(_));
    events.iter().filter(credit).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_wallet_counts_every_command_once_whatever_is_asked_again(steps in steps()) {
        let world = World::new();
        let told = play::<Viewer>(&world, "ann", &steps, purse);
        let (accounts, events) = judge(&world, &told);
        let state = state(world.actor::<Viewer>("ann"));
        let of = |account: Account<'_>| accounts.get(account.word()).copied().unwrap_or(0);
        prop_assert_eq!(i128::from(state.coins()), of(Account::Coins("ann")));
        prop_assert_eq!(i128::from(state.debt()), -of(Account::Debt("ann")));
        prop_assert_eq!(credits(&events), 4, "every order is credited once");
    }

    #[test]
    fn a_withdrawal_ends_once_whatever_is_asked_again(steps in steps()) {
        let world = World::new();
        let told = play::<Streamer>(&world, "kim", &steps, payroll);
        // A step that comes too early is refused without a record, and may be taken later under the same id.
        let told: Vec<_> = told.into_iter().filter(|(number, _)| *number < 8).collect();
        let (accounts, events) = judge(&world, &told);
        let state = state(world.actor::<Streamer>("kim"));
        let of = |account: Account<'_>| accounts.get(account.word()).copied().unwrap_or(0);
        prop_assert_eq!(i128::from(state.tickets()), of(Account::Tickets("kim")));
        prop_assert_eq!(i128::from(state.held()), of(Account::Held("kim")));
        let mut over = BTreeMap::<&str, u32>::new();
        for event in &events {
            let id = match event {
                Event::WithdrawalPaid(e) => &e.withdrawal,
                Event::WithdrawalFailed(e) => &e.withdrawal,
                Event::WithdrawalRejected(e) => &e.withdrawal,
                _ => continue,
            };
            *over.entry(id.as_str()).or_default() += 1;
        }
        prop_assert!(over.values().all(|times| *times == 1), "ended twice: {:?}", over);
    }
}
