//! The actors' public numbers. They are only counted and read: nothing decides by them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use domain::Rejection;

/// A number that only counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// This many more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sets a number that is not a count, such as a lag.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
}

/// What the actors have done since they were started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Commands that took place.
    pub accepted: Counter,
    /// Commands that were found to have been done before.
    pub repeated: Counter,
    /// Commands that ended in something broken (see [`crate::Failure`]).
    pub failed: Counter,
    /// Actors that were brought to their state from the journal.
    pub replays: Counter,
    /// Records that were folded for it.
    pub replayed_records: Counter,
    /// Panics that were caught, each followed by a replay.
    pub panics: Counter,
    /// States that were thrown away because an append failed.
    pub thrown_away: Counter,
    /// Actors that were stopped as idle.
    pub stopped_idle: Counter,
    /// Private messages that were taken, repetitions included.
    pub messages: Counter,
    /// Gifts that were credited to their streamers.
    pub gifts_settled: Counter,
    /// Credits that carried them.
    pub credits: Counter,
    /// Times that a shard's settlement began again from its cursor.
    pub settlement_restarts: Counter,
    /// Paid orders that were credited to their viewers; one that is seen again after a restart counts again.
    pub recharges: Counter,
    /// Refunded orders whose coins were taken back; counted likewise.
    pub refunds: Counter,
    /// Payments that fitted no order and were set aside for staff; counted likewise.
    pub payments_set_aside: Counter,
    /// Not a count: steps of orders that cannot be done now, such as coins for somebody whose account is full.
    pub recharges_owed: Counter,
    refused: Refused,
}

#[derive(Debug)]
struct Refused([Counter; Rejection::ALL.len()]);

impl Default for Refused {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Stats {
    /// Commands that were refused so.
    pub fn refused(&self, rejection: Rejection) -> u64 {
        self.refused.0[rejection as usize].get()
    }

    /// Counts one that was refused before it reached an actor.
    pub fn count_refused(&self, rejection: Rejection) {
        self.refused.0[rejection as usize].add_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_number() {
        let stats = Stats::default();
        Rejection::ALL.iter().for_each(|r| stats.count_refused(*r));
        assert!(Rejection::ALL.iter().all(|r| stats.refused(*r) == 1));
    }
}
