//! Models, seeds, snapshots, analyses, data tests and hooks in the manifest.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::graph::state::{contract_checksum, full_constraint};
use crate::parse::{Column, Details, GenericTest, Node, ResourceType, UniqueId};

use super::config::ConfigRecord;
use super::maps::{group_of, primary_key};
use super::{Compiled, RecordContext};

/// A node with exactly the keys that the schema gives its kind.
#[derive(Debug, Serialize)]
pub struct NodeRecord<'a> {
    database: &'a str,
    schema: &'a str,
    name: &'a str,
    resource_type: &'static str,
    package_name: &'a str,
    path: &'a str,
    original_file_path: &'a str,
    unique_id: &'a str,
    fqn: &'a [String],
    alias: &'a str,
    checksum: Checksum<'a>,
    config: ConfigRecord<'a>,
    tags: Vec<String>,
    description: &'a str,
    columns: Columns<'a>,
    meta: Json,
    group: Option<String>,
    docs: Docs,
    patch_path: Option<&'a str>,
    build_path: Option<&'a str>,
    unrendered_config: &'a Json,
    created_at: f64,
    relation_name: Option<String>,
    raw_code: &'a str,
    doc_blocks: &'a [String],
    #[serde(flatten)]
    code: Code<'a>,
    #[serde(flatten)]
    more: More<'a>,
}

impl<'a> NodeRecord<'a> {
    pub fn new(node: &'a Node, context: RecordContext<'a>) -> NodeRecord<'a> {
        let code = match &node.details {
            Details::Seed { .. } => Code::Seed(SeedPart {
                root_path: context.root_path,
                depends_on: MacroDependsOn {
                    macros: &node.depends_on_macros,
                },
            }),
            _ => Code::Sql(Box::new(SqlPart::new(node, context.compiled))),
        };
        let more = match &node.details {
            Details::Model => More::Model(Box::new(ModelPart::new(node, context))),
            Details::GenericTest(test) => More::GenericTest(Box::new(TestPart::new(node, test))),
            Details::Hook { index, .. } => More::Hook { index: *index },
            Details::Function(function) => More::Function {
                returns: &function.returns,
                arguments: &function.arguments,
                overloads: function
                    .overloads
                    .iter()
                    .map(|overload| {
                        json!({
                            "defined_in": overload.defined_in,
                            "arguments": overload.arguments,
                            "returns": overload.returns,
                            "raw_body": overload.template.code(),
                            "compiled_body": null,
                        })
                    })
                    .collect(),
            },
            _ => More::Nothing {},
        };
        let raw_code = match node.resource_type {
            ResourceType::Seed => "",
            ResourceType::Snapshot => node.template.code(),
            _ => node.template.code().trim(),
        };
        NodeRecord {
            database: &node.database,
            schema: &node.schema,
            name: &node.name,
            resource_type: node.resource_type.as_str(),
            package_name: &node.package_name,
            path: &node.path,
            original_file_path: &node.original_file_path,
            unique_id: node.unique_id.as_str(),
            fqn: &node.fqn,
            alias: &node.alias,
            checksum: Checksum::of(node),
            config: ConfigRecord(node),
            tags: node.tags(),
            description: &node.description,
            columns: Columns(&node.columns),
            meta: meta(node),
            group: group_of(context.graph, node).map(str::to_owned),
            docs: Docs::of(node),
            patch_path: node.patch_path.as_deref(),
            build_path: None,
            unrendered_config: object_or_empty(&node.unrendered_config),
            created_at: context.created_at,
            relation_name: node.relation_name(),
            raw_code,
            doc_blocks: &node.doc_blocks,
            code,
            more,
        }
    }
}

/// What follows the common keys, by how the node gets its rows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Code<'a> {
    Sql(Box<SqlPart<'a>>),
    Seed(SeedPart<'a>),
}

#[derive(Debug, Serialize)]
struct SeedPart<'a> {
    root_path: &'a str,
    depends_on: MacroDependsOn<'a>,
}

