//! Clock: what time it is for templates and batches.
//!
//! `MSV_FAKE_NOW="2024-03-10 09:30:00"` (UTC) stops it, so that a run of another day can be
//! repeated and tested. A unit test stops it for the templates of its model.

use std::cell::Cell;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

thread_local! {
    static STOPPED_HERE: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// The instant at which the clock stands, or this one.
pub fn now() -> Timestamp {
    let stopped = STOPPED_HERE.get().or_else(stopped);
    stopped.unwrap_or_else(Timestamp::now)
}

/// Renders templates for which it is `instant`, where one is given.
pub fn standing_at<T>(instant: Option<Timestamp>, work: impl FnOnce() -> T) -> T {
    let before = STOPPED_HERE.replace(instant.or(STOPPED_HERE.get()));
    let done = work();
    STOPPED_HERE.set(before);
    done
}

/// The instant that `MSV_FAKE_NOW` names.
pub fn stopped() -> Option<Timestamp> {
    static STOPPED: LazyLock<Option<Timestamp>> = LazyLock::new(|| {
        let text = std::env::var("MSV_FAKE_NOW").ok()?;
        parse_utc(&text)
    });
    *STOPPED
}

/// The same in the machine's time zone.
pub(crate) fn local_now() -> Zoned {
    now().to_zoned(TimeZone::system())
}

/// Reads `2024-03-10`, `2024-03-10 09:30:00` or ISO 8601; without an offset it is UTC.
pub fn parse_utc(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let civil = match text.parse::<DateTime>() {
        Ok(civil) => civil,
        Err(_) => text
            .parse::<jiff::civil::Date>()
            .ok()?
            .to_datetime(jiff::civil::Time::midnight()),
    };
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::parse_utc;

    #[test]
    fn dates_and_times_are_read_as_utc() {
        for (text, expected) in [
            ("2024-03-10", Some("2024-03-10T00:00:00Z")),
            ("2024-03-10 09:30:00", Some("2024-03-10T09:30:00Z")),
            ("2024-03-10T09:30:00", Some("2024-03-10T09:30:00Z")),
            ("2024-03-10 09:30:00+01:00", Some("2024-03-10T08:30:00Z")),
            ("2024-03-10T09:30:00Z", Some("2024-03-10T09:30:00Z")),
            ("yesterday", None),
        ] {
            let read = parse_utc(text).map(|instant| instant.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
