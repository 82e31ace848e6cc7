//! Checks a node's final configuration: values of the right type, groups and access that exist.
//!
//! dbt lets keys of a project's own pass, and refuses its own keys with values of another type.

use std::sync::Arc;

use serde_json::Value as Json;

use msv_diagnostics::{Diagnostic, Place, closest};

use super::node::{Node, ResourceType};
use super::test_names::python_repr;

/// What a key's value must be, in JSON schema's words.
const TYPES: [(&str, &[&str]); 30] = [
    ("enabled", &["boolean"]),
    ("materialized", &["string"]),
    ("alias", &["string"]),
    ("schema", &["string"]),
    ("database", &["string"]),
    ("group", &["string"]),
    ("meta", &["object"]),
    ("tags", &["array", "string"]),
    ("incremental_strategy", &["string"]),
    ("persist_docs", &["object"]),
    ("quoting", &["object"]),
    ("column_types", &["object"]),
    ("full_refresh", &["boolean"]),
    ("unique_key", &["string", "array"]),
    ("on_schema_change", &["string"]),
    ("grants", &["object"]),
    ("docs", &["object"]),
    ("contract", &["object"]),
    ("access", &["string"]),
    ("severity", &["string"]),
    ("store_failures", &["boolean"]),
    ("store_failures_as", &["string"]),
    ("where", &["string"]),
    ("limit", &["integer"]),
    ("fail_calc", &["string"]),
    ("warn_if", &["string"]),
    ("error_if", &["string"]),
    ("check_cols", &["string", "array"]),
    ("updated_at", &["string"]),
    ("quote_columns", &["boolean"]),
];

/// Whether dbt knows a key of this kind of resource; elsewhere it is one of the project's own.
fn is_known(resource_type: ResourceType, key: &str) -> bool {
    match key {
        "severity" | "store_failures" | "store_failures_as" | "where" | "limit" | "fail_calc"
        | "warn_if" | "error_if" => resource_type == ResourceType::Test,
        "check_cols" | "updated_at" => resource_type == ResourceType::Snapshot,
        "quote_columns" => resource_type == ResourceType::Seed,
        "access" => resource_type == ResourceType::Model,
        "enabled" | "materialized" | "alias" | "schema" | "database" | "group" | "meta"
        | "tags" => true,
        _ => resource_type != ResourceType::Test,
    }
}

/// Reports every value of a wrong type, and an access that there is not.
pub(super) fn check(node: &Node, place: &Place, found: &mut Vec<Diagnostic>) {
    for (key, types) in TYPES {
        let Some(value) = node.config.written(key) else {
            continue;
        };
        if !is_known(node.resource_type, key) {
            continue;
        }
        if value.is_null() || types.iter().any(|wanted| is_of_type(value, wanted)) {
            continue;
        }
        let expected: Vec<String> = types.iter().map(|name| format!("'{name}'")).collect();
        let kind = node.resource_type.as_str().replace('_', " ");
        let mut diagnostic = Diagnostic::error(
            "MSV0233",
            format!(
                "`{key}` of {kind} `{}` must be {}",
                node.name,
                worded(types)
            ),
        )
        .at(place.clone(), "configured with another type")
        .note(format!(
            "{} is not of type {}",
            python_repr(value),
            expected.join(", ")
        ));
        if types.contains(&"boolean") && value.is_string() {
            diagnostic = diagnostic
                .help("write true or false, without quotes; after a template add `| as_bool`");
        }
        found.push(diagnostic);
    }
    check_access(node, place, found);
    check_on_configuration_change(node, place, found);
}

fn check_on_configuration_change(node: &Node, place: &Place, found: &mut Vec<Diagnostic>) {
    const VALID: [&str; 3] = ["apply", "continue", "fail"];
    let written = node.config.str("on_configuration_change");
    let Some(value) = written.filter(|value| !VALID.contains(value)) else {
        return;
    };
    let title = format!(
        "`on_configuration_change` of {} `{}` is `{value}`",
        node.resource_type.as_str().replace('_', " "),
        node.name
    );
    found.push(
        Diagnostic::error("MSV0233", title)
            .at(place.clone(), "configured with a value that there is not")
            .note(format!(
                "{} is not one of ['apply', 'continue', 'fail']",
                python_repr(&Json::from(value))
            ))
            .help("write `apply`, `continue` or `fail`"),
    );
}

fn check_access(node: &Node, place: &Place, found: &mut Vec<Diagnostic>) {
    const VALID: [&str; 3] = ["private", "protected", "public"];
    if node.resource_type != ResourceType::Model {
        return;
    }
    let Some(access) = node.config.str("access") else {
        return;
    };
    let title = if !VALID.contains(&access) {
        format!(
            "model `{}` has an access that there is not: `{access}`",
            node.name
        )
    } else if access == "public" && node.config.materialized() == "ephemeral" {
        format!("model `{}` is ephemeral and cannot be public", node.name)
    } else {
        return;
    };
    let diagnostic = Diagnostic::error("MSV0234", title).at(place.clone(), "");
    found.push(match closest(access, VALID) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => {
            diagnostic.help("write `private`, `protected` or `public`; `public` needs a relation")
        }
    });
}

/// Reports nodes whose group nobody declares.
pub(super) fn check_groups(nodes: &[Arc<Node>], groups: &[&str], found: &mut Vec<Diagnostic>) {
    for node in nodes {
        let Some(group) = node.config.str("group") else {
            continue;
        };
        if groups.contains(&group) || !node.config.is_enabled() {
            continue;
        }
        let diagnostic = Diagnostic::error("MSV0235", format!("no group is named `{group}`"))
            .at(node.place.clone(), format!("the group of `{}`", node.name));
        found.push(match closest(group, groups.iter().copied()) {
            Some(near) => diagnostic.help(format!("a group with a similar name exists: `{near}`")),
            None => diagnostic.help("declare it below `groups:` with a name and an owner"),
        });
    }
}

fn is_of_type(value: &Json, wanted: &str) -> bool {
    match wanted {
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => true,
    }
}

fn worded(types: &[&str]) -> String {
    let words: Vec<&str> = types
        .iter()
        .map(|name| match *name {
            "boolean" => "true or false",
            "string" => "text",
            "object" => "a mapping",
            "array" => "a list",
            _ => "a whole number",
        })
        .collect();
    words.join(" or ")
}
