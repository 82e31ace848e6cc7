//! Compares the contracts of a model: columns, types and enforced constraints that others rely on.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use msv_parse::{Node, python_repr};
use msv_project::state::StateNode;

/// How a contract changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContractChange {
    None,
    /// Nobody who relied on it notices.
    Additive,
    /// What was promised is no longer kept: a sentence for each promise.
    Breaking(Vec<String>),
}

/// Compares a model's contract with the earlier one.
pub(super) fn compare_contract(node: &Node, old: &StateNode) -> ContractChange {
    let is_enforced = is_enforced(node);
    match (old.contract.enforced, is_enforced) {
        (false, false) => return ContractChange::None,
        (false, true) => return ContractChange::Additive,
        (true, true) if contract_checksum(node) == old.contract.checksum => {
            return ContractChange::None;
        }
        _ => {}
    }
    let mut reasons = Vec::new();
    if !is_enforced {
        reasons.push("the contract is no longer enforced".to_owned());
    }
    let had_constraints = enforces_constraints(text(&old.config, "materialized"));
    let mut has_column_constraints = false;
    for (name, column) in &old.columns {
        has_column_constraints |= !column.constraints.is_empty();
        let Some(now) = node.columns.get(name) else {
            reasons.push(format!("column `{}` was removed", column.name));
            continue;
        };
        if base_type(column.data_type.as_deref()) != base_type(now.data_type.as_deref()) {
            reasons.push(format!(
                "the type of column `{}` changed: {} -> {}",
                column.name,
                column.data_type.as_deref().unwrap_or("none"),
                now.data_type.as_deref().unwrap_or("none"),
            ));
        }
        if had_constraints {
            let lost = lost_constraints(&column.constraints, &now.constraints, false);
            reasons.extend(lost.iter().map(|constraint| {
                let label = constraint_label(constraint);
                format!("constraint `{label}` of column `{name}` was removed")
            }));
        }
    }
    if had_constraints {
        let lost = lost_constraints(&old.constraints, &node.constraints, true);
        reasons.extend(lost.iter().map(|constraint| {
            let columns = constraint.get("columns").cloned().unwrap_or_default();
            let label = constraint_label(constraint);
            format!("constraint `{label}` on columns {columns} was removed")
        }));
        let is_kept = enforces_constraints(node.config.materialized());
        if !is_kept && (has_column_constraints || !old.constraints.is_empty()) {
            reasons.push(format!(
                "the materialization changed with enforced constraints: {} -> {}",
                text(&old.config, "materialized"),
                node.config.materialized(),
            ));
        }
    }
    if reasons.is_empty() {
        ContractChange::Additive
    } else {
        ContractChange::Breaking(reasons)
    }
}

/// What is broken where a model with a contract is gone; nothing once it was past its end.
pub(super) fn removed_contract(
    id: &str,
    old: &StateNode,
    disabled: Option<&Node>,
) -> Option<String> {
    let was_enforced = disabled.map_or(old.contract.enforced, is_enforced);
    let deprecation_date = match disabled {
        Some(node) => node.deprecation_date.as_deref(),
        None => old.deprecation_date.as_deref(),
    };
    let is_past = deprecation_date.is_some_and(|date| {
        let parsed: Option<jiff::civil::Date> = date.get(..10).and_then(|day| day.parse().ok());
        parsed.is_some_and(|date| date < Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date())
    });
    if !was_enforced || is_past {
        return None;
    }
    let word = match disabled {
        Some(_) => "disabled",
        None => "deleted or renamed",
    };
    Some(format!("`{id}` was {word}, and its contract was enforced"))
}

fn is_enforced(node: &Node) -> bool {
    let contract = node.config.get("contract");
    contract
        .and_then(|contract| contract.get("enforced"))
        .and_then(Json::as_bool)
        .unwrap_or(false)
}

fn text<'a>(config: &'a serde_json::Map<String, Json>, key: &str) -> &'a str {
    config.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn enforces_constraints(materialized: &str) -> bool {
    matches!(materialized, "table" | "incremental")
}

/// A type without its length or precision: making those greater breaks nothing.
fn base_type(data_type: Option<&str>) -> Option<String> {
    let base = data_type?.split('(').next().unwrap_or_default();
    Some(base.trim().to_lowercase())
}

/// Constraints PostgreSQL enforces that were there before and no longer are.
fn lost_constraints(old: &[Json], now: &[Json], is_of_model: bool) -> Vec<Json> {
    let now: Vec<Json> = now
        .iter()
        .map(|constraint| full_constraint(constraint, is_of_model))
        .collect();
    old.iter()
        .map(|constraint| full_constraint(constraint, is_of_model))
        .filter(|constraint| constraint.get("type") != Some(&json!("custom")))
        .filter(|constraint| !now.contains(constraint))
        .collect()
}

fn constraint_label(constraint: &Json) -> &str {
    let part = |key: &str| constraint.get(key).and_then(Json::as_str);
    part("name")
        .or_else(|| part("type"))
        .unwrap_or("constraint")
}

/// A constraint with every key that artifacts have, and no other.
pub fn full_constraint(constraint: &Json, is_of_model: bool) -> Json {
    let part = |key: &str, default: Json| {
        let value = constraint.get(key).filter(|value| !value.is_null());
        value.cloned().unwrap_or(default)
    };
    let mut out = json!({
        "type": part("type", json!("custom")),
        "name": part("name", Json::Null),
        "expression": part("expression", Json::Null),
        "warn_unenforced": part("warn_unenforced", json!(true)),
        "warn_unsupported": part("warn_unsupported", json!(true)),
        "to": part("to", Json::Null),
        "to_columns": part("to_columns", json!([])),
    });
    if is_of_model && let Some(out) = out.as_object_mut() {
        out.insert("columns".to_owned(), part("columns", json!([])));
    }
    out
}

/// What tells one enforced contract from another; `None` where none is enforced.
///
/// The hashed text is dbt's, down to how Python writes objects, so that manifests of both agree.
pub fn contract_checksum(node: &Node) -> Option<String> {
    if !is_enforced(node) {
        return None;
    }
    let mut columns: Vec<_> = node.columns.values().collect();
    columns.sort_by(|left, right| left.name.cmp(&right.name));
    let mut state = String::new();
    for column in columns {
        state.push('|');
        state.push_str(&column.name);
        state.push_str(column.data_type.as_deref().unwrap_or("None"));
        state.push_str(&python_constraints(&column.constraints, false));
    }
    let materialized = node.config.materialized();
    if enforces_constraints(materialized) {
        state.push_str(materialized);
        state.push_str(&python_constraints(&node.constraints, true));
    }
    let hash = Sha256::digest(state.as_bytes());
    Some(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn python_constraints(constraints: &[Json], is_of_model: bool) -> String {
    let written: Vec<String> = constraints
        .iter()
        .map(|constraint| {
            let full = full_constraint(constraint, is_of_model);
            let Json::Object(full) = full else {
                return String::new();
            };
            let fields: Vec<String> = full
                .iter()
                .map(|(key, value)| match (key.as_str(), value) {
                    ("type", Json::String(kind)) => {
                        format!("type=<ConstraintType.{kind}: '{kind}'>")
                    }
                    _ => format!("{key}={}", python_repr(value)),
                })
                .collect();
            let class = if is_of_model { "Model" } else { "Column" };
            format!("{class}LevelConstraint({})", fields.join(", "))
        })
        .collect();
    format!("[{}]", written.join(", "))
}
