//! The way in where WebSocket is blocked: an HTTP response that never ends carries what the server says (a stream of
//! frames, or server-sent events), and each frame of the client is a request of its own to `/emulation`. The connection
//! behind is the same as behind a WebSocket, with the same limits. It never holds more of a client than its inbox may.

mod inbox;
mod stream;
mod wire;

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;

use crate::backend::Backend;
use crate::connection::Connection;
use crate::door::{Knock, Refused};
use crate::gateway::{Gateway, Pass};
use crate::limits::EMULATION_ENVELOPE_BYTES_MAX;
use crate::protocol::Format;

pub(crate) use inbox::Sessions;
use stream::{Framing, Stream};

/// Where SDKs open a stream of frames: `POST`, the connect command as the body.
pub const HTTP_STREAM_PATH: &str = "/connection/http_stream";
/// Where SDKs open a stream of server-sent events: `GET`, the connect command as the parameter `cf_connect`. JSON only.
pub const SSE_PATH: &str = "/connection/sse";
/// Where SDKs send the frames of both: `POST`.
pub const EMULATION_PATH: &str = "/emulation";

const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// How long a page may remember that its origin is welcome.
const PREFLIGHT_SECONDS: &str = "600";

/// Mounts a gateway's fallbacks at their addresses.
pub fn configure<B: Backend>(config: &mut web::ServiceConfig, gateway: &Gateway<B>) {
    let on = |path: &str| web::resource(path).app_data(web::Data::new(gateway.clone()));
    let preflight = || web::method(actix_web::http::Method::OPTIONS).to(preflight::<B>);
    config
        .service(
            on(HTTP_STREAM_PATH)
                .route(web::post().to(http_stream::<B>))
                .route(preflight()),
        )
        .service(on(SSE_PATH).route(web::get().to(sse::<B>)).route(preflight()))
        .service(
            on(EMULATION_PATH)
                .route(web::post().to(emulation::<B>))
                .route(preflight()),
        );
}

type At<B> = web::Data<Gateway<B>>;

#[derive(Deserialize)]
struct SseQuery {
    #[serde(default)]
    cf_connect: String,
}

async fn http_stream<B: Backend>(
    gateway: At<B>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let format = format_of(&request);
    // The place is taken before the body is read: who dribbles it holds a place, until the time for it is up.
    open(&gateway, &request, async |gateway, pass| {
        let connect = body(payload, gateway, gateway.config().message_bytes_max).await?;
        let (framing, content) = match format {
            Format::Json => (Framing::Lines, JSON),
            Format::Protobuf => (Framing::AsIs, OCTETS),
        };
        Ok((format, framing, content, connect, pass))
    })
    .await
}

