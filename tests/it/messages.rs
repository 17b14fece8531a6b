//! Private messages over the wire: who may write how much, what both users see on all their sockets, and what is there again
//! after a reconnect and after a kill.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{House, Socket};

/// What a client waits before it sends again what came too fast.
const LATER: Duration = Duration::from_millis(150);

/// Sends the same again, a little later, for as long as that is too fast: one a second after the first five.
async fn send(socket: &mut Socket, id: &str, to: &str) -> Result<Value, u64> {
    let data = json!({ "command_id": id, "to": to, "text": format!("this is {id}") });
    loop {
        match socket.rpc("message.send", data.clone()).await {
            Err(refused) if refused.code == 472 => tokio::time::sleep(LATER).await,
            outcome => return outcome.map_err(|refused| refused.code),
        }
    }
}

async fn say(socket: &mut Socket, id: &str, to: &str) -> Value {
    send(socket, id, to).await.expect("it is sent")
}

/// The number with which a message is refused.
async fn refused(socket: &mut Socket, id: &str, to: &str) -> u64 {
    send(socket, id, to).await.expect_err("it is not sent")
}

async fn follow(socket: &mut Socket, id: &str, whom: &str) {
    let data = json!({ "command_id": id, "streamer": whom });
    socket.rpc("follow.add", data).await.expect("followed");
}

/// Data of what came on the user's own channel, until something of this type and number.
async fn heard(socket: &mut Socket, user: &str, kind: &str, field: &str, number: u64) -> Vec<Value> {
    let channel = format!("user:{user}");
    let until = |data: &Value| data["type"] == kind && data[field] == number;
    let found = socket.publications(&channel, until).await;
    let offsets = found
        .iter()
        .filter_map(|publication| publication["offset"].as_u64());
    assert!(offsets.is_sorted_by(|a, b| a < b), "{found:?}");
    found
        .into_iter()
        .map(|mut publication| publication["data"].take())
        .collect()
}

/// A query that has read everything up to a position.
async fn ask(socket: &mut Socket, method: &str, upto: &Value, mut data: Value) -> Value {
    data["min_position"] = upto["position"].clone();
    socket.rpc(method, data).await.expect("an answer")
}

fn texts(list: &Value) -> Vec<&str> {
    let messages = list["messages"].as_array().expect("messages").iter();
    messages
        .map(|message| message["text"].as_str().expect("a text"))
        .collect()
}

#[tokio::test]
async fn three_messages_wait_for_an_answer_and_who_follow_each_other_write_freely() {
    let house = House::open();
    let (mut ann, mut bob) = (house.user("ann").await, house.user("bob").await);
    for id in ["a1", "a2", "a3"] {
        let sent = say(&mut ann, id, "bob").await;
        assert_eq!(say(&mut ann, id, "bob").await, sent, "the first answer again");
    }
    assert_eq!(refused(&mut ann, "a4", "bob").await, 471);
    follow(&mut ann, "f", "bob").await;
    assert_eq!(
        refused(&mut ann, "a4", "bob").await,
        471,
        "one way is not both ways"
    );
    let answer = say(&mut bob, "b1", "ann").await;
    assert_eq!(answer["number"], 1);
    assert_eq!(say(&mut ann, "a4", "bob").await["number"], 4);
    follow(&mut bob, "f", "ann").await;
    for number in 5..9 {
        assert_eq!(
            say(&mut ann, &format!("a{number}"), "bob").await["number"],
            number
        );
    }
    let mut codes = Vec::new();
    for id in 0..9 {
        let data = json!({ "command_id": format!("c{id}"), "to": "bob", "text": "so fast" });
        codes.extend(
            ann.rpc("message.send", data)
                .await
                .err()
                .map(|refused| refused.code),
        );
    }
    assert!(
        codes.len() > 1 && codes.iter().all(|code| *code == 472),
        "{codes:?}"
    );
    let reused = json!({ "command_id": "a1", "to": "bob", "text": "something else" });
    assert_eq!(ann.refusal("message.send", reused).await, 401);
    house.assert_unharmed().await;
}

