//! What gifts come to, and who hears of the big ones.

use std::time::{Duration, Instant};

use domain::limits::TICKETS_MAX;
use serde_json::{Value, json};

use crate::client::{House, PATIENCE, Socket, http};
use crate::console::Desk;

/// Between two looks at a number.
const ASK_EVERY: Duration = Duration::from_millis(20);

#[tokio::test]
async fn gifts_are_counted_by_room_and_on_the_whole_platform() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut moon = house.user("moon").await;
    moon.rpc("live.start", json!({ "command_id": "go" }))
        .await
        .expect("live");
    let mut position = 0;
    for (id, room, gift, count) in [
        ("1", "star", "rose", 3),
        ("2", "star", "beer", 1),
        ("3", "moon", "rose", 2),
        ("4", "star", "rose", 1),
        ("4", "star", "rose", 1),
    ] {
        let data = json!({ "command_id": id, "room": room, "gift": gift, "count": count });
        let answer = ann.rpc("gift.send", data).await.expect("sent");
        position = position.max(answer["position"].as_u64().expect("a position"));
    }
    ann.rpc("wallet.get", json!({ "min_position": position }))
        .await
        .expect("a wallet");
    let mut stats = async |data| {
        let answer = ann.rpc("gift.stats", data).await.expect("stats");
        assert!(answer["position"].as_u64() >= Some(position));
        answer["gifts"].clone()
    };
    assert_eq!(
        stats(json!({ "room": "star" })).await,
        json!([{ "gift": "beer", "count": 1, "coins": 66, "tickets": 66 }, { "gift": "rose", "count": 4, "coins": 40, "tickets": 40 }])
    );
    assert_eq!(
        stats(json!({ "room": "moon" })).await,
        json!([{ "gift": "rose", "count": 2, "coins": 20, "tickets": 20 }])
    );
    assert_eq!(
        stats(json!({})).await,
        json!([{ "gift": "beer", "count": 1, "coins": 66, "tickets": 66 }, { "gift": "rose", "count": 6, "coins": 60, "tickets": 60 }])
    );
    assert_eq!(stats(json!({ "room": "nobody" })).await, json!([]));
    assert_eq!(ann.refusal("gift.stats", json!({ "room": "a b" })).await, 403);
    assert!(house.server.stop().success());
    let data = house.dir.path().to_string_lossy().into_owned();
    let (code, out, said) = crate::support::livehouse(&["rebuild", "--check", "gift_stats", "--data", &data]);
    assert_eq!(code, 0, "{out}{said}");
}

#[tokio::test]
async fn a_big_gift_is_told_in_every_other_live_room_and_a_smaller_one_is_not() {
    let house = House::with_a_show().await;
    house.dev().grant("ann", 200_000).await.expect("coins");
    let mut ann = house.user("ann").await;
    let mut moon = house.user("moon").await;
    moon.rpc("live.start", json!({ "command_id": "go" }))
        .await
        .expect("live");
    let (mut in_moon, mut in_star, mut in_dark) = (
        house.user("eve").await,
        house.user("kim").await,
        house.user("lee").await,
    );
    for (user, room) in [
        (&mut in_moon, "room:moon"),
        (&mut in_star, "room:star"),
        (&mut in_dark, "room:dark"),
    ] {
        assert!(user.subscribe(room).await.is_object());
    }
    let castles =
        |id: &str, count: u32| json!({ "command_id": id, "room": "star", "gift": "castle", "count": count });
    ann.rpc("gift.send", castles("small", 5)).await.expect("sent");
    let big = ann.rpc("gift.send", castles("big", 6)).await.expect("sent");
    let told = in_moon
        .publications("room:moon", |p| p["type"] == "big_gift")
        .await;
    let told = told.last().expect("the announcement");
    assert!(told["offset"].is_null(), "ephemeral: {told}");
    assert_eq!(
        told["data"],
        json!({ "type": "big_gift", "user": "ann", "room": "star", "gift": "castle", "count": 6, "coins": 59_994,
            "position": big["position"] })
    );
    // Whatever was announced in the other two rooms came before what is said there now.
    for (user, room) in [(&mut in_star, "star"), (&mut in_dark, "dark")] {
        let chat = json!({ "command_id": "c", "room": room, "text": "after it" });
        user.rpc("chat.send", chat).await.expect("said");
        let heard = user
            .publications(&format!("room:{room}"), |p| p["type"] == "chat")
            .await;
        assert!(heard.iter().all(|p| p["data"]["type"] != "big_gift"), "{heard:?}");
    }
}

