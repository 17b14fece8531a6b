//! Withdrawals through the real server: held at once, approved by staff, paid at most once whatever the provider does.

use std::time::{Duration, Instant};

use domain::event::{CoinsTakenBack, TicketsAdjusted};
use domain::{Event, StreamId};
use journal::embedded::{Embedded, Options};
use journal::{Append, Cause, Expected, Writer};
use serde_json::{Value, json};

use crate::client::{House, PATIENCE, Socket, http};
use crate::console::{Desk, PASSWORD, Provider, served};
use crate::operations::token;
use crate::support::Server;

/// Between two looks at one's withdrawals.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A demo where the star has so many tickets; and kim and lee of staff.
async fn earned(tickets: u64) -> (House, Socket, Desk, Desk) {
    let house = House::open();
    let (kim, lee) = (
        Desk::of_demo(&house, "kim").await,
        Desk::of_demo(&house, "lee").await,
    );
    kim.give_tickets("star", tickets).await;
    let star = house.user("star").await;
    (house, star, kim, lee)
}

async fn request(star: &mut Socket, command_id: &str, tickets: u64, account: &str) -> Value {
    let data = json!({ "command_id": command_id, "tickets": tickets, "account": account });
    star.rpc("withdraw.request", data).await.expect("accepted")
}

fn id_of(requested: &Value) -> &str {
    requested["withdrawal"].as_str().expect("an id")
}

/// The withdrawal as its streamer sees it, once it is in this state.
async fn reaches(star: &mut Socket, withdrawal: &str, state: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = star.rpc("withdraw.list", json!({})).await.expect("a list");
        let all = listed["withdrawals"].as_array().expect("a list");
        let found = all.iter().find(|w| w["withdrawal"] == withdrawal);
        if let Some(found) = found.filter(|w| w["state"] == state) {
            return found.clone();
        }
        assert!(Instant::now() < deadline, "{withdrawal} is not {state}: {listed}");
        // Who asks faster than this is refused after a while.
        tokio::time::sleep(ASK_EVERY).await;
    }
}

#[tokio::test]
async fn a_request_holds_its_tickets_at_once_and_is_answered_the_same_when_repeated() {
    let (_house, mut star, kim, _) = earned(1_000).await;
    let terms = star.rpc("withdraw.terms", json!({})).await.expect("terms");
    assert_eq!(
        terms,
        json!({ "currency": "CNY", "minor_per_ticket": 10, "fee_per_mille": 50, "tickets_min": 100,
            "tickets_max": 1_000_000, "two_approvals_from": 100_000 })
    );
    let first = request(&mut star, "w1", 600, "bank:1").await;
    assert_eq!(first["tickets_left"], 400, "{first}");
    assert_eq!(first["held"], 600);
    assert_eq!((&first["fee"], &first["pays"]), (&json!(30), &json!(5_700)));
    assert_eq!(request(&mut star, "w1", 600, "bank:1").await, first);
    let other = json!({ "command_id": "w1", "tickets": 601, "account": "bank:1" });
    assert_eq!(star.refusal("withdraw.request", other).await, 401);

    // What is held cannot be asked for again; the refusal stands, also when there would be enough later.
    let more = json!({ "command_id": "w2", "tickets": 500, "account": "bank:1" });
    assert_eq!(star.refusal("withdraw.request", more.clone()).await, 511);
    kim.give_tickets("star", 5_000).await;
    assert_eq!(star.refusal("withdraw.request", more).await, 511);
    let few = json!({ "command_id": "w3", "tickets": 99, "account": "bank:1" });
    assert_eq!(star.refusal("withdraw.request", few).await, 510);
    let nowhere = json!({ "command_id": "w4", "tickets": 100, "account": " " });
    assert_eq!(star.refusal("withdraw.request", nowhere).await, 405);

    let found = reaches(&mut star, id_of(&first), "requested").await;
    assert_eq!(found["account"], "bank:1");
    let queue = kim.get("/withdrawals?state=requested").await;
    assert_eq!(
        queue["withdrawals"][0]["withdrawal"], first["withdrawal"],
        "{queue}"
    );
    assert_eq!(queue["withdrawals"][0]["user"], "star");
}

