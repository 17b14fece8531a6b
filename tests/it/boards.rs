//! Boards of all periods over real sockets: asked for, watched, closed.

use serde_json::{Value, json};

use crate::client::{House, Socket};

async fn give(from: &mut Socket, id: &str, room: &str, count: u32) -> Value {
    let data = json!({ "command_id": id, "room": room, "gift": "rose", "count": count });
    from.rpc("gift.send", data).await.expect("sent")
}

/// The entries as `user:score`, best first.
fn entries(found: &Value) -> Vec<String> {
    let entries = found["entries"].as_array().expect("entries");
    let line = |(at, entry): (usize, &Value)| {
        assert_eq!(entry["rank"], at + 1);
        format!("{}:{}", entry["user"].as_str().expect("a user"), entry["score"])
    };
    entries.iter().enumerate().map(line).collect()
}

#[tokio::test]
async fn a_gift_stands_on_the_boards_of_every_period_at_its_own_position() {
    let house = House::with_a_show().await;
    house.dev().grant("bob", 1_000).await.expect("coins");
    let (mut ann, mut bob) = (house.user("ann").await, house.user("bob").await);
    give(&mut ann, "1", "star", 3).await;
    let answer = give(&mut bob, "2", "star", 5).await;
    let position = answer["position"].clone();
    for period in ["hour", "day", "week", "month", "all", "session"] {
        let data = json!({ "board": "room:star", "period": period, "min_position": position });
        let found = ann.rpc("board.get", data).await.expect(period);
        assert_eq!(entries(&found), ["bob:50", "ann:30"], "{period}: {found}");
        assert_eq!(found["closed"], false, "{period}");
        assert!(
            found["position"].as_u64() >= position.as_u64(),
            "{period}: {found}"
        );
        let timed = found["from"].as_i64().zip(found["until"].as_i64());
        assert_eq!(timed.is_some(), !["all", "session"].contains(&period), "{found}");
        // The name that the answer gives it finds it again, and so does a moment of it.
        let named = json!({ "board": "room:star", "period": found["period"] });
        assert_eq!(
            ann.rpc("board.get", named).await.expect("found")["entries"],
            found["entries"]
        );
        if let Some((from, until)) = timed {
            for (at, same) in [(from, true), (until - 1, true), (from - 1, false), (until, false)] {
                let data = json!({ "board": "room:star", "period": period, "at": at });
                let there = ann.rpc("board.get", data).await.expect("found");
                assert_eq!(
                    there["period"] == found["period"],
                    same,
                    "{period} at {at}: {there}"
                );
            }
        }
    }
    let around = json!({ "board": "coins", "period": "week", "around": "ann", "limit": 1 });
    let found = ann.rpc("board.get", around).await.expect("found");
    assert_eq!(
        (&found["entries"][0]["rank"], &found["entries"][0]["user"]),
        (&json!(2), &json!("ann"))
    );
    for bad in [
        json!({ "board": "coins", "period": "session" }),
        json!({ "board": "coins", "period": "session:1" }),
        json!({ "board": "coins", "period": "year" }),
        json!({ "board": "coins", "period": "2020-01" }),
        json!({ "board": "coins", "period": "2026-01-01", "at": 0 }),
        json!({ "board": "room:star", "period": "session", "at": 0 }),
    ] {
        let refused = ann.rpc("board.get", bad.clone()).await.expect_err("refused");
        assert_eq!(refused.code, 404, "{bad}");
        assert!(refused.message.contains("period"), "{bad}: {}", refused.message);
    }
    house.assert_unharmed().await;
}

#[tokio::test]
async fn the_board_of_a_session_is_closed_where_it_ended_and_stays_so_over_a_restart() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut star = house.user("star").await;
    give(&mut ann, "1", "star", 3).await;
    let stopped = star
        .rpc("live.stop", json!({ "command_id": "stop" }))
        .await
        .expect("stopped");
    star.rpc("live.start", json!({ "command_id": "again" }))
        .await
        .expect("live");
    let answer = give(&mut ann, "2", "star", 2).await;
    let asked =
        |period: &str| json!({ "board": "room:star", "period": period, "min_position": answer["position"] });
    let first = ann.rpc("board.get", asked("session:1")).await.expect("found");
    assert_eq!(entries(&first), ["ann:30"]);
    assert_eq!(
        (&first["closed"], &first["position"]),
        (&json!(true), &stopped["position"])
    );
    let second = ann.rpc("board.get", asked("session")).await.expect("found");
    assert_eq!(
        (entries(&second), &second["period"]),
        (vec!["ann:20".to_owned()], &json!("session:2"))
    );
    let day = ann.rpc("board.get", asked("day")).await.expect("found");
    assert_eq!(entries(&day), ["ann:50"]);

    let House { dir, server } = house;
    assert!(server.stop().success());
    let house = House::reopen(dir);
    let mut ann = house.user("ann").await;
    for (period, before) in [("session:1", &first), ("session", &second), ("day", &day)] {
        let found = ann.rpc("board.get", asked(period)).await.expect("found");
        assert_eq!(found["entries"], before["entries"], "{period} after a restart");
    }
    let House { dir, server } = house;
    assert!(server.stop().success());
    let data = dir.path().to_string_lossy().into_owned();
    let (code, out, said) = crate::support::livehouse(&["rebuild", "--check", "boards", "--data", &data]);
    assert_eq!(code, 0, "{out}{said}");
}

#[tokio::test]
async fn a_watched_board_is_told_of_its_period_and_only_when_its_first_places_change() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut eve = house.user("eve").await;
    let channels = [
        "coins",
        "coins/hour",
        "room:star/all",
        "room:star/session",
        "tickets/month",
    ];
    let mut watching = Vec::new();
    for channel in channels {
        let mut socket = house.user(&format!("watcher{}", watching.len())).await;
        let subscribed = socket.subscribe(&format!("board:{channel}")).await;
        assert_eq!(
            subscribed["data"]["entries"],
            json!([]),
            "{channel}: {subscribed}"
        );
        watching.push((socket, channel));
    }
    give(&mut ann, "1", "star", 4).await;
    for (socket, channel) in &mut watching {
        let full = |p: &Value| p["type"] == "board" && p["entries"][0]["score"] == 40;
        let mut told = socket.publications(&format!("board:{channel}"), full).await;
        let told = told.pop().expect("the one that fits")["data"].take();
        let (board, span) = channel.split_once('/').unwrap_or((channel, "day"));
        assert_eq!(
            (&told["board"], &told["span"]),
            (&json!(board), &json!(span)),
            "{told}"
        );
    }
    for unknown in ["coins/day", "coins/session", "coins/year", "room:star/"] {
        let asked = json!({ "id": 90, "subscribe": { "channel": format!("board:{unknown}") } });
        assert_eq!(eve.ask(asked).await["error"]["code"], 102, "{unknown}");
    }
    house.assert_unharmed().await;
}
