//! Writes a unit test as YAML, and puts it into a properties file without touching the rest.

use serde_json::Value as Json;

use msv_diagnostics::Diagnostic;

use crate::node::Value;
use crate::{scalar, yaml};

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    /// Digits as they stand.
    Number(String),
    Text(String),
}

/// A unit test to be written.
#[derive(Clone, Debug, Default)]
pub struct UnitTestText {
    pub name: String,
    pub model: String,
    /// The version of the model.
    pub version: Option<String>,
    pub is_incremental: Option<bool>,
    pub now: Option<String>,
    /// Variables, by name.
    pub vars: Vec<(String, Json)>,
    /// Inputs with their rows.
    pub given: Vec<(String, Vec<Row>)>,
    pub expect: Vec<Row>,
}

/// Columns and their values.
pub type Row = Vec<(String, Scalar)>;

/// Lines longer than this are broken.
const WIDTH: usize = 100;

/// Appends a test to the text of a properties file, or begins one.
///
/// # Errors
///
/// MSV0365 where the file's unit tests are not written line by line.
pub fn with_unit_test(
    file: &str,
    text: Option<&str>,
    test: &UnitTestText,
) -> Result<String, Diagnostic> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(format!("unit_tests:\n{}", item(test, 2)));
    };
    let document = yaml::parse(file, text)?;
    let refused = |span| {
        let title = format!("`{file}` has no place for a unit test");
        Diagnostic::error("MSV0365", title)
            .at(document.place(span), "these are not written line by line")
            .help("write each test below a `-` of its own, or name another file: --into FILE")
    };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first = match document.root.get("unit_tests") {
        None if document.root.is_map() || matches!(document.root.value, Value::Null) => {
            let gap = if text.ends_with('\n') { "\n" } else { "\n\n" };
            return Ok(format!("{text}{gap}unit_tests:\n{}", item(test, 2)));
        }
        None => return Err(refused(&document.root.span)),
        Some(node) => match &node.value {
            Value::List(elements) => match elements.first() {
                Some(first) => line_of(text, first.span.start),
                None => return Err(refused(&node.span)),
            },
            _ => return Err(refused(&node.span)),
        },
    };
    let indent = indent_of(lines[first]);
    if !lines[first].trim_start().starts_with('-') {
        let span = &document
            .root
            .get("unit_tests")
            .map_or(0..0, |node| node.span.clone());
        return Err(refused(span));
    }
    // The list ends before the first line that belongs to something else; what is said about that
    // stands right above it.
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let is_other = |line: &&str| {
        !is_blank(line)
            && (indent_of(line) < indent
                || (indent_of(line) == indent && !line.trim_start().starts_with('-')))
    };
    let mut end = lines[first..]
        .iter()
        .position(is_other)
        .map_or(lines.len(), |at| first + at);
    while end > first + 1 && is_blank(lines[end - 1]) && indent_of(lines[end - 1]) <= indent {
        end -= 1;
    }
    let mut added = item(test, indent);
    if !lines[end - 1].ends_with('\n') {
        added.insert(0, '\n');
    }
    // Tests that stand apart from one another go on doing so.
    let is_apart = lines[first..end].iter().any(|line| line.trim().is_empty());
    if is_apart {
        added.insert(0, '\n');
    }
    lines.insert(end, &added);
    Ok(lines.concat())
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count()
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The test as an element of `unit_tests`.
fn item(test: &UnitTestText, indent: usize) -> String {
    let mut lines = vec![
        format!("- name: {}", plain(&test.name)),
        format!("  model: {}", plain(&test.model)),
    ];
    if let Some(version) = &test.version {
        lines.push(format!("  versions: {{include: [{version}]}}"));
    }
    if test.is_incremental.is_some() || test.now.is_some() || !test.vars.is_empty() {
        lines.push("  overrides:".to_owned());
    }
    if let Some(is_incremental) = test.is_incremental {
        lines.push(format!("    macros: {{is_incremental: {is_incremental}}}"));
    }
    if let Some(now) = &test.now {
        lines.push(format!("    now: {}", quoted(now)));
    }
    if !test.vars.is_empty() {
        lines.push("    vars:".to_owned());
    }
    for (name, value) in &test.vars {
        let value = match value {
            Json::String(text) => plain(text),
            // JSON is YAML in brackets.
            other => other.to_string(),
        };
        lines.push(format!("      {}: {value}", plain(name)));
    }
    match test.given.is_empty() {
        true => lines.push("  given: []".to_owned()),
        false => lines.push("  given:".to_owned()),
    }
    for (input, rows) in &test.given {
        lines.push(format!("    - input: {input}"));
        write_rows(&mut lines, "      ", rows, indent);
    }
    lines.push("  expect:".to_owned());
    write_rows(&mut lines, "    ", &test.expect, indent);
    let before = " ".repeat(indent);
    let lines = lines.iter().map(|line| format!("{before}{line}\n"));
    lines.collect()
}

fn write_rows(lines: &mut Vec<String>, before: &str, rows: &[Row], indent: usize) {
    if rows.is_empty() {
        return lines.push(format!("{before}rows: []"));
    }
    lines.push(format!("{before}rows:"));
    for row in rows {
        let mut line = format!("{before}  - {{");
        for (at, (name, value)) in row.iter().enumerate() {
            let entry = format!("{}: {}", plain(name), scalar_text(value));
            let is_long = indent + line.len() + entry.len() + 3 > WIDTH;
            match at {
                0 => {}
                _ if is_long => {
                    lines.push(format!("{line},"));
                    line = format!("{before}     ");
                }
                _ => line.push_str(", "),
            }
            line.push_str(&entry);
        }
        lines.push(format!("{line}}}"));
    }
}

