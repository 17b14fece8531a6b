//! Staff at their desk, and a payout provider over HTTP that outlives the server it pays for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use livehouse::config::Secret;
use livehouse::payouts::{Answer, Books, Payout};
use livehouse::signature;
use serde_json::{Value, json};

use crate::client::{House, PATIENCE};
use crate::operations::serve;

/// What staff of [`served`] log in with.
pub(crate) const PASSWORD: &str = "correct horse";
const PAYOUT_SECRET: &str = "fedcba9876543210fedcba9876543210";

/// One of staff with a token.
pub(crate) struct Desk {
    address: String,
    pub(crate) token: String,
}

impl Desk {
    pub(crate) async fn of_demo(house: &House, name: &str) -> Self {
        let kept = house.dir.path().join("demo-staff-password");
        let password = std::fs::read_to_string(kept).expect("the demo keeps its password");
        Self::login(&house.server.address, name, &password).await
    }

    pub(crate) async fn login(address: &str, name: &str, password: &str) -> Self {
        let (status, said) = login(address, name, password).await;
        assert_eq!(status, 200, "{said}");
        Self {
            address: address.into(),
            token: said["token"].as_str().expect("a token").into(),
        }
    }

    /// Status and answer of a call below `/admin/api`.
    pub(crate) async fn call(&self, method: &'static str, path: &str, body: Value) -> (u16, Value) {
        call(&self.address, method, path, Some(self.token.clone()), body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("POST", path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, said) = self.call("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{said}");
        said
    }

    /// Gives tickets to a streamer.
    pub(crate) async fn give_tickets(&self, user: &str, tickets: u64) {
        let body =
            json!({ "command_id": format!("give-{user}-{tickets}"), "amount": tickets, "reason": "a test" });
        let (status, said) = self.post(&format!("/users/{user}/tickets"), body).await;
        assert_eq!(status, 200, "{said}");
    }

    pub(crate) async fn approve(&self, user: &str, withdrawal: &str, command_id: &str) -> (u16, Value) {
        let path = format!("/withdrawals/{user}/{withdrawal}/approve");
        self.post(&path, json!({ "command_id": command_id })).await
    }
}

pub(crate) async fn login(address: &str, name: &str, password: &str) -> (u16, Value) {
    let body = json!({ "name": name, "password": password });
    call(address, "POST", "/login", None, body).await
}

/// Status and body of a call; a body that is not JSON is returned as text.
pub(crate) async fn call(
    address: &str,
    method: &'static str,
    path: &str,
    token: Option<String>,
    body: Value,
) -> (u16, Value) {
    let url = format!("http://{address}/admin/api{path}");
    let text = match body {
        Value::Null => String::new(),
        Value::String(text) => text,
        body => body.to_string(),
    };
    let calling = move || {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        let agent: ureq::Agent = config.build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match method {
            "GET" => agent.run(request.body(()).expect("a request")),
            "DELETE" if text.is_empty() => agent.run(request.body(()).expect("a request")),
            _ => {
                let request = request.header("content-type", "application/json");
                agent.run(request.body(text).expect("a request"))
            }
        };
        let mut answer = answer.expect("an answer");
        let body = answer.body_mut().read_to_string().expect("a body");
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        (answer.status().as_u16(), body)
    };
    tokio::task::spawn_blocking(calling).await.expect("the call ends")
}

/// `livehouse serve` with three of staff (`kim` and `lee` of finance, `mo` of the catalogue), whose payouts go to this
/// address.
pub(crate) fn served(data: &Path, payouts: Option<&str>, session_seconds: u32) -> Command {
    let hash = livehouse::admin::password::hash(PASSWORD).expect("a hash");
    let mut text = format!("[admin]\nsession_seconds = {session_seconds}\n");
    for (name, role) in [("kim", "finance"), ("lee", "finance"), ("mo", "catalogue")] {
        text += &format!("[[admin.staff]]\nname = '{name}'\nroles = ['{role}']\npassword_hash = '{hash}'\n");
    }
    if let Some(url) = payouts {
        text += &format!(
            "[payouts]\nprovider = 'http'\nurl = '{url}'\nsecret = '{PAYOUT_SECRET}'\npatience_seconds = 1\n"
        );
    }
    let config = data.join("livehouse.toml");
    std::fs::write(&config, text).expect("a configuration");
    let mut command = serve(data);
    command.arg("--config").arg(config);
    command
}

/// A payout provider with the books of the sandbox, that can be made to keep its answers to itself.
pub(crate) struct Provider {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    books: Books,
    calls: u32,
    silent: bool,
    forged: u32,
}

impl Provider {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/payouts", listener.local_addr().expect("an address"));
        let shared = Arc::<Shared>::default();
        let serving = shared.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || serve_one(&shared, socket));
            }
        });
        Self { url, shared }
    }

    /// Whether it takes what is sent, and does not answer.
    pub(crate) fn be_silent(&self, silent: bool) {
        self.shared.state.lock().expect("no test panics here").silent = silent;
        self.shared.changed.notify_all();
    }

    /// Waits until so many submissions and questions have come.
    pub(crate) fn wait_for_calls(&self, count: u32) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().expect("no test panics here");
        while state.calls < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} calls", state.calls);
            state = self.shared.changed.wait_timeout(state, left).expect("as above").0;
        }
    }

    /// Every id that was ever submitted, and how often it was paid.
    pub(crate) fn payments(&self) -> Vec<(String, u32)> {
        let state = self.shared.state.lock().expect("no test panics here");
        assert_eq!(state.forged, 0, "every call is signed");
        let books = &state.books;
        books
            .ids()
            .map(|id| (id.to_string(), books.payments(id)))
            .collect()
    }
}

