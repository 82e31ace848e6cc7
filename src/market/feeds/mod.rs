//! Feeds: lines of a file format in, order events out, one file per format.
//!
//! A decoder sees one line at a time and keeps no state that a later start could not rebuild
//! from the file's first line, so that a load can continue anywhere. Whether an event fits
//! the book is not judged here.

pub mod lobster;
pub mod native;
pub mod spelling;
pub mod time;

use std::path::Path;

use crate::event::OrderEvent;
use crate::nanos::Day;
use msv_diagnostics::{Diagnostic, Place};

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Decide by the file's name and first line.
    #[default]
    Auto,
    /// msv's own CSV with a header line.
    Csv,
    /// A LOBSTER message file.
    Lobster,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Auto => "auto",
            Format::Csv => "csv",
            Format::Lobster => "lobster",
        }
    }
}

/// What a file does not say itself.
#[derive(Clone, Debug, Default)]
pub struct FeedOptions {
    pub format: Format,
    /// The instrument of a file that names none.
    pub symbol: Option<String>,
    /// The venue of a file that names none.
    pub venue: Option<String>,
    /// The trading day of a file whose times count from midnight.
    pub date: Option<Day>,
    /// The IANA zone of times that carry no offset.
    pub timezone: Option<String>,
    /// What an integer time counts.
    pub time_unit: time::TimeUnit,
}

/// A line that is no event, and why; the line itself is kept by the caller.
pub type Reason = String;

/// Decodes the lines of one file.
#[derive(Debug)]
pub enum Decoder {
    Native(Box<native::NativeDecoder>),
    Lobster(lobster::LobsterDecoder),
}

impl Decoder {
    /// Chooses and prepares the decoder of a file from its name and first line.
    ///
    /// `shown` is the path as messages show it. Warnings go to `warnings`.
    ///
    /// # Errors
    ///
    /// MSV0602 when no format fits, MSV0603 when the header lacks columns, MSV0605 when a file
    /// needs a symbol or a date that nobody gave, MSV0607 for an unknown time zone.
    pub fn open(
        path: &Path,
        shown: &str,
        first_line: &str,
        options: &FeedOptions,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Decoder, Vec<Diagnostic>> {
        let format = match options.format {
            Format::Auto => detect(path, first_line).ok_or_else(|| {
                vec![
                    Diagnostic::error(
                        "MSV0602",
                        format!("the format of the file `{shown}` is not known"),
                    )
                    .at(
                        Place::new(shown, first_line, 0..first_line.len()),
                        "neither a header of order events nor a LOBSTER message",
                    )
                    .help("name the format: `--format csv` or `--format lobster`"),
                ]
            })?,
            format => format,
        };
        match format {
            Format::Lobster => lobster::LobsterDecoder::open(path, shown, options)
                .map(Decoder::Lobster)
                .map_err(|diagnostic| vec![*diagnostic]),
            Format::Csv | Format::Auto => {
                native::NativeDecoder::open(shown, first_line, options, warnings)
                    .map(|decoder| Decoder::Native(Box::new(decoder)))
            }
        }
    }

    pub fn format(&self) -> Format {
        match self {
            Decoder::Native(_) => Format::Csv,
            Decoder::Lobster(_) => Format::Lobster,
        }
    }

    /// True when the first line of the file names columns and is no event.
    pub fn has_header(&self) -> bool {
        matches!(self, Decoder::Native(_))
    }

    /// Decodes one line without its line ending.
    ///
    /// # Errors
    ///
    /// The reason why the line is no event.
    pub fn decode<'a>(&'a mut self, line: &'a [u8]) -> Result<OrderEvent<'a>, Reason> {
        match self {
            Decoder::Native(decoder) => decoder.decode(line),
            Decoder::Lobster(decoder) => decoder.decode(line),
        }
    }
}

/// Tells a format from a file's name and first line.
fn detect(path: &Path, first_line: &str) -> Option<Format> {
    if native::looks_like_header(first_line) {
        return Some(Format::Csv);
    }
    let is_named_lobster = lobster::FileName::read(path).is_some();
    let is_message = lobster::looks_like_message(first_line);
    (is_message || (is_named_lobster && first_line.is_empty())).then_some(Format::Lobster)
}
