//! A lean client of the Centrifuge protocol, for load: one socket, one task, pipelined commands. What it hears in a room goes
//! to a [`Watcher`], which survives the connection. It never retries a command by itself: who called knows what for.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::crowd::tally::Tally;
use crate::crowd::watcher::Watcher;
use crate::crowd::wire::Reply;

type Socket = WebSocketStream<TcpStream>;
type Answer = Result<String, RpcError>;
type Pending = Arc<Mutex<HashMap<u32, oneshot::Sender<Answer>>>>;

/// Commands that may wait to be written; a full queue makes the caller wait.
const OUTGOING_MAX: usize = 256;
/// How long one command may take, as in the official SDKs.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Buffers of a socket: thousands of them share one machine with the server.
const BUFFER_BYTES: usize = 4 * 1024;

/// Why a command did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RpcError {
    /// The server answered with an error.
    #[error("error {code}: {message}")]
    Answered {
        /// Its number.
        code: u64,
        /// For people.
        message: String,
    },
    /// The connection is gone, or the answer did not come in time: whether the command took place is not known.
    #[error("the connection is gone")]
    Gone,
}

/// How a client connects and what it does with what it hears.
#[derive(Clone, Default)]
pub(super) struct Manner {
    /// The loopback address to come from: one address has ports for some thousands of sockets only.
    pub source: Option<Ipv4Addr>,
    /// Who hears what happens in the room.
    pub watcher: Option<Arc<Watcher>>,
    /// Counts everything else.
    pub tally: Arc<Tally>,
    /// The socket is dropped without a word whenever this changes.
    pub cut: Option<watch::Receiver<u64>>,
}

enum Outgoing {
    Text(String),
    /// Reads nothing for so long.
    Deaf(Duration),
}

/// One connection.
pub struct Client {
    outgoing: mpsc::Sender<Outgoing>,
    pending: Pending,
    next_id: AtomicU32,
    task: AbortHandle,
}

impl Client {
    /// Connects to `ws://SERVER/connection/websocket` with a token.
    pub async fn connect(server: &str, token: &str) -> Result<Self> {
        Self::connect_as(server, token, Manner::default()).await
    }

    pub(super) async fn connect_as(server: &str, token: &str, manner: Manner) -> Result<Self> {
        let socket = tokio::time::timeout(CONNECT_TIMEOUT, open(server, manner.source))
            .await
            .context("the server does not answer in time")??;
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let pending = Pending::default();
        let connection = manner.watcher.as_ref().map_or(0, |watcher| watcher.begin());
        let ears = Ears {
            pending: pending.clone(),
            manner,
            connection,
        };
        let task = tokio::spawn(ears.run(socket, queue)).abort_handle();
        let client = Self {
            outgoing,
            pending,
            next_id: AtomicU32::new(1),
            task,
        };
        client
            .command("connect", &json!({ "token": token, "name": "crowd" }))
            .await?;
        Ok(client)
    }

    /// Enters a channel without listening.
    pub(super) async fn subscribe(&self, channel: &str) -> Result<(), RpcError> {
        self.command("subscribe", &json!({ "channel": channel }))
            .await
            .map(drop)
    }

    /// Enters the watcher's room, from where it was lost.
    pub(super) async fn watch(&self, watcher: &Watcher) -> Result<(), RpcError> {
        self.command("subscribe", &watcher.request()).await.map(drop)
    }

    /// Leaves a channel.
    pub(super) async fn unsubscribe(&self, channel: &str) -> Result<(), RpcError> {
        self.command("unsubscribe", &json!({ "channel": channel }))
            .await
            .map(drop)
    }

    /// Calls a method and waits for its result.
    pub async fn rpc(&self, method: &str, data: Value) -> Result<Value, RpcError> {
        self.command("rpc", &json!({ "method": method, "data": data }))
            .await
    }

    /// Whether the socket is still there.
    pub fn is_connected(&self) -> bool {
        !self.outgoing.is_closed()
    }

    /// Waits until the socket is gone.
    pub(super) async fn gone(&self) {
        self.outgoing.closed().await;
    }

    /// Sends a line that may be anything.
    pub(super) async fn say(&self, line: &str) {
        // A socket that is gone hears nothing.
        let _ = self.outgoing.send(Outgoing::Text(line.to_owned())).await;
    }

    /// Reads nothing for so long.
    pub(super) async fn turn_deaf(&self, time: Duration) {
        // A socket that is gone is deaf already.
        let _ = self.outgoing.send(Outgoing::Deaf(time)).await;
    }

