//! Reads an entry of `models:`, `seeds:`, `snapshots:`, `analyses:`, `functions:` or `data_tests:`.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::fields::Fields;
use crate::node::{Node, Spanned};
use crate::properties::column::{self, ColumnProperties};
use crate::properties::data_test::{self, TestProperties};
use crate::properties::date;
use crate::properties::{ConfigBlock, Origin, Reader};
use msv_diagnostics::Diagnostic;

/// Keys beside `config:` that dbt counts to it.
const LIFTED: [&str; 5] = ["meta", "docs", "group", "contract", "access"];

/// Keys that configure a node and have no meaning beside `config:`.
const CONFIG_ONLY: [&str; 27] = [
    "materialized",
    "schema",
    "database",
    "alias",
    "enabled",
    "tags",
    "pre-hook",
    "post-hook",
    "pre_hook",
    "post_hook",
    "persist_docs",
    "full_refresh",
    "unique_key",
    "on_schema_change",
    "incremental_strategy",
    "indexes",
    "grants",
    "column_types",
    "delimiter",
    "strategy",
    "updated_at",
    "check_cols",
    "event_time",
    "freshness",
    "severity",
    "where",
    "store_failures",
];

/// What a properties file says about a model, seed, snapshot, analysis, function or singular test.
#[derive(Clone, Debug)]
pub struct ModelProperties {
    pub name: Spanned<String>,
    pub description: String,
    pub columns: Vec<ColumnProperties>,
    pub tests: Vec<TestProperties>,
    /// `config:`, with `meta`, `docs`, `group`, `contract` and `access` that stand beside it.
    pub config: ConfigBlock,
    pub docs: Option<Json>,
    pub meta: Map<String, Json>,
    pub access: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    pub constraints: Vec<Json>,
    pub quote_columns: Option<bool>,
    /// Number or text.
    pub latest_version: Option<Json>,
    pub versions: Vec<VersionProperties>,
    pub deprecation_date: Option<String>,
    pub time_spine: Option<Json>,
    /// What a snapshot without a template snapshots: `ref('x')` or `source('a', 'b')`.
    pub relation: Option<Spanned<String>>,
    /// Of a function: objects with `name`, `data_type`, `description`, `default_value`.
    pub arguments: Vec<Json>,
    /// Of a function: an object with `data_type`.
    pub returns: Option<Json>,
    /// Other functions of the same name: objects with `defined_in`, `arguments` and `returns`.
    pub overloads: Vec<Json>,
    pub origin: Origin,
}

/// One entry of `versions:`.
#[derive(Clone, Debug)]
pub struct VersionProperties {
    /// Number or text, as `v` is written.
    pub v: Json,
    pub defined_in: Option<String>,
    pub description: Option<String>,
    pub access: Option<String>,
    pub config: ConfigBlock,
    pub constraints: Option<Vec<Json>>,
    pub docs: Option<Json>,
    /// `None` where the version keeps the model's tests.
    pub tests: Option<Vec<TestProperties>>,
    /// Columns of the model that the version keeps; `None` for all of them.
    pub include: Option<Vec<String>>,
    pub exclude: Vec<String>,
    /// Columns of the version's own.
    pub columns: Vec<ColumnProperties>,
    pub deprecation_date: Option<String>,
    pub span: Range<usize>,
}

impl ModelProperties {
    /// The columns of a version: the model's that it keeps, then its own.
    pub fn columns_of(&self, version: &VersionProperties) -> Vec<ColumnProperties> {
        let is_kept = |column: &&ColumnProperties| {
            let is_included = match &version.include {
                Some(names) => names.contains(&column.name.value),
                None => true,
            };
            is_included && !version.exclude.contains(&column.name.value)
        };
        let own = version.columns.iter();
        let kept = self.columns.iter().filter(is_kept);
        kept.filter(|column| {
            own.clone()
                .all(|other| other.name.value != column.name.value)
        })
        .chain(own.clone())
        .cloned()
        .collect()
    }
}

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    kind: &str,
) -> Option<ModelProperties> {
    let mut fields = reader.open(node, kind)?;
    let owner = fields.owner.clone();
    let name = fields.required_text("name", &format!("{}_name", kind.replace(' ', "_")));
    let config = ConfigBlock::read(&mut fields, &LIFTED);
    let columns = column::read_all(reader, fields.list("columns"), &owner);
    let tests = data_test::read_all(reader, &mut fields, None, &owner);
    let versions = if kind == "model" {
        let nodes = fields.list("versions");
        nodes
            .iter()
            .filter_map(|node| read_version(reader, node, &owner))
            .collect()
    } else {
        Vec::new()
    };
    let Some(name) = name else {
        reader.found.append(&mut fields.found);
        return None;
    };
    let is_model = kind == "model";
    let model = ModelProperties {
        name,
        description: fields.string("description").unwrap_or_default(),
        columns,
        tests,
        config,
        docs: fields.map("docs").map(Node::to_json),
        meta: fields.json_map("meta"),
        access: fields.choice("access", &["private", "protected", "public"]),
        group: fields.text("group"),
        constraints: fields.json_list("constraints"),
        quote_columns: fields.boolean("quote_columns"),
        latest_version: is_model
            .then(|| fields.present("latest_version").map(Node::to_json))
            .flatten(),
        versions,
        deprecation_date: date::read(&mut fields, "deprecation_date"),
        time_spine: is_model.then(|| fields.json("time_spine")).flatten(),
        relation: (kind == "snapshot")
            .then(|| fields.text("relation"))
            .flatten(),
        arguments: if kind == "function" {
            fields.json_list("arguments")
        } else {
            Vec::new()
        },
        returns: (kind == "function")
            .then(|| fields.map("returns").map(Node::to_json))
            .flatten(),
        overloads: if kind == "function" {
            fields.json_list("overloads")
        } else {
            Vec::new()
        },
        origin: reader.origin(node),
    };
    for key in [
        "data_type",
        "semantic_model",
        "metrics",
        "agg_time_dimension",
        "derived_semantics",
        "primary_entity",
        "type",
        "arguments",
        "overloads",
    ] {
        fields.raw(key);
    }
    check_versions(&mut fields, &model);
    point_out_config_keys(&mut fields, reader);
    reader.finish(fields);
    Some(model)
}

