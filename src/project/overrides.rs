//! Lays sources that say `overrides: package` over the sources of that package.

use std::collections::HashSet;
use std::ops::Range;

use crate::properties::{SourceProperties, SourceTableProperties};
use crate::{Package, mistake};
use msv_diagnostics::Diagnostic;

/// Takes the overriding sources out of every package and applies them.
///
/// Reports two that override one source, and what they override that is not there.
pub(super) fn apply(packages: &mut [&mut Package], found: &mut Vec<Diagnostic>) {
    let mut patches: Vec<SourceProperties> = Vec::new();
    for package in packages.iter_mut() {
        let sources = std::mem::take(&mut package.properties.sources);
        let (overriding, own) = sources
            .into_iter()
            .partition(|source| source.overrides.is_some());
        package.properties.sources = own;
        patches.append(&mut { overriding });
    }
    let mut seen: HashSet<(String, String)> = HashSet::new();
    for patch in patches {
        let owner = patch.overrides.clone().unwrap_or_default();
        let name = patch.name.value.clone();
        let place = mistake::first_line(&patch.origin.document, &patch.origin.span);
        if !seen.insert((owner.clone(), name.clone())) {
            let title = format!("source `{name}` of package `{owner}` is overridden twice");
            found.push(
                Diagnostic::error("MSV0145", title)
                    .at(place, "overridden again here")
                    .help("join the two entries"),
            );
            continue;
        }
        let target = packages
            .iter_mut()
            .filter(|package| package.name == owner)
            .flat_map(|package| &mut package.properties.sources)
            .find(|source| source.name.value == name);
        let unused = |what: String| {
            Diagnostic::warning("MSV0145", format!("nothing to override: {what}"))
                .at(place.clone(), "it changes nothing")
                .help("take the entry, or its `overrides`, out")
                .event("UnusedTables")
        };
        match target {
            None => found.push(unused(format!("package `{owner}` has no source `{name}`"))),
            Some(target) => {
                let missing = lay_over(target, patch);
                found.extend(missing.into_iter().map(|table| {
                    unused(format!(
                        "source `{name}` of package `{owner}` has no table `{table}`"
                    ))
                }));
            }
        }
    }
}

/// Changes what the patch says, and returns the names of tables that are not there.
fn lay_over(source: &mut SourceProperties, patch: SourceProperties) -> Vec<String> {
    replace(&mut source.description, patch.description);
    replace(&mut source.loader, patch.loader);
    source.database = patch.database.or_else(|| source.database.take());
    source.schema = patch.schema.or_else(|| source.schema.take());
    source.freshness = patch.freshness.or_else(|| source.freshness.take());
    source.loaded_at_field = patch
        .loaded_at_field
        .or_else(|| source.loaded_at_field.take());
    source.loaded_at_query = patch
        .loaded_at_query
        .or_else(|| source.loaded_at_query.take());
    source.quoting.extend(patch.quoting);
    source.meta.extend(patch.meta);
    source.tags.extend(patch.tags);
    source.config.lay_over(patch.config);
    let mut missing = Vec::new();
    for table in patch.tables {
        let name = &table.name.value;
        match source.tables.iter_mut().find(|own| own.name.value == *name) {
            Some(own) => lay_table_over(own, table),
            None => missing.push(table.name.value),
        }
    }
    missing
}

fn lay_table_over(table: &mut SourceTableProperties, patch: SourceTableProperties) {
    // Spans of the patch count bytes of another file.
    let span = table.name.span.clone();
    replace(&mut table.description, patch.description);
    table.identifier = patch.identifier.or_else(|| table.identifier.take());
    table.freshness = patch.freshness.or_else(|| table.freshness.take());
    table.loaded_at_field = patch
        .loaded_at_field
        .or_else(|| table.loaded_at_field.take());
    table.loaded_at_query = patch
        .loaded_at_query
        .or_else(|| table.loaded_at_query.take());
    table.external = patch.external.or_else(|| table.external.take());
    table.quoting.extend(patch.quoting);
    table.meta.extend(patch.meta);
    table.tags.extend(patch.tags);
    table.config.lay_over(patch.config);
    let mut tests = patch.tests;
    move_tests(&mut tests, &span);
    table.tests.append(&mut tests);
    for mut column in patch.columns {
        column.name.span = span.clone();
        move_tests(&mut column.tests, &span);
        let own = table.columns.iter_mut();
        match { own }.find(|own| own.name.value == column.name.value) {
            Some(own) => *own = column,
            None => table.columns.push(column),
        }
    }
}

fn move_tests(tests: &mut [crate::properties::TestProperties], span: &Range<usize>) {
    for test in tests {
        test.span = span.clone();
        test.name_span = span.clone();
    }
}

fn replace(text: &mut String, patch: String) {
    if !patch.is_empty() {
        *text = patch;
    }
}
