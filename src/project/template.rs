//! Renders the Jinja in a configuration tree, with a renderer the caller brings.
//!
//! What is rendered later stays as it is written: hooks, `vars`, the query comment.

use serde_json::Value as Json;

use crate::Render;
use crate::node::{Document, Node, Value};
use msv_diagnostics::Diagnostic;

const LATE_ROOTS: [&str; 4] = ["on-run-start", "on-run-end", "query-comment", "vars"];
const LATE_KEYS: [&str; 4] = ["pre-hook", "post-hook", "pre_hook", "post_hook"];

/// Renders every template of the project file that dbt renders while reading it.
pub(super) fn render_project(document: &mut Document, render: Render, found: &mut Vec<Diagnostic>) {
    let mut root = document.root.clone();
    if let Value::Map(entries) = &mut root.value {
        for (key, node) in entries {
            if !LATE_ROOTS.contains(&key.name.as_str()) {
                render_node(document, node, render, found);
            }
        }
    }
    document.root = root;
}

/// Renders the templates below `node` in place.
pub(super) fn render_node(
    document: &Document,
    node: &mut Node,
    render: Render,
    found: &mut Vec<Diagnostic>,
) {
    if node.is_template() {
        match render_text(document, node, render) {
            Ok(json) => *node = Node::from_json(&json, &node.span),
            Err(diagnostic) => found.push(diagnostic),
        }
        return;
    }
    match &mut node.value {
        // Rendering takes one newline off the end, whether there is a template or not.
        Value::String(text) if text.ends_with('\n') => {
            text.pop();
        }
        Value::List(elements) => {
            for element in elements {
                render_node(document, element, render, found);
            }
        }
        Value::Map(entries) => {
            for (key, entry) in entries {
                let name = key.name.trim_start_matches(['+', ' ']);
                if !LATE_KEYS.contains(&name) {
                    render_node(document, entry, render, found);
                }
            }
        }
        _ => {}
    }
}

/// Renders one template.
pub(super) fn render_text(
    document: &Document,
    node: &Node,
    render: Render,
) -> Result<Json, Diagnostic> {
    let text = node.as_str().unwrap_or_default();
    render(text).map_err(|reason| {
        Diagnostic::error("MSV0110", "this template cannot be rendered")
            .at(document.place(&node.span), reason)
    })
}
