//! Everything that the journal knows of one command: what it was, what it did to the accounts, and what came of it.
//!
//! A library call over a [`Reader`]: the command line, the console and the simulation ask it alike. Its cost does not grow
//! with the journal; where it looks through a stream, it does so for a bounded number of records and says when there
//! may be more.

mod combo;
mod find;
mod money;
mod screen;
mod settlement;
mod words;

pub use combo::{Combo, ComboEnd, ComboStep};
pub use find::{Question, find};
pub use money::{Recharge, Withdrawal};
pub use screen::write;
pub use settlement::{Credit, Settlement, SettlementState};

use std::collections::BTreeMap;

use domain::{Event, Rejection, RoomId, StreamKind, UserId};
use journal::{Reader, Record, codec, command_id};
use projections::views::{Board, Views};
use projections::{Day, Period, Zone};
use serde::Serialize;

use super::calendar::stamp;
use super::entry::{Line, lines};
use super::limits::COMMAND_RECORDS_MAX;

/// A record with its event, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// Where it stands.
    pub position: u64,
    /// Server time, unix ms.
    pub time: i64,
    /// The same, for people.
    pub at: String,
    /// Its stream, as in `viewer-42`.
    pub stream: String,
    /// Its place in that stream.
    pub version: u64,
    /// Who caused it.
    pub by: String,
    /// The event in a sentence.
    pub says: String,
    /// The event as it is.
    pub event: Event,
    #[serde(skip)]
    lines: Vec<Line>,
}

/// The command itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Its id, as the client made it.
    pub id: String,
    /// Who sent it.
    pub by: String,
    /// When its first event was recorded, unix ms.
    pub time: i64,
    /// The same, for people.
    pub at: String,
    /// The stream it went to.
    pub stream: String,
    /// The digest of the request that stands beside its effect, in hex.
    pub request_hash: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "was")]
pub enum Outcome {
    /// It took place.
    Accepted {
        /// The position that the answer named.
        position: u64,
    },
    /// It did not, and its id stays refused.
    Refused {
        /// Where the refusal stands.
        position: u64,
        /// The refusal's number.
        code: u16,
        /// Its short name.
        name: &'static str,
        /// What it means.
        means: String,
    },
}

/// What a gift adds to one board of its day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnBoard {
    /// Which board, as in `board.get`.
    pub board: String,
    /// Which day.
    pub day: String,
    /// Whose score.
    pub user: String,
    /// How much it adds.
    pub adds: u64,
    /// Where that user stands on it now; none where the views are not at hand.
    pub rank: Option<u64>,
    /// With how much; none where the views are not at hand.
    pub score: Option<u64>,
}

/// What all lines of one asset come to; anything but 0 would be a broken book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sums {
    /// Coins.
    pub coin: i64,
    /// Tickets.
    pub ticket: i64,
}

/// Everything that is known of one command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The command.
    pub command: Command,
    /// What was answered.
    pub outcome: Outcome,
    /// What it left in its stream.
    pub events: Vec<Told>,
    /// What it moved, and what every step moved that came of it.
    pub postings: Vec<Line>,
    /// What they come to.
    pub sums: Sums,
    /// The combo that it belongs to.
    pub combo: Option<Combo>,
    /// The credit of its tickets.
    pub settlement: Option<Settlement>,
    /// What it adds to the boards of its day.
    pub boards: Vec<OnBoard>,
    /// The recharge that it belongs to.
    pub recharge: Option<Recharge>,
    /// The withdrawal that it belongs to.
    pub withdrawal: Option<Withdrawal>,
}

/// Explains the command that left this record first; `views` add the ranks on boards.
pub async fn explain(
    reader: &dyn Reader,
    first: &Record,
    zone: Zone,
    views: Option<&Views>,
) -> journal::Result<Explanation> {
    let records = of_the_command(reader, first).await?;
    let events = tell_all(&records, zone)?;
    let event = &events[0].event;
    let combo = combo::of(reader, first, event, zone).await?;
    let settlement = settlement::of(reader, first, event, zone).await?;
    let recharge = money::recharge(reader, first, event, zone).await?;
    let withdrawal = money::withdrawal(reader, first, event, zone).await?;

    let mut moved: BTreeMap<u64, &Told> = BTreeMap::new();
    let later = recharge.iter().flat_map(|recharge| &recharge.steps);
    let later = later.chain(withdrawal.iter().flat_map(|withdrawal| &withdrawal.steps));
    moved.extend(events.iter().chain(later).map(|told| (told.position, told)));
    let postings: Vec<Line> = moved.values().flat_map(|told| told.lines.clone()).collect();
    Ok(Explanation {
        command: command(first, zone),
        outcome: outcome(first, event),
        boards: boards(first, event, zone, views),
        sums: sums(&postings),
        events,
        postings,
        combo,
        settlement,
        recharge,
        withdrawal,
    })
}

