//! A server of one's own, and a raw socket to it that says exactly what it is told to.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use livehouse::crowd::Dev;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{LIVEHOUSE, Server};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const COINS: u64 = 1_000;

/// A demo without a crowd on a data directory of its own.
pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) server: Server,
}

impl House {
    pub(crate) fn open() -> Self {
        Self::reopen(tempfile::tempdir().expect("a directory"))
    }

    /// On a directory that held one before.
    pub(crate) fn reopen(dir: TempDir) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.path().join("stderr"))
            .expect("a file for what the server says");
        let server = Server::spawn(demo(dir.path()).stderr(log));
        Self { dir, server }
    }

    /// A house where `star` is live and `ann` has [`COINS`].
    pub(crate) async fn with_a_show() -> Self {
        let house = Self::open();
        let mut star = house.user("star").await;
        star.rpc("live.start", json!({ "command_id": "go", "title": "a night" }))
            .await
            .expect("the star goes live");
        house.dev().grant("ann", COINS).await.expect("coins");
        house
    }

    pub(crate) fn dev(&self) -> Dev {
        Dev {
            server: self.server.address.clone(),
        }
    }

    /// A connected user, over JSON.
    pub(crate) async fn user(&self, user: &str) -> Socket {
        let token = self.dev().token(user).await.expect("a token");
        Socket::connect(&self.server.address, &token).await
    }

    pub(crate) fn journal(&self) -> std::path::PathBuf {
        self.dir.path().join("journal")
    }

    /// The server is unharmed: a newcomer gets through, and nothing has panicked.
    pub(crate) async fn assert_unharmed(&self) {
        let wallet = self.user("newcomer").await.rpc("wallet.get", json!({})).await;
        assert!(wallet.is_ok(), "{wallet:?}");
        let said = std::fs::read_to_string(self.dir.path().join("stderr")).expect("what the server said");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// `livehouse demo --no-crowd` on this directory and a free port.
pub(crate) fn demo(data: &Path) -> Command {
    let mut command = Command::new(LIVEHOUSE);
    command
        .args(["demo", "--no-crowd", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("LIVEHOUSE_LOG_FILTER", "warn");
    command
}

/// Runs something that must end by itself: exit code, standard output, standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("it can be waited for").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it can be killed");
            let output = child.wait_with_output().expect("its output");
            panic!("{command:?} does not end: {output:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Status and body of an HTTP request.
pub(crate) async fn http(method: &'static str, address: &str, path: &str) -> (u16, String) {
    let url = format!("http://{address}{path}");
    let call = move || {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        let agent: ureq::Agent = config.build().into();
        let answer = match method {
            "POST" => agent.post(&url).send_empty(),
            _ => agent.get(&url).call(),
        };
        let mut answer = answer.expect("an answer");
        let body = answer.body_mut().read_to_string().expect("a body");
        (answer.status().as_u16(), body)
    };
    tokio::task::spawn_blocking(call).await.expect("the call ends")
}

/// An error as a client gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: u64,
    pub(crate) message: String,
}

/// A raw connection.
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What stood in a frame that held several.
    waiting: VecDeque<Value>,
    /// What was pushed while an answer was waited for.
    pub(crate) pushes: Vec<Value>,
    last_id: u64,
}

impl Socket {
    /// Not connected yet in the sense of the protocol.
    pub(crate) async fn open(address: &str) -> Self {
        Self::open_as(address, None).await
    }

    pub(crate) async fn open_as(address: &str, subprotocol: Option<&'static str>) -> Self {
        let url = format!("ws://{address}/connection/websocket");
        let mut request = url.into_client_request().expect("a request");
        if let Some(name) = subprotocol {
            let name = name.parse().expect("a header value");
            request.headers_mut().insert("sec-websocket-protocol", name);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .expect("the server takes the socket");
        Self {
            socket,
            waiting: VecDeque::new(),
            pushes: Vec::new(),
            last_id: 1,
        }
    }

    pub(crate) async fn connect(address: &str, token: &str) -> Self {
        let mut socket = Self::open(address).await;
        let reply = socket.hello(token).await;
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        socket
    }

    /// Sends `connect` and reads the reply.
    pub(crate) async fn hello(&mut self, token: &str) -> Value {
        self.ask(json!({ "id": 1, "connect": { "token": token } })).await
    }

    pub(crate) async fn send(&mut self, message: Message) -> tungstenite::Result<()> {
        self.socket.send(message).await
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text)).await.expect("sent");
    }

    pub(crate) async fn next_message(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        message
            .expect("in time")
            .expect("not ended without a close frame")
            .expect("no error")
    }

    /// The next object of the server.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Some(value) = self.waiting.pop_front() {
                return value;
            }
            match self.next_message().await {
                Message::Text(text) => {
                    let values = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
                    self.waiting.extend(values);
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    /// Sends a command and reads its reply.
    pub(crate) async fn ask(&mut self, command: Value) -> Value {
        self.send_text(&command.to_string()).await;
        loop {
            let value = self.next().await;
            if value["id"] == command["id"] {
                return value;
            }
            self.pushes.push(value);
        }
    }

    /// Sends a command and reads its reply; none when the connection ends before it.
    pub(crate) async fn try_ask(&mut self, command: Value) -> Option<Value> {
        self.send(Message::text(command.to_string())).await.ok()?;
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("in time");
            let Message::Text(text) = message?.ok()? else {
                continue;
            };
            let mut values = text
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            if let Some(reply) = values.find(|value| value["id"] == command["id"]) {
                return Some(reply);
            }
        }
    }

    pub(crate) async fn rpc(&mut self, method: &str, data: Value) -> Result<Value, Refused> {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, "rpc": { "method": method, "data": data } });
        let mut reply = self.ask(command).await;
        if let Some(error) = reply.get("error") {
            return Err(Refused {
                code: error["code"].as_u64().expect("a number"),
                message: error["message"].as_str().expect("words").to_owned(),
            });
        }
        Ok(reply["rpc"]["data"].take())
    }

    /// The number with which a call is refused.
    pub(crate) async fn refusal(&mut self, method: &str, data: Value) -> u64 {
        match self.rpc(method, data.clone()).await {
            Err(refused) => refused.code,
            Ok(answer) => panic!("{method} {data} should be refused, and got {answer}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, channel: &str) -> Value {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, "subscribe": { "channel": channel } });
        self.ask(command).await["subscribe"].take()
    }

    /// Everything published in a channel until one publication fits; with that one.
    pub(crate) async fn publications(&mut self, channel: &str, until: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut found = Vec::new();
        let mut earlier = std::mem::take(&mut self.pushes).into_iter();
        loop {
            let mut value = match earlier.next() {
                Some(value) => value,
                None => self.next().await,
            };
            if value["push"]["channel"] != channel {
                continue;
            }
            found.push(value["push"]["pub"].take());
            if found
                .last()
                .is_some_and(|publication| until(&publication["data"]))
            {
                return found;
            }
        }
    }

    /// Reads until the server closes.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next_message().await {
                return frame.expect("a close frame has a code").code.into();
            }
        }
    }
}
