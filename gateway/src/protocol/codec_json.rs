//! JSON: objects separated by newlines, payloads embedded as they are. Never copies a payload on the way in (it is a
//! slice of the frame) and never emits a raw newline inside an object or a `null`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Command, ConnectRequest, ConnectResult, HistoryRequest, Malformed, Push, Reply, Request,
    SubscribeRequest, SubscribeResult, Ttl,
};
use crate::publication::{ClientInfo, Publication};

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

/// See [`super::next_command`].
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

/// See [`super::append_reply`].
pub(crate) fn write_reply(out: &mut BytesMut, id: u32, reply: &Reply<'_>) {
    out.put_slice(b"{\"id\":");
    number(out, u64::from(id));
    match reply {
        Reply::Error(error) => {
            out.put_slice(b",\"error\":{\"code\":");
            number(out, u64::from(error.code));
            out.put_slice(b",\"message\":");
            string(out, &error.message);
            if error.temporary {
                out.put_slice(b",\"temporary\":true");
            }
            out.put_slice(b"}");
        }
        Reply::Connect(result) => {
            out.put_slice(b",\"connect\":");
            connect_result(out, result);
        }
        Reply::Subscribe(result) => {
            out.put_slice(b",\"subscribe\":");
            subscribe_result(out, result);
        }
        Reply::Unsubscribe => out.put_slice(b",\"unsubscribe\":{}"),
        Reply::Publish => out.put_slice(b",\"publish\":{}"),
        Reply::Presence(clients) => {
            out.put_slice(b",\"presence\":{\"presence\":{");
            for (index, info) in clients.iter().enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                string(out, &info.client);
                out.put_u8(b':');
                client_info(out, info);
            }
            out.put_slice(b"}}");
        }
        Reply::PresenceStats(stats) => {
            out.put_slice(b",\"presence_stats\":{\"num_clients\":");
            number(out, u64::from(stats.num_clients));
            out.put_slice(b",\"num_users\":");
            number(out, u64::from(stats.num_users));
            out.put_slice(b"}");
        }
        Reply::History {
            publications,
            epoch,
            offset,
        } => {
            out.put_slice(b",\"history\":{\"publications\":");
            publication_list(out, publications);
            out.put_slice(b",\"epoch\":");
            string(out, epoch);
            out.put_slice(b",\"offset\":");
            number(out, *offset);
            out.put_slice(b"}");
        }
        Reply::Rpc(data) => {
            out.put_slice(b",\"rpc\":{");
            if !data.is_empty() {
                out.put_slice(b"\"data\":");
                json(out, data);
            }
            out.put_slice(b"}");
        }
        Reply::Refresh(expires) => {
            out.put_slice(b",\"refresh\":");
            Object::open(out).ttl(*expires).close();
        }
        Reply::SubRefresh(expires) => {
            out.put_slice(b",\"sub_refresh\":");
            Object::open(out).ttl(*expires).close();
        }
    }
    out.put_u8(b'}');
}

/// See [`super::encode_push`].
pub(crate) fn encode_push(channel: &str, push: &Push<'_>) -> Bytes {
    let payload_len = match push {
        Push::Publication(publication) => publication.data.len(),
        _ => 64,
    };
    let mut out = BytesMut::with_capacity(payload_len + channel.len() + 64);
    out.put_slice(b"{\"push\":{\"channel\":");
    string(&mut out, channel);
    match push {
        Push::Publication(publication) => {
            out.put_slice(b",\"pub\":");
            self::publication(&mut out, publication);
        }
        Push::Join(info) => {
            out.put_slice(b",\"join\":{\"info\":");
            client_info(&mut out, info);
            out.put_u8(b'}');
        }
        Push::Leave(info) => {
            out.put_slice(b",\"leave\":{\"info\":");
            client_info(&mut out, info);
            out.put_u8(b'}');
        }
        Push::Unsubscribe(why) => {
            out.put_slice(b",\"unsubscribe\":{\"code\":");
            number(&mut out, u64::from(why.code));
            out.put_slice(b",\"reason\":");
            string(&mut out, &why.reason);
            out.put_u8(b'}');
        }
    }
    out.put_slice(b"}}");
    out.freeze()
}

fn connect_result(out: &mut BytesMut, result: &ConnectResult) {
    let mut object = Object::open(out);
    object
        .string("client", &result.client)
        .string("version", &result.version)
        .ttl(result.ttl);
    object.raw("data", result.data.as_ref());
    if !result.subs.is_empty() {
        object.key("subs");
        object.out.put_u8(b'{');
        for (index, (channel, sub)) in result.subs.iter().enumerate() {
            if index > 0 {
                object.out.put_u8(b',');
            }
            string(object.out, channel);
            object.out.put_u8(b':');
            subscribe_result(object.out, sub);
        }
        object.out.put_u8(b'}');
    }
    object.number("ping", u64::from(result.ping_s));
    if result.ping_s > 0 {
        object.flag("pong", true);
    }
    if !result.session.is_empty() {
        object
            .string("session", &result.session)
            .string("node", &result.node);
    }
    object.close();
}

