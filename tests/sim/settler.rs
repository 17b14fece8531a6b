//! Settlement's core with its cursor, driven by hand: what its task does in the server.

use std::sync::{Arc, Mutex, PoisonError};

use actors::settlement::{Core, Effect, Input};
use actors::{Failure, House, Job, Outcome, Post, Reply, Request, Shell, Suspended, Work};
use domain::UserId;
use domain::settlement::{Command, Settlement};
use domain::streamer::{self, Streamer};
use futures_util::FutureExt;
use journal::{Checkpoint, Position, Reader, Tail};

use crate::hall::Hall;
use crate::tally::Tally;

const SHARD: u16 = 0;

struct Nobody;

impl Post<Settlement> for Nobody {
    fn post(&self, _: &UserId, _: Work<Settlement>) {}
}

type Slot<T> = Arc<Mutex<Option<Result<T, Failure>>>>;

/// The settlement of the one shard.
pub struct Settler {
    reader: Arc<dyn Reader>,
    cursor: Shell<Settlement>,
    waiting: Option<Suspended<Settlement>>,
    begun: Slot<u64>,
    advanced: Slot<()>,
    advancing: Option<u64>,
    asked: bool,
    core: Option<(Core, Box<dyn Tail>)>,
    inbox: Arc<Mutex<Vec<Input>>>,
    /// The journal failed it.
    pub ended: bool,
}

fn take<T>(slot: &Slot<T>) -> Option<Result<T, Failure>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn fill<T: Send + 'static, U: 'static>(slot: &Slot<T>, map: fn(U) -> T) -> Reply<U> {
    let slot = slot.clone();
    Reply::from(move |outcome: Outcome<U>| {
        let told = outcome.map(|accepted| map(accepted.answer));
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    })
}

impl Settler {
    /// One that begins where the cursor stands.
    pub fn new(house: &Arc<House>, reader: Arc<dyn Reader>) -> Self {
        let key = "0".parse().expect("a digit is a good id");
        Self {
            reader,
            cursor: Shell::new(house.clone(), key, Arc::new(Nobody)),
            waiting: None,
            begun: Slot::default(),
            advanced: Slot::default(),
            advancing: None,
            asked: false,
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
        let went_on = self.resume();
        if self.core.is_none() {
            return self.begin() || went_on;
        }
        let took = self.take_inputs(tally);
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
        let Some(upto) = self.core.as_ref().and_then(|(core, _)| core.advance_due()) else {
            return;
        };
        if self.advancing.is_some() || self.waiting.is_some() || self.ended {
            return;
        }
        self.advancing = Some(upto);
        let (request, command) = (
            Request::of_system("settlement"),
            Command::Advance { shard: SHARD, upto },
        );
        let job = Job {
            request,
            command,
            reply: fill(&self.advanced, |_| ()),
        };
        self.waiting = self.cursor.handle(Work::Command(job));
    }

    /// Every gift at or below this sequence is credited, as far as it knows.
    pub fn credited_upto(&self) -> u64 {
        self.core.as_ref().map_or(0, |(core, _)| core.credited_upto())
    }

    fn resume(&mut self) -> bool {
        let Some(mut waiting) = self.waiting.take() else {
            return false;
        };
        match waiting.as_mut().now_or_never() {
            Some(resumption) => self.waiting = self.cursor.resume(resumption),
            None => {
                self.waiting = Some(waiting);
                return false;
            }
        }
        true
    }

    fn begin(&mut self) -> bool {
        match take(&self.begun) {
            Some(Ok(upto)) => {
                self.core = Some((Core::new(SHARD, upto), self.tail(upto)));
                return true;
            }
            Some(Err(_)) => self.asked = false,
            None => {}
        }
        if self.asked || self.waiting.is_some() {
            return false;
        }
        self.asked = true;
        let reply = fill(&self.begun, |told: Settlement| told.upto());
        self.waiting = self.cursor.handle(Work::Ask(reply));
        true
    }

    fn tail(&self, sequence: u64) -> Box<dyn Tail> {
        let mut after = Checkpoint::start(1);
        after.advance(Position {
            shard: SHARD,
            sequence,
        });
        self.reader.tail(&after)
    }

    fn take_inputs(&mut self, _: &mut Tally) -> bool {
        let Some((core, _)) = &mut self.core else {
            return false;
        };
        let mut took = false;
        match take(&self.advanced) {
            Some(Ok(())) => {
                if let Some(upto) = self.advancing.take() {
                    core.advanced(upto);
                }
                took = true;
            }
            Some(Err(_)) => self.advancing = None,
            None => {}
        }
        let inputs = std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        for input in inputs {
            took = true;
            if let Input::Settled(_, _, Err(failure)) | Input::Credited(_, _, Err(failure)) = &input
                && matches!(
                    failure,
                    Failure::Broken(journal::Error::Poisoned(_) | journal::Error::Closed)
                )
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
                    let tail = self.tail(after);
                    if let Some((_, old)) = &mut self.core {
                        *old = tail;
                    }
                }
                Effect::Ask { generation, streamer } => {
                    let (inbox, whom) = (self.inbox.clone(), streamer.clone());
                    let told = move |told: Outcome<Streamer>| {
                        let settled = told.map(|told| told.answer.settled_upto(SHARD));
                        put(&inbox, Input::Settled(generation, whom, settled));
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
                        put(&inbox, Input::Credited(generation, whom, outcome.map(|_| ())));
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

fn put(inbox: &Mutex<Vec<Input>>, input: Input) {
    inbox.lock().unwrap_or_else(PoisonError::into_inner).push(input);
}
