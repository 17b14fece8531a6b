//! Withdrawals: each holds its tickets once and ends once, through the allowed states, whoever says so.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use domain::event::{WithdrawalApproved, WithdrawalRequested};
use domain::streamer::WithdrawalState;
use domain::{Event, StaffId, WithdrawalId};
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::breaks::{Breaks, Invariant};
use crate::fact::{Fact, Place};
use crate::names::Number;

/// A withdrawal under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) state: WithdrawalState,
    pub(crate) tickets: u64,
    pub(crate) fee: u64,
    pub(crate) approvals_needed: u8,
    pub(crate) approved_by: Vec<StaffId>,
    /// Where it was requested.
    pub(crate) since: Place,
}

pub(crate) type Key = (Number, WithdrawalId);

/// All withdrawals: those under way whole, those that are over as 8 bytes each, because an id is never used again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds {
    pub(crate) open: HashMap<Key, Hold, FixedState>,
    over: HashSet<u64, FixedState>,
    /// What has to be stored; none = it is over.
    pub(crate) unstored: HashMap<Key, Option<Hold>, FixedState>,
}

/// What is wrong with an event of a withdrawal.
type Wrong = Option<String>;

impl Holds {
    /// Takes an event of a withdrawal; others change nothing.
    pub(crate) fn apply(&mut self, fact: &Fact<'_>, breaks: &mut Breaks) {
        let (id, wrong) = match fact.event {
            Event::WithdrawalRequested(e) => (&e.withdrawal, self.request(fact, e)),
            Event::WithdrawalApproved(e) => (&e.withdrawal, self.approve(fact.who, e)),
            Event::WithdrawalSubmitted(e) => {
                let mut wrong = None;
                match self.open.get_mut(&(fact.who, e.withdrawal.clone())) {
                    Some(hold) => {
                        wrong = unless(hold.state == WithdrawalState::Approved, || {
                            format!("submitted when it is {}", hold.state.word())
                        });
                        hold.state = WithdrawalState::Submitted;
                    }
                    None => wrong = Some("submitted without being under way".to_owned()).or(wrong),
                }
                (&e.withdrawal, wrong)
            }
            Event::WithdrawalRejected(e) => {
                let states = [WithdrawalState::Requested, WithdrawalState::Approved];
                let wrong = self.end(fact.who, &e.withdrawal, &states, "rejected", e.tickets, None);
                (&e.withdrawal, wrong)
            }
            Event::WithdrawalFailed(e) => {
                let states = [WithdrawalState::Submitted];
                let wrong = self.end(fact.who, &e.withdrawal, &states, "failed", e.tickets, None);
                (&e.withdrawal, wrong)
            }
            Event::WithdrawalPaid(e) => {
                let states = [WithdrawalState::Submitted];
                let wrong = self.end(fact.who, &e.withdrawal, &states, "paid", e.tickets, Some(e.fee));
                (&e.withdrawal, wrong)
            }
            _ => return,
        };
        let key = (fact.who, id.clone());
        self.unstored.insert(key.clone(), self.open.get(&key).cloned());
        breaks.check(Invariant::HoldsOnce, wrong.is_none(), fact.place, || {
            format!("withdrawal {id}: {}", wrong.unwrap_or_default())
        });
    }

    fn request(&mut self, fact: &Fact<'_>, e: &WithdrawalRequested) -> Wrong {
        let key = (fact.who, e.withdrawal.clone());
        let known = self.open.contains_key(&key) || self.over.contains(&print(&key));
        let hold = Hold {
            state: WithdrawalState::Requested,
            tickets: e.tickets,
            fee: e.fee,
            approvals_needed: e.approvals_needed,
            approved_by: Vec::new(),
            since: fact.place,
        };
        self.open.insert(key, hold);
        unless(!known, || "requested a second time".to_owned()).or_else(|| {
            unless(e.fee <= e.tickets, || {
                format!("a fee of {} of {} tickets", e.fee, e.tickets)
            })
        })
    }

    fn approve(&mut self, who: Number, e: &WithdrawalApproved) -> Wrong {
        let Some(hold) = self.open.get_mut(&(who, e.withdrawal.clone())) else {
            return Some("approved without being under way".to_owned());
        };
        let counted = hold.approved_by.len() + 1;
        let fits = hold.state == WithdrawalState::Requested
            && !hold.approved_by.contains(&e.by)
            && usize::from(e.approvals) == counted
            && e.approvals_needed == hold.approvals_needed
            && e.approvals <= e.approvals_needed;
        let wrong = unless(fits, || {
            format!(
                "approval {} of {} by {} when it is {} with {} of {}",
                e.approvals,
                e.approvals_needed,
                e.by,
                hold.state.word(),
                hold.approved_by.len(),
                hold.approvals_needed
            )
        });
        hold.approved_by.push(e.by.clone());
        if e.approvals >= e.approvals_needed {
            hold.state = WithdrawalState::Approved;
        }
        wrong
    }

    fn end(
        &mut self,
        who: Number,
        id: &WithdrawalId,
        states: &[WithdrawalState],
        word: &str,
        tickets: u64,
        fee: Option<u64>,
    ) -> Wrong {
        let key = (who, id.clone());
        let again = !self.over.insert(print(&key));
        let Some(hold) = self.open.remove(&key) else {
            let why = if again {
                "a second time"
            } else {
                "without being under way"
            };
            return Some(format!("{word} {why}"));
        };
        unless(states.contains(&hold.state), || {
            format!("{word} when it is {}", hold.state.word())
        })
        .or_else(|| {
            let same = tickets == hold.tickets && fee.is_none_or(|fee| fee == hold.fee);
            unless(same, || {
                format!(
                    "{word} with {tickets} tickets, a fee of {} among them; held are {} with a fee of {}",
                    fee.unwrap_or(hold.fee),
                    hold.tickets,
                    hold.fee
                )
            })
        })
    }

    /// Takes back what was stored.
    pub(crate) fn load(&mut self, key: Key, hold: Option<Hold>) {
        match hold {
            Some(hold) => _ = self.open.insert(key, hold),
            None => _ = self.over.insert(print(&key)),
        }
    }
}

fn unless(holds: bool, what: impl FnOnce() -> String) -> Wrong {
    (!holds).then(what)
}

/// 64 bits that stand for a withdrawal that is over.
fn print(key: &Key) -> u64 {
    FixedState::with_seed(0x5eed).hash_one(key)
}
