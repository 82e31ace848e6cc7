//! `semantic_manifest.json`: metrics and what they are measured on, as MetricFlow reads them.

use serde_json::{Map, Value as Json, json};

use crate::graph::{Graph, LEGACY_TIME_SPINE};
use crate::parse::{Node, ResourceType};

/// The semantic layer of a linked project.
pub fn semantic_manifest(graph: &Graph) -> Json {
    let of_kind = |kind: ResourceType, record: fn(&Node, &Json) -> Json| -> Vec<Json> {
        graph
            .nodes
            .values()
            .filter(|node| node.resource_type == kind)
            .filter_map(|node| Some(record(node, &node.semantic()?.record)))
            .collect()
    };
    json!({
        "semantic_models": of_kind(ResourceType::SemanticModel, semantic_model),
        "metrics": of_kind(ResourceType::Metric, metric),
        "project_configuration": {
            "time_spine_table_configurations": legacy_time_spine(graph),
            "metadata": null,
            // Source: the version of dbt-semantic-interfaces whose form this file has.
            "dsi_package_version": {
                "major_version": "0",
                "minor_version": "9",
                "patch_version": "0",
            },
            "time_spines": time_spines(graph),
        },
        "saved_queries": of_kind(ResourceType::SavedQuery, saved_query),
    })
}

fn meta_of(node: &Node) -> Json {
    let meta = node.config.get("meta").cloned();
    json!({"meta": meta.unwrap_or_else(|| json!({}))})
}

fn semantic_model(node: &Node, record: &Json) -> Json {
    json!({
        "name": node.name,
        "defaults": record["defaults"],
        "description": record["description"],
        "node_relation": record["node_relation"],
        "primary_entity": record["primary_entity"],
        "entities": with_metadata(&record["entities"]),
        "measures": with_metadata(&record["measures"]),
        "dimensions": record["dimensions"],
        "label": record["label"],
        "metadata": null,
        "config": meta_of(node),
    })
}

fn with_metadata(elements: &Json) -> Json {
    let mut elements = elements.clone();
    for element in elements.as_array_mut().into_iter().flatten() {
        element["metadata"] = Json::Null;
    }
    elements
}

fn metric(node: &Node, record: &Json) -> Json {
    let mut params = record["type_params"].clone();
    if let Json::Object(params) = &mut params {
        params.remove("metric_aggregation_params");
        if let Some(Json::Object(cumulative)) = params.get_mut("cumulative_type_params") {
            cumulative.remove("metric");
        }
    }
    json!({
        "name": node.name,
        "description": record["description"],
        "type": record["type"],
        "type_params": params,
        "filter": record["filter"],
        "metadata": null,
        "label": record["label"],
        "config": meta_of(node),
        "time_granularity": record["time_granularity"],
    })
}

fn saved_query(node: &Node, record: &Json) -> Json {
    let exports: Vec<Json> = record["exports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|export| {
            let keys = ["export_as", "schema_name", "alias"];
            let config: Map<String, Json> = keys
                .into_iter()
                .map(|key| (key.to_owned(), export["config"][key].clone()))
                .collect();
            json!({"name": export["name"], "config": config})
        })
        .collect();
    json!({
        "name": node.name,
        "query_params": record["query_params"],
        "description": record["description"],
        "metadata": null,
        "label": record["label"],
        "exports": exports,
        "tags": record["tags"],
    })
}

/// The model that is a time spine by its name, where properties do not make it one.
fn legacy_time_spine(graph: &Graph) -> Vec<Json> {
    let found = graph.find_ref(&graph.root_package, None, LEGACY_TIME_SPINE, None);
    let has_models = graph
        .nodes
        .values()
        .any(|node| node.resource_type == ResourceType::SemanticModel);
    found
        .enabled()
        .filter(|node| has_models && node.time_spine.is_null())
        .map(|node| {
            json!({
                "location": node.relation_name(),
                "column_name": "date_day",
                "grain": "day",
            })
        })
        .into_iter()
        .collect()
}

fn time_spines(graph: &Graph) -> Vec<Json> {
    let spine = |node: &Node| {
        let name = node
            .time_spine
            .get("standard_granularity_column")?
            .as_str()?;
        let grain = node.columns.get(name)?.granularity.as_ref()?;
        Some(json!({
            "node_relation": {
                "alias": node.alias,
                "schema_name": node.schema,
                "database": node.database,
                "relation_name": node.relation_name(),
            },
            "primary_column": {"name": name, "time_granularity": grain},
            "custom_granularities": node.time_spine["custom_granularities"],
        }))
    };
    let nodes = graph.nodes.values();
    nodes.filter_map(|node| spine(node)).collect()
}
