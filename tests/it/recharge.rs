//! Buying coins, from the order to the purse: a real server, real webhooks over HTTP, and every way in which they come
//! wrong. Purses are read from the journal, which is what counts.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use livehouse::config::Secret;
use livehouse::signature::{HEADER, sign};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{House, PATIENCE, Socket, http};
use crate::operations::{serve, token};
use crate::support::{Server, livehouse};

const OLD: &str = "an old secret of 32 bytes or more";
const NEW: &str = "a new secret of 32 bytes and more";
const FOREIGN: &str = "a foreign secret of 32 bytes, too";
const COINS: u64 = 60;
const PRICE: u64 = 600;
/// Between two looks at a number.
const MOMENT: Duration = Duration::from_millis(20);

/// `livehouse serve` with a payment provider that has two live secrets.
struct Shop {
    dir: TempDir,
    server: Server,
}

fn start(dir: &Path) -> Server {
    let file = dir.join("livehouse.toml");
    let text = format!(
        "[[payments.providers]]\nname = 'acme'\nsecrets = ['{OLD}', '{NEW}']\npay_url = 'https://pay.example/{{order}}/{{amount}}'\n\
         [[payments.providers]]\nname = 'other'\nsecrets = ['{FOREIGN}']\npay_url = 'https://other.example/{{order}}'\n"
    );
    std::fs::write(&file, text).expect("written");
    let data = dir.join("data");
    Server::spawn(
        serve(&data)
            .arg("--config")
            .arg(file)
            .stderr(std::process::Stdio::null()),
    )
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs() as i64
}

fn signature(secret: &str, unix_seconds: i64, body: &str) -> String {
    sign(&Secret::new(secret), unix_seconds, body.as_bytes())
}

/// What a provider says of a payment.
fn body(kind: &str, payment: &str, order: &str, amount: u64, currency: &str) -> String {
    json!({ "type": kind, "payment": payment, "order": order, "amount": amount, "currency": currency })
        .to_string()
}

fn paid(payment: &str, order: &str) -> String {
    body("payment.succeeded", payment, order, PRICE, "CNY")
}

fn refunded(payment: &str, order: &str) -> String {
    body("payment.refunded", payment, order, PRICE, "CNY")
}

async fn post(address: &str, provider: &str, signature: Option<String>, body: String) -> (u16, Value) {
    let url = format!("http://{address}/payments/webhook/{provider}");
    let call = move || {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        let agent: ureq::Agent = config.build().into();
        let mut request = agent.post(&url);
        if let Some(signature) = signature {
            request = request.header(HEADER, signature);
        }
        let mut answer = request.send(body).expect("an answer");
        let text = answer.body_mut().read_to_string().expect("a body");
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).unwrap_or(Value::Null),
        )
    };
    tokio::task::spawn_blocking(call).await.expect("the call ends")
}

/// Waits until everything that was told is dealt with.
async fn settled(address: &str) -> String {
    let began = Instant::now();
    loop {
        let (_, metrics) = http("GET", address, "/metrics").await;
        if metrics.contains("livehouse_cashier_lag_records 0\n") {
            return metrics;
        }
        assert!(began.elapsed() < PATIENCE, "the cashier does not come to rest");
        tokio::time::sleep(MOMENT).await;
    }
}

/// The records of a stream.
fn records(data: &Path, stream: &str) -> Vec<Value> {
    let data = data.to_str().expect("text");
    let (code, out, said) = livehouse(&["log", "--data", data, "--stream", stream]);
    assert_eq!(code, 0, "{said}");
    let lines = out.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.collect()
}

/// The fields of an event, wherever they stand.
fn field(record: &Value, name: &str) -> Option<u64> {
    match record {
        Value::Object(fields) => match fields.get(name) {
            Some(value) => value.as_u64(),
            None => fields.values().find_map(|inner| field(inner, name)),
        },
        _ => None,
    }
}

