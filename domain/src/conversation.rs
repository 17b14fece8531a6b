//! Private messages between two users: who may write how much, and how far each has read.
//!
//! Each of the two counts their own messages, from 1, so that what is unread is a difference of two numbers. A message is
//! refused in this order: its text, to oneself, the sender blocks the other one, the other one blocks the sender, a blocked
//! word, the user's rate, an answer is awaited. A refused message leaves no trace. What is read may be said at any time, also
//! by somebody who is blocked. It must never hold a text: those are in the events alone.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::{MessageSent, MessagesRead};
use crate::limits::{MESSAGE_TEXT_CHARS_MAX, MESSAGES_UNANSWERED_MAX};
use crate::{Aggregate, Context, Decision, Event, Rejection, StreamKind, UserId, text};

/// What a conversation can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something to the other one.
    Send(SendMessage),
    /// Note how far somebody has read.
    Read(ReadMessages),
}

/// One `message.send`, with what others know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// Who.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
    /// What: 1 to 500 characters after cleaning.
    pub text: String,
    /// Whether a blocked word stands in it.
    pub blocked_word: bool,
    /// Who of the two blocks the other, filled in by the shell at the moment of the decision; none when one of them has to be
    /// asked.
    pub blocks: Option<Between>,
    /// Whether the sender has written too much lately, to whomever; filled in by the shell.
    pub too_fast: bool,
    /// Whether the two follow each other; none until they have been asked.
    pub mutual: Option<bool>,
}

/// Who of two blocks the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// The sender blocks the one who is written to.
    pub sender: bool,
    /// The one who is written to blocks the sender.
    pub receiver: bool,
}

impl SendMessage {
    /// A message of which nothing is known yet but who writes what to whom.
    pub fn new(from: UserId, to: UserId, text: impl Into<String>) -> Self {
        Self {
            from,
            to,
            text: text.into(),
            blocked_word: false,
            blocks: None,
            too_fast: false,
            mutual: None,
        }
    }

    /// The text as it would be sent, if it comes as far as the sender's rate.
    ///
    /// # Errors
    /// In this order: the text's own, [`Rejection::MessageToSelf`], [`Rejection::Busy`] (somebody has to be asked),
    /// [`Rejection::MessageBlocked`], [`Rejection::BlockedBy`], [`Rejection::BlockedWord`].
    pub fn admissible(&self) -> Result<String, Rejection> {
        let text = text::clean(&self.text, MESSAGE_TEXT_CHARS_MAX)?;
        if self.from == self.to {
            return Err(Rejection::MessageToSelf);
        }
        let blocks = self.blocks.ok_or(Rejection::Busy)?;
        if blocks.sender {
            return Err(Rejection::MessageBlocked);
        }
        if blocks.receiver {
            return Err(Rejection::BlockedBy);
        }
        if self.blocked_word {
            return Err(Rejection::BlockedWord);
        }
        Ok(text)
    }
}

/// One `message.read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMessages {
    /// Who has read.
    pub reader: UserId,
    /// Whose messages.
    pub from: UserId,
    /// Up to which of them, counted from 1.
    pub upto: u64,
}

/// What a conversation says when a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was sent.
    Sent {
        /// The how-manieth of its sender it is.
        number: u64,
    },
    /// Only who follows each other may go on: the same command again, with the fact whether the two do.
    AsksWhetherMutual,
    /// So far is read now, or was before.
    Read {
        /// Up to which of the other one's messages.
        upto: u64,
    },
}

/// One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Side {
    /// How many messages this one has sent.
    sent: u64,
    /// How many of the other one's this one has read.
    read: u64,
    /// Messages of this one since the other one's last.
    unanswered: u32,
}

/// The state of one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The one whose id comes first, then the other one.
    sides: [Side; 2],
}

impl Conversation {
    /// How many messages `user` has sent to `other` here.
    pub fn sent(&self, user: &UserId, other: &UserId) -> u64 {
        self.side(user, other).sent
    }

    /// How many of the messages of `other` `user` has not read.
    pub fn unread(&self, user: &UserId, other: &UserId) -> u64 {
        self.side(other, user).sent - self.side(user, other).read
    }

    fn side(&self, user: &UserId, other: &UserId) -> &Side {
        &self.sides[usize::from(user > other)]
    }

    fn side_mut(&mut self, user: &UserId, other: &UserId) -> &mut Side {
        &mut self.sides[usize::from(user > other)]
    }

    fn send(&self, send: &SendMessage) -> Result<Decision<Answer>, Rejection> {
        let text = send.admissible()?;
        if send.too_fast {
            return Err(Rejection::MessageTooFast);
        }
        let mine = self.side(&send.from, &send.to);
        if mine.unanswered >= MESSAGES_UNANSWERED_MAX {
            match send.mutual {
                None => return Ok(Decision::Already(Answer::AsksWhetherMutual)),
                Some(false) => return Err(Rejection::AnswerAwaited),
                Some(true) => {}
            }
        }
        // After this point it must succeed.
        Ok(Decision::happens(MessageSent {
            from: send.from.clone(),
            to: send.to.clone(),
            number: mine.sent + 1,
            text,
        }))
    }

    fn read(&self, read: &ReadMessages) -> Result<Decision<Answer>, Rejection> {
        let theirs = self.side(&read.from, &read.reader).sent;
        if read.reader == read.from || !(1..=theirs).contains(&read.upto) {
            return Err(Rejection::UnknownMessage);
        }
        let before = self.side(&read.reader, &read.from).read;
        if read.upto <= before {
            return Ok(Decision::Already(Answer::Read { upto: before }));
        }
        Ok(Decision::happens(MessagesRead {
            reader: read.reader.clone(),
            from: read.from.clone(),
            upto: read.upto,
        }))
    }
}

impl Aggregate for Conversation {
    const KIND: StreamKind = StreamKind::Conversation;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self {
            sides: Default::default(),
        }
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::Send(send) => self.send(send),
            Command::Read(read) => self.read(read),
        }
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        match event {
            Event::MessageSent(e) => {
                let mine = self.side_mut(&e.from, &e.to);
                mine.sent = e.number;
                mine.unanswered = mine.unanswered.saturating_add(1);
                self.side_mut(&e.to, &e.from).unanswered = 0;
            }
            Event::MessagesRead(e) => self.side_mut(&e.reader, &e.from).read = e.upto,
            _ => {}
        }
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        Ok(match event {
            Event::MessagesRead(e) => Answer::Read { upto: e.upto },
            Event::MessageSent(e) => Answer::Sent { number: e.number },
            _ => Answer::AsksWhetherMutual,
        })
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
