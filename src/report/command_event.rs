//! Words what commands do around their nodes: statements, printed text, mistakes of starting up.

use std::path::Path;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::parse::{Details, Node};
use crate::run::{FreshnessResult, FreshnessStatus, Level, Position};

use super::artifact::Invocation;
use super::log_event::{Fields, LogEvent};
use super::node_event::{fancy, node_info};
use super::resources::Resources;
use super::summary::plural;

/// The command as it was typed and what it works with.
pub fn main_report_args(invocation: &Invocation, arguments: &Json) -> LogEvent {
    LogEvent::new(
        "MainReportArgs",
        Level::Debug,
        format!(
            "running msv {} with arguments {arguments}",
            invocation.command
        ),
    )
    .with_data(json!({"args": arguments}))
}

/// What msv works with in place of dbt's adapter.
pub fn adapter_registered() -> LogEvent {
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("Registered adapter: postgres={version}");
    LogEvent::new("AdapterRegistered", Level::Info, text)
        .with_data(json!({"adapter_name": "postgres", "adapter_version": format!("={version}")}))
}

/// What the project holds: `5 models, 20 data tests, 2 sources, 467 macros`.
pub fn found_stats(nodes: &mut dyn Iterator<Item = &Node>, macros: usize) -> LogEvent {
    let mut counts: IndexMap<&'static str, usize> = IndexMap::new();
    for node in nodes {
        *counts.entry(node.resource_type.as_str()).or_default() += 1;
    }
    counts.insert("macro", macros);
    let parts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| match *kind {
            "test" => plural(*count, "data test"),
            "saved_query" if *count != 1 => format!("{count} saved queries"),
            kind => plural(*count, &kind.replace('_', " ")),
        })
        .collect();
    let line = parts.join(", ");
    LogEvent::new("FoundStats", Level::Info, format!("Found {line}"))
        .with_data(json!({"stat_line": line}))
}

/// A file of the target folder was written.
pub fn artifact_written(kind: &str, path: &Path) -> LogEvent {
    let path = path.display().to_string();
    let text = format!("Wrote artifact {kind} to {path}");
    LogEvent::new("ArtifactWritten", Level::Debug, text)
        .with_data(json!({"artifact_type": kind, "artifact_path": path}))
}

/// What the command cost.
pub fn resource_report(
    command: &str,
    is_success: bool,
    seconds: f64,
    used: &Resources,
    level: Level,
) -> LogEvent {
    let data = json!({
        "command_name": command,
        "command_success": is_success,
        "command_wall_clock_time": seconds,
        "process_user_time": used.user_seconds,
        "process_kernel_time": used.kernel_seconds,
        "process_mem_max_rss": used.memory_peak_kib,
    });
    LogEvent::new("ResourceReport", level, format!("Resource report: {data}")).with_data(data)
}

/// A statement goes to the server.
pub fn sql_query(sql: &str, node: Option<&Node>, fields: Fields) -> LogEvent {
    let connection = node.map_or("master", |node| node.unique_id.as_str());
    let text = format!("On {connection}: {sql}");
    LogEvent::new("SQLQuery", Level::Debug, text)
        .with_data(fields.of(|| with_node(json!({"conn_name": connection, "sql": sql}), node)))
}

/// What the server said to a statement.
pub fn sql_query_status(
    status: &str,
    seconds: f64,
    node: Option<&Node>,
    fields: Fields,
) -> LogEvent {
    let text = format!("SQL status: {status} in {seconds:.3} seconds");
    LogEvent::new("SQLQueryStatus", Level::Debug, text).with_data(fields.of(|| {
        let data = json!({"status": status, "elapsed": seconds, "query_id": ""});
        with_node(data, node)
    }))
}

fn with_node(mut data: Json, node: Option<&Node>) -> Json {
    if let Some(node) = node {
        data["node_info"] = node_info(node, "executing", Some(Timestamp::now()), None);
    }
    data
}

/// Text of `print()`.
pub fn print_event(text: &str, node_info: Option<Json>) -> LogEvent {
    LogEvent::new("PrintEvent", Level::Info, text.to_owned()).with_data(json!({
        "msg": text,
        "node_info": node_info,
    }))
}

/// A source is asked how fresh it is.
pub fn freshness_start(node: &Node, position: Position) -> LogEvent {
    let description = format!("freshness of {}", source_name(node).join("."));
    LogEvent::new(
        "LogStartLine",
        Level::Info,
        fancy(position, &format!("START {description}"), "RUN", None),
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
    LogEvent::new("LogFreshnessResult", level, message).with_data(json!({
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
pub fn output(name: &'static str, text: String, data: Json) -> LogEvent {
    LogEvent::new(name, Level::Info, text).with_data(data)
}

/// A plain event of a command.
pub fn event(name: &'static str, level: Level, text: String, data: Json) -> LogEvent {
    LogEvent::new(name, level, text).with_data(data)
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
        Level::Error,
        format!("Encountered an error:\n{text}"),
    )
    .with_data(json!({"exc": text, "diagnostics": diagnostics}))
}

/// A diagnostic that belongs to no node's result.
pub fn diagnostic(diagnostic: &Diagnostic) -> LogEvent {
    let text = diagnostic.render(false);
    let (name, level) = match diagnostic.is_error() {
        true => (
            diagnostic.event.unwrap_or("MainEncounteredError"),
            Level::Error,
        ),
        false => (diagnostic.event.unwrap_or("DiagnosticWarning"), Level::Warn),
    };
    LogEvent::new(name, level, text.clone())
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
