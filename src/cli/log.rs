//! `livehouse log`: records as JSON lines.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use domain::StreamId;
use journal::{Position, Reader, RecordRef, codec};
use serde::Serialize;

use crate::cli::{Sources, open};

/// Bytes of the journal that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Records of one stream that are read at once.
const STREAM_PAGE: usize = 1_000;

/// Print records of the journal as JSON lines.
///
/// Nothing is written, and a server may be running: then the log is printed as it is now.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Begin after this position
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// Only this stream, as in viewer-42, streamer-star, room-star
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamId>,
    /// At most so many records
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    stream: String,
    version: u64,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<&'a str>,
    by: &'a str,
    event: serde_json::Value,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let config = args.sources.load()?;
    let reader = open::journal(&config.data)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    match write(args, &reader, &mut out).and_then(|()| Ok(out.flush()?)) {
        // Whoever read has seen enough, as `| head` does.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let plain = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let in_json = error.downcast_ref::<serde_json::Error>();
    let kind = plain.or(in_json.and_then(serde_json::Error::io_error_kind));
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

fn write(args: &Args, reader: &impl Reader, out: &mut impl Write) -> Result<()> {
    match &args.stream {
        Some(stream) => write_stream(args, reader, stream, out),
        None => write_all(args, reader, out),
    }
}

fn write_all(args: &Args, reader: &impl Reader, out: &mut impl Write) -> Result<()> {
    let mut left = args.limit;
    let mut at = Position {
        shard: 0,
        sequence: args.after,
    };
    while left > 0 {
        let batch = open::wait(reader.read(at, READ_BYTES))??;
        if batch.is_empty() {
            break;
        }
        for record in batch.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            line(&record, out)?;
            left -= 1;
        }
        at = batch.last();
    }
    Ok(())
}

fn write_stream(args: &Args, reader: &impl Reader, stream: &StreamId, out: &mut impl Write) -> Result<()> {
    let (mut left, mut version) = (args.limit, 0);
    while left > 0 {
        let found = open::wait(reader.read_stream(stream, version, Position::start(0), STREAM_PAGE))??;
        let Some(last) = found.last() else { break };
        version = last.version;
        for record in found
            .iter()
            .filter(|record| record.position.sequence > args.after)
        {
            if left == 0 {
                break;
            }
            line(&record.as_ref(), out)?;
            left -= 1;
        }
    }
    Ok(())
}

fn line(record: &RecordRef<'_>, out: &mut impl Write) -> Result<()> {
    let event = serde_json::to_value(codec::decode(record)?).context("an event is plain data")?;
    let line = Line {
        position: record.position.sequence,
        stream: record.stream().to_string(),
        version: record.version,
        time: record.recorded_at_ms,
        command_id: record.command_id,
        by: record.actor,
        event,
    };
    serde_json::to_writer(&mut *out, &line)?;
    Ok(out.write_all(b"\n")?)
}

#[cfg(test)]
mod tests {
    use super::is_broken_pipe;

    /// Somebody who has seen enough.
    struct Gone;

    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.write(&[]).map(drop)
        }
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_known_inside_a_line_and_between_lines() {
        let inside = serde_json::to_writer(Gone, &1).expect_err("nobody reads");
        assert!(is_broken_pipe(&inside.into()));
        let between = std::io::Write::flush(&mut Gone).expect_err("nobody reads");
        assert!(is_broken_pipe(&between.into()));
        assert!(!is_broken_pipe(&anyhow::anyhow!("something else")));
    }
}
