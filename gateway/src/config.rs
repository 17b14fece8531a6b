//! What an operator may set, with the defaults of the reference server where it has them. Never read from a file or
//! the environment here: that is the embedder's.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::limits;

/// Timers and bounds of one gateway. `Config::default()` is what SDKs expect.
#[derive(Clone, Debug)]
pub struct Config {
    /// Named in every connect reply.
    pub version: String,
    /// Distance between server pings; the first comes after a random half to whole of it.
    pub ping_interval: Duration,
    /// How long a pong may take before close 3012; must be shorter than `ping_interval`.
    pub pong_wait: Duration,
    /// How long a socket may stay open without a connect command before close 3502.
    pub stale_after: Duration,
    /// How long an expired connection or subscription is kept, for the SDK to refresh it, before 3005 or 2501/3006.
    pub expiry_grace: Duration,
    /// How long the peer may take to answer our close frame before the socket is dropped.
    pub close_wait: Duration,
    /// See [`limits::MESSAGE_BYTES_MAX`].
    pub message_bytes_max: usize,
    /// See [`limits::OUTBOX_BYTES_MAX`].
    pub outbox_bytes_max: usize,
    /// See [`limits::SUBSCRIBE_BUFFER_BYTES_MAX`].
    pub subscribe_buffer_bytes_max: usize,
    /// See [`limits::CHANNELS_PER_CONNECTION_MAX`].
    pub channels_per_connection_max: usize,
    /// See [`limits::COMMANDS_IN_FLIGHT_MAX`].
    pub commands_in_flight_max: usize,
    /// See [`limits::CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// Browser origins that may connect besides the host they connect to, each as `scheme://host[:port]`; `None` allows
    /// all. A request without an `Origin` header (every SDK outside a browser) is always allowed.
    pub allowed_origins: Option<Vec<String>>,
    /// How long a peer may take to send the head of its request, before it is dropped. At
    /// least a second: the HTTP server looks at the clock twice in one.
    pub handshake_within: Duration,
    /// See [`limits::CONNECTIONS_PER_ADDRESS_MAX`].
    pub connections_per_address_max: u32,
    /// See [`limits::HANDSHAKES_PER_SECOND_MAX`].
    pub handshakes_per_second_max: u32,
    /// See [`limits::HANDSHAKES_PER_ADDRESS_PER_SECOND_MAX`].
    pub handshakes_per_address_per_second_max: u32,
    /// Networks whose `X-Forwarded-For` is believed. They themselves have no limits by address: without the header
    /// nobody knows who stands behind them. At first: loopback.
    pub trusted_proxies: Vec<IpNet>,
    /// See [`limits::COMMANDS_PER_SECOND_MAX`].
    pub commands_per_second_max: u32,
    /// See [`limits::COMMANDS_BURST`].
    pub commands_burst: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: format!("livehouse {}", env!("CARGO_PKG_VERSION")),
            ping_interval: Duration::from_secs(25),
            pong_wait: Duration::from_secs(8),
            stale_after: Duration::from_secs(10),
            expiry_grace: Duration::from_secs(25),
            close_wait: Duration::from_secs(5),
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            outbox_bytes_max: limits::OUTBOX_BYTES_MAX,
            subscribe_buffer_bytes_max: limits::SUBSCRIBE_BUFFER_BYTES_MAX,
            channels_per_connection_max: limits::CHANNELS_PER_CONNECTION_MAX,
            commands_in_flight_max: limits::COMMANDS_IN_FLIGHT_MAX,
            connections_max: limits::CONNECTIONS_MAX,
            allowed_origins: None,
            handshake_within: Duration::from_secs(5),
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            handshakes_per_second_max: limits::HANDSHAKES_PER_SECOND_MAX,
            handshakes_per_address_per_second_max: limits::HANDSHAKES_PER_ADDRESS_PER_SECOND_MAX,
            trusted_proxies: vec![
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            commands_per_second_max: limits::COMMANDS_PER_SECOND_MAX,
            commands_burst: limits::COMMANDS_BURST,
        }
    }
}
