//! Decides whether one node fits one method and value.

use std::cmp::Ordering;

use serde_json::Value as Json;

use msv_diagnostics::{Diagnostic, Place};
use msv_parse::{Details, Node, ResourceType};

use super::expression::Criterion;
use super::glob::{Glob, has_wildcard};
use super::method::Method;
use super::parse_resource_type;

/// A criterion made ready for many nodes: wildcards compiled, values checked.
#[derive(Debug)]
pub(super) enum Matcher {
    Fqn(FqnPattern),
    Tag(Glob),
    Group(Glob),
    Access(String),
    Source {
        package: Glob,
        source: Glob,
        table: Glob,
    },
    /// One kind of node, by its package and name.
    Named {
        kind: ResourceType,
        package: Glob,
        name: Glob,
    },
    Path(Glob),
    File(Glob),
    Package(Glob),
    Config {
        keys: Vec<String>,
        value: String,
    },
    TestName(Glob),
    TestType(TestType),
    ResourceType(ResourceType),
    Version(VersionKind),
    /// A kind of node that no project of ours has.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestType {
    Generic,
    Singular,
    Data,
    Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VersionKind {
    Latest,
    Prerelease,
    Old,
    None,
}

impl Matcher {
    pub(super) fn new(criterion: &Criterion, root_package: &str) -> Result<Matcher, Diagnostic> {
        let value = criterion.value.as_str();
        let parts: Vec<&str> = value.split('.').collect();
        Ok(match criterion.method {
            Method::Fqn => Matcher::Fqn(FqnPattern::new(value)?),
            Method::Tag => Matcher::Tag(Glob::new(value)?),
            Method::Group => Matcher::Group(Glob::new(value)?),
            Method::Access => Matcher::Access(value.to_owned()),
            Method::Source => {
                let (package, source, table) = match parts[..] {
                    [source] => ("*", source, "*"),
                    [source, table] => ("*", source, table),
                    [package, source, table] => (package, source, table),
                    _ => {
                        let form = "`source`, `source.table` or `package.source.table`";
                        return Err(value_mistake(criterion, form));
                    }
                };
                Matcher::Source {
                    package: Glob::new(package)?,
                    source: Glob::new(source)?,
                    table: Glob::new(table)?,
                }
            }
            Method::Exposure => named(ResourceType::Exposure, criterion, &parts)?,
            Method::UnitTest => named(ResourceType::UnitTest, criterion, &parts)?,
            Method::Function => named(ResourceType::Function, criterion, &parts)?,
            Method::Metric => named(ResourceType::Metric, criterion, &parts)?,
            Method::SemanticModel => named(ResourceType::SemanticModel, criterion, &parts)?,
            Method::SavedQuery => named(ResourceType::SavedQuery, criterion, &parts)?,
            Method::Path => Matcher::Path(Glob::path(&normal_path(value))?),
            Method::File => Matcher::File(Glob::new(value)?),
            Method::Package if value == "this" => Matcher::Package(Glob::Text(root_package.into())),
            Method::Package => Matcher::Package(Glob::new(value)?),
            Method::Config => Matcher::Config {
                keys: criterion.arguments.clone(),
                value: value.to_owned(),
            },
            Method::TestName => Matcher::TestName(Glob::new(value)?),
            Method::TestType => Matcher::TestType(match value {
                "generic" | "schema" => TestType::Generic,
                "singular" => TestType::Singular,
                "data" => TestType::Data,
                "unit" => TestType::Unit,
                _ => {
                    let form = "`generic`, `singular`, `data` or `unit`";
                    return Err(value_mistake(criterion, form));
                }
            }),
            Method::ResourceType => match parse_resource_type(value)? {
                Some(kind) => Matcher::ResourceType(kind),
                None => Matcher::Nothing,
            },
            Method::Version => Matcher::Version(match value {
                "latest" => VersionKind::Latest,
                "prerelease" => VersionKind::Prerelease,
                "old" => VersionKind::Old,
                "none" => VersionKind::None,
                _ => {
                    let form = "`latest`, `prerelease`, `old` or `none`";
                    return Err(value_mistake(criterion, form));
                }
            }),
            // These are answered from earlier runs and from `selectors.yml`.
            Method::State | Method::Result | Method::SourceStatus | Method::Selector => {
                Matcher::Nothing
            }
        })
    }

