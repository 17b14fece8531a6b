//! The configuration: defaults -> `livehouse.toml` -> `LIVEHOUSE_*` environment -> flags. Unknown keys are errors.
//!
//! Secrets are held in [`Secret`], which never shows itself in a log or an error.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use domain::{Catalogue, Currency, Gift};
use serde::{Deserialize, Serialize};

mod gateway;
mod money;
mod payments;

pub use gateway::{ANY_ORIGIN, GatewayConfig, TlsConfig};
pub use payments::{Pack, PaymentsConfig, ProviderConfig};

pub use money::{AdminConfig, PayoutsConfig, PayoutsProvider, StaffConfig};

/// The file that is read from the working directory when no other is named.
pub const DEFAULT_FILE: &str = "livehouse.toml";
/// In front of every environment variable that sets a key: `LIVEHOUSE_TOKEN_SECRET` sets `token.secret`.
pub const ENV_PREFIX: &str = "LIVEHOUSE_";
/// Secrets of HS256 tokens are at least this long: shorter ones can be guessed.
const TOKEN_SECRET_BYTES_MIN: usize = 32;

/// Every key that the environment can set, as its variable (without the prefix) and its path in the file.
const KEYS: &[(&str, &[&str])] = &[
    ("LISTEN", &["listen"]),
    ("DATA", &["data"]),
    ("STOP_DEADLINE_SECONDS", &["stop_deadline_seconds"]),
    ("STOP_SPREAD_MS", &["stop_spread_ms"]),
    ("TLS_CERTIFICATE", &["tls", "certificate"]),
    ("TLS_KEY", &["tls", "key"]),
    ("READY_LAG_RECORDS_MAX", &["ready_lag_records_max"]),
    ("LEDGER_BREAKS_ACCEPTED_UPTO", &["ledger_breaks_accepted_upto"]),
    ("BLOCKED_WORDS", &["blocked_words"]),
    ("TIME_ZONE", &["time_zone"]),
    ("ANNOUNCE_COINS_MIN", &["announce_coins_min"]),
    ("TOKEN_ALGORITHM", &["token", "algorithm"]),
    ("TOKEN_SECRET", &["token", "secret"]),
    ("TOKEN_PUBLIC_KEY_FILE", &["token", "public_key_file"]),
    ("TOKEN_ISSUER", &["token", "issuer"]),
    ("TOKEN_AUDIENCE", &["token", "audience"]),
    ("LOG_FORMAT", &["log", "format"]),
    ("LOG_FILTER", &["log", "filter"]),
    ("GATEWAY_ALLOWED_ORIGINS", &["gateway", "allowed_origins"]),
    ("GATEWAY_PING_SECONDS", &["gateway", "ping_seconds"]),
    ("GATEWAY_CONNECTIONS_MAX", &["gateway", "connections_max"]),
    (
        "GATEWAY_CONNECTIONS_PER_ADDRESS_MAX",
        &["gateway", "connections_per_address_max"],
    ),
    (
        "GATEWAY_HANDSHAKES_PER_SECOND_MAX",
        &["gateway", "handshakes_per_second_max"],
    ),
    (
        "GATEWAY_HANDSHAKES_PER_ADDRESS_PER_SECOND_MAX",
        &["gateway", "handshakes_per_address_per_second_max"],
    ),
    ("GATEWAY_TRUSTED_PROXIES", &["gateway", "trusted_proxies"]),
    ("GATEWAY_HANDSHAKE_SECONDS", &["gateway", "handshake_seconds"]),
    (
        "GATEWAY_FIRST_COMMAND_SECONDS",
        &["gateway", "first_command_seconds"],
    ),
    (
        "GATEWAY_COMMANDS_PER_SECOND_MAX",
        &["gateway", "commands_per_second_max"],
    ),
    ("GATEWAY_COMMANDS_BURST", &["gateway", "commands_burst"]),
    ("GATEWAY_SESSIONS_PER_USER", &["gateway", "sessions_per_user"]),
    ("GATEWAY_SESSIONS_POLICY", &["gateway", "sessions_policy"]),
    ("ACTORS_IDLE_SECONDS", &["actors", "idle_seconds"]),
    ("PAYOUTS_CURRENCY", &["payouts", "currency"]),
    ("PAYOUTS_MINOR_PER_TICKET", &["payouts", "minor_per_ticket"]),
    ("PAYOUTS_FEE_PER_MILLE", &["payouts", "fee_per_mille"]),
    ("PAYOUTS_TICKETS_MIN", &["payouts", "tickets_min"]),
    ("PAYOUTS_TICKETS_MAX", &["payouts", "tickets_max"]),
    ("PAYOUTS_TWO_APPROVALS_FROM", &["payouts", "two_approvals_from"]),
    ("PAYOUTS_PROVIDER", &["payouts", "provider"]),
    ("PAYOUTS_URL", &["payouts", "url"]),
    ("PAYOUTS_SECRET", &["payouts", "secret"]),
    ("PAYOUTS_PATIENCE_SECONDS", &["payouts", "patience_seconds"]),
    ("ADMIN_SESSION_SECONDS", &["admin", "session_seconds"]),
    ("CURRENCY", &["currency"]),
];

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The directory of the journal and the views; made when missing.
    pub data: PathBuf,
    /// How long a graceful stop may take, in seconds, before the rest is cut off.
    pub stop_deadline_seconds: u64,
    /// Over how long the connections are closed when the server stops, at most: a millisecond for each.
    pub stop_spread_ms: u64,
    /// `/readyz` says no when a view lies more than this many records behind the journal.
    pub ready_lag_records_max: u64,
    /// Records of the journal up to here may break the ledger's promises without stopping withdrawals: somebody has looked.
    pub ledger_breaks_accepted_upto: u64,
    /// A file of words that may not be written in rooms, one a line; it is read again when it changes, and on SIGHUP.
    pub blocked_words: Option<PathBuf>,
    /// The time zone of the platform's hours, days, weeks and months, by its IANA name.
    pub time_zone: String,
    /// One gift command worth at least so many coins is told in every live room; 0 = none is.
    pub announce_coins_min: u64,
    /// Who may connect.
    pub token: TokenConfig,
    /// What is logged, to standard error.
    pub log: LogConfig,
    /// The connections.
    pub gateway: GatewayConfig,
    /// The certificate; none = plain HTTP.
    pub tls: TlsConfig,
    /// The actors.
    pub actors: ActorsConfig,
    /// How tickets are paid out.
    pub payouts: PayoutsConfig,
    /// Who may use the console.
    pub admin: AdminConfig,
    /// The gifts on offer in a new journal.
    pub gifts: Vec<Gift>,
    /// What packs are paid in.
    pub currency: Currency,
    /// What coins can be bought.
    pub packs: Vec<Pack>,
    /// Who takes the money.
    pub payments: PaymentsConfig,
}

