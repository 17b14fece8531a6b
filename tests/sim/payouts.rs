//! The payout worker's core, driven by hand: what its task does in the server, over a bank that often does not answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use actors::{Failure, Job, Outcome, Reply, Request, Work};
use domain::streamer::{self, Streamer, WithdrawalState};
use domain::{Event, StreamKind, UserId, WithdrawalId};
use fastrand::Rng;
use futures_util::FutureExt;
use journal::{Position, Reader, codec};
use livehouse::payouts::core::{Core, Effect, End, Input, Note, Noted};
use livehouse::payouts::{Answer, Payout};

use crate::bank::{Bank, Transfer, Word};
use crate::hall::Hall;
use crate::life::id;
use crate::money::BANK;
use crate::tally::Tally;

/// A provider that has not answered by then is asked again, in ms.
const PATIENCE_MS: i64 = 2_000;

/// The bank, which outlives a process.
pub type SharedBank = Arc<Mutex<Bank>>;

/// A call on its way.
struct Call {
    number: u64,
    id: WithdrawalId,
    /// What is to be paid; none where it is only asked about.
    pays: Option<Payout>,
}

/// A withdrawal as the journal has it.
struct Found {
    user: UserId,
    payout: Payout,
    state: WithdrawalState,
}

/// The payout worker of one life.
pub struct Payouts {
    core: Core,
    reader: Arc<dyn Reader>,
    read_upto: u64,
    found: BTreeMap<WithdrawalId, Found>,
    bank: SharedBank,
    calls: Vec<Call>,
    inbox: Arc<Mutex<Vec<Input>>>,
    now_ms: i64,
    random: Rng,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Payouts {
    /// A worker that knows nothing yet.
    pub fn new(reader: Arc<dyn Reader>, bank: SharedBank, seed: u64) -> Self {
        Self {
            core: Core::new(PATIENCE_MS),
            reader,
            read_upto: 0,
            found: BTreeMap::new(),
            bank,
            calls: Vec::new(),
            inbox: Arc::default(),
            now_ms: 0,
            random: Rng::with_seed(seed),
        }
    }

    /// How often the bank said the opposite of what it had said before.
    pub fn contradictions(&self) -> u64 {
        self.core.contradictions()
    }

    /// Does a few things; says whether anything happened.
    pub fn step(&mut self, streamers: &mut Hall<Streamer>, clock_ms: i64, tally: &mut Tally) -> bool {
        self.now_ms = self.now_ms.max(clock_ms);
        let mut effects = Vec::new();
        for input in std::mem::take(&mut *locked(&self.inbox)) {
            effects.extend(self.core.input(input, self.now_ms));
        }
        effects.extend(self.answer_one(tally));
        effects.extend(self.find());
        effects.extend(self.core.tick(self.now_ms));
        let moved = !effects.is_empty();
        for effect in effects {
            self.perform(effect, streamers);
        }
        moved || !self.calls.is_empty()
    }

    /// The process dies: what is on its way may still arrive.
    pub fn die(&mut self) {
        for call in self.calls.drain(..) {
            if let Some(payout) = call.pays.filter(|_| self.random.bool()) {
                _ = locked(&self.bank).pay(payout.id.as_str(), payout.amount);
            }
        }
    }

    /// One call arrives, any of those on their way.
    fn answer_one(&mut self, tally: &mut Tally) -> Vec<Effect> {
        if self.calls.is_empty() {
            return Vec::new();
        }
        let call = self.calls.swap_remove(self.random.usize(0..self.calls.len()));
        let word = match &call.pays {
            Some(payout) => locked(&self.bank).pay(payout.id.as_str(), payout.amount),
            None => locked(&self.bank).ask(call.id.as_str()),
        };
        tally.one(match &word {
            Word::TimedOut => "payouts of which nobody knew what became",
            Word::Never => "payouts that never arrived",
            Word::Says(Transfer::Pending) => "payouts that were decided later",
            Word::Says(_) => "payouts that were answered",
        });
        let answer = match word {
            Word::TimedOut => Answer::Unknown {
                why: "no answer in time".into(),
            },
            Word::Never => Answer::NotFound,
            Word::Says(Transfer::Pending) => Answer::Pending,
            Word::Says(Transfer::Paid(reference)) => Answer::Paid { reference },
            Word::Says(Transfer::Refused) => Answer::Failed {
                reason: "no such account".into(),
            },
        };
        let (id, call) = (call.id, call.number);
        self.core.input(Input::Answered { id, call, answer }, self.now_ms)
    }

    /// Reads what is durable and takes up what is approved.
    fn find(&mut self) -> Vec<Effect> {
        let (shard, sequence) = (0, self.read_upto);
        let read = self
            .reader
            .read(Position { shard, sequence }, 4_000)
            .now_or_never();
        // A journal that cannot be read now is read later.
        let Some(Ok(batch)) = read else { return Vec::new() };
        for record in batch.iter().filter(|record| record.kind == StreamKind::Streamer) {
            let event = codec::decode(&record).expect("what was written can be decoded");
            self.note(id(record.key), &event);
        }
        if !batch.is_empty() {
            self.read_upto = batch.last().sequence;
        }
        let mut effects = Vec::new();
        for found in self.found.values() {
            let submitted = found.state == WithdrawalState::Submitted;
            if (submitted || found.state == WithdrawalState::Approved) && !self.core.knows(&found.payout.id) {
                let (user, payout) = (found.user.clone(), found.payout.clone());
                let input = Input::Found {
                    user,
                    payout,
                    submitted,
                };
                effects.extend(self.core.input(input, self.now_ms));
            }
        }
        effects
    }

    fn note(&mut self, user: UserId, event: &Event) {
        if let Event::WithdrawalRequested(e) = event {
            let payout = Payout {
                id: e.withdrawal.clone(),
                account: e.account.clone(),
                amount: e.pays,
                currency: e.currency.clone(),
            };
            let state = WithdrawalState::Requested;
            self.found
                .insert(e.withdrawal.clone(), Found { user, payout, state });
        }
        let id = match event {
            Event::WithdrawalApproved(e) => &e.withdrawal,
            Event::WithdrawalRejected(e) => &e.withdrawal,
            Event::WithdrawalSubmitted(e) => &e.withdrawal,
            Event::WithdrawalPaid(e) => &e.withdrawal,
            Event::WithdrawalFailed(e) => &e.withdrawal,
            _ => return,
        };
        if let (Some(found), Some(state)) = (self.found.get_mut(id), WithdrawalState::after(event)) {
            found.state = state;
        }
    }

    fn perform(&mut self, effect: Effect, streamers: &mut Hall<Streamer>) {
        let (user, id, note) = match effect {
            Effect::Submit { call, payout } => {
                let id = payout.id.clone();
                return self.calls.push(Call {
                    number: call,
                    id,
                    pays: Some(payout),
                });
            }
            Effect::Ask { call, id } => {
                return self.calls.push(Call {
                    number: call,
                    id,
                    pays: None,
                });
            }
            Effect::Note { user, id, note } => (user, id, note),
        };
        let withdrawal = id.clone();
        let command = match note {
            Note::Submitted => streamer::Command::SubmitWithdrawal {
                withdrawal,
                provider: crate::life::id(BANK),
            },
            Note::Over(End::Paid { reference }) => streamer::Command::ConfirmWithdrawal {
                withdrawal,
                reference,
            },
            Note::Over(End::Failed { reason }) => streamer::Command::FailWithdrawal { withdrawal, reason },
        };
        let inbox = self.inbox.clone();
        let told = move |outcome: Outcome<streamer::Answer>| {
            let noted = match outcome {
                Ok(_) => Noted::Done,
                Err(Failure::Rejected(rejection)) if !rejection.is_retryable() => Noted::Refused(rejection),
                Err(_) => Noted::Again,
            };
            locked(&inbox).push(Input::Noted { id, noted });
        };
        let (request, reply) = (Request::of_system("payouts"), Reply::from(told));
        streamers.deliver(
            &user,
            Work::Command(Job {
                request,
                command,
                reply,
            }),
        );
    }
}
