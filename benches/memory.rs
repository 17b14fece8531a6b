//! The figure `memory`: what one resident viewer costs, all included: the registry's entry, the mailbox, actix's context,
//! the task, the shell and the state. Counted by the allocator, and beside it by the operating system.

mod support;

use std::alloc::System as Heap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use actors::{Actors, Config, House, Reply, Request};
use domain::{Catalogue, UserId, viewer};
use journal::embedded::{Embedded, Options};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<Heap> = &INSTRUMENTED_SYSTEM;

/// Viewers that are brought in before, so that what is shared is not counted.
const BEFORE: usize = 20_000;
/// Viewers that are counted.
const COUNTED: usize = 200_000;

/// Names the directory in the process that is measured.
const DIRECTORY: &str = "LIVEHOUSE_BENCH_DIRECTORY";

fn main() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return System::new().block_on(measure(directory.as_ref()));
    }
    support::machine();
    let directory = support::directory();
    System::new().block_on(async {
        let actors = start(directory.path());
        each(&actors, 0..BEFORE + COUNTED, true).await;
        assert!(
            actors.stop(Duration::from_secs(60)).await,
            "stopped in good order"
        );
    });
    // In a process of its own: nothing was allocated and given back before.
    let program = std::env::current_exe().expect("this program");
    let measured = std::process::Command::new(program)
        .env(DIRECTORY, directory.path())
        .status();
    assert!(measured.expect("started").success());
}

fn start(directory: &Path) -> Actors {
    let (reader, writer) = Embedded::open(directory.join("journal"), Options::default()).expect("a journal");
    let catalogue = Arc::new(Catalogue::new([]).expect("a catalogue"));
    let house = House::new(
        Arc::new(reader),
        Arc::new(writer),
        catalogue,
        House::system_clock(),
    );
    Actors::start(
        house,
        &Config {
            arbiters: 1,
            room_arbiters: 1,
            settle: false,
            ..Config::default()
        },
    )
}

/// Brings everybody in by replay: nothing is written, so that what grows is actors.
async fn measure(directory: &Path) {
    let actors = start(directory);
    each(&actors, 0..BEFORE, false).await;
    let (heap_before, resident_before) = (heap_bytes(), resident_bytes());
    each(&actors, BEFORE..BEFORE + COUNTED, false).await;
    assert_eq!(actors.residents().viewers, BEFORE + COUNTED);
    let per_viewer = |bytes: u64| bytes as f64 / COUNTED as f64;
    support::figure(
        "memory per resident viewer actor, as allocated",
        per_viewer(heap_bytes() - heap_before),
        "bytes",
    );
    let resident = per_viewer(resident_bytes().saturating_sub(resident_before));
    support::figure(
        "memory per resident viewer actor, as resident in the system",
        resident,
        "bytes",
    );
}

/// Gives each viewer coins, or only asks for the state; in waves, as mailboxes and queues are bounded.
async fn each(actors: &Actors, range: std::ops::Range<usize>, grant: bool) {
    let users: Vec<UserId> = range
        .map(|n| format!("{}", 100_000_000 + n).parse().expect("an id"))
        .collect();
    for wave in users.chunks(1_000) {
        let mut outcomes = Vec::new();
        for user in wave {
            if grant {
                let command = viewer::Command::AdjustCoins {
                    amount: 100,
                    reason: "bench".into(),
                };
                actors.viewer(user, Request::of_system("bench"), command, Reply::to_nobody());
            }
            let (reply, outcome) = Reply::channel();
            actors.ask_viewer(user, reply);
            outcomes.push(outcome);
        }
        for outcome in outcomes {
            assert_eq!(outcome.await.expect("told").answer.coins(), 100);
        }
    }
}

fn heap_bytes() -> u64 {
    let stats = HEAP.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * 4_096
}
