//! Which hour, day, week and month run, by the recorded time of what was folded last.

use super::rows::TIMED;
use crate::period::{Period, Span};
use crate::zone::Zone;

/// The periods that run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    zone: Zone,
    /// The hour, day, week and month.
    pub(super) running: [Period; TIMED],
    /// When each began, in minutes since 1970: what a row's stamp is held against.
    pub(super) begins: [i32; TIMED],
    /// When the hour ends, unix ms. No period ends within an hour.
    pub(super) ends_ms: i64,
}

impl Clock {
    /// The clock before anything was folded: everything lies ahead.
    pub(super) fn before_all(zone: Zone) -> Self {
        Self {
            ends_ms: i64::MIN,
            ..Self::at(0, zone)
        }
    }

    /// Whether nothing was folded yet.
    pub(super) fn is_before_all(&self) -> bool {
        self.ends_ms == i64::MIN
    }

    /// The clock at a moment, unix ms.
    pub(super) fn at(at_ms: i64, zone: Zone) -> Self {
        let running = Span::TIMED.map(|span| {
            let number = Period::at(span, at_ms, zone).map_or(0, |period| period.number);
            Period { span, number }
        });
        let begins = running.map(|period| {
            let minutes = period.begins_ms(zone).unwrap_or(0).div_euclid(60_000);
            i32::try_from(minutes).unwrap_or(if minutes < 0 { i32::MIN + 1 } else { i32::MAX })
        });
        Self {
            zone,
            running,
            begins,
            ends_ms: running[0].ends_ms(zone).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn zone(&self) -> Zone {
        self.zone
    }
}
