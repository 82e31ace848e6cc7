//! One thing of a project that can be named, selected and depended on.
//!
//! Parse fills a node in; linking adds `depends_on`. A node still holds its template.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use msv_diagnostics::Place;
use msv_relation::Relation;

use super::config::Config;

/// dbt's id of a node: `model.package.name`, `source.package.source.table`, …
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UniqueId(Arc<str>);

impl UniqueId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        UniqueId(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for UniqueId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceType {
    Model,
    Seed,
    Snapshot,
    Analysis,
    Test,
    UnitTest,
    Source,
    Exposure,
    Operation,
    Function,
    Metric,
    SemanticModel,
    SavedQuery,
}

impl ResourceType {
    pub const ALL: [ResourceType; 13] = [
        ResourceType::Model,
        ResourceType::Seed,
        ResourceType::Snapshot,
        ResourceType::Analysis,
        ResourceType::Test,
        ResourceType::UnitTest,
        ResourceType::Source,
        ResourceType::Exposure,
        ResourceType::Operation,
        ResourceType::Function,
        ResourceType::Metric,
        ResourceType::SemanticModel,
        ResourceType::SavedQuery,
    ];

    /// True for what a manifest keeps under `nodes`.
    pub fn is_plain(self) -> bool {
        matches!(
            self,
            ResourceType::Model
                | ResourceType::Seed
                | ResourceType::Snapshot
                | ResourceType::Analysis
                | ResourceType::Test
        )
    }

    /// dbt's word, as in `resource_type` of the artifacts and in `--resource-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceType::Model => "model",
            ResourceType::Seed => "seed",
            ResourceType::Snapshot => "snapshot",
            ResourceType::Analysis => "analysis",
            ResourceType::Test => "test",
            ResourceType::UnitTest => "unit_test",
            ResourceType::Source => "source",
            ResourceType::Exposure => "exposure",
            ResourceType::Operation => "operation",
            ResourceType::Function => "function",
            ResourceType::Metric => "metric",
            ResourceType::SemanticModel => "semantic_model",
            ResourceType::SavedQuery => "saved_query",
        }
    }

    /// True for what `ref()` may name.
    pub fn is_refable(self) -> bool {
        matches!(
            self,
            ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot
        )
    }
}

/// The template of a node: `span` of the file's text (the whole file for a model).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub file: Arc<str>,
    pub text: Arc<str>,
    pub span: Range<usize>,
}

impl Template {
    pub fn code(&self) -> &str {
        &self.text[self.span.clone()]
    }
}

/// A call of `ref()` in a template, with the place where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefCall {
    pub package: Option<String>,
    pub name: String,
    pub version: Option<Json>,
    pub place: Place,
}

/// A call of `source()` in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCall {
    pub source: String,
    pub table: String,
    pub place: Place,
}

/// A call of `function()` in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCall {
    pub package: Option<String>,
    pub name: String,
    pub place: Place,
}

/// A call of `metric()` in what an exposure depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricCall {
    pub package: Option<String>,
    pub name: String,
    pub place: Place,
}

/// A semantic model, a metric or a saved query.
#[derive(Clone, Debug, PartialEq)]
pub struct Semantic {
    /// The keys that artifacts have of this kind alone.
    pub record: Json,
    /// The names in the record: an element's own, or one that stands for something elsewhere.
    pub names: Vec<SemanticName>,
}

impl Semantic {
    /// The names of one kind.
    pub fn names(&self, kind: NameKind) -> impl Iterator<Item = &SemanticName> {
        self.names.iter().filter(move |name| name.kind == kind)
    }
}

/// A name in a [`Semantic`] record and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SemanticName {
    pub kind: NameKind,
    pub name: String,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    Entity,
    Dimension,
    Measure,
    Metric,
    GroupBy,
    OrderBy,
}

/// What properties say of a user-defined function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// From the file's extension: `sql`, `python` or `javascript`.
    pub language: &'static str,
    /// Objects with `name`, `data_type`, `description` and `default_value`.
    pub arguments: Vec<Json>,
    /// An object with `data_type` and `description`; null where nothing declares it.
    pub returns: Json,
    /// Functions of the same name for other arguments.
    pub overloads: Vec<Overload>,
}

/// One more function of a name: the server takes the one whose arguments fit a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Overload {
    /// The name of its file.
    pub defined_in: String,
    pub template: Template,
    pub arguments: Vec<Json>,
    pub returns: Json,
}

/// A documented column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    pub name: String,
    pub description: String,
    pub data_type: Option<String>,
    pub quote: Option<bool>,
    pub tags: Vec<String>,
    pub meta: Json,
    pub constraints: Vec<Json>,
    /// The grain of a time spine's column: `day`.
    pub granularity: Option<String>,
    /// Ids of the docs blocks its description is made of.
    pub doc_blocks: Vec<String>,
}

/// Whether an on-run hook runs before or after the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookTime {
    RunStart,
    RunEnd,
}

