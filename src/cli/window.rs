//! Reads `--event-time-start`, `--event-time-end` and `--sample` into stretches of time.

use serde_json::Value as Json;

use crate::diagnostics::Diagnostic;
use crate::jinja::clock;
use crate::parse::TimeWindow;
use crate::project::yaml;

use super::arguments::{WindowArgs, environment};

/// The stretches that a command builds and samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Windows {
    pub event_time: Option<TimeWindow>,
    pub sample: Option<TimeWindow>,
}

/// # Errors
///
/// A time that cannot be read, one end without the other, a window that ends before it begins.
pub(super) fn windows(args: &WindowArgs) -> Result<Windows, Diagnostic> {
    let start = args
        .event_time_start
        .clone()
        .or_else(|| environment("EVENT_TIME_START"));
    let end = args
        .event_time_end
        .clone()
        .or_else(|| environment("EVENT_TIME_END"));
    let event_time = match (start, end) {
        (None, None) => None,
        (Some(start), Some(end)) => Some(between(&start, &end)?),
        (start, _) => {
            let (given, other) = match start {
                Some(_) => ("--event-time-start", "--event-time-end"),
                None => ("--event-time-end", "--event-time-start"),
            };
            return Err(mistake(format!(
                "The flag `{given}` was specified, but `{other}` was not. When specifying \
                 `{given}`, `{other}` must also be present."
            )));
        }
    };
    let sample = args.sample.clone().or_else(|| environment("SAMPLE"));
    let sample = sample.map(|text| sample_of(&text)).transpose()?;
    Ok(Windows { event_time, sample })
}

fn between(start: &str, end: &str) -> Result<TimeWindow, Diagnostic> {
    let instant = |flag: &str, text: &str| {
        clock::parse_utc(text).ok_or_else(|| {
            mistake(format!("`{flag}` is no date or time: `{text}`"))
                .help("write 2024-03-10 or 2024-03-10T09:30:00, in UTC")
        })
    };
    let window = TimeWindow {
        start: instant("--event-time-start", start)?,
        end: instant("--event-time-end", end)?,
    };
    if window.start >= window.end {
        return Err(mistake(
            "Value for `--event-time-start` must be less than `--event-time-end`".to_owned(),
        ));
    }
    Ok(window)
}

fn sample_of(text: &str) -> Result<TimeWindow, Diagnostic> {
    let refused = |reason: String| {
        mistake(format!("`--sample` cannot be read: {reason}"))
            .help("write --sample '3 days', or --sample '{start: 2024-03-01, end: 2024-03-10}'")
    };
    let mapping: Option<Json> = match text.trim_start().starts_with('{') {
        true => Some(yaml::from_str_value(text).map_err(|error| refused(error.to_string()))?),
        false => None,
    };
    TimeWindow::sample(text, mapping.as_ref(), clock::now()).map_err(refused)
}

fn mistake(title: String) -> Diagnostic {
    Diagnostic::error("MSV0330", title)
}
