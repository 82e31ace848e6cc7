//! Unknown: what an unknown name is while parsing.
//!
//! Attribute, item and call all give the same again, so that a template parses before the
//! values it will see exist. It is false, empty and writes nothing.

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

/// See the module's words.
#[derive(Debug)]
pub struct Unknown;

static UNKNOWN: LazyLock<Value> = LazyLock::new(|| Value::from_object(Unknown));

/// The one value of its kind.
pub(crate) fn unknown() -> Value {
    UNKNOWN.clone()
}

/// True for undefined values and for the unknown one.
pub(crate) fn is_unknown(value: &Value) -> bool {
    value.is_undefined() || value.downcast_object_ref::<Unknown>().is_some()
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        Some(unknown())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
        Ok(unknown())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        _method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        Ok(unknown())
    }

    fn render(self: &Arc<Self>, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
