//! The figures `relations`. Follow commands through the actors, in process, every reply durable and the load generator
//! included, beside PostgreSQL 15 with two rows per follow; what was answered is counted again in the journal. And the memory
//! of a set of 10 million followers, as the view `followers` keeps it, beside a Redis set of the same members.
//!
//! `LIVEHOUSE_BENCH_SECONDS` sets the time that is measured; `LIVEHOUSE_BENCH_PEER=0` leaves the peers out.

mod support;

#[path = "relations/postgres.rs"]
mod postgres;
#[path = "relations/redis.rs"]
mod redis;

use std::alloc::System as Heap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use actors::{Actors, Config, House, Outcome, Request};
use domain::event::EventType;
use domain::{Catalogue, UserId, viewer};
use futures_util::FutureExt;
use journal::embedded::{Embedded, Options};
use journal::{Position, Reader};
use roaring::RoaringBitmap;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<Heap> = &INSTRUMENTED_SYSTEM;

const VIEWERS: usize = 20_000;
const STREAMERS: usize = 4_000;
/// Follows that are under way at once.
const UNDER_WAY_MAX: u64 = 32_768;
/// Follows sent between two looks at what is under way.
const BURST: u64 = 256;
/// Followers of the one whose set is weighed, among three times as many users.
const FOLLOWERS: u32 = 10_000_000;
/// An odd number: multiplied by it, every user comes once, in no order.
const SCATTER: u64 = 7_919;

fn main() {
    let peers = std::env::var("LIVEHOUSE_BENCH_PEER").as_deref() != Ok("0");
    let seconds = std::env::var("LIVEHOUSE_BENCH_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(10);
    support::machine();
    let directory = support::directory();
    let ours = follows(directory.path(), Duration::from_secs(seconds));
    let name = "follow commands, durable replies";
    let peer = peers.then(|| postgres::measure(directory.path(), seconds));
    let peer_name = "PostgreSQL 15, 32 clients, two rows in one transaction";
    figure(name, ours, "follows/s", peer_name, peer);
    let ours = bytes_per_follower();
    let name = "memory of a set of 10,000,000 followers";
    let of = |bytes: u64| bytes as f64 / f64::from(FOLLOWERS);
    let peer = peers.then(|| redis::bytes_of_set(directory.path(), followers()).map(of));
    figure(name, ours, "bytes per follower", "a Redis set", peer);
}

fn figure(name: &str, ours: f64, unit: &str, peer_name: &str, peer: Option<Result<f64, String>>) {
    match peer {
        Some(Ok(peer)) => support::figure_beside(name, ours, unit, peer_name, peer),
        Some(Err(why)) => {
            support::figure(name, ours, unit);
            println!("{peer_name} was not measured: {why}");
        }
        None => support::figure(name, ours, unit),
    }
}

/// The numbers of the followers, in the order in which they began to follow: every third user, scattered.
fn followers() -> impl Iterator<Item = u32> {
    let all = u64::from(FOLLOWERS);
    (0..all).map(move |n| (n * SCATTER % all * 3) as u32)
}

fn bytes_per_follower() -> f64 {
    let region = Region::new(HEAP);
    let set: RoaringBitmap = followers().fold(RoaringBitmap::new(), |mut set, follower| {
        set.insert(follower);
        set
    });
    let change = region.change();
    assert_eq!(set.len(), u64::from(FOLLOWERS));
    let bytes = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    bytes / f64::from(FOLLOWERS)
}

/// What the replies' callbacks and the generator share.
struct Tally {
    accepted: AtomicU64,
    failed: AtomicU64,
    generator: Thread,
}

impl Tally {
    fn told(&self, outcome: &Outcome<viewer::Answer>) {
        let count = if outcome.is_ok() {
            &self.accepted
        } else {
            &self.failed
        };
        if (count.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(BURST) {
            self.generator.unpark();
        }
    }

    fn done(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a well-formed id")
}

/// Follows per second.
fn follows(directory: &std::path::Path, duration: Duration) -> f64 {
    let (reader, writer) = Embedded::open(directory.join("journal"), Options::default()).expect("a journal");
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    let catalogue = Arc::new(Catalogue::new([]).expect("a catalogue"));
    let house = House::new(reader.clone(), writer, catalogue, House::system_clock());
    let system = System::new();
    let config = Config {
        arbiters: 1,
        room_arbiters: 1,
        ..Config::default()
    };
    let actors = system.block_on(async { Actors::start(house, &config) });
    let giver = actors.clone();
    let generator = std::thread::spawn(move || generate(&giver, duration));
    let (accepted, per_second) = generator.join().expect("the generator");
    assert!(
        system.block_on(actors.stop(Duration::from_secs(60))),
        "stopped in good order"
    );
    let (mut at, mut recorded) = (Position::start(0), 0u64);
    loop {
        let batch = reader.read(at, 1 << 20).now_or_never();
        let batch = batch.expect("ready").expect("read");
        if batch.is_empty() {
            break;
        }
        let of_follows = batch
            .iter()
            .filter(|record| record.event_type == EventType::Followed);
        recorded += of_follows.count() as u64;
        at = batch.last();
    }
    assert_eq!(recorded, accepted, "every follow that was answered is there once");
    println!("{accepted} follows, each of another pair, all in the journal");
    per_second
}

/// Everybody in turn follows the next streamer, never more under way than the limit. Gives the follows and their rate.
fn generate(actors: &Actors, duration: Duration) -> (u64, f64) {
    let users: Vec<UserId> = (0..VIEWERS)
        .map(|n| id(&format!("{}", 100_000_000 + n)))
        .collect();
    let stars: Vec<UserId> = (0..STREAMERS)
        .map(|n| id(&format!("{}", 900_000_000 + n)))
        .collect();
    let tally = Arc::new(Tally {
        accepted: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        generator: std::thread::current(),
    });
    let (began, mut sent) = (Instant::now(), 0u64);
    while began.elapsed() < duration {
        while sent - tally.done() > UNDER_WAY_MAX - BURST {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        for _ in 0..BURST {
            let (at, round) = (sent as usize % VIEWERS, sent as usize / VIEWERS);
            assert!(round < STREAMERS, "everybody follows all: make more streamers");
            let user = &users[at];
            let request = Request {
                // As long as the UUIDs that clients make.
                command_id: Some(id(&format!("00000000-0000-4000-8000-{sent:012x}"))),
                request_hash: 1,
                actor: user.as_str().into(),
            };
            let follow = viewer::Command::Follow {
                streamer: stars[(at + round) % STREAMERS].clone(),
                clearance: None,
            };
            let teller = tally.clone();
            let reply = move |outcome: Outcome<viewer::Answer>| teller.told(&outcome);
            actors.viewer(user, request, follow, reply);
            sent += 1;
        }
    }
    while tally.done() < sent {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0, "a follow failed");
    (sent, sent as f64 / began.elapsed().as_secs_f64())
}
