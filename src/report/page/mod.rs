//! Alerts in, one self-contained HTML page out.
//!
//! The page needs no network and no script: a style sheet, drawings in SVG ([`chart`]), and beside
//! every drawing the same numbers as a table. All text that comes from data is escaped, by the
//! template engine in HTML and by the `svg` crate in drawings. Where the facts come from is the
//! caller's matter.

mod chart;
mod facts;
mod view;

pub use facts::{Alert, AlertFacts, Coverage, Tally};

use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// Writes the page for `facts`; `project` names it, `generated_at` is shown in UTC.
pub fn render(facts: &AlertFacts, project: &str, generated_at: Timestamp) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the usual delimiters are valid"),
    );
    environment.add_filter("grouped", view::grouped);
    environment
        .render_str(TEMPLATE, view::page(facts, project, generated_at, STYLE))
        .expect("the template is part of the program and is rendered by a test")
}

#[cfg(test)]
mod tests;
