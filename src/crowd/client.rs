//! A lean client of the Centrifuge protocol, for load: one socket, pipelined commands. It does not recover what it
//! missed (the official SDKs do, and the tests use those).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Pending = Arc<Mutex<HashMap<u32, oneshot::Sender<Value>>>>;

/// Commands that may wait to be written; a full queue makes the caller wait.
const OUTGOING_MAX: usize = 256;
/// How long one command may take, as in the official SDKs.
const TIMEOUT: Duration = Duration::from_secs(5);

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

/// One connection.
pub struct Client {
    outgoing: mpsc::Sender<Message>,
    pending: Pending,
    next_id: AtomicU32,
    tasks: [AbortHandle; 2],
}

impl Client {
    /// Connects to `ws://SERVER/connection/websocket` with a token. `publications` counts what arrives.
    pub async fn connect(server: &str, token: &str, publications: Arc<AtomicU64>) -> Result<Self> {
        let url = format!("ws://{server}/connection/websocket");
        let (socket, _) = tokio_tungstenite::connect_async(&url)
            .await
            .with_context(|| format!("{url} does not answer"))?;
        let (sink, stream) = socket.split();
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let pending = Pending::default();
        let writer = tokio::spawn(write(sink, queue));
        let reader = tokio::spawn(read(stream, outgoing.clone(), pending.clone(), publications));
        let tasks = [writer.abort_handle(), reader.abort_handle()];
        let client = Self {
            outgoing,
            pending,
            next_id: AtomicU32::new(1),
            tasks,
        };
        client
            .command("connect", json!({ "token": token, "name": "crowd" }))
            .await?;
        Ok(client)
    }

    /// Enters a channel.
    pub async fn subscribe(&self, channel: &str) -> Result<Value, RpcError> {
        self.command("subscribe", json!({ "channel": channel })).await
    }

    /// Calls a method and waits for its result.
    pub async fn rpc(&self, method: &str, data: Value) -> Result<Value, RpcError> {
        let mut result = self
            .command("rpc", json!({ "method": method, "data": data }))
            .await?;
        Ok(result.get_mut("data").map(Value::take).unwrap_or_default())
    }

    /// Whether the socket is still there.
    pub fn is_connected(&self) -> bool {
        !self.tasks.iter().any(AbortHandle::is_finished)
    }

    async fn command(&self, name: &str, request: Value) -> Result<Value, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.pending).insert(id, answer);
        let text = json!({ "id": id, name: request }).to_string();
        let exchange = async {
            self.outgoing
                .send(Message::text(text))
                .await
                .map_err(|_| RpcError::Gone)?;
            answered.await.map_err(|_| RpcError::Gone)
        };
        let reply = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or(Err(RpcError::Gone));
        lock(&self.pending).remove(&id);
        let mut reply = reply?;
        if let Some(error) = reply.get("error") {
            return Err(RpcError::Answered {
                code: error["code"].as_u64().unwrap_or(0),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(reply.get_mut(name).map(Value::take).unwrap_or_default())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.feed(message).await.is_err() {
            return;
        }
        // What has gathered meanwhile goes out in the same write.
        while let Ok(message) = queue.try_recv() {
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

async fn read(
    mut stream: SplitStream<Socket>,
    outgoing: mpsc::Sender<Message>,
    pending: Pending,
    publications: Arc<AtomicU64>,
) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(frame) = message else { continue };
        for line in frame.split('\n').filter(|line| !line.is_empty()) {
            let Ok(reply) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            if let Some(id) = reply.get("id").and_then(Value::as_u64) {
                let waiting = u32::try_from(id).ok().and_then(|id| lock(&pending).remove(&id));
                if let Some(waiting) = waiting {
                    // Whoever asked may have stopped waiting.
                    let _ = waiting.send(reply);
                }
            } else if reply.get("push").is_some() {
                publications.fetch_add(1, Ordering::Relaxed);
            } else if outgoing.send(Message::text("{}")).await.is_err() {
                break;
            }
        }
    }
    // Nobody will answer any more.
    lock(&pending).clear();
}
