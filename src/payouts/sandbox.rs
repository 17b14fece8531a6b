//! A payout provider that pays nobody: the text of the account says how it behaves. For `demo` and for tests.
//!
//! | account | what it does |
//! |---|---|
//! | `sandbox:fail` | does not pay |
//! | `sandbox:timeout-then-paid` | pays, but its answer is lost |
//! | `sandbox:timeout-then-lost` | the first submission never arrives; the second is paid |
//! | `sandbox:twice` | pays at once, and answers once more when it has been asked meanwhile |
//! | `sandbox:late` | says twice that it is not done, then pays |
//! | `sandbox:fail-then-paid` | says that it did not pay, and later that it did |
//! | anything else | pays at once |

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::{ProviderName, WithdrawalId};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{Answer, Payout, PayoutProvider};

/// Payouts that are remembered; the one that came first is forgotten. A demo has fewer.
const REMEMBERED_MAX: usize = 100_000;
/// How long `sandbox:twice` takes for its first answer: longer than a demo has patience.
const SLOW_ANSWER: Duration = Duration::from_secs(3);

/// What came of one payout.
#[derive(Debug, Default)]
struct Entry {
    account: String,
    submitted: u32,
    asked: u32,
    payments: u32,
}

/// The sandbox's own books: what it did under which id. Pure, so that a simulation can hold them, too.
#[derive(Debug, Default)]
pub struct Books {
    entries: HashMap<WithdrawalId, Entry>,
    order: VecDeque<WithdrawalId>,
}

impl Books {
    /// How often an id was paid: never more than once.
    pub fn payments(&self, id: &WithdrawalId) -> u32 {
        self.entries.get(id).map_or(0, |entry| entry.payments)
    }

    /// How often an id was submitted.
    pub fn submissions(&self, id: &WithdrawalId) -> u32 {
        self.entries.get(id).map_or(0, |entry| entry.submitted)
    }

    /// Every id that was ever submitted, the first one first.
    pub fn ids(&self) -> impl Iterator<Item = &WithdrawalId> {
        self.order.iter()
    }

    /// Takes a submission.
    pub fn submit(&mut self, payout: &Payout) -> Answer {
        let id = &payout.id;
        if !self.entries.contains_key(id) {
            self.remember(id);
        }
        let entry = self.entries.entry(id.clone()).or_default();
        entry.account.clone_from(&payout.account);
        entry.submitted += 1;
        match script(&entry.account) {
            "fail" | "fail-then-paid" => failed(),
            "timeout-then-paid" => {
                entry.pay();
                unknown()
            }
            "timeout-then-lost" if entry.submitted == 1 => unknown(),
            "late" if entry.payments == 0 => Answer::Pending,
            _ => {
                entry.pay();
                paid(id)
            }
        }
    }

    /// Says what became of one.
    pub fn status(&mut self, id: &WithdrawalId) -> Answer {
        let Some(entry) = self.entries.get_mut(id) else {
            return Answer::NotFound;
        };
        entry.asked += 1;
        match script(&entry.account) {
            "fail" => failed(),
            "timeout-then-lost" if entry.payments == 0 => Answer::NotFound,
            "late" if entry.asked <= 2 => Answer::Pending,
            "late" | "fail-then-paid" => {
                entry.pay();
                paid(id)
            }
            _ if entry.payments > 0 => paid(id),
            _ => Answer::Pending,
        }
    }

    fn remember(&mut self, id: &WithdrawalId) {
        if self.order.len() >= REMEMBERED_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.entries.remove(&first);
        }
        self.order.push_back(id.clone());
    }
}

impl Entry {
    /// Once for an id, however often it comes.
    fn pay(&mut self) {
        if self.payments == 0 {
            self.payments = 1;
        }
    }
}

fn script(account: &str) -> &str {
    account.strip_prefix("sandbox:").unwrap_or("ok")
}

fn paid(id: &WithdrawalId) -> Answer {
    Answer::Paid {
        reference: format!("sandbox-{id}"),
    }
}

fn failed() -> Answer {
    Answer::Failed {
        reason: "the account does not take money".into(),
    }
}

fn unknown() -> Answer {
    Answer::Unknown {
        why: "no answer in time".into(),
    }
}

/// The provider over its books.
#[derive(Debug, Default)]
pub struct Sandbox {
    books: Mutex<Books>,
}

impl PayoutProvider for Sandbox {
    fn name(&self) -> ProviderName {
        "sandbox".parse().expect("the name above is well formed")
    }

    fn submit<'a>(&'a self, payout: &'a Payout) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let answer = self.books.lock().submit(payout);
            if script(&payout.account) == "twice" {
                tokio::time::sleep(SLOW_ANSWER).await;
            }
            answer
        })
    }

    fn status<'a>(&'a self, id: &'a WithdrawalId) -> BoxFuture<'a, Answer> {
        Box::pin(async move { self.books.lock().status(id) })
    }
}
