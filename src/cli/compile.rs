//! `msv compile`: the SQL of models and tests, written to `target/compiled` or printed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::compile::Settings;
use crate::diagnostics::Diagnostic;
use crate::parse::{Node, ResourceType};
use crate::report::command_event::output;
use crate::report::summary::plural;
use crate::run::{Level, NodeResult};

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, switch};
use super::artifacts::{write_manifest, write_run_results};
use super::execution::writes_artifacts;
use super::inline::inline_node;
use super::preview::Preview;
use super::selection::{Kinds, Selected, State, selected, selection_arguments};
use super::voice::{is_quiet, voice};
use super::workspace::{CommandSettings, Workspace, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct CompileArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    #[command(flatten)]
    pub introspection: IntrospectArgs,
    /// A query to compile in place of the project's files
    #[arg(long, value_name = "SQL", conflicts_with = "select")]
    pub inline: Option<String>,
    /// How the SQL of selected nodes is printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
    /// Leave the queries of ephemeral models out
    #[arg(long, overrides_with = "inject_ephemeral_ctes")]
    pub no_inject_ephemeral_ctes: bool,
    #[arg(long, hide = true, overrides_with = "no_inject_ephemeral_ctes")]
    pub inject_ephemeral_ctes: bool,
}

/// Whether templates may ask the database.
#[derive(Args, Clone, Debug, Default)]
pub struct IntrospectArgs {
    /// Do not connect: templates that ask the database fail
    #[arg(long, overrides_with = "introspect")]
    pub no_introspect: bool,
    #[arg(long, hide = true, overrides_with = "no_introspect")]
    pub introspect: bool,
}

impl IntrospectArgs {
    pub(super) fn connects(&self) -> bool {
        switch(self.introspect, self.no_introspect, "INTROSPECT", true)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    #[default]
    Text,
    Json,
}

impl OutputFormat {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            OutputFormat::Text => "text",
            OutputFormat::Json => "json",
        }
    }
}

/// What is compiled; the SQL of the others is their own business.
pub(super) const KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Test,
    ResourceType::Analysis,
    ResourceType::Snapshot,
    ResourceType::Function,
];

pub(super) fn run(global: &GlobalArgs, args: &CompileArgs) -> ExitCode {
    let begun = Instant::now();
    let mut arguments = selection_arguments(&args.selection);
    arguments.insert("inline".to_owned(), json!(args.inline));
    arguments.insert("output".to_owned(), json!(args.output.as_str()));
    let settings = CommandSettings {
        which: "compile",
        is_full_refresh: switch(
            args.build.full_refresh,
            args.build.no_full_refresh,
            "FULL_REFRESH",
            false,
        ),
        is_empty: switch(args.build.empty, args.build.no_empty, "EMPTY", false),
        arguments,
        ..CommandSettings::default()
    };
    let is_empty = settings.is_empty;
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&workspace.warnings);
    let settings = Settings {
        is_empty,
        leaves_ephemerals_out: !switch(
            args.inject_ephemeral_ctes,
            args.no_inject_ephemeral_ctes,
            "INJECT_EPHEMERAL_CTES",
            true,
        ),
        ..Settings::default()
    };
    let is_inline = args.inline.is_some();
    let chosen = match selected_or_inline(&workspace, &args.selection, KINDS, is_inline) {
        Ok(chosen) => chosen,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&chosen.warnings);
    let connects = args.introspection.connects();
    let preview = match Preview::open(global, &workspace, &chosen, settings, connects) {
        Ok(preview) => preview,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let (results, mut found) = match &args.inline {
        Some(text) => compile_inline(&workspace, &preview, text),
        None => compile_selected(&workspace, &preview, &chosen),
    };
    let is_asked = !(args.selection.select.is_empty() && args.selection.models.is_empty());
    let mut shown = 0;
    for result in &results {
        let node = &result.node;
        let is_test = node.resource_type == ResourceType::Test && results.len() > 1;
        if args.inline.is_some() || (is_asked && !is_test) {
            print_node(args, node, result);
            shown += 1;
        }
    }
    if writes_artifacts(global) {
        let written = write_manifest(&workspace, &results)
            .and_then(|()| write_run_results(&workspace, &results, begun.elapsed().as_secs_f64()));
        found.extend(written.err());
    }
    if !found.is_empty() {
        return could_not_start(&found);
    }
    if shown == 0 {
        let folder = workspace.project.target_path.join("compiled");
        let text = format!(
            "compiled {} into `{}`",
            plural(results.len(), "node"),
            folder.display()
        );
        voice().message(Level::Info, &text);
    }
    ExitCode::SUCCESS
}

/// Results, and what could not be compiled.
type Outcome = (Vec<Arc<NodeResult>>, Vec<Diagnostic>);

fn compile_inline(workspace: &Workspace, preview: &Preview, text: &str) -> Outcome {
    let node = Arc::new(inline_node(workspace, text));
    match preview.result(&node) {
        Ok(result) => (vec![Arc::new(result)], Vec::new()),
        Err(diagnostic) => (
            Vec::new(),
            vec![diagnostic.note("Error parsing inline query")],
        ),
    }
}

/// The nodes the flags pick; with `--inline` none, but the state to defer to still counts.
pub(super) fn selected_or_inline(
    workspace: &Workspace,
    args: &SelectionArgs,
    kinds: &'static [ResourceType],
    is_inline: bool,
) -> Result<Selected, Vec<Diagnostic>> {
    if !is_inline {
        return selected(workspace, args, Kinds::only(kinds));
    }
    let state = State::open(workspace, &args.state)?;
    Ok(Selected {
        warnings: state.warnings,
        deferral: state.deferral,
        ..Selected::default()
    })
}

/// Compiles the chosen nodes.
pub(super) fn compile_selected(
    workspace: &Workspace,
    preview: &Preview,
    chosen: &Selected,
) -> Outcome {
    let mut results = Vec::new();
    let mut found = Vec::new();
    for id in &chosen.ids {
        match preview.result(&workspace.graph.nodes[id]) {
            Ok(result) => results.push(Arc::new(result)),
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    (results, found)
}

fn print_node(args: &CompileArgs, node: &Node, result: &NodeResult) {
    let name = node.search_name();
    let is_inline = args.inline.is_some();
    let sql = result.compiled_code.as_deref().unwrap_or_default();
    let text = match args.output {
        OutputFormat::Text if is_quiet() => sql.to_owned(),
        OutputFormat::Text if is_inline => format!("Compiled inline node is:\n{sql}"),
        OutputFormat::Text => format!("Compiled node '{name}' is:\n{sql}"),
        OutputFormat::Json if is_inline => format!("{:#}", json!({"compiled": sql})),
        OutputFormat::Json => format!("{:#}", json!({"node": name, "compiled": sql})),
    };
    let data = json!({
        "node_name": name,
        "compiled": sql,
        "is_inline": is_inline,
        "output_format": args.output.as_str(),
        "unique_id": node.unique_id,
        "quiet": is_quiet(),
    });
    voice().emit(&output("CompiledNode", text, data));
}
