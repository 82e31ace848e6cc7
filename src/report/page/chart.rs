//! Counts in, SVG out: stacked columns, stacked bars, a grid of minutes.
//!
//! Drawings hold shapes only and stretch to the width they get; words stand beside them in HTML, so
//! that they keep their size on a telephone. Colours are classes, so that the style sheet chooses
//! them for light, dark and paper.

use svg::node::element::{Group, Line, Rectangle, SVG, Title};

/// Gravest first: the stack's part at the axis is the one that can be compared.
pub(super) const SEVERITIES: [&str; 4] = ["critical", "high", "medium", "low"];

/// Alerts by severity, in the order of [`SEVERITIES`].
pub(super) type Counts = [u64; 4];

/// One column, bar or cell with the words of its tooltip.
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) counts: Counts,
}

impl Mark {
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn tooltip(&self) -> Title {
        let parts: Vec<String> = SEVERITIES
            .iter()
            .zip(self.counts)
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{count} {severity}"))
            .collect();
        Title::new(match parts.as_slice() {
            [] => format!("{}: no alerts", self.name),
            _ => format!("{}: {}", self.name, parts.join(", ")),
        })
    }
}

/// A drawing that fills its box, whatever the box's shape.
fn stretched(width: f64, height: f64, label: &str) -> SVG {
    let mut drawing = SVG::new();
    // Inside HTML the element needs no namespace.
    drawing.get_attributes_mut().remove("xmlns");
    drawing
        .set("viewBox", (0, 0, width, height))
        .set("preserveAspectRatio", "none")
        .set("role", "img")
        .set("aria-label", label)
}

/// Whole-number axis marks from 0 to at least `most`, at most six of them.
pub(super) fn ticks(most: u64) -> Vec<u64> {
    let most = most.max(1);
    let mut step = 1;
    'search: for magnitude in (0..).map(|power| 10_u64.saturating_pow(power)) {
        for factor in [1, 2, 5] {
            step = factor * magnitude;
            if most.div_ceil(step) <= 5 {
                break 'search;
            }
        }
    }
    (0..=most.div_ceil(step)).map(|tick| tick * step).collect()
}

/// One column a mark, stacked by severity, on an axis that ends at `top`.
pub(super) fn columns(marks: &[Mark], top: u64, label: &str) -> String {
    const PITCH: f64 = 100.0;
    const HEIGHT: f64 = 1000.0;
    let width = PITCH * marks.len() as f64;
    let mut drawing = stretched(width, HEIGHT, label);
    for tick in ticks(top) {
        let y = (HEIGHT * (1.0 - tick as f64 / top as f64)).round();
        drawing = drawing.add(
            Line::new()
                .set("class", "rule")
                .set("x1", 0)
                .set("x2", width)
                .set("y1", y)
                .set("y2", y),
        );
    }
    for (index, mark) in marks.iter().enumerate() {
        let mut column = Group::new().add(mark.tooltip());
        let mut base = HEIGHT;
        for (severity, count) in SEVERITIES.iter().zip(mark.counts) {
            let height = (HEIGHT * count as f64 / top as f64).round();
            base -= height;
            if count > 0 {
                column = column.add(
                    Rectangle::new()
                        .set("class", *severity)
                        .set("x", PITCH * index as f64 + PITCH * 0.16)
                        .set("y", base)
                        .set("width", PITCH * 0.68)
                        .set("height", height),
                );
            }
        }
        drawing = drawing.add(column);
    }
    drawing.to_string()
}

/// One horizontal bar, stacked by severity, as long as its share of `top`.
pub(super) fn bar(mark: &Mark, top: u64) -> String {
    const LENGTH: f64 = 1000.0;
    const THICKNESS: f64 = 10.0;
    let mut drawing = stretched(LENGTH, THICKNESS, &mark.name).add(mark.tooltip());
    let mut start = 0.0;
    for (severity, count) in SEVERITIES.iter().zip(mark.counts) {
        let length = (LENGTH * count as f64 / top.max(1) as f64).round();
        if count > 0 {
            drawing = drawing.add(
                Rectangle::new()
                    .set("class", *severity)
                    .set("x", start)
                    .set("y", 0)
                    .set("width", length)
                    .set("height", THICKNESS),
            );
        }
        start += length;
    }
    drawing.to_string()
}

/// How strongly a count is coloured next to the largest one: 0 is none, 4 the strongest.
pub(super) fn heat_level(count: u64, most: u64) -> u64 {
    match (count, most) {
        (0, _) | (_, 0) => 0,
        _ => (count * 4).div_ceil(most).clamp(1, 4),
    }
}

/// One row an hour, one cell a minute; `rows` hold 60 marks each.
pub(super) fn minute_grid(rows: &[Vec<Mark>], most: u64, label: &str) -> String {
    const CELL: f64 = 10.0;
    const GAP: f64 = 1.5;
    let mut drawing = stretched(CELL * 60.0, CELL * rows.len() as f64, label);
    for (row, marks) in rows.iter().enumerate() {
        for (minute, mark) in marks.iter().enumerate() {
            let level = heat_level(mark.total(), most);
            let mut cell = Rectangle::new()
                .set("class", format!("heat-{level}"))
                .set("x", CELL * minute as f64 + GAP / 2.0)
                .set("y", CELL * row as f64 + GAP / 2.0)
                .set("width", CELL - GAP)
                .set("height", CELL - GAP);
            if level > 0 {
                cell = cell.add(mark.tooltip());
            }
            drawing = drawing.add(cell);
        }
    }
    drawing.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_marks_are_whole_and_cover_the_largest_count() {
        assert_eq!(ticks(0), [0, 1]);
        assert_eq!(ticks(3), [0, 1, 2, 3]);
        assert_eq!(ticks(7), [0, 2, 4, 6, 8]);
        assert_eq!(ticks(41), [0, 10, 20, 30, 40, 50]);
        assert_eq!(ticks(1_000), [0, 200, 400, 600, 800, 1_000]);
    }

    #[test]
    fn names_from_data_are_escaped_in_drawings() {
        let mark = Mark {
            name: "<script>\"&".to_owned(),
            counts: [1, 0, 0, 0],
        };
        let drawing = bar(&mark, 1);
        assert!(!drawing.contains("<script"), "{drawing}");
        assert!(drawing.contains("&lt;script&gt;"), "{drawing}");
    }

    #[test]
    fn the_weakest_heat_is_still_seen() {
        assert_eq!(heat_level(0, 1_000), 0);
        assert_eq!(heat_level(1, 1_000), 1);
        assert_eq!(heat_level(1_000, 1_000), 4);
    }
}
