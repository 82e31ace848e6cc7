//! Replaces every recorded `ref` and `source` by the node it names.
//!
//! All mistakes are reported together. A data test whose model is missing or disabled is
//! disabled too (with a warning when the model is missing), as in dbt; for every other node that
//! is an error.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use msv_diagnostics::{Diagnostic, Place, Severity, closest};
use msv_parse::{Details, FunctionCall, Node, RefCall, ResourceType, SourceCall, UniqueId};

use super::cycle::describe_cycles;
use super::names::{Found, Names, is_latest, kind_and_name, version_text};
use super::{Dag, Graph, deprecation, packages, semantic, unit_tests};

/// What the project file says about names.
#[derive(Clone, Debug, Default)]
pub struct LinkOptions {
    pub root_package: String,
    /// Packages whose models only they themselves may read, but for public ones.
    pub restricted_packages: HashSet<String>,
    /// A model and a seed of a package may not have one name.
    pub names_are_unique: bool,
    pub searches_own_package_first: bool,
}

impl LinkOptions {
    /// The defaults, for a project of this name.
    pub fn of(root_package: &str) -> LinkOptions {
        LinkOptions {
            root_package: root_package.to_owned(),
            ..LinkOptions::default()
        }
    }
}

/// Links the nodes of a project and its packages.
///
/// Nodes whose configuration says `enabled: false` end in [`Graph::disabled`].
///
/// # Errors
///
/// Every name that means nothing, names a disabled node or one that may not be named; duplicate
/// names; two nodes that write one relation; cycles with their path.
pub fn link(nodes: Vec<Arc<Node>>, options: &LinkOptions) -> Result<Graph, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let mut graph = collect(nodes, options, &mut mistakes);
    unit_tests::expand_versions(&mut graph, &mut mistakes);
    resolve(&mut graph, options, &mut mistakes);
    semantic::complete(&mut graph);
    warn_about_microbatches(&mut graph);
    for diagnostic in semantic::check(&graph) {
        match diagnostic.is_error() {
            true => mistakes.push(diagnostic),
            false => graph.warnings.push(diagnostic),
        }
    }
    check_relations(&graph, &mut mistakes);
    graph.dag = Dag::new(&graph.nodes);
    mistakes.extend(describe_cycles(&graph));
    let now = Timestamp::now();
    graph.warnings.extend(deprecation::warnings(&graph, now));
    if mistakes.is_empty() {
        Ok(graph)
    } else {
        Err(mistakes)
    }
}

/// Says where every batch of a microbatch model would read all rows.
fn warn_about_microbatches(graph: &mut Graph) {
    let mut warnings = Vec::new();
    let mut concurrent = 0;
    for node in graph.nodes.values() {
        if node.config.bool("concurrent_batches") == Some(true) {
            concurrent += 1;
        }
        let is_filtered = || {
            node.depends_on_nodes
                .iter()
                .filter_map(|id| graph.nodes.get(id))
                .any(|input| input.config.str("event_time").is_some())
        };
        if node.is_microbatch() && !is_filtered() {
            let title = format!(
                "The microbatch model '{}' has no 'ref' or 'source' input with an 'event_time' \
                 configuration",
                node.name
            );
            warnings.push(
                Diagnostic::warning("MSV0332", title)
                    .at(
                        node.place.clone(),
                        "every batch reads all rows of its inputs",
                    )
                    .note(
                        "This means no filtering can be applied and can result in unexpected \
                         duplicate records in the resulting microbatch model.",
                    )
                    .help("set event_time in the config of the models and sources it reads")
                    .event("MicrobatchModelNoEventTimeInputs"),
            );
        }
    }
    if concurrent > 0 {
        let title = format!(
            "Found {concurrent} microbatch model(s) with the `concurrent_batches` config set to \
             true, but batches are run one after the other on PostgreSQL"
        );
        let warning = Diagnostic::warning("MSV0332", title);
        warnings.push(warning.event("InvalidConcurrentBatchesConfig"));
    }
    graph.warnings.extend(warnings);
}

