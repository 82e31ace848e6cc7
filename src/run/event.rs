//! What a run tells its listeners: the console, the artifacts, the log.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use crate::diagnostics::Diagnostic;
use crate::parse::{Batch, Node, ResourceType, TimeWindow, UniqueId};

use super::freshness::FreshnessResult;

/// How a node ended, in dbt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Success,
    Error,
    Skipped,
    Pass,
    Fail,
    Warn,
    #[serde(rename = "partial success")]
    PartialSuccess,
    #[serde(rename = "no-op")]
    NoOp,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Success => "success",
            Status::Error => "error",
            Status::Skipped => "skipped",
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Warn => "warn",
            Status::PartialSuccess => "partial success",
            Status::NoOp => "no-op",
        }
    }

    /// True when the node's children must not run and the command ends with exit code 1.
    pub fn is_failure(self) -> bool {
        matches!(self, Status::Error | Status::Fail | Status::PartialSuccess)
    }
}

/// When a phase of a node began and ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// `compile` or `execute`.
    pub name: &'static str,
    pub started_at: Timestamp,
    pub completed_at: Timestamp,
}

/// The outcome of one node, as run_results.json has it.
#[derive(Clone, Debug)]
pub struct NodeResult {
    pub node: Arc<Node>,
    pub status: Status,
    /// dbt's one-line message: `INSERT 0 42`, `CREATE VIEW`, `Got 3 results, configured to fail if != 0`.
    pub message: String,
    /// Failing rows of a test.
    pub failures: Option<i64>,
    /// Rows written, where the server said so.
    pub rows: Option<i64>,
    pub adapter_response: Json,
    pub timing: Vec<Timing>,
    pub thread: usize,
    pub execution_seconds: f64,
    pub compiled_code: Option<String>,
    /// Where that lies, as a person would type it.
    pub compiled_path: Option<String>,
    /// What became of the batches of a microbatch model.
    pub batch_results: Option<BatchResults>,
    /// The tests that kept the node from being published.
    pub rejected_by: Vec<String>,
    pub diagnostic: Option<Diagnostic>,
}

/// The `code` of `adapter_response` where a seed was loaded already.
pub const UNCHANGED: &str = "UNCHANGED";

impl NodeResult {
    /// The result of a node that nothing was done about.
    pub fn untouched(node: &Arc<Node>) -> NodeResult {
        NodeResult {
            node: Arc::clone(node),
            status: Status::Skipped,
            message: String::new(),
            failures: None,
            rows: None,
            adapter_response: serde_json::json!({}),
            timing: Vec::new(),
            thread: 0,
            execution_seconds: 0.0,
            compiled_code: None,
            compiled_path: None,
            batch_results: None,
            rejected_by: Vec::new(),
            diagnostic: None,
        }
    }

    /// The worker as artifacts name it; hooks of the project run beside the workers.
    pub fn thread_id(&self) -> String {
        match self.node.resource_type {
            ResourceType::Operation => "main".to_owned(),
            _ => format!("Thread-{}", self.thread + 1),
        }
    }

    /// The message as artifacts and `on-run-end` have it: what failed and where, then why.
    pub fn full_message(&self) -> String {
        let Some(diagnostic) = self
            .diagnostic
            .as_ref()
            .filter(|_| self.status == Status::Error)
        else {
            return self.message.clone();
        };
        let node = &self.node;
        let mut text = format!(
            "{} in {} {} ({})",
            diagnostic.kind(),
            node.resource_type.as_str(),
            node.name,
            node.original_file_path
        );
        for line in diagnostic.plain_lines() {
            text.push_str("\n  ");
            text.push_str(&line);
        }
        text
    }

    pub fn unique_id(&self) -> &UniqueId {
        &self.node.unique_id
    }
}

/// The batches of a microbatch model that were built, and those that were not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchResults {
    pub successful: Vec<TimeWindow>,
    pub failed: Vec<TimeWindow>,
}

/// Says how far a node is in the run: `index` counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub index: usize,
    pub total: usize,
}

/// One thing that happened in a run, in the order it happened.
#[derive(Clone, Debug)]
pub enum Event {
    Started {
        nodes: usize,
        threads: usize,
        target: String,
    },
    NodeStarted {
        node: Arc<Node>,
        position: Position,
    },
    NodeFinished {
        result: Arc<NodeResult>,
        position: Position,
    },
    BatchStarted {
        node: Arc<Node>,
        batch: Batch,
        position: Position,
    },
    BatchFinished {
        node: Arc<Node>,
        batch: Batch,
        position: Position,
        status: Status,
        /// What the server said: `MERGE 3`.
        message: String,
        seconds: f64,
    },
    /// A line from `log(…)`, `exceptions.warn(…)` or the run itself.
    Message {
        level: Level,
        text: String,
        node: Option<UniqueId>,
    },
    /// Text from `print(…)`: shown as it is, also where only errors are shown.
    Printed {
        text: String,
        node: Option<UniqueId>,
    },
    /// A statement goes to the server.
    StatementSent {
        sql: String,
        node: Option<Arc<Node>>,
    },
    /// What came back: `SELECT 5`, or `ERROR` and the server's words.
    StatementAnswered {
        tag: String,
        seconds: f64,
        node: Option<Arc<Node>>,
    },
    FreshnessStarted {
        node: Arc<Node>,
        position: Position,
    },
    FreshnessChecked {
        result: Arc<FreshnessResult>,
        position: Position,
    },
    Diagnostic(Diagnostic),
    /// The run was interrupted; `left` nodes were not started.
    Interrupted {
        left: usize,
    },
    Finished {
        results: Vec<Arc<NodeResult>>,
        elapsed_seconds: f64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Receives every event of a run; called from worker threads.
pub trait Listener: Send + Sync {
    fn on_event(&self, event: &Event);
}
