//! `msv compile`: the SQL of models and tests, written to `target/compiled` or printed.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::diagnostics::Diagnostic;
use crate::parse::{Node, ResourceType};
use crate::report::summary::plural;

use super::arguments::{GlobalArgs, SelectionArgs};
use super::artifacts::{write_manifest, write_run_results};
use super::execution::writes_artifacts;
use super::inline::inline_node;
use super::preview::Preview;
use super::selection::{Kinds, Selected, State, selected, selection_arguments};
use super::workspace::{CommandSettings, Workspace, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct CompileArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// A query to compile in place of the project's files
    #[arg(long, value_name = "SQL")]
    pub inline: Option<String>,
    /// How the SQL of selected nodes is printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
    /// Do not connect: templates that ask the database fail
    #[arg(long, overrides_with = "introspect")]
    pub no_introspect: bool,
    #[arg(long, hide = true, overrides_with = "no_introspect")]
    pub introspect: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    #[default]
    Text,
    Json,
}

const KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Test,
    ResourceType::Analysis,
    ResourceType::Snapshot,
    ResourceType::Function,
];

pub(super) fn run(global: &GlobalArgs, args: &CompileArgs) -> ExitCode {
    let settings = CommandSettings {
        which: "compile",
        arguments: selection_arguments(&args.selection),
        ..CommandSettings::default()
    };
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&workspace.warnings);
    let chosen = match selected_or_inline(&workspace, &args.selection, args.inline.is_some()) {
        Ok(chosen) => chosen,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let preview = match Preview::open(global, &workspace, &chosen, !args.no_introspect) {
        Ok(preview) => preview,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    if let Some(text) = &args.inline {
        return match preview.compile(&Arc::new(inline_node(&workspace, text))) {
            Ok(compiled) => {
                print_inline(args.output, &compiled.sql);
                ExitCode::SUCCESS
            }
            Err(diagnostic) => failed(&[*diagnostic]),
        };
    }
    let ids = &chosen.ids;
    show(&chosen.warnings);
    let mut found = Vec::new();
    let mut shown = 0;
    let is_asked = !(args.selection.select.is_empty() && args.selection.models.is_empty());
    for id in ids {
        let node = Arc::clone(&workspace.graph.nodes[id]);
        match preview.compile(&node) {
            Ok(compiled) => {
                if is_asked && (ids.len() == 1 || node.resource_type != ResourceType::Test) {
                    print_node(args.output, &node, &compiled.sql);
                    shown += 1;
                }
            }
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    if writes_artifacts(global) {
        let written =
            write_manifest(&workspace, &[]).and_then(|()| write_run_results(&workspace, &[], 0.0));
        if let Err(diagnostic) = written {
            return could_not_start(&[diagnostic]);
        }
    }
    if shown == 0 && found.is_empty() {
        let folder = workspace.project.target_path.join("compiled");
        eprintln!(
            "compiled {} into `{}`",
            plural(ids.len(), "node"),
            folder.display()
        );
    }
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        failed(&found)
    }
}

/// The nodes the flags pick; with `--inline` none, but the state to defer to still counts.
fn selected_or_inline(
    workspace: &Workspace,
    args: &SelectionArgs,
    is_inline: bool,
) -> Result<Selected, Vec<Diagnostic>> {
    if !is_inline {
        return selected(workspace, args, Kinds::only(KINDS));
    }
    let state = State::open(workspace, &args.state)?;
    Ok(Selected {
        warnings: state.warnings,
        deferral: state.deferral,
        ..Selected::default()
    })
}

fn failed(diagnostics: &[Diagnostic]) -> ExitCode {
    show(diagnostics);
    ExitCode::FAILURE
}

fn print_inline(format: OutputFormat, sql: &str) {
    match format {
        OutputFormat::Text => println!("{sql}"),
        OutputFormat::Json => println!("{}", json!({"compiled": sql})),
    }
}

fn print_node(format: OutputFormat, node: &Node, sql: &str) {
    match format {
        OutputFormat::Text => {
            eprintln!("Compiled node '{}' is:", node.search_name());
            println!("{sql}");
        }
        OutputFormat::Json => println!("{}", json!({"node": node.search_name(), "compiled": sql})),
    }
}
