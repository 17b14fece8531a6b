//! Boards: streamers by tickets earned, senders by coins spent, and senders by coins spent in each room; by hour, day, week
//! and month, over all of time, and in rooms by live session.
//!
//! Tickets count when the gift is sent, not when settlement credits them. Which period a gift belongs to, its recorded time
//! says; which session, that it names the one that runs. When a record opens a new period, the one before is closed at the
//! place before it, and its boards never change again. In memory: the rows of the house, and rooms' rows of the month and
//! week that run. Everything else is read from the store.

mod clock;
mod closed;
mod keys;
mod ordered;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};

use domain::Event;
use domain::event::GiftSent;
use parking_lot::Mutex;

use self::clock::Clock;
use self::closed::{Closed, Closing, Closings};
use self::ordered::{HouseBoard, RoomBoards};
use self::rows::{LONG, MONTH, Row, Rows, Slot, TIMED};
use super::order::{Order, Rung};
use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::limits::{
    BOARD_DAYS_KEPT, BOARD_HOURS_KEPT, BOARD_MONTHS_KEPT, BOARD_SESSIONS_KEPT, BOARD_WEEKS_KEPT,
};
use crate::names::{NOBODY, Names, Number};
use crate::period::{Period, Span};
use crate::store::{Put, Stored};
use crate::zone::Zone;

/// Which board, rooms by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tickets,
    Coins,
    Room(Number),
}

const TICKETS: u32 = NOBODY;
const COINS: u32 = NOBODY - 1;

impl Kind {
    /// Rooms have their streamer's number, and the two other boards numbers that no user can have.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::Tickets => TICKETS,
            Self::Coins => COINS,
            Self::Room(room) => room,
        }
    }

    fn of_id(id: u32) -> Self {
        match id {
            TICKETS => Self::Tickets,
            COINS => Self::Coins,
            room => Self::Room(room),
        }
    }

    fn slot(self, user: Number) -> Slot {
        (u64::from(self.id()) << 32) | u64::from(user)
    }
}

/// How far a period's boards are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It runs, or lies ahead.
    Open,
    /// It is over. The place is that of the last record that could count.
    Closed(Place),
    /// It was over too long ago, and is not kept.
    Gone,
}

/// A board of a period, to be read.
pub(crate) trait Standings {
    /// How many stand on it.
    fn len(&self) -> usize;

    /// A user's place (counted from 0) and score.
    fn rank(&self, user: Number) -> Result<Option<(usize, u64)>>;

    /// Places `from .. from + limit`, best first: place, user, score.
    fn slice(&self, from: usize, limit: usize) -> Result<Vec<(usize, Number, u64)>>;
}

/// The newest live session of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    number: u32,
    runs: bool,
    /// The month in which it began: rows of that month on may count in it.
    began: i64,
}

/// The view `boards`.
#[derive(Debug)]
pub struct BoardView {
    clock: Clock,
    clock_stored: bool,
    house: Rows,
    /// Rows of the house by user: where they are, counted from 1.
    of_users: [Vec<u32>; 2],
    rooms: Rows,
    of_pairs: HashMap<Slot, u32, foldhash::fast::RandomState>,
    members: HashMap<Number, Vec<u32>, foldhash::fast::RandomState>,
    sessions: HashMap<Number, Session, foldhash::fast::RandomState>,
    sessions_unstored: Vec<Number>,
    /// How many sessions that run began in each month.
    running_since: BTreeMap<i64, usize>,
    /// Places at which periods were closed.
    closings: BTreeMap<Period, Place>,
    closings_unstored: Vec<Period>,
    /// Boards that were closed, to be stored.
    closed: Vec<Closings>,
    /// Stored boards that are kept no longer.
    expired: Vec<(Period, Kind)>,
    /// Rooms' rows of months that are over, to be stored.
    past_rows: Vec<(i64, Row)>,
    /// The orders of the house's boards, by board and lane; made when somebody may first ask.
    orders: [[Order; LONG + 1]; 2],
    ordered: bool,
    asked: Mutex<RoomBoards>,
    changed: Vec<Kind>,
}

