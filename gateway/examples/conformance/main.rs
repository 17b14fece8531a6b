//! An in-memory backend for the test-suites of the official SDKs, which were written for the reference server with its
//! docker-compose settings. Everything a gateway embedder has to write, in its smallest form. Never for production:
//! the secret is `secret`.
//!
//! `conformance --profile js|py [--port 8000] [--sparse]`; port 0 picks one. Prints the address it listens on.

use std::io::Write;

use actix_web::{App, HttpRequest, HttpResponse, web};
use gateway::{Config, Error, Gateway, HistoryQuery, Hub, Publication, StreamPosition, emulation, ws};
use serde::Deserialize;

use memory::{HISTORY_PUBLICATIONS_MAX, Memory, Profile};

mod memory;

const API_KEY: &str = "test-api-key";

struct Options {
    profile: Profile,
    port: u16,
    sparse: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        profile: Profile::Js,
        port: 8000,
        sparse: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--sparse" => options.sparse = true,
            "--profile" => {
                options.profile = match arguments.next().as_deref() {
                    Some("js") => Profile::Js,
                    Some("py") => Profile::Py,
                    other => return Err(format!("--profile takes js or py, not {other:?}")),
                }
            }
            "--port" => {
                let port = arguments.next().unwrap_or_default();
                options.port = port
                    .parse()
                    .map_err(|_| format!("--port takes a number, not {port:?}"))?;
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(options)
}

#[derive(Deserialize)]
struct ApiPublish {
    channel: String,
    data: Box<serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct ApiHistory {
    channel: String,
    #[serde(default)]
    limit: i64,
    since: Option<ApiSince>,
    #[serde(default)]
    reverse: bool,
}

#[derive(Deserialize)]
struct ApiSince {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    epoch: String,
}

fn authorised(request: &HttpRequest) -> bool {
    request
        .headers()
        .get("x-api-key")
        .is_some_and(|key| key.as_bytes() == API_KEY.as_bytes())
}

fn api_error(error: &Error) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"error": {"code": error.code, "message": error.message}}))
}

async fn api_publish(request: HttpRequest, memory: web::Data<Memory>, body: web::Bytes) -> HttpResponse {
    if !authorised(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(body) = serde_json::from_slice::<ApiPublish>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    match memory.append(&body.channel, Publication::new(body.data.get().to_owned())) {
        Ok(offset) => {
            HttpResponse::Ok().json(serde_json::json!({"result": {"offset": offset, "epoch": memory.epoch}}))
        }
        Err(error) => api_error(&error),
    }
}

async fn api_history(request: HttpRequest, memory: web::Data<Memory>, body: web::Bytes) -> HttpResponse {
    if !authorised(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(body) = serde_json::from_slice::<ApiHistory>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let query = HistoryQuery {
        limit: usize::try_from(body.limit).unwrap_or(HISTORY_PUBLICATIONS_MAX),
        since: body.since.map(|since| StreamPosition {
            offset: since.offset,
            epoch: since.epoch,
        }),
        reverse: body.reverse,
    };
    match memory.query(&body.channel, &query) {
        Ok(history) => {
            let publications: Vec<_> = history.publications.iter().map(publication_json).collect();
            HttpResponse::Ok().json(serde_json::json!({"result": {
                "publications": publications, "epoch": memory.epoch, "offset": history.top.offset}}))
        }
        Err(error) => api_error(&error),
    }
}

fn publication_json(publication: &Publication) -> serde_json::Value {
    let data = serde_json::from_slice::<serde_json::Value>(&publication.data);
    serde_json::json!({"offset": publication.offset, "data": data.unwrap_or_default()})
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let options = options().map_err(std::io::Error::other)?;
    let hub = Hub::new();
    let memory = Memory::new(hub.clone(), options.profile, options.sparse);
    let gateway = Gateway::new(Config::default(), hub.clone(), memory.clone());
    let memory = web::Data::from(memory);
    let fallbacks = gateway.clone();
    let app = move || {
        App::new()
            .app_data(memory.clone())
            .configure(ws::configure)
            .configure(|config| emulation::configure(config, &fallbacks))
            .route("/api/publish", web::post().to(api_publish))
            .route("/api/history", web::post().to(api_history))
    };
    let listener = ws::bind(([127, 0, 0, 1], options.port).into())?;
    let address = listener.local_addr()?;
    let server = ws::Front::new(gateway).workers(2).listen(listener, app)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {address}")?;
    stdout.flush()?;
    // The signals are ours: the suites end us with one.
    tokio::select! {
        served = server => served,
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}
