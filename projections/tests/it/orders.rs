//! Orders and payments as a user and staff read them: pages, states, and the same after a restart and a rebuild.

use domain::event::{
    OrderCancelled, OrderCreated, OrderPaid, OrderRefunded, PaymentReceived, PaymentRefunded,
    PaymentUnmatched,
};
use domain::{Event, Rejection, StreamId, StreamKind};
use journal::memory::MemoryJournal;
use projections::views::{OrderState, Views};

use crate::support::*;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn order(journal: &MemoryJournal, order: &str, event: impl Into<Event>) {
    append(journal, StreamId::new(StreamKind::Order, order), event);
}

pub(crate) fn payment(journal: &MemoryJournal, payment: &str, event: impl Into<Event>) {
    append(
        journal,
        StreamId::new(StreamKind::Payment, &format!("p.{payment}")),
        event,
    );
}

fn created(by: &str) -> OrderCreated {
    OrderCreated {
        user: user(by),
        pack: id("small"),
        coins: 60,
        price: 600,
        currency: id("CNY"),
    }
}

fn paid(by: &str, payment: &str) -> OrderPaid {
    OrderPaid {
        user: user(by),
        provider: id("p"),
        payment: id(payment),
        coins: 60,
        cancelled: false,
    }
}

pub(crate) fn received(payment: &str, order: &str) -> PaymentReceived {
    PaymentReceived {
        provider: id("p"),
        payment: id(payment),
        order: id(order),
        amount: 600,
        currency: id("CNY"),
    }
}

fn refunded(payment: &str, order: &str) -> PaymentRefunded {
    PaymentRefunded {
        provider: id("p"),
        payment: id(payment),
        order: id(order),
        amount: 600,
        currency: id("CNY"),
    }
}

fn unmatched(order: &str) -> PaymentUnmatched {
    PaymentUnmatched {
        order: id(order),
        rejection: Rejection::UnknownOrder,
    }
}

/// A user's orders, page by page.
fn orders(views: &Views, by: &str, limit: usize) -> Vec<(String, OrderState)> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = views
            .orders(&user(by), cursor.as_deref(), limit)
            .unwrap()
            .unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(page.entries.iter().map(|e| (e.order.to_string(), e.state)));
        cursor = page.cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

/// The payments for staff, page by page.
fn for_staff(views: &Views, limit: usize) -> Vec<(String, u64)> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = views.unmatched_payments(cursor.as_deref(), limit).unwrap();
        found.extend(page.entries.iter().map(|e| (e.payment.to_string(), e.amount)));
        cursor = page.cursor;
        if cursor.is_none() {
            assert_eq!(found.len(), views.unmatched_count());
            return found;
        }
    }
}

#[test]
fn a_users_orders_are_listed_newest_first_in_the_state_they_are_in() {
    let journal = MemoryJournal::new();
    let store = memory();
    for (name, by) in [
        ("o1", "ann"),
        ("o2", "ann"),
        ("b1", "bob"),
        ("o3", "ann"),
        ("o4", "ann"),
    ] {
        order(&journal, name, created(by));
    }
    order(&journal, "o2", OrderCancelled { user: user("ann") });
    drop(folded(journal.clone(), &store));
    // These come after a commit, and after a restart.
    order(&journal, "o3", paid("ann", "3"));
    order(&journal, "o2", paid("ann", "2"));
    order(
        &journal,
        "o3",
        OrderRefunded {
            user: user("ann"),
            provider: id("p"),
            payment: id("3"),
            coins: 60,
        },
    );
    let runner = folded(journal.clone(), &store);
    let handle = runner.handle();
    let views = handle.read();
    let wanted = [
        ("o4", OrderState::Created),
        ("o3", OrderState::Refunded),
        ("o2", OrderState::Paid),
        ("o1", OrderState::Created),
    ]
    .map(|(order, state)| (order.to_owned(), state));
    for limit in [1, 2, 3, 100] {
        assert_eq!(orders(&views, "ann", limit), wanted, "by {limit}");
    }
    assert_eq!(
        orders(&views, "bob", 10),
        [("b1".to_owned(), OrderState::Created)]
    );
    assert_eq!(orders(&views, "eve", 10), []);
    assert!(views.orders(&user("ann"), Some("?"), 10).unwrap().is_err());
    let (whose, entry) = views.order(&id("o2")).unwrap().unwrap();
    assert_eq!(
        (whose.as_str(), entry.price, entry.state),
        ("ann", 600, OrderState::Paid)
    );
    assert!(views.order(&id("none")).unwrap().is_none());
}

#[test]
fn staff_see_the_payments_that_nobody_took_until_they_are_given_back() {
    let journal = MemoryJournal::new();
    let store = memory();
    order(&journal, "o1", created("ann"));
    payment(&journal, "1", received("1", "o1"));
    for name in ["2", "3", "4", "5"] {
        payment(&journal, name, received(name, "nowhere"));
    }
    order(&journal, "o1", paid("ann", "1"));
    payment(&journal, "2", unmatched("nowhere"));
    payment(&journal, "3", unmatched("nowhere"));
    // Given back before it was set aside.
    payment(&journal, "4", refunded("4", "nowhere"));
    {
        let runner = folded(journal.clone(), &store);
        let handle = runner.handle();
        let views = handle.read();
        assert_eq!(
            for_staff(&views, 1),
            [("3".to_owned(), 600), ("2".to_owned(), 600)]
        );
    }
    payment(&journal, "4", unmatched("nowhere"));
    payment(&journal, "5", unmatched("nowhere"));
    payment(&journal, "2", refunded("2", "nowhere"));
    payment(&journal, "1", refunded("1", "o1"));
    let runner = folded(journal.clone(), &store);
    let handle = runner.handle();
    let views = handle.read();
    for limit in [1, 100] {
        assert_eq!(
            for_staff(&views, limit),
            [("5".to_owned(), 600), ("3".to_owned(), 600)],
            "by {limit}"
        );
    }
    assert!(views.unmatched_payments(Some("?"), 10).is_err());
}
