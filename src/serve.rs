//! The wiring: who gets the journal's writer, who a reader, who is told what; and how it all ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actors::{Actors, House, Terms};
use anyhow::{Context, Result, bail};
use gateway::Gateway;
use gateway::ws::Front;
use journal::Reader;
use journal::embedded::{Embedded, EmbeddedWriter, Options};
use projections::{FjallStore, Runner, RunnerThread, ViewsHandle, Zone};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::AbortHandle;

use crate::admin::Desk;
use crate::backend::LivehouseBackend;
use crate::big_gifts::BigGifts;
use crate::catalogue;
use crate::config::{Config, PayoutsProvider};
use crate::feed::{Broadcaster, Feed};
use crate::http::metrics::Metrics;
use crate::http::{self, Dev, ReadyLag};
use crate::payments::Payments;
use crate::payouts::{self, HttpProvider, PayoutProvider, Sandbox};
use crate::platform::Platform;
use crate::pulse;
use crate::sessions::Sessions;
use crate::tls::Certificates;
use crate::tokens::Verifier;
use crate::words::{Words, WordsFile};

/// Between two looks at whether the views have caught up, or the journal has failed.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long sockets may take to answer their close frame, and then requests under way to end.
const SHUTDOWN_SECONDS: u64 = 2;
/// A client that takes nothing for so long is dropped; its SDK recovers.
const READER_PATIENCE: Duration = Duration::from_secs(30);
/// When the server stops, its connections are closed one after the other, so that not all come back at once: so long for
/// each, until the spread that is configured is reached.
const CLOSE_EACH: Duration = Duration::from_millis(1);

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The same for a browser, as in `http://127.0.0.1:8000/`.
    pub url: String,
    /// Only to be closed, and asked whether it failed: to append is the actors' power.
    journal: Arc<EmbeddedWriter>,
    actors: Actors,
    gateway: Gateway<LivehouseBackend>,
    views: RunnerThread,
    broadcast: JoinHandle<()>,
    pulse: AbortHandle,
    /// Pays out, if somebody pays.
    payouts: Option<AbortHandle>,
    /// Follows the file of blocked words, if there is one.
    words: Option<AbortHandle>,
    /// Follows the files of the certificate, if there is one.
    certificates: Option<AbortHandle>,
    /// For the likes of the last second.
    platform: Arc<Platform>,
    web: ServerHandle,
    web_task: tokio::task::JoinHandle<std::io::Result<()>>,
    deadline: Duration,
    stop_spread: Duration,
}

/// The directory of the journal within the data directory.
pub fn journal_directory(data: &Path) -> PathBuf {
    data.join("journal")
}

/// The directory of the views within the data directory.
pub fn views_directory(data: &Path) -> PathBuf {
    data.join("views")
}

/// The platform's time zone.
pub fn time_zone(config: &Config) -> Result<Zone> {
    Zone::named(&config.time_zone).context("time_zone")
}

