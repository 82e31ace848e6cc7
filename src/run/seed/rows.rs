//! A CSV file, read piece by piece and cut into rows of fields.

use std::borrow::Cow;
use std::io::Read;

use csv_core::ReadRecordResult;

pub(in crate::run::seed) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Read at a time. A row may be longer.
const PIECE_BYTES: usize = 256 * 1024;

/// Why the rows of a file were not read to their end.
#[derive(Debug)]
pub(in crate::run::seed) enum ReadError {
    File(std::io::Error),
    /// The row that starts at this byte has others than those of UTF-8.
    NotUtf8(u64),
}

/// Cuts bytes into rows. Nothing but the current piece and the current row is held.
pub(in crate::run::seed) struct RowReader<R> {
    source: R,
    core: csv_core::Reader,
    input: Vec<u8>,
    /// What of `input` is still to be cut.
    left: std::ops::Range<usize>,
    /// Where `input` starts in the file, behind a byte order mark.
    offset: u64,
    /// The last byte that was cut.
    last: u8,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

/// The fields of a row.
#[derive(Clone, Copy)]
pub(in crate::run::seed) struct Row<'a> {
    /// Where it starts in the file, behind a byte order mark.
    pub(in crate::run::seed) start: u64,
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// How many fields the row has; none on an empty line.
    pub(in crate::run::seed) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The fields. As in dbt a line ends with a line feed, also inside a field.
    pub(in crate::run::seed) fn fields(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let text = self.text;
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let field = &text[from..*end];
            from = *end;
            match field.contains('\r') {
                true => Cow::Owned(field.replace("\r\n", "\n").replace('\r', "\n")),
                false => Cow::Borrowed(field),
            }
        })
    }
}

impl<R: Read> RowReader<R> {
    pub(in crate::run::seed) fn new(source: R, delimiter: u8) -> Self {
        RowReader {
            source,
            core: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            input: vec![0; PIECE_BYTES],
            left: 0..0,
            offset: 0,
            last: 0,
            fields: vec![0; 4096],
            ends: vec![0; 64],
        }
    }

    /// The first row that is no empty line: the header.
    pub(in crate::run::seed) fn header(&mut self) -> Result<Option<Row<'_>>, ReadError> {
        while self.skip_line_end()? {}
        self.next()
    }

    /// The next row. As in dbt an empty line is a row too, one of nulls; it has no fields.
    pub(in crate::run::seed) fn next(&mut self) -> Result<Option<Row<'_>>, ReadError> {
        // The reader takes the second half of a line's end for the beginning of the next line.
        if self.last == b'\r' && self.peek()? == Some(b'\n') {
            self.take(1);
        }
        let start = self.position();
        if self.skip_line_end()? {
            let (text, ends) = ("", &[][..]);
            return Ok(Some(Row { start, text, ends }));
        }
        let (mut written, mut ended) = (0, 0);
        loop {
            if self.left.is_empty() {
                self.fill()?;
            }
            let input = &self.input[self.left.clone()];
            let (result, taken, bytes, ends) =
                self.core
                    .read_record(input, &mut self.fields[written..], &mut self.ends[ended..]);
            self.take(taken);
            written += bytes;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(2 * self.fields.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let ends = &self.ends[..ended];
        let text = utf8_fields(&self.fields[..written], ends).ok_or(ReadError::NotUtf8(start))?;
        Ok(Some(Row { start, text, ends }))
    }

    /// How much of the file was cut, not counting a byte order mark.
    pub(in crate::run::seed) fn position(&self) -> u64 {
        self.offset + self.left.start as u64
    }

    /// Passes over the end of an empty line.
    fn skip_line_end(&mut self) -> Result<bool, ReadError> {
        let is_line_end = matches!(self.peek()?, Some(b'\r' | b'\n'));
        if is_line_end {
            let is_pair = self.input[self.left.start] == b'\r';
            self.take(1);
            if is_pair && self.peek()? == Some(b'\n') {
                self.take(1);
            }
        }
        Ok(is_line_end)
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.left.is_empty() {
            self.fill()?;
        }
        Ok(self.input[self.left.clone()].first().copied())
    }

    fn take(&mut self, count: usize) {
        if count > 0 {
            self.left.start += count;
            self.last = self.input[self.left.start - 1];
        }
    }

    /// Reads the next piece; at the end of the file it is empty.
    fn fill(&mut self) -> Result<(), ReadError> {
        let is_first = self.offset == 0 && self.left.end == 0;
        self.offset += self.left.end as u64;
        self.left = 0..0;
        // A first piece that is shorter than the mark would hide it.
        let wanted = if is_first {
            BYTE_ORDER_MARK.len() + 1
        } else {
            1
        };
        let mut filled = 0;
        while filled < wanted {
            match self.source.read(&mut self.input[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::File(error)),
            }
        }
        if is_first && self.input[..filled].starts_with(BYTE_ORDER_MARK) {
            self.input.copy_within(BYTE_ORDER_MARK.len()..filled, 0);
            filled -= BYTE_ORDER_MARK.len();
        }
        self.left = 0..filled;
        Ok(())
    }
}

/// The text of all fields, where each of them is UTF-8.
fn utf8_fields<'a>(bytes: &'a [u8], ends: &[usize]) -> Option<&'a str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let are_whole = || ends.iter().all(|end| text.is_char_boundary(*end));
    (text.is_ascii() || are_whole()).then_some(text)
}
