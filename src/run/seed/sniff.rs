//! Finds the type of a column from its texts, and writes them as that type reads them.
//!
//! The rules are those of dbt's seeds: number, date, timestamp in one of two spellings, boolean,
//! else text, tried in this order on every value; empty text and `null` fit all of them.

use std::borrow::Cow;

use crate::run::seed::moment::{date, iso_timestamp, timestamp};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedType {
    Integer,
    BigInt,
    /// Whole numbers beyond 64 bits.
    WholeNumeric,
    Float,
    Date,
    Timestamp,
    /// The same type, written with a `T`.
    IsoTimestamp,
    Boolean,
    Text,
}

impl SeedType {
    pub fn sql(self) -> &'static str {
        match self {
            SeedType::Integer => "integer",
            SeedType::BigInt => "bigint",
            SeedType::WholeNumeric => "numeric",
            SeedType::Float => "double precision",
            SeedType::Date => "date",
            SeedType::Timestamp | SeedType::IsoTimestamp => "timestamp without time zone",
            SeedType::Boolean => "boolean",
            SeedType::Text => "text",
        }
    }

    /// The value as `COPY` takes it; `None` is null.
    pub(in crate::run::seed) fn convert(self, text: &str) -> Option<Cow<'_, str>> {
        if is_null(text) {
            return None;
        }
        if self.is_as_written(text) {
            return Some(Cow::Borrowed(text));
        }
        let converted = match self {
            SeedType::Integer | SeedType::BigInt | SeedType::WholeNumeric => {
                number(text).map(|number| number.whole_text())
            }
            SeedType::Float => match not_finite(text) {
                Some(word) => Some(word.to_owned()),
                None => number(text).map(|number| number.text()),
            },
            SeedType::Date => date(text).map(|date| date.to_string()),
            SeedType::Timestamp => timestamp(text).map(|timestamp| timestamp.to_string()),
            SeedType::IsoTimestamp => iso_timestamp(text).map(|timestamp| timestamp.to_string()),
            SeedType::Boolean => boolean(text).map(|value| value.to_string()),
            SeedType::Text => None,
        };
        Some(converted.map_or(Cow::Borrowed(text), Cow::Owned))
    }

    /// True for the usual spellings, which the server reads as they are: most of a large file.
    fn is_as_written(self, text: &str) -> bool {
        match self {
            SeedType::Integer | SeedType::BigInt | SeedType::WholeNumeric => {
                plain_whole(text).is_some() && (text == "0" || !text.starts_with(['0', '-']))
            }
            SeedType::Float => text.split_once('.').is_some_and(|(whole, fraction)| {
                [whole, fraction]
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
            }),
            SeedType::Date => text.len() == "2026-01-31".len(),
            SeedType::Timestamp => {
                text.len() == "2026-01-31 09:30:00".len() && text.as_bytes()[10] == b' '
            }
            SeedType::IsoTimestamp => false,
            SeedType::Boolean => matches!(text, "true" | "false"),
            SeedType::Text => true,
        }
    }
}

/// Narrows a column's type down, one value after the other.
#[derive(Clone, Debug)]
pub(in crate::run::seed) struct Sniffer {
    can_be_number: bool,
    can_be_date: bool,
    can_be_timestamp: bool,
    can_be_iso_timestamp: bool,
    can_be_boolean: bool,
    has_fraction: bool,
    is_past_32_bits: bool,
    is_past_64_bits: bool,
}

impl Default for Sniffer {
    fn default() -> Self {
        Sniffer {
            can_be_number: true,
            can_be_date: true,
            can_be_timestamp: true,
            can_be_iso_timestamp: true,
            can_be_boolean: true,
            has_fraction: false,
            is_past_32_bits: false,
            is_past_64_bits: false,
        }
    }
}

impl Sniffer {
    pub(in crate::run::seed) fn see(&mut self, text: &str) {
        if is_null(text) {
            return;
        }
        if self.can_be_number {
            if let Some(whole) = plain_whole(text) {
                self.is_past_32_bits |= i32::try_from(whole).is_err();
            } else if not_finite(text).is_some() {
                // Only `double precision` holds it.
                self.has_fraction = true;
            } else {
                self.see_number(number(text).as_ref());
            }
        }
        self.can_be_date = self.can_be_date && date(text).is_some();
        self.can_be_timestamp = self.can_be_timestamp && timestamp(text).is_some();
        self.can_be_iso_timestamp = self.can_be_iso_timestamp && iso_timestamp(text).is_some();
        self.can_be_boolean = self.can_be_boolean && boolean(text).is_some();
    }

