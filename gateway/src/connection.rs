//! One connection between a transport and the session: performs the session's effects, polls its calls to the backend,
//! keeps its one timer, and joins its output into frames. Knows WebSocket only as "messages in, frames out"; never
//! blocks, spawns nothing, and when it is dropped nothing of it is left anywhere.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::backend::{Backend, Caller};
use crate::calls;
use crate::error::Disconnect;
use crate::gateway::Gateway;
use crate::limits::{FRAME_BYTES_TARGET, ROUNDS_PER_WAKE_MAX};
use crate::peer::{Line, Notice, Peer, Rest};
use crate::protocol::Format;
use crate::session::{Answer, Call, Effect, Session};
use crate::stats::{Losses, Stats};

type CallFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What the transport reads.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// One whole message.
    Message(Bytes),
    /// The transport cannot go on; close with this.
    Failed(Disconnect),
    /// The peer is gone or said good-bye.
    Gone,
}

/// What the transport is to do.
#[derive(Debug)]
pub(crate) enum Outbound {
    /// Write one message.
    Frame(Bytes),
    /// Write the rest of a message that the hub began to write.
    Rest(Rest),
    /// Write a close frame, and that was all.
    Close(Disconnect),
    /// Drop the socket.
    Gone,
}

pub(crate) struct Connection<B: Backend> {
    gateway: Gateway<B>,
    peer: Arc<Peer>,
    session: Session,
    caller: Option<Arc<Caller>>,
    calls: FuturesUnordered<CallFuture>,
    timer: Option<Pin<Box<Sleep>>>,
    armed_ms: Option<u64>,
    notices: Vec<Notice>,
    closing: Option<Disconnect>,
    /// Since when the transport has been writing what it was given last.
    writing_since_ms: Option<u64>,
    finished: bool,
}

impl<B: Backend> Connection<B> {
    pub(crate) fn new(gateway: Gateway<B>, format: Format, address: Option<SocketAddr>) -> Self {
        let id = uuid::Uuid::new_v4();
        let client: Arc<str> = id.to_string().into();
        let peer = Peer::new(client.clone(), format, gateway.config());
        gateway.hub().enter(&peer);
        let jitter = id.as_u64_pair().1;
        let now = gateway.now();
        let session = Session::new(format, gateway.config().clone(), client, address, jitter, now);
        Self {
            gateway,
            peer,
            session,
            caller: None,
            calls: FuturesUnordered::new(),
            timer: None,
            armed_ms: None,
            notices: Vec::new(),
            closing: None,
            writing_since_ms: None,
            finished: false,
        }
    }

    /// The client has no socket: see [`Session::emulate`].
    pub(crate) fn emulate(&mut self, session: String, node: &str) {
        self.session.emulate(session, node);
    }

    pub(crate) fn format(&self) -> Format {
        self.peer.format
    }

    pub(crate) fn stats(&self) -> &Stats {
        self.gateway.hub().stats()
    }

    /// How long the peer may take to answer a close frame.
    pub(crate) fn close_wait(&self) -> Duration {
        self.gateway.config().close_wait
    }

    /// Publications may be written straight to this, whenever [`Connection::poll`] was the last to be called and had
    /// nothing to do.
    pub(crate) fn set_line(&self, line: Option<Arc<dyn Line>>) {
        self.peer.set_line(line);
    }

    /// The transport is about to write something of its own; a message that the hub began to write comes first.
    pub(crate) fn claim(&self) -> Option<Outbound> {
        self.peer.claim().map(Outbound::Rest)
    }

