//! A CSV file, cut into fields, with a type for each column.

use std::sync::Arc;

use csv::ByteRecord;

use crate::diagnostics::{Diagnostic, Place};
use crate::relation::quote_identifier;
use crate::run::seed::SeedOptions;
use crate::run::seed::sniff::{SeedType, Sniffer};

/// One column of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run::seed) struct SeedColumn {
    /// As it stands in the file's header.
    pub(in crate::run::seed) header: String,
    /// As it is written in SQL, quoted.
    pub(in crate::run::seed) sql_name: String,
    /// `None` when the configuration names the type.
    pub(in crate::run::seed) found: Option<SeedType>,
    pub(in crate::run::seed) sql_type: String,
}

/// A CSV file whose columns have their types. All of it was read: what it holds can be loaded,
/// but for values that a configured type refuses.
#[derive(Clone, Debug)]
pub struct Seed {
    file: Arc<str>,
    text: Arc<str>,
    options: SeedOptions,
    pub(in crate::run::seed) columns: Vec<SeedColumn>,
    /// Where each row starts in `text`.
    row_starts: Vec<usize>,
}

impl Seed {
    /// Reads a CSV file; `file` is its path for messages, relative to the project.
    ///
    /// # Errors
    ///
    /// MSV0430 when the file is not UTF-8, has no header, or has a row with more fields than it.
    pub fn read(file: &str, bytes: &[u8], options: &SeedOptions) -> Result<Seed, Diagnostic> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text: Arc<str> = std::str::from_utf8(bytes)
            .map_err(|error| not_utf8(file, bytes, error.valid_up_to()))?
            .into();
        let mut seed = Seed {
            file: file.into(),
            text: text.clone(),
            options: options.clone(),
            columns: Vec::new(),
            row_starts: Vec::new(),
        };
        let mut reader = seed.reader();
        let headers = reader
            .byte_headers()
            .map_err(|error| seed.unreadable(&error.to_string()))?
            .clone();
        if headers.is_empty() {
            return Err(
                Diagnostic::error("MSV0430", format!("the seed `{file}` is empty"))
                    .help("its first line names the columns: `id,name`"),
            );
        }
        let names = column_names(&headers);
        let mut sniffers = vec![Sniffer::default(); names.len()];
        let mut record = ByteRecord::new();
        let mut starts = Vec::new();
        while reader
            .read_byte_record(&mut record)
            .map_err(|error| seed.unreadable(&error.to_string()))?
        {
            let start = record.position().map_or(0, csv::Position::byte);
            starts.push(usize::try_from(start).unwrap_or(0));
            if record.len() > names.len() {
                seed.row_starts = starts;
                return Err(seed.too_many_fields(record.len(), names.len()));
            }
            for (sniffer, field) in sniffers.iter_mut().zip(&record) {
                sniffer.see(field_text(field));
            }
        }
        seed.columns = names
            .into_iter()
            .zip(&sniffers)
            .map(|(header, sniffer)| {
                let configured = options.column_types.get(&header).cloned();
                let found = configured.is_none().then(|| sniffer.found());
                SeedColumn {
                    sql_name: quote_identifier(&stored_name(&header, options.quote_columns)),
                    sql_type: configured
                        .unwrap_or_else(|| found.unwrap_or(SeedType::Text).sql().to_owned()),
                    found,
                    header,
                }
            })
            .collect();
        seed.row_starts = starts;
        Ok(seed)
    }

    /// Names and SQL types of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns
            .iter()
            .map(|column| (column.header.as_str(), column.sql_type.as_str()))
    }

    /// Hands each row's fields to `visit`; missing ones at the end of a row are `None`.
    pub(in crate::run::seed) fn for_each_row<E>(
        &self,
        mut visit: impl FnMut(&[Option<&str>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.reader();
        let mut record = ByteRecord::new();
        // Reading it the first time found all errors.
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            let fields: Vec<Option<&str>> = (0..self.columns.len())
                .map(|at| record.get(at).map(field_text))
                .collect();
            visit(&fields)?;
        }
        Ok(())
    }

    /// Points at a field; `row` and `column` count from 0.
    pub(in crate::run::seed) fn place(&self, row: usize, column: Option<usize>) -> Place {
        let start = self.row_starts.get(row).copied().unwrap_or(0);
        let span = match column {
            Some(column) => field_span(self.text.as_bytes(), start, column, self.options.delimiter),
            None => {
                let length = self.text[start..].find(['\r', '\n']);
                start..length.map_or(self.text.len(), |length| start + length)
            }
        };
        Place::new(self.file.clone(), self.text.clone(), span)
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        csv::ReaderBuilder::new()
            .delimiter(self.options.delimiter)
            .flexible(true)
            .from_reader(self.text.as_bytes())
    }

    fn unreadable(&self, reason: &str) -> Diagnostic {
        Diagnostic::error(
            "MSV0430",
            format!("the seed `{}` is not a CSV file: {reason}", self.file),
        )
    }

    fn too_many_fields(&self, fields: usize, names: usize) -> Diagnostic {
        let row = self.row_starts.len() - 1;
        Diagnostic::error(
            "MSV0430",
            format!(
                "row {} of the seed has {fields} fields, its header {names}",
                row + 1
            ),
        )
        .at(
            self.place(row, Some(names)),
            "the first field without a column",
        )
        .help("put quotes round a value that holds the delimiter: `\"a, b\"`")
    }
}

