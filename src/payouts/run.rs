//! Runs the worker: finds what is to be paid out in the view, and does what the core says.
//!
//! It must never submit while the books are unsound: such a submission is held back and tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actors::Request;
use domain::streamer::Command;
use domain::{UserId, WithdrawalId};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::core::{Core, Effect, End, Input, LOOKED_BACK_AT_START_MAX, Note, Noted, UNDER_WAY_MAX};
use super::{Answer, Payout, PayoutProvider};
use crate::platform::Platform;

/// Between two looks at what is to be paid out.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When nothing is waited for, the worker wakes up all the same.
const REST_MAX: Duration = Duration::from_secs(60);

/// The worker's public numbers.
#[derive(Debug, Default)]
pub struct PayoutStats {
    /// Payouts of which nobody knows at the moment what became of them.
    pub unknown: AtomicU64,
    /// Times that a provider said the opposite of what it had said before.
    pub contradictions: AtomicU64,
}

/// Pays out what is approved, until the task is dropped. What was under way then is asked for at the next start.
pub async fn run(platform: Arc<Platform>, provider: Arc<dyn PayoutProvider>, patience: Duration) {
    let started = Instant::now();
    let now_ms = || i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let patience_ms = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX);
    let mut core = Core::new(patience_ms);
    // Every effect is answered once, and so many are under way at most.
    let (answers, mut answered) = channel(UNDER_WAY_MAX);
    let mut worker = Worker {
        platform,
        provider,
        answers,
        elsewhere: 0,
    };
    worker.look_back(&mut core, now_ms());
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let rest = core.next_ms().map_or(REST_MAX, |at| {
            Duration::from_millis(at.saturating_sub(now_ms()).max(0).unsigned_abs()).min(REST_MAX)
        });
        let effects = tokio::select! {
            Some(input) = answered.recv() => core.input(input, now_ms()),
            () = sleep_until((Instant::now() + rest).into()) => core.tick(now_ms()),
            _ = looks.tick() => worker.look(&mut core, now_ms()),
        };
        for effect in effects {
            worker.perform(effect);
        }
        let stats = &worker.platform.payout_stats;
        stats.unknown.store(core.unknown() as u64, Ordering::Relaxed);
        stats
            .contradictions
            .store(core.contradictions(), Ordering::Relaxed);
    }
}

struct Worker {
    platform: Arc<Platform>,
    provider: Arc<dyn PayoutProvider>,
    answers: Sender<Input>,
    /// How many another provider may have.
    elsewhere: usize,
}

impl Worker {
    /// What the view says is to be paid out and is not looked after yet. What another provider may have is left alone: this
    /// one never heard of it, and would pay it again.
    fn look(&mut self, core: &mut Core, now_ms: i64) -> Vec<Effect> {
        let (name, mut elsewhere) = (self.provider.name(), 0);
        let wanted = |withdrawal: &projections::views::Withdrawal| {
            if withdrawal.provider.as_ref().is_some_and(|other| *other != name) {
                elsewhere += 1;
                return false;
            }
            !core.knows(&withdrawal.withdrawal)
        };
        let due = self.platform.views().payouts_due(wanted, core.room());
        let due = due.unwrap_or_else(|error| {
            tracing::error!(%error, "the view of withdrawals cannot be read: nothing new is paid out");
            Vec::new()
        });
        if elsewhere > self.elsewhere {
            tracing::error!(
                withdrawals = elsewhere,
                "another provider may have these: configure it again until they have ended"
            );
        }
        self.elsewhere = elsewhere;
        let mut effects = Vec::new();
        for filed in due {
            let withdrawal = filed.withdrawal;
            let found = Input::Found {
                user: filed.user,
                submitted: withdrawal.state == domain::streamer::WithdrawalState::Submitted,
                payout: Payout {
                    id: withdrawal.withdrawal,
                    account: withdrawal.account,
                    amount: withdrawal.pays,
                    currency: withdrawal.currency,
                },
            };
            effects.extend(core.input(found, now_ms));
        }
        effects
    }

