//! The answer to a request that wants to be a WebSocket: refused with a reason, or taken off the HTTP server and given
//! to a task of its own. Never reads a message.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::header::{self, HeaderValue};
use actix_http::ws::{handshake_response, verify_handshake};
use actix_http::{Request, RequestHead, Response, StatusCode, h1};
use actix_service::{ServiceFactory, fn_service};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::codec::Encoder;

use super::PATH;
use super::frame::Reader;
use super::socket::Socket;
use super::wire::Accepted;
use crate::backend::Backend;
use crate::connection::Connection;
use crate::gateway::Gateway;
use crate::protocol::Format;

const PROTOCOL_PROTOBUF: &str = "centrifuge-protobuf";
const PROTOCOL_JSON: &str = "centrifuge-json";

/// How long a peer may take to take in the answer to its handshake; then it is dropped.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What lives at [`PATH`], for those who come without an upgrade.
pub(super) const EXPLANATION: &str =
    "This address speaks the Centrifuge client protocol over WebSocket; connect with a Centrifuge SDK.\n";

/// The service that takes upgraded connections off an HTTP server: for `HttpService::build().upgrade(..)`.
pub fn upgrades<B: Backend, T: Accepted>(
    gateway: &Gateway<B>,
) -> impl ServiceFactory<
    (Request, Framed<T, h1::Codec>),
    Config = (),
    Response = (),
    Error = Infallible,
    InitError = (),
> + use<B, T> {
    let gateway = gateway.clone();
    fn_service(move |(request, framed): (Request, Framed<T, h1::Codec>)| {
        let gateway = gateway.clone();
        async move {
            let answered = answer(gateway, &request, framed);
            if let Ok(Err(error)) = tokio::time::timeout(ANSWER_WAIT, answered).await {
                tracing::trace!(%error, "a handshake broke");
            }
            Ok(())
        }
    })
}

async fn answer<B: Backend, T: Accepted>(
    gateway: Gateway<B>,
    request: &Request,
    framed: Framed<T, h1::Codec>,
) -> io::Result<()> {
    let parts = framed.into_parts();
    let (io, mut codec) = (parts.io, parts.codec);
    let mut wire = io.into_wire();
    let head = request.head();
    if let Some((response, body)) = refusal(&gateway, head) {
        respond(&mut wire, &mut codec, response, Some(body)).await?;
        return wire.shutdown().await;
    }
    // Counted from here on, so that a storm cannot slip in while the answers are written.
    let counted = gateway.count_socket();
    let (format, protocol) = negotiate(head);
    let mut response = handshake_response(head);
    if let Some(protocol) = protocol {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    respond(&mut wire, &mut codec, response.finish().drop_body(), None).await?;
    let reader = Reader::new(&parts.read_buf, gateway.config().message_bytes_max);
    let connection = Connection::new(gateway, format, head.peer_addr);
    actix_web::rt::spawn(Socket::new(connection, wire, reader, counted));
    Ok(())
}

/// Writes an answer. Without a body it is the one to an upgrade.
async fn respond(
    wire: &mut (impl AsyncWrite + Unpin),
    codec: &mut h1::Codec,
    response: Response<()>,
    body: Option<String>,
) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    let size = body
        .as_ref()
        .map_or(BodySize::None, |body| BodySize::Sized(body.len() as u64));
    codec.encode(h1::Message::Item((response, size)), &mut bytes)?;
    if let Some(body) = body {
        codec.encode(h1::Message::Chunk(Some(Bytes::from(body))), &mut bytes)?;
    }
    wire.write_all(&bytes).await?;
    wire.flush().await
}

/// Why a request may not become a socket; `None` = it may.
fn refusal<B: Backend>(gateway: &Gateway<B>, head: &RequestHead) -> Option<(Response<()>, String)> {
    let refuse = |status, header: Option<(header::HeaderName, &'static str)>, body: &str| {
        let mut response = Response::new(status).drop_body();
        response
            .head_mut()
            .set_connection_type(actix_http::ConnectionType::Close);
        if let Some((name, value)) = header {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        Some((response, body.to_owned()))
    };
    if head.uri.path() != PATH {
        return refuse(StatusCode::NOT_FOUND, None, "no socket lives at this address\n");
    }
    let later = |seconds| Some((header::RETRY_AFTER, seconds));
    if gateway.hub().is_draining() {
        let body = "the server is going down; try again in a moment\n";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, later("2"), body);
    }
    if gateway.sockets() >= gateway.config().connections_max {
        let body = "the server holds as many connections as it may; try again in a moment\n";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, later("5"), body);
    }
    if !origin_allowed(gateway.config().allowed_origins.as_deref(), head) {
        return refuse(StatusCode::FORBIDDEN, None, "this origin may not connect\n");
    }
    if let Err(error) = verify_handshake(head) {
        let upgrade = Some((header::UPGRADE, "websocket"));
        return refuse(
            StatusCode::BAD_REQUEST,
            upgrade,
            &format!("{error}\n{EXPLANATION}"),
        );
    }
    None
}

/// Who sends no `Origin` is no browser; a page may always connect to the host that it came from.
fn origin_allowed(allowed: Option<&[String]>, head: &RequestHead) -> bool {
    let headers = head.headers();
    let (Some(allowed), Some(origin)) = (allowed, headers.get(header::ORIGIN)) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else { return false };
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let from = origin.split_once("://").map(|(_, host)| host);
    let same_host = from
        .zip(own)
        .is_some_and(|(from, own)| from.eq_ignore_ascii_case(own));
    same_host || allowed.iter().any(|known| known.eq_ignore_ascii_case(origin))
}

/// The format, and the sub-protocol to echo. An empty header (an old Python SDK sends it) counts as none.
fn negotiate(head: &RequestHead) -> (Format, Option<&'static str>) {
    let offered = head.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for protocol in offered.map(str::trim) {
        match protocol {
            PROTOCOL_PROTOBUF => return (Format::Protobuf, Some(PROTOCOL_PROTOBUF)),
            PROTOCOL_JSON => return (Format::Json, Some(PROTOCOL_JSON)),
            _ => {}
        }
    }
    let asked = |pair: &str| pair == "cf_protocol=protobuf" || pair == "format=protobuf";
    if head.uri.query().unwrap_or_default().split('&').any(asked) {
        return (Format::Protobuf, None);
    }
    (Format::Json, None)
}
