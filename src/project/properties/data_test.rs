//! Reads `data_tests:` (formerly `tests:`) of a model, column or source table.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::fields::{Fields, Unknown};
use crate::node::{Key, Node, Value};
use crate::properties::{ConfigBlock, Reader};
use crate::{mistake, node};
use msv_diagnostics::Diagnostic;

/// Keys of a test that configure it and are no arguments of its macro.
pub const TEST_CONFIG_KEYS: [&str; 16] = [
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
    "group",
    "sql_header",
];

/// One generic test on a model or a column.
#[derive(Clone, Debug)]
pub struct TestProperties {
    /// As it is written: `unique`, or `package.name`.
    pub name: String,
    /// The name a person gave this test in place of the one made from its arguments.
    pub custom_name: Option<String>,
    pub description: String,
    /// In file order; without `model`, and without `column_name` where the test stands at a column.
    pub arguments: Map<String, Json>,
    pub config: ConfigBlock,
    /// The column it stands at.
    pub column: Option<String>,
    /// The whole test.
    pub span: Range<usize>,
    /// The test's name.
    pub name_span: Range<usize>,
}

/// Reads the tests of an entry from `data_tests` or `tests`.
pub(super) fn read_all<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    column: Option<&str>,
    owner: &str,
) -> Vec<TestProperties> {
    let older = fields.present("tests");
    let newer = fields.present("data_tests");
    if let (Some(older), Some(newer)) = (older, newer) {
        reader.found.push(
            Diagnostic::error(
                "MSV0111",
                format!("{} has both `tests` and `data_tests`", fields.owner),
            )
            .at(
                mistake::first_line(reader.document, &newer.span),
                "given here",
            )
            .also(
                mistake::first_line(reader.document, &older.span),
                "and here",
            )
            .help("`tests` is the former name of `data_tests`: join them under the latter"),
        );
    }
    let key = if newer.is_some() {
        "data_tests"
    } else {
        "tests"
    };
    let holder = match column {
        Some(column) => format!("column `{column}` of {owner}"),
        None => owner.to_owned(),
    };
    fields
        .list(key)
        .iter()
        .filter_map(|node| read(reader, node, column, &holder))
        .collect()
}

fn read<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    column: Option<&str>,
    holder: &str,
) -> Option<TestProperties> {
    let bare = |name: &str, name_span: Range<usize>| TestProperties {
        name: name.to_owned(),
        custom_name: None,
        description: String::new(),
        arguments: Map::new(),
        config: ConfigBlock::default(),
        column: column.map(str::to_owned),
        span: node.span.clone(),
        name_span,
    };
    let (test, body) = match &node.value {
        Value::String(name) => (bare(name, node.span.clone()), None),
        Value::Map(entries) => match named_body(node, entries) {
            Some((name, span, body)) => (bare(&name, span), Some(body)),
            None => {
                reader
                    .found
                    .push(not_one_test(reader, node, entries, holder));
                return None;
            }
        },
        _ => {
            let owner = format!("a data test of {holder}");
            let expected = "a name, or a name with arguments below it";
            let diagnostic = mistake::wrong_type(reader.document, node, &owner, expected);
            reader.found.push(diagnostic);
            return None;
        }
    };
    if !is_test_name(&test.name) {
        reader.found.push(
            Diagnostic::error(
                "MSV0103",
                format!("`{}` is not the name of a data test", test.name),
            )
            .at(reader.document.place(&test.name_span), "")
            .help(
                "write `name` or `package.name`; arguments go on lines of their own below `name:`",
            ),
        );
        return None;
    }
    let Some(body) = body else { return Some(test) };
    if body.is_null() {
        return Some(test);
    }
    fill(reader, test, body, holder)
}

/// Finds name and body in both ways to write a test: `{unique: {…}}` and `{test_name: unique, …}`.
fn named_body<'a>(
    node: &'a Node,
    entries: &'a [(Key, Node)],
) -> Option<(String, Range<usize>, &'a Node)> {
    if let Some(named) = node.get("test_name") {
        return Some((named.as_str()?.to_owned(), named.span.clone(), node));
    }
    match entries {
        [(key, body)] => Some((key.name.clone(), key.span.clone(), body)),
        _ => None,
    }
}

fn fill<'a>(
    reader: &mut Reader<'a>,
    mut test: TestProperties,
    body: &'a Node,
    holder: &str,
) -> Option<TestProperties> {
    let owner = format!("data test `{}` of {holder}", test.name);
    let mut fields = Fields::open(reader.document, body, owner, &mut reader.found)?;
    read_body(&mut fields, &mut test);
    if reader.unknown != Unknown::Ignored {
        point_out_older_forms(&mut fields, &test, reader.nests_arguments);
    }
    reader.found.append(&mut fields.found);
    Some(test)
}

