//! A client as the SDKs are: it keeps its position, subscribes again when it loses its place, connects again when its
//! connection ends, and recovers. Its socket takes as many bytes as the test says, from whoever writes them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use serde_json::{Value, json};

use super::stream::{EPOCH, Stream};
use super::{CHANNEL, value};
use crate::connection::{Connection, Inbound, Outbound};
use crate::gateway::Gateway;
use crate::limits::FRAME_BYTES_MAX;
use crate::peer::{Line, lock};
use crate::protocol::Format;
use crate::ws::Head;

/// The bytes between the server and a client.
#[derive(Debug, Default)]
struct Cable {
    /// How much more the socket takes.
    room: usize,
    sent: BytesMut,
}

#[derive(Debug, Default)]
struct Socket(Mutex<Cable>);

impl Line for Socket {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut cable = lock(&self.0);
        let mut written = 0;
        for part in bytes {
            let taken = part.len().min(cable.room);
            cable.sent.extend_from_slice(&part[..taken]);
            cable.room -= taken;
            written += taken;
        }
        if written == 0 {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(written)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sub {
    Off,
    Asked,
    On,
    /// The unsubscribe is on its way: what still comes is ignored, as SDKs do.
    Leaving,
}

pub(super) struct Client {
    gateway: Gateway<Stream>,
    number: usize,
    connection: Option<Connection<Stream>>,
    socket: Arc<Socket>,
    /// Written by the connection's own task, not yet taken by the socket.
    out: Bytes,
    inbox: VecDeque<Bytes>,
    connected: bool,
    next_id: u32,
    sub: Sub,
    push_id: u64,
    /// First place known, and all places that came since.
    start: Option<u64>,
    received: Vec<u64>,
    frames: usize,
    skipped: u64,
}

impl Client {
    pub(super) fn new(number: usize, gateway: &Gateway<Stream>) -> Self {
        let mut client = Self {
            gateway: gateway.clone(),
            number,
            connection: None,
            socket: Arc::default(),
            out: Bytes::new(),
            inbox: VecDeque::new(),
            connected: false,
            next_id: 1,
            sub: Sub::Off,
            push_id: 0,
            start: None,
            received: Vec::new(),
            frames: 0,
            skipped: 0,
        };
        client.reconnect();
        client
    }

    pub(super) fn user(&self) -> String {
        format!("user{}", self.number)
    }

    /// Grows with everything that comes.
    pub(super) fn progress(&self) -> usize {
        self.frames
    }

    /// Publications the client was told it lost.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(super) fn reconnect(&mut self) {
        let wanted = self.sub != Sub::Off;
        // The old one is dropped first, as it is when its socket breaks.
        self.connection = None;
        let connection = Connection::new(self.gateway.clone(), Format::Json, None);
        self.socket = Arc::default();
        if self.number > 0 {
            connection.set_line(Some(self.socket.clone()));
        }
        self.connection = Some(connection);
        self.out = Bytes::new();
        self.inbox.clear();
        self.connected = false;
        self.sub = Sub::Off;
        let token = self.user();
        self.send(json!({"connect": {"token": token}}));
        if wanted {
            self.subscribe();
        }
    }

    pub(super) fn subscribe(&mut self) {
        if self.sub != Sub::Off {
            return;
        }
        self.sub = Sub::Asked;
        // Every other client takes numbers for names.
        let mut request = json!({"channel": CHANNEL, "flag": self.number % 2});
        if let Some(position) = self.position() {
            request["recover"] = json!(true);
            request["offset"] = json!(position);
            request["epoch"] = json!(EPOCH);
        }
        self.send(json!({"subscribe": request}));
    }

    pub(super) fn unsubscribe(&mut self) {
        if self.sub == Sub::On {
            self.sub = Sub::Leaving;
            self.send(json!({"unsubscribe": {"channel": CHANNEL}}));
        }
    }

    fn position(&self) -> Option<u64> {
        self.received.last().copied().or(self.start)
    }

    fn send(&mut self, mut command: Value) {
        command["id"] = json!(self.next_id);
        self.next_id += 1;
        self.inbox.push_back(command.to_string().into());
    }

    /// The socket takes so many bytes; what is whole among all that came is acted upon.
    pub(super) fn read(&mut self, bytes: usize, stream: &Stream) {
        lock(&self.socket.0).room = bytes;
        loop {
            self.write_out();
            if !self.out.is_empty() {
                break;
            }
            let Some(connection) = &mut self.connection else {
                break;
            };
            let inbox = &mut self.inbox;
            let read = |_: &mut Context<'_>| match inbox.pop_front() {
                Some(message) => Poll::Ready(Inbound::Message(message)),
                None => Poll::Pending,
            };
            let polled = connection.poll(&mut Context::from_waker(Waker::noop()), read);
            let (payload, written) = match polled {
                Poll::Ready(Outbound::Frame(payload)) => (payload, 0),
                Poll::Ready(Outbound::Rest(rest)) => (rest.payload, rest.written),
                Poll::Ready(Outbound::Close(_) | Outbound::Gone) => {
                    self.act(stream);
                    self.frames += 1;
                    return self.reconnect();
                }
                Poll::Pending => break,
            };
            let head = Head::of_message(Format::Json, payload.len());
            let mut frame = BytesMut::from(head.as_bytes());
            frame.extend_from_slice(&payload);
            frame.advance(written);
            self.out = frame.freeze();
        }
        lock(&self.socket.0).room = 0;
        self.act(stream);
    }

