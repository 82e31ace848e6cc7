//! `function`: a user-defined function, created or replaced in one statement.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::parse::Details;
use crate::run::hooks::{Moment, run_hooks};
use crate::run::worker::{Done, NodeRun};

use super::{relation_value, statement_macro, target};

pub(in crate::run) fn function(
    run: &NodeRun<'_>,
    compiled: &Compiled,
) -> Result<Done, Box<Diagnostic>> {
    let language = language(run)?;
    let kind = run.node.config.str("type").unwrap_or("scalar");
    let target = target(run);
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run.execute("begin", None)?;
    run_hooks(run, Some(compiled), Moment::Before)?;
    let arguments = [
        Value::from(format!("{kind}_function_{language}")),
        relation_value(&target),
    ];
    let statement = statement_macro(run, Some(compiled), "get_create_function_sql", &arguments)?;
    run.keep_statement(&statement);
    let done = run.execute(&statement, Some(compiled))?;
    run_hooks(run, Some(compiled), Moment::After)?;
    run.execute("commit", None)?;
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(Done::statement(&done.command_tag, None))
}

/// The function's language, once what that language needs is configured.
fn language(run: &NodeRun<'_>) -> Result<&'static str, Box<Diagnostic>> {
    let Details::Function(function) = &run.node.details else {
        return Ok("sql");
    };
    let refused =
        |title: String| Diagnostic::error("MSV0464", title).at(run.node.place.clone(), "");
    if function.language == "python" {
        for key in ["runtime_version", "entry_point"] {
            if run.node.config.get(key).is_none() {
                let title = format!("A `{key}` is required for python functions");
                return Err(Box::new(refused(title)));
            }
        }
    }
    if function.returns.is_null() {
        let title = format!("function `{}` does not say what it returns", run.node.name);
        let help = "declare it below `functions:` of a properties file, with \
                    `returns: {data_type: …}`";
        return Err(Box::new(refused(title).help(help)));
    }
    Ok(function.language)
}
