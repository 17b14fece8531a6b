//! `livehouse staff`: what the configuration of staff needs.

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::admin::password;

/// Most that is read as a password, in bytes; more is refused.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// Passwords of staff.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read a password from standard input and print its hash, for `password_hash` of `[[admin.staff]]`
    Hash,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    match args.what {
        What::Hash => {
            let mut text = String::new();
            std::io::stdin()
                .take(INPUT_BYTES_MAX)
                .read_to_string(&mut text)
                .context("the password cannot be read from standard input")?;
            // The end of the line is not part of it.
            let password = text.trim_end_matches(['\r', '\n']);
            println!("{}", password::hash(password)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
