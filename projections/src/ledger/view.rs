//! The ledger as a stored view: a row for each user, one for each provider and withdrawal, the sums, and what was broken.
//!
//! A row of a user is 32 bytes (coins, tickets, place and time of the last change), and 32 more for who has anything held,
//! in flight or owed. A withdrawal that is over leaves an empty row: its id is known for ever.

use super::holds::{Hold, Key};
use super::{Ledger, Sums};
use crate::Result;
use crate::fact::{Fact, Projection, damaged};
use crate::ledger::accounts::{House, ProviderIn, Slot};
use crate::limits::RECORDS_LOOKED_UP_AHEAD;
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

const SUMS_KEY: &[u8] = b"sums of all";
const HOUSE_KEY: &[u8] = b"the house";
const BREAKS_KEY: &[u8] = b"what is broken";
/// Longer than the key of a user, which is a number.
const PROVIDER: &[u8] = b"provider ";
const WITHDRAWAL: &[u8] = b"withdrawal ";
/// The row of a withdrawal that is over.
const OVER: &[u8] = b".";

impl Projection for Ledger {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        self.take(fact);
    }

    fn apply_all(&mut self, facts: &[Fact<'_>]) {
        for facts in facts.chunks(RECORDS_LOOKED_UP_AHEAD) {
            self.look_ahead(facts.iter().flat_map(|fact| [fact.who, fact.whom]));
            for fact in facts {
                self.take(fact);
            }
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.read(key, value)
            .ok_or_else(|| damaged(Self::NAME, "an entry cannot be read"))
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.write_accounts(out);
        for (key, hold) in self.holds.unstored.drain() {
            let row = match hold {
                Some(hold) => encode(&hold)?,
                None => OVER.to_vec(),
            };
            out.set(&withdrawal_key(&key), &row);
        }
        if std::mem::take(&mut self.breaks.unstored) {
            out.set(BREAKS_KEY, &encode(&self.breaks.kept)?);
        }
        if std::mem::take(&mut self.sums_unstored) {
            out.set(SUMS_KEY, &bytes(self.volumes.words()));
            out.set(HOUSE_KEY, &self.accounts.house.bytes());
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        if let Ok(user) = key.try_into().map(Number::from_be_bytes) {
            return format!("user {}", names.text(user));
        }
        match key {
            SUMS_KEY => "the sums over all users".into(),
            HOUSE_KEY => "the platform's own accounts".into(),
            BREAKS_KEY => "what does not add up".into(),
            other => String::from_utf8_lossy(other).into_owned(),
        }
    }
}

impl Ledger {
    fn write_accounts(&mut self, out: &mut Put<'_>) {
        let accounts = &mut self.accounts;
        for user in accounts.told.drain(..) {
            accounts.slots[user as usize].told = false;
        }
        for user in accounts.unstored.drain(..) {
            let slot = &mut accounts.slots[user as usize];
            slot.unstored = false;
            out.set(&user.to_be_bytes(), &slot.row());
        }
        for provider in accounts.providers.iter_mut().filter(|p| p.unstored) {
            provider.unstored = false;
            let key = [PROVIDER, provider.provider.as_str().as_bytes()].concat();
            out.set(&key, &provider.coins.to_le_bytes());
        }
    }

    fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Ok(user) = key.try_into().map(Number::from_be_bytes) {
            *self.accounts.slot(user) = Slot::of_row(value)?;
        } else if key == SUMS_KEY {
            self.volumes = Sums::of_words(words(value)?);
        } else if key == HOUSE_KEY {
            self.accounts.house = House::of_bytes(value)?;
        } else if key == BREAKS_KEY {
            self.breaks.kept = decode(value)?;
        } else if let Some(name) = key.strip_prefix(PROVIDER) {
            self.accounts.providers.push(ProviderIn {
                provider: std::str::from_utf8(name).ok()?.parse().ok()?,
                coins: i128::from_le_bytes(value.try_into().ok()?),
                unstored: false,
            });
        } else {
            let (user, id) = key.strip_prefix(WITHDRAWAL)?.split_first_chunk::<4>()?;
            let id = std::str::from_utf8(id).ok()?.parse().ok()?;
            let hold = if value == OVER {
                None
            } else {
                Some(decode::<Hold>(value)?)
            };
            self.holds.load((Number::from_be_bytes(*user), id), hold);
        }
        Some(())
    }
}

impl Slot {
    fn row(&self) -> Vec<u8> {
        let first = [self.coins, self.tickets, self.changed as i64, self.changed_at_ms];
        let more = [self.debt, self.held, self.in_flight, i64::from(self.gifts)];
        let mut row = bytes(first.map(|word| word as u64));
        if more != [0; 4] {
            row.extend(bytes(more.map(|word| word as u64)));
        }
        row
    }

    fn of_row(row: &[u8]) -> Option<Self> {
        let (first, more) = row.split_at_checked(32)?;
        let [coins, tickets, changed, changed_at_ms] = words(first)?;
        let [debt, held, in_flight, gifts] = if more.is_empty() { [0; 4] } else { words(more)? };
        Some(Self {
            coins: coins as i64,
            tickets: tickets as i64,
            changed,
            changed_at_ms: changed_at_ms as i64,
            debt: debt as i64,
            held: held as i64,
            in_flight: in_flight as i64,
            gifts: u32::try_from(gifts).ok()?,
            unstored: false,
            told: false,
        })
    }
}

impl House {
    fn bytes(&self) -> Vec<u8> {
        let all = [
            self.adjusted_coins,
            self.adjusted_tickets,
            self.exchange_coins,
            self.exchange_tickets,
            self.payout,
            self.fee,
        ];
        all.iter().flat_map(|units| units.to_le_bytes()).collect()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, []) = bytes.as_chunks::<16>() else {
            return None;
        };
        let chunks: &[[u8; 16]; 6] = chunks.try_into().ok()?;
        let [
            adjusted_coins,
            adjusted_tickets,
            exchange_coins,
            exchange_tickets,
            payout,
            fee,
        ] = chunks.map(i128::from_le_bytes);
        Some(Self {
            adjusted_coins,
            adjusted_tickets,
            exchange_coins,
            exchange_tickets,
            payout,
            fee,
        })
    }
}

fn withdrawal_key((user, id): &Key) -> Vec<u8> {
    [WITHDRAWAL, &user.to_be_bytes(), id.as_str().as_bytes()].concat()
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_extend(value, Vec::new()).map_err(|e| damaged(Ledger::NAME, &e.to_string()))
}

/// A value that takes all of the bytes.
fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
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
