//! A viewer's coins beside the gifts: what is bought, given back, granted, corrected and owed.

use super::{Answer, Viewer};
use crate::event::{CoinsAdjusted, CoinsRecharged, CoinsTakenBack, DebtForgiven};
use crate::limits::{COINS_MAX, REASON_CHARS_MAX};
use crate::{Decision, OrderId, PaymentId, ProviderName, Rejection, text};

/// A paid order, as the cashier brings it. Which order it is makes it count once: it is the command's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recharge {
    /// Which order.
    pub order: OrderId,
    /// Who took the money.
    pub provider: ProviderName,
    /// The provider's name for the payment.
    pub payment: PaymentId,
    /// What was bought, in coins.
    pub coins: u64,
}

/// A refunded order, as the cashier brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeBack {
    /// Which order.
    pub order: OrderId,
    /// Who gave the money back.
    pub provider: ProviderName,
    /// What had been bought, in coins.
    pub coins: u64,
}

impl Viewer {
    pub(super) fn adjust(&self, amount: i64, reason: &str) -> Result<Decision<Answer>, Rejection> {
        let reason = text::clean(reason, REASON_CHARS_MAX)?;
        if amount == 0 {
            return Err(Rejection::BadAmount);
        }
        let coins_left = self
            .coins
            .checked_add_signed(amount)
            .ok_or(Rejection::BadAmount)?;
        if coins_left > COINS_MAX {
            return Err(Rejection::BalanceLimit);
        }
        Ok(Decision::happens(CoinsAdjusted {
            amount,
            coins_left,
            reason,
        }))
    }

    /// A recharge pays off debt first.
    pub(super) fn recharge(&self, recharge: &Recharge) -> Result<Decision<Answer>, Rejection> {
        let debt_paid = recharge.coins.min(self.debt);
        let coins_left = self
            .coins
            .checked_add(recharge.coins - debt_paid)
            .filter(|coins| *coins <= COINS_MAX)
            .ok_or(Rejection::BalanceLimit)?;
        Ok(Decision::happens(CoinsRecharged {
            order: recharge.order.clone(),
            provider: recharge.provider.clone(),
            payment: recharge.payment.clone(),
            coins: recharge.coins,
            debt_paid,
            coins_left,
            debt_left: self.debt - debt_paid,
        }))
    }

    /// What was spent already becomes debt: a refund is never refused for want of coins.
    pub(super) fn take_back(&self, back: &TakeBack) -> Result<Decision<Answer>, Rejection> {
        let debt_added = back.coins.saturating_sub(self.coins);
        let debt_left = self
            .debt
            .checked_add(debt_added)
            .filter(|debt| *debt <= COINS_MAX)
            .ok_or(Rejection::BalanceLimit)?;
        Ok(Decision::happens(CoinsTakenBack {
            order: back.order.clone(),
            provider: back.provider.clone(),
            coins: back.coins,
            debt_added,
            coins_left: self.coins.saturating_sub(back.coins),
            debt_left,
        }))
    }

    pub(super) fn forgive(&self, coins: u64, reason: &str) -> Result<Decision<Answer>, Rejection> {
        let reason = text::clean(reason, REASON_CHARS_MAX)?;
        if coins == 0 || coins > self.debt {
            return Err(Rejection::BadDebt);
        }
        Ok(Decision::happens(DebtForgiven {
            coins,
            debt_left: self.debt - coins,
            reason,
        }))
    }
}
