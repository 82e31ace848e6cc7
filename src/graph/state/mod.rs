//! Compares the project with an earlier state of it: what is new, what was modified, and how.
//!
//! A node is compared with the record of the same id in the earlier manifest: its text, what was
//! written as its configuration, its descriptions where they are persisted, its place in the
//! database, the macros it calls, and its contract ([`contract`]). Configuration is compared as
//! it was written, so that values that differ between targets do not count.

mod contract;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use crate::Graph;
use msv_diagnostics::Diagnostic;
use msv_parse::{Details, Node, ResourceType, Semantic, Source};
use msv_project::PreviousState;
use msv_project::state::{StateManifest, StateNode};

use contract::{ContractChange, compare_contract, removed_contract};

pub use contract::{contract_checksum, full_constraint};

/// A macro as it is now.
#[derive(Clone, Debug, Default)]
pub struct CurrentMacro {
    pub package: String,
    pub macro_sql: String,
    /// Ids of the macros it calls.
    pub depends_on: Vec<String>,
}

/// An earlier state and what it is compared with besides the nodes.
#[derive(Debug, Default)]
pub struct Earlier {
    pub state: PreviousState,
    /// The project's macros by unique id.
    pub macros: IndexMap<String, CurrentMacro>,
    modified_macros: OnceLock<HashSet<String>>,
}

/// Packages whose macros come with the program: another version of it is no change of a project.
const BUILT_IN: [&str; 2] = ["dbt", "dbt_postgres"];

/// What `state:` may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateCheck {
    New,
    Old,
    Modified,
    Unmodified,
    Body,
    Configs,
    PersistedDescriptions,
    Relation,
    Macros,
    Contract,
}

impl StateCheck {
    pub(crate) const ALL: [(&str, StateCheck); 10] = [
        ("new", StateCheck::New),
        ("old", StateCheck::Old),
        ("modified", StateCheck::Modified),
        ("unmodified", StateCheck::Unmodified),
        ("modified.body", StateCheck::Body),
        ("modified.configs", StateCheck::Configs),
        (
            "modified.persisted_descriptions",
            StateCheck::PersistedDescriptions,
        ),
        ("modified.relation", StateCheck::Relation),
        ("modified.macros", StateCheck::Macros),
        ("modified.contract", StateCheck::Contract),
    ];

    pub(crate) fn from_name(name: &str) -> Option<StateCheck> {
        let found = StateCheck::ALL
            .into_iter()
            .find(|(known, _)| *known == name);
        found.map(|(_, check)| check)
    }
}

