//! `view`: replaced in place where its columns allow it, so that nothing above it notices.

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::run::hooks::{Moment, run_hooks};
use crate::run::publish::{self, PublishOptions};
use crate::run::worker::{Done, NodeRun};

use super::{apply_grants, persist_docs, publish_failed, target};

pub(super) fn view(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    let target = target(run);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run_hooks(run, Some(compiled), Moment::Before)?;
    let name = target.without_database();
    run.keep_statement(&format!(
        "create or replace view {name} as (\n{}\n)",
        compiled.sql
    ));
    publish::publish_view(
        &mut run.adapter.session(),
        &target,
        &compiled.sql,
        &PublishOptions::default(),
    )
    .map_err(|error| publish_failed(run, Some(compiled), &error))?;
    persist_docs(run, &target, "view")?;
    apply_grants(run, &target)?;
    run_hooks(run, Some(compiled), Moment::After)?;
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(Done::statement("CREATE VIEW", None))
}
