//! What every account stands at: one row for each user, a few numbers for the platform's own. Only postings move it.

use domain::ProviderName;
use domain::ledger::{Account, Asset, Posting};

use crate::fact::{Fact, Place};
use crate::names::{NOBODY, Number};

/// The accounts of one user; one line of a processor's cache. Signed, so that a broken history shows what it came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Slot {
    pub(crate) coins: i64,
    pub(crate) tickets: i64,
    /// Place of the last event about coins, tickets, what is held or owed; 0 = none was.
    pub(crate) changed: Place,
    pub(crate) changed_at_ms: i64,
    /// At most 0.
    pub(crate) debt: i64,
    pub(crate) held: i64,
    pub(crate) in_flight: i64,
    /// Gifts whose tickets are in flight.
    pub(crate) gifts: u32,
    pub(crate) unstored: bool,
    /// Its owner is to be told.
    pub(crate) told: bool,
}

/// Coins that came from one provider: what went back to it counts against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderIn {
    pub(crate) provider: ProviderName,
    pub(crate) coins: i128,
    pub(crate) unstored: bool,
}

/// The platform's own accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct House {
    pub(crate) adjusted_coins: i128,
    pub(crate) adjusted_tickets: i128,
    pub(crate) exchange_coins: i128,
    pub(crate) exchange_tickets: i128,
    pub(crate) payout: i128,
    pub(crate) fee: i128,
}

/// All accounts. (In a posting the stream's own user is the empty text, which no id is.)
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    pub(crate) slots: Vec<Slot>,
    pub(crate) providers: Vec<ProviderIn>,
    pub(crate) house: House,
    /// Users whose row is to be stored, each once.
    pub(crate) unstored: Vec<Number>,
    /// Users who are to be told, each once.
    pub(crate) told: Vec<Number>,
}

impl Accounts {
    pub(crate) fn get(&self, user: Number) -> Slot {
        self.slots.get(user as usize).copied().unwrap_or_default()
    }

    /// The row of a user, made if it is not there.
    pub(crate) fn slot(&mut self, user: Number) -> &mut Slot {
        let at = user as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, Slot::default());
        }
        &mut self.slots[at]
    }

    /// The row of a user, to be changed.
    pub(crate) fn change(&mut self, user: Number) -> &mut Slot {
        if !self.slot(user).unstored {
            self.slots[user as usize].unstored = true;
            self.unstored.push(user);
        }
        &mut self.slots[user as usize]
    }

    /// Notes that an event said what its user has.
    pub(crate) fn tell(&mut self, fact: &Fact<'_>) {
        let slot = self.change(fact.who);
        (slot.changed, slot.changed_at_ms) = (fact.place, fact.at_ms);
        if !slot.told {
            slot.told = true;
            self.told.push(fact.who);
        }
    }

    /// Moves what one line of an entry says; says what the account stands at then.
    pub(crate) fn post(&mut self, fact: &Fact<'_>, posting: &Posting<'_>) -> i128 {
        let amount = posting.amount;
        if let Account::ProviderIn(provider) = posting.account {
            let from = self.provider(provider);
            from.coins += i128::from(amount);
            from.unstored = true;
            return from.coins;
        }
        if let Some(own) = self.house.account(&posting.account, posting.asset) {
            *own += i128::from(amount);
            return *own;
        }
        let user = match posting.account {
            Account::InFlight(owner) if !owner.is_empty() => fact.whom,
            _ => fact.who,
        };
        if user == NOBODY {
            return 0;
        }
        let Some(account) = self.change(user).account(&posting.account) else {
            return 0;
        };
        *account = account.saturating_add(amount);
        i128::from(*account)
    }

    fn provider(&mut self, name: &str) -> &mut ProviderIn {
        let known = self.providers.iter().position(|p| p.provider.as_str() == name);
        let at = known.unwrap_or_else(|| {
            // Whoever posts has the name from an event, where it was parsed.
            if let Ok(provider) = name.parse() {
                self.providers.push(ProviderIn {
                    provider,
                    coins: 0,
                    unstored: true,
                });
            }
            self.providers.len().saturating_sub(1)
        });
        &mut self.providers[at]
    }
}

impl Slot {
    /// A user's account of this kind.
    pub(crate) fn account(&mut self, account: &Account<'_>) -> Option<&mut i64> {
        Some(match account {
            Account::Coins(_) => &mut self.coins,
            Account::Debt(_) => &mut self.debt,
            Account::InFlight(_) => &mut self.in_flight,
            Account::Tickets(_) => &mut self.tickets,
            Account::Held(_) => &mut self.held,
            Account::ProviderIn(_)
            | Account::Adjustments
            | Account::Exchange
            | Account::Payout
            | Account::Fee => return None,
        })
    }
}

impl House {
    fn account(&mut self, account: &Account<'_>, asset: Asset) -> Option<&mut i128> {
        Some(match (account, asset) {
            (Account::Adjustments, Asset::Coin) => &mut self.adjusted_coins,
            (Account::Adjustments, Asset::Ticket) => &mut self.adjusted_tickets,
            (Account::Exchange, Asset::Coin) => &mut self.exchange_coins,
            (Account::Exchange, Asset::Ticket) => &mut self.exchange_tickets,
            (Account::Payout, _) => &mut self.payout,
            (Account::Fee, _) => &mut self.fee,
            _ => return None,
        })
    }
}
