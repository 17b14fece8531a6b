//! `livehouse audit`: the ledger's thirteen promises, checked over the whole journal.

use std::process::ExitCode;

use anyhow::{Context, Result};
use domain::ledger::Asset;
use journal::Reader;
use journal::embedded::VerifiedWalk;
use projections::audit::{FromFiles, Owed, Report, run_over};
use projections::ledger::{StoredLedger, stored_ledger};
use projections::{FjallStore, Rebuild, Stopper};

use crate::cli::{Sources, open};
use crate::progress::{Progress, Unit};
use crate::serve::{journal_directory, views_directory};

/// Entries of a list that are shown to people; `--json` has all.
const LISTED_MAX: usize = 10;

/// Check the ledger: every promise of docs/ledger.md, over every record of the journal.
///
/// Nothing is written to the journal. When no server runs, the stored balances are compared as well. Exit 1 names the
/// first position that breaks a promise.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let reader = open::journal(&config.data)?;
    let stored = stored(&config.data, reader.id())?;
    let mut progress = Progress::new("audit", Unit::Records, reader.head().records());
    let tell = |at: Rebuild| progress.set(at.done, at.total);
    let walk = VerifiedWalk::open(journal_directory(&config.data))?;
    let mut source = FromFiles::new(walk);
    let report = run_over(&mut source, &reader, stored, &Stopper::default(), tell)?;
    progress.finish();
    if args.json {
        println!(
            "{}",
            serde_json::to_string(&report).context("the report has numbers that JSON cannot hold")?
        );
    } else {
        print(&report);
    }
    let Some(found) = report.first_break() else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("{found}");
    Ok(ExitCode::FAILURE)
}

/// The ledger that a server has left; none when there is none, or one runs.
fn stored(data: &std::path::Path, journal: journal::JournalId) -> Result<Option<StoredLedger>> {
    let views = views_directory(data);
    if !views.exists() {
        return Ok(None);
    }
    match FjallStore::open(&views) {
        Ok(store) => Ok(stored_ledger(&store, journal)?),
        Err(error) => {
            eprintln!("the stored balances are not compared: {error}");
            Ok(None)
        }
    }
}

fn print(report: &Report) {
    println!(
        "journal {}: {} records in {:.2} s, {:.0} records/s",
        report.journal,
        report.records,
        report.seconds,
        report.rate()
    );
    println!(
        "\n{:<14}{:<8}{:>24}{:>12}",
        "account", "asset", "total", "holders"
    );
    for line in &report.accounts {
        let asset = match line.asset {
            Asset::Coin => "coin",
            Asset::Ticket => "ticket",
        };
        println!(
            "{:<14}{asset:<8}{:>24}{:>12}",
            line.account, line.total, line.holders
        );
    }
    println!();
    for verdict in &report.invariants {
        let outcome = match (&verdict.broken, verdict.checks) {
            (Some(found), _) => format!("BROKEN at record {}: {}", found.position, found.what),
            (None, 0) => "not checked: there was nothing to look at".into(),
            (None, checks) => format!("ok, {checks} checks"),
        };
        println!("{:>2}  {:<54}  {outcome}", verdict.number, verdict.promise);
    }
    println!();
    open_ends(report);
    println!("digest of all accounts: {}", report.digest);
    if let Some(chain) = &report.chain {
        println!("last link of the hash chain: {chain}");
    }
}

/// What is under way: no error.
fn open_ends(report: &Report) {
    let flight = report.in_flight;
    println!(
        "in flight: {} gifts of {} tickets to {} streamers",
        flight.gifts, flight.tickets, flight.streamers
    );
    println!("withdrawals under way: {}", report.open_withdrawals.len());
    for hold in report.open_withdrawals.iter().take(LISTED_MAX) {
        println!(
            "    {} of {}: {} tickets, {}, since record {}",
            hold.withdrawal,
            hold.user,
            hold.tickets,
            hold.state.word(),
            hold.since
        );
    }
    orders("orders paid and not credited yet", &report.owed);
    orders("orders refunded and not taken back yet", &report.to_take_back);
}

fn orders(what: &str, orders: &[Owed]) {
    if orders.is_empty() {
        return;
    }
    println!("{what}: {}", orders.len());
    for owed in orders.iter().take(LISTED_MAX) {
        println!(
            "    {} of {}: {} coins, since record {}",
            owed.order, owed.user, owed.coins, owed.since
        );
    }
}
