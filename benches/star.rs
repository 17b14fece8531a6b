//! The figure `star`: the half hour in which one streamer gets 40,000,000 tickets from 100,000 viewers, in combos and single
//! gifts worth mostly one ticket (0.1 yuan), as fast as they can be taken; every reply durable, settlement running, the load
//! generator included. Beside it a small streamer gets a gift every 10 ms, and must be credited as if nothing were going on.
//! At the end the whole journal is audited.
//!
//! `LIVEHOUSE_BENCH_TICKETS` and `LIVEHOUSE_BENCH_VIEWERS` make it smaller, to try it; `LIVEHOUSE_BENCH_STREAMER_THREADS=0` puts
//! the streamers on the viewers' thread, to see what it is worth that they have one of their own.

mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use actors::{Actors, Config, House, Outcome, Reply, Request};
use domain::event::{ComboStep, EventType};
use domain::viewer::{self, SendGift};
use domain::{Catalogue, Event, Gift, GiftId, RoomId, StreamKind, UserId, streamer};
use fastrand::Rng;
use hdrhistogram::Histogram;
use journal::embedded::{Embedded, EmbeddedReader, Options};
use journal::{Checkpoint, Reader};
use projections::{Stopper, audit};

/// The server's own.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TICKETS: u64 = 40_000_000;
const VIEWERS: u64 = 100_000;
const GRANTED_COINS: i64 = 1 << 40;
/// Gift, coins, tickets.
const GIFTS: [(&str, u64, u64); 3] = [("heart", 1, 1), ("rose", 10, 10), ("rocket", 1_000, 1_000)];
const UNDER_WAY_MAX: u64 = 32_768;
const BURST: u64 = 256;
/// One gift to the star in so many has its settlement timed.
const TIMED_EVERY: u64 = 64;
const SMALL_EVERY: Duration = Duration::from_millis(10);
/// The whole of it, settlement and audit included.
const SECONDS_MAX: f64 = 300.0;
const STAR_LAG_MS_MAX: f64 = 1_000.0;
const SMALL_LAG_MS_MAX: f64 = 200.0;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a well-formed id")
}

fn main() {
    support::machine();
    let wanted = support::setting("LIVEHOUSE_BENCH_TICKETS").unwrap_or(TICKETS);
    let viewers = support::setting("LIVEHOUSE_BENCH_VIEWERS").unwrap_or(VIEWERS);
    let directory = support::directory();
    let (reader, writer) =
        Embedded::open(directory.path().join("journal"), Options::default()).expect("a journal");
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    let gifts = GIFTS.map(|(name, coins, tickets)| Gift {
        id: id(name),
        name: name.into(),
        coins,
        tickets,
    });
    let catalogue = Arc::new(Catalogue::new(gifts).expect("a catalogue"));
    let house = House::new(reader.clone(), writer, catalogue, House::system_clock());
    let system = System::new();
    let config = Config {
        arbiters: 1,
        room_arbiters: 1,
        streamer_arbiters: support::setting("LIVEHOUSE_BENCH_STREAMER_THREADS").unwrap_or(1) as usize,
        ..Config::default()
    };
    let actors = system.block_on(async { Actors::start(house, &config) });
    let crowd: Arc<[UserId]> = (0..viewers)
        .map(|n| id(&format!("{}", 100_000_000 + n)))
        .collect();
    system.block_on(prepare(&actors, &crowd));

    let (began, cpu) = (Instant::now(), support::cpu_seconds());
    let evening = Arc::new(Evening::default());
    let watching = std::thread::spawn({
        let (reader, evening) = (reader.clone(), evening.clone());
        move || watch(&reader, &evening)
    });
    let small = std::thread::spawn({
        let (actors, evening) = (actors.clone(), evening.clone());
        move || give_small(&actors, &evening)
    });
    let star = std::thread::spawn({
        let (actors, evening) = (actors.clone(), evening.clone());
        move || give_star(&actors, &crowd, &evening, wanted)
    });
    let Given { events, tickets } = star.join().expect("the crowd");
    let given_in = began.elapsed().as_secs_f64();
    evening.over.store(true, Ordering::Release);
    small.join().expect("the small streamer's viewer");
    let stopped = system.block_on(actors.stop(Duration::from_secs(120)));
    assert!(stopped, "stopped in good order");
    let settled_in = began.elapsed().as_secs_f64();
    evening.settled.store(true, Ordering::Release);
    watching.join().expect("the watcher");
    let cpu_us = 1e6 * (support::cpu_seconds() - cpu) / events as f64;
    assert_eq!(evening.failed.load(Ordering::Relaxed), 0, "a gift failed");

    println!(
        "{tickets} tickets to one streamer in {events} gifts and steps of combos of {viewers} viewers, {:.2} tickets each; {cpu_us:.2} us of the processor each",
        tickets as f64 / events as f64
    );
    support::figure(
        "the star's gifts, durable replies",
        events as f64 / given_in,
        "gifts/s",
    );
    println!(
        "all gifts durable after {given_in:.1} s, all credited after {settled_in:.1} s: {} credits carried {} gifts",
        actors.stats().credits.get(),
        actors.stats().gifts_settled.get()
    );
    lag("star", &evening.star, STAR_LAG_MS_MAX);
    lag("small streamer beside it", &evening.small, SMALL_LAG_MS_MAX);
    let audited = audit(&reader);
    assert_eq!(
        credited(&reader, "star"),
        tickets,
        "every ticket is credited once"
    );
    support::figure(
        &format!("all of it, settlement and audit ({audited:.1} s) included (at most {SECONDS_MAX})"),
        settled_in + audited,
        "s",
    );
}

