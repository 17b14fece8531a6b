//! Which rooms are live now: title, since when, which session, and the tickets earned in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use domain::event::GiftSent;
use domain::{Event, SessionNumber};
use serde::{Deserialize, Serialize};

use super::order::{Order, Rung};
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
}

/// How a list of live rooms is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Most tickets in the running session first.
    Hot,
    /// Latest begun first.
    New,
}

/// The view `live_rooms`.
#[derive(Debug, Default)]
pub struct LiveRooms {
    live: HashMap<Number, Live, foldhash::fast::RandomState>,
    /// Brought up to date when it settles.
    by_tickets: Order,
    by_start: BTreeMap<Reverse<Place>, Number>,
    /// May name a room that has ended since.
    unstored: Vec<Number>,
    unplaced: Vec<Number>,
}

#[derive(Debug)]
struct Live {
    session: LiveSession,
    unstored: bool,
    unplaced: bool,
    /// Where the order has it.
    rung: Option<Rung>,
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

    /// Live rooms in order, behind a mark of the same order; each with its own mark.
    pub(crate) fn page(
        &self,
        sort: Sort,
        behind: Option<Rung>,
        limit: usize,
    ) -> Vec<(Rung, Number, &LiveSession)> {
        let session = |rung: Rung| Some((rung, rung.user, self.get(rung.user)?));
        match sort {
            Sort::Hot => match behind {
                Some(rung) => self
                    .by_tickets
                    .behind(&rung, limit)
                    .filter_map(|(_, rung)| session(rung))
                    .collect(),
                None => self
                    .by_tickets
                    .slice(0, limit)
                    .filter_map(|(_, rung)| session(rung))
                    .collect(),
            },
            Sort::New => {
                let from = behind.map_or(std::ops::Bound::Unbounded, |rung| {
                    std::ops::Bound::Excluded(Reverse(rung.reached))
                });
                let rungs = self
                    .by_start
                    .range((from, std::ops::Bound::Unbounded))
                    .map(|(began, &user)| Rung::new(0, began.0, user));
                rungs.filter_map(session).take(limit).collect()
            }
        }
    }

    fn begin(&mut self, room: Number, session: LiveSession, unstored: bool) {
        self.end(room);
        self.by_start.insert(Reverse(session.began), room);
        self.live.insert(
            room,
            Live {
                session,
                unstored,
                unplaced: true,
                rung: None,
            },
        );
        self.unplaced.push(room);
    }

    fn end(&mut self, room: Number) {
        if let Some(live) = self.live.remove(&room) {
            self.by_start.remove(&Reverse(live.session.began));
            self.by_tickets.shift(live.rung, None);
        }
    }

    fn earn(&mut self, room: Number, gift: &GiftSent) {
        let Some(live) = self.live.get_mut(&room) else {
            return;
        };
        if live.session.session != gift.session || gift.tickets == 0 {
            return;
        }
        live.session.tickets = live.session.tickets.saturating_add(gift.tickets);
        if !std::mem::replace(&mut live.unstored, true) {
            self.unstored.push(room);
        }
        if !std::mem::replace(&mut live.unplaced, true) {
            self.unplaced.push(room);
        }
    }
}

impl Projection for LiveRooms {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::GiftSent(gift) => self.earn(fact.whom, gift),
            Event::LiveStarted(e) => {
                let session = LiveSession {
                    session: e.session,
                    title: e.title.clone(),
                    since_ms: fact.at_ms,
                    began: fact.place,
                    tickets: 0,
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

    fn settle(&mut self) {
        for room in self.unplaced.drain(..) {
            if let Some(live) = self.live.get_mut(&room) {
                live.unplaced = false;
                let rung = Rung::new(live.session.tickets, live.session.began, room);
                self.by_tickets.shift(live.rung.replace(rung), Some(rung));
            }
        }
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match key.try_into().map(Number::from_be_bytes) {
            Ok(room) => format!("live room {}", names.text(room)),
            Err(_) => format!("key {key:02x?}"),
        }
    }
}
