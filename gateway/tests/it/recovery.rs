//! Nothing durable is missed and nothing comes twice: recovery by position, large gaps, slow readers.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use gateway::{Config, Disconnect, limits};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::stage::{EPOCH, Stage};
use crate::support::{Raw, Server};

fn server(config: Config, pad_bytes: usize) -> (Arc<Stage>, Server) {
    let stage = Stage::new(pad_bytes);
    let server = Server::start(config, stage.hub.clone(), stage.clone());
    (stage, server)
}

fn recover(id: u32, offset: u64) -> Value {
    json!({"id": id, "subscribe": {"channel": "c", "recover": true, "offset": offset, "epoch": EPOCH}})
}

/// Reads every object with its frame's size, in order, until `last` has been seen.
async fn read_until(raw: &mut Raw, last: u64) -> Vec<u64> {
    let mut offsets = Vec::new();
    while offsets.last() != Some(&last) {
        let Message::Text(text) = raw.next_message().await else {
            continue;
        };
        assert!(
            text.len() < limits::FRAME_BYTES_MAX,
            "a frame of {} bytes",
            text.len()
        );
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("JSON");
            if let Some(publications) = value["subscribe"]["publications"].as_array() {
                offsets.extend(publications.iter().filter_map(|p| p["offset"].as_u64()));
            }
            offsets.extend(value["push"]["pub"]["offset"].as_u64());
        }
    }
    offsets
}

