//! Reads properties files: what people say about models, sources, tests and the rest.
//!
//! Text with Jinja stays as it is written; `ref()` and `doc()` in it are rendered when the nodes
//! they name are known.

mod column;
mod data_test;
mod date;
mod metric;
mod model;
mod other;
mod saved_query;
mod semantic_model;
mod source;
mod unit_test;

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::fields::{Fields, Unknown};
use crate::mistake;
use crate::node::{Document, Node};
use msv_diagnostics::{Diagnostic, Place, closest};

pub use column::ColumnProperties;
pub use data_test::{TEST_CONFIG_KEYS, TestProperties};
pub use metric::{MetricProperties, TIME_GRANULARITIES};
pub use model::{ModelProperties, VersionProperties};
pub use other::{ArgumentProperties, ExposureProperties, GroupProperties, MacroProperties};
pub use saved_query::{ExportProperties, SavedQueryProperties};
pub use semantic_model::{ElementProperties, SemanticModelProperties};
pub use source::{SourceProperties, SourceTableProperties};
pub use unit_test::{FixtureFormat, FixtureProperties, GivenProperties, UnitTestProperties};

/// Everything the properties files of a package declare, in file order.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    pub models: Vec<ModelProperties>,
    pub seeds: Vec<ModelProperties>,
    pub snapshots: Vec<ModelProperties>,
    pub analyses: Vec<ModelProperties>,
    /// Words about singular tests.
    pub data_tests: Vec<ModelProperties>,
    pub macros: Vec<MacroProperties>,
    /// One element a source, its tables inside.
    pub sources: Vec<SourceProperties>,
    pub unit_tests: Vec<UnitTestProperties>,
    pub exposures: Vec<ExposureProperties>,
    pub groups: Vec<GroupProperties>,
    pub metrics: Vec<MetricProperties>,
    pub semantic_models: Vec<SemanticModelProperties>,
    pub saved_queries: Vec<SavedQueryProperties>,
    pub functions: Vec<ModelProperties>,
}

impl Properties {
    pub(super) fn append(&mut self, mut other: Properties) {
        self.models.append(&mut other.models);
        self.seeds.append(&mut other.seeds);
        self.snapshots.append(&mut other.snapshots);
        self.analyses.append(&mut other.analyses);
        self.data_tests.append(&mut other.data_tests);
        self.macros.append(&mut other.macros);
        self.sources.append(&mut other.sources);
        self.unit_tests.append(&mut other.unit_tests);
        self.exposures.append(&mut other.exposures);
        self.groups.append(&mut other.groups);
        self.metrics.append(&mut other.metrics);
        self.semantic_models.append(&mut other.semantic_models);
        self.saved_queries.append(&mut other.saved_queries);
        self.functions.append(&mut other.functions);
    }
}

/// Where an entry is written.
#[derive(Clone, Debug)]
pub struct Origin {
    /// File and text; its tree is gone.
    pub document: Arc<Document>,
    /// The file, relative to its package's folder.
    pub path: Arc<str>,
    pub span: Range<usize>,
}

impl Origin {
    /// The entry's first line.
    pub fn place(&self) -> Place {
        mistake::first_line(&self.document, &self.span)
    }

    /// Points at a part of the same file.
    pub fn place_of(&self, span: &Range<usize>) -> Place {
        self.document.place(span)
    }
}

/// A `config:` block, and the keys beside it that dbt counts to it (`meta`, `group`, …).
#[derive(Clone, Debug, Default)]
pub struct ConfigBlock {
    /// Unrendered values.
    pub values: Map<String, Json>,
    /// Where each key's value is written.
    spans: Vec<(String, Range<usize>)>,
}

impl ConfigBlock {
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.values.get(key)
    }

    /// Where the value of `key` is written.
    pub fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.spans
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, span)| span.clone())
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Puts another block's values over these; where they are written is not kept.
    pub(super) fn lay_over(&mut self, other: ConfigBlock) {
        for key in other.values.keys() {
            self.spans.retain(|(name, _)| name != key);
        }
        self.values.extend(other.values);
    }

    fn insert(&mut self, key: &str, node: &Node) {
        self.spans.push((key.to_owned(), node.span.clone()));
        self.values.insert(key.to_owned(), node.to_json());
    }

    /// Reads `config` of an entry, then `lifted` keys beside it that the block does not give.
    fn read(fields: &mut Fields, lifted: &[&'static str]) -> Self {
        let mut block = ConfigBlock::default();
        if let Some(node) = fields.map("config") {
            for (key, node) in node.entries() {
                block.insert(&key.name, node);
            }
        }
        for key in lifted {
            if let Some(node) = fields.present(key)
                && !block.values.contains_key(*key)
            {
                block.insert(key, node);
            }
        }
        block
    }
}

