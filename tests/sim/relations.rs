//! The core of the process `relations` with its cursor, driven by hand: what its task does in the server.

use std::sync::Arc;

use actors::relations::{Core, Effect, Input, NAME};
use actors::{House, Job, Outcome, Reply, Work};
use domain::process::{Command, Process};
use domain::viewer::{self, Viewer};
use futures_util::FutureExt;
use journal::{Reader, Tail};

use crate::cursor::{self, Beginning, Cursor, Inbox, SHARD};
use crate::hall::Hall;

/// The relations of the one shard.
pub struct Relations {
    house: Arc<House>,
    reader: Arc<dyn Reader>,
    cursor: Cursor<Process>,
    core: Option<(Core, Box<dyn Tail>)>,
    inbox: Inbox<Input>,
    /// The journal failed it.
    ended: bool,
}

impl Relations {
    /// One that begins where the cursor stands.
    pub fn new(house: &Arc<House>, reader: Arc<dyn Reader>) -> Self {
        Self {
            house: house.clone(),
            reader,
            cursor: Cursor::new(house, "relations.0"),
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
        let went_on = self.cursor.resume();
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
        let due = self.core.as_ref().and_then(|(core, _)| core.advance_due());
        if let Some(upto) = due.filter(|_| !self.ended) {
            let command = Command::Advance { shard: SHARD, upto };
            self.cursor.advance(NAME, upto, command);
        }
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
            self.ended |= input.outcome.as_ref().is_err_and(cursor::is_broken);
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
            cursor::put(&inbox, input);
        };
        let job = Job {
            request: effect.request(),
            command: effect.command(),
            reply: Reply::from(told),
        };
        viewers.deliver(&effect.viewer, Work::Command(job));
    }
}
