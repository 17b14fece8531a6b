//! Brings an actor to its state: snapshot, then the records after it. It reads only what is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use compact_str::CompactString;
use domain::{Rejection, StreamId, UserId};
use journal::{Append, Cause, Expected, Position, Record, codec};
use tokio::sync::oneshot;

use crate::limits::REPLAY_PAGE_RECORDS;
use crate::{Failure, House, Kind};

/// A state and where it stands.
pub(crate) struct Replayed<A> {
    pub(crate) state: A,
    pub(crate) version: u64,
    pub(crate) snapshot_version: u64,
    pub(crate) last: Position,
    pub(crate) recorded_at_ms: i64,
    /// The latest time in it: a snapshot holds the actor's own, which the records behind it may lie before.
    pub(crate) now_ms: i64,
}

/// The durable state of the actor `key`. With `drain`, appends that may still be queued are waited for first.
pub(crate) async fn replay<A: Kind>(
    house: Arc<House>,
    key: UserId,
    drain: bool,
) -> Result<Replayed<A>, Failure> {
    let stream = StreamId {
        kind: A::KIND,
        key: key.clone().into_text(),
    };
    if drain {
        drained(&house, &stream).await?;
    }
    let fresh = Replayed {
        state: A::new(&key),
        version: 0,
        snapshot_version: 0,
        last: Position::start(0),
        recorded_at_ms: 0,
        now_ms: 0,
    };
    let mut replayed = from_snapshot(&house, &stream).await?.unwrap_or(fresh);
    house.stats.replays.add_one();
    loop {
        let page = house
            .reader
            .read_stream(&stream, replayed.version, replayed.last, REPLAY_PAGE_RECORDS)
            .await?;
        house.stats.replayed_records.add(page.len() as u64);
        let complete = page.len() < REPLAY_PAGE_RECORDS;
        // An event that the fold panics at must not take down who polls this.
        replayed = catch_unwind(AssertUnwindSafe(|| fold(replayed, &page))).map_err(|_| {
            house.stats.panics.add_one();
            Failure::Lost
        })??;
        if complete {
            return Ok(replayed);
        }
    }
}

fn fold<A: Kind>(mut replayed: Replayed<A>, page: &[Record]) -> Result<Replayed<A>, Failure> {
    for record in page {
        let event = codec::decode(&record.as_ref())?;
        if record.version != replayed.version + 1 {
            let what = format!("version {} after version {}", record.version, replayed.version);
            let (position, stream) = (record.position, record.stream.clone());
            return Err(journal::Error::Undecodable {
                position,
                stream,
                what,
            }
            .into());
        }
        replayed.state.evolve(&event, record.recorded_at_ms);
        replayed.version = record.version;
        replayed.last = record.position;
        replayed.recorded_at_ms = record.recorded_at_ms;
        replayed.now_ms = replayed.now_ms.max(record.recorded_at_ms);
    }
    Ok(replayed)
}

/// The last snapshot, if it is of today's shape and can be read; else the stream is replayed from its start.
async fn from_snapshot<A: Kind>(house: &House, stream: &StreamId) -> Result<Option<Replayed<A>>, Failure> {
    let Some(snapshot) = house.reader.snapshot(stream).await? else {
        return Ok(None);
    };
    if snapshot.schema != A::SNAPSHOT_SCHEMA {
        return Ok(None);
    }
    let (recorded_at_ms, state) = match postcard::from_bytes(&snapshot.state) {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(%stream, %error, "a snapshot cannot be read: replaying from the start");
            return Ok(None);
        }
    };
    let (version, last) = (snapshot.version, snapshot.position);
    Ok(Some(Replayed {
        state,
        version,
        snapshot_version: version,
        last,
        recorded_at_ms,
        now_ms: recorded_at_ms,
    }))
}

/// Waits until everything that was queued is durable or has failed.
async fn drained(house: &House, stream: &StreamId) -> Result<(), Failure> {
    let (sender, receiver) = oneshot::channel();
    let append = Append {
        stream: stream.clone(),
        expected: Expected::Any,
        epoch: house.writer.epoch(),
        cause: Cause {
            command_id: None,
            request_hash: 0,
            actor: CompactString::const_new("barrier"),
        },
        events: Vec::new(),
    };
    let queued = house
        .writer
        .append(append, Box::new(move |outcome| _ = sender.send(outcome)));
    queued.map_err(|_| Failure::Rejected(Rejection::Busy))?;
    receiver.await.map_err(|_| Failure::Lost)??;
    Ok(())
}
