//! How every figure is printed: its name, its value, its unit, its peer measured in the same run, and the machine.
//!
//! Shared by the programs in `benches/`, each of which uses what it needs.
#![allow(dead_code)]

use std::path::PathBuf;

use hdrhistogram::Histogram;

/// Prints the machine: model, cores, kernel. Once per program, before the figures.
pub(crate) fn machine() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    println!(
        "machine: {}, {cores} cores, Linux {}",
        model.trim_start_matches(['\t', ' ', ':']),
        kernel.trim()
    );
}

/// Prints one figure.
pub(crate) fn figure(name: &str, value: f64, unit: &str) {
    println!("{name}: {} {unit}", number(value));
}

/// Prints one figure beside its peer, with the ratio of the two.
pub(crate) fn figure_beside(name: &str, value: f64, unit: &str, peer: &str, peer_value: f64) {
    let ratio = value / peer_value;
    println!(
        "{name}: {} {unit}; {peer}: {} {unit}; ratio {ratio:.2}",
        number(value),
        number(peer_value)
    );
}

/// A number as people read it: thousands apart, decimals only when it is small.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A directory on the disk that the build uses (not in memory), removed when it is dropped.
pub(crate) fn directory() -> tempfile::TempDir {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(base)
        .expect("a directory for the figures' data")
}

/// Processor time that this process has used so far, all threads together, in seconds: on a machine that is shared, the
/// figure beside the clock's.
pub fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / TICKS_PER_SECOND
}

/// A number from the environment, to change the size of a measurement.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Durations in microseconds, up to a minute. (One without bounds would call everything above its first bucket the same.)
pub(crate) fn durations_us() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).expect("the bounds are valid")
}
