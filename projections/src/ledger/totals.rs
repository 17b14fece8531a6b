//! The books as a whole: what each kind of account holds together, what is still open, and a digest of every balance that
//! does not depend on how the fold was cut or on the numbers that users were given.

use domain::ledger::{Account, Asset};
use domain::streamer::WithdrawalState;
use serde::Serialize;

use super::accounts::Slot;
use super::{Break, Breaks, Ledger};
use crate::fact::position;
use crate::names::Names;

/// All accounts of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AccountTotal {
    /// Which kind, as in `coins`.
    pub account: &'static str,
    /// Of what.
    pub asset: Asset,
    /// What they hold together; negative where it came from.
    pub total: i128,
    /// How many of them hold anything.
    pub holders: u64,
}

/// A withdrawal under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenHold {
    /// Whose.
    pub user: String,
    /// Which.
    pub withdrawal: String,
    /// How many tickets it holds.
    pub tickets: u64,
    /// Where it stands.
    pub state: WithdrawalState,
    /// Sequence of the record that requested it.
    pub since: u64,
}

type Column = (Account<'static>, Asset, fn(&Slot) -> i64);

const COLUMNS: [Column; 5] = [
    (Account::Coins(""), Asset::Coin, |slot| slot.coins),
    (Account::Debt(""), Asset::Coin, |slot| slot.debt),
    (Account::InFlight(""), Asset::Ticket, |slot| slot.in_flight),
    (Account::Tickets(""), Asset::Ticket, |slot| slot.tickets),
    (Account::Held(""), Asset::Ticket, |slot| slot.held),
];

impl Ledger {
    /// Every kind of account for each asset it can hold, added up one by one.
    pub fn totals(&self) -> Vec<AccountTotal> {
        let house = &self.accounts.house;
        let provider_in = self.accounts.providers.iter().map(|p| p.coins);
        let mut totals = vec![total(&Account::ProviderIn(""), Asset::Coin, provider_in)];
        for (account, asset, of) in COLUMNS {
            let all = self.accounts.slots.iter().map(|slot| i128::from(of(slot)));
            totals.push(total(&account, asset, all));
        }
        for (account, asset, units) in [
            (Account::Adjustments, Asset::Coin, house.adjusted_coins),
            (Account::Adjustments, Asset::Ticket, house.adjusted_tickets),
            (Account::Exchange, Asset::Coin, house.exchange_coins),
            (Account::Exchange, Asset::Ticket, house.exchange_tickets),
            (Account::Payout, Asset::Ticket, house.payout),
            (Account::Fee, Asset::Ticket, house.fee),
        ] {
            totals.push(total(&account, asset, std::iter::once(units)));
        }
        totals
    }

    /// Withdrawals under way, the oldest first.
    pub fn open_holds(&self, names: &Names) -> Vec<OpenHold> {
        let mut open: Vec<_> = self.holds.open.iter().collect();
        open.sort_unstable_by_key(|(_, hold)| hold.since);
        let told = open.into_iter().map(|((user, id), hold)| OpenHold {
            user: names.text(*user).to_owned(),
            withdrawal: id.to_string(),
            tickets: hold.tickets,
            state: hold.state,
            since: position(hold.since).sequence,
        });
        told.collect()
    }

    /// A digest of every account that holds anything, of every withdrawal under way and of all volumes: the same for every
    /// fold of the same records.
    pub fn digest(&self, names: &Names) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut users: Vec<_> = (0u32..)
            .zip(&self.accounts.slots)
            .filter(|(_, slot)| slot.balances() != [0; 6])
            .map(|(user, slot)| (names.text(user), slot))
            .collect();
        users.sort_unstable_by_key(|(name, _)| *name);
        for (name, slot) in users {
            text(&mut hasher, name);
            for units in slot.balances() {
                hasher.update(&units.to_le_bytes());
            }
        }
        let mut providers: Vec<_> = self.accounts.providers.iter().collect();
        providers.sort_unstable_by(|a, b| a.provider.cmp(&b.provider));
        for from in providers {
            text(&mut hasher, from.provider.as_str());
            hasher.update(&from.coins.to_le_bytes());
        }
        for hold in self.open_holds(names) {
            text(&mut hasher, &hold.user);
            text(&mut hasher, &hold.withdrawal);
            text(&mut hasher, hold.state.word());
            hasher.update(&hold.tickets.to_le_bytes());
        }
        for word in self.volumes.words() {
            hasher.update(&word.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Checks that were made so far, by number of the invariant less one, and the first break of each.
    pub(crate) fn breaks(&self) -> &Breaks {
        &self.breaks
    }

    /// The first thing that does not add up.
    pub fn first_break(&self) -> Option<&Break> {
        self.breaks.kept.first.as_ref()
    }
}

impl Slot {
    fn balances(&self) -> [i64; 6] {
        let gifts = i64::from(self.gifts);
        [
            self.coins,
            self.debt,
            self.in_flight,
            self.tickets,
            self.held,
            gifts,
        ]
    }
}

fn total(account: &Account<'_>, asset: Asset, all: impl Iterator<Item = i128>) -> AccountTotal {
    let mut total = AccountTotal {
        account: account.word(),
        asset,
        total: 0,
        holders: 0,
    };
    for units in all.filter(|units| *units != 0) {
        total.total += units;
        total.holders += 1;
    }
    total
}

/// With its length in front, so that no two lists of texts read alike.
fn text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}
