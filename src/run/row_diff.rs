//! Shows how two sets of rows differ; their order does not count.

use std::cmp::{Ordering, Reverse};
use std::hash::{Hash, Hasher};

use similar::{Algorithm, ChangeTag, capture_diff_slices};
use unicode_width::UnicodeWidthStr;

/// A value as people read it, and as it is compared: `1.50` is `1.5`.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    shown: String,
    key: Option<String>,
}

impl Cell {
    /// A text that is compared by `key`; `None` is null.
    pub(super) fn new(text: Option<&str>, key: Option<String>) -> Self {
        let shown = match text {
            None => "null".to_owned(),
            // Nothing, a word that looks like null, blanks that nobody sees.
            Some(text)
                if text.is_empty() || text.eq_ignore_ascii_case("null") || text.trim() != text =>
            {
                format!("'{text}'")
            }
            Some(text) => text.to_owned(),
        };
        // Line breaks are shown as `\n`, so that a row stays a line.
        let shown = shown.replace('\n', "\\n");
        Cell { shown, key }
    }

    fn is_null(&self) -> bool {
        self.key.is_none()
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Cell {}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Cell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// Rows of one width.
pub(super) type RowSet = Vec<Vec<Cell>>;

/// Rows that both sets hold are shown up to this many; a difference is not to drown in them.
const EQUAL_ROWS_SHOWN: usize = 20;

/// In rows wider than this, columns that hold nothing anywhere are left out.
const WIDE: usize = 8;

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
    cells: Vec<Cell>,
    /// Columns in which the row differs from the one above it, which it is paired with.
    changed: Vec<usize>,
}

/// Compares two sets of rows; `None` when they hold the same rows, duplicates counted.
///
/// A row that is missing stands above the returned row that shares most cells with it, and the
/// cells that differ are marked by `^`.
pub(super) fn row_diff(columns: &[String], expected: &RowSet, actual: &RowSet) -> Option<RowDiff> {
    let (expected, actual) = (sorted(expected), sorted(actual));
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

/// Rows in one order: a query without `order by` may return them in any.
fn sorted(rows: &RowSet) -> RowSet {
    let mut rows = rows.clone();
    rows.sort();
    rows
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
    let holds = |at: &usize| lines.iter().any(|line| !line.cells[*at].is_null());
    let shown: Vec<usize> = match columns.len() > WIDE {
        true => (0..columns.len()).filter(holds).collect(),
        false => (0..columns.len()).collect(),
    };
    let widths: Vec<usize> = shown
        .iter()
        .map(|at| {
            let cells = lines.iter().map(|line| line.cells[*at].shown.width());
            cells.max().unwrap_or(0).max(columns[*at].width())
        })
        .collect();
    let names: Vec<&str> = shown.iter().map(|at| columns[*at].as_str()).collect();
    let mut out = vec![aligned(' ', &names, &widths, " | ")];
    let mut equal = 0;
    for line in lines {
        let sign = match line.tag {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        if line.tag == ChangeTag::Equal {
            equal += 1;
            if equal > EQUAL_ROWS_SHOWN {
                continue;
            }
        }
        let cells = shown.iter().map(|at| line.cells[*at].shown.as_str());
        out.push(aligned(sign, &cells.collect::<Vec<_>>(), &widths, " | "));
        if !line.changed.is_empty() {
            let marks: Vec<String> = shown
                .iter()
                .map(|at| match line.changed.contains(at) {
                    true => "^".repeat(line.cells[*at].shown.width().max(1)),
                    false => String::new(),
                })
                .collect();
            let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
            out.push(aligned(' ', &marks, &widths, "   "));
        }
    }
    if equal > EQUAL_ROWS_SHOWN {
        let more = equal - EQUAL_ROWS_SHOWN;
        out.push(format!("({more} more rows are as expected)"));
    }
    if shown.len() < columns.len() {
        let left_out: Vec<&str> = (0..columns.len())
            .filter(|at| !shown.contains(at))
            .map(|at| columns[at].as_str())
            .collect();
        out.push(format!("(null in all rows: {})", left_out.join(", ")));
    }
    out.join("\n")
}

fn aligned(sign: char, cells: &[&str], widths: &[usize], separator: &str) -> String {
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
            .map(|row| {
                let cells = row.iter();
                cells
                    .map(|cell| Cell::new(*cell, cell.map(str::to_owned)))
                    .collect()
            })
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
    #[test]
    fn a_null_is_not_the_word_and_a_number_is_its_value() {
        let columns = ["name".to_owned()];
        let diff = row_diff(&columns, &rows(&[&[None]]), &rows(&[&[Some("null")]]));
        assert_eq!(diff.expect("they differ").text, "  name\n- null\n+ 'null'");
        let number = |text: &str| vec![vec![Cell::new(Some(text), Some("1.5".to_owned()))]];
        assert_eq!(row_diff(&columns, &number("1.5"), &number("1.50")), None);
    }

    #[test]
    fn wide_rows_are_shown_without_what_is_null_everywhere() {
        let columns: Vec<String> = (0..9).map(|at| format!("c{at}")).collect();
        let mut row = vec![None; 9];
        row[2] = Some("x");
        let diff = row_diff(&columns, &rows(&[]), &rows(&[&row])).expect("they differ");
        assert_eq!(
            diff.text,
            "  c2\n+ x\n(null in all rows: c0, c1, c3, c4, c5, c6, c7, c8)"
        );
    }
}
