//! `/admin/api/*`: what staff do, each under their own name. Every command goes to the actors and is a record with its
//! author; nothing here can append, and nothing is decided here.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data, PayloadConfig, QueryConfig, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use domain::{Rejection, StaffId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use crate::rpc::Failure;

mod accounts;
mod audit;
mod gifts;
mod login;
pub mod password;
mod payments;
mod sessions;
mod withdrawals;

pub use login::Desk;

/// Longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What one of staff may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Withdrawals, corrections, payments.
    Finance,
    /// Gifts and prices.
    Catalogue,
}

/// Mounts it; without a desk, nothing is there.
pub fn configure(config: &mut ServiceConfig, desk: Option<Arc<Desk>>) {
    let scope = web::scope("/admin/api").default_service(web::to(async || {
        Refused::new(StatusCode::NOT_FOUND, 108, "no such thing").error_response()
    }));
    let Some(desk) = desk else {
        config.service(scope);
        return;
    };
    let scope = scope
        .app_data(Data::from(desk))
        .app_data(PayloadConfig::new(BODY_BYTES_MAX))
        .app_data(
            QueryConfig::default()
                .error_handler(|error, _| Refused::from(Failure::BadRequest(error.to_string())).into()),
        )
        .route("/login", web::post().to(login::login))
        .route("/logout", web::post().to(login::logout))
        .route("/me", web::get().to(login::me))
        .route("/withdrawals", web::get().to(withdrawals::list))
        .route(
            "/withdrawals/{user}/{withdrawal}/approve",
            web::post().to(withdrawals::approve),
        )
        .route(
            "/withdrawals/{user}/{withdrawal}/reject",
            web::post().to(withdrawals::reject),
        )
        .route("/users/{user}/coins", web::post().to(accounts::coins))
        .route("/users/{user}/tickets", web::post().to(accounts::tickets))
        .route("/users/{user}/forgive", web::post().to(accounts::forgive))
        .route("/audit", web::get().to(audit::state))
        .route("/payments/unmatched", web::get().to(payments::unmatched))
        .route("/gifts", web::get().to(gifts::list))
        .route("/gifts/{gift}", web::put().to(gifts::put))
        .route("/gifts/{gift}", web::delete().to(gifts::delete));
    config.service(scope);
}

/// One of staff who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Who.
    pub name: StaffId,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Until when they are logged in, unix ms.
    pub expires_ms: i64,
}

impl Staff {
    /// The same, if they may do it.
    fn with_role(self, role: Role) -> Result<Self, Refused> {
        if self.roles.contains(&role) {
            return Ok(self);
        }
        let needed = match role {
            Role::Finance => "you lack the role finance",
            Role::Catalogue => "you lack the role catalogue",
        };
        Err(Refused::new(StatusCode::FORBIDDEN, 103, needed))
    }

    /// As it stands in the journal.
    fn author(&self) -> String {
        format!("admin.{}", self.name)
    }
}

impl FromRequest for Staff {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.app_data::<Data<Desk>>().and_then(|desk| {
            let token = token_of(request)?;
            desk.who(token)
        });
        ready(found.ok_or_else(|| Refused::new(StatusCode::UNAUTHORIZED, 101, "log in first")))
    }
}

/// What a request carries as its bearer token.
fn token_of(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    header.strip_prefix("Bearer ")
}

/// Why a request is refused: an HTTP status, and the number and words of the body.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    code: u32,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, code: u32, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Body<'a> {
            code: u32,
            message: &'a str,
        }
        HttpResponse::build(self.status).json(Body {
            code: self.code,
            message: &self.message,
        })
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let (code, message) = failure.code_and_message();
        let status = match &failure {
            Failure::Rejected(Rejection::UnknownWithdrawal | Rejection::UnknownGift) => StatusCode::NOT_FOUND,
            Failure::Rejected(rejection) if rejection.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Rejected(
                Rejection::BadId | Rejection::BadCommandId | Rejection::BadCursor | Rejection::BadLimit,
            )
            | Failure::BadRequest(_) => StatusCode::BAD_REQUEST,
            Failure::Rejected(_) | Failure::MutedUntil(_) | Failure::UnknownMethod => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Failure::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            code,
            message: message.into_owned(),
        }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Failure::from(rejection).into()
    }
}

impl From<actors::Failure> for Refused {
    fn from(failure: actors::Failure) -> Self {
        Failure::from(failure).into()
    }
}

/// What a request is answered with.
type Answer = Result<HttpResponse, Refused>;
