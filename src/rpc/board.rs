//! `board.get`.

use domain::{Rejection, UserId};
use projections::Day;
use projections::views::{Board, Standing};
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
    around: Option<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Found {
    entries: Vec<Entry>,
    period: String,
    position: u64,
}

/// One line of a board, as clients see it.
#[derive(Serialize)]
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
    let views = platform.views();
    let day: Day = match &get.period {
        Some(text) => text
            .parse()
            .map_err(|e| Failure::BadRequest(format!("period: {e}")))?,
        None => views.day_of(platform.now_ms()),
    };
    let found = match around {
        Some(user) => views.board_around(&board, day, &user, limit)?,
        None => views.board_top(&board, day, 0, limit)?,
    };
    let entries = found.into_iter().map(Entry::from).collect();
    json(&Found {
        entries,
        period: day.to_string(),
        position: platform.views_position(),
    })
}

/// The publication of a board: the top of today's.
pub fn now(platform: &Platform, board: &Board) -> Outcome {
    #[derive(Serialize)]
    struct Publication {
        r#type: &'static str,
        board: String,
        #[serde(flatten)]
        found: Found,
    }
    let views = platform.views();
    let day = views.day_of(platform.now_ms());
    let top = views.board_top(board, day, 0, TOP_ENTRIES)?;
    let entries = top.into_iter().map(Entry::from).collect();
    let found = Found {
        entries,
        period: day.to_string(),
        position: platform.views_position(),
    };
    json(&Publication {
        r#type: "board",
        board: board.to_string(),
        found,
    })
}
