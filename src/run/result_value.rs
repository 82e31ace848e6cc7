//! A node's result as `on-run-end` sees it; each attribute is made when it is asked for.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use serde_json::json;

use crate::jinja::value::convert::from_json;
use crate::parse::NodeValue;

use super::event::NodeResult;

const KEYS: [&str; 8] = [
    "status",
    "node",
    "message",
    "failures",
    "execution_time",
    "thread_id",
    "adapter_response",
    "timing",
];

/// Wraps a result for templates.
pub(super) fn result_value(result: Arc<NodeResult>) -> Value {
    Value::from_object(ResultValue(result))
}

#[derive(Debug)]
struct ResultValue(Arc<NodeResult>);

impl Object for ResultValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let result = &self.0;
        Some(match key.as_str()? {
            "status" => Value::from(result.status.as_str()),
            "node" => Value::from_object(NodeValue {
                node: Arc::clone(&result.node),
                compiled_code: result.compiled_code.clone(),
                batch: None,
            }),
            "message" => Value::from(result.message.as_str()),
            "failures" => from_json(&json!(result.failures)),
            "execution_time" => Value::from(result.execution_seconds),
            "thread_id" => Value::from(result.thread_id()),
            "adapter_response" => from_json(&result.adapter_response),
            "timing" => from_json(&json!(result.timing)),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&KEYS)
    }
}