#[tokio::test]
async fn one_approval_pays_a_small_withdrawal_and_its_streamer_hears_every_step() {
    let (_house, mut star, kim, _) = earned(1_000).await;
    let first = request(&mut star, "w1", 1_000, "sandbox:ok").await;
    let (status, said) = kim.approve("star", id_of(&first), "a1").await;
    assert_eq!((status, &said["state"]), (200, &json!("approved")), "{said}");
    let heard = star.publications("user:star", |p| p["state"] == "paid").await;
    let steps: Vec<_> = heard
        .iter()
        .map(|publication| &publication["data"])
        .filter(|data| data["type"] == "withdrawal")
        .map(|data| data["state"].as_str().expect("a state"))
        .collect();
    assert_eq!(steps, ["requested", "approved", "submitted", "paid"]);
    let last = &heard.last().expect("it was paid")["data"];
    assert_eq!(last["tickets"], 1_000);
    assert!(
        last["reference"]
            .as_str()
            .is_some_and(|r| r.starts_with("sandbox-"))
    );
    let paid = reaches(&mut star, id_of(&first), "paid").await;
    assert_eq!(paid["reference"], last["reference"]);
    // The same command again gets the same answer; another one is too late.
    assert_eq!(kim.approve("star", id_of(&first), "a1").await, (200, said));
    let (status, said) = kim.approve("star", id_of(&first), "a2").await;
    assert_eq!((status, &said["code"]), (422, &json!(515)));
    let over = kim.get("/withdrawals?state=paid").await;
    assert_eq!(over["withdrawals"][0]["approved_by"], json!(["kim"]), "{over}");
}

#[tokio::test]
async fn a_large_withdrawal_needs_two_different_staff() {
    let (_house, mut star, kim, lee) = earned(200_000).await;
    let first = request(&mut star, "w1", 100_000, "sandbox:ok").await;
    let (status, said) = kim.approve("star", id_of(&first), "a1").await;
    assert_eq!((status, &said["state"]), (200, &json!("requested")), "{said}");
    let (status, said) = kim.approve("star", id_of(&first), "a2").await;
    assert_eq!((status, &said["code"]), (422, &json!(516)), "{said}");
    let (status, said) = lee.approve("star", id_of(&first), "a1").await;
    assert_eq!((status, &said["state"]), (200, &json!("approved")), "{said}");
    reaches(&mut star, id_of(&first), "paid").await;
}

#[tokio::test]
async fn a_rejected_or_failed_withdrawal_gives_its_tickets_back() {
    let (_house, mut star, kim, _) = earned(1_000).await;
    let first = request(&mut star, "w1", 1_000, "sandbox:ok").await;
    let path = format!("/withdrawals/star/{}/reject", id_of(&first));
    let why = json!({ "command_id": "r1", "reason": "whose account is it?" });
    let (status, said) = kim.post(&path, why).await;
    assert_eq!((status, &said["state"]), (200, &json!("rejected")), "{said}");
    let rejected = reaches(&mut star, id_of(&first), "rejected").await;
    assert_eq!(rejected["reason"], "whose account is it?");
    let (status, said) = kim.approve("star", id_of(&first), "a1").await;
    assert_eq!((status, &said["code"]), (422, &json!(515)), "{said}");

    let second = request(&mut star, "w2", 1_000, "sandbox:fail").await;
    assert_eq!(second["tickets_left"], 0);
    assert_eq!(kim.approve("star", id_of(&second), "a2").await.0, 200);
    let failed = reaches(&mut star, id_of(&second), "failed").await;
    assert!(failed["reason"].is_string(), "{failed}");
    let third = request(&mut star, "w3", 1_000, "sandbox:ok").await;
    assert_eq!(
        (&third["tickets_left"], &third["held"]),
        (&json!(0), &json!(1_000))
    );
    let (status, said) = kim.approve("star", "0123456789abcdef", "a3").await;
    assert_eq!((status, &said["code"]), (404, &json!(514)), "{said}");
}

/// A server whose payouts go to a provider of the test's own, where the star has 10,000 tickets.
async fn paid_elsewhere() -> (tempfile::TempDir, Server, Provider, Socket, Desk) {
    let dir = tempfile::tempdir().expect("a directory");
    let provider = Provider::open();
    let server = Server::spawn(&mut served(dir.path(), Some(&provider.url), 600));
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    kim.give_tickets("star", 10_000).await;
    let star = Socket::connect(&server.address, &token("star")).await;
    (dir, server, provider, star, kim)
}

#[tokio::test]
async fn whatever_the_provider_does_it_pays_once_under_one_id() {
    let (_dir, server, provider, mut star, kim) = paid_elsewhere().await;
    let mut expected = Vec::new();
    for (account, end) in [
        ("sandbox:ok", "paid"),
        ("sandbox:fail", "failed"),
        ("sandbox:timeout-then-paid", "paid"),
        ("sandbox:timeout-then-lost", "paid"),
        ("sandbox:late", "paid"),
    ] {
        let requested = request(&mut star, account, 1_000, account).await;
        let (status, said) = kim.approve("star", id_of(&requested), account).await;
        assert_eq!(status, 200, "{said}");
        expected.push((id_of(&requested).to_owned(), u32::from(end == "paid"), end));
    }
    for (id, _, end) in &expected {
        reaches(&mut star, id, end).await;
    }
    let mut paid = provider.payments();
    let mut wanted: Vec<_> = expected.into_iter().map(|(id, paid, _)| (id, paid)).collect();
    paid.sort();
    wanted.sort();
    assert_eq!(paid, wanted);
    metrics_say(
        &server,
        &[
            "livehouse_withdrawals_open{state=\"submitted\"} 0",
            "livehouse_payouts_unknown 0",
            "livehouse_payout_contradictions_total 0",
        ],
    )
    .await;
}

