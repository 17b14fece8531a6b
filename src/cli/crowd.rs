//! `livehouse crowd`: simulated viewers for a demo that runs, by themselves or in a scripted scene.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::config::LogConfig;
use crate::crowd::{Crowd, Plan, Report, Scene, Script, allow_sockets};
use crate::telemetry;

const TALLY_EVERY: Duration = Duration::from_secs(2);

/// Send simulated viewers to a running demo, over real WebSockets.
///
/// They enter rooms, chat, send gifts, combos and hearts, follow, moderate. Without --scene they do so until Ctrl-C. A scene has an end:
/// then the crowd compares what it saw and paid with what the server says. Every viewer must have seen every durable
/// publication of its room exactly once and in order, or have recovered it; every acknowledged gift must be among them; every
/// purse and every streamer's tickets must add up. Exit code 1 if anything does not.
///
/// The crowd wants its streamers and viewers for itself: run it on a demo with --no-crowd.
///
///   livehouse demo --no-crowd &
///   livehouse crowd --scene concert
///   livehouse crowd --scene reconnect-storm --viewers 5000 --report storm.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The demo's address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    server: String,
    /// What happens [default: an everyday evening without an end]
    #[arg(long, value_name = "SCENE", value_enum)]
    scene: Option<Scene>,
    /// Streamers that go live [default: the scene's; 6 without one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rooms: Option<u16>,
    /// Viewers, spread unevenly over the rooms [default: the scene's; 100 without one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=50000))]
    viewers: Option<u16>,
    /// What one viewer does in a minute [default: the scene's; 12 without one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60000))]
    rate: Option<u32>,
    /// Coins a viewer gets when there are none left
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    coins: u64,
    /// How long it lasts [default: the scene's; until Ctrl-C without one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON instead of in words
    #[arg(long)]
    json: bool,
}

impl Args {
    fn plan(&self) -> Plan {
        let mut script = self.scene.map_or_else(Script::endless, Script::of);
        script.rooms = self.rooms.map_or(script.rooms, usize::from);
        script.viewers = self.viewers.map_or(script.viewers, usize::from);
        script.actions_per_minute = self.rate.unwrap_or(script.actions_per_minute);
        script.length = self.seconds.map(Duration::from_secs).or(script.length);
        Plan {
            server: self.server.clone(),
            script,
            coins: self.coins,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    telemetry::start(&LogConfig {
        filter: std::env::var("LIVEHOUSE_LOG_FILTER").unwrap_or_else(|_| "warn".into()),
        ..LogConfig::default()
    })?;
    let plan = args.plan();
    let sockets = plan.script.rooms + plan.script.viewers;
    let allowed = allow_sockets(sockets);
    if allowed < sockets {
        eprintln!(
            "This system lets a process open {allowed} sockets; {sockets} are wanted. See `ulimit -Hn`."
        );
    }
    let runtime = tokio::runtime::Runtime::new().context("threads cannot be started")?;
    let report = runtime.block_on(crowd(plan));
    print(&report, args.json)?;
    if let Some(path) = &args.report {
        save(&report, path)?;
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn crowd(plan: Plan) -> Report {
    let mut crowd = Crowd::start(plan);
    let tally = crowd.tally.clone();
    let telling = tokio::spawn(async move {
        let mut every = tokio::time::interval(TALLY_EVERY);
        every.tick().await;
        loop {
            every.tick().await;
            eprintln!("{}", tally.line());
        }
    });
    tokio::select! {
        () = crowd.play() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    eprintln!("The evening is over: comparing books.");
    let report = crowd.end().await;
    telling.abort();
    report
}

fn print(report: &Report, json: bool) -> Result<()> {
    let text = if json {
        serde_json::to_string_pretty(report)?
    } else {
        report.words()
    };
    writeln!(std::io::stdout(), "{text}").context("standard output cannot be written")
}

fn save(report: &Report, path: &Path) -> Result<()> {
    let json = serde_json::to_vec_pretty(report)?;
    fs::write(path, json).with_context(|| format!("{} cannot be written", path.display()))
}
