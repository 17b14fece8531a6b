//! The history of a wallet, over the real server and over journals made for it.

use std::collections::BTreeSet;

use domain::{StreamKind, UserId};
use journal::{Position, Reader};
use livehouse::ledger::history::{Mark, page};
use serde_json::{Value, json};

use crate::client::{COINS, House, Socket};
use crate::written::{Written, event};

fn rose(id: &str) -> Value {
    json!({ "command_id": id, "room": "star", "gift": "rose", "count": 1 })
}

fn positions(entries: &[Value]) -> Vec<u64> {
    let position = |entry: &Value| entry["position"].as_u64().expect("a position");
    entries.iter().map(position).collect()
}

/// One page: its entries, and the cursor to the next.
async fn history(user: &mut Socket, cursor: &Value, limit: u64) -> (Vec<Value>, Value) {
    let mut data = json!({ "limit": limit });
    if cursor.is_string() {
        data["cursor"] = cursor.clone();
    }
    let mut answer = user.rpc("wallet.history", data).await.expect("a page");
    let entries = answer["entries"].as_array().expect("a list").clone();
    (entries, answer["cursor"].take())
}

#[tokio::test]
async fn every_entry_comes_once_page_by_page_while_new_ones_come_in() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut sent = Vec::new();
    for number in 0..25 {
        let answer = ann
            .rpc("gift.send", rose(&format!("g{number}")))
            .await
            .expect("sent");
        sent.push(answer["position"].as_u64().expect("a position"));
    }
    let last = sent.last().copied();
    let first_page = json!({ "limit": 1, "min_position": last });
    let newest = ann.rpc("wallet.history", first_page).await.expect("a page");
    assert_eq!(
        newest["entries"][0]["position"].as_u64(),
        last,
        "one reads one's own write"
    );

    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    for turn in 0.. {
        let (entries, next) = history(&mut ann, &cursor, 4).await;
        assert!(entries.len() <= 4);
        seen.extend(entries);
        cursor = next;
        if cursor.is_null() {
            break;
        }
        ann.rpc("gift.send", rose(&format!("later{turn}")))
            .await
            .expect("sent");
    }
    let found = positions(&seen);
    assert!(
        found.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first, none twice"
    );
    assert_eq!(found.len(), 26, "25 gifts and the grant");
    assert_eq!(found[..25].iter().rev().copied().collect::<Vec<_>>(), sent);
    let change: i64 = seen.iter().filter_map(|entry| entry["coins"].as_i64()).sum();
    assert_eq!(change, COINS as i64 - 250, "the changes add up to the balance");
    assert_eq!(seen[0]["coins_left"], json!(COINS - 250));
    assert_eq!(seen[0]["type"], "gift_sent");
    assert_eq!(
        (&seen[0]["gift"], &seen[0]["room"], &seen[0]["count"]),
        (&json!("rose"), &json!("star"), &json!(1))
    );
    assert_eq!(seen[25]["type"], "coins_adjusted");

    assert_eq!(ann.refusal("wallet.history", json!({ "cursor": "0" })).await, 407);
    assert_eq!(ann.refusal("wallet.history", json!({ "limit": 0 })).await, 408);
    // A cursor that claims versions that are not there shows nothing but one's own.
    let far = "ffffffffffffffffffffffffffffffff";
    let (entries, _) = history(&mut ann, &json!(far), 100).await;
    assert!(positions(&entries).ends_with(&found));
    let (none, cursor) = history(&mut house.user("nobody").await, &json!(far), 100).await;
    assert_eq!((none.len(), cursor), (0, Value::Null));
}

