//! Times as feeds spell them in, moments out; what has two meanings is refused with a reason.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::nanos::{Day, Nanos};

/// What an integer in a time column counts, since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TimeUnit {
    #[default]
    Ns,
    Us,
    Ms,
    S,
}

impl TimeUnit {
    fn nanos(self) -> i64 {
        match self {
            TimeUnit::Ns => 1,
            TimeUnit::Us => 1_000,
            TimeUnit::Ms => 1_000_000,
            TimeUnit::S => 1_000_000_000,
        }
    }
}

/// Fewer digits than this are no nanoseconds: 10^17 ns is March 1973.
const LEAST_NANOSECONDS: i64 = 100_000_000_000_000_000;

/// Reads the time column of one file.
#[derive(Debug)]
pub struct TimeReader {
    unit: TimeUnit,
    zone: TimeZone,
    /// The last local day whose offset never changes, and that offset in nanoseconds.
    steady_day: Option<(Day, i64)>,
}

impl TimeReader {
    /// Reads times without an offset as local times of `zone`.
    pub fn new(unit: TimeUnit, zone: TimeZone) -> Self {
        TimeReader {
            unit,
            zone,
            steady_day: None,
        }
    }

    /// Reads one time.
    ///
    /// # Errors
    ///
    /// The reason, in words that follow the column's name.
    pub fn read(&mut self, text: &[u8]) -> Result<Nanos, String> {
        if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
            return self.read_integer(text);
        }
        let Some((day, rest)) = read_day(text) else {
            return Err(not_a_time(text));
        };
        let (is_fix, rest) = match rest {
            [b'T' | b't' | b' ', rest @ ..] if text[4] == b'-' => (false, rest),
            [b'-', rest @ ..] if text[4] != b'-' => (true, rest),
            [] => return Err("is a date without a time of day".to_owned()),
            _ => return Err(not_a_time(text)),
        };
        let (of_day, rest) = read_time_of_day(rest)?;
        let local = i64::from(day.0)
            .checked_mul(Nanos::PER_DAY)
            .and_then(|start| start.checked_add(of_day))
            .ok_or_else(|| "is outside the years 1678 to 2261".to_owned())?;
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        match rest {
            [b'Z' | b'z'] => Ok(Nanos(local)),
            // FIX's UTCTimestamp has no offset because it is always UTC.
            // Source: FIX 5.0 SP2, volume 1, data types.
            [] if is_fix => Ok(Nanos(local)),
            [] => self.read_local(day, of_day, local),
            [b'+' | b'-', ..] => {
                let offset = read_offset(rest).ok_or_else(|| not_a_time(text))?;
                Ok(Nanos(local - offset))
            }
            _ if rest.eq_ignore_ascii_case(b"UTC") => Ok(Nanos(local)),
            _ if rest.eq_ignore_ascii_case(b"AM") || rest.eq_ignore_ascii_case(b"PM") => {
                Err("is on a twelve-hour clock; write hours from 00 to 23".to_owned())
            }
            _ => Err(not_a_time(text)),
        }
    }

    fn read_integer(&self, text: &[u8]) -> Result<Nanos, String> {
        let number = integer(text).ok_or_else(|| "is larger than a time can be".to_owned())?;
        if self.unit == TimeUnit::Ns && number < LEAST_NANOSECONDS {
            return Err(
                "is an integer too small for nanoseconds since 1970; name what it counts with \
                 `--time-unit`"
                    .to_owned(),
            );
        }
        number
            .checked_mul(self.unit.nanos())
            .map(Nanos)
            .ok_or_else(|| "is larger than a time can be".to_owned())
    }

    fn read_local(&mut self, day: Day, of_day: i64, local: i64) -> Result<Nanos, String> {
        if let Some((steady, offset)) = self.steady_day
            && steady == day
        {
            return Ok(Nanos(local - offset));
        }
        let first = offset_at(&self.zone, day, 0)?;
        let last = offset_at(&self.zone, day, Nanos::PER_DAY - 1)?;
        if let (Some(first), Some(last)) = (first, last)
            && first == last
        {
            self.steady_day = Some((day, first));
            return Ok(Nanos(local - first));
        }
        match offset_at(&self.zone, day, of_day)? {
            Some(offset) => Ok(Nanos(local - offset)),
            None => Err(
                "is a local time that the change of clocks skips or repeats; write its offset"
                    .to_owned(),
            ),
        }
    }
}

/// Finds the offset from UTC of a local time, or `None` where clocks skip or repeat it.
pub fn offset_at(zone: &TimeZone, day: Day, of_day: i64) -> Result<Option<i64>, String> {
    let outside = || "is outside the years 1678 to 2261".to_owned();
    let (year, month, day) = day.to_civil();
    let date = i16::try_from(year)
        .ok()
        .and_then(|year| Date::new(year, month as i8, day as i8).ok())
        .ok_or_else(outside)?;
    let seconds = of_day / Nanos::PER_SECOND;
    let time = Time::new(
        (seconds / 3600) as i8,
        (seconds / 60 % 60) as i8,
        (seconds % 60) as i8,
        (of_day % Nanos::PER_SECOND) as i32,
    )
    .map_err(|_| outside())?;
    match zone
        .to_ambiguous_timestamp(DateTime::from_parts(date, time))
        .offset()
    {
        AmbiguousOffset::Unambiguous { offset } => {
            Ok(Some(i64::from(offset.seconds()) * Nanos::PER_SECOND))
        }
        _ => Ok(None),
    }
}

