//! The statement of one user: every entry of the wallet between two days, with the balances before, after each, and at
//! the end.
//!
//! It reads both of the user's streams from their start, oldest first: the balances are sums of postings, and nothing
//! that somebody says they are.

use domain::{StreamId, UserId};
use journal::{Position, Reader, Record, codec};
use projections::{Day, Zone};
use serde::Serialize;

use super::calendar::stamp;
use super::entry::{Change, Entry};
use super::limits::STREAM_PAGE_RECORDS;

/// Whose statement, and of which days.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Whose.
    pub user: UserId,
    /// The first day; none = from the beginning.
    pub from: Option<Day>,
    /// The last day, which belongs to it; none = until now.
    pub to: Option<Day>,
    /// Where days begin.
    pub zone: Zone,
}

/// One line. All lines have the same fields, in this order; what does not apply is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
pub struct Row {
    /// Where the record stands; none in the first and the last line.
    pub position: Option<u64>,
    /// When, as in `2026-11-27T23:01:36.123+08:00`.
    pub time: Option<String>,
    /// The name of the event; `opening` in the first line and `closing` in the last.
    pub r#type: String,
    /// Coins that came, or went when negative.
    pub coins: Option<i64>,
    /// Tickets that came or went.
    pub tickets: Option<i64>,
    /// Tickets that withdrawals took hold of, or released.
    pub held: Option<i64>,
    /// Coins owed that were added, or paid when negative.
    pub debt: Option<i64>,
    /// Coins after it.
    pub coins_after: i64,
    /// Tickets after it.
    pub tickets_after: i64,
    /// Held tickets after it.
    pub held_after: i64,
    /// Coins owed after it.
    pub debt_after: i64,
    /// The gift that was sent.
    pub gift: Option<String>,
    /// To whose room.
    pub room: Option<String>,
    /// How many.
    pub count: Option<u32>,
    /// The combo it was a step of.
    pub combo: Option<String>,
    /// How many gifts of others a credit is for.
    pub gifts: Option<u64>,
    /// The order of a recharge.
    pub order: Option<String>,
    /// The withdrawal.
    pub withdrawal: Option<String>,
    /// Why, in people's words.
    pub reason: Option<String>,
    /// The command that asked for it, as its client named it.
    pub command_id: Option<String>,
    /// Who caused it.
    pub by: Option<String>,
}

impl Row {
    fn of_balances(kind: &str, balances: &Change) -> Self {
        Self {
            r#type: kind.into(),
            coins_after: balances.coins,
            tickets_after: balances.tickets,
            held_after: balances.held,
            debt_after: balances.debt,
            ..Self::default()
        }
    }

    fn of(record: &Record, entry: Entry, balances: &Change, zone: Zone) -> Self {
        let moved = |amount: i64| (amount != 0).then_some(amount);
        let id = record.cause.command_id.as_deref().map(journal::command_id::bare);
        Self {
            position: Some(entry.position),
            time: Some(stamp(entry.time, zone)),
            coins: moved(entry.change.coins),
            tickets: moved(entry.change.tickets),
            held: moved(entry.change.held),
            debt: moved(entry.change.debt),
            gift: entry.about.gift,
            room: entry.about.room,
            count: entry.about.count,
            combo: entry.about.combo,
            gifts: entry.about.gifts,
            order: entry.about.order,
            withdrawal: entry.about.withdrawal,
            reason: entry.about.reason,
            command_id: id.map(str::to_owned),
            by: Some(record.cause.actor.to_string()),
            ..Self::of_balances(entry.r#type, balances)
        }
    }
}

/// Why a statement was not finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// Whoever takes the lines takes no more.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Hands out the lines in order: the opening balances, every entry, the closing balances. Says how many entries there were.
pub async fn user(
    reader: &dyn Reader,
    asked: &Asked,
    mut line: impl FnMut(Row) -> std::io::Result<()>,
) -> Result<u64, Error> {
    let mut viewer = Forwards::open(reader, StreamId::viewer(&asked.user));
    let mut streamer = Forwards::open(reader, StreamId::streamer(&asked.user));
    let (mut balances, mut opened, mut entries) = (Change::default(), false, 0);
    loop {
        let of_viewer = viewer.peek().await?;
        let of_streamer = streamer.peek().await?;
        let next = match (of_viewer, of_streamer) {
            (None, None) => break,
            (Some(one), Some(other)) if one > other => &mut streamer,
            (Some(_), _) => &mut viewer,
            (None, Some(_)) => &mut streamer,
        };
        let Some(record) = next.take() else { break };
        let Some(entry) = Entry::of(&record, &codec::decode(&record.as_ref())?) else {
            continue;
        };
        let day = Day::of(entry.time, asked.zone);
        if asked.to.is_some_and(|to| day > to) {
            break;
        }
        let shown = asked.from.is_none_or(|from| day >= from);
        if shown && !opened {
            opened = true;
            line(Row::of_balances("opening", &balances))?;
        }
        balances = balances.and(&entry.change);
        if shown {
            entries += 1;
            line(Row::of(&record, entry, &balances, asked.zone))?;
        }
    }
    if !opened {
        line(Row::of_balances("opening", &balances))?;
    }
    line(Row::of_balances("closing", &balances))?;
    Ok(entries)
}

/// One stream from its first record on.
struct Forwards<'a> {
    reader: &'a dyn Reader,
    stream: StreamId,
    version: u64,
    near: Position,
    ahead: std::vec::IntoIter<Record>,
    over: bool,
}

impl<'a> Forwards<'a> {
    fn open(reader: &'a dyn Reader, stream: StreamId) -> Self {
        Self {
            reader,
            stream,
            version: 0,
            near: Position::start(0),
            ahead: Vec::new().into_iter(),
            over: false,
        }
    }

    /// Where the next record stands.
    async fn peek(&mut self) -> journal::Result<Option<Position>> {
        if self.ahead.as_slice().is_empty() && !self.over {
            let records = self
                .reader
                .read_stream(&self.stream, self.version, self.near, STREAM_PAGE_RECORDS)
                .await?;
            self.over = records.is_empty();
            if let Some(last) = records.last() {
                (self.version, self.near) = (last.version, last.position);
            }
            self.ahead = records.into_iter();
        }
        Ok(self.ahead.as_slice().first().map(|record| record.position))
    }

    fn take(&mut self) -> Option<Record> {
        self.ahead.next()
    }
}
