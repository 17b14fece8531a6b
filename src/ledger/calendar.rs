//! Moments as people read them, by the platform's calendar, and the days that statements are cut by.

use journal::{Position, Reader};
use projections::{Day, UtcOffset};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// A moment (unix ms) as in `2026-11-27T23:01:36.123+08:00`.
pub fn stamp(at_ms: i64, offset: UtcOffset) -> String {
    let local_ms = at_ms.saturating_add(i64::from(offset.minutes) * MINUTE_MS);
    let of_day = local_ms.rem_euclid(DAY_MS);
    let (hours, minutes) = (of_day / 3_600_000, of_day / MINUTE_MS % 60);
    let (seconds, ms) = (of_day / 1_000 % 60, of_day % 1_000);
    let sign = if offset.minutes < 0 { '-' } else { '+' };
    let east = offset.minutes.unsigned_abs();
    format!(
        "{}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}{sign}{:02}:{:02}",
        Day::of(at_ms, offset),
        east / 60,
        east % 60
    )
}

/// The first moment of a day, unix ms.
pub fn begins_ms(day: Day, offset: UtcOffset) -> i64 {
    i64::from(day.0) * DAY_MS - i64::from(offset.minutes) * MINUTE_MS
}

/// The first moment after a day, unix ms.
pub fn ends_ms(day: Day, offset: UtcOffset) -> i64 {
    begins_ms(day, offset) + DAY_MS
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
        for (minutes, text) in [
            (0, "2025-11-21T00:00:00.123+00:00"),
            (480, "2025-11-21T08:00:00.123+08:00"),
            (-210, "2025-11-20T20:30:00.123-03:30"),
        ] {
            let offset = UtcOffset { minutes };
            assert_eq!(stamp(at_ms, offset), text);
            let day = Day::of(at_ms, offset);
            assert!((begins_ms(day, offset)..ends_ms(day, offset)).contains(&at_ms));
            assert_eq!(Day::of(begins_ms(day, offset), offset), day);
            assert_eq!(Day::of(begins_ms(day, offset) - 1, offset), Day(day.0 - 1));
            assert_eq!(Day::of(ends_ms(day, offset), offset), Day(day.0 + 1));
        }
    }
}
