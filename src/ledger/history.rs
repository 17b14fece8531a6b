//! The history of one user's wallet: the user's two streams, read backwards and merged, without a view.
//!
//! What is appended while somebody pages stands above where the pages began, so every entry that was there at the first
//! page comes exactly once.

use domain::{StreamId, UserId};
use journal::{Position, Reader, Record, codec};

use super::entry::Entry;
use super::limits::BACKWARDS_RECORDS;

/// Where to go on: the last version of each stream that has not been read; 0 = all of it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// In the `viewer` stream.
    pub viewer: u64,
    /// In the `streamer` stream.
    pub streamer: u64,
}

/// Some entries, newest first, and where to go on; no mark = the end.
#[derive(Debug)]
pub struct Page {
    /// At most as many as were asked for, and perhaps none though there are older ones.
    pub entries: Vec<Entry>,
    /// Where to go on.
    pub next: Option<Mark>,
}

/// The newest `limit` entries at or below a mark (none = the newest of all), of at most `records_max` records.
pub async fn page(
    reader: &dyn Reader,
    user: &UserId,
    from: Option<Mark>,
    limit: usize,
    records_max: usize,
) -> journal::Result<Page> {
    let mut viewer = Backwards::open(reader, StreamId::viewer(user), from.map(|mark| mark.viewer)).await?;
    let mut streamer = Backwards::open(reader, StreamId::streamer(user), from.map(|m| m.streamer)).await?;
    let mut entries = Vec::new();
    for _ in 0..records_max {
        if entries.len() == limit {
            break;
        }
        let of_viewer = viewer.peek().await?.map(|record| record.position);
        let of_streamer = streamer.peek().await?.map(|record| record.position);
        if of_viewer.is_none() && of_streamer.is_none() {
            break;
        }
        let newest = if of_viewer > of_streamer {
            &mut viewer
        } else {
            &mut streamer
        };
        if let Some(record) = newest.take() {
            entries.extend(Entry::of(&record, &codec::decode(&record.as_ref())?));
        }
    }
    let rest = Mark {
        viewer: viewer.left(),
        streamer: streamer.left(),
    };
    let over = rest.viewer == 0 && rest.streamer == 0;
    Ok(Page {
        entries,
        next: (!over).then_some(rest),
    })
}

/// One stream, from a version down to its first record.
pub struct Backwards<'a> {
    reader: &'a dyn Reader,
    stream: StreamId,
    /// The highest version that is not in `ahead` and has not been taken.
    below: u64,
    /// What is read and not taken; the newest last.
    ahead: Vec<Record>,
}

impl<'a> Backwards<'a> {
    /// From this version on, or from the last one; a version that the stream does not have is cut to its last.
    pub async fn open(reader: &'a dyn Reader, stream: StreamId, from: Option<u64>) -> journal::Result<Self> {
        let last = match from {
            Some(0) => 0,
            _ => reader.stream_version(&stream).await?,
        };
        Ok(Self {
            reader,
            stream,
            below: from.unwrap_or(last).min(last),
            ahead: Vec::new(),
        })
    }

    /// The next record, which is the newest one that was not taken.
    pub async fn peek(&mut self) -> journal::Result<Option<&Record>> {
        if self.ahead.is_empty() && self.below > 0 {
            let after = self.below.saturating_sub(BACKWARDS_RECORDS);
            let many = (self.below - after) as usize;
            self.ahead = self
                .reader
                .read_stream(&self.stream, after, Position::start(0), many)
                .await?;
            self.below = after;
        }
        Ok(self.ahead.last())
    }

    /// Takes what [`Self::peek`] showed.
    pub fn take(&mut self) -> Option<Record> {
        self.ahead.pop()
    }

    /// The newest record that was not taken, taken; none at the stream's start.
    pub async fn next(&mut self) -> journal::Result<Option<Record>> {
        self.peek().await?;
        Ok(self.take())
    }

    /// The highest version that was not taken.
    fn left(&self) -> u64 {
        self.ahead.last().map_or(self.below, |record| record.version)
    }
}
