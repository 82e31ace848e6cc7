//! Operators: what Python's operators, list and dict literals and slices become.
//!
//! The rewriter turns them into these filters, because upstream values cannot take part in
//! operators, upstream lists cannot change, and upstream compares what Python refuses to.

use std::cmp::Ordering;

use minijinja::value::{Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::session::Session;
use crate::value::dict::{Dict, pairs};
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::text::text;
use crate::value::unknown::{Unknown, unknown};
use crate::value::{convert, failed};
use crate::value::{decimal, delta};
use crate::{methods, native, printf};

/// An operator between two values.
type Binary = fn(&Value, &Value) -> Result<Value, Error>;

pub(crate) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("__list", |value: Value| -> Result<Value, Error> {
        Ok(List::value(value.try_iter()?.collect()))
    });
    environment.add_filter("__dict", |value: Value| -> Result<Value, Error> {
        let entries = pairs(&value)?;
        for (key, _) in &entries {
            check_key(key)?;
        }
        Ok(Dict::from_pairs(entries))
    });
    environment.add_filter("__iterate", iterated);
    environment.add_filter("__member", methods::member);
    environment.add_filter("__slice", sliced);
    environment.add_filter("__concat", |first: &Value, rest: Rest<Value>| {
        let mut out = text(first);
        for value in rest.iter() {
            out.push_str(&text(value));
        }
        out
    });
    environment.add_filter("__negative", |value: &Value| negative(value));
    let binary: [(&'static str, Binary); 14] = [
        ("__add", sum),
        ("__subtract", difference),
        ("__multiply", product),
        ("__divide", quotient),
        ("__floor_divide", whole_quotient),
        ("__modulo", modulo),
        ("__less", |left, right| {
            ordered("<", left, right, Ordering::is_lt)
        }),
        ("__at_most", |left, right| {
            ordered("<=", left, right, Ordering::is_le)
        }),
        ("__more", |left, right| {
            ordered(">", left, right, Ordering::is_gt)
        }),
        ("__at_least", |left, right| {
            ordered(">=", left, right, Ordering::is_ge)
        }),
        ("__equal", |left, right| Ok(Value::from(equal(left, right)))),
        ("__unequal", |left, right| {
            Ok(Value::from(!equal(left, right)))
        }),
        ("__in", |item, items| contains(items, item).map(Value::from)),
        ("__not_in", |item, items| {
            Ok(Value::from(!contains(items, item)?))
        }),
    ];
    for (name, function) in binary {
        environment.add_filter(name, move |left: Value, right: Value| {
            function(&native::unmarked(&left), &native::unmarked(&right))
        });
    }
}

/// Lists and dicts change, so they cannot be keys.
pub(crate) fn check_key(key: &Value) -> Result<(), Error> {
    let is_fixed = match key.kind() {
        ValueKind::Seq | ValueKind::Map => {
            key.is_tuple() || !(is_a::<List>(key) || is_a::<Dict>(key))
        }
        ValueKind::Iterable => !is_a::<Set>(key),
        _ => true,
    };
    if is_fixed {
        Ok(())
    } else {
        Err(failed(format!(
            "{} cannot be a key of a dict or an item of a set, because it can change",
            convert::kind_name(key)
        )))
    }
}

fn is_a<T: minijinja::value::Object + 'static>(value: &Value) -> bool {
    value.downcast_object_ref::<T>().is_some()
}

/// What a `for` loop goes over.
fn iterated(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => Ok(List::value(value.try_iter()?.collect())),
        ValueKind::Undefined | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => Ok(value),
        _ if Session::of(state).is_some_and(|session| !session.is_execute) => {
            Ok(List::value(Vec::new()))
        }
        ValueKind::None => Err(failed("none cannot be looped over")),
        _ => value.try_iter().map(|_| value.clone()),
    }
}

