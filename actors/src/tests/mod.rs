//! The promises of the actors, over a journal in memory that holds, fails and refuses on demand.

mod cashing;
mod chatting;
mod messaging;
mod money;
mod order;
mod relations;
mod residence;
mod settling;
mod shells;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use compact_str::CompactString;
use domain::streamer::{self, Streamer};
use domain::viewer::{self, SendGift, Viewer};
use domain::{Catalogue, Gift, SessionNumber, UserId};
use journal::Reader;
use journal::memory::MemoryJournal;
use parking_lot::Mutex;

use crate::{House, Job, Kind, Outcome, Post, Reply, Request, Shell, Work};

/// An id of any kind, known to be well formed.
fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a well-formed id")
}

/// A request of `actor` with a command id; its body is told by `hash`.
fn request(actor: &str, command: &str, hash: u64) -> Request {
    Request {
        command_id: Some(id(command)),
        request_hash: hash,
        actor: CompactString::new(actor),
    }
}

fn grant(amount: i64) -> viewer::Command {
    viewer::Command::AdjustCoins {
        amount,
        reason: "grant".into(),
    }
}

fn follow(streamer: &str) -> viewer::Command {
    viewer::Command::Follow {
        streamer: id(streamer),
        clearance: None,
    }
}

/// Roses of 10 coins and 5 tickets each, to Kim's room.
fn roses(count: u32) -> viewer::Command {
    let (room, gift) = (id("kim"), id("rose"));
    viewer::Command::SendGift(SendGift {
        room,
        session: Some(SessionNumber(1)),
        gift,
        count,
        combo: None,
    })
}

fn start_live() -> streamer::Command {
    streamer::Command::StartLive {
        title: "hello".into(),
    }
}

/// A journal in memory, a clock that stands still, and the house over both.
struct World {
    journal: MemoryJournal,
    clock_ms: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        Self {
            journal: MemoryJournal::new(),
            clock_ms: Arc::new(AtomicI64::new(1_000)),
        }
    }

    /// A house as after a restart: it knows only the journal.
    fn house(&self) -> House {
        self.house_over(Arc::new(self.journal.clone()))
    }

    fn house_over(&self, reader: Arc<dyn Reader>) -> House {
        let gift = Gift {
            id: id("rose"),
            name: "Rose".into(),
            coins: 10,
            tickets: 5,
        };
        let catalogue = Arc::new(Catalogue::new([gift]).expect("a catalogue"));
        let clock = self.clock_ms.clone();
        let clock = Arc::new(move || clock.load(Ordering::SeqCst));
        let house = House::new(reader, Arc::new(self.journal.clone()), catalogue, clock);
        // A shell that is driven by hand has nobody to ask.
        for name in ["kim", "ann"] {
            house.blocks.set(id(name), None);
        }
        house
    }

    fn wait(&self, ms: i64) {
        self.clock_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn actor<A: Kind>(&self, key: &str) -> Driven<A> {
        Driven::new(Arc::new(self.house()), key)
    }
}

/// Work that a shell gave back.
struct Returned<A: Kind>(Mutex<Vec<Work<A>>>);

impl<A: Kind> Post<A> for Returned<A> {
    fn post(&self, _: &UserId, work: Work<A>) {
        self.0.lock().push(work);
    }
}

type Outcomes<T> = Arc<Mutex<Vec<Outcome<T>>>>;

/// A shell driven by hand, in one thread.
struct Driven<A: Kind> {
    house: Arc<House>,
    shell: Shell<A>,
    returned: Arc<Returned<A>>,
    outcomes: Outcomes<A::Answer>,
}

impl<A: Kind> Driven<A> {
    fn new(house: Arc<House>, key: &str) -> Self {
        let returned = Arc::new(Returned(Mutex::new(Vec::new())));
        let shell = Shell::new(house.clone(), id(key), returned.clone());
        Self {
            house,
            shell,
            returned,
            outcomes: Outcomes::default(),
        }
    }

    fn work(&self, request: Request, command: A::Command) -> Work<A> {
        let outcomes = self.outcomes.clone();
        let reply = Reply::from(move |outcome| outcomes.lock().push(outcome));
        Work::Command(Job {
            request,
            command,
            reply,
        })
    }

    /// Gives a command; the journal in memory never makes it wait for a read.
    fn give(&mut self, request: Request, command: A::Command) {
        let work = self.work(request, command);
        assert!(self.shell.handle(work).is_none(), "suspended");
    }

    /// Gives a command of the actor itself, whose body is told by its id, and takes its outcome.
    fn ask(&mut self, command_id: &str, command: A::Command) -> Outcome<A::Answer> {
        let actor = self.shell.key().to_string();
        self.give(request(&actor, command_id, 7), command);
        self.outcome()
    }

    /// Handles again what the shell gave back.
    fn handle_returned(&mut self) -> usize {
        let returned = std::mem::take(&mut *self.returned.0.lock());
        let count = returned.len();
        returned
            .into_iter()
            .for_each(|work| assert!(self.shell.handle(work).is_none()));
        count
    }

    fn outcome(&self) -> Outcome<A::Answer> {
        let mut outcomes = self.outcomes.lock();
        assert_eq!(outcomes.len(), 1, "exactly one outcome");
        outcomes.pop().expect("an outcome")
    }

    fn outcomes(&self) -> Vec<Outcome<A::Answer>> {
        std::mem::take(&mut *self.outcomes.lock())
    }
}

type Ann = Driven<Viewer>;
type Kim = Driven<Streamer>;