/// A test declared in properties: `name` is the test's macro without `test_`.
#[derive(Clone, Debug, PartialEq)]
pub struct GenericTest {
    pub name: String,
    pub namespace: Option<String>,
    /// The macro's arguments as written, `model` included (`{{ get_where_subquery(ref('x')) }}`).
    pub kwargs: IndexMap<String, Json>,
    pub column: Option<String>,
    /// Tags of the column, which select the test too.
    pub declared_tags: Vec<String>,
    pub attached_node: Option<UniqueId>,
}

/// One table of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub source_name: String,
    pub source_description: String,
    pub loader: String,
    pub identifier: String,
    pub loaded_at_field: Option<String>,
    pub loaded_at_query: Option<String>,
    pub freshness: Option<Json>,
    pub source_meta: Json,
    pub external: Option<Json>,
    /// The table's `quoting` over the source's.
    pub quoting: Json,
    /// Database and schema as written, where they are.
    pub unrendered_database: Option<String>,
    pub unrendered_schema: Option<String>,
}

impl Source {
    /// The quoting as artifacts write it: every key, null where nothing is said.
    pub fn quoting_record(&self) -> Json {
        let part = |key: &str| self.quoting.get(key).cloned().unwrap_or_default();
        serde_json::json!({
            "database": part("database"),
            "schema": part("schema"),
            "identifier": part("identifier"),
            "column": part("column"),
        })
    }

    /// Both thresholds and the filter as artifacts write them, null where they are not written.
    pub fn freshness_record(&self) -> Json {
        let freshness = self.freshness.as_ref();
        if freshness.is_some_and(Json::is_null) {
            return Json::Null;
        }
        let threshold = |key: &str| {
            let written = freshness.and_then(|freshness| freshness.get(key));
            let part = |key: &str| {
                let part = written.and_then(|written| written.get(key));
                part.cloned().unwrap_or_default()
            };
            serde_json::json!({"count": part("count"), "period": part("period")})
        };
        let filter = freshness.and_then(|freshness| freshness.get("filter"));
        serde_json::json!({
            "warn_after": threshold("warn_after"),
            "error_after": threshold("error_after"),
            "filter": filter.cloned().unwrap_or_default(),
        })
    }
}

/// Rows given to, or expected of, a unit test.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitTestRows {
    /// The template of the input, such as `ref('orders')`; empty for the expectation.
    pub input: String,
    /// `dict`, `csv` or `sql`.
    pub format: String,
    pub rows: Json,
    pub fixture: Option<String>,
    /// The CTE of the model that holds the expected rows; `None` for its result.
    pub cte: Option<String>,
    pub place: Place,
}

/// dbt's unit test: inputs by hand, and the rows a model must make of them.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitTest {
    pub model: String,
    pub version: Option<Json>,
    /// The tested node; filled in by linking.
    pub tested_node: Option<UniqueId>,
    pub given: Vec<UnitTestRows>,
    pub expect: UnitTestRows,
    pub overrides: Json,
    /// The instant at which the clock stands.
    pub now: Option<Timestamp>,
    /// The versions of the model that are tested, as written.
    pub versions: Option<Json>,
}

/// What only one kind of node has.
#[derive(Clone, Debug, PartialEq)]
pub enum Details {
    Model,
    /// `path` is where the CSV lies on disk.
    Seed {
        path: std::path::PathBuf,
    },
    Snapshot,
    Analysis,
    SingularTest,
    GenericTest(GenericTest),
    UnitTest(Box<UnitTest>),
    Source(Box<Source>),
    Exposure(Json),
    Function(Box<Function>),
    Metric(Box<Semantic>),
    SemanticModel(Box<Semantic>),
    SavedQuery(Box<Semantic>),
    Hook {
        when: HookTime,
        index: usize,
    },
}

/// One model, seed, snapshot, test, source, exposure, metric or hook.
#[derive(Clone, Debug)]
pub struct Node {
    pub unique_id: UniqueId,
    pub resource_type: ResourceType,
    pub name: String,
    pub package_name: String,
    /// Relative to the resource folder: `marts/fct_alerts.sql`.
    pub path: String,
    /// Relative to the package folder: `models/marts/fct_alerts.sql`.
    pub original_file_path: String,
    pub fqn: Vec<String>,
    /// Where the node is built; `None` for ephemeral models, tests that store nothing, hooks.
    pub relation: Option<Relation>,
    pub database: String,
    pub schema: String,
    pub alias: String,
    pub template: Template,
    pub checksum: String,
    pub config: Config,
    /// What was written in properties, before rendering, for the manifest.
    pub unrendered_config: Json,
    pub description: String,
    /// Ids of the docs blocks the description is made of.
    pub doc_blocks: Vec<String>,
    pub columns: IndexMap<String, Column>,
    /// `package://path` of the properties file that describes the node.
    pub patch_path: Option<String>,
    pub refs: Vec<RefCall>,
    pub sources: Vec<SourceCall>,
    pub functions: Vec<FunctionCall>,
    pub metrics: Vec<MetricCall>,
    pub depends_on_nodes: Vec<UniqueId>,
    pub depends_on_macros: Vec<String>,
    pub version: Option<Json>,
    pub latest_version: Option<Json>,
    pub access: Option<String>,
    pub group: Option<String>,
    pub deprecation_date: Option<String>,
    pub constraints: Vec<Json>,
    /// Which column of a model is a calendar, with its own grains; null for most models.
    pub time_spine: Json,
    pub details: Details,
    /// Where a mistake about the node as a whole is shown.
    pub place: Place,
}

