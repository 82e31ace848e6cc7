//! The tree a YAML file becomes, each value with the bytes it was written in.
//!
//! Which YAML library made it is known to [`crate::yaml`] alone.

use std::ops::{Deref, Range};
use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use msv_diagnostics::{Diagnostic, Place};

/// A value and the bytes of the file it stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

/// What a YAML value means, resolved as YAML 1.1 does.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    /// Entries in file order, names unique.
    Map(Vec<(Key, Node)>),
}

/// A key as it is written; keys that YAML would read as numbers or booleans stay text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub span: Range<usize>,
}

/// A YAML file: its text and its tree. An empty file has the root `Null`.
#[derive(Clone, Debug)]
pub struct Document {
    /// Relative to the project folder; absolute where the file lies outside it.
    pub file: Arc<str>,
    pub text: Arc<str>,
    pub root: Node,
    /// Values that YAML reads otherwise than a person does.
    pub warnings: Vec<Diagnostic>,
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Range<usize>) -> Self {
        Spanned { value, span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Document {
    /// Points at `span` of this file.
    pub fn place(&self, span: &Range<usize>) -> Place {
        Place::new(self.file.clone(), self.text.clone(), span.clone())
    }
}

impl Node {
    /// An empty value that stands nowhere.
    pub(super) fn null() -> Self {
        Node {
            span: 0..0,
            value: Value::Null,
        }
    }

    /// The value under `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(candidate, _)| candidate.name == key)
            .map(|(_, node)| node)
    }

    /// The entries of a map; nothing for every other value.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; nothing for every other value.
    pub fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(elements) => elements,
            _ => &[],
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// True for a string that holds Jinja.
    pub fn is_template(&self) -> bool {
        self.as_str().is_some_and(is_template)
    }

    /// Drops the spans. Numbers that JSON has no word for (`.inf`, `.nan`) become strings.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => Number::from_f64(*number).map_or_else(
                || Json::String(non_finite_name(*number).into()),
                Json::Number,
            ),
            Value::String(text) => Json::String(text.clone()),
            Value::List(elements) => elements.iter().map(Node::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Gives every part of a JSON value the same span: the template it was rendered from.
    pub fn from_json(json: &Json, span: &Range<usize>) -> Node {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text.clone()),
            Json::Array(elements) => Value::List(
                elements
                    .iter()
                    .map(|element| Node::from_json(element, span))
                    .collect(),
            ),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(name, entry)| {
                        let key = Key {
                            name: name.clone(),
                            span: span.clone(),
                        };
                        (key, Node::from_json(entry, span))
                    })
                    .collect(),
            ),
        };
        Node {
            span: span.clone(),
            value,
        }
    }
}

impl Value {
    /// The kind of value in a person's words, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "empty",
            Value::Bool(true) => "the boolean true",
            Value::Bool(false) => "the boolean false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::String(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// True for text that holds Jinja.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn non_finite_name(number: f64) -> &'static str {
    if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}
