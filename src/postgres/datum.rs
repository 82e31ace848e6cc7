//! Values as the server writes them: text and a type in, exact plain data out.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// A result: its columns, and its rows in the order the server sent them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Datum>>,
    /// Rows returned, or changed by a statement that returns none.
    pub rows_affected: u64,
}

impl Rows {
    /// The position of the first column of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The first value of the first row.
    pub fn scalar(&self) -> Option<&Datum> {
        self.rows.first()?.first()
    }
}

/// A column of a result. Types carry no modifier: `numeric`, not `numeric(18,4)`; see
/// [`query_columns`](crate::catalog::query_columns) for those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// As `format_type` writes it: `character varying`, `integer[]`.
    pub type_name: String,
    pub type_oid: u32,
}

/// One value. What has no exact counterpart in Rust is kept as the server's text.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Decimal digits with their scale, or `NaN`, `Infinity`, `-Infinity`.
    Numeric(String),
    Text(String),
    /// `2026-01-31`, or `infinity`.
    Date(String),
    /// `2026-01-31 09:30:00.123456`
    Timestamp(String),
    /// `2026-01-31 09:30:00.123456+00`, in the session's time zone.
    TimestampTz(String),
    Time(String),
    Interval(String),
    Json(String),
    Uuid(String),
    Bytes(Vec<u8>),
    Array(ArrayDatum),
    Other {
        type_name: String,
        text: String,
    },
}

/// An array: its text as the server writes it, and its items (arrays again when it has several
/// dimensions).
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayDatum {
    pub text: String,
    pub items: Vec<Datum>,
}

impl Datum {
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The value as text, `None` for null.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Datum::Null => return None,
            Datum::Bool(true) => Cow::Borrowed("true"),
            Datum::Bool(false) => Cow::Borrowed("false"),
            Datum::Int(value) => Cow::Owned(value.to_string()),
            Datum::Float(value) => Cow::Owned(float_text(*value)),
            Datum::Numeric(text)
            | Datum::Text(text)
            | Datum::Date(text)
            | Datum::Timestamp(text)
            | Datum::TimestampTz(text)
            | Datum::Time(text)
            | Datum::Interval(text)
            | Datum::Json(text)
            | Datum::Uuid(text)
            | Datum::Other { text, .. } => Cow::Borrowed(text),
            Datum::Bytes(bytes) => Cow::Owned(hex_text(bytes)),
            Datum::Array(array) => Cow::Borrowed(&array.text),
        })
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Datum::Numeric(text)
            | Datum::Text(text)
            | Datum::Date(text)
            | Datum::Timestamp(text)
            | Datum::TimestampTz(text)
            | Datum::Time(text)
            | Datum::Interval(text)
            | Datum::Json(text)
            | Datum::Uuid(text)
            | Datum::Other { text, .. } => Some(text),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Datum::Int(value) => Some(*value),
            Datum::Numeric(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Datum::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as JSON. A number that JSON readers would round becomes a string.
    pub fn to_json(&self) -> Value {
        match self {
            Datum::Null => Value::Null,
            Datum::Bool(value) => Value::Bool(*value),
            Datum::Int(value) => Value::from(*value),
            Datum::Float(value) => serde_json::Number::from_f64(*value)
                .map_or_else(|| Value::String(float_text(*value)), Value::Number),
            Datum::Numeric(text) => numeric_json(text),
            Datum::Json(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
            }
            Datum::Array(array) => Value::Array(array.items.iter().map(Datum::to_json).collect()),
            other => other
                .to_text()
                .map_or(Value::Null, |text| Value::String(text.into_owned())),
        }
    }
}

fn numeric_json(text: &str) -> Value {
    if let Ok(value) = text.parse::<i64>() {
        return Value::from(value);
    }
    let without_zeros = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    };
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value.to_string() == without_zeros => Value::from(value),
        _ => Value::String(text.to_owned()),
    }
}

fn float_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        value.to_string()
    }
}

fn hex_text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2 + 2);
    out.push_str("\\x");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// What is known of a type: its name, and for an array the type of its items.
#[derive(Clone, Debug)]
pub(crate) struct TypeFacts {
    pub(crate) name: String,
    pub(crate) element_oid: Option<u32>,
}

/// Built-in types: OID, name, OID of the array type.
///
/// Source: PostgreSQL, `pg_type.dat`; these numbers are part of the protocol and never change.
const BUILT_IN: &[(u32, &str, u32)] = &[
    (16, "boolean", 1000),
    (17, "bytea", 1001),
    (18, "\"char\"", 1002),
    (19, "name", 1003),
    (20, "bigint", 1016),
    (21, "smallint", 1005),
    (23, "integer", 1007),
    (24, "regproc", 1008),
    (25, "text", 1009),
    (26, "oid", 1028),
    (114, "json", 199),
    (142, "xml", 143),
    (650, "cidr", 651),
    (700, "real", 1021),
    (701, "double precision", 1022),
    (705, "unknown", 0),
    (790, "money", 791),
    (829, "macaddr", 1040),
    (869, "inet", 1041),
    (1042, "character", 1014),
    (1043, "character varying", 1015),
    (1082, "date", 1182),
    (1083, "time without time zone", 1183),
    (1114, "timestamp without time zone", 1115),
    (1184, "timestamp with time zone", 1185),
    (1186, "interval", 1187),
    (1266, "time with time zone", 1270),
    (1700, "numeric", 1231),
    (2205, "regclass", 2210),
    (2278, "void", 0),
    (2950, "uuid", 2951),
    (3802, "jsonb", 3807),
];

