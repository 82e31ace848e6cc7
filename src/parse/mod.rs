//! Parse: each template rendered once, recording what it asks for.
//!
//! 1. Collect macros and docs blocks of all packages and build the template [`Engine`].
//! 2. Render every model, snapshot, analysis and singular test ([`resources`]), and read what
//!    properties say about them ([`patch`]).
//! 3. Make nodes of declared tests, sources, unit tests, exposures and hooks.
//!
//! Names are not resolved here: a node lists the calls of `ref()` and `source()` as written.

mod config;
mod config_types;
mod constraints;
mod context;
mod declared;
mod described;
mod entries;
mod exposures;
mod foreign;
mod functions;
mod generic_tests;
mod hooks;
mod invocation;
mod layers;
mod microbatch;
mod naming;
mod node;
mod node_value;
mod patch;
mod project_checks;
mod python;
mod recorder;
mod resources;
mod semantic;
mod shared_context;
mod snapshots;
mod sources;
mod test_names;
mod time_spine;
mod time_window;
mod unit_tests;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use msv_diagnostics::{Diagnostic, Place};
use msv_jinja::{Block, DispatchConfig, Engine, MacroDefinition, extract_blocks};
use msv_project::{FileKind, Package, Project};

use context::{ParseContext, Tree};
use foreign::Foreign;
use naming::KnownNames;

pub use config::Config;
pub use generic_tests::evaluate_argument;
pub use invocation::Invocation;
pub use node::{
    Column, Details, Function, FunctionCall, GenericTest, HookTime, MetricCall, NameKind, Node,
    Overload, RefCall, ResourceType, Semantic, SemanticName, Source, SourceCall, Template,
    UniqueId, UnitTest, UnitTestRows,
};
pub use node_value::NodeValue;
pub use recorder::{Docs, find_doc};
pub use shared_context::shared_value;
pub use test_names::{md5_hex, python_repr};
pub use time_window::{Batch, BatchSize, TimeWindow};

/// A docs block, for the manifest.
#[derive(Clone, Debug)]
pub struct DocsBlock {
    pub package: String,
    pub name: String,
    /// Relative to the package folder.
    pub path: String,
    pub contents: String,
}

/// What parsing makes of a project.
pub struct Parsed {
    pub engine: Arc<Engine>,
    /// Enabled and disabled nodes, in declaration order.
    pub nodes: Vec<Arc<Node>>,
    pub docs: Arc<Docs>,
    pub docs_blocks: Vec<DocsBlock>,
    pub warnings: Vec<Diagnostic>,
}

/// Parses all packages of a project.
///
/// # Errors
///
/// Every mistake of every file, in file order.
pub fn parse(project: &Project, invocation: &Arc<Invocation>) -> Result<Parsed, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let (macros, docs_blocks) = collect_blocks(project, &mut found);
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    let docs: Docs = docs_blocks
        .iter()
        .map(|block| {
            (
                (block.package.clone(), block.name.clone()),
                block.contents.clone(),
            )
        })
        .collect();
    let dispatch = project
        .root
        .config
        .dispatch
        .iter()
        .map(|entry| DispatchConfig {
            macro_namespace: entry.macro_namespace.clone(),
            search_order: entry.search_order.clone(),
        })
        .collect();
    let engine = Arc::new(Engine::new(macros, &project.root.name, dispatch)?);
    let context = ParseContext {
        project,
        invocation: Arc::clone(invocation),
        engine: Arc::clone(&engine),
        docs: Arc::new(docs),
        trees: configuration_trees(project),
        known_names: KnownNames::default(),
    };
    let mut nodes = Vec::new();
    let foreign = Foreign::new(context.packages());
    for package in context.packages() {
        nodes.extend(package_nodes(&context, package, &foreign, &mut found));
    }
    let packages = context.packages();
    let groups: Vec<&str> = packages
        .flat_map(|package| &package.properties.groups)
        .map(|group| group.name.value.as_str())
        .collect();
    config_types::check_groups(&nodes, &groups, &mut found);
    project_checks::check(&context, &nodes, &mut found);
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    let docs = Arc::clone(&context.docs);
    Ok(Parsed {
        engine,
        nodes,
        docs,
        docs_blocks,
        warnings: found,
    })
}

