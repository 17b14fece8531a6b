//! The ledger: what every account stands at, folded from `domain::ledger::postings` and nothing else, and checked on every
//! event. It is the view `balances`; the audit folds the same.
//!
//! Never read to decide anything: the actors' own states decide. A promise that an event breaks is noted with its
//! position; the fold then goes on from what the event says, as the actor did that wrote it.

mod accounts;
mod breaks;
mod holds;
mod stored;
mod totals;
mod view;
mod volumes;

#[cfg(test)]
mod tests;

use domain::Event;
use domain::event::EventType;
use domain::ledger::{Account, Asset, postings, stated};

pub use breaks::{Books, Break, INVARIANTS, Invariant};
pub use stored::{StoredLedger, stored_ledger};
pub use totals::{AccountTotal, OpenHold};
pub use volumes::Sums;

use crate::fact::{Fact, Place, position};
use crate::names::{NOBODY, Number};
use accounts::Accounts;
pub(crate) use breaks::Breaks;
use holds::Holds;

/// What one user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Coins to spend.
    pub coins: u64,
    /// Tickets that can be withdrawn.
    pub tickets: u64,
    /// Tickets that withdrawals under way hold.
    pub held: u64,
    /// Coins owed.
    pub debt: u64,
    /// Place of the last event that said any of it; 0 = never.
    pub changed: Place,
    /// Its server time, unix ms.
    pub changed_at_ms: i64,
}

/// The view `balances`: every account, the volumes, the holds, and whether all of it adds up.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Accounts,
    volumes: Sums,
    holds: Holds,
    pub(crate) breaks: Breaks,
    sums_unstored: bool,
}

impl Ledger {
    /// Its name.
    pub const NAME: &'static str = "balances";

    /// What a user has; nothing, for one who was never seen.
    pub fn get(&self, user: Number) -> Balance {
        let slot = self.accounts.get(user);
        let own = |units: i64| u64::try_from(units).unwrap_or(0);
        Balance {
            coins: own(slot.coins),
            tickets: own(slot.tickets),
            held: own(slot.held),
            debt: own(slot.debt.saturating_neg()),
            changed: slot.changed,
            changed_at_ms: slot.changed_at_ms,
        }
    }

    /// What ever was bought, spent, earned and paid.
    pub fn sums(&self) -> Sums {
        self.volumes
    }

    /// Coins and available tickets of all users, added up one by one: must equal what [`Self::sums`] says.
    pub fn added_up(&self) -> (u128, u128) {
        let own = |units: i64| u128::try_from(units).unwrap_or(0);
        let add =
            |sum: (u128, u128), slot: &accounts::Slot| (sum.0 + own(slot.coins), sum.1 + own(slot.tickets));
        self.accounts.slots.iter().fold((0, 0), add)
    }

    /// Whether everything that was folded adds up.
    pub fn books(&self) -> Books {
        let kept = &self.breaks.kept;
        match &kept.first {
            None => Books::Ok,
            Some(first) => Books::Broken {
                first: first.clone(),
                last: position(kept.last).sequence,
                records: kept.records,
            },
        }
    }

    /// Sequence of the last record that broke a promise; 0 = none did.
    pub fn last_break(&self) -> u64 {
        position(self.breaks.kept.last).sequence
    }

    /// How many records broke a promise.
    pub fn broken_records(&self) -> u64 {
        self.breaks.kept.records
    }

    /// Reads something of the rows of these users: the processor then fetches many of them at a time from memory, where the
    /// fold itself would wait for each. By profile those waits were a tenth of an audit.
    pub(crate) fn look_ahead(&self, users: impl Iterator<Item = Number>) {
        let row = |user: Number| self.accounts.slots.get(user as usize);
        let touched = users.fold(0, |touched, user| {
            touched ^ row(user).map_or(0, |slot| slot.changed)
        });
        std::hint::black_box(touched);
    }

    /// Whose balance changed since the last flush.
    pub(crate) fn changed(&self) -> &[Number] {
        &self.accounts.told
    }

