//! Datetime: Python's `datetime`, `date`, `time` and `timedelta` on jiff's calendar.

use std::fmt;
use std::sync::Arc;

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::value::{Arguments, failed, unknown_method};

const MICROS_PER_SECOND: i128 = 1_000_000;
const MICROS_PER_DAY: i128 = 86_400 * MICROS_PER_SECOND;

/// A point or length of time, or a time zone.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    Date(civil::Date),
    Time(civil::Time),
    /// Without a zone: Python's naive datetime.
    Naive(civil::DateTime),
    Aware(Zoned),
    /// In microseconds.
    Delta(i128),
    Zone(TimeZone),
}

impl Moment {
    pub fn into_value(self) -> Value {
        Value::from_object(self)
    }

    pub fn at_utc(at: Timestamp) -> Moment {
        Moment::Aware(at.to_zoned(TimeZone::UTC))
    }

    fn of(value: &Value) -> Option<&Moment> {
        value.downcast_object_ref::<Moment>()
    }

    fn civil(&self) -> Option<civil::DateTime> {
        match self {
            Moment::Date(date) => Some(date.to_datetime(civil::Time::midnight())),
            Moment::Naive(at) => Some(*at),
            Moment::Aware(at) => Some(at.datetime()),
            Moment::Time(time) => Some(civil::date(1900, 1, 1).to_datetime(*time)),
            _ => None,
        }
    }

    fn text(&self, separator: char) -> String {
        let clock = |at: civil::DateTime| {
            let micros = at.subsec_nanosecond() / 1000;
            let fraction = if micros == 0 {
                String::new()
            } else {
                format!(".{micros:06}")
            };
            format!(
                "{:02}:{:02}:{:02}{fraction}",
                at.hour(),
                at.minute(),
                at.second()
            )
        };
        let day =
            |at: civil::DateTime| format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day());
        match self {
            Moment::Date(date) => day(date.to_datetime(civil::Time::midnight())),
            Moment::Time(time) => clock(civil::date(1900, 1, 1).to_datetime(*time)),
            Moment::Naive(at) => format!("{}{separator}{}", day(*at), clock(*at)),
            Moment::Aware(at) => {
                let civil = at.datetime();
                let offset = offset_text(at.offset());
                format!("{}{separator}{}{offset}", day(civil), clock(civil))
            }
            Moment::Delta(micros) => delta_text(*micros),
            Moment::Zone(zone) => zone_name(zone),
        }
    }

    /// Writes the moment by a `strftime` pattern.
    fn formatted(&self, pattern: &str) -> Result<String, Error> {
        // Python's %f has always six digits.
        let pattern = pattern.replace("%f", "%6f");
        let result = match self {
            Moment::Aware(at) => jiff::fmt::strtime::format(&pattern, at),
            _ => match self.civil() {
                Some(at) => jiff::fmt::strtime::format(&pattern, at),
                None => return Err(failed("only dates and times can be formatted")),
            },
        };
        result.map_err(|error| failed(format!("the date format is not understood: {error}")))
    }

    fn shifted(&self, micros: i128) -> Result<Moment, Error> {
        let out_of_range = |_| failed("the date is out of range");
        let span = duration(micros)?;
        Ok(match self {
            Moment::Date(date) => {
                let days = micros.div_euclid(MICROS_PER_DAY);
                let days = i64::try_from(days).map_err(|_| failed("the date is out of range"))?;
                let span = Span::new().try_days(days).map_err(out_of_range)?;
                Moment::Date(date.checked_add(span).map_err(out_of_range)?)
            }
            Moment::Naive(at) => Moment::Naive(at.checked_add(span).map_err(out_of_range)?),
            Moment::Aware(at) => Moment::Aware(at.checked_add(span).map_err(out_of_range)?),
            Moment::Delta(own) => Moment::Delta(own + micros),
            _ => return Err(failed("only dates and times can be moved by a timedelta")),
        })
    }
}

fn duration(micros: i128) -> Result<SignedDuration, Error> {
    i64::try_from(micros)
        .map(SignedDuration::from_micros)
        .map_err(|_| failed("the timedelta is too long"))
}

fn zone_name(zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => offset_text(zone.to_offset(Timestamp::UNIX_EPOCH)),
    }
}

