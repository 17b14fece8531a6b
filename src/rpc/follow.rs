//! `follow.add`, `follow.remove`, `follow.list`, `follow.live`, `follower.list`, `relation.get`.

use domain::UserId;
use domain::viewer::Command;
use projections::views::{Page, Relation};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{self, id, parse, parse_command};
use crate::rpc::room::{Listed, with_viewers};
use crate::rpc::{Outcome, json};

#[derive(Serialize, Deserialize)]
struct Change {
    streamer: String,
}

#[derive(Serialize)]
struct Changed {
    position: u64,
}

pub(super) async fn add(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Change>("follow.add", data)?;
    let follow = Command::Follow {
        streamer: id(&command.body.streamer)?,
    };
    change(platform, user, command.request(user), follow).await
}

pub(super) async fn remove(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Change>("follow.remove", data)?;
    let unfollow = Command::Unfollow {
        streamer: id(&command.body.streamer)?,
    };
    change(platform, user, command.request(user), unfollow).await
}

async fn change(platform: &Platform, user: &UserId, request: request::Request, command: Command) -> Outcome {
    let accepted = platform.actors.viewer(user, request, command).await?;
    json(&Changed {
        position: accepted.position.sequence,
    })
}

#[derive(Serialize)]
struct Users {
    users: Vec<Since>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

#[derive(Serialize)]
struct Since {
    user: UserId,
    since: i64,
}

impl Users {
    fn of(page: Page<Relation>, total: Option<u64>) -> Self {
        let since = |relation: Relation| Since {
            user: relation.user,
            since: relation.since_ms,
        };
        Self {
            users: page.entries.into_iter().map(since).collect(),
            cursor: page.cursor,
            total,
        }
    }
}

pub(super) fn list(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<request::Page>(data)?;
    let found = platform
        .views()
        .following(user, page.cursor.as_deref(), page.limit()?)??;
    json(&Users::of(found, None))
}

#[derive(Deserialize)]
struct Followers {
    streamer: String,
    #[serde(flatten)]
    page: request::Page,
}

pub(super) fn followers(platform: &Platform, data: &[u8]) -> Outcome {
    let Followers { streamer, page } = parse(data)?;
    let streamer = id(&streamer)?;
    let views = platform.views();
    let found = views.followers(&streamer, page.cursor.as_deref(), page.limit()?)??;
    json(&Users::of(found, Some(views.follower_count(&streamer))))
}

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<Listed>,
}

pub(super) fn live(platform: &Platform, user: &UserId) -> Outcome {
    let live = platform.views().following_live(user)?;
    json(&Rooms {
        rooms: with_viewers(platform, live),
    })
}

#[derive(Deserialize)]
struct Other {
    user: String,
}

#[derive(Serialize)]
struct Between {
    following: bool,
    follower: bool,
}

pub(super) fn relation(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let other: UserId = id(&parse::<Other>(data)?.user)?;
    let views = platform.views();
    json(&Between {
        following: views.follows(user, &other),
        follower: views.follows(&other, user),
    })
}
