//! Withdrawals: a user's own, newest first; those under way by state, oldest first, for staff and for whoever pays them
//! out; those that are over by state, the one that ended last first.
//!
//! In memory are only those under way. It says where to look, never what may be done: the streamer's own state decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, ControlFlow};

use domain::streamer::WithdrawalState;
use domain::{Currency, Event, ProviderName, StaffId, UserId, WithdrawalId};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged, position};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

mod asked;

/// One withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Its id.
    pub withdrawal: WithdrawalId,
    /// How many tickets, fee included.
    pub tickets: u64,
    /// The fee among them.
    pub fee: u64,
    /// What is paid, in minor units.
    pub pays: u64,
    /// In which money.
    pub currency: Currency,
    /// Where to.
    pub account: String,
    /// Where it stands.
    pub state: WithdrawalState,
    /// How many of staff have to approve.
    pub approvals_needed: u8,
    /// Who of staff did.
    pub approved_by: Vec<StaffId>,
    /// Who turned it down.
    pub rejected_by: Option<StaffId>,
    /// Who pays it out, once it may have it.
    pub provider: Option<ProviderName>,
    /// Why it was rejected, or what the provider said when it failed.
    pub reason: Option<String>,
    /// The provider's name for the transfer, once it is paid.
    pub reference: Option<String>,
    /// When it was requested, unix ms.
    pub since_ms: i64,
    /// Place of its last event.
    pub changed: Place,
    /// The server time of that, unix ms.
    pub changed_at_ms: i64,
}

impl Withdrawal {
    /// How many of staff have approved.
    pub fn approvals(&self) -> u8 {
        self.approved_by.len() as u8
    }
}

/// A withdrawal and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Whose.
    pub user: UserId,
    /// What.
    pub withdrawal: Withdrawal,
}

/// A withdrawal by its user and the place of its request.
type Key = (Number, Reverse<Place>);

#[derive(Debug)]
struct Kept {
    withdrawal: Withdrawal,
    unstored: bool,
}

/// Something that happened to a withdrawal: small, because catching up gathers many and tells none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    key: Key,
    place: Place,
    at_ms: i64,
    state: WithdrawalState,
    approvals: u8,
}

/// The view `withdrawals`.
#[derive(Debug, Default)]
pub struct WithdrawalsView {
    /// Those under way, and those that ended and may not have reached the store yet.
    kept: BTreeMap<Key, Kept>,
    /// Those under way.
    by_id: HashMap<(Number, WithdrawalId), Key, foldhash::fast::RandomState>,
    /// Those under way, by state and request.
    under_way: BTreeSet<(WithdrawalState, Place, Number)>,
    unstored: Vec<Key>,
    /// They ended, and were handed out by the last flush: once there is another one, they are in the store.
    over: Vec<Key>,
    steps: Vec<Step>,
}

/// Those that are over; by user, newest first.
const OVER: u8 = 1;
/// The same by state, the one that ended last first.
const ENDED: u8 = 2;
/// Those under way: all that opening has to read.
const UNDER_WAY: u8 = 3;

impl WithdrawalsView {
    /// Its name.
    pub const NAME: &'static str = "withdrawals";

    /// How many are under way in a state.
    pub fn count(&self, state: WithdrawalState) -> usize {
        self.in_state(state, 0).count()
    }

    /// When the one that has been under way for longest was requested, unix ms.
    pub fn oldest_since_ms(&self) -> Option<i64> {
        let states = WithdrawalState::ALL.into_iter();
        let first = |state| {
            let (place, user) = self.in_state(state, 0).next()?;
            Some(self.kept.get(&(user, Reverse(place)))?.withdrawal.since_ms)
        };
        states.filter_map(first).min()
    }

    fn in_state(&self, state: WithdrawalState, after: Place) -> impl Iterator<Item = (Place, Number)> {
        let from = Bound::Excluded((state, after, Number::MAX));
        let to = Bound::Included((state, Place::MAX, Number::MAX));
        let found = self.under_way.range((from, to));
        found.map(|(_, place, user)| (*place, *user))
    }

