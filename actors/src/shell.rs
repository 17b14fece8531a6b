//! The one shell around every aggregate: decide -> append -> evolve -> reply.
//!
//! It knows no mailbox, no thread and no timer: the actor drives it, and so does the simulation. State advances when
//! events enter the writer's queue; replies go out when they are durable, straight from the journal's completion. When
//! an append fails, the state is thrown away and brought back from the journal.
//!
//! It must never tell anybody anything that rests on an event which is not durable: not a success, not a refusal, not
//! "it holds already". It must never decide the same command twice.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use domain::{Context, Decision, Event, Rejection, StreamId, UserId};
use futures_util::FutureExt;
use journal::{Append, BoxFuture, Cause, Expected, Position, Record, Snapshot, codec};

use crate::command_id::{into_journal_id, journal_id};
use crate::completion::{Barrier, Extra, Progress, Waiting};
use crate::in_flight::InFlight;
use crate::limits::SNAPSHOT_EVERY_EVENTS;
use crate::replay::{Replayed, replay};
use crate::{Accepted, Failure, House, Kind, Reply, Request};

/// A command, who sent it and who waits for its outcome.
pub struct Job<A: Kind> {
    /// Who asks.
    pub request: Request,
    /// What for.
    pub command: A::Command,
    /// Who waits.
    pub reply: Reply<A::Answer>,
}

/// What a shell can be given to do.
pub enum Work<A: Kind> {
    /// Decide and do.
    Command(Job<A>),
    /// Tell the state, once it is durable.
    Ask(Reply<A>),
}

impl<A: Kind> Work<A> {
    /// Ends it without having done anything.
    pub(crate) fn fail(self, failure: Failure) {
        match self {
            Self::Command(job) => job.reply.send(Err(failure)),
            Self::Ask(reply) => reply.send(Err(failure)),
        }
    }
}

/// Where a shell gives back work that has to wait for the journal: it is to be handled again, in any order.
pub trait Post<A: Kind>: Send + Sync {
    /// Handles `work` of the actor `key` again; called on the journal's thread, so it must not block.
    fn post(&self, key: &UserId, work: Work<A>);
}

/// A shell that waits for the journal. Until it is resumed with what comes of this, it must be given nothing else.
pub type Suspended<A> = BoxFuture<'static, Resumption<A>>;

/// What the journal said, for [`Shell::resume`].
pub struct Resumption<A: Kind> {
    work: Work<A>,
    said: Said<A>,
}

enum Said<A> {
    Replayed(Result<Replayed<A>, Failure>),
    Found(journal::Result<Option<Record>>),
}

/// One event-sourced actor without its mailbox.
pub struct Shell<A: Kind> {
    key: UserId,
    post: Arc<dyn Post<A>>,
    state: Option<A>,
    /// Version of the stream, what is queued included.
    version: u64,
    snapshot_version: u64,
    /// The latest time seen: time never goes back between two decisions.
    now_ms: i64,
    progress: Arc<Progress>,
    in_flight: InFlight,
    /// An earlier state was thrown away: appends of it may still be queued, and are waited for before a replay.
    drain: bool,
    /// The journal's lookups are not ready at once.
    lookups_wait: bool,
}

impl<A: Kind> Shell<A> {
    /// The shell of the actor `key`; it is brought to its state by its first work.
    pub fn new(house: Arc<House>, key: UserId, post: Arc<dyn Post<A>>) -> Self {
        let progress = Arc::new(Progress::new(house, 0, Position::start(0), 0));
        Self {
            key,
            post,
            state: None,
            version: 0,
            snapshot_version: 0,
            now_ms: 0,
            progress,
            in_flight: InFlight::default(),
            drain: false,
            lookups_wait: false,
        }
    }

    /// Whose shell it is.
    pub fn key(&self) -> &UserId {
        &self.key
    }

    /// The state, what is queued included; none before the first work and after a failure.
    pub fn state(&self) -> Option<&A> {
        self.state.as_ref()
    }

    /// Whether everything that was queued is durable, by a state that was thrown away too: another shell of this actor
    /// would not know that it has to wait for it. What is queued behind a failed append fails as well.
    pub fn is_quiet(&self) -> bool {
        let durable = self.progress.version() >= self.version;
        durable || self.state.is_none() && (!self.drain || self.progress.has_failed())
    }

