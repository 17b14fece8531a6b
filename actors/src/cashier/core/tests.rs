//! The cashier's core alone: what follows from which record and which outcome.

use domain::event::{OrderPaid, OrderRefunded, PaymentReceived, PaymentRefunded};
use domain::{StreamId, UserId};
use futures_util::FutureExt;
use journal::memory::MemoryJournal;
use journal::{Append, Cause, Expected, Position, Reader, Writer};

use super::*;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a well-formed id")
}

/// A core and the journal that it reads.
struct Scene {
    journal: MemoryJournal,
    core: Core,
}

impl Scene {
    fn new() -> Self {
        Self {
            journal: MemoryJournal::new(),
            core: Core::new(0, 0),
        }
    }

    fn append(&self, kind: StreamKind, key: &str, event: impl Into<Event>) {
        let append = Append {
            stream: StreamId::new(kind, key),
            expected: Expected::Any,
            epoch: self.journal.epoch(),
            cause: Cause {
                command_id: None,
                request_hash: 0,
                actor: "test".into(),
            },
            events: vec![event.into()],
        };
        let done = Box::new(|outcome: journal::Result<journal::Appended>| assert!(outcome.is_ok()));
        assert!(self.journal.append(append, done).is_ok());
    }

    fn received(&self, payment: &str, order: &str) {
        let event = received(payment, order);
        self.append(StreamKind::Payment, &format!("p.{payment}"), event);
    }

    fn paid(&self, order: &str) {
        let event = OrderPaid {
            user: id("ann"),
            provider: id("p"),
            payment: id("1"),
            coins: 60,
            cancelled: false,
        };
        self.append(StreamKind::Order, order, event);
    }

    fn read(&mut self) {
        let after = Position {
            shard: 0,
            sequence: self.core.read_upto(),
        };
        let batch = self
            .journal
            .read(after, usize::MAX)
            .now_or_never()
            .expect("ready")
            .expect("read");
        self.core.read(&batch).expect("decodes");
    }

    fn next(&mut self) -> Effect {
        self.core.next_effect().expect("something to do")
    }

    fn tell(&mut self, effect: Effect, outcome: Result<Told, Failure>) -> Option<Errand> {
        let Effect { order, sequence, .. } = effect;
        self.core.input(Input {
            order,
            sequence,
            outcome,
        })
    }

    /// Performs what is next, successfully.
    fn done(&mut self) -> Errand {
        let effect = self.next();
        self.tell(effect, Ok(Told::Done)).expect("durable")
    }
}

fn received(payment: &str, order: &str) -> PaymentReceived {
    PaymentReceived {
        provider: id("p"),
        payment: id(payment),
        order: id(order),
        amount: 600,
        currency: id("CNY"),
    }
}

fn refused(rejection: Rejection) -> Result<Told, Failure> {
    Err(Failure::Rejected(rejection))
}

#[test]
fn a_payment_goes_to_its_order_and_a_paid_order_to_its_viewer() {
    let mut scene = Scene::new();
    scene.received("1", "o");
    scene.read();
    assert_eq!(scene.core.done_upto(), 0);
    assert_eq!(scene.done(), Errand::AskPayment(received("1", "o")));
    assert_eq!(scene.done(), Errand::Pay(received("1", "o")));
    assert_eq!(scene.core.done_upto(), 1);
    scene.paid("o");
    scene.read();
    let Effect { errand, .. } = scene.core.next_effect().expect("a recharge");
    let request = errand.request().expect("a request");
    assert_eq!(request.command_id, Some(id("o")));
    assert_eq!(request.actor, "cashier");
    assert!(matches!(&errand, Errand::Recharge(user, recharge)
        if *user == id::<UserId>("ann") && recharge.coins == 60 && recharge.order == id("o")));
}

#[test]
fn a_payment_that_was_set_aside_before_is_not_brought_to_its_order_again() {
    let mut scene = Scene::new();
    scene.received("1", "o");
    scene.read();
    let ask = scene.next();
    scene.tell(ask, Ok(Told::SetAside));
    assert_eq!(scene.core.next_effect(), None);
    assert_eq!(scene.core.done_upto(), 1);
}

#[test]
fn a_payment_that_its_order_refuses_is_set_aside_with_the_reason() {
    let mut scene = Scene::new();
    scene.received("1", "o");
    scene.read();
    _ = scene.done();
    let pay = scene.next();
    assert_eq!(scene.tell(pay, refused(Rejection::PaymentMismatch)), None);
    assert_eq!(scene.core.done_upto(), 0, "not done before it is set aside");
    let rejection = Rejection::PaymentMismatch;
    let (provider, payment) = (id("p"), id("1"));
    let set_aside = Errand::SetAside {
        provider,
        payment,
        rejection,
    };
    assert_eq!(scene.done(), set_aside);
    assert_eq!(scene.core.done_upto(), 1);
}

#[test]
fn the_steps_of_one_order_go_one_after_the_other_and_those_of_others_beside() {
    let mut scene = Scene::new();
    scene.received("1", "o");
    let refund = PaymentRefunded {
        provider: id("p"),
        payment: id("1"),
        order: id("o"),
        amount: 600,
        currency: id("CNY"),
    };
    scene.append(StreamKind::Payment, "p.1", refund);
    scene.received("2", "other");
    scene.read();
    let (first, other) = (scene.next(), scene.next());
    assert_eq!((first.sequence, other.sequence), (1, 3));
    assert_eq!(scene.core.next_effect(), None, "the refund waits");
    scene.tell(first, Ok(Told::NotSetAside));
    let pay = scene.next();
    assert!(matches!(pay.errand, Errand::Pay(_)));
    scene.tell(pay, Ok(Told::Done));
    assert!(matches!(scene.next().errand, Errand::Refund { .. }));
}

