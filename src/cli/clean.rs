//! `msv clean`: deletes the folders the project names in `clean-targets`.

use std::path::{Component, Path};
use std::process::ExitCode;

use clap::Args;

use crate::diagnostics::Diagnostic;

use super::arguments::GlobalArgs;
use super::workspace::{could_not_start, read};

#[derive(Args, Clone, Debug, Default)]
pub struct CleanArgs {}

pub(super) fn run(global: &GlobalArgs, _args: &CleanArgs) -> ExitCode {
    let (project, _) = match read(global) {
        Ok(read) => read,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let config = &project.root.config;
    let sources = [
        &config.model_paths,
        &config.seed_paths,
        &config.snapshot_paths,
        &config.test_paths,
        &config.macro_paths,
        &config.analysis_paths,
    ];
    for folder in &config.clean_targets {
        let is_source = sources.iter().any(|paths| paths.contains(folder));
        if is_source || leaves_project(folder) {
            let reason = if is_source {
                "it holds the project's sources"
            } else {
                "it lies outside the project"
            };
            return could_not_start(&[Diagnostic::error(
                "MSV0119",
                format!("`clean-targets` names `{folder}`, which msv will not delete: {reason}"),
            )
            .help("remove it from `clean-targets` in the project file")]);
        }
    }
    for folder in &config.clean_targets {
        let path = project.dir.join(folder);
        if !path.exists() {
            continue;
        }
        if let Err(error) = std::fs::remove_dir_all(&path) {
            return could_not_start(&[Diagnostic::error(
                "MSV0120",
                format!("`{folder}` cannot be deleted"),
            )
            .note(error.to_string())]);
        }
        eprintln!("deleted `{folder}`");
    }
    ExitCode::SUCCESS
}

fn leaves_project(folder: &str) -> bool {
    let path = Path::new(folder);
    path.is_absolute()
        || folder.is_empty()
        || folder == "."
        || path.components().any(|part| part == Component::ParentDir)
}
