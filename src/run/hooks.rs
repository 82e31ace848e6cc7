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

/// Renders and runs the node's hooks of that moment, in their order.
pub(super) fn run_hooks(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    moment: Moment,
) -> Result<(), Box<Diagnostic>> {
    let (key, is_inside) = match moment {
        Moment::BeforeBegin => ("pre-hook", false),
        Moment::Before => ("pre-hook", true),
        Moment::After => ("post-hook", true),
        Moment::AfterCommit => ("post-hook", false),
    };
    let Some(Json::Array(hooks)) = run.node.config.get(key) else {
        return Ok(());
    };
    for (index, hook) in hooks.iter().enumerate() {
        let transaction = hook
            .get("transaction")
            .and_then(Json::as_bool)
            .unwrap_or(true);
        let Some(sql) = hook.get("sql").and_then(Json::as_str) else {
            continue;
        };
        if transaction == is_inside {
            run_hook(run, compiled, (key, index), sql)?;
        }
    }
    Ok(())
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