/// How connection tokens are checked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenConfig {
    /// The one algorithm that is accepted.
    pub algorithm: TokenAlgorithm,
    /// The HS256 secret, at least 32 bytes.
    pub secret: Option<Secret>,
    /// The PEM file of the public key, for EdDSA and RS256.
    pub public_key_file: Option<PathBuf>,
    /// If set, tokens must name this issuer.
    pub issuer: Option<String>,
    /// If set, tokens must name this audience.
    pub audience: Option<String>,
}

/// The signature of connection tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TokenAlgorithm {
    /// HMAC-SHA256 with a shared secret.
    #[default]
    HS256,
    /// Ed25519 by public key.
    EdDSA,
    /// RSA with SHA-256 by public key.
    RS256,
}

/// What is logged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// Which, as in `info` or `livehouse=debug,gateway=info`.
    pub filter: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The actors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActorsConfig {
    /// An actor that got no command for this long is stopped; the next command starts it again by replay.
    pub idle_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            data: PathBuf::from("livehouse-data"),
            stop_deadline_seconds: 20,
            stop_spread_ms: 3_000,
            ready_lag_records_max: 100_000,
            ledger_breaks_accepted_upto: 0,
            blocked_words: None,
            time_zone: "Asia/Shanghai".into(),
            announce_coins_min: 50_000,
            token: TokenConfig::default(),
            log: LogConfig::default(),
            gateway: GatewayConfig::default(),
            tls: TlsConfig::default(),
            actors: ActorsConfig::default(),
            payouts: PayoutsConfig::default(),
            admin: AdminConfig::default(),
            gifts: default_gifts(),
            currency: Currency::cny(),
            packs: payments::default_packs(),
            payments: PaymentsConfig::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".into(),
        }
    }
}

