//! Given, when, then for a payment.

use alloc::vec::Vec;

use super::*;
use crate::testkit::{check, check_refused, id};

const KEY: &str = "sandbox.p1";

fn received(order: &str, amount: u64, currency: &str) -> PaymentReceived {
    PaymentReceived {
        provider: id("sandbox"),
        payment: id("p1"),
        order: id(order),
        amount,
        currency: id(currency),
    }
}

fn refund(amount: u64) -> Command {
    Command::Refund {
        amount,
        currency: id("CNY"),
    }
}

fn refunded() -> Event {
    PaymentRefunded {
        provider: id("sandbox"),
        payment: id("p1"),
        order: id("o1"),
        amount: 600,
        currency: id("CNY"),
    }
    .into()
}

fn unmatched(rejection: Rejection) -> Event {
    let order = id("o1");
    PaymentUnmatched { order, rejection }.into()
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    let come = [received("o1", 600, "CNY").into()];
    let table: [(&[Event], Command, Rejection); 7] = [
        (
            &come,
            Command::Receive(received("o2", 600, "CNY")),
            Rejection::PaymentReused,
        ),
        (
            &come,
            Command::Receive(received("o1", 601, "CNY")),
            Rejection::PaymentReused,
        ),
        (
            &come,
            Command::Receive(received("o1", 600, "USD")),
            Rejection::PaymentReused,
        ),
        (&[], refund(600), Rejection::UnknownPayment),
        (&come, refund(599), Rejection::RefundMismatch),
        (
            &come,
            Command::Refund {
                amount: 600,
                currency: id("USD"),
            },
            Rejection::RefundMismatch,
        ),
        (
            &[],
            Command::SetAside {
                rejection: Rejection::UnknownOrder,
            },
            Rejection::UnknownPayment,
        ),
    ];
    for (given, when, then) in &table {
        check_refused::<Payment>(KEY, given, when, *then);
    }
    table.map(|(.., refusal)| refusal).into()
}

#[test]
fn a_payment_counts_once_and_so_does_its_refund() {
    let told = received("o1", 600, "CNY");
    let come = Event::from(told.clone());
    check::<Payment>(
        KEY,
        &[],
        &Command::Receive(told.clone()),
        core::slice::from_ref(&come),
    );
    check::<Payment>(
        KEY,
        core::slice::from_ref(&come),
        &Command::Receive(told.clone()),
        &[],
    );
    check::<Payment>(KEY, core::slice::from_ref(&come), &refund(600), &[refunded()]);
    check::<Payment>(KEY, &[come.clone(), refunded()], &refund(600), &[]);
    check::<Payment>(KEY, &[come, refunded()], &Command::Receive(told), &[]);
}

#[test]
fn a_payment_that_fits_no_order_is_set_aside_once() {
    let come = Event::from(received("o1", 600, "CNY"));
    let rejection = Rejection::UnknownOrder;
    let aside = Command::SetAside { rejection };
    check::<Payment>(KEY, core::slice::from_ref(&come), &aside, &[unmatched(rejection)]);
    check::<Payment>(KEY, &[come, unmatched(rejection)], &aside, &[]);
}
