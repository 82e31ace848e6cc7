//! Compares the entries of properties files with what they describe: each resource is described
//! once, and each entry describes one.

use std::collections::HashMap;
use std::sync::Arc;

use msv_diagnostics::{Diagnostic, closest};
use msv_jinja::{MacroDefinition, MacroKind};
use msv_project::properties::{MacroProperties, ModelProperties, Origin};
use msv_project::{Package, Spanned};
use serde_json::Value as Json;

use super::context::ParseContext;
use super::node::{Node, ResourceType};

/// Reports second entries, macros that are not there and contracts without columns.
pub(super) fn check(
    context: &ParseContext<'_>,
    package: &Package,
    nodes: &[Arc<Node>],
    found: &mut Vec<Diagnostic>,
) {
    let properties = &package.properties;
    let sections = [
        (ResourceType::Model, &properties.models),
        (ResourceType::Seed, &properties.seeds),
        (ResourceType::Snapshot, &properties.snapshots),
        (ResourceType::Analysis, &properties.analyses),
        (ResourceType::Function, &properties.functions),
    ];
    let mut described: HashMap<(ResourceType, &str), &ModelProperties> = HashMap::new();
    for (resource_type, entries) in sections {
        for entry in entries {
            let key = (resource_type, entry.name.value.as_str());
            if let Some(first) = described.get(&key) {
                let is_node = |node: &&Arc<Node>| {
                    (node.resource_type, node.name.as_str()) == key && node.config.is_enabled()
                };
                if nodes.iter().any(|node| is_node(&node)) {
                    let first = (&first.name, &first.origin);
                    let second = (&entry.name, &entry.origin);
                    found.push(twice(resource_type.as_str(), first, second));
                }
                continue;
            }
            described.insert(key, entry);
        }
    }
    check_versions(nodes, found);
    check_groups(package, found);
    check_macros(context, package, found);
    for node in nodes {
        let entry = described.get(&(node.resource_type, node.name.as_str()));
        if let Some(entry) = entry {
            check_contract(node, entry, found);
        }
    }
}

fn twice(
    kind: &str,
    first: (&Spanned<String>, &Origin),
    second: (&Spanned<String>, &Origin),
) -> Diagnostic {
    let place = |(name, origin): (&Spanned<String>, &Origin)| origin.place_of(&name.span);
    Diagnostic::error(
        "MSV0143",
        format!("{kind} `{}` is described twice", second.0.value),
    )
    .at(place(second), "described again here")
    .also(place(first), "first described here")
    .help("join the two entries: each resource has one")
}

/// A model with versions and one without may not share a name.
fn check_versions(nodes: &[Arc<Node>], found: &mut Vec<Diagnostic>) {
    let models = || {
        nodes
            .iter()
            .filter(|node| node.resource_type == ResourceType::Model && node.config.is_enabled())
    };
    let versioned: HashMap<&str, &Arc<Node>> = models()
        .filter(|node| node.version.is_some())
        .map(|node| (node.name.as_str(), node))
        .collect();
    for plain in models().filter(|node| node.version.is_none()) {
        if let Some(versioned) = versioned.get(plain.name.as_str()) {
            let title = format!(
                "model `{}` has versions, and a file without one",
                plain.name
            );
            found.push(
                Diagnostic::error("MSV0143", title)
                    .at(plain.place.clone(), "no version of it")
                    .also(versioned.place.clone(), "a version")
                    .help("list the file below `versions:` with `defined_in`, or rename it"),
            );
        }
    }
}

fn check_groups(package: &Package, found: &mut Vec<Diagnostic>) {
    let groups = &package.properties.groups;
    for (at, group) in groups.iter().enumerate() {
        let first = groups[..at]
            .iter()
            .find(|first| first.name.value == group.name.value);
        if let Some(first) = first {
            let first = (&first.name, &first.origin);
            found.push(twice("group", first, (&group.name, &group.origin)));
        }
    }
}

fn check_macros(context: &ParseContext<'_>, package: &Package, found: &mut Vec<Diagnostic>) {
    let entries = &package.properties.macros;
    if entries.is_empty() {
        return;
    }
    let own = context.engine.macros().iter();
    let own: HashMap<&str, &MacroDefinition> = own
        .filter(|definition| definition.package == package.name)
        .map(|definition| (definition.name.as_str(), definition))
        .collect();
    let checks_arguments = context.flag("validate_macro_args", false);
    for (at, entry) in entries.iter().enumerate() {
        let name = entry.name.value.as_str();
        let Some(definition) = own.get(name) else {
            if package.name == context.project.root.name {
                found.push(no_macro(entry, own.keys().copied()));
            }
            continue;
        };
        let first = entries[..at].iter().find(|first| first.name.value == name);
        if let Some(first) = first {
            let first = (&first.name, &first.origin);
            found.push(twice("macro", first, (&entry.name, &entry.origin)));
        }
        if checks_arguments {
            check_arguments(entry, definition, found);
        }
    }
}

