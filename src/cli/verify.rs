//! `livehouse verify`: every byte of the journal.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Sources, hex};
use crate::progress::{Progress, Unit};
use crate::serve::journal_directory;

/// Check every byte of the journal.
///
/// Checksums, order, identity and the hash chain of all segments. Nothing is written, and a server may be running. Exit 1
/// names the first damaged file and offset.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let mut progress = Progress::new("verify", Unit::Bytes, 0);
    let verified = journal::embedded::verify(journal_directory(&config.data), |done, total| {
        progress.set(done, total)
    })?;
    progress.finish();
    println!(
        "journal {}: {} records in {} batches and {} segments, {} bytes, all intact",
        verified.id, verified.records, verified.batches, verified.segments, verified.bytes
    );
    if verified.torn_tail_bytes > 0 {
        println!(
            "{} bytes behind the last batch were never acknowledged; the next start cuts them off",
            verified.torn_tail_bytes
        );
    }
    println!("last link of the hash chain: {}", hex(&verified.chain));
    Ok(ExitCode::SUCCESS)
}
