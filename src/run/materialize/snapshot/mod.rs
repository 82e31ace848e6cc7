//! `snapshot`: the versions of a query's rows, kept from run to run in one table.
//!
//! A run is one transaction that locks the table before it looks at it: nobody reads half of a
//! run, two writers cannot begin the same version twice, and whatever fails leaves the history as
//! it was. The macros write the statements ([`history`]), projects may replace any of them.

mod history;
mod keys;

use std::sync::Arc;

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::Host;
use crate::postgres::catalog::RelationInfo;
use crate::relation::{Relation, RelationKind};
use crate::run::audit::Verdict;
use crate::run::hooks::{Moment, run_hooks};
use crate::run::publish;
use crate::run::worker::{Done, NodeRun};

use super::{aside, check_name, custom, existing, extras, indexes, table, target};

/// Macros that are called here; what else the template of a snapshot calls has no part in this.
pub(super) const CALLED_MACROS: &[&str] = &[
    "apply_grants",
    "build_snapshot_staging_table",
    "build_snapshot_table",
    "check_time_data_types",
    "create_columns",
    "create_indexes",
    "create_table_as",
    "get_snapshot_table_column_names",
    "persist_docs",
    "post_snapshot",
    "snapshot_merge_sql",
    "snapshot_staging_table",
    "strategy_dispatch",
];

pub(in crate::run) fn snapshot(
    run: &NodeRun<'_>,
    compiled: &Compiled,
) -> Result<Done, Box<Diagnostic>> {
    check_name(run)?;
    if let Some(definition) = custom::template(run, "snapshot", CALLED_MACROS)? {
        return custom::custom(run, compiled, definition);
    }
    let target = target(run);
    let found = existing(run, &target)?;
    if let Some(found) = found
        .as_ref()
        .filter(|found| found.kind != RelationKind::Table)
    {
        return Err(wrong_kind(run, &target, found.kind));
    }
    let target_exists = found.is_some();
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run.execute("begin", None)?;
    if target_exists {
        let name = target.without_database();
        run.execute(
            &format!("lock table {name} in share row exclusive mode"),
            None,
        )?;
    }
    run_hooks(run, Some(compiled), Moment::Before)?;
    let strategy = strategy(run, compiled, target_exists)?;
    if run.context.is_together() {
        return build_aside(run, compiled, &target, found.as_ref(), &strategy);
    }
    let (done, staging) = if target_exists {
        let (done, staging) = history::extend(run, compiled, &target, &strategy)?;
        (done, Some(staging))
    } else {
        (history::begin(run, compiled, &target, &strategy)?, None)
    };
    extras::apply_grants(run, Some(compiled), &target, target_exists)?;
    extras::persist_docs(run, Some(compiled), &target, RelationKind::Table)?;
    if run.node.config.get("indexes").is_some()
        && let Some(table) = existing(run, &target)?
    {
        let changes = indexes::changes(run, Some(compiled), &target, table.oid)?;
        indexes::create_missing(run, Some(compiled), &target, &changes.missing)?;
    }
    let done = Done::statement(&done.command_tag, Some(done.rows_affected));
    if let Verdict::Reject(by) = run.verdict(None)? {
        run.execute("rollback", None)?;
        return Ok(done.rejected(by));
    }
    run_hooks(run, Some(compiled), Moment::After)?;
    run.execute("commit", None)?;
    run.has_lasting_work.set(true);
    if let Some(staging) = staging {
        history::leave(run, compiled, &staging)?;
    }
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(done)
}

/// Continues the history in a copy, which is published with the rest of the run.
fn build_aside(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    found: Option<&RelationInfo>,
    strategy: &Value,
) -> Result<Done, Box<Diagnostic>> {
    let private = publish::private_relation(target, &run.context.compiler.invocation.id);
    let (done, staging) = match found {
        Some(found) => {
            aside::copy(run, target, &private, found)?;
            let (done, staging) = history::extend(run, compiled, &private, strategy)?;
            (done, Some(staging))
        }
        None => (history::begin(run, compiled, &private, strategy)?, None),
    };
    run.execute("commit", None)?;
    if let Some(staging) = staging {
        history::leave(run, compiled, &staging)?;
    }
    let done = Done::statement(&done.command_tag, Some(done.rows_affected));
    match table::publish_copy(run, Some(compiled), target, &private)? {
        Verdict::Reject(by) => Ok(done.rejected(by)),
        Verdict::Publish | Verdict::Later => Ok(done),
    }
}

/// What the strategy's macro says: keys, when a row counts as changed, what is its id.
fn strategy(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target_exists: bool,
) -> Result<Value, Box<Diagnostic>> {
    let call = format!(
        "{{{{ strategy_dispatch(config.get('strategy'))(model, 'snapshotted_data', 'source_data', \
         model['config'], {target_exists}) }}}}"
    );
    let host: Arc<dyn Host> = Arc::new(run.host(Some(compiled)));
    let engine = &run.context.compiler.engine;
    engine.evaluate(&call, host).map_err(|mut diagnostic| {
        let is_placed = diagnostic
            .place
            .as_ref()
            .is_some_and(|place| !place.file.starts_with('<'));
        if !is_placed {
            diagnostic.place = None;
            return Box::new(diagnostic.at(run.node.place.clone(), "in this snapshot"));
        }
        diagnostic
    })
}

/// A view that has the snapshot's name is somebody's work, and no history can be added to it.
fn wrong_kind(run: &NodeRun<'_>, target: &Relation, kind: RelationKind) -> Box<Diagnostic> {
    let kind = kind.as_str().replace('_', " ");
    Box::new(
        Diagnostic::error(
            "MSV0372",
            format!(
                "snapshot `{}` cannot write to the {kind} {target}",
                run.node.name
            ),
        )
        .at(run.node.place.clone(), "")
        .note(format!(
            "Trying to create table {target}, but it currently exists as a {kind}."
        ))
        .help(format!(
            "drop it: drop {kind} {}; or give the snapshot another alias",
            target.without_database()
        )),
    )
}