    /// Does the work. Its outcome goes to its reply. Comes back suspended when the journal has to be waited for.
    pub fn handle(&mut self, work: Work<A>) -> Option<Suspended<A>> {
        if self.progress.has_failed() {
            self.house().stats.thrown_away.add_one();
            self.forget();
        }
        self.now();
        let next = match (self.state.is_some(), work) {
            (false, work) => Some(self.wake_up(work)),
            (true, Work::Command(job)) => self.command(job),
            (true, Work::Ask(reply)) => self.tell_state(reply),
        };
        self.drive(next)
    }

    /// Goes on with what the journal said.
    pub fn resume(&mut self, resumption: Resumption<A>) -> Option<Suspended<A>> {
        let next = self.go_on(resumption);
        self.drive(next)
    }

    /// The latest time it has seen, unix ms; 0 before its first work.
    pub fn seen_ms(&self) -> i64 {
        self.now_ms
    }

    /// When the state wants to be woken by [`Self::wake`], unix ms.
    pub fn wake_at_ms(&self) -> Option<i64> {
        self.state.as_ref().and_then(Kind::wake_at_ms)
    }

    /// Does what time brings, if it is due.
    pub fn wake(&mut self) -> Option<Suspended<A>> {
        let due = self.wake_at_ms().is_some_and(|at| at <= self.now());
        let command = A::wake_command().filter(|_| due)?;
        let request = Request::of_system("clock");
        self.handle(Work::Command(Job {
            request,
            command,
            reply: Reply::to_nobody(),
        }))
    }

    /// Keeps a snapshot, if there is anything new that is durable. For an actor that is about to stop.
    pub fn save_snapshot(&mut self) {
        let durable = self.progress.version();
        let Some(state) = self.state.as_ref() else { return };
        if self.progress.has_failed() || durable != self.version || durable == self.snapshot_version {
            return;
        }
        if let Some(bytes) = encode_state(self.now_ms, state) {
            let position = self.progress.last().position;
            let snapshot = Snapshot {
                version: durable,
                position,
                schema: A::SNAPSHOT_SCHEMA,
                state: bytes,
            };
            self.house().writer.save_snapshot(&self.stream(), snapshot);
            self.snapshot_version = durable;
        }
    }

    /// Throws the state away: the next work brings it back from the journal.
    pub fn forget(&mut self) {
        self.state = None;
        self.drain = true;
        self.in_flight = InFlight::default();
    }

    /// Gives back memory that only a busy actor needs.
    pub fn shrink(&mut self) {
        if self.is_quiet() {
            self.in_flight = InFlight::default();
        }
    }

    fn house(&self) -> &House {
        &self.progress.house
    }

    fn stream(&self) -> StreamId {
        StreamId {
            kind: A::KIND,
            key: self.key.clone().into_text(),
        }
    }

    fn now(&mut self) -> i64 {
        self.now_ms = self.now_ms.max((self.house().clock)());
        self.now_ms
    }

    /// Goes on for as long as the journal answers at once.
    fn drive(&mut self, mut next: Option<Suspended<A>>) -> Option<Suspended<A>> {
        loop {
            let mut suspended = next?;
            match suspended.as_mut().now_or_never() {
                Some(resumption) => next = self.go_on(resumption),
                None => return Some(suspended),
            }
        }
    }

    fn go_on(&mut self, Resumption { work, said }: Resumption<A>) -> Option<Suspended<A>> {
        match (said, work) {
            (Said::Replayed(Ok(replayed)), work) => {
                self.install(replayed);
                match work {
                    Work::Command(job) => self.command(job),
                    Work::Ask(reply) => self.tell_state(reply),
                }
            }
            (Said::Replayed(Err(failure)), work) => {
                self.house().stats.failed.add_one();
                work.fail(failure);
                None
            }
            (Said::Found(found), Work::Command(job)) => {
                self.found(found, job);
                None
            }
            (Said::Found(_), Work::Ask(reply)) => self.tell_state(reply),
        }
    }

    fn wake_up(&mut self, work: Work<A>) -> Suspended<A> {
        let replay = replay(self.progress.house.clone(), self.key.clone(), self.drain);
        Box::pin(async move {
            Resumption {
                work,
                said: Said::Replayed(replay.await),
            }
        })
    }

