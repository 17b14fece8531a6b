//! A room: what is said in it, and how it is liked.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::{ChatSent, LikesCounted};
use crate::limits::{CHAT_TEXT_CHARS_MAX, LIKES_MAX};
use crate::{Aggregate, Context, Decision, Event, Rejection, SessionNumber, StreamKind, UserId, text};

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
    /// Count what was tapped since the last time. Sent by the platform, not by clients.
    CountLikes {
        /// In which live session. Likes of a session before the last one counted are too late: nothing happens.
        session: SessionNumber,
        /// How many.
        likes: u64,
    },
}

/// What a room says when a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was said.
    Said,
    /// Likes were counted.
    Liked {
        /// How many the session has.
        total: u64,
    },
}

/// The state of one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    chats: u64,
    likes: Likes,
}

/// The likes of the last session that was liked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Likes {
    session: SessionNumber,
    total: u64,
}

impl Room {
    /// How many chat messages the room has seen.
    pub fn chats(&self) -> u64 {
        self.chats
    }

    fn count_likes(&self, session: SessionNumber, likes: u64) -> Decision<Answer> {
        let before = if session == self.likes.session {
            self.likes.total
        } else {
            0
        };
        let total = before.saturating_add(likes).min(LIKES_MAX);
        if total == before || session < self.likes.session {
            return Decision::Already(Answer::Liked { total: before });
        }
        Decision::happens(LikesCounted {
            session,
            likes: total - before,
            total,
        })
    }
}

impl Aggregate for Room {
    const KIND: StreamKind = StreamKind::Room;
    const SNAPSHOT_SCHEMA: u16 = 2;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self {
            chats: 0,
            likes: Likes {
                session: SessionNumber(0),
                total: 0,
            },
        }
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
            Command::CountLikes { session, likes } => Ok(self.count_likes(*session, *likes)),
        }
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        match event {
            Event::ChatSent(_) => self.chats += 1,
            Event::LikesCounted(e) => {
                self.likes = Likes {
                    session: e.session,
                    total: e.total,
                }
            }
            _ => {}
        }
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        Ok(match event {
            Event::LikesCounted(e) => Answer::Liked { total: e.total },
            _ => Answer::Said,
        })
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
