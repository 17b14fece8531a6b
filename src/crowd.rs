//! Simulated viewers over real WebSockets: they enter rooms, chat, send gifts, combos and hearts, follow, moderate, misbehave,
//! are cut off and come back; and they keep books on what they saw and paid, which must agree with the server's.
//!
//! Knows a server only from outside: its public protocol and the `/dev` helpers of `livehouse demo`. It must never look into
//! the server's files or memory: what it says about the server is what any client could find out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

mod books;
mod cast;
mod client;
mod descriptors;
mod dev;
mod person;
mod report;
mod scene;
mod stage;
mod streamer;
mod tally;
mod troll;
mod viewer;
mod watcher;
mod wire;

pub use client::{Client, RpcError};
pub use descriptors::allow_sockets;
pub use dev::Dev;
pub use report::{Report, Storm};
pub use scene::{Habits, Scene, Script};
pub use tally::Tally;

use report::Evening;
use stage::{Phase, Stage};
use watcher::Watcher;

/// How often the director looks whether something is done.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long everybody may take to come back after a storm.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// How long the last commands, publications and purses may take at the end.
const END_WITHIN: Duration = Duration::from_secs(40);

/// Who comes, and what they do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server's address, as in `127.0.0.1:8000`.
    pub server: String,
    /// What happens.
    pub script: Script,
    /// Coins that a viewer gets when there are none left.
    pub coins: u64,
}

impl Plan {
    /// How many of the viewers are trolls.
    fn trolls(&self) -> usize {
        self.script.viewers * self.script.trolls_percent / 100
    }
}

/// A running crowd; dropping it sends everybody home at once.
pub struct Crowd {
    /// What it did so far.
    pub tally: Arc<Tally>,
    stage: Arc<Stage>,
    people: JoinSet<()>,
    phase: watch::Sender<Phase>,
    cut: watch::Sender<u64>,
    storms: Vec<Storm>,
}

impl Crowd {
    /// Starts everybody; they arrive over about two seconds, and come back when the server was away.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let tally = Arc::new(Tally::default());
        let (phase, phases) = watch::channel(Phase::Open);
        let (cut, cuts) = watch::channel(0);
        let stage = Arc::new(Stage::new(plan, tally.clone(), phases, cuts));
        let mut people = JoinSet::new();
        let script = &stage.plan.script;
        for n in 0..script.rooms {
            people.spawn(streamer::streamer(stage.clone(), n));
        }
        let trolls = stage.plan.trolls();
        for n in 0..trolls {
            people.spawn(troll::troll(stage.clone(), n));
        }
        for n in 0..script.viewers - trolls {
            people.spawn(viewer::viewer(stage.clone(), n));
        }
        Self {
            tally,
            stage,
            people,
            phase,
            cut,
            storms: Vec::new(),
        }
    }

    /// Plays the script to its end; an endless one for ever.
    pub async fn play(&mut self) {
        let script = self.stage.plan.script.clone();
        let Some(length) = script.length else {
            return std::future::pending().await;
        };
        let end = self.stage.began + length;
        for storm in 1..=script.storms {
            let at = self.stage.began + length * storm / (script.storms + 1);
            tokio::time::sleep_until(at.into()).await;
            self.storm().await;
        }
        tokio::time::sleep_until(end.into()).await;
    }

    /// Cuts every socket at once and waits until all are back and have seen everything.
    async fn storm(&mut self) {
        let sockets = self.tally.connected.load(Ordering::Relaxed);
        let began = Instant::now();
        let inside = self.inside();
        let before = self.tally.connections.load(Ordering::Relaxed);
        self.cut.send_modify(|cuts| *cuts += 1);
        let connections = &self.tally.connections;
        let all_inside =
            || connections.load(Ordering::Relaxed) >= before + sockets && self.inside() >= inside;
        let mut back = until(BACK_WITHIN, all_inside).await;
        // The evening goes on: complete is who has seen what was there when the last one came in.
        let marks: Vec<_> = self
            .watchers()
            .iter()
            .map(|watcher| (watcher.clone(), watcher.newest()))
            .collect();
        let nobody_behind = || marks.iter().all(|(watcher, newest)| watcher.has_seen(*newest));
        back = back && until(BACK_WITHIN.saturating_sub(began.elapsed()), nobody_behind).await;
        let all_back_ms = back.then(|| u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        if all_back_ms.is_none() {
            self.tally.violations.add(format!(
                "{sockets} sockets were cut, and not all came back within {BACK_WITHIN:?}"
            ));
        }
        self.storms.push(Storm { sockets, all_back_ms });
    }

    fn watchers(&self) -> Vec<Arc<Watcher>> {
        self.stage.watchers.lock().clone()
    }

    /// How many are in their rooms.
    fn inside(&self) -> usize {
        self.watchers()
            .iter()
            .filter(|watcher| watcher.is_inside())
            .count()
    }

    /// Whether everybody who is in the room has seen what the others have.
    fn nobody_behind(&self) -> bool {
        self.watchers().iter().all(|watcher| watcher.behind().is_none())
    }

    /// Ends the evening: commands under way are answered, books and purses compared, everybody goes home.
    pub async fn end(mut self) -> Report {
        let seconds = self.stage.began.elapsed().as_secs_f64();
        let script = self.stage.plan.script.clone();
        self.go_to(Phase::LastRound);
        self.all_done(&self.stage.viewers_done, script.viewers).await;
        self.go_to(Phase::Counting);
        self.all_done(&self.stage.streamers_done, script.rooms).await;
        self.close_books().await;
        let report = Report::of(
            Evening {
                scene: script.name,
                seconds,
                rooms: script.rooms,
                viewers: script.viewers,
                storms: std::mem::take(&mut self.storms),
                durable_publications: self.stage.books().iter().map(|(_, book)| book.len()).sum(),
                purses_checked: self.stage.purses_checked.load(Ordering::Relaxed),
            },
            &self.tally,
        );
        self.go_to(Phase::Closed);
        self.everybody_leaves(END_WITHIN).await;
        report
    }

    /// Streamers end their sessions, everybody leaves without comparing anything; waits at most `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.go_to(Phase::Closed);
        self.everybody_leaves(patience).await;
    }

    fn go_to(&self, phase: Phase) {
        // No receiver is left only when everybody has gone already.
        let _ = self.phase.send(phase);
    }

    /// Waits until so many have finished a phase; who has not has commands without an answer.
    async fn all_done(&self, done: &AtomicU64, people: usize) {
        let people = people as u64;
        if !until(END_WITHIN, || done.load(Ordering::Relaxed) >= people).await {
            let missing = people.saturating_sub(done.load(Ordering::Relaxed));
            self.tally
                .violations
                .add(format!("{missing} people had no answers in the end"));
        }
    }

    /// Every watcher must come to see what the others saw, and somebody every acknowledged position.
    async fn close_books(&self) {
        let books = self.stage.books();
        let all_seen = || books.iter().all(|(_, book)| book.unseen().is_none()) && self.nobody_behind();
        if until(END_WITHIN, all_seen).await {
            return;
        }
        for (room, book) in &books {
            if let Some((first, count)) = book.unseen() {
                let words =
                    format!("{count} acknowledged publications of {room} were seen by nobody, from {first}");
                self.tally.violations.add(words);
            }
        }
        for watcher in self.watchers() {
            watcher.check();
        }
    }

    async fn everybody_leaves(&mut self, patience: Duration) {
        let all_gone = async { while self.people.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all_gone).await.is_err() {
            tracing::debug!("some of the crowd did not leave in time");
        }
    }
}

/// Looks again and again until it is so; false when it took too long.
async fn until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !is_so() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
