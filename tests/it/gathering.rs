//! Many in one room: who is there, who came, who taps, and what a newcomer is shown; and how rooms are found.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{House, Socket};
use crate::operations::{serve, token};
use crate::support::{Server, livehouse};

const STAR: &str = "room:star";
/// How long a client waits before it repeats what was refused as too much.
const MOMENT: Duration = Duration::from_millis(100);

async fn in_room(house: &House, user: &str) -> Socket {
    let mut socket = house.user(user).await;
    let subscribed = socket.subscribe(STAR).await;
    assert_eq!(subscribed["recoverable"], true, "{subscribed}");
    socket
}

/// Waits until the views have what was answered with.
async fn caught_up(socket: &mut Socket, answer: &Value) {
    let position = answer["position"].clone();
    let wallet = socket
        .rpc("wallet.get", json!({ "min_position": position }))
        .await;
    wallet.expect("the views catch up");
}

fn is(kind: &str) -> impl Fn(&Value) -> bool + '_ {
    move |publication| publication["type"] == kind
}

/// Waits until the counters of the room say so.
async fn counters(socket: &mut Socket, name: &str, value: u64) -> Value {
    let mut seen = socket
        .publications(STAR, |p| p["type"] == "counters" && p[name] == value)
        .await;
    seen.pop().expect("the one that fits")["data"].take()
}

#[tokio::test]
async fn viewers_are_users_and_their_entrances_are_told_by_sample() {
    let house = House::with_a_show().await;
    let mut watcher = in_room(&house, "watcher").await;
    let mut others = Vec::new();
    for n in 0..12 {
        others.push(in_room(&house, &format!("u{n}")).await);
    }
    let second_socket_of_one = in_room(&house, "u0").await;
    let numbers = counters(&mut watcher, "viewers", 13).await;
    assert_eq!(
        (numbers["likes"].as_u64(), numbers["tickets"].as_u64()),
        (Some(0), Some(0))
    );

    let asked = json!({ "id": 100, "presence_stats": { "channel": STAR } });
    let stats = watcher.ask(asked).await["presence_stats"].take();
    assert_eq!(stats, json!({ "num_clients": 14, "num_users": 13 }));
    let asked = json!({ "id": 101, "presence": { "channel": STAR } });
    assert_eq!(watcher.ask(asked).await["error"]["code"], 108);

    // Who comes back at once has not entered; who was never here has.
    drop(others.swap_remove(0));
    drop(second_socket_of_one);
    counters(&mut watcher, "viewers", 12).await;
    let _back = in_room(&house, "u0").await;
    counters(&mut watcher, "viewers", 13).await;
    let _late = in_room(&house, "late").await;
    let until_late = watcher
        .publications(STAR, |p| {
            p["type"] == "entered"
                && p["users"]
                    .as_array()
                    .is_some_and(|users| users.contains(&json!("late")))
        })
        .await;
    let entered = until_late.iter().filter(|p| p["data"]["type"] == "entered");
    let entered: Vec<_> = entered.map(|p| p["data"].clone()).collect();
    assert_eq!(
        entered,
        [json!({ "type": "entered", "users": ["late"], "more": 0 })]
    );
    assert!(until_late.iter().all(|p| p["push"]["join"].is_null()));
}

#[tokio::test]
async fn a_crowd_that_enters_at_once_is_told_as_a_few_names_and_a_number() {
    let house = House::with_a_show().await;
    let mut watcher = in_room(&house, "watcher").await;
    let mut others = Vec::new();
    for n in 0..30 {
        let name = format!("u{n}");
        let mut socket = house.user(&name).await;
        socket.subscribe("board:coins").await;
        others.push(socket);
    }
    for (n, socket) in others.iter_mut().enumerate() {
        let enter = json!({ "id": 200 + n, "subscribe": { "channel": STAR } });
        socket.send_text(&enter.to_string()).await;
    }
    let (mut told, mut count) = (0, 0);
    while count < 31 {
        let entered = watcher
            .publications(STAR, is("entered"))
            .await
            .pop()
            .expect("one");
        let (named, more) = (&entered["data"]["users"], entered["data"]["more"].as_u64());
        let named = named.as_array().expect("names").len() as u64;
        assert!((1..=5).contains(&named), "{entered}");
        assert!(entered["offset"].is_null(), "{entered}");
        told += 1;
        count += named + more.expect("a number");
    }
    assert_eq!(count, 31);
    assert!(told < 15, "{told} publications for 31 people");
}

