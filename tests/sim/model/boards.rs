//! Boards as plain sums: for every period that a moment lies in, what everybody gave and earned.

use domain::event::GiftSent;

use super::{Model, Seen};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const SHANGHAI_MS: i64 = 8 * HOUR_MS;

/// The hour, day, week and month of a moment in Shanghai, and all of time, each as the number by which boards know it. Counted
/// from 1970-01-01, a Thursday, month by month.
fn periods(at_ms: i64) -> [(&'static str, i64); 5] {
    let day = (at_ms + SHANGHAI_MS).div_euclid(DAY_MS);
    let (mut year, mut month, mut left) = (1970, 0, day);
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 if leap => 29,
            1 => 28,
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        };
        if left < days {
            break;
        }
        left -= days;
        (year, month) = if month == 11 {
            (year + 1, 0)
        } else {
            (year, month + 1)
        };
    }
    [
        ("hour", at_ms.div_euclid(HOUR_MS) * 3_600),
        ("day", day),
        ("week", day - (day + 3).rem_euclid(7)),
        ("month", year * 12 + month),
        ("all", 0),
    ]
}

impl Model {
    /// Counts a gift on every board; `session` is the live session in which it counts, if it does in one.
    pub(super) fn score(
        &mut self,
        e: &GiftSent,
        sender: &str,
        session: Option<(&'static str, i64)>,
        seen: &Seen,
    ) {
        let room = e.room.as_str();
        let periods = periods(seen.at_ms);
        let scores = [
            ("tickets".to_owned(), room, e.tickets),
            ("coins".to_owned(), sender, e.coins),
            (format!("room:{room}"), sender, e.coins),
        ];
        for (board, who, score) in scores {
            if score == 0 {
                continue;
            }
            let session = session.filter(|_| board.starts_with("room:"));
            for (kind, number) in periods.into_iter().chain(session) {
                let board = self.boards.entry((kind, number, board.clone())).or_default();
                let entry = board.entry(who.to_owned()).or_default();
                *entry = (entry.0 + score, seen.sequence);
            }
        }
    }
}
