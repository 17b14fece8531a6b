//! `livehouse token`: a connection token, signed with the configured secret.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::UserId;

use crate::cli::Sources;
use crate::tokens;

/// Print a connection token for a user.
///
/// It is signed with `token.secret` of the configuration (LIVEHOUSE_TOKEN_SECRET), so this works with HS256 only; with
/// EdDSA or RS256 your own identity service holds the private key.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// For whom: becomes the token's `sub`
    #[arg(long, value_name = "ID")]
    user: UserId,
    /// How long it is valid, as in 90s, 15m, 1h or 7d
    #[arg(long, default_value = "1h", value_parser = parse_ttl)]
    ttl: Duration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    println!("{}", tokens::sign(&config.token, &args.user, args.ttl)?);
    Ok(ExitCode::SUCCESS)
}

fn parse_ttl(text: &str) -> Result<Duration> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .context("a time needs a unit: s, m, h or d")?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => bail!("the unit must be s, m, h or d"),
    };
    let number: u64 = number
        .parse()
        .context("a time is a number and a unit, as in 15m")?;
    let total = number
        .checked_mul(seconds)
        .filter(|s| (1..=315_360_000).contains(s));
    Ok(Duration::from_secs(
        total.context("a time must be 1 s to 3650 d")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(parse_ttl("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_ttl("7d").unwrap(), Duration::from_secs(604_800));
        for bad in ["", "h", "1", "1w", "0s", "99999999999999999999s", "4000d", "-1h"] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
    }
}
