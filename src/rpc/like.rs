//! `like.send`.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use domain::likes::Key;
use domain::{Rejection, RoomId, UserId};
use serde::{Deserialize, Serialize};

use crate::likes::Tap;
use crate::platform::Platform;
use crate::rpc::request::{id, parse_command};
use crate::rpc::{Outcome, json};

/// Command ids of likes are remembered in memory only, so any digest will do.
static DIGEST: LazyLock<RandomState> = LazyLock::new(RandomState::new);

#[derive(Serialize, Deserialize)]
struct Like {
    room: String,
    count: u32,
}

#[derive(Serialize)]
struct Liked {
    likes: u64,
}

pub(super) async fn send(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Like>("like.send", data)?;
    let room: RoomId = id(&command.body.room)?;
    let session = platform.actors.session(&room).await?;
    let session = session.ok_or_else(|| refused(platform, Rejection::RoomNotLive))?;
    platform.actors.enter(&room, user).await?;
    let request = command.request(user);
    let tap = Tap {
        room: &room,
        session,
        user,
        shown: platform.audience.holds(&room, user),
        count: command.body.count,
        key: Key {
            id: DIGEST.hash_one(&request.command_id),
            body: request.request_hash,
        },
    };
    let journalled = platform
        .views()
        .live(&room)
        .filter(|live| live.session == tap.session)
        .map_or(0, |live| live.likes);
    let tapped = platform.likes.tap(&tap, journalled, platform.now_ms());
    let likes = tapped.map_err(|rejection| refused(platform, rejection))?;
    json(&Liked { likes })
}

/// Counts a refusal that no actor has made.
fn refused(platform: &Platform, rejection: Rejection) -> Rejection {
    platform.actors.stats().count_refused(rejection);
    rejection
}
