//! A node's configuration: merged from project file, properties and `config()` in the file.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use super::node::ResourceType;

/// Asked for a dozen keys of every node at every stage.
type Values = IndexMap<String, Json, foldhash::fast::RandomState>;

/// The merged configuration of a node, every key dbt knows and every key it does not.
///
/// Hooks lie under `pre-hook` and `post-hook`, each a list of objects with `sql`, `transaction`
/// and `index`.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What counts where nothing was written; nodes of one type share it. None is empty.
    defaults: Option<ResourceType>,
    written: Values,
}

static NO_DEFAULTS: LazyLock<Values> = LazyLock::new(Values::default);
/// In the order of [`ResourceType::ALL`].
static DEFAULTS: LazyLock<[Values; ResourceType::ALL.len()]> =
    LazyLock::new(|| ResourceType::ALL.map(default_values));

fn default_values(resource_type: ResourceType) -> Values {
    let common = json!({
        "enabled": true, "alias": null, "schema": null, "database": null, "tags": [],
        "meta": {}, "group": null, "static_analysis": null,
    });
    let built = json!({
        "materialized": "view", "incremental_strategy": null, "batch_size": null,
        "lookback": 1, "begin": null, "persist_docs": {}, "post-hook": [], "pre-hook": [],
        "quoting": {}, "column_types": {}, "full_refresh": null, "unique_key": null,
        "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {},
        "packages": [], "docs": {"show": true, "node_color": null},
        "contract": {"enforced": false, "alias_types": true}, "event_time": null,
        "concurrent_batches": null,
    });
    let own = match resource_type {
        ResourceType::Metric | ResourceType::SemanticModel => {
            return entries(json!({"enabled": true, "group": null, "meta": {}}));
        }
        ResourceType::SavedQuery => {
            return entries(json!({
                "enabled": true, "group": null, "meta": {}, "export_as": null, "schema": null,
                "cache": {"enabled": false},
            }));
        }
        ResourceType::Model => json!({"access": "protected", "freshness": null}),
        ResourceType::Seed => json!({
            "materialized": "seed", "delimiter": ",", "quote_columns": null,
        }),
        ResourceType::Function => json!({
            "materialized": "function", "type": "scalar", "volatility": null,
            "runtime_version": null, "entry_point": null,
        }),
        ResourceType::Snapshot => json!({
            "materialized": "snapshot", "strategy": null, "target_schema": null,
            "target_database": null, "updated_at": null, "check_cols": null,
            "snapshot_meta_column_names": {
                "dbt_valid_to": null, "dbt_valid_from": null, "dbt_scd_id": null,
                "dbt_updated_at": null, "dbt_is_deleted": null,
            },
            "dbt_valid_to_current": null,
        }),
        ResourceType::Test => json!({
            "materialized": "test", "schema": "dbt_test__audit", "severity": "ERROR",
            "store_failures": null, "store_failures_as": null, "where": null,
            "limit": null, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0",
        }),
        _ => json!({}),
    };
    let has_build = matches!(
        resource_type,
        ResourceType::Model
            | ResourceType::Seed
            | ResourceType::Snapshot
            | ResourceType::Analysis
            | ResourceType::Operation
            | ResourceType::Function
    );
    let layers = if has_build {
        vec![common, built, own]
    } else {
        vec![common, own]
    };
    layers.into_iter().flat_map(entries).collect()
}

