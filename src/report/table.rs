//! Rows as aligned text, for `show` and `evaluate`.

use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

/// Lines up rows under their column names: numbers to the right, nulls empty.
///
/// Without columns the result is empty; the last line has no newline.
pub fn table(columns: &[String], rows: &[Vec<Json>]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let widest = cells
                .iter()
                .filter_map(|row| row.get(at))
                .map(|c| c.width());
            widest.max().unwrap_or(0).max(name.width())
        })
        .collect();
    let is_right: Vec<bool> = (0..columns.len())
        .map(|at| is_number_column(rows, at))
        .collect();
    let line = |cells: &[String]| -> String {
        let padded: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, width)| {
                let text = cells.get(at).map_or("", String::as_str);
                pad(text, *width, is_right[at])
            })
            .collect();
        format!("| {} |", padded.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut lines = vec![line(columns), format!("| {} |", rule.join(" | "))];
    lines.extend(cells.iter().map(|row| line(row)));
    lines.join("\n")
}

/// A value as a person reads it. Line breaks are shown as `\n` so that a row stays a line.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\t', "\\t"),
        other => other.to_string(),
    }
}

/// Pads by display width, which counts wide letters twice.
fn pad(text: &str, width: usize, is_right: bool) -> String {
    let gap = " ".repeat(width.saturating_sub(text.width()));
    if is_right {
        format!("{gap}{text}")
    } else {
        format!("{text}{gap}")
    }
}

fn is_number_column(rows: &[Vec<Json>], at: usize) -> bool {
    let mut values = rows
        .iter()
        .filter_map(|row| row.get(at))
        .filter(|value| !value.is_null())
        .peekable();
    values.peek().is_some() && values.all(is_number)
}

/// Numerics come as text so that no digit is lost.
fn is_number(value: &Json) -> bool {
    match value {
        Json::Number(_) => true,
        Json::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            !digits.is_empty()
                && digits.starts_with(|c: char| c.is_ascii_digit())
                && digits.parse::<f64>().is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_stand_right_and_nulls_are_empty() {
        let columns = ["symbol", "price", "note"].map(str::to_owned);
        let rows = [
            vec![json!("AAPL"), json!("585.33"), json!(null)],
            vec![json!("株式"), json!(7), json!("two\nlines")],
        ];
        assert_eq!(
            table(&columns, &rows),
            "\
| symbol |  price | note       |
| ------ | ------ | ---------- |
| AAPL   | 585.33 |            |
| 株式   |      7 | two\\nlines |"
        );
    }
}
