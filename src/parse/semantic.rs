//! Turns declared semantic models, metrics and saved queries into nodes.
//!
//! Their records keep the shape that artifacts have; names in them are resolved by linking.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use msv_diagnostics::Diagnostic;
use msv_jinja::Host;
use msv_project::properties::{
    ElementProperties, ExportProperties, MetricProperties, SavedQueryProperties,
    SemanticModelProperties,
};
use msv_project::{Package, Spanned};

use super::config::Config;
use super::context::{ParseContext, placed};
use super::declared::Maker;
use super::naming::name_node;
use super::node::{Details, NameKind, Node, ResourceType, Semantic, SemanticName};

/// Makes the nodes of everything a package declares for the semantic layer.
pub(super) fn semantic_nodes(
    context: &ParseContext<'_>,
    package: &Package,
    found: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    let properties = &package.properties;
    let mut nodes = Vec::new();
    for metric in &properties.metrics {
        nodes.push(metric_node(context, package, metric, None, found));
    }
    for model in &properties.semantic_models {
        let node = semantic_model_node(context, package, model, found);
        let made: Vec<Node> = model
            .metrics
            .iter()
            .map(|metric| metric_node(context, package, metric, Some(&node), found))
            .collect();
        nodes.push(node);
        nodes.extend(made);
    }
    for query in &properties.saved_queries {
        nodes.push(saved_query_node(context, package, query, found));
    }
    nodes
}

fn semantic_model_node(
    context: &ParseContext<'_>,
    package: &Package,
    model: &SemanticModelProperties,
    found: &mut Vec<Diagnostic>,
) -> Node {
    let maker = Maker::new(context, package, &model.origin, &model.name);
    let kind = ResourceType::SemanticModel;
    let mut node = maker.node(kind, &model.name.value, &model.config, found);
    let template = format!("{{{{ {} }}}}", model.model.value);
    let host = Arc::clone(&maker.host) as Arc<dyn Host>;
    let place = model.origin.place_of(&model.model.span);
    if let Err(diagnostic) = context.engine.evaluate(&template, host) {
        found.push(placed(*diagnostic, &place));
    }
    node.refs = maker.host.take().refs;
    for call in &mut node.refs {
        call.place = place.clone();
    }
    let mut names = Vec::new();
    let mut records = |kind, elements: &[ElementProperties], found: &mut Vec<Diagnostic>| {
        let spanned: Vec<Spanned<String>> = elements
            .iter()
            .map(|element| element.name.clone())
            .collect();
        names.extend(names_of(&maker, kind, &spanned));
        elements
            .iter()
            .map(|element| with_meta(maker.render_record(&element.record, found), &node.config))
            .collect::<Vec<Json>>()
    };
    let entities = records(NameKind::Entity, &model.entities, found);
    let measures = records(NameKind::Measure, &model.measures, found);
    let dimensions = records(NameKind::Dimension, &model.dimensions, found);
    let description = model.description.as_deref();
    let description = description.map(|text| maker.description(text, found));
    let record = json!({
        "model": model.model.value,
        "node_relation": null,
        "description": description,
        "label": maker.render(&json!(model.label), found),
        "defaults": maker.render(&model.defaults, found),
        "entities": entities,
        "measures": measures,
        "dimensions": dimensions,
        "metadata": null,
        "primary_entity": maker.render(&json!(model.primary_entity), found),
    });
    node.description = description.unwrap_or_default();
    node.details = Details::SemanticModel(Box::new(Semantic { record, names }));
    node
}

/// An element has the `meta` of its semantic model below its own.
fn with_meta(mut record: Json, config: &Config) -> Json {
    let mut meta = match config.get("meta") {
        Some(Json::Object(meta)) => meta.clone(),
        _ => Map::new(),
    };
    if let Some(Json::Object(own)) = record.pointer("/config/meta") {
        meta.extend(own.clone());
    }
    if let Some(slot) = record.pointer_mut("/config/meta") {
        *slot = Json::Object(meta);
    }
    record
}