fn entries(layer: Json) -> Values {
    match layer {
        Json::Object(layer) => layer.into_iter().collect(),
        _ => Values::default(),
    }
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Config {
    /// The configuration of a resource nobody configured.
    pub fn defaults(resource_type: ResourceType) -> Self {
        Config {
            defaults: Some(resource_type),
            written: Values::default(),
        }
    }

    fn unwritten(&self) -> &'static Values {
        self.defaults
            .and_then(|resource_type| DEFAULTS.get(resource_type as usize))
            .unwrap_or(&NO_DEFAULTS)
    }

    /// Every key with its value, null included: those with a default first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        let defaults = self.unwritten();
        defaults
            .iter()
            .map(|(key, value)| (key.as_str(), self.written.get(key).unwrap_or(value)))
            .chain(
                self.written
                    .iter()
                    .filter(|(key, _)| !defaults.contains_key(*key))
                    .map(|(key, value)| (key.as_str(), value)),
            )
    }

    /// The value of `key`, null included.
    pub fn raw(&self, key: &str) -> Option<&Json> {
        self.written.get(key).or_else(|| self.unwritten().get(key))
    }

    /// What somebody wrote for `key`.
    pub(crate) fn written(&self, key: &str) -> Option<&Json> {
        self.written.get(key)
    }

    /// Whether somebody wrote a value for `key`, null included.
    pub fn is_written(&self, key: &str) -> bool {
        self.written.contains_key(key)
    }

    /// The value of `key` to change.
    fn slot(&mut self, key: &str) -> &mut Json {
        let defaults = self.unwritten();
        self.written
            .entry(key.to_owned())
            .or_insert_with(|| defaults.get(key).cloned().unwrap_or_default())
    }

    /// The value of `key`; a key set to null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.raw(key).filter(|value| !value.is_null())
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

    /// Every tag once; the configuration itself repeats what several layers say.
    pub fn tags(&self) -> Vec<String> {
        let mut tags = self.strings("tags");
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        tags
    }

    pub fn set(&mut self, key: impl Into<String>, value: Json) {
        self.written.insert(key.into(), value);
    }

    /// Lays a nearer layer over this one: tags and hooks are appended, `meta`, `docs`,
    /// `column_types` and `quoting` are merged by key, grants by role list where the key starts
    /// with `+`, and everything else is replaced.
    pub fn merge(&mut self, layer: &Map<String, Json>) {
        for (key, value) in layer {
            let key = canonical_key(key);
            match key {
                "tags" | "meta" if self.replaces(key) => self.set(key, value.clone()),
                "tags" | "packages" => self.append(key, as_list(value)),
                "pre-hook" | "post-hook" => {
                    let hooks = as_list(value).into_iter().map(hook).collect();
                    self.append(key, hooks);
                }
                "meta" | "docs" | "column_types" | "quoting" | "contract" => {
                    self.merge_object(key, value)
                }
                "grants" => self.merge_grants(value),
                _ => self.set(key, value.clone()),
            }
        }
    }

    /// True where the nearest layer alone counts, as in dbt, for what elsewhere adds up.
    fn replaces(&self, key: &str) -> bool {
        match self.defaults {
            Some(ResourceType::Exposure) => true,
            Some(
                ResourceType::Metric
                | ResourceType::SemanticModel
                | ResourceType::SavedQuery
                | ResourceType::Source,
            ) => key == "tags",
            _ => false,
        }
    }

    fn append(&mut self, key: &str, items: Vec<Json>) {
        match self.slot(key) {
            Json::Array(present) => present.extend(items),
            other => *other = Json::Array(items),
        }
    }

    fn merge_object(&mut self, key: &str, value: &Json) {
        match (self.slot(key), value) {
            (Json::Object(present), Json::Object(added)) => {
                present.extend(added.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            (other, value) => *other = value.clone(),
        }
    }

    fn merge_grants(&mut self, value: &Json) {
        let Json::Object(added) = value else {
            self.set("grants", value.clone());
            return;
        };
        let mut grants = match self.raw("grants") {
            Some(Json::Object(present)) => present.clone(),
            _ => Map::new(),
        };
        for (privilege, roles) in added {
            let roles = as_list(roles);
            match privilege.strip_prefix('+') {
                Some(privilege) => {
                    let mut all = grants.get(privilege).map(as_list).unwrap_or_default();
                    all.extend(
                        roles
                            .into_iter()
                            .filter(|role| !all.contains(role))
                            .collect::<Vec<_>>(),
                    );
                    grants.insert(privilege.to_owned(), Json::Array(all));
                }
                None => {
                    grants.insert(privilege.clone(), Json::Array(roles));
                }
            }
        }
        self.set("grants", Json::Object(grants));
    }
}

/// dbt accepts both spellings of the hook keys, and dashes for a few others.
fn canonical_key(key: &str) -> &str {
    match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        other => other,
    }
}

fn as_list(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// A hook is a string, a JSON text of an object (as `before_begin()` gives), or an object.
fn hook(value: Json) -> Json {
    let object = match value {
        Json::String(text) => match serde_json::from_str::<Json>(&text) {
            Ok(Json::Object(object)) if object.contains_key("sql") => object,
            _ => Map::from_iter([("sql".to_owned(), Json::String(text))]),
        },
        Json::Object(object) => object,
        other => Map::from_iter([("sql".to_owned(), Json::String(other.to_string()))]),
    };
    json!({
        "sql": object.get("sql").cloned().unwrap_or_default(),
        "transaction": object.get("transaction").cloned().unwrap_or(Json::Bool(true)),
        "index": object.get("index").cloned().unwrap_or(Json::Null),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Json) -> Map<String, Json> {
        match value {
            Json::Object(object) => object,
            _ => Map::new(),
        }
    }

    #[test]
    fn tags_add_up_meta_merges_and_the_rest_is_replaced() {
        let mut config = Config::defaults(ResourceType::Model);
        config.merge(&object(
            json!({"tags": "a", "meta": {"x": 1}, "materialized": "table"}),
        ));
        config.merge(&object(
            json!({"tags": ["b", "a"], "meta": {"y": 2}, "materialized": "view"}),
        ));
        assert_eq!(config.tags(), ["a", "b"]);
        assert_eq!(config.get("meta"), Some(&json!({"x": 1, "y": 2})));
        assert_eq!(config.materialized(), "view");
    }

    #[test]
    fn the_nearest_tags_of_a_source_are_its_tags() {
        let mut config = Config::defaults(ResourceType::Source);
        config.merge(&object(json!({"tags": ["a"], "meta": {"x": 1}})));
        config.merge(&object(json!({"tags": ["b"], "meta": {"y": 2}})));
        assert_eq!(config.tags(), ["b"]);
        assert_eq!(config.get("meta"), Some(&json!({"x": 1, "y": 2})));
    }

    #[test]
    fn a_plus_before_a_privilege_adds_roles() {
        let mut config = Config::default();
        config.merge(&object(json!({"grants": {"select": "a"}})));
        config.merge(&object(json!({"grants": {"+select": ["b"]}})));
        assert_eq!(config.get("grants"), Some(&json!({"select": ["a", "b"]})));
        config.merge(&object(json!({"grants": {"select": ["c"]}})));
        assert_eq!(config.get("grants"), Some(&json!({"select": ["c"]})));
    }

    #[test]
    fn both_hook_spellings_land_in_one_list() {
        let mut config = Config::default();
        config.merge(&object(json!({"pre_hook": "select 1"})));
        config.merge(&object(
            json!({"pre-hook": [{"sql": "vacuum", "transaction": false}]}),
        ));
        let hooks = config
            .get("pre-hook")
            .and_then(Json::as_array)
            .map(Vec::len);
        assert_eq!(hooks, Some(2));
    }
}
