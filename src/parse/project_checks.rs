//! Looks at the project as a whole: names with spaces, configuration that meets nothing, older
//! ways to write templates.

use std::sync::Arc;

use msv_diagnostics::{Diagnostic, Place};
use msv_project::{FileKind, node as tree};

use super::context::ParseContext;
use super::node::{Node, ResourceType};

/// Reports what only all nodes together show.
pub(super) fn check(context: &ParseContext<'_>, nodes: &[Arc<Node>], found: &mut Vec<Diagnostic>) {
    check_spaces(context, nodes, found);
    check_unused_configuration(context, nodes, found);
    check_itertools(context, found);
    check_microbatch_macro(context, nodes, found);
}

fn check_spaces(context: &ParseContext<'_>, nodes: &[Arc<Node>], found: &mut Vec<Diagnostic>) {
    let is_refused = context.flag("require_resource_names_without_spaces", true);
    let spaced = nodes.iter().filter(|node| {
        node.resource_type.is_plain() && node.config.is_enabled() && node.name.contains(' ')
    });
    for node in spaced {
        let kind = match node.resource_type {
            ResourceType::Test => "data test",
            other => other.as_str(),
        };
        let title = format!("the name of {kind} `{}` holds a space", node.name);
        let diagnostic = match is_refused {
            true => Diagnostic::error("MSV0144", title)
                .note("Resource names cannot contain spaces")
                .help("put `require_resource_names_without_spaces: false` below `flags:` to go on"),
            false => {
                Diagnostic::warning("MSV0144", title).event("ResourceNamesWithSpacesDeprecation")
            }
        };
        found.push(
            diagnostic
                .at(node.place.clone(), "named so")
                .help(format!("rename it: `{}`", node.name.replace(' ', "_"))),
        );
    }
}

/// Sections of the project file with the resources they configure.
const SECTIONS: [(&str, ResourceType); 11] = [
    ("models", ResourceType::Model),
    ("seeds", ResourceType::Seed),
    ("snapshots", ResourceType::Snapshot),
    ("sources", ResourceType::Source),
    ("data_tests", ResourceType::Test),
    ("unit_tests", ResourceType::UnitTest),
    ("metrics", ResourceType::Metric),
    ("semantic-models", ResourceType::SemanticModel),
    ("saved-queries", ResourceType::SavedQuery),
    ("exposures", ResourceType::Exposure),
    ("functions", ResourceType::Function),
];

fn check_unused_configuration(
    context: &ParseContext<'_>,
    nodes: &[Arc<Node>],
    found: &mut Vec<Diagnostic>,
) {
    let document = &context.project.root.config_document;
    for (section, resource_type) in SECTIONS {
        let written = document.root.entries().iter().find(|(key, _)| {
            key.name == section || (section == "data_tests" && key.name == "tests")
        });
        let Some((key, tree)) = written else {
            continue;
        };
        let fits =
            |node: &&Arc<Node>| node.resource_type == resource_type || !node.config.is_enabled();
        let fqns: Vec<&[String]> = nodes
            .iter()
            .filter(fits)
            .map(|node| node.fqn.as_slice())
            .collect();
        let mut unused = Vec::new();
        collect_unused(key, tree, &mut Vec::new(), &fqns, &mut unused);
        for (span, path) in unused {
            let full = std::iter::once(section).chain(path.iter().map(String::as_str));
            let full: Vec<&str> = full.collect();
            let place = document.place(&span);
            found.push(
                Diagnostic::warning(
                    "MSV0148",
                    format!("`{}` configures nothing", full.join(".")),
                )
                .at(place, "no resource lies below this path")
                .note("Configuration paths exist in your dbt_project.yml file which do not apply to any resources.")
                .help("the path is the project's name and the folders below the resource folder")
                .event("UnusedResourceConfigPath"),
            );
        }
    }
}

/// Collects the paths that hold configuration of their own and lead to no resource.
fn collect_unused(
    key: &tree::Key,
    tree: &tree::Node,
    path: &mut Vec<String>,
    fqns: &[&[String]],
    unused: &mut Vec<(std::ops::Range<usize>, Vec<String>)>,
) {
    let is_folder =
        |key: &tree::Key, node: &tree::Node| node.is_map() && !key.name.starts_with('+');
    let has_own = tree
        .entries()
        .iter()
        .any(|(key, node)| !is_folder(key, node));
    if has_own && !fqns.iter().any(|fqn| fqn.starts_with(path)) {
        unused.push((key.span.clone(), path.clone()));
    }
    for (key, node) in tree.entries() {
        if is_folder(key, node) {
            path.push(key.name.clone());
            collect_unused(key, node, path, fqns, unused);
            path.pop();
        }
    }
}

/// The module is written out wherever it is used, so the text tells.
fn check_itertools(context: &ParseContext<'_>, found: &mut Vec<Diagnostic>) {
    const NAME: &str = "modules.itertools";
    for file in &context.project.root.files {
        let is_template = !matches!(
            file.kind,
            FileKind::Docs | FileKind::Fixture | FileKind::Properties | FileKind::Seed
        );
        if !is_template {
            continue;
        }
        if let Some(start) = file.text.find(NAME) {
            let place = Place::new(
                Arc::clone(&file.shown_path),
                Arc::clone(&file.text),
                start..start + NAME.len(),
            );
            found.push(
                Diagnostic::warning("MSV0149", "`modules.itertools` will go away")
                    .at(place, "used here")
                    .help("write a loop, or `zip`, `set` and the filters of Jinja")
                    .event("ModulesItertoolsUsageDeprecation"),
            );
        }
    }
}

fn check_microbatch_macro(
    context: &ParseContext<'_>,
    nodes: &[Arc<Node>],
    found: &mut Vec<Diagnostic>,
) {
    const FLAG: &str = "require_batched_execution_for_custom_microbatch_strategy";
    const NAME: &str = "get_incremental_microbatch_sql";
    let mut active = nodes.iter().filter(|node| node.config.is_enabled());
    if context.flag(FLAG, false) || !active.any(|node| node.is_microbatch()) {
        return;
    }
    let root = &context.project.root.name;
    let mut macros = context.engine.macros().iter();
    let own = macros.find(|definition| definition.name == NAME && definition.package == *root);
    if let Some(definition) = own {
        let place = Place::new(
            Arc::clone(&definition.file),
            Arc::clone(&definition.text),
            definition.span.start..definition.body.start,
        );
        found.push(
            Diagnostic::warning("MSV0149", format!("`{NAME}` is the project's own"))
                .at(place, "defined here")
                .note("microbatch models with a strategy of their own are not built batch by batch")
                .help(format!(
                    "put `{FLAG}: true` below `flags:` to build them so"
                ))
                .event("MicrobatchMacroOutsideOfBatchesDeprecation"),
        );
    }
}
