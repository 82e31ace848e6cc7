//! Builds the tree of a YAML file from its parser's events.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved here; of a key given twice the last value
//! counts, as in dbt, with a warning.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::node::{Key, Node, Value};
use crate::{scalar, syntax};
use msv_diagnostics::{Diagnostic, Place};

/// Collections inside collections: more than this is a mistake, and would exhaust the stack.
const MAX_DEPTH: usize = 200;

/// Aliases are copied; a file that makes more values than this by copying is refused.
const MAX_COPIED: usize = 500_000;

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

/// Takes events in file order; [`finish`](Self::finish) hands out the tree.
pub(super) struct Builder<'a> {
    file: &'a Arc<str>,
    text: &'a Arc<str>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    copied_count: usize,
    warnings: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: &'a Arc<str>, text: &'a Arc<str>) -> Self {
        Builder {
            file,
            text,
            frames: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            copied_count: 0,
            warnings: Vec::new(),
        }
    }

    /// The finished tree, empty for a file without a value, and what to warn of.
    pub(super) fn finish(self) -> (Node, Vec<Diagnostic>) {
        (self.root.unwrap_or_else(Node::null), self.warnings)
    }

    /// True inside `[...]` or `{...}`.
    pub(super) fn is_in_brackets(&self) -> bool {
        let is_flow = |frame: &Frame| {
            let start = self.text.as_bytes().get(frame.start);
            matches!(start, Some(b'[' | b'{'))
        };
        self.frames.last().is_some_and(is_flow)
    }

    /// Begins a document; a file holds one.
    pub(super) fn document(&self, range: Range<usize>) -> Result<(), Diagnostic> {
        if self.root.is_none() {
            return Ok(());
        }
        Err(self
            .error("this file holds more than one YAML document", range)
            .help("keep one document a file: remove the line `---`"))
    }

    pub(super) fn start_list(
        &mut self,
        anchor: usize,
        tag: Option<String>,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
        self.open(Body::List(Vec::new()), anchor, tag, range)
    }

    pub(super) fn start_map(
        &mut self,
        anchor: usize,
        tag: Option<String>,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
        let body = Body::Map {
            entries: Vec::new(),
            merges: Vec::new(),
            pending: None,
        };
        self.open(body, anchor, tag, range)
    }

    fn error(&self, title: &str, range: Range<usize>) -> Diagnostic {
        Diagnostic::error("MSV0101", title).at(self.place(range), "")
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place::new(self.file.clone(), self.text.clone(), range)
    }

    /// `anchor` is 0 for a value without one; `tag` is as it is written, `!!int`.
    pub(super) fn scalar(
        &mut self,
        text: &str,
        is_plain: bool,
        anchor: usize,
        tag: Option<String>,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
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
        let value = match tag.as_deref() {
            None if is_plain => {
                if scalar::is_sexagesimal(text) {
                    self.warn_of_sixties(text, &range);
                }
                scalar::resolve(text)
            }
            None | Some("!" | "!!str" | "!!binary" | "!!timestamp") => {
                Value::String(text.to_owned())
            }
            Some(kind @ ("!!int" | "!!float" | "!!bool" | "!!null")) => tagged(kind, text)
                .ok_or_else(|| {
                    self.error(
                        &format!("`{text}` does not fit its tag `{kind}`"),
                        range.clone(),
                    )
                })?,
            Some(tag) => return Err(self.unknown_tag(tag, range)),
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

    fn unknown_tag(&self, tag: &str, range: Range<usize>) -> Diagnostic {
        self.error(&format!("the YAML tag `{tag}` has no meaning here"), range)
            .help("remove the tag, or put the whole value in quotes")
    }

    fn open(
        &mut self,
        body: Body,
        anchor: usize,
        tag: Option<String>,
        range: Range<usize>,
    ) -> Result<(), Diagnostic> {
        if let Some(Frame {
            body: Body::Map { pending: None, .. },
            ..
        }) = self.frames.last()
        {
            return Err(syntax::collection_as_key(self.file, self.text, range.start));
        }
        if let Some(tag) = tag
            && !matches!(tag.as_str(), "!" | "!!map" | "!!seq" | "!!set" | "!!omap")
        {
            return Err(self.unknown_tag(&tag, range));
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

    /// Ends the innermost list or map.
    pub(super) fn close(&mut self, range: Range<usize>) -> Result<(), Diagnostic> {
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
                let entries = self.keep_last(entries);
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

    pub(super) fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), Diagnostic> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(self.error("this alias stands inside the value it names", range));
        };
        self.copied_count += count(target);
        if self.copied_count > MAX_COPIED {
            let title = format!("aliases copy more than {MAX_COPIED} values");
            return Err(self.error(&title, range));
        }
        let target = target.clone();
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

    fn keep_last(&mut self, entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
        let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
        let mut kept: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let Some(&at) = places.get(&key.name) else {
                places.insert(key.name.clone(), kept.len());
                kept.push((key, node));
                continue;
            };
            self.warnings.push(
                Diagnostic::warning("MSV0109", format!("the key `{}` is given twice", key.name))
                    .at(
                        self.place(key.span.clone()),
                        "given again here: this value counts",
                    )
                    .also(self.place(kept[at].0.span.clone()), "first given here")
                    .help("keep one of the two, or join their values under one key")
                    .event("DuplicateYAMLKeysDeprecation"),
            );
            kept[at] = (key, node);
        }
        kept
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

fn tagged(kind: &str, text: &str) -> Option<Value> {
    let value = scalar::resolve(text);
    match (kind, value) {
        ("!!int", value @ Value::Int(_))
        | ("!!bool", value @ Value::Bool(_))
        | ("!!null", value @ Value::Null)
        | ("!!float", value @ Value::Float(_)) => Some(value),
        ("!!float", Value::Int(number)) => Some(Value::Float(number as f64)),
        ("!!float", Value::String(text)) => text.parse().ok().map(Value::Float),
        _ => None,
    }
}
