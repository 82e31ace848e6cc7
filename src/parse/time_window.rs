//! Stretches of time that a run reads: `--event-time-start`, `--sample` and the batches of a
//! microbatch model.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde_json::{Value as Json, json};

use msv_jinja::clock::parse_utc;

/// From `start`, inclusive, to `end`, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeWindow {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl TimeWindow {
    /// Reads `3 days` (up to `now`) or `{start: 2024-01-01, end: 2024-02-01}`, parsed as YAML.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, in a sentence.
    pub fn sample(text: &str, mapping: Option<&Json>, now: Timestamp) -> Result<Self, String> {
        if let Some(mapping) = mapping {
            let instant = |key: &str| {
                let written = mapping.get(key).and_then(Json::as_str);
                let written = written.ok_or_else(|| format!("the sample window has no `{key}`"))?;
                parse_utc(written).ok_or_else(|| format!("`{written}` is no date or time"))
            };
            return Ok(TimeWindow {
                start: instant("start")?,
                end: instant("end")?,
            });
        }
        let [count, grain] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!(
                "Cannot load SAMPLE_WINDOW from '{text}'. Must be of form 'DAYS_INT GRAIN_SIZE'."
            ));
        };
        let count: i64 = count
            .parse()
            .map_err(|_| format!("Unable to convert '{count}' to an integer."))?;
        let size = grain.to_lowercase();
        let size = BatchSize::named(size.trim_end_matches('s')).ok_or_else(|| {
            format!(
                "Invalid grain size '{grain}'. Must be one of ['hour', 'day', 'month', 'year', \
                 'hours', 'days', 'months', 'years']."
            )
        })?;
        let start = size
            .span(-count)
            .and_then(|span| civil(now).checked_add(span).ok())
            .and_then(instant)
            .ok_or_else(|| format!("'{text}' reaches out of the calendar."))?;
        Ok(TimeWindow { start, end: now })
    }

    /// Reads what [`to_json`](Self::to_json) writes.
    pub fn from_texts([start, end]: &[String; 2]) -> Option<Self> {
        Some(TimeWindow {
            start: parse_utc(start)?,
            end: parse_utc(end)?,
        })
    }

    /// What both windows hold.
    #[must_use]
    pub fn within(self, other: TimeWindow) -> TimeWindow {
        TimeWindow {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        }
    }

    /// The condition on a column, in dbt's words.
    pub fn condition(self, column: &str) -> String {
        format!(
            "{column} >= '{}' and {column} < '{}'",
            python_text(self.start),
            python_text(self.end)
        )
    }

    /// As run_results.json has it: `["2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00"]`.
    pub fn to_json(self) -> Json {
        let text = |at: Timestamp| python_text(at).replacen(' ', "T", 1);
        json!([text(self.start), text(self.end)])
    }
}

/// An instant as Python writes it: `2024-01-01 00:00:00+00:00`.
fn python_text(at: Timestamp) -> String {
    let at = civil(at);
    let micros = at.subsec_nanosecond() / 1000;
    let fraction = if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    };
    format!(
        "{} {:02}:{:02}:{:02}{fraction}+00:00",
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn civil(at: Timestamp) -> DateTime {
    at.to_zoned(TimeZone::UTC).datetime()
}

fn instant(at: DateTime) -> Option<Timestamp> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// How long a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    Hour,
    Day,
    Month,
    Year,
}

impl BatchSize {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "hour" => BatchSize::Hour,
            "day" => BatchSize::Day,
            "month" => BatchSize::Month,
            "year" => BatchSize::Year,
            _ => return None,
        })
    }

    fn span(self, count: i64) -> Option<Span> {
        match self {
            BatchSize::Hour => Span::new().try_hours(count).ok(),
            BatchSize::Day => Span::new().try_days(count).ok(),
            BatchSize::Month => Span::new().try_months(count).ok(),
            BatchSize::Year => Span::new().try_years(count).ok(),
        }
    }

    /// The start of the batch that holds `at`.
    pub fn truncate(self, at: Timestamp) -> Timestamp {
        let at = civil(at);
        let midnight = at.date().to_datetime(jiff::civil::Time::midnight());
        let start = match self {
            BatchSize::Hour => midnight + i64::from(at.hour()).hours(),
            BatchSize::Day => midnight,
            BatchSize::Month => midnight.first_of_month(),
            BatchSize::Year => midnight.first_of_year(),
        };
        instant(start).unwrap_or(Timestamp::MIN)
    }

    /// The start of the batch `count` batches after the one that holds `at`.
    pub fn offset(self, at: Timestamp, count: i64) -> Timestamp {
        let start = self.truncate(at);
        self.span(count)
            .and_then(|span| civil(start).checked_add(span).ok())
            .and_then(instant)
            .unwrap_or(if count < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            })
    }

    /// `at` where a batch starts there, else the start of the next one.
    pub fn ceiling(self, at: Timestamp) -> Timestamp {
        if self.truncate(at) == at {
            at
        } else {
            self.offset(at, 1)
        }
    }
}

