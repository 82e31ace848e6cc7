//! Why a relation was not published, in words for the person who built it.

use std::fmt;
use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::postgres::Error;

/// What hindered a publication. What readers saw before, they still see.
#[derive(Clone, Debug)]
pub enum PublishError {
    /// The server refused a statement; in a view's own query the position is in its text.
    Database(Error),
    /// Another run builds the same target.
    Claimed {
        target: String,
        waited: Duration,
        holder: String,
    },
    /// Readers did not let go in time.
    Busy {
        target: String,
        waited: Duration,
        holders: Vec<String>,
        error: Error,
    },
    /// Something on the target does not fit its new version.
    DependentBroken {
        target: String,
        dependent: String,
        error: Error,
    },
    /// Something on the target can neither be moved nor served by new rows.
    DependentBlocks {
        target: String,
        dependents: Vec<String>,
        /// What about the new version makes new rows impossible.
        reason: String,
    },
    /// A view's query reads the view itself.
    ReadsItself { target: String },
    /// Something that is no relation of rows has the name.
    NameTaken { target: String, holder: String },
}

impl From<Error> for PublishError {
    fn from(error: Error) -> Self {
        PublishError::Database(error)
    }
}

impl PublishError {
    /// The error of the server behind it, if there is one.
    pub fn database_error(&self) -> Option<&Error> {
        match self {
            PublishError::Database(error)
            | PublishError::Busy { error, .. }
            | PublishError::DependentBroken { error, .. } => Some(error),
            PublishError::Claimed { .. }
            | PublishError::DependentBlocks { .. }
            | PublishError::ReadsItself { .. }
            | PublishError::NameTaken { .. } => None,
        }
    }

    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            PublishError::Database(error) => {
                let title = format!("the server refused: {}", error.message);
                let diagnostic = Diagnostic::error("MSV0420", title).note(error.to_string());
                match error.help() {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                }
            }
            PublishError::Claimed {
                target,
                waited,
                holder,
            } => Diagnostic::error(
                "MSV0421",
                format!(
                    "another run is building {target}, for longer than {} s",
                    waited.as_secs()
                ),
            )
            .note(format!("it belongs to {holder}"))
            .help("wait until that run ends, or end it, then build again"),
            PublishError::Busy {
                target,
                waited,
                holders,
                error,
            } => {
                let mut diagnostic = Diagnostic::error(
                    "MSV0422",
                    format!(
                        "{target} was in use for {} s and could not be replaced",
                        waited.as_secs()
                    ),
                )
                .note(error.message.clone());
                for holder in holders {
                    diagnostic = diagnostic.note(format!("in use by {holder}"));
                }
                diagnostic.help("end the statements that read it, then build again")
            }
            PublishError::DependentBroken {
                target,
                dependent,
                error,
            } => Diagnostic::error(
                "MSV0423",
                format!("{dependent} does not compile against the new version of {target}"),
            )
            .note(error.to_string())
            .note("nothing was published: readers see the version from before")
            .help(format!("change or drop the {dependent}, then build again")),
            PublishError::DependentBlocks {
                target,
                dependents,
                reason,
            } => {
                let mut diagnostic =
                    Diagnostic::error("MSV0424", format!("{target} cannot be replaced: {reason}"));
                for dependent in dependents {
                    // The server's own words say on what already.
                    diagnostic = diagnostic.note(match dependent.contains(" depends on ") {
                        true => dependent.clone(),
                        false => format!("{dependent} depends on it"),
                    });
                }
                diagnostic
                    .note("nothing was published: readers see the version from before")
                    .help("drop what depends on it, build again, and create it again")
            }
            PublishError::ReadsItself { target } => {
                Diagnostic::error("MSV0425", format!("the view {target} reads itself"))
                    .help("make it a table, or select from something else")
            }
            PublishError::NameTaken { target, holder } => Diagnostic::error(
                "MSV0426",
                format!("{target} cannot be published: the {holder} has its name"),
            )
            .help(format!(
                "rename or drop the {holder}, or give this another name: {{{{ config(alias='…') }}}}"
            )),
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic().render(false))
    }
}

impl std::error::Error for PublishError {}
