//! Hand-made histories, each with one fault: the ledger names the promise and the record, and goes on.

use domain::event::{
    CoinsAdjusted, CoinsRecharged, GiftSent, TicketsAdjusted, TicketsCredited, WithdrawalApproved,
    WithdrawalFailed, WithdrawalPaid, WithdrawalRequested, WithdrawalSubmitted,
};
use domain::{Event, SessionNumber};

use super::*;
use crate::names::NOBODY;

const ANN: Number = 0;
const STAR: Number = 1;

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// A ledger that is told one event after the other.
#[derive(Default)]
struct Told {
    ledger: Ledger,
    place: Place,
}

impl Told {
    fn ann(mut self, event: impl Into<Event>) -> Self {
        self.take(ANN, event.into());
        self
    }

    fn star(mut self, event: impl Into<Event>) -> Self {
        self.take(STAR, event.into());
        self
    }

    fn take(&mut self, who: Number, event: Event) {
        self.place += 1;
        let whom = if matches!(event, Event::GiftSent(_)) {
            STAR
        } else {
            NOBODY
        };
        self.ledger.take(&Fact {
            place: self.place,
            at_ms: 5,
            key: "",
            who,
            whom,
            event: &event,
        });
    }

    /// The first break: number of the invariant, position.
    fn broken(&self) -> Option<(u8, u64)> {
        self.ledger.first_break().map(|b| (b.invariant, b.position))
    }
}

fn granted(amount: i64, coins_left: u64) -> CoinsAdjusted {
    let reason = "test".into();
    CoinsAdjusted {
        amount,
        coins_left,
        reason,
    }
}

fn gift(coins: u64, coins_left: u64) -> GiftSent {
    GiftSent {
        room: id("star"),
        session: SessionNumber(1),
        gift: id("rose"),
        count: 1,
        coins,
        tickets: coins,
        coins_left,
        combo: None,
    }
}

fn credited(gifts: u64, tickets: u64, tickets_total: u64) -> TicketsCredited {
    TicketsCredited {
        shard: 0,
        after: 0,
        upto: 9,
        gifts,
        tickets,
        tickets_total,
    }
}

fn earned(tickets: u64) -> TicketsAdjusted {
    TicketsAdjusted {
        amount: tickets as i64,
        tickets_left: tickets,
        reason: "test".into(),
    }
}

fn requested(tickets: u64, tickets_left: u64, held_left: u64) -> WithdrawalRequested {
    WithdrawalRequested {
        withdrawal: id("w"),
        tickets,
        fee: 5,
        pays: 10,
        currency: id("CNY"),
        account: "a".into(),
        approvals_needed: 1,
        tickets_left,
        held_left,
    }
}

fn approved(by: &str, approvals: u8) -> WithdrawalApproved {
    WithdrawalApproved {
        withdrawal: id("w"),
        by: id(by),
        approvals,
        approvals_needed: 1,
    }
}

fn submitted() -> WithdrawalSubmitted {
    WithdrawalSubmitted {
        withdrawal: id("w"),
        provider: id("sandbox"),
    }
}

fn paid(held_left: u64) -> WithdrawalPaid {
    WithdrawalPaid {
        withdrawal: id("w"),
        tickets: 60,
        fee: 5,
        reference: "t".into(),
        held_left,
    }
}

fn withdrawing() -> Told {
    Told::default()
        .star(earned(100))
        .star(requested(60, 40, 60))
        .star(approved("kim", 1))
        .star(submitted())
}

#[test]
fn a_true_history_is_clean_and_every_account_stands_where_it_must() {
    let told = withdrawing()
        .star(paid(0))
        .ann(granted(100, 100))
        .ann(gift(30, 70))
        .ann(gift(20, 50))
        .star(credited(2, 50, 90));
    assert_eq!(told.broken(), None);
    assert_eq!(told.ledger.books(), Books::Ok);
    let star = told.ledger.get(STAR);
    assert_eq!((star.tickets, star.held), (90, 0));
    let totals: Vec<_> = told
        .ledger
        .totals()
        .into_iter()
        .filter(|t| t.total != 0)
        .map(|t| (t.account, t.total))
        .collect();
    assert_eq!(
        totals,
        [
            ("coins", 50),
            ("tickets", 90),
            ("adjustments", -100),
            ("adjustments", -100),
            ("exchange", 50),
            ("exchange", -50),
            ("payout", 55),
            ("fee", 5)
        ]
    );
    let sums = told.ledger.sums();
    assert_eq!((sums.coins(), sums.tickets()), (50, 90));
}

