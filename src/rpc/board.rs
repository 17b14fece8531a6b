//! `board.get`, and what is pushed on `board:NAME`.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use domain::{Rejection, UserId};
use parking_lot::Mutex;
use projections::views::{Board, Phase, Standing, Views};
use projections::{Period, Span};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{Page, id, parse};
use crate::rpc::{Failure, Outcome, json};

/// Entries of a board that is pushed.
const TOP_ENTRIES: usize = 10;

#[derive(Deserialize)]
struct Get {
    board: String,
    period: Option<String>,
    at: Option<i64>,
    around: Option<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Found {
    entries: Vec<Entry>,
    period: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    closed: bool,
    position: u64,
}

/// One line of a board, as clients see it.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    rank: u64,
    user: UserId,
    score: u64,
}

impl From<Standing> for Entry {
    fn from(standing: Standing) -> Self {
        Self {
            rank: standing.rank,
            user: standing.user,
            score: standing.score,
        }
    }
}

/// A board as it is watched: of the period that runs, whichever that is. The name of its channel behind `board:`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watched {
    /// Which board.
    pub board: Board,
    /// Of which kind of period.
    pub span: Span,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A board without a period is the day's.
        match self.span {
            Span::Day => self.board.fmt(f),
            span => write!(f, "{}/{span}", self.board),
        }
    }
}

impl FromStr for Watched {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let (board, span) = match name.split_once('/') {
            // Each board has one channel: the day is not named.
            Some((_, "day")) => return Err(()),
            Some((board, span)) => (board, Span::of_word(span).ok_or(())?),
            None => (name, Span::Day),
        };
        let board: Board = board.parse().map_err(|_| ())?;
        let watched = Self { board, span };
        let sessions = span != Span::Session || matches!(watched.board, Board::Room(_));
        if sessions && watched.to_string() == name {
            Ok(watched)
        } else {
            Err(())
        }
    }
}

impl Watched {
    /// Every channel that a change of a board may concern.
    pub fn all(board: &Board) -> impl Iterator<Item = Self> + '_ {
        let spans = Span::EVERY.into_iter();
        let spans = spans.filter(|span| *span != Span::Session || matches!(board, Board::Room(_)));
        spans.map(|span| Self {
            board: board.clone(),
            span,
        })
    }
}

/// Boards that somebody may begin to watch between two tellings; of one more it is first told when it changes.
const NEWLY_WATCHED_MAX: usize = 10_000;

/// Boards that somebody has begun to watch since they were told last.
#[derive(Default)]
pub struct NewlyWatched(Mutex<HashSet<Watched>>);

impl NewlyWatched {
    /// Somebody watches it from now on.
    pub fn note(&self, watched: Watched) {
        let mut all = self.0.lock();
        if all.len() < NEWLY_WATCHED_MAX {
            all.insert(watched);
        }
    }

    /// Takes them.
    pub fn take(&self) -> HashSet<Watched> {
        std::mem::take(&mut self.0.lock())
    }
}

/// The period of a kind at a moment; of a live session, the room's newest (0 before there is one).
fn running(views: &Views, board: &Board, span: Span, at_ms: i64) -> Result<Period, Failure> {
    match (Period::at(span, at_ms, views.zone()), board) {
        (Some(period), _) => Ok(period),
        (None, Board::Room(room)) => Ok(Period::session(views.newest_session(room).unwrap_or(0))),
        (None, _) => Err(Failure::BadRequest(
            "period: only the board of a room has sessions".into(),
        )),
    }
}

/// The period that was asked for: by kind, and then the one that runs or that holds the moment `at`; or by its own name.
fn wanted(views: &Views, board: &Board, get: &Get, now_ms: i64) -> Result<Period, Failure> {
    let bad = |what: &dyn fmt::Display| Failure::BadRequest(format!("period: {what}"));
    let text = get.period.as_deref().unwrap_or("day");
    if let Some(span) = Span::of_word(text) {
        if span == Span::Session && get.at.is_some() {
            return Err(bad(&"`at` finds no session; name it, as in `session:3`"));
        }
        return running(views, board, span, get.at.unwrap_or(now_ms));
    }
    if get.at.is_some() {
        return Err(bad(&"with `at`, it is one of `hour`, `day`, `week`, `month`"));
    }
    let period = Period::named(text, views.zone()).map_err(|e| bad(&e))?;
    if period.span == Span::Session && !matches!(board, Board::Room(_)) {
        return Err(bad(&"only the board of a room has sessions"));
    }
    Ok(period)
}

