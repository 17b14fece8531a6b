//! The machine in one line: a figure means nothing without it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Processor, cores, memory, kernel, file system of `dir`, compiler.
pub(crate) fn line(dir: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "machine: {}, {cores} cores, {} GiB, Linux {}, {}, {}",
        value_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into()),
        memory_gib(),
        kernel.trim(),
        file_system(dir),
        said("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".into()),
    )
}

fn value_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> u64 {
    let kib =
        value_of("/proc/meminfo", "MemTotal").and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / (1 << 20)
}

fn file_system(dir: &Path) -> String {
    let name = dir.to_string_lossy();
    said("stat", &["--file-system", "--format=%T", &name]).unwrap_or_else(|| "unknown file system".into())
}

/// What a program prints on one line; `None` when it is not there or fails.
pub(crate) fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}
