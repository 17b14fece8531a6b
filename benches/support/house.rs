//! The real server as a process of its own, without the limits that are meant for strangers, and people in it who send
//! gifts by the clock.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use livehouse::crowd::{Client, Dev};
use serde_json::json;

use crate::server::{LIVEHOUSE, Server};
use crate::support::durations_us;

/// More than anybody can give away here.
const COINS: u64 = 1_000_000_000;

/// The running server.
pub(crate) struct House {
    pub(crate) server: Server,
    secret: String,
}

impl House {
    /// First a demo, which gives `rich` their coins; then the server over the same journal.
    pub(crate) async fn open(data: &Path, rich: &[String]) -> Self {
        let demo = Server::start(data);
        let dev = Dev {
            server: demo.address.clone(),
        };
        for user in rich {
            dev.grant(user, COINS).await.expect("coins");
        }
        assert!(demo.stop().success(), "the demo ends in peace");
        let secret =
            std::fs::read_to_string(data.join("demo-token-secret")).expect("the demo keeps its secret");
        let secret = secret.trim().to_owned();
        let server = Server::spawn(
            Command::new(LIVEHOUSE)
                .arg("serve")
                .env("LIVEHOUSE_LISTEN", "127.0.0.1:0")
                .env("LIVEHOUSE_DATA", data)
                .env("LIVEHOUSE_TOKEN_SECRET", &secret)
                .env("LIVEHOUSE_LOG_FILTER", "warn")
                .env("LIVEHOUSE_GATEWAY_CONNECTIONS_PER_ADDRESS_MAX", "0")
                .env("LIVEHOUSE_GATEWAY_HANDSHAKES_PER_SECOND_MAX", "0")
                .env("LIVEHOUSE_GATEWAY_HANDSHAKES_PER_ADDRESS_PER_SECOND_MAX", "0")
                .env("LIVEHOUSE_GATEWAY_COMMANDS_PER_SECOND_MAX", "0"),
        );
        Self { server, secret }
    }

    /// A connection token.
    pub(crate) fn token(&self, user: &str) -> String {
        token(&self.secret, user)
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// Connects somebody.
    pub(crate) async fn client(&self, user: &str) -> Client {
        let client = Client::connect(&self.server.address, &self.token(user)).await;
        client.expect("connects")
    }

    /// Opens a user's room.
    pub(crate) async fn go_live(&self, user: &str) -> Client {
        let star = self.client(user).await;
        star.rpc("live.start", json!({ "command_id": "go" }))
            .await
            .expect("live");
        star
    }
}

/// A token that the house accepts.
pub(crate) fn token(secret: &str, user: &str) -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let claims = json!({ "sub": user, "exp": now.as_secs() + 3_600 });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("HMAC signs")
}

/// Sends gifts by the clock, each giver in turn: microseconds from when each was due to its acknowledgement.
pub(crate) async fn give(givers: &[Client], room: &str, per_second: f64, length: Duration) -> Histogram<u64> {
    let began = Instant::now() + Duration::from_millis(10);
    let each = givers.iter().zip(0u32..).map(|(giver, n)| async move {
        let every = Duration::from_secs_f64(givers.len() as f64 / per_second);
        let mut latencies = durations_us();
        let mut due = began + every * n / givers.len() as u32;
        while due < began + length {
            tokio::time::sleep_until(due.into()).await;
            let id = format!("{n}-{}", due.duration_since(began).as_micros() + unique());
            let gift = json!({ "command_id": id, "room": room, "gift": "heart", "count": 1 });
            giver.rpc("gift.send", gift).await.expect("a gift");
            latencies.saturating_record(due.elapsed().as_micros() as u64);
            due += every;
        }
        latencies
    });
    let mut all = durations_us();
    for its in futures_util::future::join_all(each).await {
        all.add(its).expect("same bounds");
    }
    all
}

/// Makes command ids of one run differ from those of the next.
fn unique() -> u128 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    now.as_nanos()
}
