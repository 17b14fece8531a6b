//! Days of the platform, by which boards are cut. The time zone is a fixed offset: configuration, never the machine's.

use std::fmt;
use std::str::FromStr;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// How far the platform's midnight is ahead of UTC's, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcOffset {
    /// Minutes east of UTC, within a day.
    pub minutes: i16,
}

impl UtcOffset {
    /// Asia/Shanghai, +08:00 all year.
    pub const SHANGHAI: Self = Self { minutes: 8 * 60 };
}

/// One day of the platform's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(
    /// Days since 1970-01-01.
    pub i32,
);

impl Day {
    /// The day of a moment, given in unix ms.
    pub fn of(at_ms: i64, offset: UtcOffset) -> Self {
        let local = at_ms.saturating_add(i64::from(offset.minutes) * MINUTE_MS);
        Self(i32::try_from(local.div_euclid(DAY_MS)).unwrap_or(i32::MAX))
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

    fn from_civil(year: i64, month: i64, day: i64) -> Self {
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
    fn days_begin_at_the_platforms_midnight() {
        let midnight_utc = 1_763_683_200_000; // 2025-11-21T00:00:00Z
        let table = [
            (midnight_utc, 0, "2025-11-21"),
            (midnight_utc - 1, 0, "2025-11-20"),
            (midnight_utc + 16 * 3_600_000 - 1, 480, "2025-11-21"),
            (midnight_utc + 16 * 3_600_000, 480, "2025-11-22"),
            (0, 0, "1970-01-01"),
            (-1, 0, "1969-12-31"),
            (951_782_400_000, 0, "2000-02-29"),
            (1_767_225_599_999, 0, "2025-12-31"),
        ];
        for (at_ms, minutes, day) in table {
            assert_eq!(
                Day::of(at_ms, UtcOffset { minutes }).to_string(),
                day,
                "{at_ms} {minutes}"
            );
        }
    }

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
