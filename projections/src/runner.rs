//! Keeps the views up with the journal: follow, fold, commit, tell.
//!
//! Readers ask the [`ViewsHandle`]; they share memory with the fold under a lock that is held only briefly. What a commit
//! changed goes to the [`Sink`] after the commit. Nothing is told about records that were there before the runner began.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use journal::{Position, Reader, Tail};
use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::watch;

use crate::deltas::{BalanceChange, Deltas, Shown, ShutOut, Sink, Told};
use crate::fact::position;
use crate::fold::{Decoded, Fold};
use crate::ledger::Ledger;
use crate::limits::{
    CATCH_UP_LAG_RECORDS, COMMIT_INTERVAL_MS, RECORDS_PER_COMMIT_CATCH_UP, RECORDS_PER_COMMIT_LIVE_MAX,
};
use crate::progress::Progress;
use crate::pump::pump;
use crate::store::ViewStore;
use crate::views::Views;
use crate::wait::{Stop, Waited, now, wait};
use crate::zone::Zone;
use crate::{Error, Result};

/// How the views are folded.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The platform's time zone: where its days begin.
    pub zone: Zone,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            zone: Zone::shanghai(),
        }
    }
}

struct Shared {
    views: RwLock<Views>,
    progress: Progress,
    committed: watch::Sender<u64>,
}

/// The views, to be read. Cheap to clone.
#[derive(Clone)]
pub struct ViewsHandle(Arc<Shared>);

impl ViewsHandle {
    /// The views as they are now. Hold it briefly: the fold waits for it.
    pub fn read(&self) -> RwLockReadGuard<'_, Views> {
        self.0.views.read()
    }

    /// How far the views are.
    pub fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// The last committed position.
    pub fn position(&self) -> Position {
        position(self.0.progress.position.load(Ordering::Acquire))
    }

    /// Waits until the views have reached a position, so that who wrote it reads it; false when it takes longer than
    /// `timeout`, or the runner has ended. Needs a tokio runtime with time.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> bool {
        let mut committed = self.0.committed.subscribe();
        let reached = committed.wait_for(|&sequence| sequence >= position.sequence);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }
}

/// Follows the journal. Run it on a thread of its own ([`Runner::spawn`]) or turn it by hand ([`Runner::turn`]).
pub struct Runner {
    shared: Arc<Shared>,
    fold: Fold,
    reader: Arc<dyn Reader>,
    sink: Arc<dyn Sink>,
    tail: Option<Box<dyn Tail>>,
    /// Whatever is at or below this sequence is old, and told to nobody.
    silent_upto: u64,
    pending: Pending,
    last_commit: Instant,
}

/// The stored views of a journal, as far as they were folded. Nothing is written, and nothing is folded on; a view that cannot
/// be trusted is empty, and a store that cannot be is an error.
pub fn open_as_they_are(reader: &dyn Reader, store: Arc<dyn ViewStore>, options: Options) -> Result<Views> {
    Fold::load(reader, store, options.zone, true).map(|(_, views)| views)
}

/// What is folded but not committed.
#[derive(Default)]
struct Pending {
    records: usize,
    last: u64,
    shown: Vec<Shown>,
    shut_out: Vec<ShutOut>,
    told: Vec<Told>,
    loud: bool,
}

/// A runner on its thread.
pub struct RunnerThread {
    stop: Arc<Stop>,
    thread: JoinHandle<Result<()>>,
}

