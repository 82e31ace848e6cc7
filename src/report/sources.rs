//! `sources.json`, version 3: how fresh each source was when it was asked.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::parse::Details;
use crate::run::{Freshness, FreshnessResult};

use super::artifact::{BaseMetadata, Invocation};
use super::node_event::timings;

/// The artifact, ready to be written with [`write_json`](super::artifact::write_json).
#[derive(Debug, Serialize)]
pub struct Sources<'a> {
    metadata: BaseMetadata<'a>,
    results: Vec<Json>,
    elapsed_time: f64,
}

impl<'a> Sources<'a> {
    /// Sources that could not be asked are left out, as dbt leaves them out.
    pub fn new(
        invocation: &'a Invocation,
        results: &[Arc<FreshnessResult>],
        elapsed_seconds: f64,
    ) -> Sources<'a> {
        Sources {
            metadata: BaseMetadata::new("sources/v3", invocation),
            results: results
                .iter()
                .filter_map(|result| Some(record(result, result.freshness.as_ref()?)))
                .collect(),
            elapsed_time: elapsed_seconds,
        }
    }
}

fn record(result: &FreshnessResult, freshness: &Freshness) -> Json {
    let criteria = match &result.node.details {
        Details::Source(source) => source.freshness_record(),
        _ => Json::Null,
    };
    let timing = timings(&result.timing);
    json!({
        "unique_id": result.node.unique_id,
        "max_loaded_at": offset_time(freshness.max_loaded_at),
        "snapshotted_at": offset_time(freshness.snapshotted_at),
        "max_loaded_at_time_ago_in_s": freshness.age().as_secs_f64(),
        "status": result.status.as_str(),
        "criteria": criteria,
        "adapter_response": {"_message": "SELECT 1", "code": "SELECT", "rows_affected": 1},
        "timing": timing,
        "thread_id": format!("Thread-{}", result.thread + 1),
        "execution_time": result.execution_seconds,
    })
}

/// `2026-01-31T12:34:56.123456+00:00`.
fn offset_time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
