//! The payout worker's core, driven by hand: what its task does in the server, over a bank that often does not answer, and
//! that contradicts itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use actors::{Failure, Job, Outcome, Reply, Request, Work};
use domain::streamer::{self, Streamer, WithdrawalState};
use domain::{Event, Rejection, StreamKind, UserId, WithdrawalId};
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
/// One call in so many is slow, by at most so much.
const SLOW_ONE_OF: u8 = 5;
const SLOW_MS_MAX: i64 = 300_000;
/// Bytes of the journal that are read at once: a life that has read a part acts on what is no longer so.
const READ_BYTES: std::ops::Range<usize> = 200..4_000;

/// The bank, which outlives a process.
pub type SharedBank = Arc<Mutex<Bank>>;

/// A call on its way.
struct Call {
    number: u64,
    id: WithdrawalId,
    /// What is to be paid; none where it is only asked about.
    pays: Option<Payout>,
    /// It arrives no sooner: some take longer than anybody's patience.
    from_ms: i64,
}

/// A withdrawal as the journal has it.
struct Found {
    user: UserId,
    payout: Payout,
    state: WithdrawalState,
}

/// How a bank said that a transfer ended: what counts of an [`End`], and of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Paid,
    Refused,
}

/// The payout worker of one life.
pub struct Payouts {
    core: Core,
    /// What the bank said first, in this life; none once it turned out that an earlier life had heard something else.
    heard: BTreeMap<WithdrawalId, Option<Heard>>,
    /// Of which the journal said that they had failed, before this life asked anybody.
    failed_before: BTreeSet<WithdrawalId>,
    /// How often somebody must have noticed that the bank contradicts itself, by a rule of its own.
    contradictions: u64,
    /// Where the journal ended when this life began: what failed up to there is looked back at.
    begun_at: u64,
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
            heard: BTreeMap::new(),
            failed_before: BTreeSet::new(),
            contradictions: 0,
            begun_at: reader.head().get(0),
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

    /// Every contradiction was noticed, and nothing else taken for one.
    pub fn check_contradictions(&self) {
        assert_eq!(
            self.core.contradictions(),
            self.contradictions,
            "what the bank said otherwise, and what was noticed of it"
        );
    }

    /// Does a few things; says whether anything happened.
    pub fn step(&mut self, streamers: &mut Hall<Streamer>, clock_ms: i64, tally: &mut Tally) -> bool {
        self.now_ms = self.now_ms.max(clock_ms);
        let mut effects = Vec::new();
        let inputs = std::mem::take(&mut *locked(&self.inbox));
        for input in inputs {
            self.hear_refusal(&input);
            effects.extend(self.core.input(input, self.now_ms));
        }
        effects.extend(self.answer_one(tally));
        effects.extend(self.find());
        effects.extend(self.core.tick(self.now_ms));
        let moved = !effects.is_empty();
        for effect in effects {
            self.perform(effect, streamers);
        }
        moved || self.calls.iter().any(|call| call.from_ms <= self.now_ms)
    }

    /// The process dies: what is on its way may still arrive.
    pub fn die(&mut self) {
        self.check_contradictions();
        for call in self.calls.drain(..) {
            if let Some(payout) = call.pays.filter(|_| self.random.bool()) {
                _ = locked(&self.bank).pay(payout.id.as_str(), payout.amount);
            }
        }
    }

