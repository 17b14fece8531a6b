//! The door to all actors: typed, cheap to clone, usable from any thread.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use compact_str::CompactString;
use domain::room::{self, Room, SendChat};
use domain::streamer::{self, Streamer};
use domain::viewer::{self, Viewer};
use domain::{Rejection, RoomId, SessionNumber, UserId};
use journal::{Append, Cause, Expected};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::limits::SWEEP_INTERVAL_MS;
use crate::registry::Registry;
use crate::senders::{Senders, Turn};
use crate::settlement::Settlements;
use crate::shell::{Job, Work};
use crate::{Counter, Failure, House, Outcome, Reply, Request, Stats};

/// How the actors are run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads for viewers and streamers, at least 1.
    pub arbiters: usize,
    /// Threads for rooms, at least 1: a hot room starves nobody else.
    pub room_arbiters: usize,
    /// An actor that got nothing for this long is stopped, in ms.
    pub idle_after_ms: i64,
    /// Whether gifts are credited to their streamers; off only where that is watched step by step.
    pub settle: bool,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            arbiters: (cores / 2).max(1),
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
    senders: Senders,
    settlements: Option<Settlements>,
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
}

impl Actors {
    /// Starts arbiters, sweeper and settlement; the actors themselves start with their first commands. Must be called on
    /// a thread of an actix `System`.
    pub fn start(house: House, config: &Config) -> Self {
        let house = Arc::new(house);
        let own = |n: usize| (0..n.max(1)).map(|_| Arbiter::new()).collect::<Vec<_>>();
        let (shared, rooms, chores) = (own(config.arbiters), own(config.room_arbiters), Arbiter::new());
        let handles = |arbiters: &[Arbiter]| arbiters.iter().map(Arbiter::handle).collect::<Vec<_>>();
        let viewers = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let streamers = Registry::new(house.clone(), handles(&shared), config.idle_after_ms);
        let room_registry = Registry::new(house.clone(), handles(&rooms), config.idle_after_ms);
        let settlements = config
            .settle
            .then(|| Settlements::start(&house, &streamers, &chores.handle()));
        let sweep = sweeper(&viewers, &streamers, &room_registry);
        chores.spawn(sweep);
        let arbiters = Mutex::new(shared.into_iter().chain(rooms).chain([chores]).collect());
        Self(Arc::new(Inner {
            house,
            viewers,
            streamers,
            rooms: room_registry,
            senders: Senders::default(),
            settlements,
            arbiters,
        }))
    }

    /// Gives a command to a viewer. For a gift, the room's live session is filled in here: what the caller says of it is
    /// ignored. Commands of one viewer are decided in the order in which they are given.
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

