//! The threads that carry what channels say to their subscribers, apart from publishers and from sockets, and the clock
//! of the ticks. A channel is in one thread's hands at a time, so its order stays; a large one keeps one thread busy and
//! leaves the others to the rest. Each channel waits here at most a few times, so the queue is bounded by the channels.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::hub::Hub;
use crate::limits::FANOUT_THREADS;
use crate::peer::lock;

/// The time of ticks and of sessions: real, or moved by a test.
#[derive(Debug)]
pub(crate) enum Clock {
    Real(Instant),
    /// Milliseconds; no thread runs, [`Hub::settle`] does the work.
    #[cfg(test)]
    Moved(std::sync::atomic::AtomicU64),
}

impl Clock {
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Self::Real(start) => start.elapsed().as_millis() as u64,
            #[cfg(test)]
            Self::Moved(now_ms) => now_ms.load(std::sync::atomic::Ordering::Relaxed),
        }
    }

    pub(crate) fn instant_at(&self, at_ms: u64) -> Instant {
        match self {
            Self::Real(start) => *start + Duration::from_millis(at_ms),
            #[cfg(test)]
            Self::Moved(_) => Instant::now() + Duration::from_millis(at_ms.saturating_sub(self.now_ms())),
        }
    }

    #[cfg(test)]
    pub(crate) fn moved() -> Self {
        Self::Moved(std::sync::atomic::AtomicU64::new(1_000))
    }

    #[cfg(test)]
    pub(crate) fn advance_to(&self, at_ms: u64) {
        if let Self::Moved(now_ms) = self {
            now_ms.store(at_ms, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// Channels by the moment they are due.
#[derive(Debug)]
pub(crate) struct Agenda {
    clock: Clock,
    queue: Mutex<Queue>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    due: BinaryHeap<Reverse<Due>>,
    next: u64,
    stopped: bool,
}

#[derive(Debug)]
struct Due {
    at_ms: u64,
    /// First come, first served among those due at the same moment.
    number: u64,
    channel: Arc<Channel>,
}

impl Due {
    fn key(&self) -> (u64, u64) {
        (self.at_ms, self.number)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Agenda {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            queue: Mutex::default(),
            bell: Condvar::new(),
        })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Notes when a channel is due.
    pub(crate) fn add(&self, channel: Arc<Channel>, at_ms: u64) {
        let mut queue = lock(&self.queue);
        let number = queue.next;
        queue.next += 1;
        let first = queue.due.peek().is_none_or(|Reverse(due)| at_ms < due.at_ms);
        queue.due.push(Reverse(Due {
            at_ms,
            number,
            channel,
        }));
        drop(queue);
        // Who waits does so for the first that is due; each who leaves with work passes the bell on.
        if first {
            self.bell.notify_one();
        }
    }

    /// Ends the threads.
    pub(crate) fn stop(&self) {
        lock(&self.queue).stopped = true;
        self.bell.notify_all();
    }

    /// The next channel that is due, or when one will be.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Result<Arc<Channel>, Option<u64>> {
        lock(&self.queue).take(self.clock.now_ms())
    }

    /// Waits for the next channel that is due. `None` = stopped.
    fn wait(&self) -> Option<Arc<Channel>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopped {
                return None;
            }
            let now_ms = self.clock.now_ms();
            let next_ms = match queue.take(now_ms) {
                Ok(channel) => {
                    if !queue.due.is_empty() {
                        self.bell.notify_one();
                    }
                    return Some(channel);
                }
                Err(next_ms) => next_ms,
            };
            queue = match next_ms {
                Some(next_ms) => {
                    let wait = Duration::from_millis(next_ms - now_ms);
                    let woken = self.bell.wait_timeout(queue, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Queue {
    fn take(&mut self, now_ms: u64) -> Result<Arc<Channel>, Option<u64>> {
        match self.due.peek() {
            Some(Reverse(due)) if due.at_ms > now_ms => Err(Some(due.at_ms)),
            _ => self.due.pop().map(|Reverse(due)| due.channel).ok_or(None),
        }
    }
}

/// Starts the threads; they end when the hub does.
pub(crate) fn start(agenda: &Arc<Agenda>, hub: &Weak<Hub>) {
    for number in 0..FANOUT_THREADS {
        let (agenda, hub) = (agenda.clone(), hub.clone());
        let thread = std::thread::Builder::new().name(format!("fan-out {number}"));
        let started = thread.spawn(move || run(&agenda, &hub));
        // Without them nothing would ever be delivered.
        started.expect("the system gives the hub its threads");
    }
}

fn run(agenda: &Agenda, hub: &Weak<Hub>) {
    while let Some(channel) = agenda.wait() {
        let Some(hub) = hub.upgrade() else { return };
        carry(agenda, &hub, &channel);
    }
}

/// Carries what a channel has to say. Whatever goes wrong within, the channel's subscribers hear that they lost their place.
pub(crate) fn carry(agenda: &Agenda, hub: &Hub, channel: &Arc<Channel>) {
    if catch_unwind(AssertUnwindSafe(|| hub.tell(channel))).is_err() {
        tracing::error!(channel = %channel.name, "a fan-out panicked; its subscribers recover");
        let due_ms = lock(&channel.pending).stumbled(agenda.clock().now_ms());
        agenda.add(channel.clone(), due_ms);
    }
}
