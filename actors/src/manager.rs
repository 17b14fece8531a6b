//! What the process managers have in common: each follows one shard of the journal from a cursor, performs what its core
//! wants, hands the outcomes back, repeats what failed, and writes the cursor now and then.
//!
//! A core decides and does no I/O; here it is driven. One must never stop with work undone that could be done, and never
//! hold up a stop for what cannot.

use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use domain::process::Process;
use domain::settlement::{self, Settlement};
use domain::{UserId, process};
use journal::{Checkpoint, Error, Position, RecordBatch, Tail};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::limits::{ADVANCE_INTERVAL_MS, PROCESS_RETRY_MS};
use crate::shell::{Job, Post, Shell, Work};
use crate::{Counter, Failure, House, Kind, Outcome, Reply, Request};

/// A core and what performs for it.
pub(crate) trait Manager: Send + 'static {
    /// What comes back of an effect.
    type Input: Send + 'static;
    /// Where its cursor is kept.
    type Bookmark: Bookmark;
    /// Its name, in logs and as the actor of its records.
    const NAME: &'static str;

    /// Whether [`Self::read`] may be called now.
    fn can_read(&self) -> bool;
    /// Takes the next records of the shard.
    fn read(&mut self, batch: &RecordBatch) -> journal::Result<()>;
    /// Performs everything the core wants; says after which sequence to read again, if it wants that.
    fn perform(&mut self, inbox: &Arc<Inbox<Self::Input>>) -> Option<u64>;
    /// Why an effect failed, if it did.
    fn failure(input: &Self::Input) -> Option<&Failure>;
    /// Takes what came of an effect.
    fn input(&mut self, input: Self::Input);
    /// Time has passed: what failed may be tried again.
    fn retry(&mut self);
    /// Everything at or below this sequence is done, durably.
    fn done_upto(&self) -> u64;
    /// Since when the oldest record that was read waits to be done, unix ms, where that is told.
    fn waits_since_ms(&self) -> Option<i64> {
        None
    }
    /// Everything at or below this sequence is done, or cannot be done now: as far as a stop waits.
    fn settled_upto(&self) -> u64 {
        self.done_upto()
    }
    /// Where the cursor should be written to, if that is worth a record.
    fn advance_due(&self) -> Option<u64>;
    /// The cursor stands there, durably.
    fn advanced(&mut self, upto: u64);
}

/// A stream that holds how far a process has come in a shard.
pub(crate) trait Bookmark: Kind {
    /// The key of the stream of a shard.
    fn key(process: &str, shard: u16) -> String;
    /// Everything at or below this is done.
    fn upto(&self) -> u64;
    /// The command that moves it.
    fn advance(shard: u16, upto: u64) -> Self::Command;
}

impl Bookmark for Settlement {
    fn key(_: &str, shard: u16) -> String {
        shard.to_string()
    }

    fn upto(&self) -> u64 {
        Settlement::upto(self)
    }

    fn advance(shard: u16, upto: u64) -> settlement::Command {
        settlement::Command::Advance { shard, upto }
    }
}

impl Bookmark for Process {
    fn key(process: &str, shard: u16) -> String {
        format!("{process}.{shard}")
    }

    fn upto(&self) -> u64 {
        Process::upto(self)
    }

    fn advance(shard: u16, upto: u64) -> process::Command {
        process::Command::Advance { shard, upto }
    }
}

/// Outcomes on their way back. Never more than effects are under way, which the core bounds.
pub(crate) struct Inbox<I> {
    inputs: Mutex<Vec<I>>,
    arrived: Notify,
}

impl<I> Default for Inbox<I> {
    fn default() -> Self {
        Self {
            inputs: Mutex::default(),
            arrived: Notify::new(),
        }
    }
}

impl<I> Inbox<I> {
    pub(crate) fn put(&self, input: I) {
        self.inputs.lock().push(input);
        self.arrived.notify_one();
    }
}

/// One process over all shards.
pub(crate) struct Managers {
    house: Arc<House>,
    shards: Vec<Handle>,
}