/// `of` is the semantic model whose measure asks for this metric.
fn metric_node(
    context: &ParseContext<'_>,
    package: &Package,
    metric: &MetricProperties,
    of: Option<&Node>,
    found: &mut Vec<Diagnostic>,
) -> Node {
    let maker = Maker::new(context, package, &metric.origin, &metric.name);
    let name = &metric.name.value;
    let mut node = maker.node(ResourceType::Metric, name, &metric.config, found);
    if let Some(model) = of {
        let layer = json!({
            "enabled": model.config.is_enabled(),
            "meta": model.config.get("meta").cloned().unwrap_or(json!({})),
        });
        if let Json::Object(layer) = layer {
            node.config.merge(&layer);
            node.unrendered_config = Json::Object(layer);
        }
    }
    node.description = maker.description(&metric.description, found);
    let meta = node
        .config
        .get("meta")
        .filter(|meta| **meta != json!({}))
        .cloned()
        .unwrap_or_else(|| Json::Object(metric.meta.clone()));
    let record = json!({
        "description": node.description,
        "label": maker.render(&json!(metric.label), found),
        "type": metric.kind,
        "type_params": maker.render_record(&metric.type_params, found),
        "filter": metric.filter,
        "metadata": null,
        "time_granularity": metric.time_granularity,
        "meta": maker.render(&meta, found),
        "tags": metric.tags,
    });
    let mut names = names_of(&maker, NameKind::Measure, &metric.measures);
    names.extend(names_of(&maker, NameKind::Metric, &metric.metrics));
    node.details = Details::Metric(Box::new(Semantic { record, names }));
    node
}

fn saved_query_node(
    context: &ParseContext<'_>,
    package: &Package,
    query: &SavedQueryProperties,
    found: &mut Vec<Diagnostic>,
) -> Node {
    let maker = Maker::new(context, package, &query.origin, &query.name);
    let kind = ResourceType::SavedQuery;
    let mut node = maker.node(kind, &query.name.value, &query.config, found);
    let exports: Vec<Json> = query
        .exports
        .iter()
        .filter_map(|export| export_record(&maker, &node, export, found))
        .collect();
    let mut tags = node.config.tags();
    tags.extend(query.tags.iter().cloned());
    tags.sort_unstable();
    tags.dedup();
    let description = query.description.as_deref();
    let description = description.map(|text| maker.description(text, found));
    let record = json!({
        "query_params": maker.render_record(&query.query_params, found),
        "exports": exports,
        "description": description,
        "label": maker.render(&json!(query.label), found),
        "metadata": null,
        "tags": tags,
    });
    node.description = description.unwrap_or_default();
    let mut names = names_of(&maker, NameKind::Metric, &query.metrics);
    names.extend(names_of(&maker, NameKind::GroupBy, &query.group_by));
    names.extend(names_of(&maker, NameKind::OrderBy, &query.order_by));
    node.details = Details::SavedQuery(Box::new(Semantic { record, names }));
    node
}

/// An export with the relation it is written to; its name is made as a model's is.
fn export_record(
    maker: &Maker<'_, '_>,
    query: &Node,
    export: &ExportProperties,
    found: &mut Vec<Diagnostic>,
) -> Option<Json> {
    let place = maker.origin.place_of(&export.name.span);
    let config = maker.render(&Json::Object(export.config.clone()), found);
    let setting = |key: &str| config.get(key).filter(|value| !value.is_null()).cloned();
    let inherited = |key: &str| setting(key).or_else(|| query.config.get(key).cloned());
    let name = &export.name.value;
    let export_as = inherited("export_as");
    let kind = export_as.as_ref().and_then(Json::as_str);
    if !matches!(kind, Some("table" | "view")) {
        let title = match export_as {
            None => format!("export `{name}` of {} needs `export_as`", query.name),
            Some(other) => format!("export `{name}` cannot be written as `{other}`"),
        };
        let mistake = Diagnostic::error("MSV0170", title);
        let help = "write `config: {export_as: table}` or `view`";
        found.push(mistake.at(place, "").help(help));
        return None;
    }
    let mut named = Node::new(
        query.unique_id.to_string(),
        ResourceType::Model,
        &query.package_name,
        name,
        Details::Analysis,
        place,
    );
    for key in ["alias", "database"] {
        if let Some(value) = setting(key) {
            named.config.set(key, value);
        }
    }
    if let Err(diagnostic) = name_node(maker.context, &mut named) {
        found.push(*diagnostic);
        return None;
    }
    let schema = setting("schema_name").or_else(|| inherited("schema"));
    Some(json!({
        "name": name,
        "config": {
            "export_as": export_as,
            "schema_name": schema.unwrap_or_else(|| json!(named.schema)),
            "alias": setting("alias").unwrap_or_else(|| json!(named.alias)),
            "database": named.database,
        },
        "unrendered_config": export.config,
    }))
}

fn names_of(maker: &Maker<'_, '_>, kind: NameKind, names: &[Spanned<String>]) -> Vec<SemanticName> {
    names
        .iter()
        .map(|name| SemanticName {
            kind,
            name: name.value.clone(),
            place: maker.origin.place_of(&name.span),
        })
        .collect()
}
