//! The boards as a fold and in the store: what an event changes, what is written, and what is read back at the opening.

use std::ops::{Bound, ControlFlow};

use domain::Event;

use super::clock::Clock;
use super::rows::{MONTH, Row, Slot};
use super::{BoardView, COINS, Kind, Session, keys};
use crate::Result;
use crate::fact::{Fact, Projection, damaged};
use crate::limits::RECORDS_LOOKED_UP_AHEAD;
use crate::names::Names;
use crate::period::{Period, Span};
use crate::store::{Put, Stored};

impl BoardView {
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

    fn apply_all(&mut self, facts: &[Fact<'_>]) {
        for facts in facts.chunks(RECORDS_LOOKED_UP_AHEAD) {
            self.look_ahead(facts);
            for fact in facts {
                self.apply(fact);
            }
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
            out.set(
                &[keys::CLOCK],
                [began_ms, needed].map(i64::to_be_bytes).as_flattened(),
            );
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
        self.changed
            .extend(self.members.keys().map(|room| Kind::Room(*room)));
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

pub(super) fn read_pair_row(key: &[u8], value: &[u8]) -> Result<(i64, Row)> {
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
