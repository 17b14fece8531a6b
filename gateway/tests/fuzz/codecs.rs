//! Frames of strangers, in both formats: every one comes to an end, takes no more than is there, and leaves payloads
//! that can be sent on.

use bytes::Bytes;
use fastrand::Rng;

use super::{Target, digest, grammar};
use crate::protocol::{Command, Format, Malformed, Reply, Request, append_reply, is_json, next_command};

pub(super) const JSON: Target = Target {
    name: "json",
    fresh: |rng: &mut Rng| {
        let lines: Vec<_> = (0..rng.usize(1..4)).map(|_| grammar::json_command(rng)).collect();
        lines.join("\n").into_bytes()
    },
    run: |input| run(Format::Json, input),
};

pub(super) const PROTOBUF: Target = Target {
    name: "protobuf",
    fresh: |rng: &mut Rng| {
        (0..rng.usize(1..4))
            .flat_map(|_| grammar::protobuf_command(rng))
            .collect()
    },
    run: |input| run(Format::Protobuf, input),
};

fn run(format: Format, input: &[u8]) -> u64 {
    let mut frame = Bytes::copy_from_slice(input);
    let mut outcomes = Vec::new();
    loop {
        let before = frame.len();
        let Some(next) = next_command(format, &mut frame) else {
            break;
        };
        assert!(frame.len() < before, "a command takes at least a byte");
        match next {
            Ok(command) => outcomes.push(shape(format, &command)),
            Err(Malformed) => {
                assert!(
                    frame.is_empty(),
                    "nothing behind a malformed command is looked at"
                );
                outcomes.push(0);
            }
        }
        // More commands than that say nothing new.
        outcomes.truncate(3);
    }
    digest(outcomes)
}

/// What a command is, without its texts.
fn shape(format: Format, command: &Command) -> u64 {
    let request = match &command.request {
        None => 0,
        Some(Request::Connect(r)) => {
            let positions = r.positions.len().min(2);
            digest((
                1,
                r.token.is_empty(),
                r.data.is_some(),
                positions,
                r.name.is_empty(),
                r.version.is_empty(),
            ))
        }
        Some(Request::Subscribe(r)) => {
            let texts = (r.channel.is_empty(), r.token.is_empty(), r.epoch.is_empty());
            digest((
                2,
                texts,
                r.data.is_some(),
                r.recover,
                r.offset > 0,
                r.flag & 3,
                r.kind != 0,
                r.filtered,
            ))
        }
        Some(Request::Unsubscribe { channel }) => digest((3, channel.is_empty())),
        Some(Request::Publish { channel, data, kind }) => {
            digest((4, channel.is_empty(), data.is_some(), *kind != 0))
        }
        Some(Request::Presence { channel }) => digest((5, channel.is_empty())),
        Some(Request::PresenceStats { channel }) => digest((6, channel.is_empty())),
        Some(Request::History(r)) => digest((
            7,
            r.channel.is_empty(),
            r.limit.signum(),
            r.since.is_some(),
            r.reverse,
        )),
        Some(Request::Rpc { method, data }) => digest((8, method.is_empty(), data.is_some())),
        Some(Request::Send) => 9,
        Some(Request::Refresh { token }) => digest((10, token.is_empty())),
        Some(Request::SubRefresh { channel, token, kind }) => {
            digest((11, channel.is_empty(), token.is_empty(), *kind != 0))
        }
    };
    let payload = match &command.request {
        Some(Request::Rpc { data, .. } | Request::Publish { data, .. }) => data.clone(),
        _ => None,
    };
    let is_json = payload.as_deref().map(is_json);
    if let (Format::Json, Some(payload)) = (format, payload) {
        assert_eq!(is_json, Some(true), "a payload from JSON is JSON: {payload:?}");
        echo(command.id, &payload);
    }
    digest((command.id > 0, request, is_json))
}

/// What came in goes out as one line that is JSON again.
fn echo(id: u32, payload: &Bytes) {
    let mut out = bytes::BytesMut::new();
    append_reply(Format::Json, &mut out, id, &Reply::Rpc(payload));
    assert!(!out.contains(&b'\n') && is_json(&out), "{out:?}");
}
