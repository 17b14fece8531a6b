//! Floods over real sockets: messages, connections, dribbled handshakes, slow readers. Those who are in keep their
//! latency, memory stays bounded, and every refusal has its number. The counts are small; `FLOOD=full` makes them what
//! `cargo xtask flood` wants, against a server in a process of its own (`FLOOD_SERVER` names the conformance example).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gateway::{Config, Hub};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::memory::{Memory, Profile};
use crate::stage::Stage;
use crate::support::{Child, Raw, Server};

/// Whoever is in is answered within this, 99 times in 100, whatever others do. Generous: the flood runs on the same cores.
const LATENCY_P99_MAX: Duration = Duration::from_millis(250);
/// So many answers say how one is served; whoever is in asks on until there are so many.
const ANSWERS_MIN: usize = 10;
const CONNECT: &[u8] = b"{\"id\":1,\"connect\":{}}";
const MEBIBYTE: u64 = 1 << 20;

/// Small here, large there.
fn count(small: usize, full: usize) -> usize {
    match std::env::var("FLOOD").as_deref() {
        Ok("full") => full,
        _ => small,
    }
}

fn server(config: Config) -> Server {
    let hub = Hub::new();
    Server::start(config, hub.clone(), Memory::new(hub, Profile::Js, false))
}

/// Somebody who is in and asks all the time, one question after the other.
struct Regular {
    asking: JoinHandle<Vec<Duration>>,
    leave: Arc<AtomicBool>,
}

impl Regular {
    async fn enter(address: SocketAddr) -> Self {
        let (mut raw, _) = Raw::connected_at(address, "").await;
        let leave = Arc::new(AtomicBool::new(false));
        let left = leave.clone();
        let asking = tokio::spawn(async move {
            let mut latencies = Vec::new();
            // One question every 20 ms keeps below the rate that a connection has.
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            for id in 2u32.. {
                ticks.tick().await;
                if left.load(Relaxed) && latencies.len() >= ANSWERS_MIN {
                    break;
                }
                let asked = Instant::now();
                let question = json!({"id": id, "unsubscribe": {"channel": "of-nobody"}});
                let reply = raw.ask(question).await;
                assert!(reply["unsubscribe"].is_object(), "{reply}");
                latencies.push(asked.elapsed());
            }
            latencies
        });
        Self { asking, leave }
    }

    /// The 99th percentile of its latency, which is held against the bound.
    async fn leave(self, during: &str) -> Duration {
        self.leave.store(true, Relaxed);
        let mut latencies = self.asking.await.expect("it was answered all the time");
        latencies.sort_unstable();
        let p99 = latencies[(latencies.len() - 1) * 99 / 100];
        println!("{during}: {} answers, p99 {p99:?}", latencies.len());
        assert!(p99 <= LATENCY_P99_MAX, "{during}: p99 {p99:?}");
        p99
    }
}

#[tokio::test]
async fn a_flood_of_messages_is_refused_by_number_and_delays_nobody() {
    let server = server(Config::default());
    let regular = Regular::enter(server.address).await;
    let messages = count(10_000, 100_000);
    let (mut flooder, _) = Raw::connected(&server, "").await;
    let mut sent = 0;
    for id in 2..messages {
        let command = json!({"id": id, "presence_stats": {"channel": "c"}}).to_string();
        if flooder.try_send_message(command.into()).await.is_err() {
            break;
        }
        sent += 1;
    }
    let stats = server.hub.stats();
    let deadline = Instant::now() + Duration::from_secs(20);
    while stats.closed_flooding.load(Relaxed) == 0 {
        assert!(Instant::now() < deadline, "the flood of {sent} messages went on");
        tokio::task::yield_now().await;
    }
    let throttled = stats.commands_throttled.load(Relaxed);
    println!("of {sent} messages {throttled} were answered with 111, then the socket was closed with 3013");
    assert!((150..=400).contains(&throttled), "{throttled}");
    regular.leave("a flood of messages").await;
}

