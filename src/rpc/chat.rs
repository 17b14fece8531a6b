//! `chat.send`.

use domain::limits::CHAT_TEXT_CHARS_MAX;
use domain::room::{Command, SendChat, Standing};
use domain::text::clean;
use domain::{Rejection, RoomId, UserId};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{id, parse_command};
use crate::rpc::{Failure, Outcome, json};

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
    let text = &command.body.text;
    // What the room would say, and no more of it: a text that it refuses anyway is not searched.
    let blocked = clean(text, CHAT_TEXT_CHARS_MAX).is_ok_and(|cleaned| platform.words.blocks(&cleaned));
    let say = Command::SendChat(SendChat {
        blocked,
        ..SendChat::new(user.clone(), text.as_str())
    });
    match platform.actors.room(&room, command.request(user), say).await {
        Ok(accepted) => json(&Said {
            position: accepted.position.sequence,
        }),
        Err(actors::Failure::Rejected(Rejection::Muted)) => Err(muted(platform, user, &room).await),
        Err(failure) => Err(failure.into()),
    }
}

/// The refusal of one who is muted says until when.
pub(super) async fn muted(platform: &Platform, user: &UserId, room: &RoomId) -> Failure {
    match platform.actors.enter(room, user).await {
        Ok(Standing {
            muted_until_ms: Some(until_ms),
            ..
        }) => Failure::MutedUntil(until_ms),
        _ => Rejection::Muted.into(),
    }
}
