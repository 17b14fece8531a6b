//! One process between two crashes, wired as the server is, but in one thread: journal, actors, settlement, views.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actors::{Failure, House, Job, Outcome, Reply, Request, Work};
use compact_str::CompactString;
use domain::event::CoinsAdjusted;
use domain::room::{self, Room, SendChat};
use domain::streamer::{self, Streamer};
use domain::viewer::{self, SendGift, Viewer};
use domain::{Catalogue, Gift, RoomId, StreamId, StreamKind, UserId};
use futures_util::FutureExt;
use journal::embedded::{Embedded, EmbeddedReader, EmbeddedWriter, Options, Repairs, SimSnapshots, Stepper};
use journal::storage::sim::SimStorage;
use journal::{Append, Cause, Epoch, Error, Expected, JournalId, Position, Reader, Writer, codec};
use projections::{Deltas, Runner, Sink, ViewsHandle};

use crate::hall::Hall;
use crate::model::Seen;
use crate::oracle::{Said, Told};
use crate::script::{Body, Command, Family, GIFTS};
use crate::settler::Settler;
use crate::store::CrashStore;
use crate::tally::Tally;

/// What outlives a process, and how it is set up.
#[derive(Clone)]
pub struct Machine {
    /// The disk of the journal.
    pub disk: SimStorage,
    /// The snapshots.
    pub snapshots: SimSnapshots,
    /// The views.
    pub store: Arc<CrashStore>,
    /// Unix ms; it may jump.
    pub clock_ms: Arc<AtomicI64>,
    /// Appends that may wait.
    pub queue_appends_max: usize,
    /// Appends of one batch.
    pub batch_appends_max: usize,
    /// Commands that may wait for one actor.
    pub mailbox_max: usize,
}

/// An id that the script wrote.
pub fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("the script writes well-formed ids")
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where rooms and journal meet the clients: what was shown, in order.
#[derive(Default)]
pub struct Shown(Mutex<Vec<u64>>);

impl Sink for Shown {
    fn published(&self, deltas: Deltas) {
        let upto = deltas.upto.map_or(0, |p| p.sequence);
        let places = deltas.shown.iter().map(|shown| shown.position.sequence);
        let mut shown = locked(&self.0);
        shown.extend(places.inspect(|place| assert!(*place <= upto, "shown before its commit")));
    }
}

/// The views of this life.
pub struct Watch {
    runner: Runner,
    shown: Arc<Shown>,
    /// What was there when it began is shown to nobody.
    pub silent_upto: u64,
}

impl Watch {
    /// What may be asked.
    pub fn handle(&self) -> ViewsHandle {
        self.runner.handle()
    }

    /// Places shown so far.
    pub fn shown(&self) -> Vec<u64> {
        locked(&self.shown.0).clone()
    }

    /// Folds what is durable.
    pub fn turn(&mut self) -> projections::Result<usize> {
        self.runner.turn()
    }
}

type Inbox = Arc<Mutex<Vec<(usize, Told)>>>;
/// Gifts whose room was not known: who waits for what the streamer says.
type AskedRooms = Arc<Mutex<Vec<(usize, Command, Result<Option<u32>, ()>)>>>;
/// Chats that only followers may send: none where the author is still to be asked, then what the author's actor said.
type AskedFollows = Arc<Mutex<Vec<(usize, Command, Option<Result<bool, ()>>)>>>;

/// See the module.
pub struct Life {
    /// The journal, to be read.
    pub reader: EmbeddedReader,
    writer: Arc<EmbeddedWriter>,
    stepper: Stepper,
    house: Arc<House>,
    /// Viewers.
    pub viewers: Hall<Viewer>,
    /// A second owner of some viewers: a mistake that must do no harm.
    pub second: Hall<Viewer>,
    /// Streamers.
    pub streamers: Hall<Streamer>,
    /// Rooms.
    pub rooms: Hall<Room>,
    /// One; two for a while when an operator errs.
    pub settlers: Vec<Settler>,
    /// The views, until the journal fails them.
    pub watch: Option<Watch>,
    inbox: Inbox,
    asked_rooms: AskedRooms,
    asked_follows: AskedFollows,
    stale: Arc<Mutex<Vec<journal::Result<()>>>>,
    conflicts: Arc<AtomicU64>,
}

