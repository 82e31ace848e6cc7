//! Delta: Python's operators on dates, times and timedeltas.

use minijinja::{Error, Value};

use crate::value::datetime::Moment;
use crate::value::failed;

pub(crate) fn sum(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let (Some(left), Some(right)) = (Moment::of(left), Moment::of(right)) else {
        return Ok(None);
    };
    let moved = match (left, right) {
        (moment, Moment::Delta(micros)) | (Moment::Delta(micros), moment) => {
            moment.shifted(*micros)?
        }
        _ => return Ok(None),
    };
    Ok(Some(moved.into_value()))
}

pub(crate) fn difference(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let (Some(left), Some(right)) = (Moment::of(left), Moment::of(right)) else {
        return Ok(None);
    };
    let result = match (left, right) {
        (moment, Moment::Delta(micros)) => moment.shifted(-micros)?,
        (Moment::Aware(left), Moment::Aware(right)) => {
            Moment::Delta(left.duration_since(right).as_micros())
        }
        (Moment::Aware(_) | Moment::Late(..), Moment::Aware(_) | Moment::Late(..)) => {
            match (left.instant(), right.instant()) {
                (Some(left), Some(right)) => Moment::Delta(left - right),
                _ => return Ok(None),
            }
        }
        (Moment::Aware(_) | Moment::Late(..), Moment::Naive(_))
        | (Moment::Naive(_), Moment::Aware(_) | Moment::Late(..)) => {
            return Err(failed(
                "a time with a time zone and one without cannot be subtracted",
            ));
        }
        _ => match (left.civil(), right.civil()) {
            (Some(left), Some(right)) => Moment::Delta(left.duration_since(right).as_micros()),
            _ => return Ok(None),
        },
    };
    Ok(Some(result.into_value()))
}

pub(crate) fn product(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let (delta, factor) = match (Moment::of(left), Moment::of(right)) {
        (Some(Moment::Delta(micros)), None) => (*micros, right),
        (None, Some(Moment::Delta(micros))) => (*micros, left),
        _ => return Ok(None),
    };
    let Ok(factor) = f64::try_from(factor.clone()) else {
        return Ok(None);
    };
    let micros = (delta as f64 * factor).round() as i128;
    Ok(Some(Moment::Delta(micros).into_value()))
}

fn delta(value: &Value) -> Option<i128> {
    match Moment::of(value) {
        Some(Moment::Delta(micros)) => Some(*micros),
        _ => None,
    }
}

/// `timedelta / number` or `timedelta / timedelta`
pub(crate) fn quotient(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let Some(left) = delta(left) else {
        return Ok(None);
    };
    let divisor = match delta(right) {
        Some(micros) => micros as f64,
        None => f64::try_from(right.clone())?,
    };
    if divisor == 0.0 {
        return Err(failed("division by zero"));
    }
    let result = left as f64 / divisor;
    Ok(Some(match delta(right) {
        Some(_) => Value::from(result),
        None => Moment::Delta(result.round_ties_even() as i128).into_value(),
    }))
}

/// `timedelta // number` or `timedelta // timedelta`
pub(crate) fn whole_quotient(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    let Some(left) = delta(left) else {
        return Ok(None);
    };
    let divisor = match delta(right) {
        Some(micros) => micros,
        None => i128::try_from(right.clone())?,
    };
    if divisor == 0 {
        return Err(failed("division by zero"));
    }
    let is_inexact = left % divisor != 0 && (left < 0) != (divisor < 0);
    let result = left / divisor - i128::from(is_inexact);
    Ok(Some(match delta(right) {
        Some(_) => Value::from(i64::try_from(result).unwrap_or(i64::MAX)),
        None => Moment::Delta(result).into_value(),
    }))
}

/// `timedelta % timedelta`
pub(crate) fn remainder(left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    match (delta(left), delta(right)) {
        (Some(_), Some(0)) => Err(failed("division by zero")),
        (Some(left), Some(right)) => {
            let remainder = left % right;
            let is_other_side = remainder != 0 && (remainder < 0) != (right < 0);
            let remainder = if is_other_side {
                remainder + right
            } else {
                remainder
            };
            Ok(Some(Moment::Delta(remainder).into_value()))
        }
        _ => Ok(None),
    }
}

/// True when both are moments of one kind, or neither is a moment.
pub(crate) fn is_comparable(left: &Value, right: &Value) -> bool {
    match (Moment::of(left), Moment::of(right)) {
        (Some(left), Some(right)) => {
            std::mem::discriminant(left) == std::mem::discriminant(right)
                || (left.instant().is_some() && right.instant().is_some())
        }
        (left, right) => left.is_none() && right.is_none(),
    }
}
