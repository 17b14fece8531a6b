//! The one listener: ordinary HTTP goes to an actix-web application, upgrades become sockets, in plain or within TLS. It
//! decides nothing about a socket and nothing about a page.

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::http::header;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpResponse, web};
use futures_util::future::Either;
use socket2::{Domain, SockRef, Socket, Type};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::handshake::{EXPLANATION, upgrades};
use super::{Accepted, PATH};
use crate::backend::Backend;
use crate::gateway::Gateway;
use crate::limits::CONNECTIONS_WAITING_MAX;

/// Serves a gateway's sockets and an application on one address.
pub struct Front<B: Backend> {
    gateway: Gateway<B>,
    reader_patience: Duration,
    tls: Option<Arc<ServerConfig>>,
    builder: ServerBuilder,
}

impl<B: Backend> Front<B> {
    /// With as many workers as the machine has cores; signals are left to the embedder.
    pub fn new(gateway: Gateway<B>) -> Self {
        Self {
            gateway,
            reader_patience: Duration::from_secs(30),
            tls: None,
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

    /// Speaks nothing but TLS. Who does not finish its handshake in [`crate::Config::handshake_within`] is dropped.
    #[must_use]
    pub fn tls(mut self, config: Option<Arc<ServerConfig>>) -> Self {
        self.tls = config;
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
        <S::Service as Service<Request>>::Future: 'static,
        Body: MessageBody + 'static,
    {
        let Self {
            gateway,
            reader_patience,
            tls,
            builder,
        } = self;
        let address = listener.local_addr()?;
        let server = match tls.map(TlsAcceptor::from) {
            None => builder.listen("front", listener, move || {
                let opened = fn_service(move |io: TcpStream| {
                    prepare(&io, reader_patience);
                    let peer = io.peer_addr().ok();
                    ready(Ok((io, Protocol::Http1, peer)))
                });
                limited(&gateway, opened.and_then(http(&gateway, address, app())))
            })?,
            Some(tls) => builder.listen("front", listener, move || {
                let (tls, within) = (tls.clone(), gateway.config().handshake_within);
                let opened = fn_service(move |io: TcpStream| {
                    prepare(&io, reader_patience);
                    let peer = io.peer_addr().ok();
                    let handshake = tokio::time::timeout(within, tls.accept(io));
                    async move {
                        match handshake.await {
                            Ok(Ok(io)) => Ok((io, Protocol::Http1, peer)),
                            Ok(Err(error)) => Err(DispatchError::Io(error)),
                            Err(_) => Err(DispatchError::SlowRequestTimeout),
                        }
                    }
                });
                limited(&gateway, opened.and_then(http(&gateway, address, app())))
            })?,
        };
        Ok(server.run())
    }
}

/// HTTP/1.1 with upgrades, over connections that are open.
fn http<B, T, I, S, Body>(
    gateway: &Gateway<B>,
    address: SocketAddr,
    app: I,
) -> impl ServiceFactory<
    (T, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<B, T, I, S, Body>
where
    B: Backend,
    T: Accepted,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<Body>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    Body: MessageBody + 'static,
{
    let app = app.into_factory().map_err(|error| error.into().error_response());
    HttpService::build()
        .local_addr(address)
        .client_request_timeout(gateway.config().handshake_within)
        // Who hangs up is gone, also in the middle of a stream.
        .h1_allow_half_closed(false)
        .upgrade(upgrades(gateway))
        .finish(map_config(app, |()| AppConfig::default()))
}

/// Lets no address have more connections that are no sockets than its share: those beyond are hung up on.
fn limited<B: Backend, S>(
    gateway: &Gateway<B>,
    served: S,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<B, S>
where
    S: ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>,
{
    let gateway = gateway.clone();
    apply_fn_factory(served, move |io: TcpStream, served: &S::Service| {
        let Some(call) = gateway.pick_up(io.peer_addr().ok()) else {
            return Either::Left(ready(Ok(())));
        };
        let served = served.call(io);
        Either::Right(async move {
            let ended = served.await;
            drop(call);
            ended
        })
    })
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
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
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
