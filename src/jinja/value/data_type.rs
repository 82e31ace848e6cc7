//! Data type: what the values of a table's column are, and how numbers are printed.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use crate::value::datetime::Moment;
use crate::value::decimal::{self, softened};
use crate::value::text::text;
use crate::value::{Arguments, unknown_method};

/// What the values of a column are, as agate finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataType {
    Integer,
    Number,
    Date,
    DateTime,
    Boolean,
    Text,
}

impl DataType {
    pub(crate) fn of<'v>(values: impl Iterator<Item = &'v Value>) -> DataType {
        let mut found = None;
        for value in values.filter(|value| !value.is_none()) {
            let kind = match value.kind() {
                ValueKind::Bool => DataType::Boolean,
                ValueKind::Number if value.is_integer() => DataType::Integer,
                ValueKind::Number => DataType::Number,
                _ if decimal::of(value).is_some() => DataType::Number,
                _ => match value.downcast_object_ref::<Moment>() {
                    Some(Moment::Date(_)) => DataType::Date,
                    Some(Moment::Naive(_) | Moment::Aware(_) | Moment::Late(..)) => {
                        DataType::DateTime
                    }
                    _ => return DataType::Text,
                },
            };
            found = match (found, kind) {
                (None, kind) => Some(kind),
                (Some(found), kind) if found == kind => Some(kind),
                (
                    Some(DataType::Integer | DataType::Number),
                    DataType::Integer | DataType::Number,
                ) => Some(DataType::Number),
                _ => return DataType::Text,
            };
        }
        found.unwrap_or(DataType::Integer)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            DataType::Integer => "Integer",
            DataType::Number => "Number",
            DataType::Date => "Date",
            DataType::DateTime => "DateTime",
            DataType::Boolean => "Boolean",
            DataType::Text => "Text",
        }
    }

    /// PostgreSQL's type for a column of such values.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            DataType::Integer => "integer",
            DataType::Number => "float8",
            DataType::Date => "date",
            DataType::DateTime => "timestamp without time zone",
            DataType::Boolean => "boolean",
            DataType::Text => "text",
        }
    }
}

impl Object for DataType {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} object>", self.name())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let value = Arguments::new(args)?.required(0, "d")?;
        match (method, **self) {
            ("jsonify" | "csvify", _) if value.is_none() => Ok(value),
            ("jsonify" | "csvify", DataType::Date | DataType::DateTime) => {
                value.call_method(state, "isoformat", &[])
            }
            ("jsonify" | "csvify", DataType::Text) => Ok(Value::from(text(&value))),
            ("jsonify", DataType::Number) => Ok(Value::from(f64::try_from(softened(&value))?)),
            ("jsonify" | "csvify", _) => Ok(value),
            _ => Err(unknown_method()),
        }
    }
}

pub(crate) fn decimal_places(value: &Value) -> usize {
    let text = text(value);
    text.split_once('.').map_or(0, |(_, places)| places.len())
}

/// At most this many digits are printed after the point.
const MAX_PLACES: usize = 3;

/// Writes a number with commas between the thousands.
pub(crate) fn grouped(value: &Value, places: usize) -> String {
    let written = text(value);
    let (sign, number) = match written.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", written.as_str()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return written;
    }
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if places > 0 {
        let kept = places.min(MAX_PLACES);
        let fraction: String = fraction.chars().take(kept).collect();
        out.push_str(&format!(".{fraction:0<kept$}"));
        if places > MAX_PLACES {
            out.push('…');
        }
    }
    out
}
