//! Reads a date or an instant as dbt writes it into artifacts.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::fields::Fields;

/// Ways to write a date that people use besides ISO 8601.
const OTHER_WAYS: [&str; 8] = [
    "%Y/%m/%d",
    "%m/%d/%Y",
    "%Y%m%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
];

/// The instant below `key` as `2024-01-31T00:00:00+00:00`; without an offset it is UTC.
pub(super) fn read(fields: &mut Fields, key: &'static str) -> Option<String> {
    let text = fields.text_or_number(key)?;
    let instant = instant(text.trim());
    if instant.is_none() {
        let span = fields.present(key).map_or(0..0, |node| node.span.clone());
        let title = format!("`{key}` of {} is no date: `{text}`", fields.owner);
        fields
            .error("MSV0103", title, &span)
            .help
            .push("write year, month and day: `2025-12-31`".to_owned());
    }
    instant
}

fn instant(text: &str) -> Option<String> {
    let spaced = text.replacen(' ', "T", 1).replace(' ', "");
    let broken_down = strtime::parse("%Y-%m-%dT%H:%M:%S%.f%:z", &spaced)
        .or_else(|_| strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", &spaced));
    if let Ok(zoned) = broken_down.and_then(|parts| parts.to_zoned()) {
        return Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    }
    let plain = spaced.trim_end_matches('Z');
    let civil: Option<DateTime> = plain.parse().ok();
    let civil = civil
        .or_else(|| Some(plain.parse::<Date>().ok()?.at(0, 0, 0, 0)))
        .or_else(|| {
            let mut ways = OTHER_WAYS.iter();
            ways.find_map(|way| Some(Date::strptime(way, text).ok()?.at(0, 0, 0, 0)))
        })?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn dates_are_read_as_people_write_them() {
        let cases = [
            ("2020-01-31", "2020-01-31T00:00:00+00:00"),
            ("2020-01-31 10:00:00.00+01:00", "2020-01-31T10:00:00+01:00"),
            ("2020-01-31 10:00:00.00-0500", "2020-01-31T10:00:00-05:00"),
            ("2020-01-31T10:00:00Z", "2020-01-31T10:00:00+00:00"),
            ("2020-01-31 10:00", "2020-01-31T10:00:00+00:00"),
            ("Jan 31, 2020", "2020-01-31T00:00:00+00:00"),
            ("20200131", "2020-01-31T00:00:00+00:00"),
        ];
        for (text, expected) in cases {
            assert_eq!(instant(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(instant("next year"), None);
    }
}
