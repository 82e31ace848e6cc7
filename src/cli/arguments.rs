//! Arguments that several commands share, and where their values come from when not typed:
//! `MSV_<FLAG>`, then `DBT_<FLAG>`, then `flags:` of the project file.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::run::Publishing;

use super::settings;

/// Flags that every command accepts, before or after its name.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalArgs {
    /// Folder that holds project.yml (or dbt_project.yml) [default: here, or the nearest folder above]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub project_dir: Option<PathBuf>,
    /// Folder that holds profiles.yml [default: the project folder, then ~/.dbt]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub profiles_dir: Option<PathBuf>,
    /// Profile to use instead of the one the project names
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub profile: Option<String>,
    /// Target of the profile to use
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub target: Option<String>,
    /// Folder for compiled SQL and artifacts [default: target]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub target_path: Option<PathBuf>,
    /// Values for `var()`, as YAML: '{spoofing_withdrawal_seconds: 5}'
    #[arg(
        long,
        global = true,
        value_name = "YAML",
        help_heading = "Global options"
    )]
    pub vars: Option<String>,
    /// Database connections to work on at once
    #[arg(long, global = true, value_name = "N", help_heading = "Global options")]
    pub threads: Option<usize>,
    /// Stop at the first failure
    #[arg(
        short = 'x',
        long,
        global = true,
        overrides_with = "no_fail_fast",
        help_heading = "Global options"
    )]
    pub fail_fast: bool,
    #[arg(long, global = true, hide = true, overrides_with = "fail_fast")]
    pub no_fail_fast: bool,
    /// Treat warnings as errors
    #[arg(
        long,
        global = true,
        overrides_with = "no_warn_error",
        help_heading = "Global options"
    )]
    pub warn_error: bool,
    #[arg(long, global = true, hide = true, overrides_with = "warn_error")]
    pub no_warn_error: bool,
    /// Show every place of a deprecation, not only the first
    #[arg(
        long,
        global = true,
        overrides_with = "no_show_all_deprecations",
        help_heading = "Global options"
    )]
    pub show_all_deprecations: bool,
    #[arg(
        long,
        global = true,
        hide = true,
        overrides_with = "show_all_deprecations"
    )]
    pub no_show_all_deprecations: bool,
    /// How log lines are written
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub log_format: Option<LogFormat>,
    /// The least grave log lines to show
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "LEVEL",
        help_heading = "Global options"
    )]
    pub log_level: Option<LogLevel>,
    /// Show only errors
    #[arg(
        short,
        long,
        global = true,
        overrides_with = "no_quiet",
        help_heading = "Global options"
    )]
    pub quiet: bool,
    #[arg(long, global = true, hide = true, overrides_with = "quiet")]
    pub no_quiet: bool,
    /// Show every statement
    #[arg(
        short,
        long,
        global = true,
        overrides_with = "no_debug",
        help_heading = "Global options"
    )]
    pub debug: bool,
    #[arg(long, global = true, hide = true, overrides_with = "debug")]
    pub no_debug: bool,
    /// Colour the output [default: on a terminal, unless NO_COLOR is set]
    #[arg(
        long,
        global = true,
        overrides_with = "no_use_colors",
        help_heading = "Global options"
    )]
    pub use_colors: bool,
    /// Do not colour the output
    #[arg(
        long,
        global = true,
        overrides_with = "use_colors",
        help_heading = "Global options"
    )]
    pub no_use_colors: bool,
    /// Silence `print()` of templates
    #[arg(
        long,
        global = true,
        overrides_with = "print",
        help_heading = "Global options"
    )]
    pub no_print: bool,
    #[arg(long, global = true, hide = true, overrides_with = "no_print")]
    pub print: bool,
    /// Write no artifacts
    #[arg(
        long,
        global = true,
        overrides_with = "write_json",
        help_heading = "Global options"
    )]
    pub no_write_json: bool,
    #[arg(long, global = true, hide = true, overrides_with = "no_write_json")]
    pub write_json: bool,
    /// Which warnings are errors or are not shown: '{error: all, warn: [NAME], silence: [NAME]}'
    #[arg(
        long,
        global = true,
        value_name = "YAML",
        help_heading = "Global options"
    )]
    pub warn_error_options: Option<String>,
    /// Folder of the log file [default: logs]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub log_path: Option<PathBuf>,
    /// How lines of the log file are written
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub log_format_file: Option<LogFormat>,
    /// The least grave lines of the log file
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "LEVEL",
        help_heading = "Global options"
    )]
    pub log_level_file: Option<LogLevel>,
    /// Size at which a new log file is begun; 0 for never [default: 10485760]
    #[arg(
        long,
        global = true,
        value_name = "BYTES",
        help_heading = "Global options"
    )]
    pub log_file_max_bytes: Option<u64>,
    /// Columns of a log line
    #[arg(long, global = true, value_name = "N", help_heading = "Global options")]
    pub printer_width: Option<u64>,
    /// Work on one connection only
    #[arg(
        long,
        global = true,
        overrides_with = "no_single_threaded",
        help_heading = "Global options"
    )]
    pub single_threaded: bool,
    #[arg(long, global = true, hide = true, overrides_with = "single_threaded")]
    pub no_single_threaded: bool,
    /// Build although the project asks for another version of dbt
    #[arg(
        long,
        global = true,
        overrides_with = "version_check",
        help_heading = "Global options"
    )]
    pub no_version_check: bool,
    #[arg(long, global = true, hide = true, overrides_with = "no_version_check")]
    pub version_check: bool,
    #[command(flatten)]
    pub accepted: AcceptedArgs,
}