    pub(super) fn matches(&self, node: &Node) -> bool {
        match self {
            Matcher::Fqn(pattern) => {
                node.resource_type != ResourceType::Source && pattern.matches(node)
            }
            Matcher::Tag(glob) => node.tags().iter().any(|tag| glob.matches(tag)),
            Matcher::Group(glob) => group(node).is_some_and(|group| glob.matches(group)),
            Matcher::Access(access) => {
                node.resource_type == ResourceType::Model && self::access(node) == access
            }
            Matcher::Source {
                package,
                source,
                table,
            } => match &node.details {
                Details::Source(details) => {
                    package.matches(&node.package_name)
                        && source.matches(&details.source_name)
                        && table.matches(&node.name)
                }
                _ => false,
            },
            Matcher::Named {
                kind,
                package,
                name,
            } => {
                node.resource_type == *kind
                    && package.matches(&node.package_name)
                    && name.matches(&node.name)
            }
            Matcher::Path(glob) => matches_path(glob, node),
            Matcher::File(glob) => matches_file(glob, &node.original_file_path),
            Matcher::Package(glob) => glob.matches(&node.package_name),
            Matcher::Config { keys, value } => matches_config(node, keys, value),
            Matcher::TestName(glob) => match &node.details {
                Details::GenericTest(test) => glob.matches(&test.name),
                Details::UnitTest(_) => glob.matches(&node.name),
                _ => false,
            },
            Matcher::TestType(kind) => match &node.details {
                Details::GenericTest(_) => matches!(kind, TestType::Generic | TestType::Data),
                Details::SingularTest => matches!(kind, TestType::Singular | TestType::Data),
                Details::UnitTest(_) => *kind == TestType::Unit,
                _ => false,
            },
            Matcher::ResourceType(kind) => node.resource_type == *kind,
            Matcher::Version(kind) => matches_version(node, *kind),
            Matcher::Nothing => false,
        }
    }
}

fn named(kind: ResourceType, criterion: &Criterion, parts: &[&str]) -> Result<Matcher, Diagnostic> {
    let (package, name) = match parts {
        [name] => ("*", name),
        [package, name] => (*package, name),
        _ => return Err(value_mistake(criterion, "`name` or `package.name`")),
    };
    Ok(Matcher::Named {
        kind,
        package: Glob::new(package)?,
        name: Glob::new(name)?,
    })
}

pub(super) fn value_mistake(criterion: &Criterion, form: &str) -> Diagnostic {
    let text = criterion.to_string();
    let end = text.len();
    Diagnostic::error(
        "MSV0209",
        format!(
            "`{}` is not a value of the selector method `{}`",
            criterion.value, criterion.method
        ),
    )
    .at(Place::new("--select", text, 0..end), "given here")
    .help(format!("it is {form}"))
}

/// A dotted name, matched against a node's full name with and without its package.
#[derive(Debug)]
pub(super) struct FqnPattern {
    text: String,
    parts: Vec<String>,
    /// Everything from the first part with a wildcard on, and where that part stands.
    wildcard: Option<(usize, Glob)>,
    /// The pattern for a name alone, where it has no dot.
    leaf: Option<Glob>,
}

impl FqnPattern {
    fn new(text: &str) -> Result<FqnPattern, Diagnostic> {
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        let wildcard = match parts.iter().position(|part| has_wildcard(part)) {
            Some(at) => Some((at, Glob::new(&parts[at..].join("."))?)),
            None => None,
        };
        let leaf = match &wildcard {
            Some(_) if parts.len() == 1 => Some(Glob::new(text)?),
            _ => None,
        };
        Ok(FqnPattern {
            text: text.to_owned(),
            parts,
            wildcard,
            leaf,
        })
    }

    fn matches(&self, node: &Node) -> bool {
        let is_versioned = node.version.is_some();
        self.matches_fqn(&node.fqn, is_versioned)
            || node
                .fqn
                .get(1..)
                .is_some_and(|unscoped| self.matches_fqn(unscoped, is_versioned))
    }

    fn matches_fqn(&self, fqn: &[String], is_versioned: bool) -> bool {
        let leaf_at = if is_versioned { 2 } else { 1 };
        let Some(leaf) = fqn.len().checked_sub(leaf_at).and_then(|at| fqn.get(at)) else {
            return false;
        };
        if *leaf == self.text || (is_versioned && self.names_version(fqn)) {
            return true;
        }
        let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
        if flat.len() < self.parts.len() {
            return false;
        }
        let fixed = self
            .wildcard
            .as_ref()
            .map_or(self.parts.len(), |(at, _)| *at);
        if !self.parts[..fixed]
            .iter()
            .zip(&flat)
            .all(|(part, own)| part == own)
        {
            return false;
        }
        match &self.wildcard {
            None => true,
            Some((at, glob)) => {
                glob.matches(&flat[*at..].join("."))
                    || self.leaf.as_ref().is_some_and(|glob| glob.matches(leaf))
            }
        }
    }

