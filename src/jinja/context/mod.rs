//! Context: what a template may call, one file a group of functions.
//!
//! The functions are the same for every render; they reach the host through the session that
//! the running state carries. Plain values (`target`, `model`, …) come from the host itself.

mod adapter;
mod api;
mod bindings;
mod config;
mod exceptions;
mod jinja;
mod modules;
mod output;
mod reference;
mod relation_methods;
mod results;
mod serialize;
pub(crate) mod snapshot_methods;
mod variables;

use std::sync::Arc;

use minijinja::Value;

use crate::engine::ByName;
use crate::host::Host;
use crate::session;
use crate::value::convert::from_json;
use crate::value::dict::Dict;
use msv_project::LANGUAGE_VERSION;

/// Every function and constant that does not depend on the render.
pub(crate) fn globals() -> ByName<Value> {
    let mut names = ByName::default();
    let mut add = |name: &str, value: Value| {
        names.insert(name.to_owned(), value);
    };
    add("__boot", Value::from_function(session::boot));
    add("__arguments", Value::from_function(session::arguments));
    add("__is_missing", Value::from_function(session::is_missing));
    add("__keep", Value::from_function(session::keep));
    add("return", Value::from_function(session::return_));
    jinja::add(&mut add);
    add("dbt_version", Value::from(LANGUAGE_VERSION));
    reference::add(&mut add);
    config::add(&mut add);
    variables::add(&mut add);
    adapter::add(&mut add);
    api::add(&mut add);
    exceptions::add(&mut add);
    modules::add(&mut add);
    output::add(&mut add);
    results::add(&mut add);
    serialize::add(&mut add);
    // What macros of the same name replace is still there under `builtins`.
    let builtins = names.iter().filter(|(name, _)| !name.starts_with("__"));
    let builtins = builtins.map(|(name, value)| (name.as_str(), value.clone()));
    let builtins = Dict::from_pairs(builtins);
    names.insert("builtins".to_owned(), builtins);
    names
}

/// What a name stands for when the host has no value for it.
/// Functions that are filters as well.
pub(crate) use serialize::{add_filters, json_text};

/// The names whose values come from the host.
pub(crate) const PLAIN_NAMES: [&str; 24] = [
    "compiled_code",
    "context",
    "context_macro_stack",
    "database",
    "dbt_metadata_envs",
    "defer_relation",
    "env",
    "execute",
    "flags",
    "graph",
    "invocation_args_dict",
    "invocation_id",
    "model",
    "post_hooks",
    "pre_hooks",
    "project_name",
    "run_started_at",
    "schema",
    "selected_resources",
    "sql",
    "sql_now",
    "target",
    "this",
    "thread_id",
];

pub(crate) fn fallback(host: &Arc<dyn Host>, name: &str) -> Option<Value> {
    match name {
        "flags" | "invocation_args_dict" | "dbt_metadata_envs" | "env" => {
            Some(from_json(&serde_json::json!({})))
        }
        "graph" => Some(from_json(&serde_json::json!({
            "nodes": {}, "sources": {}, "exposures": {}, "metrics": {}, "groups": {},
        }))),
        "selected_resources" | "pre_hooks" | "post_hooks" | "context_macro_stack" => {
            Some(from_json(&serde_json::json!([])))
        }
        "sql" | "compiled_code" | "defer_relation" => Some(Value::from(())),
        "sql_now" => {
            let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
            Some(Value::from(now.strftime("%Y-%m-%d %H:%M:%S").to_string()))
        }
        "thread_id" => {
            let thread = std::thread::current();
            let name = thread.name().filter(|name| name.starts_with("Thread-"));
            Some(Value::from(name.unwrap_or("MainThread")))
        }
        "schema" | "database" => {
            let this = host.this()?;
            if name == "schema" {
                this.schema.map(Value::from)
            } else {
                this.database.map(Value::from)
            }
        }
        _ => None,
    }
}
