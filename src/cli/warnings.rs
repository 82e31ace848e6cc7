//! Which warnings are errors, which are shown and which are not: `--warn-error` and
//! `--warn-error-options`.

use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, Severity};
use crate::project::yaml;

use super::arguments::{GlobalArgs, environment};
use super::workspace::is_warn_error;

/// `{error: all, warn: [...], silence: [...]}`, with dbt's older words `include` and `exclude`.
#[derive(Debug, Default, PartialEq, Eq)]
struct WarnErrorOptions {
    all_are_errors: bool,
    errors: Vec<String>,
    warnings: Vec<String>,
    silent: Vec<String>,
}

impl WarnErrorOptions {
    fn read(text: &str) -> Result<WarnErrorOptions, String> {
        let Json::Object(entries) = yaml::from_str_value(text)? else {
            return Err("it is not a mapping".to_owned());
        };
        let mut options = WarnErrorOptions::default();
        for (key, value) in &entries {
            let names = names(key, value)?;
            match key.as_str() {
                "error" | "include" => {
                    let is_all = |name: &String| name == "all" || name == "*";
                    options.all_are_errors = names.iter().any(is_all);
                    options.errors = names;
                }
                "warn" | "exclude" => options.warnings = names,
                "silence" => options.silent = names,
                other => return Err(format!("`{other}` is none of error, warn and silence")),
            }
        }
        Ok(options)
    }

    /// Warnings are named by their code or by dbt's event.
    fn treatment(&self, code: &str, event: Option<&str>) -> Treatment {
        let has = |names: &[String]| {
            names
                .iter()
                .any(|known| known == code || Some(known.as_str()) == event)
        };
        if has(&self.silent) {
            Treatment::Silence
        } else if has(&self.warnings) {
            Treatment::Warn
        } else if self.all_are_errors || has(&self.errors) {
            Treatment::Error
        } else {
            Treatment::Warn
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Treatment {
    Silence,
    Warn,
    Error,
}

fn names(key: &str, value: &Json) -> Result<Vec<String>, String> {
    match value {
        Json::Null => Ok(Vec::new()),
        Json::String(name) => Ok(vec![name.clone()]),
        Json::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("`{key}` holds something that is no name")),
        _ => Err(format!("`{key}` is neither `all` nor a list of names")),
    }
}

/// The warnings that are to be shown.
///
/// # Errors
///
/// The warnings that are errors here, with the others, or options that cannot be read.
pub(super) fn settle(
    global: &GlobalArgs,
    warnings: Vec<Diagnostic>,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let text = global
        .warn_error_options
        .clone()
        .or_else(|| environment("WARN_ERROR_OPTIONS"));
    let mut options = match text {
        Some(text) => WarnErrorOptions::read(&text).map_err(|reason| {
            vec![
                Diagnostic::error(
                    "MSV0136",
                    format!("`warn_error_options` cannot be read: {reason}"),
                )
                .help("write it so: '{error: [NAME], warn: [NAME], silence: [NAME]}', or `error: all`"),
            ]
        })?,
        None => WarnErrorOptions::default(),
    };
    options.all_are_errors |= is_warn_error(global);
    let mut has_error = false;
    let settled: Vec<Diagnostic> = warnings
        .into_iter()
        .filter_map(|mut warning| {
            match options.treatment(warning.code, warning.event) {
                Treatment::Silence => return None,
                Treatment::Warn => {}
                Treatment::Error => {
                    warning.severity = Severity::Error;
                    has_error = true;
                }
            }
            Some(warning)
        })
        .collect();
    if has_error { Err(settled) } else { Ok(settled) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_beats_warn_and_warn_beats_error() {
        let options =
            WarnErrorOptions::read("{error: all, warn: [MSV0102], silence: [MSV0103, MSV0102x]}")
                .expect("it is valid");
        assert_eq!(options.treatment("MSV0101", None), Treatment::Error);
        assert_eq!(
            options.treatment("MSV0102", Some("AnEvent")),
            Treatment::Warn
        );
        assert_eq!(options.treatment("MSV0103", None), Treatment::Silence);
        let older = WarnErrorOptions::read("{include: [MSV0102]}").expect("it is valid");
        assert_eq!(
            older.treatment("MSV0107", Some("MSV0102")),
            Treatment::Error
        );
        assert_eq!(older.treatment("MSV0101", None), Treatment::Warn);
        assert!(WarnErrorOptions::read("{errors: all}").is_err());
    }
}
