//! Sources, exposures, unit tests, macros, docs blocks and groups in the manifest.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::parse::{Node, Source, UnitTest, UnitTestRows};

use super::RecordContext;
use super::config::ConfigRecord;
use super::node::{Columns, DependsOn, RefRecord, meta, object_or_empty, refs, sources};

/// A macro of the project, of a package, or built in.
#[derive(Clone, Debug, Serialize)]
pub struct MacroRecord {
    pub name: String,
    resource_type: &'static str,
    pub package_name: String,
    pub path: String,
    pub original_file_path: String,
    pub unique_id: String,
    pub macro_sql: String,
    pub depends_on: MacroDependsOn,
    pub description: String,
    pub meta: Json,
    pub docs: Json,
    pub config: Json,
    pub patch_path: Option<String>,
    pub arguments: Vec<MacroArgument>,
    pub created_at: f64,
    pub supported_languages: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct MacroDependsOn {
    pub macros: Vec<String>,
}

/// A described parameter of a macro.
#[derive(Clone, Debug, Serialize)]
pub struct MacroArgument {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: Option<String>,
    pub description: String,
}

impl MacroRecord {
    /// A macro without description; the caller fills in what properties say.
    pub fn new(package: &str, name: &str, file: &str, macro_sql: &str) -> MacroRecord {
        let docs = json!({"show": true, "node_color": null});
        MacroRecord {
            name: name.to_owned(),
            resource_type: "macro",
            package_name: package.to_owned(),
            path: file.to_owned(),
            original_file_path: file.to_owned(),
            unique_id: format!("macro.{package}.{name}"),
            macro_sql: macro_sql.to_owned(),
            depends_on: MacroDependsOn::default(),
            description: String::new(),
            meta: json!({}),
            config: json!({"meta": {}, "docs": docs}),
            docs,
            patch_path: None,
            arguments: Vec::new(),
            created_at: super::seconds(jiff::Timestamp::now()),
            supported_languages: None,
        }
    }
}

/// A `{% docs %}` block.
#[derive(Clone, Debug, Serialize)]
pub struct DocRecord {
    pub name: String,
    resource_type: &'static str,
    pub package_name: String,
    pub path: String,
    pub original_file_path: String,
    pub unique_id: String,
    pub block_contents: String,
}

impl DocRecord {
    /// `path` is relative to the resource folder, `original_file_path` to the package.
    pub fn new(
        package: &str,
        name: &str,
        path: &str,
        original_file_path: &str,
        contents: &str,
    ) -> DocRecord {
        DocRecord {
            name: name.to_owned(),
            resource_type: "doc",
            package_name: package.to_owned(),
            path: path.to_owned(),
            original_file_path: original_file_path.to_owned(),
            unique_id: format!("doc.{package}.{name}"),
            block_contents: contents.trim().to_owned(),
        }
    }
}

/// A group of models with its owner.
#[derive(Clone, Debug, Serialize)]
pub struct GroupRecord {
    pub name: String,
    resource_type: &'static str,
    pub package_name: String,
    pub path: String,
    pub original_file_path: String,
    pub unique_id: String,
    pub owner: Json,
    pub description: Option<String>,
    pub config: Json,
}

impl GroupRecord {
    /// `path` is relative to the resource folder, `original_file_path` to the package.
    pub fn new(
        package: &str,
        name: &str,
        path: &str,
        original_file_path: &str,
        owner: &Json,
    ) -> GroupRecord {
        GroupRecord {
            name: name.to_owned(),
            resource_type: "group",
            package_name: package.to_owned(),
            path: path.to_owned(),
            original_file_path: original_file_path.to_owned(),
            unique_id: format!("group.{package}.{name}"),
            owner: object_or_empty(owner).clone(),
            description: None,
            config: json!({"meta": {}}),
        }
    }

