//! `tojson`, `fromjson`, `toyaml`, `fromyaml`, and functions on plain values.

use md5::{Digest, Md5};
use minijinja::value::{Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::operators::check_key;
use crate::session::Session;
use crate::value::convert::{from_json, from_yaml, to_json};
use crate::value::dict::{Dict, pairs};
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::text::text;
use crate::value::{Arguments, callable, failed, raw};
use msv_project::yaml;

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("tojson", callable(to_json_text));
    add("fromjson", callable(from_json_text));
    add("toyaml", callable(to_yaml_text));
    add("fromyaml", callable(from_yaml_text));
    add("local_md5", Value::from_function(local_md5));
    add("set", callable(set));
    add("set_strict", callable(set_strict));
    add("zip", callable(zip));
    add("zip_strict", callable(zip_strict));
    add("diff_of_two_dicts", callable(difference));
}

/// Adds the filter of the same name.
pub(crate) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("tojson", html_json);
    environment.add_filter(
        "fromjson",
        |state: &mut State, args: Rest<ValueOrKwargs>| from_json_text(state, &raw(args)),
    );
}

/// Jinja's filter: keys in order, and nothing that means something in HTML.
fn html_json(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let value = arguments.required(0, "value")?;
    let is_parsing = Session::of(state).is_some_and(|session| !session.is_execute);
    if value.is_undefined() && !is_parsing {
        return Err(Error::new(
            ErrorKind::UndefinedError,
            "`tojson` is used on an undefined value",
        ));
    }
    let mut json = to_json(&value);
    sort_keys(&mut json);
    let indent = arguments
        .get(1, "indent")
        .and_then(|indent| indent.as_usize());
    let mut out = String::new();
    write_json(&json, indent, 0, &mut out);
    let out = out
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\'', "\\u0027");
    Ok(Value::from_safe_string(out))
}

fn to_json_text(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let value = arguments.required(0, "value")?;
    let is_number = crate::value::decimal::of(&value).is_some();
    if value.kind() == ValueKind::Plain && !is_number {
        let shown = text(&value);
        return Err(failed(format!("`{shown}` has no form in JSON")));
    }
    let mut json = to_json(&value);
    if arguments.flag(2, "sort_keys", false) {
        sort_keys(&mut json);
    }
    Ok(Value::from(json_text(&json)))
}

/// Writes JSON as Python's `json.dumps` does.
pub(crate) fn json_text(json: &serde_json::Value) -> String {
    let mut out = String::new();
    write_json(json, None, 0, &mut out);
    out
}

fn sort_keys(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(entries) => {
            entries.values_mut().for_each(sort_keys);
            entries.sort_keys();
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(sort_keys),
        _ => {}
    }
}

/// Writes JSON as Python does: a space after commas and colons, ASCII alone.
fn write_json(json: &serde_json::Value, indent: Option<usize>, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    };
    let comma = if indent.is_some() { "," } else { ", " };
    match json {
        serde_json::Value::Object(entries) if !entries.is_empty() => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(comma);
                }
                line(out, depth + 1);
                write_string(key, out);
                out.push_str(": ");
                write_json(value, indent, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
        serde_json::Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(comma);
                }
                line(out, depth + 1);
                write_json(item, indent, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        serde_json::Value::String(text) => write_string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

fn from_json_text(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let text = arguments.text(0, "string")?;
    Ok(serde_json::from_str(&text).map_or_else(
        |_| arguments.get(1, "default").unwrap_or(Value::from(())),
        |json| from_json(&json),
    ))
}

fn to_yaml_text(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let mut json = to_json(&arguments.required(0, "value")?);
    if arguments.flag(2, "sort_keys", false) {
        sort_keys(&mut json);
    }
    let mut written = yaml::to_yaml(&json);
    // A bare word by itself ends the document, so that nothing can be added to it.
    let is_bare = !json.is_object() && !json.is_array() && !written.starts_with(['"', '\'']);
    if is_bare {
        written.push_str("...\n");
    }
    Ok(Value::from(written))
}

fn from_yaml_text(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let text = arguments.text(0, "string")?;
    Ok(match yaml::from_str_dated(&text) {
        Ok((json, dates)) => from_yaml(&json, "", &dates),
        Err(_) => arguments.get(1, "default").unwrap_or(Value::from(())),
    })
}

fn local_md5(text: String) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The items of something, each once.
fn distinct(value: &Value) -> Result<Value, Error> {
    let items: Vec<Value> = value.try_iter()?.collect();
    items.iter().try_for_each(check_key)?;
    Ok(Set::value(items))
}

fn set(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let default = || arguments.get(1, "default").unwrap_or(Value::from(()));
    Ok(distinct(&arguments.required(0, "value")?).unwrap_or_else(|_| default()))
}

fn set_strict(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    distinct(&Arguments::new(args)?.required(0, "value")?)
}

fn zipped(columns: &[Value]) -> Result<Value, Error> {
    let columns: Result<Vec<Vec<Value>>, Error> = columns
        .iter()
        .map(|column| Ok(column.try_iter()?.collect()))
        .collect();
    let columns = columns?;
    let count = columns.iter().map(Vec::len).min().unwrap_or(0);
    let rows = (0..count).map(|row| {
        let items: Vec<Value> = columns.iter().map(|column| column[row].clone()).collect();
        Value::from(Tuple::from(items))
    });
    Ok(List::value(rows.collect()))
}

fn zip(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let default = || arguments.keyword("default").unwrap_or(Value::from(()));
    let columns = arguments.positional();
    if columns.iter().any(Value::is_none) {
        return Ok(default());
    }
    Ok(zipped(columns).unwrap_or_else(|_| default()))
}

fn zip_strict(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    zipped(Arguments::new(args)?.positional())
}

/// What the first dict of lists has that the second lacks; text is compared without case.
fn difference(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let left = arguments.required(0, "dict_a")?;
    let right = arguments.required(1, "dict_b")?;
    let lowered = |value: &Value| value.to_string().to_lowercase();
    let right = pairs(&right)?;
    let mut result = Vec::new();
    for (key, items) in pairs(&left)? {
        let other: Vec<String> = right
            .iter()
            .filter(|(other, _)| lowered(other) == lowered(&key))
            .filter_map(|(_, items)| items.try_iter().ok())
            .flatten()
            .map(|item| lowered(&item))
            .collect();
        let items = items
            .try_iter()
            .map_err(|_| failed("`diff_of_two_dicts` compares dicts of lists"))?;
        let missing: Vec<Value> = items
            .filter(|item| !other.contains(&lowered(item)))
            .collect();
        if !missing.is_empty() {
            result.push((key, List::value(missing)));
        }
    }
    Ok(Dict::from_pairs(result))
}
