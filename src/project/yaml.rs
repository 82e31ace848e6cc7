//! Reads and writes YAML: text in, a tree with places out. The one file that names YAML crates.
//!
//! The tree itself is built in [`crate::tree`]; what a syntax error means is said in
//! [`crate::syntax`]; what the values are for is left to the readers of project, profiles
//! and properties.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value as Json;

use crate::dates::{Dates, dates_in};
use crate::node::{Document, Value};
use crate::tree::Builder;
use crate::{lenient, scalar, syntax};
use msv_diagnostics::Diagnostic;

/// Reads one YAML document.
///
/// # Errors
///
/// MSV0101 for the first place that is not YAML.
pub fn parse(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Result<Document, Diagnostic> {
    let file = file.into();
    let text = text.into();
    let offsets = Offsets::new(&text);
    let mut mended: Option<Vec<char>> = None;
    loop {
        let source: Cow<str> = match &mended {
            Some(letters) => letters.iter().collect::<String>().into(),
            None => Cow::Borrowed(&*text),
        };
        let mut builder = Builder::new(&file, &text);
        let mut read_to = 0;
        match feed(&source, &offsets, &mut builder, &mut read_to) {
            Ok(()) => {
                let (root, warnings) = builder.finish();
                return Ok(Document {
                    file,
                    text,
                    root,
                    warnings,
                });
            }
            Err(Refusal::Meaning(diagnostic)) => return Err(*diagnostic),
            Err(Refusal::Syntax(error)) => {
                let at = error.marker().index();
                let letters = mended.unwrap_or_else(|| text.chars().collect());
                mended = lenient::mend(&letters, read_to, at);
                if mended.is_none() {
                    return Err(syntax::explain(
                        &file,
                        &text,
                        offsets.byte(at),
                        error.info(),
                    ));
                }
            }
        }
    }
}

/// Why a text was refused.
enum Refusal {
    Syntax(ScanError),
    Meaning(Box<Diagnostic>),
}

impl From<Diagnostic> for Refusal {
    fn from(diagnostic: Diagnostic) -> Self {
        Refusal::Meaning(Box::new(diagnostic))
    }
}

/// Hands the parser's events to `builder`; `read_to` follows the character they reach.
fn feed(
    source: &str,
    offsets: &Offsets,
    builder: &mut Builder,
    read_to: &mut usize,
) -> Result<(), Refusal> {
    let mut parser = Parser::new_from_str(source);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(Refusal::Syntax)?;
        let range = offsets.range(span);
        // Inside brackets the place to mend is the outermost one.
        if !builder.is_in_brackets() {
            *read_to = span.start.index();
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag_name(tag.as_deref());
                let is_plain = style == ScalarStyle::Plain;
                let text = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => offsets.clip(&text, &range),
                    _ => &text,
                };
                builder.scalar(text, is_plain, anchor, tag, range)?;
            }
            Event::SequenceStart(anchor, tag) => {
                builder.start_list(anchor, tag_name(tag.as_deref()), range)?;
            }
            Event::MappingStart(anchor, tag) => {
                builder.start_map(anchor, tag_name(tag.as_deref()), range)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(range)?,
            Event::Alias(anchor) => builder.alias(anchor, range)?,
            Event::DocumentStart(_) => builder.document(range)?,
            _ => {}
        }
    }
    Ok(())
}

/// A tag as people write it: `!!int` for YAML's own, `!name` for others, `!` alone for none.
fn tag_name(tag: Option<&Tag>) -> Option<String> {
    let tag = tag?;
    Some(match tag.is_yaml_core_schema() {
        true => format!("!!{}", tag.suffix),
        false => format!("{}{}", tag.handle, tag.suffix),
    })
}

/// Reads YAML that stands in no file, such as `--vars` or the argument of `fromyaml`.
///
/// # Errors
///
/// One sentence with line and column.
pub fn from_str_value(text: &str) -> Result<Json, String> {
    match parse("", text) {
        Ok(document) => Ok(document.root.to_json()),
        Err(diagnostic) => Err(match &diagnostic.place {
            Some(place) => {
                let (line, column) = place.line_column();
                format!("line {line}, column {column}: {}", diagnostic.title)
            }
            None => diagnostic.title,
        }),
    }
}

