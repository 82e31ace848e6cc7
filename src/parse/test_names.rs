//! Names of generic tests: dbt's algorithm, so that ids and aliases are the same under both.

use indexmap::IndexMap;
use md5::{Digest, Md5};
use serde_json::Value as Json;

use msv_jinja::value::text::float_text;

/// The names of one declared test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestNames {
    /// The node's name: `accepted_values_orders_side__buy__sell`.
    pub full: String,
    /// File name and alias, under 64 characters: long names end in a hash.
    pub short: String,
}

/// Builds the names of test `test` on `target` (a model's name, or `source_table`).
///
/// The argument `model` is left out: the target stands for it.
pub(super) fn synthesize(
    test: &str,
    target: &str,
    arguments: &IndexMap<String, Json>,
) -> TestNames {
    let mut keys: Vec<&String> = arguments.keys().filter(|key| *key != "model").collect();
    keys.sort();
    let mut parts = Vec::new();
    for key in keys {
        match &arguments[key] {
            Json::Object(object) => parts.extend(object.values().map(python_str)),
            Json::Array(items) => parts.extend(items.iter().map(python_str)),
            value => parts.push(python_str(value)),
        }
    }
    let cleaned: Vec<String> = parts.iter().map(|part| clean(part)).collect();
    let identifier = format!("{test}_{target}");
    let full = format!("{identifier}_{}", cleaned.join("__"));
    let short = if full.chars().count() >= 64 {
        let head: String = identifier.chars().take(30).collect();
        format!("{head}_{}", md5_hex(&full))
    } else {
        full.clone()
    };
    TestNames { full, short }
}

/// The ten hexadecimal digits that end a generic test's unique id.
pub(super) fn test_hash(
    name: &str,
    namespace: Option<&str>,
    test: &str,
    kwargs: &IndexMap<String, Json>,
) -> String {
    let mut sorted: Vec<(&String, &Json)> = kwargs.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    let kwargs: Vec<String> = sorted
        .iter()
        .map(|(key, value)| format!("{}: {}", python_repr_str(key), hashable_repr(value)))
        .collect();
    let namespace = match namespace {
        Some(namespace) => python_repr_str(namespace),
        None => "'None'".to_owned(),
    };
    let metadata = format!(
        "{{'kwargs': {{{}}}, 'name': {}, 'namespace': {namespace}}}",
        kwargs.join(", "),
        python_repr_str(test),
    );
    let digest = md5_hex(&format!("{name}{metadata}"));
    digest[digest.len() - 10..].to_owned()
}

pub fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn clean(part: &str) -> String {
    let mut cleaned = String::new();
    for character in part.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            cleaned.push(character);
        } else if !cleaned.ends_with("\u{0}") {
            cleaned.push('\u{0}');
        }
    }
    cleaned.replace('\u{0}', "_")
}

/// What Python's `repr` gives for nested data whose leaves were turned into strings first.
fn hashable_repr(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", python_repr_str(key), hashable_repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(hashable_repr).collect();
            format!("[{}]", items.join(", "))
        }
        leaf => python_repr_str(&python_str(leaf)),
    }
}

/// Python's `str()` of a YAML value.
pub(super) fn python_str(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => python_repr(other),
    }
}

/// A value as Python's `repr` writes it.
pub fn python_repr(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => float_text(float),
            None => number.to_string(),
        },
        Json::String(text) => python_repr_str(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(object) => {
            let entries: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{}: {}", python_repr_str(key), python_repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn python_repr_str(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(value: Json) -> IndexMap<String, Json> {
        serde_json::from_value(value).expect("an object")
    }

    // Expected values were read from a manifest written by dbt-core 1.11 for the same declarations.
    #[test]
    fn names_and_hash_are_those_of_dbt() {
        let kwargs = arguments(json!({
            "column_name": "id",
            "model": "{{ get_where_subquery(ref('m')) }}",
        }));
        let names = synthesize("not_null", "m", &kwargs);
        assert_eq!(names.full, "not_null_m_id");
        assert_eq!(
            test_hash(&names.full, None, "not_null", &kwargs),
            "41ed50364b"
        );
    }

    #[test]
    fn values_are_written_as_python_writes_them() {
        let kwargs = arguments(json!({
            "column_name": "id",
            "values": [1, "it's", true, null, 1.5],
            "model": "{{ get_where_subquery(ref('m')) }}",
        }));
        assert_eq!(
            python_repr(&json!([1e-7, 2.0, 1.5e20])),
            "[1e-07, 2.0, 1.5e+20]"
        );
        let names = synthesize("accepted_values", "m", &kwargs);
        assert_eq!(names.full, "accepted_values_m_id__1__it_s__True__None__1_5");
        assert_eq!(
            test_hash(&names.full, None, "accepted_values", &kwargs),
            "67873a1712"
        );
    }

    #[test]
    fn a_long_name_ends_in_a_hash() {
        let kwargs = arguments(json!({"column_name": "x".repeat(80)}));
        let names = synthesize("unique", "some_model", &kwargs);
        assert_eq!(names.short.len(), "unique_some_model".len() + 33);
    }
}
