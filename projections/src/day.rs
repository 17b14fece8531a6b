//! Days of the calendar as numbers. Which day a moment belongs to is for the [`Zone`] to say.

use std::fmt;
use std::str::FromStr;

use crate::zone::Zone;

/// One day of the platform's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(
    /// Days since 1970-01-01.
    pub i32,
);

impl Day {
    /// The day of a moment, given in unix ms.
    pub fn of(at_ms: i64, zone: Zone) -> Self {
        zone.day_of(at_ms)
    }

    /// The Monday on which its week begins.
    pub fn monday(self) -> Self {
        // 1970-01-01 was a Thursday.
        Self(self.0 - (i64::from(self.0) + 3).rem_euclid(7) as i32)
    }

    /// Year, month 1-12, day 1-31 of the proleptic Gregorian calendar. Years are counted from March inside, so that the
    /// leap day is the last one.
    pub fn civil(self) -> (i64, u8, u8) {
        let days = i64::from(self.0) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        (
            era * 400 + year_of_era + i64::from(month <= 2),
            month as u8,
            day as u8,
        )
    }

    /// The day of a date: year, month 1-12, day counted from 1; what is past the month's end runs on into the next.
    pub(crate) fn from_civil(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        Self(i32::try_from(era * 146_097 + of_era - 719_468).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// What is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as in 2026-11-21")]
pub struct BadDay;

impl FromStr for Day {
    type Err = BadDay;

    fn from_str(text: &str) -> Result<Self, BadDay> {
        let mut parts = text.split('-');
        let mut part = |len: usize| {
            let part = parts
                .next()
                .filter(|p| p.len() == len && p.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|p| p.parse::<i64>().ok()).ok_or(BadDay)
        };
        let day = Self::from_civil(part(4)?, part(2)?, part(2)?);
        if day.to_string() == text {
            Ok(day)
        } else {
            Err(BadDay)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_back_from_its_text() {
        for number in (-800_000..800_000).step_by(37) {
            let day = Day(number);
            let text = day.to_string();
            if text.len() == 10 && !text.starts_with('-') {
                assert_eq!(text.parse(), Ok(day), "{text}");
            }
        }
        for bad in [
            "",
            "2026-13-01",
            "2025-02-29",
            "2026-1-01",
            "2026-01-01x",
            "2026-01-01-01",
            "+026-01-01",
        ] {
            assert_eq!(bad.parse::<Day>(), Err(BadDay), "{bad}");
        }
    }
}
