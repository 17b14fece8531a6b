//! What all connections of one server share. Holds no state of its own.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

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

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic_ms: self.shared.started.elapsed().as_millis() as u64,
            unix_s: unix.as_secs(),
        }
    }

    pub(crate) fn instant_at(&self, monotonic_ms: u64) -> Instant {
        self.shared.started + std::time::Duration::from_millis(monotonic_ms)
    }
}