/// Which nodes answered, and what has to be said about contracts that were broken.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub positions: HashSet<usize>,
    pub mistakes: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl Earlier {
    pub fn new(state: PreviousState, macros: IndexMap<String, CurrentMacro>) -> Earlier {
        Earlier {
            state,
            macros,
            modified_macros: OnceLock::new(),
        }
    }

    /// The nodes for which `check` holds, by position in the graph; `None` without a manifest.
    pub(crate) fn compare(&self, graph: &Graph, check: StateCheck) -> Option<Compared> {
        let manifest = self.state.manifest.as_ref()?;
        let mut compared = Compared::default();
        for (at, node) in graph.nodes.values().enumerate() {
            if node.resource_type == ResourceType::Operation {
                continue;
            }
            let old = manifest.get(node.unique_id.as_str());
            if self.holds(manifest, node, old, check, &mut compared) {
                compared.positions.insert(at);
            }
        }
        if matches!(
            check,
            StateCheck::Modified | StateCheck::Unmodified | StateCheck::Contract
        ) {
            removed_contracts(graph, manifest, &mut compared);
        }
        Some(compared)
    }

    fn holds(
        &self,
        manifest: &StateManifest,
        node: &Node,
        old: Option<&StateNode>,
        check: StateCheck,
        compared: &mut Compared,
    ) -> bool {
        let differs = |is_same: &dyn Fn(&Node, &StateNode) -> bool| match old {
            None => true,
            Some(old) => !is_same(node, old),
        };
        match check {
            StateCheck::New => old.is_none(),
            StateCheck::Old => old.is_some(),
            StateCheck::Modified => self.is_modified(manifest, node, old, compared),
            StateCheck::Unmodified => !self.is_modified(manifest, node, old, compared),
            StateCheck::Macros => self.calls_modified_macro(manifest, node),
            StateCheck::Body => {
                node.resource_type.is_plain()
                    && differs(&|node, old| same_body(node, old, &mut Vec::new()))
            }
            StateCheck::Configs => has_config(node) && differs(&same_config),
            StateCheck::PersistedDescriptions => {
                node.resource_type.is_plain() && differs(&same_persisted_description)
            }
            StateCheck::Relation => match &node.details {
                Details::Source(source) => {
                    differs(&|node, old| same_source_relation(node, source, old))
                }
                _ => node.resource_type.is_plain() && differs(&same_relation),
            },
            StateCheck::Contract => match old {
                None => node.resource_type.is_plain(),
                Some(old) => !same_contract(node, old, compared),
            },
        }
    }

    fn is_modified(
        &self,
        manifest: &StateManifest,
        node: &Node,
        old: Option<&StateNode>,
        compared: &mut Compared,
    ) -> bool {
        let contents = match (&node.details, old) {
            // A source or exposure nobody knew is new, which is not a modification.
            (
                Details::Source(_)
                | Details::Exposure(_)
                | Details::Metric(_)
                | Details::SemanticModel(_)
                | Details::SavedQuery(_),
                None,
            ) => true,
            (_, None) => false,
            (Details::Source(source), Some(old)) => same_source(node, source, old),
            (Details::Exposure(exposure), Some(old)) => same_exposure(node, exposure, old),
            (
                Details::Metric(semantic)
                | Details::SemanticModel(semantic)
                | Details::SavedQuery(semantic),
                Some(old),
            ) => same_semantic(node, semantic, old),
            (Details::UnitTest(_), Some(old)) => old.checksum == json!(node.checksum),
            (Details::GenericTest(_), Some(old)) => same_config(node, old) && node.fqn == old.fqn,
            (_, Some(old)) => {
                let has_same_contract = same_contract(node, old, compared);
                same_body(node, old, &mut compared.warnings)
                    && same_config(node, old)
                    && same_persisted_description(node, old)
                    && node.fqn == old.fqn
                    && same_relation(node, old)
                    && has_same_contract
                    && same_reference(node, old)
            }
        };
        !contents || self.calls_modified_macro(manifest, node)
    }

    /// True when a macro that the node calls, directly or through others, was changed.
    fn calls_modified_macro(&self, manifest: &StateManifest, node: &Node) -> bool {
        let modified = self
            .modified_macros
            .get_or_init(|| modified_macros(&self.macros, manifest));
        if modified.is_empty() {
            return false;
        }
        let mut seen: HashSet<&str> = HashSet::new();
        let mut next: Vec<&str> = node.depends_on_macros.iter().map(String::as_str).collect();
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            if modified.contains(id) {
                return true;
            }
            if let Some(called) = self.macros.get(id) {
                next.extend(called.depends_on.iter().map(String::as_str));
            }
        }
        false
    }
}

/// Macros that were added, removed or rewritten, by id; those that come with the program aside.
fn modified_macros(
    now: &IndexMap<String, CurrentMacro>,
    manifest: &StateManifest,
) -> HashSet<String> {
    let is_own = |package: &str| !BUILT_IN.contains(&package);
    let changed = now.iter().filter(|(id, current)| {
        is_own(&current.package)
            && manifest
                .macros
                .get(*id)
                .is_none_or(|old| old.macro_sql.trim() != current.macro_sql.trim())
    });
    let removed = manifest
        .macros
        .iter()
        .filter(|(id, old)| is_own(&old.package_name) && !now.contains_key(*id));
    changed
        .map(|(id, _)| id.clone())
        .chain(removed.map(|(id, _)| id.clone()))
        .collect()
}

fn has_config(node: &Node) -> bool {
    node.resource_type.is_plain()
        || matches!(
            node.resource_type,
            ResourceType::Source
                | ResourceType::Exposure
                | ResourceType::Metric
                | ResourceType::SemanticModel
                | ResourceType::SavedQuery
        )
}