async fn sse<B: Backend>(gateway: At<B>, request: HttpRequest, query: web::Query<SseQuery>) -> HttpResponse {
    let connect = Bytes::from(query.into_inner().cf_connect);
    open(&gateway, &request, async |gateway, pass| {
        if connect.len() > gateway.config().message_bytes_max {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Ok((Format::Json, Framing::Events, EVENTS, connect, pass))
    })
    .await
}

/// Opens a stream for who is let in and says how.
async fn open<B: Backend>(
    gateway: &Gateway<B>,
    request: &HttpRequest,
    how: impl AsyncFnOnce(
        &Gateway<B>,
        Pass<B>,
    ) -> Result<(Format, Framing, &'static str, Bytes, Pass<B>), StatusCode>,
) -> HttpResponse {
    let knock = Knock::of(request.head(), gateway.door());
    let pass = match gateway.admit(&knock) {
        Ok(pass) => pass,
        Err(refused) => return turn_away(gateway, &knock, refused),
    };
    let (format, framing, content, connect, pass) = match how(gateway, pass).await {
        Ok(how) => how,
        Err(status) => return answer(gateway, &knock, status).finish(),
    };
    let (id, inbox) = gateway.emulated().open();
    // An empty inbox takes any message.
    let taken = inbox.push(connect);
    debug_assert!(taken.is_ok());
    let mut connection = Connection::new(gateway.clone(), format, knock.client);
    connection.emulate(id.to_string(), gateway.node());
    let stream = Stream::new(connection, gateway.clone(), id, inbox, framing, pass);
    answer(gateway, &knock, StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, content))
        .insert_header((header::CACHE_CONTROL, "private, no-cache, no-store, no-transform"))
        // nginx would otherwise collect the stream before it passes it on.
        .insert_header(("x-accel-buffering", "no"))
        .message_body(stream)
        .map_or_else(
            |_| HttpResponse::InternalServerError().finish(),
            |response| response.map_into_boxed_body(),
        )
}

async fn emulation<B: Backend>(gateway: At<B>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let knock = Knock::of(request.head(), gateway.door());
    if !gateway.door().welcomes(&knock) {
        let refused = gateway.turn_page_away();
        return turn_away(&gateway, &knock, refused);
    }
    let message_bytes_max = gateway.config().message_bytes_max;
    // A frame within a JSON string: every byte of it may be escaped.
    let bytes_max = 2 * message_bytes_max + EMULATION_ENVELOPE_BYTES_MAX;
    let status = match body(payload, &gateway, bytes_max).await {
        Ok(body) => match wire::Request::decode(format_of(&request), body) {
            Some(request) if request.data.len() > message_bytes_max => StatusCode::PAYLOAD_TOO_LARGE,
            Some(request) => deliver(&gateway, request),
            None => StatusCode::BAD_REQUEST,
        },
        Err(status) => status,
    };
    answer(&gateway, &knock, status).finish()
}

/// Hands a frame to its stream. SDKs begin anew on 404 (another server, or another run of this one) and on 503; a stream
/// that is gone ends by itself, so that nothing need be said.
fn deliver<B: Backend>(gateway: &Gateway<B>, request: wire::Request) -> StatusCode {
    if request.node != gateway.node() {
        return StatusCode::NOT_FOUND;
    }
    match gateway.emulated().find(&request.session) {
        Some(inbox) if inbox.push(request.data).is_err() => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) | None => StatusCode::NO_CONTENT,
    }
}

async fn preflight<B: Backend>(gateway: At<B>, request: HttpRequest) -> HttpResponse {
    let knock = Knock::of(request.head(), gateway.door());
    if !gateway.door().welcomes(&knock) {
        let refused = gateway.turn_page_away();
        return turn_away(&gateway, &knock, refused);
    }
    answer(&gateway, &knock, StatusCode::NO_CONTENT)
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS))
        .finish()
}

/// Reads a body, as far as it may go, in the time there is for it.
async fn body<B: Backend>(
    mut payload: web::Payload,
    gateway: &Gateway<B>,
    bytes_max: usize,
) -> Result<Bytes, StatusCode> {
    let within: Duration = gateway.config().handshake_within;
    let all = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
            if body.len() + chunk.len() > bytes_max {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(within, all)
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

fn format_of(request: &HttpRequest) -> Format {
    match request.headers().get(header::CONTENT_TYPE) {
        Some(kind) if kind.as_bytes().starts_with(OCTETS.as_bytes()) => Format::Protobuf,
        Some(_) | None => Format::Json,
    }
}

fn turn_away<B: Backend>(gateway: &Gateway<B>, knock: &Knock<'_>, refused: Refused) -> HttpResponse {
    let mut response = answer(gateway, knock, refused.status);
    if let Some(seconds) = refused.retry_after_s {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    response.body(refused.body)
}

/// An answer that a page may read, if its origin is welcome.
fn answer<B: Backend>(gateway: &Gateway<B>, knock: &Knock<'_>, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::VARY, "Origin"));
    if let Some(origin) = knock.origin
        && gateway.door().welcomes(knock)
    {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
    }
    response
}
