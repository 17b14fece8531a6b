//! Waiting for an engine's future on a plain thread, without a runtime: park until woken, stopped, or late.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use parking_lot::Mutex;

/// A request to stop, which wakes the thread that waits.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    asked: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Stop {
    /// Asks to stop.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }

    /// Whether somebody asked.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Names the calling thread as the one to wake.
    pub(crate) fn watch_here(&self) {
        *self.thread.lock() = Some(std::thread::current());
    }
}

/// How a wait ended.
pub(crate) enum Waited<T> {
    /// With the future's value.
    Ready(T),
    /// The deadline passed first.
    Late,
    /// Somebody asked to stop.
    Stopped,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread until it is ready, the deadline passes or `stop` is asked.
pub(crate) fn wait<T>(future: impl Future<Output = T>, deadline: Option<Instant>, stop: &Stop) -> Waited<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if stop.asked() {
            return Waited::Stopped;
        }
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Waited::Ready(value);
        }
        match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            None => std::thread::park(),
            Some(left) if left.is_zero() => return Waited::Late,
            Some(left) => std::thread::park_timeout(left),
        }
    }
}

/// The future's value, if it is ready at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