fn same_body(node: &Node, old: &StateNode, warnings: &mut Vec<Diagnostic>) -> bool {
    if node.resource_type != ResourceType::Seed {
        return node.template.code() == old.raw_code.as_deref().unwrap_or_default();
    }
    let text = |key: &str| old.checksum.get(key).and_then(Json::as_str).unwrap_or("");
    let (kind, checksum) = node.checksum_parts();
    let is_same = kind == text("name") && checksum == text("checksum");
    if kind == "path" {
        let seed = format!("`{}.{}`", node.package_name, node.name);
        let (said, event) = match (text("name"), is_same) {
            ("path", true) => (
                format!(
                    "seed {seed} is too large to be compared: taken as unchanged, as its path is"
                ),
                "SeedExceedsLimitSamePath",
            ),
            ("path", false) => (
                format!(
                    "seed {seed} is too large to be compared: taken as changed, as its path is"
                ),
                "SeedExceedsLimitAndPathChanged",
            ),
            _ => (
                format!("seed {seed} has become too large to be compared, so it has changed"),
                "SeedIncreased",
            ),
        };
        warnings.push(
            Diagnostic::warning("MSV0221", said)
                .event(event)
                .help("split the file where changes must be noticed"),
        );
    }
    is_same
}

/// Keys that are part of where a node lies, or words about it, and not of how it is built.
const NOT_COMPARED: [&str; 5] = ["alias", "schema", "database", "tags", "group"];

fn same_config(node: &Node, old: &StateNode) -> bool {
    let empty = Map::new();
    let now = node.unrendered_config.as_object().unwrap_or(&empty);
    let excluded: &[&str] = if node.resource_type.is_plain() {
        &NOT_COMPARED
    } else {
        &[]
    };
    now.keys()
        .chain(old.unrendered_config.keys())
        .filter(|key| !excluded.contains(&key.as_str()))
        .all(|key| now.get(key) == old.unrendered_config.get(key))
}

fn same_persisted_description(node: &Node, old: &StateNode) -> bool {
    let persists = |key: &str| {
        node.config
            .get("persist_docs")
            .and_then(|docs| docs.get(key))
            .and_then(Json::as_bool)
            .unwrap_or(false)
    };
    if persists("relation") && node.description != old.description.as_deref().unwrap_or_default() {
        return false;
    }
    if !persists("columns") {
        return true;
    }
    let now: HashMap<&str, &str> = node
        .columns
        .iter()
        .map(|(name, column)| (name.as_str(), column.description.as_str()))
        .collect();
    let then: HashMap<&str, &str> = old
        .columns
        .iter()
        .map(|(name, column)| {
            let description = column.description.as_deref().unwrap_or_default();
            (name.as_str(), description)
        })
        .collect();
    now == then
}

/// Compares the names that were asked for, not those that a target made of them.
fn same_relation(node: &Node, old: &StateNode) -> bool {
    ["database", "schema", "alias"]
        .iter()
        .all(|key| node.unrendered_config.get(key) == old.unrendered_config.get(*key))
}

/// What others that refer to a model notice.
fn same_reference(node: &Node, old: &StateNode) -> bool {
    if node.resource_type != ResourceType::Model {
        return true;
    }
    let access = |access: Option<&str>| access.unwrap_or("protected").to_owned();
    node.latest_version.clone().unwrap_or_default() == old.latest_version
        && access(node.access.as_deref().or_else(|| node.config.str("access")))
            == access(old.access.as_deref())
        && node.deprecation_date.as_deref() == old.deprecation_date.as_deref()
}

fn same_source(node: &Node, source: &Source, old: &StateNode) -> bool {
    same_source_relation(node, source, old)
        && node.fqn == old.fqn
        && same_config(node, old)
        && source.quoting_record() == filled(&old.quoting, &source.quoting_record())
        && source.freshness_record() == filled(&old.freshness, &source.freshness_record())
        && json!(source.loaded_at_field) == old.loaded_at_field
        && source.external.clone().unwrap_or_default() == old.external
}

/// A record with every key of `shape`; what it does not have is null.
fn filled(record: &Json, shape: &Json) -> Json {
    let (Json::Object(record), Json::Object(shape)) = (record, shape) else {
        return record.clone();
    };
    let value = |key: &String| record.get(key).cloned().unwrap_or_default();
    shape.keys().map(|key| (key.clone(), value(key))).collect()
}

fn same_source_relation(node: &Node, source: &Source, old: &StateNode) -> bool {
    let written = |own: &Option<String>, old: &Option<String>| own.as_deref() == old.as_deref();
    written(&source.unrendered_database, &old.unrendered_database)
        && written(&source.unrendered_schema, &old.unrendered_schema)
        && old.identifier.as_deref() == Some(source.identifier.as_str())
        && node.name == old.name
}

