//! What the payout worker does, without doing it: inputs come in, effects go out. No clock, no journal, no provider.
//!
//! Every effect is answered exactly once by an input, however late ([`Input::Noted`] or [`Input::Answered`]); a provider
//! that takes longer than the patience is asked what became of it meanwhile, and its late answer is heard all the same.
//! It must never let a submission out before it is noted durably, and never under another id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::{Rejection, UserId, WithdrawalId};

use super::over::Overs;
use super::{Answer, Payout};

/// Effects under way at once; others wait in the order in which they became due.
pub const UNDER_WAY_MAX: usize = 32;
/// Payouts that are looked after at once; more are found later, when some have ended.
pub const TRACKED_MAX: usize = 4_096;
/// Payouts that have ended and are remembered, to hear a contradiction; the one that ended first is forgotten.
pub const OVER_MAX: usize = 1_024;
/// Before something is tried for the second time, in ms; twice as long each further time.
pub const AGAIN_AFTER_MS_MIN: i64 = 200;
/// Longest time between two tries, in ms.
pub const AGAIN_AFTER_MS_MAX: i64 = 60_000;
/// So long after a failure its provider is asked once more, in ms: who has paid after all is a contradiction. While it does
/// not say, it is asked again, after twice as long each further time, up to [`LOOK_BACK_AFTER_MS_MAX`].
pub const LOOK_BACK_AFTER_MS: i64 = 60_000;
/// Longest time between two such questions, in ms.
pub const LOOK_BACK_AFTER_MS_MAX: i64 = 64 * LOOK_BACK_AFTER_MS;
/// Failures from before the start that are looked back at; older ones were, or are for the books of the provider to show.
pub const LOOKED_BACK_AT_START_MAX: usize = 100;
const _: () = assert!(LOOKED_BACK_AT_START_MAX < OVER_MAX);

/// How a payout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The provider paid.
    Paid {
        /// Its name for the transfer.
        reference: String,
    },
    /// The provider did not.
    Failed {
        /// Why.
        reason: String,
    },
}

impl End {
    fn contradicts(&self, other: &Self) -> bool {
        std::mem::discriminant(self) != std::mem::discriminant(other)
    }
}

/// What is to be noted in the streamer's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The provider is about to have it.
    Submitted,
    /// It is over.
    Over(End),
}

/// What came of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It is durable, now or before.
    Done,
    /// The streamer does not allow it, now or ever.
    Refused(Rejection),
    /// It could not be noted, or nobody knows: to be tried again.
    Again,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Note it; answered with [`Input::Noted`].
    Note {
        /// In whose stream.
        user: UserId,
        /// Of which withdrawal.
        id: WithdrawalId,
        /// What.
        note: Note,
    },
    /// Ask the provider to pay; answered with [`Input::Answered`] of the same call.
    Submit {
        /// Which call.
        call: u64,
        /// What.
        payout: Payout,
    },
    /// Ask the provider what became of it; answered likewise.
    Ask {
        /// Which call.
        call: u64,
        /// Of which withdrawal.
        id: WithdrawalId,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A withdrawal is to be paid out, as a view says.
    Found {
        /// Whose it is.
        user: UserId,
        /// What is to be paid.
        payout: Payout,
        /// Whether its provider may have it already.
        submitted: bool,
    },
    /// A withdrawal failed before this worker began, as a view says: nobody may have looked back at it.
    Failed {
        /// Which.
        id: WithdrawalId,
        /// Why.
        reason: String,
    },
    /// What came of a note.
    Noted {
        /// Of which withdrawal.
        id: WithdrawalId,
        /// What.
        noted: Noted,
    },
    /// What the provider says.
    Answered {
        /// Of which withdrawal.
        id: WithdrawalId,
        /// To which call.
        call: u64,
        /// What.
        answer: Answer,
    },
}

/// What is to be done next for a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// `again`: it may have been noted before.
    NoteSubmitted {
        again: bool,
    },
    Submit,
    Ask,
    NoteOver(End),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// It waits for others to end.
    Queued(Next),
    /// It waits for its time.
    Waiting { next: Next, until_ms: i64 },
    /// A note is under way.
    Noting(Next),
    /// A call is under way, and loses its patience then.
    Calling { call: u64, until_ms: i64, asks: bool },
}

#[derive(Debug)]
struct Item {
    user: UserId,
    payout: Payout,
    step: Step,
    /// How often something had to be tried again.
    tries: u32,
    unknown: bool,
}

/// The worker's state.
#[derive(Debug)]
pub struct Core {
    patience_ms: i64,
    items: BTreeMap<WithdrawalId, Item>,
    over: Overs,
    queue: VecDeque<WithdrawalId>,
    /// When to look at which; may name what has moved on since.
    due: BTreeSet<(i64, WithdrawalId)>,
    under_way: usize,
    calls: u64,
    contradictions: u64,
}

