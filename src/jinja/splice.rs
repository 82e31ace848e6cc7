//! Splice: a text and its edits in, the edited text and its position map out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::position::{PositionMap, Record};

/// A change of the text: `remove` bytes at `at` give way to `insert`.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) at: usize,
    pub(crate) remove: usize,
    pub(crate) insert: String,
    /// Closing text comes before opening text at the same offset, replacements come last.
    pub(crate) order: (u8, isize),
}

/// Copies stretches of a text with its edits, and notes where everything came from.
pub(crate) struct Writer<'t> {
    text: &'t str,
    edits: Vec<Edit>,
    out: String,
    map: PositionMap,
}

impl<'t> Writer<'t> {
    pub(crate) fn new(text: &'t str, mut edits: Vec<Edit>, length: usize) -> Self {
        edits.sort_by_key(|edit| (edit.at, edit.order));
        let growth: usize = edits.iter().map(|edit| edit.insert.len()).sum();
        Writer {
            text,
            edits,
            out: String::with_capacity(length + growth + 256),
            map: PositionMap::default(),
        }
    }

    pub(crate) fn insert(&mut self, insert: &str, original: usize) {
        self.map.inserted(self.out.len(), original);
        self.out.push_str(insert);
    }

    pub(crate) fn copy(&mut self, range: Range<usize>) {
        let mut at = range.start;
        let first = self.edits.partition_point(|edit| edit.at < range.start);
        for index in first..self.edits.len() {
            let Edit {
                at: edit_at,
                remove,
                ..
            } = self.edits[index];
            // A closing edit stands at the end of what it closes, which may be the end of the
            // range; an opening one at the end belongs to what follows.
            let is_inside =
                edit_at < range.end || (edit_at == range.end && self.edits[index].order.0 == 0);
            if !is_inside {
                break;
            }
            if edit_at == range.start && self.edits[index].order.0 == 0 {
                continue;
            }
            self.copy_plain(at..edit_at);
            let insert = std::mem::take(&mut self.edits[index].insert);
            self.insert(&insert, edit_at);
            at = edit_at + remove;
        }
        self.copy_plain(at..range.end);
    }

    fn copy_plain(&mut self, range: Range<usize>) {
        if range.start < range.end {
            self.map.copied(self.out.len(), range.start);
            self.out.push_str(&self.text[range]);
        }
    }

    pub(crate) fn finish(
        self,
        file: Arc<str>,
        text: Arc<str>,
        sites: Vec<Range<usize>>,
        is_builtin: bool,
    ) -> Record {
        Record {
            file,
            text,
            source: self.out,
            map: self.map,
            sites,
            is_builtin,
            renders: AtomicUsize::new(0),
        }
    }
}