#[tokio::test]
async fn what_cannot_be_sent_or_read_says_why() {
    let house = House::open();
    let (mut ann, mut kim) = (house.user("ann").await, house.user("kim").await);
    let send = |text: &str, to: &str| json!({ "command_id": "x", "to": to, "text": text });
    for (data, code) in [
        (send(" \u{7}\n", "kim"), 405),
        (send(&"x".repeat(501), "kim"), 406),
        (send("me", "ann"), 470),
        (send("hi", "a b"), 403),
        (json!({ "to": "kim", "text": "hi" }), 404),
    ] {
        assert_eq!(ann.refusal("message.send", data).await, code);
    }
    say(&mut ann, "a1", "kim").await;
    let block = json!({ "command_id": "b", "user": "ann" });
    let blocked = kim.rpc("block.add", block).await.expect("blocked");
    assert_eq!(refused(&mut ann, "a2", "kim").await, 434);
    assert_eq!(refused(&mut kim, "k1", "ann").await, 474);
    // What was said before stays, and may be read.
    let list = ask(&mut kim, "message.list", &blocked, json!({ "with": "ann" })).await;
    assert_eq!(texts(&list), ["this is a1"]);
    for upto in [0, 2] {
        let read = json!({ "command_id": format!("r{upto}"), "with": "ann", "upto": upto });
        assert_eq!(kim.refusal("message.read", read).await, 473);
    }
    kim.rpc("block.remove", json!({ "command_id": "u", "user": "ann" }))
        .await
        .expect("unblocked");
    assert_eq!(say(&mut ann, "a2", "kim").await["number"], 2);
    for (method, data, code) in [
        ("message.list", json!({ "with": "kim", "limit": 101 }), 408),
        ("message.list", json!({ "with": "kim", "cursor": "?" }), 407),
        ("message.list", json!({}), 404),
        ("conversation.list", json!({ "limit": 0 }), 408),
        ("conversation.list", json!({ "cursor": "?" }), 407),
    ] {
        assert_eq!(ann.refusal(method, data).await, code, "{method}");
    }
    let nobody = ask(&mut ann, "message.list", &blocked, json!({ "with": "nobody" })).await;
    assert_eq!(
        nobody,
        json!({ "messages": [], "unread": 0, "read": 0, "read_by": 0 })
    );
    house.assert_unharmed().await;
}

#[tokio::test]
async fn messages_and_read_marks_come_on_all_sockets_of_both() {
    let house = House::open();
    let (mut ann, mut ann_too) = (house.user("ann").await, house.user("ann").await);
    let (mut bob, mut bob_too) = (house.user("bob").await, house.user("bob").await);
    say(&mut ann, "a1", "bob").await;
    let sent = say(&mut ann, "a2", "bob").await;
    for (socket, user) in [
        (&mut ann, "ann"),
        (&mut ann_too, "ann"),
        (&mut bob, "bob"),
        (&mut bob_too, "bob"),
    ] {
        let told = heard(socket, user, "message", "number", 2).await;
        let told: Vec<_> = told.iter().filter(|data| data["type"] == "message").collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(
            (
                &told[1]["from"],
                &told[1]["to"],
                &told[1]["text"],
                &told[1]["position"]
            ),
            (
                &json!("ann"),
                &json!("bob"),
                &json!("this is a2"),
                &sent["position"]
            )
        );
        assert!(told[1]["time"].as_i64().is_some_and(|time| time > 0));
    }
    let list = ask(&mut bob, "conversation.list", &sent, json!({})).await;
    assert_eq!(
        (&list["unread"], &list["conversations"][0]["unread"]),
        (&json!(2), &json!(2))
    );
    let read = json!({ "command_id": "r", "with": "ann", "upto": 1 });
    let read = bob.rpc("message.read", read).await.expect("read");
    assert_eq!(read["upto"], 1);
    for (socket, user) in [
        (&mut bob, "bob"),
        (&mut bob_too, "bob"),
        (&mut ann, "ann"),
        (&mut ann_too, "ann"),
    ] {
        let told = heard(socket, user, "message_read", "upto", 1).await;
        let mark = told.last().expect("a mark");
        assert_eq!((&mark["reader"], &mark["from"]), (&json!("bob"), &json!("ann")));
        assert_eq!(mark["position"], read["position"]);
    }
    let list = ask(&mut bob_too, "conversation.list", &read, json!({})).await;
    let line = &list["conversations"][0];
    assert_eq!(
        (&line["with"], &line["unread"], &line["read"]),
        (&json!("ann"), &json!(1), &json!(1))
    );
    assert_eq!(
        (&line["last"]["text"], &list["unread"]),
        (&json!("this is a2"), &json!(1))
    );
    let seen = ask(&mut ann, "message.list", &read, json!({ "with": "bob" })).await;
    assert_eq!((&seen["read_by"], &seen["unread"]), (&json!(1), &json!(0)));
    let back = json!({ "command_id": "r2", "with": "ann", "upto": 1 });
    assert_eq!(
        bob.rpc("message.read", back).await.expect("it was read")["upto"],
        1
    );
    house.assert_unharmed().await;
}

