//! Operators: what `+`, `-`, `*`, `%`, list and dict literals and slices become.
//!
//! The rewriter turns them into these filters, because upstream values cannot take part in
//! operators, and upstream lists cannot change.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::value::datetime;
use crate::value::dict::{Dict, pairs};
use crate::value::list::List;
use crate::value::unknown::{Unknown, unknown};
use crate::value::{convert, failed};

pub(crate) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("__list", |value: Value| -> Result<Value, Error> {
        Ok(List::value(value.try_iter()?.collect()))
    });
    environment.add_filter("__dict", |value: Value| -> Result<Value, Error> {
        Ok(Dict::from_pairs(pairs(&value)?))
    });
    environment.add_filter("__slice", sliced);
    environment.add_filter("__add", |left: Value, right: Value| sum(&left, &right));
    environment.add_filter("__subtract", |left: Value, right: Value| {
        difference(&left, &right)
    });
    environment.add_filter("__multiply", |left: Value, right: Value| {
        product(&left, &right)
    });
    environment.add_filter("__modulo", |left: Value, right: Value| {
        modulo(&left, &right)
    });
}

/// A slice of a list is a list; text and tuples stay what they are.
fn sliced(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Iterable => Ok(List::value(value.try_iter()?.collect())),
        _ => Ok(value),
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

fn sum(left: &Value, right: &Value) -> Result<Value, Error> {
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
    if let Some(value) = datetime::sum(left, right)? {
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

fn difference(left: &Value, right: &Value) -> Result<Value, Error> {
    match numbers(left, right) {
        Some(Numbers::Integers(left, right)) => return integer_value(left.checked_sub(right)),
        Some(Numbers::Floats(left, right)) => return Ok(Value::from(left - right)),
        None => {}
    }
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = datetime::difference(left, right)? {
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
    match numbers(left, right) {
        Some(Numbers::Integers(left, right)) => return integer_value(left.checked_mul(right)),
        Some(Numbers::Floats(left, right)) => return Ok(Value::from(left * right)),
        None => {}
    }
    if is_unknown(left, right) {
        return Ok(unknown());
    }
    if let Some(value) = datetime::product(left, right)? {
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

fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(pattern) = left.as_str() {
        let arguments: Vec<Value> = if right.is_tuple() {
            right.try_iter()?.collect()
        } else {
            vec![right.clone()]
        };
        let style = minijinja::formatting::FormatStyle::Printf;
        return minijinja::formatting::format(style, pattern, &arguments).map(Value::from);
    }
    match numbers(left, right) {
        Some(Numbers::Integers(_, 0)) => Err(failed("division by zero")),
        Some(Numbers::Integers(left, right)) => {
            let remainder = left.checked_rem(right).map(|remainder| {
                if remainder != 0 && (remainder < 0) != (right < 0) {
                    remainder + right
                } else {
                    remainder
                }
            });
            integer_value(remainder)
        }
        Some(Numbers::Floats(_, 0.0)) => Err(failed("division by zero")),
        Some(Numbers::Floats(left, right)) => {
            let remainder = left % right;
            Ok(Value::from(
                if remainder != 0.0 && (remainder < 0.0) != (right < 0.0) {
                    remainder + right
                } else {
                    remainder
                },
            ))
        }
        None if is_unknown(left, right) => Ok(unknown()),
        None => Err(misfit("%", left, right)),
    }
}
