//! Finds the dates of a YAML value: unquoted, YAML 1.1 has a type of its own for them.
//!
//! They are kept as they are written, since PostgreSQL reads them so; templates see dates.
//!
//! Source: YAML 1.1 type repository, yaml.org/type/timestamp.html, as PyYAML matches it.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

use crate::node::{Node, Value};

/// Where dates stand in a value, as JSON pointers: `/valid/0`.
pub type Dates = HashSet<String>;

/// The dates below `node`, which was read from `text`.
pub fn dates_in(node: &Node, text: &str) -> Dates {
    let mut found = Dates::new();
    collect(node, text, "", &mut found);
    found
}

fn collect(node: &Node, text: &str, pointer: &str, found: &mut Dates) {
    match &node.value {
        Value::String(value) => {
            // What is quoted does not stand there as it reads.
            let is_plain = text.get(node.span.clone()).map(str::trim) == Some(value.as_str());
            if is_plain && is_date(value) {
                found.insert(pointer.to_owned());
            }
        }
        Value::List(elements) => {
            for (at, element) in elements.iter().enumerate() {
                collect(element, text, &format!("{pointer}/{at}"), found);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                collect(value, text, &format!("{pointer}/{}", key.name), found);
            }
        }
        _ => {}
    }
}

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\d{4}-\d\d-\d\d$|^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(Z|([-+])(\d\d?)(?::(\d\d))?))?$",
    )
    .expect("the expression is written here")
});

fn is_date(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit) && DATE.is_match(text)
}

/// The value of `node`, dates in the one form of ISO 8601: `2024-03-10T09:30:00+00:00`.
pub(crate) fn json_with_iso_dates(node: &Node, text: &str) -> Json {
    let dates = dates_in(node, text);
    let mut json = node.to_json();
    for pointer in dates {
        if let Some(Json::String(date)) = json.pointer_mut(&pointer) {
            *date = iso(date);
        }
    }
    json
}

fn iso(date: &str) -> String {
    let Some(parts) = DATE.captures(date).filter(|parts| parts.get(1).is_some()) else {
        return date.to_owned();
    };
    let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
    let mut text = format!(
        "{}-{:0>2}-{:0>2}T{:0>2}:{}:{}",
        part(1),
        part(2),
        part(3),
        part(4),
        part(5),
        part(6)
    );
    // Microseconds, as Python has them: all six digits or none.
    let fraction: String = part(7).chars().chain("000000".chars()).take(6).collect();
    if fraction != "000000" {
        text.push_str(&format!(".{fraction}"));
    }
    match (part(8), part(9)) {
        ("", _) => {}
        ("Z", _) => text.push_str("+00:00"),
        (_, sign) => text.push_str(&format!("{sign}{:0>2}:{:0>2}", part(10), part(11))),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn unquoted_dates_are_found_and_nothing_else() {
        let text = "a: 2024-01-05\nb: '2024-01-05'\nc: [x, 2024-1-5 1:02:03 +02:00]\n\
                    d: {e: 2024-01-05T10:11:12.5Z, f: 2024-1-5, g: 20240105}\n";
        let document = yaml::parse("t.yml", text).expect("YAML");
        let mut found: Vec<String> = dates_in(&document.root, text).into_iter().collect();
        found.sort();
        assert_eq!(found, ["/a", "/c/1", "/d/e"]);
        let json = json_with_iso_dates(&document.root, text);
        let times = ["/a", "/c/1", "/d/e", "/d/f"].map(|at| json.pointer(at).cloned());
        let expected = [
            "2024-01-05",
            "2024-01-05T01:02:03+02:00",
            "2024-01-05T10:11:12.500000+00:00",
            "2024-1-5",
        ];
        assert_eq!(times, expected.map(|text| Some(Json::from(text))));
    }
}
