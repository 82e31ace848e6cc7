//! Turns declared exposures into nodes.

use std::sync::Arc;

use serde_json::json;

use msv_diagnostics::Diagnostic;
use msv_jinja::Host;
use msv_project::Package;
use msv_project::properties::ExposureProperties;

use super::context::{ParseContext, placed};
use super::node::{Details, Node, ResourceType};

/// Makes the node of an exposure, with the nodes it depends on recorded.
pub(super) fn exposure_node(
    context: &ParseContext<'_>,
    package: &Package,
    exposure: &ExposureProperties,
    found: &mut Vec<Diagnostic>,
) -> Node {
    let origin = &exposure.origin;
    let place = origin.place_of(&exposure.name.span);
    let host = Arc::new(context.host(&package.name));
    for dependency in &exposure.depends_on {
        let text = format!("{{{{ {} }}}}", dependency.value);
        let made = context
            .engine
            .evaluate(&text, Arc::clone(&host) as Arc<dyn Host>);
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
    let name = exposure.name.value.clone();
    let mut fqn = vec![package.name.clone()];
    fqn.extend(super::sources::folders_of(package, &origin.path));
    fqn.push(name.clone());
    let (mut config, _) = context.project_config(&package.name, ResourceType::Exposure, &fqn);
    let mut layer = exposure.config.values.clone();
    layer.entry("tags").or_insert_with(|| json!(exposure.tags));
    layer.entry("meta").or_insert_with(|| json!(exposure.meta));
    config.merge(&layer);
    let details = json!({
        "type": exposure.kind,
        "label": exposure.label,
        "maturity": exposure.maturity,
        "url": exposure.url,
        "owner": exposure.owner,
    });
    let description = context.render_description(&exposure.description, &host, &place, found);
    Node {
        path: origin
            .path
            .rsplit('/')
            .next()
            .unwrap_or(&origin.path)
            .to_owned(),
        original_file_path: origin.path.to_string(),
        fqn,
        config,
        description,
        refs: record.refs,
        sources: record.sources,
        ..Node::new(
            format!("exposure.{}.{name}", package.name),
            ResourceType::Exposure,
            &package.name,
            &name,
            Details::Exposure(details),
            place,
        )
    }
}
