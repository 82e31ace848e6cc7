//! The statements of a snapshot: the first version of every row, later what changed since.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::column::Column;
use crate::jinja::value::relation;
use crate::jinja::{BUILTIN_PACKAGE, Database};
use crate::postgres::{Executed, catalog};
use crate::relation::{Relation, quote_identifier};
use crate::run::materialize::{relation_value, statement_macro};
use crate::run::publish;
use crate::run::worker::NodeRun;

use super::keys;

/// Creates the table with one open version a row.
pub(super) fn begin(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    strategy: &Value,
) -> Result<Executed, Box<Diagnostic>> {
    let query = statement_macro(
        run,
        Some(compiled),
        "build_snapshot_table",
        &[strategy.clone(), Value::from(compiled.sql.as_str())],
    )?;
    let create = create_table(run, compiled, false, target, &query)?;
    check_time_types(run, compiled, &query)?;
    run.keep_statement(&create);
    let done = run.execute(&create, Some(compiled))?;
    keys::warn(run, strategy, &keys::count_all(run, target, strategy));
    Ok(done)
}

/// Closes the versions that ended and adds those that began; returns the staging table, too.
pub(super) fn extend(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    strategy: &Value,
) -> Result<(Executed, Relation), Box<Diagnostic>> {
    check_target(run, compiled, strategy)?;
    let mut strategy = strategy.clone();
    let (mut staging, mut changes) = stage(run, compiled, target, &strategy)?;
    let counted = keys::count_staged(run, &staging, &strategy);
    keys::warn(run, &strategy, &counted);
    if let Some(matching) = keys::without_nulls(run, compiled, &strategy, target, &counted)? {
        strategy = matching;
        run.execute(&format!("drop table {staging}"), None)?;
        (staging, changes) = stage(run, compiled, target, &strategy)?;
    }
    let staged = columns(run, &staging)?;
    let present = columns(run, target)?;
    widen(run, compiled, target, &staged, &present)?;
    let kept: Vec<Column> = staged
        .into_iter()
        .filter(|column| !is_bookkeeping(&column.name, &strategy))
        .collect();
    let missing: Vec<Value> = kept
        .iter()
        .filter(|column| present.iter().all(|known| known.name != column.name))
        .map(|column| column.clone().into_value())
        .collect();
    if !missing.is_empty() {
        let args = [relation_value(target), Value::from(missing)];
        statement_macro(run, Some(compiled), "create_columns", &args)?;
    }
    let names: Vec<Value> = kept
        .iter()
        .map(|column| Value::from(quote_identifier(&column.name)))
        .collect();
    let merge = statement_macro(
        run,
        Some(compiled),
        "snapshot_merge_sql",
        &[
            relation_value(target),
            relation_value(&staging),
            Value::from(names),
        ],
    )?;
    check_time_types(run, compiled, &changes)?;
    run.keep_statement(&merge);
    let done = run.execute(&merge, None)?;
    Ok((done, staging))
}

/// Lets the project look at the staging table after the commit, and drops it.
pub(super) fn leave(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    staging: &Relation,
) -> Result<(), Box<Diagnostic>> {
    statement_macro(
        run,
        Some(compiled),
        "post_snapshot",
        &[relation_value(staging)],
    )?;
    run.execute(&format!("drop table if exists {staging}"), None)?;
    Ok(())
}

/// Writes down what this run changes, in a staging table; returns it and its query.
fn stage(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    strategy: &Value,
) -> Result<(Relation, String), Box<Diagnostic>> {
    let args = [
        strategy.clone(),
        Value::from(compiled.sql.as_str()),
        relation_value(target),
    ];
    let changes = statement_macro(run, Some(compiled), "snapshot_staging_table", &args)?;
    let staging = build_staging(run, compiled, &args, &changes)?;
    Ok((staging, changes))
}

