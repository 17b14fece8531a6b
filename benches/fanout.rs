//! What a server's processor does in a second when one message goes to thousands of sockets. Two figures: writes, where
//! each message is a frame of its own, and deliveries, where a room speaks faster than its ticks and frames hold several.
//! Beside the gateway nginx with nchan and a bare loop over actix-ws, in the same run, with the same clients.
//!
//! `FANOUT_SOCKETS` (default 5,000) and `FANOUT_SECONDS` (default 8) change the size.

#[path = "support/process.rs"]
#[allow(dead_code, reason = "shared with other figures")]
mod process;
#[path = "support/reader.rs"]
#[allow(dead_code, reason = "shared with other figures")]
mod reader;
#[path = "fanout/servers.rs"]
mod servers;
#[path = "support/mod.rs"]
mod support;

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use process::{Process, argument, cost};
use reader::{Clients, Handler};
use servers::Peer;

/// Of one frame, its head included.
const FRAME_BYTES: usize = 400;
const FRAME_HEAD_BYTES: usize = 4;
/// Slower than any tick: each message is a frame.
const FRAMES_PER_SECOND: f64 = 5.0;
/// A room that talks.
const MESSAGES_PER_SECOND: f64 = 40.0;
const PATIENCE: Duration = Duration::from_secs(60);
/// The clients look every so often at what came. On a network the server does not wake its clients; on loopback each
/// write to a client that sleeps pays for waking it, which is not what is measured.
const BETWEEN_READS: Duration = Duration::from_millis(5);

fn main() {
    match process::role().as_deref() {
        Some("gateway") => return servers::serve_gateway(),
        Some("actix-ws") => return servers::serve_actix_ws(),
        Some("readers") => return read(),
        Some(other) => panic!("there is no role {other}"),
        None => {}
    }
    support::machine();
    let sockets = support::setting("FANOUT_SOCKETS").unwrap_or(5_000);
    let length = Duration::from_secs(support::setting("FANOUT_SECONDS").unwrap_or(8));
    let directory = support::directory();
    let ours = measure(Peer::gateway(), sockets, length);
    let bare = measure(Peer::bare_actix_ws(), sockets, length);
    let nchan = Peer::nchan(directory.path()).map(|peer| measure(peer, sockets, length));
    if nchan.is_none() {
        println!("nginx + nchan were not measured: install nginx and libnginx-mod-nchan");
    }
    let peers = [nchan, Some(bare)];
    for peer in peers.iter().flatten() {
        support::figure_beside(
            "idle connection that hears one channel, resident in the server (at most 10,240)",
            ours.idle_bytes,
            "bytes",
            peer.name,
            peer.idle_bytes,
        );
    }
    for peer in peers.iter().flatten() {
        support::figure_beside(
            &format!(
                "frames of {FRAME_BYTES} bytes written to {sockets} sockets per second of the processor (at least 150,000)"
            ),
            ours.writes,
            "writes",
            peer.name,
            peer.writes,
        );
    }
    for peer in peers.iter().flatten() {
        support::figure_beside(
            &format!(
                "deliveries in one room of {sockets} at {MESSAGES_PER_SECOND} messages/s per second of the processor (at least 600,000)"
            ),
            ours.deliveries,
            "deliveries",
            peer.name,
            peer.deliveries,
        );
    }
}

/// Both per second of the server's processor time, and what an idle connection holds.
struct Measured {
    name: &'static str,
    idle_bytes: f64,
    writes: f64,
    deliveries: f64,
}