#[tokio::test]
async fn likes_are_counted_once_and_shown_as_hearts_and_as_numbers() {
    let house = House::with_a_show().await;
    let mut watcher = in_room(&house, "watcher").await;
    let mut ann = in_room(&house, "ann").await;
    let like = |id: &str, count: u32| json!({ "command_id": id, "room": "star", "count": count });
    assert_eq!(
        ann.rpc("like.send", like("l1", 100)).await,
        Ok(json!({ "likes": 100 }))
    );
    assert_eq!(
        ann.rpc("like.send", like("l1", 100)).await,
        Ok(json!({ "likes": 100 }))
    );
    assert_eq!(
        ann.rpc("like.send", like("l2", 50)).await,
        Ok(json!({ "likes": 150 }))
    );
    for (data, code) in [
        (like("l3", 0), 420),
        (like("l3", 101), 420),
        (like("l1", 7), 401),
        (json!({ "command_id": "l3", "room": "moon", "count": 1 }), 413),
        (json!({ "command_id": "l3", "room": "a b", "count": 1 }), 403),
        (json!({ "room": "star", "count": 1 }), 404),
    ] {
        assert_eq!(ann.refusal("like.send", data.clone()).await, code, "{data}");
    }
    let mut bob = house.user("bob").await;
    let mut refused = 0;
    for n in 0..20 {
        let sent = bob.rpc("like.send", like(&format!("b{n}"), 100)).await;
        refused += usize::from(sent.is_err_and(|refusal| refusal.code == 421));
    }
    assert!(
        (1..=18).contains(&refused),
        "{refused} of 20 at once are too many"
    );
    let likes = 150 + (20 - refused as u64) * 100;

    let seen = watcher
        .publications(STAR, |p| p["type"] == "counters" && p["likes"] == likes)
        .await;
    let hearts = |p: &&Value| p["data"]["type"] == "hearts";
    let tapped: u64 = seen
        .iter()
        .filter(hearts)
        .filter_map(|p| p["data"]["count"].as_u64())
        .sum();
    assert_eq!(tapped, likes, "{seen:?}");
    let shown: Vec<_> = seen
        .iter()
        .filter(hearts)
        .filter_map(|p| p["data"]["users"].as_array())
        .flatten()
        .collect();
    assert!(shown.contains(&&json!("ann")), "{seen:?}");
    assert!(
        !shown.contains(&&json!("bob")),
        "who is not in the room is not shown: {seen:?}"
    );
    let info = ann
        .rpc("room.info", json!({ "room": "star" }))
        .await
        .expect("the room");
    assert_eq!(info["likes"], likes);

    // What the counters told is in the journal, whatever happens to the process: few events for many taps.
    let House { dir, server } = house;
    server.kill();
    let data = dir.path().to_str().expect("a path");
    let (code, log, _) = livehouse(&["log", "--data", data]);
    assert_eq!(code, 0);
    let counted: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("likes_counted"))
        .collect();
    assert!((1..10).contains(&counted.len()), "{counted:?}");
    let house = House::reopen(dir);
    let mut ann = house.user("ann").await;
    let info = ann
        .rpc("room.info", json!({ "room": "star" }))
        .await
        .expect("the room");
    assert_eq!(info["likes"], likes);
}

#[tokio::test]
async fn a_graceful_stop_loses_no_like() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let like = json!({ "command_id": "l", "room": "star", "count": 42 });
    ann.rpc("like.send", like).await.expect("likes");
    let House { dir, server } = house;
    assert!(server.stop().success());
    let house = House::reopen(dir);
    let mut ann = house.user("ann").await;
    let info = ann
        .rpc("room.info", json!({ "room": "star" }))
        .await
        .expect("the room");
    assert_eq!(info["likes"], 42);
}

