//! Checks semantic models: their measures, entities and dimensions, each and among each other.

use std::collections::HashMap;

use serde_json::Value as Json;

use msv_diagnostics::Diagnostic;
use msv_parse::NameKind;

use super::checks::Layer;
use super::words::{Element, View, word};

/// Words that no database takes as the name of a column.
///
/// Source: MetricFlow's rule on reserved keywords.
const RESERVED: [&str; 26] = [
    "and", "as", "create", "distinct", "for", "from", "full", "having", "in", "inner", "into",
    "is", "join", "left", "like", "natural", "not", "null", "on", "or", "right", "select", "union",
    "using", "where", "with",
];

pub(super) fn check(layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    for model in &layer.models {
        within(*model, found);
        default_time(*model, found);
        primary_entity(*model, found);
        validity_window(*model, found);
        for measure in model.elements(NameKind::Measure) {
            aggregation(measure, found);
            time_of_measure(*model, measure, found);
            non_additive(*model, measure, found);
        }
    }
    across(layer, found);
}

fn mistake(element: Element<'_>, title: String, label: &str) -> Diagnostic {
    Diagnostic::error("MSV0253", title).at(element.place(), label)
}

fn of_model(model: View<'_>, title: String) -> Diagnostic {
    Diagnostic::error("MSV0253", title).at(model.node.place.clone(), "")
}

/// Names and labels of one semantic model.
fn within(model: View<'_>, found: &mut Vec<Diagnostic>) {
    let mut names: HashMap<&str, Element<'_>> = HashMap::new();
    let mut labels: HashMap<(&str, &str), Element<'_>> = HashMap::new();
    for element in model.all_elements() {
        let name = element.name.name.as_str();
        if RESERVED.contains(&name.to_lowercase().as_str()) {
            let title = format!("`{name}` is a word of SQL and no name for a column");
            found.push(mistake(element, title, word(element.kind)).help("name it otherwise"));
        }
        if let Some(first) = names.get(name) {
            let title = format!(
                "{} and {} of semantic model `{}` have the same name",
                first.words(),
                element.words(),
                model.node.name
            );
            found.push(
                mistake(element, title, "second")
                    .also(first.place(), "first")
                    .help("name one of the two otherwise, and give it the column as `expr`"),
            );
        } else {
            names.insert(name, element);
        }
        if let Some(label) = element.text("label")
            && let Some(first) = labels.insert((word(element.kind), label), element)
        {
            let title = format!(
                "{} and {} have the same label",
                first.words(),
                element.words()
            );
            found.push(mistake(element, title, "second").also(first.place(), "first"));
        }
    }
}

fn default_time(model: View<'_>, found: &mut Vec<Diagnostic>) {
    if let Some(default) = model.text("/defaults/agg_time_dimension")
        && model.time_dimension(default).is_none()
    {
        let title = format!(
            "semantic model `{}` has no time dimension `{default}`",
            model.node.name
        );
        found.push(of_model(model, title).help(format!(
            "name one of its time dimensions as `agg_time_dimension`{}",
            listed_times(model)
        )));
    }
}

fn listed_times(model: View<'_>) -> String {
    let names: Vec<String> = model
        .elements(NameKind::Dimension)
        .filter(|dimension| dimension.is("type", "time"))
        .map(|dimension| format!("`{}`", dimension.name.name))
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(": {}", names.join(", ")),
    }
}

