//! Turns declared source tables into nodes.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use msv_diagnostics::Diagnostic;
use msv_project::properties::{ConfigBlock, SourceProperties, SourceTableProperties};
use msv_project::{Package, Spanned};
use msv_relation::Relation;

use super::context::{ParseContext, is_template};
use super::naming::with_quoting;
use super::node::{Details, Node, ResourceType, Source};
use super::patch::describe_column;
use super::recorder::Recorder;

/// Makes a node of each table of a source.
pub(super) fn source_nodes(
    context: &ParseContext<'_>,
    package: &Package,
    source: &SourceProperties,
    found: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    let host = Arc::new(context.host(&package.name));
    source
        .tables
        .iter()
        .map(|table| table_node(context, package, source, table, &host, found))
        .collect()
}

fn table_node(
    context: &ParseContext<'_>,
    package: &Package,
    source: &SourceProperties,
    table: &SourceTableProperties,
    host: &Arc<Recorder>,
    found: &mut Vec<Diagnostic>,
) -> Node {
    let origin = &source.origin;
    let place = origin.place_of(&table.name.span);
    let mut render = |text: &str| -> String {
        if is_template(text) {
            context.render_description(text, host, &place, found)
        } else {
            text.to_owned()
        }
    };
    let text_or = |value: &Option<Spanned<String>>, fallback: &str| {
        value
            .as_ref()
            .map_or(fallback.to_owned(), |value| value.value.clone())
    };
    let source_name = render(&source.name.value);
    let name = render(&table.name.value);
    let database = render(&text_or(&source.database, context.invocation.database()));
    let schema = render(&text_or(&source.schema, &source_name));
    let identifier = render(table.identifier.as_deref().unwrap_or(&name));
    let description = render(&table.description);
    let source_description = render(&source.description);
    let mut fqn = vec![package.name.clone()];
    fqn.extend(folders_of(package, &origin.path));
    fqn.extend([source_name.clone(), name.clone()]);
    let (mut config, mut written) =
        context.project_config(&package.name, ResourceType::Source, &fqn);
    let (mut tags, mut meta) = (Vec::new(), Map::new());
    for (block, own_tags, own_meta) in [
        (&source.config, &source.tags, &source.meta),
        (&table.config, &table.tags, &table.meta),
    ] {
        let beside = json!({"tags": own_tags, "meta": own_meta});
        for layer in [beside, Json::Object(block.values.clone())] {
            // dbt renders a properties file's sources before it keeps what was written.
            let Json::Object(mut layer) = context.render_value(&layer, host, &place, found) else {
                continue;
            };
            match layer.remove("tags") {
                Some(Json::Array(more)) => tags.extend(more),
                Some(tag @ Json::String(_)) => tags.push(tag),
                _ => {}
            }
            if let Some(Json::Object(more)) = layer.remove("meta") {
                meta.extend(more);
            }
            config.merge(&layer);
            written.extend(layer);
        }
    }
    tags.sort_by_key(Json::to_string);
    tags.dedup();
    // These count whether they are written or not: tags of the project file are replaced.
    let counted = Map::from_iter([
        ("tags".to_owned(), Json::Array(tags)),
        ("meta".to_owned(), Json::Object(meta)),
    ]);
    config.merge(&counted);
    written.extend(counted);
    context.root_config(
        &package.name,
        ResourceType::Source,
        &fqn,
        &mut config,
        &mut written,
    );
    let mut tags = config.tags();
    tags.sort();
    config.set("tags", json!(tags));
    let mut columns = IndexMap::new();
    for column in &table.columns {
        let column = describe_column(context, column, origin, host, found);
        columns.insert(column.name.clone(), column);
    }
    let mut relation = Relation::new(&database, &schema, &identifier);
    relation.quoting = with_quoting(
        with_quoting(
            context.project_quoting(),
            Some(&Json::Object(source.quoting.clone())),
        ),
        Some(&Json::Object(table.quoting.clone())),
    );
    let text_of = |key: &str, own: &Option<String>, outer: &Option<String>| {
        let of_block = |block: &ConfigBlock| {
            let text = block.values.get(key).and_then(Json::as_str);
            text.map(str::to_owned)
        };
        own.clone()
            .or_else(|| of_block(&table.config))
            .or_else(|| outer.clone())
            .or_else(|| of_block(&source.config))
    };
    let own_freshness = table
        .config
        .values
        .get("freshness")
        .or(table.freshness.as_ref());
    let outer_freshness = source
        .config
        .values
        .get("freshness")
        .or(source.freshness.as_ref());
    let is_described = own_freshness.is_some() || outer_freshness.is_some();
    let freshness = match (own_freshness, outer_freshness) {
        (Some(Json::Null), _) => Some(Json::Null),
        (Some(own), Some(Json::Object(outer))) => match own {
            Json::Object(own) => {
                let mut merged = outer.clone();
                merged.extend(own.clone());
                Some(Json::Object(merged))
            }
            other => Some(other.clone()),
        },
        (Some(own), _) => Some(own.clone()),
        // What the project file says counts where properties say nothing.
        (None, outer) => outer.or_else(|| config.written("freshness")).cloned(),
    };
    let details = Source {
        source_name: source_name.clone(),
        source_description,
        loader: source.loader.clone(),
        identifier: identifier.clone(),
        loaded_at_field: text_of(
            "loaded_at_field",
            &table.loaded_at_field,
            &source.loaded_at_field,
        ),
        loaded_at_query: text_of(
            "loaded_at_query",
            &table.loaded_at_query,
            &source.loaded_at_query,
        ),
        freshness,
        source_meta: {
            let mut meta = source.meta.clone();
            if let Some(Json::Object(more)) = source.config.get("meta") {
                meta.extend(more.clone());
            }
            Json::Object(meta)
        },
        external: table.external.clone(),
        quoting: {
            let mut quoting = source.quoting.clone();
            quoting.extend(table.quoting.clone());
            Json::Object(quoting)
        },
        unrendered_database: source.database.as_ref().map(|text| text.value.clone()),
        unrendered_schema: source.schema.as_ref().map(|text| text.value.clone()),
    };
    // dbt counts these as configuration, wherever they are written.
    if is_described {
        written.insert("freshness".to_owned(), details.freshness_record());
    }
    let counted = [
        ("loaded_at_field", json!(details.loaded_at_field)),
        ("loaded_at_query", json!(details.loaded_at_query)),
    ];
    written.extend(counted.map(|(key, value)| (key.to_owned(), value)));
    let id = format!("source.{}.{source_name}.{name}", package.name);
    let details = Details::Source(Box::new(details));
    Node {
        path: origin.path.to_string(),
        original_file_path: origin.path.to_string(),
        fqn,
        relation: Some(relation),
        database,
        schema,
        alias: identifier,
        config,
        unrendered_config: Json::Object(written),
        doc_blocks: context.doc_blocks(&table.description, &package.name),
        description,
        columns,
        ..Node::new(
            id,
            ResourceType::Source,
            &package.name,
            &name,
            details,
            place,
        )
    }
}

/// The folders between a resource folder and a file in it.
pub(super) fn folders_of(package: &Package, path: &str) -> Vec<String> {
    let roots = [
        &package.config.model_paths,
        &package.config.seed_paths,
        &package.config.snapshot_paths,
        &package.config.test_paths,
        &package.config.analysis_paths,
        &package.config.macro_paths,
    ];
    let below = roots
        .into_iter()
        .flatten()
        .find_map(|root| path.strip_prefix(root.as_str())?.strip_prefix('/'))
        .unwrap_or(path);
    let mut parts: Vec<String> = below.split('/').map(str::to_owned).collect();
    parts.pop();
    parts
}
