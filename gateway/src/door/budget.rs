//! What one connection may ask: a rate of commands, and some patience with those who ask more. Pure: the time is an
//! argument.

use super::rate::{Bucket, Rate};
use crate::config::Config;
use crate::limits::REFUSED_COMMANDS_BURST;

/// How often the burst of refusals is refilled.
const REFUSALS_FORGIVEN_PER_SECOND: u32 = 1;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// What becomes of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be carried out.
    Allowed,
    /// It is answered with error 111.
    Refused,
    /// It was one too many: the connection is closed with 3013.
    Exhausted,
}

/// One connection's account. The default is an untouched one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    commands: Bucket,
    refusals: Bucket,
}

impl Budget {
    /// One more command. `now_ms`: of a clock that never goes back.
    pub(crate) fn spend(&mut self, config: &Config, now_ms: u64) -> Verdict {
        let now_ns = now_ms.saturating_mul(NANOSECONDS_PER_MILLISECOND);
        let Some(rate) = Rate::new(config.commands_per_second_max, config.commands_burst) else {
            return Verdict::Allowed;
        };
        if self.commands.take(rate, now_ns) {
            return Verdict::Allowed;
        }
        let patience = Rate::new(REFUSALS_FORGIVEN_PER_SECOND, REFUSED_COMMANDS_BURST);
        if patience.is_some_and(|patience| self.refusals.take(patience, now_ns)) {
            Verdict::Refused
        } else {
            Verdict::Exhausted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(per_second: u32, burst: u32) -> Config {
        Config {
            commands_per_second_max: per_second,
            commands_burst: burst,
            ..Config::default()
        }
    }

    #[test]
    fn a_flood_is_refused_for_a_while_and_then_ended() {
        let (config, mut budget) = (config(10, 20), Budget::default());
        let verdicts: Vec<_> = (0..1_000).map(|_| budget.spend(&config, 5)).collect();
        let of = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        assert_eq!(of(Verdict::Allowed), 20);
        assert_eq!(of(Verdict::Refused), REFUSED_COMMANDS_BURST as usize);
        assert_eq!(verdicts[20 + REFUSED_COMMANDS_BURST as usize], Verdict::Exhausted);
    }

    #[test]
    fn who_keeps_to_the_rate_is_never_refused_and_a_little_more_is_forgiven() {
        let config = config(10, 20);
        let mut steady = Budget::default();
        let mut hasty = Budget::default();
        for n in 0..10_000 {
            assert_eq!(steady.spend(&config, n * 100), Verdict::Allowed);
            // Ten allowed and less than one refused a second.
            assert_ne!(hasty.spend(&config, n * 92), Verdict::Exhausted);
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let (config, mut budget) = (config(0, 0), Budget::default());
        assert!((0..100_000).all(|_| budget.spend(&config, 0) == Verdict::Allowed));
    }
}
