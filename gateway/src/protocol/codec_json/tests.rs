//! What SDKs send and what they expect, in JSON.

use bytes::{Bytes, BytesMut};

use super::*;
use crate::error::{Error, Unsubscribe};
use crate::protocol::{Address, Command, Format, Malformed, Push, Reply, Request, encode_push};
use crate::publication::Publication;

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
    let parsed = commands("{\"id\":3,\"new\":{},\"subscribe\":{\"channel\":\"c\",\"x\":[],\"token\":null}}");
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
        &encode_push(Format::Json, Address::Name("a\"b"), &Push::Unsubscribe(&Unsubscribe::INSUFFICIENT_STATE))[..],
        b"{\"push\":{\"channel\":\"a\\\"b\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}}"
    );
    assert_eq!(
        &encode_push(
            Format::Json,
            Address::Name("c"),
            &Push::Publication(&Publication::new("{}").at(42))
        )[..],
        b"{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{},\"offset\":42}}}"
    );
}