#[tokio::test]
async fn without_a_limit_every_message_is_answered_and_the_others_are_too() {
    let server = server(Config {
        commands_per_second_max: 0,
        ..Config::default()
    });
    let regular = Regular::enter(server.address).await;
    let messages = count(5_000, 100_000) as u64;
    let (mut flooder, _) = Raw::connected(&server, "").await;
    // Frames of a hundred commands; the answers are read only at the end of each thousand.
    let mut answered = 0;
    for batch in 0..messages / 1_000 {
        for frame in 0..10 {
            let first = batch * 1_000 + frame * 100 + 2;
            let commands: Vec<String> = (first..first + 100)
                .map(|id| json!({"id": id, "presence_stats": {"channel": "c"}}).to_string())
                .collect();
            flooder.send(&commands.join("\n")).await;
        }
        for _ in 0..1_000 {
            let reply = flooder.next().await;
            assert!(reply["presence_stats"].is_object(), "{reply}");
            answered += 1;
        }
    }
    assert_eq!(answered, messages);
    regular.leave("a flood of messages without a limit").await;
}

/// Opens a socket from an address of the loopback network. `None` = told to come back.
async fn open(address: SocketAddr, nth: usize) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    // One address has some 28,000 ports.
    let from = Ipv4Addr::new(127, 0, 1, (nth % 8) as u8 + 1);
    socket
        .bind(SocketAddr::from((from, 0)))
        .expect("a loopback address");
    let mut stream = socket.connect(address).await.ok()?;
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gateway::ws::PATH
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    match &head[9..] {
        b"101" => {
            // A masked text frame; the mask is of zeros.
            stream
                .write_all(&[0x81, 0x80 | CONNECT.len() as u8, 0, 0, 0, 0])
                .await
                .ok()?;
            stream.write_all(CONNECT).await.ok()?;
            Some(stream)
        }
        b"503" => None,
        other => panic!(
            "neither let in nor told to come back: {}",
            String::from_utf8_lossy(other)
        ),
    }
}

#[tokio::test]
async fn a_storm_of_connections_is_let_in_or_told_to_come_back_and_all_are_in_at_last() {
    const AT_ONCE: usize = 256;
    let wanted = count(400, 15_000);
    let target = Child::from_environment().map_or_else(
        || {
            Target::Inside(server(Config {
                handshakes_per_second_max: 150,
                ..Config::default()
            }))
        },
        Target::Outside,
    );
    let before = target.resident_bytes();
    let regular = Regular::enter(target.address()).await;
    let started = Instant::now();
    let (mut inside, mut refused) = (Vec::with_capacity(wanted), 0);
    let mut opening = FuturesUnordered::new();
    while inside.len() < wanted {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "only {} are in",
            inside.len()
        );
        while opening.len() < AT_ONCE.min(wanted - inside.len()) {
            opening.push(open(target.address(), inside.len() + opening.len()));
        }
        match opening.next().await {
            Some(Some(stream)) => inside.push(stream),
            _ => refused += 1,
        }
    }
    let took = started.elapsed();
    let grown = target.resident_bytes().saturating_sub(before);
    println!(
        "{wanted} connections in {took:?}, {refused} refusals on the way, {} bytes of memory each",
        grown / wanted as u64
    );
    regular.leave("a storm of connections").await;
    if let Target::Inside(server) = &target {
        assert_eq!(server.hub.stats().turned_storm.load(Relaxed), refused);
        assert!(refused > 0, "the rate was never reached");
    }
}

enum Target {
    Inside(Server),
    Outside(Child),
}

impl Target {
    fn address(&self) -> SocketAddr {
        match self {
            Target::Inside(server) => server.address,
            Target::Outside(child) => child.address,
        }
    }

    fn resident_bytes(&self) -> u64 {
        resident_bytes(match self {
            Target::Inside(_) => std::process::id(),
            Target::Outside(child) => child.id(),
        })
    }
}

/// What a process holds in memory.
fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes
        .and_then(|text| text.parse::<u64>().ok())
        .expect("a figure")
        * 1_024
}

