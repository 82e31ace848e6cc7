//! Checks metrics: what each type needs of its parameters.

use std::collections::HashSet;

use serde_json::Value as Json;

use msv_diagnostics::Diagnostic;
use msv_parse::NameKind;

use super::checks::Layer;
use super::words::{View, is_grain, why_not_a_name};

pub(super) fn check(layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    for metric in &layer.metrics {
        match metric.text("/type").unwrap_or_default() {
            "cumulative" => cumulative(*metric, found),
            "derived" => derived(*metric, layer, found),
            "conversion" => conversion(*metric, layer, found),
            _ => {}
        }
        aliases(*metric, layer, found);
    }
}

fn mistake(metric: View<'_>, title: String) -> Diagnostic {
    Diagnostic::error("MSV0254", title).at(metric.node.place.clone(), "")
}

fn warning(metric: View<'_>, title: String) -> Diagnostic {
    Diagnostic::warning("MSV0254", title).at(metric.node.place.clone(), "")
}

/// A window counts in a grain that every time spine has.
fn window(metric: View<'_>, window: &Json, custom: &[&str], found: &mut Vec<Diagnostic>) {
    if let Some(grain) = window["granularity"].as_str()
        && !is_grain(grain, custom)
    {
        let count = &window["count"];
        let title = format!(
            "the window `{count} {grain}` of metric `{}` has no time granularity",
            metric.node.name
        );
        found.push(mistake(metric, title).help("write a window such as `7 days`"));
    }
}

fn cumulative(metric: View<'_>, found: &mut Vec<Diagnostic>) {
    let params = &metric.record()["type_params"];
    let nested = &params["cumulative_type_params"];
    let name = &metric.node.name;
    let outer = &params["window"];
    if !outer.is_null() && !nested["window"].is_null() && *outer != nested["window"] {
        let title = format!("metric `{name}` has two windows that differ");
        found
            .push(mistake(metric, title).help("take the one outside `cumulative_type_params` out"));
    }
    if !outer.is_null() || !params["grain_to_date"].is_null() {
        let title = format!(
            "`window` and `grain_to_date` of metric `{name}` stand outside \
                             `cumulative_type_params`"
        );
        found.push(warning(metric, title).help("move them below `cumulative_type_params:`"));
    }
    let grain = nested["grain_to_date"].as_str();
    if let Some(grain) = grain
        && !is_grain(grain, &[])
    {
        let title = format!("`grain_to_date` of metric `{name}` is no time granularity: `{grain}`");
        found.push(mistake(metric, title).help("write a grain such as `month`"));
    }
    if grain.is_some() && !nested["window"].is_null() {
        let title = format!("metric `{name}` has a `window` and a `grain_to_date`");
        found.push(mistake(metric, title).help("keep one of the two"));
    }
    window(metric, &nested["window"], &[], found);
}

fn derived(metric: View<'_>, layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    let params = &metric.record()["type_params"];
    let name = &metric.node.name;
    let inputs: Vec<&Json> = params["metrics"].as_array().into_iter().flatten().collect();
    let names: HashSet<&str> = inputs
        .iter()
        .filter_map(|input| input["name"].as_str())
        .collect();
    let expr = params["expr"].as_str();
    if inputs.is_empty() {
        let title = format!("metric `{name}` is derived from nothing");
        found.push(mistake(metric, title).help("list metrics below `type_params: {metrics: […]}`"));
    }
    if expr.is_none() {
        let title = format!("derived metric `{name}` has no `expr`");
        found.push(warning(metric, title).help("say how it is made of its metrics"));
    }
    for input in inputs {
        let input_name = input["name"].as_str().unwrap_or_default();
        let alias = input["alias"].as_str();
        if let Some(alias) = alias {
            if let Some(reason) = why_not_a_name(alias) {
                let title = format!("metric `{name}` cannot call an input `{alias}`");
                found.push(mistake(metric, title).help(reason));
            }
            if names.contains(alias) {
                let title = format!("metric `{name}` has two inputs called `{alias}`");
                found.push(mistake(metric, title).help("choose another `alias`"));
            }
        }
        window(metric, &input["offset_window"], &layer.custom_grains, found);
        if let Some(grain) = input["offset_to_grain"].as_str() {
            if !is_grain(grain, &[]) {
                let title = format!(
                    "`offset_to_grain` of input `{input_name}` of metric `{name}` is no time \
                     granularity: `{grain}`"
                );
                found.push(mistake(metric, title).help("write a grain such as `month`"));
            }
            if !input["offset_window"].is_null() {
                let title = format!("input `{input_name}` of metric `{name}` has two offsets");
                found
                    .push(mistake(metric, title).help("keep `offset_window` or `offset_to_grain`"));
            }
        }
        let shown = alias.unwrap_or(input_name);
        if expr.is_some_and(|expr| !expr.contains(shown)) {
            let title = format!("`expr` of metric `{name}` does not use its input `{shown}`");
            found.push(warning(metric, title));
        }
    }
}

