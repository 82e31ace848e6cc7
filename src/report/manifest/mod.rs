//! `manifest.json`, version 12: the whole project as dbt's readers know it.
//!
//! Records borrow from the graph and are written as they are visited, some hundreds of nodes at a
//! time by all processors; the file is never held in memory as a whole.

mod config;
mod maps;
mod node;
mod others;
mod semantic;

use std::collections::HashMap;
use std::sync::Arc;

use md5::{Digest, Md5};
use rayon::prelude::*;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::graph::Graph;
use crate::parse::{Details, Node, ResourceType, UniqueId};

use super::artifact::{BaseMetadata, Invocation};
use super::log_event::timestamp;

pub use node::NodeRecord;
pub use others::{
    DocRecord, ExposureRecord, GroupRecord, MacroArgument, MacroRecord, SourceRecord,
    UnitTestRecord,
};

pub use semantic::SemanticRecord;

use maps::{child_map, group_map, parent_map};

/// What compiling made of a node.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    pub code: String,
    /// Relative to the project folder.
    pub path: Option<String>,
}

/// The project around the nodes.
#[derive(Debug)]
pub struct Manifest<'a> {
    pub graph: &'a Graph,
    pub macros: &'a [MacroRecord],
    pub docs: &'a [DocRecord],
    pub groups: &'a [GroupRecord],
    pub compiled: &'a HashMap<UniqueId, Compiled>,
    pub invocation: &'a Invocation,
    /// The folder of each package, as dbt records it of seeds.
    pub root_paths: HashMap<String, String>,
    /// What `selectors.yml` names.
    pub selectors: Map<String, Json>,
    /// The project's `quoting`, where it says one.
    pub quoting: Json,
}

/// What a node's record takes from outside the node.
#[derive(Clone, Copy, Debug)]
pub struct RecordContext<'a> {
    pub graph: &'a Graph,
    pub compiled: Option<&'a Compiled>,
    pub root_path: &'a str,
    /// Seconds since 1970.
    pub created_at: f64,
}

/// A node of any kind as its section of the manifest has it.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Record<'a> {
    Node(Box<NodeRecord<'a>>),
    Source(Box<SourceRecord<'a>>),
    Exposure(Box<ExposureRecord<'a>>),
    UnitTest(Box<UnitTestRecord<'a>>),
    Semantic(Box<SemanticRecord<'a>>),
}

impl<'a> Record<'a> {
    pub fn new(node: &'a Node, context: RecordContext<'a>) -> Record<'a> {
        match &node.details {
            Details::Source(source) => {
                Record::Source(Box::new(SourceRecord::new(node, source, context)))
            }
            Details::Exposure(exposure) => {
                Record::Exposure(Box::new(ExposureRecord::new(node, exposure, context)))
            }
            Details::UnitTest(test) => {
                Record::UnitTest(Box::new(UnitTestRecord::new(node, test, context)))
            }
            Details::Metric(semantic)
            | Details::SemanticModel(semantic)
            | Details::SavedQuery(semantic) => {
                Record::Semantic(Box::new(SemanticRecord::new(node, semantic, context)))
            }
            _ => Record::Node(Box::new(NodeRecord::new(node, context))),
        }
    }
}

impl Manifest<'_> {
    fn metadata(&self) -> Result<Json, serde_json::Error> {
        let base = BaseMetadata::new("manifest/v12", self.invocation);
        let mut metadata = serde_json::to_value(base)?;
        let name = &self.graph.root_package;
        let id: String = Md5::digest(name.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let part = |key: &str| self.quoting.get(key).cloned().unwrap_or(Json::Bool(true));
        let more = json!({
            "project_name": name,
            "project_id": id,
            "user_id": null,
            "send_anonymous_usage_stats": false,
            "adapter_type": "postgres",
            "quoting": {
                "database": part("database"),
                "schema": part("schema"),
                "identifier": part("identifier"),
                "column": null,
            },
            "run_started_at": timestamp(self.invocation.started_at),
        });
        if let (Json::Object(metadata), Json::Object(more)) = (&mut metadata, more) {
            metadata.extend(more);
        }
        Ok(metadata)
    }

    fn context(&self, node: &Node) -> RecordContext<'_> {
        RecordContext {
            graph: self.graph,
            compiled: self.compiled.get(&node.unique_id),
            root_path: self
                .root_paths
                .get(&node.package_name)
                .map_or("", String::as_str),
            created_at: seconds(self.invocation.started_at),
        }
    }
}

/// Seconds since 1970 with their fraction.
pub(super) fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

impl Serialize for Manifest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = self.metadata().map_err(serde::ser::Error::custom)?;
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("metadata", &metadata)?;
        out.serialize_entry("nodes", &self.section(is_plain_node))?;
        out.serialize_entry(
            "sources",
            &self.section(|kind| kind == ResourceType::Source),
        )?;
        out.serialize_entry("macros", &by_id(self.macros, |record| &record.unique_id))?;
        out.serialize_entry("docs", &by_id(self.docs, |record| &record.unique_id))?;
        out.serialize_entry(
            "exposures",
            &self.section(|kind| kind == ResourceType::Exposure),
        )?;
        out.serialize_entry(
            "metrics",
            &self.section(|kind| kind == ResourceType::Metric),
        )?;
        out.serialize_entry("groups", &by_id(self.groups, |record| &record.unique_id))?;
        out.serialize_entry("selectors", &self.selectors)?;
        out.serialize_entry("disabled", &Disabled(self))?;
        out.serialize_entry("parent_map", &parent_map(self.graph))?;
        out.serialize_entry("child_map", &child_map(self.graph))?;
        out.serialize_entry("group_map", &group_map(self.graph, self.groups))?;
        out.serialize_entry(
            "saved_queries",
            &self.section(|kind| kind == ResourceType::SavedQuery),
        )?;
        out.serialize_entry(
            "semantic_models",
            &self.section(|kind| kind == ResourceType::SemanticModel),
        )?;
        out.serialize_entry(
            "unit_tests",
            &self.section(|kind| kind == ResourceType::UnitTest),
        )?;
        out.serialize_entry(
            "functions",
            &self.section(|kind| kind == ResourceType::Function),
        )?;
        out.end()
    }
}

