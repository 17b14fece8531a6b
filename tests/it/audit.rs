//! `livehouse audit`, and the standing audit of a server that runs.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use domain::event::CoinsAdjusted;
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, Options};
use journal::{Append, Cause, Expected, Writer};
use serde_json::{Value, json};

use crate::client::{House, PATIENCE, Socket, http};
use crate::console::{Desk, PASSWORD, served};
use crate::operations::token;
use crate::support::{Server, livehouse};

/// Between two looks at a wallet.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A show with gifts, over.
async fn after_gifts() -> tempfile::TempDir {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    for n in 1..=5 {
        let gift = json!({ "command_id": format!("g{n}"), "room": "star", "gift": "rose", "count": n });
        ann.rpc("gift.send", gift).await.expect("accepted");
    }
    let House { dir, server } = house;
    assert!(server.stop().success());
    dir
}

fn audit(dir: &Path, more: &[&str]) -> (i32, String, String) {
    let data = dir.to_str().expect("the path is text");
    livehouse(&[&["audit", "--data", data], more].concat())
}

/// Appends to the journal of a stopped server what no actor of ours would; where.
pub(crate) fn append_by_hand(dir: &Path, coins_left: u64) -> u64 {
    let (_, writer) = Embedded::open(dir.join("journal"), Options::default()).expect("the journal");
    let append = Append {
        stream: StreamId::new(StreamKind::Viewer, "ann"),
        expected: Expected::Any,
        epoch: writer.epoch(),
        cause: Cause {
            command_id: None,
            request_hash: 0,
            actor: "nobody".into(),
        },
        events: vec![
            CoinsAdjusted {
                amount: 1,
                coins_left,
                reason: "a fault".into(),
            }
            .into(),
        ],
    };
    let (done, outcome) = channel();
    let told = move |outcome| drop(done.send(outcome));
    assert!(
        writer.append(append, Box::new(told)).is_ok(),
        "the queue has room"
    );
    let appended = outcome.recv().expect("an outcome").expect("appended");
    writer.close();
    appended.first.sequence
}

#[tokio::test]
async fn the_ledger_of_a_true_show_is_clean_for_people_and_for_programs() {
    let dir = after_gifts().await;
    let (code, out, said) = audit(dir.path(), &[]);
    assert_eq!(code, 0, "{out}{said}");
    for words in [
        "exchange",
        "in flight: 0 gifts",
        "13  the stored ledger equals this fold",
    ] {
        assert!(out.contains(words), "{out}");
    }
    assert!(!out.contains("BROKEN"), "{out}");
    let (code, out, said) = audit(dir.path(), &["--json"]);
    assert_eq!(code, 0, "{out}{said}");
    let report: Value = serde_json::from_str(&out).expect("one object");
    assert_eq!(report["invariants"].as_array().map(Vec::len), Some(13));
    assert_eq!(report["stored"]["equal"], true);
    let exchange = report["accounts"].as_array().and_then(|all| {
        all.iter()
            .find(|a| a["account"] == "exchange" && a["asset"] == "coin")
    });
    assert_eq!(exchange.map(|a| &a["total"]), Some(&json!(150)));
}

#[tokio::test]
async fn an_audit_beside_a_running_server_says_what_it_does_not_compare() {
    let house = House::with_a_show().await;
    let (code, out, said) = audit(house.dir.path(), &[]);
    assert_eq!(code, 0, "{out}{said}");
    assert!(said.contains("not compared"), "{said}");
}

#[tokio::test]
async fn a_flipped_byte_is_exit_1_and_names_the_segment() {
    let dir = after_gifts().await;
    let journal = dir.path().join("journal");
    let segment = fs::read_dir(&journal)
        .expect("the journal")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .expect("a segment");
    let mut bytes = fs::read(&segment).expect("read");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let (code, out, said) = audit(dir.path(), &[]);
    assert_eq!(code, 1, "{out}{said}");
    let name = segment
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    assert!(said.contains(name) || out.contains(name), "{out}{said}");
}

/// What the log says once, when the first promise is found to be broken.
const SAID: &str = "the ledger does not add up, withdrawals are stopped";

/// All of these lines stand in the metrics, soon.
async fn metrics_say(address: &str, lines: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, metrics) = http("GET", address, "/metrics").await;
        if lines.iter().all(|line| metrics.contains(line)) {
            return;
        }
        assert!(Instant::now() < deadline, "{lines:?}: {metrics}");
    }
}

fn withdrawal(command_id: &str) -> Value {
    json!({ "command_id": command_id, "tickets": 100, "account": "sandbox:ok" })
}

