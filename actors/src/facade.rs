//! The door to all actors: typed, cheap to clone, usable from any thread.

mod asking;

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use compact_str::CompactString;
use domain::conversation::{self, Conversation};
use domain::order::{self, Order};
use domain::payment::{self, Payment};
use domain::room::{self, Room};
use domain::streamer::{self, Streamer};
use domain::viewer::{self, Viewer};
use domain::{Catalogue, OrderId, PaymentId, ProviderName, RoomId, SessionNumber, UserId};
use domain::{catalogue, ids};
use journal::{Append, BoxFuture, Cause, Expected};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::blocks::BlockQuestions;
use crate::cashier::{Cashier, Counterparts};
use crate::limits::SWEEP_INTERVAL_MS;
use crate::manager::Managers;
use crate::registry::Registry;
use crate::relations::Relations;
use crate::senders::Senders;
use crate::settlement::Settler;
use crate::shell::{Job, Work};
use crate::{Failure, House, Kind, Reply, Request, Stats};

/// How the actors are run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads for viewers, conversations, orders, payments and the catalogue, at least 1.
    pub arbiters: usize,
    /// Threads for streamers alone: what one of them is credited never waits behind a crowd that gives to another. 0 puts
    /// them on the viewers' threads.
    pub streamer_arbiters: usize,
    /// Threads for rooms, at least 1: a hot room starves nobody else.
    pub room_arbiters: usize,
    /// An actor that got nothing for this long is stopped, in ms.
    pub idle_after_ms: i64,
    /// Whether gifts are credited to their streamers, and recharges to their viewers, and blocks end follows; off only where
    /// that is watched step by step.
    pub settle: bool,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            arbiters: (cores / 2).max(1),
            streamer_arbiters: (cores / 8).max(1),
            room_arbiters: (cores / 4).max(1),
            idle_after_ms: 300_000,
            settle: true,
        }
    }
}

/// Every viewer, streamer and room.
#[derive(Clone)]
pub struct Actors(Arc<Inner>);

struct Inner {
    house: Arc<House>,
    viewers: Arc<Registry<Viewer>>,
    streamers: Arc<Registry<Streamer>>,
    rooms: Arc<Registry<Room>>,
    conversations: Arc<Registry<Conversation>>,
    orders: Arc<Registry<Order>>,
    payments: Arc<Registry<Payment>>,
    catalogue: Arc<Registry<Catalogue>>,
    senders: Senders,
    block_questions: BlockQuestions,
    settlements: Option<Managers>,
    cashiers: Option<Managers>,
    relations: Option<Managers>,
    arbiters: Mutex<Vec<Arbiter>>,
}

/// How many actors are there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Residents {
    /// Viewers.
    pub viewers: usize,
    /// Streamers.
    pub streamers: usize,
    /// Rooms.
    pub rooms: usize,
    /// Conversations.
    pub conversations: usize,
}

impl Actors {
    /// Starts arbiters, sweeper, settlement, cashier and relations; the actors themselves start with their first commands. Must be called on
    /// a thread of an actix `System`.
    pub fn start(house: House, config: &Config) -> Self {
        let house = Arc::new(house);
        let own = |n: usize| (0..n.max(1)).map(|_| Arbiter::new()).collect::<Vec<_>>();
        let (shared, rooms, chores) = (own(config.arbiters), own(config.room_arbiters), Arbiter::new());
        let apart: Vec<_> = (0..config.streamer_arbiters).map(|_| Arbiter::new()).collect();
        let handles = |arbiters: &[Arbiter]| arbiters.iter().map(Arbiter::handle).collect::<Vec<_>>();
        let for_streamers = if apart.is_empty() { &shared } else { &apart };
        let viewers = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let streamers = Registry::new(house.clone(), handles(for_streamers), config.idle_after_ms);
        let room_registry = Registry::new(house.clone(), handles(&rooms), config.idle_after_ms);
        let conversations = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let orders = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let payments = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let catalogue = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let settlements = config.settle.then(|| {
            let (house_of_it, streamers) = (house.clone(), streamers.clone());
            Managers::start(&house, &chores.handle(), move |shard, upto| {
                Settler::new(house_of_it.clone(), streamers.clone(), shard, upto)
            })
        });
        let cashiers = config.settle.then(|| {
            let with = Counterparts {
                viewers: viewers.clone(),
                orders: orders.clone(),
                payments: payments.clone(),
            };
            let house_of_it = house.clone();
            Managers::start(&house, &chores.handle(), move |shard, upto| {
                Cashier::new(house_of_it.clone(), with.clone(), shard, upto)
            })
        });
        let relations = config.settle.then(|| {
            let (house_of_it, viewers) = (house.clone(), viewers.clone());
            Managers::start(&house, &chores.handle(), move |shard, upto| {
                Relations::new(house_of_it.clone(), viewers.clone(), shard, upto)
            })
        });
        for sweep in [
            sweeper(&viewers),
            sweeper(&streamers),
            sweeper(&room_registry),
            sweeper(&conversations),
            sweeper(&orders),
            sweeper(&payments),
            sweeper(&catalogue),
        ] {
            chores.spawn(sweep);
        }
        let arbiters = Mutex::new(
            shared
                .into_iter()
                .chain(apart)
                .chain(rooms)
                .chain([chores])
                .collect(),
        );
        Self(Arc::new(Inner {
            house,
            viewers,
            streamers,
            rooms: room_registry,
            conversations,
            orders,
            payments,
            catalogue,
            senders: Senders::default(),
            block_questions: BlockQuestions::default(),
            settlements,
            cashiers,
            relations,
            arbiters,
        }))
    }

