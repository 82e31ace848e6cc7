//! `table`: built aside, indexed and analysed, then put in the place of the old one.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::relation::Relation;
use crate::run::hooks::{Moment, run_hooks};
use crate::run::publish::{self, PublishOptions};
use crate::run::worker::{Done, NodeRun};

use super::{apply_grants, comment_statements, indexes, relation_value, statement_macro, target};

pub(super) fn table(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    let private = publish::private_relation(&target, &run.context.compiler.invocation.id);
    let rows = build_aside(run, compiled, &target, &private)?;
    publish_built(run, Some(compiled), &target, &private)?;
    run_hooks(run, Some(compiled), Moment::After)?;
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(Done::statement("SELECT", Some(rows)))
}

/// Creates the private table from the model's query, in one transaction with its pre-hooks.
fn build_aside(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    private: &Relation,
) -> Result<u64, Box<Diagnostic>> {
    let args = [
        Value::from(false),
        relation_value(private),
        Value::from(compiled.sql.as_str()),
    ];
    let statement = statement_macro(run, compiled, "get_create_table_as_sql", &args)?;
    let shown = statement.replace(&private.to_string(), &target.to_string());
    run.keep_statement(&shown);
    run.execute(
        &format!("drop table if exists {}", private.without_database()),
        None,
    )?;
    run.execute("begin", None)?;
    run_hooks(run, Some(compiled), Moment::Before)?;
    let done = run.execute(&statement, Some(compiled))?;
    run.execute("commit", None)?;
    Ok(done.rows_affected)
}

/// Gives a table that was built aside its indexes, comments and statistics, and publishes it.
pub(super) fn publish_built(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    private: &Relation,
) -> Result<(), Box<Diagnostic>> {
    let outcome = finish_and_publish(run, compiled, target, private);
    if outcome.is_err() {
        drop_private(run, private);
    }
    outcome?;
    apply_grants(run, target)
}

/// Clears away what was built aside in vain.
pub(super) fn drop_private(run: &NodeRun<'_>, private: &Relation) {
    // What failed is told; what cannot be dropped now is swept by the next run.
    let _ = run.adapter.session().rollback();
    let drop = format!("drop table if exists {}", private.without_database());
    let _ = run.execute(&drop, None);
}

fn finish_and_publish(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    private: &Relation,
) -> Result<(), Box<Diagnostic>> {
    let columns = super::column_names(run, private)?;
    let mut sql = indexes::create_statements(run, private)?;
    sql.push_str(&comment_statements(run, private, "table", &columns));
    sql.push_str(&format!("analyze {};\n", private.without_database()));
    run.execute(&sql, None)?;
    publish::publish_table(
        &mut run.adapter.session(),
        target,
        private,
        &PublishOptions::default(),
    )
    .map(|_| ())
    .map_err(|error| super::publish_failed(run, compiled, &error))
}