/// What the command appended: the records behind the first that stand next to it and were caused by the same.
async fn of_the_command(reader: &dyn Reader, first: &Record) -> journal::Result<Vec<Record>> {
    let found = reader
        .read_stream(
            &first.stream,
            first.version - 1,
            first.position,
            COMMAND_RECORDS_MAX,
        )
        .await?;
    let apart = |record: &Record| record.version - first.version;
    let mut records: Vec<_> = found
        .into_iter()
        .take_while(|record| {
            record.cause == first.cause
                && record.position.sequence == first.position.sequence + apart(record)
                && (record.cause.command_id.is_some() || record.version == first.version)
        })
        .collect();
    if records.is_empty() {
        records.push(first.clone());
    }
    Ok(records)
}

fn tell_all(records: &[Record], zone: Zone) -> journal::Result<Vec<Told>> {
    records.iter().map(|record| tell(record, zone)).collect()
}

fn tell(record: &Record, zone: Zone) -> journal::Result<Told> {
    let event = codec::decode(&record.as_ref())?;
    Ok(Told {
        position: record.position.sequence,
        time: record.recorded_at_ms,
        at: stamp(record.recorded_at_ms, zone),
        stream: record.stream.to_string(),
        version: record.version,
        by: record.cause.actor.to_string(),
        says: words::of(&event),
        lines: lines(record, &event),
        event,
    })
}

fn command(first: &Record, zone: Zone) -> Command {
    let stored = first.cause.command_id.as_deref().unwrap_or_default();
    Command {
        id: command_id::bare(stored).to_owned(),
        by: first.cause.actor.to_string(),
        time: first.recorded_at_ms,
        at: stamp(first.recorded_at_ms, zone),
        stream: first.stream.to_string(),
        request_hash: format!("{:016x}", first.cause.request_hash),
    }
}

fn outcome(first: &Record, event: &Event) -> Outcome {
    let position = first.position.sequence;
    let refused = |rejection: Rejection| Outcome::Refused {
        position,
        code: rejection.code(),
        name: rejection.word(),
        means: rejection.to_string(),
    };
    match event {
        Event::CommandRefused(e) => refused(e.rejection),
        Event::WithdrawalRefused(e) => refused(e.rejection),
        _ => Outcome::Accepted { position },
    }
}

/// What the lines of each asset come to.
pub fn sums(lines: &[Line]) -> Sums {
    let mut sums = Sums::default();
    for line in lines {
        let side = match line.asset {
            domain::ledger::Asset::Coin => &mut sums.coin,
            domain::ledger::Asset::Ticket => &mut sums.ticket,
        };
        *side = side.saturating_add(line.amount);
    }
    sums
}

fn boards(first: &Record, event: &Event, zone: Zone, views: Option<&Views>) -> Vec<OnBoard> {
    let Event::GiftSent(gift) = event else {
        return Vec::new();
    };
    let Some(sender) = own_user(first) else {
        return Vec::new();
    };
    let day = Day::of(first.recorded_at_ms, zone);
    let streamer = gift.room.streamer();
    [
        (Board::Tickets, streamer, gift.tickets),
        (Board::Coins, sender.clone(), gift.coins),
        (Board::Room(RoomId::clone(&gift.room)), sender, gift.coins),
    ]
    .into_iter()
    .map(|(board, user, adds)| {
        // A board that cannot be read is as one that is not at hand.
        let stands = views.and_then(|views| views.board_rank(&board, Period::day(day), &user).ok().flatten());
        OnBoard {
            board: board.to_string(),
            day: day.to_string(),
            user: user.to_string(),
            adds,
            rank: stands.map(|(rank, _)| rank),
            score: stands.map(|(_, score)| score),
        }
    })
    .collect()
}

/// The user whose stream a record is in.
fn own_user(record: &Record) -> Option<UserId> {
    match record.stream.kind {
        StreamKind::Viewer | StreamKind::Streamer => record.stream.user(),
        _ => None,
    }
}
