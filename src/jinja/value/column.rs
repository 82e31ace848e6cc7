//! Column: a column's name and type as templates ask about them, and `api.Column`.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::methods::Bound;
use crate::value::text::repr;
use crate::value::{Arguments, unknown_method};
use msv_relation::quote_identifier;

/// A column as the catalogue tells it. `data_type` is the type's name without its size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    pub name: String,
    pub data_type: String,
    pub char_size: Option<i64>,
    pub numeric_precision: Option<i64>,
    pub numeric_scale: Option<i64>,
}

const STRING_TYPES: [&str; 4] = ["text", "character varying", "character", "varchar"];
const INTEGER_TYPES: [&str; 12] = [
    "smallint",
    "integer",
    "bigint",
    "smallserial",
    "serial",
    "bigserial",
    "int2",
    "int4",
    "int8",
    "serial2",
    "serial4",
    "serial8",
];
const FLOAT_TYPES: [&str; 5] = ["real", "float4", "float", "double precision", "float8"];

impl Column {
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            data_type: data_type.into(),
            char_size: None,
            numeric_precision: None,
            numeric_scale: None,
        }
    }

    /// A column of a type with its size, such as `numeric(10,2)`.
    fn described(name: String, described: &str) -> Self {
        let (data_type, sizes) = match described.split_once('(') {
            Some((data_type, sizes)) => (data_type.trim(), sizes.trim_end_matches(')')),
            None => (described, ""),
        };
        let mut sizes = sizes.split(',').map(|size| size.trim().parse().ok());
        let (first, second) = (sizes.next().flatten(), sizes.next().flatten());
        let mut column = Column::new(name, data_type);
        if first.is_some() && second.is_some() {
            (column.numeric_precision, column.numeric_scale) = (first, second);
        } else {
            column.char_size = first;
        }
        column
    }

    /// Wraps the column for templates.
    pub fn into_value(self) -> Value {
        Value::from_object(self)
    }

    fn is_one_of(&self, types: &[&str]) -> bool {
        types.contains(&self.data_type.to_ascii_lowercase().as_str())
    }

    fn is_string(&self) -> bool {
        self.is_one_of(&STRING_TYPES)
    }

    fn is_integer(&self) -> bool {
        self.is_one_of(&INTEGER_TYPES)
    }

    fn is_float(&self) -> bool {
        self.is_one_of(&FLOAT_TYPES)
    }

    fn is_numeric(&self) -> bool {
        self.is_one_of(&["numeric", "decimal"])
    }

    fn string_size(&self) -> i64 {
        let is_unbounded = self.data_type.eq_ignore_ascii_case("text") || self.char_size.is_none();
        match self.char_size {
            Some(size) if !is_unbounded => size,
            _ => 256,
        }
    }

    /// The type this text column must get to hold what `other` can hold; `None` when it can.
    pub fn widened_to(&self, other: &Column) -> Option<String> {
        let own = self.char_size.filter(|_| self.is_string())?;
        let is_longer = other.is_string() && other.char_size.is_none_or(|size| size > own);
        is_longer.then(|| other.sized_type())
    }

    /// The type with its size, as a column definition needs it.
    pub fn sized_type(&self) -> String {
        if self.is_string() {
            return match self.char_size {
                Some(size) if !self.data_type.eq_ignore_ascii_case("text") => {
                    format!("character varying({size})")
                }
                _ => self.data_type.clone(),
            };
        }
        if self.is_numeric() {
            return numeric_type(&self.data_type, self.numeric_precision, self.numeric_scale);
        }
        self.data_type.clone()
    }
}

fn numeric_type(name: &str, precision: Option<i64>, scale: Option<i64>) -> String {
    match (precision, scale) {
        (Some(precision), Some(scale)) => format!("{name}({precision},{scale})"),
        _ => name.to_owned(),
    }
}

fn optional(number: Option<i64>) -> Value {
    number.map_or(Value::from(()), Value::from)
}

impl Object for Column {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" | "column" => Value::from(&self.name),
            "quoted" => Value::from(quote_identifier(&self.name)),
            "dtype" => Value::from(&self.data_type),
            "data_type" | "expanded_data_type" => Value::from(self.sized_type()),
            "char_size" => optional(self.char_size),
            "numeric_precision" => optional(self.numeric_precision),
            "numeric_scale" => optional(self.numeric_scale),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        Some(self.as_ref().cmp(other.downcast_ref::<Column>()?))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        Ok(match method {
            "is_string" => Value::from(self.is_string()),
            "is_integer" => Value::from(self.is_integer()),
            "is_float" => Value::from(self.is_float()),
            "is_numeric" => Value::from(self.is_numeric()),
            "is_number" => Value::from(self.is_integer() || self.is_float() || self.is_numeric()),
            "string_size" => Value::from(self.string_size()),
            "can_expand_to" => {
                let other = arguments.required(0, "other")?;
                let is_wider = other.downcast_object_ref::<Column>().is_some_and(|other| {
                    self.is_string()
                        && other.is_string()
                        && other.string_size() > self.string_size()
                });
                Value::from(is_wider)
            }
            "literal" => {
                let text = arguments.text(0, "value")?;
                Value::from(format!("{text}::{}", self.sized_type()))
            }
            "string_type" | "numeric_type" | "translate_type" | "from_description" => {
                return class_method(method, args);
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<i64>| number.map_or("None".to_owned(), |n| n.to_string());
        write!(
            f,
            "PostgresColumn(column={}, dtype={}, char_size={}, numeric_precision={}, \
             numeric_scale={})",
            repr(&Value::from(&self.name)),
            repr(&Value::from(&self.data_type)),
            number(self.char_size),
            number(self.numeric_precision),
            number(self.numeric_scale),
        )
    }
}

/// `api.Column`: makes columns, and translates type names.
#[derive(Debug)]
pub(crate) struct ColumnClass;

/// Names PostgreSQL's type for one that all databases share; the other names are PostgreSQL's own.
pub fn translate_type(name: &str) -> &str {
    if name.eq_ignore_ascii_case("string") {
        "TEXT"
    } else {
        name
    }
}

fn class_method(method: &str, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    Ok(match method {
        "translate_type" => Value::from(translate_type(&arguments.text(0, "dtype")?)),
        "from_description" => {
            let (name, described) = (
                arguments.text(0, "name")?,
                arguments.text(1, "raw_data_type")?,
            );
            Column::described(name, &described).into_value()
        }
        "string_type" => {
            let size = arguments.text(0, "size")?;
            Value::from(format!("character varying({size})"))
        }
        "numeric_type" => {
            let number = |index, name| arguments.get(index, name).and_then(|v| v.as_i64());
            let (precision, scale) = (number(1, "precision"), number(2, "scale"));
            Value::from(numeric_type(&arguments.text(0, "dtype")?, precision, scale))
        }
        _ => return Err(unknown_method()),
    })
}

impl Object for ColumnClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        matches!(
            name,
            "create" | "translate_type" | "from_description" | "string_type" | "numeric_type"
        )
        .then(|| Bound::value(&Value::from_dyn_object(self.clone()), name))
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let number = |index, name| arguments.get(index, name).and_then(|v| v.as_i64());
        Ok(Column {
            name: arguments.text(0, "column")?,
            data_type: arguments.text(1, "dtype")?,
            char_size: number(2, "char_size"),
            numeric_precision: number(3, "numeric_precision"),
            numeric_scale: number(4, "numeric_scale"),
        }
        .into_value())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "create" => self.call(state, args),
            _ => class_method(method, args),
        }
    }
}
