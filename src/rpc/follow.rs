//! `follow.add`, `follow.remove`, `follow.list`, `follow.live`, `follower.list`, `relation.get`.

use domain::viewer::Command;
use domain::{Rejection, UserId};
use projections::views::{Page, Relation, Views};
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
        clearance: None,
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

/// Gives the viewer a command that changes how they stand to somebody.
pub(super) async fn change(
    platform: &Platform,
    user: &UserId,
    request: request::Request,
    command: Command,
) -> Outcome {
    let accepted = platform.actors.viewer(user, request, command).await?;
    json(&Changed {
        position: accepted.position.sequence,
    })
}

/// A page of a list of people.
#[derive(Serialize)]
pub(super) struct Users {
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
    /// Whether these two follow each other; only in lists of follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    mutual: Option<bool>,
}

impl Users {
    pub(super) fn of(page: Page<Relation>, total: Option<u64>) -> Self {
        let since = |relation: Relation| Since {
            user: relation.user,
            since: relation.since_ms,
            mutual: None,
        };
        Self {
            users: page.entries.into_iter().map(since).collect(),
            cursor: page.cursor,
            total,
        }
    }

    /// Says of each line whether it holds both ways, by the direction that the list does not show.
    fn with_mutual(mut self, returned: impl Fn(&UserId) -> bool) -> Self {
        for line in &mut self.users {
            line.mutual = Some(returned(&line.user));
        }
        self
    }
}

pub(super) fn list(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<request::Page>(data)?;
    let limit = page.limit()?;
    let views = platform.views();
    let found = views.following(user, page.cursor.as_deref(), limit)??;
    json(&Users::of(found, None).with_mutual(|other| views.follows(other, user)))
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
    let limit = page.limit()?;
    let views = platform.views();
    let found = views.followers(&streamer, page.cursor.as_deref(), limit)??;
    let users = Users::of(found, Some(views.follower_count(&streamer)));
    json(&users.with_mutual(|other| views.follows(&streamer, other)))
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
struct Others {
    users: Vec<String>,
}

/// Users that one `relation.get` may ask about.
const USERS_MAX: usize = 100;

#[derive(Serialize)]
struct Relations {
    relations: Vec<Between>,
}

#[derive(Serialize)]
struct Between {
    user: UserId,
    following: bool,
    followed_by: bool,
    mutual: bool,
    blocked: bool,
}

impl Between {
    fn of(views: &Views, user: &UserId, other: UserId) -> Self {
        let (following, followed_by) = (views.follows(user, &other), views.follows(&other, user));
        Self {
            following,
            followed_by,
            mutual: following && followed_by,
            blocked: views.blocks(user, &other),
            user: other,
        }
    }
}

/// How the caller stands to some users, in the order asked for. Whether they block the caller is not said.
pub(super) fn relation(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let Others { users } = parse(data)?;
    if !(1..=USERS_MAX).contains(&users.len()) {
        return Err(Rejection::BadUsers.into());
    }
    let others: Vec<UserId> = users.iter().map(|text| id(text)).collect::<Result<_, _>>()?;
    let views = platform.views();
    let between = others.into_iter().map(|other| Between::of(&views, user, other));
    json(&Relations {
        relations: between.collect(),
    })
}
