//! Reads what makes a model a time spine: the column of its grain and the grains of its own.

use serde_json::{Value as Json, json};

use msv_diagnostics::Diagnostic;
use msv_project::properties::{ModelProperties, TIME_GRANULARITIES};

use super::node::Node;

/// The record of a time spine; null for a model that is none.
pub(super) fn of(node: &Node, properties: &ModelProperties, found: &mut Vec<Diagnostic>) -> Json {
    let Some(spine) = properties
        .time_spine
        .as_ref()
        .filter(|spine| !spine.is_null())
    else {
        return Json::Null;
    };
    let place = properties.origin.place_of(&properties.name.span);
    let mut refuse = |title: String, help: &str| {
        let mistake = Diagnostic::error("MSV0171", title);
        found.push(mistake.at(place.clone(), "").help(help));
    };
    let name = &node.name;
    let Some(column) = spine
        .get("standard_granularity_column")
        .and_then(Json::as_str)
    else {
        refuse(
            format!("the time spine `{name}` needs `standard_granularity_column`"),
            "name the column that holds one row's time",
        );
        return Json::Null;
    };
    match node.columns.get(column).map(|column| &column.granularity) {
        None => refuse(
            format!("the time spine `{name}` has no column `{column}`"),
            "describe it below `columns:`, with its `granularity`",
        ),
        Some(None) => refuse(
            format!("column `{column}` of the time spine `{name}` needs a `granularity`"),
            "write `granularity: day`, or another time granularity",
        ),
        Some(Some(grain)) if !TIME_GRANULARITIES.contains(&grain.as_str()) => refuse(
            format!("`{grain}` is no time granularity"),
            "write `granularity: day`, or another time granularity",
        ),
        Some(Some(_)) => {}
    }
    let mut customs = Vec::new();
    let written = spine.get("custom_granularities").and_then(Json::as_array);
    for custom in written.into_iter().flatten() {
        let text = |key: &str| custom.get(key).and_then(Json::as_str);
        let Some(grain) = text("name") else {
            refuse(
                format!("a custom granularity of the time spine `{name}` has no name"),
                "write `- name: fiscal_year`",
            );
            continue;
        };
        let column = text("column_name");
        if !node.columns.contains_key(column.unwrap_or(grain)) {
            refuse(
                format!(
                    "the time spine `{name}` has no column `{}`",
                    column.unwrap_or(grain)
                ),
                "describe the column of a custom granularity below `columns:`",
            );
        }
        customs.push(json!({"name": grain, "column_name": column}));
    }
    json!({
        "standard_granularity_column": column,
        "custom_granularities": customs,
    })
}
