//! Words what happens to the nodes of a run for programs, in the messages and fields of dbt's log.
//!
//! Airflow's Cosmos and Dagster read `info.name`, `data.node_info` and `data.run_result`.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::parse::{Details, Node, ResourceType, UniqueId};
use crate::run::{Event, Level, NodeResult, Position, Status, Timing};

use super::lines;
use super::log_event::{Fields, LogEvent, timestamp};
use super::summary::{self, Counts, plural};

/// Columns up to which names are followed by dots: dbt's default width of a log line.
const PRINTER_WIDTH: usize = 80;

/// A line of dbt's about one node: `3 of 14 OK created sql view model a.b .... [CREATE VIEW in 0.01s]`.
pub(super) fn fancy(
    position: Position,
    message: &str,
    status: &str,
    seconds: Option<f64>,
) -> String {
    let mut line = format!("{} of {} {message} ", position.index, position.total);
    let missing = PRINTER_WIDTH.saturating_sub(line.chars().count());
    line.push_str(&".".repeat(missing));
    match seconds {
        Some(seconds) => format!("{line} [{status} in {seconds:.2}s]"),
        None => format!("{line} [{status}]"),
    }
}

/// A node begins.
pub fn node_start(node: &Node, fields: Fields) -> LogEvent {
    let info = || node_info(node, "started", Some(Timestamp::now()), None);
    let text = format!("Began running node {}", node.unique_id);
    LogEvent::new("NodeStart", Level::Debug, text)
        .with_data(fields.of(|| json!({"node_info": info()})))
}

/// A node begins, with its position.
pub fn log_start_line(node: &Node, position: Position, fields: Fields) -> LogEvent {
    let info = || node_info(node, "started", Some(Timestamp::now()), None);
    let (index, total) = (position.index, position.total);
    if node.resource_type == ResourceType::Operation {
        let statement = hook_name(node);
        let text = fancy(position, &format!("START hook: {statement}"), "RUN", None);
        return LogEvent::new("LogHookStartLine", Level::Info, text).with_data(fields.of(|| {
            json!({
                "statement": statement,
                "index": index,
                "total": total,
                "node_info": info(),
            })
        }));
    }
    let description = description(node);
    let text = fancy(position, &format!("START {description}"), "RUN", None);
    LogEvent::new("LogStartLine", Level::Info, text).with_data(fields.of(|| {
        json!({
            "description": description,
            "index": index,
            "total": total,
            "node_info": info(),
        })
    }))
}

/// A piece of a microbatch model begins or ends.
pub fn batch(event: &Event) -> Option<LogEvent> {
    let message = lines::batch_line(event)?;
    let (name, level, node, label, position, status) = match event {
        Event::BatchStarted {
            node,
            batch,
            position,
        } => (
            "LogStartBatch",
            Level::Info,
            node,
            batch.label(),
            position,
            Status::Success,
        ),
        Event::BatchFinished {
            node,
            batch,
            position,
            status,
            ..
        } => {
            let level = match status {
                Status::Error => Level::Error,
                _ => Level::Info,
            };
            let label = batch.label();
            ("LogBatchResult", level, node, label, position, *status)
        }
        _ => return None,
    };
    let mut data = json!({
        "description": format!("batch {label} of {}", lines::display_name(node)),
        "status": status.as_str(),
        "batch_index": position.index,
        "total_batches": position.total,
        "node_info": node_info(node, status.as_str(), None, None),
    });
    if let Event::BatchFinished { seconds, .. } = event {
        data["execution_time"] = json!(seconds);
    }
    Some(LogEvent::new(name, level, message).with_data(data))
}

