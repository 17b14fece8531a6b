//! What settlement does next, without journal, actors or clock: records and outcomes in, effects out.
//!
//! It must never send a streamer a range before the one below it is known to be credited, and never move the cursor
//! past a gift that is not.

use std::collections::{HashMap, VecDeque};

use domain::event::EventType;
use domain::streamer::CreditTickets;
use domain::{Event, Rejection, UserId};
use foldhash::fast::FixedState;
use journal::{RecordBatch, codec};

use crate::Failure;
use crate::limits::{ADVANCE_AFTER_RECORDS_MAX, CREDITS_IN_FLIGHT_MAX, LANES_REMEMBERED_MAX};

/// Something to be performed; what comes of it comes back as [`Input`] with the same generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the streamer up to where it is settled.
    Ask {
        /// For [`Input`].
        generation: u32,
        /// Whom.
        streamer: UserId,
    },
    /// Send the streamer a credit.
    Credit {
        /// For [`Input`].
        generation: u32,
        /// Whom.
        streamer: UserId,
        /// What.
        credit: CreditTickets,
    },
    /// Read the shard again, from after this sequence: everything known was thrown away.
    Reread {
        /// After which record.
        after: u64,
    },
}

/// What came of an effect.
#[derive(Debug)]
pub enum Input {
    /// Up to where the streamer is settled, durably.
    Settled(u32, UserId, Result<u64, Failure>),
    /// Whether the credit is durable.
    Credited(u32, UserId, Result<(), Failure>),
}

/// Gifts of one streamer within a range of the shard.
#[derive(Debug, Clone, Copy)]
struct Sum {
    first: u64,
    /// When the first was recorded, unix ms.
    since_ms: i64,
    upto: u64,
    gifts: u64,
    tickets: u64,
}

/// A streamer with gifts. At most one question or credit is under way; what comes meanwhile is summed for the next one.
#[derive(Debug, Default)]
struct Lane {
    /// Up to where the streamer is settled; none until it has said so.
    settled: Option<u64>,
    under_way: Option<Sum>,
    pending: Option<Sum>,
    /// Its place in the queue is taken, or something is under way.
    busy: bool,
}

struct Gift {
    streamer: UserId,
    sequence: u64,
    recorded_at_ms: i64,
    tickets: u64,
}

/// The settlement of one shard.
pub struct Core {
    shard: u16,
    generation: u32,
    lanes: HashMap<UserId, Lane, FixedState>,
    /// Streamers whose turn comes next.
    ready: VecDeque<UserId>,
    /// Streamers whose last effect failed; they get ready again by [`Self::retry`].
    failed: Vec<UserId>,
    under_way: usize,
    /// Gifts that wait until each of their streamers has said where it is settled.
    held: Vec<Gift>,
    unknown: usize,
    read_upto: u64,
    advanced_upto: u64,
    credited_since_advance: bool,
    reread: bool,
}

impl Core {
    /// The settlement of a shard whose gifts are all credited up to the sequence `upto`; reading starts after it.
    pub fn new(shard: u16, upto: u64) -> Self {
        Self {
            shard,
            generation: 0,
            lanes: HashMap::default(),
            ready: VecDeque::new(),
            failed: Vec::new(),
            under_way: 0,
            held: Vec::new(),
            unknown: 0,
            read_upto: upto,
            advanced_upto: upto,
            credited_since_advance: false,
            reread: false,
        }
    }

    /// Whether [`Self::read`] may be called: not while streamers are asked for the last batch.
    pub fn can_read(&self) -> bool {
        self.unknown == 0 && !self.reread
    }

    /// The sequence up to which the shard was read.
    pub fn read_upto(&self) -> u64 {
        self.read_upto
    }

    /// Takes the next records of the shard; those that were read before are skipped.
    pub fn read(&mut self, batch: &RecordBatch) -> journal::Result<()> {
        if batch.is_empty() || batch.shard() != self.shard {
            return Ok(());
        }
        for record in batch.iter() {
            let sequence = record.position.sequence;
            if record.event_type != EventType::GiftSent || sequence <= self.read_upto {
                continue;
            }
            if let Event::GiftSent(sent) = codec::decode(&record)? {
                self.gift(Gift {
                    streamer: sent.room.streamer(),
                    sequence,
                    recorded_at_ms: record.recorded_at_ms,
                    tickets: sent.tickets,
                });
            }
        }
        self.read_upto = self.read_upto.max(batch.last().sequence);
        Ok(())
    }