fn package_nodes(
    context: &ParseContext<'_>,
    package: &Package,
    foreign: &Foreign<'_>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Arc<Node>> {
    let drafts = resources::drafts(package, foreign, found);
    let mut nodes = resources::parse_drafts(context, &drafts, found);
    for source in &package.properties.sources {
        let tables = sources::source_nodes(context, package, source, found);
        nodes.extend(tables.into_iter().map(Arc::new));
    }
    // Several files may make one node, all but one of them switched off.
    let mut enabled: IndexMap<String, bool> = IndexMap::new();
    for node in &nodes {
        let known = enabled.entry(node.unique_id.as_str().to_owned());
        *known.or_default() |= node.config.is_enabled();
    }
    let mut declared = generic_tests::on_drafts(&drafts, package, &enabled);
    declared.extend(generic_tests::on_sources(context, package, &enabled, found));
    nodes.extend(generic_tests::test_nodes(context, &declared, found));
    for test in &package.properties.unit_tests {
        let test = unit_tests::unit_test_node(context, package, test, found);
        nodes.extend(test.map(Arc::new));
    }
    for exposure in &package.properties.exposures {
        let exposure = exposures::exposure_node(context, package, exposure, found);
        nodes.push(Arc::new(exposure));
    }
    let semantic = semantic::semantic_nodes(context, package, found);
    nodes.extend(semantic.into_iter().map(Arc::new));
    entries::check(context, package, &nodes, found);
    let hooks = hooks::hook_nodes(context, package, found);
    nodes.extend(hooks.into_iter().map(Arc::new));
    nodes
}

fn collect_blocks(
    project: &Project,
    found: &mut Vec<Diagnostic>,
) -> (Vec<MacroDefinition>, Vec<DocsBlock>) {
    let mut macros = Vec::new();
    let mut docs = Vec::new();
    for package in std::iter::once(&project.root).chain(&project.packages) {
        for file in &package.files {
            if !matches!(
                file.kind,
                FileKind::Macro | FileKind::GenericTest | FileKind::Docs
            ) {
                continue;
            }
            let (blocks, mistakes) = extract_blocks(
                &package.name,
                Arc::clone(&file.shown_path),
                Arc::clone(&file.text),
            );
            // A package's reader cannot change what stands beside its blocks.
            let is_root = package.name == project.root.name;
            found.extend(mistakes.into_iter().filter(|m| is_root || m.is_error()));
            for block in blocks {
                match block {
                    Block::Macro(definition) => macros.push(definition),
                    Block::Docs {
                        name,
                        contents,
                        span,
                    } => {
                        let block = DocsBlock {
                            package: package.name.clone(),
                            name,
                            path: file.path.to_string(),
                            contents,
                        };
                        let place =
                            Place::new(Arc::clone(&file.shown_path), Arc::clone(&file.text), span);
                        found.extend(second_docs_block(&docs, &block, place));
                        docs.push(block);
                    }
                    Block::Snapshot { .. } => {}
                }
            }
        }
    }
    (macros, docs)
}

/// Two docs blocks of a package may not have one name: `doc()` would find either.
fn second_docs_block(docs: &[DocsBlock], block: &DocsBlock, place: Place) -> Option<Diagnostic> {
    let key = (&block.package, &block.name);
    let first = docs
        .iter()
        .find(|first| (&first.package, &first.name) == key)?;
    let first_line = place.text[place.span.clone()].find('\n');
    let end = first_line.map_or(place.span.end, |length| place.span.start + length);
    let place = Place::new(place.file, place.text, place.span.start..end);
    let title = format!("docs block `{}` is written twice", block.name);
    Some(
        Diagnostic::error("MSV0143", title)
            .at(place, "written again here")
            .note(format!("first written in `{}`", first.path))
            .help("rename one of the two"),
    )
}

/// The keys of the project file that configure a kind of resource.
fn section(resource_type: ResourceType) -> &'static [&'static str] {
    match resource_type {
        ResourceType::Seed => &["seeds"],
        ResourceType::Snapshot => &["snapshots"],
        ResourceType::Test => &["data_tests", "tests"],
        ResourceType::UnitTest => &["unit_tests"],
        ResourceType::Source => &["sources"],
        ResourceType::Analysis => &["analyses"],
        ResourceType::Exposure => &["exposures"],
        ResourceType::Function => &["functions"],
        ResourceType::Metric => &["metrics"],
        ResourceType::SemanticModel => &["semantic-models"],
        ResourceType::SavedQuery => &["saved-queries"],
        _ => &["models"],
    }
}

fn configuration_trees(project: &Project) -> HashMap<(String, ResourceType), Tree> {
    let mut trees = HashMap::new();
    for package in std::iter::once(&project.root).chain(&project.packages) {
        let config = &package.config;
        let entries = [
            (ResourceType::Model, &config.models),
            (ResourceType::Seed, &config.seeds),
            (ResourceType::Snapshot, &config.snapshots),
            (ResourceType::Test, &config.data_tests),
            (ResourceType::UnitTest, &config.unit_tests),
            (ResourceType::Source, &config.sources),
            (ResourceType::Analysis, &config.analyses),
            (ResourceType::Exposure, &config.exposures),
            (ResourceType::Function, &config.functions),
            (ResourceType::Metric, &config.metrics),
            (ResourceType::SemanticModel, &config.semantic_models),
            (ResourceType::SavedQuery, &config.saved_queries),
        ];
        for (resource_type, node) in entries {
            if let Some(node) = node {
                let key = section(resource_type);
                let tree = Tree {
                    rendered: node.to_json(),
                    written: key
                        .iter()
                        .find_map(|key| config.unrendered.get(key))
                        .cloned(),
                };
                trees.insert((package.name.clone(), resource_type), tree);
            }
        }
    }
    trees
}
