//! The platform's time zone: which day and hour a moment belongs to.
//!
//! The rules come from the IANA database that is compiled in, never from the machine's: a fold is the same wherever and
//! whenever it is made. A zone lives as long as the process, so it is handed round as a pointer; there are some six hundred.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use parking_lot::Mutex;

use crate::day::Day;

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// Moments that have a date of four digits; others are taken for the nearest of these, unix ms.
const MOMENT_MS_MAX: i64 = 253_000_000_000_000;
/// Days that surely have a beginning within those.
const DAY_MAX: i32 = 2_900_000;
/// The default: +08:00 all year.
const SHANGHAI: &str = "Asia/Shanghai";

/// A time zone of the IANA database.
#[derive(Clone, Copy)]
pub struct Zone(&'static Rules);

struct Rules {
    name: String,
    zone: TimeZone,
    digest: u64,
}

/// What is not a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time zone: one is named as in the IANA database, for instance Asia/Shanghai or Europe/Berlin"
)]
pub struct UnknownZone(String);

static KNOWN: Mutex<BTreeMap<String, Zone>> = Mutex::new(BTreeMap::new());

impl Zone {
    /// The zone of this name, in whatever case.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let found = TimeZoneDatabase::bundled().get(name);
        let zone = found.map_err(|_| UnknownZone(name.into()))?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        let mut known = KNOWN.lock();
        let made = known.entry(name.clone()).or_insert_with(|| {
            let digest = digest(&name, &zone);
            Self(Box::leak(Box::new(Rules { name, zone, digest })))
        });
        Ok(*made)
    }

    /// Asia/Shanghai.
    pub fn shanghai() -> Self {
        Self::named(SHANGHAI).expect("the database that is compiled in knows the default")
    }

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    /// Stands for every rule of the zone: equal when, and only when, the same moments have the same local time.
    pub fn digest(self) -> u64 {
        self.0.digest
    }

    /// How far local time is ahead of UTC at a moment (unix ms), in seconds.
    pub fn offset_seconds(self, at_ms: i64) -> i32 {
        self.0.zone.to_offset(moment(at_ms)).seconds()
    }

    /// What clocks show at a moment (unix ms), as if it were UTC, in unix ms.
    pub fn local_ms(self, at_ms: i64) -> i64 {
        let at_ms = at_ms.clamp(-MOMENT_MS_MAX, MOMENT_MS_MAX);
        at_ms + i64::from(self.offset_seconds(at_ms)) * SECOND_MS
    }

    /// The day of a moment, given in unix ms. A day begins when its date is first shown, and is not left again when clocks
    /// are set back over midnight.
    pub fn day_of(self, at_ms: i64) -> Day {
        let at_ms = at_ms.clamp(-MOMENT_MS_MAX, MOMENT_MS_MAX);
        let shown = self.local_ms(at_ms).div_euclid(DAY_MS) as i32;
        if self.day_begins_ms(Day(shown + 1)) <= at_ms {
            return Day(shown + 1);
        }
        Day(shown)
    }

    /// The first moment of a day, unix ms; of a day that the zone left out, the first moment after it.
    pub fn day_begins_ms(self, day: Day) -> i64 {
        let day = Day(day.0.clamp(-DAY_MAX, DAY_MAX));
        let (year, month, of_month) = day.civil();
        let date = Date::new(year as i16, month as i8, of_month as i8);
        let begins = date.and_then(|date| date.to_zoned_datetime(self.0.zone.clone())?.start_of_day());
        begins.map_or(i64::from(day.0) * DAY_MS, |begins| {
            begins.timestamp().as_millisecond()
        })
    }

    /// The first moment of the hour that holds a moment (both unix ms). An hour begins where clocks show a full one, or jump.
    pub fn hour_begins_ms(self, at_ms: i64) -> i64 {
        let at_ms = at_ms.clamp(-MOMENT_MS_MAX, MOMENT_MS_MAX);
        let full = at_ms - self.local_ms(at_ms).rem_euclid(HOUR_MS);
        if self.offset_seconds(full) == self.offset_seconds(at_ms) {
            return full;
        }
        let jump = self.0.zone.preceding(moment(at_ms + 1)).next();
        jump.map_or(full, |jump| jump.timestamp().as_millisecond())
    }

    /// The first moment after the hour that holds a moment (both unix ms).
    pub fn hour_ends_ms(self, at_ms: i64) -> i64 {
        let at_ms = at_ms.clamp(-MOMENT_MS_MAX, MOMENT_MS_MAX);
        let full = at_ms + HOUR_MS - self.local_ms(at_ms).rem_euclid(HOUR_MS);
        if self.offset_seconds(full) == self.offset_seconds(at_ms) {
            return full;
        }
        let jump = self.0.zone.following(moment(at_ms)).next();
        jump.map_or(full, |jump| jump.timestamp().as_millisecond())
    }
}

/// A moment for the database, which knows those of years 1 to 9999.
fn moment(at_ms: i64) -> Timestamp {
    let at_ms = at_ms.clamp(-MOMENT_MS_MAX, MOMENT_MS_MAX);
    Timestamp::from_millisecond(at_ms).expect("within the years that have four digits")
}

/// Sums up the offsets of a zone from 1970 to 2100: rules that no record can meet are not looked at.
fn digest(name: &str, zone: &TimeZone) -> u64 {
    const LAST_MS: i64 = 4_102_444_800_000;
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(&zone.to_offset(moment(0)).seconds().to_be_bytes());
    for jump in zone.following(moment(0)) {
        let at_ms = jump.timestamp().as_millisecond();
        if at_ms > LAST_MS {
            break;
        }
        hasher.update(&at_ms.to_be_bytes());
        hasher.update(&jump.offset().seconds().to_be_bytes());
    }
    let bytes = hasher.finalize();
    bytes
        .as_bytes()
        .first_chunk()
        .map_or(0, |first| u64::from_be_bytes(*first))
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_zone_is_refused_with_an_example() {
        for bad in ["", "Asia", "Mars/Olympus", "+08:00", "../etc/passwd"] {
            let error = Zone::named(bad).unwrap_err().to_string();
            assert!(error.contains("Asia/Shanghai"), "{bad}: {error}");
        }
        assert_eq!(Zone::named("asia/shanghai"), Ok(Zone::shanghai()));
    }

    #[test]
    fn zones_with_other_rules_have_other_digests() {
        let digest = |name| Zone::named(name).unwrap().digest();
        assert_eq!(digest("Asia/Shanghai"), Zone::shanghai().digest());
        assert_ne!(digest("Asia/Shanghai"), digest("Asia/Singapore"));
        assert_ne!(digest("Europe/Berlin"), digest("Europe/London"));
    }

    #[test]
    fn moments_beyond_the_calendar_do_not_panic() {
        for name in ["Asia/Shanghai", "America/New_York", "UTC"] {
            let zone = Zone::named(name).unwrap();
            for at_ms in [i64::MIN, -MOMENT_MS_MAX, -1, 0, MOMENT_MS_MAX, i64::MAX] {
                let day = zone.day_of(at_ms);
                zone.day_begins_ms(day);
                assert!(zone.hour_begins_ms(at_ms) < zone.hour_ends_ms(at_ms));
            }
            zone.day_begins_ms(Day(i32::MIN));
            zone.day_begins_ms(Day(i32::MAX));
        }
    }
}
