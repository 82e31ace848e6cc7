//! Finds nodes by what a template calls them: name, package and version.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use msv_parse::{Details, NameKind, Node, ResourceType, UniqueId};

use super::Graph;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    Enabled(&'a Node),
    Disabled(&'a Node),
    Nothing,
}

impl<'a> Found<'a> {
    pub fn enabled(self) -> Option<&'a Node> {
        match self {
            Found::Enabled(node) => Some(node),
            Found::Disabled(_) | Found::Nothing => None,
        }
    }
}

/// Where a node lies: in `Graph::nodes` or in `Graph::disabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Enabled(usize),
    Disabled(usize),
}

/// One node under a name. Versions of a model share the name.
#[derive(Clone, Debug)]
struct Entry {
    package: String,
    version: Option<Json>,
    is_latest: bool,
    slot: Slot,
}

/// The index over all nodes that `ref()` and `source()` may name.
#[derive(Debug, Default)]
pub(super) struct Names {
    refable: HashMap<String, Vec<Entry>>,
    tables: HashMap<String, HashMap<String, Vec<Entry>>>,
    functions: HashMap<String, Vec<Entry>>,
    metrics: HashMap<String, Vec<Entry>>,
    /// Semantic models by the names of their measures.
    measures: HashMap<String, Vec<Entry>>,
}

impl Names {
    pub(super) fn new<'a>(
        enabled: impl Iterator<Item = &'a Arc<Node>>,
        disabled: impl Iterator<Item = &'a Arc<Node>>,
    ) -> Names {
        let mut names = Names::default();
        for (at, node) in enabled.enumerate() {
            names.insert(node, Slot::Enabled(at));
        }
        for (at, node) in disabled.enumerate() {
            names.insert(node, Slot::Disabled(at));
        }
        names
    }

    fn insert(&mut self, node: &Node, slot: Slot) {
        let entry = Entry {
            package: node.package_name.clone(),
            version: node.version.clone(),
            is_latest: is_latest(node),
            slot,
        };
        if let Details::Source(source) = &node.details {
            self.tables
                .entry(source.source_name.clone())
                .or_default()
                .entry(node.name.clone())
                .or_default()
                .push(entry);
        } else if let Details::SemanticModel(model) = &node.details {
            for measure in model.names(NameKind::Measure) {
                let entries = self.measures.entry(measure.name.clone()).or_default();
                entries.push(entry.clone());
            }
        } else if node.resource_type == ResourceType::Metric {
            let entries = self.metrics.entry(node.name.clone()).or_default();
            entries.push(entry);
        } else if node.resource_type == ResourceType::Function {
            let entries = self.functions.entry(node.name.clone()).or_default();
            entries.push(entry);
        } else if node.resource_type.is_refable() {
            if node.version.is_some() {
                let exact = Entry {
                    is_latest: true,
                    ..entry.clone()
                };
                self.refable
                    .entry(node.search_name())
                    .or_default()
                    .push(exact);
            }
            self.refable
                .entry(node.name.clone())
                .or_default()
                .push(entry);
        }
    }

    pub(super) fn find_ref<'a>(
        &self,
        graph: &'a Graph,
        from_package: &str,
        package: Option<&str>,
        name: &str,
        version: Option<&Json>,
    ) -> Found<'a> {
        let fits = |entry: &&Entry| match version {
            Some(version) => entry
                .version
                .as_ref()
                .is_some_and(|own| version_text(own) == version_text(version)),
            None => entry.is_latest,
        };
        let entries = self.refable.get(name).map_or(&[][..], Vec::as_slice);
        pick(graph, entries, from_package, package, fits)
    }

    pub(super) fn find_source<'a>(
        &self,
        graph: &'a Graph,
        from_package: &str,
        source: &str,
        table: &str,
    ) -> Found<'a> {
        let entries = self
            .tables
            .get(source)
            .and_then(|tables| tables.get(table))
            .map_or(&[][..], Vec::as_slice);
        pick(graph, entries, from_package, None, |_| true)
    }

    pub(super) fn find_function<'a>(
        &self,
        graph: &'a Graph,
        from_package: &str,
        package: Option<&str>,
        name: &str,
    ) -> Found<'a> {
        let entries = self.functions.get(name).map_or(&[][..], Vec::as_slice);
        pick(graph, entries, from_package, package, |_| true)
    }

    pub(super) fn find_metric<'a>(
        &self,
        graph: &'a Graph,
        from_package: &str,
        package: Option<&str>,
        name: &str,
    ) -> Found<'a> {
        let entries = self.metrics.get(name).map_or(&[][..], Vec::as_slice);
        pick(graph, entries, from_package, package, |_| true)
    }

    /// The semantic model that has a measure.
    pub(super) fn find_measure<'a>(
        &self,
        graph: &'a Graph,
        from_package: &str,
        measure: &str,
    ) -> Found<'a> {
        let entries = self.measures.get(measure).map_or(&[][..], Vec::as_slice);
        pick(graph, entries, from_package, None, |_| true)
    }

    pub(super) fn metric_names(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    pub(super) fn measure_names(&self) -> impl Iterator<Item = &str> {
        self.measures.keys().map(String::as_str)
    }

    /// Names that `function()` understands.
    pub(super) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Names that `ref()` understands.
    pub(super) fn refable_names(&self) -> impl Iterator<Item = &str> {
        self.refable.keys().map(String::as_str)
    }

    /// Every version of a model, as written.
    pub(super) fn versions(&self, name: &str) -> Vec<String> {
        let entries = self.refable.get(name).map_or(&[][..], Vec::as_slice);
        entries
            .iter()
            .filter_map(|entry| entry.version.as_ref().map(version_text))
            .collect()
    }

    /// Packages that have something refable under `name`.
    pub(super) fn packages_with(&self, name: &str) -> Vec<&str> {
        let entries = self.refable.get(name).map_or(&[][..], Vec::as_slice);
        entries.iter().map(|entry| entry.package.as_str()).collect()
    }

    pub(super) fn source_names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    pub(super) fn tables_of(&self, source: &str) -> impl Iterator<Item = &str> {
        self.tables
            .get(source)
            .into_iter()
            .flat_map(|tables| tables.keys().map(String::as_str))
    }

    /// Sources that have a table of this name.
    pub(super) fn sources_with(&self, table: &str) -> Vec<&str> {
        let mut sources: Vec<&str> = self
            .tables
            .iter()
            .filter(|(_, tables)| tables.contains_key(table))
            .map(|(source, _)| source.as_str())
            .collect();
        sources.sort_unstable();
        sources
    }
}

