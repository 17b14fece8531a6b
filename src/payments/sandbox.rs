//! The provider of `livehouse demo`: it takes no money and says that it did, by webhooks that it signs and posts over
//! HTTP like any other.
//!
//! Only a demo has one; it must never be mounted elsewhere.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use domain::PaymentId;
use serde_json::json;

use crate::config::{ProviderConfig, Secret};
use crate::payments::Bill;
use crate::signature;

/// How long the sandbox waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sandbox and where it posts to.
#[derive(Debug, Clone)]
pub struct Sandbox {
    secret: Secret,
    /// Known once the server listens.
    server: Arc<OnceLock<SocketAddr>>,
}

/// What the server said to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            secret: Secret::random(),
            server: Arc::default(),
        }
    }
}

impl Sandbox {
    /// Its name.
    pub const NAME: &str = "sandbox";

    /// What the server has to know of it.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig {
            name: Self::NAME.parse().expect("the name above is well formed"),
            secrets: vec![self.secret.clone()],
            pay_url: "/dev/pay?order={order}".into(),
        }
    }

    /// From now on it can post.
    pub fn listens_at(&self, server: SocketAddr) {
        _ = self.server.set(server);
    }

    /// The id of the n-th payment of an order.
    pub fn payment(bill: &Bill, n: u32) -> String {
        format!("{}-{n}", bill.order)
    }

    /// The order that a payment is for.
    pub fn order_of(payment: &PaymentId) -> Option<&str> {
        payment.as_str().rsplit_once('-').map(|(order, _)| order)
    }

    /// Says that the n-th payment of an order has come in.
    pub async fn pay(&self, bill: &Bill, n: u32) -> Result<Answered> {
        self.notify("payment.succeeded", bill, &Self::payment(bill, n))
            .await
    }

    /// Says that a payment was given back.
    pub async fn refund(&self, bill: &Bill, payment: &PaymentId) -> Result<Answered> {
        self.notify("payment.refunded", bill, payment.as_str()).await
    }

    async fn notify(&self, kind: &str, bill: &Bill, payment: &str) -> Result<Answered> {
        let server = self.server.get().context("the server does not listen yet")?;
        let url = format!("http://{server}/payments/webhook/{}", Self::NAME);
        let body = json!({
            "type": kind,
            "payment": payment,
            "order": bill.order,
            "amount": bill.price,
            "currency": bill.currency,
        })
        .to_string();
        let signature = signature::sign(&self.secret, signature::now(), body.as_bytes());
        let posted = tokio::task::spawn_blocking(move || post(&url, &signature, &body));
        posted.await.map_err(|_| anyhow!("the sandbox fell over"))?
    }
}

fn post(url: &str, signature: &str, body: &str) -> Result<Answered> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE));
    let agent: ureq::Agent = config.build().into();
    let posted = agent
        .post(url)
        .header(signature::HEADER, signature)
        .header("Content-Type", "application/json")
        .send(body);
    let mut answer = posted.context("the webhook was not answered")?;
    let body = answer
        .body_mut()
        .read_to_string()
        .context("the answer cannot be read")?;
    Ok(Answered {
        status: answer.status().as_u16(),
        body,
    })
}
