//! Reads dates and times from a seed's texts, in the three spellings that dbt takes for them.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// Reads `2026-01-31` or `2026-1-31`.
pub(in crate::run::seed) fn date(text: &str) -> Option<Date> {
    let mut parts = text.trim().split('-');
    let year = digits(parts.next()?, 4, 4)?;
    let month = digits(parts.next()?, 1, 2)?;
    let day = digits(parts.next()?, 1, 2)?;
    if parts.next().is_some() {
        return None;
    }
    civil(year, month, day)
}

/// Reads `2026-01-31 09:30:00` or `2026-1-31 9:30:0`.
pub(in crate::run::seed) fn timestamp(text: &str) -> Option<DateTime> {
    let (day, time) = text.trim().split_once(char::is_whitespace)?;
    let mut parts = time.trim_start().split(':');
    let mut part = || digits(parts.next()?, 1, 2).and_then(small);
    let time = Time::new(part()?, part()?, part()?, 0).ok()?;
    match parts.next() {
        None => Some(date(day)?.to_datetime(time)),
        Some(_) => None,
    }
}

/// Reads a date and a time divided by `T` in any spelling of ISO 8601; a time with an offset is
/// put into UTC.
///
/// Source: isodate 0.7, `parse_datetime`.
pub(in crate::run::seed) fn iso_timestamp(text: &str) -> Option<DateTime> {
    let (day, time) = text.trim().split_once('T')?;
    let (time, offset_minutes) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], offset(&time[at..])?),
        None => (time, 0),
    };
    let local = iso_date(day)?.to_datetime(iso_time(time)?);
    local.checked_sub(offset_minutes.minutes()).ok()
}

/// Microseconds since 1970-01-01.
pub(in crate::run::seed) fn micros(moment: DateTime) -> Option<i64> {
    let moment = Offset::UTC.to_timestamp(moment).ok()?;
    Some(moment.as_microsecond())
}

/// Days since 1970-01-01.
pub(in crate::run::seed) fn days(date: Date) -> Option<i32> {
    let midnight = Offset::UTC
        .to_timestamp(date.to_datetime(Time::midnight()))
        .ok()?;
    i32::try_from(midnight.as_second().div_euclid(24 * 3600)).ok()
}

fn iso_date(text: &str) -> Option<Date> {
    let at = |range: std::ops::Range<usize>| digits(text.get(range)?, 1, 4);
    let first = |year: i16| civil(year, 1, 1);
    let week = |year: i16, week: i16, day: i16| {
        let first = first(year)?;
        let iso = first.iso_week_date();
        let weeks = week - i16::from(iso.week() == 1);
        let days = day - i16::from(iso.weekday().to_monday_one_offset());
        first.checked_add((weeks * 7 + days).days()).ok()
    };
    match shape(text).as_str() {
        "0000-00-00" => civil(at(0..4)?, at(5..7)?, at(8..10)?),
        "00000000" => civil(at(0..4)?, at(4..6)?, at(6..8)?),
        "0000-W00-0" => week(at(0..4)?, at(6..8)?, at(9..10)?),
        "0000W000" => week(at(0..4)?, at(5..7)?, at(7..8)?),
        "0000-W00" => week(at(0..4)?, at(6..8)?, 1),
        "0000W00" => week(at(0..4)?, at(5..7)?, 1),
        "0000-000" => first(at(0..4)?)?.checked_add((at(5..8)? - 1).days()).ok(),
        "0000000" => first(at(0..4)?)?.checked_add((at(4..7)? - 1).days()).ok(),
        "0000-00" => civil(at(0..4)?, at(5..7)?, 1),
        "000000" => civil(at(0..4)?, at(4..6)?, 1),
        "0000" => first(at(0..4)?),
        "00" => first(at(0..2)? * 100 + 1),
        _ => None,
    }
}