impl Core {
    /// A worker that looks after nothing yet. A provider that has not answered after `patience_ms` is asked again.
    pub fn new(patience_ms: i64) -> Self {
        Self {
            patience_ms: patience_ms.max(1),
            items: BTreeMap::new(),
            over: Overs::default(),
            queue: VecDeque::new(),
            due: BTreeSet::new(),
            under_way: 0,
            calls: 0,
            contradictions: 0,
        }
    }

    /// Whether it looks after a withdrawal, or knows how it ended.
    pub fn knows(&self, id: &WithdrawalId) -> bool {
        self.items.contains_key(id) || self.over.knows(id)
    }

    /// How many more it can look after.
    pub fn room(&self) -> usize {
        TRACKED_MAX.saturating_sub(self.items.len())
    }

    /// Of how many nobody knows what became of them.
    pub fn unknown(&self) -> usize {
        self.items.values().filter(|item| item.unknown).count()
    }

    /// How often a provider said the opposite of what it had said before.
    pub fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// When [`Core::tick`] has something to do.
    pub fn next_ms(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes what happened.
    pub fn input(&mut self, input: Input, now_ms: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Found {
                user,
                payout,
                submitted,
            } => self.found(user, payout, submitted, now_ms, &mut effects),
            Input::Failed { id, reason } => {
                if !self.knows(&id) {
                    self.end(&id, Some(End::Failed { reason }), now_ms);
                }
            }
            Input::Noted { id, noted } => {
                self.under_way -= 1;
                self.noted(&id, noted, now_ms, &mut effects);
            }
            Input::Answered { id, call, answer } => {
                self.under_way -= 1;
                self.answered(&id, call, answer, now_ms, &mut effects);
            }
        }
        self.go_on(now_ms, &mut effects);
        effects
    }