/// Python's slice: text stays text, tuples stay tuples, everything else becomes a list.
fn sliced(
    value: Value,
    start: Value,
    stop: Option<Value>,
    step: Option<Value>,
) -> Result<Value, Error> {
    if value.downcast_object_ref::<Unknown>().is_some() {
        return Ok(value);
    }
    let bound = |given: &Value| -> Result<Option<i64>, Error> {
        if given.is_none() {
            return Ok(None);
        }
        integer(given)
            .map(|number| Some(i64::try_from(number).unwrap_or(i64::MAX)))
            .ok_or_else(|| failed("the bounds of a slice are whole numbers or none"))
    };
    let step = step.as_ref().map_or(Ok(None), bound)?.unwrap_or(1);
    if step == 0 {
        return Err(failed("the step of a slice cannot be zero"));
    }
    let items: Vec<Value> = match value.kind() {
        ValueKind::Undefined => {
            return Err(Error::new(
                ErrorKind::UndefinedError,
                "an undefined value is sliced",
            ));
        }
        ValueKind::String | ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.collect(),
        _ => return Ok(Value::UNDEFINED),
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let clamp = |given: Option<i64>, default: i64| match given {
        None => default,
        Some(at) if at < 0 => (at + length).clamp(lowest, highest),
        Some(at) => at.clamp(lowest, highest),
    };
    let (first, last) = if step > 0 {
        (0, length)
    } else {
        (length - 1, -1)
    };
    let mut at = clamp(bound(&start)?, first);
    let end = clamp(stop.as_ref().map_or(Ok(None), bound)?, last);
    let mut kept = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            kept.push(item.clone());
        }
        at = at.saturating_add(step);
    }
    Ok(if value.kind() == ValueKind::String {
        Value::from(kept.iter().filter_map(Value::as_str).collect::<String>())
    } else if value.is_tuple() {
        Value::from(Tuple::from(kept))
    } else {
        List::value(kept)
    })
}

fn equal(left: &Value, right: &Value) -> bool {
    match decimal::compare(left, right) {
        Some(order) => order.is_eq(),
        None => left == right,
    }
}

/// Compares as Python does, which refuses values of kinds that have no order between them.
pub(crate) fn compared(operator: &str, left: &Value, right: &Value) -> Result<Ordering, Error> {
    if let Some(order) = decimal::compare(left, right) {
        return Ok(order);
    }
    if numbers(left, right).is_some() || is_unknown(left, right) {
        return Ok(left.cmp(right));
    }
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(left.cmp(right));
    }
    let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    if is_list(left) && is_list(right) && left.is_tuple() == right.is_tuple() {
        let mut others = right.try_iter()?;
        for item in left.try_iter()? {
            let Some(other) = others.next() else {
                return Ok(Ordering::Greater);
            };
            if item != other {
                return compared(operator, &item, &other);
            }
        }
        return Ok(if others.next().is_some() {
            Ordering::Less
        } else {
            Ordering::Equal
        });
    }
    if left.kind() == ValueKind::Plain && right.kind() == ValueKind::Plain {
        if !delta::is_comparable(left, right) {
            return Err(misfit(operator, left, right));
        }
        return Ok(left.cmp(right));
    }
    Err(misfit(operator, left, right))
}

fn ordered(
    operator: &str,
    left: &Value,
    right: &Value,
    is_wanted: fn(Ordering) -> bool,
) -> Result<Value, Error> {
    if let (Some(left), Some(right)) = (
        left.downcast_object_ref::<Set>(),
        right.downcast_object_ref::<Set>(),
    ) {
        // Sets are ordered by inclusion.
        let (left, right) = (left.items(), right.items());
        let is_same_size = left.len() == right.len();
        let order = if left.is_subset(&right) {
            if is_same_size {
                Ordering::Equal
            } else {
                Ordering::Less
            }
        } else if left.is_superset(&right) {
            Ordering::Greater
        } else {
            return Ok(Value::from(false));
        };
        return Ok(Value::from(is_wanted(order)));
    }
    let floats = |value: &Value| {
        (value.kind() == ValueKind::Number && !value.is_integer())
            .then(|| f64::try_from(value.clone()).ok())
            .flatten()
    };
    if [left, right]
        .into_iter()
        .filter_map(floats)
        .any(f64::is_nan)
    {
        return Ok(Value::from(false));
    }
    compared(operator, left, right).map(|order| Value::from(is_wanted(order)))
}