/// The same, with the places of its dates.
///
/// # Errors
///
/// As [`from_str_value`].
pub fn from_str_dated(text: &str) -> Result<(Json, Dates), String> {
    let json = from_str_value(text)?;
    let dates = parse("", text).map(|document| dates_in(&document.root, text));
    Ok((json, dates.unwrap_or_default()))
}

/// Writes a value as YAML in block style, keys in their order, so that [`from_str_value`] and
/// PyYAML read the same value back.
pub fn to_yaml(value: &Json) -> String {
    let mut out = String::new();
    write_value(&mut out, value, 0);
    out.push('\n');
    out
}

/// Writes a value whose first line has been begun; entries go to lines indented by `level`.
fn write_value(out: &mut String, value: &Json, level: usize) {
    match value {
        Json::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                begin_line(out, index, level);
                out.push_str("- ");
                write_value(out, element, level + 1);
            }
        }
        Json::Object(entries) if !entries.is_empty() => {
            for (index, (key, entry)) in entries.iter().enumerate() {
                begin_line(out, index, level);
                out.push_str(&written_text(key));
                out.push(':');
                match entry {
                    Json::Array(elements) if !elements.is_empty() => {
                        begin_line(out, 1, level);
                        write_value(out, entry, level);
                    }
                    Json::Object(entries) if !entries.is_empty() => {
                        begin_line(out, 1, level + 1);
                        write_value(out, entry, level + 1);
                    }
                    _ => {
                        out.push(' ');
                        write_value(out, entry, level);
                    }
                }
            }
        }
        Json::String(text) => out.push_str(&written_text(text)),
        Json::Number(number) => out.push_str(&written_number(&number.to_string())),
        _ => out.push_str(&value.to_string()),
    }
}

fn begin_line(out: &mut String, index: usize, level: usize) {
    if index > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}

/// Adds the quotes that YAML 1.1 needs to those that serde_yaml, a YAML 1.2 writer, puts.
fn written_text(text: &str) -> String {
    if text.contains(|letter: char| letter.is_control()) {
        return Json::from(text).to_string();
    }
    if !matches!(scalar::resolve(text), Value::String(_)) || matches!(text, "=" | "<<") {
        return format!("'{text}'");
    }
    match serde_yaml::to_string(text) {
        Ok(written) => written.trim_end().to_owned(),
        Err(_) => Json::from(text).to_string(),
    }
}

