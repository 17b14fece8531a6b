//! Any order of frames, answers, time and orders of the hub. The session never says anything after it closed, never
//! closes twice, sends only what its format allows and never a frame over the limit, and its calls are counted.

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;

use super::{Target, digest, grammar};
use crate::backend::{Caller, Connected, Grant, History, RecoveryPage};
use crate::config::Config;
use crate::error::{Disconnect, Error, Refusal, Unsubscribe};
use crate::limits::FRAME_BYTES_MAX;
use crate::protocol::Format;
use crate::publication::{PresenceStats, Publication, StreamPosition};
use crate::session::{Answer, Call, Effect, Entered, Now, Opened, Session};

pub(super) const SESSION: Target = Target {
    name: "session",
    fresh,
    run,
};

/// Steps: a byte that says what, then what belongs to it. A frame is behind its length of two bytes.
const FRAME: u8 = 0;
const STEPS: u8 = 6;

fn fresh(rng: &mut Rng) -> Vec<u8> {
    let mut script = Vec::new();
    if rng.u8(..4) > 0 {
        frame(&mut script, b"{\"id\":1,\"connect\":{}}");
        script.extend([1, 0, 0]);
    }
    for _ in 0..rng.usize(1..8) {
        match rng.u8(..STEPS) {
            FRAME => {
                let bytes = match rng.u8(..8) {
                    0 => grammar::protobuf_command(rng),
                    _ => grammar::json_command(rng).into_bytes(),
                };
                frame(&mut script, &bytes);
            }
            step => script.extend([step, rng.u8(..), rng.u8(..)]),
        }
    }
    script
}

fn frame(script: &mut Vec<u8>, bytes: &[u8]) {
    script.push(FRAME);
    script.extend((bytes.len() as u16).to_be_bytes());
    script.extend_from_slice(bytes);
}

struct World {
    session: Session,
    format: Format,
    now: Now,
    calls: Vec<Call>,
    /// Channels that were to go live: each may turn out to have a gap, once.
    live: Vec<Arc<str>>,
    closed: bool,
    /// What happened, without its texts.
    trace: Vec<u64>,
}

fn run(input: &[u8]) -> u64 {
    let (format, script) = match input.split_first() {
        Some((0xff, rest)) => (Format::Protobuf, rest),
        _ => (Format::Json, input),
    };
    let now = Now {
        monotonic_ms: 1_000_000,
        unix_s: 1_700_000_000,
    };
    let config = Config {
        channels_per_connection_max: 3,
        commands_in_flight_max: 4,
        ..Config::default()
    };
    let session = Session::new(format, Arc::new(config), "client".into(), None, 0, now);
    let mut world = World {
        session,
        format,
        now,
        calls: Vec::new(),
        live: Vec::new(),
        closed: false,
        trace: Vec::new(),
    };
    let mut rest = script;
    while let [step, first, second, behind @ ..] = rest {
        rest = behind;
        if step % STEPS == FRAME {
            let length = usize::from(u16::from_be_bytes([*first, *second])).min(behind.len());
            let (bytes, behind) = behind.split_at(length);
            rest = behind;
            world.frame(bytes);
        } else {
            world.step(step % STEPS, *first, *second);
        }
        world.look();
    }
    world.session.close(Disconnect::CONNECTION_CLOSED);
    world.look();
    assert!(world.closed, "it ends when it is told to");
    digest(world.trace)
}

impl World {
    fn frame(&mut self, bytes: &[u8]) {
        if self.session.wants_frame() {
            self.session.frame(Bytes::copy_from_slice(bytes), self.now);
        }
    }

    fn step(&mut self, step: u8, first: u8, second: u8) {
        let channel: Arc<str> = ["c", "d", "e"][usize::from(first) % 3].into();
        match step {
            1 if !self.calls.is_empty() => {
                let call = self.calls.swap_remove(usize::from(first) % self.calls.len());
                self.session.answer(answer(call, second, self.now), self.now);
            }
            2 => {
                self.now.monotonic_ms += u64::from(first) * 200;
                self.now.unix_s += u64::from(first) / 5;
                self.session.tick(self.now);
            }
            3 => {
                let why = [Unsubscribe::SERVER, Unsubscribe::INSUFFICIENT_STATE];
                self.session
                    .unsubscribed(&channel, why[usize::from(second) % 2].clone());
            }
            4 => {
                if let Some(channel) = self.live.pop() {
                    self.session.gap(&channel, u64::from(second));
                }
            }
            5 => self.session.flush(),
            _ => {}
        }
    }

    /// Takes the effects and holds the session to its promises.
    fn look(&mut self) {
        while let Some(effect) = self.session.next_effect() {
            // To leave what never opened is housekeeping: nothing is said, asked or reported with it.
            let tidies = matches!(effect, Effect::Left { was_open: false, .. });
            assert!(!self.closed || tidies, "{effect:?} after the close");
            let what = match effect {
                Effect::Call(call) => {
                    let kind = call_kind(&call);
                    self.calls.push(call);
                    kind
                }
                Effect::Send(bytes) => self.sent(&bytes),
                Effect::Entered(_) => 100,
                Effect::Joined { .. } => 101,
                Effect::PushRecovered { publications, .. } => {
                    assert!(!publications.is_empty());
                    102
                }
                Effect::GoLive { channel, .. } => {
                    self.live.retain(|live| *live != channel);
                    self.live.push(channel);
                    103
                }
                Effect::Expel { .. } => 104,
                Effect::Left { was_open, .. } => 105 + u64::from(was_open),
                Effect::Close(why) => {
                    self.closed = true;
                    u64::from(why.code)
                }
            };
            self.trace.push(what);
        }
        assert!(self.calls.len() <= 4 + 3, "{} calls under way", self.calls.len());
        // Long lives repeat themselves: what is new is new early.
        self.trace.truncate(12);
    }

