//! What `ls` shows: one selected node a line.

use indexmap::IndexSet;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::graph::Graph;
use crate::parse::{Details, Node, UniqueId};

use super::manifest::{Record, RecordContext, seconds};

/// How `ls --output` writes a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListFormat {
    /// A selector that picks the node: `shop.marts.fct_orders`, `source:shop.raw.orders`.
    #[default]
    Selector,
    Name,
    Path,
    Json,
}

/// The keys of the JSON form where `--output-keys` names none.
const DEFAULT_KEYS: [&str; 10] = [
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

/// The selected nodes, one line each, in the order of their ids.
///
/// `keys` picks what the JSON form shows; `config.materialized` reaches inside.
pub fn list(
    graph: &Graph,
    ids: &IndexSet<UniqueId>,
    format: ListFormat,
    keys: &[String],
) -> Vec<String> {
    let mut ids: Vec<&UniqueId> = ids.iter().collect();
    ids.sort_unstable();
    let context = RecordContext {
        graph,
        compiled: None,
        root_path: "",
        created_at: seconds(Timestamp::now()),
    };
    ids.into_iter()
        .filter_map(|id| graph.nodes.get(id))
        .map(|node| match format {
            ListFormat::Selector => selector(node),
            ListFormat::Name => name(node),
            ListFormat::Path => node.original_file_path.clone(),
            ListFormat::Json => json_line(node, context, keys),
        })
        .collect()
}

fn name(node: &Node) -> String {
    match &node.details {
        Details::Source(source) => format!("{}.{}", source.source_name, node.name),
        _ => node.search_name(),
    }
}

fn selector(node: &Node) -> String {
    let package = &node.package_name;
    match &node.details {
        Details::Source(source) => format!("source:{package}.{}.{}", source.source_name, node.name),
        Details::Exposure(_) => format!("exposure:{package}.{}", node.name),
        Details::Metric(_) | Details::SemanticModel(_) | Details::SavedQuery(_) => {
            format!("{}:{package}.{}", node.resource_type.as_str(), node.name)
        }
        Details::UnitTest(_) => format!("unit_test:{package}.{}", node.search_name()),
        _ => node.fqn.join("."),
    }
}

fn json_line(node: &Node, context: RecordContext<'_>, keys: &[String]) -> String {
    let Ok(Json::Object(record)) = serde_json::to_value(Record::new(node, context)) else {
        return String::new();
    };
    let mut shown = Map::new();
    if keys.is_empty() {
        let wanted = record
            .into_iter()
            .filter(|(key, _)| DEFAULT_KEYS.contains(&key.as_str()));
        shown.extend(wanted);
    } else {
        for key in keys {
            let mut parts = key.split('.');
            let first = parts.next().and_then(|part| record.get(part));
            let value = parts.fold(first, |value, part| value.and_then(|value| value.get(part)));
            if let Some(value) = value {
                shown.insert(key.clone(), value.clone());
            }
        }
    }
    Json::Object(shown).to_string()
}
