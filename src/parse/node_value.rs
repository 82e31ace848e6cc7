//! A node as templates see it (`model`, `graph.nodes[…]`, the `node` of name macros): each
//! attribute is made when it is asked for.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use serde_json::{Value as Json, json};

use msv_jinja::value::column::translate_type;
use msv_jinja::value::convert::from_json;
use msv_jinja::value::datetime::Moment;
use msv_jinja::value::dict::Dict;

use super::node::{Details, Node, ResourceType};
use super::time_window::Batch;

/// The attributes a template can read, in the order dbt lists them.
const KEYS: &[&str] = &[
    "database",
    "schema",
    "name",
    "resource_type",
    "package_name",
    "path",
    "original_file_path",
    "unique_id",
    "fqn",
    "alias",
    "checksum",
    "config",
    "tags",
    "description",
    "columns",
    "meta",
    "group",
    "docs",
    "doc_blocks",
    "metrics",
    "patch_path",
    "unrendered_config",
    "relation_name",
    "raw_code",
    "language",
    "refs",
    "sources",
    "depends_on",
    "contract",
    "access",
    "constraints",
    "version",
    "latest_version",
    "deprecation_date",
    "test_metadata",
    "column_name",
    "attached_node",
    "source_name",
    "source_description",
    "loader",
    "identifier",
    "freshness",
    "loaded_at_field",
    "loaded_at_query",
    "external",
    "quoting",
    "source_meta",
    "unrendered_database",
    "unrendered_schema",
    "time_spine",
    "functions",
    "build_path",
    "compiled_path",
    "batch",
    "defer_relation",
    "compiled_code",
    "arguments",
    "returns",
    "type",
    "owner",
    "maturity",
    "url",
    "label",
    "model",
    "node_relation",
    "defaults",
    "entities",
    "measures",
    "dimensions",
    "primary_entity",
    "type_params",
    "filter",
    "metadata",
    "time_granularity",
    "query_params",
    "exports",
];

/// Keys that only models have among the nodes that become a query.
const OF_MODELS: [&str; 8] = [
    "access",
    "constraints",
    "version",
    "latest_version",
    "deprecation_date",
    "time_spine",
    "batch",
    "defer_relation",
];

/// Keys of nodes that become a query or a relation, which what is only declared does not have.
const OF_BUILT: [&str; 15] = [
    "alias",
    "checksum",
    "columns",
    "contract",
    "database",
    "doc_blocks",
    "docs",
    "language",
    "patch_path",
    "raw_code",
    "relation_name",
    "schema",
    "functions",
    "build_path",
    "compiled_path",
];

/// Whether dbt has the key at nodes of this kind; templates ask `is defined` and loop over keys.
fn is_of(kind: ResourceType, key: &str) -> bool {
    match kind {
        ResourceType::Model => true,
        ResourceType::Seed => {
            key == "defer_relation"
                || key == "build_path"
                || !(OF_MODELS.contains(&key)
                    || matches!(
                        key,
                        "contract"
                            | "language"
                            | "metrics"
                            | "refs"
                            | "sources"
                            | "functions"
                            | "compiled_path"
                    ))
        }
        ResourceType::Source => {
            matches!(
                key,
                "columns" | "database" | "doc_blocks" | "patch_path" | "relation_name" | "schema"
            ) || !(OF_MODELS.contains(&key)
                || OF_BUILT.contains(&key)
                || matches!(key, "depends_on" | "group" | "metrics" | "refs" | "sources"))
        }
        ResourceType::Exposure | ResourceType::Metric | ResourceType::SavedQuery => {
            !(OF_MODELS.contains(&key)
                || OF_BUILT.contains(&key)
                || (kind == ResourceType::Exposure && key == "group"))
        }
        ResourceType::SemanticModel => {
            !(OF_MODELS.contains(&key)
                || OF_BUILT.contains(&key)
                || matches!(key, "meta" | "metrics" | "sources" | "tags"))
        }
        ResourceType::Test | ResourceType::Analysis | ResourceType::Operation => {
            !OF_MODELS.contains(&key)
        }
        _ => true,
    }
}

