//! `catalog.json`, version 1: what the database holds for the nodes and sources of a project.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::graph::Graph;
use crate::parse::{Details, Node, UniqueId};
use crate::run::{DescribedColumn, DescribedRelation};

use super::artifact::{BaseMetadata, Invocation};

/// The artifact, ready to be written with [`write_json`](super::artifact::write_json).
#[derive(Debug, Serialize)]
pub struct Catalog<'a> {
    metadata: BaseMetadata<'a>,
    nodes: IndexMap<&'a str, Table<'a>>,
    sources: IndexMap<&'a str, Table<'a>>,
    errors: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Table<'a> {
    metadata: TableMetadata<'a>,
    columns: IndexMap<&'a str, ColumnRecord<'a>>,
    stats: Json,
    unique_id: &'a str,
}

#[derive(Debug, Serialize)]
struct TableMetadata<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    schema: &'a str,
    name: &'a str,
    database: &'a str,
    comment: Option<&'a str>,
    owner: &'a str,
}

#[derive(Debug, Serialize)]
struct ColumnRecord<'a> {
    #[serde(rename = "type")]
    data_type: &'a str,
    index: i64,
    name: &'a str,
    comment: Option<&'a str>,
}

impl<'a> Catalog<'a> {
    /// Joins relations with the nodes they belong to. Names are compared without case, as dbt
    /// compares them. `shows` picks the nodes that appear.
    pub fn new(
        invocation: &'a Invocation,
        graph: &'a Graph,
        relations: &'a [DescribedRelation],
        shows: impl Fn(&UniqueId) -> bool,
    ) -> Catalog<'a> {
        let by_name: HashMap<[String; 3], &DescribedRelation> = relations
            .iter()
            .map(|found| (key(&found.database, &found.schema, &found.name), found))
            .collect();
        let mut catalog = Catalog {
            metadata: BaseMetadata::new("catalog/v1", invocation),
            nodes: IndexMap::new(),
            sources: IndexMap::new(),
            errors: None,
        };
        for node in graph.nodes.values().filter(|node| shows(&node.unique_id)) {
            let Some(relation) = described_as(node) else {
                continue;
            };
            let Some(found) = by_name.get(&relation) else {
                continue;
            };
            let id = node.unique_id.as_str();
            let section = match &node.details {
                Details::Source(_) => &mut catalog.sources,
                _ => &mut catalog.nodes,
            };
            section.insert(id, Table::new(id, found));
        }
        catalog.nodes.sort_unstable_keys();
        catalog.sources.sort_unstable_keys();
        catalog
    }
}

/// The schemas in which the relations of a project lie.
pub fn schemas_of(graph: &Graph) -> Vec<&str> {
    let mut schemas: Vec<&str> = graph
        .nodes
        .values()
        .filter(|node| !node.is_ephemeral())
        .filter_map(|node| node.relation.as_ref())
        .map(|relation| relation.schema_name())
        .collect();
    schemas.sort_unstable();
    schemas.dedup();
    schemas
}

fn described_as(node: &Node) -> Option<[String; 3]> {
    let relation = node.relation.as_ref().filter(|_| !node.is_ephemeral())?;
    let database = relation.database.as_deref().unwrap_or(&node.database);
    Some(key(database, relation.schema_name(), relation.name()))
}

fn key(database: &str, schema: &str, name: &str) -> [String; 3] {
    [database, schema, name].map(str::to_lowercase)
}

impl<'a> Table<'a> {
    fn new(unique_id: &'a str, found: &'a DescribedRelation) -> Table<'a> {
        Table {
            metadata: TableMetadata {
                kind: &found.kind,
                schema: &found.schema,
                name: &found.name,
                database: &found.database,
                comment: found.comment.as_deref(),
                owner: &found.owner,
            },
            columns: found
                .columns
                .iter()
                .map(|column| (column.name.as_str(), ColumnRecord::new(column)))
                .collect(),
            stats: json!({
                "has_stats": {
                    "id": "has_stats",
                    "label": "Has Stats?",
                    "value": false,
                    "include": false,
                    "description": "Indicates whether there are statistics for this table",
                },
            }),
            unique_id,
        }
    }
}

impl<'a> ColumnRecord<'a> {
    fn new(column: &'a DescribedColumn) -> ColumnRecord<'a> {
        ColumnRecord {
            data_type: &column.data_type,
            index: column.index,
            name: &column.name,
            comment: column.comment.as_deref(),
        }
    }
}
