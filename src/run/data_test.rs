//! Runs a data test: counts its failures, holds them against the thresholds, keeps them if asked.

use serde_json::json;

use crate::compile::Compiled;
use crate::compile::data_test::{count_statement, count_stored};
use crate::diagnostics::Diagnostic;
use crate::jinja::{MacroDefinition, Table, Value};
use crate::parse::{Invocation, Node};
use crate::postgres::{Column, Datum, Rows};
use crate::relation::Relation;

use super::event::Status;
use super::materialize::{mistake, run_template, template};
use super::worker::{Done, NodeRun};

/// Failing rows shown with a failed test.
const SAMPLE_ROWS: u64 = 5;

/// How many of their columns are shown, and how many characters of a value.
const SAMPLE_COLUMNS: usize = 10;
const SAMPLE_WIDTH: usize = 40;

/// What the statement of a test answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// `None` where `fail_calc` gave null.
    pub failures: Option<i64>,
    pub should_warn: bool,
    pub should_error: bool,
}

impl Counts {
    fn of_rows(rows: &Rows) -> Counts {
        Counts::of_cells(rows.rows.first().map_or(&[], Vec::as_slice))
    }

    /// Reads the answer of [`count_statement`].
    pub(super) fn of_cells(cells: &[Datum]) -> Counts {
        let cell = |at: usize| cells.get(at).unwrap_or(&Datum::Null);
        let failures = match cell(0) {
            Datum::Null => None,
            datum => datum
                .as_i64()
                .or_else(|| datum.to_text()?.parse::<f64>().ok().map(|n| n as i64))
                .or(Some(0)),
        };
        Counts {
            failures,
            should_warn: cell(1).as_bool().unwrap_or(false),
            should_error: cell(2).as_bool().unwrap_or(false),
        }
    }

    /// Reads the result of a template's main statement: one row, its columns found by name.
    fn of_template(run: &NodeRun<'_>, main: &Value) -> Result<Counts, Box<Diagnostic>> {
        let table = main.get_attr("table").ok();
        let table = table.and_then(|table| Table::from_value(&table));
        let cell = |name: &str| {
            let table = table.as_ref()?;
            let row = table.rows().next()?;
            let names = table.column_names().iter();
            let at = names
                .enumerate()
                .find(|(_, n)| n.eq_ignore_ascii_case(name));
            row.get(at?.0).cloned()
        };
        let Some(failures) = cell("failures") else {
            return Err(Box::new(
                Diagnostic::error("MSV0347", "the materialization `test` counted no failures")
                    .at(run.node.place.clone(), "")
                    .help(
                        "end its main statement with {{ get_test_sql(…) }} and fetch_result=true",
                    ),
            ));
        };
        let number = failures.as_i64();
        Ok(Counts {
            failures: number
                .or_else(|| failures.to_string().parse::<f64>().ok().map(|n| n as i64))
                .or((!failures.is_none()).then_some(0)),
            should_warn: cell("should_warn").is_some_and(|value| value.is_true()),
            should_error: cell("should_error").is_some_and(|value| value.is_true()),
        })
    }
}

