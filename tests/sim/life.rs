//! One process between two crashes, wired as the server is, but in one thread: journal, actors, settlement, views.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actors::{House, Reply, Terms, Work};
use domain::conversation::Conversation;
use domain::event::CoinsAdjusted;
use domain::order::Order;
use domain::payment::Payment;
use domain::room::Room;
use domain::streamer::{PayoutTerms, Streamer};
use domain::viewer::Viewer;
use domain::{Catalogue, Gift, RoomId, StreamId, StreamKind, UserId, ids};
use futures_util::FutureExt;
use journal::embedded::{Embedded, EmbeddedReader, EmbeddedWriter, Options, Repairs, SimSnapshots, Stepper};
use journal::storage::sim::SimStorage;
use journal::{Append, Cause, Epoch, Error, Expected, JournalId, Position, Reader, Writer, codec};
use projections::{Deltas, Runner, Sink, ViewsHandle};

use crate::cashier::{Counterparts, Till};
use crate::hall::{Hall, Seats};
use crate::model::Seen;
use crate::money;
use crate::oracle::Told;
use crate::payouts::{Payouts, SharedBank};
use crate::relations::Relations;
use crate::script::{Command, GIFTS};
use crate::settler::Settler;
use crate::store::CrashStore;
use crate::tally::Tally;

mod sending;

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
    /// The payout provider; none in a world without orders, withdrawals and a catalogue of its own.
    pub bank: Option<SharedBank>,
    /// For what only the way of money needs.
    pub seed: u64,
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
pub struct Shown(Mutex<Vec<u64>>, Mutex<Vec<u64>>);