    fn write_out(&mut self) {
        let mut cable = lock(&self.socket.0);
        let taken = self.out.len().min(cable.room);
        cable.room -= taken;
        cable.sent.extend_from_slice(&self.out.split_to(taken));
    }

    fn act(&mut self, stream: &Stream) {
        loop {
            let message = next_message(&mut lock(&self.socket.0).sent);
            let Some(message) = message else { return };
            assert!(message.len() < FRAME_BYTES_MAX);
            self.frames += 1;
            let text = std::str::from_utf8(&message).expect("utf-8").to_owned();
            text.lines().for_each(|line| self.object(&value(line), stream));
        }
    }

    fn object(&mut self, object: &Value, stream: &Stream) {
        if let Some(error) = object.get("error") {
            assert_eq!(
                (self.sub, &error["temporary"]),
                (Sub::Asked, &json!(true)),
                "{object}"
            );
            self.sub = Sub::Off;
            self.subscribe();
        } else if object.get("connect").is_some() {
            assert!(!std::mem::replace(&mut self.connected, true));
        } else if let Some(reply) = object.get("subscribe") {
            self.subscribed(reply, stream);
        } else if object.get("unsubscribe").is_some() {
            assert_eq!(self.sub, Sub::Leaving);
            self.sub = Sub::Off;
        } else if let Some(push) = object.get("push") {
            self.push(push, stream);
        }
    }

    fn subscribed(&mut self, reply: &Value, stream: &Stream) {
        assert_eq!(self.sub, Sub::Asked);
        self.sub = Sub::On;
        self.push_id = reply["id"].as_u64().unwrap_or(0);
        assert_eq!(self.push_id > 0, self.number % 2 == 1);
        let offset = reply["offset"].as_u64().unwrap_or(0);
        match self.position() {
            None => self.start = Some(offset),
            Some(position) => {
                assert_eq!(reply["recovered"], true, "nothing was ever trimmed: {reply}");
                assert_eq!(offset, position, "the place it asked from");
            }
        }
        for publication in reply["publications"].as_array().into_iter().flatten() {
            self.publication(publication, stream);
        }
    }

    fn push(&mut self, push: &Value, stream: &Stream) {
        if let Some(publication) = push.get("pub") {
            match self.sub {
                Sub::On => {
                    let address = if self.push_id > 0 {
                        json!({"id": self.push_id})
                    } else {
                        json!({"channel": CHANNEL})
                    };
                    let (key, name) = address
                        .as_object()
                        .and_then(|a| a.iter().next())
                        .expect("one key");
                    assert_eq!(push.get(key), Some(name), "{push}");
                    self.publication(publication, stream);
                }
                Sub::Leaving => {}
                Sub::Off | Sub::Asked => panic!("a push before the reply or after the end: {push}"),
            }
        } else if let Some(unsubscribe) = push.get("unsubscribe") {
            assert_eq!(unsubscribe["code"], 2500);
            if self.sub == Sub::On {
                self.sub = Sub::Off;
                self.subscribe();
            }
            // One that is being opened is refused in its reply, for the time being.
        }
    }

    fn publication(&mut self, publication: &Value, stream: &Stream) {
        if let Some(offset) = publication["offset"].as_u64() {
            let position = self.position().expect("subscribed");
            let next = stream.offsets_after(position).first().copied();
            assert_eq!(Some(offset), next, "client {}, at {position}", self.number);
            self.received.push(offset);
        }
        let skipped = &publication["data"]["skipped"];
        self.skipped += skipped["ephemeral"].as_u64().unwrap_or(0);
    }

    pub(super) fn has_everything(&self, stream: &Stream) {
        assert_eq!(self.sub, Sub::On, "client {}", self.number);
        let start = self.start.expect("subscribed once");
        assert_eq!(
            self.received,
            stream.offsets_after(start),
            "client {}",
            self.number
        );
    }
}

/// The next whole WebSocket message of a server.
fn next_message(sent: &mut BytesMut) -> Option<Bytes> {
    let (head, length) = match *sent.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(sent.get(2..4)?.try_into().ok()?)),
        ),
        127 => (10, u64::from_be_bytes(sent.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    assert_eq!(sent[0], 0x81, "a whole text message");
    if sent.len() < head + length {
        return None;
    }
    sent.advance(head);
    Some(sent.split_to(length).freeze())
}