/// All of these lines stand in the metrics, soon.
async fn metrics_say(server: &Server, lines: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, metrics) = http("GET", &server.address, "/metrics").await;
        if lines.iter().all(|line| metrics.contains(line)) {
            return;
        }
        assert!(Instant::now() < deadline, "{lines:?}: {metrics}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_its_patience_and_after_another_one_changes_nothing() {
    let (_dir, _server, provider, mut star, kim) = paid_elsewhere().await;
    provider.be_silent(true);
    let requested = request(&mut star, "w1", 1_000, "sandbox:ok").await;
    assert_eq!(kim.approve("star", id_of(&requested), "a1").await.0, 200);
    // It was submitted, and its patience is over: it is asked for.
    provider.wait_for_calls(2);
    // Both are answered now, at once.
    provider.be_silent(false);
    reaches(&mut star, id_of(&requested), "paid").await;
    assert_eq!(provider.payments(), [(id_of(&requested).to_owned(), 1)]);
}

#[tokio::test]
async fn a_server_that_is_killed_before_it_hears_the_answer_asks_for_it_and_pays_once() {
    let (dir, server, provider, mut star, kim) = paid_elsewhere().await;
    provider.be_silent(true);
    let requested = request(&mut star, "w1", 1_000, "sandbox:ok").await;
    assert_eq!(kim.approve("star", id_of(&requested), "a1").await.0, 200);
    provider.wait_for_calls(1);
    server.kill();
    provider.be_silent(false);
    let server = Server::spawn(&mut served(dir.path(), Some(&provider.url), 600));
    let mut star = Socket::connect(&server.address, &token("star")).await;
    reaches(&mut star, id_of(&requested), "paid").await;
    assert_eq!(provider.payments(), [(id_of(&requested).to_owned(), 1)]);
    // The whole of it is on record, in order.
    let data = dir.path().to_string_lossy().into_owned();
    let (code, out, said) = crate::support::livehouse(&["log", "--stream", "streamer-star", "--data", &data]);
    assert_eq!(code, 0, "{said}");
    for name in ["withdrawal_submitted", "withdrawal_paid"] {
        assert_eq!(out.matches(&format!("\"{name}\"")).count(), 1, "{out}");
    }
}

#[tokio::test]
async fn nobody_who_owes_coins_withdraws_or_is_approved() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path()).expect("a directory");
    let owed = CoinsTakenBack {
        order: "o1".parse().expect("an id"),
        provider: "sandbox".parse().expect("a name"),
        coins: 50,
        debt_added: 50,
        coins_left: 0,
        debt_left: 50,
    };
    let earned = TicketsAdjusted {
        amount: 1_000,
        tickets_left: 1_000,
        reason: "a test".into(),
    };
    let star = "star".parse().expect("an id");
    written(
        dir.path(),
        &[
            (StreamId::viewer(&star), owed.into()),
            (StreamId::streamer(&star), earned.into()),
        ],
    )
    .await;
    let server = Server::spawn(&mut served(dir.path(), None, 600));
    let mut star = Socket::connect(&server.address, &token("star")).await;
    let data = |id: &str| json!({ "command_id": id, "tickets": 1_000, "account": "bank:1" });
    assert_eq!(star.refusal("withdraw.request", data("w1")).await, 512);
    let kim = Desk::login(&server.address, "kim", PASSWORD).await;
    let body = json!({ "command_id": "f1", "amount": 50, "reason": "let go" });
    let (status, said) = kim.post("/users/star/forgive", body).await;
    assert_eq!((status, &said["debt"]), (200, &json!(0)), "{said}");
    // A refused id stays refused; a new one is held, and waits: nobody pays here.
    assert_eq!(star.refusal("withdraw.request", data("w1")).await, 512);
    let requested = star.rpc("withdraw.request", data("w2")).await.expect("accepted");
    assert_eq!(kim.approve("star", id_of(&requested), "a1").await.0, 200);
    reaches(&mut star, id_of(&requested), "approved").await;
}

/// A journal with these events.
async fn written(data: &std::path::Path, events: &[(StreamId, Event)]) {
    let (_reader, writer) = Embedded::open(data.join("journal"), Options::default()).expect("a directory");
    for (stream, event) in events {
        let (told, outcome) = tokio::sync::oneshot::channel();
        let append = Append {
            stream: stream.clone(),
            expected: Expected::Any,
            epoch: writer.epoch(),
            cause: Cause {
                command_id: None,
                request_hash: 0,
                actor: "test".into(),
            },
            events: vec![event.clone()],
        };
        let queued = writer.append(append, Box::new(move |outcome| _ = told.send(outcome)));
        assert!(queued.is_ok());
        outcome.await.expect("an outcome").expect("durable");
    }
    writer.close();
}
