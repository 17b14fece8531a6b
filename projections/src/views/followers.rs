//! Who follows whom, since when.
//!
//! The set of a streamer's followers is a bitmap over dense user numbers, in memory, because a live that begins asks for
//! all of them at once. The lists that people page through (with the time of following) lie in the store, by both ends. A
//! block ends the follows between two users here at once; the event by which the blocked one's own stream says so comes
//! later and changes nothing more.

use std::collections::HashMap;

use domain::Event;
use roaring::RoaringBitmap;

use super::edges::{self, Edges, IN, Line, OUT, Since};
use crate::Result;
use crate::fact::{Fact, Place, Projection};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// The view `followers`.
#[derive(Debug)]
pub struct FollowersView {
    followers: HashMap<Number, RoaringBitmap, foldhash::fast::RandomState>,
    edges: Edges,
}

impl Default for FollowersView {
    fn default() -> Self {
        Self {
            followers: HashMap::default(),
            edges: Edges::new(Self::NAME, true),
        }
    }
}

impl FollowersView {
    /// Its name.
    pub const NAME: &'static str = "followers";

    /// How many follow a streamer.
    pub fn count(&self, streamer: Number) -> u64 {
        self.followers.get(&streamer).map_or(0, RoaringBitmap::len)
    }

    /// Whether one follows the other.
    pub fn follows(&self, follower: Number, streamer: Number) -> bool {
        self.followers
            .get(&streamer)
            .is_some_and(|set| set.contains(follower))
    }

    /// All followers of a streamer, as a set of numbers.
    pub fn set(&self, streamer: Number) -> Option<&RoaringBitmap> {
        self.followers.get(&streamer)
    }

    /// Followers of a streamer, latest first, behind a place. As of the last commit.
    pub(super) fn followers(
        streamer: Number,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<Vec<Line>> {
        edges::page(Self::NAME, IN, streamer, behind, limit, stored)
    }

    /// Whom a user follows, latest first, behind a place. As of the last commit.
    pub(super) fn following(
        follower: Number,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<Vec<Line>> {
        edges::page(Self::NAME, OUT, follower, behind, limit, stored)
    }

    fn follow(&mut self, follower: Number, streamer: Number, since: Since) {
        // One that is renewed began when it began.
        if self.followers.entry(streamer).or_default().insert(follower) {
            self.edges.change(follower, streamer, false, Some(since));
        }
    }

    fn unfollow(&mut self, follower: Number, streamer: Number) {
        let set = self.followers.get_mut(&streamer);
        if set.is_some_and(|set| set.remove(follower)) {
            self.edges.change(follower, streamer, true, None);
        }
    }
}

impl Projection for FollowersView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        let (who, whom) = (fact.who, fact.whom);
        match fact.event {
            Event::Followed(_) => {
                let (place, at_ms) = (fact.place, fact.at_ms);
                self.follow(who, whom, Since { place, at_ms });
            }
            Event::Unfollowed(_) => self.unfollow(who, whom),
            Event::Blocked(_) => {
                self.unfollow(who, whom);
                self.unfollow(whom, who);
            }
            _ => {}
        }
    }

    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(vec![IN])
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (streamer, follower, _) = edges::read_line(Self::NAME, IN, key, value)?;
        self.followers.entry(streamer).or_default().insert(follower);
        Ok(())
    }

    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.edges.flush(stored, out)
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        edges::explain(key, "follows", names)
    }
}
