//! What happens when an append of a shell is durable or has failed. It runs on the journal's thread: it counts, notes,
//! and tells the one who waits; it must never decide, block or touch the state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use domain::{Rejection, StreamId};
use journal::{Appended, Position, Snapshot};
use parking_lot::Mutex;

use crate::kind::Notice;
use crate::shell::Work;
use crate::{Accepted, Failure, House, Kind, Reply};

/// Where the last durable record of an actor stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) position: Position,
    pub(crate) recorded_at_ms: i64,
}

/// How far the appends of one state of one shell have come, shared with their completions.
pub(crate) struct Progress {
    pub(crate) house: Arc<House>,
    /// Names this state among all of the process: its appends stand or fall together.
    pub(crate) line: u64,
    version: AtomicU64,
    failed: AtomicBool,
    last: Mutex<Last>,
}

/// Lines begun in this process.
static LINES: AtomicU64 = AtomicU64::new(0);

impl Progress {
    pub(crate) fn new(house: Arc<House>, version: u64, position: Position, recorded_at_ms: i64) -> Self {
        let last = Mutex::new(Last {
            position,
            recorded_at_ms,
        });
        Self {
            house,
            line: LINES.fetch_add(1, Ordering::Relaxed),
            version: AtomicU64::new(version),
            failed: AtomicBool::new(false),
            last,
        }
    }

    /// The version up to which everything is durable.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether an append failed: the state that rests on it is worthless.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn last(&self) -> Last {
        *self.last.lock()
    }

    fn advance(&self, appended: &Appended) {
        let mut last = self.last.lock();
        if appended.version > self.version() {
            *last = Last {
                position: appended.last,
                recorded_at_ms: appended.recorded_at_ms,
            };
            self.version.store(appended.version, Ordering::Release);
        }
    }
}

/// What else is to be done when events are durable.
pub(crate) struct Extra {
    pub(crate) notice: Option<Notice>,
    /// Stream, schema and state after the last event.
    pub(crate) snapshot: Option<(StreamId, u16, Bytes)>,
}

impl Extra {
    pub(crate) fn is_empty(&self) -> bool {
        self.notice.is_none() && self.snapshot.is_none()
    }

    fn perform(self, house: &House, appended: &Appended) {
        if let Some(notice) = self.notice {
            notice.publish(house);
        }
        if let Some((stream, schema, state)) = self.snapshot {
            let (version, position) = (appended.version, appended.last);
            house.writer.save_snapshot(
                &stream,
                Snapshot {
                    version,
                    position,
                    schema,
                    state,
                },
            );
        }
    }
}

/// A command whose events are queued. Dropped uncalled (the queue was full), it says [`Rejection::Busy`].
pub(crate) struct Waiting<T> {
    progress: Arc<Progress>,
    reply: Reply<T>,
    answer: Option<Result<T, Rejection>>,
    extra: Option<Box<Extra>>,
}

impl<T> Waiting<T> {
    pub(crate) fn new(
        progress: Arc<Progress>,
        reply: Reply<T>,
        answer: Result<T, Rejection>,
        extra: Option<Box<Extra>>,
    ) -> Self {
        Self {
            progress,
            reply,
            answer: Some(answer),
            extra,
        }
    }

    pub(crate) fn complete(mut self, outcome: journal::Result<Appended>) {
        let Some(answer) = self.answer.take() else { return };
        let stats = &self.progress.house.stats;
        let outcome = match (outcome, answer) {
            (Err(error), _) => {
                self.progress.failed.store(true, Ordering::Release);
                stats.failed.add_one();
                Err(Failure::Broken(error))
            }
            (Ok(appended), answer) => {
                self.progress.advance(&appended);
                if let Some(extra) = self.extra.take() {
                    extra.perform(&self.progress.house, &appended);
                }
                match answer {
                    Ok(answer) => {
                        stats.accepted.add_one();
                        let (position, recorded_at_ms) = (appended.first, appended.recorded_at_ms);
                        Ok(Accepted {
                            answer,
                            position,
                            recorded_at_ms,
                        })
                    }
                    Err(rejection) => {
                        stats.count_refused(rejection);
                        Err(rejection.into())
                    }
                }
            }
        };
        std::mem::replace(&mut self.reply, Reply::to_nobody()).send(outcome);
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if self.answer.take().is_some() {
            self.progress.house.stats.count_refused(Rejection::Busy);
            std::mem::replace(&mut self.reply, Reply::to_nobody()).send(Err(Rejection::Busy.into()));
        }
    }
}

/// Something that can be told that it did not take place.
pub(crate) trait Refusable: Send + 'static {
    fn refuse(self, failure: Failure);
}

impl<A: Kind> Refusable for Work<A> {
    fn refuse(self, failure: Failure) {
        self.fail(failure);
    }
}

impl<T: Send + 'static> Refusable for (Reply<T>, Result<T, Rejection>) {
    fn refuse(self, failure: Failure) {
        self.0.send(Err(failure));
    }
}

type Then<W> = Box<dyn FnOnce(W, Result<Last, Failure>) + Send>;

/// Something that waits until everything queued before it is durable. Dropped uncalled, it says [`Rejection::Busy`].
pub(crate) struct Barrier<W: Refusable>(Option<(W, Then<W>)>);

impl<W: Refusable> Barrier<W> {
    pub(crate) fn new(what: W, then: impl FnOnce(W, Result<Last, Failure>) + Send + 'static) -> Self {
        Self(Some((what, Box::new(then))))
    }

    /// A barrier does not fail when an append before it did: what rests on that append's events is told so here.
    pub(crate) fn complete(mut self, progress: &Progress, outcome: journal::Result<Appended>) {
        let Some((what, then)) = self.0.take() else { return };
        let outcome = match outcome {
            Err(error) => Err(Failure::Broken(error)),
            Ok(_) if progress.has_failed() => Err(Failure::Lost),
            Ok(_) => Ok(progress.last()),
        };
        then(what, outcome);
    }
}

impl<W: Refusable> Drop for Barrier<W> {
    fn drop(&mut self) {
        if let Some((what, _)) = self.0.take() {
            what.refuse(Rejection::Busy.into());
        }
    }
}
