//! Protobuf: each message behind its length as a varint; field numbers as in the protocol's schema (package
//! `centrifugal.centrifuge.protocol`). Never trusts a length: it is compared with what is there before anything is
//! allocated.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::{
    Command, ConnectRequest, ConnectResult, HistoryRequest, Malformed, Push, Reply, Request,
    SubscribeRequest, SubscribeResult,
};
use crate::publication::{ClientInfo, Publication};

/// The schema, as far as this server reads and writes it; unknown fields are skipped.
mod wire {
    use std::collections::HashMap;

    use bytes::Bytes;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Command {
        #[prost(uint32, tag = "1")]
        pub(super) id: u32,
        #[prost(message, optional, tag = "4")]
        pub(super) connect: Option<ConnectRequest>,
        #[prost(message, optional, tag = "5")]
        pub(super) subscribe: Option<SubscribeRequest>,
        #[prost(message, optional, tag = "6")]
        pub(super) unsubscribe: Option<ChannelRequest>,
        #[prost(message, optional, tag = "7")]
        pub(super) publish: Option<PublishRequest>,
        #[prost(message, optional, tag = "8")]
        pub(super) presence: Option<ChannelRequest>,
        #[prost(message, optional, tag = "9")]
        pub(super) presence_stats: Option<ChannelRequest>,
        #[prost(message, optional, tag = "10")]
        pub(super) history: Option<HistoryRequest>,
        #[prost(message, optional, tag = "12")]
        pub(super) send: Option<Data>,
        #[prost(message, optional, tag = "13")]
        pub(super) rpc: Option<RpcRequest>,
        #[prost(message, optional, tag = "14")]
        pub(super) refresh: Option<RefreshRequest>,
        #[prost(message, optional, tag = "15")]
        pub(super) sub_refresh: Option<SubRefreshRequest>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ConnectRequest {
        #[prost(string, tag = "1")]
        pub(super) token: String,
        #[prost(bytes = "bytes", tag = "2")]
        pub(super) data: Bytes,
        #[prost(map = "string, message", tag = "3")]
        pub(super) subs: HashMap<String, SubscribeRequest>,
        #[prost(string, tag = "4")]
        pub(super) name: String,
        #[prost(string, tag = "5")]
        pub(super) version: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SubscribeRequest {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
        #[prost(string, tag = "2")]
        pub(super) token: String,
        #[prost(bool, tag = "3")]
        pub(super) recover: bool,
        #[prost(string, tag = "6")]
        pub(super) epoch: String,
        #[prost(uint64, tag = "7")]
        pub(super) offset: u64,
        #[prost(bytes = "bytes", tag = "8")]
        pub(super) data: Bytes,
        #[prost(message, optional, tag = "13")]
        pub(super) tf: Option<Filter>,
        #[prost(int64, tag = "14")]
        pub(super) flag: i64,
        #[prost(int32, tag = "15")]
        pub(super) kind: i32,
    }

    /// Only its presence matters: filters are declined.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Filter {}

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ChannelRequest {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PublishRequest {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
        #[prost(bytes = "bytes", tag = "2")]
        pub(super) data: Bytes,
        #[prost(int32, tag = "3")]
        pub(super) kind: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct HistoryRequest {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
        #[prost(int32, tag = "7")]
        pub(super) limit: i32,
        #[prost(message, optional, tag = "8")]
        pub(super) since: Option<StreamPosition>,
        #[prost(bool, tag = "9")]
        pub(super) reverse: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct StreamPosition {
        #[prost(uint64, tag = "1")]
        pub(super) offset: u64,
        #[prost(string, tag = "2")]
        pub(super) epoch: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct RpcRequest {
        #[prost(bytes = "bytes", tag = "1")]
        pub(super) data: Bytes,
        #[prost(string, tag = "2")]
        pub(super) method: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct RefreshRequest {
        #[prost(string, tag = "1")]
        pub(super) token: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SubRefreshRequest {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
        #[prost(string, tag = "2")]
        pub(super) token: String,
        #[prost(int32, tag = "3")]
        pub(super) kind: i32,
    }

    /// `SendRequest` and `RPCResult`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Data {
        #[prost(bytes = "bytes", tag = "1")]
        pub(super) data: Bytes,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Reply {
        #[prost(uint32, tag = "1")]
        pub(super) id: u32,
        #[prost(message, optional, tag = "2")]
        pub(super) error: Option<Error>,
        #[prost(message, optional, boxed, tag = "4")]
        pub(super) push: Option<Box<Push>>,
        #[prost(message, optional, boxed, tag = "5")]
        pub(super) connect: Option<Box<ConnectResult>>,
        #[prost(message, optional, boxed, tag = "6")]
        pub(super) subscribe: Option<Box<SubscribeResult>>,
        #[prost(message, optional, tag = "7")]
        pub(super) unsubscribe: Option<Empty>,
        #[prost(message, optional, tag = "8")]
        pub(super) publish: Option<Empty>,
        #[prost(message, optional, boxed, tag = "9")]
        pub(super) presence: Option<Box<PresenceResult>>,
        #[prost(message, optional, tag = "10")]
        pub(super) presence_stats: Option<PresenceStatsResult>,
        #[prost(message, optional, boxed, tag = "11")]
        pub(super) history: Option<Box<HistoryResult>>,
        #[prost(message, optional, tag = "13")]
        pub(super) rpc: Option<Data>,
        #[prost(message, optional, tag = "14")]
        pub(super) refresh: Option<RefreshResult>,
        #[prost(message, optional, tag = "15")]
        pub(super) sub_refresh: Option<SubRefreshResult>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Empty {}

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Error {
        #[prost(uint32, tag = "1")]
        pub(super) code: u32,
        #[prost(string, tag = "2")]
        pub(super) message: String,
        #[prost(bool, tag = "3")]
        pub(super) temporary: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Push {
        #[prost(string, tag = "2")]
        pub(super) channel: String,
        #[prost(message, optional, tag = "4")]
        pub(super) publication: Option<Publication>,
        #[prost(message, optional, tag = "5")]
        pub(super) join: Option<Membership>,
        #[prost(message, optional, tag = "6")]
        pub(super) leave: Option<Membership>,
        #[prost(message, optional, tag = "7")]
        pub(super) unsubscribe: Option<Unsubscribe>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Membership {
        #[prost(message, optional, tag = "1")]
        pub(super) info: Option<ClientInfo>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ClientInfo {
        #[prost(string, tag = "1")]
        pub(super) user: String,
        #[prost(string, tag = "2")]
        pub(super) client: String,
        #[prost(bytes = "bytes", tag = "3")]
        pub(super) conn_info: Bytes,
        #[prost(bytes = "bytes", tag = "4")]
        pub(super) chan_info: Bytes,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Publication {
        #[prost(bytes = "bytes", tag = "4")]
        pub(super) data: Bytes,
        #[prost(message, optional, tag = "5")]
        pub(super) info: Option<ClientInfo>,
        #[prost(uint64, tag = "6")]
        pub(super) offset: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Unsubscribe {
        #[prost(uint32, tag = "2")]
        pub(super) code: u32,
        #[prost(string, tag = "3")]
        pub(super) reason: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ConnectResult {
        #[prost(string, tag = "1")]
        pub(super) client: String,
        #[prost(string, tag = "2")]
        pub(super) version: String,
        #[prost(bool, tag = "3")]
        pub(super) expires: bool,
        #[prost(uint32, tag = "4")]
        pub(super) ttl: u32,
        #[prost(bytes = "bytes", tag = "5")]
        pub(super) data: Bytes,
        #[prost(map = "string, message", tag = "6")]
        pub(super) subs: HashMap<String, SubscribeResult>,
        #[prost(uint32, tag = "7")]
        pub(super) ping: u32,
        #[prost(bool, tag = "8")]
        pub(super) pong: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SubscribeResult {
        #[prost(bool, tag = "1")]
        pub(super) expires: bool,
        #[prost(uint32, tag = "2")]
        pub(super) ttl: u32,
        #[prost(bool, tag = "3")]
        pub(super) recoverable: bool,
        #[prost(string, tag = "6")]
        pub(super) epoch: String,
        #[prost(message, repeated, tag = "7")]
        pub(super) publications: Vec<Publication>,
        #[prost(bool, tag = "8")]
        pub(super) recovered: bool,
        #[prost(uint64, tag = "9")]
        pub(super) offset: u64,
        #[prost(bool, tag = "10")]
        pub(super) positioned: bool,
        #[prost(bytes = "bytes", tag = "11")]
        pub(super) data: Bytes,
        #[prost(bool, tag = "12")]
        pub(super) was_recovering: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PresenceResult {
        #[prost(map = "string, message", tag = "1")]
        pub(super) presence: HashMap<String, ClientInfo>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PresenceStatsResult {
        #[prost(uint32, tag = "1")]
        pub(super) num_clients: u32,
        #[prost(uint32, tag = "2")]
        pub(super) num_users: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct HistoryResult {
        #[prost(message, repeated, tag = "1")]
        pub(super) publications: Vec<Publication>,
        #[prost(string, tag = "2")]
        pub(super) epoch: String,
        #[prost(uint64, tag = "3")]
        pub(super) offset: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct RefreshResult {
        #[prost(bool, tag = "3")]
        pub(super) expires: bool,
        #[prost(uint32, tag = "4")]
        pub(super) ttl: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SubRefreshResult {
        #[prost(bool, tag = "1")]
        pub(super) expires: bool,
        #[prost(uint32, tag = "2")]
        pub(super) ttl: u32,
    }
}

/// See [`super::next_command`].
pub(crate) fn next_command(frame: &mut Bytes) -> Option<Result<Command, Malformed>> {
    if frame.is_empty() {
        return None;
    }
    let message = match prost::decode_length_delimiter(&mut *frame) {
        Ok(length) if length <= frame.len() => frame.split_to(length),
        _ => {
            frame.clear();
            return Some(Err(Malformed));
        }
    };
    let Ok(command) = wire::Command::decode(message) else {
        frame.clear();
        return Some(Err(Malformed));
    };
    Some(Ok(Command {
        id: command.id,
        request: into_request(command),
    }))
}

fn some(data: Bytes) -> Option<Bytes> {
    (!data.is_empty()).then_some(data)
}

fn into_request(command: wire::Command) -> Option<Request> {
    if let Some(rpc) = command.rpc {
        return Some(Request::Rpc {
            method: rpc.method.into(),
            data: some(rpc.data),
        });
    }
    if let Some(connect) = command.connect {
        return Some(Request::Connect(connect_request(connect)));
    }
    if let Some(subscribe) = command.subscribe {
        return Some(Request::Subscribe(subscribe_request(subscribe)));
    }
    if let Some(unsubscribe) = command.unsubscribe {
        return Some(Request::Unsubscribe {
            channel: unsubscribe.channel.into(),
        });
    }
    if let Some(publish) = command.publish {
        return Some(Request::Publish {
            channel: publish.channel.into(),
            data: some(publish.data),
            kind: publish.kind,
        });
    }
    if let Some(presence) = command.presence {
        return Some(Request::Presence {
            channel: presence.channel.into(),
        });
    }
    if let Some(stats) = command.presence_stats {
        return Some(Request::PresenceStats {
            channel: stats.channel.into(),
        });
    }
    if let Some(history) = command.history {
        return Some(Request::History(HistoryRequest {
            channel: history.channel.into(),
            limit: history.limit,
            since: history.since.map(|since| (since.offset, since.epoch)),
            reverse: history.reverse,
        }));
    }
    if command.send.is_some() {
        return Some(Request::Send);
    }
    if let Some(refresh) = command.refresh {
        return Some(Request::Refresh { token: refresh.token });
    }
    command.sub_refresh.map(|refresh| Request::SubRefresh {
        channel: refresh.channel.into(),
        token: refresh.token,
        kind: refresh.kind,
    })
}

fn connect_request(connect: wire::ConnectRequest) -> ConnectRequest {
    let mut positions: Vec<_> = connect
        .subs
        .into_iter()
        .filter(|(_, sub)| sub.recover)
        .map(|(channel, sub)| (channel, sub.offset, sub.epoch))
        .collect();
    positions.sort();
    ConnectRequest {
        token: connect.token,
        data: some(connect.data),
        name: connect.name,
        version: connect.version,
        positions,
    }
}

fn subscribe_request(subscribe: wire::SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest {
        channel: subscribe.channel.into(),
        token: subscribe.token,
        data: some(subscribe.data),
        recover: subscribe.recover,
        offset: subscribe.offset,
        epoch: subscribe.epoch,
        flag: subscribe.flag,
        kind: subscribe.kind,
        filtered: subscribe.tf.is_some(),
    }
}

/// See [`super::append_reply`].
pub(crate) fn write_reply(out: &mut BytesMut, id: u32, reply: &Reply<'_>) {
    let mut wire = wire::Reply {
        id,
        ..Default::default()
    };
    match reply {
        Reply::Error(error) => {
            wire.error = Some(wire::Error {
                code: error.code,
                message: error.message.to_string(),
                temporary: error.temporary,
            });
        }
        Reply::Connect(result) => wire.connect = Some(Box::new(connect_result(result))),
        Reply::Subscribe(result) => wire.subscribe = Some(Box::new(subscribe_result(result))),
        Reply::Unsubscribe => wire.unsubscribe = Some(wire::Empty {}),
        Reply::Publish => wire.publish = Some(wire::Empty {}),
        Reply::Presence(clients) => {
            let presence = clients
                .iter()
                .map(|info| (info.client.to_string(), client_info(info)))
                .collect();
            wire.presence = Some(Box::new(wire::PresenceResult { presence }));
        }
        Reply::PresenceStats(stats) => {
            wire.presence_stats = Some(wire::PresenceStatsResult {
                num_clients: stats.num_clients,
                num_users: stats.num_users,
            });
        }
        Reply::History {
            publications,
            epoch,
            offset,
        } => {
            wire.history = Some(Box::new(wire::HistoryResult {
                publications: publications.iter().map(publication).collect(),
                epoch: (*epoch).to_owned(),
                offset: *offset,
            }));
        }
        Reply::Rpc(data) => {
            wire.rpc = Some(wire::Data {
                data: Bytes::clone(data),
            })
        }
        Reply::Refresh(ttl) => {
            wire.refresh = Some(wire::RefreshResult {
                expires: ttl.is_some(),
                ttl: ttl.unwrap_or_default(),
            });
        }
        Reply::SubRefresh(ttl) => {
            wire.sub_refresh = Some(wire::SubRefreshResult {
                expires: ttl.is_some(),
                ttl: ttl.unwrap_or_default(),
            });
        }
    }
    write(out, &wire);
}

/// See [`super::encode_push`].
pub(crate) fn encode_push(channel: &str, push: &Push<'_>) -> Bytes {
    let mut wire = wire::Push {
        channel: channel.to_owned(),
        ..Default::default()
    };
    match push {
        Push::Publication(item) => wire.publication = Some(publication(item)),
        Push::Join(info) => {
            wire.join = Some(wire::Membership {
                info: Some(client_info(info)),
            })
        }
        Push::Leave(info) => {
            wire.leave = Some(wire::Membership {
                info: Some(client_info(info)),
            })
        }
        Push::Unsubscribe(why) => {
            wire.unsubscribe = Some(wire::Unsubscribe {
                code: why.code,
                reason: why.reason.to_string(),
            });
        }
    }
    let mut out = BytesMut::new();
    write(
        &mut out,
        &wire::Reply {
            push: Some(Box::new(wire)),
            ..Default::default()
        },
    );
    out.freeze()
}

fn write(out: &mut BytesMut, reply: &wire::Reply) {
    out.reserve(reply.encoded_len() + 5);
    // BytesMut grows as needed: encoding into it cannot run out of room.
    let written = reply.encode_length_delimited(out);
    debug_assert!(written.is_ok());
}

fn connect_result(result: &ConnectResult) -> wire::ConnectResult {
    let subs: HashMap<_, _> = result
        .subs
        .iter()
        .map(|(channel, sub)| (channel.to_string(), subscribe_result(sub)))
        .collect();
    wire::ConnectResult {
        client: result.client.to_string(),
        version: result.version.clone(),
        expires: result.ttl.is_some(),
        ttl: result.ttl.unwrap_or_default(),
        data: result.data.clone().unwrap_or_default(),
        subs,
        ping: result.ping_s,
        pong: result.ping_s > 0,
    }
}

fn subscribe_result(result: &SubscribeResult) -> wire::SubscribeResult {
    let (epoch, offset) = result.position.clone().unwrap_or_default();
    wire::SubscribeResult {
        expires: result.ttl.is_some(),
        ttl: result.ttl.unwrap_or_default(),
        recoverable: result.position.is_some(),
        epoch,
        publications: result.publications.iter().map(publication).collect(),
        recovered: result.recovered,
        offset,
        positioned: result.position.is_some(),
        data: result.data.clone().unwrap_or_default(),
        was_recovering: result.was_recovering,
    }
}

fn publication(item: &Publication) -> wire::Publication {
    wire::Publication {
        data: item.data.clone(),
        info: item.info.as_deref().map(client_info),
        offset: item.offset.unwrap_or(0),
    }
}

fn client_info(info: &ClientInfo) -> wire::ClientInfo {
    wire::ClientInfo {
        user: info.user.to_string(),
        client: info.client.to_string(),
        conn_info: info.conn_info.clone().unwrap_or_default(),
        chan_info: info.chan_info.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(commands: &[wire::Command]) -> Bytes {
        let mut out = BytesMut::new();
        for command in commands {
            command.encode_length_delimited(&mut out).expect("BytesMut grows");
        }
        out.freeze()
    }

    #[test]
    fn a_frame_holds_many_commands_in_order() {
        let rpc = wire::RpcRequest {
            data: Bytes::from_static(b"[1]"),
            method: "m".to_owned(),
        };
        let mut frame = frame(&[
            wire::Command {
                id: 1,
                rpc: Some(rpc),
                ..Default::default()
            },
            wire::Command::default(),
        ]);
        assert_eq!(
            next_command(&mut frame),
            Some(Ok(Command {
                id: 1,
                request: Some(Request::Rpc {
                    method: "m".into(),
                    data: Some(Bytes::from_static(b"[1]"))
                })
            }))
        );
        assert_eq!(next_command(&mut frame), Some(Ok(Command::default())));
        assert_eq!(next_command(&mut frame), None);
    }

    #[test]
    fn a_length_that_is_not_there_is_malformed() {
        for bytes in [
            &[5u8, 1][..],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0x7f],
            &[2, 0x0a, 0xff],
            &[1, 0x07],
        ] {
            let mut frame = Bytes::copy_from_slice(bytes);
            assert_eq!(next_command(&mut frame), Some(Err(Malformed)), "{bytes:?}");
            assert_eq!(next_command(&mut frame), None);
        }
    }

    #[test]
    fn an_empty_result_is_still_written() {
        let mut out = BytesMut::new();
        write_reply(&mut out, 3, &Reply::Unsubscribe);
        assert_eq!(&out[..], [4, 0x08, 3, 0x3a, 0]);
    }
}
