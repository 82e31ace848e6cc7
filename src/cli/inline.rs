//! A query typed on the command line, as a node of the root project.

use std::sync::Arc;

use crate::diagnostics::Place;
use crate::parse::{Config, Details, Node, ResourceType, Template};

use super::workspace::Workspace;

/// Makes the node; its name is `inline_query`, as in dbt.
pub(super) fn inline_node(workspace: &Workspace, text: &str) -> Node {
    let text: Arc<str> = text.into();
    let package = &workspace.project.root.name;
    let file: Arc<str> = "--inline".into();
    let place = Place::new(Arc::clone(&file), Arc::clone(&text), 0..0);
    Node {
        fqn: vec![package.clone(), "sql".to_owned(), "inline_query".to_owned()],
        path: "sql/inline_query.sql".to_owned(),
        original_file_path: "sql/inline_query.sql".to_owned(),
        template: Template {
            file,
            span: 0..text.len(),
            text,
        },
        config: Config::defaults(ResourceType::Analysis),
        database: workspace.invocation.database().to_owned(),
        schema: workspace.invocation.schema().to_owned(),
        alias: "inline_query".to_owned(),
        ..Node::new(
            format!("sql_operation.{package}.inline_query"),
            ResourceType::Analysis,
            package,
            "inline_query",
            Details::Analysis,
            place,
        )
    }
}
