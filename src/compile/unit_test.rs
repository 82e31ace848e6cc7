//! Builds the statements of a unit test: the model over rows given by hand, and the rows expected.
//!
//! Given rows become CTEs whose columns have the types of the real inputs; nothing is written to
//! the database.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexSet;
use minijinja::Value;
use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, closest};
use crate::jinja::value::convert::from_json;
use crate::jinja::{Database, Host};
use crate::parse::{Details, Node, UnitTest, UnitTestRows};
use crate::relation::{quote_identifier, quote_literal};

use super::compiled::Compiled;
use super::compiler::Compiler;
use super::host::{NodeHost, Overrides, cte_relation};
use super::inject::{Cte, inject};

/// A column's name and full type.
pub type TypedColumn = (String, String);

/// Tells the columns of what a node is, or would be, built as; none when they are not known.
pub type ColumnsOf<'a> = dyn Fn(&Node) -> Result<Vec<TypedColumn>, Box<Diagnostic>> + 'a;

/// Rows as written, one cell a column; `None` is null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FixtureRows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// What a unit test compares.
#[derive(Debug)]
pub enum Expected {
    Rows(FixtureRows),
    /// A query that gives the expected rows.
    Query(String),
}

/// A unit test ready to run.
#[derive(Debug)]
pub struct UnitTestQuery {
    /// The model's query over the given rows.
    pub actual: Compiled,
    pub expected: Expected,
}

/// Compiles a unit test; `columns_of` tells the columns of inputs.
///
/// # Errors
///
/// An input the model does not read, a column the input does not have, rows that cannot be read.
pub fn compile_unit_test(
    compiler: &Arc<Compiler>,
    node: &Arc<Node>,
    database: Option<Arc<dyn Database>>,
    columns_of: &ColumnsOf<'_>,
) -> Result<UnitTestQuery, Box<Diagnostic>> {
    let Details::UnitTest(test) = &node.details else {
        return Err(Box::new(Diagnostic::error(
            "MSV0322",
            format!("`{}` is no unit test", node.name),
        )));
    };
    let model = test
        .tested_node
        .as_ref()
        .and_then(|id| compiler.graph.nodes.get(id));
    let Some(model) = model else {
        return Err(Box::new(
            Diagnostic::error("MSV0208", format!("no model is named `{}`", test.model))
                .at(node.place.clone(), "tested here"),
        ));
    };
    let mut overrides = overrides_of(test);
    let mut ctes = Vec::new();
    let mut names: IndexSet<String> = IndexSet::new();
    for given in &test.given {
        let input = find_input(compiler, node, given)?;
        let name = match &input {
            Input::This => "__dbt__cte__this".to_owned(),
            Input::Node(input) => unique_name(&mut names, &format!("__dbt__cte__{}", input.name)),
        };
        let input_node = match &input {
            Input::This => &**model,
            Input::Node(input) => input,
        };
        let types = columns_of(input_node)?;
        let query = fixture_query(node, input_node, given, &types)?;
        let mut compiled = Compiled::default();
        compiled.push_text(&query);
        ctes.push(Cte {
            name: name.clone(),
            query: Arc::new(compiled),
        });
        match input {
            Input::This => overrides.this = Some(cte_relation(&name)),
            Input::Node(input) => {
                overrides
                    .relations
                    .insert(input.unique_id.clone(), cte_relation(&name));
            }
        }
    }
    let model = Arc::new(model.clone());
    let actual = compiler
        .compile_with(&model, database, overrides)
        .map_err(|diagnostic| {
            Box::new(diagnostic.also(node.place.clone(), "while running this unit test"))
        })?;
    let expected = match test.expect.format.as_str() {
        "sql" => Expected::Query(text_of(&test.expect.rows)),
        _ => Expected::Rows(read_rows(&test.expect)?),
    };
    Ok(UnitTestQuery {
        actual: inject(actual, &ctes),
        expected,
    })
}

enum Input<'g> {
    This,
    Node(&'g Node),
}

fn overrides_of(test: &UnitTest) -> Overrides {
    let values = |key: &str| -> Vec<(String, Json)> {
        match test.overrides.get(key) {
            Some(Json::Object(entries)) => entries
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            _ => Vec::new(),
        }
    };
    Overrides {
        relations: HashMap::new(),
        this: None,
        vars: values("vars")
            .into_iter()
            .map(|(key, value)| (key, from_json(&value)))
            .collect(),
        env_vars: values("env_vars")
            .into_iter()
            .map(|(key, value)| (key, text_of(&value)))
            .collect(),
        macros: std::iter::once(("is_incremental".to_owned(), Value::from(false)))
            .chain(
                values("macros")
                    .into_iter()
                    .map(|(key, value)| (key, from_json(&value))),
            )
            .collect(),
        batch: None,
        is_closed: true,
    }
}