fn primary_entity(model: View<'_>, found: &mut Vec<Diagnostic>) {
    let of_type = |kind: &str| -> Vec<Element<'_>> {
        model
            .elements(NameKind::Entity)
            .filter(|entity| entity.is("type", kind))
            .collect()
    };
    let primary = of_type("primary");
    let named = model.text("/primary_entity");
    let name = &model.node.name;
    match (primary.as_slice(), named) {
        ([first, second, ..], _) => {
            let title = format!("semantic model `{name}` has more than one primary entity");
            let diagnostic = mistake(*second, title, "second").also(first.place(), "first");
            found.push(diagnostic.help("make the others `unique` or `foreign`"));
        }
        ([entity], Some(named)) => {
            let title = format!("semantic model `{name}` has two primary entities");
            found.push(
                mistake(*entity, title, "an entity of type `primary`")
                    .note(format!("`primary_entity` names `{named}` besides"))
                    .help("keep one of the two"),
            );
        }
        ([], None) => {
            let is_needed = model.elements(NameKind::Dimension).next().is_some();
            if is_needed && of_type("natural").is_empty() {
                let title = format!("semantic model `{name}` has dimensions and no primary entity");
                found.push(of_model(model, title).help(
                    "give one of its entities `type: primary`, or set `primary_entity: name`",
                ));
            }
        }
        _ => {}
    }
    let natural = of_type("natural");
    if let [_, second, ..] = natural.as_slice() {
        let title = format!("semantic model `{name}` has more than one natural entity");
        found.push(mistake(*second, title, "second"));
    }
    let has_validity = model
        .elements(NameKind::Dimension)
        .any(|dimension| validity(dimension).is_some());
    if let (Some(entity), false) = (natural.first(), has_validity) {
        let title = format!(
            "natural entity `{}` needs a validity window",
            entity.name.name
        );
        found.push(mistake(*entity, title, "").help(
            "give two time dimensions `validity_params`: one `is_start`, the other `is_end`",
        ));
    }
}

fn validity(dimension: Element<'_>) -> Option<&Json> {
    let params = dimension.record.pointer("/type_params/validity_params")?;
    (!params.is_null()).then_some(params)
}

/// A validity window has a start and an end, belongs to a natural entity and measures nothing.
fn validity_window(model: View<'_>, found: &mut Vec<Diagnostic>) {
    let window: Vec<Element<'_>> = model
        .elements(NameKind::Dimension)
        .filter(|dimension| validity(*dimension).is_some())
        .collect();
    let Some(first) = window.first() else {
        return;
    };
    let name = &model.node.name;
    let marked = |key: &str| {
        let is_marked = |dimension: &&Element<'_>| {
            validity(**dimension).is_some_and(|params| params[key] == true)
        };
        window.iter().filter(is_marked).count()
    };
    if window.len() != 2 || marked("is_start") != 1 || marked("is_end") != 1 {
        let title = format!("the validity window of semantic model `{name}` is not whole");
        found.push(mistake(*first, title, "").help(
            "give exactly two time dimensions `validity_params`: one `is_start: true`, the \
             other `is_end: true`",
        ));
    }
    let entities = || model.elements(NameKind::Entity);
    if !entities().any(|entity| entity.is("type", "natural")) {
        let title = format!("semantic model `{name}` has a validity window and no natural entity");
        found.push(mistake(*first, title, "").help("make its key an entity of `type: natural`"));
    }
    if let Some(key) =
        entities().find(|entity| entity.is("type", "primary") || entity.is("type", "unique"))
    {
        let title = format!(
            "semantic model `{name}` has a validity window and {}",
            key.words()
        );
        found.push(
            mistake(key, title, "primary or unique").help("make it an entity of `type: natural`"),
        );
    }
    if let Some(measure) = model.elements(NameKind::Measure).next() {
        let title = format!("semantic model `{name}` has a validity window and measures");
        found.push(mistake(measure, title, "").help("take the measures or the window out"));
    }
}

