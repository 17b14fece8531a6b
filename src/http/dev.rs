//! `/dev/*`: tokens, coins and the sandbox's payments for anybody. Mounted only under `livehouse demo`, which listens on loopback only.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use actors::Request;
use domain::UserId;
use domain::viewer::{Answer, Command};
use serde::{Deserialize, Serialize};

use crate::authors::is_of_the_house;
use crate::config::TokenConfig;
use crate::payments::Sandbox;
use crate::platform::Platform;
use crate::rpc::Failure;
use crate::tokens;

pub(super) mod pay;

/// How long a demo's token is valid.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// What the helpers need besides the platform.
#[derive(Debug, Clone)]
pub struct Dev {
    /// How tokens are signed.
    pub token: TokenConfig,
    /// Who "takes" payments.
    pub sandbox: Sandbox,
}

#[derive(Deserialize)]
pub(super) struct TokenQuery {
    user: UserId,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

/// `GET /dev/token?user=ID` -> `{token}`.
pub(super) async fn token(dev: Data<Dev>, query: Query<TokenQuery>) -> HttpResponse {
    if is_of_the_house(&query.user) {
        return HttpResponse::UnprocessableEntity()
            .body("the house writes under this name: choose another user id\n");
    }
    match tokens::sign(&dev.token, &query.user, TOKEN_TTL) {
        Ok(token) => HttpResponse::Ok().json(Token { token }),
        Err(error) => HttpResponse::InternalServerError().body(format!("{error:#}\n")),
    }
}

#[derive(Deserialize)]
pub(super) struct GrantQuery {
    user: UserId,
    coins: i64,
}

#[derive(Serialize)]
struct Granted {
    position: u64,
    coins: u64,
}

/// `POST /dev/grant?user=ID&coins=N` -> `{position, coins}`: an adjustment like any other.
pub(super) async fn grant(platform: Data<Platform>, query: Query<GrantQuery>) -> HttpResponse {
    let adjust = Command::AdjustCoins {
        amount: query.coins,
        reason: "demo grant".into(),
    };
    match platform
        .actors
        .viewer(&query.user, Request::of_system("dev"), adjust)
        .await
    {
        Ok(accepted) => {
            let Answer::Adjusted { coins } = accepted.answer else {
                return HttpResponse::InternalServerError().finish();
            };
            HttpResponse::Ok().json(Granted {
                position: accepted.position.sequence,
                coins,
            })
        }
        Err(failure) => {
            let (code, message) = Failure::from(failure).code_and_message();
            HttpResponse::UnprocessableEntity().body(format!("{code}: {message}\n"))
        }
    }
}
