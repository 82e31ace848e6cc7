//! `view`: replaced in place where its columns allow it, so that nothing above it notices.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::relation::{Relation, RelationKind};
use crate::run::audit::Verdict;
use crate::run::hooks::{Moment, run_hooks, run_hooks_together};
use crate::run::publish::{self, PublishOptions, Published, Way};
use crate::run::worker::{Done, NodeRun};

use super::pending::{self, How};
use super::{extras, publish_failed, relation_value, statement_macro, table, target};

pub(super) fn view(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run_hooks_together(run, Some(compiled), Moment::Before)?;
    let statement = create_statement(run, compiled, &target)?;
    run.keep_statement(&statement);
    let verdict = match header_of_plain(&statement, &target, compiled) {
        Some(header) => {
            if !header.is_empty() {
                run.execute(header, None)?;
            }
            replace(run, compiled, &target, header)?
        }
        None => exchange(run, compiled, &target)?,
    };
    let done = Done::statement("CREATE VIEW", None);
    match verdict {
        Verdict::Reject(by) => return Ok(done.rejected(by)),
        Verdict::Later => {}
        Verdict::Publish => run_hooks(run, Some(compiled), Moment::AfterCommit)?,
    }
    Ok(done)
}

/// The statement that makes the view, where it is a plain `create view … as (query)`.
pub(in crate::run) fn written_view(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Option<String> {
    let statement = create_statement(run, compiled, target).ok()?;
    header_of_plain(&statement, target, compiled)?
        .is_empty()
        .then_some(statement)
}

fn create_statement(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    of: &Relation,
) -> Result<String, Box<Diagnostic>> {
    let arguments = [relation_value(of), Value::from(compiled.sql.as_str())];
    statement_macro(run, Some(compiled), "get_create_view_as_sql", &arguments)
}

/// What stands before a plain `create view … as (query)`; `None` where the project's own macro
/// wrote something else.
fn header_of_plain<'s>(
    statement: &'s str,
    target: &Relation,
    compiled: &Compiled,
) -> Option<&'s str> {
    let (before, after) = statement.split_once(compiled.sql.as_str())?;
    if after.trim() != ");" {
        return None;
    }
    let before = before.trim_end().strip_suffix("as (")?.trim_end();
    let before = before.strip_suffix(&target.to_string())?.trim_end();
    Some(before.strip_suffix("create view")?.trim())
}

/// Gives the view its new query; it stays the same object where its columns allow it.
fn replace(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    header: &str,
) -> Result<Verdict, Box<Diagnostic>> {
    if !run.audit.is_empty() || run.context.is_together() {
        let verdict = audit(run, compiled, target, header)?;
        if verdict != Verdict::Publish {
            return Ok(verdict);
        }
    }
    let mut options = extras::publish_options(run);
    // Nobody is to meet the view before its readers are granted it.
    options.leaves_open |= extras::wanted_grants(run).is_some();
    let mut published = match create(run, compiled, target, &options) {
        Some(published) => published,
        None => publish::publish_view(&mut run.adapter.session(), target, &compiled.sql, &options)
            .map_err(|error| publish_failed(run, Some(compiled), &error))?,
    };
    complete(run, Some(compiled), target, &mut published)?;
    extras::settle(run, Some(compiled), target, &mut published)?;
    Ok(Verdict::Publish)
}

/// Creates the view where nothing stood under its name. What refuses that is told by the way that
/// looks first.
fn create(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    options: &PublishOptions,
) -> Option<Published> {
    if options.leaves_open || !run.context.is_new(target) {
        return None;
    }
    publish::create_view(&mut run.adapter.session(), target, &compiled.sql)
}

/// Writes the comments and grants of a view that is in its place.
pub(super) fn complete(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    published: &mut Published,
) -> Result<(), Box<Diagnostic>> {
    extras::persist_docs(run, compiled, target, RelationKind::View)?;
    let had_grants = matches!(published.way, Way::ReplacedView | Way::Unchanged);
    extras::apply_grants(run, compiled, target, had_grants)
}

/// Tests a view of the same query, which goes again: the published one is to stay the same object.
fn audit(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    header: &str,
) -> Result<Verdict, Box<Diagnostic>> {
    let private = make_aside(run, compiled, target)?;
    let verdict = run.verdict(Some(&private))?;
    if verdict == Verdict::Publish && run.context.is_together() {
        let how = How::Replace {
            header: header.to_owned(),
        };
        let options = extras::publish_options(run);
        let kind = RelationKind::View;
        pending::wait(
            run,
            Some(compiled),
            (target, &private),
            (kind, how),
            options,
        );
        return Ok(Verdict::Later);
    }
    if verdict != Verdict::Publish && run.context.options.keeps_rejected {
        table::keep_rejected(run, target, &private, RelationKind::View)?;
    } else {
        table::drop_private(run, &private, RelationKind::View);
    }
    Ok(verdict)
}

/// Makes the view under a private name, in the words of the project's macro.
pub(super) fn make_aside(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Result<Relation, Box<Diagnostic>> {
    let private = publish::private_relation(target, &run.context.compiler.invocation.id);
    let statement = create_statement(run, compiled, &private)?;
    run.execute(
        &format!("drop view if exists {}", private.without_database()),
        None,
    )?;
    run.execute(&statement, Some(compiled))?;
    Ok(private)
}

/// Makes the view aside, with the words of the project's own macro, and exchanges it.
fn exchange(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Result<Verdict, Box<Diagnostic>> {
    let private = make_aside(run, compiled, target)?;
    table::finish_and_publish(
        run,
        Some(compiled),
        target,
        &private,
        RelationKind::View,
        table::Analysis::Due,
    )
}
