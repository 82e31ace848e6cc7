//! `msv show`: the first rows of a model, a test's failing rows, or a query.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use crate::compile::Settings;
use crate::diagnostics::Diagnostic;
use crate::parse::{Node, ResourceType};
use crate::postgres::Rows;
use crate::report::command_event::output;
use crate::report::table::table;
use crate::run::{NodeResult, Status};

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, switch};
use super::artifacts::{write_manifest, write_run_results};
use super::compile::{OutputFormat, selected_or_inline};
use super::execution::writes_artifacts;
use super::inline::inline_node;
use super::preview::Preview;
use super::selection::{Selected, selection_arguments};
use super::voice::{is_quiet, voice};
use super::workspace::{CommandSettings, Workspace, could_not_start, open, show, with_session};

#[derive(Args, Clone, Debug, Default)]
pub struct ShowArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    /// A query to show in place of a node
    #[arg(long, value_name = "SQL", conflicts_with = "select")]
    pub inline: Option<String>,
    /// A query that holds no template, sent as it is; the project is not parsed
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "inline"])]
    pub inline_direct: Option<String>,
    /// Rows to show; -1 shows all
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        allow_negative_numbers = true
    )]
    pub limit: i64,
    /// How rows are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
    /// Do not connect: accepted as dbt accepts it, rows are asked for all the same
    #[arg(long, hide = true, overrides_with = "introspect")]
    pub no_introspect: bool,
    #[arg(long, hide = true, overrides_with = "no_introspect")]
    pub introspect: bool,
}

const KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Test,
    ResourceType::Analysis,
    ResourceType::Snapshot,
];

