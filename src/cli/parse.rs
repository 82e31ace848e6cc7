//! `msv parse`: reads, parses and links the project and writes its manifest.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::arguments::{GlobalArgs, UnusedSelectionArgs};
use crate::report::summary::plural;
use crate::run::Level;

use super::artifacts::{write_manifest, write_perf_info};
use super::execution::writes_artifacts;
use super::voice::voice;
use super::workspace::{CommandSettings, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct ParseArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
}

pub(super) fn run(global: &GlobalArgs, _args: &ParseArgs) -> ExitCode {
    let begun = Instant::now();
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
            .and_then(|()| write_perf_info(&workspace, begun.elapsed().as_secs_f64()))
    {
        return could_not_start(&[diagnostic]);
    }
    let text = format!("parsed {}", plural(workspace.graph.nodes.len(), "node"));
    voice().message(Level::Info, &text);
    ExitCode::SUCCESS
}
