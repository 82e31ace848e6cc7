//! Builds the statements of a unit test: the model over rows given by hand, and the rows expected.
//!
//! Given rows become CTEs whose columns have the types of the real inputs; nothing is written to
//! the database.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;
use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, closest};
use crate::jinja::value::convert::from_json;
use crate::jinja::{Database, Host};
use crate::parse::{Details, Node, Template, UnitTest, UnitTestRows};

use super::compiled::Compiled;
use super::compiler::Compiler;
use super::fixture_rows::{
    FixtureRows, TypedColumn, guessed_type, read_rows, read_seed, rows_query, same_name,
};
use super::host::{NodeHost, Overrides};
use super::model_over::{ReplacedInput, compile_over};
use super::named_cte::read_cte;

/// Tells the columns of what a node is, or would be, built as; none when they are not known.
pub type ColumnsOf<'a> = dyn Fn(&Node) -> Result<Vec<TypedColumn>, Box<Diagnostic>> + 'a;

/// What a unit test compares.
#[derive(Debug)]
pub enum Expected {
    Rows(FixtureRows),
    /// A query that gives the expected rows.
    Query(Compiled),
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
    let model = Arc::clone(model);
    let overrides = overrides_of(test);
    let mut inputs = Vec::new();
    for given in &test.given {
        let input = find_input(compiler, node, given)?;
        let input_node = match &input {
            Input::This => &*model,
            Input::Node(input) => input,
        };
        let columns = columns_of(input_node)?;
        let sql = match given.format.as_str() {
            "sql" => written_sql(compiler, &model, database.clone(), given, &overrides)?,
            _ => fixture_query(node, input_node, given, &columns)?,
        };
        let mut query = Compiled::default();
        query.push_written(&sql, &given.place);
        inputs.push(ReplacedInput {
            node: match input {
                Input::This => None,
                Input::Node(input) => Some(input.unique_id.clone()),
            },
            query,
            columns: match given.format.as_str() {
                "sql" => Vec::new(),
                _ => columns,
            },
        });
    }
    let expected = match test.expect.format.as_str() {
        "sql" => {
            let expect = &test.expect;
            let sql = written_sql(compiler, &model, database.clone(), expect, &overrides)?;
            let mut query = Compiled::default();
            query.push_written(&sql, &expect.place);
            Expected::Query(query)
        }
        _ => Expected::Rows(read_rows(&test.expect)?),
    };
    let actual =
        compile_over(compiler, &model, database, inputs, overrides).map_err(|diagnostic| {
            Box::new(diagnostic.also(node.place.clone(), "while running this unit test"))
        })?;
    let actual = match &test.expect.cte {
        None => actual,
        Some(name) => read_cte(&actual, name)
            .map_err(|names| unknown_cte((node, test), &model, name, &names))?,
    };
    Ok(UnitTestQuery { actual, expected })
}

fn unknown_cte(
    (node, test): (&Node, &UnitTest),
    model: &Node,
    name: &str,
    names: &[String],
) -> Box<Diagnostic> {
    let is_own = |name: &&String| !name.starts_with("__dbt__cte__");
    let names: Vec<&str> = names.iter().filter(is_own).map(String::as_str).collect();
    let diagnostic = Diagnostic::error(
        "MSV0360",
        format!(
            "unit test `{}` expects rows of `{name}`, which is no CTE of model `{}`",
            node.name, model.name
        ),
    )
    .at(test.expect.place.clone(), "expected here");
    Box::new(match closest(name, names.iter().copied()) {
        Some(similar) => diagnostic.help(format!("a CTE with a similar name exists: `{similar}`")),
        None if names.is_empty() => diagnostic.help("the model has no CTE: leave `cte:` out"),
        None => diagnostic.help(format!("its CTEs are: {}", names.join(", "))),
    })
}

/// SQL that a unit test holds; templates in it see what the model sees.
fn written_sql(
    compiler: &Arc<Compiler>,
    model: &Arc<Node>,
    database: Option<Arc<dyn Database>>,
    rows: &UnitTestRows,
    overrides: &Overrides,
) -> Result<String, Box<Diagnostic>> {
    let text = text_of(&rows.rows);
    if !text.contains('{') {
        return Ok(text);
    }
    let mut host = NodeHost::new(compiler, model, database);
    host.overrides = overrides.clone();
    let template = Template {
        file: Arc::clone(&rows.place.file),
        span: 0..text.len(),
        text: text.into(),
    };
    let rendered = compiler
        .render_statement(&template, Arc::new(host))
        .map_err(|diagnostic| Box::new(diagnostic.at(rows.place.clone(), "in these rows")))?;
    Ok(rendered.sql)
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
        now: test.now,
    }
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

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.trim().trim_end_matches(';').to_owned(),
        other => other.to_string(),
    }
}
