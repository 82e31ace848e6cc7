//! Runs `on-run-start` and `on-run-end` of all packages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexSet;
use jiff::Timestamp;
use minijinja::Value;
use minijinja::value::Tuple;

use crate::compile::{Compiled, NodeHost};
use crate::diagnostics::Diagnostic;
use crate::jinja::Database;
use crate::parse::{Details, HookTime, Node, ResourceType};

use super::adapter::Adapter;
use super::event::{Event, NodeResult, Position, Status, Timing};
use super::failure::{Sent, server_refused};
use super::query_comment::statement_comment;
use super::result_value::result_value;
use super::runner::RunContext;

/// Runs the hooks of that time: those of packages in the order of their names, then the root's.
///
/// After one that fails the rest are skipped.
///
/// # Errors
///
/// When a hook's template cannot be rendered: dbt ends the command then.
pub(super) fn run_project_hooks(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    when: HookTime,
    results: &[Arc<NodeResult>],
) -> (Vec<Arc<NodeResult>>, Option<Box<Diagnostic>>) {
    let graph = &context.compiler.graph;
    let is_due = |node: &Node| {
        node.resource_type == ResourceType::Operation
            && matches!(node.details, Details::Hook { when: own, .. } if own == when)
    };
    let due = graph.nodes.values().filter(|node| is_due(node));
    let mut hooks: Vec<Arc<Node>> = due.cloned().collect();
    hooks.sort_by(|left, right| {
        let order = |node: &Node| {
            (
                node.package_name == graph.root_package,
                node.package_name.clone(),
            )
        };
        order(left).cmp(&order(right))
    });
    let word = match when {
        HookTime::RunStart => "on-run-start",
        HookTime::RunEnd => "on-run-end",
    };
    let mut done: Vec<Arc<NodeResult>> = Vec::new();
    let mut has_failed = false;
    for (at, node) in hooks.iter().enumerate() {
        let name = format!("{}.{word}.{at}", node.package_name);
        let position = Position {
            index: at + 1,
            total: hooks.len(),
        };
        let mut result = NodeResult {
            message: format!("{name} skipped"),
            failures: Some(1),
            ..NodeResult::untouched(node)
        };
        if !has_failed {
            context.listener.on_event(&Event::NodeStarted {
                node: Arc::clone(node),
                position,
            });
            let begun = Instant::now();
            let compile_started = Timestamp::now();
            adapter.works_on(Some(node));
            let commented = statement_comment(&context.compiler, Some(node));
            let commented = commented.map(|comment| adapter.comment(comment));
            let rendered = commented.and_then(|()| render(context, adapter, node, results));
            let rendered = match rendered {
                Ok(rendered) => rendered,
                Err(diagnostic) => {
                    adapter.works_on(None);
                    return (done, Some(diagnostic));
                }
            };
            let execute_started = Timestamp::now();
            if !rendered.sql.trim().is_empty() {
                context.files.keep_compiled(node, &rendered.sql);
            }
            let outcome = send(adapter, node, &rendered);
            result.compiled_code = Some(rendered.sql);
            adapter.works_on(None);
            result.timing = vec![
                Timing {
                    name: "compile",
                    started_at: compile_started,
                    completed_at: execute_started,
                },
                Timing {
                    name: "execute",
                    started_at: execute_started,
                    completed_at: Timestamp::now(),
                },
            ];
            result.execution_seconds = begun.elapsed().as_secs_f64();
            match outcome {
                Ok(()) => {
                    result.status = Status::Success;
                    result.message = format!("{name} passed");
                    result.failures = Some(0);
                }
                Err(diagnostic) => {
                    has_failed = true;
                    result.status = Status::Error;
                    result.message = format!("{name} failed, error:\n {}", diagnostic.title);
                    result.diagnostic = Some(*diagnostic);
                }
            }
        }
        let result = Arc::new(result);
        context.listener.on_event(&Event::NodeFinished {
            result: Arc::clone(&result),
            position,
        });
        done.push(result);
    }
    (done, None)
}

fn render(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    results: &[Arc<NodeResult>],
) -> Result<Compiled, Box<Diagnostic>> {
    let database: Arc<dyn Database> = Arc::clone(adapter) as Arc<dyn Database>;
    let mut host = NodeHost::new(&context.compiler, node, Some(database));
    host.extra = extras(results);
    context
        .compiler
        .render_statement(&node.template, Arc::new(host))
}

/// Sends a hook's statements; one may have done its work while it was rendered, and left none.
fn send(
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    rendered: &Compiled,
) -> Result<(), Box<Diagnostic>> {
    if rendered.sql.trim().trim_end_matches(';').is_empty() {
        return Ok(());
    }
    adapter.execute(&rendered.sql).map(|_| ()).map_err(|error| {
        let sent = Sent {
            sql: &rendered.sql,
            query: Some(rendered),
        };
        Box::new(server_refused(node, &sent, &error))
    })
}

/// What only these hooks see: the results so far and the schemas that were built.
fn extras(results: &[Arc<NodeResult>]) -> HashMap<String, Value> {
    let is_built = |result: &&Arc<NodeResult>| {
        !matches!(
            result.status,
            Status::Error | Status::Fail | Status::Skipped
        ) && result.node.resource_type.is_refable()
    };
    let relations = || {
        let built = results.iter().filter(is_built);
        built.filter_map(|result| result.node.relation.as_ref())
    };
    let schemas: IndexSet<String> = relations()
        .map(|relation| relation.schema_name().to_owned())
        .collect();
    let pairs: IndexSet<(String, String)> = relations()
        .map(|relation| {
            (
                relation.database.clone().unwrap_or_default(),
                relation.schema_name().to_owned(),
            )
        })
        .collect();
    let pairs: Vec<Value> = pairs
        .into_iter()
        .map(|(database, schema)| Value::from(Tuple::from([database, schema].map(Value::from))))
        .collect();
    HashMap::from([
        (
            "results".to_owned(),
            // Hooks are not among them unless they failed.
            Value::from_iter(
                results
                    .iter()
                    .filter(|result| {
                        result.node.resource_type != ResourceType::Operation
                            || result.status == Status::Error
                    })
                    .cloned()
                    .map(result_value),
            ),
        ),
        (
            "schemas".to_owned(),
            Value::from(schemas.into_iter().collect::<Vec<_>>()),
        ),
        ("database_schemas".to_owned(), Value::from(pairs)),
    ])
}