    /// For a transport whose socket takes nothing at present: only an order to close and what runs out count, and end the
    /// connection at once. What was to be written before goes out if the socket takes it in time.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        let now = self.gateway.now();
        loop {
            self.take_orders();
            self.session.tick_while_stalled(now);
            self.perform();
            if self.closing.is_some() {
                break;
            }
            self.arm(cx, self.session.next_deadline_ms_while_stalled());
            if self.peer.stall(cx.waker()) {
                return Poll::Pending;
            }
        }
        let why = self.closing.clone().unwrap_or(Disconnect::CONNECTION_CLOSED);
        self.finish();
        Poll::Ready(why)
    }

    /// Works until there is something to write or nothing to do. `read` is asked for a message only when the session
    /// can take one: a client that asks faster than it is answered waits in its own socket.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Context<'_>) -> Poll<Inbound>,
    ) -> Poll<Outbound> {
        if let Some(since_ms) = self.writing_since_ms.take() {
            let now_ms = self.gateway.hub().clock().now_ms();
            self.session.was_blocked(now_ms.saturating_sub(since_ms));
        }
        let polled = self.poll_output(cx, &mut read);
        if polled.is_ready() {
            self.writing_since_ms = Some(self.gateway.hub().clock().now_ms());
        }
        polled
    }

    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut impl FnMut(&mut Context<'_>) -> Poll<Inbound>,
    ) -> Poll<Outbound> {
        if let Some(rest) = self.claim() {
            return Poll::Ready(rest);
        }
        loop {
            let mut rounds = 0;
            while self.closing.is_none() && self.round(cx, read) {
                rounds += 1;
                if rounds == ROUNDS_PER_WAKE_MAX {
                    cx.waker().wake_by_ref();
                    break;
                }
            }
            self.session.flush();
            self.perform();
            if let Some(why) = self.closing.clone() {
                return Poll::Ready(self.close_step(why));
            }
            if let Some(frame) = self.take_frame() {
                return Poll::Ready(Outbound::Frame(frame));
            }
            if rounds == ROUNDS_PER_WAKE_MAX {
                return Poll::Pending;
            }
            self.arm(cx, self.session.next_deadline_ms());
            if self.peer.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    /// One look at each source of work. False = all are dry.
    fn round(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut impl FnMut(&mut Context<'_>) -> Poll<Inbound>,
    ) -> bool {
        let mut progress = false;
        let now = self.gateway.now();
        if self
            .session
            .next_deadline_ms()
            .is_some_and(|deadline| deadline <= now.monotonic_ms)
        {
            self.session.tick(now);
            progress = true;
        }
        progress |= self.take_orders();
        while self.has_room() {
            let Poll::Ready(Some(answer)) = self.calls.poll_next_unpin(cx) else {
                break;
            };
            self.session.answer(answer, now);
            self.perform();
            progress = true;
        }
        if self.closing.is_none() && self.has_room() && self.session.wants_frame() {
            match read(cx) {
                Poll::Ready(Inbound::Message(message)) => {
                    Stats::add(&self.stats().messages_received, 1);
                    self.session.frame(message, now);
                    progress = true;
                }
                Poll::Ready(Inbound::Failed(why)) => {
                    self.session.close(why);
                    progress = true;
                }
                Poll::Ready(Inbound::Gone) => {
                    self.session.close(Disconnect::CONNECTION_CLOSED);
                    progress = true;
                }
                Poll::Pending => {}
            }
        }
        self.perform();
        let throttled = self.session.take_throttled();
        Stats::add(&self.stats().commands_throttled, throttled.into());
        progress
    }

    /// Answers are not piled up while the socket cannot take them: then nothing is read and no answer is fetched. Publications
    /// have bounds of their own, and do not keep a slow reader from being heard.
    fn has_room(&self) -> bool {
        self.peer.owed_bytes() < FRAME_BYTES_TARGET
    }

    fn take_orders(&mut self) -> bool {
        let mut notices = std::mem::take(&mut self.notices);
        let close = self.peer.take_orders(&mut notices);
        let any = close.is_some() || !notices.is_empty();
        for Notice::Unsubscribed { channel, why } in notices.drain(..) {
            self.session.unsubscribed(&channel, why);
        }
        self.notices = notices;
        if let Some(why) = close {
            self.session.close(why);
        }
        any
    }

    fn perform(&mut self) {
        while let Some(effect) = self.session.next_effect() {
            let hub = self.gateway.hub();
            match effect {
                Effect::Call(call) => self.start(call),
                Effect::Send(encoded) => self.send(encoded),
                Effect::Entered(caller) => {
                    hub.identify(&self.peer, &caller.user);
                    self.gateway.backend().on_connected(&caller);
                    self.caller = Some(caller);
                }
                Effect::Joined {
                    channel,
                    info,
                    announce,
                } => {
                    let Some(caller) = &self.caller else { continue };
                    hub.join(&self.peer, &channel, caller.client_info(info), announce);
                    self.gateway.backend().on_subscribed(caller, &channel);
                }
                Effect::PushRecovered {
                    channel,
                    publications,
                } => {
                    hub.push_recovered(&self.peer, &channel, &publications);
                }
                Effect::GoLive { channel, floor } => {
                    if hub.go_live(&self.peer, &channel, floor).is_err() {
                        self.session.gap(&channel, floor);
                    }
                }
                Effect::Expel { channel, why } => {
                    hub.detach(&self.peer, &channel, Some(&why));
                }
                Effect::Left {
                    channel,
                    why,
                    was_open,
                } => {
                    hub.detach(&self.peer, &channel, None);
                    if let (true, Some(caller)) = (was_open, &self.caller) {
                        self.gateway
                            .backend()
                            .on_unsubscribed(caller, &channel, why.as_ref());
                    }
                }
                Effect::Close(why) => {
                    self.closing.get_or_insert(why);
                }
            }
        }
    }

    fn start(&mut self, call: Call) {
        Stats::add(&self.stats().backend_calls, 1);
        let (gateway, peer) = (self.gateway.clone(), self.peer.clone());
        let future: CallFuture = match (call, self.caller.clone()) {
            (Call::Rpc { id, method, data }, Some(caller)) => {
                Box::pin(calls::rpc(gateway, caller, id, method, data))
            }
            (Call::Connect { request, positions }, _) => {
                Box::pin(calls::connect(gateway, peer, request, positions))
            }
            (call, Some(caller)) => {
                if let Call::Subscribe { channel, compact, .. } = &call {
                    gateway.hub().attach(&peer, channel, false, *compact);
                }
                Box::pin(calls::connected(gateway, peer, caller, call))
            }
            // The session asks nothing but `connect` before it has a caller.
            (_, None) => return self.session.close(Disconnect::INTERNAL),
        };
        self.calls.push(future);
    }

    fn send(&self, encoded: Bytes) {
        let mut losses = Losses::default();
        self.peer.send(encoded, &mut losses);
        self.stats().losses(&losses);
    }

    fn take_frame(&mut self) -> Option<Bytes> {
        let frame = self.peer.next_frame(FRAME_BYTES_TARGET)?;
        Stats::add(&self.stats().messages_sent, 1);
        Stats::add(&self.stats().bytes_sent, frame.len() as u64);
        Some(frame)
    }

    /// Output goes out before the close frame, except to those who cannot take it.
    fn close_step(&mut self, why: Disconnect) -> Outbound {
        if why.code == Disconnect::CONNECTION_CLOSED.code {
            self.finish();
            return Outbound::Gone;
        }
        if why.code == Disconnect::SLOW.code {
            self.peer.discard_output();
        }
        if let Some(frame) = self.take_frame() {
            return Outbound::Frame(frame);
        }
        self.finish();
        Outbound::Close(why)
    }

    /// Makes the task wake at a deadline of the session. The timer only moves when it has to come earlier, or has
    /// fired: most deadlines move later and would only cost.
    fn arm(&mut self, cx: &mut Context<'_>, deadline_ms: Option<u64>) {
        let Some(deadline_ms) = deadline_ms else {
            return;
        };
        if self.armed_ms.is_none_or(|armed| armed > deadline_ms) {
            let at = Instant::from_std(self.gateway.instant_at(deadline_ms + 1));
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(at),
                None => self.timer = Some(Box::pin(sleep_until(at))),
            }
            self.armed_ms = Some(deadline_ms);
        }
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            self.armed_ms = None;
            cx.waker().wake_by_ref();
        }
    }

    /// Leaves every channel and reports it, once.
    fn finish(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let why = self.closing.clone().unwrap_or(Disconnect::CONNECTION_CLOSED);
        self.calls.clear();
        self.gateway
            .hub()
            .leave(&self.peer, self.caller.as_ref().map(|caller| &caller.user));
        self.stats().closed(why.code);
        if let Some(caller) = &self.caller {
            for channel in self.session.drain_open_subs() {
                self.gateway.backend().on_unsubscribed(caller, &channel, None);
            }
            self.gateway.backend().on_disconnected(caller, &why);
        }
    }
}

impl<B: Backend> Drop for Connection<B> {
    fn drop(&mut self) {
        self.finish();
    }
}