impl Server {
    /// Opens the journal, brings the views up to it, and listens. Must be called on a thread of an actix system.
    pub async fn start(config: &Config, dev: Option<Dev>) -> Result<Self> {
        allow_sockets(config.gateway.connections_max);
        let verifier = Verifier::new(&config.token)?;
        let certificates = match config.tls.files()? {
            Some((certificate, key)) => Some(Certificates::load(certificate, key)?),
            None => None,
        };
        let provider = payout_provider(config)?;
        let payments = Payments::new(config)?;
        let words = config.blocked_words.as_deref().map(WordsFile::open).transpose()?;
        let (reader, writer) = Embedded::open(journal_directory(&config.data), Options::default())?;
        let (reader, journal): (Arc<dyn Reader>, _) = (Arc::new(reader), Arc::new(writer));
        let hub = gateway::Hub::new();

        let big_gifts = Arc::new(BigGifts::from(config.announce_coins_min));
        let (broadcaster, broadcast) = Broadcaster::start(hub.clone(), big_gifts.clone())?;
        let boards = broadcaster.changed_boards();
        let (views, runner) = follow(config, reader.clone(), broadcaster).await?;
        let clock = House::system_clock();
        let terms = Terms {
            // The catalogue's actor says what is on offer, see below.
            catalogue: Arc::default(),
            payouts: config.payouts.terms(),
        };
        let house = House::new(reader.clone(), journal.clone(), terms, clock.clone());
        let actors = Actors::start(house, &actors_config(config)?);
        catalogue::open(&actors, &*reader, &config.gifts).await?;
        let desk = Desk::new(
            &config.admin,
            config.gateway.gateway()?.trusted_proxies,
            clock.clone(),
        )?;

        let watched = journal.clone();
        let failed = Arc::new(move || watched.poisoned().map(journal::Error::Poisoned));
        let parts = (
            actors.clone(),
            config.payouts.terms(),
            Feed::new(reader.clone()),
            reader.id(),
            views,
            clock,
            words.as_ref().map_or_else(Words::none, WordsFile::words),
        );
        let platform = Platform::new(parts, failed)
            .with_payments(payments)
            .accepting_breaks_upto(config.ledger_breaks_accepted_upto);
        let platform = Arc::new(platform);
        let pulse = pulse::run(platform.clone(), hub.clone(), boards, big_gifts);
        let pulse = tokio::spawn(pulse).abort_handle();
        let payouts = provider.map(|provider| {
            let patience = Duration::from_secs(config.payouts.patience_seconds);
            tokio::spawn(payouts::run(platform.clone(), provider, patience)).abort_handle()
        });
        let metrics = Arc::new(Metrics::new(actors.clone(), hub.clone(), platform.clone()));
        let sessions = Sessions::new(config.gateway.sessions_per_user, config.gateway.sessions_policy);
        let backend = LivehouseBackend::new(platform.clone(), verifier, sessions, hub.clone());
        let backend = Arc::new(backend);
        let gateway = Gateway::new(config.gateway.gateway()?, hub, backend);
        let ready = ReadyLag {
            records_max: config.ready_lag_records_max,
        };
        let desk = desk.map(Arc::new);
        let (shown, sandbox) = (platform.clone(), dev.as_ref().map(|dev| dev.sandbox.clone()));
        let app = move |app: &mut ServiceConfig| {
            let (metrics, desk) = (metrics.clone(), desk.clone());
            http::configure(app, shown.clone(), ready, metrics, desk, dev.clone());
        };
        let (address, server) = listen(config, gateway.clone(), certificates.as_ref(), app)?;
        sandbox.inspect(|sandbox| sandbox.listens_at(address));
        Ok(Self {
            address,
            url: format!(
                "{}://{address}/",
                if certificates.is_some() { "https" } else { "http" }
            ),
            journal,
            actors,
            gateway,
            views: runner,
            broadcast,
            pulse,
            payouts,
            certificates: certificates.map(|files| tokio::spawn(files.follow()).abort_handle()),
            stop_spread: Duration::from_millis(config.stop_spread_ms),
            words: words.map(|file| tokio::spawn(file.follow()).abort_handle()),
            platform,
            web: server.handle(),
            web_task: tokio::spawn(server),
            deadline: Duration::from_secs(config.stop_deadline_seconds),
        })
    }

