//! Words a run for programs: one JSON object a line, in the shape of dbt's structured log.
//!
//! Airflow's Cosmos and Dagster read `info.name`, `data.node_info` and `data.run_result`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::parse::{Node, ResourceType};
use crate::run::{Event, Level, NodeResult, Position, Status};

use super::artifact::Invocation;
use super::lines;
use super::summary::Counts;

/// One event, not yet written.
#[derive(Clone, Debug)]
pub struct LogEvent {
    pub name: &'static str,
    /// dbt's code of the event, where it has one.
    pub code: &'static str,
    pub level: Level,
    pub message: String,
    pub thread: String,
    pub data: Json,
}

impl LogEvent {
    pub(super) fn new(
        name: &'static str,
        code: &'static str,
        level: Level,
        message: String,
    ) -> LogEvent {
        LogEvent {
            name,
            code,
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
                "code": self.code,
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
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The first event of every command.
pub fn main_report_version(version: &str) -> LogEvent {
    LogEvent::new(
        "MainReportVersion",
        "A001",
        Level::Info,
        format!("Running with msv={version}"),
    )
    .with_data(json!({"version": format!("={version}"), "log_version": 3}))
}

/// How many threads work on which target.
pub fn concurrency(threads: usize, target: &str) -> LogEvent {
    LogEvent::new(
        "ConcurrencyLine",
        "Q026",
        Level::Info,
        format!("Concurrency: {threads} threads (target='{target}')"),
    )
    .with_data(json!({"num_threads": threads, "target_name": target}))
}

/// A node begins.
pub fn node_start(node: &Node) -> LogEvent {
    let info = node_info(node, "started", Some(Timestamp::now()), None);
    LogEvent::new(
        "NodeStart",
        "Q024",
        Level::Debug,
        format!("Began running node {}", node.unique_id),
    )
    .with_data(json!({"node_info": info}))
}

/// A piece of a microbatch model begins or ends.
pub fn batch(event: &Event) -> Option<LogEvent> {
    let message = lines::batch_line(event)?;
    let (name, code, level, node, label, position, status) = match event {
        Event::BatchStarted {
            node,
            batch,
            position,
        } => (
            "LogStartBatch",
            "Q045",
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
            (
                "LogBatchResult",
                "Q046",
                level,
                node,
                label,
                position,
                *status,
            )
        }
        _ => return None,
    };
    Some(LogEvent::new(name, code, level, message).with_data(json!({
        "description": format!("batch {label} of {}", lines::display_name(node)),
        "status": status.as_str(),
        "batch_index": position.index,
        "total_batches": position.total,
        "node_info": node_info(node, status.as_str(), None, None),
    })))
}

/// A node begins, with its position.
pub fn log_start_line(node: &Node, position: Position) -> LogEvent {
    let info = node_info(node, "started", Some(Timestamp::now()), None);
    let description = description(node);
    LogEvent::new(
        "LogStartLine",
        "Q011",
        Level::Info,
        format!(
            "{} of {} START {description}",
            position.index, position.total
        ),
    )
    .with_data(json!({
        "description": description,
        "index": position.index,
        "total": position.total,
        "node_info": info,
    }))
}

/// The phases a node went through, then its outcome by kind, then its end.
pub fn node_end(result: &NodeResult, position: Position) -> Vec<LogEvent> {
    let mut events = Vec::new();
    for timing in &result.timing {
        let (name, code, status) = match timing.name {
            "compile" => ("NodeCompiling", "Q030", "compiling"),
            _ => ("NodeExecuting", "Q031", "executing"),
        };
        let info = node_info(&result.node, status, Some(timing.started_at), None);
        let message = format!("Began {status} node {}", result.node.unique_id);
        events.push(
            LogEvent::new(name, code, Level::Debug, message).with_data(json!({"node_info": info})),
        );
    }
    events.push(outcome(result, position));
    events.push(
        LogEvent::new(
            "NodeFinished",
            "Q025",
            Level::Debug,
            format!("Finished running node {}", result.node.unique_id),
        )
        .with_data(json!({
            "node_info": result_info(result),
            "run_result": run_result(result),
        })),
    );
    for event in &mut events {
        event.thread = format!("Thread-{}", result.thread + 1);
    }
    events
}

fn outcome(result: &NodeResult, position: Position) -> LogEvent {
    let node = &result.node;
    let level = match result.status {
        Status::Warn => Level::Warn,
        status if status.is_failure() => Level::Error,
        _ => Level::Info,
    };
    let description = description(node);
    let (name, code) = match (result.status, node.resource_type) {
        (Status::Skipped, _) => ("SkippingDetails", "Q034"),
        (Status::NoOp, _) => ("LogNodeNoOpResult", "Q019"),
        (_, ResourceType::Test | ResourceType::UnitTest) => ("LogTestResult", "Q007"),
        (_, ResourceType::Seed) => ("LogSeedResult", "Q016"),
        (_, ResourceType::Snapshot) => ("LogSnapshotResult", "Q015"),
        (_, ResourceType::Operation) => ("LogHookEndLine", "Q033"),
        _ => ("LogModelResult", "Q012"),
    };
    let message = format!(
        "{} of {} {} {description} [{} in {:.2}s]",
        position.index,
        position.total,
        status_word(result.status),
        result.message.lines().next().unwrap_or_default(),
        result.execution_seconds
    );
    LogEvent::new(name, code, level, message).with_data(json!({
        "description": description,
        "name": node.name,
        "node_name": node.name,
        "resource_type": node.resource_type.as_str(),
        "schema": node.schema,
        "status": if node.resource_type == ResourceType::Model && result.status == Status::Success {
            result.message.clone()
        } else {
            result.status.as_str().to_owned()
        },
        "index": position.index,
        "total": position.total,
        "num_models": position.total,
        "num_failures": result.failures.unwrap_or(0),
        "execution_time": result.execution_seconds,
        "node_info": result_info(result),
    }))
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Success => "OK",
        Status::Pass => "PASS",
        Status::Warn => "WARN",
        Status::Fail => "FAIL",
        Status::Error => "ERROR",
        Status::PartialSuccess => "PARTIAL SUCCESS",
        Status::Skipped => "SKIP",
        Status::NoOp => "NO-OP",
    }
}

/// The end of a run: failures and warnings, what ran, how long it took, the count.
pub fn run_end(results: &[Arc<NodeResult>], seconds: f64) -> Vec<LogEvent> {
    let counts = Counts::of(results);
    let running = lines::finished_running(results, seconds);
    let mut events = vec![
        LogEvent::new("FinishedRunningStats", "E040", Level::Info, running)
            .with_data(json!({"execution_time": seconds})),
        LogEvent::new(
            "EndOfRunSummary",
            "Z030",
            Level::Info,
            lines::verdict(results).0,
        )
        .with_data(json!({"num_errors": counts.error, "num_warnings": counts.warn})),
    ];
    for result in results {
        if result.status == Status::Warn || result.status.is_failure() {
            events.extend(failure(result));
        }
    }
    events.push(
        LogEvent::new("StatsLine", "Z023", Level::Info, counts.to_string()).with_data(json!({
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

fn failure(result: &NodeResult) -> [LogEvent; 2] {
    let heading = lines::heading(result);
    let text = match &result.diagnostic {
        Some(diagnostic) => diagnostic.render(false),
        None => result.message.clone(),
    };
    let info = result_info(result);
    let (names, level) = if result.status == Status::Warn {
        (
            [
                ("RunResultWarning", "Z021"),
                ("RunResultWarningMessage", "Z049"),
            ],
            Level::Warn,
        )
    } else {
        (
            [("RunResultFailure", "Z022"), ("RunResultError", "Z024")],
            Level::Error,
        )
    };
    [
        LogEvent::new(names[0].0, names[0].1, level, heading).with_data(json!({
            "node_name": result.node.name,
            "path": result.node.original_file_path,
            "resource_type": result.node.resource_type.as_str(),
            "node_info": info.clone(),
        })),
        LogEvent::new(
            names[1].0,
            names[1].1,
            level,
            format!("  {}", result.full_message()),
        )
        .with_data(json!({
            "msg": result.full_message(),
            "diagnostic": result.diagnostic,
            "text": text,
            "node_info": info,
        })),
    ]
}

/// The last event of a command.
pub fn command_completed(command: &str, is_success: bool, seconds: f64) -> LogEvent {
    let word = if is_success { "succeeded" } else { "failed" };
    LogEvent::new(
        "CommandCompleted",
        "Q039",
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

/// A line of text from a template or the run itself.
pub fn message(level: Level, text: &str, unique_id: Option<&str>) -> LogEvent {
    let name = match level {
        Level::Warn => "JinjaLogWarning",
        Level::Debug => "JinjaLogDebug",
        Level::Info | Level::Error => "JinjaLogInfo",
    };
    LogEvent::new(name, "I062", level, text.to_owned()).with_data(json!({
        "msg": text,
        "node_info": unique_id.map(|id| json!({"unique_id": id})),
    }))
}

fn description(node: &Node) -> String {
    let kind = match node.resource_type {
        ResourceType::Model => format!("sql {} model", node.config.materialized()),
        ResourceType::Test => "test".to_owned(),
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

fn run_result(result: &NodeResult) -> Json {
    let timing: Vec<Json> = result
        .timing
        .iter()
        .map(|timing| {
            json!({
                "name": timing.name,
                "started_at": timestamp(timing.started_at),
                "completed_at": timestamp(timing.completed_at),
            })
        })
        .collect();
    json!({
        "status": result.status.as_str(),
        "message": result.full_message(),
        "timing_info": timing,
        "thread": format!("Thread-{}", result.thread + 1),
        "execution_time": result.execution_seconds,
        "adapter_response": result.adapter_response,
        "num_failures": result.failures.unwrap_or(0),
    })
}
