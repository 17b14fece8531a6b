//! Viewers who send gifts until they are killed, and the replay of one of them.

use std::io::Write;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use domain::event::{CoinsAdjusted, GiftSent};
use domain::viewer::Viewer;
use domain::{Aggregate, Event, SessionNumber, StreamId, UserId};
use journal::embedded::{Embedded, EmbeddedReader, Options};
use journal::{Append, Cause, Expected, Position, Reader, Snapshot, Writer, codec};

pub const VIEWERS: usize = 100_000;
/// Events of one viewer between two snapshots.
const SNAPSHOT_EVERY: u64 = 50;
const GRANTED: u64 = 1 << 40;
const PAGE: usize = 1_000;

fn user(number: usize) -> UserId {
    format!("viewer-{number}").parse().expect("a good id")
}

pub fn stream(number: usize) -> StreamId {
    StreamId::viewer(&user(number))
}

fn event(number: usize, version: u64) -> Event {
    if version == 0 {
        return CoinsAdjusted {
            amount: GRANTED as i64,
            coins_left: GRANTED,
            reason: "a grant".into(),
        }
        .into();
    }
    let room = format!("streamer-{}", number % 1_000);
    GiftSent {
        room: room.parse().expect("a good id"),
        session: SessionNumber(1),
        gift: "rose".parse().expect("a good id"),
        count: 1,
        coins: 10,
        tickets: 5,
        coins_left: GRANTED - 10 * version,
        combo: None,
    }
    .into()
}

/// Writes `events` events, says so, and goes on until it is killed.
pub fn fill(directory: &Path, events: u64) {
    let (_reader, writer) = Embedded::open(directory, Options::default()).expect("an empty directory");
    let writer = Arc::new(writer);
    let (durable, mut said) = (Arc::new(AtomicU64::new(0)), false);
    let mut viewers: Vec<_> = (0..VIEWERS)
        .map(|number| (Viewer::new(&user(number)), 0u64))
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0.. {
        if !said && durable.load(Ordering::Relaxed) >= events {
            std::io::stdout()
                .write_all(b"ready")
                .and_then(|()| std::io::stdout().flush())
                .expect("a parent");
            said = true;
        }
        let viewer = random.usize(0..VIEWERS);
        let (state, version) = &mut viewers[viewer];
        let happened = event(viewer, *version);
        state.evolve(&happened, 0);
        *version += 1;
        let snapshot =
            (*version % SNAPSHOT_EVERY == 0).then(|| postcard::to_allocvec(&*state).expect("a state"));
        let mut append = Append {
            stream: stream(viewer),
            expected: Expected::Exact(*version - 1),
            epoch: writer.epoch(),
            cause: Cause {
                command_id: Some(compact_str::format_compact!("c-{number}")),
                request_hash: number,
                actor: user(viewer).as_str().into(),
            },
            events: vec![happened],
        };
        let (durable, keeper) = (durable.clone(), Arc::downgrade(&writer));
        let mut done: journal::Completion = Box::new(move |outcome| {
            let appended = outcome.expect("nothing fails");
            durable.fetch_add(1, Ordering::Relaxed);
            if let (Some(state), Some(writer)) = (snapshot, keeper.upgrade()) {
                let (version, position) = (appended.version, appended.last);
                let snapshot = Snapshot {
                    version,
                    position,
                    schema: Viewer::SNAPSHOT_SCHEMA,
                    state: state.into(),
                };
                writer.save_snapshot(&stream(viewer), snapshot);
            }
        });
        while let Err(refused) = writer.append(append, done) {
            (append, done) = (refused.append, refused.done);
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// A future of the embedded engine, which is ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the embedded engine's futures are ready at once"),
    }
}

/// Brings a viewer to life: the last snapshot and what came after it. Says how many records that was.
pub fn replay(reader: &EmbeddedReader, number: usize) -> usize {
    let stream = stream(number);
    let snapshot = now(reader.snapshot(&stream)).expect("a good journal");
    let (mut state, mut version, not_before) = match snapshot {
        Some(s) => (
            postcard::from_bytes(&s.state).expect("a state"),
            s.version,
            s.position,
        ),
        None => (Viewer::new(&user(number)), 0, Position::start(0)),
    };
    let from = version;
    loop {
        let page = now(reader.read_stream(&stream, version, not_before, PAGE)).expect("a good journal");
        for record in &page {
            let event = codec::decode(&record.as_ref()).expect("an event of ours");
            state.evolve(&event, record.recorded_at_ms);
            version = record.version;
        }
        if page.len() < PAGE {
            break;
        }
    }
    assert!(
        version == 0 || state.coins() == GRANTED - 10 * (version - 1),
        "a replay gave another balance"
    );
    (version - from) as usize
}