    /// Gives a command to a streamer.
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
        self.0.streamers.send(
            user,
            Work::Command(Job {
                request,
                command,
                reply,
            }),
        );
    }

    /// Gives a command to a room. A chat that only followers may send is given again with what its author's actor says.
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
        self.0.give_room(room, request, command, reply);
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
            ..
        } = &*self.0;
        Residents {
            viewers: viewers.len(),
            streamers: streamers.len(),
            rooms: rooms.len(),
        }
    }

    /// Records between the durable head and the position up to which every gift is credited, over all shards.
    pub fn settlement_lag_records(&self) -> u64 {
        self.0
            .settlements
            .as_ref()
            .map_or(0, |s| s.lags().map(Counter::get).sum())
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
        if let Some(settlements) = &self.0.settlements {
            settlements.stop().await;
        }
        let Inner {
            viewers,
            streamers,
            rooms,
            ..
        } = &*self.0;
        tokio::join!(viewers.empty(), streamers.empty(), rooms.empty());
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

/// Whether a viewer's command can go to its viewer now.
enum Ready {
    Yes(Job<Viewer>),
    /// The gift's room has to be asked which session runs in it.
    Asks(RoomId, Job<Viewer>),
}

impl Inner {
    fn take_turn(self: &Arc<Self>, user: &UserId, job: Job<Viewer>) {
        let job = match self.senders.queue(user, job) {
            Turn::Now(job) => job,
            Turn::Later => return,
            Turn::Full(job) => return self.busy(job),
        };
        match self.ready(job) {
            Ready::Yes(job) => self.viewers.send(user, Work::Command(job)),
            Ready::Asks(room, job) => match self.senders.hold(user, job) {
                Turn::Now(job) => self.ask_session(user, &room, job),
                Turn::Later => {}
                Turn::Full(job) => self.busy(job),
            },
        }
    }

    /// A gift's session comes from the directory.
    fn ready(&self, mut job: Job<Viewer>) -> Ready {
        if let viewer::Command::SendGift(send) = &mut job.command {
            match self.house.live.get(&send.room) {
                Some(session) => send.session = session,
                None => return Ready::Asks(send.room.clone(), job),
            }
        }
        Ready::Yes(job)
    }

    /// A room that is not in the directory is asked for, which loads its streamer; the sender's next commands follow.
    fn ask_session(self: &Arc<Self>, user: &UserId, room: &RoomId, mut job: Job<Viewer>) {
        let (inner, user) = (self.clone(), user.clone());
        let told = move |told: Outcome<Streamer>| {
            match told {
                Ok(told) => {
                    if let viewer::Command::SendGift(send) = &mut job.command {
                        send.session = told.answer.live().map(|live| live.session);
                    }
                    inner.viewers.send(&user, Work::Command(job));
                }
                Err(failure) => job.reply.send(Err(failure)),
            }
            inner.follow_up(&user);
        };
        self.streamers
            .send(&room.streamer(), Work::Ask(Reply::from(told)));
    }

    fn give_room(&self, room: &RoomId, request: Request, command: room::Command, reply: Reply<room::Answer>) {
        let job = Job {
            request,
            command,
            reply,
        };
        self.rooms.send(&room.streamer(), Work::Command(job));
    }

    /// Passes on what a room says, unless it asks whether the author of a chat follows the streamer: then the author's
    /// actor is asked, and the chat goes to the room once more.
    fn ask_whether_follows(
        self: &Arc<Self>,
        room: &RoomId,
        request: Request,
        chat: SendChat,
        reply: Reply<room::Answer>,
    ) -> Reply<room::Answer> {
        let (inner, room) = (self.clone(), room.clone());
        Reply::from(move |said: Outcome<room::Answer>| {
            if !matches!(&said, Ok(said) if said.answer == room::Answer::AsksWhetherFollows) {
                return reply.send(said);
            }
            let (author, streamer, asking) = (chat.user.clone(), room.streamer(), inner.clone());
            let told = move |told: Outcome<viewer::Answer>| match told {
                Ok(told) => {
                    let follows = Some(told.answer == viewer::Answer::Follows(true));
                    let command = room::Command::SendChat(SendChat { follows, ..chat });
                    inner.give_room(&room, request, command, reply);
                }
                Err(failure) => reply.send(Err(failure)),
            };
            let question = Job {
                request: Request::of_system("room"),
                command: viewer::Command::AskFollows { streamer },
                reply: Reply::from(told),
            };
            asking.viewers.send(&author, Work::Command(question));
        })
    }

    /// Gives what the sender gave meanwhile, up to the next gift that has to wait.
    fn follow_up(self: &Arc<Self>, user: &UserId) {
        while let Some(job) = self.senders.next(user) {
            match self.ready(job) {
                Ready::Yes(job) => self.viewers.send(user, Work::Command(job)),
                Ready::Asks(room, job) => return self.ask_session(user, &room, job),
            }
        }
    }

    fn busy(&self, job: Job<Viewer>) {
        self.house.stats.count_refused(Rejection::Busy);
        job.reply.send(Err(Rejection::Busy.into()));
    }
}

/// Ticks what is due in every registry, for as long as they are there.
fn sweeper(
    viewers: &Arc<Registry<Viewer>>,
    streamers: &Arc<Registry<Streamer>>,
    rooms: &Arc<Registry<Room>>,
) -> impl Future<Output = ()> + Send + 'static {
    let (viewers, streamers, rooms) = (viewers.clone(), streamers.clone(), rooms.clone());
    async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(SWEEP_INTERVAL_MS));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            viewers.sweep(false);
            streamers.sweep(false);
            rooms.sweep(false);
        }
    }
}
