//! What only snapshots have: the form without a template, their own place, and what their
//! configuration must say.

use std::sync::Arc;

use msv_diagnostics::{Diagnostic, Place};
use msv_project::Package;
use msv_project::properties::ModelProperties;
use msv_project::{FileKind, SourceFile};
use serde_json::Value as Json;

use super::config::Config;
use super::node::{Node, ResourceType, Template};

/// The names of the columns a snapshot adds, and how they are called when nobody says otherwise.
const META_COLUMNS: [&str; 5] = [
    "dbt_valid_from",
    "dbt_valid_to",
    "dbt_scd_id",
    "dbt_updated_at",
    "dbt_is_deleted",
];

/// The snapshots of a package that are declared in properties alone, with the file of each.
pub(super) fn declared(package: &Package) -> impl Iterator<Item = (&ModelProperties, &SourceFile)> {
    let snapshots = package.properties.snapshots.iter();
    snapshots.filter_map(|properties| {
        properties.relation.as_ref()?;
        let file = package.files.iter().find(|file| {
            file.kind == FileKind::Properties && *file.path == *properties.origin.path
        })?;
        Some((properties, file))
    })
}

/// The template of a snapshot that is declared in properties: all columns of its relation.
pub(super) fn template_of(properties: &ModelProperties, file: &SourceFile) -> Option<Template> {
    let relation = properties.relation.as_ref()?;
    let text: Arc<str> = format!("select * from {{{{ {} }}}}", relation.value).into();
    Some(Template {
        file: format!("{} (snapshot {})", file.shown_path, properties.name.value).into(),
        span: 0..text.len(),
        text,
    })
}

/// Puts a snapshot where its older keys want it; no macro has a say in that.
pub(super) fn relocate(node: &mut Node) {
    if node.resource_type != ResourceType::Snapshot {
        return;
    }
    let old = |key: &str| {
        node.config
            .str(key)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let (database, schema) = (old("target_database"), old("target_schema"));
    if let Some(database) = database {
        node.database = database;
    }
    if let Some(schema) = schema {
        node.schema = schema;
    }
}

/// Refuses a configuration that leaves open what to compare.
pub(super) fn check(node: &Node, properties: Option<&ModelProperties>) -> Vec<Diagnostic> {
    if node.resource_type != ResourceType::Snapshot || !node.config.is_enabled() {
        return Vec::new();
    }
    let config = &node.config;
    let mut mistakes = Vec::new();
    let mut refuse = |place: Place, note: String, help: &str| {
        let title = format!(
            "the configuration of snapshot `{}` is not complete",
            node.name
        );
        mistakes.push(
            Diagnostic::error("MSV0230", title)
                .at(place, "")
                .note(note)
                .help(help.to_owned()),
        );
    };
    let place_of = |key: &str| {
        properties
            .and_then(|properties| {
                let span = properties.config.span_of(key)?;
                Some(properties.origin.place_of(&span))
            })
            .unwrap_or_else(|| node.place.clone())
    };
    let relation = properties.and_then(|properties| {
        let relation = properties.relation.as_ref()?;
        Some((relation, properties.origin.place_of(&relation.span)))
    });
    if let Some((relation, place)) = relation
        && node.refs.is_empty()
        && node.sources.is_empty()
    {
        refuse(
            place,
            format!("Invalid ref or source expression: {}", relation.value),
            "write relation: ref('name') or relation: source('source', 'table')",
        );
    }
    let strategy = config.str("strategy").unwrap_or_default();
    let has_key = !config.strings("unique_key").iter().all(String::is_empty);
    if strategy.is_empty() || !has_key {
        refuse(
            node.place.clone(),
            "Snapshots must be configured with a 'strategy' and 'unique_key'.".to_owned(),
            "add strategy: timestamp with updated_at, or strategy: check with check_cols; and \
             unique_key",
        );
    }
    let check_cols = config.get("check_cols").filter(|columns| is_given(columns));
    match (strategy, check_cols) {
        ("check", None) => refuse(
            place_of("strategy"),
            "A snapshot configured with the check strategy must specify a check_cols \
             configuration."
                .to_owned(),
            "add check_cols: all, or a list of the columns to compare",
        ),
        ("check", Some(Json::String(text))) if text != "all" => refuse(
            place_of("check_cols"),
            format!("Invalid value for 'check_cols': {text}. Expected 'all' or a list of strings."),
            "write check_cols: all, or a list of columns",
        ),
        ("timestamp", _) if config.str("updated_at").is_none_or(str::is_empty) => refuse(
            place_of("strategy"),
            "A snapshot configured with the timestamp strategy must specify an updated_at \
             configuration."
                .to_owned(),
            "add updated_at: the column that says when a row last changed",
        ),
        ("timestamp", Some(_)) => refuse(
            place_of("check_cols"),
            "A 'timestamp' snapshot should not have 'check_cols'".to_owned(),
            "remove check_cols, or use strategy: check",
        ),
        _ => {}
    }
    if config.materialized() != "snapshot" {
        refuse(
            place_of("materialized"),
            "A snapshot must have a materialized value of 'snapshot'".to_owned(),
            "remove `materialized`",
        );
    }
    mistakes
}

fn is_given(value: &Json) -> bool {
    match value {
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => true,
    }
}

impl Config {
    /// What a snapshot's own columns are called: `snapshot_table_column_names` of templates.
    pub fn snapshot_column_names(&self) -> Json {
        let configured = self.get("snapshot_meta_column_names");
        let name = |key: &str| {
            configured
                .and_then(|names| names.get(key))
                .and_then(Json::as_str)
                .filter(|name| !name.is_empty())
                .unwrap_or(key)
                .to_owned()
        };
        META_COLUMNS
            .iter()
            .map(|key| ((*key).to_owned(), Json::String(name(key))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_column_that_nobody_renamed_keeps_its_name() {
        let mut config = Config::defaults(ResourceType::Snapshot);
        config.set(
            "snapshot_meta_column_names",
            json!({"dbt_valid_to": "until", "dbt_scd_id": null}),
        );
        let names = config.snapshot_column_names();
        assert_eq!(names["dbt_valid_to"], "until");
        assert_eq!(names["dbt_scd_id"], "dbt_scd_id");
    }
}
