//! The `/dev` helpers of a demo server: tokens and coins for anybody.

use anyhow::{Context, Result};
use tokio::sync::Semaphore;

/// Helpers asked at once; thousands of people arrive together, and each answer takes a thread while it lasts.
const ASKED_AT_ONCE_MAX: usize = 16;
static ASKED: Semaphore = Semaphore::const_new(ASKED_AT_ONCE_MAX);

/// The `/dev` helpers of a demo server.
#[derive(Debug, Clone)]
pub struct Dev {
    /// The server's address, as in `127.0.0.1:8000`.
    pub server: String,
}

impl Dev {
    /// A connection token for a user.
    pub async fn token(&self, user: &str) -> Result<String> {
        let url = format!("http://{}/dev/token?user={user}", self.server);
        let body = http(move || ureq::get(&url).call()).await?;
        let token = body.get("token").and_then(|t| t.as_str());
        Ok(token.context("the server's /dev/token gave no token")?.to_owned())
    }

    /// Gives a user coins.
    pub async fn grant(&self, user: &str, coins: u64) -> Result<()> {
        let url = format!("http://{}/dev/grant?user={user}&coins={coins}", self.server);
        http(move || ureq::post(&url).send_empty()).await.map(drop)
    }
}

type HttpAnswer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

async fn http(call: impl FnOnce() -> HttpAnswer + Send + 'static) -> Result<serde_json::Value> {
    let _turn = ASKED.acquire().await?;
    tokio::task::spawn_blocking(move || {
        let mut answer = call().context("the server has no /dev helpers: a crowd needs `livehouse demo`")?;
        let text = answer.body_mut().read_to_string()?;
        Ok(serde_json::from_str(&text)?)
    })
    .await?
}
