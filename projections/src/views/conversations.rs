//! Private messages: whom somebody writes with, the one with the newest message first, how far both have read, where each
//! message stands, and what a user who was away has to be told.
//!
//! It holds places, never texts: those are in the journal alone. Nothing of it stays in memory but what has changed since the
//! last commit, so all lists are as of the last commit. Stored are numbers as they are, not sums of changes: to fold a record
//! twice changes nothing.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow};

use domain::Event;

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

mod asked;

pub use asked::{Conversation, Unread};

/// Key spaces within the view: a conversation by its two ends; whom a user writes with, the newest message first; the
/// messages of two, the newest first; what a user is told, the oldest first; with whom a user has unread messages.
const ROW: u8 = b'c';
/// See [`ROW`].
const LIST: u8 = b'l';
/// See [`ROW`].
const MESSAGE: u8 = b'm';
/// See [`ROW`].
const TOLD: u8 = b't';
/// See [`ROW`].
const UNREAD: u8 = b'u';

/// The value where the key says all.
const THERE: u8 = 1;
const ROW_BYTES: usize = 48;

/// Two users, the one of the smaller number first.
type Pair = [Number; 2];

fn pair(one: Number, other: Number) -> Pair {
    [one.min(other), one.max(other)]
}

/// One conversation; the two ends in the order of [`Pair`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    /// How many messages each has sent.
    sent: [u64; 2],
    /// How many of the other one's messages each has read.
    read: [u64; 2],
    /// The newest message; 0 while there is none.
    last: Place,
    /// Its server time, unix ms.
    last_at_ms: i64,
}

impl Row {
    /// What the end at `side` has not read.
    fn unread(&self, side: usize) -> u64 {
        self.sent[1 - side].saturating_sub(self.read[side])
    }

    fn write(&self) -> [u8; ROW_BYTES] {
        let [sent, read] = [self.sent, self.read];
        let words = [
            sent[0],
            sent[1],
            read[0],
            read[1],
            self.last,
            self.last_at_ms as u64,
        ];
        let mut bytes = [0; ROW_BYTES];
        for (slot, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *slot = word.to_be_bytes();
        }
        bytes
    }

    fn read(value: &[u8]) -> Result<Self> {
        let words = value.as_chunks::<8>().0;
        let [a, b, c, d, last, at] = *words else {
            return Err(damaged(ConversationsView::NAME, "a conversation cannot be read"));
        };
        let word = u64::from_be_bytes;
        Ok(Self {
            sent: [word(a), word(b)],
            read: [word(c), word(d)],
            last: word(last),
            last_at_ms: word(at) as i64,
        })
    }

    fn of(pair: Pair, stored: &Stored<'_>) -> Result<Self> {
        let value = stored.get(&row_key(pair))?;
        value.map_or(Ok(Self::default()), |value| Self::read(&value))
    }
}

/// What a commit changes of a conversation.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    sent: [Option<u64>; 2],
    read: [Option<u64>; 2],
    last: Option<(Place, i64)>,
}

/// The view `conversations`.
#[derive(Debug, Default)]
pub struct ConversationsView {
    changed: HashMap<Pair, Change, foldhash::fast::RandomState>,
    /// Messages (true) and read marks, in the order of the journal.
    told: Vec<(Pair, Place, bool)>,
}

impl ConversationsView {
    /// Its name.
    pub const NAME: &'static str = "conversations";

    fn change(&mut self, fact: &Fact<'_>, is_message: bool) -> (&mut Change, usize) {
        let pair = pair(fact.who, fact.whom);
        self.told.push((pair, fact.place, is_message));
        let side = usize::from(fact.who != pair[0]);
        (self.changed.entry(pair).or_default(), side)
    }
}

