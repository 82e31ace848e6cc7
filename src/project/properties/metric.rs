//! Reads an entry of `metrics:` into the record that artifacts keep of it.
//!
//! The record has every key of a metric's `type_params`, null where nothing is written; names of
//! measures and other metrics stay names until the graph is linked.

use serde_json::{Map, Value as Json, json};

use crate::fields::Fields;
use crate::node::{Node, Spanned, is_template};
use crate::properties::{ConfigBlock, Origin, Reader};

/// What can be asked of a metric: sums, ratios and running totals of measures.
#[derive(Clone, Debug)]
pub struct MetricProperties {
    pub name: Spanned<String>,
    pub label: String,
    pub kind: String,
    pub description: String,
    /// Every key of dbt's `type_params`; `input_measures` is still empty.
    pub type_params: Json,
    /// `{"where_filters": […]}`, or null.
    pub filter: Json,
    pub time_granularity: Option<String>,
    /// Measures that the metric names itself.
    pub measures: Vec<Spanned<String>>,
    /// Metrics that the metric is made of.
    pub metrics: Vec<Spanned<String>>,
    pub tags: Vec<String>,
    pub meta: Map<String, Json>,
    pub config: ConfigBlock,
    pub origin: Origin,
}

const KINDS: [&str; 5] = ["simple", "ratio", "cumulative", "derived", "conversion"];

/// Grains of time, from the finest to the coarsest.
///
/// Source: dbt's documentation of the semantic layer, "Time granularity".
pub const TIME_GRANULARITIES: [&str; 11] = [
    "nanosecond",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];

pub(super) fn read<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<MetricProperties> {
    let mut fields = reader.open(node, "metric")?;
    let name = fields.required_text("name", "metric_name");
    if let Some(name) = &name {
        check_name(&mut fields, name);
    }
    let label = fields.required_text("label", "Metric name");
    let kind = fields.required_text("type", "simple").is_some();
    let kind = kind.then(|| fields.choice("type", &KINDS)).flatten();
    let kind = kind.map(|kind| kind.value).unwrap_or_default();
    let mut inputs = Inputs::default();
    let mut params = None;
    if fields.present("type_params").is_none() {
        fields.missing("type_params", "{measure: measure_name}");
    } else if let Some(mut inner) = inside(reader, &mut fields, "type_params") {
        params = Some(type_params(reader, &mut inner, &kind, &mut inputs));
        reader.finish(inner);
    }
    let metric = MetricProperties {
        name: name?,
        label: label.map(|label| label.value).unwrap_or_default(),
        kind,
        description: fields.string("description").unwrap_or_default(),
        type_params: params.unwrap_or_default(),
        filter: filter(&mut fields, "filter"),
        time_granularity: fields.string("time_granularity"),
        measures: inputs.measures,
        metrics: inputs.metrics,
        tags: fields.strings("tags"),
        meta: fields.json_map("meta"),
        config: ConfigBlock::read(&mut fields, &[]),
        origin: reader.origin(node),
    };
    reader.finish(fields);
    Some(metric)
}

/// The metric that a measure with `create_metric: true` stands for.
pub(super) fn of_measure(
    name: &Spanned<String>,
    label: Option<&str>,
    description: Option<&str>,
    expr: &Json,
    origin: Origin,
) -> MetricProperties {
    let measure = input_measure(&name.value);
    let expr = match expr {
        Json::Null => json!(name.value),
        expr => expr.clone(),
    };
    let described = description.map(str::to_owned);
    MetricProperties {
        name: name.clone(),
        label: label.unwrap_or(&name.value).to_owned(),
        kind: "simple".to_owned(),
        description: described
            .unwrap_or_else(|| format!("Metric created from measure {}", name.value)),
        type_params: params_record(json!({"measure": measure, "expr": expr})),
        filter: Json::Null,
        time_granularity: None,
        measures: vec![name.clone()],
        metrics: Vec::new(),
        tags: Vec::new(),
        meta: Map::new(),
        config: ConfigBlock::default(),
        origin,
    }
}

#[derive(Default)]
struct Inputs {
    measures: Vec<Spanned<String>>,
    metrics: Vec<Spanned<String>>,
}

/// Every key of `type_params` in dbt's order, with what is written.
fn params_record(written: Json) -> Json {
    let mut record = json!({
        "measure": null,
        "input_measures": [],
        "numerator": null,
        "denominator": null,
        "expr": null,
        "window": null,
        "grain_to_date": null,
        "metrics": [],
        "conversion_type_params": null,
        "cumulative_type_params": null,
        "metric_aggregation_params": null,
    });
    if let (Json::Object(record), Json::Object(written)) = (&mut record, written) {
        record.extend(written);
    }
    record
}

