//! Jinja's own functions: `range`, `namespace`, `dict`, `cycler`, `joiner`.

use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::value::{Object, ObjectRepr, ValueOrKwargs};
use minijinja::{Error, State, Value, functions};

use crate::value::dict::{Dict, pairs};
use crate::value::{Arguments, callable, failed, lock, range, unknown_method};

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("range", callable(range::call));
    add("namespace", callable(namespace));
    add("dict", Value::from_object(DictClass));
    add("cycler", callable(cycler));
    add("joiner", callable(joiner));
}

/// The entries of a mapping or of pairs, and the keywords after them.
fn entries(args: &[Value]) -> Result<Vec<(Value, Value)>, Error> {
    let arguments = Arguments::new(args)?;
    let mut entries = match arguments.positional().first() {
        Some(given) => pairs(given)?,
        None => Vec::new(),
    };
    let named = arguments.keywords().into_iter();
    entries.extend(named.map(|(key, value)| (Value::from(key), value)));
    Ok(entries)
}

fn namespace(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let defaults = Dict::from_pairs(entries(args)?);
    functions::namespace(Some(ValueOrKwargs::from(defaults)))
}

/// `dict(…)` and `dict.fromkeys(…)`
#[derive(Debug)]
struct DictClass;

impl Object for DictClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        Ok(Dict::from_pairs(entries(args)?))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "fromkeys" {
            return Err(unknown_method());
        }
        let arguments = Arguments::new(args)?;
        let value = arguments.get(1, "value").unwrap_or(Value::from(()));
        let keys = arguments.required(0, "iterable")?;
        Ok(Dict::from_pairs(
            keys.try_iter()?.map(|key| (key, value.clone())),
        ))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<class 'dict'>")
    }
}

fn cycler(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    if args.is_empty() {
        return Err(failed("`cycler` takes at least one item"));
    }
    Ok(Value::from_object(Cycler {
        items: args.to_vec(),
        at: Mutex::default(),
    }))
}

/// Gives its items one after the other, without end.
#[derive(Debug)]
struct Cycler {
    items: Vec<Value>,
    at: Mutex<usize>,
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("current")).then(|| self.items[*lock(&self.at)].clone())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        let mut at = lock(&self.at);
        match method {
            "next" => {
                let item = self.items[*at].clone();
                *at = (*at + 1) % self.items.len();
                Ok(item)
            }
            "reset" => {
                *at = 0;
                Ok(Value::from(()))
            }
            _ => Err(unknown_method()),
        }
    }
}

fn joiner(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let separator = Arguments::new(args)?.optional_text(0, "sep");
    Ok(Value::from_object(Joiner {
        separator: separator.unwrap_or_else(|| ", ".to_owned()),
        is_used: Mutex::default(),
    }))
}

/// Gives nothing when it is first called, and its separator ever after.
#[derive(Debug)]
struct Joiner {
    separator: String,
    is_used: Mutex<bool>,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
        let is_used = std::mem::replace(&mut *lock(&self.is_used), true);
        Ok(Value::from(if is_used {
            self.separator.as_str()
        } else {
            ""
        }))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<joiner>")
    }
}
