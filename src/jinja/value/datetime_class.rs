//! Datetime class: `modules.datetime.*`, the classes that make dates and times.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::clock::local_now;
use crate::methods::Bound;
use crate::value::datetime::{MICROS_PER_DAY, Moment, aware};
use crate::value::{Arguments, failed, unknown_method};

pub(crate) fn civil_from(
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
) -> Result<civil::DateTime, Error> {
    let misfit = || failed("there is no such date or time");
    let small = |number: i64| i8::try_from(number).map_err(|_| misfit());
    let year = i16::try_from(year).map_err(|_| misfit())?;
    let nanos = i32::try_from(micros.saturating_mul(1000)).map_err(|_| misfit())?;
    civil::DateTime::new(
        year,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanos,
    )
    .map_err(|_| misfit())
}

/// The classes of `modules.datetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    DateTime,
    Date,
    Time,
    Delta,
    Zone,
}

/// A date or time as YAML writes it; none for one that no calendar has.
pub(crate) fn moment_of_yaml(text: &str) -> Option<Value> {
    if text.len() == "2024-01-05".len() {
        return Class::Date.parsed(text).ok();
    }
    // Blanks may stand before the offset.
    let offset = text.get(11..)?.find(['+', '-', 'Z']).map(|at| at + 11);
    let (time, offset) = text.split_at(offset.unwrap_or(text.len()));
    let text = format!("{}{offset}", time.trim_end());
    Class::DateTime.parsed(&text).ok()
}

impl Class {
    fn parsed(self, text: &str) -> Result<Value, Error> {
        let text = text.trim();
        let misfit = |_| failed(format!("`{text}` is not a date in ISO format"));
        if self == Class::Date {
            return Ok(Moment::Date(text.parse().map_err(misfit)?).into_value());
        }
        let has_zone =
            text.ends_with('Z') || text.get(10..).is_some_and(|time| time.contains(['+', '-']));
        if has_zone {
            let offset = jiff::fmt::temporal::Pieces::parse(text)
                .ok()
                .and_then(|pieces| pieces.to_numeric_offset())
                .unwrap_or(Offset::UTC);
            let zone = if offset == Offset::UTC {
                TimeZone::UTC
            } else {
                TimeZone::fixed(offset)
            };
            return Ok(match text.parse::<Timestamp>() {
                Ok(at) => Moment::Aware(at.to_zoned(zone)),
                // The offset is known, so that the rest is a time without one.
                Err(reason) => {
                    let at = jiff::fmt::temporal::Pieces::parse(text).map_err(misfit)?;
                    let time = at.time().ok_or_else(|| misfit(reason))?;
                    aware(at.date().to_datetime(time), &zone)?
                }
            }
            .into_value());
        }
        Ok(Moment::Naive(text.parse().map_err(misfit)?).into_value())
    }
}

