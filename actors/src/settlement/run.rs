//! Performs what settlement wants: tails the journal, talks to the streamers, writes the cursor. One task per shard.

use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use domain::UserId;
use domain::settlement::{self, Settlement};
use domain::streamer::{self, Streamer};
use journal::{Checkpoint, Error, Position, Tail};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::core::{Core, Effect, Input};
use crate::limits::{ADVANCE_INTERVAL_MS, CREDIT_RETRY_MS};
use crate::registry::Registry;
use crate::shell::{Job, Post, Shell, Work};
use crate::{Counter, Failure, House, Outcome, Reply, Request};

/// The settlements of all shards.
pub(crate) struct Settlements {
    shards: Vec<Handle>,
}

struct Handle {
    lag: Arc<Counter>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl Settlements {
    pub(crate) fn start(
        house: &Arc<House>,
        streamers: &Arc<Registry<Streamer>>,
        arbiter: &ArbiterHandle,
    ) -> Self {
        let shards = (0..house.reader.shards()).map(|shard| {
            let lag = Arc::new(Counter::default());
            let (stop, stopping) = watch::channel(false);
            let (end, ended) = watch::channel(false);
            let (house, streamers, its_lag) = (house.clone(), streamers.clone(), lag.clone());
            arbiter.spawn(async move {
                if let Err(failure) = settle(shard, house, streamers, its_lag, stopping).await {
                    tracing::error!(shard, %failure, "settlement has ended: no more gifts are credited until a restart");
                }
                _ = end.send(true);
            });
            Handle { lag, stop, ended }
        });
        Self {
            shards: shards.collect(),
        }
    }

    /// Per shard: records between the durable head and the position up to which every gift is credited.
    pub(crate) fn lags(&self) -> impl Iterator<Item = &Counter> {
        self.shards.iter().map(|handle| &*handle.lag)
    }

    /// Credits everything that is durable now, writes the cursors and ends.
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

/// Outcomes on their way back. Never more than effects are under way, which the core bounds.
#[derive(Default)]
struct Inbox {
    inputs: Mutex<Vec<Input>>,
    arrived: Notify,
}

impl Inbox {
    fn put(&self, input: Input) {
        self.inputs.lock().push(input);
        self.arrived.notify_one();
    }
}

/// Nothing of settlement is ever a repetition.
struct NoPost;

impl Post<Settlement> for NoPost {
    fn post(&self, _: &UserId, work: Work<Settlement>) {
        work.fail(Failure::Lost);
    }
}

/// The cursor in the shard's own stream.
struct Cursor {
    shard: u16,
    shell: Shell<Settlement>,
}

impl Cursor {
    fn new(shard: u16, house: Arc<House>) -> Result<Self, Failure> {
        // Digits are a well-formed id.
        let key = shard.to_string().parse::<UserId>().map_err(|_| Failure::Lost)?;
        Ok(Self {
            shard,
            shell: Shell::new(house, key, Arc::new(NoPost)),
        })
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(Reply<T>) -> Work<Settlement>,
    ) -> Outcome<T> {
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
        let command = settlement::Command::Advance {
            shard: self.shard,
            upto,
        };
        let request = Request::of_system("settlement");
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

struct Runner {
    shard: u16,
    house: Arc<House>,
    streamers: Arc<Registry<Streamer>>,
    lag: Arc<Counter>,
    inbox: Arc<Inbox>,
    core: Core,
    tail: Box<dyn Tail>,
}

async fn settle(
    shard: u16,
    house: Arc<House>,
    streamers: Arc<Registry<Streamer>>,
    lag: Arc<Counter>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut cursor = Cursor::new(shard, house.clone())?;
    let core = Core::new(shard, read_patiently(&mut cursor, &stopping).await?);
    let tail = tail_after(&house, shard, core.read_upto());
    let mut runner = Runner {
        shard,
        house,
        streamers,
        lag,
        inbox: Arc::default(),
        core,
        tail,
    };
    let mut retries = tokio::time::interval(Duration::from_millis(CREDIT_RETRY_MS));
    retries.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut advanced_at = tokio::time::Instant::now();
    let mut stop_at = None;
    loop {
        runner.perform();
        if stop_at.is_some_and(|head| runner.core.credited_upto() >= head) {
            if let Some(upto) = runner.core.advance_due() {
                cursor.advance(upto).await?;
            }
            runner.measure();
            return Ok(());
        }
        tokio::select! {
            biased;
            () = runner.inbox.arrived.notified() => runner.take_inputs()?,
            stopped = stopping.changed(), if stop_at.is_none() => {
                if stopped.is_err() {
                    return Ok(());
                }
                stop_at = Some(runner.head());
            }
            _ = retries.tick() => {
                runner.core.retry();
                runner.measure();
                if advanced_at.elapsed() >= Duration::from_millis(ADVANCE_INTERVAL_MS) {
                    advanced_at = tokio::time::Instant::now();
                    runner.advance(&mut cursor).await;
                }
            }
            batch = runner.tail.next(), if runner.core.can_read() => runner.core.read(&*batch?)?,
        }
    }
}

/// The journal's queue may be full at the start: then it is asked again.
async fn read_patiently(cursor: &mut Cursor, stopping: &watch::Receiver<bool>) -> Result<u64, Failure> {
    loop {
        match cursor.read().await {
            Err(failure) if failure.is_retryable() && !*stopping.borrow() => {
                tokio::time::sleep(Duration::from_millis(CREDIT_RETRY_MS)).await;
            }
            outcome => return outcome,
        }
    }
}

fn tail_after(house: &House, shard: u16, sequence: u64) -> Box<dyn Tail> {
    let mut after = Checkpoint::start(house.reader.shards());
    // The other shards have settlements of their own: they are skipped as far as they go.
    house
        .reader
        .head()
        .positions()
        .filter(|p| p.shard != shard)
        .for_each(|p| after.advance(p));
    after.advance(Position { shard, sequence });
    house.reader.tail(&after)
}

impl Runner {
    fn head(&self) -> u64 {
        self.house.reader.head().get(self.shard)
    }

    fn measure(&self) {
        self.lag
            .set(self.head().saturating_sub(self.core.credited_upto()));
    }

    /// Takes what came of effects. A journal that can no longer write ends this.
    fn take_inputs(&mut self) -> Result<(), Failure> {
        let inputs = std::mem::take(&mut *self.inbox.inputs.lock());
        for input in inputs {
            let (Input::Settled(_, _, Err(failure)) | Input::Credited(_, _, Err(failure))) = &input else {
                let gifts = self.core.input(input);
                self.house.stats.gifts_settled.add(gifts);
                continue;
            };
            if matches!(failure, Failure::Broken(Error::Poisoned(_) | Error::Closed)) {
                return Err(failure.clone());
            }
            self.core.input(input);
        }
        Ok(())
    }

    /// A cursor that cannot be written now is written next time.
    async fn advance(&mut self, cursor: &mut Cursor) {
        let Some(upto) = self.core.advance_due() else {
            return;
        };
        match cursor.advance(upto).await {
            Ok(()) => self.core.advanced(upto),
            Err(failure) => {
                tracing::warn!(shard = self.shard, %failure, "the settlement's cursor was not written")
            }
        }
    }

    fn perform(&mut self) {
        while let Some(effect) = self.core.next_effect() {
            match effect {
                Effect::Reread { after } => {
                    self.house.stats.settlement_restarts.add_one();
                    tracing::warn!(
                        shard = self.shard,
                        after,
                        "a credit does not follow the last one: reading again"
                    );
                    self.tail = tail_after(&self.house, self.shard, after);
                }
                Effect::Ask { generation, streamer } => self.ask(generation, streamer),
                Effect::Credit {
                    generation,
                    streamer,
                    credit,
                } => self.credit(generation, streamer, credit),
            }
        }
    }

    fn ask(&self, generation: u32, streamer: UserId) {
        let (inbox, shard, whom) = (self.inbox.clone(), self.shard, streamer.clone());
        let told = move |told: Outcome<Streamer>| {
            let settled = told.map(|told| told.answer.settled_upto(shard));
            inbox.put(Input::Settled(generation, whom, settled));
        };
        self.streamers.send(&streamer, Work::Ask(Reply::from(told)));
    }

    fn credit(&self, generation: u32, streamer: UserId, credit: streamer::CreditTickets) {
        self.house.stats.credits.add_one();
        let (inbox, whom) = (self.inbox.clone(), streamer.clone());
        let told = move |outcome: Outcome<streamer::Answer>| {
            inbox.put(Input::Credited(generation, whom, outcome.map(|_| ())));
        };
        let command = streamer::Command::CreditTickets(credit);
        let job = Job {
            request: Request::of_system("settlement"),
            command,
            reply: Reply::from(told),
        };
        self.streamers.send(&streamer, Work::Command(job));
    }
}