#[derive(Debug, Serialize)]
struct MacroDependsOn<'a> {
    macros: &'a [String],
}

#[derive(Debug, Serialize)]
struct SqlPart<'a> {
    language: &'static str,
    refs: Vec<RefRecord<'a>>,
    sources: Vec<[&'a str; 2]>,
    metrics: [&'a str; 0],
    functions: Vec<Vec<&'a str>>,
    depends_on: DependsOn<'a>,
    compiled_path: Option<&'a str>,
    #[serde(flatten)]
    compiled: Option<CompiledPart<'a>>,
    contract: Json,
}

/// Present once the node is compiled.
#[derive(Debug, Serialize)]
struct CompiledPart<'a> {
    compiled: bool,
    compiled_code: &'a str,
    extra_ctes_injected: bool,
    extra_ctes: [Json; 0],
}

impl<'a> SqlPart<'a> {
    fn new(node: &'a Node, compiled: Option<&'a Compiled>) -> SqlPart<'a> {
        let contract = node.config.get("contract");
        let is_true = |key: &str, default| {
            let value = contract.and_then(|contract| contract.get(key));
            value.and_then(Json::as_bool).unwrap_or(default)
        };
        SqlPart {
            language: node.language(),
            refs: refs(node),
            sources: sources(node),
            metrics: [],
            functions: functions(node),
            depends_on: DependsOn::of(node),
            compiled_path: compiled.and_then(|compiled| compiled.path.as_deref()),
            compiled: compiled.map(|compiled| CompiledPart {
                compiled: true,
                compiled_code: &compiled.code,
                extra_ctes_injected: true,
                extra_ctes: [],
            }),
            contract: json!({
                "enforced": is_true("enforced", false),
                "alias_types": is_true("alias_types", true),
                "checksum": contract_checksum(node),
            }),
        }
    }
}

/// What only one kind has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum More<'a> {
    Model(Box<ModelPart<'a>>),
    GenericTest(Box<TestPart<'a>>),
    Hook {
        index: usize,
    },
    Function {
        returns: &'a Json,
        arguments: &'a [Json],
        /// dbt has the key from version 1.12 on.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        overloads: Vec<Json>,
    },
    Nothing {},
}

#[derive(Debug, Serialize)]
struct ModelPart<'a> {
    access: &'a str,
    constraints: Vec<Json>,
    version: Option<&'a Json>,
    latest_version: Option<&'a Json>,
    deprecation_date: Option<&'a str>,
    primary_key: Vec<String>,
    time_spine: &'a Json,
}

impl<'a> ModelPart<'a> {
    fn new(node: &'a Node, context: RecordContext<'a>) -> ModelPart<'a> {
        let access = node.access.as_deref().or_else(|| node.config.str("access"));
        ModelPart {
            access: access.unwrap_or("protected"),
            constraints: node
                .constraints
                .iter()
                .map(|constraint| full_constraint(constraint, true))
                .collect(),
            version: node.version.as_ref(),
            latest_version: node.latest_version.as_ref(),
            deprecation_date: node.deprecation_date.as_deref(),
            primary_key: primary_key(context.graph, node),
            time_spine: &node.time_spine,
        }
    }
}

#[derive(Debug, Serialize)]
struct TestPart<'a> {
    column_name: Option<&'a str>,
    file_key_name: Option<String>,
    attached_node: Option<&'a UniqueId>,
    test_metadata: TestMetadata<'a>,
}

#[derive(Debug, Serialize)]
struct TestMetadata<'a> {
    name: &'a str,
    kwargs: &'a IndexMap<String, Json>,
    namespace: Option<&'a str>,
}

impl<'a> TestPart<'a> {
    fn new(node: &'a Node, test: &'a GenericTest) -> TestPart<'a> {
        TestPart {
            column_name: test.column.as_deref(),
            file_key_name: file_key_name(node, test),
            attached_node: test.attached_node.as_ref(),
            test_metadata: TestMetadata {
                name: &test.name,
                kwargs: &test.kwargs,
                namespace: test.namespace.as_deref(),
            },
        }
    }
}

