//! Reads an entry of `semantic_models:`: the entities, dimensions and measures of a model.

use serde_json::{Value as Json, json};

use crate::fields::Fields;
use crate::node::{Node, Spanned};
use crate::properties::metric::{MetricProperties, TIME_GRANULARITIES, expression, inside};
use crate::properties::{ConfigBlock, Origin, Reader, metric};

/// A model as the semantic layer sees it.
#[derive(Clone, Debug)]
pub struct SemanticModelProperties {
    pub name: Spanned<String>,
    /// `ref('x')`.
    pub model: Spanned<String>,
    pub description: Option<String>,
    pub label: Option<String>,
    /// `{"agg_time_dimension": …}`, or null.
    pub defaults: Json,
    pub primary_entity: Option<String>,
    pub entities: Vec<ElementProperties>,
    pub measures: Vec<ElementProperties>,
    pub dimensions: Vec<ElementProperties>,
    /// Of measures that ask for a metric of their own.
    pub metrics: Vec<MetricProperties>,
    pub config: ConfigBlock,
    pub origin: Origin,
}

/// An entity, a dimension or a measure with every key that artifacts have of its kind.
#[derive(Clone, Debug)]
pub struct ElementProperties {
    pub name: Spanned<String>,
    pub record: Json,
}

/// Source: dbt's documentation of measures, "Aggregation types".
const AGGREGATIONS: [&str; 9] = [
    "sum",
    "min",
    "max",
    "count_distinct",
    "sum_boolean",
    "average",
    "percentile",
    "median",
    "count",
];

pub(super) fn read<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<SemanticModelProperties> {
    let mut fields = reader.open(node, "semantic model")?;
    let owner = fields.owner.clone();
    let name = fields.required_text("name", "semantic_model_name");
    let model = fields.required_text("model", "ref('model_name')");
    let defaults = match inside(reader, &mut fields, "defaults") {
        Some(mut inner) => {
            let defaults = json!({"agg_time_dimension": inner.string("agg_time_dimension")});
            reader.finish(inner);
            defaults
        }
        None => Json::Null,
    };
    let entities = elements(reader, fields.list("entities"), "entity", &owner, entity);
    let dimensions = fields.list("dimensions");
    let dimensions = elements(reader, dimensions, "dimension", &owner, dimension);
    let measure_nodes = fields.list("measures");
    let measures = elements(reader, measure_nodes, "measure", &owner, measure);
    let metrics = measures
        .iter()
        .filter(|measure| measure.record["create_metric"] == json!(true))
        .map(|measure| {
            let text = |key: &str| measure.record.get(key).and_then(Json::as_str);
            let origin = reader.origin(node);
            let expr = &measure.record["expr"];
            let (label, description) = (text("label"), text("description"));
            metric::of_measure(&measure.name, label, description, expr, origin)
        })
        .collect();
    // The record of a measure never has it: its metric stands for itself.
    let measures = measures.into_iter().map(|mut measure| {
        measure.record["create_metric"] = json!(false);
        measure
    });
    let measures = measures.collect();
    let found = (name, model);
    let (Some(name), Some(model)) = found else {
        reader.finish(fields);
        return None;
    };
    let semantic_model = SemanticModelProperties {
        name,
        model,
        description: fields.string("description"),
        label: fields.string("label"),
        defaults,
        primary_entity: fields.string("primary_entity"),
        entities,
        measures,
        dimensions,
        metrics,
        config: ConfigBlock::read(&mut fields, &[]),
        origin: reader.origin(node),
    };
    reader.finish(fields);
    Some(semantic_model)
}

type ReadElement = for<'r, 'a> fn(&'r mut Reader<'a>, &'r mut Fields<'a>, &str) -> Json;

