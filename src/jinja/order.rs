//! Order: Jinja's filters that sort, group and compare, with Python's refusals.

use std::cmp::Ordering;

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, Tuple, ValueOrKwargs};
use minijinja::{Environment, Error, Value};

use crate::operators::compared;
use crate::value::dict::pairs;
use crate::value::list::List;
use crate::value::{Arguments, Filter, failed, raw};

pub(crate) fn add(environment: &mut Environment<'_>) {
    let filters: [(&'static str, Filter); 7] = [
        ("sort", sort),
        ("unique", unique),
        ("dictsort", dict_sort),
        ("groupby", group_by),
        ("min", |value, arguments| {
            extreme(value, arguments, Ordering::Less)
        }),
        ("max", |value, arguments| {
            extreme(value, arguments, Ordering::Greater)
        }),
        ("sum", sum),
    ];
    for (name, function) in filters {
        environment.add_filter(name, move |value: &Value, args: Rest<ValueOrKwargs>| {
            let args = raw(args);
            function(value, &Arguments::new(&args)?)
        });
    }
}

/// Sorts items by their keys; the first pair that cannot be compared is the mistake.
pub(crate) fn sorted(items: Vec<(Value, Value)>, is_reverse: bool) -> Result<Vec<Value>, Error> {
    let mut items = items;
    let mut mistake = None;
    items.sort_by(|(left, _), (right, _)| {
        if left == right {
            return Ordering::Equal;
        }
        let order = compared("<", left, right).unwrap_or_else(|error| {
            mistake.get_or_insert(error);
            Ordering::Equal
        });
        if is_reverse { order.reverse() } else { order }
    });
    match mistake {
        Some(error) => Err(error),
        None => Ok(items.into_iter().map(|(_, item)| item).collect()),
    }
}

/// An attribute path, such as `name`, `a.b` or `0`; several with commas between.
struct Path(Vec<Vec<Value>>);

impl Path {
    fn of(value: Option<Value>) -> Option<Path> {
        let value = value.filter(|value| !value.is_none() && !value.is_undefined())?;
        let Some(text) = value.as_str() else {
            return Some(Path(vec![vec![value]]));
        };
        let step = |part: &str| {
            part.parse::<i64>()
                .map_or_else(|_| Value::from(part), Value::from)
        };
        let paths = text.split(',');
        Some(Path(
            paths
                .map(|path| path.trim().split('.').map(step).collect())
                .collect(),
        ))
    }

    fn follow(&self, item: &Value) -> Result<Vec<Value>, Error> {
        let follow = |path: &Vec<Value>| {
            path.iter()
                .try_fold(item.clone(), |value, step| match step.as_str() {
                    Some(name) => value.get_attr(name),
                    None => value.get_item(step),
                })
        };
        self.0.iter().map(follow).collect()
    }
}

fn without_case(value: Value, is_case_sensitive: bool) -> Value {
    match value.as_str() {
        Some(text) if !is_case_sensitive => Value::from(text.to_lowercase()),
        _ => value,
    }
}

/// What an item is sorted by.
fn key(item: &Value, path: Option<&Path>, is_case_sensitive: bool) -> Result<Value, Error> {
    let Some(path) = path else {
        return Ok(without_case(item.clone(), is_case_sensitive));
    };
    let mut parts = path.follow(item)?;
    for part in &mut parts {
        *part = without_case(std::mem::take(part), is_case_sensitive);
    }
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => List::value(parts),
    })
}

fn keyed(
    value: &Value,
    path: Option<&Path>,
    is_case_sensitive: bool,
) -> Result<Vec<(Value, Value)>, Error> {
    let items = value.try_iter()?;
    items
        .map(|item| Ok((key(&item, path, is_case_sensitive)?, item)))
        .collect()
}

fn sort(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let path = Path::of(arguments.get(2, "attribute"));
    let items = keyed(
        value,
        path.as_ref(),
        arguments.flag(1, "case_sensitive", false),
    )?;
    Ok(List::value(sorted(
        items,
        arguments.flag(0, "reverse", false),
    )?))
}

