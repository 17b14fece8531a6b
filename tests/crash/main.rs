//! kill -9 in the middle of a stream of gifts, again and again: what was acknowledged is there once, the rest can be
//! sent again with the same command ids, and every sum is conserved.
//!
//! `CRASH_KILLS` (default 20) says how often; `CRASH_SEED` repeats a run's choices (the races are the machine's own).
//! Prints what it did.

#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livehouse::crowd::{Client, Dev, RpcError};
use serde_json::{Value, json};
use support::{Server, livehouse};

const VIEWERS: usize = 8;
const IN_FLIGHT_PER_VIEWER: usize = 16;
const COINS: u64 = 100_000_000;
/// `verify` and `rebuild --check` look at what a kill left, so often.
const CHECK_EVERY_KILLS: u64 = 5;
const STAR: &str = "star";
const TOO_MANY_REQUESTS: u64 = 111;
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

fn main() {
    let kills = setting("CRASH_KILLS").unwrap_or(20);
    let seed = setting("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("tokio starts");
    let tally = runtime.block_on(campaign(kills));
    println!(
        "crash: {kills} kills (seed {seed}), {} gifts acknowledged, {} sent again after a kill ({} of them had taken place), \
         {} old answers repeated, nothing lost, nothing doubled",
        tally.acknowledged, tally.resent, tally.had_taken_place, tally.repeated
    );
    println!("1 passed, 0 failed");
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[derive(Default)]
struct Tally {
    acknowledged: u64,
    resent: u64,
    had_taken_place: u64,
    repeated: u64,
}

/// What one viewer's client knows: the oracle.
struct Viewer {
    name: String,
    coins: u64,
    sent: u64,
    /// Not acknowledged when the server died: id -> gift data.
    open: HashMap<String, Value>,
    /// One acknowledged command, with its answer, to ask again later.
    sample: Option<(Value, Value)>,
    last_position: u64,
}

async fn campaign(kills: u64) -> Tally {
    let dir = tempfile::tempdir().expect("a directory");
    let mut tally = Tally::default();
    let mut viewers: Vec<_> = (0..VIEWERS).map(Viewer::new).collect();

    let server = Server::start(dir.path());
    let dev = Dev {
        server: server.address.clone(),
    };
    let star = connect(&server, STAR).await;
    star.rpc("live.start", json!({ "command_id": "go", "title": "crash" }))
        .await
        .expect("the star goes live");
    for viewer in &viewers {
        dev.grant(&viewer.name, COINS).await.expect("coins are granted");
    }
    server.kill();

    for kill in 0..kills {
        let server = Server::start(dir.path());
        settle_accounts(&server, &mut viewers, &mut tally).await;
        let time = Duration::from_millis(fastrand::u64(20..250));
        let deadline = Instant::now() + time;
        let clients = futures_util::future::join_all(viewers.iter().map(|v| connect(&server, &v.name))).await;
        let streams = viewers
            .iter_mut()
            .zip(clients)
            .map(|(viewer, client)| viewer.stream_gifts(client, deadline));
        let killer = async {
            tokio::time::sleep_until(deadline.into()).await;
            server.kill();
        };
        let (counts, ()) = tokio::join!(futures_util::future::join_all(streams), killer);
        tally.acknowledged += counts.iter().sum::<u64>();
        if (kill + 1) % CHECK_EVERY_KILLS == 0 {
            check(dir.path());
        }
        if (kill + 1) % 20 == 0 {
            eprintln!(
                "crash: {} of {kills} kills, {} gifts acknowledged",
                kill + 1,
                tally.acknowledged
            );
        }
    }

    let server = Server::start(dir.path());
    settle_accounts(&server, &mut viewers, &mut tally).await;
    let given: u64 = viewers.iter().map(|v| COINS - v.coins).sum();
    tickets_reach(&server, given).await;
    let status = server.stop();
    assert!(status.success(), "a graceful stop ends with {status}");

    check(dir.path());
    tally
}

/// The journal is whole, and the stored views are what a fold of it gives, also right after a kill.
fn check(data: &Path) {
    let data = data.to_str().expect("the path is text");
    for args in [
        vec!["verify", "--data", data],
        vec!["rebuild", "--check", "--data", data],
    ] {
        let (code, out, err) = livehouse(&args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
    }
}

async fn connect(server: &Server, user: &str) -> Arc<Client> {
    let token = Dev {
        server: server.address.clone(),
    }
    .token(user)
    .await
    .expect("a token");
    Arc::new(
        Client::connect(&server.address, &token)
            .await
            .expect("the server accepts a socket"),
    )
}

/// Sends again what was open, asks an old answer again, and compares the balances.
async fn settle_accounts(server: &Server, viewers: &mut [Viewer], tally: &mut Tally) {
    for viewer in viewers {
        let client = connect(server, &viewer.name).await;
        let before = wallet(&client, viewer.last_position).await;
        assert!(
            before["coins"].as_u64() <= Some(viewer.coins),
            "{}: an acknowledged gift is not there",
            viewer.name
        );
        tally.had_taken_place += viewer.coins - before["coins"].as_u64().expect("coins");
        for (_, data) in std::mem::take(&mut viewer.open) {
            let answer = client
                .rpc("gift.send", data)
                .await
                .expect("an open gift can be sent again");
            viewer.coins -= 1;
            viewer.last_position = viewer.last_position.max(position(&answer));
            tally.resent += 1;
        }
        if let Some((data, first)) = &viewer.sample {
            let again = client
                .rpc("gift.send", data.clone())
                .await
                .expect("an old gift can be sent again");
            assert_eq!(again, *first, "{}: another answer to an old command", viewer.name);
            tally.repeated += 1;
        }
        let after = wallet(&client, viewer.last_position).await;
        assert_eq!(
            after["coins"].as_u64(),
            Some(viewer.coins),
            "{}: {after}",
            viewer.name
        );
    }
}

/// The wallet as of this position at least.
async fn wallet(client: &Client, min_position: u64) -> Value {
    client
        .rpc("wallet.get", json!({ "min_position": min_position }))
        .await
        .expect("a wallet")
}

fn position(answer: &Value) -> u64 {
    answer["position"]
        .as_u64()
        .unwrap_or_else(|| panic!("no position in {answer}"))
}

async fn tickets_reach(server: &Server, tickets: u64) {
    let star = connect(server, STAR).await;
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let wallet = wallet(&star, 0).await;
        if wallet["tickets"].as_u64() == Some(tickets) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{tickets} tickets were given, the star has {wallet}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Viewer {
    fn new(n: usize) -> Self {
        let name = format!("viewer{n}");
        Self {
            name,
            coins: COINS,
            sent: 0,
            open: HashMap::new(),
            sample: None,
            last_position: 0,
        }
    }

    /// Gifts of one coin, many at a time, until the server is gone. Returns how many were acknowledged.
    async fn stream_gifts(&mut self, client: Arc<Client>, deadline: Instant) -> u64 {
        let mut acknowledged = 0;
        while client.is_connected() && Instant::now() < deadline + Duration::from_secs(5) {
            let batch: Vec<_> = (0..IN_FLIGHT_PER_VIEWER).map(|_| self.next_gift()).collect();
            let answers = futures_util::future::join_all(
                batch
                    .iter()
                    .map(|(_, data)| client.rpc("gift.send", data.clone())),
            );
            let mut accepted = Vec::new();
            for ((id, data), answer) in batch.iter().zip(answers.await) {
                match answer {
                    Ok(answer) => {
                        self.open.remove(id);
                        accepted.push((position(&answer), data, answer));
                    }
                    Err(RpcError::Gone) => {}
                    // Faster than one connection may be: it is sent again after the next start, like what got no answer.
                    Err(RpcError::Answered {
                        code: TOO_MANY_REQUESTS,
                        ..
                    }) => {}
                    Err(error) => panic!("{}: {error}", self.name),
                }
            }
            // What is under way together may overtake each other; the journal's order is the order.
            accepted.sort_by_key(|(position, ..)| *position);
            for (position, data, answer) in accepted {
                assert!(position > self.last_position, "no position twice");
                self.last_position = position;
                self.coins -= 1;
                assert_eq!(answer["coins"].as_u64(), Some(self.coins));
                self.sample = Some((data.clone(), answer));
                acknowledged += 1;
            }
        }
        acknowledged
    }

    fn next_gift(&mut self) -> (String, Value) {
        self.sent += 1;
        let id = format!("{}-{}", self.name, self.sent);
        let data = json!({ "command_id": id, "room": STAR, "gift": "heart", "count": 1 });
        self.open.insert(id.clone(), data.clone());
        (id, data)
    }
}