/// The list in the properties file and the entry that declares the test: `models.orders` for
/// `model.shop.orders`, `sources.raw` for a table of source `raw`.
fn file_key_name(node: &Node, test: &GenericTest) -> Option<String> {
    let subject = test
        .attached_node
        .as_ref()
        .or_else(|| node.depends_on_nodes.last());
    let Some(subject) = subject else {
        // A test that is switched off depends on nothing.
        let source = &node.sources.last()?.source;
        return Some(format!("sources.{source}"));
    };
    let mut parts = subject.as_str().split('.');
    let kind = parts.next()?;
    let name = parts.nth(1)?;
    Some(format!("{kind}s.{name}"))
}

#[derive(Debug, Serialize)]
pub(super) struct Checksum<'a> {
    name: &'static str,
    checksum: &'a str,
}

impl<'a> Checksum<'a> {
    fn of(node: &'a Node) -> Checksum<'a> {
        let (name, checksum) = node.checksum_parts();
        Checksum { name, checksum }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Docs {
    show: bool,
    node_color: Option<String>,
}

impl Docs {
    fn of(node: &Node) -> Docs {
        let docs = node.config.get("docs");
        Docs {
            show: docs
                .and_then(|docs| docs.get("show"))
                .and_then(Json::as_bool)
                .unwrap_or(true),
            node_color: docs
                .and_then(|docs| docs.get("node_color"))
                .and_then(Json::as_str)
                .map(str::to_owned),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct RefRecord<'a> {
    name: &'a str,
    package: Option<&'a str>,
    version: Option<&'a Json>,
}

pub(super) fn refs(node: &Node) -> Vec<RefRecord<'_>> {
    node.refs
        .iter()
        .map(|call| RefRecord {
            name: &call.name,
            package: call.package.as_deref(),
            version: call.version.as_ref(),
        })
        .collect()
}

pub(super) fn sources(node: &Node) -> Vec<[&str; 2]> {
    node.sources
        .iter()
        .map(|call| [call.source.as_str(), call.table.as_str()])
        .collect()
}

fn functions(node: &Node) -> Vec<Vec<&str>> {
    node.functions
        .iter()
        .map(|call| {
            let package = call.package.as_deref();
            package.into_iter().chain([call.name.as_str()]).collect()
        })
        .collect()
}

#[derive(Debug, Serialize)]
pub(super) struct DependsOn<'a> {
    macros: &'a [String],
    nodes: &'a [UniqueId],
}

impl<'a> DependsOn<'a> {
    pub(super) fn of(node: &'a Node) -> DependsOn<'a> {
        DependsOn {
            macros: &node.depends_on_macros,
            nodes: &node.depends_on_nodes,
        }
    }
}

/// Documented columns by name.
#[derive(Debug)]
pub(super) struct Columns<'a>(pub(super) &'a IndexMap<String, Column>);

impl Serialize for Columns<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, column)| {
            let meta = object_or_empty(&column.meta);
            let constraints: Vec<Json> = column
                .constraints
                .iter()
                .map(|constraint| full_constraint(constraint, false))
                .collect();
            let record = json!({
                "name": column.name,
                "description": column.description,
                "meta": meta,
                "data_type": column.data_type,
                "constraints": constraints,
                "quote": column.quote,
                "config": {"meta": meta, "tags": column.tags},
                "tags": column.tags,
                "granularity": column.granularity,
                "doc_blocks": column.doc_blocks,
            });
            (name, record)
        }))
    }
}

pub(super) fn meta(node: &Node) -> Json {
    object_or_empty(node.config.get("meta").unwrap_or(&Json::Null)).clone()
}

/// The value where it is an object, an empty object otherwise.
pub(super) fn object_or_empty(value: &Json) -> &Json {
    static EMPTY: std::sync::LazyLock<Json> = std::sync::LazyLock::new(|| json!({}));
    if value.is_object() { value } else { &EMPTY }
}