fn scalar_text(value: &Scalar) -> String {
    match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(digits) => digits.clone(),
        Scalar::Text(text) => plain(text),
    }
}

/// A text without quotes where every reader of YAML takes it for that text.
fn plain(text: &str) -> String {
    let is_plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./@ ".contains(&byte))
        && !matches!(text, "y" | "Y" | "n" | "N")
        && matches!(scalar::resolve(text), Value::String(_));
    match is_plain {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A text in quotes that no reader takes for a template.
fn quoted(text: &str) -> String {
    let is_template = ["{{", "{%", "{#"].iter().any(|open| text.contains(open));
    let text = match is_template {
        true => format!("{{% raw %}}{text}{{% endraw %}}"),
        false => text.to_owned(),
    };
    match text.contains(char::is_control) {
        // A JSON text is a YAML text in double quotes.
        true => serde_json::Value::from(text).to_string(),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

/// The value of a column as a row writes it, from PostgreSQL's text and type.
pub fn scalar_of(text: Option<&str>, data_type: &str) -> Scalar {
    let Some(text) = text else {
        return Scalar::Null;
    };
    let is_number = matches!(
        data_type.split('(').next(),
        Some("smallint" | "integer" | "bigint" | "numeric" | "double precision" | "real")
    );
    match (text, data_type) {
        ("true", "boolean") => Scalar::Bool(true),
        ("false", "boolean") => Scalar::Bool(false),
        _ if is_number && is_exact(text) => Scalar::Number(text.to_owned()),
        _ => Scalar::Text(text.to_owned()),
    }
}

/// True for digits that every reader gives back as they stand.
fn is_exact(text: &str) -> bool {
    if text
        .parse::<i64>()
        .is_ok_and(|number| number.to_string() == text)
    {
        return true;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "1"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    are_digits(whole)
        && are_digits(fraction)
        && !fraction.ends_with('0')
        && (whole == "0" || !whole.starts_with('0'))
        && digits.len() <= 15
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn test() -> UnitTestText {
        let row = |text: &str| vec![("id".to_owned(), Scalar::Text(text.to_owned()))];
        UnitTestText {
            name: "t".to_owned(),
            model: "m".to_owned(),
            given: vec![("ref('x')".to_owned(), vec![row("a")])],
            expect: vec![row("b")],
            ..UnitTestText::default()
        }
    }

    const ITEM: &str = "  - name: t\n    model: m\n    given:\n      - input: ref('x')\n        rows:\n          \
                        - {id: a}\n    expect:\n      rows:\n        - {id: b}\n";

    #[test]
    fn a_test_goes_to_the_end_of_the_list() {
        let added = |text: Option<&str>| with_unit_test("m.yml", text, &test());
        assert_eq!(added(None), Ok(format!("unit_tests:\n{ITEM}")));
        assert_eq!(
            added(Some("models: []  # none\n")),
            Ok(format!("models: []  # none\n\nunit_tests:\n{ITEM}"))
        );
        let before = "unit_tests: # ours\n  - name: a # first\n    given: []\n    # said of a\n";
        let after = "\n# said of models\nmodels:\n  - name: m\n";
        assert_eq!(
            added(Some(&format!("{before}{after}"))),
            Ok(format!("{before}{ITEM}{after}"))
        );
        assert_eq!(
            added(Some("unit_tests:\n- name: a\n\n- name: b")),
            Ok(format!(
                "unit_tests:\n- name: a\n\n- name: b\n\n{}",
                ITEM.replace("\n  ", "\n").trim_start()
            ))
        );
        assert!(added(Some("unit_tests: [{name: a}]\n")).is_err());
    }

    #[test]
    fn every_value_reads_back_as_it_was() {
        for text in [
            "no",
            "1e3",
            "null",
            "~",
            "",
            " x",
            "a: b",
            "a #b",
            "it's",
            "two\nlines",
            "{\"a\": 1}",
            "2024-01-01",
            "0x10",
            "1_000",
            "y",
            "a, b",
            "- a",
            "@x",
            "ü",
            "a\u{7f}",
            "12:30",
            "plain words",
        ] {
            let written = scalar_text(&Scalar::Text(text.to_owned()));
            let read = yaml::from_str_value(&format!("{{a: {written}}}"));
            assert_eq!(read, Ok(json!({"a": text})), "{written}");
        }
        let number = |text: &str| scalar_of(Some(text), "numeric");
        assert_eq!(number("1.5"), Scalar::Number("1.5".to_owned()));
        assert_eq!(number("-12"), Scalar::Number("-12".to_owned()));
        for text in ["1.50", "NaN", "12345678901234567890", "007"] {
            assert_eq!(number(text), Scalar::Text(text.to_owned()));
        }
        assert_eq!(scalar_of(Some("12"), "text"), Scalar::Text("12".to_owned()));
        assert_eq!(quoted("{{ x }}"), "'{% raw %}{{ x }}{% endraw %}'");
    }

    #[test]
    fn long_rows_are_broken() {
        let mut test = test();
        let cell = |at| (format!("column_{at}"), Scalar::Number("123456".to_owned()));
        test.expect = vec![(0..12).map(cell).collect()];
        let text = item(&test, 2);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        let read = yaml::from_str_value(&text);
        assert_eq!(
            read.map(|read| read[0]["expect"]["rows"][0]["column_11"].clone()),
            Ok(json!(123_456))
        );
    }
}