impl RunnerThread {
    /// Asks the runner to commit and end, and waits for it.
    pub fn stop(self) -> Result<()> {
        self.stop.ask();
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Error::Store("the runner of the views panicked".into())))
    }

    /// Whether it has ended by itself: something broke.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Runner {
    /// Opens the views. A store that cannot be trusted is thrown away, with a line in the log, and rebuilt.
    pub fn open(
        reader: Arc<dyn Reader>,
        store: Arc<dyn ViewStore>,
        options: Options,
        sink: Arc<dyn Sink>,
    ) -> Result<Self> {
        let (fold, views) = Fold::open(&*reader, store, options.zone)?;
        fold.drop_unused()?;
        let at = fold.at();
        let head = reader.head().get(0);
        let shared = Shared {
            views: RwLock::new(views),
            progress: Progress::default(),
            committed: watch::channel(at).0,
        };
        shared.progress.position.store(at, Ordering::Release);
        shared.progress.head.store(head, Ordering::Relaxed);
        shared
            .progress
            .parked
            .store(fold.parked.len() as u64, Ordering::Relaxed);
        for stream in fold.parked.keys() {
            tracing::warn!(%stream, "this stream is left out of the views: one of its records cannot be decoded");
        }
        note_books(&shared.progress, shared.views.read().balances());
        Ok(Self {
            shared: Arc::new(shared),
            fold,
            reader,
            sink,
            tail: None,
            silent_upto: head,
            pending: Pending::default(),
            last_commit: Instant::now(),
        })
    }

    /// The views, to be read from anywhere.
    pub fn handle(&self) -> ViewsHandle {
        ViewsHandle(self.shared.clone())
    }

    /// Runs on a thread of its own until it is stopped.
    pub fn spawn(mut self) -> std::io::Result<RunnerThread> {
        let stop = Arc::new(Stop::default());
        let asked = stop.clone();
        let thread = std::thread::Builder::new().name("projections".into()).spawn(move || {
            asked.watch_here();
            let ended = self.run(&asked);
            if let Err(error) = &ended {
                tracing::error!(%error, "the views have stopped; they are rebuilt from where they are at the next start");
                self.shared.progress.failed.store(true, Ordering::Release);
            }
            ended
        })?;
        Ok(RunnerThread { stop, thread })
    }

    fn run(&mut self, stop: &Stop) -> Result<()> {
        match self.catch_up(stop) {
            Err(Error::Stopped) => return Ok(()),
            caught_up => caught_up?,
        }
        while self.follow(stop)? {}
        Ok(())
    }

    /// Folds everything that is durable now, commits and tells, without waiting; says how many records that was. For the
    /// simulation and tests, which have no threads.
    pub fn turn(&mut self) -> Result<usize> {
        let mut tail = self.take_tail();
        let mut records = 0;
        while let Some(batch) = now(tail.next()) {
            let batch = batch?;
            records += batch.len();
            self.absorb(&mut Decoded::of(batch));
        }
        self.tail = Some(tail);
        self.commit()?;
        self.note_live();
        Ok(records)
    }

    /// Folds what is far behind in large batches.
    fn catch_up(&mut self, stop: &Stop) -> Result<()> {
        let reader = self.reader.clone();
        let lag = self.silent_upto.saturating_sub(self.fold.at());
        if lag > CATCH_UP_LAG_RECORDS {
            tracing::info!(records = lag, "the views catch up with the journal");
            let after = Position {
                shard: 0,
                sequence: self.fold.at(),
            };
            let names = self.shared.views.read().names.clone();
            pump(&*reader, after, self.silent_upto, names, stop, |decoded| {
                if stop.asked() {
                    return Err(Error::Stopped);
                }
                self.absorb(decoded);
                if self.pending.records >= RECORDS_PER_COMMIT_CATCH_UP {
                    self.commit()
                } else {
                    Ok(())
                }
            })?;
        }
        self.commit()?;
        self.note_live();
        Ok(())
    }

    /// One round: wait for records, take what comes within the interval, commit, tell. False when asked to stop.
    fn follow(&mut self, stop: &Stop) -> Result<bool> {
        let mut tail = self.take_tail();
        let going = self.gather(&mut *tail, stop);
        self.tail = Some(tail);
        let going = going?;
        self.commit()?;
        self.note_live();
        Ok(going)
    }

    fn gather(&mut self, tail: &mut dyn Tail, stop: &Stop) -> Result<bool> {
        match wait(tail.next(), None, stop) {
            Waited::Ready(Err(journal::Error::Closed)) | Waited::Stopped | Waited::Late => return Ok(false),
            Waited::Ready(batch) => {
                let batch = batch?;
                self.absorb(&mut Decoded::of(batch));
            }
        }
        let deadline = self.last_commit + Duration::from_millis(COMMIT_INTERVAL_MS);
        while self.pending.records < RECORDS_PER_COMMIT_LIVE_MAX {
            // What is ready is always taken, also behind the deadline: whoever lags must take more at a time, not less.
            let batch = match wait(tail.next(), Some(deadline), stop) {
                Waited::Ready(Err(journal::Error::Closed)) | Waited::Stopped => return Ok(false),
                Waited::Ready(batch) => batch?,
                Waited::Late => break,
            };
            self.absorb(&mut Decoded::of(batch));
        }
        Ok(true)
    }

    fn take_tail(&mut self) -> Box<dyn Tail> {
        self.tail
            .take()
            .unwrap_or_else(|| self.reader.tail(&self.fold.checkpoint()))
    }

    /// Folds one batch, and keeps what rooms are to see of it.
    fn absorb(&mut self, decoded: &mut Decoded) {
        self.fold.park(decoded);
        let views = &self.shared.views;
        self.fold.apply(decoded, |fold| fold(&mut views.write()));
        self.pending.records += decoded.batch.len();
        self.pending.last = decoded.batch.last().sequence;
        if self.pending.last > self.silent_upto {
            self.pending.loud = true;
            for (record, event) in decoded.batch.iter().zip(decoded.events.drain(..)) {
                let loud = record.position.sequence > self.silent_upto;
                let Some(event) = event.filter(|_| loud) else {
                    continue;
                };
                self.pending.shut_out.extend(ShutOut::of(&record, &event));
                self.pending.told.extend(Told::of(&record, &event));
                self.pending.shown.extend(Shown::of(&record, event));
            }
        }
    }

    /// Commits what is pending; then, and only then, makes it known.
    fn commit(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        if pending.records == 0 {
            return Ok(());
        }
        let mut deltas = Deltas {
            shown: std::mem::take(&mut pending.shown),
            shut_out: std::mem::take(&mut pending.shut_out),
            told: std::mem::take(&mut pending.told),
            ..Deltas::default()
        };
        {
            let mut views = self.shared.views.write();
            let changed = views.balances.changed().to_vec();
            let steps = views.withdrawals.take_steps(self.silent_upto);
            self.fold.gather(&mut views)?;
            // Orders are only kept up while somebody may ask for them.
            if pending.loud || pending.last >= self.silent_upto {
                views.all_mut().into_iter().for_each(|view| view.settle());
                let boards = views.boards.take_changed();
                if pending.loud {
                    tell(&views, &changed, &boards, &mut deltas)?;
                    deltas.withdrawals = views.told_steps(steps)?;
                }
            }
        }
        self.fold.commit()?;
        note_books(&self.shared.progress, self.shared.views.read().balances());
        deltas.upto = Some(Position {
            shard: 0,
            sequence: pending.last,
        });
        self.note_commit(&pending);
        if pending.loud {
            self.sink.published(deltas);
        }
        Ok(())
    }

    fn note_commit(&mut self, pending: &Pending) {
        let last = pending.last;
        let took = self.last_commit.elapsed();
        self.last_commit = Instant::now();
        let progress = &self.shared.progress;
        let rate = (pending.records as u128 * 1_000_000 / took.as_micros().max(1)) as u64;
        let smooth = (progress.rate_per_s.load(Ordering::Relaxed) * 7 + rate) / 8;
        progress.rate_per_s.store(smooth, Ordering::Relaxed);
        progress
            .records
            .fetch_add(pending.records as u64, Ordering::Relaxed);
        progress.commits.fetch_add(1, Ordering::Relaxed);
        progress
            .parked
            .store(self.fold.parked.len() as u64, Ordering::Relaxed);
        progress.head.store(self.reader.head().get(0), Ordering::Relaxed);
        progress.position.store(last, Ordering::Release);
        self.shared.committed.send_replace(last);
    }

    fn note_live(&self) {
        if self.fold.at() >= self.silent_upto {
            self.shared.progress.live.store(true, Ordering::Release);
        }
    }
}

/// Makes known what does not add up: in the numbers always, in the log when it is the first.
fn note_books(progress: &Progress, ledger: &Ledger) {
    progress
        .ledger_break_last
        .store(ledger.last_break(), Ordering::Relaxed);
    let known = progress
        .ledger_breaks
        .swap(ledger.broken_records(), Ordering::Relaxed);
    let Some(first) = ledger.first_break().filter(|_| known == 0) else {
        return;
    };
    progress
        .ledger_break_position
        .store(first.position, Ordering::Relaxed);
    tracing::error!(
        position = first.position,
        "the ledger does not add up, withdrawals are stopped: {first}; see docs/ledger.md"
    );
}

/// Whose balance and which boards a commit changed.
fn tell(views: &Views, changed: &[u32], boards: &[crate::views::Kind], deltas: &mut Deltas) -> Result<()> {
    for &number in changed {
        deltas.balances.push(BalanceChange {
            user: views.user(number)?,
            balance: views.balances.get(number),
        });
    }
    for &kind in boards {
        deltas.boards.push(views.board(kind)?);
    }
    Ok(())
}
