//! A user as streamer: live sessions, the tickets that settlement credits, and what is paid out of them.
//!
//! A credit names the range of the journal it covers, `(after, upto]`. It is taken only when `after` is where the last
//! one ended, and a range at or below that is a no-op: exactly once, however often it is sent.

use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::{
    LiveStarted, LiveStopped, TicketsAdjusted, TicketsCredited, WithdrawalRefused, WithdrawalRequested,
};
use crate::limits::{REASON_CHARS_MAX, TICKETS_MAX, TITLE_CHARS_MAX};
use crate::{
    Aggregate, Context, Decision, Event, ProviderName, Rejection, SessionNumber, StaffId, StreamKind, UserId,
    WithdrawalId, text,
};

mod withdrawal;

use withdrawal::Withdrawals;
pub use withdrawal::{PayoutTerms, RequestWithdrawal, WithdrawalState};

/// What a streamer can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Go live.
    StartLive {
        /// What the session is called; empty is allowed.
        title: String,
    },
    /// End the live session.
    StopLive,
    /// Take the gifts of a range of the journal. Sent by settlement, not by clients.
    CreditTickets(CreditTickets),
    /// Add tickets, or take them when negative.
    AdjustTickets {
        /// Tickets; not 0, and not below what is available.
        amount: i64,
        /// Why, for people: 1 to 200 characters.
        reason: String,
    },
    /// Hold tickets, to be paid out.
    RequestWithdrawal(RequestWithdrawal),
    /// One of staff agrees.
    ApproveWithdrawal {
        /// To which.
        withdrawal: WithdrawalId,
        /// Who.
        by: StaffId,
        /// What the streamer owes as a viewer, in coins.
        debt: u64,
    },
    /// One of staff does not: the tickets are released.
    RejectWithdrawal {
        /// Which.
        withdrawal: WithdrawalId,
        /// Who.
        by: StaffId,
        /// Why, for people: 1 to 200 characters.
        reason: String,
    },
    /// It is about to be given to its provider. Sent before it is, so that nobody forgets that it may have been.
    SubmitWithdrawal {
        /// Which.
        withdrawal: WithdrawalId,
        /// To whom.
        provider: ProviderName,
    },
    /// The provider paid.
    ConfirmWithdrawal {
        /// Which.
        withdrawal: WithdrawalId,
        /// The provider's name for the transfer.
        reference: String,
    },
    /// The provider did not and will not pay: the tickets are released.
    FailWithdrawal {
        /// Which.
        withdrawal: WithdrawalId,
        /// What the provider said.
        reason: String,
    },
}

/// The gifts to one streamer within `(after, upto]` of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditTickets {
    /// Which shard.
    pub shard: u16,
    /// Where the streamer's last credit of that shard ended; 0 = never credited.
    pub after: u64,
    /// Where this one ends.
    pub upto: u64,
    /// How many gifts, at least 1.
    pub gifts: u64,
    /// Their tickets.
    pub tickets: u64,
}

/// What a streamer says when a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A session began or ended.
    Live {
        /// Which.
        session: SessionNumber,
    },
    /// The range is credited, now or before.
    Credited,
    /// The available tickets after an adjustment.
    Adjusted {
        /// Tickets left.
        tickets: u64,
    },
    /// The withdrawal is held.
    Requested(WithdrawalRequested),
    /// Where the withdrawal stands.
    Withdrawal(WithdrawalState),
}

/// A running session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Which.
    pub session: SessionNumber,
    /// What it is called.
    pub title: String,
    /// Since when, unix ms.
    pub since_ms: i64,
}

/// The state of one streamer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streamer {
    sessions: u32,
    live: Option<Live>,
    /// Available: credited, less what is held and what was paid out.
    tickets: u64,
    settled_upto: BTreeMap<u16, u64>,
    withdrawals: Withdrawals,
}

impl Streamer {
    /// The running session, if any.
    pub fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// Tickets that are available.
    pub fn tickets(&self) -> u64 {
        self.tickets
    }

    /// Tickets that withdrawals under way hold.
    pub fn held(&self) -> u64 {
        self.withdrawals.held()
    }

    /// Where a withdrawal stands; none for one that never was, or that ended long ago.
    pub fn withdrawal(&self, id: &WithdrawalId) -> Option<WithdrawalState> {
        self.withdrawals.state(id)
    }

    /// The position of a shard up to which this streamer is settled; 0 = never.
    pub fn settled_upto(&self, shard: u16) -> u64 {
        self.settled_upto.get(&shard).copied().unwrap_or(0)
    }

    fn adjust(&self, amount: i64, reason: &str) -> Result<Decision<Answer>, Rejection> {
        let reason = text::clean(reason, REASON_CHARS_MAX)?;
        if amount == 0 {
            return Err(Rejection::BadAmount);
        }
        let tickets_left = self
            .tickets
            .checked_add_signed(amount)
            .ok_or(Rejection::BadAmount)?;
        if tickets_left.saturating_add(self.held()) > TICKETS_MAX {
            return Err(Rejection::BalanceLimit);
        }
        Ok(Decision::happens(TicketsAdjusted {
            amount,
            tickets_left,
            reason,
        }))
    }

