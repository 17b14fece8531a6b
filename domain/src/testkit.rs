//! Given, when, then over events: given what has happened, when this is asked, then that happens or is refused.

use alloc::vec::Vec;
use core::fmt::Debug;

use crate::streamer::PayoutTerms;
use crate::{Aggregate, Catalogue, Context, Decision, Event, Gift, Rejection, UserId};

/// The server time of every decision, unix ms; given events were recorded at [`GIVEN_MS`].
pub(crate) const NOW_MS: i64 = 10_000;
/// When the given events were recorded, unix ms.
pub(crate) const GIVEN_MS: i64 = 9_000;

/// An id of any kind, known to be well formed.
pub(crate) fn id<T: core::str::FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a well-formed id")
}

/// `rose`: 10 coins, 5 tickets; `like`: 1 coin, 0 tickets; `rocket`: the highest price there may be.
pub(crate) fn catalogue() -> Catalogue {
    let gift = |name: &str, coins, tickets| Gift {
        id: id(name),
        name: name.into(),
        coins,
        tickets,
    };
    let gifts = [
        gift("rose", 10, 5),
        gift("like", 1, 0),
        gift("rocket", 1_000_000_000, 1_000_000_000),
    ];
    Catalogue::new(gifts).expect("a catalogue")
}

/// One ticket is 10 fen, 5 in 100 are the fee; 100 to 100,000 tickets, from 10,000 on by two of staff.
pub(crate) fn payouts() -> PayoutTerms {
    PayoutTerms {
        currency: id("CNY"),
        minor_per_ticket: 10,
        fee_per_mille: 50,
        tickets_min: 100,
        tickets_max: 100_000,
        two_approvals_from: 10_000,
    }
}

/// The state of `key` after these events.
pub(crate) fn given<A: Aggregate>(key: &str, events: &[Event]) -> A {
    let mut state = A::new(&id::<UserId>(key));
    events.iter().for_each(|event| state.evolve(event, GIVEN_MS));
    state
}

/// What a command does to a state at a time.
pub(crate) fn decide_at<A: Aggregate>(
    state: &A,
    command: &A::Command,
    now_ms: i64,
) -> Result<Decision<A::Answer>, Rejection> {
    state.decide(
        command,
        &Context {
            now_ms,
            catalogue: &catalogue(),
            payouts: &payouts(),
        },
    )
}

/// Given these events of `key`, when this command comes, then exactly these events happen (none: it holds already),
/// every one of them in the aggregate's own kind of stream, and the first stands for an answer.
#[track_caller]
pub(crate) fn check<A: Aggregate>(key: &str, given_events: &[Event], when: &A::Command, then: &[Event]) {
    let state = given::<A>(key, given_events);
    let happened = match decide_at(&state, when, NOW_MS) {
        Ok(Decision::Happens(events)) => events,
        Ok(Decision::Already(_)) => Vec::new(),
        Err(rejection) => panic!("refused: {rejection:?}, expected {then:?}"),
    };
    assert_eq!(happened, then);
    assert!(
        happened
            .iter()
            .all(|event| event.event_type().stream_kind() == A::KIND)
    );
    assert!(happened.first().is_none_or(|event| A::answer(event).is_ok()));
}

/// Given these events of `key`, when this command comes, then it is refused so.
#[track_caller]
pub(crate) fn check_refused<A: Aggregate>(
    key: &str,
    given_events: &[Event],
    when: &A::Command,
    then: Rejection,
) {
    let state = given::<A>(key, given_events);
    assert_eq!(decide_at(&state, when, NOW_MS).err(), Some(then));
    if let Some(event) = A::refused(when, then) {
        assert_eq!(event.event_type().stream_kind(), A::KIND);
        assert_eq!(
            A::answer(&event).err(),
            Some(then),
            "a recorded refusal stands for itself"
        );
    }
}

#[test]
fn every_refusal_of_the_domain_is_reached_by_a_test() {
    let mut reached = crate::viewer::tests::refused();
    reached.extend(crate::streamer::tests::refused());
    reached.extend(crate::room::tests::refused());
    reached.extend(crate::conversation::tests::refused());
    reached.extend(crate::likes::tests::refused());
    reached.extend(crate::order::tests::refused());
    reached.extend(crate::payment::tests::refused());
    reached.extend(crate::catalogue::tests::refused());
    reached.sort_unstable();
    reached.dedup();
    // What is left is refused before a command exists (parsing) or around it (the shell, the pages).
    let elsewhere = [
        Rejection::Busy,
        Rejection::CommandReused,
        Rejection::BadCommandId,
        Rejection::BadId,
        Rejection::BadRequest,
        Rejection::BadCursor,
        Rejection::BadLimit,
        Rejection::BadUsers,
        Rejection::UnknownPack,
        Rejection::WithdrawalsStopped,
    ];
    let expected: Vec<_> = Rejection::ALL
        .iter()
        .copied()
        .filter(|r| !elsewhere.contains(r))
        .collect();
    assert_eq!(reached, expected);
}