fn unique_name(names: &mut IndexSet<String>, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !names.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}_{number}");
    }
    candidate
}

/// Finds what `ref('x')`, `source('a', 'b')` or `this` of an input stands for.
fn find_input<'g>(
    compiler: &'g Arc<Compiler>,
    test: &Arc<Node>,
    given: &UnitTestRows,
) -> Result<Input<'g>, Box<Diagnostic>> {
    let input = given.input.trim();
    if input == "this" {
        return Ok(Input::This);
    }
    let host = Arc::new(NodeHost::new(compiler, test, None));
    let text = format!("{{{{ {input} }}}}");
    compiler
        .engine
        .evaluate(&text, Arc::clone(&host) as Arc<dyn Host>)
        .map_err(|diagnostic| Box::new(diagnostic.at(given.place.clone(), "in this input")))?;
    let id = host.reads().pop().ok_or_else(|| {
        Box::new(
            Diagnostic::error(
                "MSV0323",
                format!("`{input}` is not an input of a unit test"),
            )
            .at(given.place.clone(), "")
            .help("write ref('model'), source('source', 'table') or this"),
        )
    })?;
    compiler
        .graph
        .nodes
        .get(&id)
        .map(|node| Input::Node(node))
        .ok_or_else(|| {
            Box::new(
                Diagnostic::error("MSV0323", format!("`{input}` is disabled"))
                    .at(given.place.clone(), ""),
            )
        })
}

/// Writes given rows as a query; columns that are not given are null.
fn fixture_query(
    test: &Node,
    input: &Node,
    given: &UnitTestRows,
    types: &[TypedColumn],
) -> Result<String, Box<Diagnostic>> {
    if given.format == "sql" {
        return Ok(text_of(&given.rows));
    }
    let fixture = match &input.details {
        Details::Seed { path } if given.rows.is_null() => read_seed(input, path, given)?,
        _ => read_rows(given)?,
    };
    let mut columns: Vec<TypedColumn> = types.to_vec();
    for (at, name) in fixture.columns.iter().enumerate() {
        if columns.iter().any(|(known, _)| same_name(known, name)) {
            continue;
        }
        if !types.is_empty() {
            let names: Vec<&str> = types.iter().map(|(known, _)| known.as_str()).collect();
            let diagnostic = Diagnostic::error(
                "MSV0324",
                format!(
                    "input `{}` of unit test `{}` has no column `{name}`",
                    given.input, test.name
                ),
            )
            .at(given.place.clone(), "given here")
            .note(invalid_column(name, &format!("'{}'", input.name)));
            return Err(Box::new(match closest(name, names.iter().copied()) {
                Some(similar) => {
                    diagnostic.help(format!("a column with a similar name exists: `{similar}`"))
                }
                None => diagnostic.help(format!("its columns are: {}", names.join(", "))),
            }));
        }
        columns.push((name.clone(), guessed_type(&fixture, at).to_owned()));
    }
    Ok(rows_query(&fixture, &columns))
}

/// dbt's words for a column that a fixture cannot have; people search logs for them.
pub fn invalid_column(name: &str, fixture: &str) -> String {
    format!("Invalid column name: '{name}' in unit test fixture for {fixture}.")
}

/// Writes rows as a query that gives every column its type.
pub fn rows_query(fixture: &FixtureRows, columns: &[TypedColumn]) -> String {
    if columns.is_empty() {
        return "select where false".to_owned();
    }
    let cast = |value: Option<&String>, (name, data_type): &TypedColumn| {
        let data_type = unlimited(data_type);
        let literal = value.map_or("null".to_owned(), |value| quote_literal(value));
        format!(
            "cast({literal} as {data_type}) as {}",
            quote_identifier(name)
        )
    };
    let select = |row: Option<&Vec<Option<String>>>| {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| {
                let at = fixture
                    .columns
                    .iter()
                    .position(|name| same_name(name, &column.0));
                let value = at.and_then(|at| row.and_then(|row| row.get(at)));
                cast(value.and_then(Option::as_ref), column)
            })
            .collect();
        format!("select {}", cells.join(", "))
    };
    if fixture.rows.is_empty() {
        return format!("{} where false", select(None));
    }
    fixture
        .rows
        .iter()
        .map(|row| select(Some(row)))
        .collect::<Vec<_>>()
        .join("\nunion all\n")
}

