//! What `adapter` knows of a relation's extras: constraints, indexes, the columns of a query.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use crate::session::{Session, answered, raise, site};
use crate::static_call::{StaticCall, static_call};
use crate::value::column::Column;
use crate::value::dict::{Dict, pairs};
use crate::value::list::List;
use crate::value::{Arguments, failed};
use msv_diagnostics::{Diagnostic, closest};
use msv_relation::quote_identifier;

/// `render_raw_columns_constraints`: a line for each column of a `create table`.
pub(super) fn raw_columns(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
) -> Result<Value, Error> {
    let columns = arguments.required(0, "raw_columns")?;
    let mut lines = Vec::new();
    for (name, column) in pairs(&columns)? {
        let name = attribute(&column, "name").unwrap_or(name).to_string();
        let is_quoted = attribute(&column, "quote").is_some_and(|quote| quote.is_true());
        let shown = if is_quoted {
            quote_identifier(&name)
        } else {
            name
        };
        let kind = attribute(&column, "data_type")
            .map(|kind| kind.to_string())
            .unwrap_or_default();
        let mut line = format!("{shown} {kind}");
        if let Some(constraints) = attribute(&column, "constraints") {
            for constraint in constraints.try_iter()? {
                if let Some(text) = column_constraint(state, arguments, &constraint)? {
                    line.push(' ');
                    line.push_str(text.trim());
                }
            }
        }
        lines.push(Value::from(line));
    }
    Ok(List::value(lines))
}

/// `render_raw_model_constraints`: a line for each constraint of the table as a whole.
pub(super) fn raw_model(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
) -> Result<Value, Error> {
    let constraints = arguments.required(0, "raw_constraints")?;
    let mut lines = Vec::new();
    for constraint in constraints.try_iter()? {
        if let Some(text) = model_constraint(state, arguments, &constraint)? {
            let prefix = text_of(&constraint, "name")
                .map(|name| format!("constraint {name} "))
                .unwrap_or_default();
            lines.push(Value::from(format!("{prefix}{text}")));
        }
    }
    Ok(List::value(lines))
}

fn column_constraint(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
    constraint: &Value,
) -> Result<Option<String>, Error> {
    let expression = text_of(constraint, "expression");
    let followed = |words: &str| match &expression {
        Some(expression) => format!("{words} {expression}"),
        None => words.to_owned(),
    };
    Ok(match text_of(constraint, "type").as_deref() {
        Some("check") => expression.map(|expression| format!("check ({expression})")),
        Some("not_null") => Some(followed("not null")),
        Some("unique") => Some(followed("unique")),
        Some("primary_key") => Some(followed("primary key")),
        Some("foreign_key") => referenced(state, arguments, constraint)?
            .or(expression)
            .map(|target| format!("references {target}")),
        Some("custom") => expression,
        _ => None,
    })
}

fn model_constraint(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
    constraint: &Value,
) -> Result<Option<String>, Error> {
    let expression = text_of(constraint, "expression");
    let columns = attribute(constraint, "columns").map(|columns| names(&columns));
    let columns = columns.unwrap_or_default();
    let followed = |words: &str| match &expression {
        Some(expression) => format!("{words} {expression} ({columns})"),
        None => format!("{words} ({columns})"),
    };
    Ok(match text_of(constraint, "type").as_deref() {
        Some("check") => expression.map(|expression| format!("check ({expression})")),
        Some("unique") => Some(followed("unique")),
        Some("primary_key") => Some(followed("primary key")),
        Some("foreign_key") => referenced(state, arguments, constraint)?
            .or(expression)
            .map(|target| format!("foreign key ({columns}) references {target}")),
        Some("custom") => expression,
        _ => None,
    })
}

/// What a foreign key's `to` and `to_columns` name; `None` where it has none.
fn referenced(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
    constraint: &Value,
) -> Result<Option<String>, Error> {
    let Some(to) = text_of(constraint, "to") else {
        return Ok(None);
    };
    let columns = attribute(constraint, "to_columns").map(|columns| names(&columns));
    let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
        return Ok(None);
    };
    let site = site(state, arguments);
    let host = Session::get(state)?.host.clone();
    let relation = match static_call(&to) {
        Some(StaticCall::Ref {
            package,
            name,
            version,
        }) => {
            let version = version.map(|version| match version.parse::<i64>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(version),
            });
            let answer = host.reference(package.as_deref(), &name, version.as_ref(), site);
            answered(state, answer)?.to_string()
        }
        Some(StaticCall::Source { source, table }) => {
            let answer = host.source(&source, &table, site);
            answered(state, answer)?.to_string()
        }
        None => to,
    };
    Ok(Some(format!("{relation} ({columns})")))
}