    /// What failed last, before the start: nobody knows whether its provider was asked once more about it.
    fn look_back(&self, core: &mut Core, now_ms: i64) {
        let failed = domain::streamer::WithdrawalState::Failed;
        let found = self
            .platform
            .views()
            .withdrawals_in(failed, None, LOOKED_BACK_AT_START_MAX);
        let found = match found {
            Ok(Ok(page)) => page.entries,
            Ok(Err(_)) => Vec::new(),
            Err(error) => {
                tracing::error!(%error, "the view of withdrawals cannot be read: nobody looks back at what failed");
                Vec::new()
            }
        };
        let name = self.provider.name();
        for filed in found {
            let withdrawal = filed.withdrawal;
            if withdrawal.provider.as_ref() == Some(&name) {
                let failed = Input::Failed {
                    id: withdrawal.withdrawal,
                    reason: withdrawal.reason.unwrap_or_default(),
                };
                // It is asked for later: nothing is to be done yet.
                let effects = core.input(failed, now_ms);
                debug_assert!(effects.is_empty());
            }
        }
    }

    /// Does it, and sees to it that it is answered, whatever happens on the way.
    fn perform(&self, effect: Effect) {
        let (platform, provider) = (self.platform.clone(), self.provider.clone());
        let answers = self.answers.clone();
        match effect {
            Effect::Note { user, id, note } => {
                let name = provider.name();
                let (of, stopped) = (id.clone(), platform.withdrawals_stopped());
                let noting = async move {
                    if stopped && note == Note::Submitted {
                        return Noted::Again;
                    }
                    self::note(&platform, &user, &of, note, name).await
                };
                tokio::spawn(async move {
                    let noted = tokio::spawn(noting).await.unwrap_or(Noted::Again);
                    // Nobody listens any more only when the worker has been stopped.
                    let _ = answers.send(Input::Noted { id, noted }).await;
                });
            }
            Effect::Submit { call, payout } => {
                let id = payout.id.clone();
                let stopped = platform.withdrawals_stopped();
                answer_call(answers, id, call, async move {
                    if stopped {
                        let why = "withdrawals are stopped: it is not submitted".into();
                        return Answer::Unknown { why };
                    }
                    provider.submit(&payout).await
                });
            }
            Effect::Ask { call, id } => {
                let of = id.clone();
                answer_call(answers, id, call, async move { provider.status(&of).await });
            }
        }
    }
}

fn answer_call(
    answers: Sender<Input>,
    id: WithdrawalId,
    call: u64,
    calling: impl Future<Output = Answer> + Send + 'static,
) {
    tokio::spawn(async move {
        let answer = tokio::spawn(calling).await.unwrap_or(Answer::Unknown {
            why: "the call fell over".into(),
        });
        // As above.
        let _ = answers.send(Input::Answered { id, call, answer }).await;
    });
}

/// Notes it in the streamer's stream, durably.
async fn note(
    platform: &Platform,
    user: &UserId,
    id: &WithdrawalId,
    note: Note,
    provider: domain::ProviderName,
) -> Noted {
    let withdrawal = id.clone();
    let command = match note {
        Note::Submitted => Command::SubmitWithdrawal { withdrawal, provider },
        Note::Over(End::Paid { reference }) => Command::ConfirmWithdrawal {
            withdrawal,
            reference,
        },
        Note::Over(End::Failed { reason }) => Command::FailWithdrawal { withdrawal, reason },
    };
    let request = Request::of_system("payouts");
    match platform.actors.streamer(user, request, command).await {
        Ok(_) => Noted::Done,
        Err(actors::Failure::Rejected(rejection)) if !rejection.is_retryable() => Noted::Refused(rejection),
        Err(failure) => {
            tracing::warn!(withdrawal = %id, %failure, "a withdrawal's step could not be noted; it is tried again");
            Noted::Again
        }
    }
}
