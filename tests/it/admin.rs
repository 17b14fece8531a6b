//! The desk of staff: who gets in, what each may do, and that everything they do is a record with their name.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::audit::append_by_hand;
use crate::client::{House, PATIENCE, Socket, http};
use crate::console::{Desk, PASSWORD, call, login, served};
use crate::operations::{serve, token};
use crate::support::{LIVEHOUSE, Server, livehouse};

#[tokio::test]
async fn without_staff_there_is_no_desk() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut serve(dir.path()));
    for (method, path) in [
        ("POST", "/login"),
        ("GET", "/me"),
        ("GET", "/withdrawals"),
        ("GET", "/x"),
    ] {
        let (status, said) = call(&server.address, method, path, None, json!({})).await;
        assert_eq!(
            (status, said["code"].is_u64()),
            (404, true),
            "{method} {path}: {said}"
        );
    }
}

#[tokio::test]
async fn only_a_name_with_its_password_gets_in_and_only_until_it_logs_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut served(dir.path(), None, 600));
    let address = &server.address;
    let wrong = login(address, "kim", "correct horsf").await;
    assert_eq!(wrong.0, 401, "{}", wrong.1);
    assert_eq!(
        login(address, "nobody", PASSWORD).await,
        wrong,
        "it does not say which was wrong"
    );
    for body in [json!("{"), json!({}), json!({ "name": "kim" })] {
        let (status, said) = call(address, "POST", "/login", None, body).await;
        assert_eq!((status, &said["code"]), (400, &json!(404)), "{said}");
    }
    for token in [None, Some(String::new()), Some("x".into())] {
        let (status, said) = call(address, "GET", "/me", token, Value::Null).await;
        assert_eq!((status, said["code"].is_u64()), (401, true), "{said}");
    }
    let kim = Desk::login(address, "kim", PASSWORD).await;
    let me = kim.get("/me").await;
    assert_eq!(
        (&me["name"], &me["roles"]),
        (&json!("kim"), &json!(["finance"])),
        "{me}"
    );
    assert_eq!(kim.post("/logout", json!({})).await.0, 200);
    assert_eq!(kim.call("GET", "/me", Value::Null).await.0, 401);
}

#[tokio::test]
async fn a_token_ends_after_its_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut served(dir.path(), None, 1));
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    let deadline = Instant::now() + PATIENCE;
    while kim.call("GET", "/me", Value::Null).await.0 == 200 {
        assert!(Instant::now() < deadline, "the token is still good");
    }
    assert_eq!(kim.call("GET", "/withdrawals", Value::Null).await.0, 401);
}

#[tokio::test]
async fn who_lacks_a_role_is_refused_and_nothing_happens() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut served(dir.path(), None, 600));
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    let mo = Desk::login(&server.address, "mo", PASSWORD).await;
    let correction = json!({ "command_id": "c", "amount": 5, "reason": "x" });
    let gift = json!({ "command_id": "c", "name": "X", "coins": 1, "tickets": 1 });
    for (desk, method, path, body) in [
        (&mo, "GET", "/withdrawals", Value::Null),
        (&mo, "GET", "/payments/unmatched", Value::Null),
        (
            &mo,
            "POST",
            "/withdrawals/star/w/approve",
            json!({ "command_id": "c" }),
        ),
        (&mo, "POST", "/withdrawals/star/w/reject", correction.clone()),
        (&mo, "POST", "/users/ann/coins", correction.clone()),
        (&mo, "POST", "/users/ann/tickets", correction.clone()),
        (&mo, "POST", "/users/ann/forgive", correction),
        (&kim, "GET", "/gifts", Value::Null),
        (&kim, "PUT", "/gifts/x", gift),
        (&kim, "DELETE", "/gifts/rose?command_id=c", Value::Null),
    ] {
        let (status, said) = desk.call(method, path, body).await;
        assert_eq!(
            (status, &said["code"]),
            (403, &json!(103)),
            "{method} {path}: {said}"
        );
    }
    let mut ann = Socket::connect(&server.address, &token("ann")).await;
    let wallet = ann.rpc("wallet.get", json!({})).await.expect("a wallet");
    assert_eq!(wallet["coins"], 0);
}

/// So many wrong passwords, each told no more than that it is wrong.
async fn guess(address: &str, name: &str, times: u32) {
    for n in 1..=times {
        let (status, said) = login(address, name, &format!("wrong horse {n}")).await;
        assert_eq!((status, &said["code"]), (401, &json!(101)), "{n}: {said}");
    }
}

