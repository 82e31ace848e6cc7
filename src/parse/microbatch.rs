//! Checks the configuration of microbatch models before anything runs.

use serde_json::Value as Json;

use msv_diagnostics::{Diagnostic, Place};
use msv_jinja::clock::parse_utc;

use super::node::{Node, ResourceType};
use super::time_window::BatchSize;

impl Node {
    /// True for a model that is built piece by piece.
    pub fn is_microbatch(&self) -> bool {
        self.resource_type == ResourceType::Model
            && self.config.materialized() == "incremental"
            && self.config.str("incremental_strategy") == Some("microbatch")
    }
}

/// Finds what a microbatch model does not say, or says wrongly.
pub(super) fn check_microbatch(node: &Node, place: &Place, found: &mut Vec<Diagnostic>) {
    if !node.is_microbatch() || !node.config.is_enabled() {
        return;
    }
    let mut mistake = |rest: String, help: &str| {
        let title = format!("Microbatch model '{}' must provide {rest}", node.name);
        found.push(
            Diagnostic::error("MSV0331", title)
                .at(place.clone(), "this model")
                .help(help),
        );
    };
    let config = &node.config;
    match config.get("event_time") {
        Some(Json::String(_)) => {}
        None => mistake(
            "an 'event_time' (string) config that indicates the name of the event time column."
                .to_owned(),
            "add event_time='…' to its config, and to the config of what it reads",
        ),
        Some(other) => mistake(
            format!("an 'event_time' config of type string, but got: {other}."),
            "name a column",
        ),
    }
    match config.get("begin") {
        None => mistake(
            "a 'begin' (datetime) config that indicates the earliest timestamp the microbatch \
             model should be built from."
                .to_owned(),
            "add begin='2024-01-01'",
        ),
        Some(Json::String(text)) if parse_utc(text).is_some() => {}
        Some(Json::String(text)) => mistake(
            format!("a 'begin' config of valid datetime (ISO format), but got: {text}."),
            "write 2024-01-01 or 2024-01-01T09:30:00",
        ),
        Some(other) => mistake(
            format!("a 'begin' config of type datetime, but got: {other}."),
            "write 2024-01-01 or 2024-01-01T09:30:00",
        ),
    }
    let size = config.get("batch_size");
    if size
        .and_then(Json::as_str)
        .and_then(BatchSize::named)
        .is_none()
    {
        let given = size.map_or("None".to_owned(), |size| {
            size.as_str()
                .map_or_else(|| size.to_string(), str::to_owned)
        });
        mistake(
            format!(
                "a 'batch_size' config that is one of ['hour', 'day', 'month', 'year'], but got: \
                 {given}."
            ),
            "add batch_size='day'",
        );
    }
    if let Some(lookback) = config.get("lookback").filter(|value| !value.is_i64()) {
        mistake(
            format!("the optional 'lookback' config as type int, but got: {lookback}."),
            "give the number of batches before the newest that are built again",
        );
    }
    if let Some(other) = config
        .get("concurrent_batches")
        .filter(|value| !value.is_boolean())
    {
        mistake(
            format!("the optional 'concurrent_batches' config as type bool, but got: {other}."),
            "write true or false",
        );
    }
}