/// How long the oldest gift that is not credited waits, in seconds.
async fn settlement_lag(house: &House) -> f64 {
    let (_, metrics) = http("GET", &house.server.address, "/metrics").await;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("livehouse_settlement_lag_seconds "));
    let line = line.unwrap_or_else(|| panic!("it is measured: {metrics}"));
    line.parse().expect("a number")
}

/// Waits until the lag is such.
async fn lag_becomes(house: &House, such: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lag = settlement_lag(house).await;
        if such(lag) {
            return;
        }
        assert!(Instant::now() < deadline, "the lag stays at {lag}");
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn tickets(star: &mut Socket, min_position: &Value) -> u64 {
    let data = json!({ "min_position": min_position });
    let wallet = star.rpc("wallet.get", data).await.expect("a wallet");
    wallet["tickets"].as_u64().expect("a number")
}

/// The tickets that the room's counters tell, once they are these.
async fn room_counts(socket: &mut Socket, tickets: u64) {
    let counted = |p: &Value| p["type"] == "counters" && p["tickets"] == tickets;
    socket.publications("room:star", counted).await;
}

/// Settlement is held up truly: the account is as full as one can be, so that nothing can be credited to it.
#[tokio::test]
async fn the_rooms_number_rises_with_a_gift_that_is_not_credited_yet_and_the_lag_tells_so() {
    let house = House::with_a_show().await;
    lag_becomes(&house, |lag| lag == 0.0).await;
    let kim = Desk::of_demo(&house, "kim").await;
    kim.give_tickets("star", TICKETS_MAX).await;
    let mut star = house.user("star").await;
    let mut watcher = house.user("watcher").await;
    let subscribed = watcher.subscribe("room:star").await;
    assert_eq!(subscribed["recoverable"], true, "{subscribed}");
    room_counts(&mut watcher, 0).await;

    let mut ann = house.user("ann").await;
    let gift = |id: &str| json!({ "command_id": id, "room": "star", "gift": "rose", "count": 1 });
    let first = ann.rpc("gift.send", gift("g1")).await.expect("sent");
    room_counts(&mut watcher, 10).await;
    assert_eq!(tickets(&mut star, &first["position"]).await, TICKETS_MAX);
    lag_becomes(&house, |lag| lag > 1.0).await;
    let second = ann.rpc("gift.send", gift("g2")).await.expect("sent");
    room_counts(&mut watcher, 20).await;
    assert_eq!(tickets(&mut star, &second["position"]).await, TICKETS_MAX);
    let waited = settlement_lag(&house).await;
    assert!(waited > 1.0, "the oldest counts: {waited}");

    // With room on the account the next start credits both, once, and the lag is over.
    let less = json!({ "command_id": "less", "amount": -1_000, "reason": "a test" });
    let (status, said) = kim.post("/users/star/tickets", less).await;
    assert_eq!(status, 200, "{said}");
    let House { dir, server } = house;
    server.kill();
    let house = House::reopen(dir);
    lag_becomes(&house, |lag| lag == 0.0).await;
    let mut star = house.user("star").await;
    let deadline = Instant::now() + PATIENCE;
    while tickets(&mut star, &json!(0)).await != TICKETS_MAX - 1_000 + 20 {
        assert!(Instant::now() < deadline, "the gifts are not credited");
        tokio::time::sleep(ASK_EVERY).await;
    }
}