pub(super) fn run(global: &GlobalArgs, args: &ShowArgs) -> ExitCode {
    if let Some(sql) = &args.inline_direct {
        return show_direct(global, args, sql);
    }
    if args.inline.is_none()
        && args.selection.select.is_empty()
        && args.selection.models.is_empty()
        && args.selection.selector.is_none()
    {
        return could_not_start(&[Diagnostic::error(
            "MSV0137",
            "Either --select or --inline must be passed to show",
        )
        .help("msv show --select my_model, or msv show --inline \"select …\"")]);
    }
    let begun = Instant::now();
    let mut arguments = selection_arguments(&args.selection);
    arguments.insert("limit".to_owned(), json!(args.limit));
    arguments.insert("inline".to_owned(), json!(args.inline));
    arguments.insert("output".to_owned(), json!(args.output.as_str()));
    let settings = CommandSettings {
        which: "show",
        is_full_refresh: switch(
            args.build.full_refresh,
            args.build.no_full_refresh,
            "FULL_REFRESH",
            false,
        ),
        arguments,
        ..CommandSettings::default()
    };
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&workspace.warnings);
    let is_inline = args.inline.is_some();
    let chosen = match selected_or_inline(&workspace, &args.selection, KINDS, is_inline) {
        Ok(chosen) => chosen,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&chosen.warnings);
    let nodes = nodes(&workspace, args, &chosen);
    let preview = match Preview::open(global, &workspace, &chosen, Settings::default(), true) {
        Ok(preview) => preview,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let mut results = Vec::new();
    let mut found = Vec::new();
    for node in &nodes {
        match shown(&preview, node, args.limit) {
            Ok((result, rows)) => {
                print_rows(args, node, &rows);
                results.push(Arc::new(result));
            }
            Err(diagnostic) if args.inline.is_some() && !diagnostic.code.starts_with("MSV04") => {
                found.push(diagnostic.note("Error parsing inline query"));
            }
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    if writes_artifacts(global) {
        let written = write_manifest(&workspace, &results)
            .and_then(|()| write_run_results(&workspace, &results, begun.elapsed().as_secs_f64()));
        found.extend(written.err());
    }
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        could_not_start(&found)
    }
}

fn nodes(workspace: &Workspace, args: &ShowArgs, chosen: &Selected) -> Vec<Arc<Node>> {
    if let Some(text) = &args.inline {
        return vec![Arc::new(inline_node(workspace, text))];
    }
    let is_test = |node: &&Arc<Node>| node.resource_type == ResourceType::Test;
    let ids = chosen.ids.iter();
    let all: Vec<&Arc<Node>> = ids.map(|id| &workspace.graph.nodes[id]).collect();
    // Tests come along with what they test; they are shown when nothing else is.
    let has_others = all.iter().any(|node| !is_test(node));
    all.into_iter()
        .filter(|node| !has_others || !is_test(node))
        .cloned()
        .collect()
}

fn shown(
    preview: &Preview,
    node: &Arc<Node>,
    limit: i64,
) -> Result<(NodeResult, Rows), Box<Diagnostic>> {
    // A seed has no query of its own: its table is shown.
    let asked = match (&node.resource_type, &node.relation) {
        (ResourceType::Seed, Some(relation)) => {
            let text: Arc<str> = format!("select * from {relation}").into();
            let mut seed = (**node).clone();
            seed.template.span = 0..text.len();
            seed.template.text = text;
            Arc::new(seed)
        }
        _ => Arc::clone(node),
    };
    let begun = Instant::now();
    let compiled = preview.compile(&asked)?;
    let statement = preview.show_sql(&asked, &compiled, limit)?;
    let rows = preview
        .rows(&asked, &compiled, &statement)
        .map_err(
            |refused| match limit >= 0 && compiled.sql.to_lowercase().contains("limit") {
                true => Box::new(
                    refused.help("show a query that has a `limit` of its own with `--limit -1`"),
                ),
                false => refused,
            },
        )?;
    let result = NodeResult {
        status: Status::Success,
        execution_seconds: begun.elapsed().as_secs_f64(),
        adapter_response: json!({
            "_message": format!("SELECT {}", rows.rows.len()),
            "code": "SELECT",
            "rows_affected": rows.rows.len(),
        }),
        compiled_code: Some(statement),
        ..NodeResult::untouched(node)
    };
    Ok((result, rows))
}

fn show_direct(global: &GlobalArgs, args: &ShowArgs, sql: &str) -> ExitCode {
    let limit = match args.limit {
        ..0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    with_session(global, |session, _| {
        let mut rows = session.query(sql).map_err(|error| {
            vec![
                Diagnostic::error(
                    "MSV0138",
                    format!("PostgreSQL refused the query: {}", error.message),
                )
                .note(sql.to_owned()),
            ]
        })?;
        rows.rows.truncate(limit);
        Ok(preview_text(args.output, None, true, &rows))
    })
}

fn print_rows(args: &ShowArgs, node: &Node, rows: &Rows) {
    let is_inline = args.inline.is_some();
    let name = node.search_name();
    let text = preview_text(
        args.output,
        (!is_inline).then_some(name.as_str()),
        is_quiet(),
        rows,
    );
    let data = json!({
        "node_name": name,
        "is_inline": is_inline,
        "output_format": args.output.as_str(),
        "unique_id": node.unique_id,
        "quiet": is_quiet(),
        "preview": text,
    });
    voice().emit(&output("ShowNode", text, data));
}

/// Rows in the form asked for, under the node's name.
pub(super) fn preview_text(
    format: OutputFormat,
    name: Option<&str>,
    is_bare: bool,
    rows: &Rows,
) -> String {
    let columns: Vec<String> = rows
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    match format {
        OutputFormat::Text => {
            let cells: Vec<Vec<Json>> = rows
                .rows
                .iter()
                .map(|row| row.iter().map(|datum| datum.to_json()).collect())
                .collect();
            let table = table(&columns, &cells);
            match name {
                _ if is_bare => table,
                Some(name) => format!("Previewing node '{name}':\n{table}"),
                None => format!("Previewing inline node:\n{table}"),
            }
        }
        OutputFormat::Json => {
            let shown: Vec<Json> = rows
                .rows
                .iter()
                .map(|row| {
                    let cells = columns
                        .iter()
                        .cloned()
                        .zip(row.iter().map(|datum| datum.to_json()));
                    Json::Object(cells.collect::<Map<_, _>>())
                })
                .collect();
            let out = match name {
                Some(name) => json!({"node": name, "show": shown}),
                None => json!({"show": shown}),
            };
            format!("{out:#}")
        }
    }
}
