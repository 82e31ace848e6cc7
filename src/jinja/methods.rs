//! Methods: what a value answers that does not know the method itself.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use crate::session::Session;
use crate::text_methods;
use crate::value::convert::thaw;
use crate::value::dict::{Dict, View};
use crate::value::list::List;
use crate::value::unknown::unknown;
use crate::value::{Arguments, failed, unknown_method};

/// Answers a method that the value itself does not know.
pub(crate) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let result = match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            text_methods::call(text, method, args).transpose()
        }
        ValueKind::Bytes if method == "decode" => {
            let bytes = value.as_bytes().unwrap_or_default();
            Some(Ok(Value::from(String::from_utf8_lossy(bytes))))
        }
        ValueKind::Map => mapping_method(value, method, args).transpose(),
        ValueKind::Seq | ValueKind::Iterable => sequence_method(value, method, args).transpose(),
        ValueKind::Number | ValueKind::Bool => number_method(value, method),
        _ => None,
    };
    if let Some(result) = result {
        return result;
    }
    if Session::of(state).is_some_and(|session| !session.is_execute) {
        // What can be called is called while parsing, too: `modules.datetime.datetime(2024, 1, 1)`.
        return match value.get_attr(method) {
            Ok(member) if !member.is_undefined() => member.call(state, args),
            _ => Ok(unknown()),
        };
    }
    match value.kind() {
        ValueKind::Undefined => Err(Error::new(
            ErrorKind::UndefinedError,
            format!("`{method}` is called on an undefined value"),
        )),
        ValueKind::None => Err(failed(format!("none has no method named `{method}`"))),
        _ => Err(unknown_method()),
    }
}

/// An attribute whose name is also a method's: a dict's method hides its key, as in Python.
pub(crate) fn member(value: &Value, name: &str) -> Result<Value, Error> {
    let is_method = match value.kind() {
        ValueKind::String => TEXT_METHODS.contains(&name),
        ValueKind::Map => DICT_METHODS.contains(&name),
        ValueKind::Seq => LIST_METHODS.contains(&name) && !value.is_tuple(),
        _ => false,
    };
    if is_method && value.downcast_object_ref::<Dict>().is_some() {
        return Ok(Bound::value(value, name));
    }
    let found = value.get_attr(name)?;
    Ok(if found.is_undefined() && is_method {
        Bound::value(value, name)
    } else {
        found
    })
}

const TEXT_METHODS: [&str; 9] = [
    "capitalize",
    "endswith",
    "format",
    "lower",
    "replace",
    "split",
    "startswith",
    "strip",
    "upper",
];
const DICT_METHODS: [&str; 6] = ["copy", "get", "items", "keys", "update", "values"];
const LIST_METHODS: [&str; 3] = ["append", "copy", "extend"];

/// A method of a value, to be called later.
#[derive(Debug)]
pub(crate) struct Bound {
    value: Value,
    method: String,
}

impl Bound {
    pub(crate) fn value(value: &Value, method: &str) -> Value {
        Value::from_object(Bound {
            value: value.clone(),
            method: method.to_owned(),
        })
    }
}

impl Object for Bound {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        self.value.call_method(state, &self.method, args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<built-in method {}>", self.method)
    }
}

/// Mappings that come from the host; dicts of templates answer themselves.
fn mapping_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let Some(object) = value.as_object() else {
        return Ok(None);
    };
    let pairs = || object.try_iter_pairs().into_iter().flatten();
    Ok(Some(match method {
        "get" => {
            let arguments = Arguments::new(args)?;
            let found = object.get_value(&arguments.required(0, "key")?);
            found
                .or_else(|| arguments.get(1, "default"))
                .unwrap_or_else(|| Value::from(()))
        }
        "keys" => View::value("dict_keys", pairs().map(|(key, _)| key).collect()),
        "values" => View::value("dict_values", pairs().map(|(_, value)| value).collect()),
        "items" => View::value(
            "dict_items",
            pairs()
                .map(|(key, value)| Value::from(Tuple::from([key, value])))
                .collect(),
        ),
        // A copy may be changed, whatever it is a copy of.
        "copy" | "to_dict" => Dict::from_pairs(pairs().map(|(key, value)| (key, thaw(&value)))),
        "update" | "setdefault" | "clear" | "pop" | "popitem" => {
            return Err(failed(format!(
                "`{method}` would change a value that cannot change: make a copy first"
            )));
        }
        _ => return Ok(None),
    }))
}

fn sequence_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let arguments = Arguments::new(args)?;
    Ok(Some(match method {
        "index" => {
            let wanted = arguments.required(0, "value")?;
            let at = value.try_iter()?.position(|item| item == wanted);
            at.map(Value::from)
                .ok_or_else(|| failed("the sequence has no such item"))?
        }
        "count" => {
            let wanted = arguments.required(0, "value")?;
            Value::from(value.try_iter()?.filter(|item| *item == wanted).count())
        }
        "copy" if !value.is_tuple() => List::value(value.try_iter()?.collect()),
        _ => return Ok(None),
    }))
}

fn number_method(value: &Value, method: &str) -> Option<Result<Value, Error>> {
    let is_whole = value.kind() == ValueKind::Bool || value.is_integer();
    let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    Some(Ok(match method {
        "is_integer" => Value::from(number.fract() == 0.0),
        "conjugate" => value.clone(),
        "bit_length" if is_whole => {
            let number = if value.kind() == ValueKind::Bool {
                i128::from(value.is_true())
            } else {
                i128::try_from(value.clone()).unwrap_or_default()
            };
            Value::from(128 - number.unsigned_abs().leading_zeros())
        }
        _ => return None,
    }))
}
