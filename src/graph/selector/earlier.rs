//! The methods that look at an earlier run: `state:`, `result:` and `source_status:`.

use std::collections::HashSet;

use crate::Graph;
use crate::state::{Compared, Earlier, StateCheck};
use msv_diagnostics::{Diagnostic, Place};

use super::Selection;
use super::expression::Criterion;
use super::matching::value_mistake;

/// How nodes may have ended, in dbt's words.
const STATUSES: [&str; 10] = [
    "success",
    "error",
    "fail",
    "warn",
    "skipped",
    "partial success",
    "pass",
    "runtime error",
    "no-op",
    "reused",
];

/// Compares the project with the earlier manifest.
pub(super) fn by_state(
    criterion: &Criterion,
    graph: &Graph,
    earlier: Option<&Earlier>,
) -> Result<Compared, Diagnostic> {
    let names: Vec<String> = StateCheck::ALL
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let check = StateCheck::from_name(&criterion.value)
        .ok_or_else(|| value_mistake(criterion, &format!("one of {}", names.join(", "))))?;
    earlier
        .and_then(|earlier| earlier.compare(graph, check))
        .ok_or_else(|| {
            let title = "Got a state selector method, but no comparison manifest";
            missing(criterion, title, "manifest.json")
        })
}

/// The nodes that ended so in the earlier run.
pub(super) fn by_result(
    criterion: &Criterion,
    graph: &Graph,
    selection: &Selection,
) -> Result<HashSet<usize>, Diagnostic> {
    let earlier = selection.earlier.as_deref();
    let ids = earlier.and_then(|earlier| earlier.state.with_status(&criterion.value));
    let Some(ids) = ids else {
        return Err(missing(
            criterion,
            "No comparison run_results",
            "run_results.json",
        ));
    };
    if ids.is_empty() && !STATUSES.contains(&criterion.value.as_str()) {
        let names: Vec<String> = STATUSES.iter().map(|name| format!("`{name}`")).collect();
        return Err(value_mistake(
            criterion,
            &format!("one of {}", names.join(", ")),
        ));
    }
    Ok(positions(graph, &ids))
}

/// The sources with newer rows than in the earlier run.
pub(super) fn by_source_status(
    criterion: &Criterion,
    graph: &Graph,
    selection: &Selection,
) -> Result<HashSet<usize>, Diagnostic> {
    if criterion.value != "fresher" {
        return Err(value_mistake(criterion, "`fresher`"));
    }
    let state = selection.earlier.as_deref().map(|earlier| &earlier.state);
    let title =
        |which: &str| format!("No {which} state comparison freshness results in sources.json");
    let Some(then) = state.and_then(|state| state.sources.as_ref()) else {
        return Err(missing(criterion, &title("previous"), "sources.json"));
    };
    let Some(now) = state.and_then(|state| state.sources_current.as_ref()) else {
        return Err(missing(criterion, &title("current"), "sources.json")
            .help("measure it first: msv source freshness"));
    };
    let then = then.loaded_at();
    let ids = now
        .loaded_at()
        .into_iter()
        .filter(|(id, at)| then.get(id).is_none_or(|before| at > before))
        .map(|(id, _)| id)
        .collect();
    Ok(positions(graph, &ids))
}

fn positions(graph: &Graph, ids: &HashSet<&str>) -> HashSet<usize> {
    ids.iter()
        .filter_map(|id| graph.nodes.get_index_of(*id))
        .collect()
}

fn missing(criterion: &Criterion, title: &str, file: &str) -> Diagnostic {
    let text = criterion.to_string();
    let end = text.len();
    Diagnostic::error("MSV0211", title)
        .at(Place::new("--select", text, 0..end), "asked for here")
        .help(format!(
            "name the folder that holds an earlier `{file}`: --state FOLDER"
        ))
}
