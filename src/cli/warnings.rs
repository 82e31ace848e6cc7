//! Which warnings are errors, which are shown and which are not: `--warn-error`,
//! `--warn-error-options` and `--show-all-deprecations`.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, Severity, closest};
use crate::project::yaml;
use crate::report::warning_event::WarningEvent;

use super::arguments::{GlobalArgs, environment, switch};
use super::deprecations;
use super::voice::voice;

/// How the warnings of this process are treated, and which deprecations it met.
#[derive(Default)]
struct Warnings {
    options: WarnErrorOptions,
    shows_all: bool,
    /// Occurrences of each deprecation, in the order they were met.
    deprecations: Mutex<IndexMap<&'static str, Occurrences>>,
    /// What templates warned of while they were parsed.
    said: Mutex<HashSet<String>>,
}

#[derive(Clone, Copy, Default)]
struct Occurrences {
    count: usize,
    is_one_hidden: bool,
}

/// Warnings about what may be a slip of the pen: each is shown, although dbt counts them among
/// its deprecations.
const ALWAYS_SHOWN: [&str; 4] = [
    "CustomKeyInConfigDeprecation",
    "CustomKeyInObjectDeprecation",
    "CustomTopLevelKeyDeprecation",
    "DuplicateYAMLKeysDeprecation",
];

static WARNINGS: OnceLock<Warnings> = OnceLock::new();

/// `{error: all, warn: [...], silence: [...]}`, with dbt's older words `include` and `exclude`.
#[derive(Debug, Default, PartialEq, Eq)]
struct WarnErrorOptions {
    all_are_errors: bool,
    /// Also what dbt only reports becomes an error.
    handles_all: bool,
    errors: Vec<String>,
    warnings: Vec<String>,
    silent: Vec<String>,
    older_words: Vec<&'static str>,
}

/// dbt's word for all deprecations together.
const DEPRECATIONS: &str = "Deprecations";

impl WarnErrorOptions {
    fn read(text: &str) -> Result<WarnErrorOptions, String> {
        let Json::Object(entries) = yaml::from_str_value(text)? else {
            return Err("it is not a mapping".to_owned());
        };
        let mut options = WarnErrorOptions::default();
        for (older, newer) in [("include", "error"), ("exclude", "warn")] {
            if entries.contains_key(older) {
                options.older_words.push(older);
            }
            if entries.contains_key(older) && entries.contains_key(newer) {
                return Err(format!(
                    "`{older}` is the former name of `{newer}`: keep one"
                ));
            }
        }
        for (key, value) in &entries {
            let names = names(key, value)?;
            let is_all = |name: &String| name == "all" || name == "*";
            match key.as_str() {
                "error" | "include" => {
                    options.all_are_errors = names.iter().any(is_all);
                    options.errors = names.into_iter().filter(|name| !is_all(name)).collect();
                }
                "warn" | "exclude" => options.warnings = names,
                "silence" => options.silent = names,
                other => return Err(format!("`{other}` is none of error, warn and silence")),
            }
        }
        let has_all = |names: &[String]| names.iter().any(|name| name == DEPRECATIONS);
        let leaves_something = options.all_are_errors || has_all(&options.errors);
        if !options.warnings.is_empty() && !leaves_something && !has_all(&options.silent) {
            return Err(
                "`warn` says what is no error although `error` is `all`, or holds `Deprecations`"
                    .to_owned(),
            );
        }
        Ok(options)
    }

