//! The orders of boards that run. Those of the house are always kept; those of rooms from when somebody asks, as many as
//! [`BOARD_PLACES_IN_MEMORY_MAX`] allows: most rooms' boards are never looked at, and the few that are, by thousands.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::clock::Clock;
use super::closed::{Closing, Closings};
use super::rows::Row;
use super::{BoardView, Kind, Standings, lane_of};
use crate::Result;
use crate::fact::Place;
use crate::limits::BOARD_PLACES_IN_MEMORY_MAX;
use crate::names::Number;
use crate::period::{Period, Span};
use crate::store::Stored;
use crate::views::order::{Order, Rung};

/// A board with its order, and where to find somebody's rung.
pub(super) struct HouseBoard<'a> {
    pub(super) order: &'a Order,
    pub(super) rung: &'a dyn Fn(Number) -> Option<Rung>,
}

impl Standings for HouseBoard<'_> {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn rank(&self, user: Number) -> Result<Option<(usize, u64)>> {
        let rung = (self.rung)(user);
        Ok(rung.map(|rung| (self.order.rank(&rung), rung.score())))
    }

    fn slice(&self, from: usize, limit: usize) -> Result<Vec<(usize, Number, u64)>> {
        let rungs = self.order.slice(from, limit);
        Ok(rungs
            .map(|(rank, rung)| (rank, rung.user, rung.score()))
            .collect())
    }
}

/// Reads a closed board that is not stored yet.
pub(super) fn unstored<T>(
    closings: &Closings,
    kind: Kind,
    read: impl FnOnce(&dyn Standings) -> Result<T>,
) -> Result<T> {
    let mut places: Vec<Closing> = closings
        .places
        .iter()
        .filter(|place| place.board == kind.id())
        .copied()
        .collect();
    places.sort_unstable_by_key(|place| (Reverse(place.score), place.reached));
    let rungs: Vec<Rung> = places
        .iter()
        .map(|place| Rung::new(place.score, place.reached, place.user))
        .collect();
    let rung = |user: Number| rungs.iter().find(|rung| rung.user == user).copied();
    read(&HouseBoard {
        order: &Order::of(rungs.clone()),
        rung: &rung,
    })
}

/// A room's board that somebody asked for.
#[derive(Debug, Default)]
struct RoomBoard {
    order: Order,
    /// Of the board of all time: what was given before the month that runs.
    before: HashMap<Number, (u64, Place)>,
    asked: u64,
}

impl RoomBoard {
    fn places(&self) -> usize {
        self.order.len() + self.before.len() + 1
    }

    /// The rung of somebody whose row (if there is one) is this.
    fn rung(&self, span: Span, user: Number, row: Option<&Row>, session: u32, clock: &Clock) -> Option<Rung> {
        match span {
            Span::Session => row?.session_rung(session),
            Span::All => {
                let month = row.and_then(|row| row.rung(lane_of(Span::Month), clock));
                let before = self.before.get(&user);
                let score = month.map_or(0, |rung| rung.score());
                let score = score.saturating_add(before.map_or(0, |(score, _)| *score));
                let reached = month
                    .map(|rung| rung.reached)
                    .or(before.map(|(_, reached)| *reached));
                reached.map(|reached| Rung::new(score, reached, user))
            }
            span => row?.rung(lane_of(span), clock),
        }
    }
}

/// The rooms' boards that somebody asked for.
#[derive(Debug, Default)]
pub(super) struct RoomBoards {
    boards: HashMap<Number, HashMap<Span, RoomBoard>>,
    places: usize,
    asks: u64,
}

impl RoomBoards {
    /// Gives the running board of a room to `read`; it is made if nobody asked before.
    pub(super) fn with<T>(
        &mut self,
        view: &BoardView,
        room: Number,
        of: Period,
        stored: &Stored<'_>,
        read: impl FnOnce(&dyn Standings) -> Result<T>,
    ) -> Result<T> {
        self.asks += 1;
        let made = self
            .boards
            .get(&room)
            .is_some_and(|boards| boards.contains_key(&of.span));
        if !made {
            let board = make(view, room, of, stored)?;
            self.places += board.places();
            self.boards.entry(room).or_default().insert(of.span, board);
            self.drop_oldest((room, of.span));
        }
        let boards = self.boards.entry(room).or_default();
        let board = boards.entry(of.span).or_default();
        board.asked = self.asks;
        let rung = |user: Number| {
            let row = view.of_pairs.get(&Kind::Room(room).slot(user));
            let row = row.map(|&at| view.rooms.settled(&view.rooms.rows[at as usize]));
            board.rung(of.span, user, row, of.number as u32, &view.clock)
        };
        read(&HouseBoard {
            order: &board.order,
            rung: &rung,
        })
    }

    /// Lets go of boards that nobody asked for longest, all but one that is asked for now.
    fn drop_oldest(&mut self, but: (Number, Span)) {
        while self.places > BOARD_PLACES_IN_MEMORY_MAX {
            let all = self.boards.iter().flat_map(|(room, boards)| {
                let of_room = boards.iter();
                of_room.map(move |(span, board)| (board.asked, *room, *span))
            });
            let oldest = all.filter(|(_, room, span)| (*room, *span) != but).min();
            let Some((_, room, span)) = oldest else { return };
            self.drop_board(room, span);
        }
    }

    fn drop_board(&mut self, room: Number, span: Span) {
        let Some(boards) = self.boards.get_mut(&room) else {
            return;
        };
        if let Some(board) = boards.remove(&span) {
            self.places = self.places.saturating_sub(board.places());
        }
        if boards.is_empty() {
            self.boards.remove(&room);
        }
    }

    /// A period of this kind is over, in all rooms.
    pub(super) fn forget(&mut self, span: Span) {
        let rooms: Vec<Number> = self.boards.keys().copied().collect();
        for room in rooms {
            self.drop_board(room, span);
        }
    }

    /// The session of a room is over.
    pub(super) fn forget_session(&mut self, room: Number) {
        self.drop_board(room, Span::Session);
    }

    /// Lets the orders of a room follow one of its rows.
    pub(super) fn follow(&mut self, room: Number, session: u32, clock: &Clock, was: &Row, is: &Row) {
        let Some(boards) = self.boards.get_mut(&room) else {
            return;
        };
        for (span, board) in boards {
            let from = board.rung(*span, is.user(), Some(was), session, clock);
            let to = board.rung(*span, is.user(), Some(is), session, clock);
            let places = board.order.len();
            board.order.shift(from, to);
            self.places = (self.places + board.order.len()).saturating_sub(places);
        }
    }
}

/// Makes the order of a running board from what the orders know already of its rows.
fn make(view: &BoardView, room: Number, of: Period, stored: &Stored<'_>) -> Result<RoomBoard> {
    let mut board = RoomBoard::default();
    if of.span == Span::All {
        board.before = view.before_this_month(room, stored)?;
    }
    let members = view.members.get(&room).into_iter().flatten();
    let rows: Vec<&Row> = members
        .map(|&at| view.rooms.settled(&view.rooms.rows[at as usize]))
        .collect();
    let rung = |user, row| board.rung(of.span, user, row, of.number as u32, &view.clock);
    let mut rungs: Vec<Rung> = rows
        .iter()
        .filter_map(|row| rung(row.user(), Some(*row)))
        .collect();
    if of.span == Span::All {
        let absent = |user: &&Number| !view.of_pairs.contains_key(&Kind::Room(room).slot(**user));
        rungs.extend(
            board
                .before
                .keys()
                .filter(absent)
                .filter_map(|user| rung(*user, None)),
        );
    }
    board.order = Order::of(rungs);
    Ok(board)
}
