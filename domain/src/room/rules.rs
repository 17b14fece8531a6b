//! Who is in charge of a room, and what they have ordered: moderators, mutes, kicks, bans, slow mode, the pinned text.
//!
//! The streamer may do everything, a moderator what concerns ordinary viewers; nobody is moderated by an equal. Times
//! are compared with the decision's own; nothing here waits or wakes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::{
    Banned, FollowersOnlySet, Kicked, ModeratorAdded, ModeratorRemoved, Muted, NoticePosted, Pinned, Role,
    SlowModeSet, Unbanned, Unmuted, Unpinned,
};
use crate::limits::{
    BANNED_MAX, KICK_MS, KICKED_MAX, MODERATORS_MAX, MUTE_SECONDS_MAX, MUTED_MAX, NOTICE_CHARS_MAX,
    ORDER_BURST, ORDER_INTERVAL_MS, PINNED_CHARS_MAX, SLOW_MODE_SECONDS_MAX,
};
use crate::{Event, Rejection, UserId, text};

/// What the streamer or a moderator orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// This user may not write.
    Mute {
        /// Whom.
        user: UserId,
        /// For how long: 1 s to 30 days.
        seconds: u64,
    },
    /// This user may write again.
    Unmute {
        /// Whom.
        user: UserId,
    },
    /// This user leaves, and may come back after a minute.
    Kick {
        /// Whom.
        user: UserId,
    },
    /// This user leaves, and may not come back.
    Ban {
        /// Whom.
        user: UserId,
    },
    /// This user may come back.
    Unban {
        /// Whom.
        user: UserId,
    },
    /// Every viewer writes at most once in so many seconds.
    SlowMode {
        /// 1 to 3600; 0 = off.
        seconds: u32,
    },
    /// Only who follows the streamer may write. By the streamer only.
    FollowersOnly {
        /// Whether it is so.
        on: bool,
    },
    /// Tell everybody something, once.
    Notice {
        /// 1 to 200 characters after cleaning.
        text: String,
    },
    /// Show a text until another one is pinned.
    Pin {
        /// 1 to 200 characters after cleaning.
        text: String,
    },
    /// Show no text.
    Unpin,
    /// This user becomes a moderator. By the streamer only.
    AddModerator {
        /// Whom.
        user: UserId,
    },
    /// This user is a moderator no longer. By the streamer only.
    RemoveModerator {
        /// Whom.
        user: UserId,
    },
}

impl Act {
    /// Who may do it: at least this.
    fn least_role(&self) -> Role {
        match self {
            Self::FollowersOnly { .. } | Self::AddModerator { .. } | Self::RemoveModerator { .. } => {
                Role::Streamer
            }
            _ => Role::Moderator,
        }
    }

    /// Whether everybody is shown words of its author.
    fn speaks(&self) -> bool {
        matches!(self, Self::Notice { .. } | Self::Pin { .. })
    }

    /// To whom it is done, if to anybody.
    fn target(&self) -> Option<&UserId> {
        match self {
            Self::Mute { user, .. }
            | Self::Unmute { user }
            | Self::Kick { user }
            | Self::Ban { user }
            | Self::Unban { user }
            | Self::AddModerator { user }
            | Self::RemoveModerator { user } => Some(user),
            Self::SlowMode { .. }
            | Self::FollowersOnly { .. }
            | Self::Notice { .. }
            | Self::Pin { .. }
            | Self::Unpin => None,
        }
    }
}

/// What stands in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    streamer: UserId,
    moderators: BTreeSet<UserId>,
    banned: BTreeSet<UserId>,
    /// Until when, unix ms. Those that have ended are taken out with the next mute.
    muted: BTreeMap<UserId, i64>,
    /// Likewise, with the next kick.
    kicked: BTreeMap<UserId, i64>,
    /// When the allowance of each who ordered lately will be full again (a token bucket kept as one time), unix ms. Full
    /// ones are taken out with the next order.
    orderers: BTreeMap<UserId, i64>,
    slow_mode_seconds: u32,
    followers_only: bool,
    pinned: Option<String>,
}

impl Rules {
    /// A room as it begins: the streamer alone is in charge, and nothing is ordered.
    pub(super) fn new(streamer: UserId) -> Self {
        Self {
            streamer,
            moderators: BTreeSet::new(),
            banned: BTreeSet::new(),
            muted: BTreeMap::new(),
            kicked: BTreeMap::new(),
            orderers: BTreeMap::new(),
            slow_mode_seconds: 0,
            followers_only: false,
            pinned: None,
        }
    }

