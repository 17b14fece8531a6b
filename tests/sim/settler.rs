//! Settlement's core with its cursor, driven by hand: what its task does in the server.

use std::sync::Arc;

use actors::settlement::{Core, Effect, Input};
use actors::{House, Job, Outcome, Reply, Request, Work};
use domain::settlement::{Command, Settlement};
use domain::streamer::{self, Streamer};
use futures_util::FutureExt;
use journal::{Reader, Tail};

use crate::cursor::{self, Beginning, Cursor, Inbox, SHARD};
use crate::hall::Hall;
use crate::tally::Tally;

/// The settlement of the one shard.
pub struct Settler {
    reader: Arc<dyn Reader>,
    cursor: Cursor<Settlement>,
    core: Option<(Core, Box<dyn Tail>)>,
    inbox: Inbox<Input>,
    /// The journal failed it.
    pub ended: bool,
}

impl Settler {
    /// One that begins where the cursor stands.
    pub fn new(house: &Arc<House>, reader: Arc<dyn Reader>) -> Self {
        Self {
            reader,
            cursor: Cursor::new(house, "0"),
            core: None,
            inbox: Arc::default(),
            ended: false,
        }
    }

    /// Goes on as far as it can without waiting; says whether anything happened.
    pub fn step(&mut self, streamers: &mut Hall<Streamer>, tally: &mut Tally) -> bool {
        if self.ended {
            return false;
        }
        let went_on = self.cursor.resume();
        if self.core.is_none() {
            return self.begin() || went_on;
        }
        let took = self.take_inputs();
        let read = self.read();
        self.perform(streamers, tally) || took || read || went_on
    }

    /// Lets those try again whose credit failed.
    pub fn retry(&mut self) {
        if let Some((core, _)) = &mut self.core {
            core.retry();
        }
    }

    /// Writes the cursor, if that is due.
    pub fn advance(&mut self) {
        let due = self.core.as_ref().and_then(|(core, _)| core.advance_due());
        if let Some(upto) = due.filter(|_| !self.ended) {
            let command = Command::Advance { shard: SHARD, upto };
            self.cursor.advance("settlement", upto, command);
        }
    }

    /// Every gift at or below this sequence is credited, as far as it knows.
    pub fn credited_upto(&self) -> u64 {
        self.core.as_ref().map_or(0, |(core, _)| core.credited_upto())
    }

    fn begin(&mut self) -> bool {
        match self.cursor.begin(|told| told.upto()) {
            Beginning::Behind(upto) => {
                self.core = Some((Core::new(SHARD, upto), cursor::tail(&*self.reader, upto)));
                true
            }
            Beginning::Asked => true,
            Beginning::Unknown => false,
        }
    }

    fn take_inputs(&mut self) -> bool {
        let Some((core, _)) = &mut self.core else {
            return false;
        };
        let advanced = self.cursor.advanced();
        advanced.inspect(|upto| core.advanced(*upto));
        let inputs = cursor::take_all(&self.inbox);
        let took = advanced.is_some() || !inputs.is_empty();
        for input in inputs {
            if let Input::Settled(_, _, Err(failure)) | Input::Credited(_, _, Err(failure)) = &input
                && cursor::is_broken(failure)
            {
                self.ended = true;
            }
            core.input(input);
        }
        took
    }

    fn read(&mut self) -> bool {
        let Some((core, tail)) = &mut self.core else {
            return false;
        };
        if !core.can_read() {
            return false;
        }
        match tail.next().now_or_never() {
            Some(Ok(batch)) => core.read(&batch).expect("what was written can be decoded"),
            Some(Err(_)) => self.ended = true,
            None => return false,
        }
        true
    }

    fn perform(&mut self, streamers: &mut Hall<Streamer>, tally: &mut Tally) -> bool {
        let mut performed = false;
        while let Some(effect) = self.core.as_mut().and_then(|(core, _)| core.next_effect()) {
            performed = true;
            match effect {
                Effect::Reread { after } => {
                    tally.one("settlements begun again");
                    let tail = cursor::tail(&*self.reader, after);
                    if let Some((_, old)) = &mut self.core {
                        *old = tail;
                    }
                }
                Effect::Ask { generation, streamer } => {
                    let (inbox, whom) = (self.inbox.clone(), streamer.clone());
                    let told = move |told: Outcome<Streamer>| {
                        let settled = told.map(|told| told.answer.settled_upto(SHARD));
                        cursor::put(&inbox, Input::Settled(generation, whom, settled));
                    };
                    streamers.deliver(&streamer, Work::Ask(Reply::from(told)));
                }
                Effect::Credit {
                    generation,
                    streamer,
                    credit,
                } => {
                    let (inbox, whom) = (self.inbox.clone(), streamer.clone());
                    let told = move |outcome: Outcome<streamer::Answer>| {
                        cursor::put(&inbox, Input::Credited(generation, whom, outcome.map(|_| ())));
                    };
                    let (request, command) = (
                        Request::of_system("settlement"),
                        streamer::Command::CreditTickets(credit),
                    );
                    let reply = Reply::from(told);
                    streamers.deliver(
                        &streamer,
                        Work::Command(Job {
                            request,
                            command,
                            reply,
                        }),
                    );
                }
            }
        }
        performed
    }
}
