//! Readers that are slower than their room: they are heard and kept as long as they read on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use serde_json::json;

use super::stream::Stream;
use super::{CHANNEL, value};
use crate::config::Config;
use crate::connection::{Connection, Inbound, Outbound};
use crate::fanout::Clock;
use crate::gateway::Gateway;
use crate::hub::Hub;
use crate::protocol::Format;
use crate::publication::{Class, Publication};

const STEP_MS: u64 = 100;
/// What the room says in a step.
const SAID_BYTES: usize = 4_000;

struct Reader {
    hub: Arc<Hub>,
    connection: Connection<Stream>,
    inbox: VecDeque<Bytes>,
    /// Given to be written and not yet taken.
    out: Bytes,
    answers_pings: bool,
    pings: usize,
    replies: Vec<u64>,
    closed: Option<u16>,
}

impl Reader {
    fn new(answers_pings: bool) -> Self {
        let hub = Hub::with_clock(Clock::moved());
        let stream = Arc::new(Stream::default());
        stream.answer(1_000);
        let config = Config {
            // So much that a ping takes longer through it than a pong may.
            outbox_bytes_max: 500_000,
            ..Config::default()
        };
        let gateway = Gateway::new(config, hub.clone(), stream);
        Self {
            connection: Connection::new(gateway, Format::Json, None),
            hub,
            inbox: VecDeque::new(),
            out: Bytes::new(),
            answers_pings,
            pings: 0,
            replies: Vec::new(),
            closed: None,
        }
    }

    fn subscribed(answers_pings: bool) -> Self {
        let mut reader = Self::new(answers_pings);
        reader.send(r#"{"id":1,"connect":{"token":"a"}}"#);
        reader.send(&json!({"id": 2, "subscribe": {"channel": CHANNEL}}).to_string());
        reader.read(10_000);
        assert_eq!(reader.replies, [1, 2]);
        reader
    }

    fn send(&mut self, command: &str) {
        self.inbox.push_back(Bytes::copy_from_slice(command.as_bytes()));
    }

    /// The room goes on; the reader takes so many bytes of it.
    fn step(&mut self, bytes: usize) {
        let said = Publication::new(format!("\"{}\"", "e".repeat(SAID_BYTES)));
        self.hub
            .publish(CHANNEL, Class::Ephemeral, &said)
            .expect("within limits");
        self.hub.pass(STEP_MS);
        self.read(bytes);
    }

    fn read(&mut self, mut bytes: usize) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.closed.is_none() {
            let taken = self.out.len().min(bytes);
            self.out.advance(taken);
            bytes -= taken;
            if !self.out.is_empty() {
                if let Poll::Ready(why) = self.connection.poll_stalled(&mut cx) {
                    self.closed = Some(why.code);
                }
                return;
            }
            let inbox = &mut self.inbox;
            let read = |_: &mut Context<'_>| match inbox.pop_front() {
                Some(message) => Poll::Ready(Inbound::Message(message)),
                None => Poll::Pending,
            };
            match self.connection.poll(&mut cx, read) {
                Poll::Ready(Outbound::Frame(frame)) => self.take(frame),
                Poll::Ready(Outbound::Close(why)) => self.closed = Some(why.code),
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => return,
            }
        }
    }

    fn take(&mut self, frame: Bytes) {
        for line in std::str::from_utf8(&frame).expect("utf-8").lines() {
            let object = value(line);
            if object == json!({}) {
                self.pings += 1;
                if self.answers_pings {
                    self.send("{}");
                }
            }
            self.replies.extend(object["id"].as_u64());
        }
        self.out = frame;
    }

    /// Steps until the connection is closed, `steps_max` at most; returns how many.
    fn steps_until_closed(&mut self, steps_max: usize, bytes: usize) -> usize {
        (0..steps_max)
            .take_while(|_| {
                self.step(bytes);
                self.closed.is_none()
            })
            .count()
    }
}

fn timers() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime for timers")
}

#[test]
fn a_reader_at_half_the_rooms_pace_is_kept_and_answered_and_loses_only_what_may_go() {
    let runtime = timers();
    let _time = runtime.enter();
    let mut reader = Reader::subscribed(true);
    for id in 3..=6 {
        assert_eq!(
            reader.steps_until_closed(300, SAID_BYTES / 2),
            300,
            "{:?}",
            reader.closed
        );
        reader.send(&json!({"id": id, "rpc": {"method": "m"}}).to_string());
    }
    assert_eq!(
        reader.steps_until_closed(200, SAID_BYTES / 2),
        200,
        "{:?}",
        reader.closed
    );
    assert_eq!(reader.replies, [1, 2, 3, 4, 5, 6]);
    assert!(reader.pings >= 4, "{} pings", reader.pings);
    let lost = reader.hub.stats().lost_ephemeral.load(Relaxed);
    assert!((500..800).contains(&lost), "about half of 1,400: {lost}");
}

#[test]
fn a_reader_that_keeps_up_and_answers_no_ping_is_closed_however_busy_the_room() {
    let runtime = timers();
    let _time = runtime.enter();
    let mut reader = Reader::subscribed(false);
    let steps = reader.steps_until_closed(1_000, usize::MAX);
    assert_eq!(reader.closed, Some(3012));
    assert!(steps as u64 * STEP_MS <= 25_000 + 8_000 + STEP_MS, "{steps}");
}

#[test]
fn what_runs_out_ends_also_a_connection_that_takes_nothing() {
    let runtime = timers();
    let _time = runtime.enter();
    let mut reader = Reader::new(false);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(reader.connection.poll_stalled(&mut cx).is_pending());
    reader.hub.pass(10_000);
    let polled = reader.connection.poll_stalled(&mut cx);
    assert_eq!(polled.map(|why| why.code), Poll::Ready(3502));
}
