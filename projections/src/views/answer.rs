//! What the views answer with, and the cursors by which lists are paged.

use std::fmt;
use std::str::FromStr;

use domain::event::ComboStep;
use domain::{GiftId, RoomId, UserId};

use super::LiveSession;
use crate::BadCursor;

/// A leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Board {
    /// Streamers by tickets earned.
    Tickets,
    /// Senders by coins spent.
    Coins,
    /// Senders by coins spent in one room.
    Room(RoomId),
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tickets => f.write_str("tickets"),
            Self::Coins => f.write_str("coins"),
            Self::Room(room) => write!(f, "room:{room}"),
        }
    }
}

/// What is not a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a board is `tickets`, `coins` or `room:ID`")]
pub struct BadBoard;

impl FromStr for Board {
    type Err = BadBoard;

    fn from_str(text: &str) -> std::result::Result<Self, BadBoard> {
        match text {
            "tickets" => Ok(Self::Tickets),
            "coins" => Ok(Self::Coins),
            _ => {
                let room = text.strip_prefix("room:").and_then(|room| room.parse().ok());
                room.map(Self::Room).ok_or(BadBoard)
            }
        }
    }
}

/// A combo that runs in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningCombo {
    /// Who sends it.
    pub user: UserId,
    /// Which gift.
    pub gift: GiftId,
    /// Its name and the total it has reached.
    pub combo: ComboStep,
}

/// One line of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Counted from 1.
    pub rank: u64,
    /// Who.
    pub user: UserId,
    /// Tickets or coins.
    pub score: u64,
}

/// One line of a list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Who.
    pub user: UserId,
    /// Since when, unix ms.
    pub since_ms: i64,
}

/// One live room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRoom {
    /// Which.
    pub room: RoomId,
    /// Its running session.
    pub session: LiveSession,
}

/// A piece of a list, and how to ask for the next one; no cursor = the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// Opaque.
    pub cursor: Option<String>,
}

impl<T> Page<T> {
    /// Nothing.
    pub(super) fn empty() -> Self {
        Self {
            entries: Vec::new(),
            cursor: None,
        }
    }
}

/// A cursor that stands for some words.
pub fn write_cursor<const N: usize>(words: [u64; N]) -> String {
    words.map(|word| format!("{word:016x}")).concat()
}

/// The words of a cursor.
pub fn read_cursor<const N: usize>(cursor: &str) -> std::result::Result<[u64; N], BadCursor> {
    let (words, []) = cursor.as_bytes().as_chunks::<16>() else {
        return Err(BadCursor);
    };
    let words: &[[u8; 16]; N] = words.try_into().map_err(|_| BadCursor)?;
    let mut read = [0; N];
    for (word, text) in read.iter_mut().zip(words) {
        let hex = text.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(text).ok().filter(|_| hex).ok_or(BadCursor)?;
        *word = u64::from_str_radix(text, 16).map_err(|_| BadCursor)?;
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_a_strange_one_refused() {
        assert_eq!(read_cursor(&write_cursor([1, u64::MAX])), Ok([1, u64::MAX]));
        for bad in [
            "",
            "0",
            "000000000000000g",
            "+00000000000000f",
            "日本語日本語日本語",
        ] {
            assert_eq!(read_cursor::<1>(bad), Err(BadCursor), "{bad}");
        }
        assert_eq!(read_cursor::<2>(&write_cursor([1])), Err(BadCursor));
    }

    #[test]
    fn a_board_is_read_back_from_its_name() {
        for name in ["tickets", "coins", "room:ann"] {
            assert_eq!(name.parse::<Board>().unwrap().to_string(), name);
        }
        assert_eq!("room:".parse::<Board>(), Err(BadBoard));
        assert_eq!("hearts".parse::<Board>(), Err(BadBoard));
    }
}
