//! Withdrawals: tickets are held when one is requested, and the hold ends once, by being paid or by being released.
//!
//! ```text
//! requested -> approved -> submitted -> paid
//!     |            |            '-----> failed (released)
//!     '------------'------------------> rejected (released)
//! ```
//! From *submitted* on only the payout provider can say what came of it: a time-out there is not an answer. A state that
//! is over stays over, whatever is told later.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::Answer;
use crate::event::{
    WithdrawalApproved, WithdrawalFailed, WithdrawalPaid, WithdrawalRejected, WithdrawalRequested,
    WithdrawalSubmitted,
};
use crate::limits::{
    ACCOUNT_CHARS_MAX, REASON_CHARS_MAX, REFERENCE_CHARS_MAX, WITHDRAWALS_CLOSED_MAX, WITHDRAWALS_OPEN_MAX,
};
use crate::{Currency, Decision, Event, ProviderName, Rejection, StaffId, WithdrawalId, text};

/// How tickets are paid out, by configuration; written into each request, so that a change does not touch those there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutTerms {
    /// In which money.
    pub currency: Currency,
    /// What one ticket is worth, in minor units.
    pub minor_per_ticket: u64,
    /// How much of a thousand tickets the platform keeps, rounded up: 0 to 1000.
    pub fee_per_mille: u32,
    /// Fewest tickets of one withdrawal, at least 1.
    pub tickets_min: u64,
    /// Most tickets of one withdrawal.
    pub tickets_max: u64,
    /// From so many tickets on, two of staff have to approve.
    pub two_approvals_from: u64,
}

impl Default for PayoutTerms {
    /// One ticket is 10 fen; 5 in 100 are kept; 100 to 1,000,000 tickets, from 100,000 (10,000 yuan) on by two of staff.
    fn default() -> Self {
        Self {
            currency: Currency::cny(),
            minor_per_ticket: 10,
            fee_per_mille: 50,
            tickets_min: 100,
            tickets_max: 1_000_000,
            two_approvals_from: 100_000,
        }
    }
}

impl PayoutTerms {
    /// The platform's part of so many tickets.
    pub fn fee(&self, tickets: u64) -> u64 {
        let thousandths = u128::from(tickets) * u128::from(self.fee_per_mille);
        u64::try_from(thousandths.div_ceil(1_000)).map_or(tickets, |fee| fee.min(tickets))
    }

    /// What is paid for so many tickets, in minor units; none where that is too much for a number.
    pub fn pays(&self, tickets: u64) -> Option<u64> {
        (tickets - self.fee(tickets)).checked_mul(self.minor_per_ticket)
    }
}

/// A streamer wants tickets paid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestWithdrawal {
    /// The id that the withdrawal gets.
    pub withdrawal: WithdrawalId,
    /// How many, fee included.
    pub tickets: u64,
    /// Where to: 1 to 100 characters.
    pub account: String,
    /// What the streamer owes as a viewer, in coins.
    pub debt: u64,
}

/// Where a withdrawal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalState {
    /// The tickets are held.
    Requested,
    /// Staff have agreed.
    Approved,
    /// The provider may have it.
    Submitted,
    /// Over: the money is out.
    Paid,
    /// Over: staff did not agree.
    Rejected,
    /// Over: the provider did not pay.
    Failed,
}

impl WithdrawalState {
    /// Every state, in the order in which a withdrawal goes through them.
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Approved,
        Self::Submitted,
        Self::Paid,
        Self::Rejected,
        Self::Failed,
    ];

    /// Where the withdrawal of an event stands after it; none for an event of something else.
    pub fn after(event: &Event) -> Option<Self> {
        Some(match event {
            Event::WithdrawalRequested(_) => Self::Requested,
            Event::WithdrawalApproved(e) if e.approvals < e.approvals_needed => Self::Requested,
            Event::WithdrawalApproved(_) => Self::Approved,
            Event::WithdrawalSubmitted(_) => Self::Submitted,
            Event::WithdrawalPaid(_) => Self::Paid,
            Event::WithdrawalRejected(_) => Self::Rejected,
            Event::WithdrawalFailed(_) => Self::Failed,
            _ => return None,
        })
    }

    /// The state's name, as in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Submitted => "submitted",
            Self::Paid => "paid",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing can come of it any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Paid | Self::Rejected | Self::Failed)
    }
}

/// A withdrawal under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    state: WithdrawalState,
    tickets: u64,
    fee: u64,
    approvals_needed: u8,
    approved_by: Vec<StaffId>,
}

/// The withdrawals of one streamer: those under way, and the last ones that are over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Withdrawals {
    open: BTreeMap<WithdrawalId, Open>,
    /// At most [`WITHDRAWALS_CLOSED_MAX`], the one that ended last at the end.
    closed: VecDeque<(WithdrawalId, WithdrawalState)>,
    held: u64,
}

type Decided = Result<Decision<Answer>, Rejection>;

impl Withdrawals {
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    pub(super) fn state(&self, id: &WithdrawalId) -> Option<WithdrawalState> {
        let closed = || self.closed.iter().find(|(known, _)| known == id);
        self.open
            .get(id)
            .map(|open| open.state)
            .or_else(|| closed().map(|(_, state)| *state))
    }