fn subscribe_result(out: &mut BytesMut, result: &SubscribeResult) {
    let mut object = Object::open(out);
    object.ttl(result.ttl);
    if let Some((epoch, offset)) = &result.position {
        object.flag("recoverable", true).flag("positioned", true);
        object.string("epoch", epoch).number("offset", *offset);
    }
    object
        .flag("was_recovering", result.was_recovering)
        .flag("recovered", result.recovered);
    if !result.publications.is_empty() {
        object.key("publications");
        publication_list(object.out, &result.publications);
    }
    object.raw("data", result.data.as_ref());
    object.close();
}

fn publication_list(out: &mut BytesMut, publications: &[Publication]) {
    out.put_u8(b'[');
    for (index, item) in publications.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        publication(out, item);
    }
    out.put_u8(b']');
}

fn publication(out: &mut BytesMut, publication: &Publication) {
    let mut object = Object::open(out);
    object.raw("data", Some(&publication.data));
    object.number("offset", publication.offset.unwrap_or(0));
    if let Some(info) = &publication.info {
        object.key("info");
        client_info(object.out, info);
    }
    object.close();
}

/// `user` and `client` are written even when empty: SDKs index them.
fn client_info(out: &mut BytesMut, info: &ClientInfo) {
    out.put_slice(b"{\"user\":");
    string(out, &info.user);
    out.put_slice(b",\"client\":");
    string(out, &info.client);
    for (key, value) in [("conn_info", &info.conn_info), ("chan_info", &info.chan_info)] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            out.put_u8(b',');
            string(out, key);
            out.put_u8(b':');
            json(out, value);
        }
    }
    out.put_u8(b'}');
}

/// An object under construction that leaves out defaults.
struct Object<'a> {
    out: &'a mut BytesMut,
    first: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut BytesMut) -> Self {
        out.put_u8(b'{');
        Self { out, first: true }
    }

    fn key(&mut self, key: &'static str) {
        if !std::mem::take(&mut self.first) {
            self.out.put_u8(b',');
        }
        self.out.put_u8(b'"');
        self.out.put_slice(key.as_bytes());
        self.out.put_slice(b"\":");
    }

    fn string(&mut self, key: &'static str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.key(key);
            string(self.out, value);
        }
        self
    }

    fn number(&mut self, key: &'static str, value: u64) -> &mut Self {
        if value != 0 {
            self.key(key);
            number(self.out, value);
        }
        self
    }

    fn flag(&mut self, key: &'static str, value: bool) -> &mut Self {
        if value {
            self.key(key);
            self.out.put_slice(b"true");
        }
        self
    }

    fn raw(&mut self, key: &'static str, value: Option<&Bytes>) -> &mut Self {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.key(key);
            json(self.out, value);
        }
        self
    }

    /// `ttl` always follows `expires`, also when 0: Python indexes it.
    fn ttl(&mut self, ttl: Ttl) -> &mut Self {
        if let Some(ttl_s) = ttl {
            self.flag("expires", true);
            self.key("ttl");
            number(self.out, u64::from(ttl_s));
        }
        self
    }

    fn close(&mut self) {
        self.out.put_u8(b'}');
    }
}

fn number(out: &mut BytesMut, value: u64) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[start..]);
}

fn string(out: &mut BytesMut, value: &str) {
    let plain = value
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.put_u8(b'"');
        out.put_slice(value.as_bytes());
        out.put_u8(b'"');
    } else {
        // Escaping a str into memory cannot fail.
        let escaped = serde_json::to_string(value).unwrap_or_else(|_| "\"\"".to_owned());
        out.put_slice(escaped.as_bytes());
    }
}

