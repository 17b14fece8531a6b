//! What a run has reached: refusals, faults, recoveries. A run that never met one of them proves nothing about it, so a
//! long run fails then.

use std::collections::BTreeMap;

use domain::Rejection;
use domain::streamer::WithdrawalState;

/// Every recovery and every oddity that a long run has to meet.
pub const BRANCHES: &[&str] = &[
    "accepted commands explained",
    "answers repeated to a resent command",
    "answers that needed no record",
    "batches written again on open",
    "bits flipped at rest and found",
    "chats that had to ask whether their author follows",
    "clients that met a full mailbox or queue",
    "clients that were told nothing for sure",
    "closes in good order",
    "blocks that ended a follow of the one who was blocked",
    "combos ended by the clock",
    "combos ended",
    "combos pushed out by a newer one",
    "combos repeated",
    "combos running",
    "commands handed back until the first of their id was durable",
    "commands that had to ask whom somebody blocks",
    "commands without a record that nothing explains",
    "crashes while opening",
    "debts forgiven",
    "directory entries lost",
    "directory syncs failed",
    "faults of the disk",
    "follows renewed before a block had ended them",
    "full disks",
    "gifts delisted",
    "gifts explained to their credit",
    "gifts listed",
    "gifts that had to ask for the room's session",
    "idle actors stopped",
    "journals poisoned",
    "jumps of the clock backwards",
    "kills",
    "losses of power",
    "messages past three without an answer",
    "messages read",
    "messages that had to ask whether both follow",
    "orders cancelled",
    "orders created",
    "orders paid after they were cancelled",
    "orders paid",
    "orders refunded",
    "panics of actors",
    "payments received",
    "payments refunded",
    "payments unmatched",
    "payouts of which nobody knew what became",
    "payouts that failed after they were paid",
    "payouts that never arrived",
    "payouts that were answered",
    "payouts that were answered after their end",
    "payouts that were answered twice alike",
    "payouts that were decided later",
    "payouts that were paid after they failed",
    "recharges that paid debt",
    "recharges that wait for room on the account",
    "records kept though never acknowledged",
    "refunds that left a debt",
    "refused commands explained",
    "replays from a snapshot",
    "replays that waited for queued appends",
    "replies lost",
    "seals completed",
    "second owners met a conflict",
    "settlements begun again",
    "snapshots damaged or lost",
    "stale owners refused",
    "states thrown away",
    "stillborn journals made again",
    "stillborn segments removed",
    "torn tails cut",
    "views that lost all",
    "views that lost their last commits",
    "withdrawals approved by one of two",
    "withdrawals approved by two",
    "withdrawals approved",
    "withdrawals explained to their end",
    "withdrawals failed",
    "withdrawals paid",
    "withdrawals rejected",
    "withdrawals requested",
    "withdrawals submitted",
    "writes lost",
    "writes torn",
];

/// Refusals that are met before a command exists or that no client meets: their tests are elsewhere.
const ELSEWHERE: &[Rejection] = &[
    Rejection::BadCommandId,
    Rejection::BadId,
    Rejection::BadRequest,
    Rejection::BadCursor,
    Rejection::BadLimit,
    Rejection::BadLikeCount,
    Rejection::BadUsers,
    Rejection::TooManyLikes,
    Rejection::SettlementGap,
    Rejection::UnknownPack,
    Rejection::WithdrawalsStopped,
];

/// Counts.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    branches: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<u16, u64>,
    /// Seeds run to their end.
    pub seeds: u64,
    /// Commands sent, resent ones included.
    pub commands: u64,
    /// Records in the journals at the end.
    pub records: u64,
}

impl Tally {
    /// One more of a branch.
    pub fn one(&mut self, branch: &'static str) {
        self.add(branch, 1);
    }

    /// Some more of a branch.
    pub fn add(&mut self, branch: &'static str, count: u64) {
        assert!(BRANCHES.contains(&branch), "{branch} is not in the list");
        *self.branches.entry(branch).or_default() += count;
    }

    /// A client was refused so.
    pub fn refused(&mut self, rejection: Rejection) {
        *self.refusals.entry(rejection.code()).or_default() += 1;
    }

    /// How often a branch was taken.
    pub fn count(&self, branch: &str) -> u64 {
        self.branches.get(branch).copied().unwrap_or(0)
    }

    /// Adds another one's counts.
    pub fn absorb(&mut self, other: &Self) {
        for (branch, count) in &other.branches {
            *self.branches.entry(branch).or_default() += count;
        }
        for (code, count) in &other.refusals {
            *self.refusals.entry(*code).or_default() += count;
        }
        self.seeds += other.seeds;
        self.commands += other.commands;
        self.records += other.records;
    }

    /// What was never reached.
    pub fn missing(&self) -> Vec<String> {
        let branches = BRANCHES.iter().filter(|branch| self.count(branch) == 0);
        let refusals = Rejection::ALL.iter().filter(|r| !ELSEWHERE.contains(r));
        let refusals = refusals.filter(|r| !self.refusals.contains_key(&r.code()));
        // A state that is new to the domain is asked for without being in the list above.
        let states = WithdrawalState::ALL.map(|state| format!("withdrawals {}", state.word()));
        let states = states
            .into_iter()
            .filter(|state| self.count(state) == 0 && !BRANCHES.contains(&state.as_str()));
        branches
            .map(|branch| (*branch).to_owned())
            .chain(states)
            .chain(refusals.map(|r| format!("the refusal {}", r.word())))
            .collect()
    }

    /// Prints all of it.
    pub fn print(&self) {
        for branch in BRANCHES {
            println!("{:>10} {branch}", self.count(branch));
        }
        let refusal = |(code, count): (&u16, &u64)| {
            let word = Rejection::from_code(*code).map_or("?", Rejection::word);
            format!("{word} {count}")
        };
        let refusals: Vec<_> = self.refusals.iter().map(refusal).collect();
        println!("refusals: {}", refusals.join(", "));
    }
}
