//! Calls per second over real sockets, load generator included: raw clients keep a window of `rpc` commands under way,
//! each acknowledged. For profiling the hot path; it asserts nothing.
//!
//! `echo_load [SOCKETS] [WINDOW] [SECONDS]`, by default 64 sockets, 16 commands each, 5 seconds.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use actix_web::App;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use gateway::{
    Backend, Caller, Config, Connect, Connected, Error, Gateway, Grant, Hub, Refusal, Subscribe, ws,
};
use tokio_tungstenite::tungstenite::Message;

/// Answers every call with what it was asked, after one trip through the scheduler as an actor would take.
struct Echo;

impl Backend for Echo {
    async fn connect(&self, _request: &Connect) -> Result<Connected, Refusal> {
        Ok(Connected::default())
    }

    async fn subscribe(&self, _caller: &Caller, _request: &Subscribe) -> Result<Grant, Refusal> {
        Err(Error::NOT_AVAILABLE.into())
    }

    async fn rpc(&self, _caller: &Caller, _method: &str, data: Bytes) -> Result<Bytes, Refusal> {
        tokio::task::yield_now().await;
        Ok(data)
    }
}

fn serve() -> std::net::SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let gateway = Gateway::new(Config::default(), Hub::new(), Arc::new(Echo));
            let listener = ws::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
            sender
                .send(listener.local_addr().expect("bound"))
                .expect("main waits");
            let server = ws::Front::new(gateway)
                .workers(1)
                .listen(listener, || App::new().configure(ws::configure));
            server.expect("listens").await.expect("serves");
        });
    });
    receiver.recv().expect("the server starts")
}

async fn client(address: std::net::SocketAddr, window: u32, replies: Arc<AtomicU64>) {
    let stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let url = format!("ws://{address}{}", ws::PATH);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream)
        .await
        .expect("upgrades");
    socket
        .send(Message::text(r#"{"id":1,"connect":{}}"#))
        .await
        .expect("sends");
    socket.next().await.expect("open").expect("connected");
    let mut id = 1;
    let mut command = || {
        id += 1;
        format!(
            r#"{{"id":{id},"rpc":{{"method":"gift.send","data":{{"room":"s1","gift":"rose","count":1,"command_id":"{id}"}}}}}}"#
        )
    };
    for _ in 0..window {
        socket.feed(Message::text(command())).await.expect("sends");
    }
    socket.flush().await.expect("sends");
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        for line in text.lines() {
            if line == "{}" {
                socket.feed(Message::text("{}")).await.expect("sends");
                continue;
            }
            replies.fetch_add(1, Relaxed);
            socket.feed(Message::text(command())).await.expect("sends");
        }
        socket.flush().await.expect("sends");
    }
}

fn main() {
    let arguments: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let argument = |index: usize, default| arguments.get(index).copied().unwrap_or(default);
    let (sockets, window, seconds) = (argument(0, 64), argument(1, 16), argument(2, 5));
    let address = serve();
    let replies = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for _ in 0..sockets {
            tokio::spawn(client(address, window, replies.clone()));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, started) = (replies.load(Relaxed), Instant::now());
        tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
        let rate = (replies.load(Relaxed) - before) as f64 / started.elapsed().as_secs_f64();
        writeln!(
            std::io::stdout(),
            "{sockets} sockets, {window} calls each: {rate:.0} rpc/s"
        )
        .expect("stdout");
    });
}