#[test]
fn a_refund_that_the_order_refuses_has_nothing_to_take_back() {
    let mut scene = Scene::new();
    let refund = PaymentRefunded {
        provider: id("p"),
        payment: id("1"),
        order: id("o"),
        amount: 600,
        currency: id("CNY"),
    };
    scene.append(StreamKind::Payment, "p.1", refund);
    scene.read();
    let effect = scene.next();
    scene.tell(effect, refused(Rejection::OrderClosed));
    assert_eq!((scene.core.done_upto(), scene.core.owed()), (1, 0));
}

#[test]
fn coins_are_taken_back_under_a_command_id_of_their_own() {
    let mut scene = Scene::new();
    let event = OrderRefunded {
        user: id("ann"),
        provider: id("p"),
        payment: id("1"),
        coins: 60,
    };
    scene.append(StreamKind::Order, "o", event);
    scene.read();
    let request = scene.next().errand.request().expect("a request");
    assert_eq!(request.command_id, Some(id("refund:o")));
}

#[test]
fn what_failed_is_tried_again_after_longer_and_longer_pauses() {
    let mut scene = Scene::new();
    scene.paid("o");
    scene.read();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let effect = scene.next();
        scene.tell(effect, refused(Rejection::Busy));
        let mut turns = 0;
        while scene.core.ready.is_empty() {
            assert_eq!(scene.core.next_effect(), None);
            scene.core.retry();
            turns += 1;
        }
        pauses.push(turns);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    _ = scene.done();
    assert_eq!(scene.core.done_upto(), 1);
}

#[test]
fn what_a_viewer_cannot_take_stays_owed_holds_the_cursor_and_nobody_else() {
    let mut scene = Scene::new();
    scene.paid("full");
    scene.paid("other");
    scene.read();
    let full = scene.next();
    scene.tell(full, refused(Rejection::BalanceLimit));
    _ = scene.done();
    assert_eq!((scene.core.done_upto(), scene.core.owed()), (0, 1));
    assert_eq!(scene.core.settled_upto(), 2, "a stop does not wait for it");
    // What comes later of the same order waits behind it.
    scene.append(
        StreamKind::Order,
        "full",
        OrderRefunded {
            user: id("ann"),
            provider: id("p"),
            payment: id("1"),
            coins: 60,
        },
    );
    scene.read();
    assert_eq!(scene.core.next_effect(), None);
    assert_eq!((scene.core.settled_upto(), scene.core.owed()), (3, 2));
    for _ in 0..CASHIER_OWED_RETRY_TURNS {
        scene.core.retry();
    }
    assert_eq!(scene.core.owed(), 0);
    assert!(matches!(scene.done(), Errand::Recharge(..)));
    assert!(matches!(scene.done(), Errand::TakeBack(..)));
    assert_eq!(scene.core.done_upto(), 3);
}

#[test]
fn effects_under_way_are_bounded() {
    let mut scene = Scene::new();
    for n in 0..CASHIER_STEPS_IN_FLIGHT_MAX + 10 {
        scene.paid(&format!("o{n}"));
    }
    scene.read();
    let mut under_way: Vec<_> = std::iter::from_fn(|| scene.core.next_effect()).collect();
    assert_eq!(under_way.len(), CASHIER_STEPS_IN_FLIGHT_MAX);
    let one = under_way.pop().expect("one");
    scene.tell(one, Ok(Told::Done));
    assert!(scene.core.next_effect().is_some());
    assert_eq!(scene.core.next_effect(), None);
}

#[test]
fn what_is_read_and_not_done_is_bounded() {
    let mut scene = Scene::new();
    for _ in 0..CASHIER_STEPS_PENDING_MAX {
        scene.paid("o");
    }
    scene.read();
    assert!(!scene.core.can_read());
    _ = scene.done();
    assert!(scene.core.can_read());
}

#[test]
fn an_outcome_that_nobody_waits_for_changes_nothing() {
    let mut scene = Scene::new();
    scene.paid("o");
    scene.read();
    let effect = scene.next();
    assert!(scene.tell(effect.clone(), Ok(Told::Done)).is_some());
    assert!(scene.tell(effect, Ok(Told::Done)).is_none());
    assert_eq!((scene.core.done_upto(), scene.core.under_way), (1, 0));
}

#[test]
fn a_cursor_is_written_when_something_was_done_or_it_is_far_behind() {
    let mut scene = Scene::new();
    assert_eq!(scene.core.advance_due(), None);
    scene.paid("o");
    scene.read();
    assert_eq!(scene.core.advance_due(), None, "it is not done");
    _ = scene.done();
    assert_eq!(scene.core.advance_due(), Some(1));
    scene.core.advanced(1);
    assert_eq!(scene.core.advance_due(), None);
    scene.core.read_upto = 1 + ADVANCE_AFTER_RECORDS_MAX;
    assert_eq!(scene.core.advance_due(), Some(1 + ADVANCE_AFTER_RECORDS_MAX));
}
