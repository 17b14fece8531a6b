//! The seeded simulation of the whole core: journal, actors, settlement and views in one thread and virtual time, with
//! crashes and faults, judged by an oracle that never sees their state.
//!
//! `SIM_SEEDS` seeds (default 1,000) from `SIM_SEED` (default 0) on; `SIM_SEED` alone runs that one with a trace.
//! `SIM_GRANTS=1` plays by the rules of before there was money, as some kept seeds do.
//! `--doublecheck` (or `SIM_DOUBLECHECK=1`) runs every seed twice, otherwise every 50th is. Other arguments, such as
//! those of `cargo test`, mean nothing here.

mod acquaintances;
mod bank;
mod cashier;
mod checks;
mod correspondence;
mod cursor;
mod evenings;
mod explained;
mod hall;
mod ledger;
mod letters;
mod life;
mod model;
mod money;
mod offers;
mod oracle;
mod payouts;
mod payroll;
mod regressions;
mod relations;
mod requests;
mod rooms;
mod script;
mod settler;
mod store;
mod tally;
mod tills;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tally::Tally;
use world::Era;

const SEEDS: u64 = 1_000;
/// One seed in so many is run twice.
const TWICE_EVERY: u64 = 50;
/// A run of so many seeds must have reached everything.
const COMPLETE_FROM_SEEDS: u64 = 2_000;
const THREADS_MAX: usize = 2;
/// After so many findings the rest is not worth the time.
const FINDINGS_MAX: usize = 10;

struct Plan {
    first: u64,
    count: u64,
    trace: bool,
    twice_every: u64,
    era: Era,
}

fn main() -> ExitCode {
    let plan = plan();
    let began = Instant::now();
    let mut findings = Vec::new();
    if !plan.trace {
        findings.extend(regressions::run());
    }
    let (tally, found) = campaign(&plan);
    findings.extend(found);
    println!(
        "sim: {} seeds, {} commands, {} records, {} crashes, {} faults, {:.1} s",
        tally.seeds,
        tally.commands,
        tally.records,
        tally.count("losses of power") + tally.count("kills"),
        tally.count("faults of the disk"),
        began.elapsed().as_secs_f64()
    );
    tally.print();
    if plan.count >= COMPLETE_FROM_SEEDS && findings.is_empty() {
        findings.extend(
            tally
                .missing()
                .into_iter()
                .map(|what| format!("no seed reached: {what}")),
        );
    }
    for finding in &findings {
        println!("FAILED {finding}");
    }
    let passed = if plan.trace {
        0
    } else {
        regressions::ALL.len() as u64
    } + tally.seeds;
    println!("{passed} passed, {} failed", findings.len());
    if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn plan() -> Plan {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.replace('_', "")
                .parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} must be a number")),
        )
    };
    let (seed, seeds) = (number("SIM_SEED"), number("SIM_SEEDS"));
    let count = seeds.unwrap_or(if seed.is_some() { 1 } else { SEEDS });
    let twice = std::env::args().any(|arg| arg == "--doublecheck") || number("SIM_DOUBLECHECK").is_some();
    Plan {
        first: seed.unwrap_or(0),
        count,
        trace: count == 1,
        era: if number("SIM_GRANTS").is_some() {
            Era::Grants
        } else {
            Era::Money
        },
        twice_every: if twice { 1 } else { TWICE_EVERY },
    }
}

/// Runs all seeds, each on one thread; gives what they reached and what was found.
fn campaign(plan: &Plan) -> (Tally, Vec<String>) {
    let next = AtomicU64::new(0);
    let sum = Mutex::new((Tally::default(), Vec::new()));
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let done = next.fetch_add(1, Ordering::Relaxed);
                    if done >= plan.count {
                        return;
                    }
                    let outcome = try_seed(plan.first + done, plan);
                    let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match outcome {
                        Ok(tally) => sum.0.absorb(&tally),
                        Err(finding) => sum.1.push(finding),
                    }
                    if sum.1.len() >= FINDINGS_MAX {
                        return;
                    }
                    if plan.count >= 100 && (done + 1).is_multiple_of(plan.count / 10) {
                        eprintln!(
                            "sim: {} of {} seeds, {} findings",
                            done + 1,
                            plan.count,
                            sum.1.len()
                        );
                    }
                }
            });
        }
    });
    sum.into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn try_seed(seed: u64, plan: &Plan) -> Result<Tally, String> {
    let reproduce = format!("SIM_SEED={seed} cargo test --test sim");
    let (tally, digest) =
        run_caught(seed, plan.era, plan.trace).map_err(|what| format!("{reproduce}\n    {what}"))?;
    if seed.is_multiple_of(plan.twice_every) {
        let again = run_caught(seed, plan.era, false).map_err(|what| format!("{reproduce}\n    {what}"))?;
        if again.1 != digest {
            return Err(format!("{reproduce}\n    the same seed twice gave two digests"));
        }
    }
    Ok(tally)
}

/// Runs a seed; a panic is a finding.
pub fn run_caught(seed: u64, era: Era, trace: bool) -> Result<(Tally, blake3::Hash), String> {
    catch_unwind(AssertUnwindSafe(|| world::run(seed, era, trace))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it panicked")
            .to_owned()
    })
}