async fn assert_slowed(address: &str, name: &str, password: &str) {
    let (status, said) = login(address, name, password).await;
    assert_eq!((status, &said["code"]), (429, &json!(111)), "{name}: {said}");
    let message = said["message"].as_str().expect("words");
    assert!(message.contains("wait a minute"), "{message}");
}

#[tokio::test]
async fn too_many_wrong_passwords_of_one_address_slow_it_down_and_log_nobody_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = served(dir.path(), None, 600);
    // Nobody stands before this server: what connects from here is a client like any other.
    command.env("LIVEHOUSE_GATEWAY_TRUSTED_PROXIES", "[]");
    let server = Server::spawn(command.stderr(Stdio::null()));
    let address = &server.address;
    let kim = Desk::login(address, "kim", PASSWORD).await;
    guess(address, "kim", 10).await;
    guess(address, "nobody", 10).await;
    for name in ["kim", "lee", "nobody"] {
        assert_slowed(address, name, PASSWORD).await;
    }
    assert_eq!(kim.get("/me").await["name"], "kim");
}

#[tokio::test]
async fn too_many_wrong_passwords_for_one_name_slow_it_down_wherever_they_come_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(served(dir.path(), None, 600).stderr(Stdio::null()));
    let address = &server.address;
    guess(address, "kim", 30).await;
    assert_slowed(address, "kim", "wrong horse 31").await;
    assert_slowed(address, "kim", PASSWORD).await;
    Desk::login(address, "lee", PASSWORD).await;
    // All names that nobody has count as one.
    guess(address, "nobody", 30).await;
    assert_slowed(address, "somebody", PASSWORD).await;
}

#[tokio::test]
async fn payments_that_fit_no_order_are_told_to_finance_with_the_reason_latest_first() {
    let house = House::open();
    let kim = Desk::of_demo(&house, "kim").await;
    assert_eq!(kim.get("/payments/unmatched").await, json!({ "payments": [] }));
    let mut ann = house.user("ann").await;
    let mut orders = Vec::new();
    for command_id in ["c1", "c2"] {
        let data = json!({ "command_id": command_id, "pack": "coins-60" });
        let created = ann.rpc("recharge.create", data).await.expect("an order");
        let url = created["pay"]["url"].as_str().expect("an address");
        let (status, said) = http("POST", &house.server.address, &format!("{url}&how=twice")).await;
        assert_eq!(status, 200, "{said}");
        let order = created["order"].as_str().expect("an id").to_owned();
        set_aside(&kim, orders.len() + 1).await;
        orders.push(order);
    }
    let all = kim.get("/payments/unmatched").await;
    let payments = all["payments"].as_array().expect("a list");
    for (payment, order) in payments.iter().zip(orders.iter().rev()) {
        let told = ["provider", "order", "amount", "currency", "code"].map(|field| payment[field].clone());
        assert_eq!(
            told,
            [
                json!("sandbox"),
                json!(order),
                json!(600),
                json!("CNY"),
                json!(503)
            ],
            "{payment}"
        );
        // Which of the two came first is the network's choice.
        let id = payment["payment"].as_str().expect("an id");
        assert!(id.starts_with(order.as_str()), "{payment}");
        assert!(payment["reason"].as_str().is_some_and(|why| !why.is_empty()));
        assert!(payment["since"].as_i64().is_some_and(|since| since > 0));
    }
    let first = kim.get("/payments/unmatched?limit=1").await;
    assert_eq!(first["payments"], json!([payments[0]]), "{first}");
    let cursor = first["cursor"].as_str().expect("there is more");
    let second = kim
        .get(&format!("/payments/unmatched?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(second, json!({ "payments": [payments[1]] }));
    for path in ["?limit=0", "?limit=101", "?cursor=x"] {
        let path = format!("/payments/unmatched{path}");
        let (status, said) = kim.call("GET", &path, Value::Null).await;
        assert_eq!((status, said["code"].is_u64()), (400, true), "{path}: {said}");
    }
}

/// Waits until so many payments are set aside.
async fn set_aside(desk: &Desk, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = desk.get("/payments/unmatched").await;
        if listed["payments"].as_array().map(Vec::len) == Some(count) {
            return;
        }
        assert!(Instant::now() < deadline, "{listed}");
    }
}

#[tokio::test]
async fn all_of_staff_see_what_the_standing_audit_found_and_nobody_else_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::spawn(&mut served(dir.path(), None, 600));
    let (status, said) = call(&server.address, "GET", "/audit", None, Value::Null).await;
    assert_eq!((status, &said["code"]), (401, &json!(101)), "{said}");
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    kim.give_tickets("star", 10).await;
    for name in ["kim", "mo"] {
        let desk = Desk::login(&server.address, name, PASSWORD).await;
        let found = desk.get("/audit").await;
        assert_eq!((&found["ok"], &found["records"]), (&json!(true), &json!(0)));
        assert!(
            found["position"].is_u64() && found.get("broken").is_none(),
            "{found}"
        );
    }
    assert!(server.stop().success());

    let broken_at = append_by_hand(dir.path(), 1_000_000);
    append_by_hand(dir.path(), 7);
    let server = Server::spawn(served(dir.path(), None, 600).stderr(Stdio::null()));
    let mo = Desk::login(&server.address, "mo", PASSWORD).await;
    let found = mo.get("/audit").await;
    assert_eq!((&found["ok"], &found["records"]), (&json!(false), &json!(2)));
    let position = found["position"].as_u64();
    assert!(position.is_some_and(|upto| upto > broken_at), "{found}");
    let broken = &found["broken"];
    assert_eq!(
        (&broken["position"], &broken["invariant"]),
        (&json!(broken_at), &json!(9)),
        "{found}"
    );
    for words in ["words", "what"] {
        assert!(
            broken[words].as_str().is_some_and(|text| !text.is_empty()),
            "{found}"
        );
    }
}

