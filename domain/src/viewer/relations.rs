//! A viewer's follows and blocks. A follow, and a block, is an event of the one who acts; the other one's actor holds
//! nothing of it.
//!
//! Whether somebody may be followed lies in that one's own stream, so that two streams meet in a follow. They meet by a
//! number: every change of somebody's blocks has one, and a follow says how many changes it knew of. A block ends exactly
//! the follows that did not know of it, whichever of the two is heard of first and however often. It must never matter
//! here which of two messages was faster.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Answer, Viewer};
use crate::event::{Blocked, Followed, Unblocked, Unfollowed};
use crate::limits::{BLOCKED_MAX, FOLLOWING_MAX};
use crate::{Decision, Event, Rejection, UserId};

/// Whom somebody blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    changes: u64,
    users: BTreeSet<UserId>,
}

/// What somebody's blocks say of one who wants to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clearance {
    /// Whether that one is blocked.
    pub blocked: bool,
    /// How many changes the blocks had seen when they said so.
    pub changes: u64,
}

/// How one user stands to another, as the one knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toward {
    /// Whether the one follows the other.
    pub follows: bool,
    /// Whether the one blocks the other.
    pub blocks: bool,
}

impl Blocks {
    /// How often they have changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Who is blocked.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.iter()
    }

    /// What they say of a user.
    pub fn clearance(&self, user: &UserId) -> Clearance {
        Clearance {
            blocked: self.users.contains(user),
            changes: self.changes,
        }
    }

    /// Takes the next change; one that was taken before changes nothing.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::Blocked(e) if e.change > self.changes => {
                self.changes = e.change;
                self.users.insert(e.user.clone());
            }
            Event::Unblocked(e) if e.change > self.changes => {
                self.changes = e.change;
                self.users.remove(&e.user);
            }
            _ => {}
        }
    }
}

impl Viewer {
    pub(super) fn follow(
        &self,
        streamer: &UserId,
        clearance: Option<Clearance>,
    ) -> Result<Decision<Answer>, Rejection> {
        if *streamer == self.user {
            return Err(Rejection::FollowSelf);
        }
        if self.blocks.users.contains(streamer) {
            return Err(Rejection::FollowBlocked);
        }
        let clearance = clearance.ok_or(Rejection::Busy)?;
        if clearance.blocked {
            return Err(Rejection::BlockedBy);
        }
        match self.following.get(streamer) {
            Some(cleared) if *cleared >= clearance.changes => {
                return Ok(Decision::Already(Answer::Relation));
            }
            // One of the changes that it does not know of may be a block that has not come to end it yet: it is renewed.
            Some(_) => {}
            None if self.following.len() >= FOLLOWING_MAX => return Err(Rejection::FollowLimit),
            None => {}
        }
        Ok(Decision::happens(Followed {
            streamer: streamer.clone(),
            cleared: clearance.changes,
        }))
    }

    pub(super) fn unfollow(&self, streamer: &UserId) -> Decision<Answer> {
        if !self.following.contains_key(streamer) {
            return Decision::Already(Answer::Relation);
        }
        Decision::happens(Unfollowed {
            streamer: streamer.clone(),
        })
    }

    pub(super) fn lose_follow(&self, streamer: &UserId, change: u64) -> Decision<Answer> {
        let knew = self
            .following
            .get(streamer)
            .is_none_or(|cleared| *cleared >= change);
        if knew {
            return Decision::Already(Answer::Relation);
        }
        self.unfollow(streamer)
    }

    pub(super) fn block(&self, user: &UserId) -> Result<Decision<Answer>, Rejection> {
        if *user == self.user {
            return Err(Rejection::BlockSelf);
        }
        if self.blocks.users.contains(user) {
            return Ok(Decision::Already(Answer::Relation));
        }
        if self.blocks.users.len() >= BLOCKED_MAX {
            return Err(Rejection::BlockLimit);
        }
        let blocked = Blocked {
            user: user.clone(),
            change: self.blocks.changes + 1,
        };
        let mut events = Vec::from([Event::from(blocked)]);
        if self.following.contains_key(user) {
            let streamer = user.clone();
            events.push(Unfollowed { streamer }.into());
        }
        Ok(Decision::Happens(events))
    }

    pub(super) fn unblock(&self, user: &UserId) -> Decision<Answer> {
        if !self.blocks.users.contains(user) {
            return Decision::Already(Answer::Relation);
        }
        Decision::happens(Unblocked {
            user: user.clone(),
            change: self.blocks.changes + 1,
        })
    }

    pub(super) fn toward(&self, user: &UserId) -> Toward {
        Toward {
            follows: self.following.contains_key(user),
            blocks: self.blocks.users.contains(user),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