impl BoardView {
    /// Its name.
    pub const NAME: &'static str = "boards";

    /// Boards whose periods are those of a time zone.
    pub fn new(zone: Zone) -> Self {
        Self {
            clock: Clock::before_all(zone),
            clock_stored: true,
            house: Rows::default(),
            of_users: Default::default(),
            rooms: Rows::default(),
            of_pairs: HashMap::default(),
            members: HashMap::default(),
            sessions: HashMap::default(),
            sessions_unstored: Vec::new(),
            running_since: BTreeMap::new(),
            closings: BTreeMap::new(),
            closings_unstored: Vec::new(),
            closed: Vec::new(),
            expired: Vec::new(),
            past_rows: Vec::new(),
            orders: Default::default(),
            ordered: false,
            asked: Mutex::default(),
            changed: Vec::new(),
        }
    }

    /// The zone that cuts its periods.
    pub fn zone(&self) -> Zone {
        self.clock.zone()
    }

    /// The boards that moved since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<Kind> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// A sender's rank (counted from 1) and score on the house's board of a kind of period, the one that runs: as of when the
    /// orders followed last. For figures; whoever has the views asks them.
    pub fn sender_rank(&self, span: Span, sender: Number) -> Option<(u64, u64)> {
        let lane = if span == Span::All { LONG } else { lane_of(span) };
        let rung = self.house_rung(1, lane, sender)?;
        Some((self.orders[1][lane].rank(&rung) as u64 + 1, rung.score()))
    }

    /// Somebody's rung on a board of the house, as its order knows it.
    fn house_rung(&self, which: usize, lane: usize, user: Number) -> Option<Rung> {
        let at = self.of_users[which].get(user as usize)?.checked_sub(1)?;
        let row = &self.house.rows[at as usize];
        self.house.settled(row).rung(lane, &self.clock)
    }

    /// The newest session of a room, running or not.
    pub(crate) fn newest_session(&self, room: Number) -> Option<u32> {
        self.sessions.get(&room).map(|session| session.number)
    }

    /// How far a period is.
    pub(crate) fn phase(&self, kind: Kind, of: Period, stored: &Stored<'_>) -> Result<Phase> {
        match (of.span, kind) {
            (Span::All, _) => Ok(Phase::Open),
            (Span::Session, Kind::Room(room)) => {
                let newest = self.sessions.get(&room);
                let ended = newest.map_or(0, |s| i64::from(s.number) - i64::from(s.runs));
                if of.number > ended {
                    return Ok(Phase::Open);
                }
                if of.number <= ended - BOARD_SESSIONS_KEPT {
                    return Ok(Phase::Gone);
                }
                let closed = self.unstored(kind, of).map(|closings| closings.upto);
                let upto = match closed {
                    Some(upto) => Some(upto),
                    None => Closed::open(of, kind, stored)?.map(|board| board.upto()),
                };
                Ok(upto.map_or(Phase::Gone, Phase::Closed))
            }
            (Span::Session, _) => Ok(Phase::Gone),
            (span, _) => {
                let running = self.clock.running[lane_of(span)];
                if self.clock.is_before_all() || of.number >= running.number {
                    return Ok(Phase::Open);
                }
                if of.number <= oldest_kept(running) {
                    return Ok(Phase::Gone);
                }
                let from = Period {
                    span,
                    number: i64::MIN,
                };
                let before = self.closings.range(from..=of).next_back();
                Ok(Phase::Closed(before.map_or(0, |(_, upto)| *upto)))
            }
        }
    }

    /// A closed board that the store does not have yet.
    fn unstored(&self, kind: Kind, of: Period) -> Option<&Closings> {
        self.closed
            .iter()
            .find(|closings| closings.of == of && (of.span != Span::Session || closings.kind == kind))
    }

    /// Gives a board of a period to `read`. None when nobody stands on it.
    pub(crate) fn with<T>(
        &self,
        kind: Kind,
        of: Period,
        stored: &Stored<'_>,
        read: impl FnOnce(&dyn Standings) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.phase(kind, of, stored)? {
            Phase::Gone => Ok(None),
            Phase::Closed(_) => match self.unstored(kind, of) {
                Some(closings) => ordered::unstored(closings, kind, read).map(Some),
                None => Closed::open(of, kind, stored)?
                    .map(|board| read(&board))
                    .transpose(),
            },
            Phase::Open => self.with_open(kind, of, stored, read),
        }
    }