#[tokio::test]
async fn a_newcomer_is_shown_the_room_as_it_is() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut last = Value::Null;
    for n in 0..54 {
        // Several authors: nobody may write that fast alone.
        let mut author = house.user(&format!("author{n}")).await;
        let chat = json!({ "command_id": "c", "room": "star", "text": format!("chat {n}") });
        last = loop {
            match author.rpc("chat.send", chat.clone()).await {
                Ok(said) => break said,
                // Too many write at once: a moment later there is room.
                Err(refused) => assert_eq!(refused.code, 468),
            }
            tokio::time::sleep(MOMENT).await;
            if false {}
        };
    }
    for (id, gift) in [("g1", "rose"), ("g2", "beer")] {
        let gift = json!({ "command_id": id, "room": "star", "gift": gift, "count": 1 });
        last = ann.rpc("gift.send", gift).await.unwrap_or(last);
    }
    let combo = json!({ "id": "c1", "total": 3 });
    let gift = json!({ "command_id": "g3", "room": "star", "gift": "heart", "combo": combo });
    ann.rpc("gift.send", gift).await.expect("sent");
    let follow = json!({ "command_id": "f", "streamer": "star" });
    last = ann.rpc("follow.add", follow).await.unwrap_or(last);
    caught_up(&mut ann, &last).await;

    let info = ann.rpc("room.info", json!({ "room": "star" })).await;
    let info = info.expect("the room");
    let recent = info["recent"].as_array().expect("chats");
    let texts: Vec<_> = recent.iter().filter_map(|p| p["text"].as_str()).collect();
    let wanted: Vec<_> = (4..54).map(|n| format!("chat {n}")).collect();
    assert_eq!(texts, wanted);
    assert!(info["position"].as_u64() >= last["position"].as_u64(), "{info}");
    let running = json!([{ "user": "ann", "gift": "heart", "combo": combo }]);
    for (field, value) in [
        ("room", json!("star")),
        ("likes", json!(0)),
        ("tickets", json!(79)),
        ("top", json!([{ "rank": 1, "user": "ann", "score": 79 }])),
        ("combos", running),
        ("pinned", Value::Null),
        ("slow_mode", json!(0)),
        ("followers_only", json!(false)),
        ("moderators", json!([])),
        ("you", Value::Null),
    ] {
        assert_eq!(info[field], value, "{field}");
    }
    assert_eq!(info["live"]["title"], "a night");

    let mut data = ann.subscribe(STAR).await["data"].take();
    assert_eq!(data["you"].take(), json!({ "role": "viewer", "following": true }));
    for field in ["room", "live", "recent", "top", "tickets", "likes"] {
        assert_eq!(data[field], info[field], "{field}");
    }
    let mut star = house.user("star").await;
    let you = star.subscribe(STAR).await["data"]["you"].take();
    assert_eq!(you, json!({ "role": "streamer", "following": false }));
}

#[tokio::test]
async fn what_has_just_happened_is_in_the_picture_or_published_behind_it() {
    let house = House::with_a_show().await;
    let mut ann = in_room(&house, "ann").await;
    for n in 0..5 {
        let mut newcomer = house.user(&format!("u{n}")).await;
        let text = format!("chat {n}");
        let chat = json!({ "command_id": format!("c{n}"), "room": "star", "text": text });
        let said = ann.rpc("chat.send", chat).await.expect("said");
        let subscribed = newcomer.subscribe(STAR).await;
        let recent = subscribed["data"]["recent"].as_array().expect("chats");
        let in_picture = recent.iter().any(|p| p["text"] == text);
        if !in_picture {
            // The one before may come first: what is acknowledged is in the journal, not yet in every view.
            let seen = newcomer.publications(STAR, |p| p["text"] == text).await;
            assert_eq!(seen.last().expect("one")["offset"], said["position"]);
        }
    }
}

/// Every room of a list, page by page.
async fn pages(socket: &mut Socket, sort: &str) -> Vec<String> {
    let (mut rooms, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = json!({ "sort": sort, "limit": 2, "cursor": cursor });
        let mut page = socket.rpc("room.list", page).await.expect("a page");
        let listed = page["rooms"].as_array().expect("rooms").clone();
        rooms.extend(
            listed
                .iter()
                .map(|room| room["room"].as_str().expect("an id").to_owned()),
        );
        cursor = page["cursor"].take();
        if cursor.is_null() {
            return rooms;
        }
    }
}

#[tokio::test]
async fn live_rooms_are_listed_hot_and_new_with_their_numbers() {
    let house = House::with_a_show().await;
    let mut ann = in_room(&house, "ann").await;
    let mut last = Value::Null;
    for name in ["s1", "s2", "s3", "s4"] {
        let mut streamer = house.user(name).await;
        last = streamer
            .rpc("live.start", json!({ "command_id": "go", "title": name }))
            .await
            .expect("live");
    }
    for (id, to) in [("f1", "star"), ("f2", "s2")] {
        let follow = json!({ "command_id": id, "streamer": to });
        last = ann.rpc("follow.add", follow).await.expect("followed");
    }
    let gift = json!({ "command_id": "g", "room": "s2", "gift": "rose", "count": 1 });
    last = ann.rpc("gift.send", gift).await.unwrap_or(last);
    caught_up(&mut ann, &last).await;
    assert_eq!(pages(&mut ann, "new").await, ["s4", "s3", "s2", "s1", "star"]);

    // The ranking is at most a second old: with the counters of the room a new one has been made.
    counters(&mut ann, "viewers", 1).await;
    let _bob = in_room(&house, "bob").await;
    let _cat = in_room(&house, "cat").await;
    counters(&mut ann, "viewers", 3).await;
    let mut hot = pages(&mut ann, "hot").await;
    while hot.len() < 5 || hot[0] != "star" {
        counters(&mut ann, "viewers", 3).await;
        hot = pages(&mut ann, "hot").await;
    }
    assert_eq!(hot, ["star", "s2", "s4", "s3", "s1"]);
    let page = ann.rpc("room.list", json!({ "limit": 1 })).await.expect("a page");
    let first = &page["rooms"][0];
    assert_eq!(
        (&first["viewers"], &first["title"]),
        (&json!(3), &json!("a night"))
    );
    assert_eq!(ann.refusal("room.list", json!({ "cursor": "none" })).await, 407);

    let followed = ann.rpc("follow.live", json!({})).await.expect("rooms");
    let followed = followed["rooms"].as_array().expect("rooms");
    let line = |room: &Value| {
        (
            room["room"].clone(),
            room["viewers"].clone(),
            room["tickets"].clone(),
        )
    };
    let lines: Vec<_> = followed.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            (json!("s2"), json!(0), json!(10)),
            (json!("star"), json!(3), json!(0))
        ]
    );
}