    fn install(&mut self, replayed: Replayed<A>) {
        let Replayed {
            state,
            version,
            snapshot_version,
            last,
            recorded_at_ms,
            now_ms,
        } = replayed;
        if let Some(notice) = state.standing(&self.key) {
            notice.publish(self.house());
        }
        self.progress = Arc::new(Progress::new(
            self.progress.house.clone(),
            version,
            last,
            recorded_at_ms,
        ));
        self.now_ms = self.now_ms.max(now_ms);
        (self.version, self.snapshot_version, self.state) = (version, snapshot_version, Some(state));
        self.drain = false;
    }

    fn tell_state(&mut self, reply: Reply<A>) -> Option<Suspended<A>> {
        let state = self.state.clone()?;
        self.tell(reply, Ok(state));
        None
    }

    /// Has the command been here before? If not, decides.
    fn command(&mut self, job: Job<A>) -> Option<Suspended<A>> {
        let Some(id) = journal_id(&self.key, &job.request) else {
            self.decide(job);
            return None;
        };
        let durable_version = self.progress.version();
        if self.in_flight.contains(&id, durable_version) {
            self.repeat_later(job);
            return None;
        }
        // A stream without a record holds no command.
        if durable_version == 0 {
            self.decide(job);
            return None;
        }
        let stream = self.stream();
        if !self.lookups_wait {
            let found = self.house().reader.find_command(&stream, &id).now_or_never();
            if let Some(found) = found {
                self.found(found, job);
                return None;
            }
            self.lookups_wait = true;
        }
        let (reader, id) = (self.house().reader.clone(), id.into_owned());
        Some(Box::pin(async move {
            let said = Said::Found(reader.find_command(&stream, &id).await);
            let work = Work::Command(job);
            Resumption { work, said }
        }))
    }

    fn found(&mut self, found: journal::Result<Option<Record>>, job: Job<A>) {
        match found {
            Ok(None) => self.decide(job),
            Ok(Some(first)) => job.reply.send(self.repeated(&first, &job.request)),
            Err(error) => {
                self.house().stats.failed.add_one();
                job.reply.send(Err(error.into()));
            }
        }
    }

    /// The outcome that the first record of a command stands for.
    fn repeated(&self, first: &Record, request: &Request) -> crate::Outcome<A::Answer> {
        if first.cause.request_hash != request.request_hash {
            self.house().stats.count_refused(Rejection::CommandReused);
            return Err(Rejection::CommandReused.into());
        }
        self.house().stats.repeated.add_one();
        let answer = A::answer(&codec::decode(&first.as_ref())?)?;
        Ok(Accepted {
            answer,
            position: first.position,
            recorded_at_ms: first.recorded_at_ms,
        })
    }

    /// The first of this id is in flight: the repetition is handled again when that one is durable or has failed.
    fn repeat_later(&mut self, job: Job<A>) {
        let (post, key) = (self.post.clone(), self.key.clone());
        self.barrier(Barrier::new(
            Work::Command(job),
            move |work, outcome| match outcome {
                // It does not rest on what failed, if something did: it only waited for it.
                Ok(_) | Err(Failure::Lost) => post.post(&key, work),
                Err(error) => work.fail(error),
            },
        ));
    }

    fn decide(&mut self, mut job: Job<A>) {
        if let Err(rejection) = A::look_up(&self.key, &mut job.command, &self.progress.house) {
            return self.tell_command(job.reply, Err(rejection));
        }
        let Some(state) = self.state.as_ref() else { return };
        let catalogue = self.house().catalogue();
        let context = Context {
            now_ms: self.now_ms,
            catalogue: &catalogue,
            payouts: &self.progress.house.payouts,
        };
        match state.decide(&job.command, &context) {
            Ok(Decision::Happens(events)) => self.append(job, events),
            Ok(Decision::Already(answer)) => self.tell_command(job.reply, Ok(answer)),
            Err(rejection) => {
                let has_id = job.request.command_id.is_some();
                match A::refused(&job.command, rejection).filter(|_| has_id) {
                    Some(event) => self.append(job, Vec::from([event])),
                    None => self.tell_command(job.reply, Err(rejection)),
                }
            }
        }
    }

