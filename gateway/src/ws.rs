//! The WebSocket transport, on actix-web: the only file that knows it. The response body of the upgraded request *is*
//! the connection: actix polls it when the socket can take more, so output is pulled, never piled up, and one task
//! serves one socket. Never lets a message grow beyond its limit before refusing it.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::body::{BodySize, MessageBody};
use actix_http::ws::{self, Codec, Frame, Item, ProtocolError};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::codec::Decoder;

use crate::backend::Backend;
use crate::connection::{Connection, Inbound, Outbound};
use crate::error::Disconnect;
use crate::gateway::Gateway;
use crate::limits::CLOSE_REASON_BYTES_MAX;
use crate::protocol::Format;

/// Where SDKs look for it by default.
pub const PATH: &str = "/connection/websocket";

const PROTOCOL_PROTOBUF: &str = "centrifuge-protobuf";
const PROTOCOL_JSON: &str = "centrifuge-json";

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PONG: u8 = 0xA;

/// Mounts a gateway at [`PATH`].
pub fn configure<B: Backend>(config: &mut web::ServiceConfig, gateway: &Gateway<B>) {
    let gateway = gateway.clone();
    config.route(
        PATH,
        web::get().to(move |request: HttpRequest, payload: web::Payload| {
            let response = accept(&gateway, &request, payload);
            async move { response }
        }),
    );
}

/// For `HttpServer::on_connect`: lets the kernel drop a connection whose peer takes nothing for so long. A body is
/// polled only while the socket takes output, so this is what ends a client that stops reading for good; its Drop then
/// leaves every channel. Sends small frames at once, too.
pub fn limit_unread(connection: &dyn Any, patience: Duration) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else {
        return;
    };
    let socket = socket2::SockRef::from(stream);
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_user_timeout(Some(patience)) {
        tracing::warn!(%error, "the patience with readers could not be set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    if let Err(error) = socket.set_tcp_nodelay(true) {
        tracing::warn!(%error, "small frames may be delayed");
    }
}

/// Upgrades one request, or says why not.
pub fn accept<B: Backend>(
    gateway: &Gateway<B>,
    request: &HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    if gateway.hub().is_draining() {
        return HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "2"))
            .body("the server is going down; try again in a moment\n");
    }
    if gateway.hub().connections() >= gateway.config().connections_max {
        return HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "5"))
            .body("the server holds as many connections as it may; try again in a moment\n");
    }
    if !origin_allowed(gateway.config().allowed_origins.as_deref(), request) {
        return HttpResponse::Forbidden().body("this origin may not connect\n");
    }
    if let Err(error) = ws::verify_handshake(request.head()) {
        return HttpResponse::BadRequest().insert_header((header::UPGRADE, "websocket")).body(format!(
            "{error}\nThis address speaks the Centrifuge client protocol over WebSocket; connect with a Centrifuge SDK.\n"
        ));
    }
    let (format, echo) = negotiate(request);
    let mut response = ws::handshake_response(request.head());
    if let Some(protocol) = echo {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    let socket = Socket {
        connection: Connection::new(gateway.clone(), format, request.peer_addr()),
        reader: Reader::new(payload.into_inner(), gateway.config().message_bytes_max),
        close_wait: gateway.config().close_wait,
        state: State::Open,
    };
    match response.message_body(socket) {
        Ok(response) => HttpResponse::from(response.map_into_boxed_body()),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// Who sends no `Origin` is no browser; a page may always connect to the host that it came from.
fn origin_allowed(allowed: Option<&[String]>, request: &HttpRequest) -> bool {
    let headers = request.headers();
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
fn negotiate(request: &HttpRequest) -> (Format, Option<&'static str>) {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
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
    if request.query_string().split('&').any(asked) {
        return (Format::Protobuf, None);
    }
    (Format::Json, None)
}

/// One socket as a response body.
struct Socket<B: Backend> {
    connection: Connection<B>,
    reader: Reader,
    close_wait: Duration,
    state: State,
}

enum State {
    Open,
    /// Our close frame is out; waiting for the peer's, or for the time to be up.
    Closing(Pin<Box<Sleep>>),
    Done,
}

impl<B: Backend> MessageBody for Socket<B> {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let State::Open = this.state {
            let reader = &mut this.reader;
            let outbound = this.connection.poll(cx, |cx| reader.poll_message(cx));
            if let Some(pong) = this.reader.pong.take() {
                // Answered beside whatever else there is; the connection is asked again right away.
                let mut out = frame(OPCODE_PONG, &pong);
                if let Poll::Ready(outbound) = outbound {
                    this.write(outbound, &mut out);
                }
                cx.waker().wake_by_ref();
                return Poll::Ready(Some(Ok(out.freeze())));
            }
            let Poll::Ready(outbound) = outbound else {
                return Poll::Pending;
            };
            let mut out = BytesMut::new();
            this.write(outbound, &mut out);
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(out.freeze())));
            }
        }
        if let State::Closing(deadline) = &mut this.state {
            let up = deadline.as_mut().poll(cx).is_ready();
            if !up && !this.reader.poll_peer_closed(cx) {
                return Poll::Pending;
            }
            this.state = State::Done;
        }
        Poll::Ready(None)
    }
}

