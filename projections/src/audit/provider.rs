//! What came in through payment providers: every recharge stands on an order that was paid by a payment of its price, once,
//! and every coin that was taken back on a payment that was given back.

use std::collections::HashMap;

use domain::event::{CoinsRecharged, CoinsTakenBack, OrderPaid, OrderRefunded, PaymentRefunded};
use domain::ids::payment_key;
use domain::{Currency, Event, OrderId, PaymentId, ProviderName};
use foldhash::fast::FixedState;

use super::report::Owed;
use crate::names::{Names, Number};

#[derive(Debug)]
struct Order {
    user: Number,
    coins: u64,
    price: u64,
    currency: Currency,
    /// The payment, and the sequence of the record that says so.
    paid: Option<(Number, u64)>,
    refunded: Option<u64>,
    recharged: bool,
    taken_back: bool,
}

#[derive(Debug)]
struct Payment {
    order: OrderId,
    amount: u64,
    currency: Currency,
    refunded: bool,
}

/// See the module. Orders and payments are known by the numbers of their streams' keys.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    orders: HashMap<Number, Order, FixedState>,
    payments: HashMap<Number, Payment, FixedState>,
}

/// What is wrong, and whether the event was one to look at.
pub(crate) type Looked = Option<Result<(), String>>;

impl Provider {
    /// Takes an event of the stream whose key has this number, at this sequence; the second number is the user's of an order
    /// that is made.
    pub(crate) fn take(
        &mut self,
        (key, user): (Number, Number),
        sequence: u64,
        event: &Event,
        names: &Names,
    ) -> Looked {
        let looked = match event {
            Event::OrderCreated(e) => {
                let order = Order {
                    user,
                    coins: e.coins,
                    price: e.price,
                    currency: e.currency.clone(),
                    paid: None,
                    refunded: None,
                    recharged: false,
                    taken_back: false,
                };
                self.orders.insert(key, order);
                return None;
            }
            Event::PaymentReceived(e) => {
                let payment = Payment {
                    order: e.order.clone(),
                    amount: e.amount,
                    currency: e.currency.clone(),
                    refunded: false,
                };
                match self.payments.insert(key, payment) {
                    None => Ok(()),
                    Some(_) => Err("this payment was received before".to_owned()),
                }
            }
            Event::OrderPaid(e) => self.pay(key, sequence, e, names),
            Event::PaymentRefunded(e) => self.give_back(key, e),
            Event::OrderRefunded(e) => self.refund(key, sequence, e, names),
            Event::CoinsRecharged(e) => self.recharge(key, e, names),
            Event::CoinsTakenBack(e) => self.take_back(key, e, names),
            _ => return None,
        };
        Some(looked)
    }

    fn pay(&mut self, key: Number, sequence: u64, e: &OrderPaid, names: &Names) -> Result<(), String> {
        let order = self.orders.get_mut(&key).ok_or("this order was never created")?;
        let number = payment(&e.provider, &e.payment, names);
        let paid = number.and_then(|number| self.payments.get(&number).map(|payment| (number, payment)));
        let (number, payment) =
            paid.ok_or_else(|| format!("payment {} of {} never came", e.payment, e.provider))?;
        must(order.paid.is_none(), || "this order was paid before".into())?;
        order.paid = Some((number, sequence));
        must(names.number(payment.order.as_str()) == Some(key), || {
            format!("payment {} was for order {}", e.payment, payment.order)
        })?;
        must(
            (payment.amount, &payment.currency) == (order.price, &order.currency),
            || {
                format!(
                    "{} {} came, the price is {} {}",
                    payment.amount, payment.currency, order.price, order.currency
                )
            },
        )?;
        let same = names.number(e.user.as_str()) == Some(order.user) && e.coins == order.coins;
        must(same, || {
            format!(
                "{} coins for {}, ordered were {} for {}",
                e.coins,
                e.user,
                order.coins,
                names.text(order.user)
            )
        })
    }