fn is_plain_node(kind: ResourceType) -> bool {
    !matches!(
        kind,
        ResourceType::Source
            | ResourceType::Exposure
            | ResourceType::UnitTest
            | ResourceType::Function
            | ResourceType::Metric
            | ResourceType::SemanticModel
            | ResourceType::SavedQuery
    )
}

/// Enough for all processors, and few enough that their texts need little memory.
const NODES_AT_A_TIME: usize = 500;

/// The nodes of one section, by id.
struct Section<'a> {
    manifest: &'a Manifest<'a>,
    belongs: fn(ResourceType) -> bool,
}

impl Manifest<'_> {
    fn section(&self, belongs: fn(ResourceType) -> bool) -> Section<'_> {
        Section {
            manifest: self,
            belongs,
        }
    }
}

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes = self.manifest.graph.nodes.values();
        let nodes: Vec<&Node> = nodes
            .map(Arc::as_ref)
            .filter(|node| (self.belongs)(node.resource_type))
            .collect();
        let text_of = |node: &&Node| {
            serde_json::value::to_raw_value(&Record::new(node, self.manifest.context(node)))
        };
        let mut out = serializer.serialize_map(Some(nodes.len()))?;
        for nodes in nodes.chunks(NODES_AT_A_TIME) {
            let texts: Vec<_> = nodes.par_iter().map(text_of).collect();
            for (node, text) in nodes.iter().zip(texts) {
                let text = text.map_err(serde::ser::Error::custom)?;
                out.serialize_entry(&node.unique_id, &text)?;
            }
        }
        out.end()
    }
}

/// Disabled nodes by id: one id may be disabled more than once.
struct Disabled<'a>(&'a Manifest<'a>);

impl Serialize for Disabled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut by_id: indexmap::IndexMap<&UniqueId, Vec<Record<'_>>> = indexmap::IndexMap::new();
        for node in &self.0.graph.disabled {
            by_id
                .entry(&node.unique_id)
                .or_default()
                .push(Record::new(node, self.0.context(node)));
        }
        serializer.collect_map(by_id)
    }
}

struct ById<'a, T> {
    records: &'a [T],
    id: fn(&T) -> &String,
}

fn by_id<T>(records: &[T], id: fn(&T) -> &String) -> ById<'_, T> {
    ById { records, id }
}

impl<T: Serialize> Serialize for ById<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.records
                .iter()
                .map(|record| ((self.id)(record), record)),
        )
    }
}
