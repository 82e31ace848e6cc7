//! The comment on every statement, from `query-comment` of the project file.
//!
//! Where the project says nothing it is a JSON object that names the program, the profile, the
//! target and the node, so that whoever looks at the server's statements knows whose they are.

use std::sync::Arc;

use minijinja::Value;
use serde_json::{Value as Json, json};

use crate::compile::{Compiler, NodeHost};
use crate::diagnostics::{Diagnostic, Place};
use crate::jinja::Source;
use crate::parse::{Details, HookTime, Node, NodeValue, ResourceType};
use crate::postgres::StatementComment;
use crate::project::LANGUAGE_VERSION;
use crate::run::unasked::Unasked;

/// What dbt calls the connection of statements that belong to no node.
const NO_NODE: &str = "master";

/// Makes the comment for statements sent for `node`; `None` where there is to be none.
///
/// # Errors
///
/// What the comment's template could not do, and a text that would end the comment.
pub fn statement_comment(
    compiler: &Arc<Compiler>,
    node: Option<&Arc<Node>>,
) -> Result<Option<StatementComment>, Box<Diagnostic>> {
    let (template, is_behind) = match &compiler.invocation.query_comment {
        None => (None, false),
        Some(Json::Object(settings)) => {
            let is_behind = settings.get("append") == Some(&Json::Bool(true));
            match settings.get("comment") {
                None => (None, is_behind),
                Some(comment) => (Some(comment.as_str().unwrap_or_default()), is_behind),
            }
        }
        Some(comment) => (Some(comment.as_str().unwrap_or_default()), false),
    };
    let text = match template {
        None => own_words(compiler, node),
        Some(template) if template.trim().is_empty() => return Ok(None),
        Some(template) => render(compiler, node, template)?,
    };
    let text = text.trim().to_owned();
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains("*/") {
        return Err(Box::new(
            mistake(format!(
                "query comment contains illegal value \"*/\": {text}"
            ))
            .help("leave the delimiters out: msv writes them"),
        ));
    }
    Ok(Some(StatementComment { text, is_behind }))
}

fn mistake(title: String) -> Diagnostic {
    Diagnostic::error("MSV0481", title)
}

fn own_words(compiler: &Compiler, node: Option<&Arc<Node>>) -> String {
    let target = &compiler.invocation.target;
    let of_target = |key: &str| target.get(key).unwrap_or(&Json::Null);
    let (key, name) = match node {
        Some(node) => ("node_id", node.unique_id.as_str()),
        None => ("connection_name", NO_NODE),
    };
    format!(
        "{{\"app\": \"msv\", \"dbt_version\": \"{LANGUAGE_VERSION}\", \"profile_name\": {}, \
         \"target_name\": {}, \"{key}\": {}}}",
        of_target("profile_name"),
        of_target("target_name"),
        json!(name),
    )
}

fn render(
    compiler: &Arc<Compiler>,
    node: Option<&Arc<Node>>,
    template: &str,
) -> Result<String, Box<Diagnostic>> {
    let asking = node.map_or_else(|| Arc::new(nobody(compiler)), Arc::clone);
    let host = Arc::new(NodeHost::new(compiler, &asking, Some(Arc::new(Unasked))));
    let extra = vec![
        (
            "connection_name".to_owned(),
            Value::from(node.map_or(NO_NODE, |node| node.unique_id.as_str())),
        ),
        (
            "node".to_owned(),
            node.map_or(Value::from(()), |node| NodeValue::value(Arc::clone(node))),
        ),
    ];
    let source = Source::whole("query-comment", template);
    let made = compiler.engine.render_value(&source, host, extra);
    made.map(|comment| comment.to_string())
}

/// Stands in for the node of statements that belong to none.
fn nobody(compiler: &Compiler) -> Node {
    let package = &compiler.invocation.root_package;
    Node::new(
        format!("operation.{package}.query_comment"),
        ResourceType::Operation,
        package,
        "query_comment",
        Details::Hook {
            when: HookTime::RunStart,
            index: 0,
        },
        Place::file("query-comment"),
    )
}
