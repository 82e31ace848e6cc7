//! Reads an entry of `unit_tests:`.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::fields::Fields;
use crate::node::{Node, Spanned, Value};
use crate::properties::{ConfigBlock, Origin, Reader};

/// One unit test: rows given to a model, rows expected from it.
#[derive(Clone, Debug)]
pub struct UnitTestProperties {
    pub name: Spanned<String>,
    pub model: Spanned<String>,
    pub description: String,
    pub given: Vec<GivenProperties>,
    pub expect: FixtureProperties,
    /// Macros, variables and environment variables that the test replaces.
    pub override_macros: Map<String, Json>,
    pub override_vars: Map<String, Json>,
    pub override_env_vars: Map<String, Json>,
    /// The instant at which the clock stands.
    pub override_now: Option<Spanned<String>>,
    pub config: ConfigBlock,
    /// Versions of the model to test; `None` for all.
    pub versions: Option<Json>,
    pub origin: Origin,
}

/// One input and its rows.
#[derive(Clone, Debug)]
pub struct GivenProperties {
    /// `ref('x')`, `source('a', 'b')` or `this`.
    pub input: Spanned<String>,
    pub fixture: FixtureProperties,
}

/// Rows, or the file that holds them.
#[derive(Clone, Debug)]
pub struct FixtureProperties {
    pub format: FixtureFormat,
    /// A list of maps for `dict`, one text for `csv` and `sql`; empty list when absent.
    pub rows: Json,
    /// Name of a file below `fixtures/` of a test folder, without its extension.
    pub fixture: Option<Spanned<String>>,
    /// The CTE of the model that is looked at in place of its result; of an expectation only.
    pub cte: Option<Spanned<String>>,
    pub span: Range<usize>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixtureFormat {
    Dict,
    Csv,
    Sql,
}

impl FixtureFormat {
    /// dbt's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            FixtureFormat::Dict => "dict",
            FixtureFormat::Csv => "csv",
            FixtureFormat::Sql => "sql",
        }
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<UnitTestProperties> {
    let mut fields = reader.open(node, "unit test")?;
    let owner = fields.owner.clone();
    let name = fields.required_text("name", "unit_test_name");
    let model = fields.required_text("model", "model_name");
    let mut given = Vec::new();
    for entry in fields.list("given") {
        let what = format!("an input of {owner}");
        let Some(mut parts) = Fields::open(reader.document, entry, what, &mut reader.found) else {
            continue;
        };
        let input = parts.required_text("input", "ref('model_name')");
        let fixture = read_fixture(&mut parts);
        reader.finish(parts);
        given.extend(input.map(|input| GivenProperties { input, fixture }));
    }
    let expect = match fields.present("expect") {
        None => {
            fields.missing("expect", "{rows: [{column: value}]}");
            None
        }
        Some(node) => {
            let what = format!("`expect` of {owner}");
            Fields::open(reader.document, node, what, &mut reader.found).map(|mut parts| {
                let cte = parts.text("cte");
                let fixture = FixtureProperties {
                    cte,
                    ..read_fixture(&mut parts)
                };
                reader.finish(parts);
                fixture
            })
        }
    };
    let (override_macros, override_vars, override_env_vars, override_now) =
        match fields.map("overrides") {
            Some(node) => {
                let what = format!("`overrides` of {owner}");
                match Fields::open(reader.document, node, what, &mut reader.found) {
                    Some(mut parts) => {
                        let overrides = (
                            parts.json_map_with_iso_dates("macros"),
                            parts.json_map_with_iso_dates("vars"),
                            parts.json_map_with_iso_dates("env_vars"),
                            parts.text("now"),
                        );
                        reader.finish(parts);
                        overrides
                    }
                    None => Default::default(),
                }
            }
            None => Default::default(),
        };
    let description = fields.string("description").unwrap_or_default();
    let config = ConfigBlock::read(&mut fields, &["tags", "meta"]);
    let versions = fields.map("versions");
    if let Some(node) = versions
        && node.get("include").is_some()
        && node.get("exclude").is_some()
    {
        let title = format!("{} both includes and excludes versions", fields.owner);
        let diagnostic = fields.error("MSV0111", title, &node.span);
        diagnostic.help.push("keep one of the two".to_owned());
    }
    let versions = versions.map(Node::to_json);
    reader.finish(fields);
    Some(UnitTestProperties {
        name: name?,
        model: model?,
        description,
        given,
        expect: expect?,
        override_macros,
        override_vars,
        override_env_vars,
        override_now,
        config,
        versions,
        origin: reader.origin(node),
    })
}

fn read_fixture(parts: &mut Fields) -> FixtureProperties {
    let format = match parts
        .choice("format", &["dict", "csv", "sql"])
        .as_ref()
        .map(|text| text.as_str())
    {
        Some("csv") => FixtureFormat::Csv,
        Some("sql") => FixtureFormat::Sql,
        _ => FixtureFormat::Dict,
    };
    let fixture = parts.text("fixture");
    let rows = parts.present("rows");
    if let Some(rows) = rows {
        check_rows(parts, rows, format);
    }
    if format == FixtureFormat::Dict
        && let Some(fixture) = &fixture
    {
        let title = format!("{} has a fixture in no format", parts.owner);
        parts
            .error("MSV0107", title, &fixture.span)
            .help
            .push("add `format: csv` or `format: sql`".to_owned());
    }
    FixtureProperties {
        format,
        rows: rows.map_or(Json::Null, Node::to_json),
        fixture,
        cte: None,
        span: parts.node.span.clone(),
    }
}

fn check_rows(parts: &mut Fields, rows: &Node, format: FixtureFormat) {
    match (&rows.value, format) {
        (Value::List(elements), FixtureFormat::Dict) => {
            for element in elements.iter().filter(|element| !element.is_map()) {
                let title = format!(
                    "each row of {} must be a mapping of columns to values",
                    parts.owner
                );
                parts
                    .error("MSV0103", title, &element.span)
                    .help
                    .push("write `- {column: value, other: value}`".to_owned());
            }
        }
        (Value::String(_), FixtureFormat::Csv | FixtureFormat::Sql) => {}
        (Value::String(_), FixtureFormat::Dict) => {
            let title = format!(
                "`rows` of {} is text, and its format is `dict`",
                parts.owner
            );
            parts.error("MSV0103", title, &rows.span).help.push(
                "add `format: csv` or `format: sql`, or list the rows as mappings".to_owned(),
            );
        }
        // dbt takes a list of maps for csv as well.
        (Value::List(_), FixtureFormat::Csv) => {}
        _ => {
            let expected = match format {
                FixtureFormat::Dict => "a list of mappings",
                FixtureFormat::Csv | FixtureFormat::Sql => "text below `|`",
            };
            let owner = format!("`rows` of {}", parts.owner);
            let diagnostic = crate::mistake::wrong_type(parts.document, rows, &owner, expected);
            parts.found.push(diagnostic);
        }
    }
}
