//! The figure `rebuild`: all views from 10 M mixed events in a real embedded journal, beside the same fold into a store that
//! keeps nothing. Also: opening the rebuilt views, and a check of them.
//!
//! `LIVEHOUSE_BENCH_EVENTS` sets another number of events; `LIVEHOUSE_BENCH_SCATTERED=1` lets everybody send to every
//! room, which no crowd does, as the worst case for the rooms' boards.

#[path = "support/filling.rs"]
mod filling;
mod support;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use domain::event::{ChatSent, CoinsAdjusted, Followed, GiftSent, LiveStarted, Role, TicketsCredited};
use domain::{Event, GiftId, RoomId, SessionNumber, StreamId, UserId};
use journal::embedded::{Embedded, EmbeddedWriter, Options as JournalOptions};
use journal::{Cause, Reader};
use projections::store::{Batch, Visit};
use projections::{FjallStore, MemoryStore, Options, Report, Runner, Stopper, ViewStore, check, rebuild};

const USERS: usize = 100_000;
const ROOMS: usize = 1_000;
/// Rooms that one user watches and sends to.
const ROOMS_PER_USER: usize = 4;
/// 2025-11-21, a little after midnight in Shanghai; the events then cover two days.
const BEGIN_MS: i64 = 1_763_656_200_000;
const SPAN_MS: i64 = 2 * 86_400_000;

fn main() {
    let events: u64 = env("LIVEHOUSE_BENCH_EVENTS")
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000_000);
    let scattered = env("LIVEHOUSE_BENCH_SCATTERED").is_some();
    support::machine();
    let directory = support::directory();
    let clock = Arc::new(AtomicI64::new(BEGIN_MS));
    let ticking = clock.clone();
    let journal_options = JournalOptions {
        clock: Arc::new(move || ticking.load(Ordering::Relaxed)),
        ..JournalOptions::default()
    };
    let (reader, writer) =
        Embedded::open(directory.path().join("journal"), journal_options).expect("a journal");
    let filled = Instant::now();
    fill(&writer, events, scattered, &clock);
    support::figure(
        "appending the events first",
        events as f64 / filled.elapsed().as_secs_f64(),
        "events/s",
    );
    assert!(reader.head().get(0) >= events);

    let empty: Arc<dyn ViewStore> = Arc::new(Forgetful::default());
    let (alone, _) = timed(&reader, &empty);
    let views = directory.path().join("views");
    let store: Arc<dyn ViewStore> = Arc::new(FjallStore::open(&views).expect("a store"));
    let (report, cpu_seconds) = timed(&reader, &store);
    support::figure_beside(
        &format!(
            "rebuild of all views from {} events",
            support::number(report.records as f64)
        ),
        report.rate(),
        "events/s",
        "the fold without storage",
        alone.rate(),
    );
    let cpu_us = cpu_seconds * 1e6 / report.records as f64;
    support::figure("processor time of the rebuild, all threads", cpu_us, "us/event");
    assert_opened(&reader, &views, store);
}

/// Rebuilds all views into a store; the report, and the processor time it took in seconds.
fn timed(reader: &dyn Reader, store: &Arc<dyn ViewStore>) -> (Report, f64) {
    let before = support::cpu_seconds();
    let report = rebuild(
        reader,
        store,
        &[],
        Options::default(),
        &Stopper::default(),
        |_| {},
    );
    (report.expect("a rebuild"), support::cpu_seconds() - before)
}

