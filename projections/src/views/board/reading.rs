//! What is read of the boards: from memory while a period runs, from the store when it was closed.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow};

use super::closed::{Closed, Closings};
use super::ordered::{self, HouseBoard};
use super::rows::{LONG, MONTH, Row, Slot, TIMED};
use super::{BoardView, Kind, Phase, Standings, keys, lane_of, oldest_kept, stored};
use crate::Result;
use crate::fact::Place;
use crate::limits::BOARD_SESSIONS_KEPT;
use crate::names::Number;
use crate::period::{Period, Span};
use crate::store::Stored;
use crate::views::order::Rung;

impl BoardView {
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

    /// What a sender gave in a room before the month that runs: from the store, and what is not stored yet.
    pub(super) fn before_this_month(
        &self,
        room: Number,
        stored: &Stored<'_>,
    ) -> Result<HashMap<Number, (u64, Place)>> {
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
                let (_, row) = stored::read_pair_row(key, value)?;
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
}
