//! Double entry: what every event does to the accounts. Balances, the history of a wallet, explanations and the audit all
//! come from here, and from nowhere else.
//!
//! The postings of one event sum to zero for each asset. Coins turn into tickets at one account, [`Account::Exchange`]: a
//! gift takes coins from its sender to there, and brings tickets from there to its streamer. A ticket that was given and
//! not yet credited is in flight. Amounts are signed; what people own is positive, and where it came from negative.

use serde::{Deserialize, Serialize};

use crate::Event;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asset {
    /// Bought and spent.
    Coin,
    /// Earned and paid out.
    Ticket,
}

/// Where coins and tickets are. Users are named by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Account<'a> {
    /// Coins that were bought through a payment provider come from here, and go back to here when they are refunded.
    ProviderIn(&'a str),
    /// What staff grant and take comes from here and goes here.
    Adjustments,
    /// Coins that a user can spend.
    Coins(&'a str),
    /// What a user owes after a refund of coins that were spent: never above zero.
    Debt(&'a str),
    /// Where coins become tickets.
    Exchange,
    /// Tickets that were given to a streamer and are not credited yet.
    InFlight(&'a str),
    /// Tickets that a streamer can withdraw.
    Tickets(&'a str),
    /// Tickets that withdrawals under way hold.
    Held(&'a str),
    /// Tickets that were paid out in money.
    Payout,
    /// What the platform kept of tickets that were paid out.
    Fee,
}

impl Account<'_> {
    /// Its name without the user's, as in `coins`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ProviderIn(_) => "provider_in",
            Self::Adjustments => "adjustments",
            Self::Coins(_) => "coins",
            Self::Debt(_) => "debt",
            Self::Exchange => "exchange",
            Self::InFlight(_) => "in_flight",
            Self::Tickets(_) => "tickets",
            Self::Held(_) => "held",
            Self::Payout => "payout",
            Self::Fee => "fee",
        }
    }

    /// Whose it is: a user, or a provider; none for the platform's own.
    pub const fn owner(&self) -> Option<&str> {
        match self {
            Self::ProviderIn(owner)
            | Self::Coins(owner)
            | Self::Debt(owner)
            | Self::InFlight(owner)
            | Self::Tickets(owner)
            | Self::Held(owner) => Some(owner),
            Self::Adjustments | Self::Exchange | Self::Payout | Self::Fee => None,
        }
    }

    /// Whether a balance is possible: what people own is never negative, a debt never positive.
    pub const fn allows(&self, balance: i128) -> bool {
        match self {
            Self::ProviderIn(_) | Self::Adjustments | Self::Exchange => true,
            Self::Debt(_) => balance <= 0,
            Self::Coins(_)
            | Self::InFlight(_)
            | Self::Tickets(_)
            | Self::Held(_)
            | Self::Payout
            | Self::Fee => balance >= 0,
        }
    }
}

/// One line of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Posting<'a> {
    /// Where.
    pub account: Account<'a>,
    /// What.
    pub asset: Asset,
    /// How much comes, or goes when negative.
    pub amount: i64,
}

/// Hands out the postings of an event in the stream of `key`: two or four, or none for one that moves nothing. The sums of
/// an event are below 2^53, so every amount fits.
pub fn postings<'a>(event: &'a Event, key: &'a str, post: impl FnMut(Posting<'a>)) {
    let mut entry = Entry(post);
    match event {
        Event::CoinsAdjusted(e) => entry.coin(Account::Adjustments, Account::Coins(key), e.amount),
        Event::CoinsRecharged(e) => {
            let from = Account::ProviderIn(e.provider.as_str());
            entry.coin(from, Account::Debt(key), amount(e.debt_paid));
            entry.coin(
                from,
                Account::Coins(key),
                amount(e.coins.saturating_sub(e.debt_paid)),
            );
        }
        Event::CoinsTakenBack(e) => {
            let to = Account::ProviderIn(e.provider.as_str());
            entry.coin(Account::Debt(key), to, amount(e.debt_added));
            entry.coin(
                Account::Coins(key),
                to,
                amount(e.coins.saturating_sub(e.debt_added)),
            );
        }
        Event::DebtForgiven(e) => entry.coin(Account::Adjustments, Account::Debt(key), amount(e.coins)),
        Event::GiftSent(e) => {
            let streamer = Account::InFlight(e.room.as_str());
            entry.coin(Account::Coins(key), Account::Exchange, amount(e.coins));
            entry.ticket(Account::Exchange, streamer, amount(e.tickets));
        }
        Event::TicketsCredited(e) => {
            entry.ticket(Account::InFlight(key), Account::Tickets(key), amount(e.tickets));
        }
        Event::TicketsAdjusted(e) => entry.ticket(Account::Adjustments, Account::Tickets(key), e.amount),
        Event::WithdrawalRequested(e) => {
            entry.ticket(Account::Tickets(key), Account::Held(key), amount(e.tickets));
        }
        Event::WithdrawalRejected(e) => {
            entry.ticket(Account::Held(key), Account::Tickets(key), amount(e.tickets));
        }
        Event::WithdrawalFailed(e) => {
            entry.ticket(Account::Held(key), Account::Tickets(key), amount(e.tickets));
        }
        Event::WithdrawalPaid(e) => {
            let paid = amount(e.tickets.saturating_sub(e.fee));
            entry.ticket(Account::Held(key), Account::Payout, paid);
            entry.ticket(Account::Held(key), Account::Fee, amount(e.fee));
        }
        _ => {}
    }
}

