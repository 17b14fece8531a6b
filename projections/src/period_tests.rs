//! Periods in zones of every kind, by tables: year ends, clock changes, half-hour offsets, lengths of months.

use super::*;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

/// Unix ms of a moment as in `2026-11-27T05:30:00Z`.
fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn name_at(span: Span, at: &str, zone: Zone) -> String {
    Period::at(span, utc(at), zone).unwrap().name(zone)
}

#[test]
fn days_weeks_and_months_end_with_the_year_where_the_zone_says() {
    let table = [
        // zone, moment, day, week, month
        (
            "Asia/Shanghai",
            "2025-12-31T15:59:59Z",
            "2025-12-31",
            "2026-W01",
            "2025-12",
        ),
        (
            "Asia/Shanghai",
            "2025-12-31T16:00:00Z",
            "2026-01-01",
            "2026-W01",
            "2026-01",
        ),
        ("UTC", "2025-12-31T23:59:59Z", "2025-12-31", "2026-W01", "2025-12"),
        ("UTC", "2024-12-29T23:59:59Z", "2024-12-29", "2024-W52", "2024-12"),
        ("UTC", "2024-12-30T00:00:00Z", "2024-12-30", "2025-W01", "2024-12"),
        ("UTC", "2021-01-03T23:59:59Z", "2021-01-03", "2020-W53", "2021-01"),
        ("UTC", "2021-01-04T00:00:00Z", "2021-01-04", "2021-W01", "2021-01"),
        (
            "America/New_York",
            "2027-01-01T04:59:59Z",
            "2026-12-31",
            "2026-W53",
            "2026-12",
        ),
        (
            "America/New_York",
            "2027-01-01T05:00:00Z",
            "2027-01-01",
            "2026-W53",
            "2027-01",
        ),
        (
            "Pacific/Kiritimati",
            "2025-12-31T10:00:00Z",
            "2026-01-01",
            "2026-W01",
            "2026-01",
        ),
        (
            "Asia/Kathmandu",
            "2025-12-31T18:14:59Z",
            "2025-12-31",
            "2026-W01",
            "2025-12",
        ),
        (
            "Asia/Kathmandu",
            "2025-12-31T18:15:00Z",
            "2026-01-01",
            "2026-W01",
            "2026-01",
        ),
    ];
    for (name, at, day, week, month) in table {
        let zone = zone(name);
        let told = [Span::Day, Span::Week, Span::Month].map(|span| name_at(span, at, zone));
        assert_eq!(told, [day, week, month], "{name} at {at}");
    }
}

#[test]
fn months_have_their_lengths() {
    let table = [
        ("2026-01", 31),
        ("2026-02", 28),
        ("2028-02", 29),
        ("2000-02", 29),
        ("2100-02", 28),
        ("2026-04", 30),
        ("2026-12", 31),
    ];
    for (name, days) in table {
        let zone = Zone::shanghai();
        let month = Period::named(name, zone).unwrap();
        let ms = month.ends_ms(zone).unwrap() - month.begins_ms(zone).unwrap();
        assert_eq!(ms, days * 86_400_000, "{name}");
    }
    // The month in which clocks are set forward is an hour shorter, the one in which they are set back an hour longer.
    let berlin = zone("Europe/Berlin");
    for (name, hours) in [
        ("2026-03", 31 * 24 - 1),
        ("2026-10", 31 * 24 + 1),
        ("2026-11", 30 * 24),
    ] {
        let month = Period::named(name, berlin).unwrap();
        let ms = month.ends_ms(berlin).unwrap() - month.begins_ms(berlin).unwrap();
        assert_eq!(ms, hours * 3_600_000, "{name}");
    }
}

#[test]
fn the_hour_that_is_skipped_is_none_and_the_one_that_is_repeated_is_two() {
    let table = [
        // Clocks go from 02:00 to 03:00.
        (
            "Europe/Berlin",
            "2026-03-29T00:59:59Z",
            "2026-03-29T01:00+01:00",
            60,
        ),
        (
            "Europe/Berlin",
            "2026-03-29T01:00:00Z",
            "2026-03-29T03:00+02:00",
            60,
        ),
        // Clocks go from 03:00 back to 02:00.
        (
            "Europe/Berlin",
            "2026-10-25T00:30:00Z",
            "2026-10-25T02:00+02:00",
            60,
        ),
        (
            "Europe/Berlin",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00+01:00",
            60,
        ),
        (
            "Europe/Berlin",
            "2026-10-25T02:00:00Z",
            "2026-10-25T03:00+01:00",
            60,
        ),
        (
            "America/New_York",
            "2026-11-01T05:00:00Z",
            "2026-11-01T01:00-04:00",
            60,
        ),
        (
            "America/New_York",
            "2026-11-01T06:00:00Z",
            "2026-11-01T01:00-05:00",
            60,
        ),
        // Half an hour of daylight saving: 02:00 becomes 01:30, and later 02:30.
        (
            "Australia/Lord_Howe",
            "2026-04-04T14:59:59Z",
            "2026-04-05T01:00+11:00",
            60,
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-04T15:00:00Z",
            "2026-04-05T01:30+10:30",
            30,
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-04T15:30:00Z",
            "2026-04-05T02:00+10:30",
            60,
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03T15:30:00Z",
            "2026-10-04T02:30+11:00",
            30,
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03T16:00:00Z",
            "2026-10-04T03:00+11:00",
            60,
        ),
        // Offsets that are no whole hours.
        (
            "Asia/Kolkata",
            "2026-11-27T05:29:59Z",
            "2026-11-27T10:00+05:30",
            60,
        ),
        (
            "Asia/Kolkata",
            "2026-11-27T05:30:00Z",
            "2026-11-27T11:00+05:30",
            60,
        ),
        (
            "Asia/Kathmandu",
            "2026-11-27T05:15:00Z",
            "2026-11-27T11:00+05:45",
            60,
        ),
        (
            "America/St_Johns",
            "2026-11-27T05:30:00Z",
            "2026-11-27T02:00-03:30",
            60,
        ),
        (
            "Asia/Shanghai",
            "2026-11-27T05:00:00Z",
            "2026-11-27T13:00+08:00",
            60,
        ),
    ];
    for (name, at, hour, minutes) in table {
        let zone = zone(name);
        let period = Period::at(Span::Hour, utc(at), zone).unwrap();
        assert_eq!(period.name(zone), hour, "{name} at {at}");
        let ms = period.ends_ms(zone).unwrap() - period.begins_ms(zone).unwrap();
        assert_eq!(ms, minutes * 60_000, "{name} at {at}");
    }
}