/// The search order is dbt's default: the root project may so replace a package's model.
fn pick<'a>(
    graph: &'a Graph,
    entries: &[Entry],
    from_package: &str,
    package: Option<&str>,
    fits: impl Fn(&&Entry) -> bool,
) -> Found<'a> {
    let root = Some(graph.root_package.as_str());
    let passes: &[Option<&str>] = match package {
        Some(_) => &[package],
        None if graph.searches_own_package_first => &[Some(from_package), root, None],
        None => &[root, Some(from_package), None],
    };
    let mut disabled = Found::Nothing;
    for pass in passes {
        // Of a model and a seed of one name the later one counts, as in dbt.
        let candidates = entries
            .iter()
            .rev()
            .filter(|entry| pass.is_none_or(|package| entry.package == package))
            .filter(&fits);
        for entry in candidates {
            match entry.slot {
                Slot::Enabled(at) => return Found::Enabled(&graph.nodes[at]),
                Slot::Disabled(at) if matches!(disabled, Found::Nothing) => {
                    disabled = Found::Disabled(&graph.disabled[at]);
                }
                Slot::Disabled(_) => {}
            }
        }
    }
    disabled
}

/// True for a node without versions and for the version that a plain name means.
pub(super) fn is_latest(node: &Node) -> bool {
    match (&node.version, &node.latest_version) {
        (None, _) => true,
        (Some(version), Some(latest)) => version_text(version) == version_text(latest),
        (Some(_), None) => false,
    }
}

/// A version as a person writes it: `2` for the number and for the text.
pub(super) fn version_text(version: &Json) -> String {
    match version {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// True where `ref()` cannot name the node although it has a name of its own.
pub(super) fn is_named_but_not_refable(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Test
            | ResourceType::Analysis
            | ResourceType::UnitTest
            | ResourceType::Exposure
            | ResourceType::Function
            | ResourceType::Metric
            | ResourceType::SemanticModel
            | ResourceType::SavedQuery
    )
}

/// The id written as dbt writes it, for messages that name many nodes.
pub(super) fn kind_and_name(node: &Node) -> String {
    format!("{} `{}`", kind(node.resource_type), node.search_name())
}

/// The word for a kind of node in messages.
pub(super) fn kind(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::Test => "data test",
        ResourceType::UnitTest => "unit test",
        ResourceType::Operation => "hook",
        ResourceType::SemanticModel => "semantic model",
        ResourceType::SavedQuery => "saved query",
        other => other.as_str(),
    }
}

/// The name part of an id: what follows kind and package.
pub(super) fn short_name(id: &UniqueId) -> &str {
    id.as_str().splitn(3, '.').nth(2).unwrap_or(id.as_str())
}