#[test]
fn a_debt_and_what_is_held_are_told() {
    let recharged = CoinsRecharged {
        order: id("o"),
        provider: id("sandbox"),
        payment: id("p"),
        coins: 100,
        debt_paid: 0,
        coins_left: 100,
        debt_left: 0,
    };
    let back = domain::event::CoinsTakenBack {
        order: id("o"),
        provider: id("sandbox"),
        coins: 100,
        debt_added: 30,
        coins_left: 0,
        debt_left: 30,
    };
    let told = Told::default().ann(recharged).ann(gift(30, 70)).ann(back);
    assert_eq!(told.broken(), None);
    assert_eq!((told.ledger.get(ANN).coins, told.ledger.get(ANN).debt), (0, 30));
    assert_eq!(told.ledger.get(ANN).changed, 3);
}

#[test]
fn invariant_2_an_overdrawn_account_is_named() {
    let told = Told::default().ann(granted(10, 10)).ann(gift(30, 0));
    assert_eq!(told.broken(), Some((2, 2)));
}

#[test]
fn invariant_5_a_volume_without_room_is_named() {
    let mut told = Told::default();
    told.ledger.volumes.granted = u64::MAX;
    assert_eq!(told.ann(granted(10, 10)).broken(), Some((5, 1)));
}

#[test]
fn invariant_6_a_hold_resolves_once_and_through_its_states() {
    assert_eq!(withdrawing().star(requested(40, 0, 100)).broken(), Some((6, 5)));
    assert_eq!(withdrawing().star(paid(0)).star(paid(0)).broken(), Some((6, 6)));
    let requested_again = withdrawing().star(paid(0)).star(requested(40, 0, 40));
    assert_eq!(requested_again.broken(), Some((6, 6)));
    let unsubmitted = Told::default()
        .star(earned(100))
        .star(requested(60, 40, 60))
        .star(paid(0));
    assert_eq!(unsubmitted.broken(), Some((6, 3)));
    let approved_twice = Told::default()
        .star(earned(100))
        .star(requested(60, 40, 60))
        .star(approved("kim", 1))
        .star(approved("kim", 2));
    assert_eq!(approved_twice.broken(), Some((6, 4)));
    let failed = WithdrawalFailed {
        withdrawal: id("w"),
        tickets: 59,
        reason: "no".into(),
        tickets_left: 99,
        held_left: 1,
    };
    assert_eq!(withdrawing().star(failed).broken(), Some((6, 5)));
}

#[test]
fn invariant_9_what_is_said_and_what_is_posted_differ() {
    let told = Told::default().ann(granted(10, 10)).ann(granted(10, 21));
    assert_eq!(told.broken(), Some((9, 2)));
}

#[test]
fn invariant_10_a_credit_takes_what_is_in_flight_and_nothing_else() {
    let sent = || Told::default().ann(granted(100, 100)).ann(gift(30, 70));
    assert_eq!(sent().star(credited(1, 31, 31)).broken(), Some((10, 3)));
    assert_eq!(sent().star(credited(2, 30, 30)).broken(), Some((10, 3)));
    assert_eq!(sent().star(credited(1, 29, 29)).broken(), Some((10, 3)));
    let twice = sent().star(credited(1, 30, 30)).star(credited(1, 30, 60));
    assert_eq!(twice.broken(), Some((10, 4)));
}

#[test]
fn one_fault_counts_once_and_the_books_say_so() {
    let told = Told::default()
        .ann(granted(10, 11))
        .ann(granted(10, 21))
        .ann(gift(21, 0))
        .star(credited(1, 30, 30))
        .ann(granted(5, 5));
    let Books::Broken { first, last, records } = told.ledger.books() else {
        panic!("the books are broken");
    };
    assert_eq!((first.invariant, first.position, last, records), (9, 1, 4, 2));
    assert_eq!(told.ledger.get(ANN).coins, 5);
}
