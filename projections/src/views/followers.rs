//! Who follows whom, since when.
//!
//! The set of a streamer's followers is a bitmap over dense user numbers, in memory, because a live that begins asks for
//! all of them at once. The lists that people page through (with the time of following) lie in the store, in two orders.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow};

use domain::Event;
use roaring::RoaringBitmap;

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::names::{NOBODY, Names, Number};
use crate::store::{Put, Stored};

/// When somebody began to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) place: Place,
    pub(crate) at_ms: i64,
}

/// A change of one edge that is not stored yet.
#[derive(Debug, Clone, Copy)]
struct Change {
    was_stored: bool,
    now: Option<Since>,
}

/// The view `followers`.
#[derive(Debug, Default)]
pub struct FollowersView {
    followers: HashMap<Number, RoaringBitmap, foldhash::fast::RandomState>,
    /// By streamer and follower.
    unstored: HashMap<(Number, Number), Change, foldhash::fast::RandomState>,
}

/// Key spaces within the view: a streamer's followers, newest first; a follower's streamers.
const FOLLOWERS: u8 = b's';
const FOLLOWING: u8 = b'g';

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

    /// Followers of a streamer, latest first, behind a place: place, follower, unix ms. As of the last commit.
    pub(crate) fn page(
        streamer: Number,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<Vec<(Place, Number, i64)>> {
        let from = followers_key(streamer, behind.unwrap_or(Place::MAX));
        let to = followers_key(streamer, 0);
        let from = if behind.is_some() {
            Bound::Excluded(&from[..])
        } else {
            Bound::Included(&from[..])
        };
        let mut page = Vec::new();
        stored.scan(from, Bound::Included(&to), &mut |key, value| {
            if page.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            let (_, follower, since) = read_follower(key, value)?;
            page.push((since.place, follower, since.at_ms));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    /// Whom a user follows, latest first: place, streamer, unix ms. At most as many as one may follow. As of the last commit.
    pub(crate) fn following(follower: Number, stored: &Stored<'_>) -> Result<Vec<(Place, Number, i64)>> {
        let (from, to) = (following_key(follower, 0), following_key(follower, NOBODY));
        let mut following = Vec::new();
        stored.scan(Bound::Included(&from), Bound::Included(&to), &mut |key, value| {
            let streamer = key.last_chunk::<4>().map(|b| Number::from_be_bytes(*b));
            let since = read_since(value)
                .zip(streamer)
                .ok_or_else(|| damaged(Self::NAME, "an edge cannot be read"))?;
            following.push((since.0.place, since.1, since.0.at_ms));
            Ok(ControlFlow::Continue(()))
        })?;
        following.sort_unstable_by(|a, b| b.cmp(a));
        Ok(following)
    }

    fn change(&mut self, streamer: Number, follower: Number, now: Option<Since>) {
        let set = self.followers.entry(streamer).or_default();
        let was = match now {
            Some(_) => !set.insert(follower),
            None => set.remove(follower),
        };
        let change = self
            .unstored
            .entry((streamer, follower))
            .or_insert(Change { was_stored: was, now });
        change.now = now;
    }
}

impl Projection for FollowersView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::Followed(_) => {
                self.change(
                    fact.whom,
                    fact.who,
                    Some(Since {
                        place: fact.place,
                        at_ms: fact.at_ms,
                    }),
                );
            }
            Event::Unfollowed(_) => self.change(fact.whom, fact.who, None),
            _ => {}
        }
    }

    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(vec![FOLLOWERS])
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (streamer, follower, _) = read_follower(key, value)?;
        self.followers.entry(streamer).or_default().insert(follower);
        Ok(())
    }

    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        let mut changes: Vec<_> = self.unstored.drain().collect();
        changes.sort_unstable_by_key(|(edge, _)| *edge);
        for ((streamer, follower), change) in changes {
            let following = following_key(follower, streamer);
            if change.was_stored {
                let old = stored.get(&following)?.and_then(|value| read_since(&value));
                let old = old.ok_or_else(|| damaged(Self::NAME, "an edge is missing"))?;
                out.remove(&followers_key(streamer, old.place));
            }
            match change.now {
                Some(since) => {
                    let mut value = [0; 16];
                    value[..8].copy_from_slice(&since.place.to_be_bytes());
                    value[8..].copy_from_slice(&since.at_ms.to_be_bytes());
                    out.set(&following, &value);
                    let mut value = [0; 12];
                    value[..4].copy_from_slice(&follower.to_be_bytes());
                    value[4..].copy_from_slice(&since.at_ms.to_be_bytes());
                    out.set(&followers_key(streamer, since.place), &value);
                }
                None if change.was_stored => out.remove(&following),
                None => {}
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
            Some(&FOLLOWERS) => format!("a follower of {}", number(1)),
            _ => format!("user {} following {}", number(1), number(5)),
        }
    }
}

fn followers_key(streamer: Number, place: Place) -> [u8; 13] {
    let mut key = [FOLLOWERS; 13];
    key[1..5].copy_from_slice(&streamer.to_be_bytes());
    key[5..].copy_from_slice(&(!place).to_be_bytes());
    key
}

fn following_key(follower: Number, streamer: Number) -> [u8; 9] {
    let mut key = [FOLLOWING; 9];
    key[1..5].copy_from_slice(&follower.to_be_bytes());
    key[5..].copy_from_slice(&streamer.to_be_bytes());
    key
}

fn read_since(value: &[u8]) -> Option<Since> {
    let (place, at_ms) = value.split_first_chunk::<8>()?;
    Some(Since {
        place: u64::from_be_bytes(*place),
        at_ms: i64::from_be_bytes(at_ms.try_into().ok()?),
    })
}

fn read_follower(key: &[u8], value: &[u8]) -> Result<(Number, Number, Since)> {
    let read = || {
        let (streamer, place) = key.strip_prefix(&[FOLLOWERS])?.split_first_chunk::<4>()?;
        let (follower, at_ms) = value.split_first_chunk::<4>()?;
        let place = !u64::from_be_bytes(place.try_into().ok()?);
        let at_ms = i64::from_be_bytes(at_ms.try_into().ok()?);
        Some((
            u32::from_be_bytes(*streamer),
            u32::from_be_bytes(*follower),
            Since { place, at_ms },
        ))
    };
    read().ok_or_else(|| damaged(FollowersView::NAME, "an entry cannot be read"))
}
