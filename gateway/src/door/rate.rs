//! How often something may happen: a token bucket in one number. Pure: the time is an argument. Never allows more than
//! the burst at once and the rate in the long run.

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// So many per second, and so many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// What one costs, in nanoseconds of rest.
    cost_ns: u64,
    /// How much a bucket holds, in nanoseconds of rest.
    depth_ns: u64,
}

impl Rate {
    /// `None` = as often as one likes: `per_second` is 0. A burst of 0 is one of 1.
    pub(crate) fn new(per_second: u32, burst: u32) -> Option<Self> {
        if per_second == 0 {
            return None;
        }
        let cost_ns = (NANOSECONDS_PER_SECOND / u64::from(per_second)).max(1);
        Some(Self {
            cost_ns,
            depth_ns: cost_ns * u64::from(burst.max(1)),
        })
    }
}

/// What is left of a burst. The default is a full bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// When it will be full again, in nanoseconds of the caller's clock.
    full_at_ns: u64,
}

impl Bucket {
    /// Takes one, if there is one. `now_ns` never goes back.
    pub(crate) fn take(&mut self, rate: Rate, now_ns: u64) -> bool {
        let full_at_ns = self.full_at_ns.max(now_ns).saturating_add(rate.cost_ns);
        let allowed = full_at_ns - now_ns <= rate.depth_ns;
        if allowed {
            self.full_at_ns = full_at_ns;
        }
        allowed
    }

    /// Nothing is remembered of it.
    pub(crate) fn is_full(&self, now_ns: u64) -> bool {
        self.full_at_ns <= now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOSECONDS_PER_SECOND;

    fn taken(bucket: &mut Bucket, rate: Rate, now_ns: u64, attempts: usize) -> usize {
        (0..attempts).filter(|_| bucket.take(rate, now_ns)).count()
    }

    #[test]
    fn a_burst_is_allowed_at_once_and_then_only_the_rate() {
        let rate = Rate::new(10, 5).expect("a rate");
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, rate, SECOND, 100), 5);
        assert_eq!(taken(&mut bucket, rate, SECOND + SECOND / 10, 100), 1);
        assert_eq!(
            taken(&mut bucket, rate, 2 * SECOND, 100),
            5,
            "never more than a burst"
        );
        let mut allowed = 0;
        for millisecond in 0..10_000 {
            allowed += taken(&mut bucket, rate, 3 * SECOND + millisecond * 1_000_000, 3);
        }
        assert!((100..=105).contains(&allowed), "{allowed} in ten seconds");
    }

    #[test]
    fn a_refusal_costs_nothing() {
        let rate = Rate::new(1, 1).expect("a rate");
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, rate, 0, 1_000_000), 1);
        assert!(!bucket.is_full(SECOND - 1) && bucket.is_full(SECOND));
        assert!(bucket.take(rate, SECOND));
    }

    #[test]
    fn no_rate_is_no_limit_and_a_burst_is_at_least_one() {
        assert_eq!(Rate::new(0, 7), None);
        assert!(Bucket::default().take(Rate::new(1, 0).expect("a rate"), 0));
        assert!(Bucket::default().take(Rate::new(u32::MAX, u32::MAX).expect("a rate"), u64::MAX / 2));
    }
}
