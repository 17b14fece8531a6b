//! Follows and blocks over the wire: lists, relations, and what a block ends and bars.

use serde_json::{Value, json};

use crate::client::{House, Socket};

const STAR: &str = "room:star";

/// A command with an id of its own; gives the position of the answer.
async fn act(socket: &mut Socket, method: &str, id: &str, field: &str, whom: &str) -> u64 {
    let answer = socket.rpc(method, json!({ "command_id": id, field: whom })).await;
    let answer = answer.unwrap_or_else(|refusal| panic!("{method} {whom}: {refusal:?}"));
    answer["position"].as_u64().expect("a position")
}

async fn follow(socket: &mut Socket, id: &str, whom: &str) -> u64 {
    act(socket, "follow.add", id, "streamer", whom).await
}

/// A query that has read everything up to a position.
async fn ask(socket: &mut Socket, method: &str, upto: u64, mut data: Value) -> Value {
    let object = data.as_object_mut().expect("an object");
    object.insert("min_position".into(), upto.into());
    socket.rpc(method, data).await.expect("an answer")
}

/// Every entry of a list, page by page, without its times.
async fn pages(socket: &mut Socket, method: &str, upto: u64, mut data: Value) -> Vec<(String, Option<bool>)> {
    let mut found = Vec::new();
    loop {
        let page = ask(socket, method, upto, data.clone()).await;
        for line in page["users"].as_array().expect("users") {
            assert!(line["since"].as_i64().is_some_and(|since| since > 0), "{line}");
            let user = line["user"].as_str().expect("a user").to_owned();
            found.push((user, line["mutual"].as_bool()));
        }
        let Some(cursor) = page["cursor"].as_str() else {
            return found;
        };
        data["cursor"] = cursor.into();
    }
}

async fn between(socket: &mut Socket, upto: u64, users: Value) -> Vec<Value> {
    let told = ask(socket, "relation.get", upto, json!({ "users": users })).await;
    told["relations"].as_array().expect("relations").clone()
}

fn relation(user: &str, following: bool, followed_by: bool, blocked: bool) -> Value {
    json!({
        "user": user, "following": following, "followed_by": followed_by,
        "mutual": following && followed_by, "blocked": blocked,
    })
}

async fn kept_out(socket: &mut Socket) -> u64 {
    let subscribe = json!({ "id": 900, "subscribe": { "channel": STAR } });
    let reply = socket.ask(subscribe).await;
    reply["error"]["code"]
        .as_u64()
        .unwrap_or_else(|| panic!("{reply}"))
}

/// Waits until this socket was put out of the room; gives the code.
async fn put_out(socket: &mut Socket) -> u64 {
    let is_end = |value: &Value| value["push"]["channel"] == STAR && value["push"]["unsubscribe"].is_object();
    let earlier = std::mem::take(&mut socket.pushes);
    let mut end = earlier.into_iter().find(is_end);
    while end.is_none() {
        end = Some(socket.next().await).filter(is_end);
    }
    let code = end.and_then(|end| end["push"]["unsubscribe"]["code"].as_u64());
    code.expect("a code")
}

#[tokio::test]
async fn follows_are_listed_both_ways_latest_first_and_a_writer_reads_the_own_write() {
    let house = House::with_a_show().await;
    let (mut ann, mut bob, mut star) = (
        house.user("ann").await,
        house.user("bob").await,
        house.user("star").await,
    );
    follow(&mut ann, "f1", "bob").await;
    let last = follow(&mut ann, "f2", "star").await;
    let list = pages(&mut ann, "follow.list", last, json!({ "limit": 1 })).await;
    assert_eq!(list, [("star".into(), Some(false)), ("bob".into(), Some(false))]);
    follow(&mut bob, "f1", "star").await;
    let last = follow(&mut star, "f1", "ann").await;
    let followers = json!({ "streamer": "star", "limit": 1 });
    let list = pages(&mut star, "follower.list", last, followers.clone()).await;
    assert_eq!(list, [("bob".into(), Some(false)), ("ann".into(), Some(true))]);
    assert_eq!(ask(&mut bob, "follower.list", last, followers).await["total"], 2);
    assert_eq!(
        between(&mut star, last, json!(["ann", "bob", "nobody", "star"])).await,
        [
            relation("ann", true, true, false),
            relation("bob", false, true, false),
            relation("nobody", false, false, false),
            relation("star", false, false, false),
        ]
    );
    let last = act(&mut ann, "follow.remove", "u", "streamer", "star").await;
    let list = pages(&mut ann, "follow.list", last, json!({})).await;
    assert_eq!(list, [("bob".into(), Some(false))]);
    let mut many: Vec<String> = (0..100).map(|n| format!("u{n}")).collect();
    assert_eq!(between(&mut ann, last, json!(many)).await.len(), 100);
    many.push("one.more".into());
    for users in [json!([]), json!(many)] {
        assert_eq!(ann.refusal("relation.get", json!({ "users": users })).await, 436);
    }
    assert_eq!(
        ann.refusal("relation.get", json!({ "users": ["a b"] })).await,
        403
    );
    assert_eq!(ann.refusal("relation.get", json!({ "user": "bob" })).await, 404);
    house.assert_unharmed().await;
}