    /// One call arrives, any of those on their way that may.
    fn answer_one(&mut self, tally: &mut Tally) -> Vec<Effect> {
        let may = (0..self.calls.len()).filter(|at| self.calls[*at].from_ms <= self.now_ms);
        let may: Vec<_> = may.collect();
        if may.is_empty() {
            return Vec::new();
        }
        let call = self.calls.swap_remove(may[self.random.usize(0..may.len())]);
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
        self.hear(&call.id, &word, tally);
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

    /// Holds what the bank says against what it said before, in this life.
    fn hear(&mut self, id: &WithdrawalId, word: &Word, tally: &mut Tally) {
        let heard = match word {
            Word::Says(Transfer::Paid(_)) => Heard::Paid,
            Word::Says(Transfer::Refused) => Heard::Refused,
            _ => return,
        };
        let state = self.found.get(id).map(|found| found.state);
        if state.is_some_and(WithdrawalState::is_over) {
            tally.one("payouts that were answered after their end");
        }
        match self.heard.get(id) {
            None => _ = self.heard.insert(id.clone(), Some(heard)),
            Some(Some(first)) if *first == heard => tally.one("payouts that were answered twice alike"),
            Some(Some(first)) => {
                tally.one(match first {
                    Heard::Paid => "payouts that failed after they were paid",
                    Heard::Refused => "payouts that were paid after they failed",
                });
                self.contradict(id);
            }
            Some(None) => {}
        }
    }

    /// An end that the streamer does not take: an earlier life had noted another one, and this one has not read of it yet. A
    /// submission of what had failed before is not taken either, and says nothing about the bank.
    fn hear_refusal(&mut self, input: &Input) {
        if let Input::Noted { id, noted } = input
            && *noted == Noted::Refused(Rejection::WithdrawalClosed)
            && !self.failed_before.contains(id)
            && let Some(heard) = self.heard.get_mut(id)
        {
            *heard = None;
            self.contradict(&id.clone());
        }
    }

    fn contradict(&mut self, id: &WithdrawalId) {
        self.contradictions += 1;
        locked(&self.bank).contradicted.insert(id.to_string());
    }

    /// Reads what is durable and takes up what is approved.
    fn find(&mut self) -> Vec<Effect> {
        let (shard, sequence) = (0, self.read_upto);
        let read = self
            .reader
            .read(Position { shard, sequence }, self.random.usize(READ_BYTES))
            .now_or_never();
        // A journal that cannot be read now is read later.
        let Some(Ok(batch)) = read else { return Vec::new() };
        for record in batch.iter().filter(|record| record.kind == StreamKind::Streamer) {
            let event = codec::decode(&record).expect("what was written can be decoded");
            self.note(id(record.key), &event);
            if let Event::WithdrawalFailed(e) = &event
                && record.position.sequence <= self.begun_at
                && self.core.may_look_back(&e.withdrawal)
            {
                let (id, reason) = (e.withdrawal.clone(), e.reason.clone());
                self.heard.insert(id.clone(), Some(Heard::Refused));
                self.failed_before.insert(id.clone());
                let effects = self.core.input(Input::Failed { id, reason }, self.now_ms);
                assert!(effects.is_empty(), "it is asked for later: {effects:?}");
            }
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

    /// A call sets out.
    fn call(&mut self, number: u64, id: WithdrawalId, pays: Option<Payout>) {
        let slow_ms = match self.random.u8(0..SLOW_ONE_OF) {
            0 => self.random.i64(0..SLOW_MS_MAX),
            _ => 0,
        };
        self.calls.push(Call {
            number,
            id,
            pays,
            from_ms: self.now_ms + slow_ms,
        });
    }

    fn perform(&mut self, effect: Effect, streamers: &mut Hall<Streamer>) {
        let (user, id, note) = match effect {
            Effect::Submit { call, payout } => {
                let id = payout.id.clone();
                return self.call(call, id, Some(payout));
            }
            Effect::Ask { call, id } => return self.call(call, id, None),
            Effect::Note { user, id, note } => (user, id, note),
        };
        let withdrawal = id.clone();
        let command = match note {
            Note::Submitted => streamer::Command::SubmitWithdrawal {
                withdrawal,
                provider: crate::life::id(BANK),
            },
            Note::Over(End::Paid { reference }) => {
                assert_eq!(
                    self.heard[&id],
                    Some(Heard::Paid),
                    "the first word of {id} stands"
                );
                streamer::Command::ConfirmWithdrawal {
                    withdrawal,
                    reference,
                }
            }
            Note::Over(End::Failed { reason }) => {
                assert_eq!(
                    self.heard[&id],
                    Some(Heard::Refused),
                    "the first word of {id} stands"
                );
                streamer::Command::FailWithdrawal { withdrawal, reason }
            }
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
