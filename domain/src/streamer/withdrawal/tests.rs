//! Given, when, then for withdrawals, and a walk through all their states against a plain model.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::Aggregate as _;
use crate::event::{TicketsCredited, WithdrawalRefused};
use crate::streamer::{Command, Streamer};
use crate::testkit::{check, check_refused, decide_at, given, id, payouts};
use proptest::prelude::*;

const KEY: &str = "star";

fn earned(tickets: u64) -> Event {
    TicketsCredited {
        shard: 0,
        after: 0,
        upto: 10,
        gifts: 1,
        tickets,
        tickets_total: tickets,
    }
    .into()
}

fn request(name: &str, tickets: u64) -> Command {
    Command::RequestWithdrawal(RequestWithdrawal {
        withdrawal: id(name),
        tickets,
        account: "alipay:star".into(),
        debt: 0,
    })
}

fn requested(name: &str, tickets: u64, tickets_left: u64, held_left: u64) -> Event {
    let fee = tickets.div_ceil(20);
    WithdrawalRequested {
        withdrawal: id(name),
        tickets,
        fee,
        pays: (tickets - fee) * 10,
        currency: id("CNY"),
        account: "alipay:star".into(),
        approvals_needed: if tickets >= 10_000 { 2 } else { 1 },
        tickets_left,
        held_left,
    }
    .into()
}

fn approve(name: &str, by: &str) -> Command {
    Command::ApproveWithdrawal {
        withdrawal: id(name),
        by: id(by),
        debt: 0,
    }
}

fn approved(name: &str, by: &str, approvals: u8, approvals_needed: u8) -> Event {
    WithdrawalApproved {
        withdrawal: id(name),
        by: id(by),
        approvals,
        approvals_needed,
    }
    .into()
}

fn reject(name: &str) -> Command {
    Command::RejectWithdrawal {
        withdrawal: id(name),
        by: id("kim"),
        reason: "not yours".into(),
    }
}

fn rejected(name: &str, tickets: u64, tickets_left: u64, held_left: u64) -> Event {
    WithdrawalRejected {
        withdrawal: id(name),
        tickets,
        by: id("kim"),
        reason: "not yours".into(),
        tickets_left,
        held_left,
    }
    .into()
}

fn submit(name: &str) -> Command {
    Command::SubmitWithdrawal {
        withdrawal: id(name),
        provider: id("sandbox"),
    }
}

fn submitted(name: &str) -> Event {
    WithdrawalSubmitted {
        withdrawal: id(name),
        provider: id("sandbox"),
    }
    .into()
}

fn confirm(name: &str) -> Command {
    Command::ConfirmWithdrawal {
        withdrawal: id(name),
        reference: "t-1".into(),
    }
}

fn paid(name: &str, tickets: u64, held_left: u64) -> Event {
    WithdrawalPaid {
        withdrawal: id(name),
        tickets,
        fee: tickets.div_ceil(20),
        reference: "t-1".into(),
        held_left,
    }
    .into()
}

fn fail(name: &str) -> Command {
    Command::FailWithdrawal {
        withdrawal: id(name),
        reason: "no such account".into(),
    }
}

