//! Protobuf: each message behind its length as a varint; field numbers as in the protocol's schema (package
//! `centrifugal.centrifuge.protocol`). Never trusts a length: it is compared with what is there before anything is
//! allocated.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::wire;
use super::{
    Address, Command, ConnectRequest, ConnectResult, HistoryRequest, Malformed, Push, Reply, Request,
    SubscribeRequest, SubscribeResult,
};
use crate::publication::{ClientInfo, Publication};

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

/// See [`super::append_push`].
pub(crate) fn write_push(out: &mut BytesMut, address: Address<'_>, push: &Push<'_>) {
    let mut wire = wire::Push::default();
    match address {
        Address::Name(channel) => channel.clone_into(&mut wire.channel),
        // Numbers count up from 1: they never get so far.
        Address::Id(id) => wire.id = i64::try_from(id).unwrap_or(i64::MAX),
    }
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
    write(
        out,
        &wire::Reply {
            push: Some(Box::new(wire)),
            ..Default::default()
        },
    );
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
        session: result.session.clone(),
        node: result.node.clone(),
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
        id: i64::try_from(result.push_id).unwrap_or(i64::MAX),
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
