//! What all connections of one server share. Holds no state of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::backend::Backend;
use crate::config::Config;
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
    sockets: AtomicUsize,
}

/// Counts one socket while it lives.
#[derive(Debug)]
pub(crate) struct SocketGuard<B>(Gateway<B>);

impl<B> Drop for SocketGuard<B> {
    fn drop(&mut self) {
        self.0.shared.sockets.fetch_sub(1, Ordering::AcqRel);
    }
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
        let started = Instant::now();
        Self {
            shared: Arc::new(Shared {
                config: Arc::new(config),
                hub,
                backend,
                started,
                sockets: AtomicUsize::new(0),
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

    /// Sockets that are open, also those that are being closed.
    pub fn sockets(&self) -> usize {
        self.shared.sockets.load(Ordering::Acquire)
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

    pub(crate) fn count_socket(&self) -> SocketGuard<B> {
        self.shared.sockets.fetch_add(1, Ordering::AcqRel);
        SocketGuard(self.clone())
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic_ms: self.shared.started.elapsed().as_millis() as u64,
            unix_s: unix.as_secs(),
        }
    }

    pub(crate) fn instant_at(&self, monotonic_ms: u64) -> Instant {
        self.shared.started + Duration::from_millis(monotonic_ms)
    }
}
