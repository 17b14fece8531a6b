//! `livehouse crowd`: simulated viewers for a demo that runs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::config::LogConfig;
use crate::crowd::{Crowd, Plan};
use crate::telemetry;

const TALLY_EVERY: Duration = Duration::from_secs(2);
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Send simulated viewers to a running demo, over real WebSockets.
///
/// They enter rooms, chat, send gifts and combos, and follow. What they did is printed every 2 s. Ctrl-C sends them home.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The demo's address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    server: String,
    /// Streamers that go live
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rooms: u16,
    /// Viewers, spread unevenly over the rooms
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=20000))]
    viewers: u16,
    /// What one viewer does in a minute
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=60000))]
    rate: u32,
    /// Coins a viewer gets when there are none left
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    coins: u64,
    /// Go home after this many seconds [default: stay until Ctrl-C]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    telemetry::start(&LogConfig {
        filter: "warn".into(),
        ..LogConfig::default()
    })?;
    let runtime = tokio::runtime::Runtime::new().context("threads cannot be started")?;
    runtime.block_on(crowd(args));
    Ok(ExitCode::SUCCESS)
}

async fn crowd(args: &Args) {
    let crowd = Crowd::start(Plan {
        server: args.server.clone(),
        rooms: args.rooms.into(),
        viewers: args.viewers.into(),
        actions_per_minute: args.rate,
        coins: args.coins,
    });
    let mut every = tokio::time::interval(TALLY_EVERY);
    every.tick().await;
    let end = tokio::time::sleep(args.seconds.map_or(Duration::MAX, Duration::from_secs));
    tokio::pin!(end);
    loop {
        tokio::select! {
            _ = every.tick() => eprintln!("{}", crowd.tally.line().await),
            _ = tokio::signal::ctrl_c() => break,
            () = &mut end => break,
        }
    }
    let tally = crowd.tally.clone();
    crowd.stop(LEAVE_WITHIN).await;
    println!("{}", tally.line().await);
}
