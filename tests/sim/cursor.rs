//! The cursor of a process, driven by hand: where the process begins, and what it writes when something is done. It knows
//! nothing of what is done.

use std::sync::{Arc, Mutex, PoisonError};

use actors::{Failure, House, Job, Kind, Outcome, Post, Reply, Request, Shell, Suspended, Work};
use domain::UserId;
use futures_util::FutureExt;
use journal::{Checkpoint, Position, Reader, Tail};

/// The one shard.
pub const SHARD: u16 = 0;

/// What comes back to a process.
pub type Inbox<T> = Arc<Mutex<Vec<T>>>;

type Slot<T> = Arc<Mutex<Option<Result<T, Failure>>>>;

struct Nobody;

impl<A: Kind> Post<A> for Nobody {
    fn post(&self, _: &UserId, _: Work<A>) {}
}

/// What came of asking where to begin.
pub enum Beginning {
    /// Behind this sequence.
    Behind(u64),
    /// It has been asked now.
    Asked,
    /// There is no answer yet.
    Unknown,
}

/// See the module.
pub struct Cursor<A: Kind> {
    shell: Shell<A>,
    waiting: Option<Suspended<A>>,
    begun: Slot<u64>,
    advanced: Slot<()>,
    advancing: Option<u64>,
    asked: bool,
}

impl<A: Kind> Cursor<A> {
    /// The one that stands in the stream of this key.
    pub fn new(house: &Arc<House>, key: &str) -> Self {
        let key = key.parse().expect("a good id");
        Self {
            shell: Shell::new(house.clone(), key, Arc::new(Nobody)),
            waiting: None,
            begun: Slot::default(),
            advanced: Slot::default(),
            advancing: None,
            asked: false,
        }
    }

    /// Goes on with what it waited for; says whether that had come.
    pub fn resume(&mut self) -> bool {
        let Some(mut waiting) = self.waiting.take() else {
            return false;
        };
        match waiting.as_mut().now_or_never() {
            Some(resumption) => self.waiting = self.shell.resume(resumption),
            None => {
                self.waiting = Some(waiting);
                return false;
            }
        }
        true
    }

    /// Finds out where to begin.
    pub fn begin(&mut self, upto: fn(A) -> u64) -> Beginning {
        match take(&self.begun) {
            Some(Ok(upto)) => return Beginning::Behind(upto),
            Some(Err(_)) => self.asked = false,
            None => {}
        }
        if self.asked || self.waiting.is_some() {
            return Beginning::Unknown;
        }
        self.asked = true;
        self.waiting = self.shell.handle(Work::Ask(fill(&self.begun, upto)));
        Beginning::Asked
    }

    /// Writes how far the process has come, unless it is at that already.
    pub fn advance(&mut self, process: &'static str, upto: u64, command: A::Command) {
        if self.advancing.is_some() || self.waiting.is_some() {
            return;
        }
        self.advancing = Some(upto);
        let job = Job {
            request: Request::of_system(process),
            command,
            reply: fill(&self.advanced, |_| ()),
        };
        self.waiting = self.shell.handle(Work::Command(job));
    }

    /// Where it stands durably, if that is news.
    pub fn advanced(&mut self) -> Option<u64> {
        let told = take(&self.advanced)?;
        let upto = self.advancing.take();
        told.ok().and(upto)
    }
}

fn take<T>(slot: &Slot<T>) -> Option<Result<T, Failure>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn fill<T: Send + 'static, U: 'static>(slot: &Slot<T>, map: fn(U) -> T) -> Reply<U> {
    let slot = slot.clone();
    Reply::from(move |outcome: Outcome<U>| {
        let told = outcome.map(|accepted| map(accepted.answer));
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    })
}

/// The records behind a sequence, as they come.
pub fn tail(reader: &dyn Reader, sequence: u64) -> Box<dyn Tail> {
    let mut after = Checkpoint::start(1);
    let shard = SHARD;
    after.advance(Position { shard, sequence });
    reader.tail(&after)
}

/// Puts what came back into the inbox of a process.
pub fn put<T>(inbox: &Mutex<Vec<T>>, input: T) {
    inbox.lock().unwrap_or_else(PoisonError::into_inner).push(input);
}

/// Takes what came back.
pub fn take_all<T>(inbox: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut *inbox.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether the journal takes no more writes: then a process ends.
pub fn is_broken(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Broken(journal::Error::Poisoned(_) | journal::Error::Closed)
    )
}
