//! Creates a seed's table and sends its rows.
//!
//! The types are guessed from the beginning of the file, and its rows sent as binary values while
//! they are read. A value that its column's type cannot hold tells that the guess was wrong: then
//! nothing has happened, and all values are asked for their types. So a file is read once, and
//! what comes of it is what all of its values say.

use crate::diagnostics::Diagnostic;
use crate::postgres::{CopyBinary, CopyText, Error, Session};
use crate::relation::{Relation, quote_identifier};
use crate::run::seed::encode::Encoding;
use crate::run::seed::file::Seed;
use crate::run::seed::mark::{self, Fingerprint};
use crate::run::seed::sniff::{SeedType, is_null};

/// Rows are gathered up to this size before they are sent.
const PIECE_BYTES: usize = 128 * 1024;

/// Creates `table` with the seed's columns and loads its rows; returns their number.
///
/// The transaction in which that happens is committed with the session's next statement. With a
/// fingerprint the table is marked, so that [`is_loaded`](super::is_loaded) knows it again.
///
/// # Errors
///
/// MSV0430 when the file is no CSV file that can be loaded; MSV0431 with the place in the file
/// when the server refuses a value or a column. There is no table then.
pub fn load_seed(
    session: &mut Session,
    table: &Relation,
    seed: &Seed,
    fingerprint: Option<&Fingerprint>,
) -> Result<u64, Diagnostic> {
    let mut load = Load {
        name: table.without_database().to_string(),
        session,
        seed,
        fingerprint,
    };
    let guess = seed.guess()?;
    if let Some(rows) = load.attempt(&guess, Form::Binary)? {
        return Ok(rows);
    }
    let types = seed.types()?;
    if types != guess
        && let Some(rows) = load.attempt(&types, Form::Binary)?
    {
        return Ok(rows);
    }
    let rows = load.attempt(&types, Form::Text)?;
    rows.ok_or_else(|| Diagnostic::error("MSV0430", "the seed changed while it was read"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
}

/// Why rows were not loaded.
enum Stop {
    /// A value is not what its column's type is taken for.
    Surprise,
    Unreadable(Box<Diagnostic>),
    Refused(Error),
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        Stop::Unreadable(Box::new(diagnostic))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Refused(error)
    }
}

/// Who writes the values of a column.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Found(SeedType),
    Configured(Encoding),
}

impl Writer {
    fn add(self, text: &str, rows: &mut CopyBinary) -> bool {
        if is_null(text) {
            rows.null();
            return true;
        }
        match self {
            Writer::Found(found) => found.add(text, rows),
            Writer::Configured(encoding) => encoding.add(text, rows),
        }
    }
}

struct Load<'l> {
    session: &'l mut Session,
    seed: &'l Seed,
    /// The table.
    name: String,
    fingerprint: Option<&'l Fingerprint>,
}

