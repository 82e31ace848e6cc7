//! `msv clean`: deletes the folders the project names in `clean-targets`.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::diagnostics::Diagnostic;
use crate::project::ProjectConfig;
use crate::report::command_event::event;
use crate::run::Level;

use super::arguments::{GlobalArgs, UnusedSelectionArgs, switch};
use super::voice::voice;
use super::warnings::warn;
use super::workspace::{could_not_start, load_options, settled};

#[derive(Args, Clone, Debug, Default)]
pub struct CleanArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
    /// Delete folders outside the project too
    #[arg(long, overrides_with = "clean_project_files_only")]
    pub no_clean_project_files_only: bool,
    #[arg(long, hide = true, overrides_with = "no_clean_project_files_only")]
    pub clean_project_files_only: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &CleanArgs) -> ExitCode {
    let options = match load_options(global) {
        Ok(options) => options,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let config = match settled(&options).project {
        Ok(config) => config,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let is_inside_only = switch(
        args.clean_project_files_only,
        args.no_clean_project_files_only,
        "CLEAN_PROJECT_FILES_ONLY",
        true,
    );
    let dir = &options.project_dir;
    if let Err(diagnostic) = check(&config, dir, is_inside_only) {
        return could_not_start(&[*diagnostic]);
    }
    let is_former = |folder: &String| folder == "dbt_modules";
    if config.clean_targets.iter().any(is_former)
        && !config.clean_targets.contains(&config.packages_install_path)
    {
        let warned = warn(
            Diagnostic::warning(
                "MSV0141",
                "`clean-targets` names `dbt_modules`, where packages no longer are",
            )
            .help("write `dbt_packages`, or keep the folder with `packages-install-path`")
            .event("PackageInstallPathDeprecation"),
        );
        if let Err(diagnostics) = warned {
            return could_not_start(&diagnostics);
        }
    }
    for folder in &config.clean_targets {
        let path = dir.join(folder);
        if !path.exists() {
            continue;
        }
        say("CheckCleanPath", format!("Checking {folder}/*"));
        let deleted = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        if let Err(error) = deleted {
            return could_not_start(&[Diagnostic::error(
                "MSV0120",
                format!("`{folder}` cannot be deleted"),
            )
            .note(error.to_string())]);
        }
        say("ConfirmCleanPath", format!("Cleaned {folder}/*"));
    }
    say(
        "FinishedCleanPaths",
        "Finished cleaning all paths.".to_owned(),
    );
    ExitCode::SUCCESS
}

fn say(name: &'static str, text: String) {
    voice().emit(&event(name, Level::Info, text, json!({})));
}

/// Refuses to delete sources, the project itself, and what lies outside it.
fn check(config: &ProjectConfig, dir: &Path, is_inside_only: bool) -> Result<(), Box<Diagnostic>> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let sources: Vec<PathBuf> = [
        &config.model_paths,
        &config.seed_paths,
        &config.snapshot_paths,
        &config.test_paths,
        &config.macro_paths,
        &config.analysis_paths,
        &config.function_paths,
    ]
    .into_iter()
    .flatten()
    .map(|path| plain(&dir.join(path)))
    .collect();
    let refused = |folder: &str, reason: &str, words: &str| {
        Box::new(
            Diagnostic::error(
                "MSV0119",
                format!("`clean-targets` names `{folder}`, which msv will not delete: {reason}"),
            )
            .note(format!("{words}: {folder}"))
            .help("remove it from `clean-targets` in the project file"),
        )
    };
    for folder in &config.clean_targets {
        let path = plain(&dir.join(folder));
        if sources.iter().any(|source| source.starts_with(&path)) || dir.starts_with(&path) {
            let reason = "it holds the project's sources";
            let words = "dbt will not clean the following source paths";
            return Err(refused(folder, reason, words));
        }
        if is_inside_only && !path.starts_with(&dir) {
            let reason = "it lies outside the project";
            let words = "dbt will not clean the following directories outside the project";
            return Err(refused(folder, reason, words)
                .help("or allow it: --no-clean-project-files-only")
                .into());
        }
    }
    Ok(())
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}
