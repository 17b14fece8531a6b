//! The real server with one room of 5,000 sockets in which 40 gifts are sent in a second: how late a publication reaches
//! them, with and without readers that do not read; whether a gift in another room is acknowledged in time meanwhile;
//! what an idle connection in the room holds; and how long it takes until everybody is back when all sockets are killed
//! at once, with nothing missed and nothing doubled.
//!
//! `ROOMS_SOCKETS` (default 5,000) and `ROOMS_SECONDS` (default 8) change the size.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "a figure needs less of it than a test")]
mod server;
#[path = "support/mod.rs"]
mod support;

#[path = "support/house.rs"]
mod house;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "shared with other figures")]
mod process;
#[path = "support/reader.rs"]
#[allow(dead_code, reason = "shared with other figures")]
mod reader;
#[path = "rooms/watchers.rs"]
mod watchers;

use std::time::Duration;

use hdrhistogram::Histogram;
use house::{House, give};
use livehouse::crowd::Client;
use process::{Process, cost};

const ROOM: &str = "star";
/// A room that nobody watches.
const QUIET: &str = "moon";
const GIVERS: usize = 8;
const GIFTS_PER_SECOND: f64 = 40.0;
/// Of those the latency is taken that the largest room must not touch.
const QUIET_GIFTS_PER_SECOND: f64 = 100.0;
const SLOW_READERS: usize = 50;

fn main() {
    match process::role().as_deref() {
        Some("watchers") => return watchers::run(),
        Some(other) => panic!("there is no role {other}"),
        None => {}
    }
    support::machine();
    let sockets = support::setting("ROOMS_SOCKETS").unwrap_or(5_000);
    let length = Duration::from_secs(support::setting("ROOMS_SECONDS").unwrap_or(8));
    let data = support::directory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("tokio starts").block_on(async {
        let givers: Vec<String> = (0..GIVERS).map(|n| format!("giver{n}")).collect();
        let house = House::open(data.path(), &givers).await;
        let stars = [house.go_live(ROOM).await, house.go_live(QUIET).await];
        let mut clients = Vec::new();
        for giver in &givers {
            clients.push(house.client(giver).await);
        }
        let quiet = give(&clients, QUIET, QUIET_GIFTS_PER_SECOND, length).await;
        say_acknowledged("with nobody in any room", &quiet);
        let mut watchers = enter(&house, sockets);
        broadcast(&house, &mut watchers, &clients, length, sockets).await;
        storm(&mut watchers, &clients, sockets).await;
        drop(stars);
    });
}

/// Brings the watchers in; what one of them holds in the server.
fn enter(house: &House, sockets: u64) -> Process {
    let before = cost(house.server.id());
    let mut watchers = Process::in_role(
        "watchers",
        &[
            ("ADDRESS", house.server.address.clone()),
            ("SOCKETS", sockets.to_string()),
            ("SECRET", house.secret().to_owned()),
            ("ROOM", ROOM.to_owned()),
        ],
    );
    let gathered = watchers.numbers();
    let after = cost(house.server.id());
    let bytes = (after.resident_bytes - before.resident_bytes) / sockets as f64;
    support::figure(&format!("{sockets} users entered the room in"), gathered[0], "s");
    support::figure(
        "idle connection of a user in a room, resident in the server, everything of the user included (at most 10,240)",
        bytes,
        "bytes",
    );
    watchers
}

/// The latencies of the room's publications, and of gifts elsewhere meanwhile.
async fn broadcast(house: &House, watchers: &mut Process, givers: &[Client], length: Duration, sockets: u64) {
    for slow in [0, SLOW_READERS] {
        watchers.tell(&format!("slow {slow}"));
        watchers.tell("measure");
        let before = cost(house.server.id()).cpu_seconds;
        let (hot, elsewhere) = givers.split_at(GIVERS / 2);
        let (_, acknowledged) = futures_util::join!(
            give(hot, ROOM, GIFTS_PER_SECOND, length),
            give(elsewhere, QUIET, QUIET_GIFTS_PER_SECOND, length),
        );
        let cpu_seconds = cost(house.server.id()).cpu_seconds - before;
        watchers.tell("report");
        let heard = watchers.numbers();
        println!("{sockets} sockets, {GIFTS_PER_SECOND} gifts/s, {slow} of them read nothing:");
        println!(
            "  p50 {} ms, p99 {} ms, max {} ms from a gift's entry in the journal to a socket (p99 at most tick + 50, the tick is {} ms)",
            heard[0],
            heard[1],
            heard[2],
            (sockets / 25).clamp(50, 200),
        );
        support::figure(
            "  deliveries per second of the server's processor, everything included",
            heard[3] / cpu_seconds,
            "deliveries",
        );
        say_acknowledged("meanwhile", &acknowledged);
    }
}

fn say_acknowledged(when: &str, latencies: &Histogram<u64>) {
    let ms = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "gifts in a quiet room acknowledged {when}: p50 {:.2} ms, p99 {:.2} ms (at most 20), max {:.2} ms",
        ms(0.5),
        ms(0.99),
        latencies.max() as f64 / 1e3
    );
}

/// Kills every socket but one while gifts go on; all must come back and know what the one knows.
async fn storm(watchers: &mut Process, givers: &[Client], sockets: u64) {
    watchers.tell("storm");
    give(givers, ROOM, GIFTS_PER_SECOND, Duration::from_secs(12)).await;
    let back = watchers.numbers();
    watchers.tell("compare");
    let compared = watchers.numbers();
    support::figure(
        &format!("{sockets} sockets killed at once, all back and recovered after (at most 10)"),
        back[0],
        "s",
    );
    println!(
        "  {} durable publications known to the one that stayed; {} clients missed or doubled any (at most 0)",
        compared[0], compared[1]
    );
    assert_eq!(compared[1], 0.0, "durable publications were missed or doubled");
}
