//! What an operator relies on: starting, stopping, configuration, health, and what only a demo offers.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{COINS, House, Socket, http, run};
use crate::support::{LIVEHOUSE, Server, livehouse};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// `livehouse serve` on this directory and a free port, with a secret.
pub(crate) fn serve(data: &Path) -> Command {
    let mut command = Command::new(LIVEHOUSE);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("LIVEHOUSE_TOKEN_SECRET", SECRET)
        .env("LIVEHOUSE_LOG_FILTER", "warn");
    command
}

fn demo_at(address: &str, data: &Path) -> Command {
    let mut command = Command::new(LIVEHOUSE);
    command
        .args(["demo", "--no-crowd", "--listen", address, "--data"])
        .arg(data);
    command
}

pub(crate) fn token(user: &str) -> String {
    let (code, out, said) = run(Command::new(LIVEHOUSE)
        .args(["token", "--user", user, "--ttl", "5m"])
        .env("LIVEHOUSE_TOKEN_SECRET", SECRET));
    assert_eq!(code, 0, "{said}");
    out.trim().to_owned()
}

#[tokio::test]
async fn a_graceful_stop_closes_sockets_with_3001_and_loses_nothing() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut eve = house.user("eve").await;
    let gift = json!({ "command_id": "g", "room": "star", "gift": "beer", "count": 2 });
    let first = ann.rpc("gift.send", gift.clone()).await.expect("accepted");
    let House { dir, server } = house;
    let stopped = tokio::task::spawn_blocking(move || server.stop());
    assert_eq!(ann.close_code().await, 3001);
    assert_eq!(eve.close_code().await, 3001);
    let status = stopped.await.expect("the test's thread ends");
    assert!(status.success(), "a graceful stop ends with {status}");

    let house = House::reopen(dir);
    let mut ann = house.user("ann").await;
    let again = ann.rpc("gift.send", gift).await;
    assert_eq!(again, Ok(first));
    let wallet = ann.rpc("wallet.get", json!({})).await.expect("a wallet");
    assert_eq!(wallet["coins"], COINS - 132);
    tickets_reach(&house, 132).await;
}

#[test]
fn a_stop_at_the_first_moment_is_graceful_too() {
    let dir = tempfile::tempdir().expect("a directory");
    for _ in 0..5 {
        let status = Server::start(dir.path()).stop();
        assert!(status.success(), "a graceful stop ends with {status}");
    }
}

/// The streamer is credited soon; asked until it is so.
async fn tickets_reach(house: &House, tickets: u64) {
    let mut star = house.user("star").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let wallet = star.rpc("wallet.get", json!({})).await.expect("a wallet");
        if wallet["tickets"] == tickets {
            return;
        }
        assert!(Instant::now() < deadline, "{wallet} instead of {tickets} tickets");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_of_a_demo_is_good_after_its_restart() {
    let house = House::open();
    let token = house.dev().token("ann").await.expect("a token");
    let House { dir, server } = house;
    server.kill();
    let house = House::reopen(dir);
    let mut ann = Socket::connect(&house.server.address, &token).await;
    assert!(ann.rpc("wallet.get", json!({})).await.is_ok());
}

#[test]
fn a_demo_refuses_an_address_that_others_can_reach() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let (code, out, said) = run(&mut demo_at(address, &data));
        assert_eq!((code, out.as_str()), (1, ""), "{said}");
        assert!(said.contains("loopback only"), "{said}");
    }
    assert!(!data.exists(), "a demo that was refused left something behind");
}

#[tokio::test]
async fn serve_takes_the_tokens_of_its_secret_and_has_no_dev_helpers() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut serve(dir.path()));
    for (method, path) in [
        ("GET", "/dev/token?user=ann"),
        ("POST", "/dev/grant?user=ann&coins=1"),
    ] {
        let (status, body) = http(method, &server.address, path).await;
        assert!(matches!(status, 404 | 405), "{method} {path}: {status} {body}");
        assert!(
            !body.contains("\"token\"") && !body.contains("\"coins\""),
            "{body}"
        );
    }
    let mut ann = Socket::connect(&server.address, &token("ann")).await;
    let wallet = ann.rpc("wallet.get", json!({})).await.expect("a wallet");
    assert_eq!(wallet["coins"], 0);
    assert!(server.stop().success());
}

#[tokio::test]
async fn health_readiness_and_metrics_tell_how_it_is() {
    let house = House::with_a_show().await;
    let address = &house.server.address;
    assert_eq!(http("GET", address, "/healthz").await, (200, "ok\n".into()));
    assert_eq!(http("GET", address, "/readyz").await, (200, "ready\n".into()));
    let mut ann = house.user("ann").await;
    ann.rpc("wallet.get", json!({ "min_position": 2 }))
        .await
        .expect("a wallet");
    let (status, metrics) = http("GET", address, "/metrics").await;
    assert_eq!(status, 200);
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("no {name} in {metrics}"))
    };
    assert!(value("livehouse_connections") >= 1.0);
    assert!(value("livehouse_views_records_total") >= 2.0);
    assert!(metrics.ends_with("# EOF\n"));
    drop(ann);
    let (status, page) = http("GET", address, "/").await;
    assert_eq!(status, 200);
    assert!(page.contains("<html") || page.contains("npm"), "{page}");
    let (status, _) = http("GET", address, "/no/such/thing.js").await;
    assert_eq!(status, 404);
}

