//! A CSV file with a header: its columns, its rows, and places in it for messages.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::{Diagnostic, Place};
use crate::relation::quote_identifier;
use crate::run::seed::SeedOptions;
use crate::run::seed::header::{column_names, is_plain, stored_name};
use crate::run::seed::rows::{BYTE_ORDER_MARK, ReadError, Row, RowReader};
use crate::run::seed::sniff::{SeedType, Sniffer};

/// How much of a file is looked at before its types are guessed.
const GUESSED_FROM_BYTES: u64 = 64 * 1024;

/// One column of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run::seed) struct SeedColumn {
    /// As it stands in the file's header.
    pub(in crate::run::seed) header: String,
    /// As it is written in SQL, quoted.
    pub(in crate::run::seed) sql_name: String,
    /// The SQL type that the configuration names.
    pub(in crate::run::seed) configured: Option<String>,
}

/// A CSV file and the columns its header names. However large it is, it is read piece by piece.
#[derive(Clone, Debug)]
pub struct Seed {
    file: Arc<str>,
    path: PathBuf,
    options: SeedOptions,
    pub(in crate::run::seed) columns: Vec<SeedColumn>,
}

/// A stretch of the file, not counting a byte order mark.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u64,
    end: u64,
}

impl Seed {
    /// Reads the header of the file at `path`; `file` is its name in messages, relative to the
    /// project.
    ///
    /// # Errors
    ///
    /// MSV0430 when the file has no header or one that is not UTF-8 or no plain names; MSV0449
    /// when it cannot be read.
    pub fn open(file: &str, path: &Path, options: &SeedOptions) -> Result<Seed, Diagnostic> {
        let mut seed = Seed {
            file: file.into(),
            path: path.to_owned(),
            options: options.clone(),
            columns: Vec::new(),
        };
        let mut reader = seed.reader()?;
        let found = reader.header();
        let found = found.map(|row| row.map(|row| (row.start, row.fields().collect())));
        let (start, headers): (u64, Vec<Cow<'_, str>>) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                return Err(
                    Diagnostic::error("MSV0430", format!("the seed `{file}` is empty"))
                        .help("its first line names the columns: `id,name`"),
                );
            }
            Err(error) => return Err(seed.unread(error, reader.position())),
        };
        let names = column_names(&headers);
        if !options.quote_columns
            && let Some(at) = names.iter().position(|name| !is_plain(name))
        {
            let end = reader.position();
            return Err(seed.not_a_name(&names[at], at, Stretch { start, end }));
        }
        seed.columns = names
            .into_iter()
            .map(|header| SeedColumn {
                sql_name: quote_identifier(&stored_name(&header, options.quote_columns)),
                configured: options.column_types.get(&header).cloned(),
                header,
            })
            .collect();
        Ok(seed)
    }

    /// Names and SQL types of the columns, in order.
    ///
    /// # Errors
    ///
    /// MSV0430 when the file is no CSV file that can be loaded.
    pub fn columns(&self) -> Result<Vec<(String, String)>, Diagnostic> {
        let found = self.types()?;
        let columns = self.columns.iter().zip(found);
        Ok(columns
            .map(|(column, found)| (column.header.clone(), column.sql_type(found).to_owned()))
            .collect())
    }

    /// The type of each column, from all of its values.
    pub(in crate::run::seed) fn types(&self) -> Result<Vec<SeedType>, Diagnostic> {
        self.sniff(u64::MAX)
    }

    /// The type of each column, from the values at the beginning of the file.
    pub(in crate::run::seed) fn guess(&self) -> Result<Vec<SeedType>, Diagnostic> {
        self.sniff(GUESSED_FROM_BYTES)
    }

    fn sniff(&self, until: u64) -> Result<Vec<SeedType>, Diagnostic> {
        let mut sniffers = vec![Sniffer::default(); self.columns.len()];
        let read = self.for_each_row(|_, row| {
            if row.start > until {
                return Err(None);
            }
            for (sniffer, field) in sniffers.iter_mut().zip(row.fields()) {
                sniffer.see(&field);
            }
            Ok(())
        });
        match read {
            Err(Some(error)) => Err(error),
            Ok(()) | Err(None) => Ok(sniffers.iter().map(Sniffer::found).collect()),
        }
    }

    /// Hands over each row below the header with its number, from 0; none has more fields than
    /// the header.
    pub(in crate::run::seed) fn for_each_row<E: From<Diagnostic>>(
        &self,
        mut visit: impl FnMut(usize, Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.reader()?;
        let mut number = 0;
        let mut next = reader.header().map(|_| ());
        loop {
            let row = match next.and_then(|()| reader.next()) {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.unread(error, reader.position()).into()),
            };
            let (start, fields) = (row.start, row.len());
            if fields > self.columns.len() {
                let end = reader.position();
                let stretch = Stretch { start, end };
                return Err(self.too_many_fields(fields, number, stretch).into());
            }
            visit(number, row)?;
            number += 1;
            next = Ok(());
        }
    }

    /// Points at a row or at one of its fields; both count from 0.
    pub(in crate::run::seed) fn place(&self, row: usize, column: Option<usize>) -> Place {
        // The server told of the row: its bytes are looked up when they are wanted, not kept.
        let find = || {
            let mut reader = self.reader().ok()?;
            reader.header().ok()?;
            for _ in 0..row {
                reader.next().ok()?;
            }
            let start = reader.next().ok()??.start;
            let end = reader.position();
            Some(Stretch { start, end })
        };
        match find() {
            Some(stretch) => self.place_in(stretch, column),
            None => Place::file(self.file.clone()),
        }
    }

    fn place_in(&self, stretch: Stretch, column: Option<usize>) -> Place {
        let Ok((lines, before)) = self.lines_before(stretch.start) else {
            return Place::file(self.file.clone());
        };
        let begun = usize::try_from(stretch.start - before.start).unwrap_or(0);
        let row = self.bytes(Stretch {
            start: before.start,
            end: stretch.end,
        });
        let row = row.unwrap_or_default();
        let row = String::from_utf8_lossy(&row);
        // Lines above are not shown: empty ones stand for them, and a file may be large.
        let text = format!("{}{row}", "\n".repeat(lines));
        let start = (lines + begun).min(text.len());
        let span = match column {
            Some(column) => field_span(text.as_bytes(), start, column, self.options.delimiter),
            None => {
                let length = text.get(start..).and_then(|row| row.find(['\r', '\n']));
                start..length.map_or(text.len(), |length| start + length)
            }
        };
        Place::new(self.file.clone(), text, span)
    }

    /// Counts the line feeds before a byte, and finds the beginning of its line.
    fn lines_before(&self, end: u64) -> std::io::Result<(usize, Stretch)> {
        let mut input = BufReader::new(self.open_text()?).take(end);
        let mut piece = vec![0; 64 * 1024];
        let (mut lines, mut start, mut read) = (0, 0, 0);
        loop {
            let count = input.read(&mut piece)?;
            if count == 0 {
                return Ok((lines, Stretch { start, end }));
            }
            for (at, _) in piece[..count]
                .iter()
                .enumerate()
                .filter(|(_, b)| **b == b'\n')
            {
                lines += 1;
                start = read + at as u64 + 1;
            }
            read += count as u64;
        }
    }

    fn bytes(&self, stretch: Stretch) -> std::io::Result<Vec<u8>> {
        let mut input = self.open_text()?;
        input.seek(SeekFrom::Current(
            i64::try_from(stretch.start).unwrap_or(i64::MAX),
        ))?;
        let mut bytes = Vec::new();
        let length = stretch.end - stretch.start;
        input.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The file behind its byte order mark.
    fn open_text(&self) -> std::io::Result<File> {
        let mut input = File::open(&self.path)?;
        let mut first = Vec::new();
        let length = BYTE_ORDER_MARK.len() as u64;
        (&mut input).take(length).read_to_end(&mut first)?;
        if first != BYTE_ORDER_MARK {
            input.rewind()?;
        }
        Ok(input)
    }

    fn reader(&self) -> Result<RowReader<File>, Diagnostic> {
        let input = File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        Ok(RowReader::new(input, self.options.delimiter))
    }

    fn unread(&self, error: ReadError, end: u64) -> Diagnostic {
        match error {
            ReadError::File(error) => self.unreadable(&error),
            ReadError::NotUtf8(start) => self.not_utf8(Stretch { start, end }),
        }
    }

    pub(in crate::run::seed) fn unreadable(&self, error: &std::io::Error) -> Diagnostic {
        Diagnostic::error(
            "MSV0449",
            format!("the seed `{}` cannot be read", self.file),
        )
        .at(Place::file(self.file.clone()), "")
        .note(error.to_string())
    }

    fn not_utf8(&self, row: Stretch) -> Diagnostic {
        let file = &self.file;
        let bytes = self.bytes(row).unwrap_or_default();
        let at = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), |_| 0);
        let above = self.lines_before(row.start).map_or(0, |(lines, _)| lines);
        let inside = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let line = above + inside + 1;
        let byte = bytes.get(at).copied().unwrap_or_default();
        Diagnostic::error(
            "MSV0430",
            format!("the seed `{file}` is not UTF-8: line {line} has the byte 0x{byte:02x}"),
        )
        .help(format!("convert it: iconv -f latin1 -t utf-8 {file}"))
    }

    /// A wrong delimiter makes the whole header one column: better refused than loaded.
    fn not_a_name(&self, name: &str, at: usize, row: Stretch) -> Diagnostic {
        let delimiter = char::from(self.options.delimiter).escape_default();
        Diagnostic::error(
            "MSV0430",
            format!("syntax error in the header of the seed: `{name}` is no plain column name"),
        )
        .at(
            self.place_in(row, Some(at)),
            format!("column {}, cut at `{delimiter}`", at + 1),
        )
        .help("set `delimiter` in the seed's configuration if columns are divided otherwise")
        .help("set `quote_columns: true` to keep the name as it is")
    }

    fn too_many_fields(&self, fields: usize, number: usize, row: Stretch) -> Diagnostic {
        let names = self.columns.len();
        Diagnostic::error(
            "MSV0430",
            format!(
                "row {} of the seed has {fields} fields, its header {names}",
                number + 1
            ),
        )
        .at(
            self.place_in(row, Some(names)),
            "the first field without a column",
        )
        .help("put quotes round a value that holds the delimiter: `\"a, b\"`")
    }

    /// How messages call the file.
    pub(in crate::run::seed) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::run::seed) fn shown_file(&self) -> &str {
        &self.file
    }
}

