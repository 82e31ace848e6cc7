//! Builds nodes by hand, for tests that need a graph and no files.

use std::sync::Arc;

use indexmap::IndexMap;
use msv::diagnostics::Place;
use msv::graph::{Graph, LinkOptions, link};
use msv::parse::{
    Config, Details, GenericTest, Node, RefCall, ResourceType, Source, SourceCall, Template,
    UniqueId, UnitTest, UnitTestRows,
};
use msv::relation::Relation;
use serde_json::{Value as Json, json};

pub(crate) const PACKAGE: &str = "shop";

/// A node of the package `shop`; `path` is below its resource folder.
pub(crate) fn node(resource_type: ResourceType, path: &str, text: &str) -> Node {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let name = file_name.split('.').next().unwrap_or(file_name).to_owned();
    let folder = match resource_type {
        ResourceType::Seed => "seeds",
        ResourceType::Test => "tests",
        _ => "models",
    };
    let original_file_path = format!("{folder}/{path}");
    let mut fqn = vec![PACKAGE.to_owned()];
    fqn.extend(path.split('/').map(str::to_owned));
    fqn.pop();
    fqn.push(name.clone());
    let details = match resource_type {
        ResourceType::Seed => Details::Seed {
            path: original_file_path.clone().into(),
        },
        ResourceType::Snapshot => Details::Snapshot,
        ResourceType::Test => Details::SingularTest,
        ResourceType::Analysis => Details::Analysis,
        ResourceType::Exposure => Details::Exposure(json!({"type": "dashboard"})),
        _ => Details::Model,
    };
    let mut config = Config::default();
    config.set("materialized", default_materialization(resource_type));
    Node {
        unique_id: UniqueId::new(format!("{}.{PACKAGE}.{name}", resource_type.as_str())),
        resource_type,
        relation: resource_type
            .is_refable()
            .then(|| Relation::new("db", "public", &name)),
        alias: name.clone(),
        package_name: PACKAGE.to_owned(),
        path: path.to_owned(),
        fqn,
        database: "db".to_owned(),
        schema: "public".to_owned(),
        template: Template {
            file: original_file_path.as_str().into(),
            text: text.into(),
            span: 0..text.len(),
        },
        checksum: "0".repeat(64),
        config,
        unrendered_config: json!({}),
        description: String::new(),
        doc_blocks: Vec::new(),
        columns: IndexMap::new(),
        patch_path: None,
        refs: Vec::new(),
        functions: Vec::new(),
        sources: Vec::new(),
        metrics: Vec::new(),
        depends_on_nodes: Vec::new(),
        depends_on_macros: Vec::new(),
        version: None,
        latest_version: None,
        access: None,
        group: None,
        deprecation_date: None,
        constraints: Vec::new(),
        time_spine: json!(null),
        details,
        place: Place::new(original_file_path.as_str(), text, 0..text.len().min(1)),
        original_file_path,
        name,
    }
}

fn default_materialization(resource_type: ResourceType) -> Json {
    match resource_type {
        ResourceType::Seed => "seed",
        ResourceType::Snapshot => "snapshot",
        ResourceType::Test => "test",
        _ => "view",
    }
    .into()
}

/// A model whose text asks for `refs`, one a line.
pub(crate) fn model(path: &str, refs: &[&str]) -> Node {
    let lines: Vec<String> = refs
        .iter()
        .map(|name| format!("{{{{ ref('{name}') }}}}\n"))
        .collect();
    let text = match refs {
        [] => "select 1 as id\n".to_owned(),
        _ => lines.concat(),
    };
    let mut node = node(ResourceType::Model, path, &text);
    add_refs(&mut node, refs);
    node
}

/// A singular test of `refs`.
pub(crate) fn singular_test(path: &str, refs: &[&str]) -> Node {
    Node {
        resource_type: ResourceType::Test,
        relation: None,
        details: Details::SingularTest,
        ..renamed(model(path, refs), ResourceType::Test)
    }
}

/// A generic test such as `not_null`, declared on `model`, that looks at `others` as well.
pub(crate) fn generic_test(macro_name: &str, on: &str, column: &str, others: &[&str]) -> Node {
    let mut refs = others.to_vec();
    refs.push(on);
    let mut node = renamed(
        model(&format!("{macro_name}_{on}_{column}.sql"), &refs),
        ResourceType::Test,
    );
    node.relation = None;
    node.unique_id = UniqueId::new(format!("{}.0123456789", node.unique_id));
    let mut kwargs = IndexMap::new();
    kwargs.insert("column_name".to_owned(), json!(column));
    kwargs.insert(
        "model".to_owned(),
        json!(format!("{{{{ get_where_subquery(ref('{on}')) }}}}")),
    );
    node.details = Details::GenericTest(GenericTest {
        declared_tags: Vec::new(),
        name: macro_name.to_owned(),
        namespace: None,
        kwargs,
        column: Some(column.to_owned()),
        attached_node: Some(UniqueId::new(format!("model.{PACKAGE}.{on}"))),
    });
    node
}

