//! The rules of orders and payments as plain lists, written a second time. What the cashier does between them it may do
//! at any time, but only what follows from what was told, and once.

use std::collections::BTreeMap;

use domain::event::{
    OrderCancelled, OrderCreated, OrderPaid, OrderRefunded, PaymentReceived, PaymentRefunded,
};
use domain::{Event, Rejection};

use crate::life::id;
use crate::model::{Seen, Verdict};
use crate::money::{PACKS, PROVIDER};
use crate::script::Body;

/// One order.
#[derive(Debug, Clone)]
pub struct Order {
    user: String,
    coins: u64,
    price: u64,
    created: u64,
    cancelled: bool,
    /// The payment that was taken, and where.
    paid: Option<(String, u64)>,
    /// Where its refund was taken.
    refunded: Option<u64>,
    credited: bool,
    taken_back: bool,
}

/// One payment.
#[derive(Debug, Clone)]
pub struct Payment {
    order: String,
    amount: u64,
    currency: String,
    received: u64,
    refunded: Option<u64>,
    set_aside: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Tills {
    orders: BTreeMap<String, Order>,
    payments: BTreeMap<String, Payment>,
    cursor: u64,
}

/// The provider's own name of a payment, of its key.
fn own(key: &str) -> &str {
    key.split_once('.').map_or("", |(_, payment)| payment)
}

impl Tills {
    /// What the rules make of what a user or a provider says.
    pub fn verdict(&self, key: &str, actor: &str, body: &Body) -> Verdict {
        match body {
            Body::Buy { .. } if self.orders.contains_key(key) => Err(Rejection::OrderClosed),
            Body::Buy { pack } => {
                let (pack, coins, price) = PACKS[*pack];
                let (user, currency) = (id(actor), id("CNY"));
                Ok(vec![
                    OrderCreated {
                        user,
                        pack: id(pack),
                        coins,
                        price,
                        currency,
                    }
                    .into(),
                ])
            }
            Body::CancelOrder => match self.orders.get(key).filter(|order| order.user == actor) {
                None => Err(Rejection::UnknownOrder),
                Some(order) if order.paid.is_some() => Err(Rejection::OrderClosed),
                Some(order) if order.cancelled => Ok(Vec::new()),
                Some(_) => Ok(vec![OrderCancelled { user: id(actor) }.into()]),
            },
            Body::PaymentTold {
                order,
                amount,
                currency,
            } => match self.payments.get(key) {
                None => Ok(vec![received(key, order, *amount, currency)]),
                Some(known)
                    if (&known.order, known.amount, &*known.currency) == (order, *amount, currency) =>
                {
                    Ok(Vec::new())
                }
                Some(_) => Err(Rejection::PaymentReused),
            },
            Body::RefundTold { amount, currency } => match self.payments.get(key) {
                None => Err(Rejection::UnknownPayment),
                Some(known) if (known.amount, &*known.currency) != (*amount, *currency) => {
                    Err(Rejection::RefundMismatch)
                }
                Some(known) if known.refunded.is_some() => Ok(Vec::new()),
                Some(known) => Ok(vec![refunded(key, known)]),
            },
            other => panic!("{other:?} is nothing for a till"),
        }
    }

