//! How fast each user writes private messages, to whomever. A conversation's own state cannot tell: it knows two users, and
//! one who floods writes to thousands.
//!
//! It lives in memory only and is nobody's state: what a restart forgets is a few messages more. Every attempt that nothing
//! else but a missing answer would refuse counts. It must never hold a lock while it calls.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;
use domain::UserId;
use domain::limits::{MESSAGE_BURST, MESSAGE_INTERVAL_MS};
use foldhash::fast::RandomState;

use crate::limits::MESSAGE_WRITERS_SWEEP_AT;

/// User -> when their allowance will be full again (a token bucket kept as one time), unix ms. As many as wrote in the last
/// seconds: full ones are taken out.
#[derive(Debug)]
pub(crate) struct MessageRates {
    full_at_ms: DashMap<UserId, i64, RandomState>,
    sweep_at: AtomicUsize,
}

impl Default for MessageRates {
    fn default() -> Self {
        Self {
            full_at_ms: DashMap::default(),
            sweep_at: AtomicUsize::new(MESSAGE_WRITERS_SWEEP_AT),
        }
    }
}

impl MessageRates {
    /// Takes one message out of a user's allowance; false when none is left.
    pub(crate) fn take(&self, user: &UserId, now_ms: i64) -> bool {
        if self.full_at_ms.len() >= self.sweep_at.load(Relaxed) {
            self.full_at_ms.retain(|_, full_at_ms| *full_at_ms > now_ms);
            let next = (2 * self.full_at_ms.len()).max(MESSAGE_WRITERS_SWEEP_AT);
            self.sweep_at.store(next, Relaxed);
        }
        let mut full_at_ms = self.full_at_ms.entry(user.clone()).or_insert(now_ms);
        let missing_ms = *full_at_ms - now_ms;
        // More than all of it is missing only if the clock has jumped back: then it begins anew. (A smaller jump back takes
        // as much off the allowance.)
        if missing_ms > MESSAGE_BURST * MESSAGE_INTERVAL_MS {
            *full_at_ms = now_ms;
        } else if missing_ms > (MESSAGE_BURST - 1) * MESSAGE_INTERVAL_MS {
            return false;
        }
        *full_at_ms = (*full_at_ms).max(now_ms) + MESSAGE_INTERVAL_MS;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> UserId {
        text.parse().expect("a well-formed id")
    }

    #[test]
    fn a_user_writes_five_at_once_then_one_a_second_and_nobody_else_minds() {
        let (rates, ann) = (MessageRates::default(), id("ann"));
        let taken = |now_ms, times: usize| (0..times).filter(|_| rates.take(&ann, now_ms)).count();
        assert_eq!(taken(10_000, 9), 5);
        assert_eq!(taken(10_999, 9), 0);
        assert_eq!(taken(11_000, 9), 1);
        assert!(rates.take(&id("bob"), 11_000));
        assert_eq!(taken(14_500, 9), 3);
        assert_eq!(taken(100_000, 9), 5);
    }

    #[test]
    fn a_clock_that_jumps_back_locks_nobody_out() {
        let (rates, ann) = (MessageRates::default(), id("ann"));
        assert!(rates.take(&ann, 1_000_000));
        assert_eq!((0..9).filter(|_| rates.take(&ann, 0)).count(), 5);
    }

    #[test]
    fn who_wrote_long_ago_is_forgotten() {
        let rates = MessageRates::default();
        for n in 0..MESSAGE_WRITERS_SWEEP_AT {
            assert!(rates.take(&id(&format!("u{n}")), 0));
        }
        assert!(rates.take(&id("ann"), 1_000_000));
        assert_eq!(rates.full_at_ms.len(), 1);
    }
}