/// `item in items`
pub(crate) fn contains(items: &Value, item: &Value) -> Result<bool, Error> {
    match items.kind() {
        ValueKind::String => match item.as_str() {
            Some(part) => Ok(items.as_str().unwrap_or_default().contains(part)),
            None if is_unknown(item, item) => Ok(false),
            None => Err(misfit("in", item, items)),
        },
        ValueKind::Undefined => Ok(false),
        ValueKind::Map => {
            if items.downcast_object_ref::<Unknown>().is_some() {
                return Ok(false);
            }
            let found = items.as_object().and_then(|object| object.get_value(item));
            Ok(found.is_some())
        }
        ValueKind::Seq | ValueKind::Iterable => Ok(items.try_iter()?.any(|other| other == *item)),
        _ => Err(misfit("in", item, items)),
    }
}

fn is_unknown(left: &Value, right: &Value) -> bool {
    [left, right]
        .iter()
        .any(|value| value.downcast_object_ref::<Unknown>().is_some())
}

fn misfit(operator: &str, left: &Value, right: &Value) -> Error {
    if left.is_undefined() || right.is_undefined() {
        return Error::new(
            ErrorKind::InvalidOperation,
            format!("`{operator}` is used on an undefined value"),
        );
    }
    failed(format!(
        "`{operator}` does not work on {} and {}",
        convert::kind_name(left),
        convert::kind_name(right)
    ))
}

/// Two numbers as Python would compute with them.
enum Numbers {
    Integers(i128, i128),
    Floats(f64, f64),
}

fn integer(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn numbers(left: &Value, right: &Value) -> Option<Numbers> {
    if let (Some(left), Some(right)) = (integer(left), integer(right)) {
        return Some(Numbers::Integers(left, right));
    }
    let float = |value: &Value| match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        _ => None,
    };
    Some(Numbers::Floats(float(left)?, float(right)?))
}

fn integer_value(number: Option<i128>) -> Result<Value, Error> {
    let number = number.ok_or_else(|| failed("the number is too large"))?;
    Ok(i64::try_from(number).map_or_else(|_| Value::from(number), Value::from))
}

fn is_listlike(value: &Value) -> bool {
    !value.is_tuple() && matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

pub(crate) fn sum(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(value) = decimal::operate("+", left, right)? {
        return Ok(value);
    }
    let (left, right) = (&decimal::softened(left), &decimal::softened(right));
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(Value::from([left, right].concat()));
    }
    match numbers(left, right) {
        Some(Numbers::Integers(left, right)) => return integer_value(left.checked_add(right)),
        Some(Numbers::Floats(left, right)) => return Ok(Value::from(left + right)),
        None => {}
    }
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = delta::sum(left, right)? {
        return Ok(value);
    }
    if is_listlike(left) && is_listlike(right) {
        let items = left.try_iter()?.chain(right.try_iter()?);
        return Ok(List::value(items.collect()));
    }
    if left.is_tuple() && right.is_tuple() {
        let items: Vec<Value> = left.try_iter()?.chain(right.try_iter()?).collect();
        return Ok(Value::from(Tuple::from(items)));
    }
    Err(misfit("+", left, right))
}

pub(crate) fn difference(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(value) = decimal::operate("-", left, right)? {
        return Ok(value);
    }
    let (left, right) = (&decimal::softened(left), &decimal::softened(right));
    match numbers(left, right) {
        Some(Numbers::Integers(left, right)) => return integer_value(left.checked_sub(right)),
        Some(Numbers::Floats(left, right)) => return Ok(Value::from(left - right)),
        None => {}
    }
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = delta::difference(left, right)? {
        return Ok(value);
    }
    if let Some(set) = left.downcast_object_ref::<crate::value::set::Set>() {
        let dropped: Vec<Value> = right.try_iter()?.collect();
        let items = set.items().into_iter();
        let kept = items.filter(|item| !dropped.contains(item));
        return Ok(crate::value::set::Set::value(kept));
    }
    Err(misfit("-", left, right))
}

/// Longer results are taken for a mistake.
const MAX_REPEATED: usize = 100_000_000;