    /// Checks what no client asked for: what providers said, and what the cashier made of it.
    pub fn check(&self, seen: &Seen) {
        let key = seen.key();
        let order = self.orders.get(key);
        match &seen.event {
            Event::PaymentReceived(_) => assert!(!self.payments.contains_key(key), "came twice: {seen:?}"),
            Event::PaymentRefunded(_) => {
                let known = self.payments.get(key).filter(|known| known.refunded.is_none());
                assert_eq!(
                    known.map(|known| refunded(key, known)).as_ref(),
                    Some(&seen.event),
                    "{seen:?}"
                );
            }
            Event::PaymentUnmatched(e) => {
                let payment = self.payments.get(key).filter(|known| !known.set_aside);
                let payment = payment.unwrap_or_else(|| panic!("nothing to set aside: {seen:?}"));
                assert_eq!(payment.order, e.order.as_str(), "{seen:?}");
                assert!(self.may_set_aside(key, payment, e.rejection), "it fits: {seen:?}");
            }
            Event::OrderPaid(e) => {
                let payment = &self.payments[&format!("{}.{}", e.provider, e.payment)];
                let order = order.unwrap_or_else(|| panic!("no such order: {seen:?}"));
                let fits = payment.order == key && !payment.set_aside && order.price == payment.amount;
                assert!(
                    fits && payment.currency == "CNY" && order.paid.is_none(),
                    "paid wrongly: {seen:?}"
                );
                let wanted = OrderPaid {
                    user: id(&order.user),
                    coins: order.coins,
                    cancelled: order.cancelled,
                    ..e.clone()
                };
                assert_eq!(wanted, *e, "{seen:?}");
            }
            Event::OrderRefunded(e) => {
                let payment = format!("{}.{}", e.provider, e.payment);
                let order = order.unwrap_or_else(|| panic!("no such order: {seen:?}"));
                let by = order.paid.as_ref().map(|(by, _)| by);
                let back = self.payments[&payment].refunded.is_some() && order.refunded.is_none();
                assert!(back && by == Some(&payment), "refunded wrongly: {seen:?}");
                let (user, coins) = (id(&order.user), order.coins);
                assert_eq!(
                    OrderRefunded {
                        user,
                        coins,
                        ..e.clone()
                    },
                    *e,
                    "{seen:?}"
                );
            }
            Event::ProcessAdvanced(e) if seen.stream == "process-cashier.0" => {
                assert!(e.upto > self.cursor && e.upto < seen.sequence, "{seen:?}");
                let open = self.open(e.upto);
                assert!(
                    open.is_empty(),
                    "the cashier's cursor passed what is to be done: {open:?}"
                );
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// The coins of an order that may be credited to this user now, once.
    pub fn to_credit(&self, order: &str, user: &str, payment: &str) -> Option<u64> {
        let order = self
            .orders
            .get(order)
            .filter(|order| order.user == user && !order.credited)?;
        let by = order.paid.as_ref().map(|(by, _)| own(by));
        (by == Some(payment)).then_some(order.coins)
    }

    /// The coins of an order that may be taken back from this user now, once.
    pub fn to_take_back(&self, order: &str, user: &str) -> Option<u64> {
        let order = self.orders.get(order).filter(|order| order.user == user)?;
        (order.refunded.is_some() && order.credited && !order.taken_back).then_some(order.coins)
    }

    /// Whether the order's refusal of a payment may have been so at a moment since it came.
    fn may_set_aside(&self, key: &str, payment: &Payment, rejection: Rejection) -> bool {
        let order = self.orders.get(&payment.order);
        match rejection {
            Rejection::UnknownOrder => order.is_none_or(|order| order.created > payment.received),
            Rejection::PaymentMismatch => {
                order.is_some_and(|order| order.price != payment.amount || payment.currency != "CNY")
            }
            Rejection::OrderPaidAlready => {
                order.is_some_and(|order| order.paid.as_ref().is_some_and(|(by, _)| by != key))
            }
            _ => false,
        }
    }

    /// What is told up to a place and not done yet.
    pub fn open(&self, upto: u64) -> Vec<String> {
        let mut open = Vec::new();
        for (key, payment) in &self.payments {
            let order = self.orders.get(&payment.order);
            let taken = order.is_some_and(|order| order.paid.as_ref().is_some_and(|(by, _)| by == key));
            if payment.received <= upto && !payment.set_aside && !taken {
                open.push(format!("the payment {key}"));
            }
            let back = order.is_some_and(|order| order.refunded.is_some());
            if payment.refunded.is_some_and(|at| at <= upto) && taken && !back {
                open.push(format!("the refund of {key}"));
            }
        }
        for (key, order) in &self.orders {
            if order.paid.as_ref().is_some_and(|(_, at)| *at <= upto) && !order.credited {
                open.push(format!("the coins of {key}"));
            }
            if order.refunded.is_some_and(|at| at <= upto) && !order.taken_back {
                open.push(format!("the coins back of {key}"));
            }
        }
        open
    }

    /// Takes an event, wherever it stands.
    pub fn apply(&mut self, seen: &Seen) {
        let (key, place) = (seen.key().to_owned(), seen.sequence);
        match &seen.event {
            Event::OrderCreated(e) => {
                let order = Order {
                    user: e.user.to_string(),
                    coins: e.coins,
                    price: e.price,
                    created: place,
                    cancelled: false,
                    paid: None,
                    refunded: None,
                    credited: false,
                    taken_back: false,
                };
                self.orders.insert(key, order);
            }
            Event::OrderCancelled(_) => self.order(&key).cancelled = true,
            Event::OrderPaid(e) => {
                self.order(&key).paid = Some((format!("{}.{}", e.provider, e.payment), place));
            }
            Event::OrderRefunded(_) => self.order(&key).refunded = Some(place),
            Event::CoinsRecharged(e) => self.order(e.order.as_str()).credited = true,
            Event::CoinsTakenBack(e) => self.order(e.order.as_str()).taken_back = true,
            Event::PaymentReceived(e) => {
                let payment = Payment {
                    order: e.order.to_string(),
                    amount: e.amount,
                    currency: e.currency.to_string(),
                    received: place,
                    refunded: None,
                    set_aside: false,
                };
                self.payments.insert(key, payment);
            }
            Event::PaymentRefunded(_) => self.payment(&key).refunded = Some(place),
            Event::PaymentUnmatched(_) => self.payment(&key).set_aside = true,
            Event::ProcessAdvanced(e) if seen.stream == "process-cashier.0" => self.cursor = e.upto,
            _ => {}
        }
    }

    fn order(&mut self, key: &str) -> &mut Order {
        self.orders
            .get_mut(key)
            .unwrap_or_else(|| panic!("no such order: {key}"))
    }

    fn payment(&mut self, key: &str) -> &mut Payment {
        self.payments
            .get_mut(key)
            .unwrap_or_else(|| panic!("no such payment: {key}"))
    }
}

/// What a provider's word of a payment becomes.
pub fn received(key: &str, order: &str, amount: u64, currency: &str) -> Event {
    PaymentReceived {
        provider: id(PROVIDER),
        payment: id(own(key)),
        order: id(order),
        amount,
        currency: id(currency),
    }
    .into()
}

fn refunded(key: &str, known: &Payment) -> Event {
    PaymentRefunded {
        provider: id(PROVIDER),
        payment: id(own(key)),
        order: id(&known.order),
        amount: known.amount,
        currency: id(&known.currency),
    }
    .into()
}