fn serve_one(shared: &Shared, mut socket: TcpStream) {
    let Some((line, head, body)) = read_request(&socket) else {
        return;
    };
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let id = path.rsplit('/').next().unwrap_or("");
    let signed = if method == "POST" {
        &body[..]
    } else {
        id.as_bytes()
    };
    let mut state = shared.state.lock().expect("no test panics here");
    state.forged += u32::from(!is_signed(&head, signed));
    let answer = if method == "POST" {
        let asked: Value = serde_json::from_slice(&body).expect("JSON");
        let text = |name: &str| asked[name].as_str().expect("a text").to_owned();
        state.books.submit(&Payout {
            id: text("id").parse().expect("an id"),
            account: text("account"),
            amount: asked["amount"].as_u64().expect("a number"),
            currency: text("currency").parse().expect("a currency"),
        })
    } else {
        state.books.status(&id.parse().expect("an id"))
    };
    state.calls += 1;
    shared.changed.notify_all();
    while state.silent {
        state = shared.changed.wait(state).expect("as above");
    }
    drop(state);
    let (status, body) = match answer {
        Answer::Paid { reference } => (200, json!({ "state": "paid", "reference": reference })),
        Answer::Failed { reason } => (200, json!({ "state": "failed", "reason": reason })),
        Answer::Pending => (202, json!({ "state": "pending" })),
        Answer::NotFound => (404, json!({ "state": "not_found" })),
        // No answer at all.
        Answer::Unknown { .. } => return,
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Who asked may be gone.
    let _ = socket.write_all((head + &body).as_bytes());
}

fn read_request(socket: &TcpStream) -> Option<(String, Vec<String>, Vec<u8>)> {
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut head = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end() {
            "" => break,
            header => head.push(header.to_owned()),
        }
    }
    let length = value(&head, "content-length").map_or(0, |text| text.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line, head, body))
}

fn value<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    let pairs = head.iter().filter_map(|header| header.split_once(": "));
    pairs
        .into_iter()
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn is_signed(head: &[String], body: &[u8]) -> bool {
    let signature = value(head, signature::HEADER).unwrap_or("");
    let at = signature.trim_start_matches("t=").split(',').next();
    let at = at.and_then(|at| at.parse().ok()).unwrap_or(0);
    signature == signature::sign(&Secret::new(PAYOUT_SECRET), at, body)
}
