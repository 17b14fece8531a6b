//! A shell as an actix actor: mailbox, panics, waiting, idleness. It decides nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};

use crate::limits::SWEEP_INTERVAL_MS;
use crate::registry::Registry;
use crate::shell::{Resumption, Shell, Suspended, Work};
use crate::{Kind, Post};

/// What lies in a mailbox.
pub(crate) enum Letter<A: Kind> {
    /// Something to do.
    Work(Work<A>),
    /// Time has passed.
    Tick,
}

impl<A: Kind> Message for Letter<A> {
    type Result = ();
}

/// What a shell can be made to do.
enum Turn<A: Kind> {
    Handle(Work<A>),
    Resume(Resumption<A>),
    Wake,
}

impl<A: Kind> Turn<A> {
    fn take(self, shell: &mut Shell<A>) -> Option<Suspended<A>> {
        match self {
            Self::Handle(work) => shell.handle(work),
            Self::Resume(resumption) => shell.resume(resumption),
            Self::Wake => shell.wake(),
        }
    }
}

/// One actor.
pub(crate) struct Entity<A: Kind> {
    shell: Shell<A>,
    registry: Arc<Registry<A>>,
    /// When the registry will send the next tick, unix ms.
    tick_at_ms: i64,
    used_at_ms: i64,
    /// Letters taken out of the mailbox: equal to those put in means that it is empty.
    received: u32,
}

impl<A: Kind> Entity<A> {
    pub(crate) fn new(shell: Shell<A>, registry: Arc<Registry<A>>, tick_at_ms: i64) -> Self {
        Self {
            shell,
            registry,
            tick_at_ms,
            used_at_ms: 0,
            received: 0,
        }
    }

    /// Runs the shell; a panic costs its state, which is replayed, and the command, which is told so.
    fn run(&mut self, turn: Turn<A>, context: &mut Context<Self>) {
        let ran = catch_unwind(AssertUnwindSafe(|| turn.take(&mut self.shell)));
        let suspended = ran.unwrap_or_else(|_| {
            self.registry.house().stats.panics.add_one();
            tracing::error!(kind = A::KIND.name(), key = %self.shell.key(), "an actor panicked: it is replayed");
            self.shell.forget();
            None
        });
        if let Some(suspended) = suspended {
            let resumed = wrap_future(suspended)
                .map(|resumption, entity: &mut Self, context| entity.run(Turn::Resume(resumption), context));
            context.wait(resumed);
        }
        self.arm_for_wake();
    }

    /// Asks for an earlier tick when the state wants one. Later ones are asked for when the tick comes: that is one
    /// timer per actor, however many gifts come in between.
    fn arm_for_wake(&mut self) {
        if let Some(wake_at_ms) = self.shell.wake_at_ms().filter(|at| *at < self.tick_at_ms) {
            self.arm(wake_at_ms);
        }
    }

    fn arm(&mut self, at_ms: i64) {
        self.tick_at_ms = at_ms;
        self.registry.arm(self.shell.key(), at_ms);
    }

    fn tick(&mut self, context: &mut Context<Self>) {
        self.tick_at_ms = i64::MAX;
        self.run(Turn::Wake, context);
        if context.waiting() {
            return self.arm(self.registry.now_ms());
        }
        let now_ms = self.registry.now_ms();
        let idle_at_ms = self.used_at_ms.saturating_add(self.registry.idle_after_ms());
        if !self.shell.is_quiet() {
            return self.arm_at_most(now_ms + SWEEP_INTERVAL_MS as i64);
        }
        self.shell.shrink();
        let leaves =
            self.registry.is_closing() || (idle_at_ms <= now_ms && self.shell.wake_at_ms().is_none());
        if leaves && self.leave() {
            return context.stop();
        }
        self.arm_at_most(idle_at_ms.max(now_ms + 1));
    }

    fn arm_at_most(&mut self, at_ms: i64) {
        self.arm(at_ms.min(self.shell.wake_at_ms().unwrap_or(i64::MAX)));
    }

    /// Leaves the registry, unless letters have come: then they are handled first.
    fn leave(&mut self) -> bool {
        self.shell.save_snapshot();
        let standing = self
            .shell
            .state()
            .and_then(|state| state.standing(self.shell.key()));
        self.registry.retire(self.shell.key(), self.received, standing)
    }
}

impl<A: Kind> Actor for Entity<A> {
    type Context = Context<Self>;
}

impl<A: Kind> Handler<Letter<A>> for Entity<A> {
    type Result = ();

    fn handle(&mut self, letter: Letter<A>, context: &mut Context<Self>) {
        self.received = self.received.wrapping_add(1);
        match letter {
            Letter::Work(work) => {
                self.run(Turn::Handle(work), context);
                self.used_at_ms = self.used_at_ms.max(self.shell.seen_ms());
            }
            Letter::Tick => self.tick(context),
        }
    }
}

impl<A: Kind> Post<A> for Registry<A> {
    fn post(&self, key: &domain::UserId, work: Work<A>) {
        self.send(key, work);
    }
}