    /// What happened behind a sequence since this was asked last; forgets the rest.
    pub(crate) fn take_steps(&mut self, after: u64) -> Vec<Step> {
        let mut steps = std::mem::take(&mut self.steps);
        steps.retain(|step| position(step.place).sequence > after);
        steps
    }

    fn of_user(
        &self,
        user: Number,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<BTreeMap<Reverse<Place>, Withdrawal>> {
        let mut found = BTreeMap::new();
        let behind = behind.unwrap_or(Place::MAX);
        let (from, to) = (over_key((user, Reverse(behind))), over_key((user, Reverse(0))));
        stored.scan(Bound::Excluded(&from), Bound::Included(&to), &mut |key, value| {
            let (_, key) = read_key(key)?;
            found.insert(key.1, read(value)?);
            Ok(if found.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        let range = (
            Bound::Excluded((user, Reverse(behind))),
            Bound::Included((user, Reverse(0))),
        );
        for ((_, requested), kept) in self.kept.range(range).take(limit) {
            found.insert(*requested, kept.withdrawal.clone());
        }
        Ok(found)
    }

    /// Those that ended in a state, the one that ended last first, with the place of their end.
    fn ended(
        &self,
        state: WithdrawalState,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<BTreeMap<Reverse<Place>, (Number, Withdrawal)>> {
        let mut found = BTreeMap::new();
        let behind = behind.unwrap_or(Place::MAX);
        let (from, to) = (ended_key(state, behind), ended_key(state, 0));
        let mut keys = Vec::new();
        stored.scan(Bound::Excluded(&from), Bound::Included(&to), &mut |_, key| {
            keys.push(key.to_vec());
            Ok(if keys.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        // Only now: a store may not be asked while it is being read.
        for key in keys {
            if let Some(value) = stored.get(&key)? {
                let (_, (user, _)) = read_key(&key)?;
                let withdrawal = read(&value)?;
                found.insert(Reverse(withdrawal.changed), (user, withdrawal));
            }
        }
        for key in self.over.iter().chain(&self.unstored) {
            let Some(Kept { withdrawal, .. }) = self.kept.get(key) else {
                continue;
            };
            if withdrawal.state == state && withdrawal.changed < behind {
                found.insert(Reverse(withdrawal.changed), (key.0, withdrawal.clone()));
            }
        }
        Ok(found)
    }

    fn begin(&mut self, key: Key, withdrawal: Withdrawal, unstored: bool) {
        self.by_id.insert((key.0, withdrawal.withdrawal.clone()), key);
        self.under_way.insert((withdrawal.state, key.1.0, key.0));
        self.kept.insert(key, Kept { withdrawal, unstored });
        if unstored {
            self.unstored.push(key);
        }
    }

    fn step(&mut self, fact: &Fact<'_>, id: &WithdrawalId, change: impl FnOnce(&mut Withdrawal)) {
        let Some(&key) = self.by_id.get(&(fact.who, id.clone())) else {
            return;
        };
        let (Some(kept), Some(state)) = (self.kept.get_mut(&key), WithdrawalState::after(fact.event)) else {
            return;
        };
        let withdrawal = &mut kept.withdrawal;
        self.under_way.remove(&(withdrawal.state, key.1.0, key.0));
        change(withdrawal);
        withdrawal.state = state;
        withdrawal.changed = fact.place;
        withdrawal.changed_at_ms = fact.at_ms;
        let approvals = withdrawal.approvals();
        if !std::mem::replace(&mut kept.unstored, true) {
            self.unstored.push(key);
        }
        if state.is_over() {
            self.by_id.remove(&(fact.who, id.clone()));
        } else {
            self.under_way.insert((state, key.1.0, key.0));
        }
        self.told(key, fact, state, approvals);
    }

    fn told(&mut self, key: Key, fact: &Fact<'_>, state: WithdrawalState, approvals: u8) {
        self.steps.push(Step {
            key,
            place: fact.place,
            at_ms: fact.at_ms,
            state,
            approvals,
        });
    }
}

impl Projection for WithdrawalsView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::WithdrawalRequested(e) => {
                let key = (fact.who, Reverse(fact.place));
                let withdrawal = Withdrawal {
                    withdrawal: e.withdrawal.clone(),
                    tickets: e.tickets,
                    fee: e.fee,
                    pays: e.pays,
                    currency: e.currency.clone(),
                    account: e.account.clone(),
                    state: WithdrawalState::Requested,
                    approvals_needed: e.approvals_needed,
                    approved_by: Vec::new(),
                    rejected_by: None,
                    provider: None,
                    reason: None,
                    reference: None,
                    since_ms: fact.at_ms,
                    changed: fact.place,
                    changed_at_ms: fact.at_ms,
                };
                self.begin(key, withdrawal, true);
                self.told(key, fact, WithdrawalState::Requested, 0);
            }
            Event::WithdrawalApproved(e) => {
                self.step(fact, &e.withdrawal, |w| w.approved_by.push(e.by.clone()));
            }
            Event::WithdrawalSubmitted(e) => {
                self.step(fact, &e.withdrawal, |w| w.provider = Some(e.provider.clone()));
            }
            Event::WithdrawalPaid(e) => {
                self.step(fact, &e.withdrawal, |w| w.reference = Some(e.reference.clone()));
            }
            Event::WithdrawalRejected(e) => self.step(fact, &e.withdrawal, |w| {
                w.rejected_by = Some(e.by.clone());
                w.reason = Some(e.reason.clone());
            }),
            Event::WithdrawalFailed(e) => {
                self.step(fact, &e.withdrawal, |w| w.reason = Some(e.reason.clone()));
            }
            _ => {}
        }
    }

    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(vec![UNDER_WAY])
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if let (UNDER_WAY, key) = read_key(key)? {
            self.begin(key, read(value)?, false);
        }
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.steps.clear();
        for key in self.over.drain(..) {
            self.kept.remove(&key);
        }
        for key in self.unstored.drain(..) {
            let Some(kept) = self.kept.get_mut(&key) else {
                continue;
            };
            kept.unstored = false;
            let withdrawal = &kept.withdrawal;
            let value = postcard::to_allocvec(withdrawal)
                .map_err(|_| damaged(Self::NAME, "a withdrawal cannot be written"))?;
            if withdrawal.state.is_over() {
                out.remove(&under_way_key(key));
                out.set(&over_key(key), &value);
                out.set(&ended_key(withdrawal.state, withdrawal.changed), &over_key(key));
                self.over.push(key);
            } else {
                out.set(&under_way_key(key), &value);
            }
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match read_key(key) {
            Ok((UNDER_WAY | OVER, (user, Reverse(place)))) => {
                format!(
                    "withdrawal of {} requested at {}",
                    names.text(user),
                    position(place)
                )
            }
            _ => format!("key {key:02x?}"),
        }
    }
}

fn read(value: &[u8]) -> Result<Withdrawal> {
    postcard::from_bytes(value).map_err(|_| damaged(WithdrawalsView::NAME, "an entry cannot be read"))
}

fn key_bytes(kind: u8, (user, Reverse(requested)): Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(13);
    bytes.push(kind);
    bytes.extend(user.to_be_bytes());
    // The newest first.
    bytes.extend((!requested).to_be_bytes());
    bytes
}

fn over_key(key: Key) -> Vec<u8> {
    key_bytes(OVER, key)
}

fn under_way_key(key: Key) -> Vec<u8> {
    key_bytes(UNDER_WAY, key)
}

fn ended_key(state: WithdrawalState, ended: Place) -> Vec<u8> {
    let at = WithdrawalState::ALL.iter().position(|s| *s == state).unwrap_or(0);
    let mut bytes = vec![ENDED, at as u8];
    bytes.extend((!ended).to_be_bytes());
    bytes
}

fn read_key(bytes: &[u8]) -> Result<(u8, Key)> {
    let bad = || damaged(WithdrawalsView::NAME, "a key cannot be read");
    let (&kind, rest) = bytes.split_first().ok_or_else(bad)?;
    let (user, requested) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
    let requested = requested.try_into().map(u64::from_be_bytes).map_err(|_| bad())?;
    Ok((kind, (Number::from_be_bytes(*user), Reverse(!requested))))
}