fn offset_text(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn delta_text(micros: i128) -> String {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let rest = micros.rem_euclid(MICROS_PER_DAY);
    let seconds = rest / MICROS_PER_SECOND;
    let fraction = rest % MICROS_PER_SECOND;
    let mut text = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    text += &format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction != 0 {
        text += &format!(".{fraction:06}");
    }
    text
}

pub(crate) fn sum(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let (Some(left), Some(right)) = (Moment::of(left), Moment::of(right)) else {
        return Ok(None);
    };
    let moved = match (left, right) {
        (moment, Moment::Delta(micros)) | (Moment::Delta(micros), moment) => {
            moment.shifted(*micros)?
        }
        _ => return Ok(None),
    };
    Ok(Some(moved.into_value()))
}

pub(crate) fn difference(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let (Some(left), Some(right)) = (Moment::of(left), Moment::of(right)) else {
        return Ok(None);
    };
    let result = match (left, right) {
        (moment, Moment::Delta(micros)) => moment.shifted(-micros)?,
        (Moment::Aware(left), Moment::Aware(right)) => {
            Moment::Delta(left.duration_since(right).as_micros())
        }
        (Moment::Aware(_), Moment::Naive(_)) | (Moment::Naive(_), Moment::Aware(_)) => {
            return Err(failed(
                "a time with a time zone and one without cannot be subtracted",
            ));
        }
        _ => match (left.civil(), right.civil()) {
            (Some(left), Some(right)) => Moment::Delta(left.duration_since(right).as_micros()),
            _ => return Ok(None),
        },
    };
    Ok(Some(result.into_value()))
}

pub(crate) fn product(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let (delta, factor) = match (Moment::of(left), Moment::of(right)) {
        (Some(Moment::Delta(micros)), None) => (*micros, right),
        (None, Some(Moment::Delta(micros))) => (*micros, left),
        _ => return Ok(None),
    };
    let Ok(factor) = f64::try_from(factor.clone()) else {
        return Ok(None);
    };
    let micros = (delta as f64 * factor).round() as i128;
    Ok(Some(Moment::Delta(micros).into_value()))
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Moment::Delta(micros) = self.as_ref() {
            let rest = micros.rem_euclid(MICROS_PER_DAY);
            let number = match key {
                "days" => micros.div_euclid(MICROS_PER_DAY),
                "seconds" => rest / MICROS_PER_SECOND,
                "microseconds" => rest % MICROS_PER_SECOND,
                _ => return None,
            };
            return i64::try_from(number).ok().map(Value::from);
        }
        if let (Moment::Zone(zone), "zone") = (self.as_ref(), key) {
            return Some(Value::from(zone_name(zone)));
        }
        let at = self.civil()?;
        Some(match key {
            "year" => Value::from(at.year()),
            "month" => Value::from(at.month()),
            "day" => Value::from(at.day()),
            "hour" => Value::from(at.hour()),
            "minute" => Value::from(at.minute()),
            "second" => Value::from(at.second()),
            "microsecond" => Value::from(at.subsec_nanosecond() / 1000),
            "tzinfo" => match self.as_ref() {
                Moment::Aware(at) => Moment::Zone(at.time_zone().clone()).into_value(),
                _ => Value::from(()),
            },
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !matches!(self.as_ref(), Moment::Delta(0))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        match (self.as_ref(), other.downcast_ref::<Moment>()?) {
            (Moment::Delta(left), Moment::Delta(right)) => Some(left.cmp(right)),
            (Moment::Aware(left), Moment::Aware(right)) => Some(left.cmp(right)),
            (left, right) => Some(left.civil()?.cmp(&right.civil()?)),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let out_of_range = |_| failed("the date is out of range");
        match (self.as_ref(), method) {
            (_, "isoformat") => {
                let separator = arguments.optional_text(0, "sep");
                let separator = separator.and_then(|text| text.chars().next());
                Ok(Value::from(self.text(separator.unwrap_or('T'))))
            }
            (_, "strftime" | "__format__") => {
                let pattern = arguments.text(0, "format")?;
                Ok(Value::from(self.formatted(&pattern)?))
            }
            (Moment::Delta(micros), "total_seconds") => {
                Ok(Value::from(*micros as f64 / MICROS_PER_SECOND as f64))
            }
            (Moment::Zone(zone), "localize") => {
                let at = arguments.required(0, "dt")?;
                let at = Moment::of(&at)
                    .and_then(Moment::civil)
                    .ok_or_else(|| failed("localize takes a datetime"))?;
                let zoned = at.to_zoned(zone.clone()).map_err(out_of_range)?;
                Ok(Moment::Aware(zoned).into_value())
            }
            (Moment::Zone(zone), "normalize") => {
                let at = arguments.required(0, "dt")?;
                match Moment::of(&at) {
                    Some(Moment::Aware(at)) => {
                        Ok(Moment::Aware(at.with_time_zone(zone.clone())).into_value())
                    }
                    _ => Err(failed("normalize takes a datetime with a time zone")),
                }
            }
            (Moment::Aware(at), "astimezone") => {
                let zone = match arguments.get(0, "tz") {
                    Some(zone) => match Moment::of(&zone) {
                        Some(Moment::Zone(zone)) => zone.clone(),
                        _ => return Err(failed("astimezone takes a time zone")),
                    },
                    None => TimeZone::system(),
                };
                Ok(Moment::Aware(at.with_time_zone(zone)).into_value())
            }
            (Moment::Aware(at), "timestamp") => {
                let nanos = at.timestamp().as_nanosecond();
                Ok(Value::from(nanos as f64 / 1e9))
            }
            (Moment::Naive(at), "timestamp") => {
                let zoned = at.to_zoned(TimeZone::UTC).map_err(out_of_range)?;
                Ok(Value::from(zoned.timestamp().as_nanosecond() as f64 / 1e9))
            }
            (Moment::Aware(_) | Moment::Naive(_) | Moment::Date(_) | Moment::Time(_), _) => {
                self.civil_method(method, &arguments)
            }
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(' '))
    }
}

impl Moment {
    fn civil_method(&self, method: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let at = self.civil().ok_or_else(unknown_method)?;
        Ok(match method {
            "date" => Moment::Date(at.date()).into_value(),
            "time" => Moment::Time(at.time()).into_value(),
            "weekday" => Value::from(at.weekday().to_monday_zero_offset()),
            "isoweekday" => Value::from(at.weekday().to_monday_one_offset()),
            "toordinal" => {
                let first = civil::date(1, 1, 1);
                let days = at.date().duration_since(first).as_hours() / 24 + 1;
                Value::from(days)
            }
            "replace" => self.replaced(at, arguments)?.into_value(),
            _ => return Err(unknown_method()),
        })
    }

    fn replaced(&self, at: civil::DateTime, arguments: &Arguments<'_>) -> Result<Moment, Error> {
        let number = |name: &str, own: i64| {
            arguments
                .keyword(name)
                .and_then(|value| value.as_i64())
                .unwrap_or(own)
        };
        let micros = i64::from(at.subsec_nanosecond() / 1000);
        let replaced = civil_from(
            number("year", at.year().into()),
            number("month", at.month().into()),
            number("day", at.day().into()),
            number("hour", at.hour().into()),
            number("minute", at.minute().into()),
            number("second", at.second().into()),
            number("microsecond", micros),
        )?;
        let zone = arguments.keyword("tzinfo");
        Ok(match (self, zone) {
            (Moment::Date(_), _) => Moment::Date(replaced.date()),
            (Moment::Time(_), _) => Moment::Time(replaced.time()),
            (_, Some(zone)) => match Moment::of(&zone) {
                Some(Moment::Zone(zone)) => aware(replaced, zone)?,
                _ => Moment::Naive(replaced),
            },
            (Moment::Aware(at), None) => aware(replaced, at.time_zone())?,
            _ => Moment::Naive(replaced),
        })
    }
}

fn aware(at: civil::DateTime, zone: &TimeZone) -> Result<Moment, Error> {
    at.to_zoned(zone.clone())
        .map(Moment::Aware)
        .map_err(|_| failed("the date is out of range"))
}

fn civil_from(
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
            let pieces: Timestamp = text.parse().map_err(misfit)?;
            let offset = jiff::fmt::temporal::Pieces::parse(text)
                .ok()
                .and_then(|pieces| pieces.to_numeric_offset())
                .unwrap_or(Offset::UTC);
            let zone = if offset == Offset::UTC {
                TimeZone::UTC
            } else {
                TimeZone::fixed(offset)
            };
            return Ok(Moment::Aware(pieces.to_zoned(zone)).into_value());
        }
        Ok(Moment::Naive(text.parse().map_err(misfit)?).into_value())
    }
}

impl Object for Class {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (self.as_ref(), key.as_str()?) {
            (Class::Zone, "utc") => Some(Moment::Zone(TimeZone::UTC).into_value()),
            _ => None,
        }
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
        let now = Zoned::now();
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
                let date = broken.to_date().unwrap_or_else(|_| civil::date(1900, 1, 1));
                let time = broken.to_time().unwrap_or_else(|_| civil::Time::midnight());
                Ok(Moment::Naive(date.to_datetime(time)).into_value())
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
