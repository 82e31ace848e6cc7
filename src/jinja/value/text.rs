//! Text: a value in, what Python's `str` and `repr` write for it out.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::value::{DynObject, ObjectRepr, ValueKind};

use crate::order::Group;
use crate::value::datetime::Moment;
use crate::value::decimal::Decimal;
use crate::value::dict::View;
use crate::value::named::Named;
use crate::value::range::Range;
use crate::value::relation::RelationObject;
use crate::value::set::Set;
use crate::value::table::{Row, Table, TableColumn};
use crate::value::unknown::Unknown;

/// Nesting deeper than this is written as dots: a list may hold itself.
const MAX_DEPTH: usize = 100;

/// Writes a value as a template does: Python's `str`.
pub fn text(value: &Value) -> String {
    match value.as_str().filter(|_| value.kind() == ValueKind::String) {
        Some(text) => text.to_owned(),
        None if value.is_undefined() => String::new(),
        None => {
            let mut out = String::new();
            write(value, 0, true, &mut out);
            out
        }
    }
}

/// Writes a value as it stands inside a list: Python's `repr`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, false, &mut out);
    out
}

fn write(value: &Value, depth: usize, is_outermost: bool, out: &mut String) {
    if depth > MAX_DEPTH {
        out.push_str("...");
        return;
    }
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => write_number(value, out),
        ValueKind::String => write_string(value.as_str().unwrap_or_default(), out),
        ValueKind::Bytes => write_bytes(value.as_bytes().unwrap_or_default(), out),
        _ => write_object(value, depth, is_outermost, out),
    }
}

fn write_object(value: &Value, depth: usize, is_outermost: bool, out: &mut String) {
    let Some(object) = value.as_object() else {
        let _ = write!(out, "{value}");
        return;
    };
    if !is_outermost {
        if let Some(moment) = object.downcast_ref::<Moment>() {
            out.push_str(&moment.repr());
            return;
        }
        if let Some(decimal) = object.downcast_ref::<Decimal>() {
            out.push_str(&decimal.repr());
            return;
        }
        if object.is::<RelationObject>() {
            let _ = write!(out, "<PostgresRelation {value}>");
            return;
        }
    }
    match object.repr() {
        ObjectRepr::Map if !writes_itself(object) => {
            let is_namespace = object.type_name().ends_with("::Namespace");
            out.push_str(if is_namespace { "<Namespace {" } else { "{" });
            for (index, (key, item)) in object.try_iter_pairs().into_iter().flatten().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(&key, depth + 1, false, out);
                out.push_str(": ");
                write(&item, depth + 1, false, out);
            }
            out.push_str(if is_namespace { "}>" } else { "}" });
        }
        ObjectRepr::Seq | ObjectRepr::Iterable if !writes_itself(object) => {
            let is_tuple = value.is_tuple();
            out.push(if is_tuple { '(' } else { '[' });
            let count = write_items(value, depth, out);
            if is_tuple && count == 1 {
                out.push(',');
            }
            out.push(if is_tuple { ')' } else { ']' });
        }
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

/// True for objects that look like a list or dict and are written otherwise.
fn writes_itself(object: &DynObject) -> bool {
    object.is::<RelationObject>()
        || object.is::<Set>()
        || object.is::<View>()
        || object.is::<Group>()
        || object.is::<Range>()
        || object.is::<Named>()
        || object.is::<Unknown>()
        || object.is::<Table>()
        || object.is::<Row>()
        || object.is::<TableColumn>()
}

/// Writes the items of a value with commas between; returns how many there are.
fn write_items(value: &Value, depth: usize, out: &mut String) -> usize {
    let mut count = 0;
    for item in value.try_iter().into_iter().flatten() {
        if count > 0 {
            out.push_str(", ");
        }
        write(&item, depth + 1, false, out);
        count += 1;
    }
    count
}

/// Writes `open`, the items' repr with commas, `close`.
pub(crate) fn bracketed(open: &str, items: &[Value], close: &str) -> String {
    let items: Vec<String> = items.iter().map(repr).collect();
    format!("{open}{}{close}", items.join(", "))
}

fn write_number(value: &Value, out: &mut String) {
    if !value.is_integer()
        && let Ok(number) = f64::try_from(value.clone())
    {
        out.push_str(&float_text(number));
    } else {
        let _ = write!(out, "{value}");
    }
}

/// Writes a float as Python's `str` does.
pub fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust's debug text switches to an exponent where Python's does, and writes it shorter.
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        None => text,
    }
}

/// Writes text in quotes: single ones, unless only single ones stand in the text.
fn write_string(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c == quote => {
                out.push('\\');
                out.push(c);
            }
            _ if is_printable(c) => out.push(c),
            _ => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Python escapes control and format characters and every space but the common one.
pub(crate) fn is_printable(c: char) -> bool {
    let is_odd_space = c.is_whitespace() && c != ' ';
    let is_format = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}');
    !(c.is_control() || is_odd_space || is_format)
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    out.push_str("b'");
    for byte in bytes {
        let _ = match byte {
            b'\\' | b'\'' => write!(out, "\\{}", char::from(*byte)),
            b'\n' => out.write_str("\\n"),
            b'\r' => out.write_str("\\r"),
            b'\t' => out.write_str("\\t"),
            b' '..=b'~' => out.write_char(char::from(*byte)),
            _ => write!(out, "\\x{byte:02x}"),
        };
    }
    out.push('\'');
}
