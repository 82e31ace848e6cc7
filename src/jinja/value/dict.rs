//! Dict: Python's mutable dict, in the order its keys were put in.

use std::fmt;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::value::text::bracketed;
use crate::value::{Arguments, failed, lock, unknown_method};

/// A dict that `update` and its like change in place.
#[derive(Debug, Default)]
pub struct Dict(Mutex<IndexMap<Value, Value>>);

impl Dict {
    pub fn value(entries: IndexMap<Value, Value>) -> Value {
        Value::from_object(Dict(Mutex::new(entries)))
    }

    /// A copy of what the dict holds now.
    pub fn entries(&self) -> IndexMap<Value, Value> {
        lock(&self.0).clone()
    }

    /// Builds a dict with text keys.
    pub fn from_pairs<K: Into<Value>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Dict::value(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

/// The entries of any mapping, or of a sequence of pairs.
pub fn pairs(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        return Ok(dict.entries().into_iter().collect());
    }
    if let Some(object) = value.as_object()
        && object.repr() == ObjectRepr::Map
    {
        return Ok(object.try_iter_pairs().into_iter().flatten().collect());
    }
    let mut entries = Vec::new();
    for pair in value.try_iter()? {
        let mut parts = pair.try_iter()?;
        match (parts.next(), parts.next(), parts.next()) {
            (Some(key), Some(value), None) => entries.push((key, value)),
            _ => return Err(failed("a dict is made of pairs of key and value")),
        }
    }
    Ok(entries)
}

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = lock(&self.0).keys().cloned().collect();
        Enumerator::Values(keys)
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        match method {
            "get" => {
                let key = arguments.required(0, "key")?;
                let found = lock(&self.0).get(&key).cloned();
                Ok(found
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or_else(|| Value::from(())))
            }
            "keys" => Ok(View::value(
                "dict_keys",
                lock(&self.0).keys().cloned().collect(),
            )),
            "values" => Ok(View::value(
                "dict_values",
                lock(&self.0).values().cloned().collect(),
            )),
            "items" => Ok(View::value(
                "dict_items",
                self.entries()
                    .into_iter()
                    .map(|(key, value)| Value::from(Tuple::from([key, value])))
                    .collect(),
            )),
            "update" => {
                let mut added = match arguments.positional().first() {
                    Some(other) => pairs(other)?,
                    None => Vec::new(),
                };
                added.extend(
                    arguments
                        .keywords()
                        .into_iter()
                        .map(|(key, value)| (Value::from(key), value)),
                );
                lock(&self.0).extend(added);
                Ok(Value::from(()))
            }
            "setdefault" => {
                let key = arguments.required(0, "key")?;
                let default = arguments.get(1, "default").unwrap_or(Value::from(()));
                Ok(lock(&self.0).entry(key).or_insert(default).clone())
            }
            "pop" => {
                let key = arguments.required(0, "key")?;
                let found = lock(&self.0).shift_remove(&key);
                found
                    .or_else(|| arguments.get(1, "default"))
                    .ok_or_else(|| failed(format!("the dict has no key {key:?} to pop")))
            }
            "popitem" => {
                let last = lock(&self.0).pop();
                last.map(|(key, value)| Value::from(Tuple::from([key, value])))
                    .ok_or_else(|| failed("popitem from an empty dict"))
            }
            "copy" => Ok(Dict::value(self.entries())),
            "clear" => {
                lock(&self.0).clear();
                Ok(Value::from(()))
            }
            _ => Err(unknown_method()),
        }
    }
}

/// What `keys()`, `values()` and `items()` of a dict give: to be walked over, not changed.
#[derive(Debug)]
pub struct View {
    name: &'static str,
    items: Vec<Value>,
}

impl View {
    pub(crate) fn value(name: &'static str, items: Vec<Value>) -> Value {
        Value::from_object(View { name, items })
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let view = self.clone();
        let count = self.items.len();
        Enumerator::Iter(Box::new(
            (0..count).map(move |index| view.items[index].clone()),
        ))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items.len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        Some(self.items.cmp(&other.downcast_ref::<View>()?.items))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = bracketed("[", &self.items, "]");
        write!(f, "{}({items})", self.name)
    }
}
