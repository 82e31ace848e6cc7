//! Turns `on-run-start` and `on-run-end` statements into nodes.

use std::sync::Arc;

use msv_diagnostics::{Diagnostic, Place};
use msv_jinja::{Host, Source as TemplateSource};
use msv_project::{Package, Spanned};

use super::context::ParseContext;
use super::node::{Details, HookTime, Node, ResourceType, Template};
use super::resources::sha256;

/// Makes the nodes of a package's hooks, in the order they will run.
pub(super) fn hook_nodes(
    context: &ParseContext<'_>,
    package: &Package,
    found: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    let groups = [
        (
            HookTime::RunStart,
            "on-run-start",
            &package.config.on_run_start,
        ),
        (HookTime::RunEnd, "on-run-end", &package.config.on_run_end),
    ];
    for (when, word, hooks) in groups {
        for (index, hook) in hooks.iter().enumerate() {
            nodes.extend(hook_node(
                context,
                package,
                (when, word),
                index,
                hook,
                found,
            ));
        }
    }
    nodes
}

fn hook_node(
    context: &ParseContext<'_>,
    package: &Package,
    (when, word): (HookTime, &str),
    index: usize,
    hook: &Spanned<String>,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let document = &package.config_document;
    let name = format!("{}-{word}-{index}", package.name);
    let text: Arc<str> = hook.value.as_str().into();
    let fqn = vec![package.name.clone(), "hooks".to_owned(), name.clone()];
    let (config, _) = context.project_config(&package.name, ResourceType::Operation, &fqn);
    let place = Place::new(
        Arc::clone(&document.file),
        Arc::clone(&document.text),
        hook.span.clone(),
    );
    let host = Arc::new(context.host(&package.name));
    let template = TemplateSource {
        file: format!("{} ({word} {})", document.file, index + 1).into(),
        text: Arc::clone(&text),
        span: 0..text.len(),
    };
    if let Err(diagnostic) = context
        .engine
        .render(&template, Arc::clone(&host) as Arc<dyn Host>)
    {
        found.push(*diagnostic);
        return None;
    }
    let record = host.take();
    Some(Node {
        path: format!("hooks/{name}.sql"),
        original_file_path: format!("./{}", document.file),
        fqn,
        template: Template {
            file: template.file,
            span: 0..text.len(),
            text,
        },
        // As in dbt, of the file the hook stands in.
        checksum: sha256(document.text.trim().as_bytes()),
        config,
        refs: record.refs,
        depends_on_macros: record.macros,
        sources: record.sources,
        database: context.invocation.database().to_owned(),
        schema: context.invocation.schema().to_owned(),
        alias: name.clone(),
        ..Node::new(
            format!("operation.{}.{name}", package.name),
            ResourceType::Operation,
            &package.name,
            &name,
            Details::Hook { when, index },
            place,
        )
    })
}
