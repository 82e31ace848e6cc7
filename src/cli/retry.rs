//! `msv retry`: the earlier command again, for the nodes that did not come through.
//!
//! `run_results.json` holds how the command was given; its arguments become a command line again.
//! Where the project and its artifacts are is taken from this command line, not from that one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};
use indexmap::IndexSet;
use serde_json::{Map, Value as Json};

use crate::diagnostics::{Diagnostic, Place};
use crate::parse::{TimeWindow, UniqueId};
use crate::project::state::{StateResult, StateResults, read_artifact};
use crate::run::BatchResults;

use super::arguments::{GlobalArgs, UnusedSelectionArgs, environment};
use super::execution::{Execution, execute};
use super::workspace::{could_not_start, is_warn_error, read};
use super::{Cli, Command, build, clone, run as run_command, seed, snapshot, test};

#[derive(Args, Clone, Debug, Default)]
pub struct RetryArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    /// Folder with the run_results.json of the command to retry [default: the target folder]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Rebuild incremental models from nothing, even if the command did not
    #[arg(short = 'f', long)]
    pub full_refresh: bool,
}

/// How nodes ended that are run again.
const RETRIED: [&str; 5] = [
    "error",
    "fail",
    "skipped",
    "runtime error",
    "partial success",
];

pub(super) fn run(global: &GlobalArgs, args: &RetryArgs) -> ExitCode {
    let previous = match previous_results(global, args) {
        Ok(previous) => previous,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let words = command_line(&previous.args, args);
    let Ok(earlier) = Cli::try_parse_from(&words) else {
        return could_not_start(&[not_retried(&words[1..].join(" "))]);
    };
    let again = merged(global, earlier.global);
    let only = nodes_to_retry(global, &previous);
    let execution = match &earlier.command {
        Command::Build(args) => build::execution(args),
        Command::Run(args) => run_command::execution(args),
        Command::Test(args) => test::execution(args),
        Command::Seed(args) => seed::execution(args),
        Command::Snapshot(args) => snapshot::execution(args),
        Command::Clone(args) => clone::execution(args),
        _ => return could_not_start(&[not_retried(&words[1])]),
    };
    execute(
        &again,
        &Execution {
            only: Some(only),
            previous_batches: batches_to_retry(&previous),
            ..execution
        },
    )
}

fn previous_results(
    global: &GlobalArgs,
    args: &RetryArgs,
) -> Result<StateResults, Vec<Diagnostic>> {
    let (project, _) = read(global)?;
    let state = args
        .state
        .clone()
        .or_else(|| environment("STATE").map(PathBuf::from));
    let folder = match &state {
        Some(folder) => project.dir.join(folder),
        None => project.target_path.clone(),
    };
    let results = read_artifact(&folder.join("run_results.json")).map_err(|error| vec![error])?;
    results.ok_or_else(|| {
        let shown = state.unwrap_or_else(|| PathBuf::from(&project.root.config.target_path));
        let shown = shown.display().to_string();
        let title = format!("Could not find previous run in '{shown}' target directory");
        vec![
            Diagnostic::error("MSV0463", title)
                .at(Place::file(format!("{shown}/run_results.json")), "")
                .help("there is something to retry once `build`, `run`, `test`, `seed` or `clone` ran"),
        ]
    })
}

fn not_retried(command: &str) -> Diagnostic {
    Diagnostic::error("MSV0463", format!("`{command}` cannot be retried"))
        .help("it runs no nodes; give the command again")
}

/// The nodes that failed or were left out; hooks run again by themselves.
fn nodes_to_retry(global: &GlobalArgs, previous: &StateResults) -> IndexSet<UniqueId> {
    let is_retried =
        |status: &str| RETRIED.contains(&status) || (status == "warn" && is_warn_error(global));
    let results = previous.results.iter();
    // What is built again is tested again, also where its tests had passed.
    let is_anything_unpublished = previous.results.iter().any(StateResult::is_unpublished);
    results
        .filter(|result| {
            is_retried(&result.status)
                || result.is_unpublished()
                || (is_anything_unpublished && result.unique_id.starts_with("test."))
        })
        .filter(|result| !result.unique_id.starts_with("operation."))
        .map(|result| UniqueId::new(result.unique_id.as_str()))
        .collect()
}

/// The batches of models that came through in part: only what is missing is built.
fn batches_to_retry(previous: &StateResults) -> HashMap<UniqueId, BatchResults> {
    let windows = |pairs: &[[String; 2]]| -> Vec<TimeWindow> {
        pairs.iter().filter_map(TimeWindow::from_texts).collect()
    };
    let results = previous.results.iter();
    results
        .filter_map(|result| {
            let batches = result.batch_results.as_ref()?;
            let is_partial = !batches.successful.is_empty() && !batches.failed.is_empty();
            let batches = BatchResults {
                successful: windows(&batches.successful),
                failed: windows(&batches.failed),
            };
            is_partial.then(|| (UniqueId::new(result.unique_id.as_str()), batches))
        })
        .collect()
}

/// Writes the arguments of the earlier command as they would be typed.
fn command_line(previous: &Map<String, Json>, args: &RetryArgs) -> Vec<String> {
    let text = |key: &str| previous.get(key).and_then(Json::as_str).unwrap_or_default();
    let mut words = vec!["msv".to_owned(), text("which").to_owned()];
    let is_on = |key: &str| previous.get(key).and_then(Json::as_bool).unwrap_or(false);
    let switches = [
        "empty",
        "store_failures",
        "fail_fast",
        "defer",
        "favor_state",
        "keep_rejected",
    ];
    for key in switches.into_iter().filter(|key| is_on(key)) {
        words.push(flag(key));
    }
    if args.full_refresh || is_on("full_refresh") {
        words.push(flag("full_refresh"));
    }
    let values = [
        "publish",
        "selector",
        "indirect_selection",
        "state",
        "defer_state",
        "target",
        "profile",
        "threads",
        "vars",
        "sample",
        "event_time_start",
        "event_time_end",
    ];
    for key in values {
        let value = match previous.get(key) {
            None | Some(Json::Null) => continue,
            Some(Json::String(text)) => text.clone(),
            // JSON is YAML, as `--vars` takes it.
            Some(other) => other.to_string(),
        };
        words.push(format!("{}={value}", flag(key)));
    }
    let lists = [
        "select",
        "exclude",
        "resource_types",
        "exclude_resource_types",
    ];
    for key in lists {
        let items = previous.get(key).and_then(Json::as_array);
        let items = items.into_iter().flatten().filter_map(Json::as_str);
        words.extend(items.map(|item| format!("{}={item}", flag(key))));
    }
    words
}

fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// The earlier flags, with those of this command line that say where things are or how to run.
fn merged(global: &GlobalArgs, earlier: GlobalArgs) -> GlobalArgs {
    let typed = global.clone();
    GlobalArgs {
        target: earlier.target,
        profile: earlier.profile,
        vars: typed.vars.or(earlier.vars),
        threads: typed.threads.or(earlier.threads),
        fail_fast: typed.fail_fast || (earlier.fail_fast && !typed.no_fail_fast),
        ..typed
    }
}
