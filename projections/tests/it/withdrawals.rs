//! Withdrawals are found by their user and by their state, wherever they are kept, and every step is told once.

use std::sync::Arc;

use domain::event::{
    WithdrawalApproved, WithdrawalFailed, WithdrawalPaid, WithdrawalRejected, WithdrawalRequested,
    WithdrawalSubmitted,
};
use domain::streamer::WithdrawalState;
use domain::{Currency, Event};
use journal::Position;
use journal::memory::MemoryJournal;
use projections::views::Views;
use projections::{Options, Runner, Stopper, ViewStore, check};

use crate::support::*;

pub(crate) fn requested(id: &str) -> Event {
    WithdrawalRequested {
        withdrawal: id.parse().unwrap(),
        tickets: 200,
        fee: 10,
        pays: 1_900,
        currency: Currency::cny(),
        account: "bank:1".into(),
        approvals_needed: 2,
        tickets_left: 0,
        held_left: 200,
    }
    .into()
}

fn approved(id: &str, by: &str, approvals: u8) -> Event {
    WithdrawalApproved {
        withdrawal: id.parse().unwrap(),
        by: by.parse().unwrap(),
        approvals,
        approvals_needed: 2,
    }
    .into()
}

fn submitted(id: &str) -> Event {
    WithdrawalSubmitted {
        withdrawal: id.parse().unwrap(),
        provider: "sandbox".parse().unwrap(),
    }
    .into()
}

fn paid(id: &str) -> Event {
    WithdrawalPaid {
        withdrawal: id.parse().unwrap(),
        tickets: 200,
        fee: 10,
        reference: "r1".into(),
        held_left: 0,
    }
    .into()
}

fn rejected(id: &str) -> Event {
    WithdrawalRejected {
        withdrawal: id.parse().unwrap(),
        tickets: 200,
        by: "kim".parse().unwrap(),
        reason: "no".into(),
        tickets_left: 200,
        held_left: 0,
    }
    .into()
}

fn failed(id: &str) -> Event {
    WithdrawalFailed {
        withdrawal: id.parse().unwrap(),
        tickets: 200,
        reason: "closed".into(),
        tickets_left: 200,
        held_left: 0,
    }
    .into()
}

/// Every page of a user's list, by ids.
fn list(views: &Views, who: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = views
            .withdrawals_of(&user(who), cursor.as_deref(), 2)
            .unwrap()
            .unwrap();
        found.extend(
            page.entries
                .iter()
                .map(|w| format!("{} {}", w.withdrawal, w.state.word())),
        );
        cursor = page.cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

/// Every page of a state, by users and ids.
fn in_state(views: &Views, state: WithdrawalState) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = views
            .withdrawals_in(state, cursor.as_deref(), 1)
            .unwrap()
            .unwrap();
        found.extend(
            page.entries
                .iter()
                .map(|f| format!("{} {}", f.user, f.withdrawal.withdrawal)),
        );
        cursor = page.cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

#[test]
fn withdrawals_are_listed_by_user_and_by_state_in_memory_and_from_the_store() {
    let journal = MemoryJournal::new();
    let events = [
        ("a", requested("w1")),
        ("a", requested("w2")),
        ("b", requested("w3")),
        ("a", requested("w4")),
        ("b", requested("w5")),
        ("a", approved("w1", "kim", 1)),
        ("a", approved("w1", "lee", 2)),
        ("a", submitted("w1")),
        ("b", approved("w3", "kim", 1)),
        ("b", approved("w3", "lee", 2)),
        ("a", rejected("w2")),
        ("b", approved("w5", "kim", 1)),
        ("b", approved("w5", "lee", 2)),
        ("b", submitted("w5")),
        ("b", failed("w5")),
        ("a", paid("w1")),
    ];
    let store = memory();
    let mut steps = Vec::new();
    for (at, (who, event)) in events.into_iter().enumerate() {
        append(&journal, streamer(who), event);
        // Every few records the views are opened anew: what is over comes from the store then.
        if at % 3 == 0 {
            let runner = folded(journal.clone(), &store);
            let handle = runner.handle();
            let views = handle.read();
            steps.push((list(&views, "a").len(), list(&views, "b").len()));
        }
    }
    assert_eq!(steps.last(), Some(&(3, 2)));
    for again in 0..2 {
        let runner = folded(journal.clone(), &store);
        let handle = runner.handle();
        let views = handle.read();
        assert_eq!(
            list(&views, "a"),
            ["w4 requested", "w2 rejected", "w1 paid"],
            "{again}"
        );
        assert_eq!(list(&views, "b"), ["w5 failed", "w3 approved"], "{again}");
        assert!(list(&views, "nobody").is_empty());
        assert_eq!(in_state(&views, WithdrawalState::Requested), ["a w4"]);
        assert_eq!(in_state(&views, WithdrawalState::Approved), ["b w3"]);
        assert!(in_state(&views, WithdrawalState::Submitted).is_empty());
        assert_eq!(in_state(&views, WithdrawalState::Paid), ["a w1"]);
        assert_eq!(in_state(&views, WithdrawalState::Rejected), ["a w2"]);
        assert_eq!(in_state(&views, WithdrawalState::Failed), ["b w5"]);
        let due = views.payouts_due(|_| true, 10).unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].withdrawal.approvals(), 2);
        assert_eq!(views.withdrawals().count(WithdrawalState::Requested), 1);
        assert!(views.withdrawals().oldest_since_ms().is_some());
        let after = Position {
            shard: 0,
            sequence: 11,
        };
        let changed = views.withdrawals_changed(&user("a"), after, 20).unwrap();
        assert_eq!(changed.len(), 1);
        assert!(
            changed[0].json().contains(r#""state":"paid""#),
            "{}",
            changed[0].json()
        );
        assert!(changed[0].json().contains(r#""reference":"r1""#));
    }
    assert_eq!(differences(&journal, &store), [""; 0]);
}

/// What a check of the stored view against a fresh fold says.
fn differences(journal: &MemoryJournal, store: &Arc<dyn ViewStore>) -> Vec<String> {
    let stopper = Stopper::default();
    let found = check(
        journal,
        store,
        &["withdrawals"],
        Options::default(),
        &stopper,
        |_| {},
    );
    found.unwrap().into_iter().map(|d| d.key).collect()
}

#[test]
fn every_step_of_a_withdrawal_is_told_in_order_with_what_it_is_about() {
    let journal = MemoryJournal::new();
    append(&journal, streamer("a"), requested("w0"));
    let heard = Arc::new(Heard::default());
    let mut runner = Runner::open(
        Arc::new(journal.clone()),
        memory(),
        Options::default(),
        heard.clone(),
    )
    .unwrap();
    runner.turn().unwrap();
    for event in [
        requested("w1"),
        approved("w1", "kim", 1),
        approved("w1", "lee", 2),
        submitted("w1"),
        paid("w1"),
    ] {
        append(&journal, streamer("a"), event);
    }
    runner.turn().unwrap();
    let told: Vec<_> = heard
        .0
        .lock()
        .iter()
        .flat_map(|deltas| deltas.withdrawals.clone())
        .map(|change| {
            format!(
                "{} {} {}",
                change.position.sequence,
                change.state.word(),
                change.approvals
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "2 requested 0",
            "3 requested 1",
            "4 approved 2",
            "5 submitted 2",
            "6 paid 2"
        ]
    );
}
