//! `block.add`, `block.remove`, `block.list`.

use domain::UserId;
use domain::viewer::Command;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::follow::{Users, change};
use crate::rpc::request::{self, id, parse, parse_command};
use crate::rpc::{Outcome, json};

#[derive(Serialize, Deserialize)]
struct Change {
    user: String,
}

pub(super) async fn add(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Change>("block.add", data)?;
    let block = Command::Block {
        user: id(&command.body.user)?,
    };
    change(platform, user, command.request(user), block).await
}

pub(super) async fn remove(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Change>("block.remove", data)?;
    let unblock = Command::Unblock {
        user: id(&command.body.user)?,
    };
    change(platform, user, command.request(user), unblock).await
}

/// One's own list only: nobody is told who blocks them, or whom others block.
pub(super) fn list(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<request::Page>(data)?;
    let limit = page.limit()?;
    let views = platform.views();
    let found = views.blocked(user, page.cursor.as_deref(), limit)??;
    json(&Users::of(found, Some(views.blocked_count(user))))
}