/// Opens the rebuilt views anew, checks their sums, then compares them with a fresh fold.
fn assert_opened(
    reader: &(impl Reader + Clone + 'static),
    views: &std::path::Path,
    store: Arc<dyn ViewStore>,
) {
    drop(store);
    let (began, cpu) = (Instant::now(), support::cpu_seconds());
    let store: Arc<dyn ViewStore> = Arc::new(FjallStore::open(views).expect("a store"));
    let runner = Runner::open(
        Arc::new(reader.clone()),
        store.clone(),
        Options::default(),
        Arc::new(()),
    );
    let runner = runner.expect("the views");
    support::figure("opening the rebuilt views", began.elapsed().as_secs_f64(), "s");
    support::figure(
        "processor time of opening them, all threads",
        support::cpu_seconds() - cpu,
        "s",
    );
    {
        let handle = runner.handle();
        let views = handle.read();
        assert_eq!(
            views.balances().books(),
            projections::ledger::Books::Ok,
            "coins and tickets are conserved"
        );
    }
    drop(runner);
    let began = Instant::now();
    let found = check(
        reader,
        &store,
        &[],
        Options::default(),
        &Stopper::default(),
        |_| {},
    )
    .expect("a check");
    assert_eq!(found, [], "the rebuilt views equal a fresh fold");
    let rate = reader.head().get(0) as f64 / began.elapsed().as_secs_f64();
    support::figure("check of all views against a fresh fold", rate, "events/s");
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A crowd: who has what, so that the events are true.
struct Crowd {
    random: fastrand::Rng,
    users: Vec<UserId>,
    rooms: Vec<RoomId>,
    coins: Vec<u64>,
    tickets: Vec<u64>,
    /// Gifts and tickets of each room that are not credited.
    waiting: Vec<(u64, u64)>,
    follows: Vec<usize>,
    gift: GiftId,
    scattered: bool,
}

impl Crowd {
    fn new(scattered: bool) -> Self {
        let users: Vec<UserId> = (0..USERS)
            .map(|n| format!("user{n:06}").parse().expect("an id"))
            .collect();
        let rooms = users[..ROOMS].iter().map(RoomId::of).collect();
        Self {
            random: fastrand::Rng::with_seed(2),
            rooms,
            coins: vec![0; USERS],
            tickets: vec![0; ROOMS],
            waiting: vec![(0, 0); ROOMS],
            follows: vec![0; USERS],
            gift: "rose".parse().expect("an id"),
            users,
            scattered,
        }
    }

    /// One of the few rooms that a user watches; low rooms are watched by more.
    fn room_of(&mut self, user: usize) -> usize {
        if self.scattered {
            return self.random.usize(..ROOMS);
        }
        let which = self.random.usize(..ROOMS_PER_USER) as u64;
        let mut watched = fastrand::Rng::with_seed(user as u64 * ROOMS_PER_USER as u64 + which);
        watched.usize(..ROOMS).min(watched.usize(..ROOMS))
    }

    /// Event `n`: 80 % gifts, 14 % chats, 4 % follows, 2 % credits; a grant whenever somebody has run out of coins.
    fn event(&mut self, n: u64) -> (StreamId, Event) {
        if n <= ROOMS as u64 {
            let streamer = &self.users[n as usize - 1];
            let event = LiveStarted {
                session: SessionNumber(1),
                title: "a quiet evening".into(),
            };
            return (StreamId::streamer(streamer), event.into());
        }
        let user = self.random.usize(..USERS);
        let room = self.room_of(user);
        match self.random.u32(..100) {
            0..80 => (StreamId::viewer(&self.users[user]), self.spend(user, room)),
            80..94 => {
                let (user, text) = (self.users[user].clone(), "what a song, again please".into());
                (
                    StreamId::room(&self.rooms[room]),
                    ChatSent {
                        user,
                        text,
                        role: Role::Viewer,
                    }
                    .into(),
                )
            }
            94..98 => {
                let next = self.next_to_follow(user);
                let streamer = self.users[next].clone();
                (
                    StreamId::viewer(&self.users[user]),
                    Followed { streamer, cleared: 0 }.into(),
                )
            }
            _ => {
                let (gifts, tickets) = std::mem::take(&mut self.waiting[room]);
                self.tickets[room] += tickets;
                let tickets_total = self.tickets[room];
                let event = TicketsCredited {
                    shard: 0,
                    after: 0,
                    upto: n,
                    gifts,
                    tickets,
                    tickets_total,
                };
                (StreamId::streamer(&self.users[room]), event.into())
            }
        }
    }

    /// A streamer that the user does not follow yet.
    fn next_to_follow(&mut self, user: usize) -> usize {
        self.follows[user] += 1;
        (user * 31 + self.follows[user]) % ROOMS
    }

    fn spend(&mut self, user: usize, room: usize) -> Event {
        let count = self.random.u32(1..10);
        let coins = u64::from(count) * 10;
        let Some(coins_left) = self.coins[user].checked_sub(coins) else {
            self.coins[user] += 5_000;
            return CoinsAdjusted {
                amount: 5_000,
                coins_left: self.coins[user],
                reason: "bench".into(),
            }
            .into();
        };
        self.coins[user] = coins_left;
        let (gifts, tickets) = self.waiting[room];
        self.waiting[room] = (gifts + 1, tickets + coins / 2);
        let (session, gift) = (SessionNumber(1), self.gift.clone());
        let room = self.rooms[room].clone();
        GiftSent {
            room,
            session,
            gift,
            count,
            coins,
            tickets: coins / 2,
            coins_left,
            combo: None,
        }
        .into()
    }
}

/// Appends the crowd's events; the clock moves with them.
fn fill(writer: &EmbeddedWriter, events: u64, scattered: bool, clock: &AtomicI64) {
    let mut crowd = Crowd::new(scattered);
    let cause = Cause {
        command_id: None,
        request_hash: 0,
        actor: "bench".into(),
    };
    filling::fill(writer, events, |n| {
        clock.store(
            BEGIN_MS + (n as i128 * i128::from(SPAN_MS) / i128::from(events)) as i64,
            Ordering::Relaxed,
        );
        let (stream, event) = crowd.event(n);
        (stream, cause.clone(), event)
    });
}

/// A store that forgets what it is given, except what it is asked for during a fold: the fold without storage.
#[derive(Default)]
struct Forgetful {
    meta: MemoryStore,
}

impl ViewStore for Forgetful {
    fn get(&self, space: &str, key: &[u8]) -> projections::Result<Option<Vec<u8>>> {
        self.meta.get(space, key)
    }

    fn scan(
        &self,
        space: &str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> projections::Result<()> {
        self.meta.scan(space, from, to, visit)
    }

    fn commit(&self, batch: &Batch) -> projections::Result<()> {
        std::hint::black_box(batch.len());
        Ok(())
    }

    fn spaces(&self) -> projections::Result<Vec<String>> {
        self.meta.spaces()
    }

    fn drop_space(&self, space: &str) -> projections::Result<()> {
        self.meta.drop_space(space)
    }

    fn reset(&self) -> projections::Result<()> {
        self.meta.reset()
    }
}
