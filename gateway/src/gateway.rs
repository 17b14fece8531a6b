//! What all connections of one server share. Holds no state of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::backend::Backend;
use crate::config::Config;
use crate::door::{Door, Knock, Network, Refused, Turned};
use crate::emulation::Sessions;
use crate::hub::Hub;
use crate::session::Now;

/// A hub, a backend and a configuration, ready to be mounted on a transport. Cheap to clone.
#[derive(Debug)]
pub struct Gateway<B> {
    shared: Arc<Shared<B>>,
}

#[derive(Debug)]
struct Shared<B> {
    config: Arc<Config>,
    hub: Arc<Hub>,
    backend: Arc<B>,
    started: Instant,
    door: Door,
    /// Names this run of this server among others.
    node: String,
    emulated: Sessions,
}

/// A connection's place inside, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Pass<B> {
    gateway: Gateway<B>,
    network: Option<Network>,
}

impl<B> Drop for Pass<B> {
    fn drop(&mut self) {
        let shared = &self.gateway.shared;
        shared.door.leave(self.network, nanoseconds(shared.started));
    }
}

/// A connection that is no socket yet, forgotten when it is dropped.
#[derive(Debug)]
pub(crate) struct Call<B> {
    gateway: Gateway<B>,
    network: Option<Network>,
}

impl<B> Drop for Call<B> {
    fn drop(&mut self) {
        let shared = &self.gateway.shared;
        shared.door.hang_up(self.network, nanoseconds(shared.started));
    }
}

fn nanoseconds(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64
}

impl<B> Clone for Gateway<B> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<B: Backend> Gateway<B> {
    /// Joins the parts. The hub may be in use by publishers already.
    pub fn new(config: Config, hub: Arc<Hub>, backend: Arc<B>) -> Self {
        let config = Arc::new(config);
        Self {
            shared: Arc::new(Shared {
                door: Door::new(config.clone()),
                config,
                hub,
                backend,
                started: Instant::now(),
                node: uuid::Uuid::new_v4().to_string(),
                emulated: Sessions::default(),
            }),
        }
    }

    /// The switchboard: publish, count, unsubscribe, disconnect, shut down.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    /// The embedder's side.
    pub fn backend(&self) -> &B {
        &self.shared.backend
    }

    /// What was configured.
    pub fn config(&self) -> &Arc<Config> {
        &self.shared.config
    }

    /// Connections that are open, also those that are being closed.
    pub fn sockets(&self) -> usize {
        self.shared.door.open()
    }

    /// Waits until the last socket is gone, at most so long. False = some are still there. To be called between
    /// [`Hub::shutdown`] and the end of the server, whose workers take their sockets with them.
    pub async fn drained(&self, patience: Duration) -> bool {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let all_gone = async {
            while self.sockets() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(patience, all_gone).await.is_ok()
    }

    pub(crate) fn door(&self) -> &Door {
        &self.shared.door
    }

    /// Lets one connection in, whatever its transport, or says what it is to be told.
    pub(crate) fn admit(&self, knock: &Knock<'_>) -> Result<Pass<B>, Refused> {
        let (door, hub) = (self.door(), self.hub());
        match door.enter(knock, hub.is_draining(), nanoseconds(self.shared.started)) {
            Ok(network) => Ok(Pass {
                gateway: self.clone(),
                network,
            }),
            Err(why) => Err(door.refuse(why, hub.stats())),
        }
    }

    /// Somebody has connected. `None` = is to be hung up on.
    pub(crate) fn pick_up(&self, peer: Option<SocketAddr>) -> Option<Call<B>> {
        let now_ns = nanoseconds(self.shared.started);
        let network = match peer.map(|peer| self.door().pick_up(peer, now_ns)) {
            None => None,
            Some(Ok(network)) => network,
            Some(Err(why)) => {
                self.hub().stats().turned(why);
                return None;
            }
        };
        Some(Call {
            gateway: self.clone(),
            network,
        })
    }

    /// What a page of an origin that is not listed is told.
    pub(crate) fn turn_page_away(&self) -> Refused {
        self.door().refuse(Turned::Origin, self.hub().stats())
    }

    pub(crate) fn node(&self) -> &str {
        &self.shared.node
    }

    pub(crate) fn emulated(&self) -> &Sessions {
        &self.shared.emulated
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic_ms: self.hub().clock().now_ms(),
            unix_s: unix.as_secs(),
        }
    }

    pub(crate) fn instant_at(&self, monotonic_ms: u64) -> Instant {
        self.hub().clock().instant_at(monotonic_ms)
    }
}
