//! Warns of models past their `deprecation_date`, and of models that read one that has a date.

use jiff::Timestamp;

use msv_diagnostics::Diagnostic;
use msv_parse::{Node, RefCall, ResourceType};

use super::Graph;
use super::names::{kind_and_name, version_text};

/// The warnings about all models with a date.
pub(super) fn warnings(graph: &Graph, now: Timestamp) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for model in graph.nodes.values() {
        let Some(written) = &model.deprecation_date else {
            continue;
        };
        // Dates were checked when they were read.
        let is_past = written.parse::<Timestamp>().is_ok_and(|date| date < now);
        let day = written.split('T').next().unwrap_or(written);
        if is_past {
            warnings.push(
                Diagnostic::warning(
                    "MSV0240",
                    format!(
                        "{} has passed its deprecation date of {day}",
                        kind_and_name(model)
                    ),
                )
                .at(model.place.clone(), "still built")
                .help("disable it with `enabled: false`, or remove it")
                .event("DeprecatedModel"),
            );
        }
        for child in graph.nodes.values() {
            let is_reader = child.resource_type == ResourceType::Model
                && child.depends_on_nodes.contains(&model.unique_id);
            if is_reader {
                warnings.push(reference(graph, child, model, (day, is_past)));
            }
        }
    }
    warnings
}

fn reference(
    graph: &Graph,
    child: &Node,
    model: &Node,
    (day, is_past): (&str, bool),
) -> Diagnostic {
    let is_this = |call: &&RefCall| {
        graph
            .resolve_ref(&child.package_name, call)
            .is_some_and(|found| found.unique_id == model.unique_id)
    };
    let place = match child.refs.iter().find(is_this) {
        Some(call) => call.place.clone(),
        None => child.place.clone(),
    };
    let title = match is_past {
        true => format!(
            "{} reads {}, which was deprecated on {day}",
            kind_and_name(child),
            kind_and_name(model)
        ),
        false => format!(
            "{} reads {}, which will be deprecated on {day}",
            kind_and_name(child),
            kind_and_name(model)
        ),
    };
    let event = match is_past {
        true => "DeprecatedReference",
        false => "UpcomingReferenceDeprecation",
    };
    let diagnostic = Diagnostic::warning("MSV0240", title)
        .at(place, "referenced here")
        .event(event);
    let versions = model.version.as_ref().zip(model.latest_version.as_ref());
    match versions.map(|(version, latest)| (version_text(version), version_text(latest))) {
        Some((version, latest)) if version != latest => diagnostic.help(format!(
            "a newer version exists: `ref('{}', v={latest})`",
            model.name
        )),
        _ => diagnostic.help("read another model"),
    }
}
