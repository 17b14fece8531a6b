//! Commands, from JSON. Never copies a payload: it is a slice of its frame.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::{Command, ConnectRequest, HistoryRequest, Malformed, Request, SubscribeRequest};

/// Missing and `null` fields mean the default; unknown ones are ignored; wrong types are errors.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    id: Option<u32>,
    #[serde(default, borrow)]
    connect: Option<WireConnect<'a>>,
    #[serde(default, borrow)]
    subscribe: Option<WireSubscribe<'a>>,
    #[serde(default, borrow)]
    unsubscribe: Option<WireChannel<'a>>,
    #[serde(default, borrow)]
    publish: Option<WirePublish<'a>>,
    #[serde(default, borrow)]
    presence: Option<WireChannel<'a>>,
    #[serde(default, borrow)]
    presence_stats: Option<WireChannel<'a>>,
    #[serde(default, borrow)]
    history: Option<WireHistory<'a>>,
    #[serde(default, borrow)]
    rpc: Option<WireRpc<'a>>,
    #[serde(default, borrow)]
    send: Option<WireSend<'a>>,
    #[serde(default, borrow)]
    refresh: Option<WireRefresh<'a>>,
    #[serde(default, borrow)]
    sub_refresh: Option<WireSubRefresh<'a>>,
}

/// A string that borrows from the frame unless it holds escapes.
#[derive(Deserialize, Default)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct WireConnect<'a> {
    token: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    subs: Option<BTreeMap<String, WireSubscribe<'a>>>,
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct WireSubscribe<'a> {
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    token: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    recover: Option<bool>,
    offset: Option<u64>,
    epoch: Option<String>,
    flag: Option<i64>,
    #[serde(rename = "type")]
    kind: Option<i32>,
    #[serde(borrow)]
    tf: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireChannel<'a> {
    #[serde(borrow)]
    channel: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WirePublish<'a> {
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "type")]
    kind: Option<i32>,
}

#[derive(Deserialize)]
struct WireHistory<'a> {
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    limit: Option<i32>,
    since: Option<WireSince>,
    reverse: Option<bool>,
}

#[derive(Deserialize)]
struct WireSince {
    offset: Option<u64>,
    epoch: Option<String>,
}

#[derive(Deserialize)]
struct WireRpc<'a> {
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireSend<'a> {
    #[serde(borrow, rename = "data")]
    _data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireRefresh<'a> {
    #[serde(borrow)]
    token: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WireSubRefresh<'a> {
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    token: Option<String>,
    #[serde(rename = "type")]
    kind: Option<i32>,
}

/// See [`crate::protocol::next_command`].
pub(crate) fn next_command(frame: &mut Bytes) -> Option<Result<Command, Malformed>> {
    let blank = frame.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let input = frame.slice(blank..);
    if input.is_empty() {
        frame.clear();
        return None;
    }
    let mut stream = serde_json::Deserializer::from_slice(&input).into_iter::<Wire<'_>>();
    let parsed = stream.next();
    let consumed = stream.byte_offset();
    match parsed {
        Some(Ok(wire)) => {
            let command = Command {
                id: wire.id.unwrap_or(0),
                request: wire.into_request(&input),
            };
            *frame = input.slice(consumed..);
            Some(Ok(command))
        }
        Some(Err(_)) | None => {
            frame.clear();
            Some(Err(Malformed))
        }
    }
}

/// A payload as a slice of its frame.
fn payload(frame: &Bytes, raw: Option<&RawValue>) -> Option<Bytes> {
    raw.map(|raw| frame.slice_ref(raw.get().as_bytes()))
}

/// A name as a slice of its frame, or its own bytes if it held escapes.
fn text(frame: &Bytes, text: Option<Text<'_>>) -> ByteString {
    match text.map(|text| text.0) {
        // A str inside the frame is a valid str in any slice of it; the check costs nothing on short names.
        Some(Cow::Borrowed(borrowed)) => {
            ByteString::try_from(frame.slice_ref(borrowed.as_bytes())).unwrap_or_default()
        }
        Some(Cow::Owned(owned)) => owned.into(),
        None => ByteString::new(),
    }
}

impl Wire<'_> {
    fn into_request(self, frame: &Bytes) -> Option<Request> {
        if let Some(rpc) = self.rpc {
            return Some(Request::Rpc {
                method: text(frame, rpc.method),
                data: payload(frame, rpc.data),
            });
        }
        if let Some(connect) = self.connect {
            return Some(Request::Connect(connect.into_request(frame)));
        }
        if let Some(subscribe) = self.subscribe {
            return Some(Request::Subscribe(subscribe.into_request(frame)));
        }
        if let Some(unsubscribe) = self.unsubscribe {
            return Some(Request::Unsubscribe {
                channel: text(frame, unsubscribe.channel),
            });
        }
        if let Some(publish) = self.publish {
            return Some(Request::Publish {
                channel: text(frame, publish.channel),
                data: payload(frame, publish.data),
                kind: publish.kind.unwrap_or(0),
            });
        }
        if let Some(presence) = self.presence {
            return Some(Request::Presence {
                channel: text(frame, presence.channel),
            });
        }
        if let Some(stats) = self.presence_stats {
            return Some(Request::PresenceStats {
                channel: text(frame, stats.channel),
            });
        }
        if let Some(history) = self.history {
            return Some(Request::History(HistoryRequest {
                channel: text(frame, history.channel),
                limit: history.limit.unwrap_or(0),
                since: history
                    .since
                    .map(|s| (s.offset.unwrap_or(0), s.epoch.unwrap_or_default())),
                reverse: history.reverse.unwrap_or(false),
            }));
        }
        if self.send.is_some() {
            return Some(Request::Send);
        }
        if let Some(refresh) = self.refresh {
            return Some(Request::Refresh {
                token: refresh.token.unwrap_or_default().0.into_owned(),
            });
        }
        self.sub_refresh.map(|refresh| Request::SubRefresh {
            channel: text(frame, refresh.channel),
            token: refresh.token.unwrap_or_default(),
            kind: refresh.kind.unwrap_or(0),
        })
    }
}

impl WireConnect<'_> {
    fn into_request(self, frame: &Bytes) -> ConnectRequest {
        let positions = self
            .subs
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, sub)| sub.recover.unwrap_or(false))
            .map(|(channel, sub)| (channel, sub.offset.unwrap_or(0), sub.epoch.unwrap_or_default()))
            .collect();
        ConnectRequest {
            token: self.token.unwrap_or_default(),
            data: payload(frame, self.data),
            name: self.name.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            positions,
        }
    }
}

impl WireSubscribe<'_> {
    fn into_request(self, frame: &Bytes) -> SubscribeRequest {
        SubscribeRequest {
            channel: text(frame, self.channel),
            token: self.token.unwrap_or_default(),
            data: payload(frame, self.data),
            recover: self.recover.unwrap_or(false),
            offset: self.offset.unwrap_or(0),
            epoch: self.epoch.unwrap_or_default(),
            flag: self.flag.unwrap_or(0),
            kind: self.kind.unwrap_or(0),
            filtered: self.tf.is_some(),
        }
    }
}
