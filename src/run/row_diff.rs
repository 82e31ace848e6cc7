//! Shows how two sets of rows differ; their order does not count.

use similar::{ChangeTag, TextDiff};

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

/// Compares two sets of rows; `None` when they hold the same rows, duplicates counted.
pub(super) fn row_diff(columns: &[String], expected: &RowSet, actual: &RowSet) -> Option<RowDiff> {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = expected
                .iter()
                .chain(actual)
                .map(|row| cell(row, at).chars().count());
            cells.max().unwrap_or(0).max(name.chars().count())
        })
        .collect();
    let lines = |rows: &RowSet| {
        let mut lines: Vec<String> = rows
            .iter()
            .map(|row| line(&widths, |at| cell(row, at).to_owned()))
            .collect();
        lines.sort();
        lines
    };
    let (expected, actual) = (lines(expected), lines(actual));
    if expected == actual {
        return None;
    }
    let (old, new) = (expected.join("\n") + "\n", actual.join("\n") + "\n");
    let old = if expected.is_empty() {
        String::new()
    } else {
        old
    };
    let new = if actual.is_empty() {
        String::new()
    } else {
        new
    };
    let diff = TextDiff::from_lines(&old, &new);
    let mut text = format!("  {}", line(&widths, |at| columns[at].clone()));
    let (mut missing, mut surplus) = (0, 0);
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => {
                missing += 1;
                '-'
            }
            ChangeTag::Insert => {
                surplus += 1;
                '+'
            }
        };
        text.push_str(&format!("\n{sign} {}", change.value().trim_end()));
    }
    let count = |number: i64, words: &str| {
        let plural = if number == 1 { "row" } else { "rows" };
        (number > 0).then(|| format!("{number} {plural} {words}"))
    };
    let summary: Vec<String> = [count(missing, "missing"), count(surplus, "not expected")]
        .into_iter()
        .flatten()
        .collect();
    Some(RowDiff {
        summary: summary.join(", "),
        text,
        count: missing + surplus,
    })
}

fn cell(row: &[Option<String>], at: usize) -> &str {
    row.get(at).and_then(Option::as_deref).unwrap_or("null")
}

fn line(widths: &[usize], cell: impl Fn(usize) -> String) -> String {
    let cells: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(at, width)| {
            let text = cell(at);
            let gap = width - text.chars().count().min(*width);
            format!("{text}{}", " ".repeat(gap))
        })
        .collect();
    cells.join(" | ").trim_end().to_owned()
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
            "  id | name\n  1  | a\n- 2  | null\n+ 2  | long one"
        );
        assert_eq!(diff.summary, "1 row missing, 1 row not expected");
    }
}
