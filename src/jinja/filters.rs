//! Filters: those that upstream lacks, or has with another meaning than Jinja2.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

use crate::operators::compared;
use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::text::text;
use crate::value::unknown::is_unknown;
use crate::value::{Arguments, decimal, failed, raw};
use crate::{native, order, text_filters};

pub(crate) fn add(environment: &mut Environment<'_>) {
    environment.set_formatter(write);
    environment.add_filter("list", list);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("string", |value: &Value| text(value));
    environment.add_filter("join", join);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("random", random);
    environment.add_filter("round", round);
    environment.add_filter("abs", abs);
    environment.add_filter("attr", attribute);
    environment.add_filter("is_list", |value: &Value| {
        value.kind() == ValueKind::Seq && !value.is_tuple()
    });
    text_filters::add(environment);
    order::add(environment);
    native::add(environment);
}

/// Writes a value as Python's `str` would.
fn write(
    out: &mut minijinja::Output,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if *state.auto_escape() != AutoEscape::None && !value.is_safe() {
        return Ok(out.write_str(&text_filters::escaped(&text(value)))?);
    }
    if value.kind() == ValueKind::String
        && let Some(text) = value.as_str()
    {
        return Ok(out.write_str(text)?);
    }
    Ok(out.write_str(&text(value))?)
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

/// The number that a text or number stands for, or the default.
fn int(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    if let Some(decimal) = decimal::of(value) {
        return Ok(whole(decimal.whole()));
    }
    let default = || {
        arguments
            .get(0, "default")
            .unwrap_or_else(|| Value::from(0))
    };
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(undefined("int")),
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::Number if value.is_integer() => value.clone(),
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
            i128::from_str_radix(digits, base)
                .map(whole)
                .ok()
                .or_else(|| text.parse::<f64>().ok().and_then(truncated))
                .unwrap_or_else(default)
        }
        _ => default(),
    })
}

fn undefined(filter: &str) -> Error {
    Error::new(
        ErrorKind::UndefinedError,
        format!("`{filter}` is used on an undefined value"),
    )
}

/// A number as the engine likes it best.
fn whole(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}

fn truncated(number: f64) -> Option<Value> {
    let truncated = number.trunc();
    // 2^127 is the first float that does not fit.
    (truncated.abs() < 1.701_411_834_604_692_3e38).then(|| whole(truncated as i128))
}

fn float(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    if let Some(decimal) = decimal::of(value) {
        return Ok(Value::from(decimal.as_f64()));
    }
    let number = match value.kind() {
        ValueKind::Undefined => return Err(undefined("float")),
        ValueKind::String => value
            .as_str()
            .and_then(|text| text.trim().replace('_', "").parse::<f64>().ok()),
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

/// Rounds as Python does: half to even, as the number is stored.
fn round(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = raw(args);
    let arguments = Arguments::new(&args)?;
    let digits = arguments
        .get(0, "precision")
        .and_then(|digits| digits.as_i64());
    let digits = digits.unwrap_or(0);
    let method = arguments.optional_text(1, "method");
    let method = method.as_deref().unwrap_or("common");
    if let Some(decimal) = decimal::of(value)
        && method == "common"
    {
        return Ok(decimal.rounded(digits));
    }
    let value = decimal::softened(value);
    if value.is_undefined() {
        return Err(undefined("round"));
    }
    let is_whole = value.kind() == ValueKind::Bool || value.is_integer();
    let value = match value.kind() {
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        _ => value,
    };
    if is_whole && digits >= 0 && method == "common" {
        return Ok(value);
    }
    let number = f64::try_from(value)?;
    let factor = 10f64.powi(i32::try_from(digits).unwrap_or(0));
    let rounded = match method {
        // Adding zero turns the negative zero, which whole numbers do not have, into zero.
        "ceil" => ((number * factor).ceil() + 0.0) / factor,
        "floor" => ((number * factor).floor() + 0.0) / factor,
        // The decimal digits of a float are exact up to its precision.
        "common" if digits >= 0 => {
            let digits = usize::try_from(digits).unwrap_or(0).min(300);
            format!("{number:.digits$}").parse().unwrap_or(number)
        }
        "common" => (number * factor).round_ties_even() / factor,
        other => return Err(failed(format!("no way to round is named `{other}`"))),
    };
    if is_whole && method == "common" {
        return Ok(whole(rounded as i128));
    }
    Ok(Value::from(rounded))
}

fn abs(value: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Bool {
        return Ok(Value::from(i64::from(value.is_true())));
    }
    let is_negative = compared("<", value, &Value::from(0))?.is_lt();
    if is_negative {
        crate::operators::difference(&Value::from(0), value)
    } else {
        Ok(value.clone())
    }
}

/// An attribute, never an item: dicts and texts have methods alone.
fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map if !value.as_object().is_some_and(is_own) => Ok(Value::UNDEFINED),
        ValueKind::Map if value.downcast_object_ref::<Dict>().is_some() => Ok(Value::UNDEFINED),
        _ => value.get_attr(name),
    }
}

/// True for objects of this program, false for the engine's own containers.
fn is_own(object: &minijinja::value::DynObject) -> bool {
    object.type_name().starts_with("msv")
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
