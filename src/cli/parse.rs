//! `msv parse`: reads, parses and links the project and writes its manifest.

use std::process::ExitCode;

use clap::Args;

use super::arguments::GlobalArgs;
use crate::report::summary::plural;

use super::artifacts::write_manifest;
use super::execution::writes_artifacts;
use super::workspace::{CommandSettings, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct ParseArgs {}

pub(super) fn run(global: &GlobalArgs, _args: &ParseArgs) -> ExitCode {
    let settings = CommandSettings {
        which: "parse",
        ..CommandSettings::default()
    };
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    show(&workspace.warnings);
    if writes_artifacts(global)
        && let Err(diagnostic) = write_manifest(&workspace, &[])
    {
        return could_not_start(&[diagnostic]);
    }
    eprintln!("parsed {}", plural(workspace.graph.nodes.len(), "node"));
    ExitCode::SUCCESS
}