/// Reads hours, minutes and seconds; the last one given may have a fraction.
fn iso_time(text: &str) -> Option<Time> {
    let (whole, fraction) = match text.split_once(['.', ',']) {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    let at = |range: std::ops::Range<usize>| digits(&whole[range], 2, 2).and_then(small);
    let (hour, minute, second, unit_seconds) = match shape(whole).as_str() {
        "00:00:00" => (at(0..2)?, at(3..5)?, at(6..8)?, 1),
        "000000" => (at(0..2)?, at(2..4)?, at(4..6)?, 1),
        "00:00" => (at(0..2)?, at(3..5)?, 0, 60),
        "0000" => (at(0..2)?, at(2..4)?, 0, 60),
        "00" => (at(0..2)?, 0, 0, 3600),
        _ => return None,
    };
    let time = Time::new(hour, minute, second, 0).ok()?;
    if fraction.is_empty() {
        return Some(time);
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Twelve digits are beyond a microsecond of an hour; what is finer is cut off.
    let kept = &fraction[..fraction.len().min(12)];
    let scale = 10_i64.pow(u32::try_from(kept.len()).ok()?);
    let parts = i128::from(kept.parse::<i64>().ok()?);
    let micros = parts * i128::from(unit_seconds) * 1_000_000 / i128::from(scale);
    time.checked_add(i64::try_from(micros).ok()?.microseconds())
        .ok()
}

/// Reads `Z`, `+01`, `+0130` or `-01:30`: minutes east of UTC, less than a day.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z", rest) => return rest.is_empty().then_some(0),
        ("-", rest) => (-1, rest),
        (_, rest) => (1, rest),
    };
    let minutes = match shape(rest).as_str() {
        "00" => "0",
        "0000" => &rest[2..4],
        "00:00" => &rest[3..5],
        _ => return None,
    };
    let minutes = i64::from(digits(&rest[..2], 2, 2)?) * 60 + i64::from(digits(minutes, 1, 2)?);
    (minutes < 24 * 60).then_some(sign * minutes)
}

/// The text with every digit as `0`.
fn shape(text: &str) -> String {
    text.chars()
        .map(|character| match character.is_ascii_digit() {
            true => '0',
            false => character,
        })
        .collect()
}

/// A date from year 1 on: PostgreSQL writes earlier ones in another way.
fn civil(year: i16, month: i16, day: i16) -> Option<Date> {
    (year > 0).then_some(())?;
    Date::new(year, small(month)?, small(day)?).ok()
}

fn small(number: i16) -> Option<i8> {
    i8::try_from(number).ok()
}

fn digits(text: &str, at_least: usize, at_most: usize) -> Option<i16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && (at_least..=at_most).contains(&text.len())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_iso_8601_is_read() {
        for (text, expected) in [
            ("2026-01-31T09:30:00", Some("2026-01-31T09:30:00")),
            ("20260131T093000Z", Some("2026-01-31T09:30:00")),
            (
                "2026-01-31T09:30:00.1234567",
                Some("2026-01-31T09:30:00.123456"),
            ),
            ("2026-01-31T09:30:00,5", Some("2026-01-31T09:30:00.5")),
            ("2026-01-31T09:30+02:00", Some("2026-01-31T07:30:00")),
            ("2026-01-31T23:30-0130", Some("2026-02-01T01:00:00")),
            ("2026-01-31T09.5", Some("2026-01-31T09:30:00")),
            ("2026-W05-6T09", Some("2026-01-31T09:00:00")),
            ("2025-W01T00", Some("2024-12-30T00:00:00")),
            ("2026-031T0930", Some("2026-01-31T09:30:00")),
            ("2026-01T09:30:00", Some("2026-01-01T09:30:00")),
            ("2026-01-31 09:30:00", None),
            ("2026-01-31t09:30:00", None),
            ("2026-01-31T09:30:60", None),
            ("2026-01-31T24:00:00", None),
            ("2026-01-31T09:30:00+24:00", None),
            ("2026-01-31T09:30:00+02:00[Europe/Paris]", None),
            ("2026-1-31T09:30:00", None),
            ("0000-01-31T09:30:00", None),
            ("T09", None),
            ("2026-01-31T", None),
        ] {
            let read = iso_timestamp(text).map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