fn conversion(metric: View<'_>, layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    let params = &metric.record()["type_params"]["conversion_type_params"];
    let name = &metric.node.name;
    window(metric, &params["window"], &layer.custom_grains, found);
    let entity = params["entity"].as_str().unwrap_or_default();
    for (key, side) in [
        ("base_measure", "base_property"),
        ("conversion_measure", "conversion_property"),
    ] {
        let measure_name = params[key]["name"].as_str().unwrap_or_default();
        let Some(model) = layer.model_of(measure_name) else {
            continue;
        };
        let has = |kind: NameKind, name: &str| {
            model
                .elements(kind)
                .any(|element| element.name.name == name)
        };
        if !has(NameKind::Entity, entity) {
            let title = format!(
                "semantic model `{}` of measure `{measure_name}` has no entity `{entity}`",
                model.node.name
            );
            found.push(mistake(metric, title).help(format!(
                "`entity` of metric `{name}` must belong to both of its measures"
            )));
        }
        let mut measures = model.elements(NameKind::Measure);
        if let Some(measure) = measures.find(|measure| measure.name.name == measure_name) {
            let is_counting = match measure.text("agg") {
                Some("count" | "count_distinct") => true,
                Some("sum") => measure.text("expr") == Some("1"),
                _ => false,
            };
            if !is_counting {
                let title = format!("conversion metric `{name}` needs measures that count");
                found.push(
                    mistake(metric, title)
                        .also(measure.place(), "counts nothing")
                        .help("use `count`, `count_distinct`, or `sum` of 1"),
                );
            }
        }
        for constant in params["constant_properties"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let property = constant[side].as_str().unwrap_or_default();
            if !has(NameKind::Dimension, property) && !has(NameKind::Entity, property) {
                let title = format!(
                    "semantic model `{}` has no dimension or entity `{property}`",
                    model.node.name
                );
                found.push(mistake(metric, title).help("see its `constant_properties`"));
            }
        }
    }
    if !params["conversion_measure"]["filter"].is_null() {
        let title =
            format!("the filter on the conversion measure of metric `{name}` has no effect");
        found.push(warning(metric, title).help("filter the base measure"));
    }
}

/// A measure's alias is a name like every other, and nobody else's.
fn aliases(metric: View<'_>, layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    let name = &metric.node.name;
    let inputs = metric.record().pointer("/type_params/input_measures");
    for input in inputs.and_then(Json::as_array).into_iter().flatten() {
        let Some(alias) = input["alias"].as_str() else {
            continue;
        };
        if let Some(reason) = why_not_a_name(alias) {
            let title = format!("metric `{name}` cannot call a measure `{alias}`");
            found.push(mistake(metric, title).help(reason));
        }
        if layer.model_of(alias).is_some() {
            let title = format!("the alias `{alias}` of metric `{name}` is the name of a measure");
            found.push(mistake(metric, title).help("choose another `alias`"));
        }
    }
}
