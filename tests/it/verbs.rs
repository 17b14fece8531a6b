//! The verbs that read a journal say what took place, while a server runs and after it.

use serde_json::{Value, json};

use crate::client::House;
use crate::support::livehouse;

fn lines(text: &str) -> Vec<Value> {
    let objects = text.lines().map(serde_json::from_str);
    objects.collect::<Result<_, _>>().expect("JSON lines")
}

/// A show that somebody watched: the house, and every publication that the watcher saw.
async fn watched_show() -> (House, Vec<Value>) {
    let house = House::with_a_show().await;
    let mut star = house.user("star").await;
    let mut ann = house.user("ann").await;
    let mut eve = house.user("eve").await;
    // Whoever subscribes now sees the start of the show in the room's past.
    let at_the_door = eve.subscribe("room:star").await;
    let gift = |id: &str, total: u64| json!({ "command_id": id, "room": "star", "gift": "rose", "count": 1, "combo": { "id": "k", "total": total } });
    for (method, data) in [
        ("gift.send", gift("g1", 2)),
        ("gift.send", gift("g2", 5)),
        ("gift.combo_end", json!({ "command_id": "g3", "combo": "k" })),
        (
            "chat.send",
            json!({ "command_id": "g4", "room": "star", "text": "hello" }),
        ),
    ] {
        ann.rpc(method, data).await.expect("accepted");
    }
    let elsewhere = json!({ "command_id": "g5", "room": "moon", "text": "not in this room" });
    ann.rpc("chat.send", elsewhere).await.expect("accepted");
    star.rpc("live.stop", json!({ "command_id": "end" }))
        .await
        .expect("accepted");
    let pushed = eve.publications("room:star", |p| p["type"] == "live_ended").await;
    let mut seen = at_the_door["data"]["recent"]
        .as_array()
        .expect("the room's past")
        .clone();
    let durable = pushed
        .into_iter()
        .filter(|publication| publication["offset"].is_u64());
    seen.extend(durable.map(|mut publication| publication["data"].take()));
    seen.dedup();
    (house, seen)
}

#[tokio::test]
async fn a_replay_is_what_the_room_saw_to_the_byte() {
    let (house, seen) = watched_show().await;
    let types: Vec<_> = seen.iter().map(|p| p["type"].as_str().expect("a type")).collect();
    assert_eq!(
        types[types.len() - 5..],
        ["gift", "gift", "combo_end", "chat", "live_ended"]
    );
    let data = house.dir.path().to_string_lossy().into_owned();
    let replay = ["replay", "--room", "star", "--json", "--data", &data];
    let (code, out, said) = livehouse(&replay);
    assert_eq!(code, 0, "{said}");
    let replayed = lines(&out);
    assert_eq!(replayed.len(), 6);
    assert_eq!(replayed[replayed.len() - seen.len()..], seen);
    assert_eq!(replayed[0]["type"], "live_started");
    assert!(house.server.stop().success());
    assert_eq!(livehouse(&replay).1, out);

    let (code, out, said) = livehouse(&["replay", "--room", "star", "--speed", "1000", "--data", &data]);
    assert_eq!(code, 0, "{said}");
    for words in [
        "star goes live: a night",
        "ann gives 3 rose (30 coins, combo x5)",
        "ann: hello",
    ] {
        assert!(out.contains(words), "{out}");
    }
    let (code, out, said) = livehouse(&["replay", "--room", "nobody", "--json", "--data", &data]);
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    let (code, _, said) = livehouse(&["replay", "--room", "star", "--speed", "0", "--data", &data]);
    assert_eq!(code, 1);
    assert!(said.contains("--speed"), "{said}");
}

#[tokio::test]
async fn the_log_prints_every_record_in_order_while_the_server_runs() {
    let (house, _) = watched_show().await;
    let data = house.dir.path().to_string_lossy().into_owned();
    let log = |more: &[&str]| {
        let (code, out, said) = livehouse(&[&["log", "--data", &data], more].concat());
        assert_eq!(code, 0, "{said}");
        lines(&out)
    };
    let all = log(&["--limit", "8"]);
    let positions: Vec<_> = all
        .iter()
        .map(|r| r["position"].as_u64().expect("a position"))
        .collect();
    assert_eq!(positions, (1..=8).collect::<Vec<_>>());
    assert_eq!(log(&["--after", "2", "--limit", "3"]), all[2..5]);
    let ann = log(&["--stream", "viewer-ann"]);
    let versions: Vec<_> = ann
        .iter()
        .map(|r| r["version"].as_u64().expect("a version"))
        .collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    let gift = ann
        .iter()
        .find(|r| r["command_id"] == "g2")
        .expect("the second gift");
    assert_eq!(gift["by"], "ann");
    assert_eq!(gift["event"]["type"], "gift_sent");
    assert_eq!(gift["event"]["coins"], 30);
    assert!(gift["time"].as_i64().is_some_and(|time| time > 0));
    assert!(log(&["--stream", "viewer-nobody"]).is_empty());
    assert!(log(&["--limit", "0"]).is_empty());
}

#[tokio::test]
async fn verify_says_what_it_checked_while_a_server_runs_and_after() {
    let (house, _) = watched_show().await;
    let data = house.dir.path().to_string_lossy().into_owned();
    let (code, out, said) = livehouse(&["verify", "--data", &data]);
    assert_eq!(code, 0, "{said}");
    assert!(out.contains("all intact") && out.contains("hash chain"), "{out}");
    assert!(house.server.stop().success());
    let (code, out, said) = livehouse(&["verify", "--data", &data]);
    assert_eq!(code, 0, "{said}");
    assert!(!out.contains("never acknowledged"), "{out}");
}

#[tokio::test]
async fn views_are_rebuilt_all_or_by_name_and_rolled_back() {
    let (house, _) = watched_show().await;
    assert!(house.server.stop().success());
    let data = house.dir.path().to_string_lossy().into_owned();
    let rebuild = |more: &[&str]| livehouse(&[&["rebuild", "--data", &data], more].concat());
    for more in [
        &["--check"][..],
        &[],
        &["--check"],
        &["balances"],
        &["--check", "balances"],
        &["--rollback", "balances"],
        &["--check"],
    ] {
        let (code, out, said) = rebuild(more);
        assert_eq!(code, 0, "{more:?}: {out}{said}");
        assert!(!out.is_empty(), "{more:?}");
    }
    let (code, _, said) = rebuild(&["loudest"]);
    assert_eq!(code, 1);
    assert!(said.contains("loudest") && said.contains("balances"), "{said}");
}

#[test]
fn a_directory_without_a_journal_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().to_str().expect("the path is text");
    for verb in [
        &["log"][..],
        &["verify"],
        &["rebuild"],
        &["replay", "--room", "star"],
        &["explain", "g1"],
        &["statement", "--user", "ann"],
    ] {
        let (code, out, said) = livehouse(&[verb, &["--data", data]].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{verb:?}: {said}");
        assert!(said.contains(data), "{verb:?}: {said}");
    }
    let left = std::fs::read_dir(dir.path()).expect("the directory").count();
    assert_eq!(left, 0, "a verb that reads has written");
}
