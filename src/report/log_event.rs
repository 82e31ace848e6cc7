//! An event for programs: one JSON object a line, in the shape of dbt's structured log.
//!
//! What a run says of its nodes is worded in [`node_event`](super::node_event), what commands say
//! in [`command_event`](super::command_event).

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::run::Level;

use super::artifact::Invocation;
use super::event_code::event_code;
use super::lines;

/// One event, not yet written.
#[derive(Clone, Debug)]
pub struct LogEvent {
    pub name: &'static str,
    pub level: Level,
    pub message: String,
    pub thread: String,
    pub data: Json,
}

/// Whether an event is told with its fields. The log on disk is text unless somebody asks for JSON,
/// and of a thousand nodes the fields take longer than all of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    Told,
    Untold,
}

impl Fields {
    /// The fields, where they are told.
    pub(super) fn of(self, fields: impl FnOnce() -> Json) -> Json {
        match self {
            Fields::Told => fields(),
            Fields::Untold => Json::Null,
        }
    }
}

impl LogEvent {
    pub(super) fn new(name: &'static str, level: Level, message: String) -> LogEvent {
        LogEvent {
            name,
            level,
            message,
            thread: this_thread(),
            data: json!({}),
        }
    }

    pub(super) fn with_data(mut self, data: Json) -> LogEvent {
        self.data = data;
        self
    }

    /// True for output that somebody asked for, which is shown as it is and at every level.
    pub fn is_output(&self) -> bool {
        matches!(
            self.name,
            "PrintEvent" | "ShowNode" | "CompiledNode" | "ListCmdOut"
        )
    }

    /// The event as a line of text: behind the time of day, unless it is output.
    pub fn text_line(&self) -> String {
        if self.is_output() {
            return self.message.clone();
        }
        format!("{}  {}", lines::clock(), self.message)
            .trim_end()
            .to_owned()
    }

    /// The event as one line of JSON.
    pub fn to_line(&self, invocation: &Invocation) -> String {
        json!({
            "data": self.data,
            "info": {
                "category": "",
                "code": event_code(self.name),
                "extra": {},
                "invocation_id": invocation.id,
                "level": self.level,
                "msg": self.message,
                "name": self.name,
                "pid": std::process::id(),
                "thread": self.thread,
                "ts": timestamp(Timestamp::now()),
            },
        })
        .to_string()
    }
}

/// The thread as dbt names it; connections have threads of their own.
fn this_thread() -> String {
    match std::thread::current().name() {
        Some(name) if name.starts_with("Thread-") => name.to_owned(),
        _ => "MainThread".to_owned(),
    }
}

/// `2026-01-31T12:34:56.123456Z`.
pub fn timestamp(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// `12:34:56.123456`, of the same moment.
pub(super) fn time_of_day(at: Timestamp) -> String {
    let whole = timestamp(at);
    let (_, time) = whole.split_once('T').unwrap_or(("", &whole));
    time.trim_end_matches('Z').to_owned()
}

/// The first event of every command.
pub fn main_report_version(version: &str) -> LogEvent {
    LogEvent::new(
        "MainReportVersion",
        Level::Info,
        format!("Running with msv={version}"),
    )
    .with_data(json!({"version": format!("={version}"), "log_version": 3}))
}

/// How many threads work on which target.
pub fn concurrency(nodes: usize, threads: usize, target: &str) -> LogEvent {
    LogEvent::new(
        "ConcurrencyLine",
        Level::Info,
        format!("Concurrency: {threads} threads (target='{target}')"),
    )
    .with_data(json!({"num_threads": threads, "target_name": target, "node_count": nodes}))
}

/// The last event of a command.
pub fn command_completed(command: &str, is_success: bool, seconds: f64) -> LogEvent {
    let word = if is_success { "succeeded" } else { "failed" };
    LogEvent::new(
        "CommandCompleted",
        Level::Debug,
        format!("Command `msv {command}` {word} after {seconds:.2} seconds"),
    )
    .with_data(json!({
        "command": format!("msv {command}"),
        "success": is_success,
        "elapsed": seconds,
        "completed_at": timestamp(Timestamp::now()),
    }))
}

/// A line of text from a template of a node, or of the command itself.
pub fn message(level: Level, text: &str, node_info: Option<Json>) -> LogEvent {
    let name = match (&node_info, level) {
        (None, _) => "Note",
        (_, Level::Warn) => "JinjaLogWarning",
        (_, Level::Debug) => "JinjaLogDebug",
        (_, Level::Info | Level::Error) => "JinjaLogInfo",
    };
    LogEvent::new(name, level, text.to_owned()).with_data(json!({
        "msg": text,
        "node_info": node_info,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_six_digits_behind_its_second() {
        let moment: Timestamp = "2026-01-31T12:34:56.1234567Z".parse().expect("a moment");
        assert_eq!(timestamp(moment), "2026-01-31T12:34:56.123456Z");
        assert_eq!(time_of_day(moment), "12:34:56.123456");
        let whole: Timestamp = "2026-01-31T00:00:00Z".parse().expect("a moment");
        assert_eq!(timestamp(whole), "2026-01-31T00:00:00.000000Z");
    }
}