pub(super) fn get(platform: &Platform, data: &[u8]) -> Outcome {
    let get = parse::<Get>(data)?;
    let board: Board = get
        .board
        .parse()
        .map_err(|e| Failure::BadRequest(format!("board: {e}")))?;
    let around = get.around.as_deref().map(id::<UserId>).transpose()?;
    if get.page.cursor.is_some() {
        return Err(Rejection::BadCursor.into());
    }
    let limit = get.page.limit()?;
    // Read before the views: they are at least there.
    let position = platform.views_position();
    let views = platform.views();
    let period = wanted(&views, &board, &get, platform.now_ms())?;
    let found = match around {
        Some(user) => views.board_around(&board, period, &user, limit)?,
        None => views.board_top(&board, period, 0, limit)?,
    };
    json(&told(&views, &board, period, found, position)?)
}

fn told(
    views: &Views,
    board: &Board,
    period: Period,
    found: Vec<Standing>,
    position: u64,
) -> Result<Found, Failure> {
    let zone = views.zone();
    let (closed, position) = match views.board_phase(board, period)? {
        Phase::Open => (false, position),
        Phase::Closed(upto) => (true, projections::position(upto).sequence),
        Phase::Gone => {
            return Err(Failure::BadRequest(format!(
                "period: the boards of {} are kept no longer; docs/protocol.md says how long they are",
                period.name(zone)
            )));
        }
    };
    Ok(Found {
        entries: found.into_iter().map(Entry::from).collect(),
        period: period.name(zone),
        from: period.begins_ms(zone),
        until: period.ends_ms(zone),
        closed,
        position,
    })
}

/// What those who watch a board were told last: the period and the first places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    period: String,
    entries: Vec<Entry>,
}

/// The publication of a board: the top of the period that runs; and what it tells.
pub(crate) fn now(platform: &Platform, watched: &Watched) -> Result<(bytes::Bytes, Told), Failure> {
    #[derive(Serialize)]
    struct Publication<'a> {
        r#type: &'static str,
        board: String,
        span: &'static str,
        #[serde(flatten)]
        found: &'a Found,
    }
    let position = platform.views_position();
    let views = platform.views();
    let Watched { board, span } = watched;
    let period = running(&views, board, *span, platform.now_ms())?;
    let top = views.board_top(board, period, 0, TOP_ENTRIES)?;
    let found = told(&views, board, period, top, position)?;
    drop(views);
    let json = json(&Publication {
        r#type: "board",
        board: board.to_string(),
        span: span.word(),
        found: &found,
    })?;
    let Found { period, entries, .. } = found;
    Ok((json, Told { period, entries }))
}

/// The name of the period that those who watch a board would be told of now.
pub(crate) fn period_now(platform: &Platform, watched: &Watched) -> Option<String> {
    let views = platform.views();
    let period = running(&views, &watched.board, watched.span, platform.now_ms()).ok()?;
    Some(period.name(views.zone()))
}

impl Told {
    /// Whether it is of another period than this.
    pub(crate) fn is_not_of(&self, period: &str) -> bool {
        self.period != period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_of_a_watched_board_is_read_back_from_its_name() {
        for name in [
            "tickets",
            "coins/hour",
            "room:ann",
            "room:ann/session",
            "room:ann/all",
            "tickets/week",
            "room:day/month",
        ] {
            assert_eq!(name.parse::<Watched>().unwrap().to_string(), name);
        }
        for bad in [
            "",
            "tickets/",
            "tickets/day",
            "tickets/year",
            "coins/session",
            "room:/hour",
            "tickets/hour/hour",
        ] {
            assert!(bad.parse::<Watched>().is_err(), "{bad}");
        }
    }
}
