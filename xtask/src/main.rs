//! The project's own chores: `cargo xtask demo`, `test`, `bench`, `sim`, `crash`, `fuzz`, `flood`.
//!
//! It only starts other programs, in the right order, on a machine that may lack some of them. It must never hold a
//! check of its own (a check is a test), never edit a source file, and never fetch anything but Debian packages, npm
//! packages and crates.

mod bench;
mod campaign;
mod check;
mod demo;
mod failure;
mod machine;
mod plan;
mod process;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
cargo xtask COMMAND

  demo [-- ARGS]           build the page and the server, start it on loopback with a simulated crowd
                           and print the address to open; ARGS go to `livehouse demo`; Ctrl-C stops it
  test [--quick] [STEP..]  every check there is, fastest first; the last line counts the steps
                           --quick: what needs no server and no browser; --list: the steps and their commands
  bench [--list] [NAME]    the figures, all or one, on this machine, with their floors
  sim [--seeds N] [--seed S]
                           the simulation, longer (default 100000 seeds from S on, S = 0)
  crash [--kills N]        kill -9 on the real server, N times (default 200)
  fuzz [--seconds N] [--seed S]
                           both codecs and the session, all three at once for so long (default 600)
  flood                    100,000 messages on a socket, 15,000 connections, dribbled handshakes, slow readers

First time here? `cargo xtask demo` to see it, `cargo xtask test --quick` before a commit, `cargo xtask test` before a push.
";

/// Where things are: the clone, and cargo's target directory.
#[derive(Debug)]
pub(crate) struct Places {
    /// The root of the clone.
    root: PathBuf,
    /// What cargo builds into, whoever chose it.
    target: PathBuf,
}

impl Places {
    /// Finds both: the clone from where this crate was compiled, the target directory from where this program runs.
    fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or_else(|| Failure::Usage("xtask must lie inside the clone".into()))?;
        let exe = std::env::current_exe().map_err(|e| Failure::io("where this program lies", e))?;
        let target = exe
            .parent()
            .and_then(Path::parent)
            .ok_or_else(|| Failure::Usage("run me as `cargo xtask`".into()))?;
        Ok(Self {
            root: root.to_owned(),
            target: target.to_owned(),
        })
    }
}

fn run(args: &[String]) -> Result<ExitCode, Failure> {
    let places = Places::find()?;
    let Some((command, rest)) = args.split_first() else {
        print!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    if rest
        .iter()
        .take_while(|a| *a != "--")
        .any(|a| a == "--help" || a == "-h")
    {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    match command.as_str() {
        "demo" => demo::run(&places, rest),
        "test" => check::run(&places, rest),
        "bench" => bench::run(&places, rest),
        "sim" => campaign::sim(&places, rest),
        "crash" => campaign::crash(&places, rest),
        "fuzz" => campaign::fuzz(&places, rest),
        "flood" => campaign::flood(&places, rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(Failure::Usage(format!(
            "there is no `{other}`: see `cargo xtask --help`"
        ))),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    run(&args).unwrap_or_else(|failure| {
        eprintln!("xtask: {failure}");
        ExitCode::from(2)
    })
}
