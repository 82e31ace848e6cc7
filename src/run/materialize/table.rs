//! `table`: built aside, indexed and analysed, then put in the place of the old one.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::parse::ResourceType;
use crate::postgres::{Executed, has_transaction_control};
use crate::relation::{Relation, RelationKind, quote_identifier};
use crate::run::adapter::sql_word;
use crate::run::audit::Verdict;
use crate::run::event::{Event, Level};
use crate::run::hooks::{Moment, has_hooks, run_hooks};
use crate::run::publish::{self, Published, Way};
use crate::run::worker::{Done, NodeRun};

use super::pending::{self, How};
use super::{
    existing, extras, indexes, is_full_refresh, parallel, partitions, relation_value,
    statement_macro, target,
};

pub(super) fn table(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    if let Some(built) = create_in_place(run, compiled, &target)? {
        run_hooks(run, Some(compiled), Moment::AfterCommit)?;
        return Ok(done(&built));
    }
    let private = publish::private_relation(&target, &run.context.compiler.invocation.id);
    let built = build_aside(run, compiled, &target, &private)?;
    let analysis = if indexes::are_configured(run) {
        Analysis::Due
    } else {
        Analysis::Done
    };
    let query = Some(compiled);
    let kind = RelationKind::Table;
    let verdict = finish_and_publish(run, query, &target, &private, kind, analysis)?;
    match verdict {
        Verdict::Reject(by) => return Ok(done(&built).rejected(by)),
        Verdict::Later => {}
        Verdict::Publish => run_hooks(run, Some(compiled), Moment::AfterCommit)?,
    }
    Ok(done(&built))
}

/// A contract's rows are inserted; else the answer is that of `create table as`.
fn done(built: &Executed) -> Done {
    let tag = if built.command_tag == "INSERT" {
        "INSERT"
    } else {
        "SELECT"
    };
    Done::statement(tag, Some(built.rows_affected))
}

/// Creates the table under its own name where nothing stood under it, and nothing but its rows
/// belongs to it: one call is one transaction, so that nobody sees it before it is whole.
///
/// `None` where it is to be built aside.
fn create_in_place(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
) -> Result<Option<Executed>, Box<Diagnostic>> {
    let has_more = !run.audit.is_empty()
        || run.context.is_together()
        || has_hooks(run, Moment::Before)
        || has_hooks(run, Moment::After)
        || indexes::are_configured(run)
        || partitions::configured(run)?.is_some()
        || parallel::configured(run)?.is_some()
        || extras::are_configured(run);
    if has_more || !run.context.is_new(target) {
        return Ok(None);
    }
    let statement = written_table(run, compiled, target)?;
    if has_transaction_control(&statement) {
        return Ok(None);
    }
    run.keep_statement(&statement);
    let mut session = run.adapter.session();
    match session.execute_and(&statement, &analyze(target)) {
        Ok(built) => Ok(Some(built)),
        Err(error) if publish::is_taken(&error) => Ok(None),
        Err(error) => {
            drop(session);
            Err(run.refused(&error, &statement, Some(compiled)))
        }
    }
}

/// The statement that makes a table of the model's query, in the words of the project's macro.
pub(in crate::run) fn written_table(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    of: &Relation,
) -> Result<String, Box<Diagnostic>> {
    let args = [
        Value::from(false),
        relation_value(of),
        Value::from(compiled.sql.as_str()),
    ];
    statement_macro(run, Some(compiled), "get_create_table_as_sql", &args)
}

/// True when the statement is a plain `create table … as (query)`.
pub(in crate::run) fn is_plain(statement: &str, target: &Relation, compiled: &Compiled) -> bool {
    let before = |statement: &str| {
        let (before, after) = statement.split_once(compiled.sql.as_str())?;
        let before = before.trim_end().strip_suffix('(')?.trim_end();
        let before = before.strip_suffix("as")?.trim_end();
        let before = before.strip_suffix(&target.to_string())?.to_owned();
        (after.trim() == ");").then_some(before)
    };
    before(statement).is_some_and(|words| words.split_whitespace().eq(["create", "table"]))
}

/// Creates the private table from the model's query, in one transaction with its pre-hooks.
fn build_aside(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    target: &Relation,
    private: &Relation,
) -> Result<Executed, Box<Diagnostic>> {
    let partitioning = partitions::configured(run)?;
    // A statement alone is its own transaction.
    let has_transaction = has_hooks(run, Moment::Before) || partitioning.is_some();
    if has_transaction {
        run.execute("begin", None)?;
        run_hooks(run, Some(compiled), Moment::Before)?;
    }
    if let Some(partitioning) = &partitioning {
        let built = partitions::build(run, compiled, (target, private), partitioning)?;
        run.execute(&format!("commit;\n{}", analyze(private)), None)?;
        run.has_lasting_work.set(has_hooks(run, Moment::Before));
        return Ok(built);
    }
    if let Some(division) = parallel::configured(run)?
        && let Some(built) = parallel::build(run, compiled, (target, private), &division)?
    {
        if !indexes::are_configured(run) {
            run.execute(&analyze(private), None)?;
        }
        return Ok(built);
    }
    let statement = written_table(run, compiled, private)?;
    run.keep_statement(&statement.replace(private.name(), target.name()));
    // Expressions of indexes have statistics too: with indexes the table is analysed after them.
    let done = if indexes::are_configured(run) {
        run.execute(&statement, Some(compiled))?
    } else {
        run.execute_and(&statement, &analyze(private), Some(compiled))?
    };
    if has_transaction {
        run.execute("commit", None)?;
        run.has_lasting_work.set(true);
    }
    Ok(done)
}

