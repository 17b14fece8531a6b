//! `livehouse statement` and `livehouse reconcile` over the real server's journal and over journals made for them.

use std::path::Path;

use livehouse::ledger::provider;
use livehouse::ledger::statement::Row;
use serde_json::{Value, json};

use crate::client::{COINS, House};
use crate::support::livehouse;
use crate::written::{DAY, HOUR_MS, Written, event};

fn statement(data: &Path, more: &[&str]) -> String {
    let data = data.to_string_lossy().into_owned();
    let (code, out, said) = livehouse(&[&["statement", "--data", &data], more].concat());
    assert_eq!(code, 0, "{said}");
    out
}

fn rows<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    lines
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("CSV with a head")
}

/// The balances of a line.
fn after(row: &Row) -> [i64; 4] {
    [row.coins_after, row.tickets_after, row.held_after, row.debt_after]
}

/// The lines go on from each other: opening, changes, closing.
fn assert_adds_up(rows: &[Row]) {
    let [opening, entries @ .., closing] = rows else {
        panic!("no opening and no closing: {rows:?}");
    };
    assert_eq!((&*opening.r#type, &*closing.r#type), ("opening", "closing"));
    let mut balances = after(opening);
    for row in entries {
        let moved = [row.coins, row.tickets, row.held, row.debt];
        assert!(moved.iter().any(Option::is_some), "{row:?} moves nothing");
        for (balance, moved) in balances.iter_mut().zip(moved) {
            *balance += moved.unwrap_or(0);
        }
        assert_eq!(after(row), balances, "{row:?}");
    }
    assert_eq!(after(closing), balances);
}

#[tokio::test]
async fn a_users_statement_parses_back_and_sums_to_the_wallet() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let mut last = Value::Null;
    for number in 0..7 {
        let gift = json!({ "command_id": format!("g{number}"), "room": "star", "gift": "rose", "count": number + 1 });
        last = ann.rpc("gift.send", gift).await.expect("sent")["position"].take();
    }
    let wallet = ann
        .rpc("wallet.get", json!({ "min_position": last }))
        .await
        .expect("a wallet");
    let found: Vec<Row> = rows(&statement(house.dir.path(), &["--user", "ann"]));
    assert_adds_up(&found);
    assert_eq!(found.len(), 2 + 1 + 7);
    assert_eq!(after(&found[0]), [0; 4]);
    assert_eq!(found[1].coins, Some(COINS as i64));
    assert_eq!(json!(found[9].coins_after), wallet["coins"]);
    assert_eq!(found[8].command_id.as_deref(), Some("g6"));
    let lines = statement(house.dir.path(), &["--user", "ann", "--format", "jsonl"]);
    let objects: Vec<Row> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(objects, found, "both formats say the same");
    let nobody: Vec<Row> = rows(&statement(house.dir.path(), &["--user", "nobody"]));
    assert_eq!(nobody.len(), 2);
    assert_adds_up(&nobody);
}

#[test]
fn a_statement_of_days_opens_with_what_came_before_them() {
    let books = Written::new();
    let adjusted = |amount: i64, left: u64| {
        vec![
            event!(CoinsAdjusted { "amount": amount, "coins_left": left, "reason": "a \"reason\", with\nall, of it" }),
        ]
    };
    books.at(-1).write("viewer-ann", "dev", None, adjusted(100, 100));
    books.at(0).write("viewer-ann", "dev", None, adjusted(-30, 70));
    let requested = event!(WithdrawalRequested { "withdrawal": "w1", "tickets": 40, "fee": 2, "pays": 380, "currency": "CNY",
        "account": "a", "approvals_needed": 1, "tickets_left": 10, "held_left": 40 });
    let earned = event!(TicketsAdjusted { "amount": 50, "tickets_left": 50, "reason": "r" });
    books
        .at(1)
        .write("streamer-ann", "dev", None, vec![earned, requested]);
    let taken = event!(CoinsTakenBack { "order": "o1", "provider": "pay", "coins": 90, "debt_added": 20, "coins_left": 0, "debt_left": 20 });
    books
        .at(24 * HOUR_MS - 1)
        .write("viewer-ann", "cashier", None, vec![taken]);
    books
        .at(24 * HOUR_MS)
        .write("viewer-ann", "dev", None, adjusted(1, 1));
    let of = |more: &[&str]| -> Vec<Row> {
        let found = rows(&statement(books.data(), &[&["--user", "ann"], more].concat()));
        assert_adds_up(&found);
        found
    };
    let day = of(&["--from", DAY, "--to", DAY]);
    assert_eq!(after(&day[0]), [100, 0, 0, 0]);
    assert_eq!(day.len(), 2 + 4);
    assert_eq!(after(&day[5]), [0, 10, 40, 20]);
    assert_eq!(day[1].reason.as_deref(), Some("a \"reason\", with\nall, of it"));
    assert_eq!(day[1].time.as_deref(), Some("2026-11-27T00:00:00.000+08:00"));
    assert_eq!(of(&["--from", "2026-11-28"]).len(), 2 + 1);
    assert_eq!(of(&["--to", "2026-11-26"]).len(), 2 + 1);
    assert_eq!(of(&[]).len(), 2 + 6);
    let later = of(&["--from", "2027-01-01"]);
    assert_eq!((later.len(), after(&later[0])), (2, [1, 10, 40, 20]));
}

fn paid(payment: &str, order: &str, amount: u64, currency: &str) -> Vec<domain::Event> {
    vec![
        event!(PaymentReceived { "provider": "pay", "payment": payment, "order": order, "amount": amount, "currency": currency }),
    ]
}

/// A day of the provider `pay`, between two others, among much else.
fn day_of_payments() -> Written {
    let books = Written::new();
    let ordered = |books: &Written, order: &str| {
        let created = event!(OrderCreated { "user": "ann", "pack": "small", "coins": 100, "price": 1_000, "currency": "CNY" });
        books.write(&format!("order-{order}"), "ann", None, vec![created]);
    };
    for (at, payment, order, amount, currency) in [
        (-HOUR_MS, "p0", "o0", 1_000, "CNY"),
        (HOUR_MS, "p1", "o1", 1_000, "CNY"),
        (2 * HOUR_MS, "p2", "o2", 1_000, "CNY"),
        (3 * HOUR_MS, "p3", "o3", 1_000, "USD"),
        (24 * HOUR_MS - 1, "p4", "o4", 700, "CNY"),
        (24 * HOUR_MS, "p5", "o5", 1_000, "CNY"),
    ] {
        ordered(books.at(at), order);
        books.write(
            &format!("payment-pay.{payment}"),
            "pay",
            None,
            paid(payment, order, amount, currency),
        );
        books.write(
            "room-star",
            "ann",
            None,
            vec![event!(ChatSent { "user": "ann", "text": "hi", "role": "viewer" })],
        );
        if amount == 1_000 && currency == "CNY" {
            let order_paid = event!(OrderPaid { "user": "ann", "provider": "pay", "payment": payment, "coins": 100, "cancelled": false });
            books.write(&format!("order-{order}"), "cashier", None, vec![order_paid]);
        } else {
            let aside = event!(PaymentUnmatched { "order": order, "rejection": 502 });
            books.write(&format!("payment-pay.{payment}"), "cashier", None, vec![aside]);
        }
        if payment == "p2" {
            let back = event!(PaymentRefunded { "provider": "pay", "payment": "p2", "order": "o2", "amount": 1_000, "currency": "CNY" });
            books.write("payment-pay.p2", "pay", None, vec![back]);
        }
        if payment == "p1" {
            let other = event!(PaymentReceived { "provider": "pay2", "payment": "x", "order": "o9", "amount": 5, "currency": "CNY" });
            books.write("payment-pay2.x", "pay2", None, vec![other]);
        }
    }
    books
}

#[test]
fn a_providers_day_lists_every_payment_and_refund_with_its_order_and_the_sums() {
    let books = day_of_payments();
    let text = statement(books.data(), &["--provider", "pay", "--day", DAY]);
    let found: Vec<provider::Row> = rows(&text);
    let told: Vec<_> = found
        .iter()
        .map(|row| {
            (
                &*row.r#type,
                row.payment.as_deref().unwrap_or(""),
                row.amount,
                &*row.currency,
                row.state.as_deref().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("payment", "p1", 1_000, "CNY", "credited"),
            ("payment", "p2", 1_000, "CNY", "refunded"),
            ("refund", "p2", 1_000, "CNY", "refunded"),
            ("payment", "p3", 1_000, "USD", "unmatched"),
            ("payment", "p4", 700, "CNY", "unmatched"),
            ("payments", "", 2_700, "CNY", ""),
            ("refunds", "", 1_000, "CNY", ""),
            ("net", "", 1_700, "CNY", ""),
            ("payments", "", 1_000, "USD", ""),
            ("refunds", "", 0, "USD", ""),
            ("net", "", 1_000, "USD", ""),
        ]
    );
    assert_eq!(
        (found[0].order.as_deref(), found[0].user.as_deref()),
        (Some("o1"), Some("ann"))
    );
    assert_eq!(
        (found[0].coins, found[0].price, found[5].count),
        (Some(100), Some(1_000), Some(3))
    );
    let lines = statement(
        books.data(),
        &["--provider", "pay", "--day", DAY, "--format", "jsonl"],
    );
    let objects: Vec<provider::Row> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(objects, found);
    let empty = statement(books.data(), &["--provider", "pay", "--day", "2020-01-01"]);
    assert_eq!(rows::<provider::Row>(&empty).len(), 0);
}

/// Exit code and JSON of a comparison with this file.
fn reconciled(books: &Written, file: &str) -> (i32, Value, String) {
    let path = books.data().join("theirs.csv");
    std::fs::write(&path, file).expect("written");
    let (path, data) = (path.to_string_lossy(), books.data().to_string_lossy());
    let args = [
        "reconcile",
        &path,
        "--provider",
        "pay",
        "--day",
        DAY,
        "--data",
        &data,
    ];
    let (code, out, said) = livehouse(&[&args[..], &["--json"]].concat());
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no JSON: {out}{said}"));
    let (same, text, _) = livehouse(&args);
    assert_eq!(same, code);
    (code, found, text)
}

fn named(list: &Value) -> Vec<(&str, &str)> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|f| {
            (
                f["payment"].as_str().expect("a payment"),
                f["type"].as_str().expect("a type"),
            )
        })
        .collect()
}