fn same_exposure(node: &Node, exposure: &Json, old: &StateNode) -> bool {
    let own = |key: &str| exposure.get(key).cloned().unwrap_or_default();
    let now: HashSet<&str> = node.depends_on_nodes.iter().map(|id| id.as_str()).collect();
    let then: HashSet<&str> = old.depends_on.nodes.iter().map(String::as_str).collect();
    let owner = own("owner");
    node.fqn == old.fqn
        && own("type") == old.exposure_type
        && owner == filled(&old.owner, &owner)
        && own("maturity") == old.maturity
        && own("url") == old.url
        && own("label") == old.label
        && node.description == old.description.as_deref().unwrap_or_default()
        && now == then
        && same_config(node, old)
}

/// Compares what dbt compares: of a metric neither its filter nor its parameters.
fn same_semantic(node: &Node, semantic: &Semantic, old: &StateNode) -> bool {
    let own = |key: &str| semantic.record.get(key).cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let is_described = node.description == old.description.as_deref().unwrap_or_default();
    is_described
        && same_config(node, old)
        && match &node.details {
            Details::Metric(_) => own("type") == old.exposure_type && own("label") == old.label,
            Details::SemanticModel(_) => {
                own("model") == old.model
                    && own("defaults") == old.defaults
                    && own("entities") == old.entities
                    && own("dimensions") == old.dimensions
                    && own("measures") == old.measures
                    && own("primary_entity") == old.primary_entity
                    && json!(node.group) == old.group
            }
            _ => {
                let params = ["metrics", "group_by", "where"];
                params
                    .iter()
                    .all(|key| own("query_params")[key] == old.query_params[key])
                    && text(&own("label")) == text(&old.label)
                    && own("tags") == old.tags
                    && json!(node.group) == old.group
                    && written_exports(&own("exports")) == written_exports(&old.exports)
            }
        }
}

/// Exports by what is written of them: where a target puts them does not count.
fn written_exports(exports: &Json) -> Vec<Vec<Json>> {
    let part = |export: &Json| {
        let written = &export["unrendered_config"];
        let keys = ["export_as", "schema", "alias"].map(|key| written[key].clone());
        [vec![export["name"].clone()], keys.to_vec()].concat()
    };
    exports.as_array().into_iter().flatten().map(part).collect()
}

/// False where the contract changed; a breaking change is a mistake where the model has
/// versions, since a new one could have been made, and a warning otherwise.
fn same_contract(node: &Node, old: &StateNode, compared: &mut Compared) -> bool {
    if node.resource_type != ResourceType::Model {
        return true;
    }
    match compare_contract(node, old) {
        ContractChange::None => true,
        ContractChange::Additive => false,
        ContractChange::Breaking(reasons) => {
            let name = node.search_name();
            let place = Some(node.place.clone());
            report_broken(&name, place, node.version.is_some(), &reasons, compared);
            false
        }
    }
}

fn removed_contracts(graph: &Graph, manifest: &StateManifest, compared: &mut Compared) {
    for (id, old) in &manifest.nodes {
        let is_model = old.resource_type == "model";
        if !is_model || graph.nodes.contains_key(id.as_str()) {
            continue;
        }
        let disabled = graph
            .disabled
            .iter()
            .find(|node| node.unique_id.as_str() == id);
        if let Some(reason) = removed_contract(id, old, disabled.map(Arc::as_ref)) {
            report_broken(&old.name, None, !old.version.is_null(), &[reason], compared);
        }
    }
}

fn report_broken(
    model: &str,
    place: Option<msv_diagnostics::Place>,
    is_versioned: bool,
    reasons: &[String],
    compared: &mut Compared,
) {
    let title = format!("the contract of model `{model}` is broken for those who rely on it");
    let mut diagnostic = if is_versioned {
        Diagnostic::error("MSV0220", title)
            .help("add instead of changing, or make a new version of the model")
    } else {
        Diagnostic::warning("MSV0220", title)
            .help("add instead of changing, or give the model versions")
            .event("UnversionedBreakingChange")
    };
    if let Some(place) = place {
        diagnostic = diagnostic.at(place, "");
    }
    for reason in reasons {
        diagnostic = diagnostic.note(reason.clone());
    }
    let list = if is_versioned {
        &mut compared.mistakes
    } else {
        &mut compared.warnings
    };
    if !list.contains(&diagnostic) {
        list.push(diagnostic);
    }
}
