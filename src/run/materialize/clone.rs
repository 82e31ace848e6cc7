//! `clone`: a view on the relation that an earlier state has of a node.
//!
//! PostgreSQL copies no table without its rows, so a view it is, unless a project overrides
//! `can_clone_table` and `create_or_replace_clone` for tables.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::postgres::catalog;
use crate::relation::{Relation, RelationKind};
use crate::run::event::{Event, Level};
use crate::run::worker::{Done, NodeRun};

use super::{existing, extras, relation_value, statement_macro, target, view};

/// Clones one node; nothing is done where a relation exists already, unless it is to be
/// refreshed, or where the earlier state has none.
pub(in crate::run) fn clone(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    let deferral = run.context.compiler.settings.deferral.as_ref();
    let Some(other) = deferral.and_then(|deferral| deferral.relation(&run.node.unique_id)) else {
        let id = &run.node.unique_id;
        return Ok(nothing_done(
            run,
            format!("No relation found in state manifest for {id}"),
        ));
    };
    let present = existing(run, &target)?;
    if present.is_some() && !run.context.options.is_full_refresh {
        return Ok(nothing_done(
            run,
            format!("Relation {target} already exists"),
        ));
    }
    if present.is_some() && is_same(&target, other) {
        let text = format!(
            "Target relation and defer relation are the same, skipping clone for relation: {target}"
        );
        return Ok(nothing_done(run, text));
    }
    let mut compiled = Compiled::default();
    compiled.push_text(&format!("select * from {other}"));
    let source = catalog::get_relation(
        &mut run.adapter.session(),
        other.schema_name(),
        other.name(),
    )
    .map_err(|error| run.refused(&error, "", None))?;
    let is_table = source.is_some_and(|source| source.kind == RelationKind::Table);
    if is_table && statement_macro(run, Some(&compiled), "can_clone_table", &[])? == "True" {
        return clone_table(run, &compiled, &target, other);
    }
    view::view(run, &compiled)
}

/// Lets the project's own macro write the statement that copies a table.
fn clone_table(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    other: &Relation,
) -> Result<Done, Box<Diagnostic>> {
    let arguments: [Value; 2] = [relation_value(target), relation_value(other)];
    let sql = statement_macro(run, Some(compiled), "create_or_replace_clone", &arguments)?;
    run.keep_statement(&sql);
    let done = run.execute(&sql, None)?;
    extras::persist_docs(run, Some(compiled), target, RelationKind::Table)?;
    extras::apply_grants(run, Some(compiled), target, true)?;
    Ok(Done::statement(&done.command_tag, Some(done.rows_affected)))
}

fn is_same(left: &Relation, right: &Relation) -> bool {
    left.schema_name() == right.schema_name() && left.name() == right.name()
}

fn nothing_done(run: &NodeRun<'_>, text: String) -> Done {
    run.context.listener.on_event(&Event::Message {
        level: Level::Info,
        text,
        node: Some(run.node.unique_id.clone()),
    });
    Done {
        message: "No-op".to_owned(),
        ..Done::default()
    }
}