/// Wraps a node; `compiled_code` is there once the node was compiled.
#[derive(Debug)]
pub struct NodeValue {
    pub node: Arc<Node>,
    pub compiled_code: Option<String>,
    /// The batch that is built, as `model.batch`.
    pub batch: Option<Batch>,
    /// True for `model`, which leaves out what has no value.
    pub omits_none: bool,
}

impl NodeValue {
    pub fn value(node: Arc<Node>) -> Value {
        Value::from_object(NodeValue {
            node,
            compiled_code: None,
            batch: None,
            omits_none: false,
        })
    }

    fn attribute(&self, key: &str) -> Option<Json> {
        let node = &self.node;
        let source = match &node.details {
            Details::Source(source) => Some(source),
            _ => None,
        };
        let test = match &node.details {
            Details::GenericTest(test) => Some(test),
            _ => None,
        };
        let function = match &node.details {
            Details::Function(function) => Some(function),
            _ => None,
        };
        // What only one kind has: an exposure's owner, a metric's type, …
        let own = match &node.details {
            Details::Exposure(record) => record.get(key),
            _ => node
                .semantic()
                .and_then(|semantic| semantic.record.get(key)),
        };
        if let Some(own) = own {
            return Some(own.clone());
        }
        if !is_of(node.resource_type, key) {
            return None;
        }
        Some(match key {
            "time_spine" => node.time_spine.clone(),
            "functions" => node
                .functions
                .iter()
                .map(|call| match &call.package {
                    Some(package) => json!([package, call.name]),
                    None => json!([call.name]),
                })
                .collect(),
            "build_path" | "compiled_path" | "batch" | "defer_relation" => Json::Null,
            "loaded_at_field" => json!(source?.loaded_at_field),
            "loaded_at_query" => json!(source?.loaded_at_query),
            "external" => json!(source?.external),
            "quoting" => source?.quoting.clone(),
            "source_meta" => source?.source_meta.clone(),
            "unrendered_database" => json!(source?.unrendered_database),
            "unrendered_schema" => json!(source?.unrendered_schema),
            "database" => json!(node.database),
            "schema" => json!(node.schema),
            "name" => json!(node.name),
            "resource_type" => json!(node.resource_type.as_str()),
            "package_name" => json!(node.package_name),
            "path" => json!(node.path),
            "original_file_path" => json!(node.original_file_path),
            "unique_id" => json!(node.unique_id),
            "fqn" => json!(node.fqn),
            "alias" => json!(node.alias),
            "checksum" => json!({"name": "sha256", "checksum": node.checksum}),
            "config" => {
                let mut config = json!(node.config);
                if let (true, Json::Object(config)) = (
                    matches!(
                        node.resource_type,
                        ResourceType::Source | ResourceType::Exposure | ResourceType::UnitTest
                    ),
                    &mut config,
                ) {
                    config.retain(|key, _| {
                        let is_named = matches!(
                            key.as_str(),
                            "alias" | "database" | "group" | "schema"
                        ) || (key == "static_analysis" && source.is_none());
                        !is_named || node.config.is_written(key)
                    });
                }
                // dbt counts these to a source's configuration, wherever they are written.
                if let (Some(source), Json::Object(config)) = (source, &mut config) {
                    config.entry("event_time").or_insert(Json::Null);
                    config.insert("freshness".to_owned(), source.freshness_record());
                    config.insert("loaded_at_field".to_owned(), json!(source.loaded_at_field));
                    config.insert("loaded_at_query".to_owned(), json!(source.loaded_at_query));
                }
                config
            }
            "tags" => json!(node.tags()),
            "description" => json!(node.description),
            "columns" => columns(node, self.omits_none && aliases_types(node)),
            "meta" => node.config.get("meta").cloned().unwrap_or(json!({})),
            "group" => json!(node.group),
            "docs" => node.config.get("docs").cloned().unwrap_or(json!({})),
            "patch_path" => json!(node.patch_path),
            "unrendered_config" => node.unrendered_config.clone(),
            "relation_name" => json!(node.relation_name()),
            "raw_code" | "raw_sql" => json!(node.template.code()),
            "compiled_code" | "compiled_sql" => json!(self.compiled_code.as_ref()?),
            "language" => json!(node.language()),
            "refs" => node
                .refs
                .iter()
                .map(|call| json!({"name": call.name, "package": call.package, "version": call.version}))
                .collect(),
            "sources" => {
                node.sources.iter().map(|call| json!([call.source, call.table])).collect()
            }
            "depends_on" => {
                json!({"macros": node.depends_on_macros, "nodes": node.depends_on_nodes})
            }
            "depends_on_nodes" => json!(node.depends_on_nodes),
            "depends_on_macros" => json!(node.depends_on_macros),
            "doc_blocks" => json!(node.doc_blocks),
            "metrics" => node.metrics.iter().map(|call| json!([call.name])).collect(),
            "contract" => node.config.get("contract").cloned().unwrap_or(json!({})),
            "access" if node.resource_type == ResourceType::Model => json!(node.access),
            "constraints" => json!(node.constraints),
            "version" => json!(node.version),
            "latest_version" => json!(node.latest_version),
            "deprecation_date" => json!(node.deprecation_date),
            "test_metadata" => {
                let test = test?;
                json!({"name": test.name, "namespace": test.namespace, "kwargs": test.kwargs})
            }
            "column_name" => json!(test?.column),
            "attached_node" => json!(test?.attached_node),
            "source_name" => json!(source?.source_name),
            "source_description" => json!(source?.source_description),
            "loader" => json!(source?.loader),
            "identifier" => json!(source?.identifier),
            "freshness" => json!(source?.freshness),
            "arguments" => json!(function?.arguments),
            "returns" => json!(function?.returns),
            _ => return None,
        })
    }
}

