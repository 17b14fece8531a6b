//! What clients can ask: one file per family of methods.
//!
//! Here a request becomes a command of the domain or a question to a view, and an outcome becomes JSON. Nothing is
//! decided here.

use std::borrow::Cow;

use bytes::Bytes;
use domain::{Rejection, UserId};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;

mod block;
mod board;
mod chat;
mod follow;
mod gift;
mod like;
mod live;
mod message;
mod moderation;
mod recharge;
pub(crate) mod request;
mod room;
mod wallet;
mod withdraw;

pub(crate) use board::Entry;
pub use board::{NewlyWatched, Watched};
pub(crate) use board::{Told, now as board_now, period_now as board_period_now};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The domain, or an actor, refused it.
    Rejected(Rejection),
    /// [`Rejection::Muted`], with the time until when, unix ms.
    MutedUntil(i64),
    /// The data cannot be read; the text names the field.
    BadRequest(String),
    /// No such method.
    UnknownMethod,
    /// The platform's own fault; the cause is in the log. Sending the same command again, with the same id, is safe.
    Internal,
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<actors::Failure> for Failure {
    fn from(failure: actors::Failure) -> Self {
        match failure {
            actors::Failure::Rejected(rejection) => Self::Rejected(rejection),
            broken if broken.is_retryable() => Self::Rejected(Rejection::Busy),
            broken => {
                tracing::error!("a command failed: {broken}");
                Self::Internal
            }
        }
    }
}

impl From<projections::Error> for Failure {
    fn from(error: projections::Error) -> Self {
        tracing::error!("a view cannot be read: {error}");
        Self::Internal
    }
}

impl From<journal::Error> for Failure {
    fn from(error: journal::Error) -> Self {
        tracing::error!("the journal cannot be read: {error}");
        Self::Internal
    }
}

impl From<projections::BadCursor> for Failure {
    fn from(_: projections::BadCursor) -> Self {
        Self::Rejected(Rejection::BadCursor)
    }
}

impl Failure {
    /// The number and words that the client gets.
    pub fn code_and_message(&self) -> (u32, Cow<'static, str>) {
        match self {
            Self::Rejected(rejection) => (rejection.code().into(), rejection.to_string().into()),
            Self::MutedUntil(until_ms) => {
                let message = format!("{} until {until_ms} (unix ms)", Rejection::Muted);
                (Rejection::Muted.code().into(), message.into())
            }
            Self::BadRequest(what) => {
                let code = Rejection::BadRequest.code().into();
                (code, format!("{}: {what}", Rejection::BadRequest).into())
            }
            Self::UnknownMethod => (104, "method not found".into()),
            Self::Internal => (100, "internal server error".into()),
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.is_retryable(),
            Self::Internal => true,
            Self::MutedUntil(_) | Self::BadRequest(_) | Self::UnknownMethod => false,
        }
    }
}

/// The outcome of one call: a JSON object.
pub type Outcome = Result<Bytes, Failure>;

/// The methods that answer from the views, all of which wait for `min_position`.
const QUERIES: [&str; 15] = [
    "room.info",
    "room.list",
    "gift.stats",
    "wallet.get",
    "wallet.history",
    "withdraw.list",
    "recharge.list",
    "follow.list",
    "follow.live",
    "follower.list",
    "block.list",
    "relation.get",
    "message.list",
    "conversation.list",
    "board.get",
];

/// What every query may hold beside its own fields.
#[derive(Deserialize)]
struct AtLeast {
    min_position: Option<u64>,
}

/// Waits until the views have reached the position that a query asks for.
async fn reached(platform: &Platform, data: &[u8]) -> Result<(), Failure> {
    match request::parse::<AtLeast>(data)?.min_position {
        Some(position) => platform.caught_up(position).await,
        None => Ok(()),
    }
}

/// Calls a method for a user. `data` is what the client sent: JSON text, or nothing.
pub async fn call(platform: &Platform, user: &UserId, method: &str, data: &[u8]) -> Outcome {
    if QUERIES.contains(&method) {
        reached(platform, data).await?;
    }
    match method {
        "room.info" => room::info(platform, user, data).await,
        "room.list" => room::list(platform, data),
        "chat.send" => chat::send(platform, user, data).await,
        "like.send" => like::send(platform, user, data).await,
        "live.start" => live::start(platform, user, data).await,
        "live.stop" => live::stop(platform, user, data).await,
        "gift.catalog" => gift::catalog(platform),
        "gift.send" => gift::send(platform, user, data).await,
        "gift.combo_end" => gift::combo_end(platform, user, data).await,
        "gift.stats" => gift::stats(platform, data),
        "wallet.get" => wallet::get(platform, user),
        "wallet.history" => wallet::history(platform, user, data).await,
        "withdraw.terms" => withdraw::terms(platform),
        "withdraw.request" => withdraw::request(platform, user, data).await,
        "withdraw.list" => withdraw::list(platform, user, data),
        "recharge.packs" => recharge::packs(platform),
        "recharge.create" => recharge::create(platform, user, data).await,
        "recharge.cancel" => recharge::cancel(platform, user, data).await,
        "recharge.list" => recharge::list(platform, user, data),
        "follow.add" => follow::add(platform, user, data).await,
        "follow.remove" => follow::remove(platform, user, data).await,
        "follow.list" => follow::list(platform, user, data),
        "follow.live" => follow::live(platform, user),
        "follower.list" => follow::followers(platform, data),
        "block.add" => block::add(platform, user, data).await,
        "block.remove" => block::remove(platform, user, data).await,
        "block.list" => block::list(platform, user, data),
        "relation.get" => follow::relation(platform, user, data),
        "message.send" => message::send(platform, user, data).await,
        "message.read" => message::read(platform, user, data).await,
        "message.list" => message::list(platform, user, data).await,
        "conversation.list" => message::conversations(platform, user, data).await,
        "board.get" => board::get(platform, data),
        _ => {
            let ordered = moderation::call(platform, user, method, data).await;
            ordered.unwrap_or(Err(Failure::UnknownMethod))
        }
    }
}

/// An answer's JSON.
fn json(answer: &impl Serialize) -> Outcome {
    let text = serde_json::to_vec(answer).expect("answers are plain data");
    Ok(text.into())
}