fn attribute(value: &Value, name: &str) -> Option<Value> {
    let found = value.get_attr(name).ok()?;
    (!found.is_undefined() && !found.is_none()).then_some(found)
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    attribute(value, name)
        .map(|text| text.to_string())
        .filter(|text| !text.trim().is_empty())
}

/// Names in a list, or one name, as SQL lists them.
fn names(columns: &Value) -> String {
    if let Some(name) = columns.as_str() {
        return name.to_owned();
    }
    let names: Vec<String> = columns
        .try_iter()
        .into_iter()
        .flatten()
        .map(|name| name.to_string())
        .collect();
    names.join(", ")
}

/// What an entry of `indexes` may hold, and of which kind each value is.
const INDEX_KEYS: [(&str, &str); 11] = [
    ("columns", "array"),
    ("unique", "boolean"),
    ("type", "string"),
    ("name", "string"),
    ("where", "string"),
    ("include", "array"),
    ("opclass", ""),
    ("with", "object"),
    ("tablespace", "string"),
    ("nulls_not_distinct", "boolean"),
    ("concurrently", "boolean"),
];

/// `parse_index`: checks an entry of `indexes` and fills in what it leaves out.
pub(super) fn parse_index(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
) -> Result<Value, Error> {
    let raw = arguments.required(0, "raw_index")?;
    if raw.is_none() {
        return Ok(raw);
    }
    let mut entries = indexmap::IndexMap::from([
        (Value::from("unique"), Value::from(false)),
        (Value::from("type"), Value::from(())),
    ]);
    if !matches!(raw.kind(), ValueKind::Map | ValueKind::Plain) {
        let words = format!("{} is not of type 'object'", shown(&raw));
        return Err(refused(
            state,
            &words,
            "write {columns: [id], unique: true}",
        ));
    }
    for (key, value) in pairs(&raw)? {
        let key = key.to_string();
        let Some((_, kind)) = INDEX_KEYS.iter().find(|(known, _)| *known == key) else {
            let known = INDEX_KEYS.map(|(known, _)| known);
            let help = closest(&key, known).map_or_else(
                || format!("its keys are: {}", known.join(", ")),
                |similar| format!("a key with a similar name exists: `{similar}`"),
            );
            let words = format!("Additional properties are not allowed ('{key}' was unexpected)");
            return Err(refused(state, &words, &help));
        };
        if value.is_none() {
            continue;
        }
        let fits = match *kind {
            "array" => matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable),
            "boolean" => value.kind() == ValueKind::Bool,
            "string" => value.as_str().is_some(),
            "object" => value.kind() == ValueKind::Map,
            _ => true,
        };
        if !fits {
            let words = format!(
                "at path ['{key}']: {} is not of type '{kind}'",
                shown(&value)
            );
            return Err(refused(
                state,
                &words,
                "write {columns: [id], unique: true}",
            ));
        }
        entries.insert(Value::from(key), value);
    }
    let Some(columns) = entries.get(&Value::from("columns")) else {
        let help = "write columns: [column, …]";
        return Err(refused(state, "'columns' is a required property", help));
    };
    let columns: Vec<Value> = columns.try_iter()?.collect();
    let classes = entries.get(&Value::from("opclass")).cloned();
    let columns = columns.into_iter().map(|column| {
        let class = match &classes {
            Some(class) if class.as_str().is_some() => Some(class.clone()),
            Some(by_column) => by_column.get_item(&column).ok(),
            None => None,
        };
        match class.filter(|class| class.as_str().is_some()) {
            Some(class) => Value::from(format!("{column} {class}")),
            None => column,
        }
    });
    let columns = List::value(columns.collect());
    entries.insert(Value::from("columns"), columns);
    Ok(Dict::value(entries))
}

