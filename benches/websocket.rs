//! Gifts over WebSocket, each acknowledged: the real server as a process of its own, the load generator in this one, both
//! on the same cores.
//!
//! First every socket keeps so many gifts under way and sends the next when one is acknowledged: the most there is. Then
//! gifts are sent at half that rate, by the clock and not by the answers, so that a slow answer delays no later gift: the
//! latencies. The same with several gifts under way on each socket and with one, where most of the work is the kernel's:
//! four system calls a gift, and as many wake-ups. `WEBSOCKET_SOCKETS` (default 256) and `WEBSOCKET_SECONDS` (default 10)
//! change the size.

#[path = "support/house.rs"]
#[allow(dead_code, reason = "shared with other figures")]
mod house;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "a figure needs less of it than a test")]
mod server;
#[path = "support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use house::House;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const ROOM: &str = "star";
/// Gifts under way on each socket, in turn: somebody who taps, a client that catches up, one that waits for each answer.
const UNDER_WAY: [usize; 3] = [4, 16, 1];
const WARM_UP: Duration = Duration::from_secs(2);

fn main() {
    support::machine();
    let sockets = support::setting("WEBSOCKET_SOCKETS").unwrap_or(256);
    let length = Duration::from_secs(support::setting("WEBSOCKET_SECONDS").unwrap_or(10));
    let data = support::directory();
    // One thread: the other core is the server's.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("tokio starts");
    runtime.block_on(async {
        let users: Vec<String> = (0..sockets).map(|n| format!("viewer{n}")).collect();
        let house = House::open(data.path(), &users).await;
        let _star = house.go_live(ROOM).await;
        let mut viewers = gather(&house, &users).await;
        closed_loop(&mut viewers, 1, WARM_UP).await;
        for under_way in UNDER_WAY {
            viewers = shape(viewers, under_way, length).await;
        }
    });
}

/// One shape of load: so many gifts under way on each socket. The most there is, then the latencies at half of that,
/// where each socket sends as many at once.
async fn shape(mut viewers: Vec<Viewer>, under_way: usize, length: Duration) -> Vec<Viewer> {
    let most = closed_loop(&mut viewers, under_way, length).await;
    let sockets = viewers.len();
    let name =
        format!("gifts over WebSocket, each acknowledged, {sockets} sockets with {under_way} under way");
    support::figure(&name, most, "gifts/s (at least 30,000)");
    let rate = most / 2.0;
    let (viewers, latencies) = by_the_clock(viewers, rate, under_way, length).await;
    for (quantile, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
        let ms = latencies.value_at_quantile(quantile) as f64 / 1_000.0;
        let limit = if name == "p99" { " (at most 20)" } else { "" };
        let rate = support::number(rate);
        support::figure(
            &format!("  acknowledged at half of that, {rate} gifts/s, {name}"),
            ms,
            &format!("ms{limit}"),
        );
    }
    viewers
}

/// A socket that sends gifts.
struct Viewer {
    socket: WebSocketStream<TcpStream>,
    sent: u32,
}

async fn gather(house: &House, users: &[String]) -> Vec<Viewer> {
    let mut viewers = Vec::with_capacity(users.len());
    for user in users {
        viewers.push(Viewer::connect(&house.server.address, &house.token(user)).await);
    }
    viewers
}

impl Viewer {
    async fn connect(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        stream.set_nodelay(true).expect("nodelay");
        let url = format!("ws://{address}/connection/websocket");
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .expect("upgrades");
        let mut viewer = Self { socket, sent: 0 };
        let connect = format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#);
        viewer
            .socket
            .send(Message::text(connect))
            .await
            .expect("connects");
        viewer.acknowledged().await;
        viewer
    }

    async fn send(&mut self, gifts: usize) {
        for _ in 0..gifts {
            self.sent += 1;
            let gift = self.gift();
            self.socket.feed(gift).await.expect("the socket is open");
        }
        self.socket.flush().await.expect("the socket is open");
    }

    fn gift(&self) -> Message {
        let id = self.sent + 1;
        Message::text(format!(
            r#"{{"id":{id},"rpc":{{"method":"gift.send","data":{{"command_id":"c{id}","room":"{ROOM}","gift":"heart","count":1}}}}}}"#
        ))
    }

    /// Waits for the next frame with answers; how many there were. Pings are answered, pushes dropped.
    async fn acknowledged(&mut self) -> usize {
        loop {
            let message = self
                .socket
                .next()
                .await
                .expect("the socket is open")
                .expect("a frame");
            let Message::Text(frame) = message else { continue };
            let mut answers = 0;
            for line in frame.split('\n') {
                assert!(!line.contains(r#""error""#), "{line}");
                if line.starts_with(r#"{"id""#) {
                    answers += 1;
                } else if line == "{}" {
                    self.socket
                        .send(Message::text("{}"))
                        .await
                        .expect("the socket is open");
                }
            }
            if answers > 0 {
                return answers;
            }
        }
    }
}

/// Every socket as fast as it is answered, with so many under way; gifts per second.
async fn closed_loop(viewers: &mut [Viewer], window: usize, length: Duration) -> f64 {
    let count = AtomicU64::new(0);
    let began = Instant::now();
    let end = began + length;
    let all = viewers.iter_mut().map(|viewer| async {
        let mut under_way = window;
        viewer.send(window).await;
        while under_way > 0 {
            let answers = viewer.acknowledged().await;
            count.fetch_add(answers as u64, Ordering::Relaxed);
            under_way -= answers;
            if Instant::now() < end {
                viewer.send(answers).await;
                under_way += answers;
            }
        }
    });
    futures_util::future::join_all(all).await;
    count.into_inner() as f64 / began.elapsed().as_secs_f64()
}

/// Gifts at a rate, `burst` at once on a socket, the sockets one after the other; microseconds from when each was due to
/// its acknowledgement.
async fn by_the_clock(
    viewers: Vec<Viewer>,
    rate: f64,
    burst: usize,
    length: Duration,
) -> (Vec<Viewer>, Histogram<u64>) {
    let every = Duration::from_secs_f64((viewers.len() * burst) as f64 / rate);
    let began = Instant::now() + Duration::from_millis(100);
    let sockets = viewers.len() as u32;
    let all = viewers.into_iter().zip(0u32..).map(|(viewer, n)| {
        let first = began + every * n / sockets;
        tokio::spawn(one_by_the_clock(viewer, first, every, burst, began + length))
    });
    let mut latencies = support::durations_us();
    let mut viewers = Vec::new();
    for one in futures_util::future::join_all(all).await {
        let (viewer, its) = one.expect("no client panics");
        latencies.add(its).expect("same bounds");
        viewers.push(viewer);
    }
    (viewers, latencies)
}

async fn one_by_the_clock(
    mut viewer: Viewer,
    first: Instant,
    every: Duration,
    burst: usize,
    end: Instant,
) -> (Viewer, Histogram<u64>) {
    let mut latencies = support::durations_us();
    let mut due = first;
    let mut waiting = VecDeque::new();
    loop {
        tokio::select! {
            biased;
            answers = viewer.acknowledged(), if !waiting.is_empty() => {
                for _ in 0..answers {
                    let due: Instant = waiting.pop_front().expect("an answer to something sent");
                    latencies.saturating_record(due.elapsed().as_micros() as u64);
                }
            }
            () = tokio::time::sleep_until(due), if due < end => {
                viewer.send(burst).await;
                waiting.extend(std::iter::repeat_n(due, burst));
                due += every;
            }
            else => return (viewer, latencies),
        }
    }
}