fn type_params<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    kind: &str,
    inputs: &mut Inputs,
) -> Json {
    let needed: &[&str] = match kind {
        "simple" | "cumulative" => &["measure"],
        "ratio" => &["numerator", "denominator"],
        "derived" => &["metrics"],
        "conversion" => &["conversion_type_params"],
        _ => &[],
    };
    for key in needed {
        if fields.node.get(key).is_none_or(Node::is_null) {
            let example = match *key {
                "conversion_type_params" => "{base_measure: visits, conversion_measure: buys, …}",
                "metrics" => "[first_metric, second_metric]",
                "measure" => "measure_name",
                _ => "metric_name",
            };
            fields.missing(key, example);
        }
    }
    let measure = measure_field(reader, fields, "measure", inputs);
    let numerator = metric_field(reader, fields, "numerator", inputs);
    let denominator = metric_field(reader, fields, "denominator", inputs);
    let nodes = fields.list("metrics");
    let owner = format!("an element of `metrics` of {}", fields.owner);
    let mut metrics = Vec::new();
    for node in nodes {
        metrics.extend(metric_input(reader, node, &owner, inputs));
    }
    let window = window(fields, "window");
    let grain = fields.choice("grain_to_date", &TIME_GRANULARITIES);
    let grain = grain.map(|grain| grain.value);
    let cumulative = cumulative_params(reader, fields, kind, &window, grain.as_deref());
    let conversion = conversion_params(reader, fields, inputs);
    params_record(json!({
        "measure": measure,
        "numerator": numerator,
        "denominator": denominator,
        "expr": expression(fields, "expr"),
        "window": window,
        "grain_to_date": grain,
        "metrics": metrics,
        "conversion_type_params": conversion,
        "cumulative_type_params": cumulative,
    }))
}

/// A cumulative metric always has them; elsewhere they are left out, as dbt does.
fn cumulative_params<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    kind: &str,
    outer_window: &Json,
    outer_grain: Option<&str>,
) -> Json {
    let mut own_window = Json::Null;
    let mut own_grain = None;
    let mut aggregation = None;
    if let Some(mut inner) = inside(reader, fields, "cumulative_type_params") {
        own_window = window(&mut inner, "window");
        own_grain = inner.string("grain_to_date");
        let valid = ["first", "last", "average"];
        aggregation = inner.choice("period_agg", &valid).map(|word| word.value);
        reader.finish(inner);
    }
    if kind != "cumulative" {
        return Json::Null;
    }
    if own_window.is_null() {
        own_window = outer_window.clone();
    }
    json!({
        "window": own_window,
        "grain_to_date": own_grain.as_deref().or(outer_grain),
        "period_agg": aggregation.as_deref().unwrap_or("first"),
        "metric": null,
    })
}

fn conversion_params<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    inputs: &mut Inputs,
) -> Json {
    let Some(mut inner) = inside(reader, fields, "conversion_type_params") else {
        return Json::Null;
    };
    for key in ["base_measure", "conversion_measure"] {
        if inner.node.get(key).is_none_or(Node::is_null) {
            inner.missing(key, "measure_name");
        }
    }
    let base = measure_field(reader, &mut inner, "base_measure", inputs);
    let conversion = measure_field(reader, &mut inner, "conversion_measure", inputs);
    let entity = inner.required_text("entity", "entity_name");
    let valid = ["conversions", "conversion_rate"];
    let calculation = inner.choice("calculation", &valid).map(|word| word.value);
    let window = window(&mut inner, "window");
    let owner = format!("an element of `constant_properties` of {}", fields.owner);
    let is_listed = inner.present("constant_properties").is_some();
    let mut constants = Vec::new();
    for node in inner.list("constant_properties") {
        let opened = Fields::open(reader.document, node, owner.clone(), &mut reader.found);
        let Some(mut constant) = opened else {
            continue;
        };
        let base = constant.required_text("base_property", "dimension_name");
        let conversion = constant.required_text("conversion_property", "dimension_name");
        constants.push(json!({
            "base_property": base.map(|text| text.value),
            "conversion_property": conversion.map(|text| text.value),
        }));
        reader.finish(constant);
    }
    reader.finish(inner);
    json!({
        "base_measure": base,
        "conversion_measure": conversion,
        "entity": entity.map(|entity| entity.value),
        "calculation": calculation.as_deref().unwrap_or("conversion_rate"),
        "window": window,
        "constant_properties": is_listed.then_some(constants),
    })
}

fn input_measure(name: &str) -> Json {
    json!({
        "name": name,
        "filter": null,
        "alias": null,
        "join_to_timespine": false,
        "fill_nulls_with": null,
    })
}