/// A gift whose settlement is timed: where it stands, and since when that is durable.
type Timed = (u64, Instant);

/// What waits to be credited, and how long that took others.
struct Lag {
    /// What is durable and not seen credited yet, and up to where all was seen credited.
    waiting: Mutex<(VecDeque<Timed>, u64)>,
    us: Mutex<Histogram<u64>>,
}

impl Default for Lag {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            us: Mutex::new(Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds")),
        }
    }
}

impl Lag {
    fn durable(&self, sequence: u64) {
        let mut waiting = self.waiting.lock().expect("no panic under the lock");
        if sequence > waiting.1 {
            waiting.0.push_back((sequence, Instant::now()));
        } else {
            // Its credit was seen before its own reply came.
            let mut us = self.us.lock().expect("no panic under the lock");
            us.saturating_record(1);
        }
    }

    fn credited(&self, upto: u64) {
        let mut waiting = self.waiting.lock().expect("no panic under the lock");
        let mut us = self.us.lock().expect("no panic under the lock");
        waiting.1 = upto;
        // Replies come in the order of the journal.
        while let Some((_, since)) = waiting.0.pop_front_if(|(sequence, _)| *sequence <= upto) {
            us.saturating_record(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
}

/// What all threads share.
#[derive(Default)]
struct Evening {
    star: Lag,
    small: Lag,
    accepted: AtomicU64,
    small_accepted: AtomicU64,
    failed: AtomicU64,
    over: AtomicBool,
    settled: AtomicBool,
}

impl Evening {
    fn done(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }
}

struct Given {
    events: u64,
    tickets: u64,
}

fn request(actor: &str, command: &str) -> Request {
    Request {
        command_id: Some(id(command)),
        request_hash: 1,
        actor: actor.into(),
    }
}

/// Coins for everybody, and two rooms that are live.
async fn prepare(actors: &Actors, crowd: &[UserId]) {
    for room in ["star", "small"] {
        let (reply, live) = Reply::channel();
        let title = String::new();
        actors.streamer(
            &id(room),
            request(room, "live"),
            streamer::Command::StartLive { title },
            reply,
        );
        live.await.expect("live");
    }
    let neighbour = id::<UserId>("neighbour");
    let everybody: Vec<_> = crowd.iter().chain([&neighbour]).collect();
    // Fewer at once than the queue of the journal holds.
    for some in everybody.chunks(10_000) {
        let granted = some.iter().map(|user| {
            let (reply, outcome) = Reply::channel();
            let (amount, reason) = (GRANTED_COINS, "bench".into());
            let command = viewer::Command::AdjustCoins { amount, reason };
            actors.viewer(user, request("admin", "grant"), command, reply);
            outcome
        });
        for outcome in granted.collect::<Vec<_>>() {
            outcome.await.expect("granted");
        }
    }
}

/// A viewer's combo: its number and the total reached.
#[derive(Clone, Copy, Default)]
struct Tapping {
    combo: u32,
    total: u32,
}

/// The crowd: of 1,000 gifts 700 are steps of combos of 1 to 9 hearts, 250 single hearts, 49 roses of 10, and one in
/// two thousand a rocket of 1,000.
fn give_star(actors: &Actors, crowd: &[UserId], evening: &Arc<Evening>, wanted: u64) -> Given {
    let mut random = Rng::with_seed(1);
    let [heart, rose, rocket] = GIFTS.map(|(name, ..)| id::<GiftId>(name));
    let (room, generator) = (id::<RoomId>("star"), std::thread::current());
    let mut taps = vec![Tapping::default(); crowd.len()];
    let (mut events, mut tickets) = (0u64, 0u64);
    while tickets < wanted {
        while events - evening.done() > UNDER_WAY_MAX - BURST {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        for _ in 0..BURST {
            let at = events as usize % crowd.len();
            let (gift, count, combo) = match random.u32(0..2_000) {
                0..1_400 => {
                    let step = random.u32(1..=9);
                    (&heart, step, Some(taps[at].tap(step)))
                }
                1_400..1_900 => (&heart, 1, None),
                1_900 => (&rocket, 1, None),
                _ => (&rose, 1, None),
            };
            let worth = GIFTS
                .iter()
                .find(|(name, ..)| *name == gift.as_str())
                .map_or(0, |gift| gift.2);
            tickets += worth * u64::from(count);
            let gift = SendGift {
                room: room.clone(),
                session: None,
                gift: gift.clone(),
                count,
                combo,
            };
            // As long as the UUIDs that clients make.
            let command_id = format!("00000000-0000-4000-8000-{events:012x}");
            let timed = events.is_multiple_of(TIMED_EVERY);
            send(
                actors,
                &crowd[at],
                &command_id,
                gift,
                evening,
                timed.then_some(true),
                Some(generator.clone()),
            );
            events += 1;
        }
    }
    while evening.done() < events {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Given { events, tickets }
}

impl Tapping {
    /// The next step; a combo of some thousands is followed by the next one.
    fn tap(&mut self, step: u32) -> ComboStep {
        if self.total > 20_000 {
            *self = Self {
                combo: self.combo + 1,
                total: 0,
            };
        }
        self.total += step;
        let id = id(&format!("combo-{}", self.combo));
        let total = self.total;
        ComboStep { id, total }
    }
}

/// A gift by the clock, whatever came of the last.
fn give_small(actors: &Actors, evening: &Arc<Evening>) {
    let (room, rose, user) = (
        id::<RoomId>("small"),
        id::<GiftId>("rose"),
        id::<UserId>("neighbour"),
    );
    let (began, mut sent) = (Instant::now(), 0u32);
    while !evening.over.load(Ordering::Acquire) {
        let (room, gift, session) = (room.clone(), rose.clone(), None);
        let gift = SendGift {
            room,
            session,
            gift,
            count: 1,
            combo: None,
        };
        send(
            actors,
            &user,
            &format!("small-{sent}"),
            gift,
            evening,
            Some(false),
            None,
        );
        sent += 1;
        let due = began + SMALL_EVERY * sent;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    // What is still on its way when the house closes is credited at the next start only.
    let answered = || evening.small_accepted.load(Ordering::Acquire) + evening.failed.load(Ordering::Relaxed);
    while answered() < u64::from(sent) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a gift. `timed` says whether it is the star's, if its settlement is timed; the star's are counted by `generator`.
fn send(
    actors: &Actors,
    user: &UserId,
    command_id: &str,
    gift: SendGift,
    evening: &Arc<Evening>,
    timed: Option<bool>,
    generator: Option<Thread>,
) {
    let evening = evening.clone();
    let reply = move |outcome: Outcome<viewer::Answer>| {
        match (&outcome, timed) {
            (Ok(accepted), Some(true)) => evening.star.durable(accepted.position.sequence),
            (Ok(accepted), Some(false)) => {
                evening.small.durable(accepted.position.sequence);
                evening.small_accepted.fetch_add(1, Ordering::Release);
            }
            (Ok(_), None) => {}
            (Err(_), _) => _ = evening.failed.fetch_add(1, Ordering::Relaxed),
        }
        let Some(generator) = generator else { return };
        if outcome.is_ok() {
            let accepted = evening.accepted.fetch_add(1, Ordering::Relaxed) + 1;
            if accepted.is_multiple_of(BURST) {
                generator.unpark();
            }
        }
    };
    actors.viewer(
        user,
        request(user.as_str(), command_id),
        viewer::Command::SendGift(gift),
        reply,
    );
}

/// Follows the journal, as whoever shows the account does: a credit counts when it can be read.
fn watch(reader: &Arc<EmbeddedReader>, evening: &Evening) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        let mut after = Checkpoint::start(1);
        reader
            .head()
            .positions()
            .for_each(|position| after.advance(position));
        let mut tail = reader.tail(&after);
        loop {
            let batch = match tokio::time::timeout(Duration::from_millis(20), tail.next()).await {
                Ok(batch) => batch.expect("the journal can be read"),
                Err(_) if evening.settled.load(Ordering::Acquire) => return,
                Err(_) => continue,
            };
            for record in batch
                .iter()
                .filter(|record| record.event_type == EventType::TicketsCredited)
            {
                if let Event::TicketsCredited(credit) = journal::codec::decode(&record).expect("decodes") {
                    match record.key {
                        "star" => evening.star.credited(credit.upto),
                        _ => evening.small.credited(credit.upto),
                    }
                }
            }
        }
    });
}

fn lag(whose: &str, lag: &Lag, ms_max: f64) {
    let us = lag.us.lock().expect("no panic under the lock");
    assert!(
        lag.waiting.lock().expect("no panic under the lock").0.is_empty(),
        "not all was credited"
    );
    let ms = |q| us.value_at_quantile(q) as f64 / 1e3;
    println!(
        "settlement lag of the {whose}, from durable to credited: p50 {:.1} ms, p99 {:.1} ms (at most {ms_max}), max {:.1} ms, of {} gifts",
        ms(0.5),
        ms(0.99),
        us.max() as f64 / 1e3,
        us.len()
    );
}

/// Audits everything; seconds.
fn audit(reader: &EmbeddedReader) -> f64 {
    let began = Instant::now();
    let report = audit::run(reader, None, &Stopper::default(), |_| {}).expect("the audit comes to its end");
    assert!(report.is_clean(), "the audit finds {:?}", report.first_break());
    assert_eq!(report.in_flight.gifts, 0, "not all was credited");
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "audit of {} records: clean, {:.0} events/s",
        report.records,
        report.records as f64 / seconds
    );
    seconds
}

/// What a streamer has been credited, by the journal alone.
fn credited(reader: &EmbeddedReader, streamer: &str) -> u64 {
    let (mut at, mut tickets) = (journal::Position::start(0), 0);
    loop {
        let batch = futures_util::FutureExt::now_or_never(reader.read(at, 1 << 20));
        let batch = batch.expect("ready").expect("read");
        if batch.is_empty() {
            return tickets;
        }
        for record in batch
            .iter()
            .filter(|r| r.kind == StreamKind::Streamer && r.key == streamer)
        {
            if let Event::TicketsCredited(credit) = journal::codec::decode(&record).expect("decodes") {
                tickets += credit.tickets;
            }
        }
        at = batch.last();
    }
}