#[test]
fn a_day_of_a_clock_change_has_its_own_length_and_begins_once() {
    let table = [
        ("Europe/Berlin", "2026-03-29", 23 * 60),
        ("Europe/Berlin", "2026-10-25", 25 * 60),
        ("Australia/Lord_Howe", "2026-04-05", 24 * 60 + 30),
        ("Australia/Lord_Howe", "2026-10-04", 23 * 60 + 30),
        // Midnight itself is skipped: the day begins at 01:00.
        ("America/Sao_Paulo", "2018-11-04", 23 * 60),
        // Clocks go back at midnight to 23:00: the day before is longer.
        ("America/Sao_Paulo", "2018-02-17", 25 * 60),
        // At 00:01 back to 23:01 of the day before: what has begun has begun.
        ("America/St_Johns", "2006-10-29", 25 * 60),
        ("America/St_Johns", "2006-10-28", 24 * 60),
        ("Africa/Cairo", "2026-04-24", 23 * 60),
    ];
    for (name, day, minutes) in table {
        let zone = zone(name);
        let period = Period::named(day, zone).unwrap();
        let (begins, ends) = (period.begins_ms(zone).unwrap(), period.ends_ms(zone).unwrap());
        assert_eq!((ends - begins) / 60_000, minutes, "{name} {day}");
        for at in [begins, begins + 90 * 60_000, ends - 1] {
            assert_eq!(
                Period::at(Span::Day, at, zone),
                Some(period),
                "{name} {day} at {at}"
            );
        }
        assert_ne!(
            Period::at(Span::Day, begins - 1, zone),
            Some(period),
            "{name} {day}"
        );
        assert_ne!(Period::at(Span::Day, ends, zone), Some(period), "{name} {day}");
    }
}

#[test]
fn a_day_that_a_zone_left_out_is_no_period_of_any_moment() {
    // Samoa went from 29 to 31 December 2011.
    let apia = zone("Pacific/Apia");
    assert_eq!(name_at(Span::Day, "2011-12-30T09:59:59Z", apia), "2011-12-29");
    assert_eq!(name_at(Span::Day, "2011-12-30T10:00:00Z", apia), "2011-12-31");
    assert_eq!(name_at(Span::Week, "2011-12-30T10:00:00Z", apia), "2011-W52");
}

#[test]
fn periods_follow_each_other_without_gap_or_overlap_and_their_names_are_read_back() {
    let zones = [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "America/St_Johns",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Tehran",
        "UTC",
    ];
    for name in zones {
        let zone = zone(name);
        for span in Span::TIMED {
            let steps = if span == Span::Hour { 24 * 400 } else { 400 };
            let mut period = Period::at(span, utc("2025-12-20T00:00:00Z"), zone).unwrap();
            for _ in 0..steps {
                let ends = period.ends_ms(zone).unwrap();
                let next = Period::at(span, ends, zone).unwrap();
                assert_eq!(
                    next.begins_ms(zone),
                    Some(ends),
                    "{name} after {}",
                    period.name(zone)
                );
                assert!(next.number > period.number);
                assert_eq!(Period::at(span, ends - 1, zone), Some(period), "{name}");
                assert_eq!(Period::named(&period.name(zone), zone), Ok(period), "{name}");
                period = next;
            }
        }
    }
}

#[test]
fn what_names_no_period_is_refused() {
    for good in ["all", "session:1", "session:4294967295", "2026-W53", "2026-12"] {
        assert!(Period::named(good, Zone::shanghai()).is_ok(), "{good}");
    }
    for bad in [
        "",
        "hour",
        "yesterday",
        "2026-13",
        "2026-00",
        "2026-W00",
        "2025-W53",
        "2026-W60",
        "2026-02-30",
        "2026-11-27T13:00+09:00",
        "2026-11-27T13:30+08:00",
        "2026-11-27T24:00+08:00",
        "session:",
        "session:-1",
        "session:01",
        "日本日本日本日",
        "2026-11-27T13:00+08:0\u{e9}",
        "+026-11",
    ] {
        assert_eq!(Period::named(bad, Zone::shanghai()), Err(BadPeriod), "{bad}");
    }
}
