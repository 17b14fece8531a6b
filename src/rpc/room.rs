//! `room.info`, `room.list`.

use bytes::Bytes;
use domain::RoomId;
use projections::views::Board;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::platform::Platform;
use crate::rpc::board::{Entry, TOP_ENTRIES};
use crate::rpc::request::{Page, id, parse};
use crate::rpc::{Failure, Outcome, json};

/// Publications that a newcomer is shown.
const RECENT_PUBLICATIONS: usize = 50;

#[derive(Deserialize)]
struct Info {
    room: String,
}

pub(super) async fn info_of(platform: &Platform, data: &[u8]) -> Outcome {
    let room = id(&parse::<Info>(data)?.room)?;
    info(platform, &room).await
}

#[derive(Serialize)]
struct RoomInfo<'a> {
    room: &'a RoomId,
    live: Option<Live>,
    viewers: u32,
    tickets: u64,
    recent: Vec<Box<RawValue>>,
    top: Vec<Entry>,
}

#[derive(Serialize)]
struct Live {
    session: u32,
    title: String,
    since: i64,
}

/// What a newcomer needs to know of a room; also the `data` of a subscription.
pub async fn info(platform: &Platform, room: &RoomId) -> Outcome {
    let (live, tickets, top, newest) = {
        let views = platform.views();
        let session = views.live(room);
        let tickets = session.map_or(0, |s| s.tickets);
        let live = session.map(|s| Live {
            session: s.session.0,
            title: s.title.clone(),
            since: s.since_ms,
        });
        let today = views.day_of(platform.now_ms());
        let top = views.board_top(&Board::Room(room.clone()), today, 0, TOP_ENTRIES)?;
        (live, tickets, top, views.room_newest(room, RECENT_PUBLICATIONS))
    };
    let recent = platform.feed.read(&newest).await?;
    let recent = recent
        .into_iter()
        .map(|publication| raw(&publication.data))
        .collect::<Result<_, _>>()?;
    let top = top.into_iter().map(Entry::from).collect();
    json(&RoomInfo {
        room,
        live,
        viewers: platform.audience.viewers(room),
        tickets,
        recent,
        top,
    })
}

fn raw(publication: &Bytes) -> Result<Box<RawValue>, Failure> {
    serde_json::from_slice(publication).map_err(|error| {
        tracing::error!("a publication is not JSON: {error}");
        Failure::Internal
    })
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Hot,
    New,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    sort: By,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    room: RoomId,
    title: String,
    viewers: u32,
    tickets: u64,
    since: i64,
}

pub(super) fn list(platform: &Platform, data: &[u8]) -> Outcome {
    let List { sort, page } = parse(data)?;
    let (By::Hot | By::New) = sort;
    let found = platform
        .views()
        .newest_live(page.cursor.as_deref(), page.limit()?)??;
    let rooms = found.entries.into_iter().map(|live| Listed {
        viewers: platform.audience.viewers(&live.room),
        title: live.session.title,
        tickets: live.session.tickets,
        since: live.session.since_ms,
        room: live.room,
    });
    json(&Rooms {
        rooms: rooms.collect(),
        cursor: found.cursor,
    })
}
