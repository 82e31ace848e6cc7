//! Checks saved queries: what they group and order by exists.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use msv_diagnostics::{Diagnostic, closest};
use msv_parse::{NameKind, SemanticName};

use super::checks::Layer;
use super::words::View;

pub(super) fn check(layer: &Layer<'_>, found: &mut Vec<Diagnostic>) {
    let mut known: HashSet<&str> = HashSet::from(["metric_time"]);
    known.extend(layer.metrics.iter().map(|metric| metric.node.name.as_str()));
    for model in &layer.models {
        let elements = model.all_elements();
        known.extend(
            elements
                .filter(|element| element.kind != NameKind::Measure)
                .map(|element| element.name.name.as_str()),
        );
    }
    for query in &layer.queries {
        for item in query.semantic.names(NameKind::GroupBy) {
            group_by(item, &known, found);
        }
        order_by(*query, found);
        let limit = query.record().pointer("/query_params/limit");
        if limit
            .and_then(serde_json::Value::as_i64)
            .is_some_and(|limit| limit < 0)
        {
            let title = format!("`limit` of saved query `{}` is below zero", query.node.name);
            found.push(Diagnostic::error("MSV0255", title).at(query.node.place.clone(), ""));
        }
    }
}

/// `Dimension('user__country')`: the kind of thing and its name, and what is called on it.
static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = "Dimension|TimeDimension|Entity|Metric";
    Regex::new(&format!(
        r#"^\s*({kinds})\s*\(\s*['"]([^'"]*)['"]\s*([^)]*)\)\s*(.*)$"#
    ))
    .expect("a constant pattern is valid")
});

fn group_by(item: &SemanticName, known: &HashSet<&str>, found: &mut Vec<Diagnostic>) {
    let Some(parts) = ITEM.captures(&item.name) else {
        let title = format!("`{}` is nothing to group by", item.name);
        found.push(
            Diagnostic::error("MSV0255", title)
                .at(item.place.clone(), "")
                .help(
                    "write `Dimension('entity__dimension')`, `Entity('entity')` or \
                       `TimeDimension('metric_time', 'day')`",
                ),
        );
        return;
    };
    let path = &parts[2];
    let element = path.rsplit("__").next().unwrap_or(path);
    // The last part of a time dimension's name may be its grain.
    let is_grain = super::words::is_grain(element, &[]);
    let named = match is_grain {
        true => path.rsplit("__").nth(1).unwrap_or(element),
        false => element,
    };
    if known.contains(named) {
        return;
    }
    let title = format!("no semantic model has a dimension or entity `{named}`");
    let mistake = Diagnostic::error("MSV0255", title).at(item.place.clone(), "grouped by it");
    found.push(match closest(named, known.iter().copied()) {
        Some(near) => mistake.help(format!("one with a similar name exists: `{near}`")),
        None => mistake.help("declare it below `dimensions:` of a semantic model"),
    });
}

/// The text without quotes' kind, spaces and direction.
fn plain(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let text = text.replace('"', "'");
    let end = text.find(".descending(").unwrap_or(text.len());
    text[..end].to_owned()
}

fn order_by(query: View<'_>, found: &mut Vec<Diagnostic>) {
    let mut known: HashSet<String> = query
        .semantic
        .names(NameKind::GroupBy)
        .map(|item| plain(&item.name))
        .collect();
    let metrics = query.semantic.names(NameKind::Metric);
    known.extend(metrics.map(|metric| format!("Metric('{}')", metric.name)));
    for item in query.semantic.names(NameKind::OrderBy) {
        if !known.contains(&plain(&item.name)) {
            let title = format!(
                "saved query `{}` is ordered by what it does not ask for",
                query.node.name
            );
            found.push(
                Diagnostic::error("MSV0255", title)
                    .at(item.place.clone(), "")
                    .help("name one of its metrics as `Metric('name')`, or what it groups by"),
            );
        }
    }
}