impl Projection for ConversationsView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::MessageSent(e) => {
                let (change, side) = self.change(fact, true);
                change.sent[side] = Some(e.number);
                change.last = Some((fact.place, fact.at_ms));
            }
            Event::MessagesRead(e) => {
                let (change, side) = self.change(fact, false);
                change.read[side] = Some(e.upto);
            }
            _ => {}
        }
    }

    /// Nothing is kept of it: what is unread is only looked through, so that a view that is damaged is noticed here.
    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(vec![UNREAD])
    }

    fn load(&mut self, _: &[u8], value: &[u8]) -> Result<()> {
        read_count(value).map(|_| ())
    }

    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        let mut changed: Vec<_> = self.changed.drain().collect();
        changed.sort_unstable_by_key(|(pair, _)| *pair);
        for (pair, change) in changed {
            let before = Row::of(pair, stored)?;
            let mut row = before;
            for side in 0..2 {
                row.sent[side] = change.sent[side].unwrap_or(row.sent[side]);
                row.read[side] = change.read[side].unwrap_or(row.read[side]);
            }
            if let Some((last, at_ms)) = change.last {
                (row.last, row.last_at_ms) = (last, at_ms);
            }
            out.set(&row_key(pair), &row.write());
            for (side, user) in pair.into_iter().enumerate() {
                flush_end(user, pair[1 - side], side, (&before, &row), out);
            }
        }
        for (pair, place, is_message) in self.told.drain(..) {
            if is_message {
                out.set(&message_key(pair, place), &[THERE]);
            }
            for user in pair {
                out.set(&told_key(user, place), &[THERE]);
            }
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        let number = |from: usize| {
            let bytes = key.get(from..from + 4).and_then(|b| b.try_into().ok());
            bytes.map_or("?", |b| names.text(Number::from_be_bytes(b)))
        };
        match key.first() {
            Some(&ROW) => format!("the conversation of {} and {}", number(1), number(5)),
            Some(&LIST) => format!("one with whom {} writes", number(1)),
            Some(&MESSAGE) => format!("a message between {} and {}", number(1), number(5)),
            Some(&TOLD) => format!("something that {} is told", number(1)),
            Some(&UNREAD) => format!("what {} has not read of {}", number(1), number(5)),
            _ => format!("key {key:02x?}"),
        }
    }
}

/// What the lists of one end say of a conversation that has changed.
fn flush_end(user: Number, other: Number, side: usize, (before, row): (&Row, &Row), out: &mut Put<'_>) {
    if row.last != before.last {
        if before.last > 0 {
            out.remove(&list_key(user, before.last));
        }
        out.set(&list_key(user, row.last), &other.to_be_bytes());
    }
    let (was, unread) = (before.unread(side), row.unread(side));
    if unread > 0 && unread != was {
        out.set(&unread_key(user, other), &unread.to_be_bytes());
    } else if unread == 0 && was > 0 {
        out.remove(&unread_key(user, other));
    }
}

fn row_key([one, other]: Pair) -> [u8; 9] {
    ends_key(ROW, one, other)
}

fn unread_key(user: Number, other: Number) -> [u8; 9] {
    ends_key(UNREAD, user, other)
}

fn ends_key(kind: u8, one: Number, other: Number) -> [u8; 9] {
    let mut key = [kind; 9];
    key[1..5].copy_from_slice(&one.to_be_bytes());
    key[5..].copy_from_slice(&other.to_be_bytes());
    key
}

/// The newest first.
fn list_key(user: Number, last: Place) -> [u8; 13] {
    user_key(LIST, user, !last)
}

/// The oldest first.
fn told_key(user: Number, place: Place) -> [u8; 13] {
    user_key(TOLD, user, place)
}

fn user_key(kind: u8, user: Number, word: u64) -> [u8; 13] {
    let mut key = [kind; 13];
    key[1..5].copy_from_slice(&user.to_be_bytes());
    key[5..].copy_from_slice(&word.to_be_bytes());
    key
}

/// The newest first.
fn message_key(pair: Pair, place: Place) -> [u8; 17] {
    let mut key = [MESSAGE; 17];
    key[..9].copy_from_slice(&ends_key(MESSAGE, pair[0], pair[1]));
    key[9..].copy_from_slice(&(!place).to_be_bytes());
    key
}

/// The word at the end of a key.
fn last_word(key: &[u8]) -> Result<u64> {
    let word = key.last_chunk().map(|word| u64::from_be_bytes(*word));
    word.ok_or_else(|| damaged(ConversationsView::NAME, "a key cannot be read"))
}

fn read_count(value: &[u8]) -> Result<u64> {
    let count = value.try_into().map(u64::from_be_bytes);
    count.map_err(|_| damaged(ConversationsView::NAME, "a count cannot be read"))
}

/// Up to `limit` entries behind a key, up to another one, in the order of the keys.
fn scan<T>(
    (behind, to): (&[u8], &[u8]),
    limit: usize,
    stored: &Stored<'_>,
    mut read: impl FnMut(&[u8], &[u8]) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    stored.scan(Bound::Excluded(behind), Bound::Included(to), &mut |key, value| {
        if found.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        found.push(read(key, value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
