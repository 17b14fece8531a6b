//! How fast a room may talk: each user, the whole room, and nobody the same thing over and over.
//!
//! It remembers what was said, never what was refused: it is a fold of accepted chats, bounded in time and number.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::Role;
use crate::limits::{
    CHAT_BURST, CHAT_INTERVAL_MS, CHATS_REMEMBERED_MAX, REPEATED_TEXT_MAX, REPEATED_TEXT_MS,
    ROOM_CHATS_FOR_STAFF, ROOM_CHATS_PER_SECOND_MAX,
};
use crate::text::is_seen;
use crate::{Rejection, UserId};

/// One user who wrote lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Talker {
    last_at_ms: i64,
    /// When the allowance will be full again (a token bucket kept as one time).
    full_at_ms: i64,
    /// Digest and time of each text of the last [`REPEATED_TEXT_MS`], oldest first.
    said: Vec<(u64, i64)>,
}

/// What was said lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Talk {
    talkers: BTreeMap<UserId, Talker>,
    /// Who wrote when, oldest first: at most [`CHATS_REMEMBERED_MAX`].
    order: VecDeque<(i64, UserId)>,
}

/// A chat as the rates see it.
pub(super) struct Saying<'a> {
    pub(super) user: &'a UserId,
    pub(super) role: Role,
    pub(super) text: &'a str,
    pub(super) at_ms: i64,
    pub(super) slow_mode_seconds: u32,
}

impl Talk {
    /// Whether it may be said now.
    pub(super) fn allows(&self, saying: &Saying<'_>) -> Result<(), Rejection> {
        let now_ms = saying.at_ms;
        if let Some(talker) = self.talkers.get(saying.user) {
            let slow_ms = i64::from(saying.slow_mode_seconds) * 1_000;
            if saying.role == Role::Viewer && talker.last_at_ms + slow_ms > now_ms {
                return Err(Rejection::SlowMode);
            }
            if talker.times_said(digest(saying.text), now_ms) >= REPEATED_TEXT_MAX {
                return Err(Rejection::RepeatedText);
            }
            if talker.full_at_ms - now_ms > (CHAT_BURST - 1) * CHAT_INTERVAL_MS {
                return Err(Rejection::ChatTooFast);
            }
        }
        let most = match saying.role {
            Role::Viewer => ROOM_CHATS_PER_SECOND_MAX - ROOM_CHATS_FOR_STAFF,
            Role::Moderator | Role::Streamer => ROOM_CHATS_PER_SECOND_MAX,
        };
        let nth_newest = self
            .order
            .len()
            .checked_sub(most)
            .and_then(|at| self.order.get(at));
        if nth_newest.is_some_and(|(at_ms, _)| at_ms + 1_000 > now_ms) {
            return Err(Rejection::RoomChatFull);
        }
        Ok(())
    }

    /// It was said.
    pub(super) fn remember(&mut self, saying: &Saying<'_>) {
        let Saying { user, at_ms, .. } = *saying;
        let slow_ms = i64::from(saying.slow_mode_seconds) * 1_000;
        self.forget_before(at_ms - slow_ms.max(REPEATED_TEXT_MS));
        self.order.push_back((at_ms, user.clone()));
        let talker = self.talkers.entry(user.clone()).or_insert_with(|| Talker {
            last_at_ms: at_ms,
            full_at_ms: at_ms,
            said: Vec::new(),
        });
        talker.last_at_ms = at_ms;
        talker.full_at_ms = talker.full_at_ms.max(at_ms) + CHAT_INTERVAL_MS;
        talker
            .said
            .retain(|(_, said_ms)| *said_ms + REPEATED_TEXT_MS > at_ms);
        talker.said.push((digest(saying.text), at_ms));
    }

    /// Chats and users remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.order.len(), self.talkers.len())
    }

    /// Forgets what is too old to matter, and the oldest of what is too much.
    fn forget_before(&mut self, ms: i64) {
        while let Some((at_ms, _)) = self.order.front() {
            if *at_ms >= ms && self.order.len() < CHATS_REMEMBERED_MAX {
                return;
            }
            let Some((at_ms, user)) = self.order.pop_front() else {
                return;
            };
            // A later chat of the same user stands further back.
            if self
                .talkers
                .get(&user)
                .is_some_and(|talker| talker.last_at_ms <= at_ms)
            {
                self.talkers.remove(&user);
            }
        }
    }
}

impl Talker {
    fn times_said(&self, text: u64, now_ms: i64) -> usize {
        let same = |(said, at_ms): &&(u64, i64)| *said == text && at_ms + REPEATED_TEXT_MS > now_ms;
        self.said.iter().filter(same).count()
    }
}

/// Of what can be seen of a text, whatever its case: spaces and unseen characters do not make it another one. FNV-1a:
/// small, the same everywhere, and good enough to tell a user's own texts apart.
fn digest(text: &str) -> u64 {
    let seen = text.chars().filter(|c| is_seen(*c)).flat_map(char::to_lowercase);
    seen.fold(0xcbf2_9ce4_8422_2325, |hash, c| {
        (hash ^ u64::from(c)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
