//! What the manifest derives from the graph: parents, children, groups, primary keys.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;

use crate::graph::Graph;
use crate::parse::{Details, Node, ResourceType, UniqueId};

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
    let own = node.group.as_deref().or_else(|| node.config.str("group"));
    let Details::GenericTest(test) = &node.details else {
        return own;
    };
    own.or_else(|| {
        let tested = graph.nodes.get(test.attached_node.as_ref()?)?;
        tested
            .group
            .as_deref()
            .or_else(|| tested.config.str("group"))
    })
}

/// The columns that tell rows apart: a primary key constraint, else columns tested to be unique
/// and not null, else columns tested to be unique.
pub(super) fn primary_key(graph: &Graph, node: &Node) -> Vec<String> {
    let declared = declared_key(node);
    if !declared.is_empty() {
        return declared;
    }
    let mut unique = IndexSet::new();
    let mut not_null = IndexSet::new();
    for test in tests_of(graph, node) {
        match (test.name.as_str(), &test.column) {
            ("unique", Some(column)) => {
                unique.insert(column.clone());
            }
            ("not_null", Some(column)) => {
                not_null.insert(column.clone());
            }
            ("unique_combination_of_columns", _) => {
                let columns = test.kwargs.get("combination_of_columns");
                return strings(columns);
            }
            _ => {}
        }
    }
    let both: Vec<String> = unique.intersection(&not_null).cloned().collect();
    if both.is_empty() {
        unique.into_iter().collect()
    } else {
        both
    }
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

fn tests_of<'a>(
    graph: &'a Graph,
    node: &Node,
) -> impl Iterator<Item = &'a crate::parse::GenericTest> {
    let id = node.unique_id.clone();
    graph
        .children(&node.unique_id)
        .into_iter()
        .filter_map(|child| graph.nodes.get(child))
        .filter_map(move |child| match &child.details {
            Details::GenericTest(test) if test.attached_node.as_ref() == Some(&id) => Some(test),
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