    pub(super) fn request(
        &self,
        request: &RequestWithdrawal,
        available: u64,
        terms: &PayoutTerms,
    ) -> Decided {
        let account = text::clean(&request.account, ACCOUNT_CHARS_MAX)?;
        if !(terms.tickets_min.max(1)..=terms.tickets_max).contains(&request.tickets) {
            return Err(Rejection::BadTickets);
        }
        let pays = terms.pays(request.tickets).ok_or(Rejection::BadTickets)?;
        if request.debt > 0 {
            return Err(Rejection::InDebt);
        }
        if self.open.len() >= WITHDRAWALS_OPEN_MAX {
            return Err(Rejection::WithdrawalLimit);
        }
        if self.state(&request.withdrawal).is_some() {
            return Err(Rejection::WithdrawalClosed);
        }
        let tickets_left = available
            .checked_sub(request.tickets)
            .ok_or(Rejection::NotEnoughTickets)?;
        Ok(Decision::happens(WithdrawalRequested {
            withdrawal: request.withdrawal.clone(),
            tickets: request.tickets,
            fee: terms.fee(request.tickets),
            pays,
            currency: terms.currency.clone(),
            account,
            approvals_needed: if request.tickets >= terms.two_approvals_from {
                2
            } else {
                1
            },
            tickets_left,
            held_left: self.held + request.tickets,
        }))
    }

    pub(super) fn approve(&self, id: &WithdrawalId, by: &StaffId, debt: u64) -> Decided {
        let open = self.in_state(id, &[WithdrawalState::Requested])?;
        if open.approved_by.contains(by) {
            return Err(Rejection::SameApprover);
        }
        if debt > 0 {
            return Err(Rejection::InDebt);
        }
        Ok(Decision::happens(WithdrawalApproved {
            withdrawal: id.clone(),
            by: by.clone(),
            approvals: open.approved_by.len() as u8 + 1,
            approvals_needed: open.approvals_needed,
        }))
    }

    pub(super) fn reject(&self, id: &WithdrawalId, by: &StaffId, reason: &str, available: u64) -> Decided {
        let reason = text::clean(reason, REASON_CHARS_MAX)?;
        if self.state(id) == Some(WithdrawalState::Rejected) {
            return Ok(Decision::Already(Answer::Withdrawal(WithdrawalState::Rejected)));
        }
        let open = self.in_state(id, &[WithdrawalState::Requested, WithdrawalState::Approved])?;
        Ok(Decision::happens(WithdrawalRejected {
            withdrawal: id.clone(),
            tickets: open.tickets,
            by: by.clone(),
            reason,
            tickets_left: available + open.tickets,
            held_left: self.held - open.tickets,
        }))
    }

    pub(super) fn submit(&self, id: &WithdrawalId, provider: &ProviderName) -> Decided {
        if self.state(id) == Some(WithdrawalState::Submitted) {
            return Ok(Decision::Already(Answer::Withdrawal(WithdrawalState::Submitted)));
        }
        self.in_state(id, &[WithdrawalState::Approved])?;
        Ok(Decision::happens(WithdrawalSubmitted {
            withdrawal: id.clone(),
            provider: provider.clone(),
        }))
    }

    pub(super) fn confirm(&self, id: &WithdrawalId, reference: &str) -> Decided {
        if self.state(id) == Some(WithdrawalState::Paid) {
            return Ok(Decision::Already(Answer::Withdrawal(WithdrawalState::Paid)));
        }
        let open = self.in_state(id, &[WithdrawalState::Submitted])?;
        Ok(Decision::happens(WithdrawalPaid {
            withdrawal: id.clone(),
            tickets: open.tickets,
            fee: open.fee,
            reference: reference.chars().take(REFERENCE_CHARS_MAX).collect(),
            held_left: self.held - open.tickets,
        }))
    }

    pub(super) fn fail(&self, id: &WithdrawalId, reason: &str, available: u64) -> Decided {
        if self.state(id) == Some(WithdrawalState::Failed) {
            return Ok(Decision::Already(Answer::Withdrawal(WithdrawalState::Failed)));
        }
        let open = self.in_state(id, &[WithdrawalState::Submitted])?;
        Ok(Decision::happens(WithdrawalFailed {
            withdrawal: id.clone(),
            tickets: open.tickets,
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
            tickets_left: available + open.tickets,
            held_left: self.held - open.tickets,
        }))
    }

    fn in_state(&self, id: &WithdrawalId, states: &[WithdrawalState]) -> Result<&Open, Rejection> {
        let state = self.state(id).ok_or(Rejection::UnknownWithdrawal)?;
        let open = self.open.get(id).filter(|_| states.contains(&state));
        open.ok_or(Rejection::WithdrawalClosed)
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::WithdrawalRequested(e) => {
                self.held = e.held_left;
                let open = Open {
                    state: WithdrawalState::Requested,
                    tickets: e.tickets,
                    fee: e.fee,
                    approvals_needed: e.approvals_needed,
                    approved_by: Vec::new(),
                };
                self.open.insert(e.withdrawal.clone(), open);
            }
            Event::WithdrawalApproved(e) => {
                if let Some(open) = self.open.get_mut(&e.withdrawal) {
                    open.approved_by.push(e.by.clone());
                    if e.approvals >= e.approvals_needed {
                        open.state = WithdrawalState::Approved;
                    }
                }
            }
            Event::WithdrawalSubmitted(e) => {
                if let Some(open) = self.open.get_mut(&e.withdrawal) {
                    open.state = WithdrawalState::Submitted;
                }
            }
            Event::WithdrawalPaid(e) => self.close(&e.withdrawal, WithdrawalState::Paid, e.held_left),
            Event::WithdrawalRejected(e) => self.close(&e.withdrawal, WithdrawalState::Rejected, e.held_left),
            Event::WithdrawalFailed(e) => self.close(&e.withdrawal, WithdrawalState::Failed, e.held_left),
            _ => {}
        }
    }

    fn close(&mut self, id: &WithdrawalId, state: WithdrawalState, held: u64) {
        self.open.remove(id);
        if self.closed.len() >= WITHDRAWALS_CLOSED_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back((id.clone(), state));
        self.held = held;
    }
}

#[cfg(test)]
pub(crate) mod tests;
