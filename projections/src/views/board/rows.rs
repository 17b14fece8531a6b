//! What everybody has on the boards that run: one row for a board and a user, with a score for each kind of period.
//!
//! The periods of a row lie in each other, so the last gift says for all of them when the score was reached, and one stamp
//! says which are of the present: a gift costs one look-up a board, however many kinds of periods there are.

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use crate::fact::Place;
use crate::names::Number;
use crate::views::order::Rung;

/// Lanes of a row that the calendar cuts: hour, day, week, month.
pub(super) const TIMED: usize = 4;
/// The lane of the month.
pub(super) const MONTH: usize = 3;
/// The lane of the house's rows that is never cut; of rooms' rows, that of the live session.
pub(super) const LONG: usize = 4;

/// A board and a user in one word.
pub(super) type Slot = u64;

/// What somebody has on a board.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(skip)]
    pub(super) slot: Slot,
    /// Where the last gift stands.
    pub(super) reached: Place,
    pub(super) lanes: [u64; LONG + 1],
    /// The hour of the last gift: minutes since 1970 at its beginning. Lanes of periods that began later are over.
    pub(super) stamp: i32,
    /// The session that the long lane of a room's row counts; 0 = none.
    pub(super) session: u32,
    /// Where the last gift of that session stands.
    pub(super) session_reached: Place,
    /// Where among the moved it is, counted from 1; 0 = it has not moved since the orders followed.
    #[serde(skip)]
    moved: u32,
    #[serde(skip)]
    unstored: bool,
}

impl Row {
    pub(super) fn user(&self) -> Number {
        self.slot as Number
    }

    pub(super) fn board(&self) -> u32 {
        (self.slot >> 32) as u32
    }

    /// The rung of a lane, if its period is that of the clock.
    pub(super) fn rung(&self, lane: usize, clock: &Clock) -> Option<Rung> {
        let present = lane >= TIMED || self.stamp >= clock.begins[lane];
        (present && self.lanes[lane] > 0).then(|| Rung::new(self.lanes[lane], self.reached, self.user()))
    }

    /// The rung of a room's row in a live session.
    pub(super) fn session_rung(&self, session: u32) -> Option<Rung> {
        let present = self.session == session && self.lanes[LONG] > 0;
        present.then(|| Rung::new(self.lanes[LONG], self.session_reached, self.user()))
    }
}

/// Rows, and what happened to them lately.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Rows that have a score in the present period of a lane, each once.
    touched: [Vec<u32>; TIMED],
    unstored: Vec<u32>,
    /// Rows as they were when the orders followed last.
    moved: Vec<(u32, Row)>,
}

impl Rows {
    /// A new, empty row.
    pub(super) fn push(&mut self, slot: Slot) -> u32 {
        self.rows.push(Row {
            slot,
            stamp: i32::MIN,
            ..Row::default()
        });
        (self.rows.len() - 1) as u32
    }

    /// The row, to be changed at a place by a gift: noted down as unstored and, with `ordered`, as it was; lanes whose period is
    /// over begin anew.
    pub(super) fn touch(&mut self, at: u32, clock: &Clock, place: Place, ordered: bool) -> &mut Row {
        let row = &mut self.rows[at as usize];
        if ordered && row.moved == 0 {
            self.moved.push((at, *row));
            row.moved = self.moved.len() as u32;
        }
        if !std::mem::replace(&mut row.unstored, true) {
            self.unstored.push(at);
        }
        if row.stamp < clock.begins[0] {
            for lane in 0..TIMED {
                if row.stamp < clock.begins[lane] {
                    row.lanes[lane] = 0;
                    self.touched[lane].push(at);
                }
            }
            row.stamp = clock.begins[0];
        }
        row.reached = place;
        row
    }

    /// Everybody who has a score in the present period of a lane, which is over.
    pub(super) fn take_touched(&mut self, lane: usize) -> impl Iterator<Item = &Row> {
        let rows = &self.rows;
        std::mem::take(&mut self.touched[lane])
            .into_iter()
            .map(move |at| &rows[at as usize])
    }

    /// The rows that changed since they were last taken.
    pub(super) fn take_unstored(&mut self, mut each: impl FnMut(&Row)) {
        for at in self.unstored.drain(..) {
            let row = &mut self.rows[at as usize];
            row.unstored = false;
            each(row);
        }
    }

    /// The rows that moved since they were last taken: as they were, and as they are.
    pub(super) fn take_moved(&mut self, mut each: impl FnMut(&Row, &Row)) {
        for (at, was) in self.moved.drain(..) {
            let row = &mut self.rows[at as usize];
            row.moved = 0;
            each(&was, row);
        }
    }

    /// A row as the orders know it.
    pub(super) fn settled<'a>(&'a self, row: &'a Row) -> &'a Row {
        match row.moved {
            0 => row,
            moved => &self.moved[moved as usize - 1].1,
        }
    }

    /// Drops every row that `keep` does not want, and that no order waits for. Nothing may be unstored.
    pub(super) fn retain(&mut self, clock: &Clock, keep: impl Fn(&Row) -> bool) {
        let was = std::mem::take(&mut self.moved);
        self.rows.retain(|row| row.moved > 0 || keep(row));
        self.moved = was;
        for (at, row) in self.rows.iter().enumerate() {
            if let Some(moved) = (row.moved as usize).checked_sub(1) {
                self.moved[moved].0 = at as u32;
            }
        }
        self.find_touched(clock);
    }

    /// Finds out anew who has a score in the present periods.
    pub(super) fn find_touched(&mut self, clock: &Clock) {
        for lane in 0..TIMED {
            let rows = (0u32..).zip(&self.rows);
            self.touched[lane] = rows
                .filter(|(_, row)| row.rung(lane, clock).is_some())
                .map(|(at, _)| at)
                .collect();
        }
    }
}
