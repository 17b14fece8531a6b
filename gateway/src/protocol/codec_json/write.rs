//! Replies and pushes, to JSON. Never emits a raw newline inside an object, a `null`, or a default that SDKs do not index.

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::{Address, ConnectResult, Push, Reply, SubscribeResult, Ttl};
use crate::publication::{ClientInfo, Publication};

/// See [`crate::protocol::append_reply`].
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

/// See [`crate::protocol::append_push`].
pub(crate) fn write_push(out: &mut BytesMut, address: Address<'_>, push: &Push<'_>) {
    match address {
        Address::Name(channel) => {
            out.put_slice(b"{\"push\":{\"channel\":");
            string(out, channel);
        }
        Address::Id(id) => {
            out.put_slice(b"{\"push\":{\"id\":");
            number(out, id);
        }
    }
    match push {
        Push::Publication(publication) => {
            out.put_slice(b",\"pub\":");
            self::publication(out, publication);
        }
        Push::Join(info) => {
            out.put_slice(b",\"join\":{\"info\":");
            client_info(out, info);
            out.put_u8(b'}');
        }
        Push::Leave(info) => {
            out.put_slice(b",\"leave\":{\"info\":");
            client_info(out, info);
            out.put_u8(b'}');
        }
        Push::Unsubscribe(why) => {
            out.put_slice(b",\"unsubscribe\":{\"code\":");
            number(out, u64::from(why.code));
            out.put_slice(b",\"reason\":");
            string(out, &why.reason);
            out.put_u8(b'}');
        }
    }
    out.put_slice(b"}}");
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
    object.number("id", result.push_id);
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