fn measure(peer: Peer, sockets: u64, length: Duration) -> Measured {
    let empty = cost(peer.process.id()).resident_bytes;
    let mut readers = Process::in_role(
        "readers",
        &[
            ("ADDRESS", peer.address.to_string()),
            ("SOCKETS", sockets.to_string()),
            ("WS_PATH", peer.path.into()),
            ("GREETING", peer.greeting.clone().unwrap_or_default()),
        ],
    );
    assert_eq!(readers.line(), "ready");
    let idle_bytes = (cost(peer.process.id()).resident_bytes - empty) / sockets as f64;
    let writes = run(&peer, &mut readers, FRAMES_PER_SECOND, length);
    let deliveries = run(&peer, &mut readers, MESSAGES_PER_SECOND, length);
    println!(
        "{}: {:.0} frames in {:.2} s of the processor; {:.0} messages in {:.0} frames in {:.2} s",
        peer.name,
        writes.frames,
        writes.cpu_seconds,
        deliveries.messages,
        deliveries.frames,
        deliveries.cpu_seconds,
    );
    Measured {
        name: peer.name,
        idle_bytes,
        writes: writes.frames / writes.cpu_seconds,
        deliveries: deliveries.messages / deliveries.cpu_seconds,
    }
}

struct Run {
    frames: f64,
    messages: f64,
    cpu_seconds: f64,
}

/// Publishes by the clock; what arrived, and what it cost.
fn run(peer: &Peer, readers: &mut Process, rate: f64, length: Duration) -> Run {
    let mut publisher = peer.publisher();
    let data = message(FRAME_BYTES - FRAME_HEAD_BYTES - peer.envelope_bytes);
    publisher.publish(&data);
    readers.tell("settle");
    readers.numbers();
    let before = cost(peer.process.id()).cpu_seconds;
    let messages = (rate * length.as_secs_f64()) as u32;
    let began = Instant::now();
    for n in 0..messages {
        let due = began + Duration::from_secs_f64(f64::from(n) / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        publisher.publish(&data);
    }
    readers.tell("settle");
    let heard = readers.numbers();
    let cpu_seconds = cost(peer.process.id()).cpu_seconds - before;
    Run {
        frames: heard[0],
        messages: heard[1],
        cpu_seconds,
    }
}

/// A JSON value of so many bytes.
fn message(bytes: usize) -> String {
    let empty = r#"{"text":""}"#;
    format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes - empty.len()))
}

#[derive(Default)]
struct Count {
    greeting: String,
    frames: u64,
    messages: u64,
}

impl Handler for Count {
    fn greeting(&mut self, _client: usize) -> Option<String> {
        (!self.greeting.is_empty()).then(|| self.greeting.clone())
    }

    fn message(&mut self, _client: usize, payload: &[u8]) -> bool {
        self.frames += 1;
        self.messages += 1 + memchr::memchr_iter(b'\n', payload).count() as u64;
        memchr::memmem::find(payload, br#""id":2"#).is_some()
    }
}

/// The role `readers`: connects, says `ready`; told to settle, it reads until nothing came for a while, then says how
/// many frames and messages came since the last time.
fn read() {
    let handler = Count {
        greeting: argument("GREETING"),
        ..Count::default()
    };
    let address = argument("ADDRESS");
    let mut clients = Clients::new(
        address,
        &argument::<String>("WS_PATH"),
        argument("SOCKETS"),
        handler,
    );
    clients.gather(PATIENCE);
    process::tell("ready");
    let orders = orders();
    loop {
        clients.turn(Duration::from_millis(20));
        std::thread::sleep(BETWEEN_READS);
        match orders.try_recv().as_deref() {
            Ok("settle") => settle(&mut clients),
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

/// What this process is told, without waiting for it.
fn orders() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || while sender.send(process::told()).is_ok() {});
    receiver
}

fn settle(clients: &mut Clients<Count>) {
    const QUIET: Duration = Duration::from_millis(400);
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < QUIET {
        let before = clients.handler.frames;
        clients.turn(Duration::from_millis(50));
        std::thread::sleep(BETWEEN_READS);
        if clients.handler.frames > before {
            quiet_since = Instant::now();
        }
    }
    assert_eq!(clients.lost, 0, "the server ended sockets");
    let (frames, messages) = (clients.handler.frames, clients.handler.messages);
    process::tell(&format!("{frames} {messages}"));
    (clients.handler.frames, clients.handler.messages) = (0, 0);
}