fn collect(nodes: Vec<Arc<Node>>, options: &LinkOptions, mistakes: &mut Vec<Diagnostic>) -> Graph {
    let mut graph = Graph {
        root_package: options.root_package.clone(),
        searches_own_package_first: options.searches_own_package_first,
        ..Graph::default()
    };
    let mut by_name: HashMap<(String, String), UniqueId> = HashMap::new();
    for node in nodes {
        if !node.config.is_enabled() {
            graph.disabled.push(node);
            continue;
        }
        let twin = graph.nodes.get(&node.unique_id).or_else(|| {
            let key = (node.package_name.clone(), node.search_name());
            let twin = by_name
                .get(&key)
                .filter(|_| node.resource_type.is_refable())?;
            graph.nodes.get(twin)
        });
        if let Some(twin) = twin {
            let diagnostic = duplicate_name(&node, twin);
            if options.names_are_unique || twin.resource_type == node.resource_type {
                mistakes.push(diagnostic);
                continue;
            }
            let warning = Diagnostic {
                severity: Severity::Warning,
                ..diagnostic
            };
            let warning = warning.note("`ref()` means the second one");
            let warning = warning.event("DuplicateNameDistinctNodeTypesDeprecation");
            graph.warnings.push(warning);
        }
        if node.resource_type.is_refable() {
            by_name.insert(
                (node.package_name.clone(), node.search_name()),
                node.unique_id.clone(),
            );
        }
        graph.nodes.insert(node.unique_id.clone(), node);
    }
    graph.names = Names::new(graph.nodes.values(), graph.disabled.iter());
    graph
}

fn duplicate_name(node: &Node, twin: &Node) -> Diagnostic {
    let title = match &node.details {
        Details::Source(source) => format!(
            "two tables of source `{}` are named `{}`",
            source.source_name, node.name
        ),
        _ if node.resource_type == twin.resource_type => format!(
            "two {}s are named `{}`",
            super::names::kind(node.resource_type),
            node.search_name()
        ),
        _ => format!(
            "{} and {} have the same name",
            kind_and_name(twin),
            kind_and_name(node)
        ),
    };
    Diagnostic::error("MSV0206", title)
        .at(node.place.clone(), "second declaration")
        .also(twin.place.clone(), "first declaration")
        .help(format!(
            "rename one of the two, or disable it with `enabled: false`: `{}` or `{}`",
            twin.original_file_path, node.original_file_path
        ))
}

/// What one node's references came to.
#[derive(Default)]
pub(super) struct Resolved {
    parents: Vec<UniqueId>,
    pub mistakes: Vec<Diagnostic>,
    pub needs_disabled: bool,
}

impl Resolved {
    pub(super) fn add_parent(&mut self, parent: &UniqueId) {
        if !self.parents.contains(parent) {
            self.parents.push(parent.clone());
        }
    }
}

fn resolve(graph: &mut Graph, options: &LinkOptions, mistakes: &mut Vec<Diagnostic>) {
    let mut dropped: HashSet<UniqueId> = HashSet::new();
    let mut results: Vec<(Vec<UniqueId>, Option<UniqueId>)> = Vec::new();
    let mut warnings = Vec::new();
    for node in graph.nodes.values() {
        let (mut resolved, subject) = match &node.details {
            Details::UnitTest(_) => unit_tests::resolve(graph, node),
            Details::GenericTest(_) => resolve_generic_test(graph, node),
            _ => (resolve_calls(graph, node), None),
        };
        let is_test = node.resource_type == ResourceType::Test;
        if !is_test {
            let found = packages::check(graph, options, node).into_iter();
            let (wrong, noticed): (Vec<_>, Vec<_>) = found.partition(Diagnostic::is_error);
            resolved.mistakes.extend(wrong);
            warnings.extend(noticed);
        }
        if is_test && (resolved.needs_disabled || !resolved.mistakes.is_empty()) {
            dropped.insert(node.unique_id.clone());
            warnings.extend(resolved.mistakes.into_iter().map(|mistake| {
                Diagnostic {
                    severity: Severity::Warning,
                    ..mistake
                }
                .note(format!("{} is left out", kind_and_name(node)))
                .event("NodeNotFoundOrDisabled")
            }));
        } else if node.resource_type == ResourceType::UnitTest && resolved.needs_disabled {
            dropped.insert(node.unique_id.clone());
        } else {
            mistakes.extend(resolved.mistakes);
        }
        results.push((resolved.parents, subject));
    }
    for (node, (parents, subject)) in graph.nodes.values_mut().zip(results) {
        let node = Arc::make_mut(node);
        node.depends_on_nodes = parents;
        match &mut node.details {
            Details::UnitTest(test) => test.tested_node = subject,
            Details::GenericTest(test) => test.attached_node = subject,
            _ => {}
        }
    }
    graph.warnings.extend(warnings);
    if !dropped.is_empty() {
        drop_nodes(graph, &dropped);
    }
}

