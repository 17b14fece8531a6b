//! The rules of one streamer's withdrawals as plain lists, written a second time.

use std::collections::BTreeMap;

use domain::event::{
    WithdrawalApproved, WithdrawalFailed, WithdrawalPaid, WithdrawalRejected, WithdrawalRequested,
    WithdrawalSubmitted,
};
use domain::streamer::WithdrawalState;
use domain::{Event, Rejection};

use crate::life::id;
use crate::model::{Seen, Verdict};
use crate::money::BANK;
use crate::script::Body;

const OPEN_HIGHEST: usize = 16;
const CLOSED_REMEMBERED: usize = 64;
const TICKETS_LOWEST: u64 = 10;
const TICKETS_HIGHEST: u64 = 5_000;
const TWO_FROM: u64 = 500;
/// Of a thousand tickets.
const FEE: u64 = 50;
const FEN: u64 = 10;

#[derive(Debug, Clone)]
struct Withdrawal {
    state: WithdrawalState,
    tickets: u64,
    fee: u64,
    needed: usize,
    approved_by: Vec<String>,
}

/// All withdrawals of one streamer.
#[derive(Debug, Default)]
pub struct Payroll {
    known: BTreeMap<String, Withdrawal>,
    /// In the order in which they ended.
    closed: Vec<String>,
}

impl Payroll {
    /// Tickets that are held.
    pub fn held(&self) -> u64 {
        let open = self.known.values().filter(|w| !w.state.is_over());
        open.map(|w| w.tickets).sum()
    }

    /// Withdrawals in a state.
    pub fn in_state(&self, state: WithdrawalState) -> impl Iterator<Item = &str> {
        let them = self.known.iter().filter(move |(_, w)| w.state == state);
        them.map(|(id, _)| id.as_str())
    }

    /// Those under way are remembered, and the last that ended.
    fn get(&self, id: &str) -> Option<&Withdrawal> {
        let known = self.known.get(id)?;
        let forgotten = self
            .closed
            .iter()
            .rev()
            .take(CLOSED_REMEMBERED)
            .all(|other| other != id);
        (!known.state.is_over() || !forgotten).then_some(known)
    }

    /// What the rules make of a command, with so many tickets there and a debt or none.
    pub fn verdict(&self, available: u64, owes: bool, body: &Body) -> Verdict {
        match body {
            Body::Withdraw {
                withdrawal,
                tickets,
                account,
            } => {
                let account = account.kept.clone()?;
                self.request(available, owes, withdrawal, *tickets, account)
            }
            Body::Approve { withdrawal, by } => {
                let known = self.get(withdrawal).ok_or(Rejection::UnknownWithdrawal)?;
                if known.state != WithdrawalState::Requested {
                    return Err(Rejection::WithdrawalClosed);
                }
                if known.approved_by.iter().any(|who| who == by) {
                    return Err(Rejection::SameApprover);
                }
                if owes {
                    return Err(Rejection::InDebt);
                }
                let (approvals, approvals_needed) = (known.approved_by.len() as u8 + 1, known.needed as u8);
                let (withdrawal, by) = (id(withdrawal), id(by));
                Ok(vec![
                    WithdrawalApproved {
                        withdrawal,
                        by,
                        approvals,
                        approvals_needed,
                    }
                    .into(),
                ])
            }
            Body::Reject {
                withdrawal,
                by,
                reason,
            } => {
                let reason = reason.kept.clone()?;
                let known = self.get(withdrawal).ok_or(Rejection::UnknownWithdrawal)?;
                match known.state {
                    WithdrawalState::Rejected => return Ok(Vec::new()),
                    WithdrawalState::Requested | WithdrawalState::Approved => {}
                    _ => return Err(Rejection::WithdrawalClosed),
                }
                Ok(vec![
                    WithdrawalRejected {
                        withdrawal: id(withdrawal),
                        tickets: known.tickets,
                        by: id(by),
                        reason,
                        tickets_left: available + known.tickets,
                        held_left: self.held() - known.tickets,
                    }
                    .into(),
                ])
            }
            other => panic!("{other:?} is no withdrawal"),
        }
    }