    /// Adds what else properties say.
    pub fn described(mut self, description: Option<String>, meta: &Json) -> GroupRecord {
        self.description = description;
        self.config = json!({"meta": object_or_empty(meta)});
        self
    }
}

/// A source table.
#[derive(Debug, Serialize)]
pub struct SourceRecord<'a> {
    database: &'a str,
    schema: &'a str,
    name: &'a str,
    resource_type: &'static str,
    package_name: &'a str,
    path: &'a str,
    original_file_path: &'a str,
    unique_id: &'a str,
    fqn: &'a [String],
    source_name: &'a str,
    source_description: &'a str,
    loader: &'a str,
    identifier: &'a str,
    quoting: Json,
    loaded_at_field: Option<&'a str>,
    loaded_at_query: Option<&'a str>,
    freshness: Json,
    external: Option<&'a Json>,
    description: &'a str,
    columns: Columns<'a>,
    meta: Json,
    source_meta: &'a Json,
    tags: Vec<String>,
    config: ConfigRecord<'a>,
    patch_path: Option<&'a str>,
    unrendered_config: &'a Json,
    relation_name: Option<String>,
    created_at: f64,
    unrendered_database: Option<&'a str>,
    unrendered_schema: Option<&'a str>,
    doc_blocks: &'a [String],
}

impl<'a> SourceRecord<'a> {
    pub(super) fn new(
        node: &'a Node,
        source: &'a Source,
        context: RecordContext<'a>,
    ) -> SourceRecord<'a> {
        SourceRecord {
            database: &node.database,
            schema: &node.schema,
            name: &node.name,
            resource_type: "source",
            package_name: &node.package_name,
            path: &node.original_file_path,
            original_file_path: &node.original_file_path,
            unique_id: node.unique_id.as_str(),
            fqn: &node.fqn,
            source_name: &source.source_name,
            source_description: &source.source_description,
            loader: &source.loader,
            identifier: &source.identifier,
            quoting: source.quoting_record(),
            loaded_at_field: source.loaded_at_field.as_deref(),
            loaded_at_query: source.loaded_at_query.as_deref(),
            freshness: source.freshness_record(),
            external: source
                .external
                .as_ref()
                .filter(|external| external.is_object()),
            description: &node.description,
            columns: Columns(&node.columns),
            meta: meta(node),
            source_meta: object_or_empty(&source.source_meta),
            tags: node.config.tags(),
            config: ConfigRecord(node),
            patch_path: node.patch_path.as_deref(),
            unrendered_config: object_or_empty(&node.unrendered_config),
            relation_name: node.relation_name(),
            created_at: context.created_at,
            unrendered_database: source.unrendered_database.as_deref(),
            unrendered_schema: source.unrendered_schema.as_deref(),
            doc_blocks: &node.doc_blocks,
        }
    }
}

/// A dashboard, report or other use of models.
#[derive(Debug, Serialize)]
pub struct ExposureRecord<'a> {
    name: &'a str,
    resource_type: &'static str,
    package_name: &'a str,
    path: &'a str,
    original_file_path: &'a str,
    unique_id: &'a str,
    fqn: &'a [String],
    #[serde(rename = "type")]
    exposure_type: &'a str,
    owner: &'a Json,
    description: &'a str,
    label: Option<&'a str>,
    maturity: Option<&'a str>,
    meta: Json,
    tags: Vec<String>,
    config: ConfigRecord<'a>,
    unrendered_config: &'a Json,
    url: Option<&'a str>,
    depends_on: DependsOn<'a>,
    refs: Vec<RefRecord<'a>>,
    sources: Vec<[&'a str; 2]>,
    metrics: Vec<Vec<&'a str>>,
    created_at: f64,
}

