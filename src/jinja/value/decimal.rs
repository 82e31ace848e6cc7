//! Decimal: Python's `Decimal`, what a `numeric` column holds.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};
use rust_decimal::Decimal as Number;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use crate::value::{failed, unknown_method};

/// See the module's words.
#[derive(Clone, Copy, Debug)]
pub struct Decimal(Number);

/// The value of a number that the server wrote: a decimal, or text where it has more digits than
/// a decimal keeps.
pub fn value(text: &str) -> Value {
    match Number::from_str_exact(text) {
        Ok(number) => Value::from_object(Decimal(number)),
        Err(_) => Value::from(text),
    }
}

pub(crate) fn of(value: &Value) -> Option<&Decimal> {
    value.downcast_object_ref::<Decimal>()
}

fn exact(value: &Value) -> Option<Number> {
    if let Some(decimal) = of(value) {
        return Some(decimal.0);
    }
    match value.kind() {
        ValueKind::Bool => Some(Number::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => {
            Number::from_i128(i128::try_from(value.clone()).ok()?)
        }
        _ => None,
    }
}

impl Decimal {
    pub(crate) fn as_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }

    /// The whole part.
    pub(crate) fn whole(&self) -> i128 {
        self.0.trunc().to_i128().unwrap_or_default()
    }

    pub(crate) fn rounded(&self, digits: i64) -> Value {
        let digits = u32::try_from(digits).unwrap_or(0);
        Value::from_object(Decimal(self.0.round_dp(digits)))
    }

    pub(crate) fn repr(&self) -> String {
        format!("Decimal('{}')", self.0)
    }
}

/// An operator with a decimal on one side; none where there is none, or no number on the other.
///
/// # Errors
///
/// When the result is too long, or divided by zero.
pub(crate) fn operate(operator: &str, left: &Value, right: &Value) -> Result<Option<Value>, Error> {
    if of(left).is_none() && of(right).is_none() {
        return Ok(None);
    }
    let (Some(left), Some(right)) = (exact(left), exact(right)) else {
        return Ok(None);
    };
    let is_division = matches!(operator, "/" | "//" | "%");
    if is_division && right.is_zero() {
        return Err(failed("division by zero"));
    }
    let result = match operator {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right).map(|quotient| quotient.normalize()),
        "//" => left.checked_div(right).map(|quotient| quotient.trunc()),
        "%" => left.checked_rem(right),
        _ => return Ok(None),
    };
    let result = result.ok_or_else(|| failed("the number has too many digits"))?;
    Ok(Some(Value::from_object(Decimal(result))))
}

/// How two numbers compare, one of them a decimal.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if of(left).is_none() && of(right).is_none() {
        return None;
    }
    if let (Some(left), Some(right)) = (exact(left), exact(right)) {
        return Some(left.cmp(&right));
    }
    let float = |value: &Value| match of(value) {
        Some(decimal) => Some(decimal.as_f64()),
        None if value.kind() == ValueKind::Number => f64::try_from(value.clone()).ok(),
        None => None,
    };
    float(left)?.partial_cmp(&float(right)?)
}

/// The float that a decimal stands for beside other floats.
pub(crate) fn softened(value: &Value) -> Value {
    match of(value) {
        Some(decimal) => Value::from(decimal.as_f64()),
        None => value.clone(),
    }
}

impl Object for Decimal {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_zero()
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Decimal>()?.0))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        Ok(match method {
            "is_nan" | "is_infinite" => Value::from(false),
            "is_zero" => Value::from(self.0.is_zero()),
            "normalize" => Value::from_object(Decimal(self.0.normalize())),
            "to_integral_value" => self.rounded(0),
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
