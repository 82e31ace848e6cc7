//! Values beside a statement: `%s` in its text, and what is to stand there.
//!
//! The client library that dbt uses writes values into the text before it is sent; so does this.
//!
//! Source: psycopg2 2.9, "Passing parameters to SQL queries".

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::value::datetime::Moment;
use crate::value::decimal;
use crate::value::failed;
use crate::value::text::text;

/// Puts each value in the place of its `%s` or `%(name)s`; `%%` is a percent sign.
pub(crate) fn with_bindings(sql: &str, bindings: &Value) -> Result<String, Error> {
    let named = bindings.kind() == ValueKind::Map;
    let values: Vec<Value> = if named {
        Vec::new()
    } else {
        bindings.try_iter()?.collect()
    };
    let mut values = values.into_iter();
    let mut written = String::with_capacity(2 * sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find('%') {
        written.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('%') {
            written.push('%');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('s').filter(|_| !named) {
            let value = values
                .next()
                .ok_or_else(|| failed("not enough arguments for format string"))?;
            written.push_str(&literal(&value)?);
            rest = behind;
        } else if let Some((name, behind)) = rest
            .strip_prefix('(')
            .filter(|_| named)
            .and_then(|inner| inner.split_once(")s"))
        {
            let value = bindings.get_attr(name)?;
            if value.is_undefined() {
                return Err(failed(format!("the statement has no binding `{name}`")));
            }
            written.push_str(&literal(&value)?);
            rest = behind;
        } else {
            let found = rest.chars().next().map(String::from).unwrap_or_default();
            return Err(failed(format!(
                "a statement with bindings has `%{found}`: write `%%` for a percent sign"
            )));
        }
    }
    written.push_str(rest);
    if values.next().is_some() {
        return Err(failed(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(written)
}

/// The value as SQL writes it.
fn literal(value: &Value) -> Result<String, Error> {
    if value.is_none() || value.is_undefined() {
        return Ok("NULL".to_owned());
    }
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        let sql_type = match moment {
            Moment::Date(_) => "date",
            Moment::Time(_) => "time",
            Moment::Naive(_) => "timestamp",
            Moment::Aware(_) | Moment::Late(..) => "timestamptz",
            Moment::Delta(micros) => return Ok(format!("'{micros} microseconds'::interval")),
            Moment::Zone(_) => return Err(no_literal(value)),
        };
        return Ok(format!("'{}'::{sql_type}", text(value)));
    }
    if decimal::of(value).is_some() {
        return Ok(signed(text(value)));
    }
    match value.kind() {
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if !number.is_finite() => Ok(format!("'{number}'::float")),
            _ => Ok(signed(text(value))),
        },
        ValueKind::String => string_literal(&text(value)),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<String> = value
                .try_iter()?
                .map(|item| literal(&item))
                .collect::<Result<_, _>>()?;
            Ok(match items.is_empty() {
                true => "'{}'".to_owned(),
                false => format!("ARRAY[{}]", items.join(", ")),
            })
        }
        _ => Err(no_literal(value)),
    }
}

/// Behind a minus, another one would begin a comment.
fn signed(number: String) -> String {
    match number.starts_with('-') {
        true => format!(" {number}"),
        false => number,
    }
}

fn string_literal(text: &str) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(failed("a text for PostgreSQL cannot hold a NUL character"));
    }
    let quoted = text.replace('\'', "''");
    Ok(match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    })
}

fn no_literal(value: &Value) -> Error {
    failed(format!("can't adapt type '{}'", value.kind()))
}

#[cfg(test)]
mod tests {
    use crate::value::dict::Dict;
    use crate::value::list::List;

    use super::*;

    #[test]
    fn values_are_written_into_the_statement() {
        let values = List::value(vec![
            Value::from(1),
            Value::from(-2),
            Value::from(1.5),
            Value::from(true),
            Value::from(()),
            Value::from("it's \\"),
            Value::from("50%"),
            List::value(vec![Value::from(1), Value::from(2)]),
            Value::from(f64::NAN),
        ]);
        let places = ["%s"; 9].join(",");
        assert_eq!(
            with_bindings(&format!("select '100%%', {places}"), &values).expect("fits"),
            "select '100%', 1, -2,1.5,true,NULL,E'it''s \\\\','50%',ARRAY[1, 2],'NaN'::float"
        );
        let named = Dict::from_pairs([("a", Value::from(1))]);
        let written = with_bindings("%(a)s + %(a)s", &named).expect("named");
        assert_eq!(written, "1 + 1");
        for (sql, count) in [("%s", 0), ("%s", 2), ("like 'a%b'", 0), ("%(a)s", 1)] {
            let values = List::value(vec![Value::from(1); count]);
            assert!(with_bindings(sql, &values).is_err(), "{sql}");
        }
    }
}
