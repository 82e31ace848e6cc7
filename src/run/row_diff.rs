//! Shows how two sets of rows differ; their order does not count.

use std::cmp::Reverse;

use similar::{Algorithm, ChangeTag, capture_diff_slices};
use unicode_width::UnicodeWidthStr;

/// Rows of texts; `None` is null.
pub(super) type RowSet = Vec<Vec<Option<String>>>;

/// A difference in words and as aligned lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowDiff {
    /// `1 row missing, 2 rows not expected`
    pub summary: String,
    /// One line a row: ` ` in both, `-` expected only, `+` returned only.
    pub text: String,
    /// Rows in one set only.
    pub count: i64,
}

/// One row of the shown difference.
#[derive(Debug)]
struct Line {
    tag: ChangeTag,
    cells: Vec<String>,
    /// Columns in which the row differs from the one above it, which it is paired with.
    changed: Vec<usize>,
}

/// Compares two sets of rows; `None` when they hold the same rows, duplicates counted.
///
/// A row that is missing stands above the returned row that shares most cells with it, and the
/// cells that differ are marked by `^`.
pub(super) fn row_diff(columns: &[String], expected: &RowSet, actual: &RowSet) -> Option<RowDiff> {
    let (expected, actual) = (sorted(columns, expected), sorted(columns, actual));
    if expected == actual {
        return None;
    }
    let operations = capture_diff_slices(Algorithm::Myers, &expected, &actual);
    let changes = operations
        .iter()
        .flat_map(|operation| operation.iter_changes(&expected, &actual));
    let mut lines: Vec<Line> = changes
        .map(|change| Line {
            tag: change.tag(),
            cells: change.value().clone(),
            changed: Vec::new(),
        })
        .collect();
    pair_up(&mut lines);
    let count = |tag| lines.iter().filter(|line| line.tag == tag).count();
    let (missing, surplus) = (count(ChangeTag::Delete), count(ChangeTag::Insert));
    let words = |number: usize, words: &str| {
        let plural = if number == 1 { "row" } else { "rows" };
        (number > 0).then(|| format!("{number} {plural} {words}"))
    };
    let summary: Vec<String> = [words(missing, "missing"), words(surplus, "not expected")]
        .into_iter()
        .flatten()
        .collect();
    Some(RowDiff {
        summary: summary.join(", "),
        text: text(columns, &lines),
        count: i64::try_from(missing + surplus).unwrap_or(i64::MAX),
    })
}

/// Rows as texts, in one order: a query without `order by` may return them in any.
fn sorted(columns: &[String], rows: &RowSet) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| (0..columns.len()).map(|at| cell(row, at)).collect())
        .collect();
    rows.sort();
    rows
}

/// Line breaks are shown as `\n`, so that a row stays a line.
fn cell(row: &[Option<String>], at: usize) -> String {
    match row.get(at).and_then(Option::as_deref) {
        Some(text) => text.replace('\n', "\\n"),
        None => "null".to_owned(),
    }
}

/// Moves each returned row below the missing row that shares most cells with it.
fn pair_up(lines: &mut Vec<Line>) {
    let mut at = 0;
    while at < lines.len() {
        if lines[at].tag != ChangeTag::Delete {
            at += 1;
            continue;
        }
        let best = (0..lines.len())
            .filter(|other| lines[*other].tag == ChangeTag::Insert)
            .filter(|other| lines[*other].changed.is_empty())
            .map(|other| (shared_cells(&lines[at], &lines[other]), other))
            .filter(|(shared, _)| *shared > 0)
            .max_by_key(|(shared, other)| (*shared, Reverse(*other)));
        let Some((_, other)) = best else {
            at += 1;
            continue;
        };
        let mut partner = lines.remove(other);
        let here = if other < at { at - 1 } else { at };
        let pairs = lines[here].cells.iter().zip(&partner.cells).enumerate();
        let changed = pairs.filter(|(_, (old, new))| old != new);
        partner.changed = changed.map(|(column, _)| column).collect();
        lines.insert(here + 1, partner);
        at = here + 2;
    }
}

fn shared_cells(left: &Line, right: &Line) -> usize {
    let pairs = left.cells.iter().zip(&right.cells);
    pairs.filter(|(left, right)| left == right).count()
}

fn text(columns: &[String], lines: &[Line]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = lines.iter().map(|line| line.cells[at].width());
            cells.max().unwrap_or(0).max(name.width())
        })
        .collect();
    let mut out = vec![aligned(' ', columns, &widths, " | ")];
    for line in lines {
        let sign = match line.tag {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        out.push(aligned(sign, &line.cells, &widths, " | "));
        if !line.changed.is_empty() {
            let marks: Vec<String> = line
                .cells
                .iter()
                .enumerate()
                .map(|(at, cell)| match line.changed.contains(&at) {
                    true => "^".repeat(cell.width().max(1)),
                    false => String::new(),
                })
                .collect();
            out.push(aligned(' ', &marks, &widths, "   "));
        }
    }
    out.join("\n")
}

fn aligned(sign: char, cells: &[String], widths: &[usize], separator: &str) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))))
        .collect();
    format!("{sign} {}", padded.join(separator))
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[Option<&str>]]) -> RowSet {
        rows.iter()
            .map(|row| row.iter().map(|cell| cell.map(str::to_owned)).collect())
            .collect()
    }

    #[test]
    fn order_does_not_count_but_duplicates_do() {
        let columns = ["id".to_owned()];
        let two = rows(&[&[Some("1")], &[Some("2")]]);
        assert_eq!(
            row_diff(&columns, &two, &rows(&[&[Some("2")], &[Some("1")]])),
            None
        );
        let three = rows(&[&[Some("1")], &[Some("2")], &[Some("2")]]);
        let diff = row_diff(&columns, &two, &three).expect("one row more");
        assert_eq!(diff.summary, "1 row not expected");
    }

    #[test]
    fn lines_are_aligned_under_their_columns() {
        let columns = ["id".to_owned(), "name".to_owned()];
        let expected = rows(&[&[Some("1"), Some("a")], &[Some("2"), None]]);
        let actual = rows(&[&[Some("1"), Some("a")], &[Some("2"), Some("long one")]]);
        let diff = row_diff(&columns, &expected, &actual).expect("they differ");
        assert_eq!(
            diff.text,
            "  id | name\n  1  | a\n- 2  | null\n+ 2  | long one\n       ^^^^^^^^"
        );
        assert_eq!(diff.summary, "1 row missing, 1 row not expected");
    }

    #[test]
    fn a_returned_row_stands_below_the_missing_row_most_like_it() {
        let columns = ["id", "status", "total"].map(str::to_owned);
        let expected = rows(&[
            &[Some("1"), Some("open"), Some("10")],
            &[Some("2"), Some("filled"), Some("20")],
            &[Some("4"), None, Some("7")],
        ]);
        let actual = rows(&[
            &[Some("2"), Some("cancelled"), Some("20")],
            &[Some("1"), Some("open"), Some("10")],
            &[Some("3"), Some("new"), Some("0")],
        ]);
        let diff = row_diff(&columns, &expected, &actual).expect("they differ");
        assert_eq!(
            diff.text,
            "  id | status    | total
  1  | open      | 10
- 2  | filled    | 20
+ 2  | cancelled | 20
       ^^^^^^^^^
- 4  | null      | 7
+ 3  | new       | 0"
        );
    }
}