/// Drops what has no value, at every depth but inside lists.
fn without_none(json: Json) -> Json {
    match json {
        Json::Object(entries) => entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_none(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Json::Array(items) => items.into_iter().map(without_none).collect(),
        other => other,
    }
}

/// True unless the node's contract wants the types as they are written.
fn aliases_types(node: &Node) -> bool {
    let contract = node.config.get("contract");
    let alias_types = contract.and_then(|contract| contract.get("alias_types"));
    alias_types.and_then(Json::as_bool).unwrap_or(true)
}

/// The columns by their names; `is_translated` gives types that all databases share PostgreSQL's
/// name.
fn columns(node: &Node, is_translated: bool) -> Json {
    node.columns
        .values()
        .map(|column| {
            let data_type = column.data_type.as_deref();
            let data_type = match is_translated {
                true => data_type.map(translate_type),
                false => data_type,
            };
            let entry = json!({
                "name": column.name,
                "description": column.description,
                "data_type": data_type,
                "quote": column.quote,
                "tags": column.tags,
                "meta": column.meta,
                "constraints": column.constraints,
                "doc_blocks": column.doc_blocks,
                "config": {"meta": column.meta, "tags": column.tags},
            });
            (column.name.clone(), entry)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

impl Object for NodeValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let ("batch", Some(batch)) = (key.as_str()?, &self.batch) {
            return Some(Dict::from_pairs([
                ("id", Value::from(batch.id())),
                (
                    "event_time_start",
                    Moment::at_utc(batch.window.start).into_value(),
                ),
                (
                    "event_time_end",
                    Moment::at_utc(batch.window.end).into_value(),
                ),
            ]));
        }
        let json = self.attribute(key.as_str()?)?;
        if !self.omits_none {
            return Some(from_json(&json));
        }
        (!json.is_null()).then(|| from_json(&without_none(json)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            KEYS.iter()
                .filter(|key| {
                    let attribute = self.attribute(key);
                    attribute.is_some_and(|json| !(self.omits_none && json.is_null()))
                })
                .map(|key| Value::from(*key))
                .collect(),
        )
    }
}