fn refused(state: &mut State<'_, '_>, words: &str, help: &str) -> Error {
    let diagnostic =
        Diagnostic::error("MSV0353", format!("could not parse index config: {words}")).help(help);
    raise(state, diagnostic)
}

/// The value as Python writes it.
fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) => format!("'{text}'"),
        None => value.to_string(),
    }
}

/// `get_column_schema_from_query`: names and types of a query's columns.
pub(super) fn column_schema(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
) -> Result<Value, Error> {
    let sql = arguments.text(0, "sql")?;
    let host = Session::get(state)?.host.clone();
    let Some(database) = host.database() else {
        return Err(failed(
            "the columns of a query are known to the database alone",
        ));
    };
    let answer = database.query_schema(&sql);
    let columns = answered(state, answer)?;
    for column in &columns {
        if let Some(code) = column.data_type.strip_prefix("unknown type_code ") {
            let text = format!(
                "The `type_code` {code} was not recognized, which may affect error messages for \
                 enforced contracts that fail as well as `Column.data_type` values returned by \
                 `get_column_schema_from_query`"
            );
            host.log(&text, false);
        }
    }
    Ok(List::value(
        columns.into_iter().map(Column::into_value).collect(),
    ))
}

/// `raise_contract_error`: every column that differs, in one table.
pub(super) fn contract_error(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
) -> Result<Value, Error> {
    let declared = described(&arguments.required(0, "yaml_columns")?)?;
    let found = described(&arguments.required(1, "sql_columns")?)?;
    if declared.is_empty() {
        let title =
            "This model has an enforced contract, and its 'columns' specification is missing";
        let diagnostic = Diagnostic::error("MSV0350", title).help(
            "list its columns below `columns:` in a properties file, each with its data_type",
        );
        return Err(raise(state, diagnostic));
    }
    let find = |columns: &[(String, String)], name: &str| {
        let found = columns.iter().find(|(known, _)| known == name);
        found.map(|(_, data_type)| data_type.clone())
    };
    let mut rows = Vec::new();
    for (name, data_type) in &found {
        let row = match find(&declared, name) {
            Some(wanted) if wanted == *data_type => continue,
            Some(wanted) => [
                name.clone(),
                data_type.clone(),
                wanted,
                "data type mismatch".into(),
            ],
            None => [
                name.clone(),
                data_type.clone(),
                String::new(),
                "missing in contract".into(),
            ],
        };
        rows.push(row);
    }
    for (name, data_type) in &declared {
        if find(&found, name).is_none() {
            let reason = "missing in definition".to_owned();
            rows.push([name.clone(), String::new(), data_type.clone(), reason]);
        }
    }
    rows.sort_by(|left, right| left[0].cmp(&right[0]));
    let diagnostic = Diagnostic::error(
        "MSV0350",
        "This model has an enforced contract that failed.",
    )
    .note(
        "Please ensure the name, data_type, and number of columns in your contract match the \
             columns in your model's definition.",
    )
    .note(grid(&rows))
    .help("change the query, or the columns in the properties file");
    Err(raise(state, diagnostic))
}

/// Name and type of each column that a macro described.
fn described(columns: &Value) -> Result<Vec<(String, String)>, Error> {
    let mut described = Vec::new();
    for column in columns.try_iter()? {
        let name = attribute(&column, "name").unwrap_or_default();
        let data_type = attribute(&column, "data_type").unwrap_or_default();
        described.push((name.to_string(), data_type.to_string()));
    }
    Ok(described)
}

/// Rows below a header, columns of even width between bars.
fn grid(rows: &[[String; 4]]) -> String {
    let header = [
        "column_name",
        "definition_type",
        "contract_type",
        "mismatch_reason",
    ];
    let width = |at: usize| {
        let longest = rows.iter().map(|row| row[at].chars().count()).max();
        longest.unwrap_or(0).max(header[at].len())
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let line = |cells: [&str; 4]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut lines = vec![
        line(header),
        line([&rules[0], &rules[1], &rules[2], &rules[3]]),
    ];
    lines.extend(
        rows.iter()
            .map(|row| line([&row[0], &row[1], &row[2], &row[3]])),
    );
    lines.join("\n")
}
