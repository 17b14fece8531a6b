//! Performs what the process `relations` wants: talks to the viewers.

use std::sync::Arc;

use domain::process::Process;
use domain::viewer::{self, Viewer};
use journal::RecordBatch;

use super::core::{Core, Effect, Input, NAME};
use crate::manager::{Inbox, Manager};
use crate::registry::Registry;
use crate::shell::{Job, Work};
use crate::{Failure, House, Outcome, Reply};

/// The relations of one shard.
pub(crate) struct Relations {
    house: Arc<House>,
    viewers: Arc<Registry<Viewer>>,
    core: Core,
}

impl Relations {
    /// One that has done everything up to the sequence `upto`.
    pub(crate) fn new(house: Arc<House>, viewers: Arc<Registry<Viewer>>, shard: u16, upto: u64) -> Self {
        Self {
            house,
            viewers,
            core: Core::new(shard, upto),
        }
    }

    fn run(&self, inbox: &Arc<Inbox<Input>>, effect: &Effect) {
        let (inbox, sequence) = (inbox.clone(), effect.sequence);
        let told = move |outcome: Outcome<viewer::Answer>| {
            let outcome = outcome.map(|_| ());
            inbox.put(Input { sequence, outcome });
        };
        let job = Job {
            request: effect.request(),
            command: effect.command(),
            reply: Reply::from(told),
        };
        self.viewers.send(&effect.viewer, Work::Command(job));
    }
}

impl Manager for Relations {
    type Input = Input;
    type Bookmark = Process;
    const NAME: &'static str = NAME;

    fn can_read(&self) -> bool {
        self.core.can_read()
    }

    /// A record may be read before the shell that wrote it is told: what it says of blocks is known to all from here on,
    /// so that no follow is decided without it after the errand that follows from it.
    fn read(&mut self, batch: &RecordBatch) -> journal::Result<()> {
        let blocks = &self.house.blocks;
        self.core.read(batch, |whose, event| blocks.change(whose, event))
    }

    fn perform(&mut self, inbox: &Arc<Inbox<Input>>) -> Option<u64> {
        while let Some(effect) = self.core.next_effect() {
            self.run(inbox, &effect);
        }
        None
    }

    fn failure(input: &Input) -> Option<&Failure> {
        input.outcome.as_ref().err()
    }

    fn input(&mut self, input: Input) {
        self.core.input(input);
    }

    fn retry(&mut self) {
        self.core.retry();
    }

    fn done_upto(&self) -> u64 {
        self.core.done_upto()
    }

    fn advance_due(&self) -> Option<u64> {
        self.core.advance_due()
    }

    fn advanced(&mut self, upto: u64) {
        self.core.advanced(upto);
    }
}
