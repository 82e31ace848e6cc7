//! `msv ls`: the nodes of the project, one a line.

use std::process::ExitCode;

use clap::{ArgAction, Args, ValueEnum};

use crate::diagnostics::Diagnostic;
use crate::parse::ResourceType;
use crate::report::command_event::print_event;
use crate::report::list::{ListFormat, list};

use super::arguments::{GlobalArgs, SelectionArgs};
use super::selection::{Kinds, selected, selection_arguments};
use super::voice::voice;
use super::warnings::warn;
use super::workspace::{CommandSettings, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct ListArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How nodes are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "selector")]
    pub output: ListOutput,
    /// Keys of the JSON form, such as `name unique_id config.materialized`
    #[arg(long, num_args = 1.., action = ArgAction::Append, value_name = "KEY")]
    pub output_keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    #[default]
    #[value(alias = "text")]
    Selector,
    Name,
    Path,
    Json,
}

/// Analyses only come when they are asked for.
const KINDS: Kinds = Kinds {
    default: ALL_KINDS.split_at(11).0,
    all: ALL_KINDS,
};

const ALL_KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Test,
    ResourceType::UnitTest,
    ResourceType::Source,
    ResourceType::Exposure,
    ResourceType::Function,
    ResourceType::Metric,
    ResourceType::SavedQuery,
    ResourceType::SemanticModel,
    ResourceType::Analysis,
];

/// As in dbt, `--models` here also means: models only.
const MODELS: Kinds = Kinds::only(&[ResourceType::Model]);

pub(super) fn run(global: &GlobalArgs, args: &ListArgs) -> ExitCode {
    let settings = CommandSettings {
        which: "list",
        arguments: selection_arguments(&args.selection),
        ..CommandSettings::default()
    };
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let kinds = match args.selection.models.is_empty() {
        true => KINDS,
        false => MODELS,
    };
    let selected = match selected(&workspace, &args.selection, kinds) {
        Ok(selected) => selected,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&workspace.warnings);
    show(&selected.warnings);
    if selected.ids.is_empty() {
        let warning = Diagnostic::warning("MSV0154", "No nodes selected!");
        if let Err(diagnostics) = warn(warning.event("NoNodesSelected")) {
            return could_not_start(&diagnostics);
        }
    }
    let format = match args.output {
        ListOutput::Selector => ListFormat::Selector,
        ListOutput::Name => ListFormat::Name,
        ListOutput::Path => ListFormat::Path,
        ListOutput::Json => ListFormat::Json,
    };
    // dbt takes the keys in one argument with spaces between, too.
    let keys: Vec<String> = args
        .output_keys
        .iter()
        .flat_map(|keys| keys.split_whitespace())
        .map(str::to_owned)
        .collect();
    let lines = list(&workspace.graph, &selected.ids, format, &keys);
    let voice = voice();
    if voice.is_structured() {
        for line in lines {
            voice.emit(&print_event(&line, None));
        }
    } else {
        let mut out = String::new();
        for line in lines {
            out.push_str(&line);
            out.push('\n');
        }
        print!("{out}");
    }
    ExitCode::SUCCESS
}
