//! `POST /payments/webhook/{provider}`: what payment providers tell.
//!
//! It says 2xx only when what was told is durable. Everything else is told in a way that the provider knows whether to
//! say it again.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, Bytes, Data, Path, PayloadConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use actors::Request;
use domain::{PaymentId, ProviderName, Rejection, payment};
use serde::Serialize;

use crate::payments::{Fate, Notification, PaymentProvider, Unread, WEBHOOK_BYTES_MAX, Webhook};
use crate::platform::Platform;

/// The resource to be mounted.
pub(super) fn webhooks() -> Resource {
    web::resource("/payments/webhook/{provider}")
        .app_data(PayloadConfig::new(WEBHOOK_BYTES_MAX))
        .route(web::post().to(webhook))
}

/// What the provider gets.
#[derive(Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

async fn webhook(
    platform: Data<Platform>,
    name: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let (fate, status, told) = match take(&platform, &name, &request, &body).await {
        Ok(position) => {
            let fate = if position.is_some() {
                Fate::Taken
            } else {
                Fate::Ignored
            };
            let told = Told {
                position,
                code: None,
                message: None,
            };
            (fate, StatusCode::OK, told)
        }
        Err(refused) => refused.tell(&name),
    };
    platform.payments.webhooks.count(fate);
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((RETRY_AFTER, "1"));
    }
    answer.json(told)
}

/// Why a webhook has no effect.
enum Refused {
    UnknownProvider,
    Unread(Unread),
    Failed(actors::Failure),
}

impl Refused {
    /// What becomes of it. The log says why, and never shows what was signed or with which secret.
    fn tell(self, provider: &str) -> (Fate, StatusCode, Told) {
        let (fate, status) = match &self {
            Self::UnknownProvider => (Fate::UnknownProvider, StatusCode::UNAUTHORIZED),
            Self::Unread(Unread::Forged(_)) => (Fate::Forged, StatusCode::UNAUTHORIZED),
            Self::Unread(Unread::Stale(_)) => (Fate::Stale, StatusCode::UNAUTHORIZED),
            Self::Unread(Unread::Malformed(_)) => (Fate::Malformed, StatusCode::BAD_REQUEST),
            Self::Failed(actors::Failure::Rejected(Rejection::UnknownPayment)) => {
                (Fate::Early, StatusCode::NOT_FOUND)
            }
            Self::Failed(actors::Failure::Rejected(rejection)) if !rejection.is_retryable() => {
                (Fate::Contradicting, StatusCode::CONFLICT)
            }
            Self::Failed(_) => (Fate::Busy, StatusCode::SERVICE_UNAVAILABLE),
        };
        let (code, message) = match self {
            Self::UnknownProvider => (None, "no such provider".to_owned()),
            Self::Unread(unread) => (None, unread.to_string()),
            Self::Failed(actors::Failure::Rejected(rejection)) => {
                (Some(rejection.code()), rejection.to_string())
            }
            Self::Failed(broken) => {
                tracing::error!("a webhook could not be journalled: {broken}");
                (Some(Rejection::Busy.code()), Rejection::Busy.to_string())
            }
        };
        // What a stranger calls a provider is cut, and shown with what is not printable escaped.
        let provider: String = provider.chars().take(PROVIDER_CHARS_LOGGED_MAX).collect();
        tracing::warn!(
            ?provider,
            fate = fate.word(),
            "a webhook has no effect: {message}"
        );
        let told = Told {
            position: None,
            code,
            message: Some(message),
        };
        (fate, status, told)
    }
}

/// Characters of an unknown provider's name in the log.
const PROVIDER_CHARS_LOGGED_MAX: usize = 32;

/// Makes a genuine notification durable; none when it does not concern us.
async fn take(
    platform: &Platform,
    name: &str,
    request: &HttpRequest,
    body: &[u8],
) -> Result<Option<u64>, Refused> {
    let provider = platform.payments.provider(name).ok_or(Refused::UnknownProvider)?;
    let webhook = Webhook {
        headers: request.headers(),
        body,
        now_ms: platform.now_ms(),
    };
    match provider.read(&webhook).map_err(Refused::Unread)? {
        Notification::Received(received) => {
            let payment = received.payment.clone();
            let receive = payment::Command::Receive(received);
            give(platform, provider, &payment, receive).await.map(Some)
        }
        Notification::Refunded {
            payment,
            amount,
            currency,
        } => {
            let refund = payment::Command::Refund { amount, currency };
            give(platform, provider, &payment, refund).await.map(Some)
        }
        Notification::Other => Ok(None),
    }
}

async fn give(
    platform: &Platform,
    provider: &dyn PaymentProvider,
    payment: &PaymentId,
    command: payment::Command,
) -> Result<u64, Refused> {
    let provider: &ProviderName = provider.name();
    let request = Request::of_system(&format!("provider.{provider}"));
    let told = platform.actors.payment(provider, payment, request, command);
    let accepted = told.await.map_err(Refused::Failed)?;
    Ok(accepted.position.sequence)
}
