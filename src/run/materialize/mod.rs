//! Materializations: a compiled query in, a published relation out; one file each.

mod aside;
mod clone;
mod concurrent_batches;
mod custom;
mod extras;
mod function;
mod incremental;
mod indexes;
mod materialized_view;
mod microbatch;
mod parallel;
mod partitions;
mod pending;
mod schema_change;
mod seed;
mod snapshot;
mod table;
mod view;

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::relation;
use crate::parse::{Node, ResourceType};
use crate::postgres::catalog::{self, RelationInfo};
use crate::relation::{MAX_IDENTIFIER_BYTES, Relation, RelationKind};

use super::event::Status;
use super::failure::describe;
use super::publish::{self, PublishError};
use super::worker::{Done, NodeRun};

pub(super) use clone::clone;
pub(super) use custom::{materialize as run_template, template};
pub(super) use function::function;
pub(super) use microbatch::microbatch;
pub(super) use pending::{Pending, Waiting, after_commit, after_place, before_place, tell};
pub(super) use seed::{read_seed, seed};
pub(super) use snapshot::snapshot;
pub(super) use table::{analyze, is_plain, written_table};
pub(super) use view::written_view;

/// Macros that write or run statements of the materializations here; what else the templates of
/// the same names call has no part in them.
const CALLED_MACROS: &[&str] = &[
    "apply_grants",
    "create_materialized_view_as",
    "create_table_as",
    "get_create_index_sql",
    "get_create_table_as_sql",
    "get_create_view_as_sql",
    "persist_docs",
    "refresh_materialized_view",
];

/// True for a node that msv materializes by itself, not by a template of the project.
pub(super) fn is_of_ours(run: &NodeRun<'_>) -> bool {
    let (name, called) = match run.node.resource_type {
        ResourceType::Model => (run.node.config.materialized(), CALLED_MACROS),
        ResourceType::Seed => ("seed", seed::CALLED_MACROS),
        ResourceType::Snapshot => ("snapshot", snapshot::CALLED_MACROS),
        other => (other.as_str(), CALLED_MACROS),
    };
    custom::template(run, name, called).is_ok_and(|template| template.is_none())
}

/// Builds a model as its `materialized` says.
pub(super) fn model(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    check_name(run)?;
    let timeout = extras::statement_timeout(run)?;
    let outcome = materialized(run, compiled);
    extras::restore_statement_timeout(run, timeout);
    outcome
}

fn materialized(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    let name = run.node.config.materialized();
    if name == "ephemeral" {
        return Ok(Done {
            status: Some(Status::NoOp),
            message: "NO-OP".to_owned(),
            ..Done::default()
        });
    }
    let template = custom::template(run, name, CALLED_MACROS)?;
    match (name, &template) {
        (_, Some(_)) => parallel::refuse(run, "a materialization of the project's own")?,
        ("table", None) => {}
        (other, None) => parallel::refuse(run, &format!("materialized as {other}"))?,
    }
    match (name, template) {
        (_, Some(definition)) => custom::custom(run, compiled, definition),
        ("view", None) => view::view(run, compiled),
        ("table", None) => table::table(run, compiled),
        ("incremental", None) => incremental::incremental(run, compiled),
        ("materialized_view", None) => materialized_view::materialized_view(run, compiled),
        (other, None) => Err(mistake(
            run,
            &format!("`{other}` is not a materialization of models"),
            "use view, table, incremental or ephemeral",
        )),
    }
}

/// PostgreSQL would cut the name off, and the relation would never be found under its own name.
fn check_name(run: &NodeRun<'_>) -> Result<(), Box<Diagnostic>> {
    let target = target(run);
    if !target.is_too_long() {
        return Ok(());
    }
    let title = format!(
        "Relation name '{}' is longer than {MAX_IDENTIFIER_BYTES} characters",
        target.name()
    );
    Err(Box::new(
        Diagnostic::error("MSV0450", title)
            .at(run.node.place.clone(), "")
            .help("give it a shorter name: {{ config(alias='…') }}"),
    ))
}

/// The relation the node is published as.
fn target(run: &NodeRun<'_>) -> Relation {
    target_of(run.node)
}

/// The relation a node is published as.
pub(super) fn target_of(node: &Node) -> Relation {
    node.relation
        .clone()
        .unwrap_or_else(|| Relation::new(&node.database, &node.schema, &node.alias))
}

/// What stands under the node's name now.
fn existing(run: &NodeRun<'_>, target: &Relation) -> Result<Option<RelationInfo>, Box<Diagnostic>> {
    catalog::get_relation(
        &mut run.adapter.session(),
        target.schema_name(),
        target.name(),
    )
    .map_err(|error| run.refused(&error, "", None))
}

/// Drops what an attempt whose connection was lost has left under the private name.
pub(super) fn drop_leftover(run: &NodeRun<'_>) {
    let Some(target) = &run.node.relation else {
        return;
    };
    let private = publish::private_relation(target, &run.context.compiler.invocation.id);
    // What hinders this hinders what comes next, which tells it.
    if let Ok(Some(found)) = existing(run, &private) {
        table::drop_private(run, &private, found.kind);
    }
}

/// Calls a macro that writes or runs statements, as the node's package sees it.
///
/// What the server refuses of the node's own query is told at the line of its template.
fn statement_macro(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    name: &str,
    args: &[Value],
) -> Result<String, Box<Diagnostic>> {
    let host = std::sync::Arc::new(run.host(compiled));
    let made = run
        .context
        .compiler
        .engine
        .call_macro(name, args, &[], host);
    let refusal = run.adapter.take_refusal();
    made.map(|text| text.to_string()).map_err(|diagnostic| {
        let is_own = diagnostic
            .place
            .as_ref()
            .is_some_and(|place| !place.file.starts_with("builtins/"));
        match refusal {
            _ if is_own => diagnostic,
            Some((sql, error)) if diagnostic.code == "MSV0441" => {
                let query = compiled.filter(|compiled| sql.contains(&compiled.sql));
                run.refused(&error, &sql, query)
            }
            _ => Box::new(diagnostic.at(run.node.place.clone(), "")),
        }
    })
}

fn relation_value(relation: &Relation) -> Value {
    relation::value(relation.clone())
}

/// The relation as a macro wants it that asks for its kind.
fn kinded_value(relation: &Relation, kind: RelationKind) -> Value {
    relation::value(relation.clone().with_kind(kind))
}

/// True when the model is to be rebuilt from nothing: its own setting wins over the flag.
fn is_full_refresh(run: &NodeRun<'_>) -> bool {
    run.node
        .config
        .bool("full_refresh")
        .unwrap_or(run.context.options.is_full_refresh)
}

/// Words a publication that failed, at the template where the node's query is to blame.
pub(super) fn publish_failed(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    error: &PublishError,
) -> Box<Diagnostic> {
    if let (PublishError::Database(error), Some(compiled)) = (error, compiled) {
        return run.refused(error, &compiled.sql, Some(compiled));
    }
    let diagnostic = error.diagnostic();
    Box::new(match diagnostic.place {
        None => diagnostic.at(run.node.place.clone(), "while publishing this"),
        Some(_) => diagnostic,
    })
}

/// Words a configuration that a node of this kind cannot have.
pub(super) fn mistake(run: &NodeRun<'_>, title: &str, help: &str) -> Box<Diagnostic> {
    mistake_in(run.node, title, help)
}

fn mistake_in(node: &Node, title: &str, help: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error("MSV0326", format!("{}: {title}", describe(node)))
            .at(node.place.clone(), "")
            .help(help),
    )
}
