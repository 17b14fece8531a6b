//! Performs what settlement wants: talks to the streamers.

use std::sync::Arc;

use domain::UserId;
use domain::settlement::Settlement;
use domain::streamer::{self, Streamer};
use journal::RecordBatch;

use super::core::{Core, Effect, Input};
use crate::manager::{Inbox, Manager};
use crate::registry::Registry;
use crate::shell::{Job, Work};
use crate::{Failure, House, Outcome, Reply, Request};

/// The settlement of one shard.
pub(crate) struct Settler {
    shard: u16,
    house: Arc<House>,
    streamers: Arc<Registry<Streamer>>,
    core: Core,
}

impl Settler {
    /// One whose gifts are all credited up to the sequence `upto`.
    pub(crate) fn new(house: Arc<House>, streamers: Arc<Registry<Streamer>>, shard: u16, upto: u64) -> Self {
        Self {
            shard,
            house,
            streamers,
            core: Core::new(shard, upto),
        }
    }

    fn ask(&self, inbox: &Arc<Inbox<Input>>, generation: u32, streamer: UserId) {
        let (inbox, shard, whom) = (inbox.clone(), self.shard, streamer.clone());
        let told = move |told: Outcome<Streamer>| {
            let settled = told.map(|told| told.answer.settled_upto(shard));
            inbox.put(Input::Settled(generation, whom, settled));
        };
        self.streamers.send(&streamer, Work::Ask(Reply::from(told)));
    }

    fn credit(
        &self,
        inbox: &Arc<Inbox<Input>>,
        generation: u32,
        streamer: UserId,
        credit: streamer::CreditTickets,
    ) {
        self.house.stats.credits.add_one();
        let (inbox, whom) = (inbox.clone(), streamer.clone());
        let told = move |outcome: Outcome<streamer::Answer>| {
            inbox.put(Input::Credited(generation, whom, outcome.map(|_| ())));
        };
        let command = streamer::Command::CreditTickets(credit);
        let job = Job {
            request: Request::of_system(Self::NAME),
            command,
            reply: Reply::from(told),
        };
        self.streamers.send(&streamer, Work::Command(job));
    }
}

impl Manager for Settler {
    type Input = Input;
    type Bookmark = Settlement;
    const NAME: &'static str = "settlement";

    fn can_read(&self) -> bool {
        self.core.can_read()
    }

    fn read(&mut self, batch: &RecordBatch) -> journal::Result<()> {
        self.core.read(batch)
    }

    fn perform(&mut self, inbox: &Arc<Inbox<Input>>) -> Option<u64> {
        while let Some(effect) = self.core.next_effect() {
            match effect {
                Effect::Reread { after } => {
                    self.house.stats.settlement_restarts.add_one();
                    let shard = self.shard;
                    tracing::warn!(
                        shard,
                        after,
                        "a credit does not follow the last one: reading again"
                    );
                    return Some(after);
                }
                Effect::Ask { generation, streamer } => self.ask(inbox, generation, streamer),
                Effect::Credit {
                    generation,
                    streamer,
                    credit,
                } => self.credit(inbox, generation, streamer, credit),
            }
        }
        None
    }

    fn failure(input: &Input) -> Option<&Failure> {
        let (Input::Settled(_, _, Err(failure)) | Input::Credited(_, _, Err(failure))) = input else {
            return None;
        };
        Some(failure)
    }

    fn input(&mut self, input: Input) {
        let gifts = self.core.input(input);
        self.house.stats.gifts_settled.add(gifts);
    }

    fn retry(&mut self) {
        self.core.retry();
    }

    fn waits_since_ms(&self) -> Option<i64> {
        self.core.waits_since_ms()
    }

    fn done_upto(&self) -> u64 {
        self.core.credited_upto()
    }

    fn advance_due(&self) -> Option<u64> {
        self.core.advance_due()
    }

    fn advanced(&mut self, upto: u64) {
        self.core.advanced(upto);
    }
}