pub(in crate::run) fn analyze(relation: &Relation) -> String {
    format!("analyze {}", relation.without_database())
}

/// Gives a table that was built aside its indexes, comments, grants and statistics, has it tested,
/// publishes it and runs the post-hooks that belong to its transaction.
pub(super) fn publish_built(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    private: &Relation,
) -> Result<Verdict, Box<Diagnostic>> {
    let kind = RelationKind::Table;
    finish_and_publish(run, compiled, target, private, kind, Analysis::Due)
}

/// Whether a relation that was built aside has its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Analysis {
    Due,
    Done,
    /// Due; the relation has the indexes of the table it is a copy of.
    OfCopy,
}

/// The same for a copy of the published table that rows were added to.
pub(super) fn publish_copy(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    private: &Relation,
) -> Result<Verdict, Box<Diagnostic>> {
    let kind = RelationKind::Table;
    finish_and_publish(run, compiled, target, private, kind, Analysis::OfCopy)
}

/// The same for any kind of relation that was built aside.
pub(super) fn finish_and_publish(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    private: &Relation,
    kind: RelationKind,
    analysis: Analysis,
) -> Result<Verdict, Box<Diagnostic>> {
    let outcome = finish(run, compiled, target, private, kind, analysis);
    match &outcome {
        Ok(Verdict::Publish | Verdict::Later) => {}
        Ok(Verdict::Reject(_)) if run.context.options.keeps_rejected => {
            keep_rejected(run, target, private, kind)?;
        }
        Ok(Verdict::Reject(_)) | Err(_) => drop_private(run, private, kind),
    }
    outcome
}

/// Keeps what was not published for a look, in the place of what was kept before.
pub(super) fn keep_rejected(
    run: &NodeRun<'_>,
    target: &Relation,
    private: &Relation,
    kind: RelationKind,
) -> Result<(), Box<Diagnostic>> {
    let word = sql_word(kind);
    let kept = publish::rejected_relation(target);
    let name = kept.without_database();
    let private = private.without_database();
    let found = existing(run, &kept)?;
    let drop = found.map_or(String::new(), |found| {
        format!("drop {} {name};\n", sql_word(found.kind))
    });
    let keep = if kind == RelationKind::View && run.context.is_together() {
        // What the view reads goes when nothing is published: its rows are kept.
        format!("create table {name} as select * from {private};\ndrop view {private}")
    } else {
        let new_name = quote_identifier(kept.name());
        format!("alter {word} {private} rename to {new_name}")
    };
    run.execute(&format!("{drop}{keep}"), None)?;
    run.context.listener.on_event(&Event::Message {
        level: Level::Warn,
        text: format!(
            "the rejected `{}` is kept for a look: select * from {name}",
            run.node.name
        ),
        node: Some(run.node.unique_id.clone()),
    });
    Ok(())
}

/// Clears away what was built aside in vain.
pub(super) fn drop_private(run: &NodeRun<'_>, private: &Relation, kind: RelationKind) {
    // What failed is told; what cannot be dropped now is swept by the next run.
    let _ = run.adapter.session().rollback();
    let word = sql_word(kind);
    let drop = format!("drop {word} if exists {}", private.without_database());
    let _ = run.execute(&drop, None);
}

fn finish(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    private: &Relation,
    kind: RelationKind,
    analysis: Analysis,
) -> Result<Verdict, Box<Diagnostic>> {
    let mut options = extras::publish_options(run);
    if kind != RelationKind::View {
        options.index_names = match analysis {
            Analysis::OfCopy => indexes::complete_copy(run, compiled, private)?,
            Analysis::Due | Analysis::Done => indexes::create_aside(run, compiled, private)?,
        };
    }
    extras::persist_docs(run, compiled, private, kind)?;
    options.keeps_grants |= is_reloaded(run);
    if !is_reloaded(run) {
        extras::apply_grants(run, compiled, private, false)?;
    }
    if kind != RelationKind::View && analysis != Analysis::Done {
        run.execute(&analyze(private), None)?;
    }
    let verdict = run.verdict(Some(private))?;
    if verdict != Verdict::Publish {
        return Ok(verdict);
    }
    if run.context.is_together() {
        let how = match kind {
            RelationKind::View => How::Remake,
            _ => How::Exchange,
        };
        let relations = (target, private);
        pending::wait(run, compiled, relations, (kind, how), options);
        return Ok(Verdict::Later);
    }
    let mut published =
        publish::publish_table(&mut run.adapter.session(), target, private, &options)
            .map_err(|error| super::publish_failed(run, compiled, &error))?;
    complete(run, compiled, target, &mut published)?;
    extras::settle(run, compiled, target, &mut published)?;
    Ok(Verdict::Publish)
}

/// A seed that is loaded again counts as the same table: its grants change where they differ.
fn is_reloaded(run: &NodeRun<'_>) -> bool {
    run.node.resource_type == ResourceType::Seed && !is_full_refresh(run)
}

/// Grants where the old table is still there, with the grants it had.
pub(super) fn complete(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    published: &mut Published,
) -> Result<(), Box<Diagnostic>> {
    if is_reloaded(run) || published.way == Way::RowsReplaced {
        extras::apply_grants(run, compiled, target, true)?;
    }
    Ok(())
}
