//! Which rooms are live now: title, since when, which session, the tickets earned and the likes given in it.
//!
//! It keeps the order of their beginnings only. How hot a room is depends on who is in it, which no journal knows: that
//! order is made where the viewers are counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use domain::event::{GiftSent, LikesCounted};
use domain::{Event, SessionNumber};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// A running live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSession {
    /// Which of the streamer's sessions.
    pub session: SessionNumber,
    /// What it is called.
    pub title: String,
    /// Since when, unix ms.
    pub since_ms: i64,
    /// Place of the event that began it.
    pub began: Place,
    /// Tickets that gifts of this session are worth, at the time of sending.
    pub tickets: u64,
    /// Likes given in this session, as far as they are counted.
    pub likes: u64,
}

/// The view `live_rooms`.
#[derive(Debug, Default)]
pub struct LiveRooms {
    live: HashMap<Number, Live, foldhash::fast::RandomState>,
    by_start: BTreeMap<Reverse<Place>, Number>,
    /// May name a room that has ended since.
    unstored: Vec<Number>,
}

#[derive(Debug)]
struct Live {
    session: LiveSession,
    unstored: bool,
}

impl LiveRooms {
    /// Its name.
    pub const NAME: &'static str = "live_rooms";

    /// The running session of a room.
    pub fn get(&self, room: Number) -> Option<&LiveSession> {
        self.live.get(&room).map(|live| &live.session)
    }

    /// How many rooms are live.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The rooms that are live, in no order that means anything.
    pub fn rooms(&self) -> impl Iterator<Item = (Number, &LiveSession)> {
        self.live.iter().map(|(&room, live)| (room, &live.session))
    }

    /// Live rooms, latest begun first, behind the one that began at a place.
    pub(crate) fn newest(&self, behind: Option<Place>) -> impl Iterator<Item = (Number, &LiveSession)> {
        let from = behind.map_or(Bound::Unbounded, |began| Bound::Excluded(Reverse(began)));
        let rooms = self.by_start.range((from, Bound::Unbounded));
        rooms.filter_map(|(_, &room)| Some((room, self.get(room)?)))
    }

    fn begin(&mut self, room: Number, session: LiveSession, unstored: bool) {
        self.end(room);
        self.by_start.insert(Reverse(session.began), room);
        self.live.insert(room, Live { session, unstored });
    }

    fn end(&mut self, room: Number) {
        if let Some(live) = self.live.remove(&room) {
            self.by_start.remove(&Reverse(live.session.began));
        }
    }

    fn earn(&mut self, room: Number, gift: &GiftSent) {
        if gift.tickets > 0 {
            self.change(room, gift.session, |session| {
                session.tickets = session.tickets.saturating_add(gift.tickets);
            });
        }
    }

    fn like(&mut self, room: Number, counted: &LikesCounted) {
        self.change(room, counted.session, |session| session.likes = counted.total);
    }

    /// Changes the running session of a room, if it is this one.
    fn change(&mut self, room: Number, session: SessionNumber, change: impl FnOnce(&mut LiveSession)) {
        let Some(live) = self
            .live
            .get_mut(&room)
            .filter(|live| live.session.session == session)
        else {
            return;
        };
        change(&mut live.session);
        if !std::mem::replace(&mut live.unstored, true) {
            self.unstored.push(room);
        }
    }
}

impl Projection for LiveRooms {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::GiftSent(gift) => self.earn(fact.whom, gift),
            Event::LikesCounted(counted) => self.like(fact.whom, counted),
            Event::LiveStarted(e) => {
                let session = LiveSession {
                    session: e.session,
                    title: e.title.clone(),
                    since_ms: fact.at_ms,
                    began: fact.place,
                    tickets: 0,
                    likes: 0,
                };
                self.begin(fact.who, session, true);
                self.unstored.push(fact.who);
            }
            Event::LiveStopped(_) => {
                self.end(fact.who);
                self.unstored.push(fact.who);
            }
            _ => {}
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "an entry cannot be read");
        let room = key.try_into().map(Number::from_be_bytes).map_err(|_| bad())?;
        let session = postcard::from_bytes(value).map_err(|_| bad())?;
        self.begin(room, session, false);
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        // A room may have begun and ended several times.
        self.unstored.sort_unstable();
        self.unstored.dedup();
        for room in self.unstored.drain(..) {
            let key = room.to_be_bytes();
            match self.live.get_mut(&room) {
                Some(live) => {
                    live.unstored = false;
                    let value = postcard::to_allocvec(&live.session);
                    out.set(
                        &key,
                        &value.map_err(|_| damaged(Self::NAME, "a session cannot be written"))?,
                    );
                }
                None => out.remove(&key),
            }
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match key.try_into().map(Number::from_be_bytes) {
            Ok(room) => format!("live room {}", names.text(room)),
            Err(_) => format!("key {key:02x?}"),
        }
    }
}
