//! Range: Python's `range`, the numbers of which are made when they are asked for.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::value::{Arguments, failed};

/// Jinja's sandbox refuses longer ranges.
const MAX_LENGTH: i64 = 100_000;

/// See the module's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    start: i64,
    stop: i64,
    step: i64,
}

/// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`
pub(crate) fn call(_state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let numbers: Option<Vec<i64>> = arguments.positional().iter().map(Value::as_i64).collect();
    let (start, stop, step) = match numbers.as_deref() {
        Some([stop]) => (0, *stop, 1),
        Some([start, stop]) => (*start, *stop, 1),
        Some([start, stop, step]) if *step != 0 => (*start, *stop, *step),
        Some([_, _, _]) => return Err(failed("the step of a range cannot be zero")),
        _ => return Err(failed("`range` takes one to three whole numbers")),
    };
    let range = Range { start, stop, step };
    if range.length() > MAX_LENGTH {
        return Err(failed(format!("a range has at most {MAX_LENGTH} numbers")));
    }
    Ok(Value::from_object(range))
}

impl Range {
    fn length(&self) -> i64 {
        let Range { start, stop, step } = *self;
        let distance = if step > 0 {
            stop.saturating_sub(start)
        } else {
            start.saturating_sub(stop)
        };
        if distance <= 0 {
            return 0;
        }
        let step = step.saturating_abs();
        distance / step + i64::from(distance % step != 0)
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_i64()?;
        let index = if index < 0 {
            index + self.length()
        } else {
            index
        };
        (0..self.length())
            .contains(&index)
            .then(|| Value::from(self.start + index * self.step))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(usize::try_from(self.length()).unwrap_or_default())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Range>()?;
        let key = |range: &Range| (range.start, range.length(), range.step);
        Some(key(self).cmp(&key(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, stop, step } = **self;
        if step == 1 {
            write!(f, "range({start}, {stop})")
        } else {
            write!(f, "range({start}, {stop}, {step})")
        }
    }
}