/// Hands out what an event in the stream of `key` says that accounts stand at after it: a debt as the positive number it
/// is told as, everything else as it is.
pub fn stated<'a>(event: &'a Event, key: &'a str, mut state: impl FnMut(Account<'a>, u64)) {
    match event {
        Event::CoinsAdjusted(e) => state(Account::Coins(key), e.coins_left),
        Event::GiftSent(e) => state(Account::Coins(key), e.coins_left),
        Event::ComboRepeated(e) => state(Account::Coins(key), e.coins_left),
        Event::CoinsRecharged(e) => {
            state(Account::Coins(key), e.coins_left);
            state(Account::Debt(key), e.debt_left);
        }
        Event::CoinsTakenBack(e) => {
            state(Account::Coins(key), e.coins_left);
            state(Account::Debt(key), e.debt_left);
        }
        Event::DebtForgiven(e) => state(Account::Debt(key), e.debt_left),
        Event::TicketsCredited(e) => state(Account::Tickets(key), e.tickets_total),
        Event::TicketsAdjusted(e) => state(Account::Tickets(key), e.tickets_left),
        Event::WithdrawalRequested(e) => {
            state(Account::Tickets(key), e.tickets_left);
            state(Account::Held(key), e.held_left);
        }
        Event::WithdrawalRejected(e) => {
            state(Account::Tickets(key), e.tickets_left);
            state(Account::Held(key), e.held_left);
        }
        Event::WithdrawalFailed(e) => {
            state(Account::Tickets(key), e.tickets_left);
            state(Account::Held(key), e.held_left);
        }
        Event::WithdrawalPaid(e) => state(Account::Held(key), e.held_left),
        _ => {}
    }
}

/// Amounts above 2^63 cannot be written by any decision; of a damaged event they would break a sum, which is seen.
fn amount(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

struct Entry<F>(F);

impl<'a, F: FnMut(Posting<'a>)> Entry<F> {
    fn coin(&mut self, from: Account<'a>, to: Account<'a>, amount: i64) {
        self.transfer(Asset::Coin, from, to, amount);
    }

    fn ticket(&mut self, from: Account<'a>, to: Account<'a>, amount: i64) {
        self.transfer(Asset::Ticket, from, to, amount);
    }

    fn transfer(&mut self, asset: Asset, from: Account<'a>, to: Account<'a>, amount: i64) {
        if amount == 0 {
            return;
        }
        (self.0)(Posting {
            account: from,
            asset,
            amount: amount.saturating_neg(),
        });
        (self.0)(Posting {
            account: to,
            asset,
            amount,
        });
    }
}

#[cfg(test)]
mod tests;
