//! The one listener: ordinary HTTP goes to an actix-web application, upgrades become sockets. It decides nothing about
//! a socket and nothing about a page.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{HttpService, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::header;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpResponse, web};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::PATH;
use super::handshake::{EXPLANATION, upgrades};
use crate::backend::Backend;
use crate::gateway::Gateway;
use crate::limits::CONNECTIONS_WAITING_MAX;

/// Serves a gateway's sockets and an application on one address.
pub struct Front<B: Backend> {
    gateway: Gateway<B>,
    reader_patience: Duration,
    builder: ServerBuilder,
}

impl<B: Backend> Front<B> {
    /// With as many workers as the machine has cores; signals are left to the embedder.
    pub fn new(gateway: Gateway<B>) -> Self {
        Self {
            gateway,
            reader_patience: Duration::from_secs(30),
            builder: Server::build().disable_signals(),
        }
    }

    /// Worker threads.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.builder = self.builder.workers(workers);
        self
    }

    /// After this time the kernel drops a connection whose peer takes nothing at all.
    #[must_use]
    pub fn reader_patience(mut self, patience: Duration) -> Self {
        self.reader_patience = patience;
        self
    }

    /// How long a graceful stop waits for requests under way.
    #[must_use]
    pub fn shutdown_timeout_seconds(mut self, seconds: u64) -> Self {
        self.builder = self.builder.shutdown_timeout(seconds);
        self
    }

    /// Accepts on `listener` (see [`bind`]). `app` makes one application per worker, an `actix_web::App` that is given
    /// [`configure`] besides what it is for.
    pub fn listen<F, I, S, Body>(self, listener: TcpListener, app: F) -> io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: Debug,
        S::Response: Into<Response<Body>> + 'static,
        <S::Service as actix_service::Service<Request>>::Future: 'static,
        Body: MessageBody + 'static,
    {
        let Self {
            gateway,
            reader_patience,
            builder,
        } = self;
        let address = listener.local_addr()?;
        let handshake_within = gateway.config().handshake_within;
        let server = builder.listen("front", listener, move || {
            let app = app()
                .into_factory()
                .map_err(|error| error.into().error_response());
            HttpService::build()
                .local_addr(address)
                .client_request_timeout(handshake_within)
                // Who hangs up is gone, also in the middle of a stream.
                .h1_allow_half_closed(false)
                .on_connect_ext(move |stream: &TcpStream, _| prepare(stream, reader_patience))
                .upgrade(upgrades(&gateway))
                .finish(map_config(app, |()| AppConfig::default()))
                .tcp()
        })?;
        Ok(server.run())
    }
}

/// Mounts what is said at [`PATH`] to requests that are no upgrade.
pub fn configure(config: &mut web::ServiceConfig) {
    let explain = async || {
        HttpResponse::BadRequest()
            .insert_header((header::UPGRADE, "websocket"))
            .body(EXPLANATION)
    };
    config.route(PATH, web::route().to(explain));
}

/// A listener that bears a storm of connections.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(CONNECTIONS_WAITING_MAX)?;
    Ok(socket.into())
}

/// Lets the kernel drop a peer that takes nothing for so long, and sends small frames at once.
fn prepare(stream: &TcpStream, reader_patience: Duration) {
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_user_timeout(Some(reader_patience)) {
        tracing::warn!(%error, "the patience with readers could not be set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = reader_patience;
    if let Err(error) = socket.set_tcp_nodelay(true) {
        tracing::warn!(%error, "small frames may be delayed");
    }
}
