//! The one shape of every aggregate: decide, evolve, answer.

use alloc::vec::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::streamer::PayoutTerms;
use crate::{Catalogue, Event, Rejection, StreamKind, UserId};

/// What a decision may know besides the state: never read from the world inside this crate.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Server time, unix ms. It never goes back between two decisions of one actor.
    pub now_ms: i64,
    /// The gifts on offer.
    pub catalogue: &'a Catalogue,
    /// How tickets are paid out.
    pub payouts: &'a PayoutTerms,
}

/// What came of a command that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<A> {
    /// These events happen, at least one; the answer follows from the first by [`Aggregate::answer`].
    Happens(Vec<Event>),
    /// The state is already as the command wants it: nothing is written.
    Already(A),
}

impl<A> Decision<A> {
    /// One event happens.
    pub fn happens(event: impl Into<Event>) -> Self {
        Self::Happens(Vec::from([event.into()]))
    }
}

/// A state with rules. The shell keeps the order: decide -> append -> evolve -> reply when durable.
pub trait Aggregate: Sized + Clone + Send + Serialize + DeserializeOwned + 'static {
    /// The kind of stream its events live in.
    const KIND: StreamKind;
    /// The shape of its snapshot: raise it when the state's fields change, old snapshots are then replayed away.
    const SNAPSHOT_SCHEMA: u16;
    /// What it can be asked to do.
    type Command: Clone + Send + 'static;
    /// What it says when it did.
    type Answer: Clone + Send + PartialEq + core::fmt::Debug + 'static;

    /// The state before the first event of the actor with this key.
    fn new(key: &UserId) -> Self;

    /// What the command does to this state. Refusals first, in the documented order; nothing is changed here.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context<'_>,
    ) -> Result<Decision<Self::Answer>, Rejection>;

    /// Folds one event of its own stream. `recorded_at_ms` is the record's server time when it is read from the journal,
    /// and the decision's when it has just been decided, which is the same or a little earlier.
    fn evolve(&mut self, event: &Event, recorded_at_ms: i64);

    /// The answer that the first event of an accepted (or recorded as refused) command stands for: the same for the
    /// first reply and for every retry, whatever happened since.
    fn answer(event: &Event) -> Result<Self::Answer, Rejection>;

    /// The event that records a refusal, for commands about money (a refused id stays refused); none otherwise.
    fn refused(command: &Self::Command, rejection: Rejection) -> Option<Event>;
}