/// Flags of dbt that change nothing here; accepted so that existing command lines run.
#[derive(Args, Clone, Debug, Default)]
pub struct AcceptedArgs {
    #[arg(long, global = true, hide = true)]
    pub partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    pub no_partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    pub static_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub no_static_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    pub no_populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    pub cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    pub no_cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    pub send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    pub no_send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    pub use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    pub no_use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    pub log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    pub no_log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    pub macro_debugging: bool,
    #[arg(long, global = true, hide = true)]
    pub no_macro_debugging: bool,
    #[arg(long, global = true, hide = true, value_name = "PATH")]
    pub partial_parse_file_path: Option<PathBuf>,
    #[arg(long, global = true, hide = true)]
    pub partial_parse_file_diff: bool,
    #[arg(long, global = true, hide = true)]
    pub no_partial_parse_file_diff: bool,
    #[arg(short = 'r', long, global = true, hide = true, value_name = "PATH")]
    pub record_timing_info: Option<PathBuf>,
    #[arg(long, global = true, hide = true)]
    pub use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub no_use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true)]
    pub no_use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true)]
    pub use_v2_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub no_use_v2_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub sqlparse: Option<String>,
    #[arg(long, global = true, hide = true)]
    pub upload_to_artifacts_ingest_api: bool,
    #[arg(long, global = true, hide = true)]
    pub no_upload_to_artifacts_ingest_api: bool,
    #[arg(long, global = true, hide = true)]
    pub hints_enabled: bool,
    #[arg(long, global = true, hide = true)]
    pub no_hints_enabled: bool,
    #[arg(long, global = true, hide = true, value_name = "N")]
    pub maximum_seed_size_mib: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Default,
    Text,
    Json,
    Debug,
}

/// When what was built is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PublishArg {
    #[default]
    Each,
    Together,
}

