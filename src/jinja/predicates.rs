//! Predicates: what `is …` asks, where upstream has no such test or answers other than Jinja2.

use minijinja::value::{ObjectRepr, ValueKind};
use minijinja::{Environment, Value};

use crate::value::unknown::is_unknown;

pub(crate) fn add(environment: &mut Environment<'_>) {
    environment.add_test("defined", |value: &Value| !is_unknown(value));
    environment.add_test("undefined", |value: &Value| is_unknown(value));
    environment.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::String | ValueKind::Map
        )
    });
    environment.add_test("iterable", |value: &Value| value.try_iter().is_ok());
    environment.add_test("callable", |value: &Value| {
        value.as_object().is_some_and(|object| {
            object.repr() == ObjectRepr::Plain
                && !object.is::<crate::value::relation::RelationObject>()
                && !object.is::<crate::value::column::Column>()
        })
    });
    environment.add_test("list", |value: &Value| {
        value.kind() == ValueKind::Seq && !value.is_tuple()
    });
    environment.add_test("null", |value: &Value| value.is_none());
}