    fn with_open<T>(
        &self,
        kind: Kind,
        of: Period,
        stored: &Stored<'_>,
        read: impl FnOnce(&dyn Standings) -> Result<T>,
    ) -> Result<Option<T>> {
        let lane = match of.span {
            Span::All | Span::Session => LONG,
            span => lane_of(span),
        };
        // What lies ahead has nobody on it.
        if lane < TIMED && (self.clock.is_before_all() || of != self.clock.running[lane]) {
            return Ok(None);
        }
        let which = match kind {
            Kind::Tickets => 0,
            Kind::Coins => 1,
            Kind::Room(room) => {
                if of.span == Span::Session
                    && self.sessions.get(&room).map(|s| (i64::from(s.number), s.runs))
                        != Some((of.number, true))
                {
                    return Ok(None);
                }
                return self.asked.lock().with(self, room, of, stored, read).map(Some);
            }
        };
        let rung = |user: Number| self.house_rung(which, lane, user);
        let board = HouseBoard {
            order: &self.orders[which][lane],
            rung: &rung,
        };
        read(&board).map(Some)
    }

    /// Closes every period that is over at a moment, at the place before the record that says so.
    fn turn(&mut self, at_ms: i64, place: Place) {
        let next = Clock::at(at_ms, self.zone());
        if !self.clock.is_before_all() {
            let running = self.clock.running;
            for lane in (0..TIMED).filter(|&lane| running[lane] != next.running[lane]) {
                self.close(lane, next.running[lane], place - 1);
            }
            if self.clock.running[MONTH] != next.running[MONTH] {
                self.close_month(&next);
            }
        }
        self.clock = next;
        self.clock_stored = false;
    }

    fn close(&mut self, lane: usize, next: Period, upto: Place) {
        let of = self.clock.running[lane];
        let rows = self.house.take_touched(lane).chain(self.rooms.take_touched(lane));
        let kept = oldest_kept(next);
        if of.number > kept {
            let closing = |row: &Row| Closing {
                board: row.board(),
                user: row.user(),
                score: row.lanes[lane],
                reached: row.reached,
            };
            let places: Vec<_> = rows.map(closing).collect();
            if !places.is_empty() {
                self.closed.push(Closings {
                    of,
                    kind: Kind::Coins,
                    upto,
                    places,
                });
            }
        } else {
            drop(rows);
        }
        self.closings.insert(of, upto);
        self.closings_unstored.push(of);
        self.expire(of.span, kept);
        for orders in &mut self.orders {
            orders[lane] = Order::default();
        }
        self.asked.lock().forget(of.span);
    }

    /// Lets go of what is older than what is kept. The newest closing among it stays, so that a period without a record
    /// knows where it was closed.
    fn expire(&mut self, span: Span, kept: i64) {
        let from = Period {
            span,
            number: i64::MIN,
        };
        let old = self.closings.range(from..=Period { span, number: kept });
        let old: Vec<Period> = old.map(|(of, _)| *of).collect();
        for &of in &old {
            self.expire_boards(of, Kind::Coins);
        }
        for of in old.iter().rev().skip(1) {
            self.closings.remove(of);
            self.closings_unstored.push(*of);
        }
    }

    fn expire_boards(&mut self, of: Period, kind: Kind) {
        let waiting = self.closed.len();
        self.closed
            .retain(|closings| closings.of != of || (of.span == Span::Session && closings.kind != kind));
        if self.closed.len() == waiting {
            self.expired.push((of, kind));
        }
    }

    /// Takes the rooms' rows of the month to what is to be stored, and drops those that no running period needs.
    fn close_month(&mut self, next: &Clock) {
        let (month, past) = (self.clock.running[MONTH].number, &mut self.past_rows);
        self.rooms.take_unstored(|row| past.push((month, *row)));
        self.drop_cold_rows(next);
        self.asked.lock().forget(Span::All);
    }