    /// `orders.v2` and `orders_v2` both name version 2.
    fn names_version(&self, fqn: &[String]) -> bool {
        let tail = |parts: &[String]| {
            let from = parts.len().saturating_sub(2);
            parts[from..].join("_")
        };
        tail(fqn) == tail(&self.parts)
    }
}

/// A test is in the group of its model, but is not selected by it.
fn group(node: &Node) -> Option<&str> {
    let inherited = node
        .group
        .as_deref()
        .filter(|_| node.resource_type != ResourceType::Test);
    node.config.str("group").or(inherited)
}

fn access(node: &Node) -> &str {
    node.access
        .as_deref()
        .or_else(|| node.config.str("access"))
        .unwrap_or("protected")
}

/// The path as files are named: no `./` in front, no slash behind.
fn normal_path(value: &str) -> String {
    let value = value.replace('\\', "/");
    let mut rest = value.as_str();
    while let Some(after) = rest.strip_prefix("./") {
        rest = after;
    }
    rest.trim_end_matches('/').to_owned()
}

/// A path selects its file, everything below it, and what a properties file describes.
fn matches_path(glob: &Glob, node: &Node) -> bool {
    let file = node.original_file_path.as_str();
    let mut end = Some(file.len());
    while let Some(at) = end {
        if glob.matches(&file[..at]) {
            return true;
        }
        end = file[..at].rfind('/');
    }
    node.patch_path
        .as_deref()
        .map(|path| path.split_once("://").map_or(path, |(_, path)| path))
        .is_some_and(|path| glob.matches(path))
}

fn matches_file(glob: &Glob, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    glob.matches(name) || glob.matches(stem)
}

fn matches_config(node: &Node, keys: &[String], wanted: &str) -> bool {
    // As in dbt: these have a configuration that this method does not see.
    if matches!(
        node.resource_type,
        ResourceType::UnitTest
            | ResourceType::Exposure
            | ResourceType::Metric
            | ResourceType::SemanticModel
            | ResourceType::SavedQuery
    ) {
        return false;
    }
    let Some((first, rest)) = keys.split_first() else {
        return false;
    };
    let written = node.config.get(first).cloned();
    let Some(mut value) = written.or_else(|| default_config(node, first)) else {
        return false;
    };
    for key in rest {
        let Some(inner) = value.get_mut(key) else {
            return false;
        };
        value = inner.take();
    }
    let is_severity = keys.len() == 1 && first == "severity";
    match &value {
        Json::Array(items) => items.iter().any(|item| is_value(item, wanted, false)),
        value => is_value(value, wanted, is_severity),
    }
}

/// Values that hold where nothing is written.
fn default_config(node: &Node, key: &str) -> Option<Json> {
    use ResourceType::{Analysis, Model, Seed, Snapshot, Test};
    let kind = node.resource_type;
    let is_built = matches!(kind, Model | Seed | Snapshot | Analysis);
    Some(match key {
        "enabled" => true.into(),
        "materialized" => match kind {
            Model | Analysis => "view",
            Seed => "seed",
            Snapshot => "snapshot",
            Test => "test",
            _ => return None,
        }
        .into(),
        "severity" if kind == Test => "ERROR".into(),
        "access" if kind == Model => access(node).into(),
        "group" => group(node)?.into(),
        "contract" if is_built => serde_json::json!({"enforced": false, "alias_types": true}),
        "docs" if is_built => serde_json::json!({"show": true}),
        "on_schema_change" if is_built => "ignore".into(),
        "on_configuration_change" if is_built => "apply".into(),
        _ => return None,
    })
}

fn is_value(value: &Json, wanted: &str, ignores_case: bool) -> bool {
    match value {
        Json::String(text) if ignores_case => text.eq_ignore_ascii_case(wanted),
        Json::String(text) => text == wanted,
        Json::Bool(value) => wanted.eq_ignore_ascii_case(if *value { "true" } else { "false" }),
        Json::Number(number) => number.to_string() == wanted,
        _ => false,
    }
}

fn matches_version(node: &Node, kind: VersionKind) -> bool {
    if node.resource_type != ResourceType::Model {
        return false;
    }
    let order = match (&node.version, &node.latest_version) {
        (Some(version), Some(latest)) => Some(compare_versions(version, latest)),
        _ => None,
    };
    match kind {
        VersionKind::Latest => order == Some(Ordering::Equal),
        VersionKind::Prerelease => order == Some(Ordering::Greater),
        VersionKind::Old => order == Some(Ordering::Less),
        VersionKind::None => node.version.is_none(),
    }
}

/// Numbers compare as numbers, anything else as text.
fn compare_versions(left: &Json, right: &Json) -> Ordering {
    let number = |version: &Json| match version {
        Json::String(text) => text.parse::<f64>().ok(),
        other => other.as_f64(),
    };
    let text = |version: &Json| match version {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => text(left).cmp(&text(right)),
    }
}
