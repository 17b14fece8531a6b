//! What may be asked of the view of conversations.

use domain::UserId;
use journal::Position;

use super::{
    ConversationsView, LIST, Row, UNREAD, ends_key, last_word, list_key, message_key, pair, read_count, scan,
    told_key, user_key,
};
use crate::fact::{Place, damaged, place, position};
use crate::limits::{PAGE_ENTRIES_MAX, UNREAD_CONVERSATIONS_MAX};
use crate::names::Number;
use crate::store::Stored;
use crate::views::{Page, Views, read_cursor, write_cursor};
use crate::{BadCursor, Result};

/// A conversation as one of the two sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// With whom.
    pub with: UserId,
    /// The newest message.
    pub last: Position,
    /// Its server time, unix ms.
    pub last_at_ms: i64,
    /// How many messages the user has sent.
    pub sent: u64,
    /// How many the other one has sent.
    pub received: u64,
    /// How many of those the user has read.
    pub read: u64,
    /// How many of the user's messages the other one has read.
    pub read_by_other: u64,
}

impl Conversation {
    /// How many messages of the other one the user has not read.
    pub fn unread(&self) -> u64 {
        self.received.saturating_sub(self.read)
    }
}

/// What a user has not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// In how many conversations, at most [`UNREAD_CONVERSATIONS_MAX`].
    pub conversations: u64,
    /// How many messages in them.
    pub messages: u64,
}

impl Views {
    /// With whom a user writes, the one with the newest message first. `limit` is cut to [`PAGE_ENTRIES_MAX`]. Whoever pages
    /// may see one again to whom a message came meanwhile, and misses none.
    pub fn conversations(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Conversation>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let Some(user) = self.number(user.as_str()) else {
            return Ok(Ok(Page::empty()));
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let stored = self.stored(ConversationsView::NAME);
        let from = behind.map_or(user_key(LIST, user, 0), |[last]| list_key(user, last));
        let lines = scan((&from, &list_key(user, 0)), limit + 1, &stored, |key, value| {
            let other = value.try_into().map(Number::from_be_bytes);
            let other = other.map_err(|_| damaged(ConversationsView::NAME, "a line cannot be read"))?;
            Ok((!last_word(key)?, other))
        })?;
        let shown = &lines[..lines.len().min(limit)];
        let entries = shown.iter().map(|(_, other)| self.seen_by(user, *other, &stored));
        let more = lines.len() > limit;
        let last = shown.last().filter(|_| more);
        Ok(Ok(Page {
            entries: entries.collect::<Result<_>>()?,
            cursor: last.map(|(last, _)| write_cursor([*last])),
        }))
    }

    /// A user's conversation with another one; none where no message was sent.
    pub fn conversation(&self, user: &UserId, with: &UserId) -> Result<Option<Conversation>> {
        let Some((user, with)) = self.number(user.as_str()).zip(self.number(with.as_str())) else {
            return Ok(None);
        };
        let stored = self.stored(ConversationsView::NAME);
        let seen = self.seen_by(user, with, &stored)?;
        Ok((seen.sent + seen.received > 0).then_some(seen))
    }

    fn seen_by(&self, user: Number, other: Number, stored: &Stored<'_>) -> Result<Conversation> {
        let ends = pair(user, other);
        let row = Row::of(ends, stored)?;
        let (mine, theirs) = if user == ends[0] { (0, 1) } else { (1, 0) };
        Ok(Conversation {
            with: self.user(other)?,
            last: position(row.last),
            last_at_ms: row.last_at_ms,
            sent: row.sent[mine],
            received: row.sent[theirs],
            read: row.read[mine],
            read_by_other: row.read[theirs],
        })
    }

    /// Where the messages of two users stand, newest first. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn messages(
        &self,
        user: &UserId,
        with: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Position>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let Some((user, with)) = self.number(user.as_str()).zip(self.number(with.as_str())) else {
            return Ok(Ok(Page::empty()));
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let stored = self.stored(ConversationsView::NAME);
        let ends = pair(user, with);
        let from = message_key(ends, behind.map_or(Place::MAX, |[place]| place));
        let mut places = scan((&from, &message_key(ends, 0)), limit + 1, &stored, |key, _| {
            Ok(!last_word(key)?)
        })?;
        let more = places.len() > limit;
        places.truncate(limit);
        let last = places.last().filter(|_| more);
        Ok(Ok(Page {
            cursor: last.map(|last| write_cursor([*last])),
            entries: places.into_iter().map(position).collect(),
        }))
    }

    /// What a user has not read, over all conversations.
    pub fn unread(&self, user: &UserId) -> Result<Unread> {
        let Some(user) = self.number(user.as_str()) else {
            return Ok(Unread::default());
        };
        let stored = self.stored(ConversationsView::NAME);
        // No user has the number behind the last one.
        let (from, to) = (user_key(UNREAD, user, 0), ends_key(UNREAD, user, Number::MAX));
        let counts = scan(
            (&from[..5], &to),
            UNREAD_CONVERSATIONS_MAX,
            &stored,
            |_, value| read_count(value),
        )?;
        Ok(Unread {
            conversations: counts.len() as u64,
            messages: counts.into_iter().fold(0, u64::saturating_add),
        })
    }

    /// Positions of the messages and read marks that a user is told of, behind a position, oldest first, at most `limit`.
    pub fn told_after(&self, user: &UserId, after: Position, limit: usize) -> Result<Vec<Position>> {
        let Some(user) = self.number(user.as_str()) else {
            return Ok(Vec::new());
        };
        let stored = self.stored(ConversationsView::NAME);
        let (from, to) = (told_key(user, place(after)), told_key(user, Place::MAX));
        scan((&from, &to), limit, &stored, |key, _| {
            Ok(position(last_word(key)?))
        })
    }
}
