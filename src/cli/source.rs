//! `msv source freshness`: how fresh the sources are, in `sources.json` and in lines.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::diagnostics::Diagnostic;
use crate::parse::{Details, Node, ResourceType};
use crate::report::command_event::event;
use crate::report::lines::duration;
use crate::report::sources::Sources;
use crate::report::summary::{elapsed, plural};
use crate::run::{
    FreshnessResult, FreshnessStatus, Level, Publishing, check_freshness, has_freshness,
};

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, switch};
use super::artifacts::{invocation, write_artifact, write_manifest};
use super::execution::{Execution, context, watch_for_interrupt, writes_artifacts};
use super::selection::{Kinds, selected, selection_arguments};
use super::voice::voice;
use super::warnings::{nothing_to_do, warn};
use super::workspace::{CommandSettings, Workspace, connect_options, could_not_start, open, show};

#[derive(Subcommand, Clone, Debug)]
pub enum SourceCommand {
    /// Ask when sources were loaded last, and compare that with what their properties ask for
    #[command(alias = "snapshot-freshness")]
    Freshness(FreshnessArgs),
}

#[derive(Args, Clone, Debug, Default)]
pub struct FreshnessArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// File to write [default: sources.json in the target folder]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

pub(super) fn run(global: &GlobalArgs, command: &SourceCommand) -> ExitCode {
    let SourceCommand::Freshness(args) = command;
    match freshness(global, args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}

/// Asks and reports; true when no source is too old.
fn freshness(global: &GlobalArgs, args: &FreshnessArgs) -> Result<bool, Vec<Diagnostic>> {
    let settings = CommandSettings {
        which: "freshness",
        arguments: selection_arguments(&args.selection),
        ..CommandSettings::default()
    };
    let workspace = open(global, settings)?;
    show(&workspace.warnings);
    if args.output.is_some() {
        warn(
            Diagnostic::warning("MSV0141", "`--output` of `source freshness` will go away")
                .help("read `sources.json` in the target folder, or move it with `--target-path`")
                .event("CustomOutputPathInSourceFreshnessDeprecation"),
        )?;
    }
    let kinds = Kinds::only(&[ResourceType::Source]);
    let chosen = selected(&workspace, &args.selection, kinds)?;
    show(&chosen.warnings);
    let sources: Vec<Arc<Node>> = chosen
        .ids
        .iter()
        .filter_map(|id| workspace.graph.nodes.get(id))
        .filter(|node| has_freshness(node))
        .cloned()
        .collect();
    let voice = voice();
    if sources.is_empty() {
        warn(nothing_to_do())?;
    }
    let mut progress = |line: &str| voice.message(Level::Info, line);
    let options = connect_options(&workspace.project.dir, &workspace.target, &mut progress)
        .map_err(|diagnostic| vec![diagnostic])?;
    let execution = Execution {
        which: "freshness",
        kinds: &[ResourceType::Source],
        selection: &args.selection,
        build: BuildArgs::default(),
        test: TestArgs::default(),
        is_build: false,
        publishing: Publishing::Each,
        keeps_rejected: false,
        shows_rows: false,
        only: None,
        window: Default::default(),
        previous_batches: Default::default(),
    };
    let context = context(
        global,
        &execution,
        &workspace,
        &chosen,
        (options, false),
        &voice,
    );
    watch_for_interrupt(&context);
    let runs_hooks = switch(false, false, "SOURCE_FRESHNESS_RUN_PROJECT_HOOKS", true);
    let has_hooks = || {
        let is_hook = |node: &Arc<Node>| node.resource_type == ResourceType::Operation;
        workspace.graph.nodes.values().any(is_hook)
    };
    if !runs_hooks && has_hooks() {
        warn(
            Diagnostic::warning("MSV0141", "the hooks of the project are not run")
                .help("take `source_freshness_run_project_hooks: false` out of `flags`")
                .event("SourceFreshnessProjectHooksNotRun"),
        )?;
    }
    let summary = check_freshness(&context, &sources, runs_hooks)?;
    if writes_artifacts(global) {
        write_manifest(&workspace, &[]).map_err(|error| vec![error])?;
    }
    let path = output_path(&workspace, args.output.as_deref());
    let invocation = invocation(&workspace);
    let artifact = Sources::new(&invocation, &summary.results, summary.elapsed_seconds);
    write_artifact("FreshnessExecutionResultArtifact", &path, &artifact)
        .map_err(|error| vec![error])?;
    for hook in summary
        .hooks
        .iter()
        .filter_map(|hook| hook.diagnostic.as_ref())
    {
        voice.diagnostic(hook);
    }
    let what = plural(summary.results.len(), "source");
    let took = elapsed(summary.elapsed_seconds);
    voice.note(&event(
        "FinishedRunningStats",
        Level::Info,
        format!("Finished running {what} in {took}."),
        json!({"stat_line": what, "execution": format!(" in {took}"), "execution_time": summary.elapsed_seconds}),
    ));
    for result in &summary.results {
        if let Some(diagnostic) = &result.diagnostic {
            voice.diagnostic(&diagnostic.clone().event("RunResultError"));
        } else if result.status == FreshnessStatus::Error {
            let text = too_old(result);
            let data = json!({"msg": text});
            voice.emit(&event("RunResultError", Level::Error, text, data));
        }
    }
    voice.emit(&event(
        "FreshnessCheckComplete",
        Level::Info,
        "Done.".to_owned(),
        json!({}),
    ));
    Ok(!summary.has_failures())
}

/// `source table raw.orders was loaded 3h 00m ago`, the sentence under a stale source.
fn too_old(result: &FreshnessResult) -> String {
    let name = match &result.node.details {
        Details::Source(source) => format!("{}.{}", source.source_name, result.node.name),
        _ => result.node.name.clone(),
    };
    let age = result
        .freshness
        .map_or(0.0, |found| found.age().as_secs_f64());
    format!(
        "Failure in source {name} ({}): loaded {} ago",
        result.node.original_file_path,
        duration(age)
    )
}

fn output_path(workspace: &Workspace, given: Option<&Path>) -> PathBuf {
    match given {
        Some(path) => workspace.project.dir.join(path),
        None => workspace.project.target_path.join("sources.json"),
    }
}