impl<B: Backend> Socket<B> {
    /// Appends what the connection wants written.
    fn write(&mut self, outbound: Outbound, out: &mut BytesMut) {
        match outbound {
            Outbound::Frame(payload) => {
                let opcode = match self.connection.format() {
                    Format::Json => OPCODE_TEXT,
                    Format::Protobuf => OPCODE_BINARY,
                };
                out.unsplit(frame(opcode, &payload));
            }
            Outbound::Close(why) => {
                out.unsplit(close_frame(&why));
                let at = Instant::now() + self.close_wait;
                self.state = State::Closing(Box::pin(sleep_until(at)));
            }
            Outbound::Gone => {
                if let Some(echo) = self.reader.peer_close.take() {
                    out.unsplit(frame(OPCODE_CLOSE, &echo));
                }
                self.state = State::Done;
            }
        }
    }
}

/// A server's frame: final, unmasked.
fn frame(opcode: u8, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(0x80 | opcode);
    match payload.len() {
        length @ ..126 => out.put_u8(length as u8),
        length @ 126..=0xffff => {
            out.put_u8(126);
            out.put_u16(length as u16);
        }
        length => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
    out.put_slice(payload);
    out
}

fn close_frame(why: &Disconnect) -> BytesMut {
    let reason = &why.reason[..why.reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.put_u16(why.code);
    payload.put_slice(reason.as_bytes());
    frame(OPCODE_CLOSE, &payload)
}

/// Bytes of the socket made into messages.
struct Reader {
    payload: Payload,
    codec: Codec,
    buffer: BytesMut,
    /// Pieces of a fragmented message.
    partial: BytesMut,
    bytes_max: usize,
    /// The newest ping to answer: a flood of them gets one pong.
    pong: Option<Bytes>,
    /// What to echo of the peer's close frame.
    peer_close: Option<Bytes>,
}

impl Reader {
    fn new(payload: Payload, bytes_max: usize) -> Self {
        Self {
            payload,
            codec: Codec::new().max_size(bytes_max),
            buffer: BytesMut::new(),
            partial: BytesMut::new(),
            bytes_max,
            pong: None,
            peer_close: None,
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Inbound> {
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(frame)) => {
                    if let Some(inbound) = self.take(frame) {
                        return Poll::Ready(inbound);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(ProtocolError::Overflow) => return failed(Disconnect::MESSAGE_TOO_BIG),
                Err(_) => return failed(Disconnect::WEBSOCKET_PROTOCOL),
            }
            if self.buffer.is_empty() {
                // Messages keep slices of the old allocation; an idle socket keeps none.
                self.buffer = BytesMut::new();
            }
            match Pin::new(&mut self.payload).poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.buffer.extend_from_slice(&chunk),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Inbound::Gone),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Makes a message of a frame. `None` = not yet, or a control frame.
    fn take(&mut self, frame: Frame) -> Option<Inbound> {
        match frame {
            Frame::Text(message) | Frame::Binary(message) => Some(Inbound::Message(message)),
            Frame::Continuation(item) => {
                let (piece, last) = match item {
                    Item::FirstText(piece) | Item::FirstBinary(piece) | Item::Continue(piece) => {
                        (piece, false)
                    }
                    Item::Last(piece) => (piece, true),
                };
                if self.partial.len() + piece.len() > self.bytes_max {
                    return Some(Inbound::Failed(Disconnect::MESSAGE_TOO_BIG));
                }
                self.partial.extend_from_slice(&piece);
                last.then(|| Inbound::Message(self.partial.split().freeze()))
            }
            Frame::Ping(payload) => {
                self.pong = Some(payload);
                None
            }
            Frame::Pong(_) => None,
            Frame::Close(reason) => {
                let code = reason.map(|reason| u16::from(reason.code).to_be_bytes());
                self.peer_close = Some(code.map_or_else(Bytes::new, |code| Bytes::copy_from_slice(&code)));
                Some(Inbound::Gone)
            }
        }
    }

    /// Reads on only to see the peer go; what it says otherwise is thrown away.
    fn poll_peer_closed(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(Frame::Close(_))) => return true,
                Ok(Some(_)) => continue,
                Ok(None) => {}
                // Already broken: only the end of the stream counts.
                Err(_) => self.buffer.clear(),
            }
            match Pin::new(&mut self.payload).poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.buffer.extend_from_slice(&chunk),
                Poll::Ready(Some(Err(_)) | None) => return true,
                Poll::Pending => return false,
            }
        }
    }
}

fn failed(why: Disconnect) -> Poll<Inbound> {
    Poll::Ready(Inbound::Failed(why))
}
