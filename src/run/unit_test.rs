//! Runs a unit test: the model over given rows, compared with the rows expected.

use std::sync::Arc;

use serde_json::json;

use crate::compile::Compiled;
use crate::compile::fixture_rows::{FixtureRows, TypedColumn, rows_query};
use crate::compile::outline::compile_outline;
use crate::compile::unit_test::{Expected, compile_unit_test, invalid_column};
use crate::diagnostics::Diagnostic;
use crate::parse::{Details, Node, ResourceType};
use crate::postgres::Datum;
use crate::postgres::catalog::{self, ColumnInfo};
use crate::relation::quote_identifier;

use super::event::Status;
use super::materialize::read_seed;
use super::row_diff::{Cell, RowSet, row_diff};
use super::worker::{Done, NodeRun};

pub(super) fn run_unit_test(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    let columns_of = |input: &Node| input_columns(run, input);
    let test = compile_unit_test(
        &run.context.compiler,
        run.node,
        Some(run.database()),
        &columns_of,
    )?;
    run.context.files.keep_compiled(run.node, &test.actual.sql);
    let actual_types: Vec<TypedColumn> =
        catalog::query_columns(&mut run.adapter.session(), &test.actual.sql)
            .map(typed)
            .map_err(|error| run.refused(&error, &test.actual.sql, Some(&test.actual)))?;
    let (columns, expected) = match test.expected {
        Expected::Rows(rows) => {
            let columns = compared_columns(run, &rows, &actual_types)?;
            let mut query = Compiled::default();
            let place = match &run.node.details {
                Details::UnitTest(test) => &test.expect.place,
                _ => &run.node.place,
            };
            query.push_written(&rows_query(&rows, &columns), place);
            (columns, query)
        }
        Expected::Query(query) => {
            let columns = catalog::query_columns(&mut run.adapter.session(), &query.sql)
                .map_err(|error| run.refused(&error, &query.sql, Some(&query)))?;
            let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            let rows = FixtureRows {
                columns: names,
                rows: Vec::new(),
            };
            (compared_columns(run, &rows, &actual_types)?, query)
        }
    };
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let actual = rows_of(run, &columns, &test.actual, true)?;
    let expected = rows_of(run, &columns, &expected, false)?;
    let Some(difference) = row_diff(&names, &expected, &actual) else {
        return Ok(Done {
            status: Some(Status::Pass),
            failures: Some(0),
            response: json!({}),
            ..Done::default()
        });
    };
    let message = format!("actual differs from expected: {}", difference.summary);
    let diagnostic = Diagnostic::error(
        "MSV0503",
        format!(
            "unit test `{}`: {}",
            run.node.search_name(),
            difference.summary
        ),
    )
    .at(run.node.place.clone(), "this test")
    .note(format!(
        "`-` is expected, `+` is what the model returned\n{}",
        difference.text
    ))
    .note(format!(
        "compiled SQL: {}",
        run.context.files.compiled_path(run.node)
    ));
    Ok(Done {
        status: Some(Status::Fail),
        message,
        failures: Some(difference.count),
        response: json!({}),
        diagnostic: Some(diagnostic),
        ..Done::default()
    })
}

/// The columns of an input: those of its relation; where it is not built those its query would
/// have, else those its properties declare.
fn input_columns(run: &NodeRun<'_>, input: &Node) -> Result<Vec<TypedColumn>, Box<Diagnostic>> {
    let built = built_columns(run, input)?;
    if !built.is_empty() {
        return Ok(built);
    }
    let inferred = inferred_columns(run, input).unwrap_or_default();
    if !inferred.is_empty() {
        return Ok(inferred);
    }
    Ok(input
        .columns
        .values()
        .filter_map(|column| Some((column.name.clone(), column.data_type.clone()?)))
        .collect())
}

fn built_columns(run: &NodeRun<'_>, input: &Node) -> Result<Vec<TypedColumn>, Box<Diagnostic>> {
    if input.is_ephemeral() {
        return Ok(Vec::new());
    }
    // Where the input is not built here, an earlier state may have it.
    let deferral = run.context.compiler.settings.deferral.as_ref();
    let earlier = deferral.and_then(|deferral| deferral.relation(&input.unique_id));
    for relation in [input.relation.as_ref(), earlier].into_iter().flatten() {
        let mut session = run.adapter.session();
        let found = catalog::columns(&mut session, relation.schema_name(), relation.name())
            .map_err(|error| run.refused(&error, "", None))?;
        if !found.is_empty() {
            return Ok(typed(found));
        }
    }
    Ok(Vec::new())
}

