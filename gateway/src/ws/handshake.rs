//! The answer to a request that wants to be a WebSocket: refused with a reason, or taken off the HTTP server and given
//! to a task of its own. Never reads a message.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::header::{self, HeaderName, HeaderValue};
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
use crate::door::Knock;
use crate::gateway::{Gateway, Pass};
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
    let (pass, client) = match admit(&gateway, head) {
        Ok(admitted) => admitted,
        Err((response, body)) => {
            respond(&mut wire, &mut codec, response, Some(body)).await?;
            return wire.shutdown().await;
        }
    };
    let (format, protocol) = negotiate(head);
    let mut response = handshake_response(head);
    if let Some(protocol) = protocol {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    respond(&mut wire, &mut codec, response.finish().drop_body(), None).await?;
    let reader = Reader::new(&parts.read_buf, gateway.config().message_bytes_max);
    let connection = Connection::new(gateway, format, client);
    actix_web::rt::spawn(Socket::new(connection, wire, reader, pass));
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

/// What one who gets no socket is answered: the head and the body.
type Refusal = (Response<()>, String);

/// A place for a socket and who is at its other end.
fn admit<B: Backend>(
    gateway: &Gateway<B>,
    head: &RequestHead,
) -> Result<(Pass<B>, Option<SocketAddr>), Refusal> {
    let refuse = |status, header: Option<(HeaderName, HeaderValue)>, body: &str| {
        let mut response = Response::new(status).drop_body();
        response
            .head_mut()
            .set_connection_type(actix_http::ConnectionType::Close);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        Err((response, body.to_owned()))
    };
    if head.uri.path() != PATH {
        return refuse(StatusCode::NOT_FOUND, None, "no socket lives at this address\n");
    }
    if let Err(error) = verify_handshake(head) {
        let upgrade = (header::UPGRADE, HeaderValue::from_static("websocket"));
        let body = format!("{error}\n{EXPLANATION}");
        return refuse(StatusCode::BAD_REQUEST, Some(upgrade), &body);
    }
    let knock = Knock::of(head, gateway.door());
    match gateway.admit(&knock) {
        Ok(pass) => Ok((pass, knock.client)),
        Err(refused) => {
            let later = refused.retry_after_s.map(HeaderValue::from);
            let later = later.map(|seconds| (header::RETRY_AFTER, seconds));
            refuse(refused.status, later, refused.body)
        }
    }
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
