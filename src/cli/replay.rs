//! `livehouse replay`: what a room saw.

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::{Event, RoomId};
use journal::{Position, Reader, RecordRef, codec};
use projections::publication::{self, Moment};

use crate::cli::{Sources, open};

/// Bytes of the journal that are read at once.
const READ_BYTES: usize = 1 << 20;
/// A silence in the room is shortened to this.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Print what happened in a room, at the speed it happened or as JSON lines.
///
/// It is made by the same code that the room's viewers were served by. Nothing is written, and a server may be running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Which room: the streamer's user id
    #[arg(long, value_name = "ID")]
    room: RoomId,
    /// Begin after this position
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// So many times as fast as it happened; silences are cut to 5 s
    #[arg(long, value_name = "X", default_value_t = 1.0, conflicts_with = "json")]
    speed: f64,
    /// All at once, as the publications that viewers received: one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    if !(args.speed > 0.0 && args.speed.is_finite()) {
        bail!("--speed must be above 0, as in 0.5 or 10");
    }
    let config = args.sources.load()?;
    let reader = open::journal(&config.data)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut shown = 0u64;
    let mut last_at_ms = None;
    let mut at = Position {
        shard: 0,
        sequence: args.after,
    };
    loop {
        let batch = open::wait(reader.read(at, READ_BYTES))??;
        if batch.is_empty() {
            break;
        }
        for record in batch.iter() {
            let event = codec::decode(&record)?;
            if !is_shown_in(&args.room, &record, &event) {
                continue;
            }
            if !args.json {
                wait(&mut last_at_ms, record.recorded_at_ms, args.speed, &mut out)?;
            }
            let text = if args.json {
                json(&record, &event)
            } else {
                sentence(&record, &event)
            };
            writeln!(out, "{text}")?;
            shown += 1;
        }
        at = batch.last();
    }
    out.flush()?;
    eprintln!("{shown} publications in room {}", args.room);
    Ok(ExitCode::SUCCESS)
}

fn is_shown_in(room: &RoomId, record: &RecordRef<'_>, event: &Event) -> bool {
    match event {
        Event::GiftSent(e) => e.room == *room,
        Event::ComboEnded(e) => e.room == *room,
        Event::ChatSent(_) | Event::LiveStarted(_) | Event::LiveStopped(_) => record.key == room.as_str(),
        order => order.ordered_by().is_some() && record.key == room.as_str(),
    }
}

fn json(record: &RecordRef<'_>, event: &Event) -> String {
    let mut text = String::new();
    publication::room(&Moment::of(record), event, &mut text);
    text
}

/// One line for people: position, time of day (UTC), what happened.
fn sentence(record: &RecordRef<'_>, event: &Event) -> String {
    let day_s = record.recorded_at_ms.div_euclid(1_000).rem_euclid(86_400);
    let clock = format!("{:02}:{:02}:{:02}", day_s / 3_600, day_s / 60 % 60, day_s % 60);
    let what = match event {
        Event::ChatSent(e) => format!("{}: {}", e.user, e.text),
        Event::GiftSent(e) => {
            let combo = e
                .combo
                .as_ref()
                .map(|step| format!(", combo x{}", step.total))
                .unwrap_or_default();
            format!(
                "{} gives {} {} ({} coins{combo})",
                record.key, e.count, e.gift, e.coins
            )
        }
        Event::ComboEnded(e) => format!("{}'s combo of {} ends at x{}", record.key, e.gift, e.combo.total),
        Event::LiveStarted(e) => format!("{} goes live: {}", record.key, e.title),
        Event::LiveStopped(_) => format!("{} ends the session", record.key),
        order => sentence_of_order(order),
    };
    format!("{:>10}  {clock}  {what}", record.position.sequence)
}

fn sentence_of_order(event: &Event) -> String {
    let by = event.ordered_by().map(ToString::to_string).unwrap_or_default();
    match event {
        Event::Muted(e) => format!("{by} mutes {} until {} (unix ms)", e.user, e.until_ms),
        Event::Unmuted(e) => format!("{by} lets {} write again", e.user),
        Event::Kicked(e) => format!("{by} throws {} out", e.user),
        Event::Banned(e) => format!("{by} bans {}", e.user),
        Event::Unbanned(e) => format!("{by} lets {} come back", e.user),
        Event::SlowModeSet(e) if e.seconds == 0 => format!("{by} ends slow mode"),
        Event::SlowModeSet(e) => format!("{by} sets slow mode: one chat in {} s", e.seconds),
        Event::FollowersOnlySet(e) if e.on => format!("{by} lets only followers write"),
        Event::FollowersOnlySet(_) => format!("{by} lets everybody write"),
        Event::NoticePosted(e) => format!("{by} tells everybody: {}", e.text),
        Event::Pinned(e) => format!("{by} pins: {}", e.text),
        Event::Unpinned(_) => format!("{by} pins nothing any more"),
        Event::ModeratorAdded(e) => format!("{by} makes {} a moderator", e.user),
        Event::ModeratorRemoved(e) => format!("{} is a moderator no longer, says {by}", e.user),
        _ => String::new(),
    }
}

fn wait(last_at_ms: &mut Option<i64>, at_ms: i64, speed: f64, out: &mut impl Write) -> Result<()> {
    let since_ms = last_at_ms.replace(at_ms).map_or(0, |last| at_ms - last);
    let silence = Duration::from_millis(u64::try_from(since_ms).unwrap_or(0))
        .div_f64(speed)
        .min(SILENCE_MAX);
    if silence > Duration::from_millis(1) {
        out.flush().context("standard output")?;
        std::thread::park_timeout(silence);
    }
    Ok(())
}
