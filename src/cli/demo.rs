//! `livehouse demo`: the same server with a crowd, on loopback, with nothing to configure.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::admin::{Role, password};
use crate::cli::Listen;
use crate::config::{ANY_ORIGIN, Config, LogConfig, PayoutsProvider, Secret, StaffConfig};
use crate::crowd::{Crowd, Plan, Script};
use crate::http::Dev;
use crate::payments::Sandbox;
use crate::serve::{Server, Signals};
use crate::telemetry;

/// Coins that a viewer of the crowd gets when there are none left.
const COINS: u64 = 20_000;
const TALLY_EVERY: Duration = Duration::from_secs(10);
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// Holds the secret that tokens are signed with, in the data directory.
const SECRET_FILE: &str = "demo-token-secret";
/// Holds the password of the demo's staff, likewise.
const PASSWORD_FILE: &str = "demo-staff-password";
/// Who of staff a demo has: two, because large withdrawals need two.
const STAFF: [&str; 2] = ["kim", "lee"];
/// A demo's payout provider that takes longer is asked what became of it.
const PAYOUT_PATIENCE_SECONDS: u64 = 2;

/// Run a server with a simulated crowd on loopback, to look at and to develop against.
///
/// It offers `GET /dev/token?user=ID`, `POST /dev/grant?user=ID&coins=N` and a sandbox that "takes" payments, besides the
/// page and everything that `serve` offers. Open the address that it prints.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Keep the journal and the views here [default: a temporary directory that goes when the demo ends]
    #[arg(long, value_name = "DIR")]
    data: Option<std::path::PathBuf>,
    /// Nobody but you
    #[arg(long)]
    no_crowd: bool,
    /// Live rooms of the crowd
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=100))]
    rooms: u16,
    /// Viewers of the crowd
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=2000))]
    viewers: u16,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut config = Config {
        log: LogConfig {
            filter: "warn".into(),
            ..LogConfig::default()
        },
        ..Config::default()
    };
    if let Ok(filter) = std::env::var("LIVEHOUSE_LOG_FILTER") {
        config.log.filter = filter;
    }
    if let Some(listen) = args.listen.listen {
        config.listen = listen;
    }
    if !config.listen.ip().is_loopback() {
        bail!(
            "a demo lets anybody in as anybody: it listens on loopback only, as in --listen 127.0.0.1:8000"
        );
    }
    telemetry::start(&config.log)?;
    let temporary = args.data.is_none().then(tempfile::tempdir).transpose()?;
    if let Some(directory) = args.data.as_deref().or(temporary.as_ref().map(|t| t.path())) {
        directory.clone_into(&mut config.data);
    }
    config.gateway.allowed_origins = vec![ANY_ORIGIN.into()];
    // Anybody is anybody here, as often as they like.
    config.gateway.sessions_per_user = config.gateway.connections_max;
    config.token.secret = Some(kept_secret(&config.data, SECRET_FILE, Secret::RANDOM_BYTES)?);
    config.payouts.provider = PayoutsProvider::Sandbox;
    config.payouts.patience_seconds = PAYOUT_PATIENCE_SECONDS;
    let password = kept_secret(&config.data, PASSWORD_FILE, password::PASSWORD_CHARS_MIN)?;
    config.admin.staff = staff(&password)?;
    eprintln!(
        "Staff of this demo: {}, password {}",
        STAFF.join(" and "),
        password.reveal()
    );
    let sandbox = Sandbox::default();
    config.payments.providers = vec![sandbox.config()];
    actix_web::rt::System::new().block_on(demo(&config, sandbox, args))?;
    Ok(ExitCode::SUCCESS)
}

/// The secret stays with the data: a client that was connected before a restart comes back with the token it has.
fn kept_secret(data: &Path, file: &str, length: usize) -> Result<Secret> {
    let path = data.join(file);
    if let Ok(kept) = fs::read_to_string(&path)
        && kept.len() == length
    {
        return Ok(Secret::new(kept));
    }
    let secret = Secret::new(&Secret::random().reveal()[..length]);
    fs::create_dir_all(data)
        .and_then(|()| fs::write(&path, secret.reveal()))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(secret)
}

/// Everybody of a demo's staff may do everything.
fn staff(password: &Secret) -> Result<Vec<StaffConfig>> {
    let hash = password::hash(password.reveal())?;
    let one = |name: &str| {
        Ok(StaffConfig {
            name: name.parse().context("a name of staff")?,
            roles: vec![Role::Finance, Role::Catalogue],
            password_hash: Secret::new(hash.clone()),
        })
    };
    STAFF.into_iter().map(one).collect()
}

async fn demo(config: &Config, sandbox: Sandbox, args: &Args) -> Result<()> {
    let signals = Signals::watch()?;
    let server = Server::start(
        config,
        Some(Dev {
            token: config.token.clone(),
            sandbox,
        }),
    )
    .await?;
    println!("http://{}/", server.address);
    if args.no_crowd {
        return server.run(signals).await;
    }
    eprintln!(
        "{} rooms and {} viewers are arriving; Ctrl-C ends the demo.",
        args.rooms, args.viewers
    );
    let crowd = Crowd::start(Plan {
        server: server.address.to_string(),
        script: Script {
            rooms: args.rooms.into(),
            viewers: args.viewers.into(),
            ..Script::endless()
        },
        coins: COINS,
    });
    let tally = crowd.tally.clone();
    let telling = actix_web::rt::spawn(async move {
        let mut every = tokio::time::interval(TALLY_EVERY);
        every.tick().await;
        loop {
            every.tick().await;
            eprintln!("{}", tally.line());
        }
    });
    let ended = server.run(signals).await;
    telling.abort();
    crowd.stop(LEAVE_WITHIN).await;
    ended
}