impl Default for ActorsConfig {
    fn default() -> Self {
        Self { idle_seconds: 300 }
    }
}

fn default_gifts() -> Vec<Gift> {
    [
        ("heart", "Heart", 1),
        ("rose", "Rose", 10),
        ("beer", "Beer", 66),
        ("rocket", "Rocket", 1_000),
        ("castle", "Castle", 9_999),
    ]
    .into_iter()
    .map(|(id, name, coins)| Gift {
        id: id.parse().expect("the ids above are well formed"),
        name: name.into(),
        coins,
        tickets: coins,
    })
    .collect()
}

/// A text that must not be seen.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// How long [`Secret::random`] is.
    pub const RANDOM_BYTES: usize = 64;

    /// A new secret that nobody knows.
    pub fn random() -> Self {
        Self(format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        ))
    }

    /// The secret itself, for the one who checks with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

impl Config {
    /// Defaults, then the file, then the environment. A file that is named must exist; [`DEFAULT_FILE`] may be missing.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let (path, text) = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
                (path, text)
            }
            None => (
                Path::new(DEFAULT_FILE),
                std::fs::read_to_string(DEFAULT_FILE).unwrap_or_default(),
            ),
        };
        let mut table: toml::Table = text
            .parse()
            .with_context(|| format!("{} is not TOML", path.display()))?;
        for (name, value) in environment {
            if let Some(name) = name.strip_prefix(ENV_PREFIX) {
                set_from_environment(&mut table, name, &value)?;
            }
        }
        let config: Self = toml::Value::Table(table)
            .try_into()
            .with_context(|| format!("in {} or a {ENV_PREFIX}* variable", path.display()))?;
        config.check()?;
        Ok(config)
    }

    /// The gifts as the domain wants them.
    pub fn catalogue(&self) -> Result<Catalogue> {
        Catalogue::new(self.gifts.iter().cloned()).context("gifts")
    }

    fn check(&self) -> Result<()> {
        self.catalogue()?;
        payments::check_packs(&self.packs)?;
        self.payments.check()?;
        projections::Zone::named(&self.time_zone).context("time_zone")?;
        self.gateway.check()?;
        self.tls.files()?;
        self.payouts.check()?;
        self.admin.check()?;
        if self.stop_spread_ms > 60_000 {
            bail!("stop_spread_ms must be at most 60000");
        }
        if let Some(secret) = &self.token.secret
            && secret.reveal().len() < TOKEN_SECRET_BYTES_MIN
        {
            bail!(
                "token.secret must have at least {TOKEN_SECRET_BYTES_MIN} bytes, as from `openssl rand -hex 32`"
            );
        }
        Ok(())
    }
}

fn set_from_environment(table: &mut toml::Table, name: &str, value: &str) -> Result<()> {
    let Some((_, path)) = KEYS.iter().find(|(key, _)| *key == name) else {
        let known: Vec<_> = KEYS.iter().map(|(key, _)| format!("{ENV_PREFIX}{key}")).collect();
        bail!(
            "{ENV_PREFIX}{name} is not a setting. The settings are {}",
            known.join(", ")
        );
    };
    let (last, parents) = path.split_last().expect("no path above is empty");
    let mut at = table;
    for parent in parents {
        let inner = at.entry(*parent).or_insert_with(|| toml::Table::new().into());
        at = inner
            .as_table_mut()
            .with_context(|| format!("{parent} is not a table in the file"))?;
    }
    at.insert((*last).to_owned(), literal(value));
    Ok(())
}