/// The phases a node went through, then its outcome by kind, then its end.
pub fn node_end(result: &NodeResult, position: Position, fields: Fields) -> Vec<LogEvent> {
    let mut events = Vec::new();
    for timing in &result.timing {
        let (name, status) = match timing.name {
            "compile" => ("NodeCompiling", "compiling"),
            _ => ("NodeExecuting", "executing"),
        };
        let info = || node_info(&result.node, status, Some(timing.started_at), None);
        let message = format!("Began {status} node {}", result.node.unique_id);
        events.push(
            LogEvent::new(name, Level::Debug, message)
                .with_data(fields.of(|| json!({"node_info": info()}))),
        );
    }
    events.push(outcome(result, position, fields));
    let text = format!("Finished running node {}", result.node.unique_id);
    events.push(
        LogEvent::new("NodeFinished", Level::Debug, text).with_data(fields.of(|| {
            json!({
                "node_info": result_info(result),
                "run_result": run_result(result),
            })
        })),
    );
    for event in &mut events {
        event.thread = result.thread_id();
    }
    events
}

/// How a node ended: each kind has an event of its own in dbt's log.
fn outcome(result: &NodeResult, position: Position, fields: Fields) -> LogEvent {
    let node = &result.node;
    let level = match result.status {
        Status::Warn => Level::Warn,
        status if status.is_failure() => Level::Error,
        _ => Level::Info,
    };
    let is_error = result.status == Status::Error;
    let message = result.message.lines().next().unwrap_or_default();
    let described = description(node);
    // What the outcome is called, what stands in the brackets, and the fields of its own.
    let (name, words, status, mut data) = match (result.status, node.resource_type) {
        (Status::Skipped, kind) => {
            let what = match kind {
                ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot => {
                    format!("SKIP relation {}.{}", node.schema, node.name)
                }
                kind => format!("SKIP {} {}", kind.as_str(), node.name),
            };
            let data = fields.of(|| {
                json!({"resource_type": kind.as_str(), "schema": node.schema, "node_name": node.name})
            });
            ("SkippingDetails", what, "SKIP".to_owned(), data)
        }
        (Status::NoOp, _) => {
            let words = format!("NO-OP {described}");
            let data = fields.of(|| json!({"description": described, "status": "no-op"}));
            ("LogNodeNoOpResult", words, "NO-OP".to_owned(), data)
        }
        (status, ResourceType::Test | ResourceType::UnitTest) => {
            let failures = result.failures.unwrap_or(0);
            let words = match status {
                Status::Warn => format!("WARN {failures}"),
                Status::Fail => format!("FAIL {failures}"),
                status => status.as_str().to_uppercase(),
            };
            let data = fields.of(|| {
                json!({
                    "name": node.name,
                    "status": status.as_str(),
                    "num_failures": failures,
                    "num_models": position.total,
                    "attached_node": attached_node(node),
                })
            });
            let line = format!("{words} {}", node.name);
            ("LogTestResult", line, words, data)
        }
        (status, ResourceType::Operation) => {
            let statement = hook_name(node);
            let word = if is_error { "ERROR" } else { "OK" };
            let words = format!("{word} hook: {statement}");
            let data = fields.of(|| json!({"statement": statement, "status": status.as_str()}));
            ("LogHookEndLine", words, word.to_owned(), data)
        }
        (status, kind) => {
            let (name, [failed, done]) = match kind {
                ResourceType::Seed => ("LogSeedResult", ["ERROR loading", "OK loaded"]),
                ResourceType::Snapshot => (
                    "LogSnapshotResult",
                    ["ERROR snapshotting", "OK snapshotted"],
                ),
                ResourceType::Function => ("LogFunctionResult", ["ERROR creating", "OK created"]),
                _ => ("LogModelResult", ["ERROR creating", "OK created"]),
            };
            let word = match status {
                Status::Error => failed,
                Status::PartialSuccess => "PARTIALLY created",
                _ => done,
            };
            let shown = match is_error {
                true => "ERROR",
                false => message,
            };
            let status = match kind {
                ResourceType::Model if !is_error => message,
                _ => status.as_str(),
            };
            let data = fields.of(|| match kind {
                ResourceType::Seed => json!({
                    "schema": node.schema,
                    "relation": node.alias,
                    "result_message": message,
                    "status": status,
                }),
                ResourceType::Snapshot => json!({
                    "description": described,
                    "cfg": node.config.iter().collect::<IndexMap<_, _>>(),
                    "result_message": message,
                    "status": status,
                }),
                _ => json!({"description": described, "status": status}),
            });
            (name, format!("{word} {described}"), shown.to_owned(), data)
        }
    };
    let seconds = (result.status != Status::Skipped).then_some(result.execution_seconds);
    if fields == Fields::Told {
        data["index"] = json!(position.index);
        if name != "LogTestResult" {
            data["total"] = json!(position.total);
        }
        if let Some(seconds) = seconds {
            data["execution_time"] = json!(seconds);
        }
        data["node_info"] = result_info(result);
    }
    LogEvent::new(name, level, fancy(position, &words, &status, seconds)).with_data(data)
}