fn product(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(value) = decimal::operate("*", left, right)? {
        return Ok(value);
    }
    let (left, right) = (&decimal::softened(left), &decimal::softened(right));
    match numbers(left, right) {
        Some(Numbers::Integers(left, right)) => return integer_value(left.checked_mul(right)),
        Some(Numbers::Floats(left, right)) => return Ok(Value::from(left * right)),
        None => {}
    }
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = delta::product(left, right)? {
        return Ok(value);
    }
    let (repeated, count) = match (integer(left), integer(right)) {
        (None, Some(count)) => (left, count),
        (Some(count), None) => (right, count),
        _ => return Err(misfit("*", left, right)),
    };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    let length = repeated.len().unwrap_or(0);
    if length.saturating_mul(count) > MAX_REPEATED {
        return Err(failed("the repeated value is too large"));
    }
    if let Some(text) = repeated.as_str() {
        return Ok(Value::from(text.repeat(count)));
    }
    if !matches!(repeated.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(misfit("*", left, right));
    }
    let items: Vec<Value> = repeated.try_iter()?.collect();
    let all: Vec<Value> = std::iter::repeat_n(items, count).flatten().collect();
    Ok(if repeated.is_tuple() {
        Value::from(Tuple::from(all))
    } else {
        List::value(all)
    })
}

/// Division by zero is a mistake; so is a value that is no number.
fn divisible(operator: &str, left: &Value, right: &Value) -> Result<Numbers, Error> {
    match numbers(left, right) {
        Some(Numbers::Integers(_, 0) | Numbers::Floats(_, 0.0)) => Err(failed("division by zero")),
        Some(numbers) => Ok(numbers),
        None => Err(misfit(operator, left, right)),
    }
}

fn quotient(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(value) = decimal::operate("/", left, right)? {
        return Ok(value);
    }
    let (left, right) = (&decimal::softened(left), &decimal::softened(right));
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = delta::quotient(left, right)? {
        return Ok(value);
    }
    Ok(match divisible("/", left, right)? {
        Numbers::Integers(left, right) => Value::from(left as f64 / right as f64),
        Numbers::Floats(left, right) => Value::from(left / right),
    })
}

fn whole_quotient(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(value) = decimal::operate("//", left, right)? {
        return Ok(value);
    }
    let (left, right) = (&decimal::softened(left), &decimal::softened(right));
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = delta::whole_quotient(left, right)? {
        return Ok(value);
    }
    match divisible("//", left, right)? {
        Numbers::Integers(left, right) => {
            let quotient = left.checked_div(right).map(|quotient| {
                let is_inexact = left % right != 0;
                quotient - i128::from(is_inexact && (left < 0) != (right < 0))
            });
            integer_value(quotient)
        }
        Numbers::Floats(left, right) => Ok(Value::from((left / right).floor())),
    }
}

fn negative(value: &Value) -> Result<Value, Error> {
    if let Some(value) = decimal::operate("*", value, &Value::from(-1))? {
        return Ok(value);
    }
    if is_unknown(value, value) {
        return Ok(unknown());
    }
    if let Some(value) = delta::product(value, &Value::from(-1))? {
        return Ok(value);
    }
    if let Some(number) = integer(value) {
        return integer_value(number.checked_neg());
    }
    match (value.kind(), f64::try_from(value.clone())) {
        (ValueKind::Number, Ok(number)) => Ok(Value::from(-number)),
        _ if value.is_undefined() => Err(misfit("-", value, value)),
        _ => Err(failed(format!(
            "`-` does not work on {}",
            convert::kind_name(value)
        ))),
    }
}

fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(pattern) = left.as_str() {
        return printf::printf(pattern, right).map(Value::from);
    }
    if let Some(value) = decimal::operate("%", left, right)? {
        return Ok(value);
    }
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = delta::remainder(left, right)? {
        return Ok(value);
    }
    match divisible("%", left, right)? {
        Numbers::Integers(left, right) => {
            let remainder = left.checked_rem(right).map(|remainder| {
                if remainder != 0 && (remainder < 0) != (right < 0) {
                    remainder + right
                } else {
                    remainder
                }
            });
            integer_value(remainder)
        }
        Numbers::Floats(left, right) => {
            let remainder = left % right;
            Ok(Value::from(
                if remainder != 0.0 && (remainder < 0.0) != (right < 0.0) {
                    remainder + right
                } else {
                    remainder
                },
            ))
        }
    }
}