    pub(super) fn role(&self, user: &UserId) -> Role {
        if *user == self.streamer {
            Role::Streamer
        } else if self.moderators.contains(user) {
            Role::Moderator
        } else {
            Role::Viewer
        }
    }

    pub(super) fn slow_mode_seconds(&self) -> u32 {
        self.slow_mode_seconds
    }

    pub(super) fn is_followers_only(&self) -> bool {
        self.followers_only
    }

    /// Until when a user may not write, unix ms; none who may.
    pub(super) fn muted_until_ms(&self, user: &UserId, now_ms: i64) -> Option<i64> {
        self.muted
            .get(user)
            .copied()
            .filter(|until_ms| *until_ms > now_ms)
    }

    /// Whether a user may be in the room.
    pub(super) fn admits(&self, user: &UserId, now_ms: i64) -> Result<(), Rejection> {
        if self.banned.contains(user) {
            return Err(Rejection::Banned);
        }
        if self.is_kicked(user, now_ms) {
            return Err(Rejection::Kicked);
        }
        Ok(())
    }

    fn is_kicked(&self, user: &UserId, now_ms: i64) -> bool {
        self.kicked.get(user).is_some_and(|until_ms| *until_ms > now_ms)
    }

    /// What an order makes happen; nothing when it holds already.
    pub(super) fn decide(&self, by: &UserId, act: &Act, now_ms: i64) -> Result<Vec<Event>, Rejection> {
        self.permits(by, act, now_ms)?;
        let events = self.outcome(by.clone(), act, now_ms)?;
        let full_at_ms = self.orderers.get(by).copied().unwrap_or(now_ms);
        if !events.is_empty() && full_at_ms - now_ms > (ORDER_BURST - 1) * ORDER_INTERVAL_MS {
            return Err(Rejection::OrderTooFast);
        }
        Ok(events)
    }

    /// Whether this one may order this.
    fn permits(&self, by: &UserId, act: &Act, now_ms: i64) -> Result<(), Rejection> {
        let role = self.role(by);
        if role < act.least_role() {
            return Err(Rejection::NotPermitted);
        }
        if act.target().is_some_and(|user| self.role(user) >= role) {
            return Err(Rejection::NotOfEquals);
        }
        self.admits(by, now_ms)?;
        if act.speaks() && self.muted_until_ms(by, now_ms).is_some() {
            return Err(Rejection::Muted);
        }
        Ok(())
    }

    /// What an order that may be given makes happen.
    fn outcome(&self, by: UserId, act: &Act, now_ms: i64) -> Result<Vec<Event>, Rejection> {
        match act {
            Act::Mute { user, seconds } => self.mute(by, user, *seconds, now_ms),
            Act::Unmute { user } => {
                let user = self.muted_until_ms(user, now_ms).map(|_| user.clone());
                Ok(user.map(|user| Unmuted { user, by }.into()).into_iter().collect())
            }
            Act::Kick { user } => {
                let (out, user) = (self.is_kicked(user, now_ms), user.clone());
                Ok(one_if(!out, Kicked { user, by }))
            }
            Act::Ban { user } => self.ban(by, user),
            Act::Unban { user } => {
                let user = self.banned.get(user).cloned();
                Ok(user
                    .map(|user| Unbanned { user, by }.into())
                    .into_iter()
                    .collect())
            }
            Act::SlowMode { seconds } if *seconds > SLOW_MODE_SECONDS_MAX => Err(Rejection::BadSlowMode),
            Act::SlowMode { seconds } => {
                let (seconds, event) = (
                    *seconds,
                    SlowModeSet {
                        seconds: *seconds,
                        by,
                    },
                );
                Ok(one_if(seconds != self.slow_mode_seconds, event))
            }
            Act::FollowersOnly { on } => Ok(one_if(
                *on != self.followers_only,
                FollowersOnlySet { on: *on, by },
            )),
            Act::Notice { text } => {
                let text = text::clean(text, NOTICE_CHARS_MAX)?;
                Ok(Vec::from([NoticePosted { text, by }.into()]))
            }
            Act::Pin { text } => {
                let text = text::clean(text, PINNED_CHARS_MAX)?;
                let new = self.pinned.as_ref() != Some(&text);
                Ok(one_if(new, Pinned { text, by }))
            }
            Act::Unpin => Ok(one_if(self.pinned.is_some(), Unpinned { by })),
            Act::AddModerator { user } => self.add_moderator(by, user),
            Act::RemoveModerator { user } => {
                let user = self.moderators.get(user).cloned();
                let removed = user.map(|user| ModeratorRemoved { user, by }.into());
                Ok(removed.into_iter().collect())
            }
        }
    }

