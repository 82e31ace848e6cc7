//! Convert: JSON in, template values out, and back; and Python's literals.

use minijinja::Value;
use minijinja::value::{ObjectRepr, ValueKind};

use msv_project::dates::Dates;

use crate::value::datetime_class::moment_of_yaml;
use crate::value::dict::{Dict, pairs};
use crate::value::list::List;

/// Turns JSON into values whose lists and dicts can be changed.
pub fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .unwrap_or_else(|| Value::from(number.as_f64().unwrap_or(f64::NAN))),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => List::value(items.iter().map(from_json).collect()),
        serde_json::Value::Object(entries) => Dict::from_pairs(
            entries
                .iter()
                .map(|(key, value)| (key.as_str(), from_json(value))),
        ),
    }
}

/// The same for a value read from YAML, where some texts are dates; `pointer` leads to it.
pub fn from_yaml(json: &serde_json::Value, pointer: &str, dates: &Dates) -> Value {
    if dates.is_empty() {
        return from_json(json);
    }
    match json {
        serde_json::Value::String(text) if dates.contains(pointer) => {
            moment_of_yaml(text).unwrap_or_else(|| from_json(json))
        }
        serde_json::Value::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(at, item)| from_yaml(item, &format!("{pointer}/{at}"), dates));
            List::value(items.collect())
        }
        serde_json::Value::Object(entries) => {
            Dict::from_pairs(entries.iter().map(|(key, value)| {
                (
                    key.as_str(),
                    from_yaml(value, &format!("{pointer}/{key}"), dates),
                )
            }))
        }
        other => from_json(other),
    }
}

/// Turns a value into JSON; what JSON has no word for becomes its text.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => serde_json::Value::Null,
        ValueKind::Bool => serde_json::Value::Bool(value.is_true()),
        ValueKind::Number => number_to_json(value),
        ValueKind::Seq | ValueKind::Iterable => serde_json::Value::Array(
            value
                .try_iter()
                .into_iter()
                .flatten()
                .map(|item| to_json(&item))
                .collect(),
        ),
        ValueKind::Map => serde_json::Value::Object(
            pairs(value)
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key.to_string(), to_json(&value)))
                .collect(),
        ),
        _ => match crate::value::decimal::of(value) {
            Some(decimal) => decimal.as_f64().into(),
            None => serde_json::Value::String(value.to_string()),
        },
    }
}

fn number_to_json(value: &Value) -> serde_json::Value {
    if value.is_integer() {
        if let Some(number) = value.as_i64() {
            return number.into();
        }
        if let Ok(number) = u64::try_from(value.clone()) {
            return number.into();
        }
    }
    f64::try_from(value.clone()).map_or(serde_json::Value::Null, Into::into)
}

/// Makes every list and dict in a value one that can be changed.
pub(crate) fn thaw(value: &Value) -> Value {
    let Some(object) = value.as_object() else {
        return value.clone();
    };
    if value.is_tuple() || object.is::<List>() || object.is::<Dict>() {
        return value.clone();
    }
    // Objects of this module's neighbours (tables, rows, packages) stay what they are; only the
    // engine's own containers are copied.
    let is_own = object.type_name().starts_with("msv");
    match object.repr() {
        ObjectRepr::Seq if !is_own => List::value(
            object
                .try_iter()
                .into_iter()
                .flatten()
                .map(|item| thaw(&item))
                .collect(),
        ),
        ObjectRepr::Map if !is_own => Dict::from_pairs(
            object
                .try_iter_pairs()
                .into_iter()
                .flatten()
                .map(|(key, value)| (key, thaw(&value))),
        ),
        _ => value.clone(),
    }
}

/// Python's word for the type of a value, for messages.
pub(crate) fn kind_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "an undefined value",
        ValueKind::None => "none",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Seq if value.is_tuple() => "a tuple",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a dict",
        _ => "an object",
    }
}

/// The value that a Python literal stands for: a number, text, list, dict, tuple, True or None.
pub(crate) fn literal(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    let starts_literal = trimmed.starts_with(|c: char| {
        c.is_ascii_digit() || matches!(c, '-' | '[' | '{' | '(' | '\'' | '"')
    });
    if !(starts_literal || matches!(trimmed, "True" | "False" | "None")) {
        return None;
    }
    let environment = minijinja::Environment::new();
    let expression = environment.compile_expression(trimmed).ok()?;
    if !expression.undeclared_variables(false).is_empty() {
        return None;
    }
    Some(thaw(&expression.eval(()).ok()?))
}