fn drop_nodes(graph: &mut Graph, dropped: &HashSet<UniqueId>) {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut kept = IndexMap::with_capacity(nodes.len());
    for (id, node) in nodes {
        if dropped.contains(&id) {
            graph.disabled.push(node);
        } else {
            kept.insert(id, node);
        }
    }
    graph.nodes = kept;
    graph.names = Names::new(graph.nodes.values(), graph.disabled.iter());
}

/// Sources come before refs, as in dbt's `depends_on`.
fn resolve_calls(graph: &Graph, node: &Node) -> Resolved {
    let mut resolved = Resolved::default();
    for call in &node.sources {
        match graph.find_source(&node.package_name, &call.source, &call.table) {
            Found::Enabled(target) => resolved.add_parent(&target.unique_id),
            Found::Disabled(target) => {
                resolved.needs_disabled = true;
                if node.resource_type != ResourceType::Test {
                    resolved.mistakes.push(disabled_source(node, target, call));
                }
            }
            Found::Nothing => resolved.mistakes.push(unknown_source(graph, call)),
        }
    }
    for call in &node.refs {
        let found = graph.find_ref(
            &node.package_name,
            call.package.as_deref(),
            &call.name,
            call.version.as_ref(),
        );
        match found {
            Found::Enabled(target) => {
                resolved.add_parent(&target.unique_id);
                resolved.mistakes.extend(check_access(node, target, call));
            }
            Found::Disabled(target) => {
                resolved.needs_disabled = true;
                if node.resource_type != ResourceType::Test {
                    resolved.mistakes.push(disabled(node, target, &call.place));
                }
            }
            Found::Nothing => resolved.mistakes.push(unknown_ref(graph, call)),
        }
    }
    for call in &node.functions {
        let package = call.package.as_deref();
        match graph.find_function(&node.package_name, package, &call.name) {
            Found::Enabled(target) => resolved.add_parent(&target.unique_id),
            Found::Disabled(target) => {
                resolved.needs_disabled = true;
                if node.resource_type != ResourceType::Test {
                    resolved.mistakes.push(disabled(node, target, &call.place));
                }
            }
            Found::Nothing => resolved.mistakes.push(unknown_function(graph, call)),
        }
    }
    semantic::resolve(graph, node, &mut resolved);
    resolved
}

/// A generic test depends on what its arguments name; the node it was declared on is kept apart.
fn resolve_generic_test(graph: &Graph, node: &Node) -> (Resolved, Option<UniqueId>) {
    let mut resolved = resolve_calls(graph, node);
    let Details::GenericTest(test) = &node.details else {
        return (resolved, None);
    };
    let subject = match &test.attached_node {
        Some(attached) if graph.nodes.contains_key(attached) => Some(attached.clone()),
        Some(attached)
            if graph
                .disabled
                .iter()
                .any(|other| other.unique_id == *attached) =>
        {
            resolved.needs_disabled = true;
            None
        }
        Some(attached) => {
            let name = super::names::short_name(attached);
            if resolved.mistakes.is_empty() {
                resolved.mistakes.push(test_of_nothing(graph, node, name));
            }
            None
        }
        None => subject_of(
            graph,
            node,
            test.kwargs.get("model").and_then(|m| m.as_str()),
        ),
    };
    if let Some(subject) = &subject
        && graph.nodes[subject].resource_type != ResourceType::Source
    {
        resolved.add_parent(subject);
    }
    (resolved, subject)
}