    fn request(
        &self,
        available: u64,
        owes: bool,
        withdrawal: &str,
        tickets: u64,
        account: String,
    ) -> Verdict {
        if !(TICKETS_LOWEST..=TICKETS_HIGHEST).contains(&tickets) {
            return Err(Rejection::BadTickets);
        }
        if owes {
            return Err(Rejection::InDebt);
        }
        if self.known.values().filter(|w| !w.state.is_over()).count() >= OPEN_HIGHEST {
            return Err(Rejection::WithdrawalLimit);
        }
        if self.get(withdrawal).is_some() {
            return Err(Rejection::WithdrawalClosed);
        }
        if tickets > available {
            return Err(Rejection::NotEnoughTickets);
        }
        let fee = (tickets * FEE).div_ceil(1_000);
        Ok(vec![
            WithdrawalRequested {
                withdrawal: id(withdrawal),
                tickets,
                fee,
                pays: (tickets - fee) * FEN,
                currency: id("CNY"),
                account,
                approvals_needed: if tickets >= TWO_FROM { 2 } else { 1 },
                tickets_left: available - tickets,
                held_left: self.held() + tickets,
            }
            .into(),
        ])
    }

    /// Checks what the payouts made of an approved withdrawal.
    pub fn check(&self, available: u64, seen: &Seen) {
        let wanted: Option<Event> = match &seen.event {
            Event::WithdrawalSubmitted(e) => {
                let known = self.known.get(e.withdrawal.as_str());
                let approved = known.is_some_and(|w| w.state == WithdrawalState::Approved);
                let withdrawal = e.withdrawal.clone();
                approved.then(|| {
                    WithdrawalSubmitted {
                        withdrawal,
                        provider: id(BANK),
                    }
                    .into()
                })
            }
            Event::WithdrawalPaid(e) => self.submitted(e.withdrawal.as_str()).map(|known| {
                WithdrawalPaid {
                    tickets: known.tickets,
                    fee: known.fee,
                    held_left: self.held() - known.tickets,
                    ..e.clone()
                }
                .into()
            }),
            Event::WithdrawalFailed(e) => self.submitted(e.withdrawal.as_str()).map(|known| {
                WithdrawalFailed {
                    tickets: known.tickets,
                    tickets_left: available + known.tickets,
                    held_left: self.held() - known.tickets,
                    ..e.clone()
                }
                .into()
            }),
            other => panic!("nobody asked for {other:?}"),
        };
        assert_eq!(wanted.as_ref(), Some(&seen.event), "a payout is wrong: {seen:?}");
    }

    fn submitted(&self, id: &str) -> Option<&Withdrawal> {
        self.known
            .get(id)
            .filter(|known| known.state == WithdrawalState::Submitted)
    }

    /// Takes an event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::WithdrawalRequested(e) => {
                let withdrawal = Withdrawal {
                    state: WithdrawalState::Requested,
                    tickets: e.tickets,
                    fee: e.fee,
                    needed: usize::from(e.approvals_needed),
                    approved_by: Vec::new(),
                };
                self.known.insert(e.withdrawal.to_string(), withdrawal);
            }
            Event::WithdrawalApproved(e) => {
                let known = self.known(e.withdrawal.as_str());
                known.approved_by.push(e.by.to_string());
                if known.approved_by.len() >= known.needed {
                    known.state = WithdrawalState::Approved;
                }
            }
            Event::WithdrawalSubmitted(e) => {
                self.known(e.withdrawal.as_str()).state = WithdrawalState::Submitted
            }
            Event::WithdrawalPaid(e) => self.close(e.withdrawal.as_str(), WithdrawalState::Paid),
            Event::WithdrawalRejected(e) => self.close(e.withdrawal.as_str(), WithdrawalState::Rejected),
            Event::WithdrawalFailed(e) => self.close(e.withdrawal.as_str(), WithdrawalState::Failed),
            _ => {}
        }
    }

    fn close(&mut self, id: &str, state: WithdrawalState) {
        self.known(id).state = state;
        self.closed.push(id.to_owned());
    }

    fn known(&mut self, id: &str) -> &mut Withdrawal {
        self.known
            .get_mut(id)
            .unwrap_or_else(|| panic!("no such withdrawal: {id}"))
    }
}
