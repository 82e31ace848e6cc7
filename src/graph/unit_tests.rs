//! Leads unit tests to the models they test: one test for each version of a model that has versions.

use std::sync::Arc;

use serde_json::Value as Json;

use msv_diagnostics::Diagnostic;
use msv_parse::{Details, Node, ResourceType, UniqueId, UnitTest};

use super::Graph;
use super::link::{Resolved, test_of_nothing};
use super::names::{Found, Names, kind_and_name, version_text};

/// Puts a test for each tested version in the place of a test of a model with versions.
pub(super) fn expand_versions(graph: &mut Graph, mistakes: &mut Vec<Diagnostic>) {
    let mut expanded = Vec::new();
    for node in graph.nodes.values() {
        let Details::UnitTest(test) = &node.details else {
            continue;
        };
        let versions = versions_of(graph, node, test);
        let tested: Vec<&Json> = versions
            .iter()
            .filter(|version| is_tested(test, version))
            .collect();
        let is_choosing = chosen(test).is_some();
        let refused = |title: String, note: String, help: String| {
            Diagnostic::error("MSV0257", title)
                .at(node.place.clone(), "declared here")
                .note(note)
                .help(help)
        };
        if versions.is_empty() && is_choosing && find(graph, node, test, None).enabled().is_some() {
            mistakes.push(refused(
                format!(
                    "{} chooses versions of `{}`, which has none",
                    kind_and_name(node),
                    test.model
                ),
                format!(
                    "Unit test '{}' should not have a versions include or exclude when \
                     referencing non-versioned model '{}'",
                    node.name, test.model
                ),
                "leave `versions:` out".to_owned(),
            ));
        } else if !versions.is_empty() && tested.is_empty() {
            let known: Vec<String> = versions.iter().map(version_text).collect();
            mistakes.push(refused(
                format!(
                    "{} tests no version of `{}`",
                    kind_and_name(node),
                    test.model
                ),
                format!(
                    "Unit test '{}' referenced a version of '{}' which was not found.",
                    node.name, test.model
                ),
                format!("its versions are: {}", known.join(", ")),
            ));
        } else if !versions.is_empty() {
            let copies = tested
                .into_iter()
                .map(|version| of_version(node, test, version));
            expanded.push((node.unique_id.clone(), copies.collect::<Vec<_>>()));
        }
    }
    if expanded.is_empty() {
        return;
    }
    for (id, copies) in expanded {
        graph.nodes.shift_remove(&id);
        for copy in copies {
            graph.nodes.insert(copy.unique_id.clone(), Arc::new(copy));
        }
    }
    graph.names = Names::new(graph.nodes.values(), graph.disabled.iter());
}

/// The versions of the tested model that are switched on.
fn versions_of(graph: &Graph, node: &Node, test: &UnitTest) -> Vec<Json> {
    graph
        .nodes
        .values()
        .filter(|model| {
            model.resource_type == ResourceType::Model
                && model.name == test.model
                && model.package_name == node.package_name
        })
        .filter_map(|model| model.version.clone())
        .collect()
}

/// The versions a test names, and whether it names those to leave out.
fn chosen(test: &UnitTest) -> Option<(&Vec<Json>, bool)> {
    let versions = test.versions.as_ref()?;
    let named = |key: &str| {
        let named = versions.get(key)?.as_array()?;
        (!named.is_empty()).then_some(named)
    };
    match (named("include"), named("exclude")) {
        (Some(included), _) => Some((included, false)),
        (None, Some(excluded)) => Some((excluded, true)),
        (None, None) => None,
    }
}

fn is_tested(test: &UnitTest, version: &Json) -> bool {
    let Some((named, is_excluding)) = chosen(test) else {
        return true;
    };
    let is_named = named
        .iter()
        .any(|named| version_text(named) == version_text(version));
    is_named != is_excluding
}

fn of_version(node: &Node, test: &UnitTest, version: &Json) -> Node {
    let id = format!("{}_v{}", node.unique_id, version_text(version));
    Node {
        unique_id: UniqueId::new(id),
        details: Details::UnitTest(Box::new(UnitTest {
            version: Some(version.clone()),
            ..test.clone()
        })),
        ..node.clone()
    }
}

fn find<'g>(graph: &'g Graph, node: &Node, test: &UnitTest, version: Option<&Json>) -> Found<'g> {
    let package = Some(node.package_name.as_str());
    graph.find_ref(&node.package_name, package, &test.model, version)
}

/// Finds the tested model.
pub(super) fn resolve(graph: &Graph, node: &Node) -> (Resolved, Option<UniqueId>) {
    let mut resolved = Resolved::default();
    let Details::UnitTest(test) = &node.details else {
        return (resolved, None);
    };
    match find(graph, node, test, test.version.as_ref()) {
        Found::Enabled(target) if target.resource_type == ResourceType::Model => {
            resolved.add_parent(&target.unique_id);
            resolved.mistakes.extend(unsaid(node, target, test));
            let subject = target.unique_id.clone();
            (resolved, Some(subject))
        }
        Found::Disabled(_) => {
            resolved.needs_disabled = true;
            (resolved, None)
        }
        Found::Enabled(_) | Found::Nothing => {
            resolved
                .mistakes
                .push(test_of_nothing(graph, node, &test.model));
            (resolved, None)
        }
    }
}

/// What a unit test of an incremental model must say: whether rows are added, and to which.
fn unsaid(node: &Node, model: &Node, test: &UnitTest) -> Option<Diagnostic> {
    let asks = |id: &String| id == "macro.dbt.is_incremental";
    if !model.depends_on_macros.iter().any(asks) {
        return None;
    }
    let macros = &test.overrides["macros"];
    let is_incremental = macros.get("is_incremental").and_then(Json::as_bool);
    let gives_this = test.given.iter().any(|given| given.input.trim() == "this");
    let diagnostic = match is_incremental {
        None => Diagnostic::error(
            "MSV0258",
            format!(
                "{} does not say whether `{}` is built anew or added to",
                kind_and_name(node),
                model.name
            ),
        )
        .note(format!(
            "Boolean override for 'is_incremental' must be provided for unit test '{}' in model '{}'",
            node.name, model.name
        ))
        .help("add `overrides: {macros: {is_incremental: false}}`, or `true` with an `input: this`"),
        Some(true) if !gives_this => Diagnostic::error(
            "MSV0258",
            format!(
                "{} adds to `{}` without saying what is in it",
                kind_and_name(node),
                model.name
            ),
        )
        .note(format!(
            "Unit test '{}' for incremental model '{}' must have a 'this' input",
            node.name, model.name
        ))
        .help("add `- input: this` with its rows below `given:`"),
        Some(_) => return None,
    };
    Some(diagnostic.at(node.place.clone(), "declared here"))
}
