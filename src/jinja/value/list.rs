//! List: Python's mutable list.

use std::sync::{Arc, Mutex};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::order::sorted;
use crate::value::{Arguments, failed, lock, unknown_method};

/// A list that `append` and its like change in place.
#[derive(Debug, Default)]
pub struct List(Mutex<Vec<Value>>);

impl List {
    pub fn value(items: Vec<Value>) -> Value {
        Value::from_object(List(Mutex::new(items)))
    }

    /// A copy of what the list holds now.
    pub fn items(&self) -> Vec<Value> {
        lock(&self.0).clone()
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        List(Mutex::new(items.into_iter().collect()))
    }
}

/// Where Python's index points, or `None` outside the list.
fn position(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 {
        index.checked_add(i64::try_from(length).ok()?)?
    } else {
        index
    };
    usize::try_from(index).ok().filter(|index| *index < length)
}

/// Goes over a list that may change meanwhile.
struct Items {
    list: Arc<List>,
    at: usize,
}

impl Iterator for Items {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let item = lock(&self.list.0).get(self.at).cloned()?;
        self.at += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = lock(&self.list.0).len().saturating_sub(self.at);
        (left, Some(left))
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = lock(&self.0);
        let index = position(key.as_i64()?, items.len())?;
        items.get(index).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, _key: &str) -> Option<Value> {
        None
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // A loop sees what is added while it runs, as in Python.
        Enumerator::Iter(Box::new(Items {
            list: self.clone(),
            at: 0,
        }))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<List>()?.items();
        Some(self.items().cmp(&other))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        match method {
            "append" => {
                let item = arguments.required(0, "object")?;
                lock(&self.0).push(item);
                Ok(Value::from(()))
            }
            "extend" => {
                let items: Vec<Value> = arguments.required(0, "iterable")?.try_iter()?.collect();
                lock(&self.0).extend(items);
                Ok(Value::from(()))
            }
            "insert" => {
                let index = arguments.required(0, "index")?;
                let item = arguments.required(1, "object")?;
                let mut items = lock(&self.0);
                let length = items.len();
                let index = index.as_i64().unwrap_or(0);
                let at = if index < 0 {
                    position(index, length).unwrap_or(0)
                } else {
                    usize::try_from(index).map_or(length, |index| index.min(length))
                };
                items.insert(at, item);
                Ok(Value::from(()))
            }
            "remove" => {
                let item = arguments.required(0, "value")?;
                let at = self.items().iter().position(|other| *other == item);
                let at = at.ok_or_else(|| failed("the list has no such item to remove"))?;
                lock(&self.0).remove(at);
                Ok(Value::from(()))
            }
            "pop" => {
                let mut items = lock(&self.0);
                let index = arguments
                    .get(0, "index")
                    .and_then(|index| index.as_i64())
                    .unwrap_or(-1);
                let at = position(index, items.len())
                    .ok_or_else(|| failed("pop from an empty list, or past its end"))?;
                Ok(items.remove(at))
            }
            "index" => {
                let item = arguments.required(0, "value")?;
                let start = arguments.get(1, "start").and_then(|start| start.as_usize());
                let items = self.items();
                let mut rest = items.iter().enumerate().skip(start.unwrap_or(0));
                let at = rest.find(|(_, other)| **other == item).map(|(at, _)| at);
                at.map(Value::from)
                    .ok_or_else(|| failed("the list has no such item"))
            }
            "count" => {
                let item = arguments.required(0, "value")?;
                let items = self.items();
                Ok(Value::from(items.iter().filter(|o| **o == item).count()))
            }
            "sort" => {
                let is_reverse = arguments.keyword("reverse").is_some_and(|v| v.is_true());
                let items = self.items().into_iter().map(|item| (item.clone(), item));
                let items = sorted(items.collect(), is_reverse)?;
                *lock(&self.0) = items;
                Ok(Value::from(()))
            }
            "reverse" => {
                lock(&self.0).reverse();
                Ok(Value::from(()))
            }
            "copy" => Ok(List::value(self.items())),
            "clear" => {
                lock(&self.0).clear();
                Ok(Value::from(()))
            }
            _ => Err(unknown_method()),
        }
    }
}
