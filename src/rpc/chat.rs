//! `chat.send`.

use domain::room::{Command, SendChat};
use domain::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{id, parse_command};
use crate::rpc::{Outcome, json};

#[derive(Serialize, Deserialize)]
struct Chat {
    room: String,
    text: String,
}

#[derive(Serialize)]
struct Said {
    position: u64,
}

pub(super) async fn send(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Chat>("chat.send", data)?;
    let room: RoomId = id(&command.body.room)?;
    let say = Command::SendChat(SendChat::new(user.clone(), command.body.text.clone()));
    let accepted = platform.actors.room(&room, command.request(user), say).await?;
    json(&Said {
        position: accepted.position.sequence,
    })
}