    fn mute(&self, by: UserId, user: &UserId, seconds: u64, now_ms: i64) -> Result<Vec<Event>, Rejection> {
        if !(1..=MUTE_SECONDS_MAX).contains(&seconds) {
            return Err(Rejection::BadDuration);
        }
        let known = self.muted_until_ms(user, now_ms).is_some();
        let running = self.muted.values().filter(|until_ms| **until_ms > now_ms);
        if !known && running.count() >= MUTED_MAX {
            return Err(Rejection::MuteLimit);
        }
        let (user, until_ms) = (user.clone(), now_ms + seconds as i64 * 1_000);
        Ok(Vec::from([Muted { user, until_ms, by }.into()]))
    }

    /// A moderator who is banned is a moderator no longer.
    fn ban(&self, by: UserId, user: &UserId) -> Result<Vec<Event>, Rejection> {
        if self.banned.contains(user) {
            return Ok(Vec::new());
        }
        if self.banned.len() >= BANNED_MAX {
            return Err(Rejection::BanLimit);
        }
        let mut events = Vec::new();
        let (user, moderator) = (user.clone(), self.moderators.get(user).cloned());
        events.push(Event::from(Banned { user, by: by.clone() }));
        events.extend(moderator.map(|user| Event::from(ModeratorRemoved { user, by })));
        Ok(events)
    }

    fn add_moderator(&self, by: UserId, user: &UserId) -> Result<Vec<Event>, Rejection> {
        if self.moderators.contains(user) {
            return Ok(Vec::new());
        }
        if self.banned.contains(user) {
            return Err(Rejection::UserBanned);
        }
        if self.moderators.len() >= MODERATORS_MAX {
            return Err(Rejection::ModeratorLimit);
        }
        let user = user.clone();
        Ok(Vec::from([ModeratorAdded { user, by }.into()]))
    }

    pub(super) fn evolve(&mut self, event: &Event, at_ms: i64) {
        if let Some(by) = event.ordered_by() {
            self.remember_order(by, at_ms);
        }
        match event {
            Event::Muted(e) => {
                self.muted.retain(|_, until_ms| *until_ms > at_ms);
                self.muted.insert(e.user.clone(), e.until_ms);
            }
            Event::Unmuted(e) => _ = self.muted.remove(&e.user),
            Event::Kicked(e) => self.remember_kick(&e.user, at_ms),
            Event::Banned(e) => _ = self.banned.insert(e.user.clone()),
            Event::Unbanned(e) => _ = self.banned.remove(&e.user),
            Event::SlowModeSet(e) => self.slow_mode_seconds = e.seconds,
            Event::FollowersOnlySet(e) => self.followers_only = e.on,
            Event::Pinned(e) => self.pinned = Some(e.text.clone()),
            Event::Unpinned(_) => self.pinned = None,
            Event::ModeratorAdded(e) => _ = self.moderators.insert(e.user.clone()),
            Event::ModeratorRemoved(e) => _ = self.moderators.remove(&e.user),
            _ => {}
        }
    }

    fn remember_order(&mut self, by: &UserId, at_ms: i64) {
        self.orderers.retain(|_, full_at_ms| *full_at_ms > at_ms);
        let full_at_ms = self.orderers.entry(by.clone()).or_insert(at_ms);
        *full_at_ms = (*full_at_ms + ORDER_INTERVAL_MS).min(at_ms + ORDER_BURST * ORDER_INTERVAL_MS);
    }

    fn remember_kick(&mut self, user: &UserId, at_ms: i64) {
        self.kicked.retain(|_, until_ms| *until_ms > at_ms);
        if self.kicked.len() >= KICKED_MAX {
            let first = self.kicked.iter().min_by_key(|(_, until_ms)| **until_ms);
            if let Some(user) = first.map(|(user, _)| user.clone()) {
                self.kicked.remove(&user);
            }
        }
        self.kicked.insert(user.clone(), at_ms + KICK_MS);
    }
}

fn one_if(happens: bool, event: impl Into<Event>) -> Vec<Event> {
    happens.then(|| event.into()).into_iter().collect()
}
