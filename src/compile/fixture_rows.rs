//! Rows that a unit test writes down: read from YAML, CSV or a seed's file, and turned into a query.

use std::path::Path;

use serde_json::Value as Json;

use crate::diagnostics::Diagnostic;
use crate::parse::{Node, UnitTestRows};
use crate::relation::{quote_identifier, quote_literal};

/// A column's name and full type.
pub type TypedColumn = (String, String);

/// Rows as written, one cell a column; `None` is null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FixtureRows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// Writes rows as a query that gives every column its type.
pub fn rows_query(fixture: &FixtureRows, columns: &[TypedColumn]) -> String {
    if columns.is_empty() {
        return "select where false".to_owned();
    }
    let cast = |value: Option<&String>, (name, data_type): &TypedColumn| {
        let data_type = unlimited(data_type);
        let literal = value.map_or("null".to_owned(), |value| {
            quote_literal(whole_number(value, data_type).unwrap_or(value))
        });
        format!(
            "cast({literal} as {data_type}) as {}",
            quote_identifier(name)
        )
    };
    let select = |row: Option<&Vec<Option<String>>>| {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| {
                let at = fixture
                    .columns
                    .iter()
                    .position(|name| same_name(name, &column.0));
                let value = at.and_then(|at| row.and_then(|row| row.get(at)));
                cast(value.and_then(Option::as_ref), column)
            })
            .collect();
        format!("select {}", cells.join(", "))
    };
    if fixture.rows.is_empty() {
        return format!("{} where false", select(None));
    }
    fixture
        .rows
        .iter()
        .map(|row| select(Some(row)))
        .collect::<Vec<_>>()
        .join("\nunion all\n")
}

/// A whole number as an integer type reads it: `2.0` is `2`.
fn whole_number<'v>(value: &'v str, data_type: &str) -> Option<&'v str> {
    if !matches!(data_type, "smallint" | "integer" | "bigint") {
        return None;
    }
    let (whole, fraction) = value.split_once('.')?;
    fraction.bytes().all(|digit| digit == b'0').then_some(whole)
}

/// A text type without its length: a value that is too long must show, not be cut off.
fn unlimited(data_type: &str) -> &str {
    match data_type.split_once('(') {
        Some(("character varying" | "varchar", _)) => "character varying",
        _ => data_type,
    }
}

pub(super) fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// The type of a column nobody declared, from its values.
pub(super) fn guessed_type(fixture: &FixtureRows, at: usize) -> &'static str {
    let values: Vec<&String> = fixture
        .rows
        .iter()
        .filter_map(|row| row.get(at)?.as_ref())
        .collect();
    if values.is_empty() {
        return "text";
    }
    let all = |is_such: fn(&str) -> bool| values.iter().all(|value| is_such(value));
    if all(|value| value.parse::<i64>().is_ok()) {
        "bigint"
    } else if all(|value| value.parse::<f64>().is_ok()) {
        "numeric"
    } else if all(|value| matches!(value, "true" | "false")) {
        "boolean"
    } else {
        "text"
    }
}

/// Reads rows written as maps or as CSV.
pub fn read_rows(rows: &UnitTestRows) -> Result<FixtureRows, Box<Diagnostic>> {
    match (&rows.rows, rows.format.as_str()) {
        (Json::String(text), "csv") => read_csv(text, b',', rows),
        (Json::Array(items), _) => read_maps(items, rows),
        (Json::Null, _) => Ok(FixtureRows::default()),
        _ => Err(Box::new(
            Diagnostic::error(
                "MSV0325",
                format!("rows of format `{}` are not readable", rows.format),
            )
            .at(rows.place.clone(), "")
            .help("give a list of maps (dict), or text with `format: csv` or `format: sql`"),
        )),
    }
}

fn read_maps(items: &[Json], rows: &UnitTestRows) -> Result<FixtureRows, Box<Diagnostic>> {
    let mut columns: Vec<String> = Vec::new();
    for item in items {
        let Json::Object(entries) = item else {
            return Err(Box::new(
                Diagnostic::error(
                    "MSV0325",
                    "each row of a unit test is a map of column to value",
                )
                .at(rows.place.clone(), "")
                .help("write `- {id: 1, name: a}`"),
            ));
        };
        for name in entries.keys() {
            if !columns.iter().any(|known| same_name(known, name)) {
                columns.push(name.clone());
            }
        }
    }
    let value = |item: &Json, name: &str| {
        let entries = item.as_object()?;
        let (_, value) = entries.iter().find(|(key, _)| same_name(key, name))?;
        cell(value)
    };
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|name| value(item, name)).collect())
        .collect();
    Ok(FixtureRows { columns, rows })
}

/// The rows of a seed for which a test gives none: those of its file.
pub(super) fn read_seed(
    seed: &Node,
    path: &Path,
    given: &UnitTestRows,
) -> Result<FixtureRows, Box<Diagnostic>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Box::new(
            Diagnostic::error(
                "MSV0325",
                format!("the rows of seed `{}` cannot be read", seed.name),
            )
            .at(given.place.clone(), "given here")
            .note(error.to_string()),
        )
    })?;
    let delimiter = seed.config.str("delimiter").unwrap_or(",").bytes().next();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    read_csv(text, delimiter.unwrap_or(b','), given)
}

fn read_csv(
    text: &str,
    delimiter: u8,
    rows: &UnitTestRows,
) -> Result<FixtureRows, Box<Diagnostic>> {
    let unreadable = |error: csv::Error| {
        Box::new(
            Diagnostic::error(
                "MSV0325",
                format!("the CSV rows of a unit test are not readable: {error}"),
            )
            .at(rows.place.clone(), ""),
        )
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(text.trim().as_bytes());
    let columns: Vec<String> = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(str::to_owned)
        .collect();
    let mut read = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        // What a row leaves out at its end is null.
        if record.len() > columns.len() {
            let diagnostic = Diagnostic::error(
                "MSV0325",
                format!(
                    "row {} of the CSV rows of a unit test has {} values for {} columns",
                    number + 1,
                    record.len(),
                    columns.len()
                ),
            );
            return Err(Box::new(
                diagnostic
                    .at(rows.place.clone(), "")
                    .help("put values that hold commas in double quotes"),
            ));
        }
        let cells = record
            .iter()
            .map(|cell| (!cell.is_empty()).then(|| cell.to_owned()))
            .collect();
        read.push(cells);
    }
    Ok(FixtureRows {
        columns,
        rows: read,
    })
}

/// A YAML value as the text that PostgreSQL casts.
fn cell(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let items: Vec<String> = items
                .iter()
                .map(|item| match cell(item) {
                    None => "NULL".to_owned(),
                    Some(text) => {
                        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                    }
                })
                .collect();
            Some(format!("{{{}}}", items.join(",")))
        }
        other => Some(other.to_string()),
    }
}