    fn credit(&self, credit: &CreditTickets) -> Result<Decision<Answer>, Rejection> {
        let settled = self.settled_upto(credit.shard);
        if credit.upto <= settled {
            return Ok(Decision::Already(Answer::Credited));
        }
        if credit.after != settled {
            return Err(Rejection::SettlementGap);
        }
        let tickets_total = self
            .tickets
            .checked_add(credit.tickets)
            .ok_or(Rejection::BalanceLimit)?;
        // What is held may come back: both together stay below the limit.
        if tickets_total.saturating_add(self.held()) > TICKETS_MAX {
            return Err(Rejection::BalanceLimit);
        }
        Ok(Decision::happens(TicketsCredited {
            shard: credit.shard,
            after: credit.after,
            upto: credit.upto,
            gifts: credit.gifts,
            tickets: credit.tickets,
            tickets_total,
        }))
    }
}

impl Aggregate for Streamer {
    const KIND: StreamKind = StreamKind::Streamer;
    const SNAPSHOT_SCHEMA: u16 = 2;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self {
            sessions: 0,
            live: None,
            tickets: 0,
            settled_upto: BTreeMap::new(),
            withdrawals: Withdrawals::default(),
        }
    }

    fn decide(&self, command: &Command, context: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::StartLive { title } => {
                let title = match title.trim() {
                    "" => String::new(),
                    title => text::clean(title, TITLE_CHARS_MAX)?,
                };
                if self.live.is_some() {
                    return Err(Rejection::AlreadyLive);
                }
                Ok(Decision::happens(LiveStarted {
                    session: SessionNumber(self.sessions + 1),
                    title,
                }))
            }
            Command::StopLive => {
                let live = self.live.as_ref().ok_or(Rejection::NotLive)?;
                Ok(Decision::happens(LiveStopped {
                    session: live.session,
                }))
            }
            Command::CreditTickets(credit) => self.credit(credit),
            Command::AdjustTickets { amount, reason } => self.adjust(*amount, reason),
            Command::RequestWithdrawal(request) => {
                self.withdrawals.request(request, self.tickets, context.payouts)
            }
            Command::ApproveWithdrawal { withdrawal, by, debt } => {
                self.withdrawals.approve(withdrawal, by, *debt)
            }
            Command::RejectWithdrawal {
                withdrawal,
                by,
                reason,
            } => self.withdrawals.reject(withdrawal, by, reason, self.tickets),
            Command::SubmitWithdrawal { withdrawal, provider } => {
                self.withdrawals.submit(withdrawal, provider)
            }
            Command::ConfirmWithdrawal {
                withdrawal,
                reference,
            } => self.withdrawals.confirm(withdrawal, reference),
            Command::FailWithdrawal { withdrawal, reason } => {
                self.withdrawals.fail(withdrawal, reason, self.tickets)
            }
        }
    }

    fn evolve(&mut self, event: &Event, recorded_at_ms: i64) {
        match event {
            Event::LiveStarted(e) => {
                self.sessions = e.session.0;
                self.live = Some(Live {
                    session: e.session,
                    title: e.title.clone(),
                    since_ms: recorded_at_ms,
                });
            }
            Event::LiveStopped(_) => self.live = None,
            Event::TicketsCredited(e) => {
                self.tickets = e.tickets_total;
                self.settled_upto.insert(e.shard, e.upto);
            }
            Event::TicketsAdjusted(e) => self.tickets = e.tickets_left,
            Event::WithdrawalRequested(e) => self.tickets = e.tickets_left,
            Event::WithdrawalRejected(e) => self.tickets = e.tickets_left,
            Event::WithdrawalFailed(e) => self.tickets = e.tickets_left,
            _ => {}
        }
        self.withdrawals.evolve(event);
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        match event {
            Event::LiveStarted(LiveStarted { session, .. }) | Event::LiveStopped(LiveStopped { session }) => {
                Ok(Answer::Live { session: *session })
            }
            Event::TicketsAdjusted(e) => Ok(Answer::Adjusted {
                tickets: e.tickets_left,
            }),
            Event::WithdrawalRequested(e) => Ok(Answer::Requested(e.clone())),
            Event::WithdrawalRefused(e) => Err(e.rejection),
            event => Ok(WithdrawalState::after(event).map_or(Answer::Credited, Answer::Withdrawal)),
        }
    }

    fn refused(command: &Command, rejection: Rejection) -> Option<Event> {
        let asked_for = matches!(
            command,
            Command::RequestWithdrawal(_) | Command::AdjustTickets { .. }
        );
        asked_for.then(|| WithdrawalRefused { rejection }.into())
    }
}

#[cfg(test)]
pub(crate) mod tests;
