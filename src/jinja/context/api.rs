//! `api.Relation`, `api.Column`, and `validation`.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};

use crate::value::column::ColumnClass;
use crate::value::dict::Dict;
use crate::value::relation::RelationClass;

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    let column = Value::from_object(ColumnClass);
    add(
        "api",
        Dict::from_pairs([
            ("Relation", Value::from_object(RelationClass)),
            ("Column", column.clone()),
        ]),
    );
    add("column", column);
    add(
        "validation",
        Dict::from_pairs([("any", Value::from_object(AnyType))]),
    );
}

/// `validation.any[…]`: accepts whatever the config holds.
#[derive(Debug)]
struct AnyType;

impl Object for AnyType {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(self.clone()))
    }
}