#[tokio::test]
async fn a_wrong_event_is_seen_stops_withdrawals_and_nothing_else() {
    let house = House::reopen(after_gifts().await);
    let kim = Desk::of_demo(&house, "kim").await;
    kim.give_tickets("star", 1_000).await;
    let mut star = house.user("star").await;
    let before = star.rpc("withdraw.request", withdrawal("before")).await;
    let before = before.expect("accepted")["withdrawal"].clone();
    let clean = [
        "livehouse_ledger_breaks 0\n",
        "livehouse_ledger_break_position 0\n",
        "livehouse_withdrawals_stopped 0\n",
    ];
    metrics_say(&house.server.address, &clean).await;
    let log = house.dir.path().join("stderr");
    let said = || fs::read_to_string(&log).expect("what the server said");
    assert!(!said().contains(SAID), "{}", said());
    let House { dir, server } = house;
    assert!(server.stop().success());

    let broken_at = append_by_hand(dir.path(), 1_000_000);
    let (code, out, told) = audit(dir.path(), &[]);
    assert_eq!(code, 1, "{out}{told}");
    assert!(told.contains("invariant 9"), "{told}");
    assert!(out.contains("BROKEN at record"), "{out}");

    let house = House::reopen(dir);
    let address = &house.server.address;
    let broken = [
        "livehouse_ledger_breaks 1\n",
        &format!("livehouse_ledger_break_position {broken_at}\n"),
        "livehouse_withdrawals_stopped 1\n",
    ];
    metrics_say(address, &broken).await;
    let lines: Vec<_> = said().lines().map(str::to_owned).collect();
    let errors: Vec<_> = lines.iter().filter(|line| line.contains(SAID)).collect();
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert!(errors[0].contains("ERROR"), "{errors:?}");
    assert!(errors[0].contains(&broken_at.to_string()), "{errors:?}");
    assert_eq!(http("GET", address, "/readyz").await, (200, "ready\n".into()));

    let mut star = house.user("star").await;
    assert_eq!(star.refusal("withdraw.request", withdrawal("after")).await, 517);
    let kim = Desk::of_demo(&house, "kim").await;
    let before = before.as_str().expect("an id");
    let (status, said) = kim.approve("star", before, "a1").await;
    assert_eq!((status, &said["code"]), (503, &json!(517)), "{said}");
    everything_else_goes_on(&house, &mut star).await;
    // The one that was requested before is neither lost nor paid.
    let listed = star.rpc("withdraw.list", json!({})).await.expect("a list");
    assert_eq!(
        listed["withdrawals"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    assert_eq!(listed["withdrawals"][0]["state"], "requested", "{listed}");
    metrics_say(address, &broken).await;
}

/// Gifts and their credit, chat, a recharge and its coins.
async fn everything_else_goes_on(house: &House, star: &mut Socket) {
    let live = json!({ "command_id": "again", "title": "another night" });
    // The first night may still be running: either way the room is live.
    let _ = star.rpc("live.start", live).await;
    let mut ann = house.user("ann").await;
    let tickets = async |star: &mut Socket| {
        let wallet = star.rpc("wallet.get", json!({})).await.expect("a wallet");
        wallet["tickets"].as_u64().expect("a number")
    };
    let had = tickets(star).await;
    let gift = json!({ "command_id": "later", "room": "star", "gift": "rose", "count": 1 });
    ann.rpc("gift.send", gift).await.expect("gifts go on");
    let deadline = Instant::now() + PATIENCE;
    while tickets(star).await != had + 10 {
        assert!(Instant::now() < deadline, "the gift is not credited");
        tokio::time::sleep(ASK_EVERY).await;
    }
    let chat = json!({ "command_id": "hello", "room": "star", "text": "hello" });
    ann.rpc("chat.send", chat).await.expect("chat goes on");

    let mut bob = house.user("bob").await;
    let order = json!({ "command_id": "c", "pack": "coins-60" });
    let order = bob.rpc("recharge.create", order).await.expect("an order");
    let url = order["pay"]["url"].as_str().expect("an address");
    let (status, said) = http("POST", &house.server.address, &format!("{url}&how=pay")).await;
    assert_eq!(status, 200, "{said}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let wallet = bob.rpc("wallet.get", json!({})).await.expect("a wallet");
        if wallet["coins"] == 60 {
            break;
        }
        assert!(Instant::now() < deadline, "{wallet}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

#[tokio::test]
async fn what_somebody_has_looked_at_and_accepted_stops_withdrawals_no_more_and_the_next_break_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut served(dir.path(), None, 600));
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    kim.give_tickets("star", 1_000).await;
    assert!(server.stop().success());
    let first = append_by_hand(dir.path(), 7);

    let start = |accepted_upto: u64| {
        let mut command = served(dir.path(), None, 600);
        command.env("LIVEHOUSE_LEDGER_BREAKS_ACCEPTED_UPTO", accepted_upto.to_string());
        Server::spawn(command.stderr(Stdio::null()))
    };
    // One too few is not accepted.
    let server = start(first - 1);
    let mut star = Socket::connect(&server.address, &token("star")).await;
    assert_eq!(star.refusal("withdraw.request", withdrawal("w1")).await, 517);
    assert!(server.stop().success());

    let server = start(first);
    let mut star = Socket::connect(&server.address, &token("star")).await;
    let accepted = star.rpc("withdraw.request", withdrawal("w1")).await;
    let accepted = accepted.expect("the same command, later");
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    let withdrawn = accepted["withdrawal"].as_str().expect("an id");
    let (status, said) = kim.approve("star", withdrawn, "a1").await;
    assert_eq!((status, &said["state"]), (200, &json!("approved")), "{said}");
    // It happened, and stays on record.
    let kept = ["livehouse_ledger_breaks 1\n", "livehouse_withdrawals_stopped 0\n"];
    metrics_say(&server.address, &kept).await;
    assert!(server.stop().success());

    append_by_hand(dir.path(), 70);
    let server = start(first);
    let mut star = Socket::connect(&server.address, &token("star")).await;
    assert_eq!(star.refusal("withdraw.request", withdrawal("w2")).await, 517);
    let stopped = ["livehouse_ledger_breaks 2\n", "livehouse_withdrawals_stopped 1\n"];
    metrics_say(&server.address, &stopped).await;
}