    fn sent(&self, bytes: &Bytes) -> u64 {
        assert!(!bytes.is_empty() && bytes.len() <= FRAME_BYTES_MAX);
        if self.format == Format::Protobuf {
            return 200;
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        let shapes = lines.map(|line| {
            let value: serde_json::Value = serde_json::from_slice(line).expect("each line is JSON");
            let object = value.as_object().expect("an object");
            let code = value["error"]["code"].as_u64();
            digest((object.keys().map(String::as_str).collect::<Vec<_>>(), code))
        });
        digest(shapes.collect::<Vec<_>>())
    }
}

fn call_kind(call: &Call) -> u64 {
    match call {
        Call::Connect { .. } => 1,
        Call::Subscribe { request, .. } => 2 + u64::from(request.recover.is_some()),
        Call::Recover { .. } => 4,
        Call::Refresh { .. } => 5,
        Call::SubRefresh { .. } => 6,
        Call::Publish { .. } => 7,
        Call::Presence { .. } => 8,
        Call::PresenceStats { .. } => 9,
        Call::History { .. } => 10,
        Call::Rpc { .. } => 11,
    }
}

/// An answer to a call: mostly a good one, as the choice says.
fn answer(call: Call, choice: u8, now: Now) -> Answer {
    let no = match choice % 8 {
        0 => Some(Refusal::from(Error::PERMISSION_DENIED)),
        1 => Some(Refusal::from(Error::INTERNAL)),
        2 if choice > 128 => Some(Refusal::from(Disconnect::INVALID_TOKEN)),
        _ => None,
    };
    let expire_at = [None, Some(now.unix_s + 30), Some(now.unix_s)][usize::from(choice / 8) % 3];
    let ok = |no: &Option<Refusal>| no.clone().map_or(Ok(()), Err);
    match call {
        Call::Connect { .. } => Answer::Connect(ok(&no).map(|()| entered(choice, expire_at))),
        Call::Subscribe {
            id,
            channel,
            request,
            compact,
            ..
        } => {
            let from = request.recover.map(|position| position.offset);
            let opened = opened(from, choice, expire_at, compact);
            let result = ok(&no).map(|()| opened);
            Answer::Subscribe { id, channel, result }
        }
        Call::Recover {
            channel,
            serial,
            after,
        } => {
            let result = no.map_or_else(|| Ok(page(after, choice)), |_| Err(Error::UNRECOVERABLE_POSITION));
            Answer::Recover {
                channel,
                serial,
                result,
            }
        }
        Call::Refresh { id, .. } => Answer::Refresh {
            id,
            result: ok(&no).map(|()| expire_at),
        },
        Call::SubRefresh { id, channel, .. } => Answer::SubRefresh {
            id,
            channel,
            result: ok(&no).map(|()| expire_at),
        },
        Call::Publish { id, .. } => Answer::Publish { id, result: ok(&no) },
        Call::Presence { id, .. } => Answer::Presence {
            id,
            result: ok(&no).map(|()| Vec::new()),
        },
        Call::PresenceStats { id, .. } => Answer::PresenceStats {
            id,
            result: ok(&no).map(|()| PresenceStats::default()),
        },
        Call::History { id, query, .. } => Answer::History {
            id,
            result: ok(&no).map(|()| history(query.limit)),
        },
        Call::Rpc { id, data, .. } => Answer::Rpc {
            id,
            result: ok(&no).map(|()| echo(data)),
        },
    }
}

/// Protobuf clients may send what is no JSON; a backend answers in JSON all the same.
fn echo(data: Bytes) -> Bytes {
    if crate::protocol::is_json(&data) {
        data
    } else {
        Bytes::new()
    }
}

fn entered(choice: u8, expire_at: Option<u64>) -> Entered {
    let caller = Caller {
        client: "client".into(),
        user: "u".into(),
        info: None,
        sdk: String::new(),
        peer: None,
    };
    let served = (choice > 200).then(|| ("e".into(), opened(Some(1), choice, None, false)));
    Entered {
        caller: Arc::new(caller),
        connected: Connected {
            expire_at,
            ..Connected::default()
        },
        subs: served.into_iter().collect(),
    }
}

fn opened(from: Option<u64>, choice: u8, expire_at: Option<u64>, compact: bool) -> Opened {
    let recovered = from
        .filter(|_| !choice.is_multiple_of(5))
        .map(|from| (from, page(from, choice)));
    Opened {
        grant: Grant {
            stream: Some(StreamPosition {
                offset: 1_000,
                epoch: "e".to_owned(),
            }),
            expire_at,
            ..Grant::default()
        },
        was_recovering: from.is_some(),
        recovered,
        push_id: u64::from(compact) * 7,
        ..Opened::default()
    }
}

fn page(after: u64, choice: u8) -> RecoveryPage {
    let count = u64::from(choice % 4);
    let after = after.min(1 << 40);
    let publications = (1..=count)
        .map(|n| Publication::new("{}").at(after + n))
        .collect();
    RecoveryPage {
        publications,
        scanned_to: after + count,
        done: !choice.is_multiple_of(3),
    }
}

fn history(limit: usize) -> History {
    History {
        publications: (1..=limit.min(3) as u64)
            .map(|n| Publication::new("[\n1]").at(n))
            .collect(),
        top: StreamPosition {
            offset: 3,
            epoch: "e".to_owned(),
        },
    }
}
