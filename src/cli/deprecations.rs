//! What the command line and the environment say in words that have been replaced.

use clap::CommandFactory;

use crate::diagnostics::Diagnostic;

use super::Cli;
use super::warnings::warn;

/// Options that `--select` has replaced.
const OLDER_SELECT: [&str; 3] = ["--models", "--model", "-m"];

/// Names below `DBT_ENGINE_` that are no options.
///
/// Source: dbt-core 1.11, environment variables of the engine.
const OTHER_VARIABLES: [&str; 7] = [
    "INVOCATION_ENV",
    "RECORDED_FILE_PATH",
    "TEST_STATE_MODIFIED",
    "PACKAGE_HUB_URL",
    "DOWNLOAD_DIR",
    "PP_FILE_DIFF_TEST",
    "PP_TEST",
];

const PREFIX: &str = "DBT_ENGINE_";

/// Warns about older options, older words of `warn_error_options` and variables in dbt's name.
///
/// # Errors
///
/// A warning that is an error.
pub(super) fn check(older_words: &[&'static str]) -> Result<(), Vec<Diagnostic>> {
    for word in older_words {
        let newer = if *word == "include" { "error" } else { "warn" };
        let title = format!("`{word}` in `warn_error_options` is the former name of `{newer}`");
        warn(
            Diagnostic::warning("MSV0141", title)
                .help(format!("write `{newer}`"))
                .event("WEOIncludeExcludeDeprecation"),
        )?;
    }
    let typed = std::env::args().skip(1).find(|word| {
        let name = word.split('=').next().unwrap_or_default();
        OLDER_SELECT.contains(&name)
    });
    if let Some(typed) = typed {
        let name = typed.split('=').next().unwrap_or_default();
        warn(
            Diagnostic::warning(
                "MSV0141",
                format!("`{name}` is the former name of `--select`"),
            )
            .help("write `--select`, or `-s`")
            .event("ModelParamUsageDeprecation"),
        )?;
    }
    check_variables()
}

fn check_variables() -> Result<(), Vec<Diagnostic>> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut ours: Vec<String> = names.filter(|name| name.starts_with(PREFIX)).collect();
    if ours.is_empty() {
        return Ok(());
    }
    ours.sort();
    let command = Cli::command();
    let options: Vec<String> = command
        .get_subcommands()
        .flat_map(|command| command.get_arguments())
        .chain(command.get_arguments())
        .filter_map(|argument| argument.get_long())
        .map(|long| long.to_uppercase().replace('-', "_"))
        .collect();
    for name in ours {
        let rest = &name[PREFIX.len()..];
        let is_known = OTHER_VARIABLES.contains(&rest)
            || options.iter().any(|option| option == rest)
            || rest.starts_with("ENV_");
        if is_known {
            continue;
        }
        warn(
            Diagnostic::warning(
                "MSV0141",
                format!("the environment variable `{name}` is no setting of dbt's or msv's"),
            )
            .note(format!(
                "names that begin with `{PREFIX}` are kept for settings"
            ))
            .help("give it another name")
            .event("EnvironmentVariableNamespaceDeprecation"),
        )?;
    }
    Ok(())
}