impl Sink for Shown {
    fn published(&self, deltas: Deltas) {
        let upto = deltas.upto.map_or(0, |p| p.sequence);
        let places = deltas.shown.iter().map(|shown| shown.position.sequence);
        let private = deltas.told.iter().map(|told| told.position.sequence);
        locked(&self.1).extend(private.inspect(|place| assert!(*place <= upto, "told before its commit")));
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

    /// Places of messages and read marks told so far.
    pub fn told(&self) -> Vec<u64> {
        locked(&self.shown.1).clone()
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
/// Follows, and what goes to rooms, for which somebody has to be asked whom they block: whether that is known now.
type AskedBlocks = Arc<Mutex<Vec<(usize, Command, bool)>>>;
/// Messages whose conversation wants to know whether both follow: who has been asked, and what they said.
type AskedMutuals = Arc<Mutex<Vec<(usize, Command, Known)>>>;
/// Withdrawals that wait for what the same user's viewer owes.
type AskedDebts = Arc<Mutex<Vec<(usize, Command, Result<u64, ()>)>>>;

/// How far it is known whether two follow each other.
enum Known {
    /// Nobody was asked yet.
    Nothing,
    /// Whether the sender follows; none where nobody can say.
    Sender(Option<bool>),
    /// Whether the receiver follows back.
    Receiver(Option<bool>),
}

/// See the module.
pub struct Life {
    /// The journal, to be read.
    pub reader: EmbeddedReader,
    writer: Arc<EmbeddedWriter>,
    stepper: Stepper,
    house: Arc<House>,
    clock: actors::Clock,
    /// Viewers.
    pub viewers: Hall<Viewer>,
    /// A second owner of some viewers: a mistake that must do no harm.
    pub second: Hall<Viewer>,
    /// Streamers.
    pub streamers: Hall<Streamer>,
    /// Rooms.
    pub rooms: Hall<Room>,
    /// Conversations.
    pub conversations: Hall<Conversation>,
    /// Orders.
    pub orders: Hall<Order>,
    /// Payments.
    pub payments: Hall<Payment>,
    /// The one catalogue.
    pub catalogue: Hall<Catalogue>,
    /// What brings payments to orders and coins to viewers; none in a world without.
    pub till: Option<Till>,
    /// What ends the follows of those who were blocked.
    pub relations: Relations,
    /// What pays out; none in a world without.
    pub payouts: Option<Payouts>,
    /// One; two for a while when an operator errs.
    pub settlers: Vec<Settler>,
    /// The views, until the journal fails them.
    pub watch: Option<Watch>,
    inbox: Inbox,
    asked_rooms: AskedRooms,
    asked_follows: AskedFollows,
    asked_debts: AskedDebts,
    asked_blocks: AskedBlocks,
    asked_mutuals: AskedMutuals,
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
        let built_in = Catalogue::new(gifts).expect("a good catalogue");
        let terms = match machine.bank {
            Some(_) => Terms {
                catalogue: Arc::default(),
                payouts: money::payouts(),
            },
            None => Terms {
                catalogue: Arc::new(built_in),
                payouts: PayoutTerms::default(),
            },
        };
        let shared: Arc<dyn Reader> = Arc::new(reader.clone());
        let house = Arc::new(House::new(shared.clone(), writer.clone(), terms, clock.clone()));
        let hall = machine.mailbox_max;
        let till = machine.bank.as_ref().map(|_| Till::new(&house, shared.clone()));
        let bank = machine.bank.clone();
        let payouts = bank.map(|bank| Payouts::new(shared.clone(), bank, machine.seed ^ writer.epoch().0));
        let mut life = Self {
            viewers: Hall::new(house.clone(), hall),
            second: Hall::new(house.clone(), hall),
            streamers: Hall::new(house.clone(), hall.max(8)),
            rooms: Hall::new(house.clone(), hall),
            conversations: Hall::new(house.clone(), hall),
            orders: Hall::new(house.clone(), hall),
            payments: Hall::new(house.clone(), hall),
            catalogue: Hall::new(house.clone(), hall),
            till,
            relations: Relations::new(&house, shared.clone()),
            payouts,
            settlers: vec![Settler::new(&house, shared)],
            watch: None,
            inbox: Inbox::default(),
            asked_rooms: AskedRooms::default(),
            asked_follows: AskedFollows::default(),
            asked_debts: AskedDebts::default(),
            asked_blocks: AskedBlocks::default(),
            asked_mutuals: AskedMutuals::default(),
            stale: Arc::default(),
            conflicts: Arc::default(),
            reader,
            writer,
            stepper,
            house,
            clock,
        };
        if machine.bank.is_some() {
            life.open_catalogue();
        }
        Ok(life)
    }

    /// Nothing is sold before it is known what is on offer.
    fn open_catalogue(&mut self) {
        let key = ids::catalogue_key();
        self.catalogue.deliver(&key, Work::Ask(Reply::to_nobody()));
        while self.catalogue.turn(&key) {}
    }

    /// The kinds of actors that only the way of money needs.
    pub fn tills(&mut self) -> [&mut dyn Seats; 3] {
        [&mut self.orders, &mut self.payments, &mut self.catalogue]
    }

    /// Lets the cashier go on; says whether anything happened.
    pub fn cash(&mut self) -> bool {
        let Self {
            till,
            viewers,
            orders,
            payments,
            ..
        } = self;
        let mut with = Counterparts {
            viewers,
            orders,
            payments,
        };
        till.as_mut().is_some_and(|till| till.step(&mut with))
    }

    /// Lets the relations go on; says whether anything happened.
    pub fn sever(&mut self) -> bool {
        self.relations.step(&mut self.viewers)
    }

    /// Lets the payouts go on; says whether anything happened.
    pub fn pay_out(&mut self, tally: &mut Tally) -> bool {
        let now_ms = (self.clock)();
        let Self {
            payouts, streamers, ..
        } = self;
        payouts
            .as_mut()
            .is_some_and(|payouts| payouts.step(streamers, now_ms, tally))
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

    /// Stops an idle viewer's actor, and what others know of it.
    pub fn stop_viewer(&mut self, key: &UserId) -> bool {
        let stopped = self.viewers.stop(key);
        if stopped {
            self.house.blocks().forget(key);
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
