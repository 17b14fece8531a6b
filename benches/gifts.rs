//! The figure `gifts`: 10,000 viewers send to one streamer, through the actors, in process, every reply durable, with
//! settlement running and the load generator included. Beside it PostgreSQL 15: the same gift as one transaction.
//! At the end coins and tickets are counted again from the journal: not one may be missing or too many.
//!
//! `LIVEHOUSE_BENCH_SECONDS` sets the time that is measured; `LIVEHOUSE_BENCH_PEER=0` leaves PostgreSQL out.

mod support;

#[path = "gifts/postgres.rs"]
mod postgres;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use actors::{Actors, Config, House, Outcome, Reply, Request};
use domain::viewer::{self, SendGift};
use domain::{Catalogue, Event, Gift, GiftId, RoomId, UserId, streamer};
use hdrhistogram::Histogram;
use journal::embedded::{Embedded, EmbeddedReader, Options};
use journal::{Position, Reader};

/// The server's own.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VIEWERS: usize = 10_000;
const GRANTED_COINS: u64 = 1 << 40;
const ROSE: (u64, u64) = (10, 5);
/// Gifts that are under way at once: some for every viewer, as when a crowd taps.
const UNDER_WAY_MAX: u64 = 32_768;
/// Gifts sent between two looks at what is under way.
const BURST: u64 = 256;
/// One reply in this many has its latency measured.
const MEASURED_EVERY: u64 = 64;

