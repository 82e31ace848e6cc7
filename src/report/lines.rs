//! Words a run for people: one line a node, then failures and warnings, then the count.
//!
//! Everything here returns text; [`console`](super::console) prints it.

use std::sync::Arc;

use jiff::Zoned;

use crate::parse::{Node, ResourceType};
use crate::run::{Event, NodeResult, Position, Status, UNCHANGED};

use super::summary::{Counts, elapsed, kinds, plural};

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub has_colours: bool,
    /// Columns a line may take; names are padded to fill it.
    pub width: usize,
    /// Long names lose their middle, so that a line fits a terminal; nothing is lost in a pipe.
    pub shortens_names: bool,
}

/// The meanings that have a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Warning,
    Bad,
    Faint,
    Plain,
}

impl Style {
    /// Puts text in the colour of its meaning.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Plain => return text.to_owned(),
        };
        if self.has_colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The time of day as it stands in front of every line.
pub fn clock() -> String {
    let now = Zoned::now();
    let (hour, minute, second) = (now.hour(), now.minute(), now.second());
    format!("{hour:02}:{minute:02}:{second:02}")
}

/// What is built, tested or loaded: `table`, `incremental`, `seed`, `data test`.
pub fn kind(node: &Node) -> String {
    match node.resource_type {
        ResourceType::Model => node.config.materialized().replace('_', " "),
        ResourceType::Test => "data test".to_owned(),
        ResourceType::UnitTest => "unit test".to_owned(),
        ResourceType::Operation => "hook".to_owned(),
        ResourceType::SavedQuery => "saved query".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// The name a person knows the node by: where it is built, or what the test is called.
pub fn display_name(node: &Node) -> String {
    match &node.relation {
        Some(relation)
            if node.resource_type.is_refable() || node.resource_type == ResourceType::Function =>
        {
            format!("{}.{}", relation.schema_name(), relation.name())
        }
        _ => node.search_name(),
    }
}

/// What stands between name and time in a finished line.
fn measure(result: &NodeResult) -> String {
    let rows = result
        .rows
        .filter(|_| result.status == Status::Success && result.node.resource_type.is_refable());
    match rows {
        Some(1) => "1 row".to_owned(),
        Some(rows) => format!("{} rows", grouped(rows)),
        None if result.adapter_response["code"] == UNCHANGED => "unchanged".to_owned(),
        None => String::new(),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    if number < 0 {
        out.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `0.12s`, `1m 05s`, `2h 03m`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if seconds < 59.995 {
        format!("{seconds:.2}s")
    } else if whole < 3600 {
        format!("{}m {:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h {:02}m", whole / 3600, whole % 3600 / 60)
    }
}

/// How a piece of a microbatch model ended, in dbt's words:
/// `Batch 2 of 3 OK created batch 2024-03-10 of marts.fct_trades [MERGE 7 in 0.05s]`.
pub fn batch_line(event: &Event) -> Option<String> {
    let (node, batch, position, end) = match event {
        Event::BatchStarted {
            node,
            batch,
            position,
        } => (node, batch, position, ("START", "[RUN]".to_owned())),
        Event::BatchFinished {
            node,
            batch,
            position,
            status,
            message,
            seconds,
        } => {
            let seconds = duration(*seconds);
            let end = match status {
                Status::Error => ("ERROR creating", format!("[ERROR in {seconds}]: {message}")),
                Status::Skipped => ("SKIP", "[SKIP]".to_owned()),
                _ => ("OK created", format!("[{message} in {seconds}]")),
            };
            (node, batch, position, end)
        }
        _ => return None,
    };
    Some(format!(
        "Batch {} of {} {} batch {} of {} {}",
        position.index,
        position.total,
        end.0,
        batch.label(),
        display_name(node),
        end.1
    ))
}

fn status_word(result: &NodeResult) -> (String, Tone) {
    let count = result.failures.filter(|count| *count > 0);
    let counted = |word: &str| match count {
        Some(count) => format!("{word} {}", grouped(count)),
        None => word.to_owned(),
    };
    match result.status {
        Status::Success if !result.rejected_by.is_empty() => ("REJECTED".to_owned(), Tone::Bad),
        Status::Success => ("OK".to_owned(), Tone::Good),
        Status::Pass => ("PASS".to_owned(), Tone::Good),
        Status::Warn => (counted("WARN"), Tone::Warning),
        Status::Fail => (counted("FAIL"), Tone::Bad),
        Status::Error => ("ERROR".to_owned(), Tone::Bad),
        Status::PartialSuccess => ("PARTIAL".to_owned(), Tone::Bad),
        Status::Skipped => ("SKIP".to_owned(), Tone::Warning),
        Status::NoOp => ("NO-OP".to_owned(), Tone::Faint),
    }
}

/// The line of a finished node, without the time of day:
/// ` 3 of 14  OK       table        marts.fct_alerts ............ 42 rows    0.12s`.
pub fn finished_line(style: Style, result: &NodeResult, position: Position) -> String {
    let digits = position.total.to_string().len();
    let index = format!("{:>digits$} of {}", position.index, position.total);
    let (word, tone) = status_word(result);
    let kind = kind(&result.node);
    let mut name = display_name(&result.node);
    let seconds = match result.status {
        Status::Skipped | Status::NoOp => String::new(),
        _ => duration(result.execution_seconds),
    };
    let tail = format!("{:>12} {seconds:>8}", measure(result));
    let head_width = index.len() + word.len().max(8) + kind.len().max(11) + 5;
    // The clock and its two spaces come in front.
    let space = style.width.saturating_sub(10 + head_width + tail.len() + 2);
    if style.shortens_names {
        name = shortened(&name, space.saturating_sub(3).max(12));
    }
    let room = space.saturating_sub(name.chars().count());
    let dots = style.paint(Tone::Faint, &".".repeat(room.max(3)));
    let word = style.paint(tone, &format!("{word:<8}"));
    let line = format!("{index}  {word} {kind:<11}  {name} {dots} {tail}");
    line.trim_end().to_owned()
}

/// The line of a source: `1 of 3 PASS freshness of raw.orders ........ [PASS in 0.02s]`, of which
/// only the end is coloured, since programs look for its beginning.
pub fn freshness_line(style: Style, message: &str, tone: Tone) -> String {
    match message.rsplit_once(" [") {
        Some((head, end)) => {
            let head = head.trim_end_matches('.').trim_end();
            let room = style
                .width
                .saturating_sub(10 + head.chars().count() + end.len() + 4);
            let dots = style.paint(Tone::Faint, &".".repeat(room.max(3)));
            format!("{head} {dots} {}", style.paint(tone, &format!("[{end}")))
        }
        None => message.to_owned(),
    }
}

/// Cuts the middle out of a name that is longer than `limit` characters.
fn shortened(name: &str, limit: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= limit {
        return name.to_owned();
    }
    let tail = (limit - 1) / 3;
    let head = limit - 1 - tail;
    let start: String = letters[..head].iter().collect();
    let end: String = letters[letters.len() - tail..].iter().collect();
    format!("{start}…{end}")
}

/// What a run begins with.
pub fn started_line(nodes: usize, threads: usize, target: &str) -> String {
    format!(
        "Running {} on target `{target}`, {} at a time",
        plural(nodes, "node"),
        threads.min(nodes.max(1))
    )
}

/// One line with what ran and how long it took.
pub fn finished_running(results: &[Arc<NodeResult>], seconds: f64) -> String {
    let what = match results.len() {
        0 => "nothing".to_owned(),
        _ => kinds(results),
    };
    format!("Finished running {what} in {}.", elapsed(seconds))
}

/// The heading of a failure or warning at the end of a run. Airflow's Cosmos reads the form
/// `Warning in test NAME (PATH)`.
pub fn heading(result: &NodeResult) -> String {
    match (&result.diagnostic, result.status) {
        (_, Status::Warn) => format!("Warning in {}", named(result)),
        (Some(diagnostic), Status::Error) => {
            format!("{} in {}", diagnostic.kind(), named(result))
        }
        _ => format!("Failure in {}", named(result)),
    }
}

fn named(result: &NodeResult) -> String {
    let node = &result.node;
    format!(
        "{} {} ({})",
        node.resource_type.as_str(),
        node.name,
        node.original_file_path
    )
}

/// The body of a failure or warning: the message, then the diagnostic with its excerpt.
pub fn explanation(style: Style, result: &NodeResult) -> String {
    let mut parts = Vec::new();
    match &result.diagnostic {
        Some(diagnostic) => {
            parts.push(diagnostic.render(style.has_colours));
        }
        None if result.message.is_empty() => {
            parts.push(format!("  Status: {}", result.status.as_str()));
        }
        None => parts.push(indented(&result.message)),
    }
    parts.join("\n")
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

/// How many failed, in one sentence, or that all is well.
pub fn verdict(results: &[Arc<NodeResult>]) -> (String, Tone) {
    let counts = Counts::of(results);
    let warnings = plural(counts.warn, "warning");
    if counts.error > 0 {
        let errors = plural(counts.error, "error");
        (
            format!("Completed with {errors} and {warnings}:"),
            Tone::Bad,
        )
    } else if counts.warn > 0 {
        (format!("Completed with {warnings}:"), Tone::Warning)
    } else {
        ("Completed successfully".to_owned(), Tone::Good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("not_null_orders_id", 18), "not_null_orders_id");
        assert_eq!(
            shortened("not_null_orders_customer_id", 16),
            "not_null_o…er_id"
        );
        assert_eq!(
            shortened("not_null_orders_customer_id", 16).chars().count(),
            16
        );
    }

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        assert_eq!(grouped(42), "42");
        assert_eq!(duration(0.123), "0.12s");
        assert_eq!(duration(65.2), "1m 05s");
        assert_eq!(duration(7_380.0), "2h 03m");
        assert_eq!(
            elapsed(3_671.5),
            "1 hours 1 minutes and 11.50 seconds (3671.50s)"
        );
    }
}