struct Handle {
    done: Arc<Done>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

/// How far the process of one shard has come.
#[derive(Default)]
struct Done {
    /// Everything at or below this sequence is done.
    upto: Counter,
    /// Since when the oldest of what is not done waits, unix ms; 0 when nothing does.
    since_ms: Counter,
}

impl Managers {
    /// Starts one per shard. `manager` makes one that reads on after a sequence.
    pub(crate) fn start<M: Manager>(
        house: &Arc<House>,
        arbiter: &ArbiterHandle,
        manager: impl Fn(u16, u64) -> M + Clone + Send + 'static,
    ) -> Self {
        let shards = (0..house.reader.shards()).map(|shard| {
            let done = Arc::new(Done::default());
            let (stop, stopping) = watch::channel(false);
            let (end, ended) = watch::channel(false);
            let (house, manager, its_done) = (house.clone(), manager.clone(), done.clone());
            arbiter.spawn(async move {
                if let Err(failure) = run(shard, house, manager, its_done, stopping).await {
                    let process = M::NAME;
                    tracing::error!(shard, process, %failure, "this process has ended: nothing more is done by it until a restart");
                }
                _ = end.send(true);
            });
            Handle {
                done,
                stop,
                ended,
            }
        });
        Self {
            house: house.clone(),
            shards: shards.collect(),
        }
    }

    /// Records between the durable head and the position up to which everything is done, over all shards.
    pub(crate) fn lag_records(&self) -> u64 {
        let head = self.house.reader.head();
        let lag = |(shard, handle): (usize, &Handle)| {
            let head = u16::try_from(shard).map_or(0, |shard| head.get(shard));
            head.saturating_sub(handle.done.upto.get())
        };
        self.shards.iter().enumerate().map(lag).sum()
    }

    /// How long the oldest of what is not done waits, over all shards, in ms. It is looked at every
    /// [`PROCESS_RETRY_MS`] and may be so much too high.
    pub(crate) fn lag_ms(&self) -> u64 {
        let now_ms = u64::try_from((self.house.clock)()).unwrap_or(0);
        let since = self.shards.iter().map(|handle| handle.done.since_ms.get());
        let oldest = since.filter(|since_ms| *since_ms > 0).min();
        oldest.map_or(0, |since_ms| now_ms.saturating_sub(since_ms))
    }

    /// Does everything that is there to be done now, writes the cursors and ends.
    pub(crate) async fn stop(&self) {
        for handle in &self.shards {
            _ = handle.stop.send(true);
        }
        for handle in &self.shards {
            // An error means that the task is gone, which is as good.
            _ = handle.ended.clone().wait_for(|ended| *ended).await;
        }
    }
}

/// Nothing of a cursor is ever a repetition.
struct NoPost;

impl<A: Kind> Post<A> for NoPost {
    fn post(&self, _: &UserId, work: Work<A>) {
        work.fail(Failure::Lost);
    }
}

/// The cursor in its own stream.
struct Cursor<A: Bookmark> {
    process: &'static str,
    shard: u16,
    shell: Shell<A>,
}

impl<A: Bookmark> Cursor<A> {
    fn new(process: &'static str, shard: u16, house: Arc<House>) -> Result<Self, Failure> {
        // A process's name and digits are a well-formed id.
        let key = A::key(process, shard)
            .parse::<UserId>()
            .map_err(|_| Failure::Lost)?;
        Ok(Self {
            process,
            shard,
            shell: Shell::new(house, key, Arc::new(NoPost)),
        })
    }

    async fn run<T: Send + 'static>(&mut self, work: impl FnOnce(Reply<T>) -> Work<A>) -> Outcome<T> {
        let (reply, outcome) = Reply::channel();
        let mut suspended = self.shell.handle(work(reply));
        while let Some(waiting) = suspended {
            let resumption = waiting.await;
            suspended = self.shell.resume(resumption);
        }
        outcome.await
    }

    async fn read(&mut self) -> Result<u64, Failure> {
        Ok(self.run(Work::Ask).await?.answer.upto())
    }

    async fn advance(&mut self, upto: u64) -> Result<(), Failure> {
        let command = A::advance(self.shard, upto);
        let request = Request::of_system(self.process);
        self.run(|reply| {
            Work::Command(Job {
                request,
                command,
                reply,
            })
        })
        .await?;
        Ok(())
    }
}

struct Runner<M: Manager> {
    shard: u16,
    house: Arc<House>,
    done: Arc<Done>,
    /// The last record that was read, and when it was recorded at the earliest, or when there was none after it, unix ms.
    read_upto: u64,
    read_at_ms: i64,
    inbox: Arc<Inbox<M::Input>>,
    manager: M,
    tail: Box<dyn Tail>,
}

