//! How far the settlement of one shard has come: the cursor of the process that credits gifts to streamers.
//!
//! The cursor is only where to begin reading after a restart. What makes a credit happen exactly once is the range in
//! the streamer's own stream.

use serde::{Deserialize, Serialize};

use crate::event::SettlementAdvanced;
use crate::{Aggregate, Context, Decision, Event, Rejection, StreamKind, UserId};

/// What settlement can be asked to note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Every gift of the shard up to here is credited, durably.
    Advance {
        /// Which shard.
        shard: u16,
        /// Up to where.
        upto: u64,
    },
}

/// What settlement says when it noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Noted, now or before.
    Noted,
}

/// The state of one shard's settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    upto: u64,
}

impl Settlement {
    /// Every gift at or below this position is credited; 0 = nothing is known.
    pub fn upto(&self) -> u64 {
        self.upto
    }
}

impl Aggregate for Settlement {
    const KIND: StreamKind = StreamKind::Settlement;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self { upto: 0 }
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        let Command::Advance { shard, upto } = *command;
        if upto <= self.upto {
            return Ok(Decision::Already(Answer::Noted));
        }
        Ok(Decision::happens(SettlementAdvanced { shard, upto }))
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        if let Event::SettlementAdvanced(e) = event {
            self.upto = e.upto;
        }
    }

    fn answer(_: &Event) -> Result<Answer, Rejection> {
        Ok(Answer::Noted)
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}
