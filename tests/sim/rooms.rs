//! The rules of rooms as plain lists, written a second time. What only the clock decides (whether a mute has ended, how
//! fast is too fast) it does not decide: a refusal of that kind must have its reason on record, an acceptance needs none.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{
    Banned, ChatSent, FollowersOnlySet, Kicked, ModeratorAdded, ModeratorRemoved, Muted, NoticePosted,
    Pinned, Role, SlowModeSet, Unbanned, Unmuted, Unpinned,
};
use domain::room::Act;
use domain::{Event, Rejection, UserId};

use crate::life::id;
use crate::model::Verdict;
use crate::script::Body;

const MODERATORS_HIGHEST: usize = 50;
const BANS_HIGHEST: usize = 10_000;
const MUTES_HIGHEST: usize = 1_000;
const MONTH_SECONDS: u64 = 2_592_000;
const BURST: usize = 5;
const ORDERS_BURST: usize = 20;
const CHATS_OF_VIEWERS: usize = 35;

/// One room.
#[derive(Debug, Default, Clone)]
pub struct Room {
    /// By name.
    pub moderators: BTreeSet<String>,
    /// What is pinned.
    pub pinned: Option<String>,
    /// Seconds; 0 = off.
    pub slow_mode: u32,
    /// Whether only followers may write.
    pub followers_only: bool,
    banned: BTreeSet<String>,
    /// Until when; also those that have ended.
    muted: BTreeMap<String, i64>,
    /// Everybody who ever was.
    kicked: BTreeSet<String>,
    /// How often each user said each text.
    said: BTreeMap<String, BTreeMap<String, usize>>,
    chats: usize,
    /// How many orders of each changed something.
    ordered: BTreeMap<String, usize>,
}

impl Room {
    /// As what somebody is here.
    pub fn role(&self, streamer: &str, user: &str) -> Role {
        if user == streamer {
            Role::Streamer
        } else if self.moderators.contains(user) {
            Role::Moderator
        } else {
            Role::Viewer
        }
    }

    /// What the rules make of a command, the clock and what others know left out. A mute is made until 0.
    pub fn verdict(&self, streamer: &str, actor: &str, body: &Body) -> Verdict {
        match body {
            Body::Chat { text, blocked } => {
                let text = text.kept.clone()?;
                if self.banned.contains(actor) {
                    return Err(Rejection::Banned);
                }
                if *blocked {
                    return Err(Rejection::BlockedWord);
                }
                let (user, role) = (id(actor), self.role(streamer, actor));
                Ok(vec![ChatSent { user, text, role }.into()])
            }
            Body::Order { act, kept } => {
                self.may_order(streamer, actor, act)?;
                self.order(id(actor), act, kept.clone())
            }
            other => panic!("{other:?} is nothing for a room"),
        }
    }

    fn may_order(&self, streamer: &str, actor: &str, act: &Act) -> Result<(), Rejection> {
        let theirs = matches!(
            act,
            Act::AddModerator { .. } | Act::RemoveModerator { .. } | Act::FollowersOnly { .. }
        );
        let role = self.role(streamer, actor);
        if role == Role::Viewer || (theirs && role != Role::Streamer) {
            return Err(Rejection::NotPermitted);
        }
        match about(act).map(|user| self.role(streamer, user.as_str())) {
            Some(Role::Streamer) => Err(Rejection::NotOfEquals),
            Some(Role::Moderator) if role != Role::Streamer => Err(Rejection::NotOfEquals),
            _ => Ok(()),
        }
    }

    fn order(&self, by: UserId, act: &Act, kept: Result<String, Rejection>) -> Verdict {
        let known = |set: &BTreeSet<String>, user: &UserId| set.contains(user.as_str());
        let event: Option<Event> = match act.clone() {
            Act::Mute { seconds: 0, .. } => return Err(Rejection::BadDuration),
            Act::Mute { seconds, .. } if seconds > MONTH_SECONDS => return Err(Rejection::BadDuration),
            Act::Mute { user, .. } => {
                let until_ms = 0;
                Some(Muted { user, until_ms, by }.into())
            }
            Act::Unmute { user } if !self.muted.contains_key(user.as_str()) => None,
            Act::Unmute { user } => Some(Unmuted { user, by }.into()),
            Act::Kick { user } => Some(Kicked { user, by }.into()),
            Act::Ban { user } if known(&self.banned, &user) => None,
            Act::Ban { .. } if self.banned.len() >= BANS_HIGHEST => return Err(Rejection::BanLimit),
            Act::Ban { user } if known(&self.moderators, &user) => {
                let banned = Banned {
                    user: user.clone(),
                    by: by.clone(),
                };
                return Ok(vec![banned.into(), ModeratorRemoved { user, by }.into()]);
            }
            Act::Ban { user } => Some(Banned { user, by }.into()),
            Act::Unban { user } if !known(&self.banned, &user) => None,
            Act::Unban { user } => Some(Unbanned { user, by }.into()),
            Act::SlowMode { seconds } if seconds > 3_600 => return Err(Rejection::BadSlowMode),
            Act::SlowMode { seconds } if seconds == self.slow_mode => None,
            Act::SlowMode { seconds } => Some(SlowModeSet { seconds, by }.into()),
            Act::FollowersOnly { on } if on == self.followers_only => None,
            Act::FollowersOnly { on } => Some(FollowersOnlySet { on, by }.into()),
            Act::Notice { .. } => Some(NoticePosted { text: kept?, by }.into()),
            Act::Pin { .. } => {
                let text = kept?;
                let new = self.pinned.as_ref() != Some(&text);
                new.then(|| Pinned { text, by }.into())
            }
            Act::Unpin => self.pinned.is_some().then(|| Unpinned { by }.into()),
            Act::AddModerator { user } if known(&self.moderators, &user) => None,
            Act::AddModerator { user } if known(&self.banned, &user) => return Err(Rejection::UserBanned),
            Act::AddModerator { .. } if self.moderators.len() >= MODERATORS_HIGHEST => {
                return Err(Rejection::ModeratorLimit);
            }
            Act::AddModerator { user } => Some(ModeratorAdded { user, by }.into()),
            Act::RemoveModerator { user } if !known(&self.moderators, &user) => None,
            Act::RemoveModerator { user } => Some(ModeratorRemoved { user, by }.into()),
        };
        Ok(event.into_iter().collect())
    }

