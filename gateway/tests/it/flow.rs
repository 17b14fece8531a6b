//! Commands, pushes and reports over real sockets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway::{Class, Config, Disconnect, Publication, Unsubscribe};
use serde_json::json;

use crate::stage::{EPOCH, Stage};
use crate::support::{Raw, Server};

fn server(config: Config) -> (std::sync::Arc<Stage>, Server) {
    let stage = Stage::new(0);
    let server = Server::start(config, stage.hub.clone(), stage.clone());
    (stage, server)
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

/// Waits until the stage has been told something.
async fn reported(stage: &Stage, what: &str) -> Vec<String> {
    let told = async {
        loop {
            let reports = stage.reported();
            if reports.iter().any(|report| report == what) {
                return reports;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .expect("reported in time")
}

#[tokio::test]
async fn an_rpc_is_answered_with_its_data_its_error_or_the_door() {
    let (_stage, server) = server(Config::default());
    let (mut raw, _) = Raw::connected(&server, "a").await;
    let echo = raw
        .ask(json!({"id": 2, "rpc": {"method": "echo", "data": {"n": [1, 2]}}}))
        .await;
    assert_eq!(echo["rpc"]["data"], json!({"n": [1, 2]}));
    let refused = raw.ask(json!({"id": 3, "rpc": {"method": "refuse"}})).await;
    assert_eq!(
        refused["error"],
        json!({"code": 402, "message": "not enough coins"})
    );
    let unknown = raw.ask(json!({"id": 4, "rpc": {"method": "what"}})).await;
    assert_eq!(unknown["error"]["code"], 104);
    raw.send(&json!({"id": 5, "rpc": {"method": "leave"}}).to_string())
        .await;
    let closed = raw.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (4001, "as you wish"));
}

#[tokio::test]
async fn a_thousand_pipelined_calls_are_each_answered_once() {
    let (_stage, server) = server(Config {
        commands_per_second_max: 0,
        ..Config::default()
    });
    let (mut raw, _) = Raw::connected(&server, "a").await;
    let calls = (2..1_002u32).map(|id| json!({"id": id, "rpc": {"method": "echo", "data": id}}).to_string());
    raw.send(&calls.collect::<Vec<_>>().join("\n")).await;
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < 1_000 {
        let reply = raw.next().await;
        assert_eq!(reply["id"], reply["rpc"]["data"]);
        assert!(answered.insert(reply["id"].as_u64()), "{reply}");
    }
}

#[tokio::test]
async fn a_slow_call_holds_up_no_other_and_too_many_stop_the_reading() {
    let (stage, server) = server(Config {
        commands_in_flight_max: 2,
        ..Config::default()
    });
    let (mut raw, _) = Raw::connected(&server, "a").await;
    raw.send(&json!({"id": 2, "rpc": {"method": "wait"}}).to_string())
        .await;
    let echo = raw
        .ask(json!({"id": 3, "rpc": {"method": "echo", "data": 3}}))
        .await;
    assert_eq!(echo["rpc"]["data"], 3);
    raw.send(&json!({"id": 4, "rpc": {"method": "wait"}}).to_string())
        .await;
    raw.send(&json!({"id": 5, "rpc": {"method": "echo", "data": 5}}).to_string())
        .await;
    stage.gate.notify_one();
    let first = raw.next().await["id"].as_u64();
    assert!(
        matches!(first, Some(2 | 4)),
        "5 waits in the socket until one of the others is done: {first:?}"
    );
    assert_eq!(raw.next().await["id"], 5);
}

#[tokio::test]
async fn publications_arrive_in_order_behind_the_subscribe_reply() {
    let (stage, server) = server(Config::default());
    stage.set_top(10);
    let (mut raw, _) = Raw::connected(&server, "a").await;
    let reply = raw.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    assert_eq!(
        reply["subscribe"],
        json!({"recoverable": true, "positioned": true, "epoch": EPOCH, "offset": 10, "data": {"snapshot": true}})
    );
    for offset in 11..=13 {
        assert_eq!(stage.publish("c"), 1);
        assert_eq!(raw.next().await["push"]["pub"]["offset"], offset);
    }
}

#[tokio::test]
async fn after_the_unsubscribe_reply_nothing_of_the_channel_comes() {
    let (stage, server) = server(Config::default());
    let (mut raw, _) = Raw::connected(&server, "a").await;
    raw.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    let reply = raw.ask(json!({"id": 3, "unsubscribe": {"channel": "c"}})).await;
    assert_eq!(reply["unsubscribe"], json!({}));
    assert_eq!(stage.publish("c"), 0);
    let echo = raw
        .ask(json!({"id": 4, "rpc": {"method": "echo", "data": 1}}))
        .await;
    assert_eq!(echo["rpc"]["data"], 1);
}

#[tokio::test]
async fn the_backend_hears_of_every_coming_and_going_once() {
    let (stage, server) = server(Config::default());
    {
        let (mut raw, _) = Raw::connected(&server, "served").await;
        raw.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
        raw.ask(json!({"id": 3, "subscribe": {"channel": "d"}})).await;
        raw.ask(json!({"id": 4, "unsubscribe": {"channel": "d"}})).await;
        assert_eq!(
            server.hub.unsubscribe_user("served", "c", &Unsubscribe::SERVER),
            1
        );
        assert_eq!(
            raw.next().await["push"],
            json!({"channel": "c", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}})
        );
        reported(&stage, "served unsubscribed c 2000").await;
    }
    let reports = reported(&stage, "served disconnected 3000").await;
    assert_eq!(
        reports,
        [
            "served connected",
            "served subscribed user:served",
            "served subscribed c",
            "served subscribed d",
            "served unsubscribed d 0",
            "served unsubscribed c 2000",
            "served unsubscribed user:served 0",
            "served disconnected 3000",
        ]
    );
    assert_eq!((server.hub.connections(), server.hub.channels()), (0, 0));
}

#[tokio::test]
async fn a_call_under_way_is_dropped_when_its_socket_goes() {
    let (stage, server) = server(Config::default());
    {
        let (mut raw, _) = Raw::connected(&server, "a").await;
        raw.send(&json!({"id": 2, "rpc": {"method": "wait"}}).to_string())
            .await;
        raw.ask(json!({"id": 3, "rpc": {"method": "echo", "data": 1}}))
            .await;
    }
    reported(&stage, "a disconnected 3000").await;
    assert_eq!(server.hub.connections(), 0);
}

#[tokio::test]
async fn a_user_is_put_out_with_the_reason_given() {
    let (_stage, server) = server(Config::default());
    let (mut first, reply) = Raw::connected(&server, "a").await;
    let (mut second, _) = Raw::connected(&server, "a").await;
    let client = reply["connect"]["client"].as_str().expect("an id").to_owned();
    assert!(
        server
            .hub
            .disconnect_client(&client, &Disconnect::FORCE_RECONNECT)
    );
    assert_eq!(first.close_code().await, 3011);
    assert_eq!(
        server
            .hub
            .disconnect_user("a", &Disconnect::new(4500, "banned: \u{1f6ab}".repeat(20))),
        1
    );
    let closed = second.closed().await;
    assert_eq!(closed.code, 4500);
    assert!(
        closed.reason.len() <= 123 && closed.reason.starts_with("banned"),
        "{closed:?}"
    );
}

#[tokio::test]
async fn a_refresh_on_the_live_socket_keeps_it() {
    let (_stage, server) = server(Config {
        expiry_grace: Duration::ZERO,
        ..Config::default()
    });
    let (mut raw, reply) = Raw::connected(&server, &format!("a@{}", unix_now() + 2)).await;
    assert_eq!(reply["connect"]["expires"], true);
    let token = format!("a@{}", unix_now() + 3_600);
    let reply = raw.ask(json!({"id": 2, "refresh": {"token": token}})).await;
    assert_eq!(reply["refresh"]["expires"], true);
    let reply = raw.ask(json!({"id": 3, "refresh": {"token": "a@1"}})).await;
    assert_eq!(reply["error"]["code"], 110);
    raw.send(&json!({"id": 4, "refresh": {"token": "someone-else"}}).to_string())
        .await;
    assert_eq!(raw.close_code().await, 3500);
}

#[tokio::test]
async fn credentials_that_run_out_close_with_3005_and_subscriptions_end_with_2501() {
    let (stage, server) = server(Config {
        expiry_grace: Duration::ZERO,
        ..Config::default()
    });
    let (mut raw, _) = Raw::connected(&server, &format!("a@{}", unix_now() + 3)).await;
    let token = format!("t@{}", unix_now() + 1);
    let reply = raw
        .ask(json!({"id": 2, "subscribe": {"channel": "c", "token": token}}))
        .await;
    assert_eq!(reply["subscribe"]["expires"], true);
    assert_eq!(
        raw.next().await["push"],
        json!({"channel": "c", "unsubscribe": {"code": 2501, "reason": "subscription expired"}})
    );
    reported(&stage, "a unsubscribed c 2501").await;
    assert_eq!(raw.close_code().await, 3005);
}

#[tokio::test]
async fn classes_travel_in_one_order_and_only_durable_ones_have_offsets() {
    let (stage, server) = server(Config::default());
    let (mut raw, _) = Raw::connected(&server, "a").await;
    raw.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    stage.publish("c");
    for (class, data) in [
        (Class::State, "{\"viewers\":1}"),
        (Class::Ephemeral, "{\n\"heart\": 1\n}"),
    ] {
        assert_eq!(server.hub.publish("c", class, &Publication::new(data)), Ok(1));
    }
    assert_eq!(raw.next().await["push"]["pub"]["offset"], 1);
    assert_eq!(raw.next().await["push"]["pub"], json!({"data": {"viewers": 1}}));
    assert_eq!(raw.next().await["push"]["pub"], json!({"data": {"heart": 1}}));
}
