//! The core of the process `relations` with its cursor, driven by hand: what its task does in the server.

use std::sync::{Arc, Mutex, PoisonError};

use actors::relations::{Core, Effect, Input, NAME};
use actors::{Failure, House, Job, Outcome, Post, Reply, Request, Shell, Suspended, Work};
use domain::UserId;
use domain::process::{Command, Process};
use domain::viewer::{self, Viewer};
use futures_util::FutureExt;
use journal::{Checkpoint, Position, Reader, Tail};

use crate::hall::Hall;

const SHARD: u16 = 0;

struct Nobody;

impl Post<Process> for Nobody {
    fn post(&self, _: &UserId, _: Work<Process>) {}
}

type Slot<T> = Arc<Mutex<Option<Result<T, Failure>>>>;
type Inputs = Arc<Mutex<Vec<Input>>>;

/// The relations of the one shard.
pub struct Relations {
    house: Arc<House>,
    reader: Arc<dyn Reader>,
    cursor: Shell<Process>,
    waiting: Option<Suspended<Process>>,
    begun: Slot<u64>,
    advanced: Slot<()>,
    advancing: Option<u64>,
    asked: bool,
    core: Option<(Core, Box<dyn Tail>)>,
    inbox: Inputs,
    /// The journal failed it.
    ended: bool,
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

impl Relations {
    /// One that begins where the cursor stands.
    pub fn new(house: &Arc<House>, reader: Arc<dyn Reader>) -> Self {
        let key = "relations.0".parse().expect("a good id");
        Self {
            house: house.clone(),
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
    pub fn step(&mut self, viewers: &mut Hall<Viewer>) -> bool {
        if self.ended {
            return false;
        }
        let went_on = self.resume();
        if self.core.is_none() {
            return self.begin() || went_on;
        }
        let took = self.take_inputs();
        let read = self.read();
        self.perform(viewers) || took || read || went_on
    }

    /// Some time has passed.
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
        let job = Job {
            request: Request::of_system(NAME),
            command: Command::Advance { shard: SHARD, upto },
            reply: fill(&self.advanced, |_| ()),
        };
        self.waiting = self.cursor.handle(Work::Command(job));
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
                let mut after = Checkpoint::start(1);
                let (shard, sequence) = (SHARD, upto);
                after.advance(Position { shard, sequence });
                self.core = Some((Core::new(SHARD, upto), self.reader.tail(&after)));
                return true;
            }
            Some(Err(_)) => self.asked = false,
            None => {}
        }
        if self.asked || self.waiting.is_some() {
            return false;
        }
        self.asked = true;
        let reply = fill(&self.begun, |told: Process| told.upto());
        self.waiting = self.cursor.handle(Work::Ask(reply));
        true
    }

    fn take_inputs(&mut self) -> bool {
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
            let broken = matches!(
                &input.outcome,
                Err(Failure::Broken(
                    journal::Error::Poisoned(_) | journal::Error::Closed
                ))
            );
            self.ended |= broken;
            core.input(input);
        }
        took
    }

    fn read(&mut self) -> bool {
        let blocks = self.house.blocks();
        let Some((core, tail)) = &mut self.core else {
            return false;
        };
        if !core.can_read() {
            return false;
        }
        match tail.next().now_or_never() {
            Some(Ok(batch)) => {
                let read = core.read(&batch, |whose, event| blocks.change(whose, event));
                read.expect("what was written can be decoded");
            }
            Some(Err(_)) => self.ended = true,
            None => return false,
        }
        true
    }

    fn perform(&mut self, viewers: &mut Hall<Viewer>) -> bool {
        let mut performed = false;
        while let Some(effect) = self.core.as_mut().and_then(|(core, _)| core.next_effect()) {
            performed = true;
            self.run(&effect, viewers);
        }
        performed
    }

    fn run(&self, effect: &Effect, viewers: &mut Hall<Viewer>) {
        let (inbox, sequence) = (self.inbox.clone(), effect.sequence);
        let told = move |outcome: Outcome<viewer::Answer>| {
            let outcome = outcome.map(|_| ());
            let input = Input { sequence, outcome };
            inbox.lock().unwrap_or_else(PoisonError::into_inner).push(input);
        };
        let job = Job {
            request: effect.request(),
            command: effect.command(),
            reply: Reply::from(told),
        };
        viewers.deliver(&effect.viewer, Work::Command(job));
    }
}
