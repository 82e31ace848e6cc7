//! Datetime: Python's `datetime`, `date`, `time` and `timedelta` on jiff's calendar.

use std::fmt;
use std::sync::Arc;

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::value::datetime_class::civil_from;
use crate::value::named::Named;
use crate::value::{Arguments, failed, unknown_method};

pub(crate) const MICROS_PER_SECOND: i128 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i128 = 86_400 * MICROS_PER_SECOND;

/// A point or length of time, or a time zone.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    Date(civil::Date),
    Time(civil::Time),
    /// Without a zone: Python's naive datetime.
    Naive(civil::DateTime),
    Aware(Zoned),
    /// With a zone, in the last hours of the year 9999, which a [`Zoned`] does not reach: people
    /// write that day for what never ends.
    Late(civil::DateTime, TimeZone),
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

    pub(crate) fn of(value: &Value) -> Option<&Moment> {
        value.downcast_object_ref::<Moment>()
    }

    pub(crate) fn civil(&self) -> Option<civil::DateTime> {
        match self {
            Moment::Date(date) => Some(date.to_datetime(civil::Time::midnight())),
            Moment::Naive(at) | Moment::Late(at, _) => Some(*at),
            Moment::Aware(at) => Some(at.datetime()),
            Moment::Time(time) => Some(civil::date(1900, 1, 1).to_datetime(*time)),
            _ => None,
        }
    }

    /// Microseconds since 1970 of a time with a zone.
    pub(crate) fn instant(&self) -> Option<i128> {
        match self {
            Moment::Aware(at) => Some(at.timestamp().as_nanosecond().div_euclid(1000)),
            Moment::Late(at, zone) => {
                let since = at.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0));
                let offset = i128::from(last_offset(zone).seconds());
                Some(since.as_micros() - offset * MICROS_PER_SECOND)
            }
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
            Moment::Late(at, zone) => {
                let offset = offset_text(last_offset(zone));
                format!("{}{separator}{}{offset}", day(*at), clock(*at))
            }
            Moment::Delta(micros) => delta_text(*micros),
            Moment::Zone(zone) => zone_name(zone),
        }
    }

    /// Writes the moment as Python's `repr` does.
    pub(crate) fn repr(&self) -> String {
        let clock = |at: civil::DateTime| {
            let mut parts = vec![at.hour().to_string(), at.minute().to_string()];
            let micros = at.subsec_nanosecond() / 1000;
            if at.second() != 0 || micros != 0 {
                parts.push(at.second().to_string());
            }
            if micros != 0 {
                parts.push(micros.to_string());
            }
            parts.join(", ")
        };
        let day = |at: civil::DateTime| format!("{}, {}, {}", at.year(), at.month(), at.day());
        match self {
            Moment::Date(date) => format!("datetime.date({})", day((*date).into())),
            Moment::Time(time) => {
                let at = civil::date(1900, 1, 1).to_datetime(*time);
                format!("datetime.time({})", clock(at))
            }
            Moment::Naive(at) => format!("datetime.datetime({}, {})", day(*at), clock(*at)),
            Moment::Aware(at) => {
                let civil = at.datetime();
                let zone = Moment::Zone(at.time_zone().clone()).repr();
                let (day, clock) = (day(civil), clock(civil));
                format!("datetime.datetime({day}, {clock}, tzinfo={zone})")
            }
            Moment::Late(at, zone) => {
                let zone = Moment::Zone(zone.clone()).repr();
                let (day, clock) = (day(*at), clock(*at));
                format!("datetime.datetime({day}, {clock}, tzinfo={zone})")
            }
            Moment::Delta(micros) => {
                let rest = micros.rem_euclid(MICROS_PER_DAY);
                let parts: Vec<String> = [
                    ("days", micros.div_euclid(MICROS_PER_DAY)),
                    ("seconds", rest / MICROS_PER_SECOND),
                    ("microseconds", rest % MICROS_PER_SECOND),
                ]
                .into_iter()
                .filter(|(_, number)| *number != 0)
                .map(|(name, number)| format!("{name}={number}"))
                .collect();
                let shown = if parts.is_empty() {
                    "0".to_owned()
                } else {
                    parts.join(", ")
                };
                format!("datetime.timedelta({shown})")
            }
            Moment::Zone(zone) if *zone == TimeZone::UTC => "<UTC>".to_owned(),
            Moment::Zone(zone) => format!("<DstTzInfo '{}'>", zone_name(zone)),
        }
    }

    /// Writes the moment by a `strftime` pattern.
    pub(crate) fn formatted(&self, pattern: &str) -> Result<String, Error> {
        let pattern = self.expanded(pattern);
        let result = match self {
            Moment::Aware(at) => jiff::fmt::strtime::format(&pattern, at),
            _ => match self.civil() {
                Some(at) => jiff::fmt::strtime::format(&pattern, at),
                None => return Err(failed("only dates and times can be formatted")),
            },
        };
        result.map_err(|error| failed(format!("the date format is not understood: {error}")))
    }

    /// Writes out what the calendar's own patterns lack, or mean differently.
    fn expanded(&self, pattern: &str) -> String {
        let mut out = String::with_capacity(pattern.len() + 8);
        let mut characters = pattern.chars();
        while let Some(c) = characters.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match characters.next() {
                // Python's %f has always six digits.
                Some('f') => out.push_str("%6f"),
                Some('c') => out.push_str("%a %b %e %H:%M:%S %Y"),
                Some('x') => out.push_str("%m/%d/%y"),
                Some('X') => out.push_str("%H:%M:%S"),
                Some('z') if let Moment::Late(_, zone) = self => {
                    out.push_str(&offset_text(last_offset(zone)).replace(':', ""));
                }
                Some('Z') if let Moment::Late(_, zone) = self => out.push_str(&zone_name(zone)),
                // A time without a zone has no name and no offset.
                Some('z' | 'Z') if !matches!(self, Moment::Aware(_)) => {}
                Some('s') if !matches!(self, Moment::Aware(_)) => {
                    let zoned = self
                        .civil()
                        .and_then(|at| at.to_zoned(TimeZone::system()).ok());
                    let seconds = zoned.map_or(0, |at| at.timestamp().as_second());
                    out.push_str(&seconds.to_string());
                }
                Some(other) => {
                    out.push('%');
                    out.push(other);
                }
                None => out.push_str("%%"),
            }
        }
        out
    }

    pub(crate) fn shifted(&self, micros: i128) -> Result<Moment, Error> {
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
            Moment::Late(at, zone) => aware(at.checked_add(span).map_err(out_of_range)?, zone)?,
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

/// A zone's offset where the calendar ends.
fn last_offset(zone: &TimeZone) -> Offset {
    zone.to_offset(Timestamp::MAX)
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
                Moment::Late(_, zone) => Moment::Zone(zone.clone()).into_value(),
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
            (left, right) => match (left.instant(), right.instant()) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => Some(left.civil()?.cmp(&right.civil()?)),
            },
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
            (Moment::Time(_), "isoformat") => self
                .iso(' ', arguments.optional_text(0, "timespec"))
                .map(Value::from),
            (_, "isoformat") => {
                let separator = arguments.optional_text(0, "sep");
                let separator = separator
                    .and_then(|text| text.chars().next())
                    .unwrap_or('T');
                let precision = arguments.optional_text(1, "timespec");
                self.iso(separator, precision).map(Value::from)
            }
            (_, "ctime") => Ok(Value::from(self.formatted("%a %b %e %H:%M:%S %Y")?)),
            (Moment::Aware(at), "utcoffset") => {
                let seconds = i128::from(at.offset().seconds());
                Ok(Moment::Delta(seconds * MICROS_PER_SECOND).into_value())
            }
            (Moment::Late(_, zone), "utcoffset") => {
                let seconds = i128::from(last_offset(zone).seconds());
                Ok(Moment::Delta(seconds * MICROS_PER_SECOND).into_value())
            }
            (Moment::Aware(at), "dst") => Ok(daylight(at).into_value()),
            (Moment::Aware(_) | Moment::Late(..), "tzname") => {
                Ok(Value::from(self.formatted("%Z")?))
            }
            (Moment::Naive(_) | Moment::Time(_), "utcoffset" | "dst" | "tzname") => {
                Ok(Value::from(()))
            }
            (Moment::Zone(zone), "utcoffset") => {
                let at = arguments.get(0, "dt");
                let civil = at.as_ref().and_then(Moment::of).and_then(Moment::civil);
                let offset = match civil {
                    Some(civil) => aware(civil, zone)?,
                    None => Moment::at_utc(Timestamp::UNIX_EPOCH).in_zone(zone),
                };
                match offset {
                    Moment::Aware(at) => {
                        let seconds = i128::from(at.offset().seconds());
                        Ok(Moment::Delta(seconds * MICROS_PER_SECOND).into_value())
                    }
                    _ => Ok(Value::from(())),
                }
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
                Ok(aware(at, zone)?.into_value())
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
            (Moment::Late(at, own), "astimezone") => {
                let zone = match arguments.get(0, "tz").as_ref().and_then(Moment::of) {
                    Some(Moment::Zone(zone)) => zone.clone(),
                    _ => TimeZone::system(),
                };
                let apart = last_offset(&zone).seconds() - last_offset(own).seconds();
                let moved = at.checked_add(SignedDuration::from_secs(apart.into()));
                Ok(aware(moved.map_err(out_of_range)?, &zone)?.into_value())
            }
            (Moment::Naive(at), "astimezone") => {
                let own = at.to_zoned(TimeZone::system()).map_err(out_of_range)?;
                let zone = match arguments.get(0, "tz").as_ref().and_then(Moment::of) {
                    Some(Moment::Zone(zone)) => zone.clone(),
                    _ => TimeZone::system(),
                };
                Ok(Moment::Aware(own.with_time_zone(zone)).into_value())
            }
            (Moment::Aware(at), "timestamp") => {
                let nanos = at.timestamp().as_nanosecond();
                Ok(Value::from(nanos as f64 / 1e9))
            }
            (Moment::Naive(at), "timestamp") => {
                let at = aware(*at, &TimeZone::UTC)?;
                let micros = at.instant().unwrap_or_default();
                Ok(Value::from(micros as f64 / 1e6))
            }
            (Moment::Late(..), "timestamp") => {
                let micros = self.instant().unwrap_or_default();
                Ok(Value::from(micros as f64 / 1e6))
            }
            (
                Moment::Late(..)
                | Moment::Aware(_)
                | Moment::Naive(_)
                | Moment::Date(_)
                | Moment::Time(_),
                _,
            ) => self.civil_method(method, &arguments),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(' '))
    }
}

