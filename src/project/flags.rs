//! Reads `flags:` of the project file.

use serde_json::{Map, Value as Json};

use crate::fields::Fields;
use msv_diagnostics::{Diagnostic, closest};

/// Source: dbt-core 1.12, project flags.
const KNOWN_FLAGS: [&str; 42] = [
    "cache_selected_only",
    "debug",
    "fail_fast",
    "full_refresh",
    "indirect_selection",
    "log_format",
    "log_format_file",
    "log_level",
    "log_level_file",
    "log_path",
    "partial_parse",
    "populate_cache",
    "printer_width",
    "send_anonymous_usage_stats",
    "static_parser",
    "store_failures",
    "target_path",
    "use_colors",
    "use_colors_file",
    "use_experimental_parser",
    "version_check",
    "warn_error",
    "warn_error_options",
    "write_json",
    "allow_jinja_file_extensions",
    "enable_grouped_warn_error_parser_logs",
    "latest_version_pointer_enabled_by_default",
    "require_all_warnings_handled_by_warn_error",
    "require_batched_execution_for_custom_microbatch_strategy",
    "require_corrected_analysis_fqns",
    "require_explicit_package_overrides_for_builtin_materializations",
    "require_generic_test_arguments_property",
    "require_nested_cumulative_type_params",
    "require_ref_searches_node_package_before_root",
    "require_resource_names_without_spaces",
    "require_sql_header_in_test_configs",
    "require_unique_project_resource_names",
    "require_valid_schema_from_generate_schema_name",
    "require_yaml_configuration_for_mf_time_spines",
    "skip_nodes_if_on_run_start_fails",
    "source_freshness_run_project_hooks",
    "validate_macro_args",
];

/// Reads `flags:`; a name near a known one is pointed out, every other one is left alone.
pub(super) fn read(fields: &mut Fields, is_root: bool) -> Map<String, Json> {
    let flags = fields.json_map("flags");
    if is_root && let Some(node) = fields.present("flags") {
        for (key, _) in node.entries() {
            if KNOWN_FLAGS.contains(&key.name.as_str()) {
                continue;
            }
            let similar = closest(&key.name, KNOWN_FLAGS)
                .filter(|similar| similar.len().abs_diff(key.name.len()) <= 2);
            if let Some(similar) = similar {
                fields.found.push(
                    Diagnostic::warning("MSV0102", format!("`flags` has no key `{}`", key.name))
                        .at(fields.document.place(&key.span), "unknown key")
                        .help(format!("a key with a similar name exists: `{similar}`")),
                );
            }
        }
    }
    flags
}