fn main() {
    let seconds = env("LIVEHOUSE_BENCH_SECONDS")
        .and_then(|s| s.parse().ok())
        .unwrap_or(10);
    support::machine();
    let directory = support::directory();
    let ours = measure(directory.path(), Duration::from_secs(seconds));
    if env("LIVEHOUSE_BENCH_PEER").as_deref() == Some("0") {
        support::figure("gifts to one streamer, durable replies", ours, "gifts/s");
        return;
    }
    match postgres::measure(directory.path(), seconds) {
        Ok(peer) => {
            let name = "PostgreSQL 15, 32 clients, one transaction each";
            support::figure_beside(
                "gifts to one streamer, durable replies",
                ours,
                "gifts/s",
                name,
                peer.one_streamer,
            );
            let name = "PostgreSQL 15, 32 clients, spread over 10,000 streamers";
            support::figure_beside(
                "gifts to one streamer, durable replies",
                ours,
                "gifts/s",
                name,
                peer.spread,
            );
        }
        Err(why) => {
            support::figure("gifts to one streamer, durable replies", ours, "gifts/s");
            println!("PostgreSQL was not measured: {why}");
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a well-formed id")
}

/// What the replies' callbacks and the generator share.
struct Tally {
    accepted: AtomicU64,
    failed: AtomicU64,
    generator: Thread,
    latencies_us: std::sync::Mutex<Histogram<u64>>,
}

/// What one run came to.
struct Run {
    sent: u64,
    per_second: f64,
    cpu_seconds: f64,
    tally: Arc<Tally>,
}

impl Tally {
    fn told(&self, outcome: &Outcome<viewer::Answer>, sent_at: Option<Instant>) {
        let count = if outcome.is_ok() {
            &self.accepted
        } else {
            &self.failed
        };
        let accepted = count.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(sent_at) = sent_at {
            let us = u64::try_from(sent_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.latencies_us
                .lock()
                .expect("no panic under the lock")
                .saturating_record(us);
        }
        if accepted.is_multiple_of(BURST) {
            self.generator.unpark();
        }
    }

    fn done(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }
}

fn measure(directory: &std::path::Path, duration: Duration) -> f64 {
    let (reader, writer) = Embedded::open(directory.join("journal"), Options::default()).expect("a journal");
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    let rose = Gift {
        id: id("rose"),
        name: "Rose".into(),
        coins: ROSE.0,
        tickets: ROSE.1,
    };
    let catalogue = Arc::new(Catalogue::new([rose]).expect("a catalogue"));
    let house = House::new(reader.clone(), writer, catalogue, House::system_clock());
    let system = System::new();
    let config = Config {
        arbiters: 1,
        room_arbiters: 1,
        ..Config::default()
    };
    let actors = system.block_on(async { Actors::start(house, &config) });
    let users: Arc<[UserId]> = (0..VIEWERS)
        .map(|n| id(&format!("{}", 100_000_000 + n)))
        .collect();
    system.block_on(prepare(&actors, &users));

    let (giver, crowd) = (actors.clone(), users.clone());
    let generator = std::thread::spawn(move || {
        _ = generate(&giver, &crowd, Duration::from_secs(2), 0);
        generate(&giver, &crowd, duration, 1)
    });
    let Run {
        sent,
        per_second,
        cpu_seconds,
        tally,
    } = generator.join().expect("the generator");
    let cpu_us = 1e6 * cpu_seconds / sent as f64;
    let lag = actors.settlement_lag_records();
    let settling = Instant::now();
    assert!(
        system.block_on(actors.stop(Duration::from_secs(60))),
        "stopped in good order"
    );
    let settled_in = settling.elapsed();
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0, "a gift failed");
    let latencies = tally.latencies_us.lock().expect("no panic under the lock");
    println!(
        "{sent} gifts, latency p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms with {UNDER_WAY_MAX} under way",
        latencies.value_at_quantile(0.5) as f64 / 1e3,
        latencies.value_at_quantile(0.99) as f64 / 1e3,
        latencies.max() as f64 / 1e3,
    );
    println!(
        "processor time: {cpu_us:.2} us per gift, of all threads; two idle cores: at most {:.0} gifts/s",
        2e6 / cpu_us
    );
    println!(
        "settlement: {} credits carried {} gifts; {lag} records behind at the end, stopped in {:.2} s",
        actors.stats().credits.get(),
        actors.stats().gifts_settled.get(),
        settled_in.as_secs_f64(),
    );
    conserved(&reader, &users);
    per_second
}

/// Coins for everybody, and a room that is live.
async fn prepare(actors: &Actors, users: &[UserId]) {
    let (reply, live) = Reply::channel();
    let streamer = id::<UserId>("star");
    actors.streamer(
        &streamer,
        request("star", "live"),
        streamer::Command::StartLive { title: String::new() },
        reply,
    );
    live.await.expect("live");
    let mut granted = Vec::new();
    for (n, user) in users.iter().enumerate() {
        let (reply, outcome) = Reply::channel();
        let command = viewer::Command::AdjustCoins {
            amount: GRANTED_COINS as i64,
            reason: "bench".into(),
        };
        actors.viewer(user, request("admin", &format!("grant-{n}")), command, reply);
        granted.push(outcome);
    }
    for outcome in granted {
        outcome.await.expect("granted");
    }
}

fn request(actor: &str, command: &str) -> Request {
    Request {
        command_id: Some(id(command)),
        request_hash: 1,
        actor: actor.into(),
    }
}

/// Processor time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths of a second.
    fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Sends gifts of everybody in turn for a while, never more under way than the limit, and waits for every reply.
fn generate(actors: &Actors, users: &[UserId], duration: Duration, run: u32) -> Run {
    let (room, rose) = (id::<RoomId>("star"), id::<GiftId>("rose"));
    let tally = Arc::new(Tally {
        accepted: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        generator: std::thread::current(),
        latencies_us: std::sync::Mutex::new(Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds")),
    });
    let (began, cpu_before) = (Instant::now(), cpu_seconds());
    let mut sent = 0u64;
    while began.elapsed() < duration {
        while sent - tally.done() > UNDER_WAY_MAX - BURST {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        for _ in 0..BURST {
            let user = &users[sent as usize % users.len()];
            // As long as the UUIDs that clients make.
            let command_id = format!("{run:08x}-0000-4000-8000-{sent:012x}");
            let gift = SendGift {
                room: room.clone(),
                session: None,
                gift: rose.clone(),
                count: 1,
                combo: None,
            };
            let command = viewer::Command::SendGift(gift);
            let sent_at = sent.is_multiple_of(MEASURED_EVERY).then(Instant::now);
            let teller = tally.clone();
            let reply = move |outcome: Outcome<viewer::Answer>| teller.told(&outcome, sent_at);
            actors.viewer(user, request(user.as_str(), &command_id), command, reply);
            sent += 1;
        }
    }
    while tally.done() < sent {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let per_second = sent as f64 / began.elapsed().as_secs_f64();
    Run {
        sent,
        per_second,
        cpu_seconds: cpu_seconds() - cpu_before,
        tally,
    }
}

/// Counts everything again from the journal alone.
fn conserved(reader: &EmbeddedReader, users: &[UserId]) {
    let mut left: HashMap<String, u64> = users.iter().map(|user| (user.to_string(), 0)).collect();
    let (mut granted, mut spent, mut owed, mut gifts) = (0u64, 0u64, 0u64, 0u64);
    let (mut credited, mut credited_gifts, mut total) = (0u64, 0u64, 0u64);
    let mut at = Position::start(0);
    loop {
        let batch = futures_util::FutureExt::now_or_never(reader.read(at, 1 << 20))
            .expect("ready")
            .expect("read");
        if batch.is_empty() {
            break;
        }
        for record in batch.iter() {
            match journal::codec::decode(&record).expect("decodes") {
                Event::CoinsAdjusted(e) => {
                    granted += e.amount.unsigned_abs();
                    left.insert(record.key.to_owned(), e.coins_left);
                }
                Event::GiftSent(e) => {
                    (gifts, spent, owed) = (gifts + 1, spent + e.coins, owed + e.tickets);
                    let before = left.insert(record.key.to_owned(), e.coins_left);
                    assert_eq!(
                        before,
                        Some(e.coins_left + e.coins),
                        "a debit that does not follow the last one"
                    );
                }
                Event::TicketsCredited(e) => {
                    (credited, credited_gifts, total) =
                        (credited + e.tickets, credited_gifts + e.gifts, e.tickets_total);
                }
                _ => {}
            }
        }
        at = batch.last();
    }
    assert_eq!(granted, spent + left.values().sum::<u64>(), "coins are conserved");
    assert_eq!(
        (owed, gifts),
        (credited, credited_gifts),
        "every gift is credited once"
    );
    assert_eq!(
        credited, total,
        "the streamer's account is the sum of its credits"
    );
    println!("conserved: {gifts} gifts, {spent} coins spent, {credited} tickets credited");
}
