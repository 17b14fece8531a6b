//! The periods by which boards are cut: hours, days, weeks from Monday, months, all of time, live sessions.
//!
//! A period is a number of its kind, which only grows; the zone says where it begins and ends. It has a name that is read
//! back, so that a past one can be asked for.

use std::fmt;

use crate::day::Day;
use crate::zone::Zone;

/// A kind of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// From one full hour of the wall clock to the next, or to where the clock jumps.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// A month of the calendar.
    Month,
    /// Everything there ever was.
    All,
    /// One live session of a room.
    Session,
}

impl Span {
    /// Those that the calendar cuts, the shortest first.
    pub const TIMED: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Every one.
    pub const EVERY: [Self; 6] = [
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::All,
        Self::Session,
    ];

    /// Its word in the protocol.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::All => "all",
            Self::Session => "session",
        }
    }

    /// The kind of period that has this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|span| span.word() == word)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period {
    /// Its kind.
    pub span: Span,
    /// Which one: unix seconds of an hour's beginning; days since 1970 of a day or of a week's Monday; months since year 0; a
    /// session's number; 0 for all of time.
    pub number: i64,
}

/// What is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a period is `hour`, `day`, `week`, `month`, `all` or `session`, or one as answers name it: \
     `2026-11-27T13:00+08:00`, `2026-11-27`, `2026-W48`, `2026-11`, `session:3`"
)]
pub struct BadPeriod;

impl Period {
    /// All of time.
    pub const ALL: Self = Self {
        span: Span::All,
        number: 0,
    };

    /// The session of a room with this number.
    pub fn session(number: u32) -> Self {
        Self {
            span: Span::Session,
            number: i64::from(number),
        }
    }

    /// The day.
    pub fn day(day: Day) -> Self {
        Self {
            span: Span::Day,
            number: i64::from(day.0),
        }
    }

    /// The period of a kind that holds a moment (unix ms). Which session that is, no calendar knows: none.
    pub fn at(span: Span, at_ms: i64, zone: Zone) -> Option<Self> {
        let number = match span {
            Span::Hour => zone.hour_begins_ms(at_ms).div_euclid(1_000),
            Span::Day => i64::from(zone.day_of(at_ms).0),
            Span::Week => i64::from(zone.day_of(at_ms).monday().0),
            Span::Month => {
                let (year, month, _) = zone.day_of(at_ms).civil();
                year * 12 + i64::from(month) - 1
            }
            Span::All => 0,
            Span::Session => return None,
        };
        Some(Self { span, number })
    }

    /// Its first moment, unix ms; none where no calendar says it.
    pub fn begins_ms(self, zone: Zone) -> Option<i64> {
        match self.span {
            Span::Hour => Some(self.number.saturating_mul(1_000)),
            Span::Day | Span::Week => Some(zone.day_begins_ms(self.as_day())),
            Span::Month => Some(zone.day_begins_ms(first_of_month(self.number))),
            Span::All | Span::Session => None,
        }
    }

    /// The first moment after it, unix ms; none where no calendar says it.
    pub fn ends_ms(self, zone: Zone) -> Option<i64> {
        let after = |days| Day(self.as_day().0.saturating_add(days));
        match self.span {
            Span::Hour => Some(zone.hour_ends_ms(self.number.saturating_mul(1_000))),
            Span::Day => Some(zone.day_begins_ms(after(1))),
            Span::Week => Some(zone.day_begins_ms(after(7))),
            Span::Month => Some(zone.day_begins_ms(first_of_month(self.number + 1))),
            Span::All | Span::Session => None,
        }
    }

    fn as_day(self) -> Day {
        Day(i32::try_from(self.number).unwrap_or(i32::MAX))
    }

    /// Its name, as in `2026-11-27T13:00+08:00`, `2026-11-27`, `2026-W48`, `2026-11`, `all`, `session:3`.
    pub fn name(self, zone: Zone) -> String {
        match self.span {
            Span::Hour => hour_name(self.number.saturating_mul(1_000), zone),
            Span::Day => self.as_day().to_string(),
            Span::Week => {
                // A week belongs to the year that has its Thursday (ISO 8601).
                let thursday = Day(self.as_day().0.saturating_add(3));
                let (year, ..) = thursday.civil();
                let week = (thursday.0 - Day::from_civil(year, 1, 1).0) / 7 + 1;
                format!("{year:04}-W{week:02}")
            }
            Span::Month => format!(
                "{:04}-{:02}",
                self.number.div_euclid(12),
                self.number.rem_euclid(12) + 1
            ),
            Span::All => "all".into(),
            Span::Session => format!("session:{}", self.number),
        }
    }

    /// The period of this name; a lone kind is none, except `all`.
    pub fn named(name: &str, zone: Zone) -> Result<Self, BadPeriod> {
        let found = match name.len() {
            3 if name == "all" => Some(Self::ALL),
            22 => hour_named(name, zone),
            10 if !name.contains(':') => name.parse().ok().map(Self::day),
            8 if name.as_bytes()[4..].starts_with(b"-W") => week_named(name),
            7 => month_named(name),
            _ => name.strip_prefix("session:").and_then(number).map(|number| Self {
                span: Span::Session,
                number,
            }),
        };
        // Whatever is read must be told the same way: `2026-W60` is no week, and 13:30 begins no hour.
        found.filter(|period| period.name(zone) == name).ok_or(BadPeriod)
    }
}

fn hour_name(begins_ms: i64, zone: Zone) -> String {
    let seconds = zone.offset_seconds(begins_ms);
    let of_day = zone.local_ms(begins_ms).div_euclid(60_000).rem_euclid(1_440);
    let shown = Day(zone.local_ms(begins_ms).div_euclid(86_400_000) as i32);
    let sign = if seconds < 0 { '-' } else { '+' };
    let east = seconds.unsigned_abs() / 60;
    format!(
        "{shown}T{:02}:{:02}{sign}{:02}:{:02}",
        of_day / 60,
        of_day % 60,
        east / 60,
        east % 60
    )
}

fn hour_named(name: &str, zone: Zone) -> Option<Period> {
    let (date, time) = name.split_once('T')?;
    let day: Day = date.parse().ok()?;
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        Some(number(hours)? * 60 + number(minutes)?)
    };
    let (local, east) = (minutes(time.get(..5)?)?, minutes(time.get(6..)?)?);
    let east = if time.as_bytes().get(5) == Some(&b'-') {
        -east
    } else {
        east
    };
    let at_ms = (i64::from(day.0) * 1_440 + local - east) * 60_000;
    Period::at(Span::Hour, at_ms, zone)
}

fn week_named(name: &str) -> Option<Period> {
    let (year, week) = name.split_once("-W")?;
    // The fourth of January is always in the first week.
    let first = Day::from_civil(number(year)?, 1, 4).monday();
    let number = i64::from(first.0) + (number(week)? - 1) * 7;
    Some(Period {
        span: Span::Week,
        number,
    })
}

fn month_named(name: &str) -> Option<Period> {
    let (year, month) = name.split_once('-')?;
    let number = number(year)? * 12 + number(month)? - 1;
    Some(Period {
        span: Span::Month,
        number,
    })
}

/// A number of digits only, and few of them.
fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn first_of_month(number: i64) -> Day {
    Day::from_civil(number.div_euclid(12), number.rem_euclid(12) + 1, 1)
}

#[cfg(test)]
#[path = "period_tests.rs"]
mod tests;