/// Reads `09:30:00.123456789` into nanoseconds of the day, and gives what follows.
pub fn read_time_of_day(text: &[u8]) -> Result<(i64, &[u8]), String> {
    let shape = || "has no time of day such as 09:30:00".to_owned();
    let two = |at: usize| -> Option<i64> {
        let tens = text.get(at)?.wrapping_sub(b'0');
        let ones = text.get(at + 1)?.wrapping_sub(b'0');
        (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
    };
    if text.get(2) != Some(&b':') || text.get(5) != Some(&b':') {
        return Err(shape());
    }
    let (Some(hour), Some(minute), Some(second)) = (two(0), two(3), two(6)) else {
        return Err(shape());
    };
    if hour > 23 || minute > 59 || second > 59 {
        return Err("has an hour above 23, or a minute or second above 59".to_owned());
    }
    let (fraction, rest) = match &text[8..] {
        [b'.' | b',', rest @ ..] => read_fraction(rest)?,
        rest => (0, rest),
    };
    let seconds = hour * 3600 + minute * 60 + second;
    Ok((seconds * Nanos::PER_SECOND + fraction, rest))
}

/// Reads the digits after a decimal point as nanoseconds, and gives what follows them.
pub fn read_fraction(text: &[u8]) -> Result<(i64, &[u8]), String> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() {
        return Err("has a decimal point without decimals".to_owned());
    }
    let (kept, beyond) = digits.split_at(length.min(9));
    if beyond.iter().any(|&digit| digit != b'0') {
        return Err("is finer than a nanosecond".to_owned());
    }
    let mut nanos = 0;
    for position in 0..9 {
        let digit = kept.get(position).map_or(0, |digit| digit - b'0');
        nanos = nanos * 10 + i64::from(digit);
    }
    Ok((nanos, rest))
}

/// Reads an unsigned integer; `None` when it does not fit or is empty.
pub fn integer(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let mut number: i64 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    Some(number)
}

/// Reads `2024-03-01` or `20240301` at the start, and gives what follows.
fn read_day(text: &[u8]) -> Option<(Day, &[u8])> {
    let length = if text.get(4) == Some(&b'-') { 10 } else { 8 };
    let (day, rest) = text.split_at_checked(length)?;
    Some((Day::parse(std::str::from_utf8(day).ok()?)?, rest))
}

/// Reads `+01:00`, `-0530` or `+01` as nanoseconds east of UTC.
fn read_offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = text.split_first()?;
    let (hours, minutes) = match digits.len() {
        5 if digits[2] == b':' => (integer(&digits[..2])?, integer(&digits[3..])?),
        4 => (integer(&digits[..2])?, integer(&digits[2..])?),
        2 => (integer(digits)?, 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    let sign = if *sign == b'-' { -1 } else { 1 };
    Some(sign * seconds * Nanos::PER_SECOND)
}

fn not_a_time(text: &[u8]) -> String {
    let is_slashed = text.iter().filter(|&&byte| byte == b'/').count() == 2
        || text
            .get(2)
            .is_some_and(|&byte| byte == b'.' || byte == b'-');
    if is_slashed {
        "has a date whose day and month could be swapped; write 2024-03-01T09:30:00Z".to_owned()
    } else {
        "is no time such as 2024-03-01T09:30:00.123456789Z".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: &str) -> Result<String, String> {
        let zone = TimeZone::get(zone).expect("a zone of the IANA database");
        TimeReader::new(TimeUnit::Ns, zone)
            .read(text.as_bytes())
            .map(|at| at.to_string())
    }

    #[test]
    fn common_spellings_of_one_moment_agree() {
        for text in [
            "2024-03-01T09:30:00.123Z",
            "2024-03-01T10:30:00.123+01:00",
            "2024-03-01T04:30:00.123000000-0500",
            "2024-03-01 09:30:00.123",
            "2024-03-01 09:30:00.123 UTC",
            "20240301-09:30:00.123",
            "1709285400123000000",
        ] {
            assert_eq!(
                read(text, "UTC").as_deref(),
                Ok("2024-03-01T09:30:00.123000000Z"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_local_time_is_read_in_its_zone_and_a_fix_time_in_utc() {
        assert_eq!(
            read("2024-07-01 09:30:00", "America/New_York").as_deref(),
            Ok("2024-07-01T13:30:00.000000000Z")
        );
        assert_eq!(
            read("20240701-13:30:00", "America/New_York").as_deref(),
            Ok("2024-07-01T13:30:00.000000000Z")
        );
    }

    #[test]
    fn what_has_two_meanings_is_refused_with_a_reason() {
        for (text, reason) in [
            ("03/01/2024 09:30:00", "day and month"),
            ("01.03.2024 09:30:00", "day and month"),
            ("1709285400123", "--time-unit"),
            ("2024-03-01", "without a time"),
            ("2024-03-01 09:30:00 PM", "twelve-hour"),
            ("2024-11-03 01:30:00", "change of clocks"),
            ("2024-03-10 02:30:00", "change of clocks"),
            ("2024-03-01T09:30:00.1234567891Z", "finer"),
            ("2024-03-01T24:30:00Z", "hour above 23"),
            ("", "is no time"),
            ("2024-02-30T09:30:00Z", "is no time"),
        ] {
            let refused = read(text, "America/New_York").expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }

    #[test]
    fn a_declared_unit_is_believed() {
        let mut reader = TimeReader::new(TimeUnit::Ms, TimeZone::UTC);
        assert_eq!(
            reader.read(b"1709285400123").map(|at| at.0),
            Ok(1_709_285_400_123_000_000)
        );
    }
}
