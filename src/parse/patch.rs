//! Lays a properties entry over the node it describes: words, columns, governance.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use msv_diagnostics::Diagnostic;
use msv_jinja::Host;
use msv_project::properties::{ColumnProperties, ModelProperties, Origin, VersionProperties};

use super::context::ParseContext;
use super::node::{Column, Node};
use super::recorder::Recorder;
use super::time_spine;

/// The configuration that properties give, the version's over the model's; unrendered.
pub(super) fn config_of(
    properties: &ModelProperties,
    version: Option<&VersionProperties>,
) -> Map<String, Json> {
    let mut config = properties.config.values.clone();
    if let Some(quote) = properties.quote_columns {
        config.entry("quote_columns").or_insert(Json::Bool(quote));
    }
    if let Some(version) = version {
        config.extend(version.config.values.clone());
        if let Some(access) = &version.access {
            config.insert("access".to_owned(), Json::String(access.clone()));
        }
    }
    config
}

/// Fills in description, columns, constraints and versions.
pub(super) fn describe(
    context: &ParseContext<'_>,
    node: &mut Node,
    properties: &ModelProperties,
    version: Option<&VersionProperties>,
    host: &Arc<Recorder>,
    found: &mut Vec<Diagnostic>,
) {
    let origin = &properties.origin;
    let place = origin.place();
    let description = version
        .and_then(|version| version.description.as_ref())
        .unwrap_or(&properties.description);
    node.description = context.render_description(description, host, &place, found);
    node.doc_blocks = context.doc_blocks(description, &node.package_name);
    node.patch_path = Some(format!("{}://{}", node.package_name, origin.path));
    node.constraints = version
        .and_then(|version| version.constraints.clone())
        .unwrap_or_else(|| properties.constraints.clone());
    node.deprecation_date = version
        .and_then(|version| version.deprecation_date.clone())
        .or_else(|| properties.deprecation_date.clone());
    node.latest_version = latest_version(properties);
    for column in columns_of(properties, version) {
        let column = describe_column(context, column, origin, host, found);
        node.columns.insert(column.name.clone(), column);
    }
    node.time_spine = time_spine::of(node, properties, found);
}

/// The version `ref('x')` means: the one named, else the greatest.
pub(super) fn latest_version(properties: &ModelProperties) -> Option<Json> {
    if let Some(latest) = &properties.latest_version {
        return Some(latest.clone());
    }
    let order = |version: &Json| match version {
        Json::Number(number) => (number.as_f64().unwrap_or(0.0), String::new()),
        Json::String(text) => match text.parse::<f64>() {
            Ok(number) => (number, String::new()),
            Err(_) => (f64::NEG_INFINITY, text.clone()),
        },
        other => (f64::NEG_INFINITY, other.to_string()),
    };
    properties
        .versions
        .iter()
        .map(|version| &version.v)
        .max_by(|left, right| {
            order(left)
                .partial_cmp(&order(right))
                .unwrap_or(std::cmp::Ordering::Equal)
        })
        .cloned()
}

fn columns_of<'p>(
    properties: &'p ModelProperties,
    version: Option<&'p VersionProperties>,
) -> Vec<&'p ColumnProperties> {
    let Some(version) = version else {
        return properties.columns.iter().collect();
    };
    let is_kept = |name: &String| {
        version
            .include
            .as_ref()
            .is_none_or(|include| include.contains(name))
            && !version.exclude.contains(name)
    };
    let own: Vec<&ColumnProperties> = version.columns.iter().collect();
    properties
        .columns
        .iter()
        .filter(|column| is_kept(&column.name.value))
        .filter(|column| own.iter().all(|own| own.name.value != column.name.value))
        .chain(own.iter().copied())
        .collect()
}

/// Turns a column entry into the column a node carries.
pub(super) fn describe_column(
    context: &ParseContext<'_>,
    column: &ColumnProperties,
    origin: &Origin,
    host: &Arc<Recorder>,
    found: &mut Vec<Diagnostic>,
) -> Column {
    let place = origin.place_of(&column.name.span);
    let mut tags = column.tags.clone();
    if let Some(Json::Array(more)) = column.config.get("tags") {
        for tag in more.iter().filter_map(Json::as_str) {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
    }
    let mut meta = column.meta.clone();
    if let Some(Json::Object(more)) = column.config.get("meta") {
        meta.extend(more.clone());
    }
    let description = context.render_description(&column.description, host, &place, found);
    let mut render = |value: Json| context.render_value(&value, host, &place, found);
    Column {
        name: column.name.value.clone(),
        description,
        data_type: column.data_type.as_ref().map(|data_type| {
            match render(Json::from(data_type.as_str())) {
                Json::String(text) => text,
                other => other.to_string(),
            }
        }),
        quote: column.quote,
        tags,
        meta: render(Json::Object(meta)),
        constraints: column
            .constraints
            .iter()
            .cloned()
            .map(&mut render)
            .collect(),
        granularity: column.granularity.clone(),
        doc_blocks: context.doc_blocks(&column.description, host.package()),
    }
}
