//! Checks `require-dbt-version` against the version of the language msv speaks.

use crate::config::ProjectConfig;
use crate::node::Document;
use crate::semver::{Bound, Version, exclude_each_other};
use msv_diagnostics::Diagnostic;

/// The version of dbt's language that msv speaks, as `dbt_version` shows it.
pub const LANGUAGE_VERSION: &str = "1.12.0";

/// True where every bound of `require-dbt-version` is met, or is no bound.
pub fn admits_language(bounds: &[Bound]) -> bool {
    let ours = Version::parse(LANGUAGE_VERSION).expect("a version is written above");
    bounds.iter().all(|bound| bound.admits(&ours))
}

/// Reports every bound that [`LANGUAGE_VERSION`] does not meet.
pub(super) fn check(config: &ProjectConfig, document: &Document, found: &mut Vec<Diagnostic>) {
    let Some(node) = document.root.get("require-dbt-version") else {
        return;
    };
    let mut bounds = Vec::new();
    let mut titles = Vec::new();
    let parts = config
        .require_dbt_version
        .iter()
        .flat_map(|bounds| bounds.split(','));
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        match Bound::parse(part) {
            Some(bound) => bounds.push(bound),
            None => titles.push(format!("`{part}` is not a version bound")),
        }
    }
    if exclude_each_other(&bounds) {
        titles.push(format!(
            "no version of dbt meets what `{}` asks for: {}",
            config.name,
            config.require_dbt_version.join(", ")
        ));
    } else {
        let unmet = bounds
            .iter()
            .filter(|bound| !admits_language(std::slice::from_ref(bound)));
        titles.extend(unmet.map(|bound| {
            format!(
                "`{}` asks for dbt {bound}, and msv speaks the language of dbt {LANGUAGE_VERSION}",
                config.name
            )
        }));
    }
    found.extend(titles.into_iter().map(|title| {
        Diagnostic::error("MSV0114", title)
            .at(document.place(&node.span), "")
            .help("write `require-dbt-version` as in `\">=1.6.0,<2.0.0\"`, or leave it out")
            .help("to go on all the same, add `--no-version-check`")
    }));
}
