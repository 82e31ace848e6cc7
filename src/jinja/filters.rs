//! Filters: those that upstream lacks, or has with another meaning than Jinja2.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use crate::value::convert::{self, literal, text};
use crate::value::list::List;
use crate::value::unknown::is_unknown;
use crate::value::{Arguments, failed, raw};

pub(crate) fn add(environment: &mut Environment<'_>) {
    environment.set_formatter(write);
    environment.add_filter("list", list);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("string", |value: &Value| text(value));
    environment.add_filter("join", join);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("indent", indent);
    environment.add_filter("random", random);
    environment.add_filter("center", |value: &Value, width: Option<usize>| {
        let text = text(value);
        crate::methods::centered(&text, width.unwrap_or(80), ' ')
    });
    environment.add_filter("wordcount", |value: String| {
        value
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|w| !w.is_empty())
            .count()
    });
    environment.add_filter("truncate", truncate);
    environment.add_filter("as_bool", as_bool);
    environment.add_filter("as_number", as_number);
    environment.add_filter("as_native", |value: Value| match value.as_str() {
        Some(text) => literal(text).unwrap_or(value),
        None => value,
    });
    environment.add_filter("as_text", |value: &Value| text(value));
    environment.add_filter("is_list", |value: &Value| {
        value.kind() == ValueKind::Seq && !value.is_tuple()
    });
    for name in ["sort", "dictsort", "groupby", "unique"] {
        wrap_in_list(environment, name);
    }
}

/// Upstream's filter, its result made a list that can change.
fn wrap_in_list(environment: &mut Environment<'_>, name: &'static str) {
    let upstream = Environment::<'static>::new();
    environment.add_filter(
        name,
        move |state: &mut State, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
            let _ = state;
            let mut inner = upstream.empty_state();
            let result = inner.apply_filter(name, &raw(args))?;
            Ok(List::value(result.try_iter()?.collect()))
        },
    );
}

/// Writes a value as Python's `str` would.
fn write(
    out: &mut minijinja::Output,
    _state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return Ok(out.write_str(text)?);
    }
    if value.kind() == ValueKind::Number {
        return Ok(out.write_str(&text(value))?);
    }
    Ok(write!(out, "{value}")?)
}

fn list(value: &Value) -> Result<Value, Error> {
    Ok(List::value(value.try_iter()?.collect()))
}

fn default(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let is_wanted = is_unknown(&value) || (arguments.flag(1, "boolean", false) && !value.is_true());
    Ok(if is_wanted {
        arguments
            .get(0, "default_value")
            .unwrap_or_else(|| Value::from(""))
    } else {
        value
    })
}

fn join(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let separator = arguments.optional_text(0, "d").unwrap_or_default();
    let attribute = arguments.get(1, "attribute");
    if is_unknown(value) {
        return Ok(String::new());
    }
    let mut out = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        let item = match attribute.as_ref().and_then(|name| name.as_str()) {
            Some(path) => path
                .split('.')
                .try_fold(item, |item, name| item.get_attr(name))?,
            None => item,
        };
        out.push_str(&text(&item));
    }
    Ok(out)
}

/// The number that a text starts as, or the default.
fn int(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let default = || {
        arguments
            .get(0, "default")
            .unwrap_or_else(|| Value::from(0))
    };
    if value.is_integer() {
        return Ok(value.clone());
    }
    Ok(match value.kind() {
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::Number => f64::try_from(value.clone())
            .ok()
            .and_then(truncated)
            .unwrap_or_else(default),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim().replace('_', "");
            let base = arguments
                .get(1, "base")
                .and_then(|base| base.as_i64())
                .and_then(|base| u32::try_from(base).ok())
                .filter(|base| (2..=36).contains(base))
                .unwrap_or(10);
            let digits = match (base, text.to_ascii_lowercase().get(..2)) {
                (16, Some("0x")) | (8, Some("0o")) | (2, Some("0b")) => &text[2..],
                _ => text.as_str(),
            };
            i64::from_str_radix(digits, base)
                .map(Value::from)
                .ok()
                .or_else(|| text.parse::<f64>().ok().and_then(truncated))
                .unwrap_or_else(default)
        }
        _ => default(),
    })
}

fn truncated(number: f64) -> Option<Value> {
    let whole = number.trunc();
    // 2^63 is the first float that does not fit.
    (whole.abs() < 9_223_372_036_854_775_808.0).then(|| Value::from(whole as i64))
}

fn float(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let number = match value.kind() {
        ValueKind::String => value
            .as_str()
            .and_then(|text| text.trim().parse::<f64>().ok()),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    };
    Ok(number.map(Value::from).unwrap_or_else(|| {
        arguments
            .get(0, "default")
            .unwrap_or_else(|| Value::from(0.0))
    }))
}

fn indent(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let indention = match arguments.get(0, "width") {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(width.as_usize().unwrap_or(4)),
        },
    };
    let is_first = arguments.flag(1, "first", false);
    let is_blank = arguments.flag(2, "blank", false);
    let text = text(value);
    let mut out = String::with_capacity(text.len() + 16);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let is_indented = if index == 0 {
            is_first
        } else {
            is_blank || !line.is_empty()
        };
        if is_indented {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(out)
}

/// One item, another at every run of the program.
fn random(value: &Value) -> Result<Value, Error> {
    let items: Vec<Value> = value.try_iter()?.collect();
    if items.is_empty() {
        return Ok(Value::UNDEFINED);
    }
    let random = uuid::Uuid::new_v4().as_u128();
    let index = random % items.len() as u128;
    Ok(items[index as usize].clone())
}

fn truncate(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let number = |index, name, default| {
        arguments
            .get(index, name)
            .and_then(|value| value.as_usize())
            .unwrap_or(default)
    };
    let length = number(0, "length", 255);
    let is_cutting_words = arguments.flag(1, "killwords", false);
    let end = arguments
        .optional_text(2, "end")
        .unwrap_or_else(|| "...".to_owned());
    let leeway = number(3, "leeway", 5);
    let text = text(value);
    if text.chars().count() <= length + leeway {
        return Ok(text);
    }
    let room = length.saturating_sub(end.chars().count());
    let cut: String = text.chars().take(room).collect();
    if is_cutting_words {
        return Ok(cut + &end);
    }
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head);
    Ok(format!("{cut}{end}"))
}

fn as_bool(value: Value) -> Result<Value, Error> {
    match value.as_str().map(str::trim) {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Value::from(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Value::from(false)),
        Some(text) => Err(failed(format!("`{text}` is not true or false"))),
        None => Ok(value),
    }
}

fn as_number(value: Value) -> Result<Value, Error> {
    match value.as_str().map(str::trim) {
        Some(text) => {
            convert::number(text).ok_or_else(|| failed(format!("`{text}` is not a number")))
        }
        None => Ok(value),
    }
}
