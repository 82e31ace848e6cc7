//! Words the mistakes that several readers find: unknown keys, wrong types, missing keys.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use crate::node::{Document, Key, Node};
use msv_diagnostics::{Diagnostic, Place, closest};

/// `owner` is what holds the key, with its name: model `orders`.
pub(super) fn unknown_key(
    document: &Document,
    key: &Key,
    owner: &str,
    known: &[&str],
    is_error: bool,
) -> Diagnostic {
    let title = format!("{owner} has no key `{}`", key.name);
    let diagnostic = if is_error {
        Diagnostic::error("MSV0102", title)
    } else {
        Diagnostic::warning("MSV0102", title).event("CustomKeyInObjectDeprecation")
    };
    let diagnostic = diagnostic.at(document.place(&key.span), "unknown key");
    match similar_key(&key.name, known) {
        Some(similar) => diagnostic.help(format!("a key with a similar name exists: `{similar}`")),
        None if known.contains(&"meta") => diagnostic.help(format!(
            "put a key of your own below `meta`: `meta: {{{}: ...}}`",
            key.name
        )),
        None => {
            let mut names = known.to_vec();
            names.sort_unstable();
            names.dedup();
            diagnostic.help(format!("its keys are: {}", listed(&names)))
        }
    }
}

/// Keeps the first of many warnings about one unknown key, and counts the others.
///
/// dbt lets people invent keys; a project that does so everywhere is told once for each.
pub(super) fn fold_repeats(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut first_of: HashMap<String, (usize, usize)> = HashMap::new();
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for diagnostic in found {
        let key = match &diagnostic.place {
            Some(place) if diagnostic.code == "MSV0102" && !diagnostic.is_error() => {
                let owner = diagnostic.title.split('`').next().unwrap_or_default();
                format!("{owner}{}", &place.text[place.span.clone()])
            }
            _ => {
                kept.push(diagnostic);
                continue;
            }
        };
        match first_of.get_mut(&key) {
            Some((_, count)) => *count += 1,
            None => {
                first_of.insert(key, (kept.len(), 0));
                kept.push(diagnostic);
            }
        }
    }
    for (index, count) in first_of.into_values().filter(|(_, count)| *count > 0) {
        let places = if count == 1 { "place" } else { "places" };
        kept[index]
            .notes
            .push(format!("the same key stands in {count} more {places}"));
    }
    kept
}

fn similar_key<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.replace('-', "_").to_lowercase();
    known
        .iter()
        .find(|candidate| plain(candidate) == plain(name))
        .copied()
        .or_else(|| closest(name, known.iter().copied()))
}

/// `owner` says whose value it is, `expected` what is valid: "a list of text".
pub(super) fn wrong_type(
    document: &Document,
    node: &Node,
    owner: &str,
    expected: &str,
) -> Diagnostic {
    let diagnostic = Diagnostic::error("MSV0103", format!("{owner} must be {expected}")).at(
        document.place(&node.span),
        format!("this is {}", node.value.kind()),
    );
    let written = &document.text[node.span.clone()];
    let is_scalar = !written.is_empty() && node.entries().is_empty() && node.elements().is_empty();
    if expected.contains("text") && is_scalar && node.as_str().is_none() && !written.contains('\n')
    {
        return diagnostic.help(format!("put it in quotes: \"{written}\""));
    }
    diagnostic
}

pub(super) fn not_one_of(
    document: &Document,
    span: &Range<usize>,
    owner: &str,
    given: &str,
    valid: &[&str],
) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "MSV0103",
        format!("{owner} must be one of {}", listed(valid)),
    )
    .at(document.place(span), "");
    match closest(given, valid.iter().copied()) {
        Some(similar) => diagnostic.help(format!("did you mean `{similar}`?")),
        None => diagnostic,
    }
}

pub(super) fn missing_key(
    document: &Document,
    span: &Range<usize>,
    owner: &str,
    key: &str,
    example: &str,
) -> Diagnostic {
    Diagnostic::error("MSV0107", format!("{owner} needs the key `{key}`"))
        .at(first_line(document, span), "")
        .help(format!("add `{key}: {example}`"))
}

/// A whole entry may be long: its first line is enough to find it.
pub(super) fn first_line(document: &Document, span: &Range<usize>) -> Place {
    let text = &document.text[span.clone()];
    let length = text.find('\n').unwrap_or(text.len());
    document.place(&(span.start..span.start + length))
}

pub(super) fn unreadable(file: &str, reason: &std::io::Error) -> Diagnostic {
    let why = match reason.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => reason.to_string(),
    };
    let diagnostic = Diagnostic::error(
        "MSV0108",
        format!("the file `{file}` cannot be read: {why}"),
    );
    if reason.kind() == std::io::ErrorKind::InvalidData {
        return diagnostic.help("save the file with the encoding UTF-8");
    }
    diagnostic
}

/// Names in backticks, with commas.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Reads a text file; a byte order mark at its start is dropped.
pub(super) fn read_text(path: &Path, file: &str) -> Result<String, Diagnostic> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(file, &error))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Puts the mistakes of one file in the order of its lines.
pub(super) fn sort_by_line(found: &mut [Diagnostic]) {
    found.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| place.span.start));
}