    fn give_back(&mut self, key: Number, e: &PaymentRefunded) -> Result<(), String> {
        let payment = self.payments.get_mut(&key).ok_or("this payment never came")?;
        must(!payment.refunded, || "this payment was refunded before".into())?;
        payment.refunded = true;
        must(
            (e.amount, &e.currency) == (payment.amount, &payment.currency),
            || {
                format!(
                    "{} {} went back of {} {}",
                    e.amount, e.currency, payment.amount, payment.currency
                )
            },
        )
    }

    fn refund(&mut self, key: Number, sequence: u64, e: &OrderRefunded, names: &Names) -> Result<(), String> {
        let order = self.orders.get_mut(&key).ok_or("this order was never created")?;
        must(order.refunded.is_none(), || {
            "this order was refunded before".into()
        })?;
        order.refunded = Some(sequence);
        let number = payment(&e.provider, &e.payment, names);
        must(
            number.is_some() && number == order.paid.map(|(number, _)| number),
            || format!("it was not paid by payment {} of {}", e.payment, e.provider),
        )?;
        let payment = number.and_then(|number| self.payments.get(&number));
        must(payment.is_some_and(|payment| payment.refunded), || {
            format!("payment {} was not refunded", e.payment)
        })
    }

    fn recharge(&mut self, who: Number, e: &CoinsRecharged, names: &Names) -> Result<(), String> {
        let order = self.order(&e.order, names)?;
        must(!order.recharged, || {
            format!("order {} was credited before", e.order)
        })?;
        order.recharged = true;
        let number = payment(&e.provider, &e.payment, names);
        must(
            number.is_some() && number == order.paid.map(|(number, _)| number),
            || {
                format!(
                    "order {} was not paid by payment {} of {}",
                    e.order, e.payment, e.provider
                )
            },
        )?;
        must((order.user, order.coins) == (who, e.coins), || {
            format!(
                "{} coins are credited, order {} is for {} coins of {}",
                e.coins,
                e.order,
                order.coins,
                names.text(order.user)
            )
        })
    }

    fn take_back(&mut self, who: Number, e: &CoinsTakenBack, names: &Names) -> Result<(), String> {
        let order = self.order(&e.order, names)?;
        must(!order.taken_back, || {
            format!("the coins of order {} were taken back before", e.order)
        })?;
        order.taken_back = true;
        must(order.refunded.is_some(), || {
            format!("order {} was not refunded", e.order)
        })?;
        must((order.user, order.coins) == (who, e.coins), || {
            format!(
                "{} coins are taken back, order {} was for {} coins of {}",
                e.coins,
                e.order,
                order.coins,
                names.text(order.user)
            )
        })
    }

    fn order(&mut self, id: &OrderId, names: &Names) -> Result<&mut Order, String> {
        names
            .number(id.as_str())
            .and_then(|number| self.orders.get_mut(&number))
            .ok_or_else(|| format!("order {id} was never created"))
    }

    /// Orders that are paid and not credited, and those that are refunded and not taken back; the oldest first.
    pub(crate) fn open(&self, names: &Names) -> (Vec<Owed>, Vec<Owed>) {
        let (mut owed, mut due) = (Vec::new(), Vec::new());
        for (number, order) in &self.orders {
            let entry = |since| Owed {
                order: names.text(*number).to_owned(),
                user: names.text(order.user).to_owned(),
                coins: order.coins,
                since,
            };
            match (order.paid, order.refunded) {
                (_, Some(since)) if !order.taken_back => due.push(entry(since)),
                (Some((_, since)), None) if !order.recharged => owed.push(entry(since)),
                _ => {}
            }
        }
        owed.sort_unstable_by_key(|entry| entry.since);
        due.sort_unstable_by_key(|entry| entry.since);
        (owed, due)
    }
}

fn payment(provider: &ProviderName, payment: &PaymentId, names: &Names) -> Option<Number> {
    names.number(payment_key(provider, payment).as_str())
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
