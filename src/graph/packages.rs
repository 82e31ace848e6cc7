//! Rules for references from one package into another.

use msv_diagnostics::Diagnostic;
use msv_parse::{Node, RefCall, ResourceType};

use super::Graph;
use super::link::LinkOptions;
use super::names::{Found, kind_and_name};

/// Finds references that may name nodes of two packages, reach into a closed package, or make an
/// installed package depend on the project that installs it (a warning).
pub(super) fn check(graph: &Graph, options: &LinkOptions, node: &Node) -> Vec<Diagnostic> {
    let root = &options.root_package;
    let mut found = Vec::new();
    for call in &node.refs {
        let target = graph.find_ref(
            &node.package_name,
            call.package.as_deref(),
            &call.name,
            call.version.as_ref(),
        );
        let Found::Enabled(target) = target else {
            continue;
        };
        let package = &target.package_name;
        if *package == node.package_name {
            continue;
        }
        if call.package.is_none() && package != root {
            found.extend(ambiguous(graph, target, call));
        }
        if options.restricted_packages.contains(package) && !is_public(target) {
            found.push(closed(node, target, call));
        }
        if package == root && call.package.as_ref() != Some(root) {
            found.push(reaches_root(node, target, call));
        }
    }
    found
}

fn is_public(node: &Node) -> bool {
    let access = node.access.as_deref().or(node.config.str("access"));
    node.resource_type != ResourceType::Model || access == Some("public")
}

fn ambiguous(graph: &Graph, target: &Node, call: &RefCall) -> Option<Diagnostic> {
    let is_same = |other: &&Node| {
        other.resource_type.is_refable()
            && other.package_name != target.package_name
            && other.search_name() == target.search_name()
    };
    let other = graph.nodes.values().map(AsRef::as_ref).find(is_same)?;
    let title = format!("`ref('{}')` may mean nodes of two packages", call.name);
    Some(
        Diagnostic::error("MSV0242", title)
            .at(call.place.clone(), "referenced here")
            .note(format!(
                "found: `{}` and `{}`",
                target.unique_id.as_str(),
                other.unique_id.as_str()
            ))
            .help(format!(
                "name the package: `ref('{}', '{}')` or `ref('{}', '{}')`",
                target.package_name, call.name, other.package_name, call.name
            )),
    )
}

fn closed(node: &Node, target: &Node, call: &RefCall) -> Diagnostic {
    let title = format!(
        "{} is protected to package `{}`",
        kind_and_name(target),
        target.package_name
    );
    Diagnostic::error("MSV0203", title)
        .at(
            call.place.clone(),
            format!("referenced by {}", kind_and_name(node)),
        )
        .note(format!(
            "the project file of `{}` says `restrict-access: true`",
            target.package_name
        ))
        .help(format!(
            "read a model of it that has `access: public`, or give `{}` that access",
            target.name
        ))
}

fn reaches_root(node: &Node, target: &Node, call: &RefCall) -> Diagnostic {
    let title = format!(
        "{} of package `{}` depends on {} of the project that installs it",
        kind_and_name(node),
        node.package_name,
        kind_and_name(target)
    );
    Diagnostic::warning("MSV0241", title)
        .at(call.place.clone(), "found in the root project first")
        .note("this may lead to cycles further on")
        .help("put `require_ref_searches_node_package_before_root: true` below `flags:`")
        .event("PackageNodeDependsOnRootProjectNode")
}