    /// Whether the clock may have refused a command so: what it needs for that is on record, and nothing that comes
    /// before it in the order of refusals is.
    pub fn may_refuse(&self, streamer: &str, actor: &str, body: &Body, rejection: Rejection) -> bool {
        let verdict = self.verdict(streamer, actor, body);
        let text = match body {
            Body::Chat { text, .. } => text,
            Body::Order { act, .. } => {
                return self.may_refuse_order(streamer, actor, act, &verdict, rejection);
            }
            _ => return false,
        };
        let said = self.said.get(actor);
        let times = said.map_or(0, |said| said.values().sum());
        let viewer = self.role(streamer, actor) == Role::Viewer;
        let before_words = !matches!(&verdict, Err(other) if *other != Rejection::BlockedWord);
        match rejection {
            Rejection::Kicked => before_words && self.kicked.contains(actor),
            Rejection::Muted => before_words && self.muted.contains_key(actor),
            _ if verdict.is_err() => false,
            Rejection::FollowersOnly => viewer && self.followers_only,
            Rejection::SlowMode => viewer && self.slow_mode > 0 && times > 0,
            Rejection::RepeatedText => {
                let same = said
                    .zip(text.kept.as_ref().ok())
                    .and_then(|(said, text)| said.get(text));
                same.is_some_and(|times| *times >= 2)
            }
            Rejection::ChatTooFast => times >= BURST,
            Rejection::RoomChatFull => self.chats >= CHATS_OF_VIEWERS,
            _ => false,
        }
    }

    fn may_refuse_order(
        &self,
        streamer: &str,
        actor: &str,
        act: &Act,
        verdict: &Verdict,
        rejection: Rejection,
    ) -> bool {
        let permitted = self.may_order(streamer, actor, act).is_ok();
        let speaks = matches!(act, Act::Notice { .. } | Act::Pin { .. });
        match rejection {
            Rejection::Kicked => permitted && self.kicked.contains(actor),
            Rejection::Muted => permitted && speaks && self.muted.contains_key(actor),
            Rejection::MuteLimit => verdict.is_ok() && self.muted.len() >= MUTES_HIGHEST,
            Rejection::OrderTooFast => {
                verdict.is_ok() && self.ordered.get(actor).is_some_and(|n| *n >= ORDERS_BURST)
            }
            _ => false,
        }
    }

    /// Whether an order that found nothing to do may have found a mute that had ended, or a kick that had not.
    pub fn may_hold_by_the_clock(&self, body: &Body) -> bool {
        match body {
            Body::Order {
                act: Act::Unmute { user },
                ..
            } => self.muted.contains_key(user.as_str()),
            Body::Order {
                act: Act::Kick { user },
                ..
            } => self.kicked.contains(user.as_str()),
            _ => false,
        }
    }

    /// Takes an event of the room.
    pub fn apply(&mut self, event: &Event) {
        let name = |user: &UserId| user.to_string();
        if let Some(by) = event.ordered_by() {
            *self.ordered.entry(name(by)).or_default() += 1;
        }
        match event {
            Event::ChatSent(e) => {
                self.chats += 1;
                let said = self.said.entry(name(&e.user)).or_default();
                *said.entry(e.text.clone()).or_default() += 1;
            }
            Event::Muted(e) => _ = self.muted.insert(name(&e.user), e.until_ms),
            Event::Unmuted(e) => _ = self.muted.remove(e.user.as_str()),
            Event::Kicked(e) => _ = self.kicked.insert(name(&e.user)),
            Event::Banned(e) => _ = self.banned.insert(name(&e.user)),
            Event::Unbanned(e) => _ = self.banned.remove(e.user.as_str()),
            Event::SlowModeSet(e) => self.slow_mode = e.seconds,
            Event::FollowersOnlySet(e) => self.followers_only = e.on,
            Event::Pinned(e) => self.pinned = Some(e.text.clone()),
            Event::Unpinned(_) => self.pinned = None,
            Event::ModeratorAdded(e) => _ = self.moderators.insert(name(&e.user)),
            Event::ModeratorRemoved(e) => _ = self.moderators.remove(e.user.as_str()),
            _ => {}
        }
    }
}

/// An event as the verdict has it: without the time that the clock put in.
pub fn without_time(event: &Event) -> Event {
    match event {
        Event::Muted(muted) => {
            let until_ms = 0;
            Muted {
                until_ms,
                ..muted.clone()
            }
            .into()
        }
        other => other.clone(),
    }
}

fn about(act: &Act) -> Option<&UserId> {
    match act {
        Act::Mute { user, .. }
        | Act::Unmute { user }
        | Act::Kick { user }
        | Act::Ban { user }
        | Act::Unban { user }
        | Act::AddModerator { user }
        | Act::RemoveModerator { user } => Some(user),
        _ => None,
    }
}
