//! Given, when, then for the streamer.

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::testkit::{GIVEN_MS, check, check_refused, decide_at, given};
use proptest::prelude::*;

fn start(title: &str) -> Command {
    Command::StartLive {
        title: String::from(title),
    }
}

fn started(session: u32, title: &str) -> Event {
    LiveStarted {
        session: SessionNumber(session),
        title: String::from(title),
    }
    .into()
}

fn stopped(session: u32) -> Event {
    LiveStopped {
        session: SessionNumber(session),
    }
    .into()
}

fn credit(after: u64, upto: u64, tickets: u64) -> Command {
    Command::CreditTickets(CreditTickets {
        shard: 0,
        after,
        upto,
        gifts: 1,
        tickets,
    })
}

fn credited(after: u64, upto: u64, tickets: u64, tickets_total: u64) -> Event {
    TicketsCredited {
        shard: 0,
        after,
        upto,
        gifts: 1,
        tickets,
        tickets_total,
    }
    .into()
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    let table: [(&[Event], Command, Rejection); 8] = [
        (&[], start("\u{7}"), Rejection::TextEmpty),
        (
            &[],
            start(&"x".repeat(TITLE_CHARS_MAX + 1)),
            Rejection::TextTooLong,
        ),
        (&[started(1, "")], start("again"), Rejection::AlreadyLive),
        (&[], Command::StopLive, Rejection::NotLive),
        (
            &[started(1, ""), stopped(1)],
            Command::StopLive,
            Rejection::NotLive,
        ),
        (
            &[credited(0, 10, 5, 5)],
            credit(0, 20, 5),
            Rejection::SettlementGap,
        ),
        (
            &[credited(0, 10, 5, 5)],
            credit(11, 20, 5),
            Rejection::SettlementGap,
        ),
        (
            &[credited(0, 10, 5, TICKETS_MAX)],
            credit(10, 20, 1),
            Rejection::BalanceLimit,
        ),
    ];
    for (given, when, then) in &table {
        check_refused::<Streamer>("kim", given, when, *then);
        assert_eq!(Streamer::refused(when, *then), None);
    }
    let withdrawals = super::withdrawal::tests::refused();
    table
        .into_iter()
        .map(|(_, _, then)| then)
        .chain(withdrawals)
        .collect()
}

#[test]
fn sessions_are_numbered_from_one_and_one_runs_at_a_time() {
    check::<Streamer>("kim", &[], &start(" Hi "), &[started(1, "Hi")]);
    check::<Streamer>("kim", &[started(1, "")], &Command::StopLive, &[stopped(1)]);
    check::<Streamer>(
        "kim",
        &[started(1, ""), stopped(1)],
        &start(""),
        &[started(2, "")],
    );
    let live = given::<Streamer>("kim", &[started(1, ""), stopped(1), started(2, "b")]);
    assert_eq!(
        live.live(),
        Some(&Live {
            session: SessionNumber(2),
            title: "b".into(),
            since_ms: GIVEN_MS
        })
    );
}

#[test]
fn a_range_is_credited_once_and_only_where_the_last_one_ended() {
    check::<Streamer>("kim", &[], &credit(0, 10, 5), &[credited(0, 10, 5, 5)]);
    check::<Streamer>(
        "kim",
        &[credited(0, 10, 5, 5)],
        &credit(10, 20, 7),
        &[credited(10, 20, 7, 12)],
    );
    // Sent again, or wholly below: nothing.
    check::<Streamer>("kim", &[credited(0, 10, 5, 5)], &credit(0, 10, 5), &[]);
    check::<Streamer>("kim", &[credited(0, 10, 5, 5)], &credit(0, 9, 5), &[]);
}

#[test]
fn shards_are_settled_apart() {
    let other = CreditTickets {
        shard: 1,
        after: 0,
        upto: 3,
        gifts: 1,
        tickets: 2,
    };
    let state = given::<Streamer>("kim", &[credited(0, 10, 5, 5)]);
    let Ok(Decision::Happens(events)) = decide_at(&state, &Command::CreditTickets(other), 0) else {
        panic!("another shard starts at its own 0");
    };
    let mut state = state;
    state.evolve(&events[0], 0);
    assert_eq!(
        (state.settled_upto(0), state.settled_upto(1), state.tickets()),
        (10, 3, 7)
    );
}

proptest! {
    /// Batches sent in any order, any number of times, are credited exactly once as soon as each had its turn.
    #[test]
    fn credits_are_exactly_once_whatever_is_sent_again(
        sizes in prop::collection::vec((1u64..50, 0u64..1000), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut after = 0;
        let batches: Vec<_> = sizes.iter().map(|&(length, tickets)| {
            let batch = credit(after, after + length, tickets);
            after += length;
            batch
        }).collect();
        let mut state = given::<Streamer>("kim", &[]);
        let shuffled = order.iter().map(|index| index.get(&batches));
        for command in shuffled.chain(&batches).chain(&batches) {
            match decide_at(&state, command, 0) {
                Ok(Decision::Happens(events)) => events.iter().for_each(|event| state.evolve(event, 0)),
                Ok(Decision::Already(_)) => {}
                Err(rejection) => prop_assert_eq!(rejection, Rejection::SettlementGap),
            }
        }
        prop_assert_eq!(state.settled_upto(0), after);
        prop_assert_eq!(state.tickets(), sizes.iter().map(|&(_, tickets)| tickets).sum::<u64>());
    }
}
