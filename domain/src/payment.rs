//! One payment of one provider. Its stream is what makes (provider, payment id) count once, for ever: the first word of a
//! payment is written here before anything is done about it.

use serde::{Deserialize, Serialize};

use crate::event::{PaymentReceived, PaymentRefunded, PaymentUnmatched};
use crate::{
    Aggregate, Context, Currency, Decision, Event, OrderId, PaymentId, ProviderName, Rejection, StreamKind,
    UserId,
};

/// What can be told of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The money has come in.
    Receive(PaymentReceived),
    /// The whole of it was given back.
    Refund {
        /// How much, in minor units.
        amount: u64,
        /// In which currency.
        currency: Currency,
    },
    /// It fits no order. Said by the cashier, not by providers.
    SetAside {
        /// Why not.
        rejection: Rejection,
    },
}

/// What is said of what was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is noted, now or before.
    Noted,
}

/// Everything that is known of a payment that has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    provider: ProviderName,
    payment: PaymentId,
    order: OrderId,
    amount: u64,
    currency: Currency,
    refunded: bool,
    set_aside: bool,
}

/// The state of one payment; its key is [`crate::ids::payment_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment(Option<Known>);

impl Payment {
    /// Whether it fitted no order and was set aside for staff.
    pub fn is_set_aside(&self) -> bool {
        self.0.as_ref().is_some_and(|known| known.set_aside)
    }

    fn receive(&self, told: &PaymentReceived) -> Result<Decision<Answer>, Rejection> {
        let Some(known) = &self.0 else {
            return Ok(Decision::happens(told.clone()));
        };
        let same =
            known.order == told.order && known.amount == told.amount && known.currency == told.currency;
        if !same {
            return Err(Rejection::PaymentReused);
        }
        Ok(Decision::Already(Answer::Noted))
    }

    fn refund(&self, amount: u64, currency: &Currency) -> Result<Decision<Answer>, Rejection> {
        let known = self.0.as_ref().ok_or(Rejection::UnknownPayment)?;
        if known.amount != amount || known.currency != *currency {
            return Err(Rejection::RefundMismatch);
        }
        if known.refunded {
            return Ok(Decision::Already(Answer::Noted));
        }
        Ok(Decision::happens(PaymentRefunded {
            provider: known.provider.clone(),
            payment: known.payment.clone(),
            order: known.order.clone(),
            amount,
            currency: currency.clone(),
        }))
    }

    fn set_aside(&self, rejection: Rejection) -> Result<Decision<Answer>, Rejection> {
        let known = self.0.as_ref().ok_or(Rejection::UnknownPayment)?;
        if known.set_aside {
            return Ok(Decision::Already(Answer::Noted));
        }
        Ok(Decision::happens(PaymentUnmatched {
            order: known.order.clone(),
            rejection,
        }))
    }
}

impl Aggregate for Payment {
    const KIND: StreamKind = StreamKind::Payment;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self(None)
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::Receive(told) => self.receive(told),
            Command::Refund { amount, currency } => self.refund(*amount, currency),
            Command::SetAside { rejection } => self.set_aside(*rejection),
        }
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        match (event, &mut self.0) {
            (Event::PaymentReceived(e), unknown) => {
                *unknown = Some(Known {
                    provider: e.provider.clone(),
                    payment: e.payment.clone(),
                    order: e.order.clone(),
                    amount: e.amount,
                    currency: e.currency.clone(),
                    refunded: false,
                    set_aside: false,
                });
            }
            (Event::PaymentRefunded(_), Some(known)) => known.refunded = true,
            (Event::PaymentUnmatched(_), Some(known)) => known.set_aside = true,
            _ => {}
        }
    }

    fn answer(_: &Event) -> Result<Answer, Rejection> {
        Ok(Answer::Noted)
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