    /// Serves until told to stop, or until the journal or the views fail; then stops gracefully.
    pub async fn run(self, mut signals: Signals) -> Result<()> {
        let why = loop {
            tokio::select! {
                name = signals.next() => {
                    tracing::info!(signal = name, "stopping; a second signal ends the process at once");
                    break None;
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if let Some(error) = self.journal.poisoned() {
                        break Some(journal::Error::Poisoned(error).into());
                    }
                    if self.views.is_finished() {
                        break Some(anyhow::anyhow!("the views have stopped"));
                    }
                }
            }
        };
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(1);
        });
        let stopped = self.stop().await;
        match why {
            Some(error) => Err(error),
            None => stopped,
        }
    }

    /// Stops in order: no new sockets; those there are closed with 3001; what was begun ends; the journal is closed.
    pub async fn stop(self) -> Result<()> {
        let connections = u32::try_from(self.gateway.sockets()).unwrap_or(u32::MAX);
        let spread = self.stop_spread.min(CLOSE_EACH.saturating_mul(connections));
        self.gateway.hub().shutdown(spread).await;
        let patience = Duration::from_secs(SHUTDOWN_SECONDS);
        if !self.gateway.drained(patience).await {
            tracing::info!(
                sockets = self.gateway.sockets(),
                "did not answer their close frame and are dropped"
            );
        }
        self.web.stop(true).await;
        self.web_task.await.context("the web server ended badly")??;
        self.pulse.abort();
        // What is under way at the provider is asked for at the next start.
        self.payouts.inspect(AbortHandle::abort);
        self.words.inspect(AbortHandle::abort);
        self.certificates.inspect(AbortHandle::abort);
        self.platform.likes.journal(&self.platform.actors).await;
        if !self.actors.stop(self.deadline).await {
            tracing::warn!("not everything could be finished in time; the next start makes up for it");
        }
        self.views.stop()?;
        self.journal.close();
        if self.broadcast.join().is_err() {
            bail!("the broadcaster panicked");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Whoever pays out, if anybody does.
fn payout_provider(config: &Config) -> Result<Option<Arc<dyn PayoutProvider>>> {
    Ok(match config.payouts.provider {
        PayoutsProvider::None => None,
        PayoutsProvider::Sandbox => Some(Arc::new(Sandbox::default())),
        PayoutsProvider::Http => {
            let (url, secret) = config.payouts.http()?;
            let patience = Duration::from_secs(config.payouts.patience_seconds);
            Some(Arc::new(HttpProvider::new(url, secret, patience)?))
        }
    })
}

/// Systems start a process with few open files; beyond them nobody could come in, and nothing would say why.
fn allow_sockets(wanted: usize) {
    let allowed = crate::crowd::allow_sockets(wanted);
    if allowed < wanted {
        tracing::info!(
            allowed,
            wanted,
            "the system allows fewer open files than gateway.connections_max"
        );
    }
}

/// Opens the views and waits until they have caught up with the journal.
async fn follow(
    config: &Config,
    reader: Arc<dyn Reader>,
    broadcaster: Broadcaster,
) -> Result<(ViewsHandle, RunnerThread)> {
    let store = Arc::new(FjallStore::open(&views_directory(&config.data))?);
    let options = projections::Options {
        zone: time_zone(config)?,
    };
    let runner = Runner::open(reader, store, options, Arc::new(broadcaster))?;
    let views = runner.handle();
    let thread = runner.spawn()?;
    while !views.progress().live.load(Ordering::Acquire) {
        if thread.is_finished() {
            thread.stop()?;
            bail!("the views ended before they had caught up");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok((views, thread))
}

/// Binds the address; the sockets and everything else over HTTP are served there.
fn listen(
    config: &Config,
    gateway: Gateway<LivehouseBackend>,
    certificates: Option<&Arc<Certificates>>,
    mount: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<(SocketAddr, actix_web::dev::Server)> {
    let fallbacks = gateway.clone();
    let app = move || {
        App::new().configure(|app| {
            gateway::ws::configure(app);
            gateway::emulation::configure(app, &fallbacks);
            mount(app);
        })
    };
    let listener = gateway::ws::bind(config.listen)
        .with_context(|| format!("cannot listen on {}: choose another with --listen", config.listen))?;
    let address = listener.local_addr().context("no address was bound")?;
    let server = Front::new(gateway)
        .reader_patience(READER_PATIENCE)
        .shutdown_timeout_seconds(SHUTDOWN_SECONDS)
        .tls(certificates.map(Certificates::server_config).transpose()?)
        .listen(listener, app)?;
    Ok((address, server))
}

fn actors_config(config: &Config) -> Result<actors::Config> {
    let idle_after_ms = i64::try_from(config.actors.idle_seconds)
        .ok()
        .and_then(|s| s.checked_mul(1_000));
    Ok(actors::Config {
        idle_after_ms: idle_after_ms.context("actors.idle_seconds is too large")?,
        ..actors::Config::default()
    })
}

/// The signals that stop a server. Watch them before it starts: until then they end the process where it stands.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Watches from now on.
    pub fn watch() -> Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
        let interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
