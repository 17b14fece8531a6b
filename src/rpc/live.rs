//! `live.start`, `live.stop`.

use domain::UserId;
use domain::streamer::{Answer, Command};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{self, parse_command};
use crate::rpc::{Outcome, json};

#[derive(Serialize, Deserialize)]
struct Start {
    #[serde(default)]
    title: String,
}

#[derive(Serialize, Deserialize)]
struct Stop {}

#[derive(Serialize)]
struct Live {
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u32>,
}

pub(super) async fn start(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Start>("live.start", data)?;
    let start = Command::StartLive {
        title: command.body.title.clone(),
    };
    run(platform, user, command.request(user), start).await
}

pub(super) async fn stop(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Stop>("live.stop", data)?;
    run(platform, user, command.request(user), Command::StopLive).await
}

async fn run(platform: &Platform, user: &UserId, request: request::Request, command: Command) -> Outcome {
    let accepted = platform.actors.streamer(user, request, command).await?;
    let session = match accepted.answer {
        Answer::Live { session } => Some(session.0),
        _ => None,
    };
    json(&Live {
        position: accepted.position.sequence,
        session,
    })
}