    /// Named beats all deprecations, they beat `all`; silence beats warn, and warn beats error.
    fn treatment(&self, event: WarningEvent, code: &str) -> Treatment {
        let has = |names: &[String], wanted: &str| names.iter().any(|name| name == wanted);
        let is_named = |names: &[String]| has(names, event.name) || has(names, code);
        let is_meant = |names: &[String]| event.is_deprecation() && has(names, DEPRECATIONS);
        let lists = [
            (&self.silent, Treatment::Silence),
            (&self.warnings, Treatment::Warn),
            (&self.errors, Treatment::Error),
        ];
        let named = lists.iter().find(|(names, _)| is_named(names));
        let meant = || lists.iter().find(|(names, _)| is_meant(names));
        if let Some((_, treatment)) = named.or_else(meant) {
            return *treatment;
        }
        match self.all_are_errors && (self.handles_all || !event.is_only_reported()) {
            true => Treatment::Error,
            false => Treatment::Warn,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Silence,
    Warn,
    Error,
}

/// Names of dbt's events or codes of msv.
fn names(key: &str, value: &Json) -> Result<Vec<String>, String> {
    let names = match value {
        Json::Null => Vec::new(),
        Json::String(name) => vec![name.clone()],
        Json::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("`{key}` holds something that is no name"))?,
        _ => return Err(format!("`{key}` is neither `all` nor a list of names")),
    };
    for name in &names {
        let is_known = matches!(name.as_str(), "all" | "*" | DEPRECATIONS)
            || name.starts_with("MSV")
            || WarningEvent::named(name).is_some();
        if is_known {
            continue;
        }
        // dbt's list also holds events that are no warnings: what resembles none may be one.
        if let Some(similar) = closest(name, WarningEvent::names()) {
            return Err(format!(
                "no warning is named `{name}`: did you mean `{similar}`?"
            ));
        }
    }
    Ok(names)
}

/// Reads the options of this process.
///
/// # Errors
///
/// Options that cannot be read.
pub(super) fn start(global: &GlobalArgs) -> Result<(), Diagnostic> {
    let text = global
        .warn_error_options
        .clone()
        .or_else(|| environment("WARN_ERROR_OPTIONS"));
    let mut options = match text {
        Some(text) => WarnErrorOptions::read(&text).map_err(|reason| {
            Diagnostic::error(
                "MSV0136",
                format!("`warn_error_options` cannot be read: {reason}"),
            )
            .help("write it so: '{error: [NAME], warn: [NAME], silence: [NAME]}', or `error: all`")
        })?,
        None => WarnErrorOptions::default(),
    };
    options.all_are_errors |= switch(global.warn_error, global.no_warn_error, "WARN_ERROR", false);
    options.handles_all = switch(
        false,
        false,
        "REQUIRE_ALL_WARNINGS_HANDLED_BY_WARN_ERROR",
        false,
    );
    let _ = WARNINGS.set(Warnings {
        options,
        shows_all: switch(
            global.show_all_deprecations,
            global.no_show_all_deprecations,
            "SHOW_ALL_DEPRECATIONS",
            false,
        ),
        deprecations: Mutex::default(),
        said: Mutex::default(),
    });
    Ok(())
}

fn warnings() -> &'static Warnings {
    WARNINGS.get_or_init(Warnings::default)
}

/// True where a template gave this warning already while it was parsed.
pub(super) fn was_said(text: &str) -> bool {
    let said = warnings().said.lock();
    said.unwrap_or_else(PoisonError::into_inner).contains(text)
}

/// What becomes of the warnings of this name.
pub(super) fn treatment_of(event: &str) -> Treatment {
    let Some(event) = WarningEvent::named(event) else {
        return Treatment::Warn;
    };
    warnings().options.treatment(event, "")
}

/// The warnings that are to be shown: of each deprecation the first, unless all are asked for.
///
/// # Errors
///
/// The warnings that are errors here, with the others.
pub(super) fn settle(found: Vec<Diagnostic>) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let state = warnings();
    let mut has_error = false;
    let mut settled = Vec::with_capacity(found.len());
    for mut warning in found {
        let event = WarningEvent::of(&warning);
        match state.options.treatment(event, warning.code) {
            Treatment::Silence => continue,
            Treatment::Warn => {}
            Treatment::Error => {
                warning.severity = Severity::Error;
                has_error = true;
            }
        }
        if event.name == "JinjaLogWarning" {
            let mut said = state.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.insert(warning.title.clone());
        }
        if state.is_shown(event) {
            settled.push(warning);
        }
    }
    if has_error { Err(settled) } else { Ok(settled) }
}