    /// Folds one event.
    pub(crate) fn take(&mut self, fact: &Fact<'_>) {
        if !concerns(fact.event.event_type()) || fact.who == NOBODY {
            return;
        }
        let place = fact.place;
        if let Event::TicketsCredited(credit) = fact.event {
            self.check_credit(fact, credit.gifts, credit.tickets);
        }
        self.holds.apply(fact, &mut self.breaks);
        self.post(fact);
        self.state(fact);
        match fact.event {
            Event::GiftSent(_) => {
                let gifts = &mut self.accounts.change(fact.whom).gifts;
                *gifts = gifts.saturating_add(1);
            }
            Event::WithdrawalApproved(_) | Event::WithdrawalSubmitted(_) | Event::ComboRepeated(_) => return,
            _ => {}
        }
        self.accounts.tell(fact);
        let grown = self.volumes.add(fact.event);
        self.sums_unstored = true;
        self.breaks.check(Invariant::VolumesGrow, grown, place, || {
            "a sum over all users has no room for this amount".into()
        });
    }

    /// Posts the lines of the event's entry.
    fn post(&mut self, fact: &Fact<'_>) {
        let (mut coins, mut tickets) = (0i128, 0i128);
        let (mut paid, mut given) = (0i128, 0i128);
        let Self { accounts, breaks, .. } = self;
        postings(fact.event, "", |posting| {
            let amount = i128::from(posting.amount);
            match posting.asset {
                Asset::Coin => coins += amount,
                Asset::Ticket => tickets += amount,
            }
            match (&posting.account, posting.asset) {
                (Account::Exchange, Asset::Coin) => paid += amount,
                (Account::InFlight(_), _) => given += amount,
                _ => {}
            }
            let balance = accounts.post(fact, &posting);
            breaks.check(
                Invariant::NoNegative,
                posting.account.allows(balance),
                fact.place,
                || format!("{} would stand at {balance}", posting.account.word()),
            );
        });
        breaks.check(
            Invariant::Conservation,
            (coins, tickets) == (0, 0),
            fact.place,
            || format!("the entry leaves {coins} coins and {tickets} tickets over"),
        );
        if let Event::GiftSent(gift) = fact.event {
            let arrived = (paid, given) == (i128::from(gift.coins), i128::from(gift.tickets));
            breaks.check(Invariant::GiftsArrive, arrived, fact.place, || {
                format!(
                    "of {} coins {paid} arrived, of {} tickets {given} are in flight",
                    gift.coins, gift.tickets
                )
            });
        }
    }

    /// Compares what the event says with what was posted, and goes on from what it says.
    fn state(&mut self, fact: &Fact<'_>) {
        let Self { accounts, breaks, .. } = self;
        stated(fact.event, "", |account, told| {
            let told = i64::try_from(told).unwrap_or(i64::MAX);
            let told = if matches!(account, Account::Debt(_)) {
                -told
            } else {
                told
            };
            let Some(stands) = accounts.slot(fact.who).account(&account) else {
                return;
            };
            let posted = *stands;
            if posted != told {
                *stands = told;
                accounts.tell(fact);
            }
            breaks.check(Invariant::StatedIsPosted, posted == told, fact.place, || {
                format!("{} is said to be {told}, posted are {posted}", account.word())
            });
        });
    }

    /// A credit takes what is in flight, and nothing else.
    fn check_credit(&mut self, fact: &Fact<'_>, gifts: u64, tickets: u64) {
        let slot = self.accounts.change(fact.who);
        let (in_flight, waiting) = (slot.in_flight, slot.gifts);
        let left = i128::from(in_flight) - i128::from(tickets);
        let gifts_left = i128::from(waiting) - i128::from(gifts);
        let fits = left >= 0 && gifts_left >= 0 && (gifts_left > 0 || left == 0);
        slot.gifts = u32::try_from(gifts_left).unwrap_or(0);
        if !fits {
            // As if exactly these had been in flight, so that the next credit is judged by itself.
            slot.in_flight = i64::try_from(tickets).unwrap_or(i64::MAX);
        }
        self.breaks.check(Invariant::GiftsArrive, fits, fact.place, || {
            format!(
                "{gifts} gifts and {tickets} tickets are credited, in flight are {waiting} gifts and {in_flight} tickets"
            )
        });
    }
}

/// Whether events of a type post or say anything, or move a withdrawal.
pub(crate) const fn concerns(event: EventType) -> bool {
    matches!(
        event,
        EventType::GiftSent
            | EventType::ComboRepeated
            | EventType::TicketsCredited
            | EventType::CoinsAdjusted
            | EventType::CoinsRecharged
            | EventType::CoinsTakenBack
            | EventType::DebtForgiven
            | EventType::TicketsAdjusted
            | EventType::WithdrawalRequested
            | EventType::WithdrawalApproved
            | EventType::WithdrawalRejected
            | EventType::WithdrawalSubmitted
            | EventType::WithdrawalPaid
            | EventType::WithdrawalFailed
    )
}