/// What a measure's aggregation needs, and what it has no use for.
fn aggregation(measure: Element<'_>, found: &mut Vec<Diagnostic>) {
    let aggregation = measure.text("agg").unwrap_or_default();
    let expr = measure.text("expr");
    if aggregation == "count" && expr.is_none() {
        let title = format!("{} counts and has no `expr`", measure.words());
        found.push(mistake(measure, title, "").help("write `expr: 1` to count all rows"));
    }
    let is_distinct = |expr: &str| expr.to_lowercase().starts_with("distinct ");
    if aggregation == "count" && expr.is_some_and(is_distinct) {
        let title = format!("{} counts distinct values as `count`", measure.words());
        found.push(
            mistake(measure, title, "its parts could not be added up")
                .help("write `agg: count_distinct`, and `expr` without `distinct`"),
        );
    }
    let params = &measure.record["agg_params"];
    let percentile = params["percentile"].as_f64();
    let is_set = |key: &str| params[key] == true;
    match aggregation {
        "percentile" => {
            let is_within = percentile.is_some_and(|value| value > 0.0 && value < 1.0);
            if !is_within {
                let title = format!("{} needs a percentile between 0 and 1", measure.words());
                found.push(
                    mistake(measure, title, "").help("write `agg_params: {percentile: 0.95}`"),
                );
            }
        }
        "median" => {
            let is_other = percentile.is_some_and(|value| value != 0.5);
            if is_other || is_set("use_discrete_percentile") {
                let title = format!("{} is a median with another percentile", measure.words());
                found.push(mistake(measure, title, "").help("take `agg_params` out"));
            }
        }
        _ => {
            let is_used = percentile.is_some_and(|value| value != 0.0)
                || is_set("use_discrete_percentile")
                || is_set("use_approximate_percentile");
            if is_used {
                let title = format!("{} has the parameters of a percentile", measure.words());
                found.push(mistake(measure, title, "").help("take `agg_params` out"));
            }
        }
    }
}

fn time_of_measure(model: View<'_>, measure: Element<'_>, found: &mut Vec<Diagnostic>) {
    let help = format!(
        "set `defaults: {{agg_time_dimension: …}}` on the semantic model, or \
         `agg_time_dimension` on the measure{}",
        listed_times(model)
    );
    match model.time_of(measure) {
        None => {
            let title = format!(
                "{} has no time dimension to be summed up along",
                measure.words()
            );
            found.push(mistake(measure, title, "").help(help));
        }
        Some(time) if model.time_dimension(time).is_none() => {
            // The default is reported once, for the semantic model.
            if measure.text("agg_time_dimension").is_some() {
                let title = format!(
                    "semantic model `{}` has no time dimension `{time}`",
                    model.node.name
                );
                found.push(mistake(measure, title, "summed up along it").help(help));
            }
        }
        Some(_) => {}
    }
}

fn non_additive(model: View<'_>, measure: Element<'_>, found: &mut Vec<Diagnostic>) {
    let params = &measure.record["non_additive_dimension"];
    let Some(name) = params["name"].as_str() else {
        return;
    };
    let words = measure.words();
    let mut dimensions = model.elements(NameKind::Dimension);
    let dimension = dimensions.find(|dimension| dimension.name.name == name);
    match dimension {
        None => {
            let title = format!(
                "semantic model `{}` has no dimension `{name}`",
                model.node.name
            );
            found.push(mistake(measure, title, "its `non_additive_dimension`"));
        }
        Some(dimension) if !dimension.is("type", "time") => {
            let title = format!("{words} cannot be non-additive over a categorical dimension");
            found.push(mistake(measure, title, "").also(dimension.place(), "categorical"));
        }
        Some(dimension) => {
            let grain = |dimension: Element<'_>| {
                let grain = dimension.record.pointer("/type_params/time_granularity");
                grain.and_then(Json::as_str).map(str::to_owned)
            };
            let time = model.time_of(measure);
            let time = time.and_then(|time| model.time_dimension(time));
            if let Some(time) = time
                && grain(time).is_some()
                && grain(dimension).is_some()
                && grain(time) != grain(dimension)
            {
                let title =
                    format!("{words} is non-additive over a time of another grain than its own");
                found.push(mistake(measure, title, "").also(dimension.place(), "the other grain"));
            }
        }
    }
    let choice = params["window_choice"].as_str().unwrap_or_default();
    if !matches!(choice, "min" | "max") {
        let title = format!("`window_choice` of {words} must be `min` or `max`");
        found.push(mistake(measure, title, ""));
    }
    for grouping in params["window_groupings"].as_array().into_iter().flatten() {
        let is_entity = |entity: Element<'_>| Some(entity.name.name.as_str()) == grouping.as_str();
        if !model.elements(NameKind::Entity).any(is_entity) {
            let title = format!(
                "semantic model `{}` has no entity `{}`",
                model.node.name,
                grouping.as_str().unwrap_or_default()
            );
            found.push(mistake(measure, title, "in `window_groupings`"));
        }
    }
}