impl<'a> ExposureRecord<'a> {
    pub(super) fn new(
        node: &'a Node,
        exposure: &'a Json,
        context: RecordContext<'a>,
    ) -> ExposureRecord<'a> {
        let text = |key: &str| exposure.get(key).and_then(Json::as_str);
        ExposureRecord {
            name: &node.name,
            resource_type: "exposure",
            package_name: &node.package_name,
            path: &node.path,
            original_file_path: &node.original_file_path,
            unique_id: node.unique_id.as_str(),
            fqn: &node.fqn,
            exposure_type: text("type").unwrap_or("application"),
            owner: object_or_empty(exposure.get("owner").unwrap_or(&Json::Null)),
            description: &node.description,
            label: text("label"),
            maturity: text("maturity"),
            meta: meta(node),
            tags: node.config.tags(),
            config: ConfigRecord(node),
            unrendered_config: object_or_empty(&node.unrendered_config),
            url: text("url"),
            depends_on: DependsOn::of(node),
            refs: refs(node),
            sources: sources(node),
            metrics: node
                .metrics
                .iter()
                .map(|call| {
                    let package = call.package.as_deref();
                    package.into_iter().chain([call.name.as_str()]).collect()
                })
                .collect(),
            created_at: context.created_at,
        }
    }
}

/// A unit test.
#[derive(Debug, Serialize)]
pub struct UnitTestRecord<'a> {
    model: &'a str,
    given: Vec<GivenRecord<'a>>,
    expect: ExpectRecord<'a>,
    name: &'a str,
    resource_type: &'static str,
    package_name: &'a str,
    path: &'a str,
    original_file_path: &'a str,
    unique_id: &'a str,
    fqn: &'a [String],
    description: &'a str,
    overrides: Option<Json>,
    depends_on: DependsOn<'a>,
    config: ConfigRecord<'a>,
    checksum: &'a str,
    schema: &'a str,
    created_at: f64,
    versions: Option<Json>,
    version: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
struct GivenRecord<'a> {
    input: &'a str,
    #[serde(flatten)]
    rows: ExpectRecord<'a>,
}

#[derive(Debug, Serialize)]
struct ExpectRecord<'a> {
    rows: &'a Json,
    format: &'a str,
    fixture: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cte: Option<&'a str>,
}

impl<'a> ExpectRecord<'a> {
    fn of(rows: &'a UnitTestRows) -> ExpectRecord<'a> {
        ExpectRecord {
            rows: &rows.rows,
            format: &rows.format,
            fixture: rows.fixture.as_deref(),
            cte: rows.cte.as_deref(),
        }
    }
}

impl<'a> UnitTestRecord<'a> {
    pub(super) fn new(
        node: &'a Node,
        test: &'a UnitTest,
        context: RecordContext<'a>,
    ) -> UnitTestRecord<'a> {
        let tested = test.tested_node.as_ref();
        let tested = tested.and_then(|id| context.graph.nodes.get(id));
        UnitTestRecord {
            model: &test.model,
            given: test
                .given
                .iter()
                .map(|rows| GivenRecord {
                    input: &rows.input,
                    rows: ExpectRecord::of(rows),
                })
                .collect(),
            expect: ExpectRecord::of(&test.expect),
            name: &node.name,
            resource_type: "unit_test",
            package_name: &node.package_name,
            path: &node.path,
            original_file_path: &node.original_file_path,
            unique_id: node.unique_id.as_str(),
            fqn: &node.fqn,
            description: &node.description,
            overrides: overrides(&test.overrides),
            depends_on: DependsOn::of(node),
            config: ConfigRecord(node),
            checksum: &node.checksum,
            schema: tested.map_or(node.schema.as_str(), |tested| &tested.schema),
            created_at: context.created_at,
            versions: test.versions.clone(),
            version: test.version.as_ref(),
        }
    }
}

/// Null where nothing is overridden.
fn overrides(overrides: &Json) -> Option<Json> {
    let keys = ["macros", "vars", "env_vars"];
    let parts = keys.map(|key| object_or_empty(overrides.get(key).unwrap_or(&Json::Null)));
    let has_any = parts
        .iter()
        .any(|part| part.as_object().is_some_and(|part| !part.is_empty()));
    has_any.then(|| {
        let pairs = keys.into_iter().zip(parts);
        pairs
            .map(|(key, part)| (key.to_owned(), part.clone()))
            .collect()
    })
}