impl Warnings {
    /// Counts a deprecation, and tells whether it is the one to be shown; other warnings all are.
    fn is_shown(&self, event: WarningEvent) -> bool {
        if !event.is_deprecation() {
            return true;
        }
        let mut met = self
            .deprecations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let occurrences = met.entry(event.name).or_default();
        occurrences.count += 1;
        let is_shown =
            occurrences.count == 1 || self.shows_all || ALWAYS_SHOWN.contains(&event.name);
        occurrences.is_one_hidden |= !is_shown;
        is_shown
    }
}

/// Warns about how the command was typed.
///
/// # Errors
///
/// A warning that is an error.
pub(super) fn about_the_command_line() -> Result<(), Vec<Diagnostic>> {
    deprecations::check(&warnings().options.older_words)
}

/// Shows a warning of the command line or of a command.
///
/// # Errors
///
/// The warning, where it is an error.
pub(super) fn warn(warning: Diagnostic) -> Result<(), Vec<Diagnostic>> {
    for warning in settle(vec![warning])? {
        voice().diagnostic(&warning);
    }
    Ok(())
}

/// A command that was given no node to work on.
pub(super) fn nothing_to_do() -> Diagnostic {
    Diagnostic::warning(
        "MSV0154",
        "Nothing to do. Try checking your model configs and model specification args",
    )
    .event("NothingToDo")
}

/// Says at the end of a command which deprecations it met, and how often.
pub(super) fn summarize() {
    let state = warnings();
    let met = state
        .deprecations
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let summary = WarningEvent::named("DeprecationsSummary");
    let is_silent = summary
        .is_some_and(|event| state.options.treatment(event, "MSV0152") == Treatment::Silence);
    let is_one_hidden = met.values().any(|occurrences| occurrences.is_one_hidden);
    // On a screen it would only say again what stands above it.
    if met.is_empty() || is_silent || (voice().is_text() && !is_one_hidden) {
        return;
    }
    let mut diagnostic = Diagnostic::warning("MSV0152", "Summary of encountered deprecations:")
        .event("DeprecationsSummary");
    for (name, Occurrences { count, .. }) in &met {
        let plural = if *count == 1 { "" } else { "s" };
        diagnostic = diagnostic.note(format!("{name}: {count} occurrence{plural}"));
    }
    if is_one_hidden {
        diagnostic = diagnostic.help("add `--show-all-deprecations` to see every occurrence");
    }
    voice().diagnostic(&diagnostic);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treatment(options: &WarnErrorOptions, name: &str) -> Treatment {
        let event = WarningEvent::named(name).expect("it is an event");
        options.treatment(event, "MSV0102")
    }

    #[test]
    fn the_narrower_name_wins_and_then_the_milder_treatment() {
        let read = |text| WarnErrorOptions::read(text).expect("it is valid");
        let options =
            read("{error: all, warn: [NothingToDo], silence: [NothingToDo, UnusedTables]}");
        assert_eq!(treatment(&options, "NothingToDo"), Treatment::Silence);
        assert_eq!(treatment(&options, "UnusedTables"), Treatment::Silence);
        assert_eq!(treatment(&options, "DepsUnpinned"), Treatment::Error);
        assert_eq!(treatment(&options, "WarnStateTargetEqual"), Treatment::Warn);
        let options = read("{error: [ExposureNameDeprecation], silence: [Deprecations]}");
        assert_eq!(
            treatment(&options, "ExposureNameDeprecation"),
            Treatment::Error
        );
        assert_eq!(
            treatment(&options, "SourceOverrideDeprecation"),
            Treatment::Silence
        );
        assert_eq!(treatment(&options, "UnusedTables"), Treatment::Warn);
        let options = read("{include: [Deprecations], exclude: [MSV0102]}");
        assert_eq!(
            treatment(&options, "SourceOverrideDeprecation"),
            Treatment::Warn
        );
        assert_eq!(options.older_words, ["include", "exclude"]);
    }

    #[test]
    fn options_that_mean_nothing_are_refused() {
        for text in [
            "{errors: all}",
            "{error: [NothingTodo]}",
            "{warn: [NothingToDo]}",
            "{error: all, include: all}",
            "[all]",
        ] {
            assert!(WarnErrorOptions::read(text).is_err(), "{text}");
        }
    }
}