#[test]
fn reconcile_finds_each_kind_of_difference() {
    let books = day_of_payments();
    let (code, found, text) = reconciled(
        &books,
        "time,type,payment,amount,currency,order\n\
         08:00,payment,p1,999,CNY,o1\n\
         08:00,payment,p2,1000,CNY,\n\
         08:00,payment,p2,1000,CNY,\n\
         08:00,payment,p3,1000,EUR,o8\n\
         08:00,payment,p5,1000,cny,o5\n\
         08:00,payment,p7,1000,CNY,o7\n\
         08:00,refund,p1,1000,CNY,o1\n",
    );
    assert_eq!(code, 1);
    assert_eq!(
        named(&found["missing_here"]),
        [("p7", "payment"), ("p1", "refund")]
    );
    assert_eq!(
        named(&found["missing_there"]),
        [("p2", "refund"), ("p4", "payment")]
    );
    assert_eq!(named(&found["other"]), [("p1", "payment"), ("p3", "payment")]);
    assert_eq!(named(&found["twice"]), [("p2", "payment")]);
    assert_eq!(named(&found["set_aside"]), [("p3", "payment"), ("p4", "payment")]);
    assert_eq!(named(&found["other_day"]), [("p5", "payment")]);
    let what = |list: &str, at: usize| found[list][at]["what"].as_str().expect("words").to_owned();
    assert_eq!(what("other", 0), "amount 999 there, 1000 here");
    assert!(what("other", 1).contains("EUR there, USD here") && what("other", 1).contains("order o8"));
    assert!(what("missing_there", 1).contains("day's edge"), "{found}");
    assert!(what("set_aside", 0).contains("502"));
    assert_eq!(
        (&found["lines"], &found["records"], &found["agree"]),
        (&json!(7), &json!(5), &json!(2))
    );
    for words in [
        "missing here",
        "missing there",
        "other amount",
        "named twice",
        "set aside",
        "p7",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
}

#[test]
fn a_file_that_agrees_exits_0_and_a_bad_one_says_what_is_wrong() {
    let books = Written::new();
    books
        .at(HOUR_MS)
        .write("payment-pay.p1", "pay", None, paid("p1", "o1", 1_000, "CNY"));
    let (code, found, text) = reconciled(&books, "payment,type,amount,currency\np1,payment,1000,CNY\n");
    assert_eq!((code, &found["agree"]), (0, &json!(1)), "{text}");
    let path = books.data().join("bad.csv");
    std::fs::write(&path, "payment,type,currency\n").expect("written");
    let (path, data) = (path.to_string_lossy(), books.data().to_string_lossy());
    let args = [
        "reconcile",
        &path,
        "--provider",
        "pay",
        "--day",
        DAY,
        "--data",
        &data,
    ];
    let (code, out, said) = livehouse(&args);
    assert_eq!((code, &*out), (1, ""));
    assert!(said.contains("amount") && said.contains("bad.csv"), "{said}");
}
