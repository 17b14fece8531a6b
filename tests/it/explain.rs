//! `livehouse explain` over the real server's journal and over journals made for it.

use std::path::Path;
use std::time::{Duration, Instant};

use domain::{Event, StreamId};
use journal::Reader;
use livehouse::ledger::explain::{Question, SettlementState, explain, find};
use projections::Zone;
use serde_json::{Value, json};

use crate::client::{House, PATIENCE};
use crate::support::livehouse;
use crate::written::{HOUR_MS, Written, event};

/// What the binary says: exit code, JSON (null when it is none), what it said to people.
fn explained(data: &Path, more: &[&str]) -> (i32, Value, String) {
    let data = data.to_string_lossy().into_owned();
    let (code, out, said) = livehouse(&[&["explain", "--json", "--data", &data], more].concat());
    (code, serde_json::from_str(&out).unwrap_or_default(), said)
}

fn screen(data: &Path, more: &[&str]) -> String {
    let data = data.to_string_lossy().into_owned();
    let (code, out, said) = livehouse(&[&["explain", "--data", &data], more].concat());
    assert_eq!(code, 0, "{said}");
    assert!(!out.contains('\u{1b}'), "colours where there is no terminal");
    out
}

/// Each asset's postings sum to zero, and some move.
fn assert_balanced(explained: &Value) {
    let lines = explained["postings"].as_array().expect("postings");
    assert!(!lines.is_empty());
    for asset in ["coin", "ticket"] {
        let of_asset = lines.iter().filter(|line| line["asset"] == asset);
        let sum: i64 = of_asset
            .map(|line| line["amount"].as_i64().expect("an amount"))
            .sum();
        assert_eq!(sum, 0, "{asset} in {lines:?}");
    }
    assert_eq!(explained["sums"], json!({ "coin": 0, "ticket": 0 }));
}

fn amounts(explained: &Value) -> Vec<(String, i64)> {
    let lines = explained["postings"].as_array().expect("postings");
    let amount = |line: &Value| {
        let account = line["account"].as_str().expect("an account").to_owned();
        (account, line["amount"].as_i64().expect("an amount"))
    };
    lines.iter().map(amount).collect()
}

fn steps(of: &Value) -> Vec<(u64, String)> {
    let step = |step: &Value| {
        let kind = step["event"]["type"].as_str().expect("a type").to_owned();
        (step["position"].as_u64().expect("a position"), kind)
    };
    of["steps"].as_array().expect("steps").iter().map(step).collect()
}