/// The node that a test's `model` argument, such as `{{ ref('orders') }}`, names.
fn subject_of(graph: &Graph, node: &Node, model: Option<&str>) -> Option<UniqueId> {
    let model = model?;
    let is_named =
        |name: &str| model.contains(&format!("'{name}'")) || model.contains(&format!("\"{name}\""));
    node.refs
        .iter()
        .find(|call| is_named(&call.name))
        .and_then(|call| graph.resolve_ref(&node.package_name, call))
        .map(|found| found.unique_id.clone())
}

pub(super) fn test_of_nothing(graph: &Graph, node: &Node, model: &str) -> Diagnostic {
    let title = format!(
        "{} tests `{model}`, which does not exist",
        kind_and_name(node)
    );
    let diagnostic = Diagnostic::error("MSV0208", title).at(node.place.clone(), "declared here");
    match closest(model, graph.names.refable_names()) {
        Some(name) => diagnostic.help(format!("a model with a similar name exists: `{name}`")),
        None => diagnostic,
    }
}

fn unknown_ref(graph: &Graph, call: &RefCall) -> Diagnostic {
    let name = &call.name;
    let names = &graph.names;
    let versions = names.versions(name);
    let packages = names.packages_with(name);
    if let Some(version) = &call.version
        && !packages.is_empty()
    {
        let title = format!("model `{name}` has no version {}", version_text(version));
        let diagnostic =
            Diagnostic::error("MSV0201", title).at(call.place.clone(), "referenced here");
        return if versions.is_empty() {
            diagnostic.help(format!("it has no versions at all: write `ref('{name}')`"))
        } else {
            diagnostic.help(format!("versions of `{name}`: {}", versions.join(", ")))
        };
    }
    if let Some(package) = &call.package
        && !packages.is_empty()
    {
        let title = format!("package `{package}` has no model, seed or snapshot `{name}`");
        return Diagnostic::error("MSV0201", title)
            .at(call.place.clone(), "referenced here")
            .help(format!("package `{}` has one of this name", packages[0]));
    }
    if let Some(other) = graph
        .nodes
        .values()
        .find(|node| super::names::is_named_but_not_refable(node) && node.name == *name)
    {
        let title = format!("`ref()` cannot name {}", kind_and_name(other));
        return Diagnostic::error("MSV0203", title)
            .at(call.place.clone(), "referenced here")
            .help("`ref()` names a model, a seed or a snapshot");
    }
    let title = format!("no model, seed or snapshot is named `{name}`");
    let mut diagnostic =
        Diagnostic::error("MSV0201", title).at(call.place.clone(), "referenced here");
    if !versions.is_empty() {
        diagnostic = diagnostic.note(format!(
            "`{name}` has versions {}, but none of them is its latest version",
            versions.join(", ")
        ));
    }
    if let Some(source) = names.sources_with(name).first() {
        return diagnostic.help(format!(
            "a source table with this name exists: `{{{{ source('{source}', '{name}') }}}}`"
        ));
    }
    match closest(name, names.refable_names()) {
        Some(near) => diagnostic.help(format!("a model with a similar name exists: `{near}`")),
        None => diagnostic,
    }
}

fn unknown_function(graph: &Graph, call: &FunctionCall) -> Diagnostic {
    let name = &call.name;
    let diagnostic = Diagnostic::error("MSV0218", format!("no function is named `{name}`"))
        .at(call.place.clone(), "called here");
    match closest(name, graph.names.function_names()) {
        Some(near) => diagnostic.help(format!("a function with a similar name exists: `{near}`")),
        None => diagnostic.help(format!(
            "write its body into `functions/{name}.sql`, and declare it below `functions:` with \
             `arguments:` and `returns:`"
        )),
    }
}