    async fn command(&self, name: &str, request: &Value) -> Result<Value, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.pending.lock().insert(id, answer);
        let text = json!({ "id": id, name: request }).to_string();
        let exchange = async {
            self.outgoing
                .send(Outgoing::Text(text))
                .await
                .map_err(|_| RpcError::Gone)?;
            answered.await.map_err(|_| RpcError::Gone)?
        };
        let result = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or(Err(RpcError::Gone));
        self.pending.lock().remove(&id);
        Ok(serde_json::from_str(&result?).unwrap_or_default())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open(server: &str, source: Option<Ipv4Addr>) -> Result<Socket> {
    let address = tokio::net::lookup_host(server)
        .await?
        .next()
        .with_context(|| format!("{server} is no address"))?;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source.filter(|_| address.is_ipv4() && address.ip().is_loopback()) {
        // Not every system has more than one loopback address: then the one that there is must do.
        let _ = socket.bind((source, 0).into());
    }
    let stream = socket
        .connect(address)
        .await
        .with_context(|| format!("{server} does not answer"))?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(OUTGOING_MAX * BUFFER_BYTES);
    let url = format!("ws://{server}/connection/websocket");
    match tokio_tungstenite::client_async_with_config(&url, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => bail!("{url} does not answer as a WebSocket: {error}"),
    }
}

/// The task of one socket.
struct Ears {
    pending: Pending,
    manner: Manner,
    /// As the watcher counts.
    connection: u64,
}

impl Ears {
    async fn run(mut self, mut socket: Socket, mut queue: mpsc::Receiver<Outgoing>) {
        let mut cut = self.manner.cut.take();
        if let Some(cut) = &mut cut {
            cut.mark_unchanged();
        }
        let cut_off = async {
            let is_cut = match &mut cut {
                Some(cut) => cut.changed().await.is_ok(),
                None => false,
            };
            if !is_cut {
                // Nobody will cut this socket.
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(cut_off);
        loop {
            let goes_on = tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(frame))) => self.hear(&frame, &mut socket).await,
                    Some(Ok(_)) => true,
                    Some(Err(_)) | None => false,
                },
                outgoing = queue.recv() => match outgoing {
                    Some(Outgoing::Text(text)) => self.write(text, &mut socket, &mut queue).await,
                    Some(Outgoing::Deaf(time)) => { tokio::time::sleep(time).await; true }
                    None => false,
                },
                () = &mut cut_off => false,
            };
            if !goes_on {
                break;
            }
        }
        if let Some(watcher) = &self.manner.watcher {
            watcher.lost(self.connection);
        }
        queue.close();
        // Nobody will answer any more: those who wait are told by their senders' end.
        self.pending.lock().clear();
    }

    /// Writes a command, and what has gathered behind it, in as few writes as it takes.
    async fn write(&self, first: String, socket: &mut Socket, queue: &mut mpsc::Receiver<Outgoing>) -> bool {
        let mut next = Some(Outgoing::Text(first));
        while let Some(Outgoing::Text(text)) = next {
            if socket.feed(Message::text(text)).await.is_err() {
                return false;
            }
            next = queue.try_recv().ok();
        }
        if let Some(Outgoing::Deaf(time)) = next {
            tokio::time::sleep(time).await;
        }
        socket.flush().await.is_ok()
    }

    async fn hear(&self, frame: &str, socket: &mut Socket) -> bool {
        for line in frame.split('\n').filter(|line| !line.is_empty()) {
            let Ok(reply) = serde_json::from_str::<Reply<'_>>(line) else {
                let words = format!("a line that is not the protocol: {line:.120}");
                self.manner.tally.violations.add(words);
                continue;
            };
            if reply.is_ping() {
                if socket.send(Message::text("{}")).await.is_err() {
                    return false;
                }
            } else if let Some(again) = self.take(&reply)
                && socket.send(Message::text(again)).await.is_err()
            {
                return false;
            }
        }
        true
    }

    /// Takes an answer or a push; a room that the server wants to be entered again gives the line that does so.
    fn take(&self, reply: &Reply<'_>) -> Option<String> {
        let watcher = self.manner.watcher.as_ref();
        let Some(push) = &reply.push else {
            // Before whoever asked goes on: what comes next in this frame is already live.
            if let (Some(subscribed), Some(watcher)) = (&reply.subscribe, watcher) {
                watcher.subscribed(self.connection, subscribed);
            }
            self.answer(reply);
            return None;
        };
        let here = watcher.filter(|watcher| watcher.is_of(push));
        if let Some(publication) = &push.publication {
            match here {
                Some(watcher) => watcher.published(self.connection, publication),
                None => self.manner.tally.heard(&publication.data.kind),
            }
        }
        let (ended, watcher) = (push.unsubscribe.as_ref()?, here?);
        if ended.code < RESUBSCRIBE {
            watcher.left();
            return None;
        }
        watcher.lost(self.connection);
        Some(json!({ "id": AGAIN_ID, "subscribe": watcher.request() }).to_string())
    }

    fn answer(&self, reply: &Reply<'_>) {
        let Some(waiting) = self.pending.lock().remove(&reply.id) else {
            return;
        };
        let answer = match (&reply.error, &reply.rpc) {
            (Some(error), _) => Err(RpcError::Answered {
                code: error.code,
                message: error.message.clone().into_owned(),
            }),
            (None, Some(called)) => Ok(called.data.map_or_else(String::new, |data| data.get().to_owned())),
            (None, None) => Ok(String::new()),
        };
        // Whoever asked may have stopped waiting.
        let _ = waiting.send(answer);
    }
}

/// From this code on, an ended subscription is asked for again at once.
const RESUBSCRIBE: u32 = 2_500;
/// The id of such a request; no caller waits for its answer.
const AGAIN_ID: u32 = u32::MAX;