/// What the readers of one file share.
struct Reader<'a> {
    document: &'a Arc<Document>,
    path: &'a Arc<str>,
    unknown: Unknown,
    nests_arguments: bool,
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn origin(&self, node: &Node) -> Origin {
        Origin {
            document: Arc::clone(self.document),
            path: Arc::clone(self.path),
            span: node.span.clone(),
        }
    }

    /// Opens an entry; `kind` and its name make up how messages call it.
    fn open(&mut self, node: &'a Node, kind: &str) -> Option<Fields<'a>> {
        let owner = match node.get("name").and_then(Node::as_str) {
            Some(name) => format!("{kind} `{name}`"),
            None => with_article(kind),
        };
        Fields::open(self.document, node, owner, &mut self.found)
    }

    fn finish(&mut self, fields: Fields) {
        fields.finish(self.unknown, &mut self.found);
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) && !kind.starts_with("unit") {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}

const KEYS: [&str; 16] = [
    "version",
    "models",
    "seeds",
    "snapshots",
    "analyses",
    "data_tests",
    "macros",
    "sources",
    "unit_tests",
    "exposures",
    "groups",
    "metrics",
    "semantic_models",
    "saved_queries",
    "functions",
    "anchors",
];

/// How a package's properties are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub is_root_package: bool,
    /// Arguments of data tests stand below `arguments`.
    pub nests_arguments: bool,
}

/// Reads one properties file. Unknown keys of installed packages are not reported.
///
/// The tree is dropped at the end; what the declarations keep of the document is its text.
pub(super) fn read_properties(
    mut document: Document,
    path: &Arc<str>,
    style: Style,
) -> (Properties, Vec<Diagnostic>) {
    let mut properties = Properties::default();
    let unknown = if style.is_root_package {
        Unknown::Warning
    } else {
        Unknown::Ignored
    };
    let found = std::mem::take(&mut document.warnings);
    let root = std::mem::replace(&mut document.root, Node::null());
    let document = Arc::new(document);
    let mut reader = Reader {
        document: &document,
        path,
        unknown,
        nests_arguments: style.nests_arguments,
        found,
    };
    if root.is_null() {
        return (properties, reader.found);
    }
    let file = format!("`{}`", document.file);
    let Some(mut fields) = Fields::open(&document, &root, file, &mut reader.found) else {
        return (properties, reader.found);
    };
    check_version(&mut fields);
    reader.found.append(&mut fields.found);
    for (key, node) in root.entries() {
        let name = key.name.as_str();
        if matches!(name, "version" | "anchors") || node.is_null() {
            continue;
        }
        let Some(known) = KEYS.iter().find(|known| **known == name) else {
            if unknown != Unknown::Ignored {
                reader.found.push(unknown_section(&document, key));
            }
            continue;
        };
        for entry in fields.list(known) {
            reader.entry(known, entry, &mut properties);
        }
        reader.found.append(&mut fields.found);
    }
    mistake::sort_by_line(&mut reader.found);
    (properties, reader.found)
}

impl<'a> Reader<'a> {
    fn entry(&mut self, section: &str, node: &'a Node, properties: &mut Properties) {
        match section {
            "models" => properties.models.extend(model::read(self, node, "model")),
            "seeds" => properties.seeds.extend(model::read(self, node, "seed")),
            "snapshots" => properties
                .snapshots
                .extend(model::read(self, node, "snapshot")),
            "analyses" => properties
                .analyses
                .extend(model::read(self, node, "analysis")),
            "data_tests" => properties
                .data_tests
                .extend(model::read(self, node, "data test")),
            "macros" => properties.macros.extend(other::read_macro(self, node)),
            "sources" => properties.sources.extend(source::read(self, node)),
            "unit_tests" => properties.unit_tests.extend(unit_test::read(self, node)),
            "exposures" => properties
                .exposures
                .extend(other::read_exposure(self, node)),
            "groups" => properties.groups.extend(other::read_group(self, node)),
            "metrics" => properties.metrics.extend(metric::read(self, node)),
            "semantic_models" => {
                let read = semantic_model::read(self, node);
                properties.semantic_models.extend(read);
            }
            "saved_queries" => properties
                .saved_queries
                .extend(saved_query::read(self, node)),
            "functions" => properties
                .functions
                .extend(model::read(self, node, "function")),
            _ => {}
        }
    }
}

fn check_version(fields: &mut Fields) {
    if let Some(node) = fields.present("version")
        && node.to_json() != 2
        && node.as_str() != Some("2")
    {
        let warning = Diagnostic::warning("MSV0103", "`version` of a properties file should be 2");
        fields.found.push(
            warning
                .at(
                    mistake::first_line(fields.document, &node.span),
                    "not looked at",
                )
                .help("write `version: 2`, or leave the key out"),
        );
    }
}

fn unknown_section(document: &Document, key: &crate::node::Key) -> Diagnostic {
    let diagnostic = Diagnostic::warning(
        "MSV0102",
        format!("a properties file has no key `{}`", key.name),
    )
    .at(document.place(&key.span), "nothing below it is read")
    .event("CustomTopLevelKeyDeprecation");
    match closest(&key.name, KEYS) {
        Some(similar) => diagnostic.help(format!("a key with a similar name exists: `{similar}`")),
        None => diagnostic.help(format!("its keys are: {}", mistake::listed(&KEYS))),
    }
}