#[tokio::test]
async fn who_dribbles_a_handshake_is_dropped_in_time_and_others_come_in_meanwhile() {
    let handshake_within = Duration::from_millis(1_500);
    let server = server(Config {
        handshake_within,
        ..Config::default()
    });
    let regular = Regular::enter(server.address).await;
    let dribblers = count(200, 3_000);
    let dribbles: FuturesUnordered<_> = (0..dribblers)
        .map(|_| async {
            let mut stream = TcpStream::connect(server.address).await.expect("connected");
            let started = Instant::now();
            let request = format!("GET {} HTTP/1.1\r\nhost: x\r\n", gateway::ws::PATH);
            for byte in request.bytes() {
                // It is over when nothing more is taken, or something is said.
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                let said = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
                if said.is_ok() {
                    break;
                }
            }
            started.elapsed()
        })
        .collect();
    let comers = tokio::spawn({
        let address = server.address;
        async move {
            for _ in 0..10 {
                let (mut raw, reply) = Raw::connected_at(address, "").await;
                assert!(reply["connect"].is_object(), "{reply}");
                raw.ask(json!({"id": 2, "presence_stats": {"channel": "c"}}))
                    .await;
            }
        }
    });
    let lasted: Vec<Duration> = dribbles.collect().await;
    comers.await.expect("ten came in");
    let longest = lasted.iter().max().copied().unwrap_or_default();
    println!("{dribblers} dribbled handshakes, the longest for {longest:?}");
    assert!(longest < handshake_within * 4, "{longest:?}");
    regular.leave("dribbled handshakes").await;
}

#[tokio::test]
async fn readers_that_never_read_or_a_byte_a_second_cost_no_memory_and_the_fast_ones_nothing() {
    const PUBLICATION_BYTES: usize = 4_000;
    /// Fewer than an outbox holds.
    const AT_ONCE: u64 = 20;
    let slow_readers = count(40, 400);
    let publications = count(2_000, 10_000) as u64;
    let stage = Stage::new(PUBLICATION_BYTES);
    let config = Config {
        outbox_bytes_max: 131_072,
        ..Config::default()
    };
    let server = Server::start(config, stage.hub.clone(), stage.clone());
    let subscribe = json!({"id": 2, "subscribe": {"channel": "c"}});
    let mut slow = Vec::new();
    for _ in 0..slow_readers {
        let (mut raw, _) = Raw::connected(&server, "slow").await;
        raw.ask(subscribe.clone()).await;
        slow.push(raw);
    }
    // Half of them read a byte a second; the others nothing.
    let trickles: Vec<JoinHandle<()>> = slow
        .drain(..slow_readers / 2)
        .map(|raw| {
            tokio::spawn(async move {
                let mut stream = raw.into_stream();
                let mut seconds = tokio::time::interval(Duration::from_secs(1));
                loop {
                    seconds.tick().await;
                    if stream.read_u8().await.is_err() {
                        break;
                    }
                }
            })
        })
        .collect();
    let (mut fast, _) = Raw::connected(&server, "fast").await;
    fast.ask(subscribe).await;
    let before = resident_bytes(std::process::id());
    let regular = Regular::enter(server.address).await;

    let (mut worst, mut seen) = (Duration::ZERO, 0);
    while seen < publications {
        let published = Instant::now();
        for _ in 0..AT_ONCE {
            stage.publish("c");
        }
        let last = seen + AT_ONCE;
        while seen < last {
            let push = fast.next().await;
            if let Some(offset) = push["push"]["pub"]["offset"].as_u64() {
                seen += 1;
                assert_eq!(offset, seen, "in order, each once");
            }
        }
        worst = worst.max(published.elapsed());
    }
    let grown = resident_bytes(std::process::id()).saturating_sub(before);
    let offered = publications * PUBLICATION_BYTES as u64 * slow_readers as u64;
    println!(
        "{slow_readers} slow readers were offered {} MiB; memory grew by {} MiB; the fast one waited {worst:?} at most",
        offered / MEBIBYTE,
        grown / MEBIBYTE
    );
    // Each may hold its outbox and what the system's own buffers leave in ours; a copy for each would be the whole offer.
    let bound = slow_readers as u64 * 2 * 131_072 + 64 * MEBIBYTE;
    assert!(grown < bound && bound < offered, "{grown} bytes of {offered}");
    let stats = server.hub.stats();
    let given_up = stats.lost_durable_subscriptions.load(Relaxed);
    println!(
        "{given_up} subscriptions were given up, {} connections closed with 3008",
        stats.closed_slow.load(Relaxed)
    );
    assert!(given_up > 0);
    let inside = server.hub.presence_stats("c").num_clients;
    assert_eq!(
        inside, 1,
        "the slow ones were given up, to recover when they read; the fast one stays"
    );
    regular.leave("slow readers").await;
    trickles.iter().for_each(JoinHandle::abort);
}