/// A measure by its name, or with how the metric takes it.
fn measure_field<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    key: &'static str,
    inputs: &mut Inputs,
) -> Json {
    let Some(node) = fields.present(key) else {
        return Json::Null;
    };
    if let Some(name) = node.as_str() {
        let name = Spanned::new(name.to_owned(), node.span.clone());
        let record = input_measure(&name.value);
        inputs.measures.push(name);
        return record;
    }
    let Some(mut inner) = inside(reader, fields, key) else {
        return Json::Null;
    };
    let Some(name) = inner.required_text("name", "measure_name") else {
        reader.finish(inner);
        return Json::Null;
    };
    let record = json!({
        "name": name.value,
        "filter": filter(&mut inner, "filter"),
        "alias": inner.string("alias"),
        "join_to_timespine": inner.boolean("join_to_timespine").unwrap_or(false),
        "fill_nulls_with": inner.integer("fill_nulls_with"),
    });
    inputs.measures.push(name);
    reader.finish(inner);
    record
}

fn metric_field<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    key: &'static str,
    inputs: &mut Inputs,
) -> Json {
    let Some(node) = fields.present(key) else {
        return Json::Null;
    };
    let owner = format!("`{key}` of {}", fields.owner);
    metric_input(reader, node, &owner, inputs).unwrap_or_default()
}

/// A metric by its name, or with how the metric takes it.
fn metric_input<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    owner: &str,
    inputs: &mut Inputs,
) -> Option<Json> {
    if let Some(name) = node.as_str() {
        let name = Spanned::new(name.to_owned(), node.span.clone());
        inputs.metrics.push(name.clone());
        return Some(json!({
            "name": name.value,
            "filter": null,
            "alias": null,
            "offset_window": null,
            "offset_to_grain": null,
        }));
    }
    let mut inner = Fields::open(reader.document, node, owner, &mut reader.found)?;
    let name = inner.required_text("name", "metric_name");
    let record = name.as_ref().map(|name| {
        json!({
            "name": name.value,
            "filter": filter(&mut inner, "filter"),
            "alias": inner.string("alias"),
            "offset_window": window(&mut inner, "offset_window"),
            "offset_to_grain": inner.string("offset_to_grain"),
        })
    });
    inputs.metrics.extend(name);
    reader.finish(inner);
    record
}

/// One filter or a list of them, as the text they are written in.
pub(super) fn filter(fields: &mut Fields, key: &'static str) -> Json {
    let Some(texts) = fields.texts(key) else {
        return Json::Null;
    };
    let filters: Vec<Json> = texts
        .iter()
        .map(|text| json!({"where_sql_template": text.value}))
        .collect();
    json!({"where_filters": filters})
}

/// Reads `28 days` as a count and a grain.
fn window(fields: &mut Fields, key: &'static str) -> Json {
    let Some(text) = fields.text(key) else {
        return Json::Null;
    };
    let lower = text.value.to_lowercase();
    let parts: Vec<&str> = lower.split(' ').collect();
    if let [count, grain] = parts[..]
        && let Ok(count) = count.parse::<u64>()
    {
        let singular = grain.strip_suffix('s').unwrap_or(grain);
        let is_known = TIME_GRANULARITIES.contains(&singular);
        return json!({
            "count": count,
            "granularity": if is_known { singular } else { grain },
        });
    }
    if !is_template(&text.value) {
        let title = format!("`{key}` of {} is no length of time", fields.owner);
        let mistake = fields.error("MSV0103", title, &text.span);
        mistake
            .help
            .push("write a count and a unit: `28 days`".to_owned());
    }
    Json::Null
}

/// An expression as text; YAML reads `1` and `true` as other things.
pub(super) fn expression(fields: &mut Fields, key: &'static str) -> Json {
    match fields.json(key) {
        None | Some(Json::Null) => Json::Null,
        Some(Json::Bool(value)) => json!(if value { "True" } else { "False" }),
        Some(Json::Number(number)) => json!(number.to_string()),
        Some(Json::String(text)) => json!(text),
        Some(_) => {
            // Named so that the message says what was expected.
            fields.text(key);
            Json::Null
        }
    }
}

/// Opens the mapping under `key`.
pub(super) fn inside<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields<'a>,
    key: &'static str,
) -> Option<Fields<'a>> {
    let node = fields.present(key)?;
    let owner = format!("`{key}` of {}", fields.owner);
    Fields::open(reader.document, node, owner, &mut reader.found)
}

fn check_name(fields: &mut Fields, name: &Spanned<String>) {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let text = name.value.as_str();
    let wrong = if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        "it must begin with a letter"
    } else if !text.chars().all(is_word) {
        "it may hold letters, digits and underscores"
    } else if text.chars().count() > 250 {
        "it may be 250 characters long"
    } else {
        return;
    };
    let title = format!("a metric cannot be named `{text}`");
    let mistake = fields.error("MSV0103", title, &name.span);
    mistake.help.push(wrong.to_owned());
}