impl From<PublishArg> for Publishing {
    fn from(publish: PublishArg) -> Self {
        match publish {
            PublishArg::Each => Publishing::Each,
            PublishArg::Together => Publishing::Together,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    None,
}

/// Which nodes a command works on.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArgs {
    /// Nodes to include: names, tag:x, path:dir, +model+, a,b (both), a b (either)
    #[arg(short, long, num_args = 1.., action = ArgAction::Append, value_name = "SPEC")]
    pub select: Vec<String>,
    /// As --select; `ls` lists models only
    #[arg(short, long, alias = "model", num_args = 1.., action = ArgAction::Append, value_name = "SPEC")]
    pub models: Vec<String>,
    /// Nodes to leave out
    #[arg(long, num_args = 1.., action = ArgAction::Append, value_name = "SPEC")]
    pub exclude: Vec<String>,
    /// The selector of selectors.yml to use in place of --select and --exclude
    #[arg(long, value_name = "NAME")]
    pub selector: Option<String>,
    /// Only these kinds of nodes
    #[arg(long, visible_alias = "resource-types", num_args = 1.., action = ArgAction::Append, value_name = "TYPE")]
    pub resource_type: Vec<String>,
    /// Not these kinds of nodes
    #[arg(long, visible_alias = "exclude-resource-types", num_args = 1.., action = ArgAction::Append, value_name = "TYPE")]
    pub exclude_resource_type: Vec<String>,
    /// Which tests come along with the selected nodes
    #[arg(long, value_name = "MODE", value_parser = ["eager", "cautious", "buildable", "empty"])]
    pub indirect_selection: Option<String>,
    #[command(flatten)]
    pub state: StateArgs,
}

/// An earlier state to compare with, and to read from in place of what is not built.
#[derive(Args, Clone, Debug, Default)]
pub struct StateArgs {
    /// Folder with the artifacts of an earlier run, for state:, result: and --defer
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Read what is neither selected nor built here from where the earlier state has it
    #[arg(long, overrides_with = "no_defer")]
    pub defer: bool,
    #[arg(long, hide = true, overrides_with = "defer")]
    pub no_defer: bool,
    /// Folder to defer to, where it is another than --state
    #[arg(long, value_name = "DIR")]
    pub defer_state: Option<PathBuf>,
    /// With --defer: read what is not selected from the earlier state even if it is built here
    #[arg(long, overrides_with = "no_favor_state")]
    pub favor_state: bool,
    #[arg(long, hide = true, overrides_with = "favor_state")]
    pub no_favor_state: bool,
}

/// Flags of dbt that change nothing for commands that select no nodes.
#[derive(Args, Clone, Debug, Default)]
pub struct UnusedSelectionArgs {
    #[arg(long, hide = true)]
    pub defer: bool,
    #[arg(long, hide = true)]
    pub no_defer: bool,
    #[arg(long, hide = true)]
    pub defer_state: Option<PathBuf>,
    #[arg(long, hide = true)]
    pub favor_state: bool,
    #[arg(long, hide = true)]
    pub no_favor_state: bool,
    #[arg(long, hide = true)]
    pub indirect_selection: Option<String>,
}

/// How nodes are built.
#[derive(Args, Clone, Debug, Default)]
pub struct BuildArgs {
    /// Rebuild incremental models and seeds from nothing
    #[arg(short = 'f', long, overrides_with = "no_full_refresh")]
    pub full_refresh: bool,
    #[arg(long, hide = true, overrides_with = "full_refresh")]
    pub no_full_refresh: bool,
    /// Build relations without rows: every ref and source is read as empty
    #[arg(long, overrides_with = "no_empty")]
    pub empty: bool,
    #[arg(long, hide = true, overrides_with = "empty")]
    pub no_empty: bool,
}

/// Which stretch of time is built.
#[derive(Args, Clone, Debug, Default)]
pub struct WindowArgs {
    /// First instant that microbatch models build, in UTC: 2024-03-10 or 2024-03-10T09:30:00
    #[arg(long, value_name = "TIME")]
    pub event_time_start: Option<String>,
    /// First instant that microbatch models do not build any more
    #[arg(long, value_name = "TIME")]
    pub event_time_end: Option<String>,
    /// Read only the newest rows of what has an `event_time`: '3 days' or '{start: 2024-03-01, end: 2024-03-10}'
    #[arg(long, value_name = "WINDOW")]
    pub sample: Option<String>,
}

/// How tests are run.
#[derive(Args, Clone, Debug, Default)]
pub struct TestArgs {
    /// Keep the failing rows of tests in tables
    #[arg(long, overrides_with = "no_store_failures")]
    pub store_failures: bool,
    #[arg(long, hide = true, overrides_with = "store_failures")]
    pub no_store_failures: bool,
    /// Send every test's own statement, also where one could tell of several tests of a relation
    #[arg(long, overrides_with = "fused_tests")]
    pub no_fused_tests: bool,
    #[arg(long, hide = true, overrides_with = "no_fused_tests")]
    pub fused_tests: bool,
}

/// A flag's value where it was not typed: `MSV_X`, `DBT_ENGINE_X` or `DBT_X` of the environment,
/// of which the first that is not empty counts, then `flags:` of the project file.
pub(super) fn environment(flag: &str) -> Option<String> {
    ["MSV_", "DBT_ENGINE_", "DBT_"]
        .iter()
        .filter_map(|prefix| std::env::var(format!("{prefix}{flag}")).ok())
        .find(|value| !value.is_empty())
        .or_else(|| settings::project_flag(flag))
}

/// A yes-or-no flag: typed on or off, else the environment, else `fallback`.
pub(super) fn switch(on: bool, off: bool, flag: &str, fallback: bool) -> bool {
    if on || off {
        return on;
    }
    match environment(flag) {
        Some(value) => matches!(
            value.to_ascii_lowercase().as_str(),
            "1" | "true" | "t" | "yes" | "y" | "on"
        ),
        None => fallback,
    }
}
