//! Turns declared exposures into nodes.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use msv_diagnostics::Diagnostic;
use msv_jinja::Host;
use msv_project::Package;
use msv_project::properties::ExposureProperties;

use super::context::{ParseContext, placed};
use super::declared::Maker;
use super::node::{Details, Node, ResourceType};

/// Makes the node of an exposure, with the nodes it depends on recorded.
pub(super) fn exposure_node(
    context: &ParseContext<'_>,
    package: &Package,
    exposure: &ExposureProperties,
    found: &mut Vec<Diagnostic>,
) -> Node {
    let origin = &exposure.origin;
    let maker = Maker::new(context, package, origin, &exposure.name);
    let host = &maker.host;
    let place = &maker.place;
    for dependency in &exposure.depends_on {
        let text = format!("{{{{ {} }}}}", dependency.value);
        let made = context
            .engine
            .evaluate(&text, Arc::clone(host) as Arc<dyn Host>);
        if let Err(diagnostic) = made {
            found.push(placed(*diagnostic, &origin.place_of(&dependency.span)));
        }
    }
    let mut record = host.take();
    for call in &mut record.refs {
        call.place = place.clone();
    }
    for call in &mut record.sources {
        call.place = place.clone();
    }
    for call in &mut record.metrics {
        call.place = place.clone();
    }
    let kind = ResourceType::Exposure;
    let mut node = maker.node(kind, &exposure.name.value, &exposure.config, found);
    // As in dbt, what stands beside `config:` adds to what the configuration came to.
    let mut tags = node.config.tags();
    tags.extend(exposure.tags.iter().cloned());
    tags.sort_unstable();
    tags.dedup();
    node.config.set("tags", json!(tags));
    let mut meta = exposure.meta.clone();
    if let Some(Json::Object(own)) = node.config.get("meta") {
        meta.extend(own.clone());
    }
    let meta = maker.render(&Json::Object(meta), found);
    node.config.set("meta", meta);
    node.description = maker.description(&exposure.description, found);
    let details = json!({
        "type": exposure.kind,
        "label": exposure.label,
        "maturity": exposure.maturity,
        "url": exposure.url,
        "owner": exposure.owner,
    });
    Node {
        refs: record.refs,
        sources: record.sources,
        metrics: record.metrics,
        details: Details::Exposure(maker.render(&details, found)),
        ..node
    }
}
