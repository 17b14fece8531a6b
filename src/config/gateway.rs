//! What an operator may set about connections: who comes in, how many, how fast, and within TLS or not.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::sessions::SessionsPolicy;

/// In the list of allowed origins: any page may connect.
pub const ANY_ORIGIN: &str = "*";

/// The connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Pages of these origins may connect besides those that this server serves, as in `https://live.example`; `*` = all.
    /// Clients that send no `Origin` (apps) always may.
    pub allowed_origins: Vec<String>,
    /// Seconds between two pings of the server.
    pub ping_seconds: u32,
    /// Most connections at once; one more is answered with 503.
    pub connections_max: usize,
    /// Most connections of one address (IPv6: one /64) at once; one more is answered with 429. 0 = no limit.
    pub connections_per_address_max: u32,
    /// Most new connections a second in the long run; more are answered with 503. 0 = no limit.
    pub handshakes_per_second_max: u32,
    /// The same for one address; more are answered with 429. 0 = no limit.
    pub handshakes_per_address_per_second_max: u32,
    /// Proxies whose `X-Forwarded-For` is believed: addresses or networks.
    pub trusted_proxies: Vec<String>,
    /// A client that has not finished its handshake after so many seconds is dropped.
    pub handshake_seconds: u32,
    /// A client that has not sent `connect` so many seconds after its handshake is closed with 3502.
    pub first_command_seconds: u32,
    /// Most commands of one connection a second in the long run; more are refused with 111, then closed with 3013.
    /// 0 = no limit.
    pub commands_per_second_max: u32,
    /// Most commands of one connection at once after a rest.
    pub commands_burst: u32,
    /// Most connections of one user at once.
    pub sessions_per_user: usize,
    /// What happens to one more.
    pub sessions_policy: SessionsPolicy,
}

/// The certificate. Both or neither.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The PEM file of the certificate and those that vouch for it.
    pub certificate: Option<PathBuf>,
    /// The PEM file of its private key.
    pub key: Option<PathBuf>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let defaults = gateway::Config::default();
        Self {
            allowed_origins: Vec::new(),
            ping_seconds: 25,
            connections_max: defaults.connections_max,
            connections_per_address_max: defaults.connections_per_address_max,
            handshakes_per_second_max: defaults.handshakes_per_second_max,
            handshakes_per_address_per_second_max: defaults.handshakes_per_address_per_second_max,
            trusted_proxies: defaults.trusted_proxies.iter().map(IpNet::to_string).collect(),
            handshake_seconds: 5,
            first_command_seconds: 10,
            commands_per_second_max: defaults.commands_per_second_max,
            commands_burst: defaults.commands_burst,
            sessions_per_user: 8,
            sessions_policy: SessionsPolicy::default(),
        }
    }
}

impl GatewayConfig {
    pub(super) fn check(&self) -> Result<()> {
        // The client answers a ping within 8 s: a shorter interval would overtake its own answer.
        if !(10..=600).contains(&self.ping_seconds) {
            bail!("gateway.ping_seconds must be 10 to 600");
        }
        for (name, seconds) in [
            ("handshake_seconds", self.handshake_seconds),
            ("first_command_seconds", self.first_command_seconds),
        ] {
            if !(1..=60).contains(&seconds) {
                bail!("gateway.{name} must be 1 to 60");
            }
        }
        if self.sessions_per_user == 0 {
            bail!("gateway.sessions_per_user must be at least 1");
        }
        self.networks().map(drop)
    }

    /// As the gateway wants it.
    pub fn gateway(&self) -> Result<gateway::Config> {
        let any = self.allowed_origins.iter().any(|origin| origin == ANY_ORIGIN);
        Ok(gateway::Config {
            ping_interval: Duration::from_secs(self.ping_seconds.into()),
            stale_after: Duration::from_secs(self.first_command_seconds.into()),
            handshake_within: Duration::from_secs(self.handshake_seconds.into()),
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            handshakes_per_second_max: self.handshakes_per_second_max,
            handshakes_per_address_per_second_max: self.handshakes_per_address_per_second_max,
            trusted_proxies: self.networks()?,
            commands_per_second_max: self.commands_per_second_max,
            commands_burst: self.commands_burst,
            allowed_origins: (!any).then(|| self.allowed_origins.clone()),
            ..gateway::Config::default()
        })
    }

    fn networks(&self) -> Result<Vec<IpNet>> {
        let network = |text: &String| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>().or_else(|_| address()).with_context(|| {
                format!("gateway.trusted_proxies: {text:?} is no address and no network like 10.0.0.0/8")
            })
        };
        self.trusted_proxies.iter().map(network).collect()
    }
}

impl TlsConfig {
    /// Both files, or none. One without the other is an error.
    pub fn files(&self) -> Result<Option<(PathBuf, PathBuf)>> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("tls.certificate needs tls.key"),
            (None, Some(_)) => bail!("tls.key needs tls.certificate"),
        }
    }
}