/// Embeds a JSON value. A raw newline can only stand between its tokens, where leaving it out changes nothing.
fn json(out: &mut BytesMut, value: &[u8]) {
    if value.contains(&b'\n') {
        value
            .split(|byte| *byte == b'\n')
            .for_each(|line| out.put_slice(line));
    } else {
        out.put_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Unsubscribe};

    fn commands(frame: &'static str) -> Vec<Result<Command, Malformed>> {
        let mut frame = Bytes::from_static(frame.as_bytes());
        std::iter::from_fn(|| next_command(&mut frame)).collect()
    }

    fn reply(id: u32, reply: &Reply<'_>) -> String {
        let mut out = BytesMut::new();
        write_reply(&mut out, id, reply);
        String::from_utf8(out.to_vec()).expect("utf-8")
    }

    #[test]
    fn a_frame_holds_many_commands_in_order() {
        let parsed = commands(
            "{\"connect\":{\"token\":\"t\",\"name\":\"js\",\"data\":{\"a\": 1}},\"id\":1}\n\n {\"id\":2,\"rpc\":{\"method\":\"m\\u0041\",\"data\":[1, \"x\"]}}\n{}\n",
        );
        assert_eq!(parsed.len(), 3);
        let Ok(Command {
            id: 1,
            request: Some(Request::Connect(connect)),
        }) = &parsed[0]
        else {
            panic!("{parsed:?}")
        };
        assert_eq!(
            (connect.token.as_str(), connect.data.as_deref()),
            ("t", Some(&b"{\"a\": 1}"[..]))
        );
        assert_eq!(
            parsed[1],
            Ok(Command {
                id: 2,
                request: Some(Request::Rpc {
                    method: "mA".into(),
                    data: Some(Bytes::from_static(b"[1, \"x\"]"))
                })
            })
        );
        assert_eq!(parsed[2], Ok(Command::default()));
    }

    #[test]
    fn unknown_fields_and_nulls_mean_nothing() {
        let parsed =
            commands("{\"id\":3,\"new\":{},\"subscribe\":{\"channel\":\"c\",\"x\":[],\"token\":null}}");
        let Ok(Command {
            id: 3,
            request: Some(Request::Subscribe(subscribe)),
        }) = &parsed[0]
        else {
            panic!("{parsed:?}")
        };
        assert_eq!(subscribe.channel, "c");
        assert_eq!(
            commands("{\"id\":3,\"nothing\":{}}"),
            [Ok(Command { id: 3, request: None })]
        );
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for frame in [
            "{",
            "nope",
            "{\"id\":\"1\",\"rpc\":{}}",
            "{\"id\":-1}",
            "{\"id\":1,\"rpc\":3}",
            "{\"id\":4294967296}",
            "[1,2]",
            "{\"id\":1,\"rpc\":{\"method\":\"a\",\"data\":{]}}",
            "{\"id\":1,\"history\":{\"channel\":7}}",
        ] {
            assert_eq!(commands(frame), [Err(Malformed)], "{frame}");
        }
        let mut invalid_utf8 = Bytes::from_static(b"{\"id\":1,\"rpc\":{\"method\":\"a\",\"data\":\"\xff\"}}");
        assert_eq!(next_command(&mut invalid_utf8), Some(Err(Malformed)));
    }

    #[test]
    fn a_payload_never_carries_a_newline_out() {
        assert_eq!(
            reply(5, &Reply::Rpc(&Bytes::from_static(b"{\n\"a\":\n\"x\\ny\"}"))),
            "{\"id\":5,\"rpc\":{\"data\":{\"a\":\"x\\ny\"}}}"
        );
    }

    #[test]
    fn what_sdks_index_is_written_even_when_zero() {
        assert_eq!(
            reply(
                1,
                &Reply::History {
                    publications: &[],
                    epoch: "e",
                    offset: 0
                }
            ),
            "{\"id\":1,\"history\":{\"publications\":[],\"epoch\":\"e\",\"offset\":0}}"
        );
        assert_eq!(
            reply(1, &Reply::PresenceStats(Default::default())),
            "{\"id\":1,\"presence_stats\":{\"num_clients\":0,\"num_users\":0}}"
        );
        assert_eq!(
            reply(1, &Reply::Presence(&[])),
            "{\"id\":1,\"presence\":{\"presence\":{}}}"
        );
        assert_eq!(
            reply(1, &Reply::Refresh(Some(0))),
            "{\"id\":1,\"refresh\":{\"expires\":true,\"ttl\":0}}"
        );
        assert_eq!(reply(1, &Reply::Refresh(None)), "{\"id\":1,\"refresh\":{}}");
    }

    #[test]
    fn errors_and_pushes_look_as_sdks_expect() {
        assert_eq!(
            reply(7, &Reply::Error(&Error::TOKEN_EXPIRED)),
            "{\"id\":7,\"error\":{\"code\":109,\"message\":\"token expired\",\"temporary\":true}}"
        );
        assert_eq!(
            &encode_push("a\"b", &Push::Unsubscribe(&Unsubscribe::INSUFFICIENT_STATE))[..],
            b"{\"push\":{\"channel\":\"a\\\"b\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}}"
        );
        assert_eq!(
            &encode_push("c", &Push::Publication(&Publication::new("{}").at(42)))[..],
            b"{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{},\"offset\":42}}}"
        );
    }
}