#[test]
fn a_mistake_in_the_configuration_exits_1_and_says_which() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("mistaken.toml");
    let from_file = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let mut command = serve(&dir.path().join("data"));
        // What the environment says would hide what the file says.
        command
            .arg("--config")
            .arg(&file)
            .env_remove("LIVEHOUSE_LOG_FILTER");
        run(&mut command)
    };
    for (text, word) in [
        ("lissten = 'x'", "lissten"),
        ("listen = 'nowhere'", "listen"),
        ("listen = ", "not TOML"),
        ("time_zone = 'Mars/Olympus'", "time_zone"),
        ("[token]\nsecrets = 'x'", "secrets"),
        ("[token]\nalgorithm = 'none'", "none"),
        ("[token]\nalgorithm = 'RS256'", "token.public_key_file"),
        ("[log]\nfilter = '=='", "=="),
        ("[log]\nformat = 'xml'", "xml"),
        ("[gateway]\nping_seconds = 1", "gateway.ping_seconds"),
        (
            "[[gifts]]\nid = 'a b'\nname = 'x'\ncoins = 1\ntickets = 1",
            "gifts",
        ),
        (
            "[[gifts]]\nid = 'a'\nname = 'x'\ncoins = -1\ntickets = 1",
            "gifts",
        ),
    ] {
        let (code, out, said) = from_file(text);
        assert_eq!((code, out.as_str()), (1, ""), "{text}: {said}");
        assert!(said.contains(word), "{text}: {said}");
    }
    for (name, value, word) in [
        ("LIVEHOUSE_TOKEN_SECRET", "short", "32 bytes"),
        ("LIVEHOUSE_LISSTEN", "127.0.0.1:0", "LIVEHOUSE_LISSTEN"),
        ("LIVEHOUSE_GATEWAY_PING_SECONDS", "soon", "ping_seconds"),
    ] {
        let (code, out, said) = run(serve(&dir.path().join("data")).env(name, value));
        assert_eq!((code, out.as_str()), (1, ""), "{name}: {said}");
        assert!(said.contains(word) && !said.contains(SECRET), "{name}: {said}");
    }
    let (code, _, said) = run(serve(dir.path()).args(["--config", "/no/such/file.toml"]));
    assert_eq!(code, 1);
    assert!(said.contains("/no/such/file.toml"), "{said}");
    let (code, _, said) = run(serve(dir.path()).env_remove("LIVEHOUSE_TOKEN_SECRET"));
    assert_eq!(code, 1);
    assert!(said.contains("LIVEHOUSE_TOKEN_SECRET"), "{said}");
    assert!(
        !dir.path().join("data").exists(),
        "a mistake left something behind"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_by_name() {
    let house = House::open();
    let dir = tempfile::tempdir().expect("a directory");
    let (code, out, said) = run(&mut demo_at(&house.server.address, dir.path()));
    assert_eq!((code, out.as_str()), (1, ""), "{said}");
    assert!(said.contains(&house.server.address), "{said}");
    house.assert_unharmed().await;
}

#[test]
fn bad_usage_exits_2_and_help_exits_0() {
    for args in [
        &[][..],
        &["dance"],
        &["serve", "--lissten", "x"],
        &["serve", "--listen", "nowhere"],
        &["token"],
        &["token", "--user", "a b"],
        &["token", "--user", "ann", "--ttl", "soon"],
        &["replay"],
        &["log", "--after", "x"],
        &["log", "--stream", "nothing"],
        &["rebuild", "--check", "--rollback"],
        &["replay", "--room", "star", "--json", "--speed", "2"],
        &["explain"],
        &["statement"],
        &[
            "statement",
            "--user",
            "ann",
            "--provider",
            "pay",
            "--day",
            "2026-11-21",
        ],
        &["statement", "--provider", "pay"],
        &["statement", "--user", "ann", "--from", "yesterday"],
        &["reconcile", "file.csv"],
    ] {
        let (code, out, said) = livehouse(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {said}");
        assert!(said.contains("--help"), "{args:?}: {said}");
    }
    for verb in [
        "serve",
        "demo",
        "crowd",
        "token",
        "rebuild",
        "replay",
        "log",
        "verify",
        "explain",
        "statement",
        "reconcile",
    ] {
        let (code, out, said) = livehouse(&[verb, "--help"]);
        assert_eq!((code, said.as_str()), (0, ""), "{verb}");
        assert!(out.contains("Usage:"), "{verb}: {out}");
    }
    assert_eq!(livehouse(&["--version"]).0, 0);
}
