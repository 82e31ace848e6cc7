//! `incremental`: new rows go into the table that is there, in one transaction.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::{Diagnostic, closest};
use crate::jinja::value::convert::from_json;
use crate::postgres::catalog::RelationInfo;
use crate::postgres::{Datum, Executed};
use crate::relation::{QuotePolicy, Relation, RelationKind, truncate_identifier};
use crate::run::audit::Verdict;
use crate::run::hooks::{Moment, run_hooks};
use crate::run::publish;
use crate::run::repeat::TRANSACTION_NUMBER;
use crate::run::worker::{Done, NodeRun};

use super::{
    aside, existing, extras, indexes, is_full_refresh, mistake, partitions, relation_value,
    schema_change, statement_macro, table, target,
};

pub(super) fn incremental(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    let strategy = strategy(run)?;
    let Some(found) = table_to_add_to(run)? else {
        run.is_made_anew.set(true);
        return table::table(run, compiled);
    };
    add(run, compiled, &found, &strategy)
}

/// The table that rows are added to; none where it is to be built from nothing.
pub(super) fn table_to_add_to(run: &NodeRun<'_>) -> Result<Option<RelationInfo>, Box<Diagnostic>> {
    let found = existing(run, &target(run))?;
    Ok(found.filter(|found| found.kind == RelationKind::Table && !is_full_refresh(run)))
}

/// Adds the query's rows to the table `found`, in one transaction.
pub(super) fn add(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    found: &RelationInfo,
    strategy: &str,
) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    let partitioning = partitions::configured(run)?;
    if let Some(partitioning) = &partitioning {
        partitions::check(run, found, partitioning)?;
    }
    if run.context.is_together() {
        return add_aside(run, compiled, found, strategy);
    }
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run.execute("begin", None)?;
    run_hooks(run, Some(compiled), Moment::Before)?;
    let (done, number) = add_rows(run, compiled, &target, strategy)?;
    // Indexes somebody else made on the table stay.
    let changes = indexes::changes(run, Some(compiled), &target, found.oid)?;
    indexes::create_missing(run, Some(compiled), &target, &changes.missing)?;
    extras::persist_docs(run, Some(compiled), &target, RelationKind::Table)?;
    extras::apply_grants(run, Some(compiled), &target, true)?;
    let done = Done::statement(&done.command_tag, Some(done.rows_affected));
    if let Verdict::Reject(by) = run.verdict(None)? {
        run.execute("rollback", None)?;
        return Ok(done.rejected(by));
    }
    run_hooks(run, Some(compiled), Moment::After)?;
    run.commit_once(number)?;
    if let Some(partitioning) = &partitioning {
        partitions::keep_up(run, &target, partitioning)?;
    }
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(done)
}

/// Adds the query's rows to a copy of the table, which is published with the rest of the run.
fn add_aside(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    found: &RelationInfo,
    strategy: &str,
) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    let private = publish::private_relation(&target, &run.context.compiler.invocation.id);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run.execute("begin", None)?;
    run_hooks(run, Some(compiled), Moment::Before)?;
    aside::copy(run, &target, &private, found)?;
    let (done, _) = add_rows(run, compiled, &private, strategy)?;
    run.execute("commit", None)?;
    let done = Done::statement(&done.command_tag, Some(done.rows_affected));
    let query = Some(compiled);
    match table::publish_copy(run, query, &target, &private)? {
        Verdict::Reject(by) => Ok(done.rejected(by)),
        Verdict::Publish | Verdict::Later => Ok(done),
    }
}

/// Builds the new rows in a temporary table and moves them as the strategy says. With what was done
/// comes the number of the transaction.
fn add_rows(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    strategy: &str,
) -> Result<(Executed, Option<i64>), Box<Diagnostic>> {
    let temporary = Relation {
        database: None,
        schema: None,
        identifier: Some(format!(
            "{}__dbt_tmp",
            truncate_identifier(target.name(), 54)
        )),
        kind: Some(RelationKind::Table),
        quoting: QuotePolicy::default(),
        narrowing: None,
    };
    let create = statement_macro(
        run,
        Some(compiled),
        "create_table_as",
        &[
            Value::from(true),
            relation_value(&temporary),
            Value::from(compiled.sql.as_str()),
        ],
    )?;
    run.execute(&format!("drop table if exists pg_temp.{temporary}"), None)?;
    run.execute(&create, Some(compiled))?;
    let columns = schema_change::settle_columns(run, target, &temporary)?;
    if let Some(partitioning) = partitions::configured(run)? {
        partitions::make_for_new_rows(run, target, &partitioning, &temporary)?;
    }
    let config = &run.node.config;
    let optional = |key: &str| config.get(key).map_or(Value::from(()), from_json);
    let columns: Vec<Value> = columns
        .into_iter()
        .map(|column| column.into_value())
        .collect();
    let arguments = Value::from_pairs([
        ("target_relation", relation_value(target)),
        ("temp_relation", relation_value(&temporary)),
        ("unique_key", optional("unique_key")),
        ("dest_columns", Value::from(columns)),
        (
            "incremental_predicates",
            match config.get("predicates") {
                Some(predicates) => from_json(predicates),
                None => optional("incremental_predicates"),
            },
        ),
    ]);
    let name = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    let statement = statement_macro(run, Some(compiled), &name, &[arguments])?;
    run.keep_statement(&format!("{create};\n{statement}"));
    let done = run.execute(&statement, None)?;
    let number = run.query(
        &format!("drop table if exists pg_temp.{temporary};\n{TRANSACTION_NUMBER}"),
        None,
    )?;
    Ok((done, number.scalar().and_then(Datum::as_i64)))
}

/// The strategy's name; one that no macro stands behind is refused before anything is built.
fn strategy(run: &NodeRun<'_>) -> Result<String, Box<Diagnostic>> {
    let config = &run.node.config;
    let strategy = config.str("incremental_strategy");
    let strategy = strategy.filter(|name| !name.is_empty());
    let strategy = strategy.unwrap_or("default");
    let name = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    let engine = &run.context.compiler.engine;
    if strategy == "insert_overwrite" {
        return Err(mistake(
            run,
            "The incremental strategy 'insert_overwrite' is not valid for this adapter",
            "use incremental_strategy: delete+insert with a unique_key",
        ));
    }
    if engine.find_macro(&run.node.package_name, &name).is_some() {
        return Ok(strategy.to_owned());
    }
    let known = ["append", "delete+insert", "merge", "microbatch"];
    let help = closest(strategy, known).map_or_else(
        || {
            format!(
                "use one of {}, or define the macro `{name}`",
                known.join(", ")
            )
        },
        |similar| format!("a strategy with a similar name exists: `{similar}`"),
    );
    let mut mistake = mistake(
        run,
        &format!("no incremental strategy is named `{strategy}`: there is no macro `{name}`"),
        &help,
    );
    mistake.notes.push(format!(
        "dbt could not find an incremental strategy macro with the name \"{name}\" in {}",
        engine.root_package()
    ));
    Err(mistake)
}
