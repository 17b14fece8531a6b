//! The protocol's state machine for one connection: frames, answers and time go in, effects come out. No clock, no
//! I/O, no lock, no random in here: what it needs of them are arguments. The rules are those of the Centrifuge client
//! protocol, generation 2.

mod answer;
mod command;
mod effect;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use crate::config::Config;
use crate::door::{Budget, Verdict};
use crate::error::{Disconnect, Error, Refusal, Unsubscribe};
use crate::limits::{FRAME_BYTES_MAX, FRAME_BYTES_TARGET};
use crate::protocol::{Command, Format, Malformed, Reply, append_ping, append_reply, next_command};

pub(crate) use effect::{Answer, Call, Effect, Entered, Now, Opened};

/// One connection's protocol state.
#[derive(Debug)]
pub(crate) struct Session {
    format: Format,
    config: Arc<Config>,
    client: Arc<str>,
    peer: Option<SocketAddr>,
    phase: Phase,
    subs: HashMap<Arc<str>, Sub>,
    /// What is left of the frame being worked on, and whether it has given a command yet.
    frame: Option<(Bytes, bool)>,
    in_flight: usize,
    next_serial: u64,
    timers: Timers,
    /// What it may still ask, by the newest time that is known.
    budget: Budget,
    now_ms: u64,
    throttled: u32,
    /// Session and node, for a client without a socket.
    emulated: Option<Box<(String, String)>>,
    batch: BytesMut,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing but `connect` is expected.
    Open,
    /// The backend is asked; the rest of the frame waits.
    Connecting {
        id: u32,
    },
    Connected,
    /// Answered `connect` with an error: no command is accepted any more.
    Rejected,
    Closed,
}

#[derive(Debug)]
enum Sub {
    /// The backend is asked. Unsubscribe commands wait in `unsubscribe`.
    Opening {
        unsubscribe: Vec<u32>,
        /// The hub has ended it before it began.
        revoked: Option<Unsubscribe>,
    },
    Open {
        serial: u64,
        server_side: bool,
        expires_at_ms: Option<u64>,
    },
}

/// Moments on the monotonic clock, in milliseconds.
#[derive(Debug, Default)]
struct Timers {
    stale_at: Option<u64>,
    ping_at: Option<u64>,
    pong_by: Option<u64>,
    expires_at: Option<u64>,
    /// The earliest end of a subscription.
    sub_expires_at: Option<u64>,
    /// First ping: this share of the interval, in thousandths (500-1000).
    first_ping_permille: u64,
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

impl Session {
    /// A socket was opened. `jitter` spreads the first pings: any number.
    pub(crate) fn new(
        format: Format,
        config: Arc<Config>,
        client: Arc<str>,
        peer: Option<SocketAddr>,
        jitter: u64,
        now: Now,
    ) -> Self {
        let timers = Timers {
            stale_at: Some(now.monotonic_ms + millis(config.stale_after)),
            first_ping_permille: 500 + jitter % 501,
            ..Timers::default()
        };
        Self {
            format,
            config,
            client,
            peer,
            phase: Phase::Open,
            subs: HashMap::new(),
            frame: None,
            in_flight: 0,
            next_serial: 0,
            timers,
            budget: Budget::default(),
            now_ms: now.monotonic_ms,
            throttled: 0,
            emulated: None,
            batch: BytesMut::new(),
            effects: VecDeque::new(),
        }
    }

    /// There is no socket: the client is told by which names to send its frames. To be called before the first one.
    pub(crate) fn emulate(&mut self, session: String, node: &str) {
        self.emulated = Some(Box::new((session, node.to_owned())));
    }

    /// What is to be done next.
    pub(crate) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// May the socket be read? False while a frame is unfinished or too much is under way: the peer has to wait.
    pub(crate) fn wants_frame(&self) -> bool {
        self.frame.is_none() && self.can_take()
    }

    /// One WebSocket message arrived. Only to be called when [`Session::wants_frame`].
    pub(crate) fn frame(&mut self, frame: Bytes, now: Now) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.now_ms = now.monotonic_ms;
        self.frame = Some((frame, false));
        self.advance();
    }