#[tokio::test]
async fn a_correction_is_a_record_with_its_author_and_counts_once() {
    let house = House::open();
    let kim = Desk::of_demo(&house, "kim").await;
    let lee = Desk::of_demo(&house, "lee").await;
    let body = |amount: i64| json!({ "command_id": "c1", "amount": amount, "reason": "a complaint" });
    let first = kim.post("/users/ann/coins", body(70)).await;
    assert_eq!((first.0, &first.1["coins"]), (200, &json!(70)), "{}", first.1);
    assert_eq!(
        kim.post("/users/ann/coins", body(70)).await,
        first,
        "the same again"
    );
    let (status, said) = kim.post("/users/ann/coins", body(71)).await;
    assert_eq!(
        (status, &said["code"]),
        (422, &json!(401)),
        "another body: {said}"
    );
    // The ids of two of staff are apart.
    let (status, said) = lee.post("/users/ann/coins", body(-20)).await;
    assert_eq!((status, &said["coins"]), (200, &json!(50)), "{said}");
    let (status, said) = lee.post("/users/ann/tickets", body(5)).await;
    assert_eq!((status, &said["tickets"]), (200, &json!(5)), "{said}");
    for (path, body, status, code) in [
        (
            "/users/ann/coins",
            json!({ "command_id": "c2", "amount": -51, "reason": "x" }),
            422,
            417,
        ),
        (
            "/users/ann/coins",
            json!({ "command_id": "c3", "amount": 1, "reason": " " }),
            422,
            405,
        ),
        (
            "/users/ann/coins",
            json!({ "command_id": "c4", "amount": 1 }),
            400,
            404,
        ),
        (
            "/users/ann/coins",
            json!({ "amount": 1, "reason": "x" }),
            400,
            404,
        ),
        (
            "/users/ann/coins",
            json!({ "command_id": "", "amount": 1, "reason": "x" }),
            400,
            402,
        ),
        (
            "/users/a%20b/coins",
            json!({ "command_id": "c5", "amount": 1, "reason": "x" }),
            400,
            403,
        ),
        (
            "/users/ann/forgive",
            json!({ "command_id": "c6", "amount": 1, "reason": "x" }),
            422,
            508,
        ),
        (
            "/users/ann/forgive",
            json!({ "command_id": "c7", "amount": -1, "reason": "x" }),
            422,
            508,
        ),
    ] {
        let (got, said) = kim.post(path, body).await;
        assert_eq!((got, &said["code"]), (status, &json!(code)), "{path}: {said}");
        assert!(said["message"].is_string());
    }
    let (status, said) = kim.call("GET", "/withdrawals?state=lost", Value::Null).await;
    assert_eq!((status, &said["code"]), (400, &json!(404)), "{said}");
    let data = house.dir.path().to_string_lossy().into_owned();
    let (code, out, said) = livehouse(&["log", "--stream", "viewer-ann", "--data", &data]);
    assert_eq!(code, 0, "{said}");
    let records: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .collect();
    let authors: Vec<_> = records
        .iter()
        .filter_map(|record| record["by"].as_str())
        .collect();
    assert_eq!(authors[..2], ["admin.kim", "admin.lee"], "{out}");
}

