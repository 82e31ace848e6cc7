//! Moments as nanoseconds since 1970 UTC, and the calendar arithmetic that dates need.

use std::fmt;

use crate::price::push_decimal;

/// A moment: nanoseconds since 1970-01-01 00:00 UTC. Reaches to the year 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

/// A day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Nanos {
    pub const PER_SECOND: i64 = 1_000_000_000;
    pub const PER_DAY: i64 = 86_400 * Self::PER_SECOND;

    /// The UTC day, and the nanoseconds since its midnight.
    pub fn split(self) -> (Day, i64) {
        // 2^63 nanoseconds are 106,752 days, far inside an i32.
        let day = self.0.div_euclid(Self::PER_DAY) as i32;
        (Day(day), self.0.rem_euclid(Self::PER_DAY))
    }

    /// Appends `2024-03-01T09:30:00.123456789Z`, always with nine decimals.
    pub fn write(self, out: &mut Vec<u8>) {
        let (day, of_day) = self.split();
        day.write(out);
        out.push(b'T');
        let seconds = (of_day / Self::PER_SECOND) as u64;
        push_padded(seconds / 3600, 2, out);
        out.push(b':');
        push_padded(seconds / 60 % 60, 2, out);
        out.push(b':');
        push_padded(seconds % 60, 2, out);
        out.push(b'.');
        push_padded((of_day % Self::PER_SECOND) as u64, 9, out);
        out.push(b'Z');
    }
}

impl Day {
    /// Finds the day of a proleptic Gregorian date, or `None` where there is no such date.
    ///
    /// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    pub fn from_civil(year: i32, month: u32, day: u32) -> Option<Day> {
        if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
            return None;
        }
        let year = i64::from(year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = i64::from((month + 9) % 12);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        i32::try_from(era * 146_097 + day_of_era - 719_468)
            .ok()
            .map(Day)
    }

    /// Gives year, month and day of the month.
    ///
    /// Source: as [`Day::from_civil`], `civil_from_days`.
    pub fn to_civil(self) -> (i32, u32, u32) {
        let days = i64::from(self.0) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year as i32, month as u32, day as u32)
    }

    /// Reads `2012-06-21` or `20120621`.
    pub fn parse(text: &str) -> Option<Day> {
        let digits = |range: std::ops::Range<usize>| -> Option<u32> {
            let part = text.get(range)?;
            part.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| part.parse().ok())?
        };
        let (year, month, day) = match text.len() {
            8 => (digits(0..4)?, digits(4..6)?, digits(6..8)?),
            10 if text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-' => {
                (digits(0..4)?, digits(5..7)?, digits(8..10)?)
            }
            _ => return None,
        };
        Day::from_civil(year as i32, month, day)
    }

    /// Appends `2024-03-01`.
    pub fn write(self, out: &mut Vec<u8>) {
        let (year, month, day) = self.to_civil();
        push_padded(year.unsigned_abs().into(), 4, out);
        out.push(b'-');
        push_padded(month.into(), 2, out);
        out.push(b'-');
        push_padded(day.into(), 2, out);
    }
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn push_padded(number: u64, width: u32, out: &mut Vec<u8>) {
    for position in (1..width).rev() {
        if number < 10u64.pow(position) {
            out.push(b'0');
        }
    }
    push_decimal(number, out);
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(30);
        self.write(&mut text);
        f.pad(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(10);
        self.write(&mut text);
        f.pad(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_print_in_utc_with_nine_decimals() {
        assert_eq!(
            Nanos(1_709_285_400_123_456_789).to_string(),
            "2024-03-01T09:30:00.123456789Z"
        );
        assert_eq!(Nanos(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn a_day_that_does_not_exist_is_none() {
        assert_eq!(Day::parse("2023-02-29"), None);
        assert_eq!(Day::parse("2024-13-01"), None);
        assert_eq!(
            Day::parse("20240229").map(|day| day.to_string()).as_deref(),
            Some("2024-02-29")
        );
    }

    proptest! {
        #[test]
        fn every_day_is_read_back_as_it_was_written(days in -500_000..500_000i32) {
            let (year, month, day) = Day(days).to_civil();
            prop_assert_eq!(Day::from_civil(year, month, day), Some(Day(days)));
        }
    }
}