impl Load<'_> {
    /// Creates the table and loads all rows, or does nothing; none when a value is a surprise.
    fn attempt(&mut self, types: &[SeedType], form: Form) -> Result<Option<u64>, Diagnostic> {
        let seed = self.seed;
        let columns = || seed.columns.iter().zip(types);
        let writers: Option<Vec<Writer>> = columns()
            .map(|(column, found)| match &column.configured {
                None => Some(Writer::Found(*found)),
                Some(sql_type) => Encoding::of_sql(sql_type).map(Writer::Configured),
            })
            .collect();
        if writers.is_none() && form == Form::Binary {
            return Ok(None);
        }
        let definitions: Vec<String> = columns()
            .map(|(column, found)| format!("{} {}", column.sql_name, column.sql_type(*found)))
            .collect();
        let create = format!(
            "begin;\ncreate table {} ({})",
            self.name,
            definitions.join(", ")
        );
        let created = self.session.execute(&create).map_err(Stop::from);
        let created = created.map_err(|stop| match stop {
            Stop::Refused(error) => Stop::from(refused_table(seed, &error)),
            stop => stop,
        });
        let loaded = created.and_then(|_| match (form, writers) {
            (Form::Binary, Some(writers)) => self.copy_binary(&writers),
            _ => self.copy_text(types),
        });
        let loaded = loaded.and_then(|rows| match self.fingerprint {
            Some(fingerprint) => {
                mark::leave(self.session, &self.name, fingerprint, rows)?;
                Ok(rows)
            }
            None => Ok(rows),
        });
        match loaded {
            Ok(rows) => {
                self.session.later("commit");
                Ok(Some(rows))
            }
            Err(stop) => {
                // What failed is told; a connection that is gone has no transaction either.
                let _ = self.session.rollback();
                match stop {
                    Stop::Surprise => Ok(None),
                    Stop::Unreadable(diagnostic) => Err(*diagnostic),
                    Stop::Refused(error) => Err(refused_row(seed, types, &error)),
                }
            }
        }
    }

    /// Nobody sees the table before it is whole: its rows need not wait for a vacuum to be
    /// visible to all.
    fn copy_sql(&self, options: &str) -> String {
        let names: Vec<&str> = self
            .seed
            .columns
            .iter()
            .map(|column| column.sql_name.as_str())
            .collect();
        format!(
            "copy {} ({}) from stdin ({options})",
            self.name,
            names.join(", ")
        )
    }

    fn copy_binary(&mut self, writers: &[Writer]) -> Result<u64, Stop> {
        // More columns than a table can have are refused when it is created.
        let count = i16::try_from(writers.len()).unwrap_or(i16::MAX);
        let sql = self.copy_sql("format binary, freeze");
        let mut copy = self.session.copy_in(&sql)?;
        let mut rows = CopyBinary::with_capacity(PIECE_BYTES + 4096);
        self.seed.for_each_row(|_, row| {
            rows.row(count);
            let mut fields = row.fields();
            for writer in writers {
                let is_added = match fields.next() {
                    Some(text) => writer.add(&text, &mut rows),
                    None => {
                        rows.null();
                        true
                    }
                };
                if !is_added {
                    return Err(Stop::Surprise);
                }
            }
            if rows.len() >= PIECE_BYTES {
                copy.send(rows.as_bytes())?;
                rows.clear();
            }
            Ok(())
        })?;
        rows.end();
        copy.send(rows.as_bytes())?;
        Ok(copy.finish()?)
    }

    fn copy_text(&mut self, types: &[SeedType]) -> Result<u64, Stop> {
        let sql = self.copy_sql("freeze");
        let mut copy = self.session.copy_in(&sql)?;
        let mut line = CopyText::with_capacity(1024);
        let columns = &self.seed.columns;
        self.seed.for_each_row(|_, row| {
            line.clear();
            let mut fields = row.fields();
            for (column, found) in columns.iter().zip(types) {
                match (fields.next(), &column.configured) {
                    (None, _) => line.null(),
                    (Some(text), None) => line.option(found.convert(&text).as_deref()),
                    (Some(text), Some(_)) if is_null(&text) => line.null(),
                    (Some(text), Some(_)) => line.text(&text),
                };
            }
            line.end_row();
            copy.send(line.as_bytes())?;
            Ok::<(), Stop>(())
        })?;
        Ok(copy.finish()?)
    }
}

/// An error of `create table` comes from a configured type, or from a column's name.
fn refused_table(seed: &Seed, error: &Error) -> Diagnostic {
    Diagnostic::error(
        "MSV0431",
        format!(
            "the table of the seed `{}` cannot be created: {}",
            seed.shown_file(),
            error.message
        ),
    )
    .note(error.to_string())
    .help(
        error
            .help()
            .unwrap_or("check `column_types` in the seed's properties"),
    )
}

fn refused_row(seed: &Seed, types: &[SeedType], error: &Error) -> Diagnostic {
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
                column.sql_type(types[at])
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
