//! Runs `on-run-start` and `on-run-end` of all packages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexSet;
use minijinja::Value;
use serde_json::json;

use crate::compile::NodeHost;
use crate::diagnostics::Diagnostic;
use crate::jinja::Database;
use crate::parse::{Details, HookTime, Node, ResourceType};

use super::adapter::Adapter;
use super::event::{NodeResult, Status};
use super::failure::{Sent, server_refused};
use super::result_value::result_value;
use super::runner::RunContext;

/// Runs the hooks of that time in order; after one that fails the rest are left out.
pub(super) fn run_project_hooks(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    when: HookTime,
    results: &[Arc<NodeResult>],
) -> Vec<Arc<NodeResult>> {
    let is_due = |node: &&Arc<Node>| {
        node.resource_type == ResourceType::Operation
            && matches!(node.details, Details::Hook { when: own, .. } if own == when)
    };
    let mut done: Vec<Arc<NodeResult>> = Vec::new();
    for node in context.compiler.graph.nodes.values().filter(is_due) {
        let node = Arc::clone(node);
        let begun = Instant::now();
        adapter.works_on(Some(&node));
        let outcome = run_hook(context, adapter, &node, results);
        adapter.works_on(None);
        let status = if outcome.is_ok() {
            Status::Success
        } else {
            Status::Error
        };
        let diagnostic = outcome.err().map(|diagnostic| *diagnostic);
        let message = diagnostic
            .as_ref()
            .map_or("OK".to_owned(), |found| found.title.clone());
        done.push(Arc::new(NodeResult {
            node,
            status,
            message,
            failures: None,
            rows: None,
            adapter_response: json!({}),
            timing: Vec::new(),
            thread: 0,
            execution_seconds: begun.elapsed().as_secs_f64(),
            compiled_code: None,
            diagnostic,
        }));
        if status == Status::Error {
            break;
        }
    }
    done
}

fn run_hook(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    results: &[Arc<NodeResult>],
) -> Result<(), Box<Diagnostic>> {
    let database: Arc<dyn Database> = Arc::clone(adapter) as Arc<dyn Database>;
    let mut host = NodeHost::new(&context.compiler, node, Some(database));
    host.extra = extras(results);
    let rendered = context
        .compiler
        .render_statement(&node.template, Arc::new(host))?;
    if rendered.sql.trim().trim_end_matches(';').is_empty() {
        return Ok(());
    }
    adapter.execute(&rendered.sql).map(|_| ()).map_err(|error| {
        let sent = Sent {
            sql: &rendered.sql,
            query: Some(&rendered),
        };
        Box::new(server_refused(node, &sent, &error))
    })
}

/// What only these hooks see: the results so far and the schemas that were built.
fn extras(results: &[Arc<NodeResult>]) -> HashMap<String, Value> {
    let relations = || {
        results
            .iter()
            .filter_map(|result| result.node.relation.as_ref())
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
        .map(|(database, schema)| Value::from(vec![database, schema]))
        .collect();
    HashMap::from([
        (
            "results".to_owned(),
            Value::from_iter(results.iter().cloned().map(result_value)),
        ),
        (
            "schemas".to_owned(),
            Value::from(schemas.into_iter().collect::<Vec<_>>()),
        ),
        ("database_schemas".to_owned(), Value::from(pairs)),
    ])
}
