//! Errors: the engine's errors in, diagnostics that point into the analyst's file out.

use std::error::Error as _;

use minijinja::{Error, ErrorKind, Value};

use crate::engine::Sources;
use crate::session::Spot;
use msv_diagnostics::{Diagnostic, closest};

/// What a render leaves behind besides its text.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What the evaluated expression gave.
    pub(crate) kept: Vec<Value>,
    /// What was returned outside of every macro.
    pub(crate) returned: Option<Value>,
    /// The words for the error that was just raised.
    pub(crate) raised: Option<Box<Diagnostic>>,
    /// The error on its way up, with the calls it passed.
    pub(crate) failure: Option<Failure>,
}

impl Outcome {
    /// Notes where an error comes from, or, when that is known, where it passes.
    pub(crate) fn note(&mut self, error: &Error, sources: &Sources) {
        let place = locate(error, sources);
        match &mut self.failure {
            Some(failure) => failure.trace.extend(place),
            None => {
                let raised = self.raised.take();
                self.failure = Some(Failure::new(error, raised, place));
            }
        }
    }
}

/// An error on its way up.
pub(crate) struct Failure {
    kind: ErrorKind,
    detail: String,
    raised: Option<Box<Diagnostic>>,
    /// From the innermost expression to the outermost call.
    pub(crate) trace: Vec<Spot>,
}

/// The error itself: the engine wraps it once for every template it passes.
fn innermost(error: &Error) -> &Error {
    let mut error = error;
    while error.kind() == ErrorKind::BadInclude {
        match error.source().and_then(|source| source.downcast_ref()) {
            Some(source) => error = source,
            None => break,
        }
    }
    error
}

/// The template that an error was raised in.
pub(crate) fn template_of(error: &Error) -> Option<&str> {
    innermost(error).name()
}

/// Where an error was raised.
pub(crate) fn locate(error: &Error, sources: &Sources) -> Option<Spot> {
    let error = innermost(error);
    let record = sources.record(error.name()?)?;
    let range = error.range().unwrap_or(0..0);
    Some((record, range))
}

impl Failure {
    pub(crate) fn new(error: &Error, raised: Option<Box<Diagnostic>>, place: Option<Spot>) -> Self {
        let error = innermost(error);
        Failure {
            kind: error.kind(),
            detail: error.detail().unwrap_or_default().to_owned(),
            raised,
            trace: place.into_iter().collect(),
        }
    }

    /// Writes the diagnostic. `names` are the names that could have been meant.
    pub(crate) fn diagnostic<'n>(self, names: impl Iterator<Item = &'n str>) -> Box<Diagnostic> {
        let excerpt = self.trace.first().map_or("", |(record, range)| {
            record.source.get(range.clone()).unwrap_or_default()
        });
        let mut diagnostic = match self.raised {
            Some(raised) => *raised,
            None => explain(self.kind, &self.detail, excerpt, names),
        };
        // A built-in macro is not the analyst's: show the first line that is, and say which
        // built-in spoke.
        let own = self.trace.iter().position(|(record, _)| !record.is_builtin);
        let shown = own.unwrap_or(0);
        if diagnostic.place.is_none()
            && let Some((record, range)) = self.trace.get(shown)
        {
            diagnostic.place = Some(record.place(range.clone()));
            if shown > 0
                && let Some((builtin, _)) = self.trace.first()
            {
                diagnostic.notes.push(format!(
                    "raised in the built-in macro file `{}`",
                    builtin.file
                ));
            }
        }
        for (record, range) in self.trace.iter().skip(shown + 1) {
            if !record.is_builtin && diagnostic.also.len() < 5 {
                diagnostic = diagnostic.also(record.place(range.clone()), "called here");
            }
        }
        Box::new(diagnostic)
    }
}

/// The first name in an excerpt, such as `foo` of `foo.bar(1)`.
fn first_name(excerpt: &str) -> &str {
    let end = excerpt
        .char_indices()
        .find(|(_, c)| !(c.is_alphanumeric() || *c == '_' || *c == '.'))
        .map_or(excerpt.len(), |(at, _)| at);
    &excerpt[..end]
}

fn explain<'n>(
    kind: ErrorKind,
    detail: &str,
    excerpt: &str,
    names: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let called = first_name(excerpt.trim_start_matches('('));
    match kind {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => {
            Diagnostic::error("MSV0301", format!("the template cannot be read: {detail}"))
        }
        ErrorKind::UnknownFunction => {
            let name = detail.strip_suffix(" is unknown").unwrap_or(called);
            unknown_function(name, names)
        }
        ErrorKind::InvalidOperation
            if detail.contains("undefined is not callable") && !called.is_empty() =>
        {
            unknown_function(called, names)
        }
        ErrorKind::UndefinedError => {
            let parent = called.rsplit_once('.').map_or(called, |(parent, _)| parent);
            let title = if parent.is_empty() {
                "an undefined value is used".to_owned()
            } else {
                format!("`{parent}` is undefined")
            };
            Diagnostic::error("MSV0303", title)
                .help("give it a value, or guard it with `is defined`")
        }
        ErrorKind::UnknownMethod => {
            Diagnostic::error("MSV0303", format!("there is no such method: {detail}"))
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => {
            let what = if kind == ErrorKind::UnknownFilter {
                "filter"
            } else {
                "test"
            };
            let name = detail
                .split(' ')
                .nth(1)
                .unwrap_or_default()
                .trim_matches('_');
            Diagnostic::error("MSV0304", format!("no {what} is named `{name}`"))
        }
        ErrorKind::TooManyArguments | ErrorKind::MissingArgument => {
            let title = if detail.is_empty() {
                kind.to_string()
            } else {
                detail.to_owned()
            };
            Diagnostic::error("MSV0305", format!("the arguments do not fit: {title}"))
        }
        ErrorKind::TemplateNotFound => Diagnostic::error(
            "MSV0301",
            "templates cannot include or import files: call a macro instead",
        ),
        _ if detail.contains("recursion limit") => {
            Diagnostic::error("MSV0308", "the template recurses too deep")
        }
        _ => {
            let title = if detail.is_empty() {
                "the operation does not work on these values".to_owned()
            } else {
                detail.to_owned()
            };
            Diagnostic::error("MSV0307", title)
        }
    }
}

fn unknown_function<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::error("MSV0303", format!("no macro or function is named `{name}`"));
    if let Some(guess) = closest(name, names) {
        diagnostic = diagnostic.help(format!("a macro with a similar name exists: `{guess}`"));
    }
    diagnostic
}