/// Publishes to a client that reads nothing, at a pace the socket can take, until the kernel's buffers and the outbox
/// are full and its subscription is given up.
async fn publish_until_lost(stage: &Stage, server: &Server, channel: &str) {
    let stats = server.hub.stats();
    while stats.lost_durable_subscriptions.load(Relaxed) == 0 {
        assert!(
            stage.top() < 100_000,
            "the subscription should have been given up by now"
        );
        let sent_before = stats.messages_sent.load(Relaxed);
        stage.publish(channel);
        for _ in 0..100 {
            if stats.messages_sent.load(Relaxed) > sent_before {
                break;
            }
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
    }
}

#[tokio::test]
async fn a_known_position_gets_exactly_what_it_missed() {
    let (stage, server) = server(Config::default(), 0);
    stage.set_top(5);
    let (mut raw, _) = Raw::connected(&server, "a").await;
    let reply = raw.ask(recover(2, 3)).await;
    let publications =
        json!([{"data": {"n": 4, "pad": ""}, "offset": 4}, {"data": {"n": 5, "pad": ""}, "offset": 5}]);
    assert_eq!(
        reply["subscribe"],
        json!({"recoverable": true, "positioned": true, "epoch": EPOCH, "offset": 3, "was_recovering": true,
            "recovered": true, "publications": publications})
    );
    stage.publish("c");
    assert_eq!(raw.next().await["push"]["pub"]["offset"], 6);
}

#[tokio::test]
async fn a_client_at_the_top_recovers_nothing_and_is_told_so() {
    let (stage, server) = server(Config::default(), 0);
    stage.set_top(5);
    let (mut raw, _) = Raw::connected(&server, "a").await;
    let reply = raw.ask(recover(2, 5)).await;
    assert_eq!(
        (
            reply["subscribe"]["recovered"].as_bool(),
            &reply["subscribe"]["publications"]
        ),
        (Some(true), &Value::Null)
    );
}

#[tokio::test]
async fn any_epoch_is_accepted_when_none_is_given() {
    let (stage, server) = server(Config::default(), 0);
    stage.set_top(5);
    let (mut raw, _) = Raw::connected(&server, "a").await;
    let reply = raw
        .ask(json!({"id": 2, "subscribe": {"channel": "c", "recover": true, "offset": 4}}))
        .await;
    assert_eq!(reply["subscribe"]["recovered"], true);
}

#[tokio::test]
async fn a_position_that_cannot_be_recovered_gets_a_snapshot_or_112() {
    let (stage, server) = server(Config::default(), 0);
    stage.set_top(9);
    stage.trimmed.store(4, SeqCst);
    for (what, offset, epoch) in [
        ("trimmed", 3, EPOCH),
        ("of another epoch", 8, "_"),
        ("beyond the top", 10, EPOCH),
    ] {
        let request = |flag: i64| {
            json!({"id": 2, "subscribe": {"channel": "c", "recover": true, "offset": offset,
            "epoch": epoch, "flag": flag}})
        };
        let (mut raw, _) = Raw::connected(&server, "a").await;
        assert_eq!(raw.ask(request(2)).await["error"]["code"], 112, "{what}");
        let reply = raw.ask(request(0)).await;
        assert_eq!(
            reply["subscribe"],
            json!({"recoverable": true, "positioned": true, "epoch": EPOCH, "offset": 9, "was_recovering": true,
                "data": {"snapshot": true}}),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_gap_of_twenty_thousand_arrives_whole_in_frames_below_the_limit_while_more_is_published() {
    let (stage, server) = server(Config::default(), 400);
    stage.set_top(20_000);
    let (mut raw, _) = Raw::connected(&server, "a").await;
    raw.send(&recover(2, 0).to_string()).await;
    let publisher = {
        let stage = stage.clone();
        tokio::task::spawn_blocking(move || {
            for _ in 0..3_000 {
                stage.publish("c");
            }
        })
    };
    let offsets = read_until(&mut raw, 23_000).await;
    publisher.await.expect("published");
    assert!(
        offsets.iter().copied().eq(1..=23_000),
        "first {:?}, count {}",
        offsets.first(),
        offsets.len()
    );
}

#[tokio::test]
async fn five_thousand_missed_publications_of_two_kilobytes_come_in_frames_far_below_the_limit() {
    let (stage, server) = server(Config::default(), 2_000);
    stage.set_top(5_000);
    let (mut raw, _) = Raw::connected(&server, "a").await;
    raw.send(&recover(2, 0).to_string()).await;
    let (mut offsets, mut largest) = (Vec::new(), 0);
    while offsets.last() != Some(&5_000) {
        let Message::Text(text) = raw.next_message().await else {
            continue;
        };
        largest = largest.max(text.len());
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("JSON");
            if let Some(publications) = value["subscribe"]["publications"].as_array() {
                offsets.extend(publications.iter().filter_map(|p| p["offset"].as_u64()));
            }
            offsets.extend(value["push"]["pub"]["offset"].as_u64());
        }
    }
    assert!(offsets.iter().copied().eq(1..=5_000), "{} came", offsets.len());
    assert!(
        largest < limits::RECOVERY_REPLY_BYTES_MAX + 32_768,
        "a frame of {largest} bytes"
    );
}

#[tokio::test]
async fn a_reader_that_stalls_loses_its_place_with_2500_and_recovers_every_durable_publication() {
    let (stage, server) = server(
        Config {
            outbox_bytes_max: 100_000,
            ..Config::default()
        },
        1_000,
    );
    let (mut slow, _) = Raw::connected(&server, "slow").await;
    slow.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    publish_until_lost(&stage, &server, "c").await;
    let mut seen = Vec::new();
    let code = loop {
        let push = slow.next().await["push"].take();
        seen.extend(push["pub"]["offset"].as_u64());
        if let Some(code) = push["unsubscribe"]["code"].as_u64() {
            break code;
        }
    };
    assert_eq!(code, 2500);
    for _ in 0..10 {
        assert_eq!(stage.publish("c"), 0, "the slow one is out");
    }
    let last = *seen.last().expect("some came");
    slow.send(&recover(3, last).to_string()).await;
    let end = stage.top();
    seen.extend(read_until(&mut slow, end).await);
    assert!(seen.iter().copied().eq(1..=end), "{} of {end}", seen.len());
}

#[tokio::test]
async fn a_stalled_reader_delays_nobody() {
    let (stage, server) = server(
        Config {
            outbox_bytes_max: 100_000,
            ..Config::default()
        },
        1_000,
    );
    let (mut slow, _) = Raw::connected(&server, "slow").await;
    let (mut fast, _) = Raw::connected(&server, "fast").await;
    slow.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    fast.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    for offset in 1..=5_000u64 {
        stage.publish("c");
        assert_eq!(fast.next().await["push"]["pub"]["offset"], offset);
    }
    drop(slow);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_put_out_at_once_all_the_same() {
    let (stage, server) = server(
        Config {
            outbox_bytes_max: 100_000,
            ..Config::default()
        },
        1_000,
    );
    let (mut slow, _) = Raw::connected(&server, "slow").await;
    slow.ask(json!({"id": 2, "subscribe": {"channel": "c"}})).await;
    publish_until_lost(&stage, &server, "c").await;
    assert_eq!(server.hub.connections(), 1, "it stands still, and is still there");
    server
        .hub
        .disconnect_user("slow", &Disconnect::new(4500, "banned"));
    let gone = tokio::time::timeout(Duration::from_secs(5), stage.gate.notified());
    gone.await.expect("nobody waits for the reader");
    assert!(stage.reported().contains(&"slow disconnected 4500".to_owned()));
    assert_eq!(server.hub.connections(), 0);
}

#[tokio::test]
async fn a_server_side_subscription_recovers_in_the_connect_reply() {
    let (stage, server) = server(Config::default(), 0);
    stage.set_top(3);
    let mut raw = Raw::open(&server).await;
    let subs = json!({"user:served": {"recover": true, "offset": 1, "epoch": EPOCH}});
    let reply = raw
        .ask(json!({"id": 1, "connect": {"token": "served", "subs": subs}}))
        .await;
    let sub = &reply["connect"]["subs"]["user:served"];
    assert_eq!(
        (
            sub["recovered"].as_bool(),
            sub["publications"].as_array().map(Vec::len)
        ),
        (Some(true), Some(2))
    );
    stage.publish("user:served");
    assert_eq!(raw.next().await["push"]["pub"]["offset"], 4);
}

#[tokio::test]
async fn a_server_side_subscription_that_lost_its_place_closes_with_3010() {
    let (stage, server) = server(
        Config {
            outbox_bytes_max: 100_000,
            ..Config::default()
        },
        1_000,
    );
    let (mut slow, _) = Raw::connected(&server, "served").await;
    publish_until_lost(&stage, &server, "user:served").await;
    assert_eq!(slow.close_code().await, 3010);
}

#[tokio::test]
async fn subscriptions_opened_under_fire_have_no_hole_and_no_double() {
    let (stage, server) = server(Config::default(), 10);
    let publisher = {
        let stage = stage.clone();
        tokio::task::spawn_blocking(move || {
            for _ in 0..20_000 {
                stage.publish("c");
                std::thread::yield_now();
            }
        })
    };
    let mut readers = Vec::new();
    for n in 0..10u64 {
        let (mut raw, _) = Raw::connected(&server, "a").await;
        readers.push(tokio::spawn(async move {
            let from = if n % 2 == 0 { Some(n) } else { None };
            let command = from.map_or(json!({"id": 2, "subscribe": {"channel": "c"}}), |from| {
                recover(2, from)
            });
            let reply = raw.ask(command).await;
            let sub = &reply["subscribe"];
            let mut last = sub["offset"].as_u64().unwrap_or(0);
            let recovered = sub["publications"].as_array().cloned().unwrap_or_default();
            for publication in recovered {
                assert_eq!(publication["offset"], last + 1);
                last += 1;
            }
            while last < 20_000 {
                let push = raw.next().await;
                assert_eq!(push["push"]["pub"]["offset"], last + 1, "reader {n}");
                last += 1;
            }
        }));
    }
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(60), reader)
            .await
            .expect("in time")
            .expect("no hole");
    }
    publisher.await.expect("published");
}

#[tokio::test]
async fn a_client_that_never_reads_is_dropped_by_the_kernel_and_leaves_nothing() {
    let stage = Stage::new(1_000);
    let config = Config {
        outbox_bytes_max: 100_000,
        ..Config::default()
    };
    let patience = Duration::from_secs(1);
    let server = Server::start_with_patience(config, stage.hub.clone(), stage.clone(), patience);
    let (mut silent, _) = Raw::connected(&server, "a").await;
    silent
        .ask(json!({"id": 2, "subscribe": {"channel": "plain"}}))
        .await;
    let gone = async {
        while server.hub.connections() > 0 {
            stage.publish("plain");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .expect("dropped in time");
    assert_eq!(server.hub.channels(), 0);
    assert!(
        stage
            .reported()
            .iter()
            .any(|report| report.starts_with("a disconnected"))
    );
}
