//! Diagnostics: what went wrong, where, and what to type next, as plain data.
//!
//! A [`Diagnostic`] is rendered for a terminal by [`render`](Diagnostic::render); artifacts and
//! web pages serialize it. Nothing is printed here.

mod render;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// How grave a diagnostic is. Only an error changes the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// Names a stretch of a file, and holds the file's text so that an excerpt can be shown.
///
/// `span` counts bytes of `text`. `file` is relative to the project folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: Arc<str>,
    pub text: Arc<str>,
    pub span: Range<usize>,
}

impl Place {
    /// Points at `span` of `text`, moved to the nearest character boundaries inside it.
    pub fn new(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>, span: Range<usize>) -> Self {
        let text = text.into();
        let start = floor_boundary(&text, span.start);
        let end = floor_boundary(&text, span.end).max(start);
        Place {
            file: file.into(),
            text,
            span: start..end,
        }
    }

    /// Points at a file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Place {
            file: file.into(),
            text: "".into(),
            span: 0..0,
        }
    }

    /// Line and column where the span starts, both counted from 1, the column in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.text[..self.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let (line, column) = self.line_column();
        let mut out = serializer.serialize_struct("Place", 3)?;
        out.serialize_field("file", &*self.file)?;
        out.serialize_field("line", &line)?;
        out.serialize_field("column", &column)?;
        out.end()
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A second place that explains the first, with its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    pub place: Place,
    pub text: String,
}

/// One mistake: its code (`MSV0201`), title, place, and help.
///
/// The title is lower case without a full stop and names the object and its kind; the help says
/// what to type next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: &'static str,
    pub severity: Severity,
    pub title: String,
    pub place: Option<Place>,
    pub label: String,
    pub also: Vec<Label>,
    pub notes: Vec<String>,
    pub help: Vec<String>,
    /// dbt's name of a warning, as `--warn-error-options` and the log call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'static str>,
}

impl Diagnostic {
    pub fn error(code: &'static str, title: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            title: title.into(),
            place: None,
            label: String::new(),
            also: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            event: None,
        }
    }

    pub fn warning(code: &'static str, title: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Self::error(code, title)
        }
    }

    /// Sets the primary place and the words beside its underline (may be empty).
    #[must_use]
    pub fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.place = Some(place);
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.also.push(Label {
            place,
            text: text.into(),
        });
        self
    }

    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Gives a warning the name dbt knows it by: `DuplicateYAMLKeysDeprecation`.
    #[must_use]
    pub fn event(mut self, name: &'static str) -> Self {
        self.event = Some(name);
        self
    }

    /// dbt's name for the stage in which something failed: `Compilation Error`, ….
    pub fn kind(&self) -> &'static str {
        match self.code.get(3..5) {
            Some("01") if self.is_about_settings() => "Runtime Error",
            Some("01") => "Parsing Error",
            Some("02" | "03") => "Compilation Error",
            // Nothing was sent to the server.
            _ if self.code == "MSV0446" => "Compilation Error",
            Some("04") => "Database Error",
            _ => "Runtime Error",
        }
    }

    /// True for mistakes of the project file, the profile and the command line; what else is read
    /// are properties.
    fn is_about_settings(&self) -> bool {
        let Some(place) = &self.place else {
            return true;
        };
        let name = place.file.rsplit('/').next().unwrap_or_default();
        matches!(
            name,
            "project.yml"
                | "dbt_project.yml"
                | "profiles.yml"
                | "packages.yml"
                | "dependencies.yml"
        )
    }

    /// Title, place, notes and help line by line, without an excerpt: for logs and artifacts.
    pub fn plain_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.title.lines().map(str::to_owned).collect();
        if let Some(place) = &self.place {
            let (line, column) = place.line_column();
            lines.push(match place.text.is_empty() {
                true => format!("--> {}", place.file),
                false => format!("--> {}:{line}:{column}", place.file),
            });
        }
        for (word, texts) in [("note", &self.notes), ("help", &self.help)] {
            for text in texts {
                let mut parts = text.lines();
                lines.extend(parts.next().map(|first| format!("{word}: {first}")));
                lines.extend(parts.map(str::to_owned));
            }
        }
        lines
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// Finds the candidate that `name` was most likely meant to be, or `None` when nothing is near.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *candidate != name)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Counts insertions, deletions, substitutions and swaps of neighbours between two words.
fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1; right.len() + 1];
        for (j, b) in right.iter().enumerate() {
            row[j + 1] = (last[j + 1] + 1)
                .min(row[j] + 1)
                .min(last[j] + usize::from(a != b));
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_letter_is_found_and_a_far_word_is_not() {
        assert_eq!(
            closest("stg_ordrs", ["stg_orders", "stg_trades"]),
            Some("stg_orders")
        );
        assert_eq!(closest("alpha", ["omega"]), None);
    }

    #[test]
    fn an_excerpt_shows_line_label_and_help() {
        let text = "select *\nfrom {{ ref('stg_ordrs') }}\n";
        let shown = Diagnostic::error("MSV0201", "no model, seed or source is named `stg_ordrs`")
            .at(
                Place::new("models/marts/fct_orders.sql", text, 17..33),
                "referenced here",
            )
            .help("a model with a similar name exists: `stg_orders`")
            .render(false);
        let expected = "\
error[MSV0201]: no model, seed or source is named `stg_ordrs`
 --> models/marts/fct_orders.sql:2:9
  |
2 | from {{ ref('stg_ordrs') }}
  |         ^^^^^^^^^^^^^^^^ referenced here
  |
help: a model with a similar name exists: `stg_orders`";
        assert_eq!(shown, expected);
    }
}
