//! One recharge: a user buys a pack of coins. Coins and price are fixed when it is created.
//!
//! What a user does on the page of a payment provider changes nothing here; only a payment that fits does. One that comes
//! after the order was cancelled is honoured: the money is there, and the user wanted coins for it.

use serde::{Deserialize, Serialize};

use crate::event::{OrderCancelled, OrderCreated, OrderPaid, OrderRefunded, PaymentReceived};
use crate::{
    Aggregate, Context, Currency, Decision, Event, PaymentId, ProviderName, Rejection, StreamKind, UserId,
};

/// What an order can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin.
    Create(OrderCreated),
    /// The user does not want it any more.
    Cancel {
        /// Who says so.
        user: UserId,
    },
    /// Take a payment. Sent by the cashier, not by clients.
    Pay(PaymentReceived),
    /// Its payment was given back. Sent by the cashier, not by clients.
    Refund {
        /// By whom.
        provider: ProviderName,
        /// Which payment.
        payment: PaymentId,
    },
}

/// What an order says when it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Created(OrderCreated),
    /// It is over.
    Cancelled,
    /// The payment is taken, now or before.
    Paid,
    /// The refund is taken, now or before.
    Refunded,
}

/// How far an order has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Created,
    Cancelled,
    Paid(ProviderName, PaymentId),
    Refunded(ProviderName, PaymentId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bought {
    user: UserId,
    coins: u64,
    price: u64,
    currency: Currency,
    stage: Stage,
}

/// The state of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order(Option<Bought>);

impl Order {
    fn cancel(&self, user: &UserId) -> Result<Decision<Answer>, Rejection> {
        let mine = self.0.as_ref().filter(|bought| bought.user == *user);
        match mine.ok_or(Rejection::UnknownOrder)?.stage {
            Stage::Created => Ok(Decision::happens(OrderCancelled { user: user.clone() })),
            Stage::Cancelled => Ok(Decision::Already(Answer::Cancelled)),
            Stage::Paid(..) | Stage::Refunded(..) => Err(Rejection::OrderClosed),
        }
    }

    fn pay(&self, payment: &PaymentReceived) -> Result<Decision<Answer>, Rejection> {
        let bought = self.0.as_ref().ok_or(Rejection::UnknownOrder)?;
        if bought.price != payment.amount || bought.currency != payment.currency {
            return Err(Rejection::PaymentMismatch);
        }
        let cancelled = match &bought.stage {
            Stage::Created => false,
            Stage::Cancelled => true,
            Stage::Paid(provider, id) | Stage::Refunded(provider, id) => {
                if (provider, id) != (&payment.provider, &payment.payment) {
                    return Err(Rejection::OrderPaidAlready);
                }
                return Ok(Decision::Already(Answer::Paid));
            }
        };
        Ok(Decision::happens(OrderPaid {
            user: bought.user.clone(),
            provider: payment.provider.clone(),
            payment: payment.payment.clone(),
            coins: bought.coins,
            cancelled,
        }))
    }

    fn refund(&self, provider: &ProviderName, payment: &PaymentId) -> Result<Decision<Answer>, Rejection> {
        let bought = self.0.as_ref().ok_or(Rejection::UnknownOrder)?;
        match &bought.stage {
            Stage::Paid(by, id) if (by, id) == (provider, payment) => Ok(Decision::happens(OrderRefunded {
                user: bought.user.clone(),
                provider: provider.clone(),
                payment: payment.clone(),
                coins: bought.coins,
            })),
            Stage::Refunded(by, id) if (by, id) == (provider, payment) => {
                Ok(Decision::Already(Answer::Refunded))
            }
            _ => Err(Rejection::OrderClosed),
        }
    }
}

impl Aggregate for Order {
    const KIND: StreamKind = StreamKind::Order;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self(None)
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::Create(_) if self.0.is_some() => Err(Rejection::OrderClosed),
            Command::Create(created) => Ok(Decision::happens(created.clone())),
            Command::Cancel { user } => self.cancel(user),
            Command::Pay(payment) => self.pay(payment),
            Command::Refund { provider, payment } => self.refund(provider, payment),
        }
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        match (event, &mut self.0) {
            (Event::OrderCreated(e), nothing) => {
                *nothing = Some(Bought {
                    user: e.user.clone(),
                    coins: e.coins,
                    price: e.price,
                    currency: e.currency.clone(),
                    stage: Stage::Created,
                });
            }
            (Event::OrderCancelled(_), Some(bought)) => bought.stage = Stage::Cancelled,
            (Event::OrderPaid(e), Some(bought)) => {
                bought.stage = Stage::Paid(e.provider.clone(), e.payment.clone());
            }
            (Event::OrderRefunded(e), Some(bought)) => {
                bought.stage = Stage::Refunded(e.provider.clone(), e.payment.clone());
            }
            _ => {}
        }
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        Ok(match event {
            Event::OrderCreated(e) => Answer::Created(e.clone()),
            Event::OrderCancelled(_) => Answer::Cancelled,
            Event::OrderPaid(_) => Answer::Paid,
            _ => Answer::Refunded,
        })
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