    /// What is to be done next; none when there is nothing, or enough is under way.
    pub fn next_effect(&mut self) -> Option<Effect> {
        if std::mem::take(&mut self.reread) {
            return Some(Effect::Reread {
                after: self.read_upto,
            });
        }
        if self.under_way >= CREDITS_IN_FLIGHT_MAX {
            return None;
        }
        let streamer = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&streamer)?;
        self.under_way += 1;
        let generation = self.generation;
        let Some(after) = lane.settled else {
            return Some(Effect::Ask { generation, streamer });
        };
        let sum = lane.under_way.or_else(|| lane.pending.take())?;
        lane.under_way = Some(sum);
        let (
            shard,
            Sum {
                upto, gifts, tickets, ..
            },
        ) = (self.shard, sum);
        let credit = CreditTickets {
            shard,
            after,
            upto,
            gifts,
            tickets,
        };
        Some(Effect::Credit {
            generation,
            streamer,
            credit,
        })
    }

    /// Takes what came of an effect. Returns how many gifts are known to be credited by it.
    pub fn input(&mut self, input: Input) -> u64 {
        let (Input::Settled(generation, ..) | Input::Credited(generation, ..)) = &input;
        // An answer to what was thrown away says nothing any more.
        if *generation != self.generation {
            return 0;
        }
        self.under_way = self.under_way.saturating_sub(1);
        match input {
            Input::Settled(_, streamer, Ok(upto)) => self.settled(&streamer, upto),
            Input::Credited(_, streamer, Ok(())) => return self.credited(streamer),
            // Somebody else credited other ranges: begin again as after a crash.
            Input::Credited(_, _, Err(Failure::Rejected(Rejection::SettlementGap))) => self.restart(),
            Input::Settled(_, streamer, Err(_)) => self.failed.push(streamer),
            Input::Credited(_, streamer, Err(failure)) => self.not_credited(streamer, &failure),
        }
        0
    }

    /// Lets those try again whose last effect failed.
    pub fn retry(&mut self) {
        self.ready.extend(self.failed.drain(..));
    }

    /// Every gift at or below this sequence is credited, durably.
    pub fn credited_upto(&self) -> u64 {
        let first = |lane: &Lane| lane.under_way.or(lane.pending).map(|sum| sum.first);
        let lanes = self.lanes.values().filter_map(first).min();
        let held = self.held.first().map(|gift| gift.sequence);
        lanes
            .into_iter()
            .chain(held)
            .min()
            .map_or(self.read_upto, |first| first - 1)
    }

    /// When the oldest gift was recorded that was read and is not credited, unix ms; none when all are.
    pub fn waits_since_ms(&self) -> Option<i64> {
        let first = |lane: &Lane| lane.under_way.or(lane.pending).map(|sum| sum.since_ms);
        let held = self.held.first().map(|gift| gift.recorded_at_ms);
        self.lanes.values().filter_map(first).chain(held).min()
    }

    /// Where the cursor should be written to, if that is worth a record.
    pub fn advance_due(&self) -> Option<u64> {
        let upto = self.credited_upto();
        let far = upto >= self.advanced_upto.saturating_add(ADVANCE_AFTER_RECORDS_MAX);
        (upto > self.advanced_upto && (self.credited_since_advance || far)).then_some(upto)
    }

    /// The cursor stands there, durably.
    pub fn advanced(&mut self, upto: u64) {
        self.advanced_upto = self.advanced_upto.max(upto);
        self.credited_since_advance = false;
        if self.lanes.len() > LANES_REMEMBERED_MAX {
            self.lanes.retain(|_, lane| lane.busy || lane.pending.is_some());
        }
    }

    /// Throws away everything that is not in the journal and reads from the cursor again.
    pub fn restart(&mut self) {
        *self = Self {
            generation: self.generation.wrapping_add(1),
            reread: true,
            ..Self::new(self.shard, self.advanced_upto)
        };
    }

    fn gift(&mut self, gift: Gift) {
        if !self.lanes.contains_key(&gift.streamer) {
            self.lanes.insert(
                gift.streamer.clone(),
                Lane {
                    busy: true,
                    ..Lane::default()
                },
            );
            self.ready.push_back(gift.streamer.clone());
            self.unknown += 1;
        }
        // In order: once one gift waits, all after it do.
        if self.unknown > 0 {
            self.held.push(gift);
        } else {
            self.add(gift);
        }
    }

    fn add(&mut self, gift: Gift) {
        let Gift {
            streamer,
            sequence,
            recorded_at_ms,
            tickets,
        } = gift;
        let Some(lane) = self.lanes.get_mut(&streamer) else {
            return;
        };
        if lane.settled.is_none_or(|settled| sequence <= settled) {
            return;
        }
        let sum = lane.pending.get_or_insert(Sum {
            first: sequence,
            since_ms: recorded_at_ms,
            upto: sequence,
            gifts: 0,
            tickets: 0,
        });
        sum.upto = sequence;
        sum.gifts += 1;
        // A sum that overflows could never be credited; saturated, the streamer's own limit refuses it.
        sum.tickets = sum.tickets.saturating_add(tickets);
        if !lane.busy {
            lane.busy = true;
            self.ready.push_back(streamer);
        }
    }

    fn settled(&mut self, streamer: &UserId, upto: u64) {
        let Some(lane) = self.lanes.get_mut(streamer) else {
            return;
        };
        lane.settled = Some(upto);
        lane.busy = false;
        self.unknown = self.unknown.saturating_sub(1);
        if self.unknown == 0 {
            std::mem::take(&mut self.held)
                .into_iter()
                .for_each(|gift| self.add(gift));
        }
    }

    fn credited(&mut self, streamer: UserId) -> u64 {
        let Some(lane) = self.lanes.get_mut(&streamer) else {
            return 0;
        };
        let Some(sum) = lane.under_way.take() else {
            return 0;
        };
        lane.settled = Some(sum.upto);
        lane.busy = lane.pending.is_some();
        if lane.busy {
            self.ready.push_back(streamer);
        }
        self.credited_since_advance = true;
        sum.gifts
    }

    fn not_credited(&mut self, streamer: UserId, failure: &Failure) {
        match failure {
            Failure::Rejected(rejection) if !rejection.is_retryable() => {
                // The gifts stay owed and the cursor stays below them; a person has to look.
                tracing::error!(%streamer, %rejection, "a streamer cannot be credited: left out until the next start");
            }
            _ => self.failed.push(streamer),
        }
    }
}
