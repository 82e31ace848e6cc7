//! `materialized_view`: refreshed where it is as the project says, else changed or made anew.
//!
//! A new one is filled aside and put in the place of whatever stood there, so that readers never
//! miss it.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::postgres::catalog::{self, RelationInfo};
use crate::relation::{Relation, RelationKind};
use crate::run::event::{Event, Level};
use crate::run::hooks::{Moment, has_hooks, run_hooks, run_hooks_together};
use crate::run::publish;
use crate::run::worker::{Done, NodeRun};

use super::indexes::{self, Changes};
use super::{
    existing, extras, is_full_refresh, kinded_value, relation_value, statement_macro, table, target,
};

pub(super) fn materialized_view(
    run: &NodeRun<'_>,
    compiled: &Compiled,
) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run_hooks_together(run, Some(compiled), Moment::Before)?;
    let done = match existing(run, &target)? {
        Some(found) if found.kind == RelationKind::MaterializedView && !is_full_refresh(run) => {
            keep(run, compiled, &target, &found)?
        }
        Some(_) => replace(run, compiled, &target)?,
        None => build(run, compiled, &target)?,
    };
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(done)
}

/// Brings the one that is there up to date, as `on_configuration_change` says.
fn keep(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    found: &RelationInfo,
) -> Result<Done, Box<Diagnostic>> {
    let changes = indexes::changes(run, Some(compiled), target, found.oid)?;
    let has_new_query = has_new_query(run, compiled, found)?;
    if changes.is_empty() && !has_new_query {
        return refresh(run, compiled, target);
    }
    let words = |word: &str| {
        format!(
            "Configuration changes were identified and `on_configuration_change` was set to \
             `{word}` for `{target}`"
        )
    };
    match run
        .node
        .config
        .str("on_configuration_change")
        .unwrap_or("apply")
    {
        "continue" => {
            say(run, Level::Warn, words("continue"));
            run_hooks_together(run, Some(compiled), Moment::After)?;
            Ok(Done {
                message: format!("skip {target}"),
                response: serde_json::json!({
                    "_message": format!("skip {target}"), "code": "skip", "rows_affected": -1,
                }),
                ..Done::default()
            })
        }
        "fail" => {
            let mut diagnostic =
                Diagnostic::error("MSV0480", words("fail")).at(run.node.place.clone(), "");
            if has_new_query {
                diagnostic = diagnostic.note("its query is not the one it was made with");
            }
            for index in &changes.missing_shapes {
                diagnostic = diagnostic.note(format!("an index is missing: {index}"));
            }
            for index in &changes.surplus {
                diagnostic = diagnostic.note(format!(
                    "an index is not in `indexes`: {}",
                    index.definition
                ));
            }
            Err(Box::new(diagnostic.help(format!(
                "make it anew: msv run --full-refresh --select {}",
                run.node.name
            ))))
        }
        _ if has_new_query => replace(run, compiled, target),
        _ => {
            say(run, Level::Debug, format!("Applying ALTER to: {target}"));
            alter(run, compiled, target, &changes)?;
            refresh(run, compiled, target)
        }
    }
}

/// True when the view was made with another query; PostgreSQL writes both in its own words.
fn has_new_query(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    found: &RelationInfo,
) -> Result<bool, Box<Diagnostic>> {
    let mut session = run.adapter.session();
    let wanted = catalog::query_definition(&mut session, &compiled.sql);
    let wanted = wanted.map_err(|error| run.refused(&error, &compiled.sql, Some(compiled)))?;
    let sql = format!(
        "select pg_catalog.pg_get_viewdef({}::pg_catalog.oid)",
        found.oid
    );
    let rows = session
        .query(&sql)
        .map_err(|error| run.refused(&error, &sql, None))?;
    let own = rows
        .scalar()
        .and_then(|text| text.as_str())
        .unwrap_or_default();
    Ok(own != wanted)
}

fn refresh(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Result<Done, Box<Diagnostic>> {
    let of = kinded_value(target, RelationKind::MaterializedView);
    let statement = statement_macro(run, Some(compiled), "refresh_materialized_view", &[of])?;
    run.keep_statement(&statement);
    // When a hook fails, people keep the rows they had.
    let has_transaction = has_hooks(run, Moment::After);
    if has_transaction {
        run.execute("begin", None)?;
    }
    run.execute(&statement, None)?;
    extras::apply_grants(run, Some(compiled), target, true)?;
    extras::persist_docs(run, Some(compiled), target, RelationKind::MaterializedView)?;
    if has_transaction {
        run_hooks(run, Some(compiled), Moment::After)?;
        run.execute("commit", None)?;
    }
    Ok(Done::statement("REFRESH MATERIALIZED VIEW", None))
}

/// Makes and drops indexes until they are those of the project.
fn alter(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    changes: &Changes,
) -> Result<(), Box<Diagnostic>> {
    indexes::drop_surplus(run, target, &changes.surplus)?;
    indexes::create_missing(run, Some(compiled), target, &changes.missing)
}

fn replace(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Result<Done, Box<Diagnostic>> {
    say(run, Level::Debug, format!("Applying REPLACE to: {target}"));
    build(run, compiled, target)
}

fn build(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Result<Done, Box<Diagnostic>> {
    let private = publish::private_relation(target, &run.context.compiler.invocation.id);
    let arguments = [relation_value(&private), Value::from(compiled.sql.as_str())];
    let statement = statement_macro(
        run,
        Some(compiled),
        "create_materialized_view_as",
        &arguments,
    )?;
    run.keep_statement(&statement.replace(private.name(), target.name()));
    let kind = RelationKind::MaterializedView;
    table::drop_private(run, &private, kind);
    run.execute(&statement, Some(compiled))?;
    let due = table::Analysis::Due;
    table::finish_and_publish(run, Some(compiled), target, &private, kind, due)?;
    Ok(Done::statement("CREATE MATERIALIZED VIEW", None))
}

fn say(run: &NodeRun<'_>, level: Level, text: String) {
    run.context.listener.on_event(&Event::Message {
        level,
        text,
        node: Some(run.node.unique_id.clone()),
    });
}
