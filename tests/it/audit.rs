//! `livehouse audit`, and the standing audit of a server that runs.

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use domain::event::CoinsAdjusted;
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, Options};
use journal::{Append, Cause, Expected, Writer};
use serde_json::{Value, json};

use crate::client::{House, http};
use crate::support::livehouse;

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

/// Appends to the journal of a stopped server what no actor of ours would.
fn append_by_hand(dir: &Path, coins_left: u64) {
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
    outcome.recv().expect("an outcome").expect("appended");
    writer.close();
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

#[tokio::test]
async fn a_wrong_event_is_seen_stops_withdrawals_and_nothing_else() {
    let dir = after_gifts().await;
    append_by_hand(dir.path(), 1_000_000);
    let (code, out, said) = audit(dir.path(), &[]);
    assert_eq!(code, 1, "{out}{said}");
    assert!(said.contains("invariant 9"), "{said}");
    assert!(out.contains("BROKEN at record"), "{out}");

    let house = House::reopen(dir);
    let address = &house.server.address;
    let (_, metrics) = http("GET", address, "/metrics").await;
    assert!(metrics.contains("livehouse_ledger_breaks 1\n"), "{metrics}");
    assert!(
        !metrics.contains("livehouse_ledger_break_position 0\n"),
        "{metrics}"
    );
    assert_eq!(http("GET", address, "/readyz").await, (200, "ready\n".into()));
    let mut star = house.user("star").await;
    let live = json!({ "command_id": "again", "title": "another night" });
    // The first night may still be running: either way the room is live.
    let _ = star.rpc("live.start", live).await;
    let mut ann = house.user("ann").await;
    let gift = json!({ "command_id": "later", "room": "star", "gift": "rose", "count": 1 });
    ann.rpc("gift.send", gift).await.expect("gifts go on");
}
