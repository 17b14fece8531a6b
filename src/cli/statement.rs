//! `livehouse statement`: the books of a user, or of a provider's day, as a file.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::ValueEnum;
use domain::{ProviderName, UserId};
use projections::{Day, Zone};
use serde::Serialize;

use crate::cli::{Sources, open};
use crate::ledger::statement::{Asked, user};
use crate::ledger::{provider, statement};
use crate::progress::{Progress, Unit};
use crate::serve::time_zone;

/// Print the statement of a user, or of a provider's day.
///
/// Of a user: the opening balances, every entry with the balances after it, the closing balances. Of a provider's day: every
/// payment and refund with its order, then the sums. Days are the platform's (time_zone). Nothing is written, and a
/// server may be running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// The statement of this user
    #[arg(long, value_name = "ID", required_unless_present = "provider", conflicts_with_all = ["provider", "day"])]
    user: Option<UserId>,
    /// From this day on, as in 2026-11-21 [default: the beginning]
    #[arg(long, value_name = "DAY", requires = "user")]
    from: Option<Day>,
    /// Up to this day, which belongs to it [default: now]
    #[arg(long, value_name = "DAY", requires = "user")]
    to: Option<Day>,
    /// The statement of a day of this payment provider
    #[arg(long, value_name = "NAME", requires = "day")]
    provider: Option<ProviderName>,
    /// Which day
    #[arg(long, value_name = "DAY", requires = "provider")]
    day: Option<Day>,
    /// Comma-separated values with a head, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

/// About what a line takes, in bytes; a longer one takes more writes into the buffer of all.
const LINE_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let zone = time_zone(&config)?;
    let reader = open::journal(&config.data)?;
    let mut lines = Lines::new(args.format);
    let written = match (&args.user, &args.provider, args.day) {
        (Some(of), _, _) => of_user(args, of, &reader, zone, &mut lines),
        (None, Some(name), Some(day)) => of_provider(name, (day, zone), &reader, &mut lines),
        _ => bail!("name a --user, or a --provider and a --day"),
    };
    let flushed = written.and_then(|entries| lines.finish().map(|()| entries).map_err(Into::into));
    match flushed {
        Ok(entries) => {
            eprintln!("{entries} entries");
            Ok(ExitCode::SUCCESS)
        }
        // Whoever read has seen enough, as `| head` does.
        Err(statement::Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

fn of_user(
    args: &Args,
    of: &UserId,
    reader: &dyn journal::Reader,
    zone: Zone,
    lines: &mut Lines,
) -> Result<u64, statement::Error> {
    let asked = Asked {
        user: of.clone(),
        from: args.from,
        to: args.to,
        zone,
    };
    open::wait(user(reader, &asked, |row| lines.line(&row)))
        .map_err(|error| std::io::Error::other(error.to_string()))?
}

fn of_provider(
    name: &ProviderName,
    when: (Day, Zone),
    reader: &dyn journal::Reader,
    lines: &mut Lines,
) -> Result<u64, statement::Error> {
    let mut progress = Progress::new("statement", Unit::Records, 0);
    let tell = |done, total| progress.set(done, total);
    let written = open::wait(provider::day(reader, name, when, tell, |row| lines.line(&row)))
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    progress.finish();
    written
}

/// Standard output, line by line.
struct Lines {
    format: Format,
    /// Whether the head is written.
    begun: bool,
    out: BufWriter<std::io::Stdout>,
}

impl Lines {
    fn new(format: Format) -> Self {
        Self {
            format,
            begun: false,
            out: BufWriter::new(std::io::stdout()),
        }
    }

    fn line(&mut self, row: &impl Serialize) -> std::io::Result<()> {
        if self.format == Format::Jsonl {
            serde_json::to_writer(&mut self.out, row)?;
            return self.out.write_all(b"\n");
        }
        let mut lines = csv::WriterBuilder::new()
            .has_headers(!std::mem::replace(&mut self.begun, true))
            .buffer_capacity(LINE_BYTES)
            .from_writer(&mut self.out);
        lines.serialize(row).map_err(std::io::Error::from)?;
        lines.flush()
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