    fn drop_cold_rows(&mut self, clock: &Clock) {
        let oldest = clock.begins.into_iter().min().unwrap_or(i32::MIN);
        let sessions = &self.sessions;
        self.rooms.retain(clock, |row| {
            row.stamp >= oldest || (row.session != 0 && running(sessions, row.board()) == row.session)
        });
        self.of_pairs.clear();
        self.members.clear();
        for (at, row) in (0u32..).zip(&self.rooms.rows) {
            self.of_pairs.insert(row.slot, at);
            self.members.entry(row.board()).or_default().push(at);
        }
        self.house.find_touched(clock);
    }

    fn add_house(&mut self, which: usize, kind: Kind, user: Number, amount: u64, place: Place) {
        if amount == 0 || user == NOBODY {
            return;
        }
        let at = self.house_row(which, kind, user);
        let row = self.house.touch(at, &self.clock, place, self.ordered);
        for lane in &mut row.lanes {
            *lane = lane.saturating_add(amount);
        }
    }

    fn house_row(&mut self, which: usize, kind: Kind, user: Number) -> u32 {
        let of_users = &mut self.of_users[which];
        if of_users.len() <= user as usize {
            of_users.resize(user as usize + 1, 0);
        }
        let at = &mut of_users[user as usize];
        if *at == 0 {
            *at = self.house.push(kind.slot(user)) + 1;
        }
        *at - 1
    }

    fn room_row(&mut self, slot: Slot) -> u32 {
        let (rooms, members) = (&mut self.rooms, &mut self.members);
        *self.of_pairs.entry(slot).or_insert_with(|| {
            let at = rooms.push(slot);
            members.entry((slot >> 32) as u32).or_default().push(at);
            at
        })
    }

    fn add_room(&mut self, room: Number, user: Number, gift: &GiftSent, place: Place) {
        if gift.coins == 0 || user == NOBODY || room == NOBODY {
            return;
        }
        let at = self.room_row(Kind::Room(room).slot(user));
        let session = running(&self.sessions, room);
        let row = self.rooms.touch(at, &self.clock, place, self.ordered);
        for lane in &mut row.lanes[..TIMED] {
            *lane = lane.saturating_add(gift.coins);
        }
        // What is kept of a session must follow from the records alone, not from which rows are in memory.
        if row.session != session {
            (row.session, row.session_reached, row.lanes[LONG]) = (session, 0, 0);
        }
        if session != 0 && gift.session.0 == session {
            row.lanes[LONG] = row.lanes[LONG].saturating_add(gift.coins);
            row.session_reached = place;
        }
    }

    fn begin_session(&mut self, room: Number, number: u32, place: Place) {
        self.end_session(room, place);
        let began = self.clock.running[MONTH].number;
        let session = Session {
            number,
            runs: true,
            began,
        };
        self.sessions.insert(room, session);
        self.sessions_unstored.push(room);
        *self.running_since.entry(began).or_default() += 1;
        self.clock_stored = false;
    }

    /// Closes the board of the session that runs in a room, if one does.
    fn end_session(&mut self, room: Number, place: Place) {
        let Some(session) = self.sessions.get_mut(&room).filter(|session| session.runs) else {
            return;
        };
        session.runs = false;
        let number = session.number;
        self.sessions_unstored.push(room);
        if let Some(count) = self.running_since.get_mut(&session.began) {
            *count -= 1;
            if *count == 0 {
                self.running_since.remove(&session.began);
            }
        }
        self.clock_stored = false;
        let rows = self.members.get(&room).into_iter().flatten();
        let closing = |rung: Rung| Closing {
            board: room,
            user: rung.user,
            score: rung.score(),
            reached: rung.reached,
        };
        let places = rows.filter_map(|&at| self.rooms.rows[at as usize].session_rung(number).map(closing));
        self.closed.push(Closings {
            of: Period::session(number),
            kind: Kind::Room(room),
            upto: place,
            places: places.collect(),
        });
        self.asked.lock().forget_session(room);
        let old = i64::from(number) - BOARD_SESSIONS_KEPT;
        if old > 0 {
            let of = Period {
                span: Span::Session,
                number: old,
            };
            self.expire_boards(of, Kind::Room(room));
        }
    }

