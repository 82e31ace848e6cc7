//! `--add-package`: writes a wish into the packages file; everything else in it stays as it is.

use std::path::Path;

use crate::diagnostics::Diagnostic;
use crate::project::{Node, yaml};
use serde_json::{Map, Value as Json, json};

/// What the command line asks to be added.
pub(super) struct Addition<'a> {
    pub(super) name: &'a str,
    /// Commas part bounds.
    pub(super) version: Option<&'a str>,
    /// `hub`, `git` or `local`.
    pub(super) source: &'a str,
}

/// Adds the package to `file`, in place of an entry for the same package.
pub(super) fn add(dir: &Path, file: &str, addition: &Addition) -> Result<String, Vec<Diagnostic>> {
    let path = dir.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let document = yaml::parse(file, text.clone()).map_err(|error| vec![error])?;
    let list = document.root.get("packages");
    let entries = list.map_or(&[][..], Node::elements);
    let is_flow = list.is_some_and(|list| text[list.span.clone()].starts_with('['));
    let indent = entries.first().filter(|_| !is_flow).map_or(2, |entry| {
        let before = &text[..entry.span.start];
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        before[line..].find('-').unwrap_or(2)
    });
    let lines = lines_of(addition, indent);
    let changed = match list {
        Some(list) if is_flow || entries.is_empty() => {
            let mut kept: Vec<Json> = entries.iter().map(Node::to_json).collect();
            kept.retain(|entry| !is_same(entry, addition.name));
            let mut written = String::new();
            for entry in kept {
                written.push_str(&block(&entry, indent));
            }
            let head = text[..list.span.start].trim_end();
            let tail = &text[list.span.end.max(list.span.start)..];
            format!(
                "{head}\n{written}{lines}{}",
                tail.trim_start_matches([' ', '\n'])
            )
        }
        Some(list) => {
            let mut text = text.clone();
            let at = end_of_line(&text, list.span.end);
            if !text[..at].ends_with('\n') {
                text.insert(at, '\n');
            }
            let at = end_of_line(&text, list.span.end);
            text.insert_str(at, &lines);
            for entry in entries.iter().rev() {
                if is_same(&entry.to_json(), addition.name) {
                    let start = text[..entry.span.start].rfind('\n').map_or(0, |at| at + 1);
                    text.replace_range(start..end_of_line(&text, entry.span.end), "");
                }
            }
            text
        }
        None => {
            let mut text = text.clone();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            format!("{text}packages:\n{lines}")
        }
    };
    std::fs::write(&path, changed).map_err(|error| {
        vec![
            Diagnostic::error("MSV0166", format!("`{file}` cannot be written"))
                .note(error.to_string()),
        ]
    })?;
    Ok(format!("added `{}` to `{file}`", addition.name))
}

/// Just behind the line that holds the byte before `at`.
fn end_of_line(text: &str, at: usize) -> usize {
    let from = at.max(1) - 1;
    text[from..]
        .find('\n')
        .map_or(text.len(), |newline| from + newline + 1)
}

fn lines_of(addition: &Addition, indent: usize) -> String {
    let (key, version_key) = match addition.source {
        "hub" => ("package", "version"),
        "git" => ("git", "revision"),
        other => (other, "version"),
    };
    let mut entry = json!({key: addition.name});
    if let Some(version) = addition.version.filter(|_| addition.source != "local") {
        entry[version_key] = match version.split(',').collect::<Vec<_>>().as_slice() {
            [one] => json!(one),
            many => json!(many),
        };
    }
    block(&entry, indent)
}

/// One entry of a list, indented.
fn block(entry: &Json, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut out = String::new();
    let entries = entry.as_object().cloned().unwrap_or_default();
    let mut mark = "- ";
    for (key, value) in entries {
        let written = match &value {
            Json::Array(_) => format!("{key}: {value}\n"),
            _ => yaml::to_yaml(&Json::Object(Map::from_iter([(key, value)]))),
        };
        out.push_str(&format!("{pad}{mark}{written}"));
        mark = "  ";
    }
    out
}

/// True for an entry of the same package, from whichever source: `dbt-utils.git` is `dbt_utils`.
fn is_same(entry: &Json, name: &str) -> bool {
    let last = |text: &str| {
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix(".git").unwrap_or(text);
        text.rsplit('/').next().unwrap_or(text).replace('-', "_")
    };
    ["package", "git", "local", "tarball"]
        .iter()
        .filter_map(|key| entry.get(key).and_then(Json::as_str))
        .any(|present| last(present) == last(name))
}
