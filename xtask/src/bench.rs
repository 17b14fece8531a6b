//! `cargo xtask bench`: measures the figures, on this machine, and prints them; it keeps nothing.
//!
//! Each program prints its figures beside their peers and floors; the table here says which program measures what.

use std::process::ExitCode;

use crate::Places;
use crate::failure::Failure;
use crate::machine;
use crate::process::Line;
use crate::tools::{self, Tool};

/// A figure, the program in `benches/` that measures it, and what it has to reach.
struct Figure {
    bench: &'static str,
    what: &'static str,
    floor: &'static str,
}

const fn figure(bench: &'static str, what: &'static str, floor: &'static str) -> Figure {
    Figure { bench, what, floor }
}

const FIGURES: &[Figure] = &[
    figure(
        "append",
        "durable journal append, 100-byte events from 1,000 streams",
        ">= 400,000 events/s",
    ),
    figure("append", "start after kill -9 with 10 M events", "<= 3 s"),
    figure(
        "append",
        "actor replay (snapshot + tail) in a journal of 10 M events",
        "p99 <= 1 ms",
    ),
    figure(
        "gifts",
        "gifts of 10,000 viewers to one streamer, durable replies",
        ">= 150,000/s",
    ),
    figure(
        "fanout",
        "socket writes per CPU-second, 400-byte frames, 5,000 sockets",
        ">= 150,000, ahead of nchan",
    ),
    figure(
        "fanout",
        "deliveries per CPU-second, one room of 5,000, 40 messages/s",
        ">= 600,000",
    ),
    figure(
        "audit",
        "audit of the ledger over 10 M mixed events",
        ">= 2,000,000 events/s",
    ),
    figure("audit", "explain of one command among 10 M events", "<= 100 ms"),
    figure(
        "boards",
        "board of 1 M members: update + rank, all periods",
        ">= 500,000/s, beside Redis",
    ),
    figure("boards", "rank on that board", "p99 <= 20 us"),
    figure("memory", "memory per resident viewer actor", "<= 1.5 KB"),
    figure(
        "rebuild",
        "rebuild of all views from 10 M events",
        ">= 1,000,000 events/s",
    ),
    figure(
        "relations",
        "follow commands, in process, durable replies",
        ">= 50,000/s, beside PostgreSQL",
    ),
    figure(
        "relations",
        "memory of a streamer's set of 10 M followers",
        "<= 4 bytes each, beside Redis",
    ),
    figure("rooms", "idle connection of a user in a room", "<= 10 KB"),
    figure(
        "rooms",
        "broadcast latency, 5,000 sockets, 40 gifts/s, 50 read nothing",
        "p99 <= tick + 50 ms",
    ),
    figure(
        "rooms",
        "gift acknowledged while the largest room is at its limit",
        "p99 <= 20 ms",
    ),
    figure(
        "rooms",
        "5,000 sockets killed at once: all back and recovered",
        "<= 10 s, none missed or doubled",
    ),
    figure("rooms", "ranking 10,000 live rooms, once a second", "<= 20 ms"),
    figure(
        "rooms",
        "what a newcomer to a room is shown, made once for all",
        "beside: made anew for each",
    ),
    figure(
        "star",
        "40 M tickets to one streamer of 100,000 viewers, then a clean audit",
        "<= 300 s in all",
    ),
    figure("star", "settlement lag of that streamer", "p99 <= 1 s"),
    figure(
        "star",
        "settlement lag of a small streamer beside it",
        "p99 <= 200 ms",
    ),
    figure(
        "websocket",
        "gifts over WebSocket, each acknowledged",
        ">= 30,000/s, p99 <= 20 ms at half",
    ),
];

/// `bench [--list] [NAME]`.
pub(crate) fn run(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let (only_list, name) = match args {
        [] => (false, None),
        [flag] if flag == "--list" => (true, None),
        [name] if FIGURES.iter().any(|f| f.bench == name) => (false, Some(name.as_str())),
        [other, ..] => {
            list();
            return Err(Failure::Usage(format!(
                "there is no figure `{other}`: the names are on the left above"
            )));
        }
    };
    if only_list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", machine::line(&places.root));
    if name.is_none() {
        list();
    }
    let mut benches: Vec<&str> = FIGURES
        .iter()
        .map(|f| f.bench)
        .filter(|b| name.is_none_or(|n| n == *b))
        .collect();
    benches.dedup();
    let mut missed = 0;
    for bench in benches {
        println!("\n== {bench}");
        let peer = match bench {
            "boards" | "relations" => Some(Tool::Redis),
            "fanout" => Some(Tool::Nchan),
            _ => None,
        };
        if let Some(peer) = peer
            && let Err(failure) = tools::ensure(places, peer)
        {
            // It says itself what it could not measure.
            eprintln!("{failure}");
        }
        if let Err(failure) = Line::new(&format!("cargo bench --locked --bench {bench}")).run(&places.root) {
            eprintln!("{failure}");
            missed += 1;
        }
    }
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn list() {
    for Figure { bench, what, floor } in FIGURES {
        println!("{bench:<10} {what:<66} {floor}");
    }
}

#[cfg(test)]
mod tests {
    use super::FIGURES;

    #[test]
    fn the_page_of_figures_names_the_same_figures() {
        let page = include_str!("../../benches/README.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(
            rows.len(),
            FIGURES.len(),
            "benches/README.md has other figures than xtask/src/bench.rs"
        );
        for figure in FIGURES {
            let name = format!("| `{}` |", figure.bench);
            assert!(
                rows.iter().any(|row| row.starts_with(&name)),
                "benches/README.md has no row {name}"
            );
        }
    }

    #[test]
    fn programs_with_several_figures_run_once() {
        let mut names: Vec<&str> = FIGURES.iter().map(|f| f.bench).collect();
        names.dedup();
        let programs = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(
            names.len(),
            programs,
            "the figures of one program stand side by side"
        );
    }
}
