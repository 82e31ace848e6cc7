//! Values that are the same in every template of a command.

use minijinja::Value;
use serde_json::json;

use msv_jinja::value::convert::from_json;
use msv_jinja::value::datetime::Moment;
use msv_project::LANGUAGE_VERSION;

use super::invocation::Invocation;

/// The value of a name that needs no node, or `None` when the name is not one of those.
pub fn shared_value(invocation: &Invocation, name: &str) -> Option<Value> {
    if name == "run_started_at" {
        return Some(Moment::at_utc(invocation.started_at).into_value());
    }
    let json = match name {
        "target" => json!(invocation.target),
        "flags" => json!(invocation.flags),
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