    /// Makes the orders of the house.
    fn order_house(&mut self) {
        let mut rungs: [[Vec<_>; LONG + 1]; 2] = Default::default();
        for row in &self.house.rows {
            let which = usize::from(row.board() == COINS);
            for (lane, rungs) in rungs[which].iter_mut().enumerate() {
                rungs.extend(row.rung(lane, &self.clock));
            }
        }
        self.orders = rungs.map(|lanes| lanes.map(Order::of));
        self.ordered = true;
    }

    /// What a sender gave in a room before the month that runs: from the store, and what is not stored yet.
    fn before_this_month(&self, room: Number, stored: &Stored<'_>) -> Result<HashMap<Number, (u64, Place)>> {
        let mut sums: HashMap<Number, (u64, Place)> = HashMap::new();
        let mut add = |row: &Row| {
            let sum = sums.entry(row.user()).or_default();
            *sum = (sum.0.saturating_add(row.lanes[MONTH]), sum.1.max(row.reached));
        };
        let this_month = self.clock.running[MONTH].number;
        let waiting = |month: i64, slot: Slot| {
            self.past_rows
                .iter()
                .any(|(other, row)| *other == month && row.slot == slot)
        };
        let mut next = Some(i64::MIN);
        while let Some(from) = next.take() {
            // Months in which nothing was given anywhere are stepped over.
            let (from, to) = (keys::pair(from, 0), keys::pair(this_month, 0));
            let mut month = None;
            stored.scan(Bound::Included(&from), Bound::Excluded(&to), &mut |key, _| {
                month = keys::read_pair(key).map(|(month, _)| month);
                Ok(ControlFlow::Break(()))
            })?;
            let Some(month) = month else { break };
            let from = keys::room_in_month(month, room);
            let to = keys::behind(&from);
            stored.scan(Bound::Included(&from), Bound::Excluded(&to), &mut |key, value| {
                let (_, row) = read_pair_row(key, value)?;
                if self.past_rows.is_empty() || !waiting(month, row.slot) {
                    add(&row);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            next = month.checked_add(1);
        }
        for (_, row) in self.past_rows.iter().filter(|(_, row)| row.board() == room) {
            add(row);
        }
        Ok(sums)
    }

    fn store_closings(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for mut closings in self.closed.drain(..) {
            closings.store(out);
        }
        self.expired.sort_unstable();
        self.expired.dedup();
        for (of, kind) in self.expired.drain(..) {
            let from = keys::period(of, kind);
            let to = keys::behind(&from);
            stored.scan(Bound::Included(&from), Bound::Excluded(&to), &mut |key, _| {
                out.remove(key);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        self.closings_unstored.sort_unstable();
        self.closings_unstored.dedup();
        for of in self.closings_unstored.drain(..) {
            match self.closings.get(&of) {
                Some(upto) => out.set(&keys::closing(of), &upto.to_be_bytes()),
                None => out.remove(&keys::closing(of)),
            }
        }
        Ok(())
    }
}

/// The session that runs in a room; 0 = none does.
fn running(sessions: &HashMap<Number, Session, foldhash::fast::RandomState>, room: Number) -> u32 {
    sessions
        .get(&room)
        .map_or(0, |session| if session.runs { session.number } else { 0 })
}

/// The lane of a kind of period that the calendar cuts.
fn lane_of(span: Span) -> usize {
    Span::TIMED.iter().position(|other| *other == span).unwrap_or(0)
}

/// Closed periods of this number and below are not kept any more when this one runs.
fn oldest_kept(running: Period) -> i64 {
    let kept = match running.span {
        Span::Hour => BOARD_HOURS_KEPT * 3_600,
        Span::Day => BOARD_DAYS_KEPT,
        Span::Week => BOARD_WEEKS_KEPT * 7,
        _ => BOARD_MONTHS_KEPT,
    };
    // The period that runs is none of those that are kept.
    running.number - kept - 1
}

impl Projection for BoardView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn settings(&self) -> u64 {
        self.zone().digest()
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        if fact.at_ms >= self.clock.ends_ms {
            self.turn(fact.at_ms, fact.place);
        }
        match fact.event {
            Event::GiftSent(gift) => {
                self.add_house(0, Kind::Tickets, fact.whom, gift.tickets, fact.place);
                self.add_house(1, Kind::Coins, fact.who, gift.coins, fact.place);
                self.add_room(fact.whom, fact.who, gift, fact.place);
            }
            Event::LiveStarted(e) => self.begin_session(fact.who, e.session.0, fact.place),
            Event::LiveStopped(_) => self.end_session(fact.who, fact.place),
            _ => {}
        }
    }

    /// Only rows of this month and the one before it can be of the week that runs; those of a session may be older.
    fn load_from(&self, stored: &Stored<'_>) -> Result<Vec<u8>> {
        let clock = stored.get(&[keys::CLOCK])?;
        let month = match clock {
            Some(clock) => read_clock(&clock)?.1,
            None => i64::MIN,
        };
        Ok(keys::pair(month, 0).to_vec())
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "an entry cannot be read");
        match *key.first().ok_or_else(bad)? {
            keys::PAIRS => {
                let (_, row) = read_pair_row(key, value)?;
                let at = self.room_row(row.slot);
                self.rooms.rows[at as usize] = row;
            }
            keys::CLOCK => self.clock = Clock::at(read_clock(value)?.0, self.zone()),
            keys::CLOSINGS => {
                let of = keys::read_closing(key).ok_or_else(bad)?;
                let upto = value.try_into().map(u64::from_be_bytes).map_err(|_| bad())?;
                self.closings.insert(of, upto);
            }
            keys::HOUSE => {
                let slot = key[1..].try_into().map(u64::from_be_bytes).map_err(|_| bad())?;
                let row = read_row(slot, value)?;
                let kind = Kind::of_id(row.board());
                let which = match kind {
                    Kind::Tickets => 0,
                    Kind::Coins => 1,
                    Kind::Room(_) => return Err(bad()),
                };
                if row.user() >= COINS {
                    return Err(bad());
                }
                let at = self.house_row(which, kind, row.user());
                self.house.rows[at as usize] = row;
            }
            keys::SESSIONS => {
                let room = key[1..].try_into().map(u32::from_be_bytes).map_err(|_| bad())?;
                let value: &[u8; 13] = value.try_into().map_err(|_| bad())?;
                let [n0, n1, n2, n3, runs, began @ ..] = *value;
                let session = Session {
                    number: u32::from_be_bytes([n0, n1, n2, n3]),
                    runs: runs == 1,
                    began: i64::from_be_bytes(began),
                };
                if session.runs {
                    *self.running_since.entry(session.began).or_default() += 1;
                }
                self.sessions.insert(room, session);
            }
            _ => return Err(bad()),
        }
        Ok(())
    }

    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.house
            .take_unstored(|row| write_row(row, |value| out.set(&keys::house(row.slot), value)));
        for (month, row) in self.past_rows.drain(..) {
            write_row(&row, |value| out.set(&keys::pair(month, row.slot), value));
        }
        let month = self.clock.running[MONTH].number;
        self.rooms
            .take_unstored(|row| write_row(row, |value| out.set(&keys::pair(month, row.slot), value)));
        self.store_closings(stored, out)?;
        if !std::mem::replace(&mut self.clock_stored, true) {
            let began_ms = self.clock.running[0].number.saturating_mul(1_000);
            let sessions = self.running_since.keys().next().copied().unwrap_or(i64::MAX);
            let needed = sessions.min(month - 1);
            out.set(&[keys::CLOCK], [began_ms, needed].map(i64::to_be_bytes).as_flattened());
        }
        self.sessions_unstored.sort_unstable();
        self.sessions_unstored.dedup();
        for room in self.sessions_unstored.drain(..) {
            if let Some(session) = self.sessions.get(&room) {
                let mut value = [u8::from(session.runs); 13];
                value[..4].copy_from_slice(&session.number.to_be_bytes());
                value[5..].copy_from_slice(&session.began.to_be_bytes());
                out.set(&keys::session(room), &value);
            }
        }
        Ok(())
    }

    fn settle(&mut self) {
        if self.ordered {
            self.follow();
            return;
        }
        if self.clock.is_before_all() {
            return;
        }
        let clock = self.clock;
        self.drop_cold_rows(&clock);
        self.order_house();
        self.changed.extend([Kind::Tickets, Kind::Coins]);
        self.changed.extend(self.members.keys().map(|room| Kind::Room(*room)));
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        let board = |id: u32| match Kind::of_id(id) {
            Kind::Tickets => "tickets".into(),
            Kind::Coins => "coins".into(),
            Kind::Room(room) => format!("room:{}", names.text(room)),
        };
        let of_slot = |slot: Slot| {
            format!(
                "board {}, user {}",
                board((slot >> 32) as u32),
                names.text(slot as u32)
            )
        };
        let name = |of: Period| format!("{} {}", of.span, of.name(self.zone()));
        if let Some((month, slot)) = keys::read_pair(key) {
            let month = Period {
                span: Span::Month,
                number: month,
            };
            return format!("{} since {}", of_slot(slot), month.name(self.zone()));
        }
        if let Some((of, id)) = keys::read_closed(key) {
            return format!("closed board {} of {}", board(id), name(of));
        }
        match (key.first(), key.get(1..)) {
            (Some(&keys::CLOCK), _) => "the hour that runs".into(),
            (Some(&keys::CLOSINGS), _) => match keys::read_closing(key) {
                Some(of) => format!("where {} was closed", name(of)),
                None => format!("key {key:02x?}"),
            },
            (Some(&keys::HOUSE), Some(slot)) if slot.len() == 8 => {
                of_slot(slot.try_into().map(u64::from_be_bytes).unwrap_or_default())
            }
            (Some(&keys::SESSIONS), Some(room)) if room.len() == 4 => {
                let room = room.try_into().map(u32::from_be_bytes).unwrap_or_default();
                format!("newest session of {}", names.text(room))
            }
            _ => format!("key {key:02x?}"),
        }
    }
}

impl BoardView {
    /// Lets the orders follow whoever moved.
    fn follow(&mut self) {
        let (clock, orders, changed) = (&self.clock, &mut self.orders, &mut self.changed);
        self.house.take_moved(|was, is| {
            let which = usize::from(is.board() == COINS);
            for (lane, order) in orders[which].iter_mut().enumerate() {
                order.shift(was.rung(lane, clock), is.rung(lane, clock));
            }
            changed.push(Kind::of_id(is.board()));
        });
        let (asked, sessions) = (self.asked.get_mut(), &self.sessions);
        self.rooms.take_moved(|was, is| {
            let room = is.board();
            asked.follow(room, running(sessions, room), clock, was, is);
            changed.push(Kind::Room(room));
        });
    }
}

/// When the hour that runs began (unix ms), and the first month whose rows are needed.
fn read_clock(value: &[u8]) -> Result<(i64, i64)> {
    match value.as_chunks::<8>() {
        (&[began, month], []) => Ok((i64::from_be_bytes(began), i64::from_be_bytes(month))),
        _ => Err(damaged(BoardView::NAME, "the hour cannot be read")),
    }
}

fn read_row(slot: Slot, value: &[u8]) -> Result<Row> {
    let bad = || damaged(BoardView::NAME, "a row cannot be read");
    let (mut row, rest) = postcard::take_from_bytes::<Row>(value).map_err(|_| bad())?;
    row.slot = slot;
    if rest.is_empty() { Ok(row) } else { Err(bad()) }
}

fn read_pair_row(key: &[u8], value: &[u8]) -> Result<(i64, Row)> {
    let (month, slot) =
        keys::read_pair(key).ok_or_else(|| damaged(BoardView::NAME, "the key of a row cannot be read"))?;
    Ok((month, read_row(slot, value)?))
}

/// Writes a row as bytes: numbers of as many as they need.
fn write_row(row: &Row, put: impl FnOnce(&[u8])) {
    let mut bytes = [0; 96];
    let written = postcard::to_slice(row, &mut bytes).expect("nine numbers of at most ten bytes");
    put(written);
}