/// The columns that a seed's file or a model's query gives, without anything built; a query that
/// cannot be asked tells nothing, and the rows given decide.
fn inferred_columns(run: &NodeRun<'_>, input: &Node) -> Option<Vec<TypedColumn>> {
    match input.resource_type {
        ResourceType::Seed => {
            let seed = read_seed(input).ok()?;
            seed.columns().ok()
        }
        ResourceType::Model => {
            let outline = compile_outline(
                &run.context.compiler,
                &Arc::new(input.clone()),
                Some(run.database()),
                &|parent| input_columns(run, parent),
            );
            let query = outline.ok()??;
            let columns = catalog::query_columns(&mut run.adapter.session(), &query.sql).ok()?;
            Some(typed(columns))
        }
        _ => None,
    }
}

fn typed(columns: Vec<ColumnInfo>) -> Vec<TypedColumn> {
    columns
        .into_iter()
        .map(|column| (column.name, column.type_name))
        .collect()
}

/// Asks for the rows of a query, each value as people read it and as it is compared.
fn rows_of(
    run: &NodeRun<'_>,
    columns: &[TypedColumn],
    query: &Compiled,
    is_kept: bool,
) -> Result<RowSet, Box<Diagnostic>> {
    let mut list: Vec<String> = columns
        .iter()
        .map(|(name, _)| quote_identifier(name))
        .collect();
    // What the server alone can bring to one form stands behind the columns.
    let asked: Vec<Option<usize>> = columns
        .iter()
        .map(|(name, data_type)| {
            let key = server_key(data_type, &quote_identifier(name))?;
            list.push(key);
            Some(list.len() - 1)
        })
        .collect();
    let list = match list.is_empty() {
        true => "1".to_owned(),
        false => list.join(", "),
    };
    let statement = format!("select {list} from (\n{}\n) as rows_of_test", query.sql);
    if is_kept {
        run.keep_statement(&statement);
    }
    let rows = run.query(&statement, Some(query))?;
    let text = |row: &[Datum], at: usize| {
        let text = row.get(at).and_then(Datum::to_text);
        text.map(|text| text.into_owned())
    };
    let cells = |row: &Vec<Datum>| {
        let cells = columns.iter().zip(&asked).enumerate();
        cells
            .map(|(at, ((_, data_type), asked))| {
                let shown = text(row, at);
                let key = match asked {
                    Some(behind) => text(row, *behind),
                    None => shown.as_deref().map(|text| compared_text(text, data_type)),
                };
                Cell::new(shown.as_deref(), key)
            })
            .collect()
    };
    Ok(rows.rows.iter().map(cells).collect())
}

/// The form in which the server compares values of a type that it writes in several ways: 48 hours
/// are 2 days.
fn server_key(data_type: &str, column: &str) -> Option<String> {
    match data_type.split('(').next().map(str::trim) {
        Some("json") => Some(format!("{column}::jsonb")),
        Some("interval") => Some(format!("justify_interval({column})")),
        _ => None,
    }
}

/// Digits of a number that are compared: what a type promises to keep.
const DOUBLE_DIGITS: usize = 15;
const REAL_DIGITS: usize = 6;

/// The form in which a value is compared: `1.50` is `1.5`, and `0.1 + 0.2` is `0.3`.
fn compared_text(text: &str, data_type: &str) -> String {
    let rounded = |digits: usize| match text.parse::<f64>() {
        Ok(0.0) => "0".to_owned(),
        Ok(number) if number.is_finite() => format!("{number:.*e}", digits - 1),
        _ => text.to_owned(),
    };
    match data_type.split('(').next() {
        Some("numeric") if text.contains('.') => {
            let text = text.trim_end_matches('0').trim_end_matches('.');
            if text == "-0" { "0" } else { text }.to_owned()
        }
        Some("double precision") => rounded(DOUBLE_DIGITS),
        Some("real") => rounded(REAL_DIGITS),
        _ => text.to_owned(),
    }
}

/// The expected columns with the types the model gives them.
fn compared_columns(
    run: &NodeRun<'_>,
    rows: &FixtureRows,
    actual: &[TypedColumn],
) -> Result<Vec<TypedColumn>, Box<Diagnostic>> {
    if rows.columns.is_empty() {
        return Ok(actual.to_vec());
    }
    rows.columns
        .iter()
        .map(|name| {
            let found = actual
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.cloned().ok_or_else(|| {
                let names: Vec<&str> = actual.iter().map(|(known, _)| known.as_str()).collect();
                let diagnostic = Diagnostic::error(
                    "MSV0504",
                    format!(
                        "unit test `{}` expects column `{name}`, which the model does not return",
                        run.node.name
                    ),
                )
                .at(run.node.place.clone(), "")
                .note(invalid_column(name, "expected output"));
                Box::new(
                    match crate::diagnostics::closest(name, names.iter().copied()) {
                        Some(similar) => diagnostic
                            .help(format!("a column with a similar name exists: `{similar}`")),
                        None if names.is_empty() => diagnostic.help("it returns no column at all"),
                        None => diagnostic.help(format!("it returns: {}", names.join(", "))),
                    },
                )
            })
        })
        .collect()
}
