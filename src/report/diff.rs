//! Shows how the rows a unit test got differ from those it expected.

use std::collections::HashSet;

use serde_json::Value as Json;
use similar::{Algorithm, ChangeTag, capture_diff_slices};
use unicode_width::UnicodeWidthStr;

use super::table::{cell, pad};

/// Rows to compare: both sides under the same columns.
#[derive(Clone, Debug)]
pub struct RowDiff<'a> {
    pub columns: &'a [String],
    pub expected: &'a [Vec<Json>],
    pub actual: &'a [Vec<Json>],
}

/// One row of the shown diff.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    tag: ChangeTag,
    cells: Vec<String>,
    /// Columns in which the row differs from the one it is paired with.
    changed: HashSet<usize>,
}

const MISSING_COLOUR: &str = "31";
const UNEXPECTED_COLOUR: &str = "32";

impl RowDiff<'_> {
    /// True when both sides hold the same rows, in whatever order.
    pub fn is_empty(&self) -> bool {
        sorted(self.expected) == sorted(self.actual)
    }

    /// The rows as text: `-` expected and missing, `+` got and not expected, cells that differ
    /// marked by `^` below them (and by colour). Row order does not count.
    pub fn render(&self, has_colours: bool) -> String {
        let lines = self.lines();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let widest = lines.iter().filter_map(|line| line.cells.get(at));
                let widest = widest.map(|text| text.width()).max().unwrap_or(0);
                widest.max(name.width())
            })
            .collect();
        let mut out = vec![format!("  {}", aligned(self.columns, &widths))];
        for line in &lines {
            out.push(paint(line, &widths, has_colours));
            if !line.changed.is_empty() {
                out.push(marks(line, &widths));
            }
        }
        let count = |tag| lines.iter().filter(|line| line.tag == tag).count();
        out.push(format!(
            "{} expected and missing (-), {} not expected (+), {} equal",
            count(ChangeTag::Delete),
            count(ChangeTag::Insert),
            count(ChangeTag::Equal)
        ));
        out.join("\n")
    }

    fn lines(&self) -> Vec<Line> {
        let expected = sorted(self.expected);
        let actual = sorted(self.actual);
        let operations = capture_diff_slices(Algorithm::Myers, &expected, &actual);
        let mut lines: Vec<Line> = operations
            .iter()
            .flat_map(|operation| operation.iter_changes(&expected, &actual))
            .map(|change| Line {
                tag: change.tag(),
                cells: change.value().clone(),
                changed: HashSet::new(),
            })
            .collect();
        pair_up(&mut lines);
        lines
    }
}

/// Both sides are sorted: a query without `order by` may return rows in any order.
fn sorted(rows: &[Vec<Json>]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|value| match value {
                    Json::Null => "null".to_owned(),
                    value => cell(value),
                })
                .collect()
        })
        .collect();
    rows.sort();
    rows
}

/// Puts each missing row beside the unexpected row that shares most cells with it, and marks
/// the cells that differ.
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
            .map(|other| (shared(&lines[at], &lines[other]), other))
            .filter(|(shared, _)| *shared > 0)
            .max_by_key(|(shared, other)| (*shared, std::cmp::Reverse(*other)));
        let Some((_, other)) = best else {
            at += 1;
            continue;
        };
        let changed: HashSet<usize> = (0..lines[at].cells.len())
            .filter(|column| lines[at].cells.get(*column) != lines[other].cells.get(*column))
            .collect();
        lines[other].changed = changed;
        let partner = lines.remove(other);
        let here = if other < at { at - 1 } else { at };
        lines.insert(here + 1, partner);
        at = here + 2;
    }
}

fn shared(left: &Line, right: &Line) -> usize {
    left.cells
        .iter()
        .zip(&right.cells)
        .filter(|(left, right)| left == right)
        .count()
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(at, width)| pad(cells.get(at).map_or("", String::as_str), *width, false))
        .collect();
    padded.join("  ").trim_end().to_owned()
}

fn paint(line: &Line, widths: &[usize], has_colours: bool) -> String {
    let text = aligned(&line.cells, widths);
    let (sign, colour) = match line.tag {
        ChangeTag::Equal => return format!("  {text}"),
        ChangeTag::Delete => ("-", MISSING_COLOUR),
        ChangeTag::Insert => ("+", UNEXPECTED_COLOUR),
    };
    if has_colours {
        format!("\x1b[{colour}m{sign} {text}\x1b[0m")
    } else {
        format!("{sign} {text}")
    }
}

fn marks(line: &Line, widths: &[usize]) -> String {
    let cells: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(at, _)| match line.changed.contains(&at) {
            true => "^".repeat(line.cells.get(at).map_or(1, |text| text.width().max(1))),
            false => String::new(),
        })
        .collect();
    format!("  {}", aligned(&cells, widths))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_cell_is_marked_under_its_row() {
        let columns = ["id", "status", "total"].map(str::to_owned);
        let diff = RowDiff {
            columns: &columns,
            expected: &[
                vec![json!(1), json!("open"), json!(10)],
                vec![json!(2), json!("filled"), json!(20)],
                vec![json!(4), json!(null), json!(7)],
            ],
            actual: &[
                vec![json!(2), json!("cancelled"), json!(20)],
                vec![json!(1), json!("open"), json!(10)],
                vec![json!(3), json!("new"), json!(0)],
            ],
        };
        assert_eq!(
            diff.render(false),
            "\
  id  status     total
  1   open       10
- 2   filled     20
+ 2   cancelled  20
      ^^^^^^^^^
- 4   null       7
+ 3   new        0
2 expected and missing (-), 2 not expected (+), 1 equal"
        );
        assert!(!diff.is_empty());
    }

    #[test]
    fn row_order_does_not_count() {
        let columns = ["id".to_owned()];
        let diff = RowDiff {
            columns: &columns,
            expected: &[vec![json!(1)], vec![json!(2)]],
            actual: &[vec![json!(2)], vec![json!(1)]],
        };
        assert!(diff.is_empty());
    }
}
