//! The session's promises, one frame at a time, without sockets or clocks.

use serde_json::{Value, json};

use super::*;
use crate::backend::{Connected, Grant, History, RecoveryPage};
use crate::limits;
use crate::publication::{Publication, StreamPosition};

mod commands;
mod subscriptions;
mod time;

const EPOCH: &str = "e1";

/// A session, the time, and everything it asked for that has not been looked at.
struct Bench {
    session: Session,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = Now {
            monotonic_ms: 1_000_000,
            unix_s: 1_700_000_000,
        };
        let session = Session::new(Format::Json, Arc::new(config), "client".into(), None, 0, now);
        Self { session, now }
    }

    fn connected() -> Self {
        Self::connected_with(Config::default())
    }

    fn connected_with(config: Config) -> Self {
        let mut bench = Self::with(config);
        bench.frame(r#"{"id":1,"connect":{}}"#);
        bench.answer(Answer::Connect(Ok(entered(Connected::default(), Vec::new()))));
        bench
    }

    fn frame(&mut self, text: &str) -> Vec<Effect> {
        assert!(self.session.wants_frame(), "the session does not want a frame");
        self.session
            .frame(Bytes::copy_from_slice(text.as_bytes()), self.now);
        self.effects()
    }

    fn answer(&mut self, answer: Answer) -> Vec<Effect> {
        self.session.answer(answer, self.now);
        self.effects()
    }

    fn after(&mut self, milliseconds: u64) -> Vec<Effect> {
        self.now.monotonic_ms += milliseconds;
        self.now.unix_s += milliseconds / 1_000;
        self.session.tick(self.now);
        self.effects()
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.session.flush();
        std::iter::from_fn(|| self.session.next_effect()).collect()
    }

    /// Subscribes to `c`, granted as given.
    fn subscribed(&mut self, opened: Opened) -> Vec<Effect> {
        self.frame(r#"{"id":2,"subscribe":{"channel":"c"}}"#);
        self.answer(Answer::Subscribe {
            id: 2,
            channel: "c".into(),
            result: Ok(opened),
        })
    }
}

fn entered(connected: Connected, subs: Vec<(Arc<str>, Opened)>) -> Entered {
    let caller = crate::backend::Caller {
        client: "client".into(),
        user: "u".into(),
        info: None,
        sdk: String::new(),
        peer: None,
    };
    Entered {
        caller: Arc::new(caller),
        connected,
        subs,
    }
}

/// A granted stream whose top is `top`.
fn stream(top: u64) -> Opened {
    let stream = Some(StreamPosition {
        offset: top,
        epoch: EPOCH.to_owned(),
    });
    Opened {
        grant: Grant {
            stream,
            ..Grant::default()
        },
        ..Opened::default()
    }
}

fn recovered(from: u64, offsets: impl IntoIterator<Item = u64>, done: bool) -> Opened {
    let publications: Vec<_> = offsets
        .into_iter()
        .map(|o| Publication::new("{}").at(o))
        .collect();
    let scanned_to = publications.last().and_then(|last| last.offset).unwrap_or(from);
    let page = RecoveryPage {
        publications,
        scanned_to,
        done,
    };
    Opened {
        was_recovering: true,
        recovered: Some((from, page)),
        ..stream(1_000_000)
    }
}

/// A JSON string of so many bytes, quotes included.
fn json_string(bytes: usize) -> Bytes {
    Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2)))
}

/// All replies sent, one value each.
fn sent(effects: &[Effect]) -> Vec<Value> {
    let frames = effects.iter().filter_map(|effect| match effect {
        Effect::Send(encoded) => Some(encoded),
        _ => None,
    });
    frames
        .flat_map(|frame| {
            frame
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .map(|line| serde_json::from_slice(&line).expect("a reply is JSON"))
        .collect()
}

fn closed(effects: &[Effect]) -> Option<u16> {
    effects.iter().find_map(|effect| match effect {
        Effect::Close(why) => Some(why.code),
        _ => None,
    })
}

fn error_code(effects: &[Effect]) -> Option<u64> {
    sent(effects)
        .first()
        .and_then(|reply| reply["error"]["code"].as_u64())
}

fn calls(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Call(_)))
        .count()
}