pub(super) fn run_data_test(
    run: &NodeRun<'_>,
    compiled: &Compiled,
) -> Result<Done, Box<Diagnostic>> {
    let config = &run.node.config;
    let stored = if stores_failures(run.node) {
        check_kind(run)?;
        run.node.relation.clone()
    } else {
        None
    };
    let definition = own_template(run)?;
    if let Some(header) = sql_header(run.node, compiled, &run.context.compiler.invocation)
        && definition.is_none()
    {
        run.execute(header, None)?;
    }
    let Counts {
        failures,
        should_warn,
        should_error,
    } = match (definition, &stored) {
        (Some(definition), _) => {
            let made = run_template(run, Some(compiled), definition, Vec::new())?;
            Counts::of_template(run, &made.main)?
        }
        (None, Some(relation)) => {
            store(run, relation, compiled)?;
            let sql = count_stored(&relation.to_string(), config);
            run.keep_statement(&sql);
            Counts::of_rows(&run.query(&sql, None)?)
        }
        (None, None) => {
            let statement = count_statement(compiled, config);
            run.keep_statement(&statement.sql);
            match run.context.foretold.take(&run.node.unique_id) {
                Some(counts) => counts,
                None => Counts::of_rows(&run.query(&statement.sql, Some(&statement))?),
            }
        }
    };
    let failures = failures.ok_or_else(|| null_count(run))?;
    let is_error = config
        .str("severity")
        .is_none_or(|severity| severity.eq_ignore_ascii_case("error"));
    let status = if is_error && should_error {
        Status::Fail
    } else if should_warn {
        if run.context.options.is_warn_error {
            Status::Fail
        } else {
            Status::Warn
        }
    } else {
        Status::Pass
    };
    let threshold = match status {
        Status::Fail if is_error && should_error => {
            Some(("fail", config.str("error_if").unwrap_or("!= 0")))
        }
        Status::Fail => Some(("fail", config.str("warn_if").unwrap_or("!= 0"))),
        Status::Warn => Some(("warn", config.str("warn_if").unwrap_or("!= 0"))),
        _ => None,
    };
    let message = threshold.map_or(String::new(), |(word, threshold)| {
        let plural = if failures == 1 { "result" } else { "results" };
        format!("Got {failures} {plural}, configured to {word} if {threshold}")
    });
    let diagnostic = threshold.map(|_| explain(run, compiled, stored.as_ref(), status, &message));
    Ok(Done {
        status: Some(status),
        message,
        // As in dbt, a test that passes its thresholds reports no failures.
        failures: Some(if status == Status::Pass { 0 } else { failures }),
        response: json!({"_message": "SELECT 1", "code": "SELECT", "rows_affected": 1}),
        diagnostic,
        ..Done::default()
    })
}

/// A test whose statement counts nothing tells nothing.
fn null_count(run: &NodeRun<'_>) -> Box<Diagnostic> {
    let fail_calc = run.node.config.str("fail_calc").unwrap_or("count(*)");
    Box::new(
        Diagnostic::error(
            "MSV0505",
            format!("`fail_calc` of data test `{}` gave null", run.node.name),
        )
        .at(run.node.place.clone(), format!("fail_calc: {fail_calc}"))
        .help(format!("say what null means: coalesce({fail_calc}, 0)")),
    )
}

/// The project's own way to run this test, if it has one.
pub(super) fn own_template<'r>(
    run: &NodeRun<'r>,
) -> Result<Option<&'r MacroDefinition>, Box<Diagnostic>> {
    // Without stored failures nothing is created, however a project creates tables.
    let called: &[&str] = if stores_failures(run.node) {
        &[]
    } else {
        &["get_create_sql"]
    };
    template(run, "test", called)
}

/// True when the failing rows of the test are kept in a relation.
pub(super) fn stores_failures(test: &Node) -> bool {
    let config = &test.config;
    match config.str("store_failures_as") {
        Some("ephemeral") => false,
        Some(_) => true,
        None => config.bool("store_failures").unwrap_or(false),
    }
}

/// What is sent before the test's statement, where the project's flag lets tests have such.
pub(super) fn sql_header<'a>(
    test: &'a Node,
    compiled: &'a Compiled,
    invocation: &Invocation,
) -> Option<&'a str> {
    invocation
        .flag("REQUIRE_SQL_HEADER_IN_TEST_CONFIGS")
        .then(|| {
            let own = compiled.sql_header.as_deref();
            own.or_else(|| test.config.str("sql_header"))
        })?
}

fn check_kind(run: &NodeRun<'_>) -> Result<(), Box<Diagnostic>> {
    match run.node.config.str("store_failures_as") {
        None | Some("table" | "view") => Ok(()),
        Some(other) => Err(mistake(
            run,
            &format!(
                "'{other}' is not a valid value for `store_failures_as`. Accepted values are: \
                 ['ephemeral', 'table', 'view']"
            ),
            "use table or view to keep the failing rows, ephemeral not to",
        )),
    }
}

