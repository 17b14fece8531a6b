//! How far the views are: public numbers, for readiness, metrics and waiting readers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far the runner is. All numbers may be read at any time.
#[derive(Debug, Default)]
pub struct Progress {
    /// Sequence of the last committed record.
    pub position: AtomicU64,
    /// Sequence of the journal's durable end when the runner last looked.
    pub head: AtomicU64,
    /// Records folded since the start.
    pub records: AtomicU64,
    /// Commits since the start.
    pub commits: AtomicU64,
    /// Records per second over the last commits, roughly.
    pub rate_per_s: AtomicU64,
    /// Streams left out because one of their records cannot be decoded.
    pub parked: AtomicU64,
    /// Records that broke a promise of the ledger, as committed; see [`crate::ledger::Ledger::books`].
    pub ledger_breaks: AtomicU64,
    /// Sequence of the first of them; 0 = none.
    pub ledger_break_position: AtomicU64,
    /// Sequence of the last of them; 0 = none.
    pub ledger_break_last: AtomicU64,
    /// The runner has caught up with what was there at its start, and tells the sink from then on.
    pub live: AtomicBool,
    /// The runner has ended because something broke; the views stay where they are.
    pub failed: AtomicBool,
}

impl Progress {
    /// Records between the views and the journal's end, as last seen.
    pub fn lag_records(&self) -> u64 {
        self.head
            .load(Ordering::Relaxed)
            .saturating_sub(self.position.load(Ordering::Relaxed))
    }
}