fn failed(name: &str, tickets: u64, tickets_left: u64, held_left: u64) -> Event {
    WithdrawalFailed {
        withdrawal: id(name),
        tickets,
        reason: "no such account".into(),
        tickets_left,
        held_left,
    }
    .into()
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    use Rejection as R;
    let rich = [earned(50_000)];
    let asked = [earned(50_000), requested("w", 500, 49_500, 500)];
    let large = [
        earned(50_000),
        requested("w", 10_000, 40_000, 10_000),
        approved("w", "kim", 1, 2),
    ];
    let out = [
        earned(50_000),
        requested("w", 500, 49_500, 500),
        approved("w", "kim", 1, 1),
        submitted("w"),
    ];
    let mut over = Vec::from(out.clone());
    over.push(paid("w", 500, 0));
    let mut lost = Vec::from(out.clone());
    lost.push(failed("w", 500, 50_000, 0));
    let mut full = Vec::from([earned(50_000)]);
    for n in 0..WITHDRAWALS_OPEN_MAX as u64 {
        full.push(requested(&format!("w{n}"), 100, 49_900 - n * 100, 100 + n * 100));
    }
    let with = |account: &str, debt| {
        Command::RequestWithdrawal(RequestWithdrawal {
            withdrawal: id("w"),
            tickets: 500,
            account: String::from(account),
            debt,
        })
    };
    let owing = Command::ApproveWithdrawal {
        withdrawal: id("w"),
        by: id("kim"),
        debt: 1,
    };
    let unsaid = Command::RejectWithdrawal {
        withdrawal: id("w"),
        by: id("kim"),
        reason: String::new(),
    };
    let table: Vec<(&[Event], Command, R)> = Vec::from([
        (&rich[..], with(" ", 0), R::TextEmpty),
        (&rich, with(&"x".repeat(ACCOUNT_CHARS_MAX + 1), 0), R::TextTooLong),
        (&rich, request("w", 99), R::BadTickets),
        (&rich, request("w", 100_001), R::BadTickets),
        (&rich, with("a", 1), R::InDebt),
        (&full, request("w", 100), R::WithdrawalLimit),
        (&asked, request("w", 100), R::WithdrawalClosed),
        (&over, request("w", 100), R::WithdrawalClosed),
        // What is held is not available a second time.
        (&asked, request("v", 49_501), R::NotEnoughTickets),
        (&rich, approve("w", "kim"), R::UnknownWithdrawal),
        (&large, approve("w", "kim"), R::SameApprover),
        (&asked, owing, R::InDebt),
        (&out, approve("w", "lee"), R::WithdrawalClosed),
        (&asked, unsaid, R::TextEmpty),
        (&rich, reject("w"), R::UnknownWithdrawal),
        (&out, reject("w"), R::WithdrawalClosed),
        (&asked, submit("w"), R::WithdrawalClosed),
        (&large, submit("w"), R::WithdrawalClosed),
        (&over, submit("w"), R::WithdrawalClosed),
        (&asked, confirm("w"), R::WithdrawalClosed),
        (&lost, confirm("w"), R::WithdrawalClosed),
        (&rich, confirm("w"), R::UnknownWithdrawal),
        (&asked, fail("w"), R::WithdrawalClosed),
        (&over, fail("w"), R::WithdrawalClosed),
        (&over, reject("w"), R::WithdrawalClosed),
    ]);
    for (given, when, then) in &table {
        check_refused::<Streamer>(KEY, given, when, *then);
    }
    table.into_iter().map(|(.., refusal)| refusal).collect()
}

#[test]
fn a_small_withdrawal_needs_one_approval_and_is_paid_once() {
    let mut events = Vec::from([earned(50_000)]);
    let steps = [
        (request("w", 500), requested("w", 500, 49_500, 500)),
        (approve("w", "kim"), approved("w", "kim", 1, 1)),
        (submit("w"), submitted("w")),
        (confirm("w"), paid("w", 500, 0)),
    ];
    for (command, event) in steps {
        check::<Streamer>(KEY, &events, &command, core::slice::from_ref(&event));
        events.push(event);
    }
    check::<Streamer>(KEY, &events, &confirm("w"), &[]);
    let star = given::<Streamer>(KEY, &events);
    assert_eq!((star.tickets(), star.held()), (49_500, 0));
    assert_eq!(star.withdrawal(&id("w")), Some(WithdrawalState::Paid));
}

#[test]
fn a_large_withdrawal_needs_two_different_people() {
    let events = [earned(50_000), requested("w", 10_000, 40_000, 10_000)];
    check::<Streamer>(KEY, &events, &approve("w", "kim"), &[approved("w", "kim", 1, 2)]);
    let events = [&events[..], &[approved("w", "kim", 1, 2)]].concat();
    check::<Streamer>(KEY, &events, &approve("w", "lee"), &[approved("w", "lee", 2, 2)]);
}

