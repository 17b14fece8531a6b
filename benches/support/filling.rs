//! A journal filled with somebody's history, as fast as the writer takes it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use domain::{Event, StreamId};
use journal::embedded::EmbeddedWriter;
use journal::{Append, Cause, Expected, Writer};

/// Appends the events 1 to `events` of a history, each by itself, and waits until all are durable.
pub(crate) fn fill(
    writer: &EmbeddedWriter,
    events: u64,
    mut history: impl FnMut(u64) -> (StreamId, Cause, Event),
) {
    let done = Arc::new((AtomicU64::new(0), Mutex::new(()), Condvar::new()));
    for n in 1..=events {
        let (stream, cause, event) = history(n);
        let mut append = Append {
            stream,
            expected: Expected::Any,
            epoch: writer.epoch(),
            cause,
            events: vec![event],
        };
        let told = done.clone();
        let mut completion: journal::Completion = Box::new(move |outcome| {
            outcome.expect("an append");
            told.0.fetch_add(1, Ordering::AcqRel);
            told.2.notify_one();
        });
        while let Err(refused) = writer.append(append, completion) {
            (append, completion) = (refused.append, refused.done);
            wait(&done);
        }
    }
    while done.0.load(Ordering::Acquire) < events {
        wait(&done);
    }
}

/// Waits for a completion, or a moment.
fn wait(done: &(AtomicU64, Mutex<()>, Condvar)) {
    let guard = done.1.lock().expect("no panic in a completion");
    drop(done.2.wait_timeout(guard, Duration::from_millis(1)));
}
