//! Writes a seed's texts as values of the server's binary format, where that says the same as
//! their text would.

use crate::postgres::CopyBinary;
use crate::run::seed::moment::{date, days, iso_timestamp, micros, timestamp};
use crate::run::seed::sniff::{SeedType, boolean, not_finite, number, plain_whole};

/// A type of a configured column whose plain texts are known to mean what the server takes them
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run::seed) enum Encoding {
    Smallint,
    Integer,
    Bigint,
    Numeric,
    Double,
    Date,
    Timestamp,
    Boolean,
    Text,
}

impl Encoding {
    /// The encoding of a type as it is written in SQL, if there is one.
    pub(in crate::run::seed) fn of_sql(sql_type: &str) -> Option<Encoding> {
        let name = sql_type.trim().to_ascii_lowercase();
        let (base, length) = match name.split_once('(') {
            Some((base, rest)) => (base.trim_end(), Some(rest.strip_suffix(')')?)),
            None => (name.as_str(), None),
        };
        let is_plain = |length: &str| length.bytes().all(|byte| b"0123456789, ".contains(&byte));
        if !length.is_none_or(is_plain) {
            return None;
        }
        match base {
            "numeric" | "decimal" => Some(Encoding::Numeric),
            "varchar" | "character varying" => Some(Encoding::Text),
            _ if length.is_some() => None,
            "text" => Some(Encoding::Text),
            "smallint" | "int2" => Some(Encoding::Smallint),
            "integer" | "int" | "int4" => Some(Encoding::Integer),
            "bigint" | "int8" => Some(Encoding::Bigint),
            "double precision" | "float8" | "float" => Some(Encoding::Double),
            "date" => Some(Encoding::Date),
            "timestamp" | "timestamp without time zone" => Some(Encoding::Timestamp),
            "boolean" | "bool" => Some(Encoding::Boolean),
            _ => None,
        }
    }

    /// Adds the value; false, with nothing added, when its text is for the server to judge.
    pub(in crate::run::seed) fn add(self, text: &str, rows: &mut CopyBinary) -> bool {
        match self {
            Encoding::Text => {
                rows.text(text);
                true
            }
            Encoding::Smallint => add(text.parse().ok(), rows, CopyBinary::smallint),
            Encoding::Integer => add(text.parse().ok(), rows, CopyBinary::integer),
            Encoding::Bigint => add(text.parse().ok(), rows, CopyBinary::bigint),
            Encoding::Double => add(plain_double(text), rows, CopyBinary::double),
            Encoding::Numeric => add_decimal(text, rows),
            Encoding::Boolean => {
                let value = match text {
                    "true" | "t" | "1" => Some(true),
                    "false" | "f" | "0" => Some(false),
                    _ => None,
                };
                add(value, rows, CopyBinary::boolean)
            }
            Encoding::Date => {
                let day = (text.len() == 10).then(|| date(text)).flatten();
                add(day.and_then(days), rows, CopyBinary::date)
            }
            Encoding::Timestamp => {
                let at = (text.len() == 19).then(|| timestamp(text)).flatten();
                add(at.and_then(micros), rows, CopyBinary::timestamp)
            }
        }
    }
}

impl SeedType {
    /// Adds the value; false, with nothing added, when a column of the type cannot hold it.
    pub(in crate::run::seed) fn add(self, text: &str, rows: &mut CopyBinary) -> bool {
        match self {
            SeedType::Text => {
                rows.text(text);
                true
            }
            SeedType::Integer => {
                let whole = whole(text).and_then(|whole| whole.try_into().ok());
                add(whole, rows, CopyBinary::integer)
            }
            SeedType::BigInt => add(whole(text), rows, CopyBinary::bigint),
            SeedType::WholeNumeric => {
                let whole = number(text).filter(|number| number.is_whole());
                whole.is_some_and(|whole| add_decimal(&whole.whole_text(), rows))
            }
            SeedType::Float => add(double(text), rows, CopyBinary::double),
            SeedType::Date => add(date(text).and_then(days), rows, CopyBinary::date),
            SeedType::Timestamp => {
                let micros = timestamp(text).and_then(micros);
                add(micros, rows, CopyBinary::timestamp)
            }
            SeedType::IsoTimestamp => {
                let micros = iso_timestamp(text).and_then(micros);
                add(micros, rows, CopyBinary::timestamp)
            }
            SeedType::Boolean => add(boolean(text), rows, CopyBinary::boolean),
        }
    }
}

fn add<T>(value: Option<T>, rows: &mut CopyBinary, put: impl Fn(&mut CopyBinary, T)) -> bool {
    let has_value = value.is_some();
    if let Some(value) = value {
        put(rows, value);
    }
    has_value
}

fn whole(text: &str) -> Option<i64> {
    plain_whole(text).or_else(|| {
        let number = number(text).filter(|number| number.is_whole())?;
        number.whole_text().parse().ok()
    })
}

fn double(text: &str) -> Option<f64> {
    if let Some(plain) = plain_double(text) {
        // A zero loses its sign, as in the text of such a value.
        return Some(plain + 0.0);
    }
    match not_finite(text) {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some(_) => Some(f64::NEG_INFINITY),
        None => number(text).and_then(|number| plain_double(&number.text())),
    }
}

/// Reads a decimal number that is within the range of the type: beyond, the server says so.
fn plain_double(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".-+eE".contains(&byte));
    let value: f64 = is_plain.then(|| text.parse().ok())??;
    let is_zero = || {
        let digits = text.split(['e', 'E']).next().unwrap_or(text);
        !digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
    };
    (value.is_normal() || value == 0.0 && is_zero()).then_some(value)
}

/// Adds digits with a sign and a point before, between or behind them.
fn add_decimal(text: &str, rows: &mut CopyBinary) -> bool {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && rows.numeric(is_negative, whole, fraction)
}