/// Coins and debt, and how many records made them.
fn purse(data: &Path, user: &str) -> (u64, u64, usize) {
    let records = records(data, &format!("viewer-{user}"));
    let (mut coins, mut debt) = (0, 0);
    for record in &records {
        coins = field(record, "coins_left").unwrap_or(coins);
        debt = field(record, "debt_left").unwrap_or(debt);
    }
    (coins, debt, records.len())
}

impl Shop {
    fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let server = start(dir.path());
        Self { dir, server }
    }

    async fn user(&self, user: &str) -> Socket {
        Socket::connect(&self.server.address, &token(user)).await
    }

    /// An order of Ann's for the smallest pack.
    async fn order(&self, command_id: &str) -> String {
        let mut ann = self.user("ann").await;
        let data = json!({ "command_id": command_id, "pack": "coins-60" });
        let created = ann.rpc("recharge.create", data).await.expect("an order");
        created["order"].as_str().expect("an id").to_owned()
    }

    async fn tell(&self, body: String) -> (u16, Value) {
        let signature = signature(OLD, now(), &body);
        post(&self.server.address, "acme", Some(signature), body).await
    }

    /// Tells something that must be taken.
    async fn told(&self, body: String) {
        let (status, answer) = self.tell(body).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer["position"].is_u64(), "{answer}");
    }

    /// Coins and debt of Ann, once all is dealt with.
    async fn purse(&self) -> (u64, u64) {
        settled(&self.server.address).await;
        let (coins, debt, _) = purse(&self.dir.path().join("data"), "ann");
        (coins, debt)
    }

    /// Why a payment was set aside, by code.
    async fn set_aside(&self, payment: &str) -> Option<u64> {
        settled(&self.server.address).await;
        let stream = format!("payment-acme.{payment}");
        let records = records(&self.dir.path().join("data"), &stream);
        records.iter().find_map(|record| field(record, "rejection"))
    }

    async fn state(&self, order: &str) -> String {
        settled(&self.server.address).await;
        let mut ann = self.user("ann").await;
        let head = records(&self.dir.path().join("data"), &format!("order-{order}"));
        let position = head.last().expect("a record")["position"].clone();
        let list = ann
            .rpc("recharge.list", json!({ "min_position": position }))
            .await;
        let list = list.expect("a list");
        let mut orders = list["orders"].as_array().expect("orders").iter();
        let found = orders.find(|entry| entry["order"] == order);
        found.expect("the order")["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }
}

#[tokio::test]
async fn packs_are_listed_and_an_order_repeated_is_the_same_order() {
    let shop = Shop::open();
    let mut ann = shop.user("ann").await;
    let packs = ann.rpc("recharge.packs", json!({})).await.expect("packs");
    assert_eq!(
        packs["packs"][0],
        json!({ "id": "coins-60", "coins": COINS, "price": PRICE, "currency": "CNY" })
    );
    let data = json!({ "command_id": "c", "pack": "coins-60" });
    let first = ann.rpc("recharge.create", data.clone()).await.expect("an order");
    let order = first["order"].as_str().expect("an id");
    assert_eq!(order.len(), 32);
    assert_eq!(
        first["pay"],
        json!({ "provider": "acme", "url": format!("https://pay.example/{order}/600") })
    );
    assert_eq!(ann.rpc("recharge.create", data).await, Ok(first.clone()));
    let other_body = json!({ "command_id": "c", "pack": "coins-300" });
    assert_eq!(ann.refusal("recharge.create", other_body).await, 401);
    let unknown = json!({ "command_id": "d", "pack": "none" });
    assert_eq!(ann.refusal("recharge.create", unknown).await, 500);
    // Nobody else's.
    let mut bob = shop.user("bob").await;
    let cancel = json!({ "command_id": "x", "order": order });
    assert_eq!(bob.refusal("recharge.cancel", cancel.clone()).await, 501);
    let cancelled = ann
        .rpc("recharge.cancel", cancel.clone())
        .await
        .expect("cancelled");
    assert_eq!(cancelled["order"], order);
    assert_eq!(ann.rpc("recharge.cancel", cancel).await, Ok(cancelled));
    assert_eq!(shop.state(order).await, "cancelled");
}

#[tokio::test]
async fn a_paid_order_is_credited_once_however_often_and_at_once_it_is_told() {
    let shop = Shop::open();
    let order = shop.order("c").await;
    shop.told(paid("p1", &order)).await;
    assert_eq!(shop.purse().await, (COINS, 0));
    shop.told(paid("p1", &order)).await;
    let again = (0..20).map(|_| shop.told(paid("p1", &order)));
    futures_util::future::join_all(again).await;
    // And at once from the first on.
    let second = shop.order("d").await;
    let at_once = (0..20).map(|_| shop.told(paid("p2", &second)));
    futures_util::future::join_all(at_once).await;
    assert_eq!(shop.purse().await, (2 * COINS, 0));
    let data = shop.dir.path().join("data");
    assert_eq!(purse(&data, "ann").2, 2, "one record for each recharge");
    assert_eq!(records(&data, "payment-acme.p2").len(), 1);
    assert_eq!(shop.state(&order).await, "paid");
}

#[tokio::test]
async fn a_payment_that_does_not_fit_is_taken_and_set_aside_for_staff() {
    let shop = Shop::open();
    let order = shop.order("c").await;
    let ways = [
        (
            "less",
            body("payment.succeeded", "less", &order, PRICE - 1, "CNY"),
            502,
        ),
        (
            "dollar",
            body("payment.succeeded", "dollar", &order, PRICE, "USD"),
            502,
        ),
        ("nowhere", paid("nowhere", "no-such-order"), 501),
    ];
    for (payment, body, why) in ways {
        shop.told(body).await;
        assert_eq!(shop.set_aside(payment).await, Some(why), "{payment}");
    }
    assert_eq!(shop.purse().await, (0, 0));
    shop.told(paid("right", &order)).await;
    shop.told(paid("second", &order)).await;
    assert_eq!(shop.set_aside("second").await, Some(503));
    assert_eq!(shop.purse().await, (COINS, 0));
    let metrics = settled(&shop.server.address).await;
    assert!(
        metrics.contains("livehouse_payments_set_aside_total 4\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_contradicts_an_earlier_word_is_refused_with_its_code() {
    let shop = Shop::open();
    let order = shop.order("c").await;
    let early = shop.tell(refunded("p1", &order)).await;
    assert_eq!((early.0, &early.1["code"]), (404, &json!(505)));
    shop.told(paid("p1", &order)).await;
    for (other, code) in [
        (body("payment.succeeded", "p1", &order, PRICE + 1, "CNY"), 506),
        (body("payment.succeeded", "p1", &order, PRICE, "USD"), 506),
        (paid("p1", "another"), 506),
        (body("payment.refunded", "p1", &order, PRICE - 1, "CNY"), 507),
    ] {
        let (status, answer) = shop.tell(other).await;
        assert_eq!((status, &answer["code"]), (409, &json!(code)), "{answer}");
    }
    assert_eq!(shop.purse().await, (COINS, 0));
}

#[tokio::test]
async fn what_is_paid_after_the_order_was_cancelled_is_honoured() {
    let shop = Shop::open();
    let order = shop.order("c").await;
    let cancel = json!({ "command_id": "x", "order": order });
    shop.user("ann")
        .await
        .rpc("recharge.cancel", cancel)
        .await
        .expect("cancelled");
    shop.told(paid("p1", &order)).await;
    assert_eq!(shop.purse().await, (COINS, 0));
    assert_eq!(shop.state(&order).await, "paid");
    let late = json!({ "command_id": "y", "order": order });
    assert_eq!(shop.user("ann").await.refusal("recharge.cancel", late).await, 504);
}

#[tokio::test]
async fn a_refund_takes_the_coins_back_and_what_was_spent_is_owed_and_paid_by_the_next_recharge() {
    let shop = Shop::open();
    let order = shop.order("c").await;
    shop.told(paid("p1", &order)).await;
    assert_eq!(shop.purse().await, (COINS, 0));
    for _ in 0..2 {
        shop.told(refunded("p1", &order)).await;
        assert_eq!(shop.purse().await, (0, 0));
    }
    assert_eq!(shop.state(&order).await, "refunded");

    let order = shop.order("d").await;
    shop.told(paid("p2", &order)).await;
    assert_eq!(shop.purse().await, (COINS, 0));
    let mut star = shop.user("star").await;
    star.rpc("live.start", json!({ "command_id": "go" }))
        .await
        .expect("live");
    let gift = json!({ "command_id": "g", "room": "star", "gift": "rose", "count": 5 });
    shop.user("ann").await.rpc("gift.send", gift).await.expect("sent");
    shop.told(refunded("p2", &order)).await;
    assert_eq!(shop.purse().await, (0, 50));

    let order = shop.order("e").await;
    shop.told(paid("p3", &order)).await;
    assert_eq!(shop.purse().await, (COINS - 50, 0));
    // A payment that was given back pays for no other order.
    let (status, _) = shop.tell(paid("p2", &order)).await;
    assert_eq!(status, 409);
    assert_eq!(shop.purse().await, (COINS - 50, 0));
}

#[tokio::test]
async fn a_webhook_that_is_not_genuine_changes_nothing_and_is_counted() {
    let shop = Shop::open();
    let order = shop.order("c").await;
    let (address, body) = (shop.server.address.clone(), paid("p1", &order));
    let good = signature(OLD, now(), &body);
    let forged = [
        None,
        Some(String::new()),
        Some("t=1".to_owned()),
        Some(signature(FOREIGN, now(), &body)),
        Some(signature(OLD, now(), &body.replace("600", "601"))),
    ];
    let count = forged.len();
    for signature in forged {
        let (status, answer) = post(&address, "acme", signature, body.clone()).await;
        assert_eq!(status, 401, "{answer}");
    }
    for away in [-310, 310] {
        let signature = signature(OLD, now() + away, &body);
        let (status, _) = post(&address, "acme", Some(signature), body.clone()).await;
        assert_eq!(status, 401, "{away}");
    }
    for provider in ["other", "nobody", "%0a"] {
        let (status, _) = post(&address, provider, Some(good.clone()), body.clone()).await;
        assert_eq!(status, 401, "{provider}");
    }
    let huge = body.replace(
        "\"type\"",
        &format!("\"more\":\"{}\",\"type\"", "x".repeat(70_000)),
    );
    let (status, _) = post(&address, "acme", Some(signature(OLD, now(), &huge)), huge).await;
    assert_eq!(status, 413);
    for malformed in ["", "{", "[]", "{\"type\":\"payment.succeeded\"}"] {
        let signature = signature(OLD, now(), malformed);
        let (status, _) = post(&address, "acme", Some(signature), malformed.to_owned()).await;
        assert_eq!(status, 400, "{malformed}");
    }
    let unknown = "{\"type\":\"payment.disputed\"}";
    let (status, _) = post(
        &address,
        "acme",
        Some(signature(OLD, now(), unknown)),
        unknown.to_owned(),
    )
    .await;
    assert_eq!(status, 200, "of no concern");
    assert_eq!(shop.purse().await, (0, 0));
    let metrics = settled(&address).await;
    for (fate, n) in [
        ("forged", count + 1),
        ("stale", 2),
        ("unknown_provider", 2),
        ("malformed", 4),
        ("ignored", 1),
        ("taken", 0),
    ] {
        let line = format!("livehouse_payment_webhooks_total{{fate=\"{fate}\"}} {n}\n");
        assert!(metrics.contains(&line), "{fate}: {metrics}");
    }
    // The second live secret is as good as the first.
    let (status, answer) = post(&address, "acme", Some(signature(NEW, now(), &body)), body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(shop.purse().await, (COINS, 0));
}

#[tokio::test]
async fn a_server_that_is_killed_between_webhook_and_credit_credits_once_after_its_start() {
    let mut shop = Shop::open();
    let mut due = 0;
    for n in 0..4 {
        let order = shop.order(&format!("c{n}")).await;
        shop.told(paid(&format!("p{n}"), &order)).await;
        due += COINS;
        let Shop { dir, server } = shop;
        server.kill();
        let server = start(dir.path());
        shop = Shop { dir, server };
        // The provider did not hear the answer, perhaps.
        shop.told(paid(&format!("p{n}"), &order)).await;
        assert_eq!(shop.purse().await, (due, 0));
    }
    let data = shop.dir.path().join("data");
    assert_eq!(purse(&data, "ann").2, 4, "one record for each recharge");
}

/// An order in a demo, for Ann.
async fn demo_order(house: &House) -> (String, String) {
    let mut ann = house.user("ann").await;
    let data = json!({ "command_id": "c", "pack": "coins-60" });
    let created = ann.rpc("recharge.create", data).await.expect("an order");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    assert_eq!(created["pay"]["provider"], "sandbox");
    (text(&created["order"]), text(&created["pay"]["url"]))
}

#[tokio::test]
async fn the_sandbox_shows_an_order_pays_it_and_gives_it_back() {
    let house = House::open();
    let address = house.server.address.clone();
    let (order, url) = demo_order(&house).await;
    assert_eq!(url, format!("/dev/pay?order={order}"));
    let (status, page) = http("GET", &address, &url).await;
    assert_eq!(status, 200);
    for word in ["6.00", "CNY", "60 coins", "waiting for payment", &order] {
        assert!(page.contains(word), "{word}: {page}");
    }
    // Follows the way back to the room page.
    let (status, _) = http("POST", &address, &format!("{url}&how=twice")).await;
    assert_eq!(status, 200);
    settled(&address).await;
    let (coins, debt, _) = purse(house.dir.path(), "ann");
    assert_eq!((coins, debt), (COINS, 0));
    let (_, page) = http("GET", &address, &url).await;
    assert!(page.contains("paid"), "{page}");
    let (status, answer) = http("POST", &address, &format!("/dev/refund?payment={order}-1")).await;
    assert_eq!(status, 200, "{answer}");
    settled(&address).await;
    let (coins, debt, _) = purse(house.dir.path(), "ann");
    assert_eq!((coins, debt), (0, 0));
    for path in ["/dev/refund?payment=none", "/dev/refund?payment=none-1"] {
        assert_eq!(http("POST", &address, path).await.0, 404);
    }
    assert_eq!(http("GET", &address, "/dev/pay?order=none").await.0, 404);
    house.assert_unharmed().await;
}

#[tokio::test]
async fn who_gives_up_at_the_sandbox_has_a_cancelled_order() {
    let house = House::open();
    let (order, url) = demo_order(&house).await;
    let (status, _) = http("POST", &house.server.address, &format!("{url}&how=cancel")).await;
    assert_eq!(status, 200);
    let mut ann = house.user("ann").await;
    let later = json!({ "command_id": "x", "order": order });
    let cancelled = ann.rpc("recharge.cancel", later).await.expect("already so");
    let list = json!({ "min_position": cancelled["position"] });
    let list = ann.rpc("recharge.list", list).await.expect("a list");
    assert_eq!(list["orders"][0]["state"], "cancelled");
}

#[tokio::test]
async fn only_a_demo_has_a_sandbox() {
    let shop = Shop::open();
    for path in ["/dev/pay?order=x", "/dev/refund?payment=x-1"] {
        assert_eq!(http("GET", &shop.server.address, path).await.0, 404, "{path}");
    }
    let (status, _) = http("POST", &shop.server.address, "/dev/pay?order=x&how=pay").await;
    assert!((400..500).contains(&status), "{status}");
}
