//! The two messages that only the fallbacks have: the request that carries a client's frame, and the push that says why
//! a stream ends. Only shapes.

use bytes::Bytes;
use prost::Message;
use serde::Deserialize;

use crate::error::Disconnect;
use crate::protocol::Format;

/// A client's frame and which stream it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) session: String,
    pub(super) node: String,
    pub(super) data: Bytes,
}

#[derive(Deserialize)]
struct JsonRequest {
    session: String,
    node: String,
    data: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtobufRequest {
    #[prost(string, tag = "1")]
    node: String,
    #[prost(string, tag = "2")]
    session: String,
    #[prost(bytes = "bytes", tag = "3")]
    data: Bytes,
}

impl Request {
    /// `None` = malformed.
    pub(super) fn decode(format: Format, body: Bytes) -> Option<Self> {
        match format {
            Format::Json => {
                let request: JsonRequest = serde_json::from_slice(&body).ok()?;
                Some(Self {
                    session: request.session,
                    node: request.node,
                    data: request.data.into(),
                })
            }
            Format::Protobuf => {
                let request = ProtobufRequest::decode(body).ok()?;
                Some(Self {
                    session: request.session,
                    node: request.node,
                    data: request.data,
                })
            }
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtobufReply {
    #[prost(message, optional, tag = "4")]
    push: Option<ProtobufPush>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtobufPush {
    #[prost(message, optional, tag = "11")]
    disconnect: Option<ProtobufDisconnect>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtobufDisconnect {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    reason: String,
}

/// Why the stream ends, as its last frame.
pub(super) fn disconnect(format: Format, why: &Disconnect) -> Bytes {
    match format {
        Format::Json => {
            let disconnect = serde_json::json!({"code": why.code, "reason": why.reason});
            let push = serde_json::json!({"push": {"disconnect": disconnect}});
            push.to_string().into()
        }
        Format::Protobuf => {
            let disconnect = ProtobufDisconnect {
                code: why.code.into(),
                reason: why.reason.to_string(),
            };
            let push = ProtobufPush {
                disconnect: Some(disconnect),
            };
            ProtobufReply { push: Some(push) }
                .encode_length_delimited_to_vec()
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_sdks_write_them() {
        let expected = Request {
            session: "s".into(),
            node: "n".into(),
            data: Bytes::from_static(b"{\"id\":2}"),
        };
        let json = Bytes::from_static(br#"{"session":"s","node":"n","data":"{\"id\":2}"}"#);
        assert_eq!(Request::decode(Format::Json, json), Some(expected));
        let protobuf = Bytes::from_static(b"\x0a\x01n\x12\x01s\x1a\x03\x02\x08\x02");
        let expected = Request {
            session: "s".into(),
            node: "n".into(),
            data: Bytes::from_static(b"\x02\x08\x02"),
        };
        assert_eq!(Request::decode(Format::Protobuf, protobuf), Some(expected));
        for bad in [&b""[..], b"{}", b"[]", b"{\"session\":1}"] {
            assert_eq!(
                Request::decode(Format::Json, Bytes::from_static(bad)),
                None,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_end_of_a_stream_has_its_code() {
        assert_eq!(
            disconnect(Format::Json, &Disconnect::SHUTDOWN),
            "{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}"
        );
        assert_eq!(
            disconnect(Format::Protobuf, &Disconnect::SHUTDOWN),
            &b"\x11\x22\x0f\x5a\x0d\x08\xb9\x17\x12\x08shutdown"[..]
        );
    }
}