#[tokio::test]
async fn a_gift_is_explained_to_its_credit_and_the_positions_are_those_that_were_answered() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let tap = |id: &str, total: u64| json!({ "command_id": id, "room": "star", "gift": "rose", "count": 1, "combo": { "id": "k", "total": total } });
    let first = ann.rpc("gift.send", tap("g1", 2)).await.expect("sent");
    let second = ann.rpc("gift.send", tap("g2", 5)).await.expect("sent");
    let end = json!({ "command_id": "g3", "combo": "k" });
    let end = ann.rpc("gift.combo_end", end).await.expect("ended");

    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        let (code, found, said) = explained(house.dir.path(), &["g2"]);
        assert_eq!(code, 0, "{said}");
        if found["settlement"]["state"] == "credited" {
            break found;
        }
        assert_eq!(found["settlement"]["state"], "waiting");
        assert!(Instant::now() < deadline, "{found}");
    };
    assert_eq!(
        found["outcome"],
        json!({ "was": "accepted", "position": second["position"] })
    );
    assert_eq!(found["command"]["by"], "ann");
    assert_eq!(found["command"]["stream"], "viewer-ann");
    assert_eq!(found["command"]["id"], "g2");
    assert_eq!(found["events"][0]["event"]["coins"], 30);
    assert_balanced(&found);
    assert_eq!(
        amounts(&found),
        [
            ("coins", -30),
            ("exchange", 30),
            ("exchange", -30),
            ("in_flight", 30)
        ]
        .map(|(a, n)| (a.to_owned(), n))
    );
    let combo = &found["combo"];
    let totals: Vec<_> = combo["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|s| s["total"].clone())
        .collect();
    assert_eq!(totals, [json!(2), json!(5)]);
    assert_eq!(combo["steps"][0]["position"], first["position"]);
    assert_eq!((&combo["complete"], &combo["total"]), (&json!(true), &json!(5)));
    assert_eq!(combo["end"]["position"], end["position"]);
    let credit = &found["settlement"]["credit"];
    let number = |value: &Value| value.as_u64().expect("a number");
    assert!(number(&credit["after"]) < number(&second["position"]));
    assert!(number(&credit["upto"]) >= number(&second["position"]));
    assert!(number(&credit["position"]) > number(&second["position"]));
    let boards: Vec<_> = found["boards"]
        .as_array()
        .expect("boards")
        .iter()
        .map(|b| b["board"].clone())
        .collect();
    assert_eq!(boards, [json!("tickets"), json!("coins"), json!("room:star")]);
    assert!(found["boards"][0]["rank"].is_null());

    let (_, of_end, _) = explained(house.dir.path(), &["g3"]);
    assert_eq!(of_end["outcome"]["position"], end["position"]);
    assert_eq!(of_end["combo"]["steps"], combo["steps"]);
    let text = screen(house.dir.path(), &["g2"]);
    for words in [
        "Command g2",
        "accepted",
        "coins",
        "-30",
        "Combo k",
        "Settlement: 30 tickets to star",
        "room:star",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    assert!(text.lines().count() <= 40, "more than a screen: {text}");
    assert!(house.server.stop().success());
    let (code, ranked, said) = explained(house.dir.path(), &["g2", "--ranks"]);
    assert_eq!(code, 0, "{said}");
    let stands = &ranked["boards"][2];
    assert_eq!(
        (&stands["rank"], &stands["score"], &stands["user"]),
        (&json!(1), &json!(50), &json!("ann"))
    );
}

#[tokio::test]
async fn a_refused_command_says_which_refusal_and_what_it_means() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let much = json!({ "command_id": "much", "room": "star", "gift": "castle", "count": 1 });
    assert_eq!(ann.refusal("gift.send", much).await, 414);
    let (code, found, said) = explained(house.dir.path(), &["much"]);
    assert_eq!(code, 0, "{said}");
    let outcome = &found["outcome"];
    assert_eq!(
        (&outcome["was"], &outcome["code"]),
        (&json!("refused"), &json!(414))
    );
    assert_eq!(outcome["name"], "not_enough_coins");
    assert!(
        outcome["means"]
            .as_str()
            .is_some_and(|means| means.contains("recharge"))
    );
    assert_eq!(found["postings"], json!([]));
    let text = screen(house.dir.path(), &["much"]);
    assert!(
        text.contains("414 not_enough_coins") && text.contains("none: no coin"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unknown_id_exits_1_and_of_several_one_is_chosen_by_its_sender() {
    let house = House::with_a_show().await;
    let gift = json!({ "command_id": "same", "room": "star", "gift": "heart", "count": 1 });
    let mut positions = Vec::new();
    for user in ["ann", "bob"] {
        house.dev().grant(user, 10).await.expect("coins");
        let answer = house
            .user(user)
            .await
            .rpc("gift.send", gift.clone())
            .await
            .expect("sent");
        positions.push(answer["position"].clone());
    }
    let data = house.dir.path();
    let (code, found, said) = explained(data, &["nothing-of-the-kind"]);
    assert_eq!((code, found), (1, Value::Null));
    assert!(
        said.contains("nothing-of-the-kind") && said.contains("livehouse log"),
        "{said}"
    );
    let (code, found, said) = explained(data, &["same"]);
    assert_eq!(code, 1);
    assert!(said.contains("--user"), "{said}");
    let listed: Vec<_> = found["several"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| c["position"].clone())
        .collect();
    assert_eq!(listed, positions);
    let (code, found, _) = explained(data, &["same", "--user", "bob"]);
    assert_eq!((code, &found["outcome"]["position"]), (0, &positions[1]));
    let (code, found, _) = explained(data, &["same", "--stream", "viewer-ann"]);
    assert_eq!((code, &found["outcome"]["position"]), (0, &positions[0]));
    let (code, _, said) = explained(data, &["same", "--user", "eve"]);
    assert_eq!(code, 1);
    assert!(said.contains("without --user"), "{said}");
}

/// An order that was paid, credited, partly spent and refunded.
fn refunded(books: &Written) -> [u64; 8] {
    let paid = |amount: u64| event!(PaymentReceived { "provider": "pay", "payment": "p1", "order": "o1", "amount": amount, "currency": "CNY" });
    let created = event!(OrderCreated { "user": "ann", "pack": "small", "coins": 100, "price": 1_000, "currency": "CNY" });
    let order_paid = event!(OrderPaid { "user": "ann", "provider": "pay", "payment": "p1", "coins": 100, "cancelled": false });
    let credited = event!(CoinsRecharged { "order": "o1", "provider": "pay", "payment": "p1", "coins": 100, "debt_paid": 0,
        "coins_left": 100, "debt_left": 0 });
    let spent = event!(GiftSent { "room": "star", "session": 1, "gift": "rose", "count": 6, "coins": 60, "tickets": 60,
        "coins_left": 40, "combo": null });
    let given_back = event!(PaymentRefunded { "provider": "pay", "payment": "p1", "order": "o1", "amount": 1_000, "currency": "CNY" });
    let refunded = event!(OrderRefunded { "user": "ann", "provider": "pay", "payment": "p1", "coins": 100 });
    let taken = event!(CoinsTakenBack { "order": "o1", "provider": "pay", "coins": 100, "debt_added": 60, "coins_left": 0,
        "debt_left": 60 });
    let cashier = |id: &str| format!("cashier\u{1f}{id}");
    [
        books.write("order-o1", "ann", Some("ann\u{1f}buy"), vec![created]),
        books.write("payment-pay.p1", "pay", None, vec![paid(1_000)]),
        books.write("order-o1", "cashier", None, vec![order_paid]),
        books.write("viewer-ann", "cashier", Some(&cashier("o1")), vec![credited]),
        books.write("viewer-ann", "ann", Some("spend"), vec![spent]),
        books.write("payment-pay.p1", "pay", None, vec![given_back]),
        books.write("order-o1", "cashier", None, vec![refunded]),
        books.write("viewer-ann", "cashier", Some(&cashier("refund:o1")), vec![taken]),
    ]
}

#[test]
fn a_recharge_is_explained_from_its_order_to_its_refund() {
    let books = Written::new();
    let at = refunded(&books);
    let wanted: Vec<_> = [
        (at[0], "order_created"),
        (at[1], "payment_received"),
        (at[2], "order_paid"),
        (at[3], "coins_recharged"),
        (at[5], "payment_refunded"),
        (at[6], "order_refunded"),
        (at[7], "coins_taken_back"),
    ]
    .map(|(position, kind)| (position, kind.to_owned()))
    .into();
    for (id, position) in [("buy", at[0]), ("o1", at[3]), ("refund:o1", at[7])] {
        let (code, found, said) = explained(books.data(), &[id]);
        assert_eq!(code, 0, "{id}: {said}");
        assert_eq!(found["outcome"]["position"], position);
        assert_eq!(steps(&found["recharge"]), wanted, "{id}");
        assert_eq!(
            (&found["recharge"]["order"], &found["recharge"]["state"]),
            (&json!("o1"), &json!("taken_back"))
        );
        assert_balanced(&found);
    }
    let text = screen(books.data(), &["buy", "--user", "ann"]);
    assert!(
        text.contains("Recharge o1: taken_back") && text.contains("60 of them were spent"),
        "{text}"
    );
}

#[test]
fn an_order_is_explained_by_its_id_before_anything_was_paid() {
    let books = Written::new();
    let created = event!(OrderCreated { "user": "ann", "pack": "small", "coins": 100, "price": 1_000, "currency": "CNY" });
    let position = books.write("order-o7", "ann", Some("ann\u{1f}buy"), vec![created]);
    let (code, found, said) = explained(books.data(), &["o7"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(found["outcome"]["position"], position);
    assert_eq!(found["command"]["id"], "buy");
    assert_eq!(found["recharge"]["state"], "created");
}

#[test]
fn a_withdrawal_is_explained_from_its_request_to_its_payout() {
    let books = Written::new();
    let credits = |books: &Written| {
        for _ in 0..200 {
            let credit = event!(TicketsCredited { "shard": 0, "after": 0, "upto": 0, "gifts": 1, "tickets": 1, "tickets_total": 1 });
            books.write("streamer-star", "settlement", None, vec![credit]);
        }
    };
    let requested = |id: &str| {
        event!(WithdrawalRequested { "withdrawal": id, "tickets": 100, "fee": 5, "pays": 950, "currency": "CNY", "account": "a",
            "approvals_needed": 2, "tickets_left": 0, "held_left": 100 })
    };
    let approved = |by: &str, approvals: u8| event!(WithdrawalApproved { "withdrawal": "w1", "by": by, "approvals": approvals, "approvals_needed": 2 });
    credits(&books);
    let mut at = vec![books.write("streamer-star", "star", Some("cash"), vec![requested("w1")])];
    books.write("streamer-star", "star", Some("more"), vec![requested("w2")]);
    credits(&books);
    at.push(books.write(
        "streamer-star",
        "admin.kim",
        Some("admin.kim\u{1f}yes1"),
        vec![approved("kim", 1)],
    ));
    at.push(books.write(
        "streamer-star",
        "admin.lee",
        Some("admin.lee\u{1f}yes2"),
        vec![approved("lee", 2)],
    ));
    credits(&books);
    let submitted = event!(WithdrawalSubmitted { "withdrawal": "w1", "provider": "bank" });
    at.push(books.write("streamer-star", "payouts", None, vec![submitted]));
    let paid = event!(WithdrawalPaid { "withdrawal": "w1", "tickets": 100, "fee": 5, "reference": "r1", "held_left": 100 });
    at.push(books.write("streamer-star", "payouts", None, vec![paid]));
    for (more, position) in [
        (&["cash"][..], at[0]),
        (&["yes1"], at[1]),
        (&["yes2", "--user", "admin.lee"], at[2]),
        (&["w1", "--user", "star"], at[4]),
    ] {
        let (code, found, said) = explained(books.data(), more);
        assert_eq!(code, 0, "{more:?}: {said}");
        assert_eq!(found["outcome"]["position"], position, "{more:?}");
        let withdrawal = &found["withdrawal"];
        let positions: Vec<_> = steps(withdrawal)
            .into_iter()
            .map(|(position, _)| position)
            .collect();
        assert_eq!(positions, at, "{more:?}");
        assert_eq!(
            (&withdrawal["state"], &withdrawal["complete"]),
            (&json!("paid"), &json!(true))
        );
        assert_balanced(&found);
        assert_eq!(
            amounts(&found),
            [
                ("tickets", -100),
                ("held", 100),
                ("held", -95),
                ("payout", 95),
                ("held", -5),
                ("fee", 5)
            ]
            .map(|(account, amount)| (account.to_owned(), amount))
        );
    }
    let (_, open, _) = explained(books.data(), &["more"]);
    assert_eq!(open["withdrawal"]["state"], "requested");
}

/// Gifts and credits as settlement writes them, merged and not: every gift's position and the credit that covers it, if any.
fn settled(books: &Written, random: &mut fastrand::Rng) -> Vec<(u64, Option<u64>)> {
    let mut gifts: Vec<(u64, Option<u64>)> = Vec::new();
    let mut waiting: Vec<usize> = Vec::new();
    let mut upto = 0;
    for number in 0..300 {
        let sent = event!(GiftSent { "room": "star", "session": 1, "gift": "rose", "count": 1, "coins": 1, "tickets": 1,
            "coins_left": 0, "combo": null });
        let position = books.write("viewer-ann", "ann", Some(&format!("g{number}")), vec![sent]);
        waiting.push(gifts.len());
        gifts.push((position, None));
        for _ in 0..random.u8(..3) {
            let live = event!(LiveStarted { "session": 1, "title": "" });
            books.write("streamer-star", "star", None, vec![live]);
        }
        // A credit may lag: it then leaves the newest gifts to the next one.
        if random.u8(..4) == 0 && number < 290 {
            let covers = waiting.len() - random.usize(..waiting.len().min(3));
            let newest = gifts[waiting[covers - 1]].0;
            let credit = event!(TicketsCredited { "shard": 0, "after": upto, "upto": newest, "gifts": covers, "tickets": covers,
                "tickets_total": 0 });
            let at = books.write("streamer-star", "settlement", None, vec![credit]);
            waiting.drain(..covers).for_each(|gift| gifts[gift].1 = Some(at));
            upto = newest;
        }
    }
    gifts
}

#[tokio::test]
async fn every_gift_finds_the_credit_that_covers_it_and_no_other() {
    let books = Written::new();
    let gifts = settled(&books, &mut fastrand::Rng::with_seed(4));
    assert!(gifts.iter().any(|(_, credit)| credit.is_none()));
    for (number, (position, credit)) in gifts.iter().enumerate() {
        let id = format!("g{number}");
        let question = Question {
            id: &id,
            user: None,
            stream: None,
        };
        let found = find(&books.reader, question).await.expect("a journal");
        assert_eq!(found.len(), 1);
        let explanation = explain(&books.reader, &found[0], Zone::shanghai(), None)
            .await
            .expect("explained");
        assert_eq!(explanation.events[0].position, *position);
        let settlement = explanation.settlement.expect("a gift is settled");
        assert_eq!(
            settlement.credit.map(|credit| credit.position),
            *credit,
            "gift {number}"
        );
        let wanted = if credit.is_some() {
            SettlementState::Credited
        } else {
            SettlementState::Waiting
        };
        assert_eq!(settlement.state, wanted);
    }
}

#[tokio::test]
async fn a_long_combo_is_told_as_far_as_it_is_looked() {
    let books = Written::new();
    let step = |total: u32| {
        event!(GiftSent { "room": "star", "session": 1, "gift": "rose", "count": 1, "coins": 1, "tickets": 1, "coins_left": 0,
            "combo": { "id": "k", "total": total } })
    };
    for total in 1..=2_500u32 {
        books
            .at(i64::from(total))
            .write("viewer-ann", "ann", Some(&format!("t{total}")), vec![step(total)]);
    }
    let ended = event!(ComboEnded { "room": "star", "gift": "rose", "combo": { "id": "k", "total": 2_500 } });
    books.write("viewer-ann", "ann", None, vec![ended]);
    // Another combo of the same name, long after.
    books
        .at(HOUR_MS)
        .write("viewer-ann", "ann", Some("again"), vec![step(1)]);
    for (id, steps, complete, ended) in [
        ("t1", 2_001, true, false),
        ("t1000", 2_500, true, true),
        ("t2500", 2_000, false, true),
        ("again", 1, true, false),
    ] {
        let question = Question {
            id,
            user: None,
            stream: None,
        };
        let found = find(&books.reader, question).await.expect("a journal");
        let explanation = explain(&books.reader, &found[0], Zone::shanghai(), None)
            .await
            .expect("explained");
        let combo = explanation.combo.expect("a combo");
        assert_eq!(
            (combo.steps.len(), combo.complete, combo.end.is_some()),
            (steps, complete, ended),
            "{id}"
        );
    }
}

#[tokio::test]
async fn explaining_takes_little_time_however_long_the_streams_are() {
    let books = Written::new();
    let sent = |left: u64| {
        event!(GiftSent { "room": "star", "session": 1, "gift": "rose", "count": 1, "coins": 1, "tickets": 1, "coins_left": left,
            "combo": null })
    };
    let credited = event!(TicketsCredited { "shard": 0, "after": 0, "upto": 1, "gifts": 1, "tickets": 1, "tickets_total": 1 });
    let many: Vec<Event> = (0..1_000).map(sent).collect();
    let credits = vec![credited; 1_000];
    for _ in 0..40 {
        books.write("viewer-ann", "ann", None, many.clone());
        books.write("streamer-star", "settlement", None, credits.clone());
    }
    let gift = books.write("viewer-ann", "ann", Some("g"), vec![sent(0)]);
    let credit = event!(TicketsCredited { "shard": 0, "after": 1, "upto": gift, "gifts": 1, "tickets": 1, "tickets_total": 1 });
    books.write("streamer-star", "settlement", None, vec![credit]);
    let began = Instant::now();
    let question = Question {
        id: "g",
        user: None,
        stream: None,
    };
    let found = find(&books.reader, question).await.expect("a journal");
    let explanation = explain(&books.reader, &found[0], Zone::shanghai(), None)
        .await
        .expect("explained");
    assert!(
        explanation
            .settlement
            .is_some_and(|settlement| settlement.credit.is_some())
    );
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?} in 80,000 events",
        began.elapsed()
    );
    let streamer: StreamId = "streamer-star".parse().expect("a stream");
    assert_eq!(
        books.reader.stream_version(&streamer).await.expect("a version"),
        40_001
    );
}
