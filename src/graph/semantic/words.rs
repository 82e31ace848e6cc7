//! Views of the semantic layer that its checks share, and the names it cannot have.

use serde_json::Value as Json;

use msv_diagnostics::{Diagnostic, Place};
use msv_parse::{NameKind, Node, Semantic, SemanticName};
use msv_project::properties::TIME_GRANULARITIES;

/// A semantic model, a metric or a saved query with its record.
#[derive(Clone, Copy)]
pub(super) struct View<'g> {
    pub node: &'g Node,
    pub semantic: &'g Semantic,
}

/// An entity, a dimension or a measure of a semantic model.
#[derive(Clone, Copy)]
pub(super) struct Element<'g> {
    pub kind: NameKind,
    pub name: &'g SemanticName,
    pub record: &'g Json,
}

impl<'g> View<'g> {
    pub(super) fn of(node: &'g Node) -> Option<View<'g>> {
        let semantic = node.semantic()?;
        Some(View { node, semantic })
    }

    pub(super) fn record(self) -> &'g Json {
        &self.semantic.record
    }

    pub(super) fn text(self, pointer: &str) -> Option<&'g str> {
        self.semantic.record.pointer(pointer)?.as_str()
    }

    pub(super) fn elements(self, kind: NameKind) -> impl Iterator<Item = Element<'g>> {
        let records = self.semantic.record[key(kind)].as_array();
        self.semantic
            .names(kind)
            .zip(records.into_iter().flatten())
            .map(move |(name, record)| Element { kind, name, record })
    }

    /// Measures, entities and dimensions, in this order.
    pub(super) fn all_elements(self) -> impl Iterator<Item = Element<'g>> {
        let kinds = [NameKind::Measure, NameKind::Entity, NameKind::Dimension];
        kinds.into_iter().flat_map(move |kind| self.elements(kind))
    }

    /// The time dimension of this name.
    pub(super) fn time_dimension(self, name: &str) -> Option<Element<'g>> {
        self.elements(NameKind::Dimension)
            .find(|dimension| dimension.name.name == name && dimension.is("type", "time"))
    }

    /// The time dimension that a measure is summed up along.
    pub(super) fn time_of(self, measure: Element<'g>) -> Option<&'g str> {
        let own = measure.text("agg_time_dimension");
        own.or_else(|| self.text("/defaults/agg_time_dimension"))
    }
}

impl<'g> Element<'g> {
    pub(super) fn text(self, key: &str) -> Option<&'g str> {
        self.record.get(key)?.as_str()
    }

    pub(super) fn is(self, key: &str, value: &str) -> bool {
        self.text(key) == Some(value)
    }

    pub(super) fn place(self) -> Place {
        self.name.place.clone()
    }

    /// The word and the name: measure `revenue`.
    pub(super) fn words(self) -> String {
        format!("{} `{}`", word(self.kind), self.name.name)
    }
}

pub(super) fn word(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Entity => "entity",
        NameKind::Dimension => "dimension",
        NameKind::Measure => "measure",
        NameKind::Metric => "metric",
        NameKind::GroupBy => "`group_by`",
        NameKind::OrderBy => "`order_by`",
    }
}

fn key(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Entity => "entities",
        NameKind::Dimension => "dimensions",
        _ => "measures",
    }
}

/// True for a name that the semantic layer can use; `None` says why another cannot be.
pub(super) fn why_not_a_name(name: &str) -> Option<&'static str> {
    let is_letter = |letter: char| letter.is_ascii_lowercase();
    let is_inner =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if TIME_GRANULARITIES.contains(&name.to_lowercase().as_str()) {
        Some("it is the name of a time granularity")
    } else if matches!(
        name.to_lowercase().as_str(),
        "metric_time" | "mf_internal_uuid"
    ) {
        Some("MetricFlow keeps this name for itself")
    } else if !name.starts_with(is_letter) {
        Some("it must start with a lower case letter")
    } else if !name.chars().all(is_inner) {
        Some("it may hold lower case letters, digits and underscores")
    } else if name.contains("__") {
        Some("two underscores separate an entity from a dimension")
    } else if name.ends_with('_') {
        Some("it must not end with an underscore")
    } else if name.len() < 2 {
        Some("it must have two characters or more")
    } else {
        None
    }
}

/// Refuses a name that the semantic layer cannot use.
pub(super) fn check_name(what: &str, name: &str, place: Place, found: &mut Vec<Diagnostic>) {
    if let Some(reason) = why_not_a_name(name) {
        let title = format!("{what} cannot be named `{name}`");
        found.push(
            Diagnostic::error("MSV0256", title)
                .at(place, "")
                .help(reason),
        );
    }
}

/// True for the grains that every database has, in singular or plural.
pub(super) fn is_grain(word: &str, custom: &[&str]) -> bool {
    let is_known = |word: &str| TIME_GRANULARITIES.contains(&word) || custom.contains(&word);
    is_known(word) || word.strip_suffix('s').is_some_and(is_known)
}