impl SeedColumn {
    pub(in crate::run::seed) fn sql_type(&self, found: SeedType) -> &str {
        self.configured.as_deref().unwrap_or(found.sql())
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
    use tempfile::TempDir;

    use super::*;

    fn open(bytes: &[u8], options: &SeedOptions) -> Result<(TempDir, Seed), Diagnostic> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.csv");
        std::fs::write(&path, bytes).expect("writable");
        let seed = Seed::open("seeds/x.csv", &path, options)?;
        Ok((folder, seed))
    }

    fn read(text: &str) -> (TempDir, Seed) {
        open(text.as_bytes(), &SeedOptions::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn rows(seed: &Seed) -> Vec<String> {
        let mut seen = Vec::new();
        seed.for_each_row(|_, row| {
            let cells: Vec<_> = row.fields().collect();
            seen.push(format!("{} {}", row.start, cells.join("|")));
            Ok::<(), Diagnostic>(())
        })
        .expect("no error is made");
        seen
    }

    fn shape(seed: &Seed) -> Vec<String> {
        let types = seed.types().expect("readable");
        seed.columns
            .iter()
            .zip(types)
            .map(|(column, found)| format!("{} {}", column.sql_name, column.sql_type(found)))
            .collect()
    }

    #[test]
    fn a_byte_order_mark_quotes_and_line_ends_inside_are_understood() {
        let (_folder, seed) = read("\u{feff}Id,note,id,\r\n1,\"a, \"\"b\"\"\nc\",2\r\n");
        assert_eq!(
            shape(&seed),
            [
                "\"Id\" integer",
                "\"note\" text",
                "\"id\" integer",
                "\"d\" integer"
            ]
        );
        assert_eq!(rows(&seed), ["13 1|a, \"b\"\nc|2"]);
    }

    #[test]
    fn an_empty_line_is_a_row_of_nulls() {
        let (_folder, seed) = read("a,b\r\n1,\"x\r\ny\"\r\n\r\n\r\n2,z\n\n");
        assert_eq!(rows(&seed), ["5 1|x\ny", "15 ", "17 ", "19 2|z", "23 "]);
    }

    #[test]
    fn an_unquoted_header_is_a_plain_name() {
        let unquoted = SeedOptions {
            quote_columns: false,
            ..SeedOptions::default()
        };
        let header =
            |text: &str| open(text.as_bytes(), &unquoted).map(|(_folder, seed)| shape(&seed));
        assert_eq!(
            header("Größe,order\n").expect("plain")[0],
            "\"größe\" integer"
        );
        let shown = header("id,a|b\n").expect_err("no plain name").to_string();
        assert!(shown.contains("seeds/x.csv:1:4"), "{shown}");
    }

    #[test]
    fn a_row_with_too_many_fields_is_shown() {
        let (_folder, seed) = read("a,b\n1,2\n3,x y,5,6\n");
        let error = seed.types().expect_err("two fields too many");
        let shown = error.to_string();
        assert!(
            shown.contains("row 2 of the seed has 4 fields, its header 2"),
            "{shown}"
        );
        assert!(shown.contains("seeds/x.csv:3:7"), "{shown}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_with_their_line() {
        let (_folder, seed) = open(b"a\nb\n\xe9\n", &SeedOptions::default()).expect("a header");
        let error = seed.types().expect_err("latin1");
        assert!(
            error.title.contains("line 3 has the byte 0xe9"),
            "{}",
            error.title
        );
    }
}
