//! Reads and writes YAML: text in, a tree with places out. The one file that names YAML crates.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved here, duplicate keys are refused, and what
//! a syntax error means is said in words a person can act on. What the values are for is left to
//! the readers of project, profiles and properties.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, Place};
use crate::project::node::{Document, Key, Node, Value};
use crate::project::{scalar, syntax};

/// Collections inside collections: more than this is a mistake, and would exhaust the stack.
const MAX_DEPTH: usize = 200;

/// Aliases are copied; a file that grows beyond this many values by copying is refused.
const MAX_NODES: usize = 5_000_000;

/// Reads one YAML document.
///
/// # Errors
///
/// MSV0101 for the first place that is not YAML, MSV0109 for a key that a map holds twice.
pub fn parse(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Result<Document, Diagnostic> {
    let file = file.into();
    let text = text.into();
    let mut builder = Builder {
        file: &file,
        text: &text,
        offsets: Offsets::new(&text),
        frames: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        node_count: 0,
        warnings: Vec::new(),
    };
    builder.run()?;
    let root = builder.root.take().unwrap_or(Node {
        span: 0..0,
        value: Value::Null,
    });
    let warnings = builder.warnings;
    Ok(Document {
        file,
        text,
        root,
        warnings,
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
}

impl Offsets {
    fn new(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Offsets {
            bytes,
            length: text.len(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.length),
            None => character.min(self.length),
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index())
    }
}

/// A collection whose end has not been read.
struct Frame {
    start: usize,
    anchor: usize,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// Values of `<<` keys.
        merges: Vec<Node>,
        pending: Option<PendingKey>,
    },
}

struct PendingKey {
    key: Key,
    is_merge: bool,
}

struct Builder<'a> {
    file: &'a Arc<str>,
    text: &'a Arc<str>,
    offsets: Offsets,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    node_count: usize,
    warnings: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Diagnostic> {
        let text = Arc::clone(self.text);
        let mut parser = Parser::new_from_str(&text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.scan_error(&error))?;
            let range = self.offsets.range(span);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, anchor, tag.as_deref(), range)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.open(Body::List(Vec::new()), anchor, tag.as_deref(), range)?;
                }
                Event::MappingStart(anchor, tag) => {
                    let body = Body::Map {
                        entries: Vec::new(),
                        merges: Vec::new(),
                        pending: None,
                    };
                    self.open(body, anchor, tag.as_deref(), range)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(range)?,
                Event::Alias(anchor) => self.alias(anchor, range)?,
                Event::DocumentStart(_) if self.root.is_some() => {
                    return Err(self
                        .error("this file holds more than one YAML document", range)
                        .help("keep one document a file: remove the line `---`"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn error(&self, title: &str, range: Range<usize>) -> Diagnostic {
        Diagnostic::error("MSV0101", title).at(self.place(range), "")
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place::new(self.file.clone(), self.text.clone(), range)
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let at = self.offsets.byte(error.marker().index());
        syntax::explain(self.file, self.text, at, error.info())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
        let is_plain = style == ScalarStyle::Plain;
        if let Some(Frame {
            body: Body::Map { pending, .. },
            ..
        }) = self.frames.last_mut()
            && pending.is_none()
        {
            *pending = Some(PendingKey {
                is_merge: is_plain && text == "<<",
                key: Key {
                    name: text.to_owned(),
                    span: range.clone(),
                },
            });
            if anchor != 0 {
                let value = Value::String(text.to_owned());
                self.anchors.insert(anchor, Node { span: range, value });
            }
            return Ok(());
        }
        let value = match tag.map(core_tag) {
            None | Some(Some("")) if is_plain => {
                if scalar::is_sexagesimal(text) {
                    self.warn_of_sixties(text, &range);
                }
                scalar::resolve(text)
            }
            None | Some(Some("" | "str" | "binary" | "timestamp")) => {
                Value::String(text.to_owned())
            }
            Some(Some(kind @ ("int" | "float" | "bool" | "null"))) => tagged(kind, text)
                .ok_or_else(|| {
                    self.error(
                        &format!("`{text}` does not fit its tag `!!{kind}`"),
                        range.clone(),
                    )
                })?,
            Some(_) => return Err(self.unknown_tag(tag, range)),
        };
        self.add(Node { span: range, value }, anchor)
    }

    fn warn_of_sixties(&mut self, text: &str, range: &Range<usize>) {
        let shown = match scalar::resolve(text) {
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            _ => return,
        };
        self.warnings.push(
            Diagnostic::warning("MSV0112", format!("`{text}` is read as the number {shown}"))
                .at(self.place(range.clone()), "counted in sixties")
                .help(format!("to keep it as text, put it in quotes: \"{text}\"")),
        );
    }

    fn unknown_tag(&self, tag: Option<&Tag>, range: Range<usize>) -> Diagnostic {
        let shown = tag.map_or_else(String::new, |tag| format!("{}{}", tag.handle, tag.suffix));
        self.error(
            &format!("the YAML tag `{shown}` has no meaning here"),
            range,
        )
        .help("remove the tag, or put the whole value in quotes")
    }

    fn open(
        &mut self,
        body: Body,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
        if let Some(Frame {
            body: Body::Map { pending: None, .. },
            ..
        }) = self.frames.last()
        {
            return Err(syntax::collection_as_key(self.file, self.text, range.start));
        }
        if !matches!(
            tag.map(core_tag),
            None | Some(Some("" | "map" | "seq" | "set" | "omap"))
        ) {
            return Err(self.unknown_tag(tag, range));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(self.error(
                &format!("values are nested more than {MAX_DEPTH} levels deep"),
                range,
            ));
        }
        self.frames.push(Frame {
            start: range.start,
            anchor,
            body,
        });
        Ok(())
    }

    fn close(&mut self, range: Range<usize>) -> Result<(), Diagnostic> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let (value, last_end) = match frame.body {
            Body::List(elements) => {
                let end = elements.last().map_or(frame.start, |node| node.span.end);
                (Value::List(elements), end)
            }
            Body::Map {
                entries, merges, ..
            } => {
                let end = entries
                    .iter()
                    .map(|(key, node)| key.span.end.max(node.span.end))
                    .max()
                    .unwrap_or(frame.start);
                self.refuse_duplicates(&entries)?;
                (Value::Map(self.merge(entries, merges)?), end)
            }
        };
        // A block collection ends where its last value does; a flow one at its bracket.
        let end = if range.is_empty() {
            last_end
        } else {
            range.end
        };
        let span = frame.start..end.max(frame.start);
        self.add(Node { span, value }, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), Diagnostic> {
        let Some(target) = self.anchors.get(&anchor).cloned() else {
            return Err(self.error("this alias stands inside the value it names", range));
        };
        self.node_count += count(&target);
        if let (
            Some(text),
            Some(Frame {
                body: Body::Map { pending, .. },
                ..
            }),
        ) = (target.as_str(), self.frames.last_mut())
            && pending.is_none()
        {
            *pending = Some(PendingKey {
                is_merge: false,
                key: Key {
                    name: text.to_owned(),
                    span: range,
                },
            });
            return Ok(());
        }
        self.add(target, 0)
    }

    /// Puts a finished value where it belongs: into its list, under its key, or at the root.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.node_count += 1;
        if self.node_count > MAX_NODES {
            return Err(self.error(
                &format!("aliases make this file larger than {MAX_NODES} values"),
                node.span,
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut().map(|frame| &mut frame.body) {
            None => self.root = Some(node),
            Some(Body::List(elements)) => elements.push(node),
            Some(Body::Map {
                entries,
                merges,
                pending,
            }) => match pending.take() {
                Some(PendingKey { is_merge: true, .. }) => merges.push(node),
                Some(PendingKey { key, .. }) => entries.push((key, node)),
                None => {
                    return Err(syntax::collection_as_key(
                        self.file,
                        self.text,
                        node.span.start,
                    ));
                }
            },
        }
        Ok(())
    }

    fn refuse_duplicates(&self, entries: &[(Key, Node)]) -> Result<(), Diagnostic> {
        let mut seen = HashSet::with_capacity(entries.len());
        for (key, _) in entries {
            if seen.insert(key.name.as_str()) {
                continue;
            }
            let first = entries
                .iter()
                .find(|(other, _)| other.name == key.name)
                .map_or_else(|| key.span.clone(), |(other, _)| other.span.clone());
            return Err(Diagnostic::error(
                "MSV0109",
                format!("the key `{}` is given twice", key.name),
            )
            .at(self.place(key.span.clone()), "given again here")
            .also(self.place(first), "first given here")
            .help("keep one of the two, or join their values under one key"));
        }
        Ok(())
    }

    /// Puts the entries of `<<` values before a map's own, which win.
    fn merge(
        &self,
        entries: Vec<(Key, Node)>,
        merges: Vec<Node>,
    ) -> Result<Vec<(Key, Node)>, Diagnostic> {
        if merges.is_empty() {
            return Ok(entries);
        }
        let mut merged: Vec<(Key, Node)> = Vec::new();
        for source in merges {
            let maps = match source.value {
                Value::List(elements) => elements,
                _ => vec![source],
            };
            for map in maps {
                let Value::Map(inherited) = map.value else {
                    return Err(self
                        .error("the merge key `<<` needs a mapping", map.span)
                        .help("write an alias of a mapping: `<<: *defaults`"));
                };
                for (key, node) in inherited {
                    if !merged.iter().any(|(known, _)| known.name == key.name) {
                        merged.push((key, node));
                    }
                }
            }
        }
        for (key, node) in entries {
            match merged.iter_mut().find(|(known, _)| known.name == key.name) {
                Some(place) => *place = (key, node),
                None => merged.push((key, node)),
            }
        }
        Ok(merged)
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::List(elements) => 1 + elements.iter().map(count).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|(_, node)| count(node)).sum::<usize>(),
        _ => 1,
    }
}

/// The name of a tag of YAML's own, `""` for `!`, `None` for every other tag.
fn core_tag(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        return Some(&tag.suffix);
    }
    (tag.handle.is_empty() && tag.suffix == "!" || tag.handle == "!" && tag.suffix.is_empty())
        .then_some("")
}

fn tagged(kind: &str, text: &str) -> Option<Value> {
    let value = scalar::resolve(text);
    match (kind, value) {
        ("int", value @ Value::Int(_))
        | ("bool", value @ Value::Bool(_))
        | ("null", value @ Value::Null)
        | ("float", value @ Value::Float(_)) => Some(value),
        ("float", Value::Int(number)) => Some(Value::Float(number as f64)),
        ("float", Value::String(text)) => text.parse().ok().map(Value::Float),
        _ => None,
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
        assert_eq!(read(""), Json::Null);
        assert_eq!(read("# only a comment\n"), Json::Null);
        assert_eq!(read("on: !!str 5\n1: x\n"), json!({"on": "5", "1": "x"}));
    }

    #[test]
    fn spans_are_bytes_even_after_letters_of_several_bytes() {
        let text = "ä: é\nkey: value # note\nlist:\n  - x\n  - [1, 2]\n";
        let document = parse("t.yml", text).unwrap();
        let shown = |key: &str| &text[document.root.get(key).unwrap().span.clone()];
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
    fn a_duplicate_key_is_shown_with_both_places() {
        assert_eq!(
            refusal("models:\n  - name: a\n    description: x\n    description: y\n"),
            "\
error[MSV0109]: the key `description` is given twice
 --> models/schema.yml:4:5
  |
3 |     description: x
  |     ----------- first given here
4 |     description: y
  |     ^^^^^^^^^^^ given again here
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
        assert!(refusal(&bomb).contains("aliases make this file larger"));
        assert!(parse("t.yml", "[".repeat(10_000)).is_err());
    }

    #[test]
    fn two_documents_and_foreign_tags_are_refused() {
        assert!(refusal("a: 1\n---\nb: 2\n").contains("more than one YAML document"));
        assert!(refusal("a: !secret x\n").contains("the YAML tag `!secret` has no meaning here"));
    }

    #[test]
    fn a_time_of_day_without_quotes_is_warned_of() {
        let document = parse("t.yml", "at: 10:30:00\n").unwrap();
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
        assert_eq!(from_str_value(&written).unwrap(), value, "{written}");
    }
}
