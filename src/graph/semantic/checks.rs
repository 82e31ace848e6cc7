//! Refuses a semantic layer that no query could be answered from, as MetricFlow does.

use std::collections::HashMap;

use msv_diagnostics::Diagnostic;
use msv_parse::{Details, NameKind};

use crate::Graph;
use crate::names::{kind, kind_and_name};

use super::words::{View, check_name};
use super::{metrics, models, queries, time_spine};

/// Everything of the semantic layer that is enabled.
pub(super) struct Layer<'g> {
    pub models: Vec<View<'g>>,
    pub metrics: Vec<View<'g>>,
    pub queries: Vec<View<'g>>,
    /// Grains that time spines define beyond the usual ones.
    pub custom_grains: Vec<&'g str>,
}

/// Finds what is wrong with the semantic layer of a linked graph: mistakes and warnings.
pub(crate) fn check(graph: &Graph) -> Vec<Diagnostic> {
    let mut layer = Layer {
        models: Vec::new(),
        metrics: Vec::new(),
        queries: Vec::new(),
        custom_grains: time_spine::custom_grains(graph),
    };
    for view in graph.nodes.values().filter_map(|node| View::of(node)) {
        match view.node.details {
            Details::SemanticModel(_) => layer.models.push(view),
            Details::Metric(_) => layer.metrics.push(view),
            _ => layer.queries.push(view),
        }
    }
    let mut found = Vec::new();
    if layer.models.is_empty() {
        return found;
    }
    time_spine::check(graph, &layer, &mut found);
    if layer.metrics.is_empty() {
        return found;
    }
    names(&layer, &mut found);
    models::check(&layer, &mut found);
    metrics::check(&layer, &mut found);
    queries::check(&layer, &mut found);
    found
}

fn names(layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    for views in [&layer.models, &layer.metrics, &layer.queries] {
        let mut labels: HashMap<&str, View<'_>> = HashMap::new();
        for view in views {
            let kind = kind(view.node.resource_type);
            let place = view.node.place.clone();
            let what = format!("a {kind}");
            check_name(&what, &view.node.name, place.clone(), found);
            let Some(label) = view.text("/label") else {
                continue;
            };
            // Saved queries may share a label.
            if matches!(view.node.details, Details::SavedQuery(_)) {
                continue;
            }
            if let Some(first) = labels.insert(label, *view) {
                let title = format!(
                    "{} and {} have the same label",
                    kind_and_name(first.node),
                    kind_and_name(view.node)
                );
                found.push(
                    Diagnostic::error("MSV0256", title)
                        .at(place, format!("`{label}`"))
                        .also(first.node.place.clone(), "the first of this label")
                        .help("give one of the two another `label`"),
                );
            }
        }
    }
    for model in &layer.models {
        for element in model.all_elements() {
            let what = format!("a {}", super::words::word(element.kind));
            let what = what.replace("a entity", "an entity");
            check_name(&what, &element.name.name, element.place(), found);
        }
    }
}

impl<'g> Layer<'g> {
    /// The semantic model that has this measure.
    pub(super) fn model_of(&self, measure: &str) -> Option<View<'g>> {
        self.models.iter().copied().find(|model| {
            model
                .elements(NameKind::Measure)
                .any(|element| element.name.name == measure)
        })
    }
}