#[test]
fn what_is_rejected_or_fails_is_released_once() {
    let asked = [earned(50_000), requested("w", 500, 49_500, 500)];
    check::<Streamer>(KEY, &asked, &reject("w"), &[rejected("w", 500, 50_000, 0)]);
    let rejected = [&asked[..], &[rejected("w", 500, 50_000, 0)]].concat();
    check::<Streamer>(KEY, &rejected, &reject("w"), &[]);
    let out = [&asked[..], &[approved("w", "kim", 1, 1), submitted("w")]].concat();
    check::<Streamer>(KEY, &out, &submit("w"), &[]);
    check::<Streamer>(KEY, &out, &fail("w"), &[failed("w", 500, 50_000, 0)]);
    let failed = [&out[..], &[failed("w", 500, 50_000, 0)]].concat();
    check::<Streamer>(KEY, &failed, &fail("w"), &[]);
    assert_eq!(given::<Streamer>(KEY, &failed).tickets(), 50_000);
}

#[test]
fn a_refused_request_is_recorded_as_refused() {
    let refused = WithdrawalRefused {
        rejection: Rejection::BadTickets,
    };
    assert_eq!(
        <Streamer as crate::Aggregate>::refused(&request("w", 1), Rejection::BadTickets),
        Some(refused.into())
    );
}

#[test]
fn the_fee_is_rounded_up_and_never_more_than_there_is() {
    let terms = payouts();
    assert_eq!((terms.fee(100), terms.fee(101), terms.fee(0)), (5, 6, 0));
    assert_eq!(terms.pays(101), Some(950));
    let greedy = PayoutTerms {
        fee_per_mille: 1_000,
        ..terms
    };
    assert_eq!((greedy.fee(7), greedy.pays(7)), (7, Some(0)));
}

proptest! {
    /// Whatever is asked in whatever order: what is available, held and paid out adds up to what was earned, each
    /// withdrawal takes only the steps of the drawing above, and one that is over stays as it is.
    #[test]
    fn holds_end_once_and_nothing_is_lost(
        steps in prop::collection::vec((0u8..6, 0u8..5, 50u64..20_000, any::<bool>()), 1..120)
    ) {
        use WithdrawalState as S;
        let mut star = given::<Streamer>(KEY, &[earned(60_000)]);
        let (mut available, mut out) = (60_000u64, 0u64);
        let mut open: BTreeMap<String, (S, u64, Vec<&str>)> = BTreeMap::new();
        for (what, which, tickets, second) in steps {
            let name = format!("w{which}");
            let by = if second { "lee" } else { "kim" };
            let command = match what {
                0 => request(&name, tickets),
                1 => approve(&name, by),
                2 => reject(&name),
                3 => submit(&name),
                4 => confirm(&name),
                _ => fail(&name),
            };
            let decided = decide_at(&star, &command, 0);
            let known = open.get(&name).map(|(state, ..)| *state);
            let happens = matches!(decided, Ok(Decision::Happens(_)));
            let wanted = match (what, known) {
                (0, None) => (100..=available).contains(&tickets),
                (1, Some(S::Requested)) => !open[&name].2.contains(&by),
                (2, Some(S::Requested | S::Approved)) | (3, Some(S::Approved)) => true,
                (4 | 5, Some(S::Submitted)) => true,
                _ => false,
            };
            prop_assert_eq!(happens, wanted, "{:?} {:?}", known, decided);
            let Ok(Decision::Happens(events)) = decided else { continue };
            events.iter().for_each(|event| star.evolve(event, 0));
            if what == 0 {
                available -= tickets;
                open.insert(name, (S::Requested, tickets, Vec::new()));
            } else if let Some((state, tickets, approvers)) = open.get_mut(&name) {
                match what {
                    1 => {
                        approvers.push(by);
                        if approvers.len() == if *tickets >= 10_000 { 2 } else { 1 } { *state = S::Approved }
                    }
                    2 => (*state, available) = (S::Rejected, available + *tickets),
                    3 => *state = S::Submitted,
                    4 => (*state, out) = (S::Paid, out + *tickets),
                    _ => (*state, available) = (S::Failed, available + *tickets),
                }
            }
            let held: u64 = open.values().filter(|(state, ..)| !state.is_over()).map(|(_, tickets, _)| tickets).sum();
            prop_assert_eq!((star.tickets(), star.held()), (available, held));
            prop_assert_eq!(available + held + out, 60_000);
            for (name, (state, ..)) in &open {
                prop_assert_eq!(star.withdrawal(&id(name)), Some(*state));
            }
        }
    }
}
