//! Finds the time spines: the calendars that metrics are laid out along.

use std::collections::HashMap;

use serde_json::Value as Json;

use msv_diagnostics::Diagnostic;
use msv_parse::{NameKind, Node};
use msv_project::properties::TIME_GRANULARITIES;

use crate::Graph;

use super::checks::Layer;

/// The model that is a time spine by its name alone, with the column `date_day`.
pub const LEGACY_TIME_SPINE: &str = "metricflow_time_spine";

/// Time spines that properties declare, with their grain.
fn declared(graph: &Graph) -> impl Iterator<Item = (&Node, &str)> {
    graph.nodes.values().filter_map(|node| {
        let column = node
            .time_spine
            .get("standard_granularity_column")?
            .as_str()?;
        let grain = node.columns.get(column)?.granularity.as_deref()?;
        Some((&**node, grain))
    })
}

/// The grains that time spines define beyond the usual ones.
pub(super) fn custom_grains(graph: &Graph) -> Vec<&str> {
    graph
        .nodes
        .values()
        .filter_map(|node| node.time_spine.get("custom_granularities")?.as_array())
        .flatten()
        .filter_map(|custom| custom.get("name")?.as_str())
        .collect()
}

fn rank(grain: &str) -> usize {
    let at = TIME_GRANULARITIES.iter().position(|known| *known == grain);
    at.unwrap_or(TIME_GRANULARITIES.len())
}

/// Metrics need a calendar of days or finer.
pub(super) fn check(graph: &Graph, layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    let finest = declared(graph).map(|(_, grain)| rank(grain)).min();
    let legacy = graph.find_ref(&graph.root_package, None, LEGACY_TIME_SPINE, None);
    let has_legacy = legacy.enabled().is_some();
    if !has_legacy && finest.is_none_or(|finest| finest > rank("day")) {
        let title = "semantic models need a time spine of days or finer, and there is none";
        let mut diagnostic = Diagnostic::error("MSV0252", title);
        if let Some(model) = layer.models.first() {
            diagnostic = diagnostic.at(model.node.place.clone(), "this semantic model");
        }
        found.push(diagnostic.help(
            "make a model with one row a day, and in its properties set `time_spine: \
             {standard_granularity_column: date_day}` and `granularity: day` on that column",
        ));
        return;
    }
    let mut by_grain: HashMap<&str, &Node> = HashMap::new();
    for (node, grain) in declared(graph) {
        if let Some(first) = by_grain.insert(grain, node) {
            let title = format!(
                "two time spines have the granularity `{grain}`: `{}` and `{}`",
                first.name, node.name
            );
            let warning = Diagnostic::warning("MSV0252", title).at(node.place.clone(), "second");
            found.push(warning.also(first.place.clone(), "first"));
        }
    }
    let grain = |record: &Json| -> Option<usize> {
        let grain = record.pointer("/type_params/time_granularity")?.as_str()?;
        Some(rank(grain))
    };
    let dimensions = layer
        .models
        .iter()
        .flat_map(|model| model.elements(NameKind::Dimension));
    let smallest = dimensions
        .filter_map(|dimension| Some((grain(dimension.record)?, dimension)))
        .min_by_key(|(rank, _)| *rank);
    if let (Some((smallest, dimension)), Some(finest)) = (smallest, finest)
        && smallest < finest
    {
        let title = format!(
            "dimension `{}` is finer than every time spine",
            dimension.name.name
        );
        found.push(
            Diagnostic::warning("MSV0252", title)
                .at(dimension.place(), TIME_GRANULARITIES[smallest])
                .help("a time spine at or below the smallest granularity avoids query errors"),
        );
    }
}