fn point_out_config_keys(fields: &mut Fields, reader: &mut Reader) {
    for key in CONFIG_ONLY {
        if fields.raw(key).is_none() || reader.unknown == crate::fields::Unknown::Ignored {
            continue;
        }
        let Some((written, _)) = fields
            .node
            .entries()
            .iter()
            .find(|(written, _)| written.name == key)
        else {
            continue;
        };
        reader.found.push(
            Diagnostic::warning(
                "MSV0102",
                format!("`{key}` of {} has no effect here", fields.owner),
            )
            .at(
                fields.document.place(&written.span),
                "a configuration key outside `config`",
            )
            .help(format!(
                "put it below `config:`, as `config: {{{key}: ...}}`"
            ))
            .event("PropertyMovedToConfigDeprecation"),
        );
    }
}

fn read_version<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    owner: &str,
) -> Option<VersionProperties> {
    let title = match node.get("v") {
        Some(v) => format!(
            "version {} of {owner}",
            &reader.document.text[v.span.clone()]
        ),
        None => format!("a version of {owner}"),
    };
    let mut fields = Fields::open(reader.document, node, title.clone(), &mut reader.found)?;
    let v = fields.present("v").map(Node::to_json);
    if v.is_none() {
        fields.missing("v", "1");
    }
    let has_tests = fields.present("tests").is_some() || fields.present("data_tests").is_some();
    let tests = data_test::read_all(reader, &mut fields, None, &title);
    let mut has_selection = false;
    let mut include = None;
    let mut exclude = Vec::new();
    let mut columns = Vec::new();
    for entry in fields.list("columns") {
        if entry.get("include").is_none() && entry.get("exclude").is_none() {
            columns.extend(column::read_all(
                reader,
                std::slice::from_ref(entry),
                &title,
            ));
            continue;
        }
        let what = format!("the selection of columns of {title}");
        let Some(mut selection) = Fields::open(reader.document, entry, what, &mut reader.found)
        else {
            continue;
        };
        if has_selection {
            let title = format!("{title} selects columns twice");
            selection
                .error("MSV0111", title, &entry.span)
                .help
                .push("join both into one `include` and `exclude`".to_owned());
        }
        has_selection = true;
        let names = selection.strings("include");
        if !matches!(names.as_slice(), [all] if all == "all" || all == "*") {
            include = Some(names);
        }
        exclude = selection.strings("exclude");
        reader.finish(selection);
    }
    let version = v.map(|v| VersionProperties {
        v,
        defined_in: fields.string("defined_in"),
        description: fields.string("description"),
        access: fields.string("access"),
        config: ConfigBlock::read(&mut fields, &LIFTED),
        constraints: fields
            .present("constraints")
            .is_some()
            .then(|| fields.json_list("constraints")),
        docs: fields.map("docs").map(Node::to_json),
        tests: has_tests.then_some(tests),
        include,
        exclude,
        columns,
        deprecation_date: date::read(&mut fields, "deprecation_date"),
        span: node.span.clone(),
    });
    match version.is_some() {
        true => reader.finish(fields),
        false => reader.found.append(&mut fields.found),
    }
    version
}

fn shown_version(version: &Json) -> String {
    version
        .as_str()
        .map_or_else(|| version.to_string(), str::to_owned)
}

fn check_versions(fields: &mut Fields, model: &ModelProperties) {
    let known: Vec<String> = model
        .versions
        .iter()
        .map(|version| shown_version(&version.v))
        .collect();
    for (index, version) in known.iter().enumerate() {
        if known[..index].contains(version) {
            let title = format!("{} has the version `{version}` twice", fields.owner);
            fields.error("MSV0103", title, &model.versions[index].span);
        }
    }
    if let Some(latest) = &model.latest_version
        && let Some(node) = fields.present("latest_version")
        && !known.contains(&shown_version(latest))
    {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let title = format!(
            "`latest_version` of {} is not one of its versions",
            fields.owner
        );
        let help = match names.is_empty() {
            true => "list the versions under `versions:`".to_owned(),
            false => format!("its versions are: {}", crate::mistake::listed(&names)),
        };
        fields.error("MSV0103", title, &node.span).help.push(help);
    }
}
