//! Where the boards lie in their space of the store. What opening the view must read comes last, so that it need not read
//! the rest: closed boards, and the rows of months long past.

use super::Kind;
use crate::names::Number;
use crate::period::{Period, Span};

/// Closed boards of periods of the calendar.
const CLOSED_BOARDS: u8 = 1;
/// Boards of live sessions that have ended.
const ENDED_SESSIONS: u8 = 2;
/// What a sender gave in a room, by month: the sum of all months is all there ever was.
pub(super) const PAIRS: u8 = 3;
/// The hour that runs.
pub(super) const CLOCK: u8 = 4;
/// Where periods were closed.
pub(super) const CLOSINGS: u8 = 5;
/// What somebody has on a board of the whole house.
pub(super) const HOUSE: u8 = 6;
/// The newest live session of each room.
pub(super) const SESSIONS: u8 = 7;

/// The first piece of a closed board, with what is known of the whole.
pub(super) const HEAD: u8 = 0;
/// A further piece, by its number.
pub(super) const PIECE: u8 = 1;
/// Ranks by user; named by the last user in it.
pub(super) const BY_USER: u8 = 2;

/// A number whose bytes sort as it does.
pub(super) fn sortable(number: i64) -> [u8; 8] {
    ((number as u64) ^ (1 << 63)).to_be_bytes()
}

pub(super) fn unsortable(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

pub(super) fn span_tag(span: Span) -> u8 {
    Span::EVERY.iter().position(|other| *other == span).unwrap_or(0) as u8
}

/// What the pieces of all closed boards of a period begin with; those of a session, which only its room has.
pub(super) fn period(period: Period, kind: Kind) -> Vec<u8> {
    match period.span {
        Span::Session => [
            &[ENDED_SESSIONS][..],
            &kind.id().to_be_bytes(),
            &sortable(period.number),
        ]
        .concat(),
        span => [&[CLOSED_BOARDS, span_tag(span)][..], &sortable(period.number)].concat(),
    }
}

/// What the pieces of one closed board begin with.
pub(super) fn closed_board(of: Period, kind: Kind) -> Vec<u8> {
    [&period(of, kind)[..], &kind.id().to_be_bytes()].concat()
}

/// A piece of a closed board.
pub(super) fn piece(board: &[u8], part: u8, number: u32) -> Vec<u8> {
    [board, &[part], &number.to_be_bytes()].concat()
}

/// The first key behind all that begin with these bytes.
pub(super) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            break;
        }
    }
    key
}

/// Rows of the house: board and user.
pub(super) fn house(slot: u64) -> [u8; 9] {
    let mut key = [HOUSE; 9];
    key[1..].copy_from_slice(&slot.to_be_bytes());
    key
}

/// Rows of rooms: month, room and user.
pub(super) fn pair(month: i64, slot: u64) -> [u8; 17] {
    let mut key = [PAIRS; 17];
    key[1..9].copy_from_slice(&sortable(month));
    key[9..].copy_from_slice(&slot.to_be_bytes());
    key
}

/// The rows of a room in a month.
pub(super) fn room_in_month(month: i64, room: Number) -> [u8; 13] {
    let mut key = [PAIRS; 13];
    key[1..9].copy_from_slice(&sortable(month));
    key[9..].copy_from_slice(&room.to_be_bytes());
    key
}

/// Month and slot of a room's row.
pub(super) fn read_pair(key: &[u8]) -> Option<(i64, u64)> {
    let (month, slot) = key.strip_prefix(&[PAIRS])?.split_first_chunk::<8>()?;
    Some((unsortable(*month), u64::from_be_bytes(slot.try_into().ok()?)))
}

/// Where a period was closed.
pub(super) fn closing(of: Period) -> [u8; 10] {
    let mut key = [CLOSINGS; 10];
    key[1] = span_tag(of.span);
    key[2..].copy_from_slice(&sortable(of.number));
    key
}

pub(super) fn read_closing(key: &[u8]) -> Option<Period> {
    let (&tag, number) = key.strip_prefix(&[CLOSINGS])?.split_first()?;
    Some(Period {
        span: *Span::EVERY.get(usize::from(tag))?,
        number: unsortable(number.try_into().ok()?),
    })
}

pub(super) fn session(room: Number) -> [u8; 5] {
    let mut key = [SESSIONS; 5];
    key[1..].copy_from_slice(&room.to_be_bytes());
    key
}

/// What a key of a closed board is about: period, board.
pub(super) fn read_closed(key: &[u8]) -> Option<(Period, u32)> {
    let board = |at: usize| key.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let number = |at: usize| key.get(at..at + 8)?.try_into().ok().map(unsortable);
    match *key.first()? {
        CLOSED_BOARDS => {
            let span = *Span::EVERY.get(usize::from(*key.get(1)?))?;
            Some((
                Period {
                    span,
                    number: number(2)?,
                },
                board(10)?,
            ))
        }
        ENDED_SESSIONS => {
            let of = Period {
                span: Span::Session,
                number: number(5)?,
            };
            Some((of, board(1)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_sort_by_time() {
        for number in [-3, 0, 24_323] {
            assert_eq!(unsortable(sortable(number)), number);
            assert_eq!(read_pair(&pair(number, 7 << 32 | 9)), Some((number, 7 << 32 | 9)));
            for span in Span::EVERY {
                let of = Period { span, number };
                assert_eq!(read_closing(&closing(of)), Some(of));
                let key = piece(&closed_board(of, Kind::Room(5)), HEAD, 0);
                assert_eq!(read_closed(&key), Some((of, 5)));
                assert!(key.starts_with(&period(of, Kind::Room(5))));
            }
        }
        assert!(pair(-1, u64::MAX) < pair(0, 0));
        assert!(pair(3, 5 << 32 | 1).starts_with(&room_in_month(3, 5)));
        assert_eq!(behind(&[1, 2]), [1, 3]);
        assert_eq!(behind(&[1, 255]), [2]);
        assert_eq!(read_pair(&[PAIRS, 1]), None);
    }
}
