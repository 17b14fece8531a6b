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
mod reading;
mod rows;
mod stored;

use std::collections::{BTreeMap, HashMap};

use domain::Event;
use domain::event::GiftSent;
use parking_lot::Mutex;

use self::clock::Clock;
use self::closed::{Closing, Closings};
use self::ordered::RoomBoards;
use self::rows::{LONG, MONTH, Row, Rows, Slot, TIMED};
use super::order::{Order, Rung};
use crate::Result;
use crate::fact::{Fact, Place};
use crate::limits::{
    BOARD_DAYS_KEPT, BOARD_HOURS_KEPT, BOARD_MONTHS_KEPT, BOARD_SESSIONS_KEPT, BOARD_WEEKS_KEPT,
};
use crate::names::{NOBODY, Number};
use crate::period::{Period, Span};
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

    /// Reads something of the rows that these records will change: the processor then fetches many of them at a time from
    /// memory, where the fold itself would wait for each.
    fn look_ahead(&self, facts: &[Fact<'_>]) {
        let gifts = facts
            .iter()
            .filter(|fact| matches!(fact.event, Event::GiftSent(_)));
        let touched = gifts.fold(0, |touched, fact| {
            let house = |which: usize, user: Number| {
                let at = self.of_users[which].get(user as usize)?.checked_sub(1)?;
                self.house.rows.get(at as usize)
            };
            let pair = self.of_pairs.get(&Kind::Room(fact.whom).slot(fact.who));
            let rows = [
                house(0, fact.whom),
                house(1, fact.who),
                pair.and_then(|&at| self.rooms.rows.get(at as usize)),
            ];
            rows.iter()
                .flatten()
                .fold(touched, |touched, row| touched ^ row.reached)
        });
        std::hint::black_box(touched);
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
        let (of, kind) = (Period::session(number), Kind::Room(room));
        let places = places.collect();
        // No session ends twice; should a journal say so, the last end counts.
        self.closed
            .retain(|closings| (closings.of, closings.kind) != (of, kind));
        self.closed.push(Closings {
            of,
            kind,
            upto: place,
            places,
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
