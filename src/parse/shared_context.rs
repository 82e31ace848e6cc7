//! Values that are the same in every template of a command.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::{Map, Value as Json, json};

use msv_jinja::value::convert::from_json;
use msv_jinja::value::datetime::Moment;
use msv_project::LANGUAGE_VERSION;

use super::invocation::Invocation;

/// The value of a name that needs no node, or `None` when the name is not one of those.
pub fn shared_value(invocation: &Invocation, name: &str) -> Option<Value> {
    if name == "run_started_at" {
        return Some(Moment::at_utc(invocation.started_at).into_value());
    }
    if name == "flags" {
        return Some(Value::from_object(FlagsValue(Arc::clone(
            &invocation.flags,
        ))));
    }
    let json = match name {
        "target" => json!(invocation.target),
        "invocation_id" => json!(invocation.id),
        "invocation_args_dict" => json!(invocation.arguments),
        "project_name" => json!(invocation.root_package),
        "schema" => json!(invocation.schema()),
        "database" => json!(invocation.database()),
        "dbt_version" => json!(LANGUAGE_VERSION),
        "dbt_metadata_envs" => json!(invocation.metadata_env()),
        _ => return None,
    };
    Some(from_json(&json))
}

/// `flags`: macros ask for single ones, so none is made into a value before.
#[derive(Debug)]
struct FlagsValue(Arc<Map<String, Json>>);

impl Object for FlagsValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(from_json)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .keys()
                .map(|name| Value::from(name.as_str()))
                .collect(),
        )
    }
}
