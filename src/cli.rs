//! The command line: one file per verb. Data goes to standard output, talk to standard error.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::Config;

mod audit;
mod crowd;
mod demo;
mod explain;
mod log;
mod open;
mod rebuild;
mod reconcile;
mod replay;
mod serve;
mod staff;
mod statement;
mod token;
mod verify;

/// The interaction backend of a live-streaming platform: rooms, gifts, coins, follows and leaderboards on an event log.
///
/// Try `livehouse demo` first: a server with a simulated crowd and a page, nothing to configure.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server
    Serve(serve::Args),
    /// Run a server with a simulated crowd on loopback, to look at and to develop against
    Demo(demo::Args),
    /// Send simulated viewers to a running demo, over real WebSockets
    Crowd(crowd::Args),
    /// Passwords of staff
    Staff(staff::Args),
    /// Print a connection token for a user
    Token(token::Args),
    /// Build views anew from the journal, or check that they equal a fresh fold of it
    Rebuild(rebuild::Args),
    /// Print what happened in a room, at the speed it happened or as JSON lines
    Replay(replay::Args),
    /// Print records of the journal as JSON lines
    Log(log::Args),
    /// Explain a command: what it did to every account, and what came of it
    Explain(explain::Args),
    /// Print the statement of a user, or of a provider's day
    Statement(statement::Args),
    /// Compare a payment provider's file of a day with the journal
    Reconcile(reconcile::Args),
    /// Check every byte of the journal
    Verify(verify::Args),
    /// Check the ledger: that not one coin or ticket was lost or made
    Audit(audit::Args),
}

/// Where a verb finds its configuration.
#[derive(Debug, Clone, clap::Args)]
pub struct Sources {
    /// The configuration file [default: livehouse.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the journal and the views [default: livehouse-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Sources {
    /// The configuration: defaults, file, environment, and these flags above them.
    fn load(&self) -> Result<Config> {
        let mut config = Config::load(self.config.as_deref(), std::env::vars())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

/// `--listen`, for the verbs that serve.
#[derive(Debug, Clone, clap::Args)]
pub struct Listen {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Runs the verb. The exit code is the verb's own verdict; an error is exit 1.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.verb {
        Verb::Serve(args) => serve::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Crowd(args) => crowd::run(&args),
        Verb::Staff(args) => staff::run(&args),
        Verb::Token(args) => token::run(&args),
        Verb::Rebuild(args) => rebuild::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Log(args) => log::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Statement(args) => statement::run(&args),
        Verb::Reconcile(args) => reconcile::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Audit(args) => audit::run(&args),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_verb_explains_itself() {
        Args::command().debug_assert();
        for verb in Args::command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{} has no help", verb.get_name());
        }
    }
}
