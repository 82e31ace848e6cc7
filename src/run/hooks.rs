//! Runs the statements a project puts before and after its nodes.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::parse::Template;

use super::worker::NodeRun;

/// Which hooks of a node are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// `pre-hook` with `transaction: false`, before the node's transaction.
    BeforeBegin,
    /// `pre-hook` inside the transaction.
    Before,
    /// `post-hook` inside a transaction.
    After,
    /// `post-hook` with `transaction: false`.
    AfterCommit,
}

/// True when the node has hooks of that moment.
pub(super) fn has_hooks(run: &NodeRun<'_>, moment: Moment) -> bool {
    due(run, moment).next().is_some()
}

/// Renders and runs the node's hooks of that moment, in their order.
pub(super) fn run_hooks(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    moment: Moment,
) -> Result<(), Box<Diagnostic>> {
    for (key, index, sql) in due(run, moment) {
        run_hook(run, compiled, (key, index), sql)?;
    }
    Ok(())
}

/// Runs hooks that belong into a transaction where the node's own work has none open: all of them
/// have an effect, or none.
pub(super) fn run_hooks_together(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    moment: Moment,
) -> Result<(), Box<Diagnostic>> {
    if !has_hooks(run, moment) {
        return Ok(());
    }
    run.execute("begin", None)?;
    run_hooks(run, compiled, moment)?;
    run.execute("commit", None)?;
    run.has_lasting_work.set(true);
    Ok(())
}

/// The configuration key of the hooks, their number and their text.
fn due<'r>(
    run: &NodeRun<'r>,
    moment: Moment,
) -> impl Iterator<Item = (&'static str, usize, &'r str)> {
    let (key, is_inside) = match moment {
        Moment::BeforeBegin => ("pre-hook", false),
        Moment::Before => ("pre-hook", true),
        Moment::After => ("post-hook", true),
        Moment::AfterCommit => ("post-hook", false),
    };
    let hooks = run.node.config.get(key).and_then(Json::as_array);
    let hooks = hooks.into_iter().flatten().enumerate();
    hooks.filter_map(move |(index, hook)| {
        let transaction = hook.get("transaction").and_then(Json::as_bool);
        let sql = hook.get("sql").and_then(Json::as_str)?;
        (transaction.unwrap_or(true) == is_inside).then_some((key, index, sql))
    })
}

fn run_hook(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    (key, index): (&str, usize),
    sql: &str,
) -> Result<(), Box<Diagnostic>> {
    let text: Arc<str> = sql.into();
    let template = Template {
        file: format!("{} {} of {}", key, index + 1, run.node.original_file_path).into(),
        span: 0..text.len(),
        text,
    };
    let host = Arc::new(run.host(compiled));
    let rendered = run.context.compiler.render_statement(&template, host)?;
    // A hook may do its work while rendering, through `run_query`, and leave nothing to send.
    if rendered.sql.trim().trim_end_matches(';').is_empty() {
        return Ok(());
    }
    run.execute(&rendered.sql, Some(&rendered)).map(|_| ())
}