    /// The backend answered.
    pub(crate) fn answer(&mut self, answer: Answer, now: Now) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.now_ms = now.monotonic_ms;
        self.handle_answer(answer, now);
        self.advance();
    }

    /// Replies made so far are to be sent. To be called once after a round of inputs: it is what joins the replies of
    /// many commands into one frame.
    pub(crate) fn flush(&mut self) {
        if !self.batch.is_empty() && !matches!(self.phase, Phase::Closed) {
            // Not split off: what is left would keep the whole buffer alive in an idle connection.
            let batch = std::mem::take(&mut self.batch);
            self.effects.push_back(Effect::Send(batch.freeze()));
        }
    }

    /// The hub ended a subscription and has told the client.
    pub(crate) fn unsubscribed(&mut self, channel: &str, why: Unsubscribe) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        match self.subs.get_mut(channel) {
            Some(Sub::Opening { revoked, .. }) => *revoked = Some(why),
            Some(Sub::Open { .. }) => self.remove_open(channel, Some(why)),
            None => {}
        }
    }

    /// What was held back for a channel was too much and forgotten: it must be read from the stream, from `floor` on.
    pub(crate) fn gap(&mut self, channel: &Arc<str>, floor: u64) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(Sub::Open { serial, .. }) = self.subs.get(channel) {
            let serial = *serial;
            self.call(Call::Recover {
                channel: channel.clone(),
                serial,
                after: floor,
            });
        }
    }

    /// The next moment [`Session::tick`] has something to do.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let timers = &self.timers;
        [
            timers.stale_at,
            timers.ping_at,
            timers.pong_by,
            timers.expires_at,
            timers.sub_expires_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The same while the peer takes nothing: it can neither be pinged nor be heard.
    pub(crate) fn next_deadline_ms_while_stalled(&self) -> Option<u64> {
        let timers = &self.timers;
        [timers.stale_at, timers.expires_at, timers.sub_expires_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time passed while the peer takes nothing.
    pub(crate) fn tick_while_stalled(&mut self, now: Now) {
        if self
            .next_deadline_ms_while_stalled()
            .is_some_and(|at| at <= now.monotonic_ms)
        {
            let (ping_at, pong_by) = (self.timers.ping_at.take(), self.timers.pong_by.take());
            self.tick(now);
            if !matches!(self.phase, Phase::Closed) {
                (self.timers.ping_at, self.timers.pong_by) = (ping_at, pong_by);
            }
        }
    }

    /// The peer needed so long to take what was written. It was not heard meanwhile, and a ping may stand behind: the
    /// wait for its pong stood still.
    pub(crate) fn was_blocked(&mut self, blocked_ms: u64) {
        if let Some(pong_by) = &mut self.timers.pong_by {
            *pong_by += blocked_ms;
        }
    }

    /// Time passed.
    pub(crate) fn tick(&mut self, now: Now) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now.monotonic_ms);
        if due(self.timers.stale_at) {
            return self.close(Disconnect::STALE);
        }
        if due(self.timers.pong_by) {
            return self.close(Disconnect::NO_PONG);
        }
        if due(self.timers.expires_at) {
            return self.close(Disconnect::EXPIRED);
        }
        if due(self.timers.ping_at) {
            self.timers.ping_at = Some(now.monotonic_ms + millis(self.config.ping_interval));
            // A slow reader may still have the last one before it.
            if self.timers.pong_by.is_none() {
                append_ping(self.format, &mut self.batch);
                self.timers.pong_by = Some(now.monotonic_ms + millis(self.config.pong_wait));
            }
        }
        if due(self.timers.sub_expires_at) {
            self.expire_subs(now);
        }
    }

    /// Ends the protocol: nothing is taken or said any more.
    pub(crate) fn close(&mut self, why: Disconnect) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.flush();
        self.phase = Phase::Closed;
        self.frame = None;
        self.timers = Timers::default();
        self.effects.push_back(Effect::Close(why));
    }

    /// Subscriptions that are open, for the last reports of a connection.
    pub(crate) fn drain_open_subs(&mut self) -> Vec<Arc<str>> {
        let subs = std::mem::take(&mut self.subs);
        subs.into_iter()
            .filter(|(_, sub)| matches!(sub, Sub::Open { .. }))
            .map(|(channel, _)| channel)
            .collect()
    }

    fn can_take(&self) -> bool {
        match self.phase {
            Phase::Connecting { .. } | Phase::Closed => false,
            Phase::Open | Phase::Rejected | Phase::Connected => {
                self.in_flight < self.config.commands_in_flight_max
            }
        }
    }

    fn advance(&mut self) {
        while self.can_take() {
            let Some((mut frame, had_command)) = self.frame.take() else {
                return;
            };
            match next_command(self.format, &mut frame) {
                Some(Ok(command)) => {
                    self.frame = Some((frame, true));
                    self.admit(command);
                }
                Some(Err(Malformed)) => return self.close(Disconnect::BAD_REQUEST),
                None if had_command => return,
                None => return self.close(Disconnect::BAD_REQUEST),
            }
        }
    }

    /// Lets a command through, if the connection has not asked too much. A pong is owed, not asked.
    fn admit(&mut self, command: Command) {
        if command.request.is_none() {
            return self.handle_command(command);
        }
        match self.budget.spend(&self.config, self.now_ms) {
            Verdict::Allowed => self.handle_command(command),
            Verdict::Refused if command.id > 0 => {
                self.throttled += 1;
                self.reply(command.id, &Reply::Error(&Error::TOO_MANY_REQUESTS));
            }
            Verdict::Refused | Verdict::Exhausted => self.close(Disconnect::TOO_MANY_REQUESTS),
        }
    }

    /// Commands answered with error 111 since the last call, for the statistics.
    pub(crate) fn take_throttled(&mut self) -> u32 {
        std::mem::take(&mut self.throttled)
    }

    fn expire_subs(&mut self, now: Now) {
        let mut next = None;
        let mut server_side_expired = false;
        for (channel, sub) in &mut self.subs {
            let Sub::Open {
                server_side,
                expires_at_ms,
                ..
            } = sub
            else {
                continue;
            };
            match *expires_at_ms {
                Some(at) if at <= now.monotonic_ms => {
                    *expires_at_ms = None;
                    server_side_expired |= *server_side;
                    let why = Unsubscribe::EXPIRED;
                    self.effects.push_back(Effect::Expel {
                        channel: channel.clone(),
                        why,
                    });
                }
                Some(at) => next = Some(next.map_or(at, |next: u64| next.min(at))),
                None => {}
            }
        }
        self.timers.sub_expires_at = next;
        if server_side_expired {
            self.close(Disconnect::SUBSCRIPTION_EXPIRED);
        }
    }

    fn remove_open(&mut self, channel: &str, why: Option<Unsubscribe>) {
        if let Some((channel, _)) = self.subs.remove_entry(channel) {
            self.effects.push_back(Effect::Left {
                channel,
                why,
                was_open: true,
            });
        }
    }

    fn call(&mut self, call: Call) {
        self.in_flight += 1;
        self.effects.push_back(Effect::Call(call));
    }

    fn refuse(&mut self, id: u32, refusal: Refusal) {
        match refusal {
            Refusal::Error(error) => self.reply(id, &Reply::Error(&error)),
            Refusal::Disconnect(why) => self.close(why),
        }
    }

    fn bad_request(&mut self, command: &Command) {
        tracing::debug!(client = %self.client, id = command.id, "protocol violation");
        self.close(Disconnect::BAD_REQUEST);
    }

    fn reply(&mut self, id: u32, reply: &Reply<'_>) {
        self.try_reply(id, reply);
    }

    /// Adds a reply to the batch; a large one travels alone. False = it is over the frame limit and became an error.
    fn try_reply(&mut self, id: u32, reply: &Reply<'_>) -> bool {
        let before = self.batch.len();
        append_reply(self.format, &mut self.batch, id, reply);
        let length = self.batch.len() - before;
        if length > FRAME_BYTES_MAX {
            tracing::error!(
                id,
                length,
                "a reply is over the frame limit and was replaced by an error"
            );
            self.batch.truncate(before);
            append_reply(self.format, &mut self.batch, id, &Reply::Error(&Error::INTERNAL));
            return false;
        }
        if self.batch.len() > FRAME_BYTES_TARGET {
            let mut last = self.batch.split_off(before);
            self.flush();
            if self.format == Format::Json && before > 0 {
                last.advance(1);
            }
            self.batch = last;
            if length > FRAME_BYTES_TARGET {
                self.flush();
            }
        }
        true
    }

    /// Seconds until a moment, and the moment with grace on the monotonic clock. `None` = it has passed.
    fn validity(&self, expire_at: u64, now: Now) -> Option<(u32, u64)> {
        let ttl_s = expire_at.checked_sub(now.unix_s).filter(|ttl_s| *ttl_s > 0)?;
        let ttl_s = u32::try_from(ttl_s).unwrap_or(u32::MAX);
        let grace_ms = millis(self.config.expiry_grace);
        Some((ttl_s, now.monotonic_ms + u64::from(ttl_s) * 1_000 + grace_ms))
    }
}

#[cfg(test)]
mod tests;
