//! `modules`: Python's `datetime`, `pytz`, `re` and `itertools`.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::methods::Bound;
use crate::value::datetime_class::Class;
use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::{Arguments, regex, timezone, unknown_method};

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    let datetime = Dict::from_pairs([
        ("date", Value::from_object(Class::Date)),
        ("datetime", Value::from_object(Class::DateTime)),
        ("time", Value::from_object(Class::Time)),
        ("timedelta", Value::from_object(Class::Delta)),
        ("tzinfo", Value::from_object(Class::Zone)),
    ]);
    add(
        "modules",
        Dict::from_pairs([
            ("datetime", datetime),
            ("pytz", Value::from_object(timezone::Pytz)),
            ("re", Value::from_object(regex::Module)),
            ("itertools", Value::from_object(Itertools)),
        ]),
    );
}

#[derive(Debug)]
struct Itertools;

fn lists(arguments: &Arguments<'_>) -> Result<Vec<Vec<Value>>, Error> {
    arguments
        .positional()
        .iter()
        .map(|argument| Ok(argument.try_iter()?.collect()))
        .collect()
}

fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::from(items))
}

fn product(columns: &[Vec<Value>]) -> Vec<Vec<Value>> {
    columns.iter().fold(vec![Vec::new()], |rows, column| {
        rows.iter()
            .flat_map(|row| {
                column.iter().map(move |item| {
                    let mut longer = row.clone();
                    longer.push(item.clone());
                    longer
                })
            })
            .collect()
    })
}

/// All choices of `count` items; positions rise, unless order counts.
fn choices(length: usize, count: usize, repeats: bool, order_counts: bool) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |rows, _| {
        rows.iter()
            .flat_map(|row: &Vec<usize>| {
                (0..length)
                    .filter(move |next| match row.last() {
                        _ if order_counts => !row.contains(next),
                        Some(last) if repeats => next >= last,
                        Some(last) => next > last,
                        None => true,
                    })
                    .map(move |next| {
                        let mut longer = row.clone();
                        longer.push(next);
                        longer
                    })
            })
            .collect()
    })
}

/// What `count`, `cycle` and an endless `repeat` give.
#[derive(Debug)]
enum Endless {
    Count { start: Value, step: Value },
    Cycle(Vec<Value>),
}

/// A loop over an endless iterator ends here at last, with more than anybody can want.
const MAX_ENDLESS: usize = 10_000_000;

impl Endless {
    fn into_value(self) -> Value {
        Value::from_object(self)
    }
}

impl Object for Endless {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.as_ref() {
            Endless::Cycle(items) => Enumerator::Iter(Box::new(
                items.clone().into_iter().cycle().take(MAX_ENDLESS),
            )),
            Endless::Count { start, step } => {
                let step = step.clone();
                let next = move |value: &Value| crate::operators::sum(value, &step).ok();
                let numbers = std::iter::successors(Some(start.clone()), next);
                Enumerator::Iter(Box::new(numbers.take(MAX_ENDLESS)))
            }
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        None
    }
}

const ITERTOOLS: [&str; 14] = [
    "accumulate",
    "chain",
    "combinations",
    "combinations_with_replacement",
    "compress",
    "count",
    "cycle",
    "islice",
    "permutations",
    "product",
    "repeat",
    "starmap",
    "tee",
    "zip_longest",
];