impl Life {
    /// Opens the journal and starts everything over it.
    pub fn begin(machine: &Machine) -> journal::Result<Self> {
        let clock = machine.clock_ms.clone();
        let clock = Arc::new(move || clock.load(Ordering::SeqCst));
        let options = Options {
            segment_bytes: 4_096,
            recent_bytes_max: 2_000,
            clock: clock.clone(),
            new_id: Some(JournalId(42)),
            queue_appends_max: machine.queue_appends_max,
            batch_appends_max: machine.batch_appends_max,
            ..Options::default()
        };
        let disk = Arc::new(machine.disk.clone());
        let (reader, writer, stepper) = Embedded::open_stepped_with(disk, options, &machine.snapshots)?;
        let writer = Arc::new(writer);
        let gifts = GIFTS.map(|(name, coins, tickets)| Gift {
            id: id(name),
            name: name.into(),
            coins,
            tickets,
        });
        let catalogue = Arc::new(Catalogue::new(gifts).expect("a good catalogue"));
        let shared: Arc<dyn Reader> = Arc::new(reader.clone());
        let house = Arc::new(House::new(shared.clone(), writer.clone(), catalogue, clock));
        let hall = machine.mailbox_max;
        Ok(Self {
            viewers: Hall::new(house.clone(), hall),
            second: Hall::new(house.clone(), hall),
            streamers: Hall::new(house.clone(), hall.max(8)),
            rooms: Hall::new(house.clone(), hall),
            settlers: vec![Settler::new(&house, shared)],
            watch: None,
            inbox: Inbox::default(),
            asked_rooms: AskedRooms::default(),
            asked_follows: AskedFollows::default(),
            stale: Arc::default(),
            conflicts: Arc::default(),
            reader,
            writer,
            stepper,
            house,
        })
    }

    /// Starts the views.
    pub fn watch(&mut self, store: &Arc<CrashStore>) -> projections::Result<()> {
        let shown = Arc::new(Shown::default());
        let reader = Arc::new(self.reader.clone());
        let silent_upto = self.head();
        let options = projections::Options::default();
        let runner = Runner::open(reader, store.clone(), options, shown.clone())?;
        self.watch = Some(Watch {
            runner,
            shown,
            silent_upto,
        });
        Ok(())
    }

    /// The journal's durable end.
    pub fn head(&self) -> u64 {
        self.reader.head().get(0)
    }

    /// What the opening put right.
    pub fn repairs(&self) -> Repairs {
        self.writer.repairs()
    }

    /// Whether the journal can no longer write.
    pub fn is_poisoned(&self) -> bool {
        self.writer.poisoned().is_some()
    }

    /// States that were thrown away because an append failed.
    pub fn thrown_away(&self) -> u64 {
        self.house.stats().thrown_away.get()
    }

    /// Commands of which two owners wrote at once.
    pub fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Sends a command as delivery `number`.
    pub fn send(&mut self, number: usize, command: &Command, tally: &mut Tally) {
        match &command.body {
            Body::Gift { room, .. } => match self.house.live().get(&id::<RoomId>(room)) {
                Some(session) => self.send_viewer(number, command, session.map(|s| s.0), false),
                None => {
                    tally.one("gifts that had to ask for the room's session");
                    let (asked, command) = (self.asked_rooms.clone(), command.clone());
                    let streamer: UserId = id(room);
                    let told = move |told: Outcome<Streamer>| {
                        let session = told.map(|told| told.answer.live().map(|live| live.session.0));
                        locked(&asked).push((number, command, session.map_err(|_| ())));
                    };
                    self.streamers.deliver(&streamer, Work::Ask(Reply::from(told)));
                }
            },
            body => match body.family() {
                Family::Viewer => self.send_viewer(number, command, None, false),
                Family::Streamer => self.send_streamer(number, command),
                Family::Room => self.send_room(number, command, None),
            },
        }
    }

    /// Sends a command about money to the second owner, if the room's session is known.
    pub fn send_second(&mut self, number: usize, command: &Command) {
        let session = match &command.body {
            Body::Gift { room, .. } => self.house.live().get(&id::<RoomId>(room)),
            _ => Some(None),
        };
        match session {
            Some(session) => self.send_viewer(number, command, session.map(|s| s.0), true),
            None => locked(&self.inbox).push((number, Told::Unknown)),
        }
    }

