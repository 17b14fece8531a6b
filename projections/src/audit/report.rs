//! What an audit found.

use serde::Serialize;

use crate::ledger::{AccountTotal, Break, OpenHold};

/// One promise, how often it was looked at, and where it is broken first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The invariant's number.
    pub number: u8,
    /// What it promises.
    pub promise: &'static str,
    /// How many checks were made; 0 where there was nothing to look at.
    pub checks: u64,
    /// The first break.
    pub broken: Option<Break>,
}

/// Gifts that are not credited yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct InFlight {
    /// How many.
    pub gifts: u64,
    /// Their tickets.
    pub tickets: u64,
    /// How many streamers they are for.
    pub streamers: u64,
}

/// An order that waits for the cashier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// Which.
    pub order: String,
    /// Whose.
    pub user: String,
    /// How many coins.
    pub coins: u64,
    /// Sequence of the record since when.
    pub since: u64,
}

/// The stored ledger beside this fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Up to where it is folded.
    pub position: u64,
    /// Whether the two are equal.
    pub equal: bool,
}

/// What an audit found: everything that is told is true up to `records`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which journal.
    pub journal: String,
    /// Records looked at: also the sequence of the last one.
    pub records: u64,
    /// How long it took.
    pub seconds: f64,
    /// The last link of the hash chain, if it was looked at.
    pub chain: Option<String>,
    /// All kinds of accounts.
    pub accounts: Vec<AccountTotal>,
    /// All promises, by number.
    pub invariants: Vec<Verdict>,
    /// Gifts that are not credited yet; no error.
    pub in_flight: InFlight,
    /// Withdrawals under way, the oldest first; no error.
    pub open_withdrawals: Vec<OpenHold>,
    /// Orders that are paid and not credited yet; no error while the cashier is behind.
    pub owed: Vec<Owed>,
    /// Orders that are refunded and whose coins are not taken back yet; no error while the cashier is behind.
    pub to_take_back: Vec<Owed>,
    /// A digest of all accounts: the same for every audit of the same records.
    pub digest: String,
    /// The stored ledger beside this fold, if there is one to compare.
    pub stored: Option<Compared>,
}

impl Report {
    /// The first position that breaks a promise, with which.
    pub fn first_break(&self) -> Option<&Break> {
        let broken = self
            .invariants
            .iter()
            .filter_map(|verdict| verdict.broken.as_ref());
        broken.min_by_key(|found| (found.position, found.invariant))
    }

    /// Whether every promise holds.
    pub fn is_clean(&self) -> bool {
        self.first_break().is_none()
    }

    /// Records per second.
    pub fn rate(&self) -> f64 {
        self.records as f64 / self.seconds.max(f64::EPSILON)
    }
}
