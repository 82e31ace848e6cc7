//! Settles a model's contract and constraints, as far as that needs no database.

use std::sync::Arc;

use serde_json::Value as Json;

use msv_diagnostics::{Diagnostic, Place};
use msv_jinja::Host;

use super::context::{ParseContext, placed};
use super::node::{Node, ResourceType};

const KINDS: [&str; 6] = [
    "check",
    "not_null",
    "unique",
    "primary_key",
    "foreign_key",
    "custom",
];

/// Checks contract and constraints; what foreign keys lead to becomes something the model reads.
pub(super) fn settle(
    context: &ParseContext<'_>,
    node: &mut Node,
    place: &Place,
    found: &mut Vec<Diagnostic>,
) {
    if node.resource_type != ResourceType::Model {
        return;
    }
    let is_enforced = node
        .config
        .get("contract")
        .and_then(|contract| contract.get("enforced"))
        .and_then(Json::as_bool)
        .unwrap_or(false);
    if is_enforced {
        check_contract(node, place, found);
    }
    check_primary_keys(node, place, found);
    read_foreign_keys(context, node, place, found);
}

fn kind(constraint: &Json) -> &str {
    constraint
        .get("type")
        .and_then(Json::as_str)
        .unwrap_or_default()
}

fn check_contract(node: &Node, place: &Place, found: &mut Vec<Diagnostic>) {
    let materialized = node.config.materialized();
    let on_change = node.config.str("on_schema_change").unwrap_or("ignore");
    if materialized == "incremental" && !["append_new_columns", "fail"].contains(&on_change) {
        found.push(
            Diagnostic::error(
                "MSV0354",
                format!(
                    "Invalid value for on_schema_change: {on_change}. Models materialized as \
                     incremental with contracts enabled must set on_schema_change to \
                     'append_new_columns' or 'fail'"
                ),
            )
            .at(node.place.clone(), "this model has an enforced contract")
            .help("set on_schema_change: append_new_columns"),
        );
    }
    let all = || {
        let of_columns = node.columns.values().flat_map(|column| &column.constraints);
        node.constraints.iter().chain(of_columns)
    };
    for constraint in all().filter(|constraint| !KINDS.contains(&kind(constraint))) {
        found.push(
            Diagnostic::error(
                "MSV0351",
                format!(
                    "Invalid constraint type on model {}: `{}`",
                    node.name,
                    kind(constraint)
                ),
            )
            .at(place.clone(), "")
            .help(format!("Type must be one of {}", KINDS.join(", "))),
        );
    }
    let warns = |constraint: &Json| constraint.get("warn_unsupported") != Some(&Json::Bool(false));
    let is_table = ["table", "incremental"].contains(&materialized);
    if !is_table && all().any(warns) {
        found.push(
            Diagnostic::warning(
                "MSV0352",
                format!(
                    "Constraint types are not supported for {materialized} materializations and \
                     will be ignored: model `{}`",
                    node.name
                ),
            )
            .at(place.clone(), "")
            .help("set `warn_unsupported: false` on the constraints, or make it a table")
            .event("UnsupportedConstraintMaterialization"),
        );
    }
}

fn check_primary_keys(node: &Node, place: &Place, found: &mut Vec<Diagnostic>) {
    let is_key = |constraint: &Json| kind(constraint) == "primary_key";
    let columns: Vec<&str> = node
        .columns
        .values()
        .filter(|column| column.constraints.iter().any(is_key))
        .map(|column| column.name.as_str())
        .collect();
    let mut mistake = |title: String, help: &str| {
        let diagnostic = Diagnostic::error("MSV0351", title);
        found.push(diagnostic.at(place.clone(), "").help(help));
    };
    if columns.len() > 1 {
        mistake(
            format!(
                "Found {} columns ({}) with primary key constraints defined: model `{}`",
                columns.len(),
                columns.join(", "),
                node.name
            ),
            "Primary keys for multiple columns must be defined as a model level constraint",
        );
    }
    if !columns.is_empty() && node.constraints.iter().any(is_key) {
        mistake(
            format!(
                "Primary key constraints defined at the model level and the columns level: \
                 model `{}`",
                node.name
            ),
            "Primary keys can be defined at the model level or the column level, not both",
        );
    }
}

/// Reads `to: ref('orders')` of foreign keys as a call of the model.
fn read_foreign_keys(
    context: &ParseContext<'_>,
    node: &mut Node,
    place: &Place,
    found: &mut Vec<Diagnostic>,
) {
    let of_columns = node.columns.values().flat_map(|column| &column.constraints);
    let targets: Vec<String> = node
        .constraints
        .iter()
        .chain(of_columns)
        .filter(|constraint| kind(constraint) == "foreign_key")
        .filter_map(|constraint| constraint.get("to")?.as_str())
        .filter(|to| !to.trim().is_empty())
        .map(str::to_owned)
        .collect();
    if targets.is_empty() {
        return;
    }
    let host = Arc::new(context.host(&node.package_name));
    for to in targets {
        let text = format!("{{{{ {to} }}}}");
        let asked = Arc::clone(&host) as Arc<dyn Host>;
        if let Err(diagnostic) = context.engine.evaluate(&text, asked) {
            found.push(placed(*diagnostic, place));
        }
        let record = host.take();
        if record.refs.is_empty() && record.sources.is_empty() {
            found.push(
                Diagnostic::error(
                    "MSV0351",
                    format!(
                        "Invalid 'ref' or 'source' syntax on foreign key constraint 'to' on model \
                         {}: {to}",
                        node.name
                    ),
                )
                .at(place.clone(), "")
                .help("write to: ref('model'), or give the whole reference as `expression`"),
            );
        }
        node.refs.extend(record.refs.into_iter().map(|mut call| {
            call.place = place.clone();
            call
        }));
        node.sources
            .extend(record.sources.into_iter().map(|mut call| {
                call.place = place.clone();
                call
            }));
    }
}