#[tokio::test]
async fn what_one_gives_and_what_one_earns_stand_in_one_order() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut star = house.user("star").await;
    house.dev().grant("star", COINS).await.expect("coins");
    ann.rpc("live.start", json!({ "command_id": "go" }))
        .await
        .expect("live");
    for number in 0..5 {
        ann.rpc("gift.send", rose(&format!("a{number}")))
            .await
            .expect("sent");
        let back = json!({ "command_id": format!("s{number}"), "room": "ann", "gift": "heart", "count": 1 });
        star.rpc("gift.send", back).await.expect("sent");
    }
    let credited = |entries: &[Value]| -> i64 { entries.iter().filter_map(|e| e["tickets"].as_i64()).sum() };
    let deadline = std::time::Instant::now() + crate::client::PATIENCE;
    let entries = loop {
        let (entries, cursor) = history(&mut star, &Value::Null, 100).await;
        assert!(cursor.is_null());
        if credited(&entries) == 50 {
            break entries;
        }
        assert!(std::time::Instant::now() < deadline, "{entries:?}");
        tokio::task::yield_now().await;
    };
    assert!(positions(&entries).windows(2).all(|pair| pair[0] > pair[1]));
    let kinds: BTreeSet<_> = entries.iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["coins_adjusted", "gift_sent", "tickets_credited"])
    );
    let newest = json!({ "min_position": entries[0]["position"] });
    let wallet = star.rpc("wallet.get", newest).await.expect("a wallet");
    let coins: i64 = entries.iter().filter_map(|entry| entry["coins"].as_i64()).sum();
    assert_eq!(wallet["coins"], json!(coins));
    let gifts: u64 = entries.iter().filter_map(|entry| entry["gifts"].as_u64()).sum();
    assert_eq!(gifts, 5);
}

/// A user whose two streams hold entries and much else.
fn mixed(seed: u64, events: usize) -> (Written, Vec<u64>) {
    let books = Written::new();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut entries = Vec::new();
    for number in 0..events {
        let (stream, event, is_entry) = match random.u8(..6) {
            0 => (
                "viewer-ann",
                event!(CoinsAdjusted { "amount": 1, "coins_left": 1, "reason": "r" }),
                true,
            ),
            1 => (
                "streamer-ann",
                event!(TicketsAdjusted { "amount": 1, "tickets_left": 1, "reason": "r" }),
                true,
            ),
            2 | 3 => (
                "viewer-ann",
                event!(Followed { "streamer": format!("s{number}"), "cleared": 0 }),
                false,
            ),
            4 => (
                "streamer-ann",
                event!(LiveStarted { "session": 1, "title": "" }),
                false,
            ),
            _ => (
                "viewer-bob",
                event!(CoinsAdjusted { "amount": 1, "coins_left": 1, "reason": "r" }),
                false,
            ),
        };
        let position = books.write(stream, "ann", None, vec![event]);
        if is_entry {
            entries.push(position);
        }
    }
    entries.reverse();
    (books, entries)
}

#[tokio::test]
async fn pages_of_any_size_and_any_bound_see_every_entry_once() {
    let ann: UserId = "ann".parse().expect("an id");
    for (seed, events) in [(1, 0), (2, 1), (3, 400)] {
        let (books, wanted) = mixed(seed, events);
        for (limit, records_max) in [(1, 1), (3, 7), (20, 5), (100, 1_000)] {
            let (mut seen, mut mark): (Vec<u64>, Option<Mark>) = (Vec::new(), None);
            loop {
                let found = page(&books.reader, &ann, mark, limit, records_max)
                    .await
                    .expect("a page");
                assert!(found.entries.len() <= limit.min(records_max));
                seen.extend(found.entries.iter().map(|entry| entry.position));
                mark = found.next;
                if mark.is_none() {
                    break;
                }
            }
            assert_eq!(seen, wanted, "{limit} entries of {records_max} records");
        }
        let head = books.reader.head().get(0);
        assert!(head >= wanted.len() as u64);
    }
}

#[tokio::test]
async fn a_page_reads_no_more_than_it_may() {
    let books = Written::new();
    books.write(
        "viewer-ann",
        "ann",
        None,
        vec![event!(CoinsAdjusted { "amount": 5, "coins_left": 5, "reason": "r" })],
    );
    for number in 0..30 {
        books.write(
            "viewer-ann",
            "ann",
            None,
            vec![event!(Followed { "streamer": format!("s{number}"), "cleared": 0 })],
        );
    }
    let ann: UserId = "ann".parse().expect("an id");
    let short = page(&books.reader, &ann, None, 20, 10).await.expect("a page");
    assert!(short.entries.is_empty());
    assert_eq!(
        short.next,
        Some(Mark {
            viewer: 21,
            streamer: 0
        })
    );
    let rest = page(&books.reader, &ann, short.next, 20, 1_000)
        .await
        .expect("a page");
    assert_eq!((rest.entries.len(), rest.next), (1, None));
    let viewer = domain::StreamId::new(StreamKind::Viewer, "ann");
    let all = books
        .reader
        .read_stream(&viewer, 0, Position::start(0), 100)
        .await;
    assert_eq!(all.expect("a stream").len(), 31);
}
