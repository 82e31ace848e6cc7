//! Words what commands do around their nodes: statements, printed text, mistakes of starting up.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::parse::{Details, Node, UniqueId};
use crate::run::{FreshnessResult, FreshnessStatus, Level, Position};

use super::artifact::Invocation;
use super::log_event::{LogEvent, node_info};

/// The command as it was typed and what it works with.
pub fn main_report_args(invocation: &Invocation, arguments: &Json) -> LogEvent {
    LogEvent::new(
        "MainReportArgs",
        "A002",
        Level::Debug,
        format!(
            "running msv {} with arguments {arguments}",
            invocation.command
        ),
    )
    .with_data(json!({"args": arguments}))
}

/// A statement goes to the server.
pub fn sql_query(sql: &str, node: Option<&Node>) -> LogEvent {
    let connection = node.map_or("master", |node| node.unique_id.as_str());
    LogEvent::new(
        "SQLQuery",
        "E016",
        Level::Debug,
        format!("On {connection}: {sql}"),
    )
    .with_data(with_node(
        json!({"conn_name": connection, "sql": sql}),
        node,
    ))
}

/// What the server said to a statement.
pub fn sql_query_status(status: &str, seconds: f64, node: Option<&Node>) -> LogEvent {
    LogEvent::new(
        "SQLQueryStatus",
        "E017",
        Level::Debug,
        format!("SQL status: {status} in {seconds:.3} seconds"),
    )
    .with_data(with_node(
        json!({"status": status, "elapsed": seconds}),
        node,
    ))
}

fn with_node(mut data: Json, node: Option<&Node>) -> Json {
    if let Some(node) = node {
        data["node_info"] = node_info(node, "executing", Some(Timestamp::now()), None);
    }
    data
}

/// Text of `print()`.
pub fn print_event(text: &str, node: Option<&UniqueId>) -> LogEvent {
    LogEvent::new("PrintEvent", "Z052", Level::Info, text.to_owned()).with_data(json!({
        "msg": text,
        "node_info": node.map(|id| json!({"unique_id": id})),
    }))
}

/// A source is asked how fresh it is.
pub fn freshness_start(node: &Node, position: Position) -> LogEvent {
    let description = format!("freshness of {}", source_name(node).join("."));
    LogEvent::new(
        "LogStartLine",
        "Q011",
        Level::Info,
        format!(
            "{} of {} START {description} [RUN]",
            position.index, position.total
        ),
    )
    .with_data(json!({
        "description": description,
        "index": position.index,
        "total": position.total,
        "node_info": node_info(node, "started", Some(Timestamp::now()), None),
    }))
}

/// How fresh a source is.
pub fn freshness_result(result: &FreshnessResult, position: Position) -> LogEvent {
    let (word, level) = match result.status {
        FreshnessStatus::Pass => ("PASS", Level::Info),
        FreshnessStatus::Warn => ("WARN", Level::Warn),
        FreshnessStatus::Error => ("ERROR STALE", Level::Error),
        FreshnessStatus::RuntimeError => ("ERROR", Level::Error),
    };
    let [source, table] = source_name(&result.node);
    let message = format!(
        "{} of {} {word} freshness of {source}.{table} [{word} in {:.2}s]",
        position.index, position.total, result.execution_seconds
    );
    LogEvent::new("LogFreshnessResult", "Q018", level, message).with_data(json!({
        "status": result.status.as_str(),
        "source_name": source,
        "table_name": table,
        "index": position.index,
        "total": position.total,
        "execution_time": result.execution_seconds,
        "node_info": node_info(&result.node, result.status.as_str(), None, Some(Timestamp::now())),
    }))
}

fn source_name(node: &Node) -> [&str; 2] {
    match &node.details {
        Details::Source(source) => [&source.source_name, &node.name],
        _ => ["", &node.name],
    }
}

/// What a command was asked to show: a name of dbt's event, its fields and its text.
pub fn output(name: &'static str, code: &'static str, text: String, data: Json) -> LogEvent {
    LogEvent::new(name, code, Level::Info, text).with_data(data)
}

/// A plain event of a command.
pub fn event(
    name: &'static str,
    code: &'static str,
    level: Level,
    text: String,
    data: Json,
) -> LogEvent {
    LogEvent::new(name, code, level, text).with_data(data)
}

/// Why a command could not start, in the form that readers of dbt's log look for:
///
/// ```text
/// Encountered an error:
/// Compilation Error
///   no model, seed or source is named `x`
/// ```
pub fn encountered_error(diagnostics: &[Diagnostic]) -> LogEvent {
    let mut text = String::new();
    for (index, diagnostic) in diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .enumerate()
    {
        if index == 0 {
            text.push_str(diagnostic.kind());
        }
        for line in diagnostic
            .plain_lines()
            .into_iter()
            .chain(dbt_words(diagnostic))
        {
            text.push_str("\n  ");
            text.push_str(&line);
        }
    }
    LogEvent::new(
        "MainEncounteredError",
        "Z002",
        Level::Error,
        format!("Encountered an error:\n{text}"),
    )
    .with_data(json!({"exc": text, "diagnostics": diagnostics}))
}

/// A diagnostic that belongs to no node's result.
pub fn diagnostic(diagnostic: &Diagnostic) -> LogEvent {
    let text = diagnostic.render(false);
    let (name, code, level) = if diagnostic.is_error() {
        ("MainEncounteredError", "Z002", Level::Error)
    } else {
        let name = diagnostic.event.unwrap_or("DiagnosticWarning");
        (name, event_code(name), Level::Warn)
    };
    LogEvent::new(name, code, level, text.clone())
        .with_data(json!({"exc": text, "msg": diagnostic.title, "diagnostic": diagnostic}))
}

/// The words in dbt's message that scripts search for, where ours are others.
fn dbt_words(diagnostic: &Diagnostic) -> Option<String> {
    let words = match diagnostic.code.trim_start_matches("MSV") {
        "0201" | "0202" => "it depends on a node which was not found",
        "0205" => "Found a cycle",
        _ => return None,
    };
    Some(words.to_owned())
}

/// dbt's code of a warning, where the warning is msv's own or a common one.
fn event_code(name: &str) -> &'static str {
    match name {
        "DiagnosticWarning" => "Z046",
        "NoNodesForSelectionCriteria" => "M030",
        "CustomKeyInConfigDeprecation" => "D023",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_failed_reads_as_dbt_words_it() {
        let first = Diagnostic::error("MSV0201", "no model is named `x`").help("write `y`");
        let second = Diagnostic::error("MSV0202", "a circle").note("a -> b\nb -> a");
        let warning = Diagnostic::warning("MSV0102", "a key");
        assert_eq!(
            encountered_error(&[warning, first, second]).message,
            "\
Encountered an error:
Compilation Error
  no model is named `x`
  help: write `y`
  it depends on a node which was not found
  a circle
  note: a -> b
  b -> a
  it depends on a node which was not found"
        );
    }
}
