//! One WebSocket as a task: reads messages, polls the connection, writes its frames. Output is pulled from the
//! connection when the socket can take more, never piled up here: at most one frame is on its way. An idle socket holds
//! no buffer. Ends by itself; when it is dropped nothing of it is left anywhere.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

use super::frame::{Frame, Reader};
use super::wire::Wire;
use crate::backend::Backend;
use crate::connection::{Connection, Inbound, Outbound};
use crate::error::Disconnect;
use crate::gateway::Pass;
use crate::limits::{FRAMES_PER_WAKE_MAX, READ_BYTES_AT_ONCE};

/// One socket, after its handshake.
pub(crate) struct Socket<B: Backend, W: Wire> {
    connection: Connection<B>,
    wire: W,
    reader: Reader,
    /// The frame on its way.
    out: Option<Frame>,
    close_wait: Duration,
    state: State,
    /// When patience with the peer ends; set when the connection is over.
    deadline: Option<Pin<Box<Sleep>>>,
    _pass: Pass<B>,
}

#[derive(Debug)]
enum State {
    Open,
    /// The connection is over: its close frame, if that is still to be written, then the peer's is awaited.
    Closing(Option<Disconnect>),
    /// Nothing more to say or hear.
    Ending,
}

impl<B: Backend, W: Wire> Socket<B, W> {
    pub(crate) fn new(connection: Connection<B>, wire: W, reader: Reader, pass: Pass<B>) -> Self {
        connection.set_line(wire.line());
        Self {
            close_wait: connection.close_wait(),
            connection,
            wire,
            reader,
            out: None,
            state: State::Open,
            deadline: None,
            _pass: pass,
        }
    }

    /// Works until everything has to wait.
    fn run(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut frames = 0;
        loop {
            if let Some(deadline) = &mut self.deadline
                && deadline.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Ok(()));
            }
            if self.out.is_some() {
                match self.poll_write(cx)? {
                    Poll::Ready(()) => frames += 1,
                    Poll::Pending if self.is_over_while_stalled(cx) => continue,
                    Poll::Pending => return Poll::Pending,
                }
            }
            if frames == FRAMES_PER_WAKE_MAX {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match &mut self.state {
                State::Open => ready!(self.poll_open(cx)),
                State::Closing(why) => match why.take() {
                    Some(why) => self.out = Some(Frame::close(&why)),
                    None => {
                        ready!(poll_peer_closed(&mut self.wire, &mut self.reader, cx));
                        self.state = State::Ending;
                    }
                },
                State::Ending => return Pin::new(&mut self.wire).poll_shutdown(cx),
            }
        }
    }

    /// Finds the next frame to write, or the end.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let outbound = if self.reader.pong.is_some() {
            // What is half written comes first.
            match self.connection.claim() {
                Some(rest) => rest,
                None => {
                    self.out = self.reader.pong.take().map(Frame::pong);
                    return Poll::Ready(());
                }
            }
        } else {
            let (wire, reader) = (&mut self.wire, &mut self.reader);
            match self.connection.poll(cx, |cx| poll_message(wire, reader, cx)) {
                Poll::Ready(outbound) => outbound,
                Poll::Pending if self.reader.pong.is_some() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        };
        self.take(outbound);
        Poll::Ready(())
    }

    fn take(&mut self, outbound: Outbound) {
        let format = self.connection.format();
        match outbound {
            Outbound::Frame(payload) => self.out = Some(Frame::message(format, payload, 0)),
            Outbound::Rest(rest) => self.out = Some(Frame::message(format, rest.payload, rest.written)),
            Outbound::Close(why) => self.close(why),
            Outbound::Gone => {
                self.out = self.reader.peer_close.take().map(Frame::close_echo);
                self.state = State::Ending;
                self.limit();
            }
        }
    }

    /// The peer takes nothing: is the connection over all the same?
    fn is_over_while_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.state, State::Open) {
            return false;
        }
        let Poll::Ready(why) = self.connection.poll_stalled(cx) else {
            return false;
        };
        self.close(why);
        true
    }

    fn close(&mut self, why: Disconnect) {
        self.state = State::Closing(Some(why));
        self.limit();
    }

    fn limit(&mut self) {
        self.deadline = Some(Box::pin(sleep_until(Instant::now() + self.close_wait)));
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let wire = &mut self.wire;
        if let Some(frame) = &mut self.out {
            while !frame.is_written() {
                match Pin::new(&mut *wire).poll_write_vectored(cx, &frame.rest()) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(bytes) => frame.advance(bytes?),
                    Poll::Pending => return Ok(Poll::Pending),
                }
            }
        }
        match Pin::new(wire).poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => return Ok(Poll::Pending),
        }
        self.out = None;
        Ok(Poll::Ready(()))
    }
}

impl<B: Backend, W: Wire> Future for Socket<B, W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run(cx).map(|ended| {
            if let Err(error) = ended {
                tracing::trace!(%error, "a socket broke");
            }
        })
    }
}

/// The next message; reads only when the last of what was read is used up.
fn poll_message<W: Wire>(wire: &mut W, reader: &mut Reader, cx: &mut Context<'_>) -> Poll<Inbound> {
    loop {
        if let Some(inbound) = reader.next() {
            return Poll::Ready(inbound);
        }
        if !ready!(poll_more(wire, reader, cx)) {
            return Poll::Ready(Inbound::Gone);
        }
    }
}

/// Reads on only to see the peer go.
fn poll_peer_closed<W: Wire>(wire: &mut W, reader: &mut Reader, cx: &mut Context<'_>) -> Poll<()> {
    while !reader.peer_closed() {
        if !ready!(poll_more(wire, reader, cx)) {
            break;
        }
    }
    Poll::Ready(())
}

/// Reads once. False = the peer is gone.
fn poll_more<W: Wire>(wire: &mut W, reader: &mut Reader, cx: &mut Context<'_>) -> Poll<bool> {
    let mut bytes = [MaybeUninit::uninit(); READ_BYTES_AT_ONCE];
    let mut buffer = ReadBuf::uninit(&mut bytes);
    let read = ready!(Pin::new(wire).poll_read(cx, &mut buffer));
    reader.push(buffer.filled());
    Poll::Ready(read.is_ok() && !buffer.filled().is_empty())
}
