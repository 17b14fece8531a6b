//! A server on a port of its own, and a raw client that says exactly what it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::App;
use actix_web::dev::ServerHandle;
use futures_util::{SinkExt, StreamExt};
use gateway::{Backend, Config, Gateway, Hub, emulation, ws};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Arc<Hub>,
    handle: ServerHandle,
}

impl Server {
    pub(crate) fn start<B: Backend>(config: Config, hub: Arc<Hub>, backend: Arc<B>) -> Self {
        Self::start_with_patience(config, hub, backend, Duration::from_secs(60))
    }

    /// `patience`: how long the kernel keeps a connection whose peer takes nothing.
    pub(crate) fn start_with_patience<B: Backend>(
        config: Config,
        hub: Arc<Hub>,
        backend: Arc<B>,
        patience: Duration,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        let gateway = Gateway::new(config, hub.clone(), backend);
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let listener = ws::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
                let address = listener.local_addr().expect("bound");
                let fallbacks = gateway.clone();
                let app = move || {
                    App::new()
                        .configure(ws::configure)
                        .configure(|config| emulation::configure(config, &fallbacks))
                };
                let server = ws::Front::new(gateway)
                    .workers(2)
                    .reader_patience(patience)
                    .listen(listener, app)
                    .expect("listens");
                sender.send((address, server.handle())).expect("the test waits");
                server.await.expect("the server ends in peace");
            });
        });
        let (address, handle) = receiver.recv().expect("the server starts");
        Self { address, hub, handle }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}{}", self.address, ws::PATH)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The order is given at once; nobody needs to see it carried out.
        drop(self.handle.stop(false));
    }
}

/// The conformance example as a process of its own; killed when dropped.
pub(crate) struct Child {
    child: std::process::Child,
    pub(crate) address: SocketAddr,
}

impl Child {
    /// `None` = the environment names none.
    pub(crate) fn from_environment() -> Option<Self> {
        let binary = std::env::var_os("FLOOD_SERVER")?;
        let mut child = std::process::Command::new(binary)
            .args(["--profile", "js", "--port", "0"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)
            .expect("it says something");
        let address = line
            .trim()
            .trim_start_matches("listening on ")
            .parse()
            .expect("an address");
        Some(Self { child, address })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a client's connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

pub(crate) struct Raw {
    socket: WebSocketStream<TcpStream>,
    /// Objects of frames that held several.
    waiting: std::collections::VecDeque<Value>,
}

impl Raw {
    pub(crate) async fn open(server: &Server) -> Self {
        Self::open_with(server, &[]).await.expect("upgraded").0
    }

    /// Also returns the sub-protocol the server chose. `Err` = the status it answered instead.
    pub(crate) async fn open_with(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Option<String>), u16> {
        let mut request = server.url().into_client_request().expect("a request");
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a header value"));
        }
        let stream = TcpStream::connect(server.address).await.expect("connected");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok((
                    Self {
                        socket,
                        waiting: Default::default(),
                    },
                    protocol,
                ))
            }
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// An open connection that has sent `connect` and read the reply.
    pub(crate) async fn connected(server: &Server, token: &str) -> (Self, Value) {
        let mut raw = Self::open(server).await;
        raw.send(&serde_json::json!({"id": 1, "connect": {"token": token}}).to_string())
            .await;
        let reply = raw.next().await;
        (raw, reply)
    }

    /// The same at an address, whoever listens there.
    pub(crate) async fn connected_at(address: SocketAddr, token: &str) -> (Self, Value) {
        let stream = TcpStream::connect(address).await.expect("connected");
        let url = format!("ws://{address}{}", ws::PATH);
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .expect("upgraded");
        let mut raw = Self {
            socket,
            waiting: Default::default(),
        };
        let connect = serde_json::json!({"id": 1, "connect": {"token": token}});
        let reply = raw.ask(connect).await;
        (raw, reply)
    }

    /// The bytes below.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.try_send_message(message).await.expect("sent");
    }

    pub(crate) async fn try_send_message(
        &mut self,
        message: Message,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        self.socket.send(message).await
    }

    pub(crate) async fn next_message(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.socket.next())
            .await
            .expect("in time");
        message.expect("not ended").expect("no error")
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

    /// Sends a command and reads its reply; pushes before it are skipped.
    pub(crate) async fn ask(&mut self, command: Value) -> Value {
        self.send(&command.to_string()).await;
        loop {
            let value = self.next().await;
            if value["id"] == command["id"] {
                return value;
            }
        }
    }

    /// Reads until the server closes.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Message::Close(frame) = self.next_message().await {
                let frame = frame.expect("a close frame has a code");
                return Closed {
                    code: frame.code.into(),
                    reason: frame.reason.as_str().to_owned(),
                };
            }
        }
    }

    pub(crate) async fn close_code(&mut self) -> u16 {
        self.closed().await.code
    }
}
