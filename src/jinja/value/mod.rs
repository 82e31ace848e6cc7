//! Values: Python's objects as templates expect them, one kind a file.

pub mod cell;
pub mod column;
pub mod convert;
pub(crate) mod data_type;
pub mod datetime;
pub mod datetime_class;
pub mod decimal;
pub(crate) mod delta;
pub mod dict;
pub mod list;
pub mod named;
pub mod range;
pub mod regex;
pub mod relation;
pub mod set;
pub mod table;
pub mod text;
pub mod timezone;
pub mod unknown;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// Locks what a value holds. A panic in another thread leaves plain data, which stays usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Positional arguments and keywords of one call, taken by name.
pub(crate) struct Arguments<'a> {
    positional: &'a [Value],
    keywords: Option<Kwargs>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(args: &'a [Value]) -> Result<Self, Error> {
        match args.last() {
            Some(last) if last.is_kwargs() => {
                let (keywords,): (Kwargs,) = from_args(&args[args.len() - 1..])?;
                Ok(Arguments {
                    positional: &args[..args.len() - 1],
                    keywords: Some(keywords),
                })
            }
            _ => Ok(Arguments {
                positional: args,
                keywords: None,
            }),
        }
    }

    pub(crate) fn positional(&self) -> &'a [Value] {
        self.positional
    }

    /// The argument at `index`, or the keyword `name`.
    pub(crate) fn get(&self, index: usize, name: &str) -> Option<Value> {
        self.positional
            .get(index)
            .cloned()
            .or_else(|| self.keyword(name))
    }

    pub(crate) fn keyword(&self, name: &str) -> Option<Value> {
        let keywords = self.keywords.as_ref()?;
        keywords
            .has(name)
            .then(|| keywords.get(name).ok())
            .flatten()
    }

    pub(crate) fn required(&self, index: usize, name: &str) -> Result<Value, Error> {
        self.get(index, name).ok_or_else(|| {
            Error::new(
                ErrorKind::MissingArgument,
                format!("the argument `{name}` is missing"),
            )
        })
    }

    pub(crate) fn text(&self, index: usize, name: &str) -> Result<String, Error> {
        Ok(text::text(&self.required(index, name)?))
    }

    /// The argument as text, or `None` when absent, none or undefined.
    pub(crate) fn optional_text(&self, index: usize, name: &str) -> Option<String> {
        self.get(index, name)
            .filter(|value| !value.is_none() && !value.is_undefined())
            .map(|value| text::text(&value))
    }

    pub(crate) fn flag(&self, index: usize, name: &str, default: bool) -> bool {
        self.get(index, name)
            .filter(|value| !value.is_undefined())
            .map_or(default, |value| value.is_true())
    }

    /// Keywords in the order they were written, the rewriter's own left out.
    pub(crate) fn keywords(&self) -> Vec<(String, Value)> {
        let Some(keywords) = &self.keywords else {
            return Vec::new();
        };
        keywords
            .args()
            .filter(|name| *name != crate::rewrite::SITE)
            .filter_map(|name| Some((name.to_owned(), keywords.get(name).ok()?)))
            .collect()
    }
}

/// A function that templates call; it gets its arguments as they were written.
pub(crate) type Called = fn(&mut State<'_, '_>, &[Value]) -> Result<Value, Error>;

/// Makes a template value of a function.
pub(crate) fn callable(function: Called) -> Value {
    Value::from_object(Callable(function))
}

struct Callable(Called);

impl std::fmt::Debug for Callable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<function>")
    }
}

impl Object for Callable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        (self.0)(state, args)
    }
}

/// A filter: its value, and its arguments by name.
pub(crate) type Filter = fn(&Value, &Arguments<'_>) -> Result<Value, Error>;

/// A filter's arguments as they were written, keywords last.
pub(crate) fn raw(args: Rest<ValueOrKwargs>) -> Vec<Value> {
    args.iter()
        .map(|value| value.clone().into_value())
        .collect()
}

pub(crate) fn unknown_method() -> Error {
    Error::from(ErrorKind::UnknownMethod)
}

pub(crate) fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}
