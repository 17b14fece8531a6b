//! The protocol's messages, free of format: what a client may ask and what it may be told. Syntax is the codecs' part,
//! meaning the session's. Payloads are raw bytes and are never parsed here.

pub(crate) mod codec_json;
pub(crate) mod codec_protobuf;
mod wire;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use crate::error::{Error, Unsubscribe};
use crate::publication::{ClientInfo, PresenceStats, Publication};

/// How one connection speaks. Chosen in the handshake, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text messages; objects joined by one newline.
    Json,
    /// Binary messages; each object behind its length.
    Protobuf,
}

/// Client to server.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Command {
    /// 0 on `send` and pong only.
    pub(crate) id: u32,
    /// `None` = nothing recognised was asked: with id 0 a pong.
    pub(crate) request: Option<Request>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Connect(ConnectRequest),
    Subscribe(SubscribeRequest),
    Unsubscribe {
        channel: ByteString,
    },
    Publish {
        channel: ByteString,
        data: Option<Bytes>,
        kind: i32,
    },
    Presence {
        channel: ByteString,
    },
    PresenceStats {
        channel: ByteString,
    },
    History(HistoryRequest),
    Rpc {
        method: ByteString,
        data: Option<Bytes>,
    },
    Send,
    Refresh {
        token: String,
    },
    SubRefresh {
        channel: ByteString,
        token: String,
        kind: i32,
    },
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct ConnectRequest {
    pub(crate) token: String,
    pub(crate) data: Option<Bytes>,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Positions of server-side subscriptions known from before: channel, offset, epoch.
    pub(crate) positions: Vec<(String, u64, String)>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct SubscribeRequest {
    pub(crate) channel: ByteString,
    pub(crate) token: String,
    pub(crate) data: Option<Bytes>,
    pub(crate) recover: bool,
    pub(crate) offset: u64,
    pub(crate) epoch: String,
    /// Bit 0: pushes may name the channel by a number; bit 1: answer error 112 instead of `recovered: false`.
    pub(crate) flag: i64,
    /// Not 0: a map or shared-poll subscription, declined.
    pub(crate) kind: i32,
    /// A tags filter was given, declined.
    pub(crate) filtered: bool,
}

pub(crate) const FLAG_COMPACT: i64 = 1;
pub(crate) const FLAG_REJECT_UNRECOVERED: i64 = 2;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct HistoryRequest {
    pub(crate) channel: ByteString,
    pub(crate) limit: i32,
    pub(crate) since: Option<(u64, String)>,
    pub(crate) reverse: bool,
}

/// An end of validity as told to the client: seconds from now; `None` = never.
pub(crate) type Ttl = Option<u32>;

#[derive(Debug, Default)]
pub(crate) struct ConnectResult {
    pub(crate) client: ByteString,
    pub(crate) version: String,
    pub(crate) ttl: Ttl,
    pub(crate) data: Option<Bytes>,
    pub(crate) subs: Vec<(ByteString, SubscribeResult)>,
    pub(crate) ping_s: u32,
    /// Where and under which name clients without a socket send their frames; empty for all others.
    pub(crate) session: String,
    pub(crate) node: String,
}

#[derive(Debug, Default)]
pub(crate) struct SubscribeResult {
    pub(crate) ttl: Ttl,
    /// Epoch and offset; present = recoverable and positioned.
    pub(crate) position: Option<(String, u64)>,
    pub(crate) was_recovering: bool,
    pub(crate) recovered: bool,
    pub(crate) publications: Vec<Publication>,
    pub(crate) data: Option<Bytes>,
    /// The number that stands for the channel in pushes; 0 = its name does.
    pub(crate) push_id: u64,
}

/// Server to client, in answer to a command.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    Error(&'a Error),
    Connect(&'a ConnectResult),
    Subscribe(&'a SubscribeResult),
    Unsubscribe,
    Publish,
    Presence(&'a [std::sync::Arc<ClientInfo>]),
    PresenceStats(PresenceStats),
    History {
        publications: &'a [Publication],
        epoch: &'a str,
        offset: u64,
    },
    Rpc(&'a Bytes),
    Refresh(Ttl),
    SubRefresh(Ttl),
}

/// Server to client, unasked.
#[derive(Debug)]
pub(crate) enum Push<'a> {
    Publication(&'a Publication),
    Join(&'a ClientInfo),
    Leave(&'a ClientInfo),
    Unsubscribe(&'a Unsubscribe),
}

/// How a push names its channel. Numbers are the hub's, the same for all its clients, so that pushes can be shared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Address<'a> {
    Name(&'a str),
    Id(u64),
}

/// The frame was not what its format promises; the connection ends with 3501.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes the next command off a frame. `None` = nothing but blanks is left.
pub(crate) fn next_command(format: Format, frame: &mut Bytes) -> Option<Result<Command, Malformed>> {
    match format {
        Format::Json => codec_json::next_command(frame),
        Format::Protobuf => codec_protobuf::next_command(frame),
    }
}

/// Appends one reply to a batch, with the separator its format wants.
pub(crate) fn append_reply(format: Format, batch: &mut BytesMut, id: u32, reply: &Reply<'_>) {
    separate(format, batch);
    match format {
        Format::Json => codec_json::write_reply(batch, id, reply),
        Format::Protobuf => codec_protobuf::write_reply(batch, id, reply),
    }
}

/// Appends a server ping to a batch.
pub(crate) fn append_ping(format: Format, batch: &mut BytesMut) {
    separate(format, batch);
    match format {
        Format::Json => batch.put_slice(b"{}"),
        Format::Protobuf => batch.put_u8(0),
    }
}

/// Appends an encoded object, or several, to a frame.
pub(crate) fn append_encoded(format: Format, frame: &mut BytesMut, encoded: &[u8]) {
    separate(format, frame);
    frame.put_slice(encoded);
}

/// Appends one push to a batch, with the separator its format wants.
pub(crate) fn append_push(format: Format, batch: &mut BytesMut, address: Address<'_>, push: &Push<'_>) {
    separate(format, batch);
    match format {
        Format::Json => codec_json::write_push(batch, address, push),
        Format::Protobuf => codec_protobuf::write_push(batch, address, push),
    }
}

/// Encodes one push.
pub(crate) fn encode_push(format: Format, address: Address<'_>, push: &Push<'_>) -> Bytes {
    let mut out = BytesMut::new();
    append_push(format, &mut out, address, push);
    out.freeze()
}

fn separate(format: Format, batch: &mut BytesMut) {
    if format == Format::Json && !batch.is_empty() {
        batch.put_u8(b'\n');
    }
}

/// Is this one JSON value?
pub(crate) fn is_json(data: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(data).is_ok()
}