    /// Queues the events; from here on they are part of the state. When the queue is full, nothing has changed.
    fn append(&mut self, job: Job<A>, events: Vec<Event>) {
        let Some(first) = events.first() else { return };
        let answer = A::answer(first);
        let (extra, next) = self.extra(&events);
        let (request_hash, actor) = (job.request.request_hash, job.request.actor.clone());
        let command_id = into_journal_id(&self.key, job.request);
        let in_flight = command_id.as_deref().map(InFlight::hash);
        let cause = Cause {
            command_id,
            request_hash,
            actor,
        };
        let waiting = Waiting::new(self.progress.clone(), job.reply, answer, extra);
        let copy = if next.is_none() {
            events.clone()
        } else {
            Vec::new()
        };
        let version = self.version + events.len() as u64;
        let append = Append {
            stream: self.stream(),
            expected: Expected::InLine {
                version: self.version,
                line: self.progress.line,
            },
            epoch: self.house().writer.epoch(),
            cause,
            events,
        };
        let queued = self
            .house()
            .writer
            .append(append, Box::new(move |outcome| waiting.complete(outcome)));
        // A full queue gives the completion back: dropped uncalled, it says busy.
        if queued.is_err() {
            return;
        }
        match (next, self.state.as_mut()) {
            (Some(next), _) => {
                self.state = Some(next);
                self.snapshot_version = version;
            }
            (None, Some(state)) => copy.iter().for_each(|event| state.evolve(event, self.now_ms)),
            (None, None) => {}
        }
        self.version = version;
        if let Some(hash) = in_flight {
            self.in_flight.insert(hash, version, self.progress.version());
        }
    }

    /// What is to be done besides the reply when these events are durable; with a snapshot comes the state after them.
    fn extra(&self, events: &[Event]) -> (Option<Box<Extra>>, Option<A>) {
        let notice = A::notice(&self.key, events);
        let due = self.version + events.len() as u64 >= self.snapshot_version + SNAPSHOT_EVERY_EVENTS;
        let next = self.state.as_ref().filter(|_| due).map(|state| {
            let mut next = state.clone();
            events.iter().for_each(|event| next.evolve(event, self.now_ms));
            next
        });
        let snapshot = next
            .as_ref()
            .and_then(|state| encode_state(self.now_ms, state))
            .map(|state| (A::SNAPSHOT_SCHEMA, state));
        let extra = Extra {
            notice,
            snapshot: snapshot.map(|(schema, state)| (self.stream(), schema, state)),
        };
        ((!extra.is_empty()).then(|| Box::new(extra)), next)
    }

    fn tell_command(&mut self, reply: Reply<A::Answer>, told: Result<A::Answer, Rejection>) {
        match &told {
            Ok(answer) if A::took_place(answer) => self.house().stats.accepted.add_one(),
            Ok(_) => {}
            Err(rejection) => self.house().stats.count_refused(*rejection),
        }
        self.tell(reply, told);
    }

    /// Tells something that rests on the state: at once when all of it is durable, else when it has become so.
    fn tell<T: Send + 'static>(&mut self, reply: Reply<T>, told: Result<T, Rejection>) {
        let accepted = |answer, last: crate::completion::Last| Accepted {
            answer,
            position: last.position,
            recorded_at_ms: last.recorded_at_ms,
        };
        if self.is_quiet() {
            let last = self.progress.last();
            return reply.send(told.map(|answer| accepted(answer, last)).map_err(Failure::from));
        }
        self.barrier(Barrier::new((reply, told), move |(reply, told), outcome| {
            let told = outcome.and_then(|last| Ok(accepted(told?, last)));
            reply.send(told);
        }));
    }

    fn barrier<W: crate::completion::Refusable>(&self, barrier: Barrier<W>) {
        let append = Append {
            stream: self.stream(),
            expected: Expected::Any,
            epoch: self.house().writer.epoch(),
            cause: Cause {
                command_id: None,
                request_hash: 0,
                actor: CompactString::const_new("barrier"),
            },
            events: Vec::new(),
        };
        let progress = self.progress.clone();
        // As above: given back, and dropped uncalled, it says busy.
        _ = self.house().writer.append(
            append,
            Box::new(move |outcome| barrier.complete(&progress, outcome)),
        );
    }
}

/// The bytes of a snapshot: the actor's time and its state. One that cannot be encoded is not kept: it is only a
/// shortcut.
fn encode_state<A: Kind>(now_ms: i64, state: &A) -> Option<Bytes> {
    postcard::to_allocvec(&(now_ms, state))
        .map(Bytes::from)
        .inspect_err(|e| tracing::error!("snapshot: {e}"))
        .ok()
}
