//! One connection as the body of an HTTP response: it is polled when the client can take more, so that output is pulled
//! and never piled up. Ends with the reason as a push, since HTTP has no close code; when it is dropped nothing of it is
//! left anywhere.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::inbox::Inbox;
use super::wire;
use crate::backend::Backend;
use crate::connection::{Connection, Inbound, Outbound};
use crate::gateway::{Gateway, Pass};

/// How frames are told apart in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// They say themselves how long they are.
    AsIs,
    /// One object a line.
    Lines,
    /// Server-sent events.
    Events,
}

impl Framing {
    fn frame(self, payload: Bytes) -> Bytes {
        match self {
            Framing::AsIs => payload,
            Framing::Lines => {
                let mut out = BytesMut::with_capacity(payload.len() + 1);
                out.put_slice(&payload);
                out.put_u8(b'\n');
                out.freeze()
            }
            Framing::Events => events(&payload),
        }
    }
}

/// One event whose lines are the objects of the frame. A carriage return would end a line too; it can only stand between
/// the tokens of a payload, where a blank does as well.
fn events(payload: &[u8]) -> Bytes {
    const FIELD: &[u8] = b"data: ";
    let mut out = BytesMut::with_capacity(payload.len() + 32);
    out.put_slice(FIELD);
    for byte in payload {
        match byte {
            b'\n' => {
                out.put_u8(b'\n');
                out.put_slice(FIELD);
            }
            b'\r' => out.put_u8(b' '),
            byte => out.put_u8(*byte),
        }
    }
    out.put_slice(b"\n\n");
    out.freeze()
}

/// An open stream.
pub(super) struct Stream<B: Backend> {
    connection: Connection<B>,
    gateway: Gateway<B>,
    id: Uuid,
    inbox: Arc<Inbox>,
    framing: Framing,
    ended: bool,
    _pass: Pass<B>,
}

impl<B: Backend> Stream<B> {
    pub(super) fn new(
        connection: Connection<B>,
        gateway: Gateway<B>,
        id: Uuid,
        inbox: Arc<Inbox>,
        framing: Framing,
        pass: Pass<B>,
    ) -> Self {
        Self {
            connection,
            gateway,
            id,
            inbox,
            framing,
            ended: false,
            _pass: pass,
        }
    }
}

impl<B: Backend> MessageBody for Stream<B> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let inbox = &this.inbox;
        let outbound = this
            .connection
            .poll(cx, |cx| inbox.poll(cx).map(Inbound::Message));
        let last = match outbound {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Outbound::Frame(payload)) => {
                return Poll::Ready(Some(Ok(this.framing.frame(payload))));
            }
            Poll::Ready(Outbound::Close(why)) => Some(wire::disconnect(this.connection.format(), &why)),
            // Nobody else writes here, so there is no rest of anything.
            Poll::Ready(Outbound::Gone | Outbound::Rest { .. }) => None,
        };
        this.ended = true;
        Poll::Ready(last.map(|payload| Ok(this.framing.frame(payload))))
    }
}

impl<B: Backend> Drop for Stream<B> {
    fn drop(&mut self) {
        self.gateway.emulated().close(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_framing_keeps_objects_apart() {
        let frame = |framing: Framing, payload: &'static [u8]| framing.frame(Bytes::from_static(payload));
        assert_eq!(frame(Framing::Lines, b"{}\n{\"id\":1}"), "{}\n{\"id\":1}\n");
        assert_eq!(
            frame(Framing::Events, b"{}\n{\"id\":1}"),
            "data: {}\ndata: {\"id\":1}\n\n"
        );
        assert_eq!(frame(Framing::Events, b"{\"a\":\r1}"), "data: {\"a\": 1}\n\n");
        assert_eq!(frame(Framing::AsIs, b"\x02\x08\x01"), &b"\x02\x08\x01"[..]);
    }
}