    /// Lets time pass.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((at, id)) = self.due.first().filter(|(at, _)| *at <= now_ms).cloned() {
            self.due.pop_first();
            self.look_back(at, &id, now_ms, &mut effects);
            let Some(item) = self.items.get_mut(&id) else {
                continue;
            };
            match &item.step {
                Step::Waiting { next, until_ms } if *until_ms == at => {
                    let next = next.clone();
                    self.begin(&id, next, now_ms, &mut effects);
                }
                Step::Calling { until_ms, .. } if *until_ms == at => {
                    item.unknown = true;
                    self.wait(&id, Next::Ask, now_ms);
                }
                _ => {}
            }
        }
        self.go_on(now_ms, &mut effects);
        effects
    }

    fn found(
        &mut self,
        user: UserId,
        payout: Payout,
        submitted: bool,
        now_ms: i64,
        effects: &mut Vec<Effect>,
    ) {
        if self.knows(&payout.id) || self.room() == 0 {
            return;
        }
        let id = payout.id.clone();
        // Who knows how far somebody came who submitted it before: the provider.
        let next = if submitted {
            Next::Ask
        } else {
            Next::NoteSubmitted { again: false }
        };
        let item = Item {
            user,
            payout,
            step: Step::Queued(next.clone()),
            tries: 0,
            unknown: submitted,
        };
        self.items.insert(id.clone(), item);
        self.begin(&id, next, now_ms, effects);
    }

    fn noted(&mut self, id: &WithdrawalId, noted: Noted, now_ms: i64, effects: &mut Vec<Effect>) {
        let Some(Step::Noting(next)) = self.items.get(id).map(|item| item.step.clone()) else {
            return;
        };
        match (next, noted) {
            (Next::NoteSubmitted { again: false }, Noted::Done) => {
                self.begin(id, Next::Submit, now_ms, effects);
            }
            (Next::NoteSubmitted { again: true }, Noted::Done) => self.begin(id, Next::Ask, now_ms, effects),
            (Next::NoteSubmitted { .. }, Noted::Again) => {
                self.wait(id, Next::NoteSubmitted { again: true }, now_ms);
            }
            (Next::NoteSubmitted { .. }, Noted::Refused(rejection)) => {
                tracing::info!(withdrawal = %id, %rejection, "this withdrawal is not to be paid out");
                self.end(id, None, now_ms);
            }
            (Next::NoteOver(end), Noted::Done) => self.end(id, Some(end), now_ms),
            (Next::NoteOver(end), Noted::Again) => self.wait(id, Next::NoteOver(end), now_ms),
            (Next::NoteOver(end), Noted::Refused(rejection)) => {
                self.contradictions += 1;
                tracing::error!(withdrawal = %id, ?end, %rejection,
                    "the provider's answer does not fit what is known of this withdrawal; nothing was changed");
                self.end(id, None, now_ms);
            }
            (Next::Submit | Next::Ask, _) => {}
        }
    }

    fn answered(
        &mut self,
        id: &WithdrawalId,
        call: u64,
        answer: Answer,
        now_ms: i64,
        effects: &mut Vec<Effect>,
    ) {
        let end = match answer {
            Answer::Paid { reference } => End::Paid { reference },
            Answer::Failed { reason } => End::Failed { reason },
            open => return self.still_open(id, call, &open, now_ms, effects),
        };
        let known = match self.items.get(id).map(|item| &item.step) {
            Some(
                Step::Queued(Next::NoteOver(known))
                | Step::Waiting {
                    next: Next::NoteOver(known),
                    ..
                }
                | Step::Noting(Next::NoteOver(known)),
            ) => known,
            Some(_) => return self.begin(id, Next::NoteOver(end), now_ms, effects),
            None => match self.over.end(id) {
                Some(known) => known,
                None => return,
            },
        };
        if end.contradicts(known) {
            tracing::error!(withdrawal = %id, first = ?known, later = ?end,
                "the provider contradicts itself: its first answer stands; settle it with the provider by hand");
            self.contradictions += 1;
        }
    }

    /// An answer that ends nothing counts only if it is to the newest call.
    fn still_open(
        &mut self,
        id: &WithdrawalId,
        call: u64,
        answer: &Answer,
        now_ms: i64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(item) = self.items.get_mut(id) else {
            let again = self.over.still_open(id, call, answer, now_ms);
            self.due.extend(again.map(|at| (at, id.clone())));
            return;
        };
        let asked = match item.step {
            Step::Calling {
                call: newest, asks, ..
            } if newest == call => asks,
            _ => return,
        };
        match answer {
            Answer::NotFound if asked => {
                // It never arrived: the same again, under the same id.
                item.unknown = false;
                if item.tries == 0 {
                    item.tries = 1;
                    self.begin(id, Next::Submit, now_ms, effects);
                } else {
                    self.wait(id, Next::Submit, now_ms);
                }
            }
            Answer::Pending => {
                item.unknown = false;
                self.wait(id, Next::Ask, now_ms);
            }
            why => {
                tracing::warn!(withdrawal = %id, ?why, "nobody knows yet what became of this payout: the provider is asked again");
                item.unknown = true;
                self.wait(id, Next::Ask, now_ms);
            }
        }
    }

    /// Asks once more about a failure.
    fn look_back(&mut self, at: i64, id: &WithdrawalId, now_ms: i64, effects: &mut Vec<Effect>) {
        if !self.over.is_due(id, at) {
            return;
        }
        if self.under_way >= UNDER_WAY_MAX {
            let until_ms = now_ms + AGAIN_AFTER_MS_MIN;
            self.over.put_off(id, until_ms);
            self.due.insert((until_ms, id.clone()));
            return;
        }
        self.under_way += 1;
        self.calls += 1;
        let call = self.calls;
        self.over.asked(id, call);
        effects.push(Effect::Ask { call, id: id.clone() });
    }

    /// Does what is next, or lets it wait for others to end.
    fn begin(&mut self, id: &WithdrawalId, next: Next, now_ms: i64, effects: &mut Vec<Effect>) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        if self.under_way >= UNDER_WAY_MAX {
            item.step = Step::Queued(next);
            self.queue.push_back(id.clone());
            return;
        }
        self.under_way += 1;
        let note = |note| Effect::Note {
            user: item.user.clone(),
            id: id.clone(),
            note,
        };
        let effect = match &next {
            Next::NoteSubmitted { .. } => note(Note::Submitted),
            Next::NoteOver(end) => note(Note::Over(end.clone())),
            Next::Submit | Next::Ask => {
                self.calls += 1;
                let (call, asks) = (self.calls, next == Next::Ask);
                let until_ms = now_ms + self.patience_ms;
                item.step = Step::Calling { call, until_ms, asks };
                self.due.insert((until_ms, id.clone()));
                effects.push(if asks {
                    Effect::Ask { call, id: id.clone() }
                } else {
                    let payout = item.payout.clone();
                    Effect::Submit { call, payout }
                });
                return;
            }
        };
        effects.push(effect);
        item.step = Step::Noting(next);
    }

    /// Lets it rest, longer each time.
    fn wait(&mut self, id: &WithdrawalId, next: Next, now_ms: i64) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        let rest_ms = AGAIN_AFTER_MS_MIN << item.tries.min(16);
        item.tries += 1;
        let until_ms = now_ms + rest_ms.min(AGAIN_AFTER_MS_MAX);
        item.step = Step::Waiting { next, until_ms };
        self.due.insert((until_ms, id.clone()));
    }

    fn end(&mut self, id: &WithdrawalId, end: Option<End>, now_ms: i64) {
        self.items.remove(id);
        let look_back = self.over.remember(id, end, now_ms);
        self.due.extend(look_back.map(|at| (at, id.clone())));
    }

    /// Whoever has waited longest goes on, as far as there is room.
    fn go_on(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        while self.under_way < UNDER_WAY_MAX
            && let Some(id) = self.queue.pop_front()
        {
            if let Some(Step::Queued(next)) = self.items.get(&id).map(|item| item.step.clone()) {
                self.begin(&id, next, now_ms, effects);
            }
        }
    }
}