/// Looks a type up among the built-in ones.
pub(crate) fn built_in_type(oid: u32) -> Option<TypeFacts> {
    BUILT_IN.iter().find_map(|&(scalar, name, array)| {
        if scalar == oid {
            Some(TypeFacts {
                name: name.to_owned(),
                element_oid: None,
            })
        } else if array == oid && oid != 0 {
            Some(TypeFacts {
                name: format!("{name}[]"),
                element_oid: Some(scalar),
            })
        } else {
            None
        }
    })
}

/// Reads one value from the text the server sent.
pub(crate) fn decode_text(text: &str, oid: u32, facts: &TypeFacts) -> Datum {
    if let Some(element_oid) = facts.element_oid
        && let Some(items) = parse_array(text, element_oid)
    {
        return Datum::Array(ArrayDatum {
            text: text.to_owned(),
            items,
        });
    }
    decode_scalar(text, oid).unwrap_or_else(|| Datum::Other {
        type_name: facts.name.clone(),
        text: text.to_owned(),
    })
}

fn decode_scalar(text: &str, oid: u32) -> Option<Datum> {
    let owned = || text.to_owned();
    Some(match oid {
        16 => Datum::Bool(text == "t" || text == "true"),
        17 => Datum::Bytes(parse_hex(text)?),
        20 | 21 | 23 | 26 => Datum::Int(text.parse().ok()?),
        700 | 701 => Datum::Float(text.parse().ok()?),
        1700 => Datum::Numeric(owned()),
        18 | 19 | 25 | 705 | 1042 | 1043 => Datum::Text(owned()),
        1082 => Datum::Date(owned()),
        1083 | 1266 => Datum::Time(owned()),
        1114 => Datum::Timestamp(owned()),
        1184 => Datum::TimestampTz(owned()),
        1186 => Datum::Interval(owned()),
        114 | 3802 => Datum::Json(owned()),
        2950 => Datum::Uuid(owned()),
        _ => return None,
    })
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

/// Reads PostgreSQL's array syntax, `{1,NULL,"a,b",{2}}`, with or without its bounds before it.
fn parse_array(text: &str, element_oid: u32) -> Option<Vec<Datum>> {
    let body = match text.find('{') {
        Some(0) => text,
        Some(at) if text.starts_with('[') && text[..at].ends_with('=') => &text[at..],
        _ => return None,
    };
    let mut at = 0;
    let items = parse_array_level(body, &mut at, element_oid)?;
    (at == body.len()).then_some(items)
}

fn parse_array_level(text: &str, at: &mut usize, element_oid: u32) -> Option<Vec<Datum>> {
    let bytes = text.as_bytes();
    *at += 1;
    let mut items = Vec::new();
    if bytes.get(*at) == Some(&b'}') {
        *at += 1;
        return Some(items);
    }
    loop {
        match bytes.get(*at)? {
            b'{' => {
                let start = *at;
                let inner = parse_array_level(text, at, element_oid)?;
                items.push(Datum::Array(ArrayDatum {
                    text: text[start..*at].to_owned(),
                    items: inner,
                }));
            }
            b'"' => items.push(decode_item(&parse_quoted_item(text, at)?, element_oid)),
            _ => {
                let start = *at;
                while !matches!(bytes.get(*at)?, b',' | b'}') {
                    *at += 1;
                }
                let word = &text[start..*at];
                items.push(if word == "NULL" {
                    Datum::Null
                } else {
                    decode_item(word, element_oid)
                });
            }
        }
        let separator = *bytes.get(*at)?;
        *at += 1;
        match separator {
            b',' => {}
            b'}' => return Some(items),
            _ => return None,
        }
    }
}

fn parse_quoted_item(text: &str, at: &mut usize) -> Option<String> {
    let mut out = String::new();
    let mut chars = text[*at + 1..].char_indices();
    while let Some((offset, character)) = chars.next() {
        match character {
            '"' => {
                *at += 1 + offset + 1;
                return Some(out);
            }
            '\\' => out.push(chars.next()?.1),
            other => out.push(other),
        }
    }
    None
}

fn decode_item(text: &str, oid: u32) -> Datum {
    decode_scalar(text, oid).unwrap_or_else(|| Datum::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str, oid: u32) -> Datum {
        decode_text(text, oid, &built_in_type(oid).expect("built in"))
    }

    #[test]
    fn arrays_keep_nulls_quotes_and_dimensions() {
        let Datum::Array(array) = decode(r#"{a,NULL,"NULL","x,\"y\\"}"#, 1009) else {
            panic!("not an array");
        };
        let text = |text: &str| Datum::Text(text.into());
        assert_eq!(
            array.items,
            [text("a"), Datum::Null, text("NULL"), text("x,\"y\\")]
        );
        assert_eq!(
            decode("[0:1]={{1,2},{3,4}}", 1007).to_json(),
            serde_json::json!([[1, 2], [3, 4]])
        );
        assert_eq!(decode("{}", 1007).to_json(), serde_json::json!([]));
    }

    #[test]
    fn a_numeric_keeps_its_scale_and_json_is_never_rounded() {
        assert_eq!(decode("1.500", 1700), Datum::Numeric("1.500".into()));
        assert_eq!(decode("1.500", 1700).to_json(), serde_json::json!(1.5));
        assert_eq!(
            decode("12345678901234567890.12", 1700).to_json(),
            serde_json::json!("12345678901234567890.12")
        );
        assert_eq!(decode("NaN", 1700).to_json(), serde_json::json!("NaN"));
    }

    #[test]
    fn bytes_come_back_as_they_went() {
        let datum = decode("\\x00ff10", 17);
        assert_eq!(datum, Datum::Bytes(vec![0, 255, 16]));
        assert_eq!(datum.to_text().as_deref(), Some("\\x00ff10"));
    }
}
