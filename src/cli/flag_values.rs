//! The flags of a command as templates (`flags`, `invocation_args_dict`) and `run_results.json`
//! (`args`) have them: typed, from the environment, from the project file, or dbt's default.

use serde_json::{Map, Value as Json, json};

use crate::project::{Project, Target, yaml};

use super::arguments::{GlobalArgs, environment, switch};
use super::workspace::{is_fail_fast, is_warn_error, project_dir};

/// Flags that are on or off and that no field of the command line decides, with their defaults.
///
/// Source: dbt-core 1.12, parameters of the command line and behaviour flags of a project.
const SWITCHES: [(&str, bool); 37] = [
    ("cache_selected_only", false),
    ("export_saved_queries", false),
    ("include_saved_query", false),
    ("introspect", true),
    ("log_cache_events", false),
    ("macro_debugging", false),
    ("partial_parse", true),
    ("partial_parse_file_diff", true),
    ("populate_cache", true),
    ("send_anonymous_usage_stats", false),
    ("show_all_deprecations", false),
    ("show_resource_report", false),
    ("static_parser", true),
    ("strict_mode", false),
    ("upload_to_artifacts_ingest_api", false),
    ("use_fast_test_edges", false),
    ("allow_jinja_file_extensions", false),
    ("enable_grouped_warn_error_parser_logs", false),
    ("latest_version_pointer_enabled_by_default", false),
    ("require_all_warnings_handled_by_warn_error", true),
    (
        "require_batched_execution_for_custom_microbatch_strategy",
        true,
    ),
    ("require_corrected_analysis_fqns", false),
    (
        "require_explicit_package_overrides_for_builtin_materializations",
        true,
    ),
    ("require_generic_test_arguments_property", true),
    ("require_nested_cumulative_type_params", true),
    ("require_ref_searches_node_package_before_root", false),
    ("require_resource_names_without_spaces", true),
    ("require_sql_header_in_test_configs", false),
    ("require_unique_project_resource_names", false),
    ("require_valid_schema_from_generate_schema_name", false),
    ("require_yaml_configuration_for_mf_time_spines", true),
    ("skip_nodes_if_on_run_start_fails", true),
    ("source_freshness_run_project_hooks", true),
    ("state_modified_compare_more_unrendered_values", true),
    ("state_modified_compare_vars", false),
    ("support_custom_ref_kwargs", false),
    ("validate_macro_args", true),
];

/// Every flag by its name in lower case, but for those of single commands.
pub(super) fn flag_values(
    global: &GlobalArgs,
    project: &Project,
    target: &Target,
) -> Map<String, Json> {
    let setting = |flag: &str, fallback: Json| match environment(flag) {
        Some(text) => yaml::from_str_value(&text).unwrap_or(Json::String(text)),
        None => fallback,
    };
    let named = |typed: Option<String>, flag: &str, fallback: &str| {
        typed
            .or_else(|| environment(flag))
            .unwrap_or_else(|| fallback.to_owned())
            .to_lowercase()
    };
    let mut values = Map::new();
    for (name, fallback) in SWITCHES {
        let is_on = switch(false, false, &name.to_uppercase(), fallback);
        values.insert(name.to_owned(), json!(is_on));
    }
    let typed = [
        ("debug", global.debug, global.no_debug, false),
        ("quiet", global.quiet, global.no_quiet, false),
        ("print", global.print, global.no_print, true),
        ("use_colors", global.use_colors, global.no_use_colors, true),
        (
            "use_colors_file",
            global.accepted.use_colors_file,
            global.accepted.no_use_colors_file,
            true,
        ),
        (
            "version_check",
            global.version_check,
            global.no_version_check,
            true,
        ),
        ("write_json", global.write_json, global.no_write_json, true),
    ];
    for (name, on, off, fallback) in typed {
        let is_on = switch(on, off, &name.to_uppercase(), fallback);
        values.insert(name.to_owned(), json!(is_on));
    }
    let profiles_dir = global
        .profiles_dir
        .as_ref()
        .map(|dir| dir.display().to_string())
        .or_else(|| environment("PROFILES_DIR"));
    let options = global.warn_error_options.clone();
    let warn_error_options = match options {
        Some(text) => yaml::from_str_value(&text).unwrap_or(Json::Null),
        None => setting("WARN_ERROR_OPTIONS", json!({})),
    };
    let width = global.printer_width.map(|width| json!(width));
    let max_bytes = global.log_file_max_bytes.map(|bytes| json!(bytes));
    let format =
        |format: Option<super::arguments::LogFormat>| format.map(|format| name_of(&format));
    let level = |level: Option<super::arguments::LogLevel>| level.map(|level| name_of(&level));
    values.extend(
        [
            ("fail_fast", json!(is_fail_fast(global))),
            ("warn_error", json!(is_warn_error(global))),
            ("warn_error_options", warn_error_options),
            (
                "indirect_selection",
                setting("INDIRECT_SELECTION", json!("eager")),
            ),
            (
                "log_format",
                json!(named(format(global.log_format), "LOG_FORMAT", "default")),
            ),
            (
                "log_format_file",
                json!(named(
                    format(global.log_format_file),
                    "LOG_FORMAT_FILE",
                    "debug"
                )),
            ),
            (
                "log_level",
                json!(named(level(global.log_level), "LOG_LEVEL", "info")),
            ),
            (
                "log_level_file",
                json!(named(
                    level(global.log_level_file),
                    "LOG_LEVEL_FILE",
                    "debug"
                )),
            ),
            (
                "log_file_max_bytes",
                max_bytes.unwrap_or_else(|| setting("LOG_FILE_MAX_BYTES", json!(10 * 1024 * 1024))),
            ),
            (
                "printer_width",
                width.unwrap_or_else(|| setting("PRINTER_WIDTH", json!(80))),
            ),
            (
                "project_dir",
                json!(project_dir(global).display().to_string()),
            ),
            ("profiles_dir", json!(profiles_dir)),
            (
                "target_path",
                json!(project.target_path.display().to_string()),
            ),
            ("target", json!(target.name)),
            ("profile", json!(target.profile_name)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    values
}

/// A value of the command line as it is typed.
fn name_of(value: &impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}