/// A server that lets every user have two connections.
fn serve_two(data: &Path, policy: &str) -> Server {
    let mut command = serve(data);
    command
        .env("LIVEHOUSE_GATEWAY_SESSIONS_PER_USER", "2")
        .env("LIVEHOUSE_GATEWAY_SESSIONS_POLICY", policy);
    Server::spawn(&mut command)
}

#[tokio::test]
async fn one_connection_too_many_closes_the_users_oldest_for_good() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = serve_two(dir.path(), "newest_wins");
    let (ann, bob) = (token("ann"), token("bob"));
    let mut first = Socket::connect(&server.address, &ann).await;
    let mut second = Socket::connect(&server.address, &ann).await;
    let _somebody_else = Socket::connect(&server.address, &bob).await;
    let mut third = Socket::connect(&server.address, &ann).await;
    assert_eq!(first.close_code().await, 4500);
    for socket in [&mut second, &mut third] {
        socket.rpc("wallet.get", json!({})).await.expect("still open");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_refused_until_another_has_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = serve_two(dir.path(), "refuse");
    let ann = token("ann");
    let first = Socket::connect(&server.address, &ann).await;
    let mut second = Socket::connect(&server.address, &ann).await;
    let hello = json!({ "id": 1, "connect": { "token": ann } });
    let mut third = Socket::open(&server.address).await;
    third.send_text(&hello.to_string()).await;
    assert_eq!(third.close_code().await, 3504);
    second.rpc("wallet.get", json!({})).await.expect("still open");
    drop(first);
    // The server hears of it when the socket closes: soon.
    loop {
        let mut again = Socket::open(&server.address).await;
        if again.try_ask(hello.clone()).await.is_some() {
            again.rpc("wallet.get", json!({})).await.expect("let in");
            break;
        }
    }
}

#[tokio::test]
async fn what_was_ordered_in_a_room_is_shown_to_who_comes_in() {
    let house = House::with_a_show().await;
    let mut star = house.user("star").await;
    let mut last = Value::Null;
    for (method, field, value) in [
        ("room.slow_mode", "seconds", json!(7)),
        ("room.followers_only", "on", json!(true)),
        ("room.pin", "text", json!("welcome")),
        ("room.moderator_add", "user", json!("mia")),
        ("room.mute", "user", json!("ann")),
        ("room.ban", "user", json!("eve")),
    ] {
        let mut order = json!({ "command_id": method, "room": "star", "seconds": 60 });
        order[field] = value;
        last = star.rpc(method, order).await.expect("ordered");
    }
    caught_up(&mut star, &last).await;
    let data = house.user("ann").await.subscribe(STAR).await["data"].take();
    for (field, value) in [
        ("pinned", json!("welcome")),
        ("slow_mode", json!(7)),
        ("followers_only", json!(true)),
        ("moderators", json!(["mia"])),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
    let you = &data["you"];
    assert_eq!(
        (&you["role"], &you["following"]),
        (&json!("viewer"), &json!(false))
    );
    assert!(
        you["muted_until"].as_i64() > data["live"]["since"].as_i64(),
        "{you}"
    );
    let you = house.user("mia").await.subscribe(STAR).await["data"]["you"].take();
    assert_eq!(you, json!({ "role": "moderator", "following": false }));
    let enter = json!({ "id": 100, "subscribe": { "channel": STAR } });
    let refused = house.user("eve").await.ask(enter).await;
    assert!(refused["error"]["code"].as_u64() >= Some(400), "{refused}");
}
