//! Takes typed values out of a map and notes every mistake on the way.
//!
//! A reader asks for the keys it knows; [`Fields::finish`] names those nobody asked for.

use std::ops::Range;

use serde_json::Value as Json;

use crate::dates::json_with_iso_dates;
use crate::mistake;
use crate::node::{Document, Node, Spanned, Value, is_template};
use msv_diagnostics::Diagnostic;

/// How a key that nobody asked for is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Error,
    Warning,
    /// Installed packages: their reader cannot change them.
    Ignored,
}

/// A map being read. An empty value counts as an absent one.
pub(super) struct Fields<'a> {
    pub(super) document: &'a Document,
    pub(super) node: &'a Node,
    /// Whose keys these are, as a message names it: model `orders`.
    pub(super) owner: String,
    known: Vec<&'static str>,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Fields<'a> {
    /// `None`, with a mistake in `found`, when `node` is not a map.
    pub(super) fn open(
        document: &'a Document,
        node: &'a Node,
        owner: impl Into<String>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let owner = owner.into();
        if !node.is_map() {
            found.push(mistake::wrong_type(
                document,
                node,
                &owner,
                "a mapping of keys to values",
            ));
            return None;
        }
        Some(Fields {
            document,
            node,
            owner,
            known: Vec::new(),
            found: Vec::new(),
        })
    }

    /// The value as it is written, also when it is empty.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.node.get(key)
    }

    pub(super) fn present(&mut self, key: &'static str) -> Option<&'a Node> {
        self.raw(key).filter(|node| !node.is_null())
    }

    fn wrong(&mut self, key: &str, node: &Node, expected: &str) {
        let owner = format!("`{key}` of {}", self.owner);
        self.found
            .push(mistake::wrong_type(self.document, node, &owner, expected));
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<Spanned<String>> {
        let node = self.present(key)?;
        match node.as_str() {
            Some(text) => Some(Spanned::new(text.to_owned(), node.span.clone())),
            None => {
                self.wrong(key, node, "text");
                None
            }
        }
    }

    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        self.text(key).map(|text| text.value)
    }

    /// Text, or a number taken as it is written.
    pub(super) fn text_or_number(&mut self, key: &'static str) -> Option<String> {
        let node = self.present(key)?;
        match &node.value {
            Value::String(text) => Some(text.clone()),
            Value::Int(_) | Value::Float(_) => {
                let written = &self.document.text[node.span.clone()];
                // A rendered number is not what stands in the file.
                Some(match is_template(written) {
                    true => node.to_json().to_string(),
                    false => written.to_owned(),
                })
            }
            _ => {
                self.wrong(key, node, "text or a number");
                None
            }
        }
    }

    pub(super) fn required_text(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Option<Spanned<String>> {
        if self.present(key).is_none() {
            self.missing(key, example);
            return None;
        }
        self.text(key)
    }

    pub(super) fn missing(&mut self, key: &str, example: &str) {
        self.found.push(mistake::missing_key(
            self.document,
            &self.node.span,
            &self.owner,
            key,
            example,
        ));
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let node = self.present(key)?;
        // What a template makes of an environment variable is text.
        let truth = match (
            &node.value,
            is_template(&self.document.text[node.span.clone()]),
        ) {
            (Value::String(text), true) => text.to_lowercase().parse().ok(),
            _ => node.as_bool(),
        };
        if truth.is_none() {
            self.wrong(key, node, "true or false");
        }
        truth
    }

    pub(super) fn integer(&mut self, key: &'static str) -> Option<i64> {
        let node = self.present(key)?;
        let number = match &node.value {
            Value::Int(number) => Some(*number),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong(key, node, "a whole number");
        }
        number
    }

    /// One text, or a list of them.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let node = self.present(key)?;
        let elements = match &node.value {
            Value::String(_) => std::slice::from_ref(node),
            Value::List(elements) => elements,
            _ => {
                self.wrong(key, node, "text or a list of text");
                return None;
            }
        };
        let mut texts = Vec::with_capacity(elements.len());
        for element in elements {
            match element.as_str() {
                Some(text) => texts.push(Spanned::new(text.to_owned(), element.span.clone())),
                None => {
                    let owner = format!("each element of `{key}` of {}", self.owner);
                    self.found
                        .push(mistake::wrong_type(self.document, element, &owner, "text"));
                }
            }
        }
        Some(texts)
    }

    pub(super) fn strings(&mut self, key: &'static str) -> Vec<String> {
        let texts = self.texts(key).unwrap_or_default();
        texts.into_iter().map(|text| text.value).collect()
    }

    /// The elements of a list; nothing when the key is absent.
    pub(super) fn list(&mut self, key: &'static str) -> &'a [Node] {
        match self.present(key) {
            None => &[],
            Some(node) => match &node.value {
                Value::List(elements) => elements,
                _ => {
                    self.wrong(key, node, "a list (each entry starts with `- `)");
                    &[]
                }
            },
        }
    }

    /// A map, with its places.
    pub(super) fn map(&mut self, key: &'static str) -> Option<&'a Node> {
        let node = self.present(key)?;
        if !node.is_map() {
            self.wrong(key, node, "a mapping of keys to values");
            return None;
        }
        Some(node)
    }

    /// Any value, without its places; `Some(Null)` when it is given and empty.
    pub(super) fn json(&mut self, key: &'static str) -> Option<Json> {
        self.raw(key).map(Node::to_json)
    }

    /// A map as JSON; empty when the key is absent.
    pub(super) fn json_map(&mut self, key: &'static str) -> serde_json::Map<String, Json> {
        match self.map(key).map(Node::to_json) {
            Some(Json::Object(entries)) => entries,
            _ => serde_json::Map::new(),
        }
    }

    /// The same, dates in the one form of ISO 8601.
    pub(super) fn json_map_with_iso_dates(
        &mut self,
        key: &'static str,
    ) -> serde_json::Map<String, Json> {
        let text = &self.document.text;
        match self.map(key).map(|node| json_with_iso_dates(node, text)) {
            Some(Json::Object(entries)) => entries,
            _ => serde_json::Map::new(),
        }
    }

    pub(super) fn json_list(&mut self, key: &'static str) -> Vec<Json> {
        self.list(key).iter().map(Node::to_json).collect()
    }

    /// One of a few words.
    pub(super) fn choice(&mut self, key: &'static str, valid: &[&str]) -> Option<Spanned<String>> {
        let text = self.text(key)?;
        if !valid.contains(&text.as_str()) && !is_template(&text) {
            let owner = format!("`{key}` of {}", self.owner);
            self.found.push(mistake::not_one_of(
                self.document,
                &text.span,
                &owner,
                &text,
                valid,
            ));
        }
        Some(text)
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        title: String,
        span: &Range<usize>,
    ) -> &mut Diagnostic {
        let place = mistake::first_line(self.document, span);
        self.found
            .push(Diagnostic::error(code, title).at(place, ""));
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Names the keys that nobody asked for and hands everything found to `found`.
    pub(super) fn finish(mut self, unknown: Unknown, found: &mut Vec<Diagnostic>) {
        if unknown != Unknown::Ignored {
            for (key, _) in self.node.entries() {
                if !self.known.contains(&key.name.as_str()) {
                    self.found.push(mistake::unknown_key(
                        self.document,
                        key,
                        &self.owner,
                        &self.known,
                        unknown == Unknown::Error,
                    ));
                }
            }
        }
        found.append(&mut self.found);
    }
}
