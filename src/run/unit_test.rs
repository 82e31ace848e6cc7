//! Runs a unit test: the model over given rows, compared with the rows expected.

use std::sync::Arc;

use serde_json::json;

use crate::compile::outline::compile_outline;
use crate::compile::unit_test::{
    Expected, FixtureRows, TypedColumn, compile_unit_test, invalid_column, rows_query,
};
use crate::diagnostics::Diagnostic;
use crate::parse::{Node, ResourceType};
use crate::postgres::catalog::{self, ColumnInfo};
use crate::relation::quote_identifier;

use super::event::Status;
use super::materialize::read_seed;
use super::row_diff::{RowSet, row_diff};
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
    let (columns, expected_sql) = match &test.expected {
        Expected::Rows(rows) => {
            let columns = compared_columns(run, rows, &actual_types)?;
            let sql = rows_query(rows, &columns);
            (columns, sql)
        }
        Expected::Query(sql) => {
            let columns = catalog::query_columns(&mut run.adapter.session(), sql)
                .map_err(|error| run.refused(&error, sql, None))?;
            let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            let rows = FixtureRows {
                columns: names,
                rows: Vec::new(),
            };
            (compared_columns(run, &rows, &actual_types)?, sql.clone())
        }
    };
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let list: Vec<String> = names.iter().map(|name| quote_identifier(name)).collect();
    let list = if list.is_empty() {
        "1".to_owned()
    } else {
        list.join(", ")
    };
    let head = format!("select {list} from (\n");
    let statement = format!("{head}{}\n) as actual_rows", test.actual.sql);
    run.keep_statement(&statement);
    let actual = rows_of(run, &statement, Some(&test.actual))?;
    let expected = rows_of(
        run,
        &format!("{head}{expected_sql}\n) as expected_rows"),
        None,
    )?;
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
        format!("unit test `{}`: {}", run.node.name, difference.summary),
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

fn rows_of(
    run: &NodeRun<'_>,
    sql: &str,
    query: Option<&crate::compile::Compiled>,
) -> Result<RowSet, Box<Diagnostic>> {
    let rows = run.query(sql, query)?;
    Ok(rows
        .rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|datum| datum.to_text().map(|text| text.into_owned()))
                .collect()
        })
        .collect())
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
                        None => diagnostic.help(format!("the model returns: {}", names.join(", "))),
                    },
                )
            })
        })
        .collect()
}
