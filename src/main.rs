//! Parses, runs, exits: 0 ok, 1 failed, 2 bad usage.

use std::process::ExitCode;

use clap::Parser;

/// Commands are allocated by one thread and freed by another all the time, which the system's allocator does badly.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match livehouse::cli::run(livehouse::cli::Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("livehouse: {error:#}");
            ExitCode::from(1)
        }
    }
}
