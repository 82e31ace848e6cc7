//! Turns tests declared in properties into nodes.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use serde_json::{Map, Value as Json};

use msv_diagnostics::{Diagnostic, closest};
use msv_jinja::value::convert::from_json;
use msv_jinja::value::dict::Dict;
use msv_jinja::value::list::List;
use msv_jinja::{Host, Source as TemplateSource};
use msv_project::Package;
use msv_project::properties::{ColumnProperties, Origin, TestProperties};

use super::context::{ParseContext, is_template, make_nodes, placed};
use super::node::{
    Details, GenericTest, Node, RefCall, ResourceType, SourceCall, Template, UniqueId,
};
use super::recorder::Record;
use super::resources::{Draft, finish, plain};
use super::test_names::{synthesize, test_hash};

/// What a declared test stands at.
pub(super) struct Target<'p> {
    package: &'p Package,
    origin: &'p Origin,
    /// The name in the test's name: `orders`, `orders_v2`, or `source_` and the like.
    test_prefix: &'static str,
    name: String,
    /// `ref('orders')` as it stands in the test's `model` argument.
    call: String,
    reference: Reference,
    attached_node: Option<UniqueId>,
    is_enabled: bool,
    /// What tags every test of it has; only sources hand theirs on.
    tags: Vec<String>,
    /// Whether columns that say nothing themselves are quoted.
    quotes_columns: bool,
}

enum Reference {
    Ref { name: String, version: Option<Json> },
    Source { source: String, table: String },
}

/// A declared test with its target.
pub(super) struct Declared<'p> {
    target: Arc<Target<'p>>,
    test: &'p TestProperties,
    /// Of the source, table and column it stands at.
    outer_tags: Vec<String>,
    /// The column's name, quoted where properties say so.
    column: Option<String>,
}

/// Lists the tests declared on models, seeds and snapshots.
pub(super) fn on_drafts<'p>(
    drafts: &[Draft<'p>],
    package: &'p Package,
    nodes: &IndexMap<String, bool>,
) -> Vec<Declared<'p>> {
    let mut declared = Vec::new();
    let mut described = HashSet::new();
    for draft in drafts {
        let Some(properties) = draft.properties else {
            continue;
        };
        // Several files may make one node, all but one of them switched off.
        if !described.insert((
            std::ptr::from_ref(properties),
            draft.version.map(|it| &it.v),
        )) {
            continue;
        }
        let name = properties.name.value.clone();
        let kind = draft.kind();
        let mut id = format!("{kind}.{}.{name}", package.name);
        let mut target_name = name.clone();
        let mut call = format!("ref('{name}')");
        let version = draft.version.map(|version| version.v.clone());
        if let Some(version) = &version {
            let version = plain(version);
            id = format!("{id}.v{version}");
            target_name = format!("{name}_v{version}");
            call = format!("ref('{name}', version='{version}')");
        }
        let is_own = draft.describer.name == package.name;
        let target = Arc::new(Target {
            package: draft.describer,
            origin: &properties.origin,
            test_prefix: "",
            name: target_name,
            call,
            reference: Reference::Ref { name, version },
            is_enabled: nodes.get(&id).copied().unwrap_or(false),
            tags: Vec::new(),
            quotes_columns: properties.quote_columns.unwrap_or(false),
            attached_node: is_own.then(|| UniqueId::new(id)),
        });
        let tests = draft
            .version
            .and_then(|version| version.tests.as_ref())
            .unwrap_or(&properties.tests);
        let columns = properties
            .columns
            .iter()
            .chain(draft.version.iter().flat_map(|version| &version.columns));
        declared.extend(declare(&target, tests, columns));
    }
    declared
}

/// Lists the tests declared on source tables.
pub(super) fn on_sources<'p>(
    context: &ParseContext<'_>,
    package: &'p Package,
    nodes: &IndexMap<String, bool>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Declared<'p>> {
    let mut declared = Vec::new();
    let host = Arc::new(context.host(&package.name));
    for source in &package.properties.sources {
        for table in &source.tables {
            let place = source.origin.place_of(&table.name.span);
            let mut render = |text: &str| context.render_description(text, &host, &place, found);
            let (source_name, name) = (render(&source.name.value), render(&table.name.value));
            let id = format!("source.{}.{source_name}.{name}", package.name);
            let target = Arc::new(Target {
                package,
                origin: &source.origin,
                test_prefix: "source_",
                name: format!("{source_name}_{name}"),
                call: format!("source('{source_name}', '{name}')"),
                reference: Reference::Source {
                    source: source_name,
                    table: name,
                },
                attached_node: None,
                is_enabled: nodes.get(&id).copied().unwrap_or(true),
                tags: [source.tags.as_slice(), &table.tags].concat(),
                quotes_columns: [&table.quoting, &source.quoting]
                    .iter()
                    .find_map(|quoting| quoting.get("column")?.as_bool())
                    .unwrap_or(false),
            });
            declared.extend(declare(&target, &table.tests, table.columns.iter()));
        }
    }
    declared
}

