//! Creates a seed's table and sends its rows.

use crate::diagnostics::Diagnostic;
use crate::postgres::{CopyText, Error, Session};
use crate::relation::{Relation, quote_identifier};
use crate::run::seed::file::Seed;
use crate::run::seed::sniff::is_null;

/// Creates `table` with the seed's columns and loads its rows; returns their number.
///
/// # Errors
///
/// MSV0431 with the place in the file when the server refuses a value or a column; the table may
/// then exist, empty.
pub fn load_seed(session: &mut Session, table: &Relation, seed: &Seed) -> Result<u64, Diagnostic> {
    let name = table.without_database();
    let columns: Vec<String> = seed
        .columns
        .iter()
        .map(|column| format!("{} {}", column.sql_name, column.sql_type))
        .collect();
    session
        .execute(&format!("create table {name} ({})", columns.join(", ")))
        .map_err(|error| refused_table(seed, &error))?;
    copy_rows(session, &name, seed).map_err(|error| refused_row(seed, &error))
}

fn copy_rows(session: &mut Session, name: &Relation, seed: &Seed) -> Result<u64, Error> {
    let names: Vec<&str> = seed
        .columns
        .iter()
        .map(|column| column.sql_name.as_str())
        .collect();
    let mut copy = session.copy_in(&format!("copy {name} ({}) from stdin", names.join(", ")))?;
    let mut line = CopyText::with_capacity(1024);
    seed.for_each_row(|fields| {
        line.clear();
        for (field, column) in fields.iter().zip(&seed.columns) {
            match (field.as_deref(), column.found) {
                (None, _) => line.null(),
                (Some(text), Some(found)) => line.option(found.convert(text).as_deref()),
                (Some(text), None) if is_null(text) => line.null(),
                (Some(text), None) => line.text(text),
            };
        }
        line.end_row();
        copy.send(line.as_bytes())
    })?;
    copy.finish()
}

/// An error of `create table` comes from a configured type, or from a column's name.
fn refused_table(seed: &Seed, error: &Error) -> Diagnostic {
    let place = seed.place(0, None);
    Diagnostic::error(
        "MSV0431",
        format!(
            "the table of the seed `{}` cannot be created: {}",
            place.file, error.message
        ),
    )
    .note(error.to_string())
    .help("check `column_types` in the seed's properties")
}

fn refused_row(seed: &Seed, error: &Error) -> Diagnostic {
    let title = format!("a row of the seed was refused: {}", error.message);
    let diagnostic = Diagnostic::error("MSV0431", title);
    // `COPY seeds, line 3, column amount: "x"`: every row was sent as one line.
    let Some((row, column)) = error.context.as_deref().and_then(row_and_column) else {
        return diagnostic.note(error.to_string());
    };
    let at = column.and_then(|column| {
        let quoted = quote_identifier(column);
        seed.columns
            .iter()
            .position(|known| known.sql_name == quoted)
    });
    let label = match at {
        Some(at) => {
            let column = &seed.columns[at];
            format!(
                "row {}, column `{}` ({})",
                row + 1,
                column.header,
                column.sql_type
            )
        }
        None => format!("row {}", row + 1),
    };
    diagnostic
        .at(seed.place(row, at), label)
        .help("correct the value, or the column's type in `column_types` of the seed's properties")
}

/// The row (from 0) and the column that the context of a `COPY` error names.
fn row_and_column(context: &str) -> Option<(usize, Option<&str>)> {
    let (_, rest) = context.split_once(", line ")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let line: usize = rest[..digits].parse().ok()?;
    let column = rest[digits..]
        .strip_prefix(", column ")
        .map(|rest| rest.split_once(": ").map_or(rest, |(column, _)| column));
    Some((line.checked_sub(1)?, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_context_names_row_and_column() {
        assert_eq!(
            row_and_column("COPY t, line 3, column amount: \"x: y\""),
            Some((2, Some("amount")))
        );
        assert_eq!(
            row_and_column("COPY t, line 12: \"1\\t2\""),
            Some((11, None))
        );
        assert_eq!(row_and_column("PL/pgSQL function f()"), None);
    }
}
