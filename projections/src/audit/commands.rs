//! Which commands were there: eight bytes for each, put in order at the end. Two that look alike are only suspected; they
//! are looked up before anybody is accused.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use domain::StreamId;
use domain::event::EventType;
use foldhash::quality::FixedState;
use journal::{Reader, RecordRef};

use super::source::{FromReader, Source};
use crate::Result;
use crate::ledger::{Break, Invariant, concerns};

/// Parts that are put in order one by one, on two threads.
const PARTS: usize = 16;

/// What stands for a record's stream and command; 0 without a command.
pub(crate) fn print(record: &RecordRef<'_>) -> u64 {
    record.command_id.map_or(0, |id| {
        FixedState::with_seed(0x11fe).hash_one((record.kind as u8, record.key, id)) | 1
    })
}

/// Tells the first record of an append from the further ones.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    print: u64,
    version: u64,
    at_ms: i64,
    event_type: Option<EventType>,
}

impl Appends {
    /// Whether a record with a command is the first of its append. A further one follows at once in the same stream, at
    /// the same time, by the same command; it says something else, and moves nothing: a second effect is never taken for a
    /// further record.
    pub(crate) fn begins(&mut self, record: &RecordRef<'_>, print: u64) -> bool {
        let further = self.print == print
            && self.version + 1 == record.version
            && self.at_ms == record.recorded_at_ms
            && self.event_type != Some(record.event_type)
            && !concerns(record.event_type);
        *self = Self {
            print,
            version: record.version,
            at_ms: record.recorded_at_ms,
            event_type: Some(record.event_type),
        };
        !further
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    parts: [Vec<u64>; PARTS],
}

impl Commands {
    pub(crate) fn add(&mut self, print: u64) {
        self.parts[(print >> 60) as usize].push(print);
    }

    /// Puts all in order and gives those that stand there twice.
    pub(crate) fn suspects(&mut self) -> HashSet<u64> {
        let (left, right) = self.parts.split_at_mut(PARTS / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| twice(left));
            let mut suspects = twice(right);
            suspects.extend(other.join().unwrap_or_default());
            suspects
        })
    }
}

fn twice(parts: &mut [Vec<u64>]) -> HashSet<u64> {
    let mut found = HashSet::new();
    for part in parts {
        part.sort_unstable();
        let alike = part.windows(2).filter(|pair| pair[0] == pair[1]);
        found.extend(alike.map(|pair| pair[0]));
    }
    found
}

/// Reads the records of suspected commands again, up to a position: the first second effect of a command, and the first
/// effect of one that was refused before.
pub(crate) fn confirm(reader: &dyn Reader, suspects: &HashSet<u64>, upto: u64) -> Result<Vec<Break>> {
    let mut first: HashMap<(StreamId, String), (u64, bool)> = HashMap::new();
    let mut appends = Appends::default();
    let (mut again, mut refused) = (None, None);
    let mut source = FromReader::new(reader);
    while let Some(batch) = source.next()? {
        for record in batch.iter().filter(|record| record.position.sequence <= upto) {
            let print = print(&record);
            let Some(id) = record.command_id.filter(|_| suspects.contains(&print)) else {
                continue;
            };
            if !appends.begins(&record, print) {
                continue;
            }
            let at = record.position.sequence;
            let refuses = matches!(
                record.event_type,
                EventType::CommandRefused | EventType::WithdrawalRefused
            );
            let (before, was_refused) = *first
                .entry((record.stream(), id.to_owned()))
                .or_insert((at, refuses));
            if before == at {
                continue;
            }
            let stream = record.stream();
            let id = id.replace('\u{1f}', "/");
            if was_refused {
                refused.get_or_insert_with(|| Break {
                    invariant: Invariant::RefusedStays.number(),
                    position: at,
                    what: format!("command {id} of {stream} was refused at record {before}"),
                });
            } else {
                again.get_or_insert_with(|| Break {
                    invariant: Invariant::ExactlyOnce.number(),
                    position: at,
                    what: format!("command {id} of {stream} had its effect at record {before}"),
                });
            }
        }
    }
    Ok([again, refused].into_iter().flatten().collect())
}
