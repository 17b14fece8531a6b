//! How far a process of the platform has come in one shard: the cursor of what reads the journal and acts on it.
//!
//! The cursor is only where to begin reading after a restart. What makes an effect happen exactly once is the command id
//! under which it is asked for, or a range in the stream it goes to.

use serde::{Deserialize, Serialize};

use crate::event::ProcessAdvanced;
use crate::{Aggregate, Context, Decision, Event, Rejection, StreamKind, UserId};

/// What a process can be asked to note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Everything of the shard up to here is dealt with, durably.
    Advance {
        /// Which shard.
        shard: u16,
        /// Up to where.
        upto: u64,
    },
}

/// What a process says when it noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Noted, now or before.
    Noted,
}

/// The state of one process in one shard; its key is `PROCESS.SHARD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    upto: u64,
}

impl Process {
    /// Everything at or below this position is dealt with; 0 = nothing is known.
    pub fn upto(&self) -> u64 {
        self.upto
    }
}

impl Aggregate for Process {
    const KIND: StreamKind = StreamKind::Process;
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
        Ok(Decision::happens(ProcessAdvanced { shard, upto }))
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        if let Event::ProcessAdvanced(e) = event {
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
