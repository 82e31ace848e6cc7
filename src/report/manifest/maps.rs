//! What the manifest derives from the graph: parents, children, groups, primary keys.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;

use crate::graph::Graph;
use crate::parse::{Details, GenericTest, Node, ResourceType, UniqueId};

use super::others::GroupRecord;

type IdMap<'a> = IndexMap<&'a UniqueId, Vec<&'a UniqueId>>;

/// Every node with its parents, sorted by id.
pub(super) fn parent_map(graph: &Graph) -> IdMap<'_> {
    let mut map = IdMap::with_capacity(graph.nodes.len());
    for (id, node) in &graph.nodes {
        let mut parents: Vec<&UniqueId> = node.depends_on_nodes.iter().collect();
        parents.sort_unstable();
        map.insert(id, parents);
    }
    map
}

/// Every node with its children, sorted by id.
pub(super) fn child_map(graph: &Graph) -> IdMap<'_> {
    let mut map: IdMap<'_> = graph.nodes.keys().map(|id| (id, Vec::new())).collect();
    for (id, node) in &graph.nodes {
        for parent in &node.depends_on_nodes {
            if let Some(children) = map.get_mut(parent) {
                children.push(id);
            }
        }
    }
    for children in map.values_mut() {
        children.sort_unstable();
    }
    map
}

/// Every declared group with its members.
pub(super) fn group_map<'a>(
    graph: &'a Graph,
    groups: &'a [GroupRecord],
) -> IndexMap<&'a str, Vec<&'a UniqueId>> {
    let mut map: IndexMap<&str, Vec<&UniqueId>> = groups
        .iter()
        .map(|group| (group.name.as_str(), Vec::new()))
        .collect();
    let sections: [fn(ResourceType) -> bool; 4] = [
        |kind| !is_semantic(kind),
        |kind| kind == ResourceType::SavedQuery,
        |kind| kind == ResourceType::SemanticModel,
        |kind| kind == ResourceType::Metric,
    ];
    for belongs in sections {
        for (id, node) in &graph.nodes {
            if belongs(node.resource_type)
                && let Some(group) = group_of(graph, node)
            {
                map.entry(group).or_default().push(id);
            }
        }
    }
    map
}

fn is_semantic(kind: ResourceType) -> bool {
    matches!(
        kind,
        ResourceType::Metric | ResourceType::SemanticModel | ResourceType::SavedQuery
    )
}

/// The group of a node; a test belongs to the group of what it tests.
pub(super) fn group_of<'a>(graph: &'a Graph, node: &'a Node) -> Option<&'a str> {
    let group = |node: &'a Node| node.group.as_deref().or_else(|| node.config.str("group"));
    match &node.details {
        Details::GenericTest(test) => group(graph.nodes.get(test.attached_node.as_ref()?)?),
        _ => group(node),
    }
}

/// The columns that tell rows apart: a primary key constraint, else columns tested to be unique
/// and not null, else columns tested to be unique; tests that are switched off count last.
pub(super) fn primary_key(graph: &Graph, node: &Node) -> Vec<String> {
    let declared = declared_key(node);
    if !declared.is_empty() {
        return declared;
    }
    let mut unique = IndexSet::new();
    let mut unique_once = IndexSet::new();
    let mut not_null = IndexSet::new();
    for (test, is_enabled) in tests_of(graph, node) {
        let columns = match &test.column {
            Some(column) => vec![column.clone()],
            None => strings(test.kwargs.get("combination_of_columns")),
        };
        match test.name.as_str() {
            "unique" | "unique_combination_of_columns" if is_enabled => unique.extend(columns),
            "unique" | "unique_combination_of_columns" => unique_once.extend(columns),
            "not_null" => not_null.extend(columns),
            _ => {}
        }
    }
    let is_unique = |column: &&String| unique.contains(*column) || unique_once.contains(*column);
    let mut key: Vec<String> = not_null.iter().filter(is_unique).cloned().collect();
    if key.is_empty() {
        key = if unique.is_empty() {
            unique_once
        } else {
            unique
        }
        .into_iter()
        .collect();
    }
    key.sort_unstable();
    key
}

fn declared_key(node: &Node) -> Vec<String> {
    let is_key =
        |constraint: &&Json| constraint.get("type").and_then(Json::as_str) == Some("primary_key");
    if let Some(key) = node.constraints.iter().find(is_key) {
        return strings(key.get("columns"));
    }
    node.columns
        .values()
        .filter(|column| {
            column
                .constraints
                .iter()
                .any(|constraint| is_key(&constraint))
        })
        .map(|column| column.name.clone())
        .collect()
}

/// The generic tests of a node, and whether they are switched on.
fn tests_of<'a>(graph: &'a Graph, node: &Node) -> impl Iterator<Item = (&'a GenericTest, bool)> {
    let id = node.unique_id.clone();
    let enabled = graph
        .children(&node.unique_id)
        .into_iter()
        .filter_map(|child| graph.nodes.get(child))
        .map(|child| (child, true));
    let disabled = graph.disabled.iter().map(|child| (child, false));
    enabled
        .chain(disabled)
        .filter_map(move |(child, is_enabled)| match &child.details {
            Details::GenericTest(test) if test.attached_node.as_ref() == Some(&id) => {
                Some((test, is_enabled))
            }
            _ => None,
        })
}

fn strings(value: Option<&Json>) -> Vec<String> {
    let items = value.and_then(Json::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