impl Object for Itertools {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&ITERTOOLS)
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str().filter(|name| ITERTOOLS.contains(name))?;
        Some(Bound::value(&Value::from_dyn_object(self.clone()), name))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let items: Vec<Value> = match method {
            "count" => {
                let start = arguments.get(0, "start").unwrap_or_else(|| Value::from(0));
                let step = arguments.get(1, "step").unwrap_or_else(|| Value::from(1));
                return Ok(Endless::Count { start, step }.into_value());
            }
            "cycle" => {
                let items = arguments.required(0, "iterable")?.try_iter()?.collect();
                return Ok(Endless::Cycle(items).into_value());
            }
            "tee" => {
                let items: Vec<Value> = arguments.required(0, "iterable")?.try_iter()?.collect();
                let count = arguments
                    .get(1, "n")
                    .and_then(|n| n.as_usize())
                    .unwrap_or(2);
                let copies: Vec<Value> = (0..count).map(|_| List::value(items.clone())).collect();
                return Ok(tuple(copies));
            }
            "chain" => lists(&arguments)?.into_iter().flatten().collect(),
            "product" => {
                let mut columns = lists(&arguments)?;
                if let Some(repeat) = arguments.keyword("repeat").and_then(|n| n.as_usize()) {
                    columns = std::iter::repeat_n(columns, repeat).flatten().collect();
                }
                product(&columns).into_iter().map(tuple).collect()
            }
            "combinations" | "combinations_with_replacement" | "permutations" => {
                let pool: Vec<Value> = arguments.required(0, "iterable")?.try_iter()?.collect();
                let count = arguments.get(1, "r").and_then(|r| r.as_usize());
                let count = count.unwrap_or(pool.len());
                let repeats = method == "combinations_with_replacement";
                let order_counts = method == "permutations";
                choices(pool.len(), count, repeats, order_counts)
                    .into_iter()
                    .map(|row| tuple(row.into_iter().map(|at| pool[at].clone()).collect()))
                    .collect()
            }
            "zip_longest" => {
                let columns = lists(&arguments)?;
                let fill = arguments.keyword("fillvalue").unwrap_or(Value::from(()));
                let count = columns.iter().map(Vec::len).max().unwrap_or(0);
                (0..count)
                    .map(|row| {
                        let items = columns.iter();
                        let items = items.map(|column| column.get(row).unwrap_or(&fill).clone());
                        tuple(items.collect())
                    })
                    .collect()
            }
            "islice" => {
                let numbers: Vec<Option<usize>> = arguments
                    .positional()
                    .get(1..)
                    .unwrap_or_default()
                    .iter()
                    .map(Value::as_usize)
                    .collect();
                let (start, stop, step) = match numbers.as_slice() {
                    [stop] => (0, *stop, 1),
                    [start, stop] => (start.unwrap_or(0), *stop, 1),
                    [start, stop, step, ..] => (start.unwrap_or(0), *stop, step.unwrap_or(1)),
                    [] => (0, None, 1),
                };
                arguments
                    .required(0, "iterable")?
                    .try_iter()?
                    .take(stop.unwrap_or(usize::MAX))
                    .skip(start)
                    .step_by(step.max(1))
                    .collect()
            }
            "compress" => {
                let columns = lists(&arguments)?;
                let [data, selectors] = columns.as_slice() else {
                    return Err(unknown_method());
                };
                data.iter()
                    .zip(selectors)
                    .filter(|(_, is_selected)| is_selected.is_true())
                    .map(|(item, _)| item.clone())
                    .collect()
            }
            "repeat" => {
                let Some(count) = arguments.get(1, "times").and_then(|times| times.as_usize())
                else {
                    let item = arguments.required(0, "object")?;
                    return Ok(Endless::Cycle(vec![item]).into_value());
                };
                std::iter::repeat_n(arguments.required(0, "object")?, count).collect()
            }
            "accumulate" => {
                let mut total: Option<Value> = None;
                let mut totals = Vec::new();
                for item in arguments.required(0, "iterable")?.try_iter()? {
                    let next = match total {
                        None => item,
                        Some(total) => state.apply_filter("__add", &[total, item])?,
                    };
                    totals.push(next.clone());
                    total = Some(next);
                }
                totals
            }
            "starmap" => {
                let function = arguments.required(0, "function")?;
                let mut results = Vec::new();
                for row in arguments.required(1, "iterable")?.try_iter()? {
                    let row: Vec<Value> = row.try_iter()?.collect();
                    results.push(function.call(state, &row)?);
                }
                results
            }
            _ => return Err(unknown_method()),
        };
        Ok(List::value(items))
    }
}
