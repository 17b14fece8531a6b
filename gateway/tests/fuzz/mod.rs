//! Fuzzing on a stable compiler: inputs made by grammar, mutated, and kept when they lead somewhere new. "Somewhere" is a
//! digest of what the target did; the number of digests is the measure of coverage. A panic is a finding: its input is
//! written beside the corpus and repeated by every later run. Compiled into the library's own tests, for only they see
//! the codecs and the session.
//!
//! `FUZZ_SECONDS` says how long each target runs (default 5), `FUZZ_SEED` from which seed (default 1), and `FUZZ_KEEP=1`
//! adds inputs that led somewhere new to the corpus. `cargo xtask fuzz` is the long run.

mod codecs;
mod grammar;
mod session;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// Inputs in memory at most; beyond, new ones replace old ones at random.
const KEPT_MAX: usize = 4_096;
const INPUT_BYTES_MAX: usize = 4_096;
/// Files that one run may add to a corpus.
const FILES_ADDED_MAX: usize = 40;

/// Something to be fuzzed.
pub(crate) struct Target {
    /// Its directory in the corpus.
    pub(crate) name: &'static str,
    /// A well-formed input.
    pub(crate) fresh: fn(&mut Rng) -> Vec<u8>,
    /// Runs an input; returns a digest of what happened. Panics are findings.
    pub(crate) run: fn(&[u8]) -> u64,
}

/// A digest of anything.
pub(crate) fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn directory(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(target.name)
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(directory(target)).expect("each target has a corpus");
    let mut paths: Vec<_> = files
        .map(|file| file.expect("a readable directory").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a readable file"))
        .collect()
}

/// Runs one input; a panic ends the run with the input in a file.
fn try_one(target: &Target, input: &[u8]) -> u64 {
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    ran.unwrap_or_else(|_| {
        let path = directory(target).join(format!("finding-{:016x}", digest(input)));
        let kept = std::fs::write(&path, input);
        panic!("a finding in {}: {} ({kept:?})", target.name, path.display());
    })
}

fn mutate(rng: &mut Rng, target: &Target, kept: &[Vec<u8>]) -> Vec<u8> {
    let any = |rng: &mut Rng| rng.choice(kept).cloned().unwrap_or_default();
    let mut input = if rng.u8(..8) == 0 {
        (target.fresh)(rng)
    } else {
        any(rng)
    };
    for _ in 0..rng.usize(0..5) {
        let at = rng.usize(0..=input.len());
        match rng.u8(..8) {
            0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
            1 if at < input.len() => input[at] = *rng.choice(&b"\0\n\"\\{}[],:\x7f\xff019"[..]).unwrap_or(&0),
            2 if at < input.len() => {
                let end = rng.usize(at..=input.len().min(at + 16));
                input.drain(at..end);
            }
            3 => input.insert(at, rng.u8(..)),
            4 => input.truncate(at),
            5 => {
                let other = any(rng);
                let from = rng.usize(0..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
            6 => {
                let more = (target.fresh)(rng);
                input.splice(at..at, more);
            }
            _ => {
                let end = input.len().min(at + rng.usize(0..64));
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

/// Fuzzes for the time given; panics on a finding.
fn fuzz(target: &Target) {
    let mut rng = Rng::with_seed(number("FUZZ_SEED", 1));
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS", 5));
    let keep = number("FUZZ_KEEP", 0) > 0;
    let mut kept = corpus(target);
    let mut seen: HashSet<u64> = kept.iter().map(|input| try_one(target, input)).collect();
    let (known, mut runs, mut added) = (seen.len(), kept.len() as u64, 0);
    while Instant::now() < end {
        for _ in 0..64 {
            let input = mutate(&mut rng, target, &kept);
            runs += 1;
            if !seen.insert(try_one(target, &input)) {
                continue;
            }
            if keep && added < FILES_ADDED_MAX && input.len() < 512 {
                let path = directory(target).join(format!("{:016x}", digest(&input)));
                added += usize::from(std::fs::write(path, &input).is_ok());
            }
            if kept.len() < KEPT_MAX {
                kept.push(input);
            } else {
                let at = rng.usize(0..kept.len());
                kept[at] = input;
            }
        }
    }
    println!(
        "{}: {runs} inputs, {} outcomes ({known} of the corpus), no finding",
        target.name,
        seen.len()
    );
    assert!(seen.len() >= known && known > 0, "the corpus leads somewhere");
}

#[test]
fn no_json_frame_breaks_the_codec() {
    fuzz(&codecs::JSON);
}

#[test]
fn no_protobuf_frame_breaks_the_codec() {
    fuzz(&codecs::PROTOBUF);
}

#[test]
fn no_order_of_frames_answers_and_time_breaks_the_session() {
    fuzz(&session::SESSION);
}