/// Creates the staging table. Msv sends the statement itself unless the project builds it in its
/// own way: then a mistake in the query is shown in the query.
fn build_staging(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    args: &[Value; 3],
    changes: &str,
) -> Result<Relation, Box<Diagnostic>> {
    const NAME: &str = "build_snapshot_staging_table";
    let compiler = &run.context.compiler;
    let host = || std::sync::Arc::new(run.host(Some(compiled)));
    let call = |name: &str, args: &[Value]| compiler.engine.call_macro(name, args, &[], host());
    let is_own = compiler
        .engine
        .find_macro(&run.node.package_name, NAME)
        .is_some_and(|definition| definition.package != BUILTIN_PACKAGE);
    let made = if is_own {
        call(NAME, args)?
    } else {
        call("make_temp_relation", &args[2..])?
    };
    let staging = relation::from_value(&made).ok_or_else(|| {
        Box::new(
            Diagnostic::error(
                "MSV0373",
                format!("the macro `{NAME}` returned no relation"),
            )
            .at(run.node.place.clone(), "while this was built")
            .help("end it with {% do return(relation) %}"),
        )
    })?;
    if !is_own {
        let create = create_table(run, compiled, true, &staging, changes)?;
        run.execute(&create, Some(compiled))?;
    }
    Ok(staging)
}

fn create_table(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    is_temporary: bool,
    relation: &Relation,
    query: &str,
) -> Result<String, Box<Diagnostic>> {
    let args = [
        Value::from(is_temporary),
        relation_value(relation),
        Value::from(query),
    ];
    statement_macro(run, Some(compiled), "create_table_as", &args)
}

fn check_target(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    strategy: &Value,
) -> Result<(), Box<Diagnostic>> {
    let mut host = run.host(Some(compiled));
    host.extra
        .insert("snapshot_strategy".to_owned(), strategy.clone());
    let check = "{{ adapter.assert_valid_snapshot_target_given_strategy(this, \
         config.get('snapshot_table_column_names'), snapshot_strategy) }}";
    let engine = &run.context.compiler.engine;
    engine
        .evaluate(check, std::sync::Arc::new(host))
        .map(drop)
        .map_err(|mut diagnostic| {
            diagnostic.place = None;
            Box::new(diagnostic.at(run.node.place.clone(), "this snapshot writes to it"))
        })
}

fn check_time_types(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    query: &str,
) -> Result<(), Box<Diagnostic>> {
    statement_macro(
        run,
        Some(compiled),
        "check_time_data_types",
        &[Value::from(query)],
    )
    .map(drop)
}

fn columns(run: &NodeRun<'_>, relation: &Relation) -> Result<Vec<Column>, Box<Diagnostic>> {
    run.adapter.columns(relation).map_err(|error| error.0)
}

/// True for what the staging table holds beside the columns of the history.
fn is_bookkeeping(name: &str, strategy: &Value) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    is("dbt_change_type")
        || is("dbt_unique_key")
        || keys::staged_names(strategy).iter().any(|known| is(known))
}

/// Gives text columns of the history the length that the query's have grown to.
///
/// The staging table tells of columns that may have grown; it forgets lengths where it unites
/// rows of the query with rows of the history, so the query has the last word.
fn widen(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    staged: &[Column],
    present: &[Column],
) -> Result<(), Box<Diagnostic>> {
    let wider = |old: &Column, columns: &[Column]| {
        let new = columns.iter().find(|new| new.name == old.name)?;
        old.widened_to(new)
    };
    let candidates: Vec<&Column> = present
        .iter()
        .filter(|old| wider(old, staged).is_some())
        .collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let mut session = run.adapter.session();
    let returned = catalog::query_columns(&mut session, &compiled.sql)
        .map_err(|error| run.refused(&error, &compiled.sql, Some(compiled)))?;
    let returned: Vec<Column> = returned
        .into_iter()
        .map(|column| Column {
            char_size: column.character_maximum_length,
            ..Column::new(column.name, column.data_type)
        })
        .collect();
    for old in candidates {
        let Some(wider) = wider(old, &returned) else {
            continue;
        };
        let sql = format!(
            "alter table {} alter column {} type {wider}",
            target.without_database(),
            quote_identifier(&old.name),
        );
        publish::alter_below_views(&mut session, target, &sql)
            .map_err(|error| run.refused(&error, &sql, None))?;
    }
    Ok(())
}
