//! Semantic models, metrics and saved queries in the manifest.

use serde::Serialize;
use serde_json::Value as Json;

use crate::parse::{Details, Node, Semantic};

use super::RecordContext;
use super::config::ConfigRecord;
use super::node::{DependsOn, RefRecord, object_or_empty, refs, sources};

/// The keys that the three kinds share, then those of the kind.
#[derive(Debug, Serialize)]
pub struct SemanticRecord<'a> {
    name: &'a str,
    resource_type: &'static str,
    package_name: &'a str,
    path: &'a str,
    original_file_path: &'a str,
    unique_id: &'a str,
    fqn: &'a [String],
    #[serde(flatten)]
    own: &'a Json,
    config: ConfigRecord<'a>,
    unrendered_config: &'a Json,
    depends_on: DependsOn<'a>,
    refs: Vec<RefRecord<'a>>,
    #[serde(flatten)]
    more: More<'a>,
    created_at: f64,
    group: Option<&'a str>,
}

/// Keys that a metric has besides.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum More<'a> {
    Metric {
        sources: Vec<[&'a str; 2]>,
        metrics: [&'a str; 0],
    },
    Nothing {},
}

impl<'a> SemanticRecord<'a> {
    pub(super) fn new(
        node: &'a Node,
        semantic: &'a Semantic,
        context: RecordContext<'a>,
    ) -> SemanticRecord<'a> {
        let more = match node.details {
            Details::Metric(_) => More::Metric {
                sources: sources(node),
                metrics: [],
            },
            _ => More::Nothing {},
        };
        SemanticRecord {
            name: &node.name,
            resource_type: node.resource_type.as_str(),
            package_name: &node.package_name,
            path: &node.path,
            original_file_path: &node.original_file_path,
            unique_id: node.unique_id.as_str(),
            fqn: &node.fqn,
            own: &semantic.record,
            config: ConfigRecord(node),
            unrendered_config: object_or_empty(&node.unrendered_config),
            depends_on: DependsOn::of(node),
            refs: refs(node),
            more,
            created_at: context.created_at,
            group: node.group.as_deref(),
        }
    }
}
