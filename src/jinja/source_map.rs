//! Source map: an offset of rendered text in, the analyst's file and span out.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{OutputSpan, OutputSpanKind};

use crate::position::Record;

/// Where each stretch of a rendered text came from.
#[derive(Debug)]
pub struct SourceMap {
    record: Arc<Record>,
    stretches: Vec<Stretch>,
}

#[derive(Debug)]
struct Stretch {
    output: Range<usize>,
    /// In the rewritten template.
    source: Range<usize>,
    is_verbatim: bool,
}

impl SourceMap {
    pub(crate) fn new(record: Arc<Record>, spans: &[OutputSpan]) -> Self {
        let stretches = spans
            .iter()
            .map(|span| Stretch {
                output: span.output_range(),
                source: span.source_range(),
                is_verbatim: span.kind() == OutputSpanKind::Raw,
            })
            .collect();
        SourceMap { record, stretches }
    }

    /// The file and the byte span that the output at `output_offset` came from.
    ///
    /// Text written as it stands gives the character itself, text written by an expression gives
    /// the whole expression. `None` past the end.
    pub fn locate(&self, output_offset: usize) -> Option<(Arc<str>, Range<usize>)> {
        let index = self
            .stretches
            .partition_point(|stretch| stretch.output.end <= output_offset);
        let stretch = self.stretches.get(index)?;
        let span = if stretch.is_verbatim {
            let at = stretch.source.start + output_offset.checked_sub(stretch.output.start)?;
            let mut start = self.record.map.offset(at);
            while !self.record.text.is_char_boundary(start) {
                start -= 1;
            }
            let length = self.record.text[start..]
                .chars()
                .next()
                .map_or(0, char::len_utf8);
            start..start + length
        } else {
            self.record.map.range(stretch.source.clone())
        };
        Some((self.record.file.clone(), span))
    }

    /// The whole text of the file that spans count in.
    pub fn text(&self) -> Arc<str> {
        self.record.text.clone()
    }
}
