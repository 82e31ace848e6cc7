//! Writes the statements for a model's `indexes`.
//!
//! PostgreSQL names them after the private table; publishing renames them after the target, so
//! that their names are the same at every build.

use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, closest};
use crate::relation::{Relation, quote_identifier};
use crate::run::worker::NodeRun;

use super::mistake;

const KEYS: [&str; 3] = ["columns", "unique", "type"];

/// One `create index` a configured index, on the table that was built aside.
pub(super) fn create_statements(
    run: &NodeRun<'_>,
    private: &Relation,
) -> Result<String, Box<Diagnostic>> {
    let mut sql = String::new();
    let configured = match run.node.config.get("indexes") {
        Some(Json::Array(items)) => items.clone(),
        Some(other) => {
            return Err(mistake(
                run,
                &format!("`indexes` is {other}, not a list"),
                "write a list: indexes: [{columns: [id]}]",
            ));
        }
        None => Vec::new(),
    };
    for index in &configured {
        let Json::Object(entries) = index else {
            return Err(mistake(
                run,
                "an entry of `indexes` is not a mapping",
                "write {columns: [id], unique: true}",
            ));
        };
        if let Some(unknown) = entries.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let help = closest(unknown, KEYS).map_or_else(
                || format!("its keys are: {}", KEYS.join(", ")),
                |similar| format!("a key with a similar name exists: `{similar}`"),
            );
            return Err(mistake(
                run,
                &format!("an entry of `indexes` has no key `{unknown}`"),
                &help,
            ));
        }
        let columns: Vec<String> = match entries.get("columns") {
            Some(Json::Array(columns)) => columns
                .iter()
                .filter_map(|column| column.as_str().map(str::to_owned))
                .collect(),
            Some(Json::String(column)) => vec![column.clone()],
            _ => Vec::new(),
        };
        if columns.is_empty() {
            return Err(mistake(
                run,
                "an entry of `indexes` names no columns",
                "write columns: [column, …]",
            ));
        }
        let is_unique = entries
            .get("unique")
            .and_then(Json::as_bool)
            .unwrap_or(false);
        let method = entries
            .get("type")
            .and_then(Json::as_str)
            .unwrap_or("btree");
        let quoted: Vec<String> = columns
            .iter()
            .map(|column| quote_identifier(column))
            .collect();
        sql.push_str(&format!(
            "create {}index on {} using {} ({});\n",
            if is_unique { "unique " } else { "" },
            private.without_database(),
            method,
            quoted.join(", "),
        ));
    }
    Ok(sql)
}