/// What several semantic models have to agree on.
fn across(layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    let mut kinds: HashMap<&str, Element<'_>> = HashMap::new();
    let mut measures: HashMap<&str, Element<'_>> = HashMap::new();
    let mut dimensions: HashMap<&str, Element<'_>> = HashMap::new();
    let mut pairs: HashMap<(&str, &str), Element<'_>> = HashMap::new();
    let mut labels: HashMap<&str, Element<'_>> = HashMap::new();
    for model in &layer.models {
        let mut own: HashMap<&str, ()> = HashMap::new();
        for element in model.all_elements() {
            let name = element.name.name.as_str();
            let is_first_here = own.insert(name, ()).is_none();
            if let Some(first) = kinds.get(name) {
                if first.kind != element.kind && is_first_here {
                    let title = format!(
                        "`{name}` is a {} here and a {} elsewhere",
                        word(element.kind),
                        word(first.kind)
                    );
                    let title = title.replace(" a entity", " an entity");
                    found.push(mistake(element, title, "").also(first.place(), word(first.kind)));
                }
            } else {
                kinds.insert(name, element);
            }
            match element.kind {
                NameKind::Measure => {
                    if let Some(first) = measures.insert(name, element)
                        && is_first_here
                    {
                        let title = format!("two semantic models have a measure `{name}`");
                        let diagnostic = mistake(element, title, "second");
                        found.push(diagnostic.also(first.place(), "first"));
                    }
                }
                NameKind::Dimension => same_dimension(&mut dimensions, element, found),
                NameKind::Entity => same_label(&mut labels, element, found),
                _ => {}
            }
        }
        let mut entities = model.elements(NameKind::Entity);
        let primary = model.text("/primary_entity").or_else(|| {
            let entity = entities.find(|entity| entity.is("type", "primary"))?;
            Some(entity.name.name.as_str())
        });
        let Some(primary) = primary else {
            continue;
        };
        for dimension in model.elements(NameKind::Dimension) {
            let name = dimension.name.name.as_str();
            if let Some(first) = pairs.get(&(primary, name))
                && !std::ptr::eq(first.name, dimension.name)
            {
                let title = format!("two semantic models have the dimension `{primary}__{name}`");
                let diagnostic = mistake(dimension, title, "second");
                found.push(
                    diagnostic
                        .also(first.place(), "first")
                        .note("both have the same primary entity"),
                );
            } else {
                pairs.insert((primary, name), dimension);
            }
        }
    }
}

fn same_dimension<'g>(
    known: &mut HashMap<&'g str, Element<'g>>,
    dimension: Element<'g>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(first) = known.get(dimension.name.name.as_str()) else {
        known.insert(&dimension.name.name, dimension);
        return;
    };
    for key in ["type", "is_partition"] {
        if first.record[key] != dimension.record[key] {
            let title = format!(
                "dimension `{}` has another `{key}` here than elsewhere",
                dimension.name.name
            );
            found.push(mistake(dimension, title, "").also(first.place(), "elsewhere"));
        }
    }
}

fn same_label<'g>(
    known: &mut HashMap<&'g str, Element<'g>>,
    entity: Element<'g>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(label) = entity.text("label") else {
        return;
    };
    match known.get(entity.name.name.as_str()) {
        Some(first) if first.text("label") != Some(label) => {
            let title = format!("entity `{}` has another label elsewhere", entity.name.name);
            found.push(mistake(entity, title, "").also(first.place(), "elsewhere"));
        }
        Some(_) => {}
        None => {
            known.insert(&entity.name.name, entity);
        }
    }
}
