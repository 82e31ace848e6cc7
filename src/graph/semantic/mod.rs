//! Links the semantic layer: measures and metrics by name, then what depends on the answers.
//!
//! 1. A metric depends on the semantic models of its measures, or on the metrics it is made of
//!    ([`resolve`]).
//! 2. Once all are linked, a metric knows every measure below it and a semantic model the
//!    relation it describes ([`complete`]).
//! 3. What no query could answer is refused ([`checks`]).

mod checks;
mod metrics;
mod models;
mod queries;
mod time_spine;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use msv_diagnostics::{Diagnostic, Place, closest};
use msv_parse::{Details, NameKind, Node, SemanticName, UniqueId};

use super::Graph;
use super::link::Resolved;
use super::names::{Found, kind_and_name};

pub(super) use checks::check;
pub use time_spine::LEGACY_TIME_SPINE;

/// Adds the parents that a node has in the semantic layer.
pub(super) fn resolve(graph: &Graph, node: &Node, resolved: &mut Resolved) {
    for call in &node.metrics {
        let package = call.package.as_deref();
        add_metric(graph, node, package, &call.name, &call.place, resolved);
    }
    match &node.details {
        Details::Metric(metric) => {
            for measure in metric.names(NameKind::Measure) {
                add_measure(graph, node, measure, resolved);
            }
            for input in metric.names(NameKind::Metric) {
                add_metric(graph, node, None, &input.name, &input.place, resolved);
            }
        }
        Details::SavedQuery(query) => {
            for metric in query.names(NameKind::Metric) {
                add_metric(graph, node, None, &metric.name, &metric.place, resolved);
            }
        }
        _ => {}
    }
}

fn add_measure(graph: &Graph, node: &Node, measure: &SemanticName, resolved: &mut Resolved) {
    let name = &measure.name;
    let place = measure.place.clone();
    match graph.names.find_measure(graph, &node.package_name, name) {
        Found::Enabled(model) => resolved.add_parent(&model.unique_id),
        Found::Disabled(model) => {
            let title = format!(
                "measure `{name}` belongs to {}, which is disabled",
                kind_and_name(model)
            );
            resolved.mistakes.push(
                Diagnostic::error("MSV0250", title)
                    .at(place, "measured here")
                    .help("enable the semantic model, or take the metric out"),
            );
        }
        Found::Nothing => {
            let title = format!("no semantic model has a measure `{name}`");
            let mistake = Diagnostic::error("MSV0250", title).at(place, "measured here");
            resolved
                .mistakes
                .push(match closest(name, graph.names.measure_names()) {
                    Some(near) => {
                        mistake.help(format!("a measure with a similar name exists: `{near}`"))
                    }
                    None => mistake
                        .help("declare it below `measures:` of a semantic model, with `agg:`"),
                });
        }
    }
}

fn add_metric(
    graph: &Graph,
    node: &Node,
    package: Option<&str>,
    name: &str,
    place: &Place,
    resolved: &mut Resolved,
) {
    let found = graph
        .names
        .find_metric(graph, &node.package_name, package, name);
    let title = match found {
        Found::Enabled(metric) => return resolved.add_parent(&metric.unique_id),
        Found::Disabled(_) => {
            format!(
                "{} uses metric `{name}`, which is disabled",
                kind_and_name(node)
            )
        }
        Found::Nothing => format!("no metric is named `{name}`"),
    };
    let mistake = Diagnostic::error("MSV0251", title).at(place.clone(), "used here");
    let names = graph.names.metric_names().filter(|known| *known != name);
    resolved.mistakes.push(match closest(name, names) {
        Some(near) => mistake.help(format!("a metric with a similar name exists: `{near}`")),
        None => mistake.help("declare it below `metrics:`, and enable it"),
    });
}

/// Fills in what follows from the links: a metric's measures and a semantic model's relation.
pub(super) fn complete(graph: &mut Graph) {
    let mut known: HashMap<UniqueId, Vec<Json>> = HashMap::new();
    let metrics: Vec<UniqueId> = graph
        .nodes
        .values()
        .filter(|node| matches!(node.details, Details::Metric(_)))
        .map(|node| node.unique_id.clone())
        .collect();
    for id in &metrics {
        input_measures(graph, id, &mut known, &mut HashSet::new());
    }
    let mut relations = Vec::new();
    for node in graph.nodes.values() {
        if let Details::SemanticModel(_) = node.details
            && let Some(model) = node.depends_on_nodes.first().and_then(|id| graph.get(id))
        {
            let relation = json!({
                "alias": model.alias,
                "schema_name": model.schema,
                "database": model.database,
                "relation_name": model.relation_name(),
            });
            relations.push((node.unique_id.clone(), relation));
        }
    }
    for (id, measures) in known {
        set(graph, &id, "/type_params/input_measures", json!(measures));
    }
    for (id, relation) in relations {
        set(graph, &id, "/node_relation", relation);
    }
}

fn set(graph: &mut Graph, id: &UniqueId, pointer: &str, value: Json) {
    let node = graph.nodes.get_mut(id).map(Arc::make_mut);
    let record = node.and_then(|node| node.semantic_mut());
    if let Some(slot) = record.and_then(|semantic| semantic.record.pointer_mut(pointer)) {
        *slot = value;
    }
}

/// The measures a metric takes, itself or through the metrics it is made of, each once.
fn input_measures(
    graph: &Graph,
    id: &UniqueId,
    known: &mut HashMap<UniqueId, Vec<Json>>,
    above: &mut HashSet<UniqueId>,
) -> Vec<Json> {
    if let Some(measures) = known.get(id) {
        return measures.clone();
    }
    // A circle of metrics is reported with the other circles of the graph.
    if !above.insert(id.clone()) {
        return Vec::new();
    }
    let Some(node) = graph.get(id) else {
        return Vec::new();
    };
    let mut measures = Vec::new();
    let add = |measures: &mut Vec<Json>, measure: &Json| {
        if !measure.is_null() && !measures.contains(measure) {
            measures.push(measure.clone());
        }
    };
    if let Details::Metric(metric) = &node.details {
        let params = &metric.record["type_params"];
        let conversion = &params["conversion_type_params"];
        add(&mut measures, &params["measure"]);
        add(&mut measures, &conversion["base_measure"]);
        add(&mut measures, &conversion["conversion_measure"]);
    }
    for parent in &node.depends_on_nodes {
        if graph
            .get(parent)
            .is_some_and(|parent| matches!(parent.details, Details::Metric(_)))
        {
            for measure in input_measures(graph, parent, known, above) {
                add(&mut measures, &measure);
            }
        }
    }
    above.remove(id);
    known.insert(id.clone(), measures.clone());
    measures
}
