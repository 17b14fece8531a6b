//! The credit that covers a gift: the `tickets_credited` of its streamer whose range holds the gift's position.
//!
//! A credit stands behind every gift that it covers, and ranges ascend: halving the streamer's stream finds where to
//! begin, and the credit is among the next few records.

use domain::event::TicketsCredited;
use domain::{Event, StreamId};
use journal::{Position, Reader, Record, codec};
use projections::Zone;
use serde::Serialize;

use crate::ledger::calendar::stamp;
use crate::ledger::limits::{BACKWARDS_RECORDS, SETTLEMENT_RECORDS_MAX};

/// How far the settlement of a gift has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementState {
    /// Its tickets are the streamer's.
    Credited,
    /// They are not yet.
    Waiting,
    /// More records stand behind the gift than were looked through.
    NotFound,
}

/// What became of a gift's tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settlement {
    /// Whose tickets they are.
    pub streamer: String,
    /// How many.
    pub tickets: u64,
    /// How far it has come.
    pub state: SettlementState,
    /// The credit.
    pub credit: Option<Credit>,
}

/// One credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credit {
    /// Where it stands.
    pub position: u64,
    /// Server time, unix ms.
    pub time: i64,
    /// The same, for people.
    pub at: String,
    /// How long after the gift, in ms.
    pub after_ms: i64,
    /// It covers the gifts above this position,
    pub after: u64,
    /// up to this one.
    pub upto: u64,
    /// How many gifts those are.
    pub gifts: u64,
    /// What they earn.
    pub tickets: u64,
    /// The streamer's tickets after it.
    pub tickets_total: u64,
}

/// The settlement of a gift; none for another event.
pub(super) async fn of(
    reader: &dyn Reader,
    first: &Record,
    event: &Event,
    zone: Zone,
) -> journal::Result<Option<Settlement>> {
    let Event::GiftSent(gift) = event else {
        return Ok(None);
    };
    let stream = StreamId::streamer(&gift.room.streamer());
    let (state, found) = covering(reader, &stream, first.position).await?;
    let credit = found.map(|(record, credited)| Credit {
        position: record.position.sequence,
        time: record.recorded_at_ms,
        at: stamp(record.recorded_at_ms, zone),
        after_ms: record.recorded_at_ms - first.recorded_at_ms,
        after: credited.after,
        upto: credited.upto,
        gifts: credited.gifts,
        tickets: credited.tickets,
        tickets_total: credited.tickets_total,
    });
    Ok(Some(Settlement {
        streamer: gift.room.to_string(),
        tickets: gift.tickets,
        state,
        credit,
    }))
}

type Found = (SettlementState, Option<(Record, TicketsCredited)>);

async fn covering(reader: &dyn Reader, stream: &StreamId, gift: Position) -> journal::Result<Found> {
    let mut version = versions_before(reader, stream, gift).await?;
    let last = version + SETTLEMENT_RECORDS_MAX;
    while version < last {
        let records = reader
            .read_stream(stream, version, Position::start(0), BACKWARDS_RECORDS as usize)
            .await?;
        let Some(newest) = records.last() else {
            return Ok((SettlementState::Waiting, None));
        };
        version = newest.version;
        for record in records {
            if let Event::TicketsCredited(credited) = codec::decode(&record.as_ref())?
                && credited.shard == gift.shard
                && credited.upto >= gift.sequence
            {
                return Ok((SettlementState::Credited, Some((record, credited))));
            }
        }
    }
    Ok((SettlementState::NotFound, None))
}

/// How many records of a stream stand before a position of the same shard.
async fn versions_before(reader: &dyn Reader, stream: &StreamId, at: Position) -> journal::Result<u64> {
    let (mut before, mut end) = (0, reader.stream_version(stream).await?);
    while before < end {
        let middle = before + (end - before) / 2;
        let found = reader.read_stream(stream, middle, Position::start(0), 1).await?;
        match found.first() {
            Some(record) if record.position.shard == at.shard && record.position < at => before = middle + 1,
            _ => end = middle,
        }
    }
    Ok(before)
}
