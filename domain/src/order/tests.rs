//! Given, when, then for an order.

use alloc::vec::Vec;

use super::*;
use crate::testkit::{check, check_refused, id};

const KEY: &str = "o1";

fn created() -> OrderCreated {
    OrderCreated {
        user: id("ann"),
        pack: id("small"),
        coins: 60,
        price: 600,
        currency: id("CNY"),
    }
}

fn payment(name: &str, amount: u64, currency: &str) -> PaymentReceived {
    PaymentReceived {
        provider: id("sandbox"),
        payment: id(name),
        order: id(KEY),
        amount,
        currency: id(currency),
    }
}

fn paid(cancelled: bool) -> Event {
    OrderPaid {
        user: id("ann"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins: 60,
        cancelled,
    }
    .into()
}

fn refunded() -> Event {
    OrderRefunded {
        user: id("ann"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins: 60,
    }
    .into()
}

fn pay(name: &str) -> Command {
    Command::Pay(payment(name, 600, "CNY"))
}

fn refund(name: &str) -> Command {
    Command::Refund {
        provider: id("sandbox"),
        payment: id(name),
    }
}

fn cancel(user: &str) -> Command {
    Command::Cancel { user: id(user) }
}

fn cancelled() -> Event {
    OrderCancelled { user: id("ann") }.into()
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    use Rejection as R;
    let new = [Event::from(created())];
    let bought = [created().into(), paid(false)];
    let back = [created().into(), paid(false), refunded()];
    let table: Vec<(&[Event], Command, R)> = Vec::from([
        (&new[..], Command::Create(created()), R::OrderClosed),
        (&[], cancel("ann"), R::UnknownOrder),
        (&new, cancel("bob"), R::UnknownOrder),
        (&bought, cancel("ann"), R::OrderClosed),
        (&back, cancel("ann"), R::OrderClosed),
        (&[], pay("p1"), R::UnknownOrder),
        (&new, Command::Pay(payment("p1", 599, "CNY")), R::PaymentMismatch),
        (&new, Command::Pay(payment("p1", 600, "USD")), R::PaymentMismatch),
        (&bought, pay("p2"), R::OrderPaidAlready),
        (&back, pay("p2"), R::OrderPaidAlready),
        (&[], refund("p1"), R::UnknownOrder),
        (&new, refund("p1"), R::OrderClosed),
        (&bought, refund("p2"), R::OrderClosed),
    ]);
    for (given, when, then) in &table {
        check_refused::<Order>(KEY, given, when, *then);
    }
    table.into_iter().map(|(.., refusal)| refusal).collect()
}

#[test]
fn an_order_is_paid_once_and_refunded_once() {
    let new = Event::from(created());
    check::<Order>(KEY, &[], &Command::Create(created()), core::slice::from_ref(&new));
    check::<Order>(KEY, core::slice::from_ref(&new), &pay("p1"), &[paid(false)]);
    check::<Order>(KEY, &[new.clone(), paid(false)], &pay("p1"), &[]);
    check::<Order>(KEY, &[new.clone(), paid(false)], &refund("p1"), &[refunded()]);
    check::<Order>(KEY, &[new.clone(), paid(false), refunded()], &refund("p1"), &[]);
    check::<Order>(KEY, &[new, paid(false), refunded()], &pay("p1"), &[]);
}

#[test]
fn what_is_paid_after_it_was_cancelled_is_honoured() {
    let new = Event::from(created());
    check::<Order>(KEY, core::slice::from_ref(&new), &cancel("ann"), &[cancelled()]);
    check::<Order>(KEY, &[new.clone(), cancelled()], &cancel("ann"), &[]);
    check::<Order>(KEY, &[new, cancelled()], &pay("p1"), &[paid(true)]);
}