impl Moment {
    /// Python's `isoformat`, to the precision that `timespec` names.
    fn iso(&self, separator: char, precision: Option<String>) -> Result<String, Error> {
        let pattern = match precision.as_deref() {
            None | Some("auto") => return Ok(self.text(separator)),
            Some("hours") => "%H",
            Some("minutes") => "%H:%M",
            Some("seconds") => "%H:%M:%S",
            Some("milliseconds") => "%H:%M:%S.%3f",
            Some("microseconds") => "%H:%M:%S.%6f",
            Some(other) => return Err(failed(format!("no timespec is named `{other}`"))),
        };
        let clock = self.formatted(pattern)?;
        Ok(match self {
            Moment::Time(_) => clock,
            Moment::Aware(at) => {
                let day = self.formatted("%Y-%m-%d")?;
                format!("{day}{separator}{clock}{}", offset_text(at.offset()))
            }
            Moment::Late(_, zone) => {
                let day = self.formatted("%Y-%m-%d")?;
                format!("{day}{separator}{clock}{}", offset_text(last_offset(zone)))
            }
            _ => format!("{}{separator}{clock}", self.formatted("%Y-%m-%d")?),
        })
    }

    fn in_zone(self, zone: &TimeZone) -> Moment {
        match self {
            Moment::Aware(at) => Moment::Aware(at.with_time_zone(zone.clone())),
            other => other,
        }
    }

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
            "timetz" => Moment::Time(at.time()).into_value(),
            "isocalendar" => {
                let week = at.date().iso_week_date();
                let items = vec![
                    ("year", Value::from(week.year())),
                    ("week", Value::from(week.week())),
                    (
                        "weekday",
                        Value::from(week.weekday().to_monday_one_offset()),
                    ),
                ];
                Named::value("datetime.IsoCalendarDate", items)
            }
            "timetuple" | "utctimetuple" => {
                let items = vec![
                    ("tm_year", Value::from(at.year())),
                    ("tm_mon", Value::from(at.month())),
                    ("tm_mday", Value::from(at.day())),
                    ("tm_hour", Value::from(at.hour())),
                    ("tm_min", Value::from(at.minute())),
                    ("tm_sec", Value::from(at.second())),
                    ("tm_wday", Value::from(at.weekday().to_monday_zero_offset())),
                    ("tm_yday", Value::from(at.date().day_of_year())),
                    ("tm_isdst", Value::from(-1)),
                ];
                Named::value("time.struct_time", items)
            }
            "replace" => self.replaced(at, arguments)?.into_value(),
            _ => return Err(unknown_method()),
        })
    }

    fn replaced(&self, at: civil::DateTime, arguments: &Arguments<'_>) -> Result<Moment, Error> {
        // A time has no day: its arguments begin with the hour.
        let skipped = if matches!(self, Moment::Time(_)) {
            3
        } else {
            0
        };
        let number = |index: usize, name: &str, own: i64| {
            let given = match index.checked_sub(skipped) {
                Some(index) => arguments.get(index, name),
                None => None,
            };
            given.and_then(|value| value.as_i64()).unwrap_or(own)
        };
        let micros = i64::from(at.subsec_nanosecond() / 1000);
        let replaced = civil_from(
            number(0, "year", at.year().into()),
            number(1, "month", at.month().into()),
            number(2, "day", at.day().into()),
            number(3, "hour", at.hour().into()),
            number(4, "minute", at.minute().into()),
            number(5, "second", at.second().into()),
            number(6, "microsecond", micros),
        )?;
        let zone = arguments.get(7 - skipped, "tzinfo");
        Ok(match (self, zone) {
            (Moment::Date(_), _) => Moment::Date(replaced.date()),
            (Moment::Time(_), _) => Moment::Time(replaced.time()),
            (_, Some(zone)) => match Moment::of(&zone) {
                Some(Moment::Zone(zone)) => aware(replaced, zone)?,
                _ => Moment::Naive(replaced),
            },
            (Moment::Aware(at), None) => aware(replaced, at.time_zone())?,
            (Moment::Late(_, zone), None) => aware(replaced, zone)?,
            _ => Moment::Naive(replaced),
        })
    }
}

/// How far daylight saving moves the clock at that time.
fn daylight(at: &Zoned) -> Moment {
    let info = at.time_zone().to_offset_info(at.timestamp());
    let hours = i128::from(info.dst().is_dst());
    Moment::Delta(hours * 3600 * MICROS_PER_SECOND)
}

pub(crate) fn aware(at: civil::DateTime, zone: &TimeZone) -> Result<Moment, Error> {
    match at.to_zoned(zone.clone()) {
        Ok(at) => Ok(Moment::Aware(at)),
        Err(_) if at.year() == civil::DateTime::MAX.year() => Ok(Moment::Late(at, zone.clone())),
        Err(_) => Err(failed("the date is out of range")),
    }
}