/// `shop.on-run-start.0` of the operation `shop-on-run-start-0`.
fn hook_name(node: &Node) -> String {
    let package = &node.package_name;
    let own = node
        .name
        .strip_prefix(package.as_str())
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.rsplit_once('-'));
    match own {
        Some((moment, index)) => format!("{package}.{moment}.{index}"),
        None => node.name.clone(),
    }
}

/// The model, seed, snapshot or source that a generic test is about.
fn attached_node(node: &Node) -> Option<&UniqueId> {
    match &node.details {
        Details::GenericTest(test) => test.attached_node.as_ref(),
        _ => None,
    }
}

/// The end of a run: failures and warnings, what ran, how long it took, the count.
pub fn run_end(results: &[Arc<NodeResult>], seconds: f64) -> Vec<LogEvent> {
    let counts = Counts::of(results);
    let running = lines::finished_running(results, seconds);
    let is_partial = |result: &&Arc<NodeResult>| result.status == Status::PartialSuccess;
    let partial = results.iter().filter(is_partial).count();
    let mut events = vec![
        LogEvent::new("FinishedRunningStats", Level::Info, running).with_data(json!({
            "execution_time": seconds,
            "execution": format!(" in {}", summary::elapsed(seconds)),
            "stat_line": summary::kinds(results),
        })),
        LogEvent::new("EndOfRunSummary", Level::Info, verdict(&counts, partial)).with_data(json!({
            "num_errors": counts.error - partial,
            "num_warnings": counts.warn,
            "num_partial_success": partial,
            "keyboard_interrupt": false,
        })),
    ];
    for result in results {
        if result.status == Status::Warn || result.status.is_failure() {
            events.extend(failure(result));
        }
    }
    events.push(
        LogEvent::new("StatsLine", Level::Info, counts.to_string()).with_data(json!({
            "stats": {
                "pass": counts.pass,
                "warn": counts.warn,
                "error": counts.error,
                "skip": counts.skip,
                "noop": counts.no_op,
                "total": counts.total(),
            },
        })),
    );
    events
}

fn verdict(counts: &Counts, partial: usize) -> String {
    let errors = plural(counts.error - partial, "error");
    let warnings = plural(counts.warn, "warning");
    let partially = match partial {
        1 => "1 partial success".to_owned(),
        _ => format!("{partial} partial successes"),
    };
    if counts.error > partial {
        format!("Completed with {errors}, {partially}, and {warnings}:")
    } else if partial > 0 {
        format!("Completed with {partially} and {warnings}")
    } else if counts.warn > 0 {
        format!("Completed with {warnings}:")
    } else {
        "Completed successfully".to_owned()
    }
}

