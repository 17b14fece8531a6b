//! `room.info`, `room.list`.

use domain::{RoomId, UserId};
use projections::views::LiveRoom;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{Page, id, parse};
use crate::rpc::{Outcome, json};

#[derive(Deserialize)]
struct Info {
    room: String,
}

/// What is said in a room is for those who may come in.
pub(super) async fn info(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let room = id(&parse::<Info>(data)?.room)?;
    platform.actors.enter(&room, user).await?;
    platform.pictures.of(platform, &room).await
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Hot,
    New,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    sort: Sort,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// A live room in a list.
#[derive(Serialize)]
pub(super) struct Listed {
    room: RoomId,
    title: String,
    viewers: u32,
    tickets: u64,
    since: i64,
}

impl Listed {
    pub(super) fn of(live: LiveRoom, viewers: u32) -> Self {
        Self {
            room: live.room,
            title: live.session.title,
            viewers,
            tickets: live.session.tickets,
            since: live.session.since_ms,
        }
    }
}

pub(super) fn list(platform: &Platform, data: &[u8]) -> Outcome {
    let List { sort, page } = parse(data)?;
    let (cursor, limit) = (page.cursor.as_deref(), page.limit()?);
    let (rooms, cursor) = match sort {
        Sort::Hot => {
            let (found, cursor) = platform.hot.page(cursor, limit)?;
            let listed = |ranked: crate::hot::Ranked| Listed::of(ranked.live, ranked.viewers);
            (found.into_iter().map(listed).collect(), cursor)
        }
        Sort::New => {
            let found = platform.views().newest_live(cursor, limit)??;
            (with_viewers(platform, found.entries), found.cursor)
        }
    };
    json(&Rooms { rooms, cursor })
}

/// Live rooms with how many are in each.
pub(super) fn with_viewers(platform: &Platform, rooms: Vec<LiveRoom>) -> Vec<Listed> {
    let listed = |live: LiveRoom| {
        let viewers = platform.audience.viewers(&live.room);
        Listed::of(live, viewers)
    };
    rooms.into_iter().map(listed).collect()
}
