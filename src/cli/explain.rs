//! `livehouse explain`: what became of one command.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use domain::{StreamId, UserId};
use journal::{Reader, Record, command_id};
use serde::Serialize;

use crate::cli::{Sources, open};
use crate::ledger::calendar::stamp;
use crate::ledger::explain::{Question, explain, find, write};
use crate::serve::time_zone;

/// Explain a command: what it did to every account, and what came of it.
///
/// A gift with its combo, its settlement and its boards; a recharge from its order to its refund; a withdrawal from its
/// request to its payout; a refusal with its meaning. Nothing is written, and a server may be running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// The command's id as its client made it, or the id of an order (or of a withdrawal, with --user)
    #[arg(value_name = "COMMAND_ID")]
    id: String,
    /// Only what this user sent, or what went to this user's own streams
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Only what went to this stream, as in viewer-42
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamId>,
    /// Say the present ranks on the boards too; this opens the views, so the server must be stopped
    #[arg(long)]
    ranks: bool,
    /// The same as JSON
    #[arg(long)]
    json: bool,
}

/// One of several commands of the same id.
#[derive(Serialize)]
struct Candidate {
    position: u64,
    at: String,
    by: String,
    stream: String,
    event: &'static str,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let zone = time_zone(&config)?;
    let reader = open::journal(&config.data)?;
    let question = Question {
        id: &args.id,
        user: args.user.as_ref(),
        stream: args.stream.as_ref(),
    };
    let found = open::wait(find(&reader, question))??;
    let first = match &found[..] {
        [] => {
            eprintln!("{}", nothing(args, &reader));
            return Ok(ExitCode::FAILURE);
        }
        [first] => first,
        several => {
            let candidates: Vec<_> = several.iter().map(|record| candidate(record, zone)).collect();
            return choose(args, &candidates);
        }
    };
    let views = if args.ranks {
        Some(open::views_as_they_are(&reader, &config.data, zone)?)
    } else {
        None
    };
    let explanation = open::wait(explain(&reader, first, zone, views.as_ref()))??;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &explanation)?;
        writeln!(out)?;
    } else {
        let bold = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        write(&explanation, bold, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing(args: &Args, reader: &impl Reader) -> String {
    let narrowed = args.user.is_some() || args.stream.is_some();
    let hint = if narrowed {
        "try it without --user and --stream"
    } else {
        "chats and orders in rooms that were refused leave no trace, and neither do likes; look with `livehouse log --stream \
         viewer-ID`, or name the --data directory of the right journal"
    };
    format!(
        "no command, order or withdrawal {:?} is among the {} records of this journal: {hint}",
        args.id,
        reader.head().records()
    )
}

fn candidate(record: &Record, zone: projections::Zone) -> Candidate {
    Candidate {
        position: record.position.sequence,
        at: stamp(record.recorded_at_ms, zone),
        by: record.cause.actor.to_string(),
        stream: record.stream.to_string(),
        event: record.event_type.name(),
    }
}

/// Several people, or one person in several streams, made the same id: whoever asks has to say which.
fn choose(args: &Args, candidates: &[Candidate]) -> Result<ExitCode> {
    let id = command_id::bare(&args.id);
    if args.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "several": candidates }));
        println!("{}", text.context("candidates are plain data")?);
    } else {
        for one in candidates {
            println!(
                "{:>10}  {}  {:<24}  {:<24}  {}",
                one.position, one.at, one.by, one.stream, one.event
            );
        }
    }
    eprintln!(
        "{} commands have the id {id:?}: say which with --user ID or --stream STREAM",
        candidates.len()
    );
    Ok(ExitCode::FAILURE)
}