/// A text type without its length: a value that is too long must show, not be cut off.
fn unlimited(data_type: &str) -> &str {
    match data_type.split_once('(') {
        Some(("character varying" | "varchar", _)) => "character varying",
        _ => data_type,
    }
}

fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// The type of a column nobody declared, from its values.
fn guessed_type(fixture: &FixtureRows, at: usize) -> &'static str {
    let values: Vec<&String> = fixture
        .rows
        .iter()
        .filter_map(|row| row.get(at)?.as_ref())
        .collect();
    if values.is_empty() {
        return "text";
    }
    let all = |is_such: fn(&str) -> bool| values.iter().all(|value| is_such(value));
    if all(|value| value.parse::<i64>().is_ok()) {
        "bigint"
    } else if all(|value| value.parse::<f64>().is_ok()) {
        "numeric"
    } else if all(|value| matches!(value, "true" | "false")) {
        "boolean"
    } else {
        "text"
    }
}

/// Reads rows written as maps or as CSV.
pub fn read_rows(rows: &UnitTestRows) -> Result<FixtureRows, Box<Diagnostic>> {
    match (&rows.rows, rows.format.as_str()) {
        (Json::String(text), "csv") => read_csv(text, b',', rows),
        (Json::Array(items), _) => read_maps(items, rows),
        (Json::Null, _) => Ok(FixtureRows::default()),
        _ => Err(Box::new(
            Diagnostic::error(
                "MSV0325",
                format!("rows of format `{}` are not readable", rows.format),
            )
            .at(rows.place.clone(), "")
            .help("give a list of maps (dict), or text with `format: csv` or `format: sql`"),
        )),
    }
}

fn read_maps(items: &[Json], rows: &UnitTestRows) -> Result<FixtureRows, Box<Diagnostic>> {
    let mut columns: Vec<String> = Vec::new();
    for item in items {
        let Json::Object(entries) = item else {
            return Err(Box::new(
                Diagnostic::error(
                    "MSV0325",
                    "each row of a unit test is a map of column to value",
                )
                .at(rows.place.clone(), "")
                .help("write `- {id: 1, name: a}`"),
            ));
        };
        for name in entries.keys() {
            if !columns.iter().any(|known| same_name(known, name)) {
                columns.push(name.clone());
            }
        }
    }
    let value = |item: &Json, name: &str| {
        let entries = item.as_object()?;
        let (_, value) = entries.iter().find(|(key, _)| same_name(key, name))?;
        cell(value)
    };
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|name| value(item, name)).collect())
        .collect();
    Ok(FixtureRows { columns, rows })
}

/// The rows of a seed for which a test gives none: those of its file.
fn read_seed(
    seed: &Node,
    path: &Path,
    given: &UnitTestRows,
) -> Result<FixtureRows, Box<Diagnostic>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Box::new(
            Diagnostic::error(
                "MSV0325",
                format!("the rows of seed `{}` cannot be read", seed.name),
            )
            .at(given.place.clone(), "given here")
            .note(error.to_string()),
        )
    })?;
    let delimiter = seed.config.str("delimiter").unwrap_or(",").bytes().next();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    read_csv(text, delimiter.unwrap_or(b','), given)
}

fn read_csv(
    text: &str,
    delimiter: u8,
    rows: &UnitTestRows,
) -> Result<FixtureRows, Box<Diagnostic>> {
    let unreadable = |error: csv::Error| {
        Box::new(
            Diagnostic::error(
                "MSV0325",
                format!("the CSV rows of a unit test are not readable: {error}"),
            )
            .at(rows.place.clone(), ""),
        )
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(text.trim().as_bytes());
    let columns = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(str::to_owned)
        .collect();
    let mut read = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let cells = record
            .iter()
            .map(|cell| (!cell.is_empty()).then(|| cell.to_owned()))
            .collect();
        read.push(cells);
    }
    Ok(FixtureRows {
        columns,
        rows: read,
    })
}

/// A YAML value as the text that PostgreSQL casts.
fn cell(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let items: Vec<String> = items
                .iter()
                .map(|item| match cell(item) {
                    None => "NULL".to_owned(),
                    Some(text) => {
                        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                    }
                })
                .collect();
            Some(format!("{{{}}}", items.join(",")))
        }
        other => Some(other.to_string()),
    }
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.trim().trim_end_matches(';').to_owned(),
        other => other.to_string(),
    }
}
