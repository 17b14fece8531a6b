//! Follows and blocks by the rules: whom everybody follows, by their own records and as everybody sees it, and whom they
//! block.

use domain::event::{Blocked, Followed, Unfollowed};
use domain::{Event, Rejection};

use super::{Model, Seen, Verdict, Viewer, id};

const FOLLOWS_HIGHEST: usize = 5_000;
const BLOCKS_HIGHEST: usize = 1_000;

impl Model {
    /// How many changes somebody's blocks have seen.
    pub fn block_changes(&self, who: &str) -> u64 {
        self.viewers
            .get(who)
            .map_or(0, |viewer| viewer.block_changes.len() as u64)
    }

    /// Whether somebody blocks somebody.
    pub fn blocks(&self, who: &str, whom: &str) -> bool {
        self.viewers
            .get(who)
            .is_some_and(|viewer| viewer.blocked.contains_key(whom))
    }

    /// Whether somebody was blocked by a later change than these, at or below a place.
    pub(super) fn is_blocked_after(&self, who: &str, changes: u64, whom: &str, upto: u64) -> bool {
        let all = self
            .viewers
            .get(who)
            .map_or(&[][..], |viewer| &viewer.block_changes);
        let later = all.iter().skip(usize::try_from(changes).unwrap_or(usize::MAX));
        later
            .into_iter()
            .any(|(user, blocked, place)| *blocked && user == whom && *place <= upto)
    }

    /// Nobody follows whom a block has barred, and what everybody sees is what each one's own records say.
    pub fn check_relations(&self) {
        for (name, viewer) in &self.viewers {
            let seen: Vec<_> = viewer.following.keys().collect();
            assert_eq!(
                seen,
                viewer.follows.keys().collect::<Vec<_>>(),
                "whom {name} follows"
            );
            for (whom, cleared) in &viewer.follows {
                let barred = self.is_blocked_after(whom, *cleared, name, self.head);
                assert!(!barred, "{name} still follows {whom}, by whom they were blocked");
                assert!(
                    !self.blocks(name, whom) && !self.blocks(whom, name),
                    "{name} and {whom}"
                );
            }
        }
    }

    /// Whether somebody follows somebody.
    pub fn follows(&self, who: &str, whom: &str) -> bool {
        self.viewers
            .get(who)
            .is_some_and(|viewer| viewer.follows.contains_key(whom))
    }

    /// A follow that the house ended must have been barred by a block.
    pub(super) fn check_severed(&mut self, e: &Unfollowed, seen: &Seen) {
        let follows = self.viewers.get(seen.key()).map(|viewer| &viewer.follows);
        let cleared = follows.and_then(|follows| follows.get(e.streamer.as_str()));
        let cleared = cleared.unwrap_or_else(|| panic!("no follow to end: {seen:?}"));
        let blocked = self.is_blocked_after(e.streamer.as_str(), *cleared, seen.key(), self.head);
        assert!(blocked, "no block ends this follow: {seen:?}");
        *self
            .reached
            .entry("blocks that ended a follow of the one who was blocked")
            .or_default() += 1;
    }

    /// Takes a record about whom somebody follows or blocks.
    pub(super) fn relate(&mut self, key: &str, seen: &Seen) {
        let (place, key) = (seen.sequence, key.to_owned());
        match &seen.event {
            Event::Followed(e) => {
                let (whom, viewer) = (
                    e.streamer.to_string(),
                    self.viewers.entry(key.clone()).or_default(),
                );
                let renewed = viewer.follows.insert(whom.clone(), e.cleared).is_some();
                viewer
                    .following
                    .entry(whom.clone())
                    .or_insert((place, seen.at_ms));
                if renewed {
                    *self
                        .reached
                        .entry("follows renewed before a block had ended them")
                        .or_default() += 1;
                }
                // It was decided by the streamer's blocks as they were after that many changes.
                let changes = self
                    .viewers
                    .get(&whom)
                    .map_or(&[][..], |viewer| &viewer.block_changes);
                let known = usize::try_from(e.cleared)
                    .ok()
                    .and_then(|cleared| changes.get(..cleared));
                let known = known.unwrap_or_else(|| panic!("it knew of what had not happened: {seen:?}"));
                let last = known.iter().rev().find(|(user, ..)| *user == key);
                assert!(
                    last.is_none_or(|(_, blocked, _)| !blocked),
                    "followed though blocked: {seen:?}"
                );
            }
            Event::Blocked(e) => {
                let user = e.user.to_string();
                let viewer = self.viewers.entry(key.clone()).or_default();
                viewer.block_changes.push((user.clone(), true, place));
                viewer.blocked.insert(user.clone(), (place, seen.at_ms));
                viewer.following.remove(&user);
                self.viewers.entry(user).or_default().following.remove(&key);
            }
            Event::Unblocked(e) => {
                let viewer = self.viewers.entry(key).or_default();
                viewer.block_changes.push((e.user.to_string(), false, place));
                viewer.blocked.remove(e.user.as_str());
            }
            Event::Unfollowed(e) => {
                let viewer = self.viewers.entry(key).or_default();
                viewer.follows.remove(e.streamer.as_str());
                viewer.following.remove(e.streamer.as_str());
            }
            _ => {}
        }
    }
}

impl Viewer {
    pub(super) fn follow(&self, whom: &str, cleared: u64) -> Verdict {
        if self.blocked.contains_key(whom) {
            return Err(Rejection::FollowBlocked);
        }
        match self.follows.get(whom) {
            Some(known) if *known >= cleared => return Ok(Vec::new()),
            None if self.follows.len() >= FOLLOWS_HIGHEST => return Err(Rejection::FollowLimit),
            _ => {}
        }
        let streamer = id(whom);
        Ok(vec![Followed { streamer, cleared }.into()])
    }

    pub(super) fn block(&self, whom: &str) -> Verdict {
        if self.blocked.contains_key(whom) {
            return Ok(Vec::new());
        }
        if self.blocked.len() >= BLOCKS_HIGHEST {
            return Err(Rejection::BlockLimit);
        }
        let (user, change) = (id(whom), self.block_changes.len() as u64 + 1);
        let mut events = vec![Event::from(Blocked { user, change })];
        if self.follows.contains_key(whom) {
            events.push(Unfollowed { streamer: id(whom) }.into());
        }
        Ok(events)
    }
}