fn elements<'a>(
    reader: &mut Reader<'a>,
    nodes: &'a [Node],
    kind: &str,
    owner: &str,
    read: ReadElement,
) -> Vec<ElementProperties> {
    let mut elements = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(mut fields) = reader.open(node, kind) else {
            continue;
        };
        fields.owner = format!("{} of {owner}", fields.owner);
        let name = fields.required_text("name", &format!("{kind}_name"));
        let shown = name.as_ref().map(|name| name.value.clone());
        let record = read(reader, &mut fields, &shown.unwrap_or_default());
        elements.extend(name.map(|name| ElementProperties { name, record }));
        reader.finish(fields);
    }
    elements
}

fn entity<'a>(_reader: &mut Reader<'a>, fields: &mut Fields<'a>, name: &str) -> Json {
    let kinds = ["foreign", "natural", "primary", "unique"];
    json!({
        "name": name,
        "type": required_choice(fields, "type", &kinds),
        "description": fields.string("description"),
        "label": fields.string("label"),
        "role": fields.string("role"),
        "expr": fields.text_or_number("expr"),
        "config": {"meta": meta(fields)},
    })
}

fn dimension<'a>(reader: &mut Reader<'a>, fields: &mut Fields<'a>, name: &str) -> Json {
    let kind = required_choice(fields, "type", &["categorical", "time"]);
    let params = inside(reader, fields, "type_params").map(|mut inner| {
        let grain = required_choice(&mut inner, "time_granularity", &TIME_GRANULARITIES);
        let validity = inside(reader, &mut inner, "validity_params").map(|mut validity| {
            let params = json!({
                "is_start": validity.boolean("is_start").unwrap_or(false),
                "is_end": validity.boolean("is_end").unwrap_or(false),
            });
            reader.finish(validity);
            params
        });
        reader.finish(inner);
        json!({"time_granularity": grain, "validity_params": validity})
    });
    json!({
        "name": name,
        "type": kind,
        "description": fields.string("description"),
        "label": fields.string("label"),
        "is_partition": fields.boolean("is_partition").unwrap_or(false),
        "type_params": params,
        "expr": fields.text_or_number("expr"),
        "metadata": null,
        "config": {"meta": meta(fields)},
    })
}

fn measure<'a>(reader: &mut Reader<'a>, fields: &mut Fields<'a>, name: &str) -> Json {
    let aggregation = required_choice(fields, "agg", &AGGREGATIONS);
    let params = inside(reader, fields, "agg_params").map(|mut inner| {
        let flag = |value: Option<bool>| value.unwrap_or(false);
        let params = json!({
            "percentile": inner.json("percentile"),
            "use_discrete_percentile": flag(inner.boolean("use_discrete_percentile")),
            "use_approximate_percentile": flag(inner.boolean("use_approximate_percentile")),
        });
        reader.finish(inner);
        params
    });
    let non_additive = inside(reader, fields, "non_additive_dimension").map(|mut inner| {
        let record = json!({
            "name": inner.required_text("name", "dimension_name").map(|name| name.value),
            "window_choice": required_choice(&mut inner, "window_choice", &AGGREGATIONS),
            "window_groupings": inner.strings("window_groupings"),
        });
        reader.finish(inner);
        record
    });
    json!({
        "name": name,
        "agg": aggregation,
        "description": fields.string("description"),
        "label": fields.string("label"),
        "create_metric": fields.boolean("create_metric").unwrap_or(false),
        "expr": expression(fields, "expr"),
        "agg_params": params,
        "non_additive_dimension": non_additive,
        "agg_time_dimension": fields.string("agg_time_dimension"),
        "config": {"meta": meta(fields)},
    })
}

fn required_choice(fields: &mut Fields, key: &'static str, valid: &[&str]) -> Option<String> {
    if fields.present(key).is_none() {
        fields.missing(key, valid[0]);
        return None;
    }
    fields.choice(key, valid).map(|word| word.value)
}

/// `config.meta` of an element: it has no other configuration.
fn meta(fields: &mut Fields) -> Json {
    let meta = fields.map("config").and_then(|config| config.get("meta"));
    meta.map_or_else(|| json!({}), Node::to_json)
}