    fn see_number(&mut self, number: Option<&Number<'_>>) {
        let Some(number) = number else {
            self.can_be_number = false;
            return;
        };
        self.has_fraction |= !number.is_whole();
        if self.is_past_64_bits || (number.exponent == 0 && number.whole.len() <= 9) {
            return;
        }
        let whole = number.whole_text();
        self.is_past_32_bits |= whole.parse::<i32>().is_err();
        self.is_past_64_bits |= whole.parse::<i64>().is_err();
    }

    pub(in crate::run::seed) fn found(&self) -> SeedType {
        if self.can_be_number {
            match (
                self.has_fraction,
                self.is_past_32_bits,
                self.is_past_64_bits,
            ) {
                (true, _, _) => SeedType::Float,
                (_, _, true) => SeedType::WholeNumeric,
                (_, true, _) => SeedType::BigInt,
                _ => SeedType::Integer,
            }
        } else if self.can_be_date {
            SeedType::Date
        } else if self.can_be_timestamp {
            SeedType::Timestamp
        } else if self.can_be_iso_timestamp {
            SeedType::IsoTimestamp
        } else if self.can_be_boolean {
            SeedType::Boolean
        } else {
            SeedType::Text
        }
    }
}

/// True for empty text and the word null, with blanks around them.
pub(in crate::run::seed) fn is_null(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.eq_ignore_ascii_case("null")
}

/// A whole number of digits and nothing else, within 64 bits.
pub(in crate::run::seed) fn plain_whole(text: &str) -> Option<i64> {
    let is_plain = !text.starts_with('+') && text.len() <= 18;
    is_plain.then(|| text.parse().ok())?
}

/// A decimal number in its parts, digits only.
pub(in crate::run::seed) struct Number<'a> {
    is_negative: bool,
    whole: Cow<'a, str>,
    fraction: Cow<'a, str>,
    exponent: i32,
}

impl Number<'_> {
    pub(in crate::run::seed) fn is_whole(&self) -> bool {
        let fraction_digits = self.fraction.trim_end_matches('0').len();
        let fraction_digits = i32::try_from(fraction_digits).unwrap_or(i32::MAX);
        if self.exponent >= 0 {
            return fraction_digits <= self.exponent;
        }
        let zeros = self.whole.len() - self.whole.trim_end_matches('0').len();
        let is_zero = self.whole.bytes().all(|digit| digit == b'0');
        let zeros = i32::try_from(zeros).unwrap_or(i32::MAX);
        fraction_digits == 0 && (is_zero || zeros >= -self.exponent)
    }

    /// The digits before the point; those after it are zeros when the number is whole.
    pub(in crate::run::seed) fn whole_text(&self) -> String {
        let mut digits = format!("{}{}", self.whole, self.fraction);
        let point = i64::try_from(self.whole.len()).unwrap_or(0) + i64::from(self.exponent);
        let point = usize::try_from(point).unwrap_or(0);
        // A cell cannot ask for a gigabyte of zeros: past this many it is too long for any type.
        let point = point.min(140_000);
        if digits.len() < point {
            digits.push_str(&"0".repeat(point - digits.len()));
        }
        digits.truncate(point);
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        let sign = if self.is_negative && digits != "0" {
            "-"
        } else {
            ""
        };
        format!("{sign}{digits}")
    }

    /// Zero has no sign: what the client library of dbt sends loses it as well.
    pub(in crate::run::seed) fn text(&self) -> String {
        let is_zero = || {
            let mut digits = self.whole.bytes().chain(self.fraction.bytes());
            digits.all(|digit| digit == b'0')
        };
        let sign = if self.is_negative && !is_zero() {
            "-"
        } else {
            ""
        };
        let whole = if self.whole.is_empty() {
            "0"
        } else {
            &self.whole
        };
        let fraction = if self.fraction.is_empty() {
            "0"
        } else {
            &self.fraction
        };
        if self.exponent == 0 {
            format!("{sign}{whole}.{fraction}")
        } else {
            format!("{sign}{whole}.{fraction}e{}", self.exponent)
        }
    }
}

const CURRENCIES: &[char] = &[
    '$', '€', '£', '¥', '₡', '₱', '₪', '₩', '₭', '₮', '₦', '฿', '₤', '₫', '₲', '₴', '₨', '៛', '﷼',
    '؋', 'ƒ',
];

