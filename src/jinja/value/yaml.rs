//! Yaml: the text given to `fromyaml`, read into JSON.

/// Reads YAML, or `None` when it cannot be read.
pub(crate) fn read(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}
