//! Finds what a project file says about one resource: its configuration tree walked along the
//! resource's folders.

use serde_json::{Map, Value as Json};

/// Returns the settings of every level of `tree` that `fqn` passes through, outermost first.
///
/// A key with `+` is a setting; one without is a setting unless its value is a mapping, which is
/// then a folder, a package or a resource name.
pub(super) fn levels(tree: &Json, fqn: &[String]) -> Vec<Map<String, Json>> {
    let mut found = Vec::new();
    let mut level = tree;
    let mut names = fqn.iter();
    while let Json::Object(entries) = level {
        let settings: Map<String, Json> = entries
            .iter()
            .filter_map(|(key, value)| match key.strip_prefix('+') {
                Some(key) => Some((key.trim().to_owned(), value.clone())),
                None if !value.is_object() => Some((key.clone(), value.clone())),
                None => None,
            })
            .collect();
        if !settings.is_empty() {
            found.push(settings);
        }
        match names.next().and_then(|name| entries.get(name)) {
            Some(next) => level = next,
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nearer_folders_come_later() {
        let tree = json!({
            "+tags": ["all"],
            "shop": {"materialized": "view", "marts": {"+materialized": "table", "+meta": {"a": 1}}},
            "other": {"+materialized": "ephemeral"},
        });
        let fqn = ["shop", "marts", "orders"].map(str::to_owned);
        let found = levels(&tree, &fqn);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1]["materialized"], json!("view"));
        assert_eq!(found[2]["meta"], json!({"a": 1}));
    }
}