/// YAML 1.1 takes a number with an exponent for text unless it has a point and a sign.
fn written_number(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else {
        return number.to_owned();
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) {
        ""
    } else {
        "+"
    };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// Turns the parser's positions, counted in characters, into bytes.
struct Offsets {
    /// Byte of each character; `None` where every character is one byte.
    bytes: Option<Vec<usize>>,
    length: usize,
    ends_with_newline: bool,
}

impl Offsets {
    fn new(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Offsets {
            bytes,
            length: text.len(),
            ends_with_newline: text.ends_with('\n'),
        }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.length),
            None => character.min(self.length),
        }
    }

    /// Drops the newline that the parser adds to a block that ends the file without one.
    fn clip<'a>(&self, block: &'a str, range: &Range<usize>) -> &'a str {
        match range.end >= self.length && !self.ends_with_newline {
            true => block.strip_suffix('\n').unwrap_or(block),
            false => block,
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Json {
        match parse("t.yml", text) {
            Ok(document) => document.root.to_json(),
            Err(diagnostic) => panic!("{diagnostic}"),
        }
    }

    fn refusal(text: &str) -> String {
        match parse("models/schema.yml", text) {
            Ok(document) => panic!("accepted: {:?}", document.root),
            Err(diagnostic) => diagnostic.render(false),
        }
    }

    #[test]
    fn values_keep_their_types_and_order() {
        assert_eq!(
            read(
                "b: 1\na: [yes, 'yes', 2.5, null, {c: d}]\nt: |\n  two\n  lines\nf: >-\n  one\n  line\n"
            ),
            json!({"b": 1, "a": [true, "yes", 2.5, null, {"c": "d"}], "t": "two\nlines\n", "f": "one line"})
        );
        assert_eq!(read("a: |\n  x"), json!({"a": "x"}));
        assert_eq!(read("a: >+\n  x\n  y\n\n"), json!({"a": "x y\n\n"}));
        assert_eq!(read(""), Json::Null);
        assert_eq!(read("# only a comment\n"), Json::Null);
        assert_eq!(read("on: !!str 5\n1: x\n"), json!({"on": "5", "1": "x"}));
    }

    #[test]
    fn spans_are_bytes_even_after_letters_of_several_bytes() {
        let text = "ä: é\nkey: value # note\nlist:\n  - x\n  - [1, 2]\n";
        let document = parse("t.yml", text).expect("YAML");
        let shown = |key: &str| &text[document.root.get(key).expect("a key").span.clone()];
        assert_eq!(shown("ä"), "é");
        assert_eq!(shown("key"), "value");
        assert_eq!(shown("list"), "- x\n  - [1, 2]");
        assert_eq!(&text[document.root.entries()[2].0.span.clone()], "list");
    }

    #[test]
    fn merge_keys_come_first_and_own_keys_win() {
        assert_eq!(
            read("a: &a {x: 1, y: 2}\nb:\n  y: 3\n  <<: *a\nc: *a\nd:\n  <<: [*a, {z: 9, x: 0}]\n"),
            json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2},
                   "d": {"x": 1, "y": 2, "z": 9}})
        );
    }

    #[test]
    fn the_last_value_of_a_duplicate_key_counts_and_both_places_are_shown() {
        let text = "models:\n  - name: a\n    description: x\n    description: y\n";
        let document = parse("models/schema.yml", text).expect("YAML");
        assert_eq!(
            document.root.to_json(),
            json!({"models": [{"name": "a", "description": "y"}]})
        );
        assert_eq!(
            document.warnings[0].render(false),
            "\
warning[MSV0109]: the key `description` is given twice
 --> models/schema.yml:4:5
  |
3 |     description: x
  |     ----------- first given here
4 |     description: y
  |     ^^^^^^^^^^^ given again here: this value counts
  |
help: keep one of the two, or join their values under one key"
        );
    }

    #[test]
    fn aliases_that_explode_and_deep_nesting_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let before = level - 1;
            let alias = format!("*a{before}, ").repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
        }
        assert!(refusal(&bomb).contains("aliases copy more than 500000 values"));
        assert!(refusal(&"[".repeat(250)).contains("more than 200 levels deep"));
        assert!(refusal(&"[".repeat(100_000)).contains("MSV0101"));
    }

    #[test]
    fn two_documents_and_foreign_tags_are_refused() {
        assert!(refusal("a: 1\n---\nb: 2\n").contains("more than one YAML document"));
        assert!(refusal("a: !secret x\n").contains("the YAML tag `!secret` has no meaning here"));
    }

    #[test]
    fn a_time_of_day_without_quotes_is_warned_of() {
        let document = parse("t.yml", "at: 10:30:00\n").expect("YAML");
        assert_eq!(document.root.to_json(), json!({"at": 37800}));
        assert_eq!(
            document.warnings[0].render(false),
            "\
warning[MSV0112]: `10:30:00` is read as the number 37800
 --> t.yml:1:5
  |
1 | at: 10:30:00
  |     ^^^^^^^^ counted in sixties
  |
help: to keep it as text, put it in quotes: \"10:30:00\""
        );
    }

    #[test]
    fn yaml_is_written_so_that_it_reads_back() {
        let value = json!({"b": ["yes", 1, null, [], [[1], {"x": {"y": [2]}}]], "e": {},
            "a": {"text": "two\nlines", "at": "10:30", "empty": "", "hash": "a # b", "colon": "a: b",
                  "quote": "it's", "jinja": "{{ x }}", "date": "2024-01-01", "big": 1e30, "1": -2.5e-9},
            "no": "08", "tilde": "~", "dash": "- a", "space": " a "});
        let written = to_yaml(&value);
        assert!(
            written.starts_with("b:\n- 'yes'\n- 1\n- null\n- []\n- - - 1\n  - x:\n"),
            "{written}"
        );
        assert_eq!(from_str_value(&written).expect("YAML"), value, "{written}");
    }
}
