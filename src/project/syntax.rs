//! Says what a YAML syntax error means and how to mend it.
//!
//! The parser's words name its own state; these name the line a person wrote.

use std::ops::Range;
use std::sync::Arc;

use msv_diagnostics::{Diagnostic, Place};

/// Explains the parser's complaint `info` about byte `at`.
pub(super) fn explain(file: &Arc<str>, text: &Arc<str>, at: usize, info: &str) -> Diagnostic {
    let place = |range: Range<usize>| Place::new(file.clone(), text.clone(), range);
    let at = last_written(text, at);
    let line = line_around(text, at);
    let content = &text[line.clone()];
    let error = |title: &str| Diagnostic::error("MSV0101", title);

    if let Some(tab) = leading_tab(text, &line) {
        return error("a tab stands in the indentation")
            .at(place(tab..tab + 1), "a tab")
            .help("indent with spaces: YAML allows no tabs there");
    }
    for range in [line.clone(), line_before(text, line.start)] {
        if let Some(template) = bare_template(text, &range) {
            return error("a value that starts with a template needs quotes")
                .at(place(template), "")
                .help("put the whole value in quotes: `key: \"{{ ... }}\"`");
        }
    }
    if info.contains("mapping values are not allowed") {
        return colon_in_text(text, &line, at).map_or_else(
            || {
                error("a `:` stands where no key can be")
                    .at(place(at..at + 1), "")
                    .help("indent the line as its neighbours are, or put the text in quotes")
            },
            |range| {
                error("a value that holds `: ` needs quotes")
                    .at(place(range), "YAML takes this for a key")
                    .help("put the whole value in quotes, or write it below `|`")
            },
        );
    }
    if info.contains("quoted scalar")
        && (info.contains("end of stream") || info.contains("invalid indentation"))
        || info.contains("document indicator")
    {
        return error("a quoted text is not closed")
            .at(
                place(at..at + 1),
                if content[at - line.start..].starts_with(['"', '\'']) {
                    "opened here"
                } else {
                    "the text runs on to here"
                },
            )
            .help("close it with the same quote; inside '...' a quote is written twice");
    }
    if info.contains("after double-quoted") || is_after_quote(text, at) {
        return error("text goes on after the closing quote")
            .at(place(at..line.end), "")
            .help("quote the whole value; inside '...' a quote is written twice, inside \"...\" as \\\"");
    }
    if info.contains("escape") {
        return error("`\\` starts an escape that YAML does not know")
            .at(place(at..at + 1), "")
            .help("in \"...\" write a backslash as `\\\\`, or use '...'");
    }
    if [
        "flow sequence",
        "flow mapping",
        "bracket",
        "illegal placement of ':'",
    ]
    .iter()
    .any(|words| info.contains(words))
    {
        return error("a bracket is not closed, or a comma is missing before here")
            .at(place(at..at + 1), "")
            .help("close `[` with `]` and `{` with `}`, with commas between the elements");
    }
    if info.contains("recursion limit") {
        return error("values are nested too deeply").at(place(at..at + 1), "");
    }
    if info.contains("anchor") && info.contains("unknown") {
        return error("this alias names no anchor above it")
            .at(place(at..at + 1), "")
            .help("write `&name` before the value that `*name` repeats; a text that starts with `*` needs quotes");
    }
    if content
        .trim_start()
        .starts_with(['@', '`', '%', '*', '&', '!'])
        || info.contains("unexpected character")
    {
        return error("a value cannot start with this character")
            .at(place(at..at + 1), "")
            .help("put the value in quotes");
    }
    if info.contains("block mapping")
        || info.contains("block collection")
        || info.contains("simple key")
        || info.contains("indent")
    {
        let first = at.max(line.start + indentation(content));
        let range = first.min(line.end)..line.end.max(first);
        return error("this line does not fit the lines above it")
            .at(place(range), "neither a key nor a list entry of the same indentation")
            .help("give keys of one level the same indentation, a `:` and a space; list entries start with `- `");
    }
    error(&format!("this is not YAML: {info}")).at(place(at..at + 1), "")
}

/// A list or mapping stands where a key should: most often a template without quotes.
pub(super) fn collection_as_key(file: &Arc<str>, text: &Arc<str>, at: usize) -> Diagnostic {
    let line = line_around(text, at);
    let place = |range| Place::new(file.clone(), text.clone(), range);
    match bare_template(text, &line) {
        Some(template) => Diagnostic::error(
            "MSV0101",
            "a value that starts with a template needs quotes",
        )
        .at(place(template), "")
        .help("put the whole value in quotes: `key: \"{{ ... }}\"`"),
        None => Diagnostic::error("MSV0101", "a key must be text, not a list or a mapping")
            .at(place(at..at + 1), "")
            .help("put the key in quotes"),
    }
}

