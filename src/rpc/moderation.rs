//! `room.mute`, `room.unmute`, `room.kick`, `room.ban`, `room.unban`, `room.slow_mode`, `room.followers_only`,
//! `room.notice`, `room.pin`, `room.moderator_add`, `room.moderator_remove`: orders to a room.

use domain::room::{Act, Answer, Command};
use domain::{Rejection, RoomId, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::chat::muted;
use crate::rpc::request::{id, parse_command};
use crate::rpc::{Failure, Outcome, json};

/// The data of an order: to which room, and what.
#[derive(Serialize, Deserialize)]
struct Order<T> {
    room: String,
    #[serde(flatten)]
    what: T,
}

/// Whom an order concerns.
#[derive(Serialize, Deserialize)]
struct About {
    user: String,
}

#[derive(Serialize, Deserialize)]
struct Mute {
    user: String,
    seconds: u64,
}

#[derive(Serialize, Deserialize)]
struct SlowMode {
    seconds: u32,
}

#[derive(Serialize, Deserialize)]
struct FollowersOnly {
    on: bool,
}

#[derive(Serialize, Deserialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Ordered {
    position: u64,
}

/// The order that a method is; none for a method that is no order.
pub(super) async fn call(platform: &Platform, user: &UserId, method: &str, data: &[u8]) -> Option<Outcome> {
    let order = Given {
        platform,
        by: user,
        method,
        data,
    };
    Some(match method {
        "room.mute" => {
            let act = |what: &Mute| {
                let (user, seconds) = (id(&what.user)?, what.seconds);
                Ok(Act::Mute { user, seconds })
            };
            order.run(act).await
        }
        "room.unmute" => order.about(|user| Act::Unmute { user }).await,
        "room.kick" => order.about(|user| Act::Kick { user }).await,
        "room.ban" => order.about(|user| Act::Ban { user }).await,
        "room.unban" => order.about(|user| Act::Unban { user }).await,
        "room.moderator_add" => order.about(|user| Act::AddModerator { user }).await,
        "room.moderator_remove" => order.about(|user| Act::RemoveModerator { user }).await,
        "room.slow_mode" => {
            let act = |what: &SlowMode| {
                let seconds = what.seconds;
                Ok(Act::SlowMode { seconds })
            };
            order.run(act).await
        }
        "room.followers_only" => {
            let act = |what: &FollowersOnly| Ok(Act::FollowersOnly { on: what.on });
            order.run(act).await
        }
        "room.notice" => {
            let act = |what: &Text| {
                let text = what.text.clone();
                Ok(Act::Notice { text })
            };
            order.run(act).await
        }
        "room.pin" => order.run(pin).await,
        _ => return None,
    })
}

/// No text is no pin.
fn pin(what: &Text) -> Result<Act, Failure> {
    let text = what.text.clone();
    Ok(if text.is_empty() {
        Act::Unpin
    } else {
        Act::Pin { text }
    })
}

/// One call.
struct Given<'a> {
    platform: &'a Platform,
    by: &'a UserId,
    method: &'a str,
    data: &'a [u8],
}

impl Given<'_> {
    async fn about(&self, act: impl Fn(UserId) -> Act) -> Outcome {
        self.run(|what: &About| Ok(act(id(&what.user)?))).await
    }

    async fn run<T: DeserializeOwned + Serialize>(
        &self,
        act: impl Fn(&T) -> Result<Act, Failure>,
    ) -> Outcome {
        let command = parse_command::<Order<T>>(self.method, self.data)?;
        let room: RoomId = id(&command.body.room)?;
        let (by, act) = (self.by.clone(), act(&command.body.what)?);
        let accepted = self
            .platform
            .actors
            .room(&room, command.request(self.by), Command::Moderate { by, act })
            .await;
        match accepted {
            Ok(accepted) if accepted.answer == Answer::Ordered => json(&Ordered {
                position: accepted.position.sequence,
            }),
            Ok(_) => Err(Rejection::CommandReused.into()),
            Err(actors::Failure::Rejected(Rejection::Muted)) => {
                Err(muted(self.platform, self.by, &room).await)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}
