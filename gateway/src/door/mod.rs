//! The door: who may open a connection, from where, how many and how fast, whatever the transport. Refusals come first
//! and cheap, each with an HTTP status and, where it helps, the seconds after which to try again. It counts every one of
//! them and knows no protocol behind it.

mod address;
mod budget;
mod http;
mod rate;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, Mutex};

use crate::config::Config;
use crate::peer::lock;
use crate::stats::Stats;

pub(crate) use address::Network;
pub use address::client as client_address;
use address::{Addresses, Excess, Share};
pub(crate) use budget::{Budget, Verdict};
pub(crate) use http::Refused;
use rate::{Bucket, Rate};

/// Seconds of the rate that may come at once after a rest.
const BURST_SECONDS: u32 = 2;
/// The same for one address: everybody behind a carrier's address comes back at once after a restart.
const ADDRESS_BURST_SECONDS: u32 = 10;

/// Why somebody has to stay outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// The server is going down.
    Draining,
    /// A page of an origin that is not listed.
    Origin,
    /// As many connections as there may be.
    Full,
    /// More come at once than are let in.
    Storm,
    /// This address holds its share ...
    AddressFull,
    /// ... or comes too often.
    AddressStorm,
}

/// What is known of somebody outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knock<'a> {
    /// See [`Door::client`].
    pub(crate) client: Option<SocketAddr>,
    /// The `Origin` header; browsers always send one.
    pub(crate) origin: Option<&'a str>,
    /// The `Host` header.
    pub(crate) host: Option<&'a str>,
}

/// Who is inside, and how fast they came.
#[derive(Debug)]
pub(crate) struct Door {
    config: Arc<Config>,
    open: AtomicUsize,
    everyone: Mutex<Bucket>,
    addresses: Addresses,
    /// Those who have not asked for anything yet, or for a page.
    callers: Addresses,
    /// For the jitter of answers.
    turned: AtomicU64,
}

impl Door {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            open: AtomicUsize::new(0),
            everyone: Mutex::default(),
            addresses: Addresses::default(),
            callers: Addresses::default(),
            turned: AtomicU64::new(0),
        }
    }

    /// Connections inside, also those that are being closed.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Acquire)
    }

    /// The other end: the peer of the socket, or who stands behind trusted proxies. `None` = a proxy that tells nothing.
    pub(crate) fn client<'a>(
        &self,
        peer: SocketAddr,
        forwarded: impl Iterator<Item = &'a str>,
    ) -> Option<SocketAddr> {
        let client = address::client(peer.ip(), forwarded, &self.config.trusted_proxies)?;
        let port = if client == peer.ip() { peer.port() } else { 0 };
        Some(SocketAddr::new(client, port))
    }

    /// Is a page of this origin welcome? Who sends no `Origin` is no browser; a page may always connect to the host that
    /// it came from.
    pub(crate) fn welcomes(&self, knock: &Knock<'_>) -> bool {
        let (Some(allowed), Some(origin)) = (&self.config.allowed_origins, knock.origin) else {
            return true;
        };
        let same_host = origin
            .split_once("://")
            .zip(knock.host)
            .is_some_and(|((_, from), own)| from.eq_ignore_ascii_case(own));
        same_host || allowed.iter().any(|known| known.eq_ignore_ascii_case(origin))
    }

    /// Lets one in: what it returns is to be given to [`Door::leave`] once, when the connection is gone.
    pub(crate) fn enter(
        &self,
        knock: &Knock<'_>,
        draining: bool,
        now_ns: u64,
    ) -> Result<Option<Network>, Turned> {
        if draining {
            return Err(Turned::Draining);
        }
        if !self.welcomes(knock) {
            return Err(Turned::Origin);
        }
        // Counted before it is known, so that a storm cannot slip in between the look and the count.
        if self.open.fetch_add(1, AcqRel) >= self.config.connections_max {
            self.open.fetch_sub(1, AcqRel);
            return Err(Turned::Full);
        }
        let entered = self.enter_counted(knock.client.map(|client| client.ip()), now_ns);
        if entered.is_err() {
            self.open.fetch_sub(1, AcqRel);
        }
        entered
    }

    fn enter_counted(&self, client: Option<IpAddr>, now_ns: u64) -> Result<Option<Network>, Turned> {
        let config = &self.config;
        let network = client.map(Network::of);
        if let Some(network) = network {
            let per_second = config.handshakes_per_address_per_second_max;
            let share = Share {
                open_max: config.connections_per_address_max,
                rate: Rate::new(per_second, per_second.saturating_mul(ADDRESS_BURST_SECONDS)),
            };
            self.addresses
                .enter(network, share, now_ns)
                .map_err(|excess| match excess {
                    Excess::Open => Turned::AddressFull,
                    Excess::Rate => Turned::AddressStorm,
                })?;
        }
        let per_second = config.handshakes_per_second_max;
        let rate = Rate::new(per_second, per_second.saturating_mul(BURST_SECONDS));
        if rate.is_some_and(|rate| !lock(&self.everyone).take(rate, now_ns)) {
            if let Some(network) = network {
                self.addresses.leave(network, now_ns);
            }
            return Err(Turned::Storm);
        }
        Ok(network)
    }

    /// One is gone.
    pub(crate) fn leave(&self, network: Option<Network>, now_ns: u64) {
        self.open.fetch_sub(1, AcqRel);
        if let Some(network) = network {
            self.addresses.leave(network, now_ns);
        }
    }

    /// Somebody has connected and said nothing yet. What it returns is to be given to [`Door::hang_up`] once, when the
    /// connection is gone or has become a socket.
    pub(crate) fn pick_up(&self, peer: SocketAddr, now_ns: u64) -> Result<Option<Network>, Turned> {
        let Some(client) = self.client(peer, std::iter::empty()) else {
            return Ok(None);
        };
        let network = Network::of(client.ip());
        let share = Share {
            open_max: self.config.connections_per_address_max,
            rate: None,
        };
        match self.callers.enter(network, share, now_ns) {
            Ok(()) => Ok(Some(network)),
            Err(_) => Err(Turned::AddressFull),
        }
    }

    /// See [`Door::pick_up`].
    pub(crate) fn hang_up(&self, network: Option<Network>, now_ns: u64) {
        if let Some(network) = network {
            self.callers.leave(network, now_ns);
        }
    }

    /// Makes the answer for who was turned away, and counts it.
    pub(crate) fn refuse(&self, why: Turned, stats: &Stats) -> Refused {
        stats.turned(why);
        let nth = self.turned.fetch_add(1, AcqRel);
        Refused::new(why, nth)
    }
}

#[cfg(test)]
mod tests;