impl Object for Class {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let least = civil::date(1, 1, 1);
        let last = civil::date(9999, 12, 31);
        let end = civil::time(23, 59, 59, 999_999_000);
        let moment = match (self.as_ref(), key.as_str()?) {
            (Class::Zone, "utc") => Moment::Zone(TimeZone::UTC),
            (Class::Date, "min") => Moment::Date(least),
            (Class::Date, "max") => Moment::Date(last),
            (Class::DateTime, "min") => Moment::Naive(least.to_datetime(civil::Time::midnight())),
            (Class::DateTime, "max") => Moment::Naive(last.to_datetime(end)),
            (Class::Time, "min") => Moment::Time(civil::Time::midnight()),
            (Class::Time, "max") => Moment::Time(end),
            (Class::Delta, "min") => Moment::Delta(-999_999_999 * MICROS_PER_DAY),
            (Class::Delta, "max") => Moment::Delta(1_000_000_000 * MICROS_PER_DAY - 1),
            (Class::Delta, "resolution") => Moment::Delta(1),
            (Class::Date, "resolution") => Moment::Delta(MICROS_PER_DAY),
            (
                Class::DateTime,
                name @ ("now" | "utcnow" | "today" | "strptime" | "fromisoformat" | "fromtimestamp"
                | "combine"),
            ) => return Some(Bound::value(&Value::from_dyn_object(self.clone()), name)),
            (Class::Date, name @ ("today" | "fromisoformat" | "fromordinal")) => {
                return Some(Bound::value(&Value::from_dyn_object(self.clone()), name));
            }
            _ => return None,
        };
        Some(moment.into_value())
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let number = |index, name: &str, default| {
            arguments
                .get(index, name)
                .and_then(|value| value.as_i64())
                .unwrap_or(default)
        };
        match self.as_ref() {
            Class::Date => {
                let at = civil_from(
                    number(0, "year", 0),
                    number(1, "month", 0),
                    number(2, "day", 0),
                    0,
                    0,
                    0,
                    0,
                )?;
                Ok(Moment::Date(at.date()).into_value())
            }
            Class::DateTime => {
                let at = civil_from(
                    number(0, "year", 0),
                    number(1, "month", 0),
                    number(2, "day", 0),
                    number(3, "hour", 0),
                    number(4, "minute", 0),
                    number(5, "second", 0),
                    number(6, "microsecond", 0),
                )?;
                let zone = arguments.get(7, "tzinfo");
                Ok(match zone.as_ref().and_then(Moment::of) {
                    Some(Moment::Zone(zone)) => aware(at, zone)?,
                    _ => Moment::Naive(at),
                }
                .into_value())
            }
            Class::Time => {
                let at = civil_from(
                    1900,
                    1,
                    1,
                    number(0, "hour", 0),
                    number(1, "minute", 0),
                    number(2, "second", 0),
                    number(3, "microsecond", 0),
                )?;
                Ok(Moment::Time(at.time()).into_value())
            }
            Class::Delta => {
                let units = [
                    ("days", 86_400e6),
                    ("seconds", 1e6),
                    ("microseconds", 1.0),
                    ("milliseconds", 1e3),
                    ("minutes", 60e6),
                    ("hours", 3_600e6),
                    ("weeks", 604_800e6),
                ];
                let mut micros = 0.0;
                for (index, (name, factor)) in units.into_iter().enumerate() {
                    if let Some(value) = arguments.get(index, name) {
                        micros += f64::try_from(value)? * factor;
                    }
                }
                Ok(Moment::Delta(micros.round() as i128).into_value())
            }
            Class::Zone => Ok(Moment::Zone(TimeZone::UTC).into_value()),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let now = local_now();
        match (self.as_ref(), method) {
            (Class::DateTime, "now") => {
                let zone = arguments.get(0, "tz");
                Ok(match zone.as_ref().and_then(Moment::of) {
                    Some(Moment::Zone(zone)) => Moment::Aware(now.with_time_zone(zone.clone())),
                    _ => Moment::Naive(now.datetime()),
                }
                .into_value())
            }
            (Class::DateTime, "utcnow") => {
                let utc = now.with_time_zone(TimeZone::UTC);
                Ok(Moment::Naive(utc.datetime()).into_value())
            }
            (Class::DateTime, "today") => Ok(Moment::Naive(now.datetime()).into_value()),
            (Class::Date, "today") => Ok(Moment::Date(now.date()).into_value()),
            (Class::DateTime, "strptime") => {
                let text = arguments.text(0, "date_string")?;
                let pattern = arguments.text(1, "format")?;
                let broken = jiff::fmt::strtime::parse(&pattern, &text).map_err(|error| {
                    failed(format!(
                        "`{text}` does not fit the format `{pattern}`: {error}"
                    ))
                })?;
                if let Ok(at) = broken.to_zoned() {
                    return Ok(Moment::Aware(at).into_value());
                }
                // What the format leaves out is the first of January 1900.
                let (year, month, day) = (broken.year(), broken.month(), broken.day());
                let date = broken.to_date().or_else(|_| {
                    let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
                    civil::Date::new(year.unwrap_or(1900), month, day)
                });
                let date = date.unwrap_or_else(|_| civil::date(1900, 1, 1));
                let time = broken.to_time().unwrap_or_else(|_| civil::Time::midnight());
                Ok(Moment::Naive(date.to_datetime(time)).into_value())
            }
            (Class::DateTime | Class::Date, "fromordinal") => {
                let days = arguments.required(0, "ordinal")?.as_i64().unwrap_or(0) - 1;
                let span = jiff::Span::new().try_days(days);
                let date = span.and_then(|span| civil::date(1, 1, 1).checked_add(span));
                let date = date.map_err(|_| failed("the date is out of range"))?;
                Ok(match self.as_ref() {
                    Class::Date => Moment::Date(date),
                    _ => Moment::Naive(date.to_datetime(civil::Time::midnight())),
                }
                .into_value())
            }
            (Class::Date, "fromtimestamp") => {
                let seconds = f64::try_from(arguments.required(0, "timestamp")?)?;
                let at = Timestamp::from_second(seconds as i64)
                    .map_err(|_| failed("the date is out of range"))?;
                Ok(Moment::Date(at.to_zoned(TimeZone::system()).date()).into_value())
            }
            (Class::Time, "fromisoformat") => {
                let text = arguments.text(0, "time_string")?;
                let time = text
                    .parse()
                    .map_err(|_| failed(format!("`{text}` is not a time in ISO format")))?;
                Ok(Moment::Time(time).into_value())
            }
            (Class::DateTime | Class::Date, "fromisoformat") => {
                self.parsed(&arguments.text(0, "date_string")?)
            }
            (Class::DateTime, "fromtimestamp" | "utcfromtimestamp") => {
                let seconds = f64::try_from(arguments.required(0, "timestamp")?)?;
                let at = Timestamp::from_microsecond((seconds * 1e6).round() as i64)
                    .map_err(|_| failed("the date is out of range"))?;
                let zone = arguments.get(1, "tz");
                Ok(match zone.as_ref().and_then(Moment::of) {
                    Some(Moment::Zone(zone)) => Moment::Aware(at.to_zoned(zone.clone())),
                    _ => Moment::Naive(at.to_zoned(TimeZone::UTC).datetime()),
                }
                .into_value())
            }
            (Class::DateTime, "combine") => {
                let date = arguments.required(0, "date")?;
                let time = arguments.required(1, "time")?;
                match (Moment::of(&date), Moment::of(&time)) {
                    (Some(date), Some(Moment::Time(time))) => {
                        let date = date.civil().ok_or_else(unknown_method)?.date();
                        Ok(Moment::Naive(date.to_datetime(*time)).into_value())
                    }
                    _ => Err(failed("combine takes a date and a time")),
                }
            }
            _ => Err(unknown_method()),
        }
    }
}
