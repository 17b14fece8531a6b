//! `cargo xtask sim`, `crash`, `fuzz` and `flood`: the same harnesses as in `test`, for longer and optimised.
//!
//! The harnesses are the test programs `sim` and `crash`, and the fuzz tests and floods among the gateway's; they are told
//! what to do by variables and print the seed
//! that repeats a finding.

use std::process::ExitCode;

use crate::Places;
use crate::failure::Failure;
use crate::process::Line;

const SIM_SEEDS: u64 = 100_000;
const CRASH_KILLS: u64 = 200;
const FUZZ_SECONDS: u64 = 600;

/// `sim [--seeds N] [--seed S]`.
pub(crate) fn sim(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let [seeds, seed] = numbers(args, ["--seeds", "--seed"])?;
    // One named seed is run alone: that is how a finding is repeated.
    let seeds = seeds.unwrap_or(if seed.is_some() { 1 } else { SIM_SEEDS });
    let line = Line::new("cargo test --release --locked --test sim -- --nocapture")
        .env("SIM_SEEDS", seeds.to_string())
        .env("SIM_SEED", seed.unwrap_or(0).to_string());
    line.run(&places.root).map(|()| ExitCode::SUCCESS)
}

/// `crash [--kills N]`.
pub(crate) fn crash(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let [kills] = numbers(args, ["--kills"])?;
    let line = Line::new("cargo test --release --locked --test crash -- --nocapture")
        .env("CRASH_KILLS", kills.unwrap_or(CRASH_KILLS).to_string());
    line.run(&places.root).map(|()| ExitCode::SUCCESS)
}

/// `fuzz [--seconds N] [--seed S]`.
pub(crate) fn fuzz(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let [seconds, seed] = numbers(args, ["--seconds", "--seed"])?;
    let line = Line::new("cargo test --release --locked -p livehouse-gateway --lib fuzz:: -- --nocapture")
        .env("FUZZ_SECONDS", seconds.unwrap_or(FUZZ_SECONDS).to_string())
        .env("FUZZ_SEED", seed.unwrap_or(1).to_string());
    line.run(&places.root).map(|()| ExitCode::SUCCESS)
}

/// `flood`: against the conformance example in a process of its own, so that its memory can be seen and the descriptors
/// suffice.
pub(crate) fn flood(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let [] = numbers(args, [])?;
    Line::new("cargo build --release --locked -p livehouse-gateway --example conformance")
        .run(&places.root)?;
    let server = places.target.join("release/examples/conformance");
    // One after the other: each is a flood for the whole machine.
    let line =
        "cargo test --release --locked -p livehouse-gateway --test it -- floods --nocapture --test-threads 1";
    Line::new(line)
        .env("FLOOD", "full")
        .env("FLOOD_SERVER", server.display().to_string())
        .run(&places.root)
        .map(|()| ExitCode::SUCCESS)
}

/// The numbers behind the given flags, `--flag N` or `--flag=N`; anything else is refused.
fn numbers<const N: usize>(args: &[String], flags: [&str; N]) -> Result<[Option<u64>; N], Failure> {
    let mut found = [None; N];
    let mut words = args.iter().flat_map(|a| a.split('='));
    while let Some(word) = words.next() {
        let at = flags.iter().position(|flag| *flag == word);
        let slot = at.and_then(|at| found.get_mut(at));
        let slot = slot
            .ok_or_else(|| Failure::Usage(format!("there is no `{word}`: there is {}", flags.join(", "))))?;
        let number = words.next().and_then(|value| value.replace('_', "").parse().ok());
        *slot = Some(
            number.ok_or_else(|| Failure::Usage(format!("{word} wants a number, as in `{word} 1000`")))?,
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn flags_take_numbers_and_nothing_else() {
        let parse = |text: &str| {
            numbers(
                &text.split(' ').map(str::to_owned).collect::<Vec<_>>(),
                ["--seeds", "--seed"],
            )
        };
        assert!(parse("--seeds 10_000 --seed=7").is_ok_and(|n| n == [Some(10_000), Some(7)]));
        assert!(parse("--seed").is_err());
        assert!(parse("--seed x").is_err());
        assert!(parse("--speed 1").is_err_and(|f| f.to_string().contains("--seeds")));
    }
}