#[tokio::test]
async fn history_and_conversations_are_paged_newest_first() {
    let house = House::open();
    let (mut ann, mut bob, mut cat) = (
        house.user("ann").await,
        house.user("bob").await,
        house.user("cat").await,
    );
    for (id, to) in [("a1", "bob"), ("a2", "bob"), ("a3", "cat")] {
        say(&mut ann, id, to).await;
    }
    let last = say(&mut bob, "b1", "ann").await;
    let (mut found, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let data = json!({ "with": "ann", "limit": 2, "cursor": cursor });
        let page = ask(&mut bob, "message.list", &last, data).await;
        found.extend(texts(&page).into_iter().map(str::to_owned));
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(found, ["this is b1", "this is a2", "this is a1"]);
    let first = ask(&mut ann, "conversation.list", &last, json!({ "limit": 1 })).await;
    let rest = json!({ "limit": 1, "cursor": first["cursor"] });
    let rest = ask(&mut ann, "conversation.list", &last, rest).await;
    assert_eq!(first["conversations"][0]["with"], "bob");
    assert_eq!(rest["conversations"][0]["with"], "cat");
    assert!(rest["cursor"].is_null());
    let of_cat = ask(&mut cat, "conversation.list", &last, json!({})).await;
    assert_eq!(
        of_cat["conversations"].as_array().expect("lines").len(),
        1,
        "only one's own"
    );
    house.assert_unharmed().await;
}

#[tokio::test]
async fn who_was_away_recovers_each_message_and_a_killed_server_has_kept_all() {
    let house = House::open();
    let (mut ann, bob) = (house.user("ann").await, house.user("bob").await);
    let token = house.dev().token("bob").await.expect("a token");
    drop(bob);
    let mut bob = Socket::open(&house.server.address).await;
    let hello = bob.hello(&token).await;
    let (epoch, offset) = (
        hello["connect"]["subs"]["user:bob"]["epoch"].clone(),
        hello["connect"]["subs"]["user:bob"]["offset"].clone(),
    );
    drop(bob);
    let first = say(&mut ann, "a1", "bob").await;
    let second = say(&mut ann, "a2", "bob").await;
    house.dev().grant("bob", 5).await.expect("coins");
    ask(&mut ann, "conversation.list", &second, json!({})).await;
    let back = |offset: &Value| {
        let sub = json!({ "recover": true, "epoch": epoch, "offset": offset });
        json!({ "id": 1, "connect": { "token": token, "subs": { "user:bob": sub } } })
    };
    let mut bob = Socket::open(&house.server.address).await;
    let hello = bob.ask(back(&offset)).await;
    let sub = &hello["connect"]["subs"]["user:bob"];
    assert_eq!(sub["recovered"], true, "{hello}");
    let missed: Vec<_> = sub["publications"]
        .as_array()
        .expect("publications")
        .iter()
        .collect();
    let kinds: Vec<_> = missed.iter().map(|missed| &missed["data"]["type"]).collect();
    assert_eq!(kinds[..2], ["message", "message"], "{sub}");
    assert_eq!(missed[0]["offset"], first["position"]);
    drop(bob);

    let House { dir, server } = house;
    server.kill();
    let house = House::reopen(dir);
    let token_after = house.dev().token("bob").await.expect("a token");
    let mut bob = Socket::open(&house.server.address).await;
    let mut connect = back(&first["position"]);
    connect["connect"]["token"] = token_after.into();
    let hello = bob.ask(connect).await;
    let sub = &hello["connect"]["subs"]["user:bob"];
    let missed = sub["publications"].as_array().expect("publications");
    assert_eq!(
        (&sub["recovered"], &missed[0]["data"]["text"]),
        (&json!(true), &json!("this is a2"))
    );
    let list = ask(&mut bob, "message.list", &second, json!({ "with": "ann" })).await;
    assert_eq!(texts(&list), ["this is a2", "this is a1"]);
    assert_eq!(list["unread"], 2);
    let mut ann = house.user("ann").await;
    assert_eq!(say(&mut ann, "a2", "bob").await, second, "known over the restart");
    assert_eq!(say(&mut ann, "a3", "bob").await["number"], 3);
    assert_eq!(refused(&mut ann, "a4", "bob").await, 471);
    house.assert_unharmed().await;
}