impl Node {
    /// The language that the node is written in.
    pub fn language(&self) -> &'static str {
        match &self.details {
            Details::Function(function) => function.language,
            Details::Model if self.original_file_path.ends_with(".py") => "python",
            _ => "sql",
        }
    }

    /// A node with nothing but its identity: no folders, no configuration, no template.
    pub fn new(
        unique_id: String,
        resource_type: ResourceType,
        package_name: &str,
        name: &str,
        details: Details,
        place: Place,
    ) -> Self {
        Node {
            unique_id: UniqueId::new(unique_id),
            resource_type,
            name: name.to_owned(),
            package_name: package_name.to_owned(),
            path: String::new(),
            original_file_path: String::new(),
            fqn: Vec::new(),
            relation: None,
            database: String::new(),
            schema: String::new(),
            alias: String::new(),
            template: Template {
                file: "".into(),
                text: "".into(),
                span: 0..0,
            },
            checksum: String::new(),
            config: Config::default(),
            unrendered_config: Json::Object(serde_json::Map::new()),
            description: String::new(),
            doc_blocks: Vec::new(),
            columns: IndexMap::new(),
            patch_path: None,
            refs: Vec::new(),
            sources: Vec::new(),
            functions: Vec::new(),
            metrics: Vec::new(),
            depends_on_nodes: Vec::new(),
            depends_on_macros: Vec::new(),
            version: None,
            latest_version: None,
            access: None,
            group: None,
            deprecation_date: None,
            constraints: Vec::new(),
            time_spine: Json::Null,
            details,
            place,
        }
    }

    /// What a semantic model, a metric or a saved query is made of.
    pub fn semantic(&self) -> Option<&Semantic> {
        match &self.details {
            Details::Metric(semantic)
            | Details::SemanticModel(semantic)
            | Details::SavedQuery(semantic) => Some(semantic),
            _ => None,
        }
    }

    /// The same, to be completed by linking.
    pub fn semantic_mut(&mut self) -> Option<&mut Semantic> {
        match &mut self.details {
            Details::Metric(semantic)
            | Details::SemanticModel(semantic)
            | Details::SavedQuery(semantic) => Some(semantic),
            _ => None,
        }
    }

    /// The tags that select the node: its own, those of the column it tests, and for a hook the
    /// key of the project file it stands under.
    pub fn tags(&self) -> Vec<String> {
        let mut tags = self.config.tags();
        match &self.details {
            Details::GenericTest(test) => {
                let mut first = test.declared_tags.clone();
                first.extend(
                    tags.into_iter()
                        .filter(|tag| !test.declared_tags.contains(tag)),
                );
                tags = first;
            }
            Details::Metric(semantic) | Details::SavedQuery(semantic) => {
                let own = semantic.record["tags"].as_array().into_iter().flatten();
                for tag in own.filter_map(Json::as_str) {
                    if !tags.iter().any(|known| known == tag) {
                        tags.push(tag.to_owned());
                    }
                }
            }
            Details::Hook { when, .. } => tags.push(match when {
                HookTime::RunStart => "on-run-start".to_owned(),
                HookTime::RunEnd => "on-run-end".to_owned(),
            }),
            _ => {}
        }
        tags
    }

    /// What a checksum is of, and the checksum: a seed too large to be read is known by its path.
    pub fn checksum_parts(&self) -> (&'static str, &str) {
        let is_generic = matches!(self.details, Details::GenericTest(_));
        if self.checksum.is_empty() || is_generic {
            ("none", "")
        } else if self.resource_type == ResourceType::Seed
            && self.checksum == self.original_file_path
        {
            ("path", &self.checksum)
        } else {
            ("sha256", &self.checksum)
        }
    }

    pub fn is_ephemeral(&self) -> bool {
        self.resource_type == ResourceType::Model && self.config.materialized() == "ephemeral"
    }

    /// `db.schema.alias` quoted, as artifacts name the relation.
    ///
    /// A function has a place, but is no relation to anybody who reads artifacts.
    pub fn relation_name(&self) -> Option<String> {
        let relation = self.relation.as_ref()?;
        (self.resource_type != ResourceType::Function).then(|| relation.to_string())
    }

    /// The name a person types: with the version for a versioned model or the unit test of one.
    pub fn search_name(&self) -> String {
        if let Details::UnitTest(test) = &self.details {
            return match &test.version {
                Some(Json::String(version)) => format!("{}_v{version}", self.name),
                Some(version) => format!("{}_v{version}", self.name),
                None => self.name.clone(),
            };
        }
        match &self.version {
            Some(Json::String(version)) => format!("{}.v{version}", self.name),
            Some(version) => format!("{}.v{version}", self.name),
            None => self.name.clone(),
        }
    }
}