/// Keeps the failing rows in the test's own relation, replacing those of the last run.
fn store(
    run: &NodeRun<'_>,
    relation: &Relation,
    compiled: &Compiled,
) -> Result<(), Box<Diagnostic>> {
    // A view would stand on relations that go when nothing is published.
    let is_view = run.node.config.str("store_failures_as") == Some("view");
    let kind = if is_view && !run.context.is_together() {
        "view"
    } else {
        "table"
    };
    let name = relation.without_database();
    let mut session = run.adapter.session();
    let found = crate::postgres::catalog::get_relation(
        &mut session,
        relation.schema_name(),
        relation.name(),
    )
    .map_err(|error| run.refused(&error, "", None))?;
    drop(session);
    let drop = found.map_or(String::new(), |found| {
        format!(
            "drop {} if exists {name} cascade;\n",
            super::adapter::sql_word(found.kind)
        )
    });
    let mut statement = Compiled::default();
    let is_alone = !run.adapter.session().is_in_transaction();
    let begin = if is_alone { "begin;\n" } else { "" };
    statement.push_text(&format!("{begin}{drop}create {kind} {name} as (\n"));
    statement.push_part(compiled, 0..compiled.sql.len());
    let limit = match run.node.config.get("limit") {
        Some(limit) => format!("\nlimit {limit}"),
        None => String::new(),
    };
    let commit = if is_alone { ";\ncommit" } else { "" };
    statement.push_text(&format!("{limit}\n){commit}"));
    run.keep_statement(&statement.sql);
    run.execute(&statement.sql, Some(&statement)).map(|_| ())
}

/// Says what a failed test found: its declaration, and the first failing rows.
fn explain(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    stored: Option<&Relation>,
    status: Status,
    message: &str,
) -> Diagnostic {
    let node = run.node;
    let title = format!(
        "data test `{}`: {}",
        node.name,
        message.trim_start_matches("Got ")
    );
    let mut diagnostic = if status == Status::Fail {
        Diagnostic::error("MSV0501", title)
    } else {
        Diagnostic::warning("MSV0502", title)
    }
    .at(node.place.clone(), "this test");
    let own_limit = run
        .node
        .config
        .get("limit")
        .and_then(serde_json::Value::as_u64);
    let sample = format!(
        "select * from (\n{}\n) as failing_rows limit {}",
        compiled.sql,
        own_limit.map_or(SAMPLE_ROWS, |limit| limit.min(SAMPLE_ROWS))
    );
    // The sample is a courtesy: a test whose rows cannot be shown has failed all the same.
    if let Ok(rows) = run.adapter.query(&sample)
        && !rows.rows.is_empty()
    {
        diagnostic = diagnostic.note(format!("rows it found:\n{}", sample_lines(&rows)));
    }
    diagnostic = diagnostic.note(format!(
        "compiled SQL: {}",
        run.context.files.compiled_path(node)
    ));
    match stored {
        Some(relation) => diagnostic.help(format!("see all rows: select * from {relation}")),
        None => diagnostic.help(format!("see all rows: msv show --select {}", node.name)),
    }
}

/// Writes rows as `column=value` lines, which stay readable however wide the table is.
fn sample_lines(rows: &Rows) -> String {
    let cell = |(column, datum): (&Column, &Datum)| {
        let text = datum.to_text();
        let value = text.as_deref().unwrap_or("null");
        let mut shown: String = value.chars().take(SAMPLE_WIDTH).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        format!("{}={shown}", column.name)
    };
    let left = rows.columns.len().saturating_sub(SAMPLE_COLUMNS);
    let rest = match left {
        0 => String::new(),
        1 => "  … and 1 more column".to_owned(),
        left => format!("  … and {left} more columns"),
    };
    let line = |row: &Vec<Datum>| {
        let cells = rows.columns.iter().zip(row).take(SAMPLE_COLUMNS).map(cell);
        let cells: Vec<String> = cells.collect();
        format!("  {}{rest}", cells.join("  "))
    };
    let lines: Vec<String> = rows.rows.iter().map(line).collect();
    lines.join("\n")
}
