//! dbt's events of warnings: what `--warn-error-options` and readers of the log call them.

use crate::diagnostics::Diagnostic;

use super::event_code;

/// Events that dbt only reports: they become errors with `require_all_warnings_handled_by_warn_error`.
const ONLY_REPORTED: [&str; 3] = [
    "MicrobatchModelNoEventTimeInputs",
    "SemanticValidationFailure",
    "WarnStateTargetEqual",
];

/// A warning as dbt's log and options name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarningEvent {
    pub name: &'static str,
    /// dbt's number: `D024`.
    pub code: &'static str,
}

impl WarningEvent {
    /// The event of a diagnostic; warnings that dbt does not know share one.
    pub fn of(diagnostic: &Diagnostic) -> WarningEvent {
        diagnostic
            .event
            .and_then(WarningEvent::named)
            .unwrap_or(WarningEvent {
                name: "DiagnosticWarning",
                code: "",
            })
    }

    /// The event of this name.
    pub fn named(name: &str) -> Option<WarningEvent> {
        let (name, code) = event_code::known(name)?;
        Some(WarningEvent { name, code })
    }

    /// The names of all events.
    pub fn names() -> impl Iterator<Item = &'static str> {
        event_code::names()
    }

    /// True for what works today and will not in a later version.
    pub fn is_deprecation(self) -> bool {
        self.code.starts_with('D')
    }

    /// True where `--warn-error` alone does not make it an error.
    pub fn is_only_reported(self) -> bool {
        ONLY_REPORTED.contains(&self.name)
    }
}
