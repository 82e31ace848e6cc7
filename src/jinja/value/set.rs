//! Set: Python's set, in the order its items were put in.

use std::fmt;
use std::sync::{Arc, Mutex};

use indexmap::IndexSet;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::value::text::bracketed;
use crate::value::{Arguments, failed, lock, unknown_method};

/// A set that `add` and its like change in place.
#[derive(Debug, Default)]
pub struct Set(Mutex<IndexSet<Value>>);

impl Set {
    pub fn value(items: impl IntoIterator<Item = Value>) -> Value {
        Value::from_object(Set(Mutex::new(items.into_iter().collect())))
    }

    pub fn items(&self) -> IndexSet<Value> {
        lock(&self.0).clone()
    }
}

fn items_of(value: &Value) -> Result<IndexSet<Value>, Error> {
    Ok(value.try_iter()?.collect())
}

impl Object for Set {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items().into_iter().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let mut left: Vec<Value> = self.items().into_iter().collect();
        let mut right: Vec<Value> = other.downcast_ref::<Set>()?.items().into_iter().collect();
        left.sort();
        right.sort();
        Some(left.cmp(&right))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let other = || -> Result<IndexSet<Value>, Error> {
            let mut all = IndexSet::new();
            for argument in arguments.positional() {
                all.extend(items_of(argument)?);
            }
            Ok(all)
        };
        let item = || arguments.required(0, "item");
        match method {
            "add" => {
                lock(&self.0).insert(item()?);
                Ok(Value::from(()))
            }
            "update" => {
                let items = other()?;
                lock(&self.0).extend(items);
                Ok(Value::from(()))
            }
            "discard" => {
                lock(&self.0).shift_remove(&item()?);
                Ok(Value::from(()))
            }
            "remove" => {
                if lock(&self.0).shift_remove(&item()?) {
                    Ok(Value::from(()))
                } else {
                    Err(failed("the set has no such item to remove"))
                }
            }
            "pop" => lock(&self.0)
                .pop()
                .ok_or_else(|| failed("pop from an empty set")),
            "clear" => {
                lock(&self.0).clear();
                Ok(Value::from(()))
            }
            "copy" => Ok(Set::value(self.items())),
            "union" => Ok(Set::value(self.items().into_iter().chain(other()?))),
            "intersection" => {
                let other = other()?;
                let items = self.items().into_iter();
                Ok(Set::value(items.filter(|item| other.contains(item))))
            }
            "difference" => {
                let other = other()?;
                let items = self.items().into_iter();
                Ok(Set::value(items.filter(|item| !other.contains(item))))
            }
            "symmetric_difference" => {
                let (left, right) = (self.items(), other()?);
                let both: Vec<Value> = left.symmetric_difference(&right).cloned().collect();
                Ok(Set::value(both))
            }
            "issubset" => Ok(Value::from(self.items().is_subset(&other()?))),
            "issuperset" => Ok(Value::from(self.items().is_superset(&other()?))),
            "isdisjoint" => Ok(Value::from(self.items().is_disjoint(&other()?))),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<Value> = self.items().into_iter().collect();
        if items.is_empty() {
            return f.write_str("set()");
        }
        f.write_str(&bracketed("{", &items, "}"))
    }
}
