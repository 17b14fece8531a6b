//! Moments as people read them, by the platform's calendar, and the days that statements are cut by.

use journal::{Position, Reader};
use projections::{Day, Zone};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// A moment (unix ms) as in `2026-11-27T23:01:36.123+08:00`.
pub fn stamp(at_ms: i64, zone: Zone) -> String {
    let local_ms = zone.local_ms(at_ms);
    let of_day = local_ms.rem_euclid(DAY_MS);
    let (hours, minutes) = (of_day / 3_600_000, of_day / MINUTE_MS % 60);
    let (seconds, ms) = (of_day / 1_000 % 60, of_day % 1_000);
    let east_seconds = zone.offset_seconds(at_ms);
    let sign = if east_seconds < 0 { '-' } else { '+' };
    let east = east_seconds.unsigned_abs() / 60;
    format!(
        "{}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}{sign}{:02}:{:02}",
        Day(local_ms.div_euclid(DAY_MS) as i32),
        east / 60,
        east % 60
    )
}

/// The first moment of a day, unix ms.
pub fn begins_ms(day: Day, zone: Zone) -> i64 {
    zone.day_begins_ms(day)
}

/// The first moment after a day, unix ms.
pub fn ends_ms(day: Day, zone: Zone) -> i64 {
    zone.day_begins_ms(Day(day.0.saturating_add(1)))
}

/// How many records of a shard are older than a moment (unix ms): recorded times never go back, so halving finds it.
pub async fn records_before(reader: &dyn Reader, shard: u16, at_ms: i64) -> journal::Result<u64> {
    let (mut older, mut end) = (0, reader.head().get(shard));
    while older < end {
        let middle = older + (end - older) / 2;
        let after = Position {
            shard,
            sequence: middle,
        };
        let batch = reader.read(after, 1).await?;
        match batch.iter().next() {
            Some(record) if record.recorded_at_ms < at_ms => older = middle + 1,
            _ => end = middle,
        }
    }
    Ok(older)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_platforms_time() {
        let at_ms = 1_763_683_200_123; // 2025-11-21T00:00:00.123Z
        for (name, text) in [
            ("UTC", "2025-11-21T00:00:00.123+00:00"),
            ("Asia/Shanghai", "2025-11-21T08:00:00.123+08:00"),
            ("America/St_Johns", "2025-11-20T20:30:00.123-03:30"),
        ] {
            let zone = Zone::named(name).unwrap();
            assert_eq!(stamp(at_ms, zone), text);
            let day = Day::of(at_ms, zone);
            assert!((begins_ms(day, zone)..ends_ms(day, zone)).contains(&at_ms));
            assert_eq!(Day::of(begins_ms(day, zone), zone), day);
            assert_eq!(Day::of(begins_ms(day, zone) - 1, zone), Day(day.0 - 1));
            assert_eq!(Day::of(ends_ms(day, zone), zone), Day(day.0 + 1));
        }
    }
}
