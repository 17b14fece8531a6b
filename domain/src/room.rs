//! A room: what is said in it and under which rules, who is in charge, and how it is liked.
//!
//! A chat is refused in this order: its text, banned, kicked, muted, a blocked word, followers-only, slow mode, the same
//! text again, the user's rate, the room's rate. An order of the streamer or a moderator: may this one give it, to this
//! one, is its author kicked or (for words to all) muted, with these numbers, is there room for it, and is its author too
//! fast. A refused chat or order leaves no trace.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::{ChatSent, LikesCounted, Role};
use crate::limits::{CHAT_TEXT_CHARS_MAX, LIKES_MAX};
use crate::viewer::Clearance;
use crate::{Aggregate, Context, Decision, Event, Rejection, SessionNumber, StreamKind, UserId, text};

mod rules;
mod talk;

pub use rules::Act;
use rules::Rules;
use talk::{Saying, Talk};

/// What a room can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something to everybody in the room.
    SendChat(SendChat),
    /// Give an order: only the streamer and the moderators may.
    Moderate {
        /// Who.
        by: UserId,
        /// What.
        act: Act,
    },
    /// May this user come in, and as what? Nothing happens.
    Enter {
        /// Who.
        user: UserId,
    },
    /// Count what was tapped since the last time. Sent by the platform, not by clients.
    CountLikes {
        /// In which live session. Likes of a session before the last one counted are too late: nothing happens.
        session: SessionNumber,
        /// How many.
        likes: u64,
    },
}

impl Command {
    /// The user who comes, speaks or orders; none when the platform itself asks.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::SendChat(chat) => Some(&chat.user),
            Self::Moderate { by, .. } => Some(by),
            Self::Enter { user } => Some(user),
            Self::CountLikes { .. } => None,
        }
    }
}

/// What the streamer's blocks mean for one who comes, speaks or orders; a streamer of whom nothing is known has to be asked
/// first.
pub fn admits(said: Option<Clearance>) -> Result<(), Rejection> {
    match said {
        None => Err(Rejection::Busy),
        Some(said) if said.blocked => Err(Rejection::BlockedBy),
        Some(_) => Ok(()),
    }
}

/// One `chat.send`, with what others know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendChat {
    /// Who.
    pub user: UserId,
    /// What: 1 to 200 characters after cleaning.
    pub text: String,
    /// Whether a blocked word stands in it.
    pub blocked: bool,
    /// Whether the user follows the streamer; none until the room has asked for it.
    pub follows: Option<bool>,
}

impl SendChat {
    /// A chat of which nothing is known yet but who says it, and what.
    pub fn new(user: UserId, text: impl Into<String>) -> Self {
        Self {
            user,
            text: text.into(),
            blocked: false,
            follows: None,
        }
    }
}

/// How a user stands in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// As what they are here.
    pub role: Role,
    /// Until when they may not write, unix ms; none who may.
    pub muted_until_ms: Option<i64>,
}

/// What a room says when a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was said.
    Said,
    /// Only followers may write here: the same command again, with the fact whether the user is one.
    AsksWhetherFollows,
    /// The order holds, now or before.
    Ordered,
    /// The user may come in.
    Welcome(Standing),
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
    rules: Rules,
    talk: Talk,
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

    fn say(&self, chat: &SendChat, now_ms: i64) -> Result<Decision<Answer>, Rejection> {
        let text = text::clean(&chat.text, CHAT_TEXT_CHARS_MAX)?;
        self.rules.admits(&chat.user, now_ms)?;
        if self.rules.muted_until_ms(&chat.user, now_ms).is_some() {
            return Err(Rejection::Muted);
        }
        if chat.blocked {
            return Err(Rejection::BlockedWord);
        }
        let role = self.rules.role(&chat.user);
        if role == Role::Viewer && self.rules.is_followers_only() {
            match chat.follows {
                None => return Ok(Decision::Already(Answer::AsksWhetherFollows)),
                Some(false) => return Err(Rejection::FollowersOnly),
                Some(true) => {}
            }
        }
        self.talk.allows(&Saying {
            user: &chat.user,
            role,
            text: &text,
            at_ms: now_ms,
            slow_mode_seconds: self.rules.slow_mode_seconds(),
        })?;
        // After this point it must succeed.
        let user = chat.user.clone();
        Ok(Decision::happens(ChatSent { user, text, role }))
    }

    fn moderate(&self, by: &UserId, act: &Act, now_ms: i64) -> Result<Decision<Answer>, Rejection> {
        let events = self.rules.decide(by, act, now_ms)?;
        Ok(if events.is_empty() {
            Decision::Already(Answer::Ordered)
        } else {
            Decision::Happens(events)
        })
    }

    fn welcome(&self, user: &UserId, now_ms: i64) -> Result<Decision<Answer>, Rejection> {
        self.rules.admits(user, now_ms)?;
        Ok(Decision::Already(Answer::Welcome(Standing {
            role: self.rules.role(user),
            muted_until_ms: self.rules.muted_until_ms(user, now_ms),
        })))
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
    const SNAPSHOT_SCHEMA: u16 = 4;
    type Command = Command;
    type Answer = Answer;

    fn new(key: &UserId) -> Self {
        Self {
            chats: 0,
            likes: Likes {
                session: SessionNumber(0),
                total: 0,
            },
            rules: Rules::new(key.clone()),
            talk: Talk::default(),
        }
    }

    fn decide(&self, command: &Command, context: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::SendChat(chat) => self.say(chat, context.now_ms),
            Command::Moderate { by, act } => self.moderate(by, act, context.now_ms),
            Command::Enter { user } => self.welcome(user, context.now_ms),
            Command::CountLikes { session, likes } => Ok(self.count_likes(*session, *likes)),
        }
    }

    fn evolve(&mut self, event: &Event, recorded_at_ms: i64) {
        match event {
            Event::ChatSent(e) => {
                self.chats += 1;
                self.talk.remember(&Saying {
                    user: &e.user,
                    role: e.role,
                    text: &e.text,
                    at_ms: recorded_at_ms,
                    slow_mode_seconds: self.rules.slow_mode_seconds(),
                });
            }
            Event::LikesCounted(e) => {
                self.likes = Likes {
                    session: e.session,
                    total: e.total,
                }
            }
            order => self.rules.evolve(order, recorded_at_ms),
        }
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        Ok(match event {
            Event::LikesCounted(e) => Answer::Liked { total: e.total },
            Event::ChatSent(_) => Answer::Said,
            _ => Answer::Ordered,
        })
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