    /// Gives a command to a viewer. For a gift the room's live session is filled in here, for a follow what the streamer's
    /// blocks say of the viewer: what the caller says of it is ignored. Commands of one viewer are decided in the order in which they are given.
    pub fn viewer(
        &self,
        user: &UserId,
        request: Request,
        command: viewer::Command,
        reply: impl Into<Reply<viewer::Answer>>,
    ) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        let job = Job {
            request,
            command,
            reply,
        };
        self.0.take_turn(user, job);
    }

    /// Gives a command to a streamer. For a withdrawal, what the user owes is filled in here: what the caller says of it
    /// is ignored.
    pub fn streamer(
        &self,
        user: &UserId,
        request: Request,
        command: streamer::Command,
        reply: impl Into<Reply<streamer::Answer>>,
    ) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        let job = Job {
            request,
            command,
            reply,
        };
        match &job.command {
            streamer::Command::RequestWithdrawal(_) | streamer::Command::ApproveWithdrawal { .. } => {
                self.0.ask_debt(user, job);
            }
            _ => self.0.streamers.send(user, Work::Command(job)),
        }
    }

    /// Gives a command to an order.
    pub fn order(
        &self,
        order: &OrderId,
        request: Request,
        command: order::Command,
        reply: impl Into<Reply<order::Answer>>,
    ) {
        self.give(&self.0.orders, &order.as_key(), request, command, reply.into());
    }

    /// Gives a command to a payment.
    pub fn payment(
        &self,
        provider: &ProviderName,
        payment: &PaymentId,
        request: Request,
        command: payment::Command,
        reply: impl Into<Reply<payment::Answer>>,
    ) {
        let key = ids::payment_key(provider, payment);
        self.give(&self.0.payments, &key, request, command, reply.into());
    }

    /// Gives a command to the catalogue of gifts.
    pub fn catalogue(
        &self,
        request: Request,
        command: catalogue::Command,
        reply: impl Into<Reply<catalogue::Answer>>,
    ) {
        let key = ids::catalogue_key();
        self.give(&self.0.catalogue, &key, request, command, reply.into());
    }

    /// Tells what the catalogue's own stream says is on offer, once it is durable; from then on gifts cost that much. Empty
    /// if nothing was ever listed.
    pub fn ask_catalogue(&self, reply: impl Into<Reply<Catalogue>>) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        self.0.catalogue.send(&ids::catalogue_key(), Work::Ask(reply));
    }

    /// The gifts on offer.
    pub fn offer(&self) -> Arc<Catalogue> {
        self.0.house.catalogue()
    }

    /// Gives a command to a room; whom its streamer blocks is asked first, if it is not known. A chat that only followers
    /// may send is given again with what its author's actor says.
    pub fn room(
        &self,
        room: &RoomId,
        request: Request,
        command: room::Command,
        reply: impl Into<Reply<room::Answer>>,
    ) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        let reply = match &command {
            room::Command::SendChat(chat) if chat.follows.is_none() => {
                self.0
                    .ask_whether_follows(room, request.clone(), chat.clone(), reply)
            }
            _ => reply,
        };
        let job = Job {
            request,
            command,
            reply,
        };
        self.0.admit(room, job);
    }

    /// Gives a command to the conversation of two users. For a message, who of them blocks the other is asked first, if it is
    /// not known, and looked up when it is decided; one that only those may send who follow each other is given again with
    /// what both say. What the caller says of all that is ignored.
    pub fn conversation(
        &self,
        request: Request,
        command: conversation::Command,
        reply: impl Into<Reply<conversation::Answer>>,
    ) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        self.0.converse(request, command, reply);
    }

    fn give<A: Kind>(
        &self,
        registry: &Registry<A>,
        key: &UserId,
        request: Request,
        command: A::Command,
        reply: Reply<A::Answer>,
    ) {
        let Some(reply) = self.open(reply) else { return };
        let job = Job {
            request,
            command,
            reply,
        };
        registry.send(key, Work::Command(job));
    }

    /// Tells a viewer's state, once it is durable.
    pub fn ask_viewer(&self, user: &UserId, reply: impl Into<Reply<Viewer>>) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        self.0.viewers.send(user, Work::Ask(reply));
    }

    /// Tells a streamer's state, once it is durable.
    pub fn ask_streamer(&self, user: &UserId, reply: impl Into<Reply<Streamer>>) {
        let Some(reply) = self.open(reply.into()) else {
            return;
        };
        self.0.streamers.send(user, Work::Ask(reply));
    }

    /// The session that runs in a room, or that none does; nothing when its streamer has to be asked.
    pub fn live_session(&self, room: &RoomId) -> Option<Option<SessionNumber>> {
        self.0.house.live.get(room)
    }

    /// The public numbers.
    pub fn stats(&self) -> &Stats {
        &self.0.house.stats
    }

    /// How many actors are there now.
    pub fn residents(&self) -> Residents {
        let Inner {
            viewers,
            streamers,
            rooms,
            conversations,
            ..
        } = &*self.0;
        Residents {
            viewers: viewers.len(),
            streamers: streamers.len(),
            rooms: rooms.len(),
            conversations: conversations.len(),
        }
    }

    /// Records between the durable head and the position up to which every gift is credited, over all shards.
    pub fn settlement_lag_records(&self) -> u64 {
        self.0.settlements.as_ref().map_or(0, Managers::lag_records)
    }

    /// How long the oldest gift that is not credited has waited since it was recorded, over all shards, in ms; up to
    /// [`crate::limits::PROCESS_RETRY_MS`] too much.
    pub fn settlement_lag_ms(&self) -> u64 {
        self.0.settlements.as_ref().map_or(0, Managers::lag_ms)
    }

    /// Records between the durable head and the position up to which every payment, paid order and refund is dealt with,
    /// over all shards. What cannot be done ([`Stats::recharges_owed`]) keeps it up.
    pub fn cashier_lag_records(&self) -> u64 {
        self.0.cashiers.as_ref().map_or(0, Managers::lag_records)
    }

    /// Records between the durable head and the position up to which every block has ended the follow that it ends, over all
    /// shards.
    pub fn relations_lag_records(&self) -> u64 {
        self.0.relations.as_ref().map_or(0, Managers::lag_records)
    }

    /// Ends gracefully: takes no more commands, lets what is queued become durable, settles what is left, stops the
    /// actors with a snapshot each, and ends the threads. After the deadline it ends without the rest, which the next
    /// start makes up for; returns whether everything was done.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.0.house.close();
        let done = tokio::time::timeout(deadline, self.drain()).await.is_ok();
        let arbiters = std::mem::take(&mut *self.0.arbiters.lock());
        arbiters.iter().for_each(|arbiter| _ = arbiter.stop());
        // What the threads hold, the journal's writer among it, is let go when they have ended.
        let ended =
            tokio::task::spawn_blocking(|| arbiters.into_iter().for_each(|arbiter| _ = arbiter.join()));
        ended.await.is_ok() && done
    }

    async fn drain(&self) {
        self.flush().await;
        if let Some(cashiers) = &self.0.cashiers {
            cashiers.stop().await;
        }
        if let Some(relations) = &self.0.relations {
            relations.stop().await;
        }
        if let Some(settlements) = &self.0.settlements {
            settlements.stop().await;
        }
        let Inner {
            viewers,
            streamers,
            rooms,
            conversations,
            orders,
            payments,
            catalogue,
            ..
        } = &*self.0;
        tokio::join!(
            viewers.empty(),
            streamers.empty(),
            rooms.empty(),
            conversations.empty(),
            orders.empty(),
            payments.empty(),
            catalogue.empty()
        );
        self.flush().await;
    }

    /// Waits until everything queued is durable, or cannot become so.
    async fn flush(&self) {
        let writer = &self.0.house.writer;
        loop {
            let (sender, receiver) = oneshot::channel();
            let append = Append {
                stream: domain::StreamId::new(domain::StreamKind::Settlement, "0"),
                expected: Expected::Any,
                epoch: writer.epoch(),
                cause: Cause {
                    command_id: None,
                    request_hash: 0,
                    actor: CompactString::const_new("barrier"),
                },
                events: Vec::new(),
            };
            let queued = writer.append(append, Box::new(move |outcome| _ = sender.send(outcome)));
            if queued.is_ok() {
                _ = receiver.await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The reply back, unless the house is closing: then it is told so.
    fn open<T>(&self, reply: Reply<T>) -> Option<Reply<T>> {
        if self.0.house.is_closing() {
            reply.send(Err(Failure::Broken(journal::Error::Closed)));
            return None;
        }
        Some(reply)
    }
}

/// Ticks what is due in a registry, for as long as it is there.
fn sweeper<A: Kind>(registry: &Arc<Registry<A>>) -> BoxFuture<'static, ()> {
    let registry = registry.clone();
    Box::pin(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(SWEEP_INTERVAL_MS));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            registry.sweep(false);
        }
    })
}
