//! Cell: a column's value as the server writes it in, Python's value out.
//!
//! What cannot be read stays text, such as `infinity` or a year before Christ.

use jiff::civil;
use jiff::tz::TimeZone;
use minijinja::Value;

use crate::context::json_text;
use crate::value::convert::from_json;
use crate::value::datetime::{MICROS_PER_DAY, MICROS_PER_SECOND, Moment};
use crate::value::text::text;

/// A `date`.
pub fn date(written: &str) -> Value {
    match written.parse::<civil::Date>() {
        Ok(date) => Moment::Date(date).into_value(),
        Err(_) => Value::from(written),
    }
}

/// A `timestamp` without a time zone.
pub fn timestamp(written: &str) -> Value {
    match written.parse::<civil::DateTime>() {
        Ok(at) => Moment::Naive(at).into_value(),
        Err(_) => Value::from(written),
    }
}

/// A `timestamp with time zone`, written with the session's offset.
pub fn timestamp_with_zone(written: &str) -> Value {
    let Ok(at) = written.parse::<jiff::Timestamp>() else {
        return Value::from(written);
    };
    let pieces = jiff::fmt::temporal::Pieces::parse(written).ok();
    let zone = match pieces.and_then(|pieces| pieces.to_numeric_offset()) {
        Some(offset) if offset.seconds() != 0 => TimeZone::fixed(offset),
        _ => TimeZone::UTC,
    };
    Moment::Aware(at.to_zoned(zone)).into_value()
}

/// A time in UTC, given without its zone.
pub fn utc(written: &str) -> Value {
    match written.parse::<jiff::Timestamp>() {
        Ok(at) => Moment::Naive(at.to_zoned(TimeZone::UTC).datetime()).into_value(),
        Err(_) => timestamp(written),
    }
}

/// An `interval`, as the text of Python's timedelta.
pub fn interval(written: &str) -> Value {
    match micros(written) {
        Some(micros) => Value::from(text(&Moment::Delta(micros).into_value())),
        None => Value::from(written),
    }
}

/// The length of an interval such as `1 year 2 mons -3 days +04:05:06.789`; a month has 30 days
/// and a year 365, as Python's driver counts.
fn micros(written: &str) -> Option<i128> {
    let mut total = 0;
    let mut words = written.split(' ');
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, clock) = match word.strip_prefix('-') {
                Some(clock) => (-1, clock),
                None => (1, word.trim_start_matches('+')),
            };
            let mut parts = clock.split(':');
            let hours: i128 = parts.next()?.parse().ok()?;
            let minutes: i128 = parts.next()?.parse().ok()?;
            let (seconds, fraction) = parts.next()?.split_once('.').unwrap_or_default();
            let whole = if seconds.is_empty() {
                clock.rsplit(':').next()?
            } else {
                seconds
            };
            let seconds: i128 = whole.parse().ok()?;
            let fraction: i128 = if fraction.is_empty() {
                0
            } else {
                format!("{fraction:0<6}").get(..6)?.parse().ok()?
            };
            let clock = ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + fraction;
            total += sign * clock;
            continue;
        }
        let number: i128 = word.parse().ok()?;
        let days = match words.next()?.trim_end_matches('s') {
            "year" => 365,
            "mon" => 30,
            "day" => 1,
            _ => return None,
        };
        total += number * days * MICROS_PER_DAY;
    }
    Some(total)
}

/// A `json` or `jsonb`: documents are text again, numbers and words are themselves.
pub fn json(written: &str) -> Value {
    match serde_json::from_str::<serde_json::Value>(written) {
        Ok(json) if json.is_object() || json.is_array() => Value::from(json_text(&json)),
        Ok(json) => from_json(&json),
        Err(_) => Value::from(written),
    }
}

/// An array, as JSON writes its items.
pub fn array(items: &serde_json::Value) -> Value {
    Value::from(json_text(items))
}
