//! Positions: an offset in rewritten text in, the offset in the analyst's file out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use msv_diagnostics::Place;

/// One template as the engine compiled it, and how to find the way back to its file.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) source: String,
    pub(crate) map: PositionMap,
    /// Calls of `ref`, `source`, `config` and their like, by the number the rewriter gave them.
    pub(crate) sites: Vec<Range<usize>>,
    pub(crate) is_builtin: bool,
    /// How often it was rendered.
    pub(crate) renders: AtomicUsize,
}

impl Record {
    /// The place in the file that a range of the rewritten text stands for.
    ///
    /// The engine's range of a call or attribute starts at the dot or bracket; the names before
    /// it are part of what the analyst wrote.
    pub(crate) fn place(&self, range: Range<usize>) -> Place {
        let mut span = self.map.range(range);
        let before = self.text.get(..span.start).unwrap_or_default();
        if self.text[before.len()..].starts_with(['.', '(', '[']) {
            let name =
                before.trim_end_matches(|c: char| c == '_' || c == '.' || c.is_alphanumeric());
            span.start = name.len();
        }
        Place::new(self.file.clone(), self.text.clone(), span)
    }
}

/// Stretches of rewritten text, ordered, each copied from the original or put in.
#[derive(Debug, Default)]
pub(crate) struct PositionMap {
    stretches: Vec<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    rewritten: usize,
    original: usize,
    is_copied: bool,
}

impl PositionMap {
    pub(crate) fn copied(&mut self, rewritten: usize, original: usize) {
        self.push(rewritten, original, true);
    }

    pub(crate) fn inserted(&mut self, rewritten: usize, original: usize) {
        self.push(rewritten, original, false);
    }

    fn push(&mut self, rewritten: usize, original: usize, is_copied: bool) {
        self.stretches.push(Stretch {
            rewritten,
            original,
            is_copied,
        });
    }

    /// The original offset of a rewritten one; text that was put in stands where it was put.
    pub(crate) fn offset(&self, rewritten: usize) -> usize {
        let index = self
            .stretches
            .partition_point(|stretch| stretch.rewritten <= rewritten);
        match index.checked_sub(1).and_then(|at| self.stretches.get(at)) {
            None => self.stretches.first().map_or(0, |first| first.original),
            Some(stretch) if stretch.is_copied => {
                stretch.original + (rewritten - stretch.rewritten)
            }
            Some(stretch) => stretch.original,
        }
    }

    /// The original range of a rewritten one.
    pub(crate) fn range(&self, rewritten: Range<usize>) -> Range<usize> {
        let start = self.offset(rewritten.start);
        let end = match rewritten.end.checked_sub(1) {
            Some(last) if last >= rewritten.start => {
                let last_original = self.offset(last);
                if self.is_copied(last) {
                    last_original + 1
                } else {
                    last_original
                }
            }
            _ => start,
        };
        start..end.max(start)
    }

    fn is_copied(&self, rewritten: usize) -> bool {
        let index = self
            .stretches
            .partition_point(|stretch| stretch.rewritten <= rewritten);
        index
            .checked_sub(1)
            .and_then(|at| self.stretches.get(at))
            .is_some_and(|stretch| stretch.is_copied)
    }
}
