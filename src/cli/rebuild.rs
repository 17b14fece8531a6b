//! `livehouse rebuild`: views anew, or the proof that they need not be.

use std::process::ExitCode;

use anyhow::{Result, bail};
use projections::{Difference, Options, Stopper, views};

use crate::cli::{Sources, hex, open};
use crate::progress::{Progress, Unit};
use crate::serve::time_zone;

/// Build views anew from the journal, or check that they equal a fresh fold of it.
///
/// The new views are built beside the old ones and put in their place at once; the old ones are kept for --rollback. The
/// server must be stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Which views [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Change nothing: compare the stored views with a fresh fold; exit 1 and the first differences if they differ
    #[arg(long)]
    check: bool,
    /// Go back to the views before the last rebuild
    #[arg(long, conflicts_with = "check")]
    rollback: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let names: Vec<_> = args.names.iter().map(String::as_str).collect();
    if let Some(unknown) = names.iter().find(|name| !views::ALL.contains(name)) {
        bail!(
            "there is no view {unknown}: the views are {}",
            views::ALL.join(", ")
        );
    }
    let options = Options {
        zone: time_zone(&config)?,
    };
    let reader = open::journal(&config.data)?;
    let store = open::views(&config.data)?;
    let stopper = Stopper::default();
    if args.rollback {
        projections::roll_back(&*store, &names)?;
        println!("the views before the last rebuild are in place again");
        return Ok(ExitCode::SUCCESS);
    }
    let label = if args.check { "check" } else { "rebuild" };
    let mut progress = Progress::new(label, Unit::Records, journal::Reader::head(&reader).records());
    let tell = |at: projections::Rebuild| progress.set(at.done, at.total);
    if args.check {
        let differences = projections::check(&reader, &store, &names, options, &stopper, tell)?;
        progress.finish();
        return Ok(report(&differences));
    }
    let report = projections::rebuild(&reader, &store, &names, options, &stopper, tell)?;
    progress.finish();
    println!(
        "{} records in {:.2} s, {:.0} records/s",
        report.records,
        report.seconds,
        report.rate()
    );
    Ok(ExitCode::SUCCESS)
}

fn report(differences: &[Difference]) -> ExitCode {
    if differences.is_empty() {
        println!("the stored views equal a fresh fold of the journal");
        return ExitCode::SUCCESS;
    }
    for difference in differences {
        println!("{}: {}", difference.view, difference.key);
        println!("  stored {}", bytes(difference.stored.as_deref()));
        println!("  folded {}", bytes(difference.folded.as_deref()));
    }
    eprintln!("the stored views differ from the journal: `livehouse rebuild` makes them anew");
    ExitCode::FAILURE
}

fn bytes(value: Option<&[u8]>) -> String {
    match value {
        None => "nothing".into(),
        Some(value) => hex(value),
    }
}