fn no_macro<'n>(entry: &MacroProperties, names: impl Iterator<Item = &'n str>) -> Diagnostic {
    let name = entry.name.value.as_str();
    let warning = Diagnostic::warning(
        "MSV0215",
        format!("properties describe a macro that does not exist: `{name}`"),
    )
    .at(
        entry.origin.place_of(&entry.name.span),
        "this package has no such macro",
    )
    .event("MacroNotFoundForPatch");
    match closest(name, names) {
        Some(similar) => warning.help(format!("a macro with a similar name exists: `{similar}`")),
        None => warning,
    }
}

/// Types of arguments, and how many types each holds.
///
/// Source: dbt-core 1.11, validation of macro arguments.
const ARGUMENT_TYPES: [(&str, usize); 12] = [
    ("str", 0),
    ("string", 0),
    ("bool", 0),
    ("int", 0),
    ("integer", 0),
    ("float", 0),
    ("any", 0),
    ("list", 1),
    ("dict", 2),
    ("optional", 1),
    ("relation", 0),
    ("column", 0),
];

fn check_arguments(
    entry: &MacroProperties,
    definition: &MacroDefinition,
    found: &mut Vec<Diagnostic>,
) {
    if entry.arguments.is_empty() || definition.kind != MacroKind::Macro {
        return;
    }
    let mut report = |title: String, help: String| {
        let place = entry.origin.place_of(&entry.name.span);
        let warning = Diagnostic::warning("MSV0146", title).at(place, "described here");
        found.push(warning.help(help).event("InvalidMacroAnnotation"));
    };
    let name = &entry.name.value;
    let known: Vec<&str> = definition
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    for (argument, known) in entry.arguments.iter().zip(&known) {
        if argument.name != *known {
            report(
                format!(
                    "Argument {} in yaml for macro {name} does not match the jinja definition.",
                    argument.name
                ),
                format!("the macro calls it `{known}`"),
            );
        }
    }
    if entry.arguments.len() != known.len() {
        report(
            format!(
                "The number of arguments in the yaml for macro {name} does not match the jinja \
                 definition."
            ),
            format!("the macro takes: {}", known.join(", ")),
        );
    }
    for argument in &entry.arguments {
        if let Some(written) = &argument.data_type
            && !written.trim().is_empty()
            && !is_argument_type(written)
        {
            let words: Vec<&str> = ARGUMENT_TYPES.iter().map(|(word, _)| *word).collect();
            report(
                format!(
                    "Argument {} in the yaml for macro {name} has an invalid type.",
                    argument.name
                ),
                format!("types are: {}; as in `list[string]`", words.join(", ")),
            );
        }
    }
}

/// True for `string`, `list[string]`, `dict[string, list[int]]`, …
fn is_argument_type(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (word, inner) = match text.split_once('[') {
        Some((word, rest)) => match rest.strip_suffix(']') {
            Some(inner) => (word, split_types(inner)),
            None => return false,
        },
        None => (text.as_str(), Vec::new()),
    };
    let known = ARGUMENT_TYPES.iter().find(|(known, _)| *known == word);
    known.is_some_and(|(_, count)| *count == inner.len())
        && inner.iter().all(|inner| is_argument_type(inner))
}

/// Splits at commas outside brackets.
fn split_types(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    text.split(|letter| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .collect()
}

fn check_contract(node: &Node, entry: &ModelProperties, found: &mut Vec<Diagnostic>) {
    let is_enforced = node
        .config
        .get("contract")
        .and_then(|contract| contract.get("enforced"))
        .and_then(Json::as_bool);
    let is_meant = node.resource_type == ResourceType::Model && node.config.is_enabled();
    if is_meant && is_enforced == Some(true) && node.columns.is_empty() {
        found.push(
            Diagnostic::error(
                "MSV0147",
                format!("the contract of model `{}` lists no columns", node.name),
            )
            .at(
                entry.origin.place_of(&entry.name.span),
                "its contract is enforced",
            )
            .note("Constraints must be defined in a `yml` schema configuration file like `schema.yml`.")
            .help("list its columns below `columns:`, each with `name` and `data_type`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::is_argument_type;

    #[test]
    fn types_of_arguments_nest() {
        for text in [
            "string",
            "list[ string ]",
            "dict[str, list[dict[int, any]]]",
            "optional[column]",
        ] {
            assert!(is_argument_type(text), "{text}");
        }
        for text in [
            "money",
            "list",
            "list[string, int]",
            "dict[string]",
            "string[int]",
            "list[int",
        ] {
            assert!(!is_argument_type(text), "{text}");
        }
    }
}
