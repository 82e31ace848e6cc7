//! `msv show`: the first rows of a model, a test's failing rows, or a query.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use crate::parse::{Node, ResourceType};
use crate::postgres::Rows;
use crate::report::table::table;

use super::arguments::{GlobalArgs, SelectionArgs};
use super::artifacts::{write_manifest, write_run_results};
use super::compile::OutputFormat;
use super::execution::writes_artifacts;
use super::inline::inline_node;
use super::preview::Preview;
use super::selection::{Kinds, Selected, State, selected, selection_arguments};
use super::workspace::{CommandSettings, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct ShowArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// A query to show in place of a node
    #[arg(long, value_name = "SQL")]
    pub inline: Option<String>,
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
}

const KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Test,
    ResourceType::Analysis,
    ResourceType::Snapshot,
];

pub(super) fn run(global: &GlobalArgs, args: &ShowArgs) -> ExitCode {
    if args.inline.is_none()
        && args.selection.select.is_empty()
        && args.selection.models.is_empty()
        && args.selection.selector.is_none()
    {
        eprintln!("error: Either --select or --inline must be passed to show");
        return ExitCode::from(2);
    }
    let settings = CommandSettings {
        which: "show",
        arguments: selection_arguments(&args.selection),
        ..CommandSettings::default()
    };
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let chosen = match &args.inline {
        Some(_) => State::open(&workspace, &args.selection.state).map(|state| Selected {
            warnings: state.warnings,
            deferral: state.deferral,
            ..Selected::default()
        }),
        None => selected(&workspace, &args.selection, Kinds::only(KINDS)),
    };
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&chosen.warnings);
    let nodes: Vec<Arc<Node>> = match &args.inline {
        Some(text) => vec![Arc::new(inline_node(&workspace, text))],
        None => {
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
    };
    let preview = match Preview::open(global, &workspace, &chosen, true) {
        Ok(preview) => preview,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    if writes_artifacts(global)
        && let Err(diagnostic) =
            write_manifest(&workspace, &[]).and_then(|()| write_run_results(&workspace, &[], 0.0))
    {
        return could_not_start(&[diagnostic]);
    }
    let mut exit = ExitCode::SUCCESS;
    for node in &nodes {
        let rows = compiled_rows(&preview, node, args.limit);
        match rows {
            Ok(rows) => print_rows(args, node, &rows),
            Err(diagnostic) => {
                show(&[*diagnostic]);
                exit = ExitCode::FAILURE;
            }
        }
    }
    exit
}

fn compiled_rows(
    preview: &Preview,
    node: &Arc<Node>,
    limit: i64,
) -> Result<Rows, Box<crate::diagnostics::Diagnostic>> {
    // A seed has no query of its own: its table is shown.
    let node = match (&node.resource_type, &node.relation) {
        (ResourceType::Seed, Some(relation)) => {
            let text: Arc<str> = format!("select * from {relation}").into();
            let mut seed = (**node).clone();
            seed.template.span = 0..text.len();
            seed.template.text = text;
            Arc::new(seed)
        }
        _ => Arc::clone(node),
    };
    let compiled = preview.compile(&node)?;
    preview.rows(&node, &compiled, limit)
}

fn print_rows(args: &ShowArgs, node: &Node, rows: &Rows) {
    let columns: Vec<String> = rows
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let is_inline = args.inline.is_some();
    match args.output {
        OutputFormat::Text => {
            if is_inline {
                eprintln!("Previewing inline node:");
            } else {
                eprintln!("Previewing node '{}':", node.search_name());
            }
            let cells: Vec<Vec<Json>> = rows
                .rows
                .iter()
                .map(|row| row.iter().map(|datum| datum.to_json()).collect())
                .collect();
            println!("{}", table(&columns, &cells));
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
            let mut out = json!({"show": shown});
            if !is_inline {
                out = json!({"node": node.search_name(), "show": shown});
            }
            println!("{out:#}");
        }
    }
}