/// Cuts signs, percent and currency off a number: true for a negative one, then the rest.
///
/// Source: agate 1.9, `Number.cast`, with its default locale; what is left goes to Python's
/// `Decimal`, which takes a sign of its own.
fn unsigned(text: &str) -> (bool, &str) {
    let text = text.trim().trim_matches('%');
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let text = text.trim_matches(CURRENCIES).trim();
    match text.strip_prefix(['+', '-']) {
        Some(rest) => (is_negative != text.starts_with('-'), rest),
        None => (is_negative, text),
    }
}

/// Reads what is a number and yet none, as PostgreSQL writes it.
pub(in crate::run::seed) fn not_finite(text: &str) -> Option<&'static str> {
    let (is_negative, text) = unsigned(text);
    if text.eq_ignore_ascii_case("nan") {
        Some("NaN")
    } else if text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity") {
        Some(if is_negative { "-Infinity" } else { "Infinity" })
    } else {
        None
    }
}

/// Reads a number as people write it: `-1,234.50`, `12%`, `$5`, `1e-3`, `1_000`.
pub(in crate::run::seed) fn number(text: &str) -> Option<Number<'_>> {
    let (is_negative, text) = unsigned(text);
    let is_grouped = text.contains([',', '_']);
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let ungrouped = |part: &'_ str| part.replace([',', '_'], "");
    let (whole, fraction) = if is_grouped {
        (
            Cow::Owned(ungrouped(whole)),
            Cow::Owned(ungrouped(fraction)),
        )
    } else {
        (Cow::Borrowed(whole), Cow::Borrowed(fraction))
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(&whole) || !is_digits(&fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    Some(Number {
        is_negative,
        whole,
        fraction,
        exponent,
    })
}

pub(in crate::run::seed) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(values: &[&str]) -> (SeedType, Vec<String>) {
        let mut sniffer = Sniffer::default();
        for value in values {
            sniffer.see(value);
        }
        let found = sniffer.found();
        let converted = values
            .iter()
            .map(|value| {
                found
                    .convert(value)
                    .map_or("(null)".into(), Cow::into_owned)
            })
            .collect();
        (found, converted)
    }

    #[test]
    fn every_value_has_its_say() {
        for (values, expected, converted) in [
            (
                &["1", "", "01", "-7"][..],
                SeedType::Integer,
                &["1", "(null)", "1", "-7"][..],
            ),
            (&["1.0", "2"], SeedType::Integer, &["1", "2"]),
            (&["3000000000", "1"], SeedType::BigInt, &["3000000000", "1"]),
            (
                &["1.5", "null", "-.25", "1,000"],
                SeedType::Float,
                &["1.5", "(null)", "-0.25", "1000.0"],
            ),
            (&["$5", "10%"], SeedType::Integer, &["5", "10"]),
            (&["1e3", "2.5e1"], SeedType::Integer, &["1000", "25"]),
            (&["1e-1"], SeedType::Float, &["1.0e-1"]),
            (
                &["12345678901234567890"],
                SeedType::WholeNumeric,
                &["12345678901234567890"],
            ),
            (
                &["2026-01-31", "2026-1-5"],
                SeedType::Date,
                &["2026-01-31", "2026-01-05"],
            ),
            (&["2026-02-30"], SeedType::Text, &["2026-02-30"]),
            (
                &["2026-01-31 09:30:00"],
                SeedType::Timestamp,
                &["2026-01-31 09:30:00"],
            ),
            (
                &["2026-01-31 9:30:00"],
                SeedType::Timestamp,
                &["2026-01-31T09:30:00"],
            ),
            (
                &["2026-01-31T09:30:00+01:00"],
                SeedType::IsoTimestamp,
                &["2026-01-31T08:30:00"],
            ),
            (&["true", "FALSE"], SeedType::Boolean, &["true", "false"]),
            (&["yes", "no"], SeedType::Text, &["yes", "no"]),
            (
                &["1", "a", " x ", " "],
                SeedType::Text,
                &["1", "a", " x ", "(null)"],
            ),
            (&["", ""], SeedType::Integer, &["(null)", "(null)"]),
            (
                &["$-5", "--1", "1_000"],
                SeedType::Integer,
                &["-5", "1", "1000"],
            ),
            (
                &["1.5", "NaN", "-inf"],
                SeedType::Float,
                &["1.5", "NaN", "-Infinity"],
            ),
            (&["-0", "0.0"], SeedType::Integer, &["0", "0"]),
            (&["-0.0", "-0.5"], SeedType::Float, &["0.0", "-0.5"]),
        ] {
            assert_eq!(
                sniff(values),
                (
                    expected,
                    converted.iter().map(|text| (*text).to_owned()).collect()
                ),
                "{values:?}"
            );
        }
    }
}