/// One piece of a microbatch model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub size: BatchSize,
    pub window: TimeWindow,
}

impl Batch {
    /// What people call the batch: `2024-03-10`, `2024-03-10T09`, `2024-03`, `2024`.
    pub fn label(&self) -> String {
        let at = civil(self.window.start);
        match self.size {
            BatchSize::Hour => format!("{}T{:02}", at.date(), at.hour()),
            BatchSize::Day => at.date().to_string(),
            BatchSize::Month => format!("{:04}-{:02}", at.year(), at.month()),
            BatchSize::Year => format!("{:04}", at.year()),
        }
    }

    /// `batch.id` of templates.
    pub fn id(&self) -> String {
        self.label().replace('-', "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        parse_utc(text).expect("a time")
    }

    #[test]
    fn batches_begin_and_end_on_the_calendar() {
        for (name, text, truncated, next, before, ceiling, label) in [
            (
                "hour",
                "2024-09-17 16:06:00",
                "2024-09-17 16:00:00",
                "2024-09-17 17:00:00",
                "2024-09-17 15:00:00",
                "2024-09-17 17:00:00",
                "2024-09-17T16",
            ),
            (
                "day",
                "2024-03-01 00:00:00",
                "2024-03-01",
                "2024-03-02",
                "2024-02-29",
                "2024-03-01",
                "2024-03-01",
            ),
            (
                "month",
                "2024-01-31 16:06:00",
                "2024-01-01",
                "2024-02-01",
                "2023-12-01",
                "2024-02-01",
                "2024-01",
            ),
            (
                "year",
                "2024-02-29",
                "2024-01-01",
                "2025-01-01",
                "2023-01-01",
                "2025-01-01",
                "2024",
            ),
        ] {
            let size = BatchSize::named(name).expect("a size");
            let moment = at(text);
            assert_eq!(size.truncate(moment), at(truncated), "{name}");
            assert_eq!(size.offset(moment, 1), at(next), "{name}");
            assert_eq!(size.offset(moment, -1), at(before), "{name}");
            assert_eq!(size.ceiling(moment), at(ceiling), "{name}");
            let window = TimeWindow {
                start: size.truncate(moment),
                end: size.offset(moment, 1),
            };
            assert_eq!(Batch { size, window }.label(), label);
        }
    }

    #[test]
    fn a_sample_reaches_back_from_now() {
        let now = at("2024-03-31 12:30:00");
        let start = |text: &str| TimeWindow::sample(text, None, now).map(|window| window.start);
        assert_eq!(start("1 month"), Ok(at("2024-02-29 12:30:00")));
        assert_eq!(start("2 days"), Ok(at("2024-03-29 12:30:00")));
        assert_eq!(start("36 Hours"), Ok(at("2024-03-30 00:30:00")));
        assert!(start("two days").is_err_and(|reason| reason.contains("'two'")));
        assert!(start("2 weeks").is_err_and(|reason| reason.contains("Must be one of")));
        assert!(start("day").is_err_and(|reason| reason.contains("DAYS_INT GRAIN_SIZE")));
        let mapping = json!({"start": "2024-01-01", "end": "2024-01-02"});
        let window = TimeWindow::sample("", Some(&mapping), now).expect("a window");
        assert_eq!(
            window.condition("seen_at"),
            "seen_at >= '2024-01-01 00:00:00+00:00' and seen_at < '2024-01-02 00:00:00+00:00'"
        );
    }
}
