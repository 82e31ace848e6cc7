//! Native: what the values of YAML files become, and the filters that choose it.
//!
//! In a project file `"{{ var('x') }}"` gives the value itself; text stays text unless a filter
//! says that it is a literal. Elsewhere the filters hand on what they get.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error, State, Value};

use crate::session::Session;
use crate::value::convert::literal;
use crate::value::failed;
use crate::value::text::text;

pub(crate) fn add(environment: &mut Environment<'_>) {
    for (name, wanted) in [
        ("as_native", Wanted::Anything),
        ("as_bool", Wanted::Bool),
        ("as_number", Wanted::Number),
        ("as_text", Wanted::Text),
    ] {
        environment.add_filter(name, move |state: &mut State, value: Value| {
            let is_native = Session::of(state).is_some_and(|session| session.is_native);
            if is_native {
                Value::from_object(Marked {
                    text: text(&value),
                    wanted,
                })
            } else {
                value
            }
        });
    }
}

/// What a marked text is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Anything,
    Bool,
    Number,
    Text,
}

/// Text that one of the filters marked.
#[derive(Debug)]
struct Marked {
    text: String,
    wanted: Wanted,
}

impl Object for Marked {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text behind a mark, as operators take it; other values as they are.
pub(crate) fn unmarked(value: &Value) -> Cow<'_, Value> {
    match value.downcast_object_ref::<Marked>() {
        Some(marked) => Cow::Owned(Value::from(marked.text.as_str())),
        None => Cow::Borrowed(value),
    }
}

/// The value that a single expression of a YAML file stands for.
///
/// # Errors
///
/// When text is marked as a number or boolean and is none.
pub(crate) fn resolved(value: Value) -> Result<Value, Error> {
    let Some(marked) = value.downcast_object_ref::<Marked>() else {
        return Ok(value);
    };
    let text = marked.text.as_str();
    if marked.wanted == Wanted::Text {
        return Ok(Value::from(text));
    }
    let found = literal(text).unwrap_or_else(|| Value::from(text));
    let (is_fit, kind) = match marked.wanted {
        Wanted::Bool => (found.kind() == ValueKind::Bool, "bool"),
        Wanted::Number => (found.kind() == ValueKind::Number, "number"),
        _ => (true, ""),
    };
    if is_fit {
        Ok(found)
    } else {
        Err(failed(format!(
            "Could not convert value '{text}' into type '{kind}'"
        )))
    }
}
