//! A user as streamer: live sessions, and the tickets that settlement credits.
//!
//! A credit names the range of the journal it covers, `(after, upto]`. It is taken only when `after` is where the last
//! one ended, and a range at or below that is a no-op: exactly once, however often it is sent.

use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::{LiveStarted, LiveStopped, TicketsCredited};
use crate::limits::{TICKETS_MAX, TITLE_CHARS_MAX};
use crate::{Aggregate, Context, Decision, Event, Rejection, SessionNumber, StreamKind, UserId, text};

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
    tickets: u64,
    settled_upto: BTreeMap<u16, u64>,
}

impl Streamer {
    /// The running session, if any.
    pub fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// Tickets on the account.
    pub fn tickets(&self) -> u64 {
        self.tickets
    }

    /// The position of a shard up to which this streamer is settled; 0 = never.
    pub fn settled_upto(&self, shard: u16) -> u64 {
        self.settled_upto.get(&shard).copied().unwrap_or(0)
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
        if tickets_total > TICKETS_MAX {
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
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self {
            sessions: 0,
            live: None,
            tickets: 0,
            settled_upto: BTreeMap::new(),
        }
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
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
            _ => {}
        }
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        match event {
            Event::LiveStarted(LiveStarted { session, .. }) | Event::LiveStopped(LiveStopped { session }) => {
                Ok(Answer::Live { session: *session })
            }
            _ => Ok(Answer::Credited),
        }
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
