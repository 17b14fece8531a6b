//! A room: what is said in it.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::ChatSent;
use crate::limits::CHAT_TEXT_CHARS_MAX;
use crate::{Aggregate, Context, Decision, Event, Rejection, StreamKind, UserId, text};

/// What a room can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something to everybody in the room.
    SendChat {
        /// Who.
        user: UserId,
        /// What: 1 to 200 characters after cleaning.
        text: String,
    },
}

/// What a room says when a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was said.
    Said,
}

/// The state of one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    chats: u64,
}

impl Room {
    /// How many chat messages the room has seen.
    pub fn chats(&self) -> u64 {
        self.chats
    }
}

impl Aggregate for Room {
    const KIND: StreamKind = StreamKind::Room;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self { chats: 0 }
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::SendChat { user, text } => {
                let text = text::clean(text, CHAT_TEXT_CHARS_MAX)?;
                Ok(Decision::happens(ChatSent {
                    user: user.clone(),
                    text,
                }))
            }
        }
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        if let Event::ChatSent(_) = event {
            self.chats += 1;
        }
    }

    fn answer(_: &Event) -> Result<Answer, Rejection> {
        Ok(Answer::Said)
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
