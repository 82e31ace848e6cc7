//! A node's result as `on-run-end` sees it; each attribute is made when it is asked for.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use serde_json::json;

use crate::jinja::value::cell;
use crate::jinja::value::convert::from_json;
use crate::jinja::value::dict::Dict;
use crate::jinja::value::list::List;
use crate::parse::NodeValue;

use super::event::NodeResult;

const KEYS: [&str; 10] = [
    "status",
    "node",
    "message",
    "failures",
    "execution_time",
    "thread_id",
    "adapter_response",
    "timing",
    "agate_table",
    "batch_results",
];

/// Wraps a result for templates.
pub(super) fn result_value(result: Arc<NodeResult>) -> Value {
    Value::from_object(ResultValue(result))
}

/// The phases with their times, which templates format and subtract.
fn timing(phases: &serde_json::Value) -> Value {
    let phases = phases.as_array().into_iter().flatten();
    let phase = |phase: &serde_json::Value| {
        let entries = phase.as_object().into_iter().flatten();
        Dict::from_pairs(entries.map(|(key, value)| match value.as_str() {
            Some(text) if key.ends_with("_at") => (key.as_str(), cell::utc(text)),
            _ => (key.as_str(), from_json(value)),
        }))
    };
    List::value(phases.map(phase).collect())
}

#[derive(Debug)]
struct ResultValue(Arc<NodeResult>);

impl Object for ResultValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let result = &self.0;
        Some(match key.as_str()? {
            "status" => Value::from(result.status.as_str()),
            "node" => Value::from_object(ResultNode(Value::from_object(NodeValue {
                node: Arc::clone(&result.node),
                compiled_code: result.compiled_code.clone(),
                batch: None,
                omits_none: false,
            }))),
            "message" => Value::from(result.full_message()),
            "failures" => from_json(&json!(result.failures)),
            "execution_time" => Value::from(result.execution_seconds),
            "thread_id" => Value::from(result.thread_id()),
            "adapter_response" => from_json(&result.adapter_response),
            "timing" => timing(&json!(result.timing)),
            // dbt has them, mostly without a value.
            "agate_table" | "batch_results" => Value::from(()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&KEYS)
    }
}

/// The node of a result, whose configuration answers none for a key that it does not have.
#[derive(Debug)]
struct ResultNode(Value);

impl Object for ResultNode {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let value = self.0.get_item(key).ok()?;
        match key.as_str() {
            Some("config") => Some(Value::from_object(ResultConfig(value))),
            _ => (!value.is_undefined()).then_some(value),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        keys(&self.0)
    }
}

#[derive(Debug)]
struct ResultConfig(Value);

impl Object for ResultConfig {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let value = self.0.get_item(key).ok()?;
        Some(if value.is_undefined() {
            Value::from(())
        } else {
            value
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        keys(&self.0)
    }
}

fn keys(mapping: &Value) -> Enumerator {
    let keys = mapping.try_iter().map(Iterator::collect);
    Enumerator::Values(keys.unwrap_or_default())
}