fn read_body(fields: &mut Fields, test: &mut TestProperties) {
    test.config = ConfigBlock::read(fields, &[]);
    test.custom_name = fields.string("name");
    test.description = fields.string("description").unwrap_or_default();
    let nested = fields.raw("arguments").filter(|node| node.is_map());
    for (key, node) in fields.node.entries() {
        let name = key.name.as_str();
        if matches!(name, "config" | "name" | "description" | "test_name")
            || name == "arguments" && nested.is_some()
            || name == "column_name" && test.column.is_some()
        {
            continue;
        }
        if name == "arguments" && node.is_null() {
            continue;
        }
        if TEST_CONFIG_KEYS.contains(&name) {
            if test.config.get(name).is_some() {
                fields
                    .error(
                        "MSV0111",
                        format!("`{name}` is given in `config` and beside it"),
                        &key.span,
                    )
                    .help
                    .push(format!("keep `{name}` in `config`"));
            } else {
                test.config.insert(name, node);
            }
            continue;
        }
        add_argument(fields, test, key, node);
    }
    for (key, node) in nested.map_or(&[][..], Node::entries) {
        // dbt joins both levels before it looks at the keys: configuration may stand in either.
        match key.name.as_str() {
            "config" => {
                for (key, node) in node.entries() {
                    test.config.insert(&key.name, node);
                }
            }
            "name" => test.custom_name = node.as_str().map(str::to_owned),
            "description" => test.description = node.as_str().unwrap_or_default().to_owned(),
            name if TEST_CONFIG_KEYS.contains(&name) => test.config.insert(name, node),
            _ => add_argument(fields, test, key, node),
        }
    }
    check_severity(fields, test);
    check_tags(fields, test);
}

fn check_tags(fields: &mut Fields, test: &TestProperties) {
    let (Some(tags), Some(span)) = (test.config.get("tags"), test.config.span_of("tags")) else {
        return;
    };
    let is_text = match tags {
        Json::Array(tags) => tags.iter().all(Json::is_string),
        other => other.is_string() || other.is_null(),
    };
    if !is_text {
        let title = format!("a tag of {} is no text", fields.owner);
        let diagnostic = fields.error("MSV0103", title, &span);
        diagnostic.help.push("put each tag in quotes".to_owned());
    }
}

/// Warns of arguments and configuration that stand beside `arguments` and `config`.
fn point_out_older_forms(fields: &mut Fields, test: &TestProperties, nests_arguments: bool) {
    let has_arguments = fields
        .node
        .get("arguments")
        .is_some_and(|node| !node.entries().is_empty());
    let mut report = |key: &Key, title: String, label: &str, help: String, event| {
        let place = fields.document.place(&key.span);
        fields.found.push(
            Diagnostic::warning("MSV0142", title)
                .at(place, label)
                .help(help)
                .event(event),
        );
    };
    if !nests_arguments {
        let key = fields
            .node
            .entries()
            .iter()
            .find(|(key, _)| key.name == "arguments");
        if let Some((key, _)) = key {
            report(
                key,
                format!(
                    "data test `{}` has `arguments`, which `flags` does not ask for",
                    test.name
                ),
                "read as its arguments all the same",
                "take `require_generic_test_arguments_property: false` out of `flags:`".to_owned(),
                "ArgumentsPropertyInGenericTestDeprecation",
            );
        }
        return;
    }
    let mut is_told = has_arguments;
    for (key, _) in fields.node.entries() {
        let name = key.name.as_str();
        if matches!(
            name,
            "config" | "name" | "description" | "test_name" | "column_name" | "arguments"
        ) {
            continue;
        }
        let config = fields.node.get("config");
        if config.is_some_and(|config| config.get(name).is_some()) {
            // Given twice, which is a mistake of its own.
            continue;
        }
        if TEST_CONFIG_KEYS.contains(&name) {
            report(
                key,
                format!(
                    "`{name}` of data test `{}` stands beside `config`",
                    test.name
                ),
                "configuration",
                format!("write `config: {{{name}: ...}}`"),
                "PropertyMovedToConfigDeprecation",
            );
        } else if !is_told {
            is_told = true;
            report(
                key,
                format!(
                    "arguments of data test `{}` stand outside `arguments`",
                    test.name
                ),
                "an argument",
                format!("write `arguments: {{{name}: ...}}`"),
                "MissingArgumentsPropertyInGenericTestDeprecation",
            );
        }
    }
}

fn add_argument(fields: &mut Fields, test: &mut TestProperties, key: &Key, node: &Node) {
    if key.name == "model" {
        fields
            .error(
                "MSV0111",
                "a data test cannot be given the argument `model`".to_owned(),
                &key.span,
            )
            .help
            .push("remove it: the model is the one the test stands at".to_owned());
        return;
    }
    test.arguments.insert(key.name.clone(), node.to_json());
}

fn check_severity(fields: &mut Fields, test: &TestProperties) {
    let Some(severity) = test.config.get("severity") else {
        return;
    };
    let Some(span) = test.config.span_of("severity") else {
        return;
    };
    let text = severity.as_str().unwrap_or_default();
    if node::is_template(text) || matches!(text.to_lowercase().as_str(), "warn" | "error") {
        return;
    }
    let owner = format!("`severity` of {}", fields.owner);
    let diagnostic = mistake::not_one_of(
        fields.document,
        &span,
        &owner,
        &text.to_lowercase(),
        &["error", "warn"],
    );
    fields.found.push(diagnostic);
}

fn is_test_name(name: &str) -> bool {
    let is_word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match name.split_once('.') {
        Some((package, test)) => is_word(package) && is_word(test),
        None => is_word(name),
    }
}

fn not_one_test(reader: &Reader, node: &Node, entries: &[(Key, Node)], holder: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "MSV0103",
        format!("a data test of {holder} has more than one name"),
    );
    match entries {
        [(first, body), (second, _), ..] if body.is_null() => diagnostic
            .at(
                reader.document.place(&second.span),
                format!("as deep as `{}`", first.name),
            )
            .help(format!(
                "indent `{}` two spaces more than `{}`",
                second.name, first.name
            )),
        _ => diagnostic
            .at(mistake::first_line(reader.document, &node.span), "")
            .help("start each test with `- `"),
    }
}
