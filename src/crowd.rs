//! Simulated viewers over real WebSockets: they enter rooms, chat, send gifts and combos, follow.
//!
//! Knows a server only from outside: its public protocol and the `/dev` helpers of `livehouse demo`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

mod client;
mod people;

pub use client::{Client, RpcError};

/// Who comes, and what they do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server's address, as in `127.0.0.1:8000`.
    pub server: String,
    /// Streamers that go live, each in a room of its own.
    pub rooms: usize,
    /// Viewers, spread unevenly over the rooms, as people are.
    pub viewers: usize,
    /// What one viewer does in a minute, on average: chats, gifts, combos and follows together.
    pub actions_per_minute: u32,
    /// Coins that a viewer gets when there are none left.
    pub coins: u64,
}

/// What the crowd did so far.
#[derive(Debug)]
pub struct Tally {
    /// Sockets that are connected now.
    pub connected: AtomicU64,
    /// Chat messages acknowledged.
    pub chats: AtomicU64,
    /// Gift commands acknowledged; a combo has many.
    pub gifts: AtomicU64,
    /// Publications that arrived.
    pub publications: Arc<AtomicU64>,
    /// Commands refused or failed.
    pub refused: AtomicU64,
    ack_us: Mutex<Histogram<u64>>,
}

impl Tally {
    fn new() -> Arc<Self> {
        let ack_us = Histogram::new_with_max(60_000_000, 3).expect("the bounds are valid");
        Arc::new(Self {
            connected: AtomicU64::new(0),
            chats: AtomicU64::new(0),
            gifts: AtomicU64::new(0),
            publications: Arc::default(),
            refused: AtomicU64::new(0),
            ack_us: Mutex::new(ack_us),
        })
    }

    /// One line for people.
    pub async fn line(&self) -> String {
        let ack_us_p99 = self.ack_us.lock().await.value_at_quantile(0.99);
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{} sockets, {} chats, {} gift commands (p99 {}.{:03} ms), {} publications received, {} refused",
            of(&self.connected),
            of(&self.chats),
            of(&self.gifts),
            ack_us_p99 / 1_000,
            ack_us_p99 % 1_000,
            of(&self.publications),
            of(&self.refused),
        )
    }
}

/// A running crowd; dropping it sends everybody home at once.
pub struct Crowd {
    /// What it did so far.
    pub tally: Arc<Tally>,
    people: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Crowd {
    /// Starts everybody; they arrive over about two seconds, and come back when the server was away.
    pub fn start(plan: Plan) -> Self {
        let plan = Arc::new(plan);
        let tally = Tally::new();
        let (stop, stopped) = watch::channel(false);
        let mut people = JoinSet::new();
        for n in 0..plan.rooms {
            people.spawn(people::streamer(plan.clone(), n, tally.clone(), stopped.clone()));
        }
        for n in 0..plan.viewers {
            people.spawn(people::viewer(plan.clone(), n, tally.clone(), stopped.clone()));
        }
        Self { tally, people, stop }
    }

    /// Streamers end their sessions, everybody leaves; waits at most `patience`.
    pub async fn stop(mut self, patience: Duration) {
        // No receiver is left only when everybody has gone already.
        let _ = self.stop.send(true);
        let all_gone = async { while self.people.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all_gone).await.is_err() {
            tracing::debug!("some of the crowd did not leave in time");
        }
    }
}

/// The `/dev` helpers of a demo server: tokens and coins for anybody.
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
    tokio::task::spawn_blocking(move || {
        let mut answer = call().context("the server has no /dev helpers: a crowd needs `livehouse demo`")?;
        let text = answer.body_mut().read_to_string()?;
        Ok(serde_json::from_str(&text)?)
    })
    .await?
}
