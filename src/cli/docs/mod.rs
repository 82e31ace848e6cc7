//! `msv docs`: writes the catalog of a project and serves its documentation.

mod generate;
mod serve;

use std::process::ExitCode;

use clap::Subcommand;

use super::arguments::GlobalArgs;
use super::workspace::could_not_start;

#[derive(Subcommand, Clone, Debug)]
pub enum DocsCommand {
    /// Write catalog.json, and the manifest and the documentation page beside it
    Generate(generate::GenerateArgs),
    /// Serve the documentation page on this machine
    Serve(serve::ServeArgs),
}

pub(super) fn run(global: &GlobalArgs, command: &DocsCommand) -> ExitCode {
    let outcome = match command {
        DocsCommand::Generate(args) => generate::generate(global, args),
        DocsCommand::Serve(args) => serve::serve(global, args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}
