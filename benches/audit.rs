//! The figure `audit`: the ledger's thirteen promises over 10 M mixed events in a real embedded journal (gifts, combos, chats,
//! follows, credits, recharges with their orders and payments, withdrawals), beside `verify`, which reads and checks
//! the same bytes and folds nothing. And the figure `explain` in the same journal: what became of one command.
//!
//! `LIVEHOUSE_BENCH_EVENTS` sets another number of events.

#[path = "audit/crowd.rs"]
mod crowd;
#[path = "support/filling.rs"]
mod filling;
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use domain::event::EventType;
use journal::embedded::{Embedded, EmbeddedReader, Options, VerifiedWalk, verify};
use journal::{Position, Reader};
use livehouse::ledger::explain::{Question, explain, find};
use projections::audit::{FromFiles, Report, run_over};
use projections::ledger::stored_ledger;
use projections::{FjallStore, Stopper, ViewStore, Zone, rebuild};

const EVENTS: u64 = 10_000_000;
/// Commands that are explained by one program, and by a program each.
const EXPLAINED: (u64, u64) = (2_000, 50);

fn main() {
    let events = support::setting("LIVEHOUSE_BENCH_EVENTS").unwrap_or(EVENTS);
    support::machine();
    let directory = support::directory();
    let journal = directory.path().join("journal");
    let (reader, writer) = Embedded::open(&journal, Options::default()).expect("a journal");
    let filled = Instant::now();
    crowd::fill(&writer, events);
    support::figure(
        "appending the events first",
        events as f64 / filled.elapsed().as_secs_f64(),
        "events/s",
    );
    writer.close();
    let records = reader.head().get(0) as f64;
    drop(reader);

    let began = Instant::now();
    let verified = verify(&journal, |_, _| {}).expect("a sound journal");
    let verify_rate = records / began.elapsed().as_secs_f64();
    let reader = Embedded::open_read_only(&journal).expect("a reader");
    let cpu = support::cpu_seconds();
    let report = audit(&journal, &reader, None);
    let cpu_us = (support::cpu_seconds() - cpu) * 1e6 / records;
    assert_eq!(report.chain.as_deref(), Some(hex(&verified.chain).as_str()));
    support::figure_beside(
        &format!("audit of {} events", support::number(records)),
        report.rate(),
        "events/s",
        "verify, which folds nothing",
        verify_rate,
    );
    support::figure("processor time of the audit, all threads", cpu_us, "us/event");

    explained(directory.path(), &reader);

    let store: Arc<dyn ViewStore> =
        Arc::new(FjallStore::open(&directory.path().join("views")).expect("a store"));
    let options = projections::Options::default();
    let rebuilt = rebuild(&reader, &store, &[], options, &Stopper::default(), |_| {}).expect("a rebuild");
    support::figure(
        "rebuild of all views from the same events (everybody gives to every room: the boards' worst case)",
        rebuilt.rate(),
        "events/s",
    );
    let stored = stored_ledger(&*store, reader.id()).expect("the stored ledger");
    let compared = audit(&journal, &reader, stored).stored.expect("compared");
    assert!(compared.equal, "the stored ledger equals the audit's");
}

/// A clean report of the journal.
fn audit(
    journal: &Path,
    reader: &EmbeddedReader,
    stored: Option<projections::ledger::StoredLedger>,
) -> Report {
    let mut source = FromFiles::new(VerifiedWalk::open(journal).expect("a walk"));
    let report = run_over(&mut source, reader, stored, &Stopper::default(), |_| {}).expect("an audit");
    assert_eq!(report.first_break(), None, "the crowd's history is true");
    report
}

/// Explains commands all over the journal: as a server does it, and as the command line does, which opens the journal first.
fn explained(data: &Path, reader: &EmbeddedReader) {
    // Not its very end, where no gift may follow.
    let at = |n: u64, of: u64| reader.head().get(0) * 9 / 10 * n / of;
    let mut took_us = support::durations_us();
    for n in 0..EXPLAINED.0 {
        let id = command_from(reader, at(n, EXPLAINED.0));
        let began = Instant::now();
        let question = Question {
            id: &id,
            user: None,
            stream: None,
        };
        let found = wait(find(reader, question)).expect("a sound journal");
        let told = wait(explain(reader, &found[0], Zone::shanghai(), None));
        took_us.saturating_record(began.elapsed().as_micros() as u64);
        assert!(told.is_ok_and(|told| told.command.id == id));
    }
    for (what, quantile) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let name = format!("explain, the journal open already, {what} (at most 100)");
        support::figure(&name, took_us.value_at_quantile(quantile) as f64 / 1e3, "ms");
    }
    let mut took_us = support::durations_us();
    for n in 0..EXPLAINED.1 {
        let id = command_from(reader, at(n, EXPLAINED.1));
        let began = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_livehouse"));
        command.env_remove("LIVEHOUSE_BENCH_EVENTS");
        command.args(["explain", &id, "--data"]).arg(data);
        let status = command.stdout(Stdio::null()).status().expect("the command runs");
        took_us.saturating_record(began.elapsed().as_micros() as u64);
        assert!(status.success());
    }
    for (what, quantile) in [("p50", 0.5), ("max", 1.0)] {
        let name =
            format!("`livehouse explain`, a program that opens the journal first, {what} (at most 100)");
        support::figure(&name, took_us.value_at_quantile(quantile) as f64 / 1e3, "ms");
    }
}

/// The id of the first gift behind a position, as its client made it. (An order has its id in common with its recharge.)
fn command_from(reader: &EmbeddedReader, after: u64) -> String {
    const READ_BYTES: usize = 64 << 10;
    let mut at = Position {
        shard: 0,
        sequence: after,
    };
    loop {
        let records = wait(reader.read(at, READ_BYTES)).expect("records");
        assert!(!records.is_empty(), "no gift behind {after}");
        at = records.last();
        let mut gifts = records
            .iter()
            .filter(|record| record.event_type == EventType::GiftSent);
        if let Some(id) = gifts.find_map(|record| record.command_id) {
            return id.to_owned();
        }
    }
}

/// What a read of the embedded journal gives: it is there at once, or waits on a thread of its own.
fn wait<T>(read: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(read)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