/// All of the file is UTF-8, and the delimiter is ASCII: no field is cut inside a character.
fn field_text(field: &[u8]) -> &str {
    std::str::from_utf8(field).unwrap_or("")
}

fn not_utf8(file: &str, bytes: &[u8], at: usize) -> Diagnostic {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Diagnostic::error(
        "MSV0430",
        format!(
            "the seed `{file}` is not UTF-8: line {line} has the byte 0x{:02x}",
            bytes[at]
        ),
    )
    .help(format!("convert it: iconv -f latin1 -t utf-8 {file}"))
}

/// Column names as dbt makes them unique: `a`, `a_2`; a nameless one is called by its letter.
fn column_names(headers: &ByteRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, header) in headers.iter().enumerate() {
        let header = field_text(header);
        let base = if header.is_empty() {
            let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or(0));
            letter.to_string().repeat(at / 26 + 1)
        } else {
            header.to_owned()
        };
        let mut name = base.clone();
        let mut count = 2;
        while names.contains(&name) {
            name = format!("{base}_{count}");
            count += 1;
        }
        names.push(name);
    }
    names
}

/// The name PostgreSQL would store: a plain one loses its case unless it is to be quoted.
fn stored_name(header: &str, is_quoted: bool) -> String {
    let is_plain = !header.starts_with(|first: char| first.is_ascii_digit())
        && header
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    if is_plain && !is_quoted {
        header.to_ascii_lowercase()
    } else {
        header.to_owned()
    }
}

/// Finds the `wanted`th field (from 0) of the row that starts at `from`.
fn field_span(bytes: &[u8], from: usize, wanted: usize, delimiter: u8) -> std::ops::Range<usize> {
    let mut start = from;
    let mut field = 0;
    let mut is_quoted = false;
    for (offset, byte) in bytes[from..].iter().enumerate() {
        let at = from + offset;
        match *byte {
            b'"' => is_quoted = !is_quoted,
            b'\r' | b'\n' if !is_quoted => return start..at,
            byte if byte == delimiter && !is_quoted => {
                if field == wanted {
                    return start..at;
                }
                field += 1;
                start = at + 1;
            }
            _ => {}
        }
    }
    start..bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Seed {
        Seed::read("seeds/x.csv", text.as_bytes(), &SeedOptions::default())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn shape(seed: &Seed) -> Vec<String> {
        seed.columns
            .iter()
            .map(|column| format!("{} {}", column.sql_name, column.sql_type))
            .collect()
    }

    #[test]
    fn a_byte_order_mark_quotes_and_line_ends_inside_are_understood() {
        let seed = read("\u{feff}Id,note,id,\r\n1,\"a, \"\"b\"\"\nc\",2\r\n");
        assert_eq!(
            shape(&seed),
            [
                "\"id\" integer",
                "\"note\" text",
                "\"id\" integer",
                "\"d\" integer"
            ]
        );
        let mut seen = Vec::new();
        seed.for_each_row(|fields| {
            seen.push(format!("{fields:?}"));
            Ok::<(), ()>(())
        })
        .expect("no error is made");
        assert_eq!(
            seen,
            [r#"[Some("1"), Some("a, \"b\"\nc"), Some("2"), None]"#]
        );
    }

    #[test]
    fn a_row_with_too_many_fields_is_shown() {
        let error = Seed::read(
            "seeds/x.csv",
            b"a,b\n1,2\n3,x y,5,6\n",
            &SeedOptions::default(),
        )
        .expect_err("two fields too many");
        let shown = error.to_string();
        assert!(
            shown.contains("row 2 of the seed has 4 fields, its header 2"),
            "{shown}"
        );
        assert!(shown.contains("seeds/x.csv:3:7"), "{shown}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_with_their_line() {
        let error = Seed::read("seeds/x.csv", b"a\nb\n\xe9\n", &SeedOptions::default())
            .expect_err("latin1");
        assert!(
            error.title.contains("line 3 has the byte 0xe9"),
            "{}",
            error.title
        );
    }
}
