//! What may be asked of boards: the top, a rank, a user's neighbours, and how far a period is.

use domain::{RoomId, UserId};

use super::board::Standings;
use super::{Board, BoardView, Kind, Phase, Standing, Views};
use crate::Result;
use crate::day::Day;
use crate::limits::PAGE_ENTRIES_MAX;
use crate::names::Number;
use crate::period::Period;
use crate::zone::Zone;

impl Views {
    /// The platform's time zone.
    pub fn zone(&self) -> Zone {
        self.boards.zone()
    }

    /// The day of a moment (unix ms) by the platform's calendar.
    pub fn day_of(&self, at_ms: i64) -> Day {
        Day::of(at_ms, self.zone())
    }

    /// The number of a room's newest live session, running or not.
    pub fn newest_session(&self, room: &RoomId) -> Option<u32> {
        self.boards.newest_session(self.number(room.as_str())?)
    }

    /// How far a board's period is: whether it runs, was closed, or is kept no longer.
    pub fn board_phase(&self, board: &Board, of: Period) -> Result<Phase> {
        match self.kind(board) {
            Some(kind) => self.boards.phase(kind, of, &self.stored(BoardView::NAME)),
            None => Ok(Phase::Open),
        }
    }

    /// The best of a board in a period: ranks `from + 1` and below, at most `limit`.
    pub fn board_top(&self, board: &Board, of: Period, from: usize, limit: usize) -> Result<Vec<Standing>> {
        self.standings(board, of, |board| board.slice(from, limit.min(PAGE_ENTRIES_MAX)))
    }

    /// A user's rank on a board (counted from 1) and score; none for one who does not stand on it.
    pub fn board_rank(&self, board: &Board, of: Period, user: &UserId) -> Result<Option<(u64, u64)>> {
        let Some(number) = self.number(user.as_str()) else {
            return Ok(None);
        };
        let found = self.with_board(board, of, |board| board.rank(number))?;
        Ok(found.flatten().map(|(rank, score)| (rank as u64 + 1, score)))
    }

    /// A user's neighbours on a board, the user in the middle where there is room; empty for one who does not stand on it.
    pub fn board_around(
        &self,
        board: &Board,
        of: Period,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<Standing>> {
        let Some(number) = self.number(user.as_str()) else {
            return Ok(Vec::new());
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        self.standings(board, of, |board| {
            let Some((rank, _)) = board.rank(number)? else {
                return Ok(Vec::new());
            };
            let last = board.len().saturating_sub(limit);
            board.slice(rank.saturating_sub(limit / 2).min(last), limit)
        })
    }

    fn standings(
        &self,
        board: &Board,
        of: Period,
        read: impl FnOnce(&dyn Standings) -> Result<Vec<(usize, Number, u64)>>,
    ) -> Result<Vec<Standing>> {
        let found = self.with_board(board, of, read)?.unwrap_or_default();
        let standing = |(rank, user, score): (usize, Number, u64)| {
            Ok(Standing {
                rank: rank as u64 + 1,
                user: self.user(user)?,
                score,
            })
        };
        found.into_iter().map(standing).collect()
    }

    fn with_board<T>(
        &self,
        board: &Board,
        of: Period,
        read: impl FnOnce(&dyn Standings) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.kind(board) {
            Some(kind) => self.boards.with(kind, of, &self.stored(BoardView::NAME), read),
            None => Ok(None),
        }
    }

    /// None for the board of a room that nobody has named yet.
    fn kind(&self, board: &Board) -> Option<Kind> {
        Some(match board {
            Board::Tickets => Kind::Tickets,
            Board::Coins => Kind::Coins,
            Board::Room(room) => Kind::Room(self.number(room.as_str())?),
        })
    }

    pub(crate) fn board(&self, kind: Kind) -> Result<Board> {
        Ok(match kind {
            Kind::Tickets => Board::Tickets,
            Kind::Coins => Board::Coins,
            Kind::Room(room) => Board::Room(RoomId::of(&self.user(room)?)),
        })
    }
}