fn failure(result: &NodeResult) -> Vec<LogEvent> {
    let node = &result.node;
    let info = result_info(result);
    let (names, level) = match result.status {
        Status::Warn => (["RunResultWarning", "RunResultWarningMessage"], Level::Warn),
        _ => (["RunResultFailure", "RunResultError"], Level::Error),
    };
    let mut events = vec![
        LogEvent::new(names[0], level, lines::heading(result)).with_data(json!({
            "node_name": node.name,
            "path": node.original_file_path,
            "resource_type": node.resource_type.as_str(),
            "node_info": info.clone(),
        })),
    ];
    let message = result.full_message();
    if message.is_empty() {
        let status = result.status.as_str();
        let text = format!("  Status: {status}");
        events.push(
            LogEvent::new("RunResultErrorNoMessage", level, text)
                .with_data(json!({"status": status, "node_info": info.clone()})),
        );
    } else {
        let text = match &result.diagnostic {
            Some(diagnostic) => diagnostic.render(false),
            None => message.clone(),
        };
        events.push(
            LogEvent::new(names[1], level, format!("  {message}")).with_data(json!({
                "msg": message,
                "diagnostic": result.diagnostic,
                "text": text,
                "node_info": info.clone(),
            })),
        );
    }
    if let Some(path) = &result.compiled_path {
        let text = format!("  compiled code at {path}");
        let data = json!({"path": path, "node_info": info.clone()});
        events.push(LogEvent::new("SQLCompiledPath", Level::Info, text).with_data(data));
    }
    if node.resource_type == ResourceType::Test
        && result.status != Status::Error
        && let Some(relation) = node.relation_name()
    {
        let query = format!("select * from {relation}");
        let rule = "-".repeat(query.len());
        let text = format!("  See test failures:\n  {rule}\n  {query}\n  {rule}");
        events.push(
            LogEvent::new("CheckNodeTestFailure", Level::Info, text)
                .with_data(json!({"relation_name": relation, "node_info": info})),
        );
    }
    events
}

fn description(node: &Node) -> String {
    let kind = match node.resource_type {
        ResourceType::Model => format!("sql {} model", node.config.materialized()),
        ResourceType::Seed => "seed file".to_owned(),
        ResourceType::Test => "test".to_owned(),
        ResourceType::SavedQuery => "saved query".to_owned(),
        other => other.as_str().to_owned(),
    };
    format!("{kind} {}", lines::display_name(node))
}

fn result_info(result: &NodeResult) -> Json {
    let started = result.timing.first().map(|timing| timing.started_at);
    let finished = result.timing.last().map(|timing| timing.completed_at);
    node_info(
        &result.node,
        result.status.as_str(),
        started,
        Some(finished.unwrap_or_else(Timestamp::now)),
    )
}

pub(super) fn node_info(
    node: &Node,
    status: &str,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
) -> Json {
    json!({
        "node_path": node.path,
        "node_name": node.name,
        "unique_id": node.unique_id,
        "resource_type": node.resource_type.as_str(),
        "materialized": node.config.str("materialized").unwrap_or_default(),
        "node_status": status,
        "node_started_at": started.map(timestamp).unwrap_or_default(),
        "node_finished_at": finished.map(timestamp).unwrap_or_default(),
        "meta": node.config.get("meta").cloned().unwrap_or_else(|| json!({})),
        "node_relation": {
            "database": node.database,
            "schema": node.schema,
            "alias": node.alias,
            "relation_name": node.relation_name().unwrap_or_default(),
        },
        "node_checksum": node.checksum,
    })
}

/// What took how long, as artifacts and events have it.
pub(super) fn timings(timing: &[Timing]) -> Vec<Json> {
    let one = |timing: &Timing| {
        json!({
            "name": timing.name,
            "started_at": timestamp(timing.started_at),
            "completed_at": timestamp(timing.completed_at),
        })
    };
    timing.iter().map(one).collect()
}

fn run_result(result: &NodeResult) -> Json {
    let timing = timings(&result.timing);
    json!({
        "status": result.status.as_str(),
        "message": result.full_message(),
        "timing_info": timing,
        "thread": result.thread_id(),
        "execution_time": result.execution_seconds,
        "adapter_response": result.adapter_response,
        "num_failures": result.failures.unwrap_or(0),
    })
}
