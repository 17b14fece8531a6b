//! `livehouse reconcile`: a payment provider's file against the journal.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use domain::ProviderName;
use projections::Day;

use crate::cli::{Sources, open};
use crate::ledger::reconcile::{Differences, Finding, compare, read};
use crate::progress::{Progress, Unit};
use crate::serve::time_zone;

/// Compare a payment provider's file of a day with the journal.
///
/// The file is CSV with a head that names, in any order, the columns payment, type (payment or refund), amount (minor units)
/// and currency, and perhaps order and time. Lists what is missing here, missing there, different, named twice, or set aside;
/// exit 1 if anything is. Nothing is written, and a server may be running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// The provider's file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Whose file it is
    #[arg(long, value_name = "NAME")]
    provider: ProviderName,
    /// Which day it is of, as in 2026-11-21
    #[arg(long, value_name = "DAY")]
    day: Day,
    /// The same as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let zone = time_zone(&config)?;
    let file = File::open(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let theirs = read(file).with_context(|| args.file.display().to_string())?;
    let reader = open::journal(&config.data)?;
    let mut progress = Progress::new("reconcile", Unit::Records, 0);
    let tell = |done, total| progress.set(done, total);
    let found = open::wait(compare(&reader, &args.provider, &theirs, (args.day, zone), tell))??;
    progress.finish();
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &found)?;
        writeln!(out)?;
    } else {
        print(args, &found, &mut out)?;
    }
    Ok(if found.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(args: &Args, found: &Differences, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{} on {}: {} lines in the file, {} records here, {} agree",
        args.provider, args.day, found.lines, found.records, found.agree
    )?;
    list(
        "missing here (in the file, not in the journal)",
        &found.missing_here,
        out,
    )?;
    list(
        "missing there (in the journal, not in the file)",
        &found.missing_there,
        out,
    )?;
    list("other amount, currency or order", &found.other, out)?;
    list("named twice in the file", &found.twice, out)?;
    list("set aside (fits no order, not given back)", &found.set_aside, out)?;
    list(
        "recorded here on another day (no difference)",
        &found.other_day,
        out,
    )
}

fn list(heading: &str, findings: &[Finding], out: &mut impl Write) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}: {}", findings.len())?;
    for finding in findings {
        let place = match (finding.line, finding.position) {
            (Some(line), _) => format!("line {line}"),
            (None, Some(position)) => format!("position {position}"),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "  {place:<18}  {:<7}  {:<24}  {:>12} {}  {}",
            finding.r#type.word(),
            // The file is another's: nothing of it may steer a terminal.
            finding.payment.escape_debug().to_string(),
            finding.amount,
            finding.currency.escape_debug(),
            finding.what.escape_debug()
        )?;
    }
    Ok(())
}