#[tokio::test]
async fn a_block_ends_the_follows_puts_out_and_bars_until_it_is_taken_back() {
    let house = House::with_a_show().await;
    let (mut ann, mut ann_too, mut bob, mut star) = (
        house.user("ann").await,
        house.user("ann").await,
        house.user("bob").await,
        house.user("star").await,
    );
    for socket in [&mut ann, &mut ann_too, &mut bob] {
        assert_eq!(socket.subscribe(STAR).await["recoverable"], true);
    }
    follow(&mut ann, "f1", "star").await;
    follow(&mut bob, "f1", "star").await;
    follow(&mut star, "f1", "ann").await;
    let said = json!({ "command_id": "s1", "room": "star", "text": "before" });
    let before = ann.rpc("chat.send", said.clone()).await.expect("said");

    let blocked = act(&mut star, "block.add", "b", "user", "ann").await;
    assert_eq!(put_out(&mut ann).await, 2102);
    assert_eq!(put_out(&mut ann_too).await, 2102);
    assert_eq!(
        between(&mut star, blocked, json!(["ann", "bob"])).await,
        [
            relation("ann", false, false, true),
            relation("bob", false, true, false)
        ]
    );
    // Who is blocked is not told by any list.
    assert_eq!(
        between(&mut ann, blocked, json!(["star"])).await,
        [relation("star", false, false, false)]
    );
    let list = pages(&mut star, "block.list", blocked, json!({})).await;
    assert_eq!(list, [("ann".into(), None)]);
    assert_eq!(ask(&mut star, "block.list", blocked, json!({})).await["total"], 1);
    assert!(pages(&mut ann, "block.list", blocked, json!({})).await.is_empty());
    let followers = json!({ "streamer": "star" });
    let list = pages(&mut bob, "follower.list", blocked, followers).await;
    assert_eq!(list, [("bob".into(), Some(false))]);

    for (method, data) in [
        ("follow.add", json!({ "command_id": "f2", "streamer": "star" })),
        ("room.info", json!({ "room": "star" })),
        (
            "like.send",
            json!({ "command_id": "l", "room": "star", "count": 1 }),
        ),
        (
            "chat.send",
            json!({ "command_id": "s2", "room": "star", "text": "after" }),
        ),
    ] {
        assert_eq!(ann.refusal(method, data).await, 434, "{method}");
    }
    assert_eq!(kept_out(&mut ann).await, 434);
    assert_eq!(kept_out(&mut house.user("ann").await).await, 434);
    // What was accepted before is answered as it was.
    assert_eq!(ann.rpc("chat.send", said).await, Ok(before));
    let refused = json!({ "command_id": "f2", "streamer": "ann" });
    assert_eq!(star.refusal("follow.add", refused).await, 435);
    let oneself = json!({ "command_id": "b2", "user": "star" });
    assert_eq!(star.refusal("block.add", oneself).await, 432);

    act(&mut star, "block.remove", "u", "user", "ann").await;
    assert_eq!(ann.subscribe(STAR).await["recoverable"], true);
    let last = follow(&mut ann, "f3", "star").await;
    assert_eq!(
        between(&mut ann, last, json!(["star"])).await,
        [relation("star", true, false, false)]
    );
    house.assert_unharmed().await;
}

#[tokio::test]
async fn a_query_that_asks_for_too_much_of_the_future_is_refused_in_time() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    for method in ["follow.list", "block.list", "room.list"] {
        let refusal = ann.refusal(method, json!({ "min_position": 1_000_000 })).await;
        assert_eq!(refusal, 400, "{method}");
        assert_eq!(ann.refusal(method, json!({ "min_position": "soon" })).await, 404);
    }
}
