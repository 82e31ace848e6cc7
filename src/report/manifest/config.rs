//! A node's configuration as the manifest has it: every key of its kind, then the free ones.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::parse::{Details, Node, ResourceType};

/// The merged configuration with dbt's defaults where nothing is written.
#[derive(Debug)]
pub(super) struct ConfigRecord<'a>(pub(super) &'a Node);

impl Serialize for ConfigRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = self.0;
        let defaults = &DEFAULTS[&node.resource_type];
        let own = &node.config;
        let described = described(node);
        let known = defaults.iter().map(|(key, default)| {
            let value = described.get(key).or_else(|| own.get(key));
            let value = value.map_or(Cow::Borrowed(default), |value| fit(value, default));
            (key.as_str(), value)
        });
        let free = own
            .iter()
            .filter(|(key, _)| !defaults.contains_key(*key) && own.is_written(key))
            .map(|(key, value)| (key, Cow::Borrowed(value)));
        serializer.collect_map(known.chain(free))
    }
}

/// What a source says outside its `config:` and dbt repeats inside.
fn described(node: &Node) -> Map<String, Json> {
    let mut map = Map::new();
    if let Details::Source(source) = &node.details {
        map.insert("freshness".to_owned(), source.freshness_record());
        map.insert("loaded_at_field".to_owned(), json!(source.loaded_at_field));
        map.insert("loaded_at_query".to_owned(), json!(source.loaded_at_query));
    }
    map
}

/// Gives a written value the shape of its default: a single tag or hook becomes a list, an
/// object gets the keys it leaves out.
fn fit<'a>(value: &'a Json, default: &Json) -> Cow<'a, Json> {
    match (value, default) {
        (Json::Object(value), Json::Object(default)) if !default.is_empty() => {
            let mut out = default.clone();
            for (key, value) in value {
                out.insert(key.clone(), value.clone());
            }
            Cow::Owned(Json::Object(out))
        }
        (Json::Array(_), Json::Array(_)) => Cow::Borrowed(value),
        (value, Json::Array(_)) => Cow::Owned(json!([value])),
        _ => Cow::Borrowed(value),
    }
}

static DEFAULTS: LazyLock<HashMap<ResourceType, Map<String, Json>>> = LazyLock::new(|| {
    ResourceType::ALL
        .into_iter()
        .map(|resource_type| (resource_type, defaults(resource_type)))
        .collect()
});

fn defaults(resource_type: ResourceType) -> Map<String, Json> {
    let object = match resource_type {
        ResourceType::UnitTest => {
            json!({"tags": [], "meta": {}, "enabled": true, "static_analysis": null})
        }
        ResourceType::Exposure => json!({"enabled": true, "tags": [], "meta": {}}),
        ResourceType::Metric | ResourceType::SemanticModel => {
            json!({"enabled": true, "group": null, "meta": {}})
        }
        ResourceType::SavedQuery => json!({
            "enabled": true,
            "group": null,
            "meta": {},
            "export_as": null,
            "schema": null,
            "cache": {"enabled": false},
        }),
        ResourceType::Source => json!({
            "enabled": true,
            "event_time": null,
            "freshness": null,
            "loaded_at_field": null,
            "loaded_at_query": null,
            "meta": {},
            "tags": [],
            "static_analysis": null,
        }),
        ResourceType::Test => json!({
            "enabled": true,
            "alias": null,
            "schema": "dbt_test__audit",
            "database": null,
            "tags": [],
            "meta": {},
            "group": null,
            "static_analysis": null,
            "materialized": "test",
            "severity": "ERROR",
            "store_failures": null,
            "store_failures_as": null,
            "where": null,
            "limit": null,
            "fail_calc": "count(*)",
            "warn_if": "!= 0",
            "error_if": "!= 0",
        }),
        _ => buildable_defaults(resource_type),
    };
    match object {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn buildable_defaults(resource_type: ResourceType) -> Json {
    let materialized = match resource_type {
        ResourceType::Seed => "seed",
        ResourceType::Snapshot => "snapshot",
        ResourceType::Function => "function",
        _ => "view",
    };
    let mut common = json!({
        "enabled": true,
        "alias": null,
        "schema": null,
        "database": null,
        "tags": [],
        "meta": {},
        "group": null,
        "static_analysis": null,
        "materialized": materialized,
        "incremental_strategy": null,
        "batch_size": null,
        "lookback": 1,
        "begin": null,
        "persist_docs": {},
        "post-hook": [],
        "pre-hook": [],
        "quoting": {},
        "column_types": {},
        "full_refresh": null,
        "unique_key": null,
        "on_schema_change": "ignore",
        "on_configuration_change": "apply",
        "grants": {},
        "packages": [],
        "docs": {"show": true, "node_color": null},
        "contract": {"enforced": false, "alias_types": true},
        "event_time": null,
        "concurrent_batches": null,
    });
    let special = match resource_type {
        ResourceType::Model => json!({"access": "protected", "freshness": null}),
        ResourceType::Seed => json!({"delimiter": ",", "quote_columns": null}),
        ResourceType::Function => json!({
            "type": "scalar",
            "volatility": null,
            "runtime_version": null,
            "entry_point": null,
        }),
        ResourceType::Snapshot => json!({
            "strategy": null,
            "target_schema": null,
            "target_database": null,
            "updated_at": null,
            "check_cols": null,
            "snapshot_meta_column_names": {
                "dbt_valid_to": null,
                "dbt_valid_from": null,
                "dbt_scd_id": null,
                "dbt_updated_at": null,
                "dbt_is_deleted": null,
            },
            "dbt_valid_to_current": null,
        }),
        _ => json!({}),
    };
    if let (Json::Object(common), Json::Object(special)) = (&mut common, special) {
        common.extend(special);
    }
    common
}