/// The tests of a whole resource, then those of its columns.
fn declare<'p>(
    target: &Arc<Target<'p>>,
    tests: &'p [TestProperties],
    columns: impl Iterator<Item = &'p ColumnProperties>,
) -> Vec<Declared<'p>> {
    let own = tests.iter().map(|test| (test, target.tags.clone(), None));
    let of_columns = columns.flat_map(|column| {
        let mut tags = target.tags.clone();
        tags.extend(column.tags.iter().cloned());
        tags.extend(strings(column.config.get("tags")));
        let is_quoted = column.quote.unwrap_or(target.quotes_columns);
        let name = column.name.value.as_str();
        let name = match is_quoted {
            true => format!("\"{name}\""),
            false => name.to_owned(),
        };
        let tests = column.tests.iter();
        tests.map(move |test| (test, tags.clone(), Some(name.clone())))
    });
    own.chain(of_columns)
        .map(|(test, outer_tags, column)| Declared {
            target: Arc::clone(target),
            test,
            outer_tags,
            column,
        })
        .collect()
}

/// A list of texts, or one text.
fn strings(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::String(text)) => vec![text.clone()],
        Some(Json::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Makes the nodes of declared tests; mistakes of all of them are reported together.
pub(super) fn test_nodes(
    context: &ParseContext<'_>,
    declared: &[Declared<'_>],
    found: &mut Vec<Diagnostic>,
) -> Vec<Arc<Node>> {
    make_nodes(declared, found, |declared, found| {
        test_node(context, declared, found)
    })
}

fn test_node(
    context: &ParseContext<'_>,
    Declared {
        target,
        test,
        outer_tags,
        column,
    }: &Declared<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let package = target.package;
    let place = target.origin.place_of(&test.name_span);
    let (namespace, test_name) = match test.name.split_once('.') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, test.name.clone()),
    };
    let macro_name = format!("test_{test_name}");
    let macro_package = namespace.as_deref().unwrap_or(&package.name);
    // Not an error yet, as in dbt: the test fails when it runs, the rest of the project does not.
    let definition = context.engine.find_macro(macro_package, &macro_name);
    if definition.is_none() {
        found.push(unknown_test(context, test, place.clone()));
    }
    let mut kwargs: IndexMap<String, Json> = IndexMap::new();
    if let Some(column) = column {
        kwargs.insert("column_name".to_owned(), Json::String(column.clone()));
    }
    kwargs.extend(
        test.arguments
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let model = format!("{{{{ get_where_subquery({}) }}}}", target.call);
    kwargs.insert("model".to_owned(), Json::String(model));

    let label = match &namespace {
        Some(namespace) => format!("{namespace}_{}{test_name}", target.test_prefix),
        None => format!("{}{test_name}", target.test_prefix),
    };
    let mut names = synthesize(&label, &target.name, &kwargs);
    if let Some(custom) = &test.custom_name {
        names.full.clone_from(custom);
        names.short.clone_from(custom);
    }
    let hash = test_hash(&names.full, namespace.as_deref(), &test_name, &kwargs);
    let mut fqn = vec![package.name.clone()];
    fqn.extend(super::sources::folders_of(package, &target.origin.path));
    fqn.push(names.full.clone());
    let (mut config, mut written) = context.project_config(&package.name, ResourceType::Test, &fqn);
    let host = Arc::new(context.host(&package.name));
    // dbt renders the settings of a test that are texts, and hands lists and mappings on.
    let mut declared: Map<String, Json> = Map::new();
    for (key, value) in &test.config.values {
        let value = match value {
            Json::String(_) => context.render_value(value, &host, &place, found),
            other => other.clone(),
        };
        // As in dbt, a setting of a test that is null was not given.
        if !value.is_null() {
            declared.insert(key.clone(), value);
        }
    }
    config.merge(&declared);
    // dbt counts the configuration of a rendered test twice: declared, and in its template.
    if let (Some(tags), Some(definition)) = (declared.get("tags"), definition)
        && msv_jinja::is_builtin(&definition.package)
        && !matches!(test_name.as_str(), "unique" | "not_null")
    {
        config.merge(&Map::from_iter([("tags".to_owned(), tags.clone())]));
    }
    if names.short != names.full && !declared.contains_key("alias") {
        declared.insert("alias".to_owned(), Json::String(names.short.clone()));
        config.set("alias", Json::String(names.short.clone()));
    }
    written.extend(declared.clone());
    let mut declared_tags = outer_tags.clone();
    declared_tags.extend(strings(declared.get("tags")));
    declared_tags.sort();
    declared_tags.dedup();
    let prefix = namespace
        .as_deref()
        .map(|namespace| format!("{namespace}."))
        .unwrap_or_default();
    let raw_code: Arc<str> = format!(
        "{{{{ {prefix}{macro_name}(**_dbt_generic_test_kwargs) }}}}{}",
        config_call(&declared)
    )
    .into();
    let mut node = Node {
        path: format!("{}.sql", names.short),
        original_file_path: target.origin.path.to_string(),
        fqn,
        template: Template {
            // One name, as one text serves many tests; mistakes are told with the node's own place.
            file: "<data test>".into(),
            span: 0..raw_code.len(),
            text: raw_code,
        },
        config,
        unrendered_config: Json::Object(written),
        description: test.description.clone(),
        depends_on_macros: definition
            .map_or_else(Vec::new, |_| macros_of(context, package, &test_name)),
        ..Node::new(
            format!("test.{}.{}.{hash}", package.name, names.full),
            ResourceType::Test,
            &package.name,
            &names.full,
            Details::GenericTest(GenericTest {
                name: test_name,
                namespace,
                kwargs: kwargs.clone(),
                column: column.clone(),
                declared_tags,
                attached_node: target.attached_node.clone(),
            }),
            place.clone(),
        )
    };
    node.checksum.clear();
    record_arguments(
        context,
        &mut node,
        &kwargs,
        &target.reference,
        definition.is_some_and(|definition| !msv_jinja::is_builtin(&definition.package)),
        found,
    );
    if let Json::Object(mut written) = std::mem::take(&mut node.unrendered_config) {
        context.root_config(
            &package.name,
            ResourceType::Test,
            &node.fqn,
            &mut node.config,
            &mut written,
        );
        node.unrendered_config = Json::Object(written);
    }
    if !target.is_enabled {
        node.config.set("enabled", Json::Bool(false));
    }
    finish(context, &mut node, &place, found).then_some(node)
}

/// The macros that the test's template calls: its own, and the one that filters the tested rows;
/// dbt does not count that for the two simplest tests. A namespace before the test's name does not
/// tell dbt which macro it is.
fn macros_of(context: &ParseContext<'_>, package: &Package, test_name: &str) -> Vec<String> {
    let id = |name: &str| context.engine.macro_id(&package.name, name);
    let own = id(&format!("test_{test_name}"));
    let is_simple = own.as_deref().is_some_and(is_simplest);
    let filter = id("get_where_subquery").filter(|_| !is_simple);
    own.into_iter().chain(filter).collect()
}

/// The two tests that dbt does not render to know what they read.
fn is_simplest(macro_id: &str) -> bool {
    matches!(
        macro_id,
        "macro.dbt.test_unique" | "macro.dbt.test_not_null"
    )
}

/// Finds what the arguments refer to, and for tests that are not built in, what the test's macro
/// asks for itself.
fn record_arguments(
    context: &ParseContext<'_>,
    node: &mut Node,
    kwargs: &IndexMap<String, Json>,
    tested: &Reference,
    is_custom: bool,
    found: &mut Vec<Diagnostic>,
) {
    let host = Arc::new(context.host(&node.package_name));
    // The tested node counts once, whatever the macro around it asks for.
    let aside = Arc::new(context.host(&node.package_name));
    let mut values = Vec::new();
    for (key, value) in kwargs {
        if key == "model" && !is_custom {
            continue;
        }
        let host = if key == "model" { &aside } else { &host };
        let evaluate = |text: &str| {
            context
                .engine
                .evaluate(text, Arc::clone(host) as Arc<dyn Host>)
        };
        match evaluate_argument(key, value, &evaluate) {
            Ok(value) => values.push((key.clone(), value)),
            Err(diagnostic) => found.push(placed(*diagnostic, &node.place)),
        }
    }
    let mut record = host.take();
    add_tested(node, tested, &mut record);
    if is_custom {
        let mut host = context.host(&node.package_name);
        host.extra
            .insert("_dbt_generic_test_kwargs", Value::from_pairs(values));
        let host = Arc::new(host);
        let template = TemplateSource {
            file: Arc::clone(&node.template.file),
            text: Arc::clone(&node.template.text),
            span: node.template.span.clone(),
        };
        match context
            .engine
            .render(&template, Arc::clone(&host) as Arc<dyn Host>)
        {
            Ok(_) => {
                let own = host.take();
                record.refs.extend(own.refs);
                record.sources.extend(own.sources);
                let declared = node
                    .unrendered_config
                    .as_object()
                    .cloned()
                    .unwrap_or_default();
                let fresh: Map<String, Json> = own
                    .config
                    .into_iter()
                    // The call at the end of the test's template repeats what is declared.
                    .filter(|(key, _)| key == "tags" || !declared.contains_key(key))
                    .collect();
                node.config.merge(&fresh);
                if let Json::Object(written) = &mut node.unrendered_config {
                    written.extend(fresh);
                }
            }
            Err(diagnostic) => found.push(placed(*diagnostic, &node.place)),
        }
    }
    for call in &mut record.refs {
        call.place = node.place.clone();
    }
    for call in &mut record.sources {
        call.place = node.place.clone();
    }
    node.refs = record.refs;
    node.sources = record.sources;
}

/// What the arguments name comes before the tested node: readers of the manifest rely on it.
fn add_tested(node: &Node, tested: &Reference, record: &mut Record) {
    match tested {
        Reference::Ref { name, version } => {
            // dbt writes the version into a template, but for the two simplest tests.
            let is_simple = node
                .depends_on_macros
                .first()
                .is_some_and(|id| is_simplest(id));
            let version = match version {
                Some(version) if !is_simple => Some(Json::String(plain(version))),
                other => other.clone(),
            };
            record.refs.push(RefCall {
                package: None,
                name: name.clone(),
                version,
                place: node.place.clone(),
            });
        }
        Reference::Source { source, table } => record.sources.push(SourceCall {
            source: source.clone(),
            table: table.clone(),
            place: node.place.clone(),
        }),
    }
}

/// Walks an argument of a test and evaluates the templates in it, and calls such as `ref('x')`;
/// column names stay as they are.
pub fn evaluate_argument(
    key: &str,
    value: &Json,
    evaluate: &dyn Fn(&str) -> Result<Value, Box<Diagnostic>>,
) -> Result<Value, Box<Diagnostic>> {
    match value {
        Json::String(text) if key != "column_name" => {
            if is_template(text) {
                evaluate(text)
            } else if looks_like_call(text) {
                evaluate(&format!("{{{{ {text} }}}}"))
            } else {
                Ok(Value::from(text.strip_suffix('\n').unwrap_or(text)))
            }
        }
        Json::Array(items) => {
            let items: Result<Vec<Value>, _> = items
                .iter()
                .map(|item| evaluate_argument("", item, evaluate))
                .collect();
            items.map(List::value)
        }
        Json::Object(entries) => {
            let entries: Result<Vec<(String, Value)>, _> = entries
                .iter()
                .map(|(key, item)| Ok((key.clone(), evaluate_argument("", item, evaluate)?)))
                .collect();
            entries.map(Dict::from_pairs)
        }
        other => Ok(from_json(other)),
    }
}

/// dbt evaluates such arguments without braces around them.
fn looks_like_call(text: &str) -> bool {
    let text = text.trim();
    ["ref", "source", "var", "env_var", "doc"]
        .iter()
        .any(|name| {
            text.strip_prefix(name)
                .is_some_and(|rest| rest.trim_start().starts_with('(') && rest.ends_with(')'))
        })
}

/// The `config(…)` call that dbt appends to the code of a configured test.
/// The order in which dbt writes the configuration of a test into its template.
const CONFIG_ORDER: [&str; 14] = [
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
];

fn config_call(config: &Map<String, Json>) -> String {
    if config.is_empty() {
        return String::new();
    }
    let place = |key: &str| {
        let known = CONFIG_ORDER.iter().position(|known| *known == key);
        known.unwrap_or(CONFIG_ORDER.len())
    };
    let mut entries: Vec<_> = config.iter().collect();
    entries.sort_by_key(|(key, _)| place(key));
    let pairs: Vec<String> = entries
        .into_iter()
        .map(|(key, value)| match value {
            Json::String(text) => {
                format!(
                    "{key}=\"{}\"",
                    text.replace('\\', "\\\\").replace('"', "\\\"")
                )
            }
            other => format!("{key}={}", super::test_names::python_str(other)),
        })
        .collect();
    format!("{{{{ config({}) }}}}", pairs.join(","))
}

fn unknown_test(
    context: &ParseContext<'_>,
    test: &TestProperties,
    place: msv_diagnostics::Place,
) -> Diagnostic {
    let macros = context.engine.macros().iter();
    let tests: Vec<&str> = macros
        .filter_map(|definition| definition.name.strip_prefix("test_"))
        .collect();
    let diagnostic =
        Diagnostic::warning("MSV0213", format!("no data test is named `{}`", test.name))
            .at(place, "");
    match closest(&test.name, tests.iter().copied()) {
        Some(similar) => diagnostic.help(format!("a data test with a similar name exists: `{similar}`")),
        None => diagnostic.help(format!(
            "define it with `{{% test {}(model, column_name) %}}` in a file below macros/ or tests/generic/",
            test.name
        )),
    }
}