fn unknown_source(graph: &Graph, call: &SourceCall) -> Diagnostic {
    let SourceCall {
        source,
        table,
        place,
    } = call;
    let names = &graph.names;
    let is_known = names.source_names().any(|name| name == source);
    let title = if is_known {
        format!("source `{source}` has no table `{table}`")
    } else {
        format!("no source is named `{source}`")
    };
    let diagnostic = Diagnostic::error("MSV0202", title).at(place.clone(), "referenced here");
    if is_known {
        return match closest(table, names.tables_of(source)) {
            Some(near) => diagnostic.help(format!("a table with a similar name exists: `{near}`")),
            None => diagnostic.help(format!(
                "add it under `tables:` of source `{source}` in a properties file: `- name: {table}`"
            )),
        };
    }
    match closest(source, names.source_names()) {
        Some(near) => diagnostic.help(format!("a source with a similar name exists: `{near}`")),
        None => diagnostic
            .help("declare it under `sources:` in a properties file, with `name:` and `tables:`"),
    }
}

fn disabled(node: &Node, target: &Node, place: &Place) -> Diagnostic {
    let title = format!(
        "{} depends on {}, which is disabled",
        kind_and_name(node),
        kind_and_name(target)
    );
    Diagnostic::error("MSV0204", title)
        .at(place.clone(), "referenced here")
        .help(format!(
            "enable it in `{}` or in `project.yml` with `enabled: true`, or take the reference out",
            target.original_file_path
        ))
}

fn disabled_source(node: &Node, target: &Node, call: &SourceCall) -> Diagnostic {
    let title = format!(
        "{} depends on source `{}.{}`, which is disabled",
        kind_and_name(node),
        call.source,
        call.table
    );
    Diagnostic::error("MSV0204", title)
        .at(call.place.clone(), "referenced here")
        .help(format!(
            "enable it in `{}` with `enabled: true`, or take the reference out",
            target.original_file_path
        ))
}

/// A private model may be named by nodes of its own group only.
fn check_access(node: &Node, target: &Node, call: &RefCall) -> Option<Diagnostic> {
    let is_private = target.access.as_deref().or(target.config.str("access")) == Some("private");
    if !is_private || target.resource_type != ResourceType::Model {
        return None;
    }
    if let Details::GenericTest(_) = node.details {
        return None;
    }
    let group_of = |node: &Node| -> Option<String> {
        node.group
            .clone()
            .or_else(|| node.config.str("group").map(str::to_owned))
    };
    let group = group_of(target);
    if group.is_some() && group == group_of(node) {
        return None;
    }
    let owner = group.map_or_else(|| "no group".to_owned(), |name| format!("group `{name}`"));
    let title = format!("{} is private to {owner}", kind_and_name(target));
    Some(
        Diagnostic::error("MSV0203", title)
            .at(
                call.place.clone(),
                format!("referenced by {}", kind_and_name(node)),
            )
            .help(format!(
                "put `{}` into the same group, or make `{}` `access: protected`",
                node.name, target.name
            )),
    )
}

fn check_relations(graph: &Graph, mistakes: &mut Vec<Diagnostic>) {
    let mut writers: HashMap<String, &Node> = HashMap::new();
    for node in graph.nodes.values() {
        if !node.resource_type.is_refable() {
            continue;
        }
        let Some(relation) = node.relation_name() else {
            continue;
        };
        if let Some(first) = writers.get(&relation) {
            mistakes.push(two_writers(&relation, first, node));
        } else {
            writers.insert(relation, node);
        }
    }
}

fn two_writers(relation: &str, first: &Node, second: &Node) -> Diagnostic {
    let title = format!(
        "{} and {} both write `{relation}`",
        kind_and_name(first),
        kind_and_name(second)
    );
    let help = if second.version.is_some() && is_latest(second) {
        "versions of a model need different aliases"
    } else {
        "give one of the two another `alias` or `schema`"
    };
    Diagnostic::error("MSV0207", title)
        .at(second.place.clone(), "second writer")
        .also(first.place.clone(), "first writer")
        .help(help)
}