#[tokio::test]
async fn prices_are_the_journals_and_change_by_command_from_then_on() {
    let house = House::with_a_show().await;
    let kim = Desk::of_demo(&house, "kim").await;
    let mut ann = house.user("ann").await;
    let gifts = kim.get("/gifts").await;
    let on_offer = ann.rpc("gift.catalog", json!({})).await.expect("a catalogue");
    assert_eq!(gifts, on_offer);
    assert_eq!(gifts["gifts"].as_array().map(Vec::len), Some(5));
    let sent = |id: &str| json!({ "command_id": id, "room": "star", "gift": "rose", "count": 1 });
    let before = ann.rpc("gift.send", sent("g1")).await.expect("accepted");
    let body = json!({ "command_id": "p1", "name": "Red rose", "coins": 25, "tickets": 20 });
    let first = kim.call("PUT", "/gifts/rose", body.clone()).await;
    assert_eq!(first.0, 200, "{}", first.1);
    assert_eq!(kim.call("PUT", "/gifts/rose", body).await, first);
    let after = ann.rpc("gift.send", sent("g2")).await.expect("accepted");
    let coins = |answer: &Value| answer["coins"].as_u64().expect("coins");
    assert_eq!(coins(&before) - coins(&after), 25);
    assert_eq!(
        ann.rpc("gift.send", sent("g1")).await,
        Ok(before),
        "history keeps its price"
    );

    let (status, _) = kim.call("DELETE", "/gifts/beer?command_id=d1", Value::Null).await;
    assert_eq!(status, 200);
    let (status, said) = kim.call("DELETE", "/gifts/beer?command_id=d2", Value::Null).await;
    assert_eq!((status, &said["code"]), (404, &json!(410)), "{said}");
    let beer = json!({ "command_id": "g3", "room": "star", "gift": "beer", "count": 1 });
    assert_eq!(ann.refusal("gift.send", beer).await, 410);
    let free = json!({ "command_id": "p2", "name": "Air", "coins": 0, "tickets": 0 });
    let (status, said) = kim.call("PUT", "/gifts/air", free).await;
    assert_eq!((status, &said["code"]), (422, &json!(520)), "{said}");

    // What staff made of it outlives the server, whatever is configured.
    let changed = kim.get("/gifts").await;
    let House { dir, server } = house;
    server.kill();
    let house = House::reopen(dir);
    let kim = Desk::of_demo(&house, "kim").await;
    assert_eq!(kim.get("/gifts").await, changed);
    let data = house.dir.path().to_string_lossy().into_owned();
    let (_, out, _) = livehouse(&["log", "--stream", "catalogue-gifts", "--data", &data]);
    assert_eq!(out.matches("config:").count(), 5, "listed once: {out}");
}

#[tokio::test]
async fn a_catalogue_that_lost_all_its_gifts_stays_empty() {
    let house = House::open();
    let kim = Desk::of_demo(&house, "kim").await;
    for gift in ["heart", "rose", "beer", "rocket", "castle"] {
        let path = format!("/gifts/{gift}?command_id=d-{gift}");
        assert_eq!(kim.call("DELETE", &path, Value::Null).await.0, 200);
    }
    let House { dir, server } = house;
    server.kill();
    let house = House::reopen(dir);
    let kim = Desk::of_demo(&house, "kim").await;
    assert_eq!(kim.get("/gifts").await, json!({ "gifts": [] }));
}

#[test]
fn a_password_on_standard_input_becomes_a_hash_and_a_short_one_does_not() {
    let hash_of = |password: &str| {
        let mut child = Command::new(LIVEHOUSE)
            .args(["staff", "hash"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(password.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, _) = hash_of("correct horse\n");
    assert_eq!(code, Some(0));
    assert!(
        livehouse::admin::password::fits("correct horse", out.trim()),
        "{out}"
    );
    let (code, out, said) = hash_of("short\n");
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(said.contains("at least 12"), "{said}");
}
