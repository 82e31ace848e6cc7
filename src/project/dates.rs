//! Finds the dates of a YAML value: unquoted, YAML 1.1 has a type of its own for them.
//!
//! They are kept as they are written, since PostgreSQL reads them so; templates see dates.
//!
//! Source: YAML 1.1 type repository, yaml.org/type/timestamp.html, as PyYAML matches it.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

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

fn is_date(text: &str) -> bool {
    static DATE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^\d{4}-\d\d-\d\d$|^\d{4}-\d\d?-\d\d?([Tt]|[ \t]+)\d\d?:\d\d:\d\d(\.\d*)?([ \t]*(Z|[-+]\d\d?(:\d\d)?))?$",
        )
        .expect("the expression is written here")
    });
    text.as_bytes().first().is_some_and(u8::is_ascii_digit) && DATE.is_match(text)
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
    }
}
