//! The audit: one pass over every record of a journal that checks all thirteen promises of the ledger, and says what every
//! account stands at. It holds no power to append, and reads no view except to compare it with what it found.
//!
//! One thread reads, decodes and looks up numbers ahead, the caller folds in order; a source that checks the bytes does so on a thread of its own.

mod auditor;
mod commands;
mod lanes;
mod provider;
mod report;
mod source;

#[cfg(test)]
mod tests;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use compact_str::CompactString;
use domain::Event;
use journal::{Position, Reader, RecordBatch, codec};

pub use auditor::Auditor;
pub use report::{Compared, InFlight, Owed, Report, Verdict};
pub use source::{Checked, FromFiles, FromReader, Source};

use crate::ledger::{Break, Invariant, StoredLedger};
use crate::limits::{DECODE_BYTES, READ_AHEAD_PIECES_MAX, RECORDS_LOOKED_UP_AHEAD};
use crate::names::{NOBODY, Names, Number};
use crate::rebuild::{Rebuild, Stopper};
use crate::{Error, Result};

/// Audits what a reader hands out, up to its present end. The reader checks checksums; the chain is not looked at.
pub fn run(
    reader: &dyn Reader,
    stored: Option<StoredLedger>,
    stop: &Stopper,
    progress: impl FnMut(Rebuild),
) -> Result<Report> {
    run_over(&mut FromReader::new(reader), reader, stored, stop, progress)
}

/// Audits the records of a source. `reader` reads the same journal: it is asked for its end, and again for the records of
/// commands that look like one another. `stored` is compared with the fold at the same place.
///
/// What is broken is in the report; an error is what kept the audit from coming to its end.
pub fn run_over(
    source: &mut dyn Source,
    reader: &dyn Reader,
    stored: Option<StoredLedger>,
    stop: &Stopper,
    mut progress: impl FnMut(Rebuild),
) -> Result<Report> {
    if reader.shards() != 1 {
        return Err(Error::Shards(reader.shards()));
    }
    let began = Instant::now();
    let total = reader.head().get(0);
    let mut auditor = Auditor::new(stored);
    let damage = std::thread::scope(|scope| {
        let (send, receive) = sync_channel(READ_AHEAD_PIECES_MAX);
        let (give_back, unused) = sync_channel(READ_AHEAD_PIECES_MAX);
        let source = &mut *source;
        let ahead = scope.spawn(move || read_ahead(source, &send, &unused));
        // Moved in, so that a fold that ends early lets the reading thread end.
        let receive = receive;
        for piece in receive {
            let mut piece: Piece = piece;
            if stop.asked() {
                return Err(Error::Stopped);
            }
            piece.fold(&mut auditor);
            progress(Rebuild {
                done: piece.records.last().sequence.min(total),
                total,
            });
            piece.clear();
            // Nobody waits for it.
            let _ = give_back.try_send(piece);
        }
        let panicked = || Error::Store("the reading thread of the audit panicked".into());
        ahead.join().map_err(|_| panicked())?.map_err(Error::from)
    })?;
    let chain = source.checked();
    auditor.chain(chain, damage);
    auditor.confirm(reader)?;
    Ok(auditor.finish(reader.id(), began.elapsed().as_secs_f64()))
}

/// A few records with what they say.
struct Piece {
    records: RecordBatch,
    /// One for each record; an error for one that cannot be decoded.
    events: Vec<std::result::Result<Event, String>>,
    /// What stands for stream and command; 0 without a command.
    prints: Vec<u64>,
    /// The numbers of the stream's key, and of the gift's streamer or the order's user.
    numbers: Vec<(Number, Number)>,
    /// Ids that were given a number on the way.
    learned: Vec<CompactString>,
}

impl Piece {
    fn empty() -> Self {
        Self {
            records: RecordBatch::empty(Position::start(0)),
            events: Vec::new(),
            prints: Vec::new(),
            numbers: Vec::new(),
            learned: Vec::new(),
        }
    }

    fn read(&mut self, records: RecordBatch, names: &mut Names) {
        let known = names.len();
        // By itself, so that the processor looks up many keys at a time.
        for record in &records {
            self.numbers.push((names.intern(record.key), NOBODY));
            self.prints.push(commands::print(&record));
        }
        for (record, (_, whom)) in records.iter().zip(&mut self.numbers) {
            let event = codec::decode(&record).map_err(|e| e.to_string());
            match &event {
                Ok(Event::GiftSent(gift)) => *whom = names.intern(gift.room.as_str()),
                Ok(Event::OrderCreated(order)) => *whom = names.intern(order.user.as_str()),
                _ => {}
            }
            self.events.push(event);
        }
        self.learned.extend_from_slice(names.since(known));
        self.records = records;
    }

    fn fold(&self, auditor: &mut Auditor) {
        auditor.learn(&self.learned);
        let mut numbers = self.numbers.chunks(RECORDS_LOOKED_UP_AHEAD);
        let facts = self.events.iter().zip(&self.prints).zip(&self.numbers);
        for (at, (record, ((event, &print), &numbered))) in self.records.iter().zip(facts).enumerate() {
            if at % RECORDS_LOOKED_UP_AHEAD == 0 {
                auditor.look_ahead(numbers.next().unwrap_or_default());
            }
            match event {
                Ok(event) => auditor.take(&record, event, print, numbered),
                Err(what) => auditor.undecodable(&record, numbered.0, what),
            }
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.prints.clear();
        self.numbers.clear();
        self.learned.clear();
    }
}

/// Reads to the end, or to damage, which is what the audit is there to find.
fn read_ahead(
    source: &mut dyn Source,
    send: &SyncSender<Piece>,
    unused: &Receiver<Piece>,
) -> journal::Result<Option<Break>> {
    let mut last = 0;
    let mut names = Names::default();
    loop {
        let mut rest = match source.next() {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(None),
            Err(error @ journal::Error::Damaged { .. }) => {
                return Ok(Some(Break {
                    invariant: Invariant::ChainUnbroken.number(),
                    position: last + 1,
                    what: error.to_string(),
                }));
            }
            Err(error) => return Err(error),
        };
        last = rest.last().sequence;
        while !rest.is_empty() {
            let records = rest.up_to(DECODE_BYTES);
            rest = rest.after(records.last().sequence);
            let mut piece = unused.try_recv().unwrap_or_else(|_| Piece::empty());
            piece.read(records, &mut names);
            if send.send(piece).is_err() {
                // The fold has ended early.
                return Ok(None);
            }
        }
    }
}