    /// Goes on with gifts whose rooms have answered.
    pub fn take_asked_rooms(&mut self) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_rooms));
        let count = asked.len();
        for (number, command, session) in asked {
            match session {
                Ok(session) => self.send_viewer(number, &command, session, false),
                Err(()) => locked(&self.inbox).push((number, Told::Unknown)),
            }
        }
        count
    }

    /// Goes on with chats whose room wants to know whether their authors follow.
    pub fn take_asked_follows(&mut self, tally: &mut Tally) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_follows));
        let count = asked.len();
        for (number, command, said) in asked {
            match said {
                None => {
                    tally.one("chats that had to ask whether their author follows");
                    self.ask_follows(number, command);
                }
                Some(Ok(follows)) => self.send_room(number, &command, Some(follows)),
                Some(Err(())) => locked(&self.inbox).push((number, Told::Unknown)),
            }
        }
        count
    }

    fn ask_follows(&mut self, number: usize, command: Command) {
        let asked = self.asked_follows.clone();
        let (author, streamer) = (id(&command.actor), id(&command.key));
        let told = move |told: Outcome<viewer::Answer>| {
            let said = told.map(|told| told.answer == viewer::Answer::Follows(true));
            locked(&asked).push((number, command, Some(said.map_err(|_| ()))));
        };
        let job = Job {
            request: Request::of_system("room"),
            command: viewer::Command::AskFollows { streamer },
            reply: Reply::from(told),
        };
        self.viewers.deliver(&author, Work::Command(job));
    }

    fn request(command: &Command) -> Request {
        Request {
            command_id: Some(id(&command.id)),
            request_hash: command.hash,
            actor: CompactString::from(&command.actor),
        }
    }

    fn reply<T: Send + 'static>(&self, number: usize, said: fn(T) -> Said) -> Reply<T> {
        let (inbox, conflicts) = (self.inbox.clone(), self.conflicts.clone());
        Reply::from(move |outcome: Outcome<T>| {
            let told = match outcome {
                Ok(accepted) => Told::Accepted {
                    said: said(accepted.answer),
                    place: accepted.position.sequence,
                    at_ms: accepted.recorded_at_ms,
                },
                Err(Failure::Rejected(rejection)) => Told::Refused(rejection),
                Err(Failure::Broken(error)) => {
                    let expected = matches!(
                        error,
                        Error::Poisoned(_) | Error::Closed | Error::Io { .. } | Error::Conflict { .. }
                    );
                    assert!(expected, "a command ended in {error}");
                    if matches!(error, Error::Conflict { .. }) {
                        conflicts.fetch_add(1, Ordering::Relaxed);
                    }
                    Told::Unknown
                }
                Err(Failure::Lost) => Told::Unknown,
            };
            locked(&inbox).push((number, told));
        })
    }

    fn send_viewer(&mut self, number: usize, command: &Command, session: Option<u32>, second: bool) {
        let asked = viewer_command(&command.body, session);
        let job = Job {
            request: Self::request(command),
            command: asked,
            reply: self.reply(number, Said::Viewer),
        };
        let hall = if second {
            &mut self.second
        } else {
            &mut self.viewers
        };
        hall.deliver(&id(&command.key), Work::Command(job));
    }

    fn send_streamer(&mut self, number: usize, command: &Command) {
        let asked = match &command.body {
            Body::StartLive { title } => streamer::Command::StartLive {
                title: title.raw.clone(),
            },
            _ => streamer::Command::StopLive,
        };
        let job = Job {
            request: Self::request(command),
            command: asked,
            reply: self.reply(number, Said::Streamer),
        };
        self.streamers.deliver(&id(&command.key), Work::Command(job));
    }

    fn send_room(&mut self, number: usize, command: &Command, follows: Option<bool>) {
        let by = id(&command.actor);
        let asked = match &command.body {
            Body::Chat { text, blocked } => room::Command::SendChat(SendChat {
                blocked: *blocked,
                follows,
                ..SendChat::new(by, text.raw.clone())
            }),
            Body::Order { act, .. } => room::Command::Moderate { by, act: act.clone() },
            _ => return,
        };
        let (client, again) = (self.reply(number, Said::Room), command.clone());
        let questions = self.asked_follows.clone();
        let reply = Reply::from(move |outcome: Outcome<room::Answer>| match outcome {
            Ok(said) if said.answer == room::Answer::AsksWhetherFollows => {
                locked(&questions).push((number, again, None));
            }
            outcome => client.send(outcome),
        });
        let job = Job {
            request: Self::request(command),
            command: asked,
            reply,
        };
        self.rooms.deliver(&id(&command.key), Work::Command(job));
    }

    /// What clients were told since the last call.
    pub fn replies(&mut self) -> Vec<(usize, Told)> {
        std::mem::take(&mut *locked(&self.inbox))
    }

    /// Writes, syncs and publishes one batch; says whether there was one.
    pub fn step(&mut self) -> bool {
        self.stepper.step()
    }

    /// Somebody asks with the epoch of an opening before this one.
    pub fn send_stale(&self) {
        let told = self.stale.clone();
        let epoch = Epoch(self.writer.epoch().0 - 1);
        let event = CoinsAdjusted {
            amount: 1,
            coins_left: 1,
            reason: "stale".into(),
        };
        let cause = Cause {
            command_id: None,
            request_hash: 0,
            actor: "stale".into(),
        };
        let append = Append {
            stream: StreamId::new(StreamKind::Viewer, "ann"),
            expected: Expected::Any,
            epoch,
            cause,
            events: vec![event.into()],
        };
        let done = move |outcome: journal::Result<_>| locked(&told).push(outcome.map(|_| ()));
        // A full queue is as good a refusal.
        _ = self.writer.append(append, Box::new(done));
    }

    /// How many stale owners were refused; none may be taken.
    pub fn stale_refused(&self) -> u64 {
        let told = std::mem::take(&mut *locked(&self.stale));
        let refused = told.iter().filter(|outcome| match outcome {
            Ok(()) => panic!("an owner of an earlier epoch wrote"),
            Err(error) => matches!(error, Error::StaleOwner { .. }),
        });
        refused.count() as u64
    }

    /// Starts a second settlement beside the first: a mistake that must do no harm.
    pub fn settle_twice(&mut self) {
        let reader = Arc::new(self.reader.clone());
        self.settlers.push(Settler::new(&self.house, reader));
    }

    /// Stops an idle streamer's actor, and what others know of it.
    pub fn stop_streamer(&mut self, key: &UserId) -> bool {
        let stopped = self.streamers.stop(key);
        if stopped {
            self.house.live().forget(&RoomId::of(key));
        }
        stopped
    }

    /// Whether a snapshot would be found for a viewer.
    pub fn has_snapshot(&self, key: &UserId) -> bool {
        let found = self.reader.snapshot(&StreamId::viewer(key)).now_or_never();
        matches!(found, Some(Ok(Some(_))))
    }

    /// Every record, in order.
    pub fn log(&self) -> journal::Result<Vec<Seen>> {
        let (mut log, mut after) = (Vec::new(), Position::start(0));
        loop {
            let batch = self.reader.read(after, 4_000).now_or_never();
            let batch = batch.expect("the embedded engine's reads are ready at once")?;
            if batch.is_empty() {
                return Ok(log);
            }
            for record in batch.iter() {
                log.push(Seen {
                    sequence: record.position.sequence,
                    stream: record.stream().to_string(),
                    version: record.version,
                    at_ms: record.recorded_at_ms,
                    command_id: record.command_id.map(str::to_owned),
                    hash: record.request_hash,
                    actor: record.actor.to_owned(),
                    event: codec::decode(&record)?,
                });
            }
            after = batch.last();
        }
    }

    /// Closes the journal in good order.
    pub fn close(self) -> journal::Result<()> {
        self.stepper.close()
    }
}

fn viewer_command(body: &Body, session: Option<u32>) -> viewer::Command {
    match body {
        Body::Adjust { amount, reason } => viewer::Command::AdjustCoins {
            amount: *amount,
            reason: reason.raw.clone(),
        },
        Body::Gift {
            room,
            gift,
            count,
            combo,
        } => viewer::Command::SendGift(SendGift {
            room: id(room),
            session: session.map(domain::SessionNumber),
            gift: id(gift),
            count: *count,
            combo: combo.as_ref().map(|(name, total)| domain::event::ComboStep {
                id: id(name),
                total: *total,
            }),
        }),
        Body::EndCombo { combo } => viewer::Command::EndCombo { combo: id(combo) },
        Body::Follow { whom } => viewer::Command::Follow { streamer: id(whom) },
        Body::Unfollow { whom } => viewer::Command::Unfollow { streamer: id(whom) },
        other => unreachable!("{other:?} is not for a viewer"),
    }
}
