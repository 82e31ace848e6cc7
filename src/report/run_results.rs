//! `run_results.json`, version 6: how every node of a command ended.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::parse::{Node, ResourceType, TimeWindow};
use crate::run::{BatchResults, NodeResult, Status};

use super::artifact::{BaseMetadata, Invocation};
use super::node_event::timings;

/// The artifact, ready to be written with [`write_json`](super::artifact::write_json).
#[derive(Debug, Serialize)]
pub struct RunResults<'a> {
    metadata: BaseMetadata<'a>,
    results: Vec<ResultRecord<'a>>,
    elapsed_time: f64,
    args: Json,
}

impl<'a> RunResults<'a> {
    /// `args` holds the command's own arguments: `which`, `invocation_command`, `select`, …
    pub fn new(
        invocation: &'a Invocation,
        results: &'a [Arc<NodeResult>],
        elapsed_seconds: f64,
        args: Json,
    ) -> RunResults<'a> {
        RunResults {
            metadata: BaseMetadata::new("run-results/v6", invocation),
            results: results
                .iter()
                .map(|result| ResultRecord::new(result))
                .collect(),
            elapsed_time: elapsed_seconds,
            args,
        }
    }
}

#[derive(Debug, Serialize)]
struct ResultRecord<'a> {
    status: Status,
    timing: Vec<Json>,
    thread_id: String,
    execution_time: f64,
    adapter_response: Json,
    message: Option<String>,
    failures: Option<i64>,
    unique_id: &'a str,
    /// Null for what is no template.
    compiled: Option<bool>,
    compiled_code: Option<&'a str>,
    relation_name: Option<String>,
    batch_results: Option<Json>,
}

impl<'a> ResultRecord<'a> {
    fn new(result: &'a NodeResult) -> ResultRecord<'a> {
        let adapter_response = match &result.adapter_response {
            Json::Object(_) => result.adapter_response.clone(),
            _ => Json::Object(serde_json::Map::new()),
        };
        ResultRecord {
            status: result.status,
            timing: timings(&result.timing),
            thread_id: result.thread_id(),
            execution_time: result.execution_seconds,
            adapter_response,
            message: Some(result.full_message()).filter(|message| !message.is_empty()),
            failures: result.failures,
            unique_id: result.unique_id().as_str(),
            compiled: is_template(&result.node).then_some(result.compiled_code.is_some()),
            compiled_code: result.compiled_code.as_deref(),
            relation_name: result
                .node
                .relation_name()
                .filter(|_| is_template(&result.node)),
            batch_results: result.batch_results.as_ref().map(batches),
        }
    }
}

fn is_template(node: &Node) -> bool {
    !matches!(
        node.resource_type,
        ResourceType::Seed | ResourceType::Exposure | ResourceType::SavedQuery
    )
}

/// What a later run needs to build only the batches that failed.
fn batches(results: &BatchResults) -> Json {
    let list = |windows: &[TimeWindow]| -> Vec<Json> {
        windows.iter().map(|window| window.to_json()).collect()
    };
    json!({"successful": list(&results.successful), "failed": list(&results.failed)})
}