/// A unit test of `model` with one row in and one row out.
pub(crate) fn unit_test(name: &str, tested: &str) -> Node {
    let mut node = node(
        ResourceType::UnitTest,
        &format!("{name}.yml"),
        "unit_tests:\n",
    );
    let rows = |input: &str| UnitTestRows {
        cte: None,
        input: input.to_owned(),
        format: "dict".to_owned(),
        rows: json!([{"id": 1}]),
        fixture: None,
        place: node.place.clone(),
    };
    let details = UnitTest {
        now: None,
        versions: None,
        model: tested.to_owned(),
        version: None,
        tested_node: None,
        given: vec![rows("ref('raw_orders')")],
        expect: rows(""),
        overrides: Json::Null,
    };
    node.unique_id = UniqueId::new(format!("unit_test.{PACKAGE}.{tested}.{name}"));
    node.details = Details::UnitTest(Box::new(details));
    node.config = Config::default();
    node
}

/// A table of a source.
pub(crate) fn source(source_name: &str, table: &str) -> Node {
    let mut node = node(ResourceType::Source, "sources.yml", "sources:\n");
    node.name = table.to_owned();
    node.unique_id = UniqueId::new(format!("source.{PACKAGE}.{source_name}.{table}"));
    node.fqn = vec![PACKAGE.into(), source_name.into(), table.into()];
    node.relation = Some(Relation::new("db", source_name, table));
    node.config = Config::default();
    node.details = Details::Source(Box::new(Source {
        source_name: source_name.to_owned(),
        source_description: String::new(),
        loader: String::new(),
        identifier: table.to_owned(),
        loaded_at_field: None,
        loaded_at_query: None,
        freshness: None,
        source_meta: json!({}),
        external: None,
        quoting: json!({}),
        unrendered_database: None,
        unrendered_schema: None,
    }));
    node
}

/// An exposure of `refs`.
pub(crate) fn exposure(name: &str, refs: &[&str]) -> Node {
    let mut node = node(
        ResourceType::Exposure,
        &format!("{name}.yml"),
        "exposures:\n",
    );
    node.details = Details::Exposure(json!({
        "type": "dashboard",
        "owner": {"name": "Desk", "email": "desk@example.com"},
        "label": "Alert board",
        "maturity": "high",
        "url": "https://example.com/board",
    }));
    node.config = Config::default();
    add_refs(&mut node, refs);
    node
}

/// Makes the node ask for a source table.
pub(crate) fn with_source(mut node: Node, source: &str, table: &str) -> Node {
    node.sources.push(SourceCall {
        source: source.to_owned(),
        table: table.to_owned(),
        place: node.place.clone(),
    });
    node
}

pub(crate) fn with_config(mut node: Node, key: &str, value: Json) -> Node {
    node.config.set(key, value);
    node
}

/// A version of a model: `orders`, 2, latest 3.
pub(crate) fn with_version(mut node: Node, version: i64, latest: i64) -> Node {
    node.unique_id = UniqueId::new(format!("model.{PACKAGE}.{}.v{version}", node.name));
    node.fqn.push(format!("v{version}"));
    node.alias = format!("{}_v{version}", node.name);
    node.relation = Some(Relation::new("db", "public", &node.alias));
    node.version = Some(json!(version));
    node.latest_version = Some(json!(latest));
    node
}

fn renamed(mut node: Node, resource_type: ResourceType) -> Node {
    node.unique_id = UniqueId::new(format!(
        "{}.{PACKAGE}.{}",
        resource_type.as_str(),
        node.name
    ));
    node.resource_type = resource_type;
    node.config
        .set("materialized", default_materialization(resource_type));
    node
}

fn add_refs(node: &mut Node, refs: &[&str]) {
    let text = node.template.text.clone();
    for name in refs {
        let needle = format!("ref('{name}')");
        let start = text.find(&needle).unwrap_or(0);
        let end = (start + needle.len()).min(text.len());
        node.refs.push(RefCall {
            package: None,
            name: (*name).to_owned(),
            version: None,
            place: Place::new(node.template.file.clone(), text.clone(), start..end),
        });
    }
}

/// Links what must link.
pub(crate) fn linked(nodes: Vec<Node>) -> Graph {
    match link(
        nodes.into_iter().map(Arc::new).collect(),
        &LinkOptions::of(PACKAGE),
    ) {
        Ok(graph) => graph,
        Err(mistakes) => panic!("{}", shown(&mistakes)),
    }
}

/// Diagnostics as a person reads them, a blank line between.
pub(crate) fn shown(diagnostics: &[msv::diagnostics::Diagnostic]) -> String {
    let texts: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.render(false))
        .collect();
    texts.join("\n\n")
}
