//! A CSV file, cut into fields, with a type for each column.

use std::borrow::Cow;
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
        if !options.quote_columns
            && let Some(at) = names.iter().position(|name| !is_plain(name))
        {
            return Err(seed.not_a_name(&names[at], at));
        }
        let mut sniffers = vec![Sniffer::default(); names.len()];
        let mut starts = Vec::new();
        let read = seed.for_each_record(&mut reader, |start, record| {
            starts.push(start);
            for (sniffer, field) in sniffers.iter_mut().zip(record) {
                sniffer.see(&field_text(field));
            }
            if record.len() > names.len() {
                return Err(Unread::TooLong(record.len()));
            }
            Ok(())
        });
        seed.row_starts = starts;
        read.map_err(|unread| match unread {
            Unread::NoCsv(reason) => seed.unreadable(&reason),
            Unread::TooLong(fields) => seed.too_many_fields(fields, names.len()),
        })?;
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
        mut visit: impl FnMut(&[Option<Cow<'_, str>>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        // Reading it the first time found all errors of the file.
        let _ = self.for_each_record(&mut self.reader(), |_, record| {
            let fields: Vec<Option<Cow<'_, str>>> = (0..self.columns.len())
                .map(|at| record.get(at).map(field_text))
                .collect();
            visit(&fields).map_err(|error| {
                outcome = Err(error);
                Unread::NoCsv(String::new())
            })
        });
        outcome
    }

    /// Hands over each row below the header with its start in the text. As in dbt an empty line
    /// is a row too, one of nulls; it comes without fields.
    fn for_each_record(
        &self,
        reader: &mut csv::Reader<&[u8]>,
        mut visit: impl FnMut(usize, &ByteRecord) -> Result<(), Unread>,
    ) -> Result<(), Unread> {
        let no_csv = |error: csv::Error| Unread::NoCsv(error.to_string());
        reader.byte_headers().map_err(no_csv)?;
        let bytes = self.text.as_bytes();
        let mut record = ByteRecord::new();
        let empty = ByteRecord::new();
        loop {
            let before = usize::try_from(reader.position().byte()).unwrap_or(bytes.len());
            let is_row = reader.read_byte_record(&mut record).map_err(no_csv)?;
            let mut start = before;
            // The reader skips empty lines; the second half of a line's end is none.
            if start > 0 && bytes[..start].ends_with(b"\r") && bytes[start..].starts_with(b"\n") {
                start += 1;
            }
            while let Some(b'\r' | b'\n') = bytes.get(start) {
                visit(start, &empty)?;
                start += 1 + usize::from(bytes[start..].starts_with(b"\r\n"));
            }
            if !is_row {
                return Ok(());
            }
            visit(start, &record)?;
        }
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

    /// A wrong delimiter makes the whole header one column: better refused than loaded.
    fn not_a_name(&self, name: &str, at: usize) -> Diagnostic {
        let span = field_span(self.text.as_bytes(), 0, at, self.options.delimiter);
        let delimiter = char::from(self.options.delimiter).escape_default();
        Diagnostic::error(
            "MSV0430",
            format!("syntax error in the header of the seed: `{name}` is no plain column name"),
        )
        .at(
            Place::new(self.file.clone(), self.text.clone(), span),
            format!("column {}, cut at `{delimiter}`", at + 1),
        )
        .help("set `delimiter` in the seed's configuration if columns are divided otherwise")
        .help("set `quote_columns: true` to keep the name as it is")
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

/// Why the rows of a file were not read to their end.
enum Unread {
    NoCsv(String),
    /// A row with this many fields.
    TooLong(usize),
}

/// All of the file is UTF-8, and the delimiter is ASCII: no field is cut inside a character.
/// As in dbt a line ends with a line feed, also inside a field.
fn field_text(field: &[u8]) -> Cow<'_, str> {
    let text = std::str::from_utf8(field).unwrap_or("");
    if text.contains('\r') {
        return Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    Cow::Borrowed(text)
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
            header.into_owned()
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

/// True for a name that PostgreSQL reads without quotes, key words aside.
fn is_plain(name: &str) -> bool {
    let is_letter = |character: char| character.is_ascii_alphabetic() || !character.is_ascii();
    name.starts_with(|first: char| is_letter(first) || first == '_')
        && name.chars().all(|character| {
            is_letter(character) || character.is_ascii_digit() || matches!(character, '_' | '$')
        })
        || written_quoted(name).is_some()
}

/// The name in a header that brings its own quotes, `"order"`.
fn written_quoted(header: &str) -> Option<&str> {
    let name = header.strip_prefix('"')?.strip_suffix('"')?;
    (!name.is_empty() && !name.contains('"')).then_some(name)
}

/// The name PostgreSQL would store: it loses its case unless it is to be quoted.
fn stored_name(header: &str, is_quoted: bool) -> String {
    if is_quoted {
        header.to_owned()
    } else if let Some(name) = written_quoted(header) {
        name.to_owned()
    } else {
        header.to_ascii_lowercase()
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
                "\"Id\" integer",
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
    fn an_empty_line_is_a_row_of_nulls() {
        let seed = read("a,b\r\n1,\"x\r\ny\"\r\n\r\n\r\n2,z\n\n");
        let mut seen = Vec::new();
        seed.for_each_row(|fields| {
            let cells = fields.iter().map(|field| field.as_deref().unwrap_or("-"));
            seen.push(cells.collect::<Vec<_>>().join("|"));
            Ok::<(), ()>(())
        })
        .expect("no error is made");
        assert_eq!(seen, ["1|x\ny", "-|-", "-|-", "2|z", "-|-"]);
        assert_eq!(seed.row_starts, [5, 15, 17, 19, 23]);
    }

    #[test]
    fn an_unquoted_header_is_a_plain_name() {
        let unquoted = SeedOptions {
            quote_columns: false,
            ..SeedOptions::default()
        };
        let header = |text: &str| {
            Seed::read("seeds/x.csv", text.as_bytes(), &unquoted).map(|seed| shape(&seed))
        };
        assert_eq!(
            header("Größe,order\n").expect("plain")[0],
            "\"größe\" integer"
        );
        let shown = header("id,a|b\n").expect_err("no plain name").to_string();
        assert!(shown.contains("seeds/x.csv:1:4"), "{shown}");
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
