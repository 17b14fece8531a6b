//! Coins and tickets of every user, and the sums over all of them by which conservation is checked.
//!
//! Never read to decide anything: the viewer's own state decides.

use domain::Event;

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// What one user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Coins to spend.
    pub coins: u64,
    /// Tickets earned and credited.
    pub tickets: u64,
    /// Place of the last event that changed either; 0 = never.
    pub changed: Place,
    /// Its server time, unix ms.
    pub changed_at_ms: i64,
}

/// Sums over the whole journal. `granted - taken - spent` is what all users have left; `credited` is what all have earned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Coins added by adjustments.
    pub granted: u64,
    /// Coins taken by adjustments.
    pub taken: u64,
    /// Coins spent on gifts.
    pub spent: u64,
    /// Tickets that gifts are worth, at the time of sending.
    pub earned: u64,
    /// Tickets that settlement has credited.
    pub credited: u64,
    /// `GiftSent` events.
    pub gifts: u64,
    /// Gifts that settlement has credited, in `GiftSent` events.
    pub gifts_credited: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    balance: Balance,
    unstored: bool,
}

/// The view `balances`.
#[derive(Debug, Default)]
pub struct BalancesView {
    slots: Vec<Slot>,
    unstored: Vec<Number>,
    sums: Sums,
    sums_unstored: bool,
}

const SUMS_KEY: &[u8] = b"sums of all";

impl BalancesView {
    /// Its name.
    pub const NAME: &'static str = "balances";

    /// What a user has; nothing, for one who was never seen.
    pub fn get(&self, user: Number) -> Balance {
        self.slots
            .get(user as usize)
            .map(|slot| slot.balance)
            .unwrap_or_default()
    }

    /// The sums over all users.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Coins and tickets of all users, added up one by one: must equal what [`Self::sums`] says.
    pub fn added_up(&self) -> (u128, u128) {
        let add = |sum: (u128, u128), slot: &Slot| {
            (
                sum.0 + u128::from(slot.balance.coins),
                sum.1 + u128::from(slot.balance.tickets),
            )
        };
        self.slots.iter().fold((0, 0), add)
    }

    /// Whose balance changed since the last flush.
    pub(crate) fn changed(&self) -> &[Number] {
        &self.unstored
    }

    fn change(&mut self, fact: &Fact<'_>) -> &mut Balance {
        let at = fact.who as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, Slot::default());
        }
        let slot = &mut self.slots[at];
        if !slot.unstored {
            slot.unstored = true;
            self.unstored.push(fact.who);
        }
        slot.balance.changed = fact.place;
        slot.balance.changed_at_ms = fact.at_ms;
        self.sums_unstored = true;
        &mut slot.balance
    }
}

impl Projection for BalancesView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::CoinsAdjusted(e) => {
                self.change(fact).coins = e.coins_left;
                let side = if e.amount > 0 {
                    &mut self.sums.granted
                } else {
                    &mut self.sums.taken
                };
                *side = side.saturating_add(e.amount.unsigned_abs());
            }
            Event::GiftSent(e) => {
                self.change(fact).coins = e.coins_left;
                self.sums.spent = self.sums.spent.saturating_add(e.coins);
                self.sums.earned = self.sums.earned.saturating_add(e.tickets);
                self.sums.gifts += 1;
            }
            Event::TicketsCredited(e) => {
                self.change(fact).tickets = e.tickets_total;
                self.sums.credited = self.sums.credited.saturating_add(e.tickets);
                self.sums.gifts_credited = self.sums.gifts_credited.saturating_add(e.gifts);
            }
            _ => {}
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "an entry cannot be read");
        if key == SUMS_KEY {
            let [granted, taken, spent, earned, credited, gifts, gifts_credited] =
                words(value).ok_or_else(bad)?;
            self.sums = Sums {
                granted,
                taken,
                spent,
                earned,
                credited,
                gifts,
                gifts_credited,
            };
            return Ok(());
        }
        let user = key.try_into().map(Number::from_be_bytes).map_err(|_| bad())?;
        let [coins, tickets, changed, at_ms] = words(value).ok_or_else(bad)?;
        let at = user as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, Slot::default());
        }
        self.slots[at].balance = Balance {
            coins,
            tickets,
            changed,
            changed_at_ms: at_ms as i64,
        };
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for user in self.unstored.drain(..) {
            let slot = &mut self.slots[user as usize];
            slot.unstored = false;
            let b = slot.balance;
            out.set(
                &user.to_be_bytes(),
                &bytes([b.coins, b.tickets, b.changed, b.changed_at_ms as u64]),
            );
        }
        if std::mem::take(&mut self.sums_unstored) {
            let s = self.sums;
            let words = [
                s.granted,
                s.taken,
                s.spent,
                s.earned,
                s.credited,
                s.gifts,
                s.gifts_credited,
            ];
            out.set(SUMS_KEY, &bytes(words));
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match key.try_into().map(Number::from_be_bytes) {
            Ok(user) if key != SUMS_KEY => format!("user {}", names.text(user)),
            _ => "the sums over all users".into(),
        }
    }
}

/// `N` numbers as stored: little-endian words.
fn words<const N: usize>(value: &[u8]) -> Option<[u64; N]> {
    let (chunks, []) = value.as_chunks::<8>() else {
        return None;
    };
    let chunks: &[[u8; 8]; N] = chunks.try_into().ok()?;
    Some(chunks.map(u64::from_le_bytes))
}

fn bytes<const N: usize>(words: [u64; N]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}
