//! Predicates: what `is …` asks, where upstream has no such test or answers other than Jinja2.

use minijinja::value::{ObjectRepr, ValueKind};
use minijinja::{Environment, Error, Value};

use crate::operators::contains;
use crate::text_methods::is_cased;
use crate::value::column::Column;
use crate::value::decimal::Decimal;
use crate::value::dict::View;
use crate::value::range::Range;
use crate::value::set::Set;
use crate::value::unknown::{Unknown, is_unknown};

pub(crate) fn add(environment: &mut Environment<'_>) {
    environment.add_test("defined", |value: &Value| !is_unknown(value));
    environment.add_test("undefined", |value: &Value| is_unknown(value));
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", is_iterable);
    environment.add_test("mapping", |value: &Value| {
        value.kind() == ValueKind::Map && !is_a::<Unknown>(value)
    });
    environment.add_test("callable", is_callable);
    environment.add_test("number", |value: &Value| {
        matches!(value.kind(), ValueKind::Number | ValueKind::Bool) || is_a::<Decimal>(value)
    });
    environment.add_test("lower", |value: &Value| {
        is_cased(&value.to_string(), char::is_lowercase)
    });
    environment.add_test("upper", |value: &Value| {
        is_cased(&value.to_string(), char::is_uppercase)
    });
    environment.add_test("in", |item: &Value, items: &Value| -> Result<bool, Error> {
        contains(items, item)
    });
}

fn is_a<T: minijinja::value::Object + 'static>(value: &Value) -> bool {
    value.downcast_object_ref::<T>().is_some()
}

/// True for what has a length and items by number.
fn is_sequence(value: &Value) -> bool {
    match value.kind() {
        ValueKind::String | ValueKind::Map | ValueKind::Seq | ValueKind::Undefined => true,
        ValueKind::Iterable => is_a::<Range>(value),
        _ => false,
    }
}

fn is_iterable(value: &Value) -> bool {
    match value.kind() {
        ValueKind::None => false,
        ValueKind::Iterable => true,
        _ if is_a::<View>(value) || is_a::<Set>(value) => true,
        _ => value.try_iter().is_ok(),
    }
}

/// True for functions, macros and classes, and for unknown values, which can be called too.
fn is_callable(value: &Value) -> bool {
    is_unknown(value)
        || value.as_object().is_some_and(|object| {
            object.repr() == ObjectRepr::Plain
                && !object.is::<Column>()
                && !object.is::<crate::value::datetime::Moment>()
                && !object.is::<Decimal>()
        })
}
