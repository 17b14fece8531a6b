//! What the process `relations` does next, without journal, actors or clock: records and outcomes in, effects out.
//!
//! It must never move the cursor past a block whose follow is not known to be gone.

use std::collections::{BTreeMap, VecDeque};

use domain::event::EventType;
use domain::viewer::Command;
use domain::{Event, UserId};
use journal::{RecordBatch, RecordRef, codec};

use crate::limits::{ADVANCE_AFTER_RECORDS_MAX, RELATIONS_IN_FLIGHT_MAX, RELATIONS_PENDING_MAX};
use crate::{Failure, Request};

/// The actor of everything that this process causes.
pub const NAME: &str = "relations";

/// A follow that is to be let go; what comes of it comes back as [`Input`] with the same sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The block that it follows from.
    pub sequence: u64,
    /// Who was blocked.
    pub viewer: UserId,
    /// Who blocked them.
    pub streamer: UserId,
    /// The number of the block among the changes of the streamer's blocks.
    pub change: u64,
}

impl Effect {
    /// How it is asked for: without an id, as the viewer knows by itself whether it has been done.
    pub fn request(&self) -> Request {
        Request::of_system(NAME)
    }

    /// What the viewer is asked.
    pub fn command(&self) -> Command {
        Command::LoseFollow {
            streamer: self.streamer.clone(),
            change: self.change,
        }
    }
}

/// What came of an effect.
#[derive(Debug)]
pub struct Input {
    /// As in the [`Effect`].
    pub sequence: u64,
    /// Whether the follow is gone, durably.
    pub outcome: Result<(), Failure>,
}

/// The relations of one shard.
pub struct Core {
    shard: u16,
    /// What is not done, by the block's sequence.
    open: BTreeMap<u64, Effect>,
    /// Sequences whose turn comes next.
    ready: VecDeque<u64>,
    /// Sequences whose effect failed; they get ready again by [`Self::retry`].
    failed: Vec<u64>,
    under_way: usize,
    read_upto: u64,
    advanced_upto: u64,
    done_since_advance: bool,
}

impl Core {
    /// The relations of a shard in which everything is done up to the sequence `upto`; reading starts after it.
    pub fn new(shard: u16, upto: u64) -> Self {
        Self {
            shard,
            open: BTreeMap::new(),
            ready: VecDeque::new(),
            failed: Vec::new(),
            under_way: 0,
            read_upto: upto,
            advanced_upto: upto,
            done_since_advance: false,
        }
    }

    /// Whether [`Self::read`] may be called: not while too much is to be done.
    pub fn can_read(&self) -> bool {
        self.open.len() < RELATIONS_PENDING_MAX
    }

    /// Takes the next records of the shard; those that were read before are skipped. Every change of somebody's blocks is
    /// handed to `seen` with whose it is, before anything that follows from it.
    pub fn read(
        &mut self,
        batch: &RecordBatch,
        mut seen: impl FnMut(&UserId, &Event),
    ) -> journal::Result<()> {
        if batch.is_empty() || batch.shard() != self.shard {
            return Ok(());
        }
        for record in batch.iter() {
            let is_change = matches!(record.event_type, EventType::Blocked | EventType::Unblocked);
            if is_change && record.position.sequence > self.read_upto {
                self.take(&record, &mut seen)?;
            }
        }
        self.read_upto = self.read_upto.max(batch.last().sequence);
        Ok(())
    }

    fn take(
        &mut self,
        record: &RecordRef<'_>,
        seen: &mut impl FnMut(&UserId, &Event),
    ) -> journal::Result<()> {
        let event = codec::decode(record)?;
        // The key of a viewer's stream is a user's id.
        let Ok(streamer) = record.key.parse::<UserId>() else {
            return Ok(());
        };
        seen(&streamer, &event);
        if let Event::Blocked(blocked) = event {
            let sequence = record.position.sequence;
            let effect = Effect {
                sequence,
                viewer: blocked.user,
                streamer,
                change: blocked.change,
            };
            self.open.insert(sequence, effect);
            self.ready.push_back(sequence);
        }
        Ok(())
    }

    /// What is to be done next; none when there is nothing, or enough is under way.
    pub fn next_effect(&mut self) -> Option<Effect> {
        if self.under_way >= RELATIONS_IN_FLIGHT_MAX {
            return None;
        }
        let effect = self.open.get(&self.ready.pop_front()?)?.clone();
        self.under_way += 1;
        Some(effect)
    }

    /// Takes what came of an effect.
    pub fn input(&mut self, Input { sequence, outcome }: Input) {
        self.under_way = self.under_way.saturating_sub(1);
        match outcome {
            Ok(()) => {
                self.open.remove(&sequence);
                self.done_since_advance = true;
            }
            // Nothing of it is ever refused for good.
            Err(_) => self.failed.push(sequence),
        }
    }

    /// Some time has passed ([`crate::limits::PROCESS_RETRY_MS`]): lets those try again whose effect failed.
    pub fn retry(&mut self) {
        self.ready.extend(self.failed.drain(..));
    }

    /// Everything at or below this sequence is done, durably.
    pub fn done_upto(&self) -> u64 {
        let first = self.open.keys().next();
        first.map_or(self.read_upto, |first| first - 1)
    }

    /// Where the cursor should be written to, if that is worth a record.
    pub fn advance_due(&self) -> Option<u64> {
        let upto = self.done_upto();
        let far = upto >= self.advanced_upto.saturating_add(ADVANCE_AFTER_RECORDS_MAX);
        (upto > self.advanced_upto && (self.done_since_advance || far)).then_some(upto)
    }

    /// The cursor stands there, durably.
    pub fn advanced(&mut self, upto: u64) {
        self.advanced_upto = self.advanced_upto.max(upto);
        self.done_since_advance = false;
    }
}