fn unique(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let path = Path::of(arguments.get(1, "attribute"));
    let items = keyed(
        value,
        path.as_ref(),
        arguments.flag(0, "case_sensitive", false),
    )?;
    let mut seen = indexmap::IndexSet::new();
    let kept = items
        .into_iter()
        .filter_map(|(key, item)| seen.insert(key).then_some(item));
    Ok(List::value(kept.collect()))
}

fn dict_sort(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let is_case_sensitive = arguments.flag(0, "case_sensitive", false);
    let by = arguments.optional_text(1, "by");
    let is_by_value = match by.as_deref() {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return Err(failed("`dictsort` sorts by `key` or by `value`")),
    };
    let items = pairs(value)?.into_iter().map(|(key, value)| {
        let sorted_by = if is_by_value {
            value.clone()
        } else {
            key.clone()
        };
        let pair = Value::from(Tuple::from([key, value]));
        (without_case(sorted_by, is_case_sensitive), pair)
    });
    Ok(List::value(sorted(
        items.collect(),
        arguments.flag(2, "reverse", false),
    )?))
}

/// One group of `groupby`: a pair that also has names.
#[derive(Debug)]
pub(crate) struct Group {
    grouper: Value,
    list: Value,
}

impl Object for Group {
    fn repr(self: &std::sync::Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_i64()) {
            (Some("grouper"), _) | (_, Some(0 | -2)) => Some(self.grouper.clone()),
            (Some("list"), _) | (_, Some(1 | -1)) => Some(self.list.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &std::sync::Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }

    fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let items = [self.grouper.clone(), self.list.clone()];
        f.write_str(&crate::value::text::bracketed("(", &items, ")"))
    }
}

fn group_by(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let path = Path::of(arguments.get(0, "attribute"))
        .ok_or_else(|| failed("`groupby` takes the name of an attribute"))?;
    let default = arguments.get(1, "default");
    let is_case_sensitive = arguments.flag(2, "case_sensitive", false);
    let mut items = Vec::new();
    for item in value.try_iter()? {
        let mut grouper = path.follow(&item)?.remove(0);
        if grouper.is_undefined()
            && let Some(default) = &default
        {
            grouper = default.clone();
        }
        let key = without_case(grouper.clone(), is_case_sensitive);
        items.push((key, Value::from(Tuple::from([grouper, item]))));
    }
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for pair in sorted(items, false)? {
        let (grouper, item) = (pair.get_item_by_index(0)?, pair.get_item_by_index(1)?);
        let key = without_case(grouper.clone(), is_case_sensitive);
        match groups.last_mut() {
            Some((last, _, members)) if *last == key => members.push(item),
            _ => groups.push((key, grouper, vec![item])),
        }
    }
    let groups = groups.into_iter().map(|(_, grouper, members)| {
        let list = List::value(members);
        Value::from_object(Group { grouper, list })
    });
    Ok(List::value(groups.collect()))
}

fn extreme(value: &Value, arguments: &Arguments<'_>, wanted: Ordering) -> Result<Value, Error> {
    let path = Path::of(arguments.get(1, "attribute"));
    let is_case_sensitive = arguments.flag(0, "case_sensitive", false);
    let mut best: Option<(Value, Value)> = None;
    for (key, item) in keyed(value, path.as_ref(), is_case_sensitive)? {
        let is_better = match &best {
            None => true,
            Some((best, _)) => compared("<", &key, best)? == wanted,
        };
        if is_better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn sum(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let path = Path::of(arguments.get(0, "attribute"));
    let mut total = arguments.get(1, "start").unwrap_or_else(|| Value::from(0));
    if value.is_undefined() {
        return Ok(total);
    }
    for item in value.try_iter()? {
        let item = match &path {
            Some(path) => path.follow(&item)?.remove(0),
            None => item,
        };
        total = crate::operators::sum(&total, &item)?;
    }
    Ok(total)
}