/// Numbers, booleans and lists are written as in TOML; everything else is text.
fn literal(value: &str) -> toml::Value {
    let parsed = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"));
    match parsed {
        Some(v @ (toml::Value::Integer(_) | toml::Value::Boolean(_) | toml::Value::Array(_))) => v,
        _ => toml::Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, env: &[(&str, &str)]) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("livehouse.toml");
        std::fs::write(&path, file).unwrap();
        Config::load(
            Some(&path),
            env.iter().map(|(k, v)| (k.to_string(), v.to_string())),
        )
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let config = load(
            "listen = '127.0.0.1:9000'\n[gateway]\nping_seconds = 30",
            &[
                ("LIVEHOUSE_LISTEN", "127.0.0.1:9001"),
                ("LIVEHOUSE_GATEWAY_ALLOWED_ORIGINS", "['https://a.example']"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.port(), 9001);
        assert_eq!(config.gateway.ping_seconds, 30);
        assert_eq!(config.gateway.allowed_origins, ["https://a.example"]);
        assert_eq!(config.data, PathBuf::from("livehouse-data"));
    }

    #[test]
    fn a_secret_of_digits_is_still_text() {
        let digits = "12345678901234567890123456789012".to_owned() + "34567890";
        let config = load("", &[("LIVEHOUSE_TOKEN_SECRET", &digits)]).unwrap();
        assert_eq!(config.token.secret.unwrap().reveal(), digits);
    }

    #[test]
    fn unknown_keys_are_errors_that_name_them() {
        let error = format!("{:#}", load("lissten = 'x'", &[]).unwrap_err());
        assert!(error.contains("lissten"), "{error}");
        let error = format!("{:#}", load("", &[("LIVEHOUSE_LISSTEN", "x")]).unwrap_err());
        assert!(
            error.contains("LIVEHOUSE_LISSTEN") && error.contains("LIVEHOUSE_LISTEN"),
            "{error}"
        );
    }

    #[test]
    fn values_out_of_range_are_errors_that_say_the_range() {
        for (file, word) in [
            ("time_zone = 'Mars/Olympus'", "Asia/Shanghai"),
            ("[gateway]\nping_seconds = 1", "10 to 600"),
            ("[gateway]\nhandshake_seconds = 0", "1 to 60"),
            ("[gateway]\ntrusted_proxies = ['nginx']", "10.0.0.0/8"),
            ("stop_spread_ms = 100000", "60000"),
            ("[tls]\ncertificate = 'cert.pem'", "tls.key"),
            ("[gateway]\nsessions_per_user = 0", "at least 1"),
            ("[token]\nsecret = 'short'", "32 bytes"),
            ("[payouts]\nprovider = 'http'", "payouts.url"),
            ("[payouts]\nprovider = 'sandbox'", "sandbox"),
            ("[payouts]\nfee_per_mille = 1001", "0 to 1000"),
            ("[payouts]\nminor_per_ticket = 0", "at least 1"),
            ("[payouts]\ntickets_min = 9\ntickets_max = 8", "tickets_max"),
            ("[payouts]\npatience_seconds = 0", "1 to 300"),
            ("[admin]\nsession_seconds = 0", "1 to 86400"),
            (
                "[[admin.staff]]\nname = 'kim'\nroles = ['finance']\npassword_hash = 'secret'",
                "livehouse staff hash",
            ),
            ("currency = 'yuan'", "currency"),
            ("[[packs]]\nid = 'a'\ncoins = 0\nprice = 1", "coins and price"),
            (
                "[[packs]]\nid = 'a'\ncoins = 1\nprice = 1\n[[packs]]\nid = 'a'\ncoins = 2\nprice = 2",
                "packs: a is listed twice",
            ),
            (
                "[[payments.providers]]\nname = 'p'\nsecrets = []\npay_url = 'https://p/{order}'",
                "payments.providers: p: secrets must be 1 to 8",
            ),
            (
                "[[payments.providers]]\nname = 'p'\nsecrets = ['short']\npay_url = 'https://p/{order}'",
                "32 bytes",
            ),
            (
                "[[payments.providers]]\nname = 'p'\nsecrets = ['0123456789abcdef0123456789abcdef']\npay_url = 'https://p/'",
                "pay_url must contain {order}",
            ),
            (
                "[[gifts]]\nid = 'a'\nname = 'A'\ncoins = 0\ntickets = 0",
                "coins must be",
            ),
        ] {
            let error = format!("{:#}", load(file, &[]).unwrap_err());
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn every_setting_is_in_the_operators_guide() {
        let guide = include_str!("../docs/operations.md");
        for (name, path) in KEYS {
            let row = format!("| `{}` | `{ENV_PREFIX}{name}` |", path.join("."));
            assert!(guide.contains(&row), "docs/operations.md has no row {row}");
        }
    }

    #[test]
    fn a_secret_never_shows_itself() {
        let config = load("[token]\nsecret = 'correct horse battery staple correct'", &[]).unwrap();
        assert!(!format!("{config:?}").contains("horse"));
        assert!(!toml::to_string(&config).unwrap().contains("horse"));
    }
}