async fn run<M: Manager>(
    shard: u16,
    house: Arc<House>,
    manager: impl Fn(u16, u64) -> M,
    done: Arc<Done>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut cursor = Cursor::<M::Bookmark>::new(M::NAME, shard, house.clone())?;
    let after = read_patiently(&mut cursor, &stopping).await?;
    let mut runner = Runner {
        shard,
        tail: tail_after(&house, shard, after),
        manager: manager(shard, after),
        done,
        read_upto: after,
        read_at_ms: (house.clock)(),
        house,
        inbox: Arc::default(),
    };
    let mut retries = tokio::time::interval(Duration::from_millis(PROCESS_RETRY_MS));
    retries.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut advanced_at = tokio::time::Instant::now();
    let mut stop = false;
    loop {
        runner.perform();
        if stop && runner.manager.settled_upto() >= runner.head() {
            if let Some(upto) = runner.manager.advance_due() {
                cursor.advance(upto).await?;
            }
            runner.measure();
            return Ok(());
        }
        tokio::select! {
            biased;
            () = runner.inbox.arrived.notified() => runner.take_inputs()?,
            stopped = stopping.changed(), if !stop => {
                if stopped.is_err() {
                    return Ok(());
                }
                stop = true;
            }
            _ = retries.tick() => {
                runner.manager.retry();
                runner.measure();
                if advanced_at.elapsed() >= Duration::from_millis(ADVANCE_INTERVAL_MS) {
                    advanced_at = tokio::time::Instant::now();
                    runner.advance(&mut cursor).await;
                }
            }
            batch = runner.tail.next(), if runner.manager.can_read() => runner.read(&*batch?)?,
        }
    }
}

/// The journal's queue may be full at the start: then it is asked again.
async fn read_patiently<A: Bookmark>(
    cursor: &mut Cursor<A>,
    stopping: &watch::Receiver<bool>,
) -> Result<u64, Failure> {
    loop {
        match cursor.read().await {
            Err(failure) if failure.is_retryable() && !*stopping.borrow() => {
                tokio::time::sleep(Duration::from_millis(PROCESS_RETRY_MS)).await;
            }
            outcome => return outcome,
        }
    }
}

fn tail_after(house: &House, shard: u16, sequence: u64) -> Box<dyn Tail> {
    let mut after = Checkpoint::start(house.reader.shards());
    // The other shards are followed by others: they are skipped as far as they go.
    house
        .reader
        .head()
        .positions()
        .filter(|p| p.shard != shard)
        .for_each(|p| after.advance(p));
    after.advance(Position { shard, sequence });
    house.reader.tail(&after)
}

impl<M: Manager> Runner<M> {
    fn head(&self) -> u64 {
        self.house.reader.head().get(self.shard)
    }

    fn perform(&mut self) {
        while let Some(after) = self.manager.perform(&self.inbox) {
            self.tail = tail_after(&self.house, self.shard, after);
            self.read_upto = after;
        }
    }

    fn read(&mut self, batch: &RecordBatch) -> journal::Result<()> {
        self.manager.read(batch)?;
        if let Some(first) = batch.iter().next().filter(|_| batch.shard() == self.shard) {
            self.read_upto = batch.last().sequence;
            self.read_at_ms = first.recorded_at_ms;
        }
        Ok(())
    }

    /// May be called seldom: what is not measured yet counts as lag.
    fn measure(&mut self) {
        self.done.upto.set(self.manager.done_upto());
        let unread = self.read_upto < self.head();
        if !unread {
            self.read_at_ms = (self.house.clock)();
        }
        let oldest = self.manager.waits_since_ms();
        let since_ms = oldest.into_iter().chain(unread.then_some(self.read_at_ms)).min();
        self.done
            .since_ms
            .set(since_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0));
    }

    /// Takes what came of effects. A journal that can no longer write ends this.
    fn take_inputs(&mut self) -> Result<(), Failure> {
        let inputs = std::mem::take(&mut *self.inbox.inputs.lock());
        for input in inputs {
            if let Some(failure @ Failure::Broken(Error::Poisoned(_) | Error::Closed)) = M::failure(&input) {
                return Err(failure.clone());
            }
            self.manager.input(input);
        }
        Ok(())
    }

    /// A cursor that cannot be written now is written next time.
    async fn advance(&mut self, cursor: &mut Cursor<M::Bookmark>) {
        let Some(upto) = self.manager.advance_due() else {
            return;
        };
        match cursor.advance(upto).await {
            Ok(()) => self.manager.advanced(upto),
            Err(failure) => {
                let process = M::NAME;
                tracing::warn!(shard = self.shard, process, %failure, "the cursor of this process was not written")
            }
        }
    }
}