/// The last byte at or before `at` that is not white space: an error at the file's end is shown
/// where something is written.
fn last_written(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    if text[at..].trim().is_empty() {
        let written = text[..at].trim_end();
        return written
            .char_indices()
            .next_back()
            .map_or(0, |(start, _)| start);
    }
    at
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length);
    start..end
}

fn line_before(text: &str, start: usize) -> Range<usize> {
    match start.checked_sub(1) {
        Some(end) => line_around(text, end),
        None => 0..0,
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn leading_tab(text: &str, line: &Range<usize>) -> Option<usize> {
    let content = &text[line.clone()];
    content[..indentation(content)]
        .find('\t')
        .map(|tab| line.start + tab)
}

/// Finds `{{` or `{%` at the start of an unquoted value.
fn bare_template(text: &str, line: &Range<usize>) -> Option<Range<usize>> {
    let content = &text[line.clone()];
    let trimmed = content.trim_start();
    let mut value = trimmed.strip_prefix("- ").unwrap_or(trimmed).trim_start();
    if !value.starts_with('{')
        && let Some((_, after)) = value.split_once(": ")
    {
        value = after.trim_start();
    }
    if !value.starts_with("{{") && !value.starts_with("{%") {
        return None;
    }
    let start = line.end - value.len();
    Some(start..start + value.trim_end().len())
}

/// The unquoted value on this line that holds the `:` at `at`.
fn colon_in_text(text: &str, line: &Range<usize>, at: usize) -> Option<Range<usize>> {
    let content = &text[line.clone()];
    let (_, after) = content.split_once(": ")?;
    let value = after.trim_start();
    let start = line.end - value.len();
    (at > start && !value.starts_with(['"', '\''])).then(|| start..start + value.trim_end().len())
}

fn is_after_quote(text: &str, at: usize) -> bool {
    let line = line_around(text, at);
    let before = text[line.start..at].trim_end();
    let value = before
        .rsplit(": ")
        .next()
        .unwrap_or(before)
        .trim_start_matches("- ")
        .trim_start();
    value.len() > 1
        && (value.starts_with('\'') && value.ends_with('\'')
            || value.starts_with('"') && value.ends_with('"'))
}

#[cfg(test)]
mod tests {
    use crate::yaml::parse;

    #[test]
    fn syntax_errors_say_what_to_type() {
        let cases = [
            (
                "models:\n\t- name: a\n",
                "\
error[MSV0101]: a tab stands in the indentation
 --> s.yml:2:1
  |
2 |     - name: a
  | ^^^^ a tab
  |
help: indent with spaces: YAML allows no tabs there",
            ),
            (
                "a:\n  - name: x\n    description: {{ doc('x') }}\n",
                "\
error[MSV0101]: a value that starts with a template needs quotes
 --> s.yml:3:18
  |
3 |     description: {{ doc('x') }}
  |                  ^^^^^^^^^^^^^^
  |
help: put the whole value in quotes: `key: \"{{ ... }}\"`",
            ),
            (
                "a:\n  description: one: two\n",
                "\
error[MSV0101]: a value that holds `: ` needs quotes
 --> s.yml:2:16
  |
2 |   description: one: two
  |                ^^^^^^^^ YAML takes this for a key
  |
help: put the whole value in quotes, or write it below `|`",
            ),
            (
                "a: 'open\nb: 2\n",
                "\
error[MSV0101]: a quoted text is not closed
 --> s.yml:1:4
  |
1 | a: 'open
  |    ^ opened here
  |
help: close it with the same quote; inside '...' a quote is written twice",
            ),
            (
                "models:\n  - name: a\n   columns: []\n",
                "\
error[MSV0101]: this line does not fit the lines above it
 --> s.yml:3:4
  |
3 |    columns: []
  |    ^^^^^^^^^^^ neither a key nor a list entry of the same indentation
  |
help: give keys of one level the same indentation, a `:` and a space; list entries start with `- `",
            ),
            (
                "a: [1, 2\nb: 3\n",
                "\
error[MSV0101]: a bracket is not closed, or a comma is missing before here
 --> s.yml:2:2
  |
2 | b: 3
  |  ^
  |
help: close `[` with `]` and `{` with `}`, with commas between the elements",
            ),
            (
                "a: 'x' y\n",
                "\
error[MSV0101]: text goes on after the closing quote
 --> s.yml:1:8
  |
1 | a: 'x' y
  |        ^
  |
help: quote the whole value; inside '...' a quote is written twice, inside \"...\" as \\\"",
            ),
            (
                "a: @x\n",
                "\
error[MSV0101]: a value cannot start with this character
 --> s.yml:1:4
  |
1 | a: @x
  |    ^
  |
help: put the value in quotes",
            ),
        ];
        for (text, expected) in cases {
            let shown = match parse("s.yml", text) {
                Ok(document) => format!("accepted: {:?}", document.root),
                Err(diagnostic) => diagnostic.render(false),
            };
            assert_eq!(shown, expected);
        }
    }
}
