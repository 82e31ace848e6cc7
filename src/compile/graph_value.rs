//! The graph as templates see it: `graph.nodes`, `graph.sources`, …, made when touched.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

use crate::graph::Graph;
use crate::parse::{Node, NodeValue, ResourceType};

/// `graph` of templates.
#[derive(Debug)]
pub(super) struct GraphValue(Arc<Graph>);

impl GraphValue {
    pub(super) fn value(graph: Arc<Graph>) -> Value {
        Value::from_object(GraphValue(graph))
    }
}

const SECTIONS: [&str; 9] = [
    "nodes",
    "sources",
    "exposures",
    "unit_tests",
    "metrics",
    "groups",
    "semantic_models",
    "saved_queries",
    "functions",
];

impl Object for GraphValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let section = SECTIONS
            .into_iter()
            .find(|section| key.as_str() == Some(section))?;
        Some(Value::from_object(Section {
            graph: Arc::clone(&self.0),
            section,
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&SECTIONS)
    }
}

/// One mapping of unique ids to nodes.
#[derive(Debug)]
struct Section {
    graph: Arc<Graph>,
    section: &'static str,
}

impl Section {
    fn holds(&self, node: &Node) -> bool {
        let section = match node.resource_type {
            ResourceType::Source => "sources",
            ResourceType::Exposure => "exposures",
            ResourceType::UnitTest => "unit_tests",
            ResourceType::Function => "functions",
            ResourceType::Metric => "metrics",
            ResourceType::SemanticModel => "semantic_models",
            ResourceType::SavedQuery => "saved_queries",
            _ => "nodes",
        };
        section == self.section
    }
}

impl Object for Section {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let node = self
            .graph
            .nodes
            .get(key.as_str()?)
            .filter(|node| self.holds(node))?;
        Some(NodeValue::value(Arc::clone(node)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let ids = self.graph.nodes.values().filter(|node| self.holds(node));
        Enumerator::Values(
            ids.map(|node| Value::from(node.unique_id.as_str()))
                .collect(),
        )
    }
}
