//! The events of money that comes in and goes out: orders, payments, recharges, corrections, withdrawals, prices.
//!
//! Each says what it does to the accounts it touches and what they stand at afterwards; `crate::ledger` turns it into
//! postings. Amounts of money are in minor units of their currency (fen, cents).

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::{
    Currency, Gift, GiftId, OrderId, PackId, PaymentId, ProviderName, Rejection, StaffId, UserId,
    WithdrawalId,
};

/// A recharge was credited: the debt first, the rest as coins. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinsRecharged {
    /// The order that was paid.
    pub order: OrderId,
    /// Who took the money.
    pub provider: ProviderName,
    /// The provider's name for the payment.
    pub payment: PaymentId,
    /// What was bought, in coins, at least 1.
    pub coins: u64,
    /// How much of it paid off debt.
    pub debt_paid: u64,
    /// The balance after it, in coins.
    pub coins_left: u64,
    /// The debt after it, in coins.
    pub debt_left: u64,
}

/// A recharge was refunded by its provider: its coins are gone, and what was spent already is owed. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinsTakenBack {
    /// The order that was refunded.
    pub order: OrderId,
    /// Who gave the money back.
    pub provider: ProviderName,
    /// What had been bought, in coins.
    pub coins: u64,
    /// How much of it was not there any more.
    pub debt_added: u64,
    /// The balance after it, in coins.
    pub coins_left: u64,
    /// The debt after it, in coins.
    pub debt_left: u64,
}

/// A debt was let go, by hand. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebtForgiven {
    /// How much of it, in coins, at least 1.
    pub coins: u64,
    /// The debt after it, in coins.
    pub debt_left: u64,
    /// Why, for people.
    pub reason: String,
}

/// Tickets were added or taken by hand: a correction. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketsAdjusted {
    /// Tickets added, or taken when negative; never 0.
    pub amount: i64,
    /// The available tickets after it.
    pub tickets_left: u64,
    /// Why, for people.
    pub reason: String,
}

/// A streamer wants tickets paid out: they are held from here on. Fee and rate are fixed. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRequested {
    /// Its id, for ever.
    pub withdrawal: WithdrawalId,
    /// How many tickets, fee included.
    pub tickets: u64,
    /// The platform's part of them, in tickets.
    pub fee: u64,
    /// What is paid for the rest, in minor units.
    pub pays: u64,
    /// In which currency.
    pub currency: Currency,
    /// Where to, as the payout provider understands it.
    pub account: String,
    /// How many of staff have to approve: 1 or 2.
    pub approvals_needed: u8,
    /// The available tickets after it.
    pub tickets_left: u64,
    /// The held tickets after it.
    pub held_left: u64,
}

/// A withdrawal was refused before it was decided on, because a rule forbids it. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRefused {
    /// Which rule.
    pub rejection: Rejection,
}

/// One of staff approved a withdrawal. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalApproved {
    /// Which.
    pub withdrawal: WithdrawalId,
    /// Who.
    pub by: StaffId,
    /// How many have approved, this one included.
    pub approvals: u8,
    /// How many have to.
    pub approvals_needed: u8,
}

/// One of staff turned a withdrawal down: its tickets are released. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRejected {
    /// Which.
    pub withdrawal: WithdrawalId,
    /// Its tickets.
    pub tickets: u64,
    /// Who.
    pub by: StaffId,
    /// Why, for people.
    pub reason: String,
    /// The available tickets after it.
    pub tickets_left: u64,
    /// The held tickets after it.
    pub held_left: u64,
}

/// A withdrawal is about to be given to a payout provider: from here on only the provider can say what came of it.
/// `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalSubmitted {
    /// Which; the provider knows it by the same id.
    pub withdrawal: WithdrawalId,
    /// Who pays it out.
    pub provider: ProviderName,
}

/// The provider said that it paid. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalPaid {
    /// Which.
    pub withdrawal: WithdrawalId,
    /// Its tickets, fee included.
    pub tickets: u64,
    /// The fee among them.
    pub fee: u64,
    /// The provider's name for the transfer.
    pub reference: String,
    /// The held tickets after it.
    pub held_left: u64,
}

/// The provider said that it did not and will not pay: the tickets are released. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalFailed {
    /// Which.
    pub withdrawal: WithdrawalId,
    /// Its tickets.
    pub tickets: u64,
    /// What the provider said, for people.
    pub reason: String,
    /// The available tickets after it.
    pub tickets_left: u64,
    /// The held tickets after it.
    pub held_left: u64,
}

/// A user wants to buy coins. Price and coins are fixed. `order` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCreated {
    /// Who buys.
    pub user: UserId,
    /// Which pack.
    pub pack: PackId,
    /// What it gives, in coins.
    pub coins: u64,
    /// What it costs, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
}

/// The user does not want it any more. `order` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// Whose it was.
    pub user: UserId,
}

/// A payment fits the order: its coins are owed to the user. `order` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPaid {
    /// Whose it is.
    pub user: UserId,
    /// Who took the money.
    pub provider: ProviderName,
    /// The provider's name for the payment.
    pub payment: PaymentId,
    /// What is owed, in coins.
    pub coins: u64,
    /// Whether the user had cancelled it before: what is paid is honoured.
    pub cancelled: bool,
}

/// The provider gave the money of the order back: its coins are to be taken. `order` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRefunded {
    /// Whose it was.
    pub user: UserId,
    /// Who gave the money back.
    pub provider: ProviderName,
    /// The payment that was given back.
    pub payment: PaymentId,
    /// What is to be taken, in coins.
    pub coins: u64,
}

/// A provider says that money has come in. `payment` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReceived {
    /// Who took it.
    pub provider: ProviderName,
    /// The provider's name for it.
    pub payment: PaymentId,
    /// What it is said to be for.
    pub order: OrderId,
    /// How much, in minor units.
    pub amount: u64,
    /// In which currency.
    pub currency: Currency,
}

/// A payment fits no order: nothing is credited, and staff have to look at it. `payment` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentUnmatched {
    /// What it was said to be for.
    pub order: OrderId,
    /// Why it does not fit.
    pub rejection: Rejection,
}

/// A provider says that it gave the money back. `payment` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// Who gave it back.
    pub provider: ProviderName,
    /// The payment.
    pub payment: PaymentId,
    /// What it was said to be for.
    pub order: OrderId,
    /// How much, in minor units: all of it.
    pub amount: u64,
    /// In which currency.
    pub currency: Currency,
}

/// A gift is on offer from here on, at this price. `catalogue` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftListed {
    /// What it is and what it costs.
    pub gift: Gift,
}

/// A gift is on offer no more. `catalogue` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftDelisted {
    /// Which.
    pub gift: GiftId,
}

/// A process of the platform has dealt with everything of a shard up to a position. `process` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessAdvanced {
    /// The shard that was read.
    pub shard: u16,
    /// The position up to which everything is dealt with.
    pub upto: u64,
}
