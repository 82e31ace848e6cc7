//! A node's configuration after merging: project file, properties, `config()` in the file.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value as Json;

/// The merged configuration of a node, every key dbt knows and every key it does not.
///
/// Hooks lie under `pre-hook` and `post-hook`, each a list of objects with `sql`, `transaction`
/// and `index`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Config {
    pub values: IndexMap<String, Json>,
}

impl Config {
    /// The value of `key`; a key set to null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    pub fn str(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::as_str)
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Json::Bool(value) => Some(*value),
            Json::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A list of strings; one string counts as a list of one.
    pub fn strings(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Json::String(text)) => vec![text.clone()],
            Some(Json::Array(items)) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// `view`, `table`, `incremental`, `ephemeral`, `seed`, `test`, `snapshot`, or a custom name.
    pub fn materialized(&self) -> &str {
        self.str("materialized").unwrap_or("view")
    }

    pub fn is_enabled(&self) -> bool {
        self.bool("enabled").unwrap_or(true)
    }

    pub fn tags(&self) -> Vec<String> {
        self.strings("tags")
    }

    pub fn set(&mut self, key: impl Into<String>, value: Json) {
        self.values.insert(key.into(), value);
    }
}
