//! Boards of periods that are over, as they lie in the store: places in pieces, best first, and for large boards the ranks
//! by user. They are written once, when the period has been closed, and never changed.

use std::cmp::Reverse;
use std::ops::{Bound, ControlFlow};

use super::{BoardView, Kind, Standings, keys};
use crate::Result;
use crate::fact::{Place, damaged};
use crate::limits::BOARD_PIECE_PLACES;
use crate::names::Number;
use crate::period::Period;
use crate::store::{Put, Stored};

/// Ranks in one piece of those by user.
const BY_USER_PIECE: usize = 512;

/// Somebody's place on one of the boards of a period that was closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    pub(super) board: u32,
    pub(super) user: Number,
    pub(super) score: u64,
    pub(super) reached: Place,
}

/// All boards of a period that was closed and is not stored yet, in no order.
#[derive(Debug)]
pub(super) struct Closings {
    pub(super) of: Period,
    /// Whose session it was; any board of a period that all boards share.
    pub(super) kind: Kind,
    /// The last record that counts.
    pub(super) upto: Place,
    pub(super) places: Vec<Closing>,
}

impl Closings {
    /// Writes the boards down.
    pub(super) fn store(&mut self, out: &mut Put<'_>) {
        self.places
            .sort_unstable_by_key(|place| (place.board, Reverse(place.score), place.reached));
        let boards = self.places.chunk_by(|one, other| one.board == other.board);
        for places in boards {
            self.store_board(Kind::of_id(places[0].board), places, out);
        }
        if self.places.is_empty() && self.of.span == crate::period::Span::Session {
            self.store_board(self.kind, &[], out);
        }
    }

    fn store_board(&self, kind: Kind, places: &[Closing], out: &mut Put<'_>) {
        let board = keys::closed_board(self.of, kind);
        let mut head = self.upto.to_be_bytes().to_vec();
        head.extend((places.len() as u32).to_be_bytes());
        let (first, others) = places.split_at(places.len().min(BOARD_PIECE_PLACES));
        write_places(first, &mut head);
        out.set(&keys::piece(&board, keys::HEAD, 0), &head);
        for (number, piece) in (1..).zip(others.chunks(BOARD_PIECE_PLACES)) {
            let mut bytes = Vec::with_capacity(piece.len() * 8);
            write_places(piece, &mut bytes);
            out.set(&keys::piece(&board, keys::PIECE, number), &bytes);
        }
        if others.is_empty() {
            return;
        }
        let mut by_user: Vec<_> = places.iter().map(|place| place.user).zip(0u32..).collect();
        by_user.sort_unstable();
        for piece in by_user.chunks(BY_USER_PIECE) {
            let last = piece[piece.len() - 1].0;
            let words = piece.iter().flat_map(|(user, rank)| [*user, *rank]);
            let bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
            out.set(&keys::piece(&board, keys::BY_USER, last), &bytes);
        }
    }
}

fn write_places(places: &[Closing], out: &mut Vec<u8>) {
    for place in places {
        out.extend(place.user.to_be_bytes());
        let mut score = place.score;
        while score > 0x7f {
            out.push(score as u8 | 0x80);
            score >>= 7;
        }
        out.push(score as u8);
    }
}

fn bad() -> crate::Error {
    damaged(BoardView::NAME, "a closed board cannot be read")
}

fn read_places(mut bytes: &[u8]) -> Result<Vec<(Number, u64)>> {
    let mut places = Vec::new();
    while let Some((user, rest)) = bytes.split_first_chunk::<4>() {
        let len = rest.iter().position(|byte| byte & 0x80 == 0).ok_or_else(bad)? + 1;
        if len > 10 {
            return Err(bad());
        }
        let score = (0..).zip(&rest[..len]).fold(0, |score, (at, byte)| {
            score | u64::from(byte & 0x7f).checked_shl(7 * at).unwrap_or(0)
        });
        places.push((u32::from_be_bytes(*user), score));
        bytes = &rest[len..];
    }
    if bytes.is_empty() { Ok(places) } else { Err(bad()) }
}

/// A closed board, to be read from the store.
pub(super) struct Closed<'a> {
    stored: &'a Stored<'a>,
    board: Vec<u8>,
    upto: Place,
    len: usize,
    first: Vec<(Number, u64)>,
}

impl<'a> Closed<'a> {
    /// The closed board of a period, if anybody stands on it.
    pub(super) fn open(of: Period, kind: Kind, stored: &'a Stored<'a>) -> Result<Option<Self>> {
        let board = keys::closed_board(of, kind);
        let Some(head) = stored.get(&keys::piece(&board, keys::HEAD, 0))? else {
            return Ok(None);
        };
        let (upto, rest) = head.split_first_chunk::<8>().ok_or_else(bad)?;
        let (len, places) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
        Ok(Some(Self {
            upto: u64::from_be_bytes(*upto),
            len: u32::from_be_bytes(*len) as usize,
            first: read_places(places)?,
            stored,
            board,
        }))
    }

    /// The last record that counts.
    pub(super) fn upto(&self) -> Place {
        self.upto
    }

    fn piece(&self, number: usize) -> Result<Vec<(Number, u64)>> {
        if number == 0 {
            return Ok(self.first.clone());
        }
        let key = keys::piece(&self.board, keys::PIECE, number as u32);
        read_places(&self.stored.get(&key)?.ok_or_else(bad)?)
    }

    /// The rank by user, of a board that has more than one piece.
    fn indexed(&self, user: Number) -> Result<Option<usize>> {
        let (from, to) = (
            keys::piece(&self.board, keys::BY_USER, user),
            keys::piece(&self.board, keys::BY_USER, u32::MAX),
        );
        let mut found = None;
        self.stored
            .scan(Bound::Included(&from), Bound::Included(&to), &mut |_, value| {
                let (entries, []) = value.as_chunks::<8>() else {
                    return Err(bad());
                };
                let at = entries.binary_search_by(|entry| entry[..4].cmp(&user.to_be_bytes()));
                found = at
                    .ok()
                    .and_then(|at| entries[at].last_chunk::<4>())
                    .map(|rank| u32::from_be_bytes(*rank) as usize);
                Ok(ControlFlow::Break(()))
            })?;
        Ok(found)
    }
}

impl Standings for Closed<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn rank(&self, user: Number) -> Result<Option<(usize, u64)>> {
        let of_user = |places: &[(Number, u64)]| places.iter().position(|place| place.0 == user);
        if self.len <= BOARD_PIECE_PLACES {
            return Ok(of_user(&self.first).map(|rank| (rank, self.first[rank].1)));
        }
        let Some(rank) = self.indexed(user)? else {
            return Ok(None);
        };
        let piece = self.piece(rank / BOARD_PIECE_PLACES)?;
        let (_, score) = piece.get(rank % BOARD_PIECE_PLACES).ok_or_else(bad)?;
        Ok(Some((rank, *score)))
    }

    fn slice(&self, from: usize, limit: usize) -> Result<Vec<(usize, Number, u64)>> {
        let to = from.saturating_add(limit).min(self.len);
        let mut found = Vec::new();
        let mut at = from;
        while at < to {
            let piece = self.piece(at / BOARD_PIECE_PLACES)?;
            let within = at % BOARD_PIECE_PLACES;
            let places = piece
                .get(within..)
                .filter(|places| !places.is_empty())
                .ok_or_else(bad)?;
            let taken = places.len().min(to - at);
            let places = (at..).zip(&places[..taken]);
            found.extend(places.map(|(rank, (user, score))| (rank, *user, *score)));
            at += taken;
        }
        Ok(found)
    }
}
