//! Reads an entry of `sources:` with its tables.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::fields::Fields;
use crate::node::{Node, Spanned};
use crate::properties::column::{self, ColumnProperties};
use crate::properties::data_test::{self, TestProperties};
use crate::properties::{ConfigBlock, Origin, Reader};
use msv_diagnostics::Diagnostic;

/// One source: a schema somebody else fills.
#[derive(Clone, Debug)]
pub struct SourceProperties {
    pub name: Spanned<String>,
    pub description: String,
    /// The source's name where absent. May hold Jinja, as `schema` may.
    pub database: Option<Spanned<String>>,
    pub schema: Option<Spanned<String>>,
    pub loader: String,
    pub quoting: Map<String, Json>,
    /// `None` when absent, `Some(Null)` when switched off.
    pub freshness: Option<Json>,
    pub loaded_at_field: Option<String>,
    pub loaded_at_query: Option<String>,
    pub tables: Vec<SourceTableProperties>,
    pub tags: Vec<String>,
    pub meta: Map<String, Json>,
    pub config: ConfigBlock,
    /// The package whose source of the same name this one changes.
    pub overrides: Option<String>,
    pub origin: Origin,
}

/// One table of a source.
#[derive(Clone, Debug)]
pub struct SourceTableProperties {
    pub name: Spanned<String>,
    pub description: String,
    /// The table's name in the database, where it is another.
    pub identifier: Option<String>,
    pub columns: Vec<ColumnProperties>,
    pub tests: Vec<TestProperties>,
    pub quoting: Map<String, Json>,
    /// `None` when absent, `Some(Null)` when switched off.
    pub freshness: Option<Json>,
    pub loaded_at_field: Option<String>,
    pub loaded_at_query: Option<String>,
    pub external: Option<Json>,
    pub tags: Vec<String>,
    pub meta: Map<String, Json>,
    pub config: ConfigBlock,
    pub span: Range<usize>,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<SourceProperties> {
    let mut fields = reader.open(node, "source")?;
    let owner = fields.owner.clone();
    let name = fields.required_text("name", "source_name");
    let nodes = fields.list("tables");
    let tables = nodes
        .iter()
        .filter_map(|node| read_table(reader, node, &owner))
        .collect();
    let Some(name) = name else {
        reader.found.append(&mut fields.found);
        return None;
    };
    let config = ConfigBlock::read(&mut fields, &[]);
    let (loaded_at_field, loaded_at_query) = loaded_at(&mut fields, &config);
    check_tags(&mut fields, &config);
    let source = SourceProperties {
        name,
        description: fields.string("description").unwrap_or_default(),
        database: fields.text("database"),
        schema: fields.text("schema"),
        loader: fields.string("loader").unwrap_or_default(),
        quoting: fields.json_map("quoting"),
        freshness: fields.json("freshness"),
        loaded_at_field,
        loaded_at_query,
        tables,
        tags: fields.strings("tags"),
        meta: fields.json_map("meta"),
        config,
        overrides: fields.string("overrides"),
        origin: reader.origin(node),
    };
    reader.finish(fields);
    Some(source)
}

fn read_table<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    source: &str,
) -> Option<SourceTableProperties> {
    let mut fields = reader.open(node, "table")?;
    let owner = format!("{} of {source}", fields.owner);
    fields.owner.clone_from(&owner);
    let name = fields.required_text("name", "table_name");
    let columns = column::read_all(reader, fields.list("columns"), &owner);
    let tests = data_test::read_all(reader, &mut fields, None, &owner);
    let Some(name) = name else {
        reader.found.append(&mut fields.found);
        return None;
    };
    let config = ConfigBlock::read(&mut fields, &[]);
    let (loaded_at_field, loaded_at_query) = loaded_at(&mut fields, &config);
    check_tags(&mut fields, &config);
    let table = SourceTableProperties {
        name,
        description: fields.string("description").unwrap_or_default(),
        identifier: fields.string("identifier"),
        columns,
        tests,
        quoting: fields.json_map("quoting"),
        freshness: fields.json("freshness"),
        loaded_at_field,
        loaded_at_query,
        external: fields.json("external"),
        tags: fields.strings("tags"),
        meta: fields.json_map("meta"),
        config,
        span: node.span.clone(),
    };
    for key in ["docs", "data_type", "constraints"] {
        fields.raw(key);
    }
    reader.finish(fields);
    Some(table)
}

/// What says when a table was loaded: a column, or a query, and never both.
fn loaded_at(fields: &mut Fields, config: &ConfigBlock) -> (Option<String>, Option<String>) {
    let field = fields.string("loaded_at_field");
    let query = fields.string("loaded_at_query");
    let given = |key: &'static str, own: &Option<String>| {
        own.clone()
            .or_else(|| config.get(key)?.as_str().map(str::to_owned))
    };
    let (field_given, query_given) = (
        given("loaded_at_field", &field),
        given("loaded_at_query", &query),
    );
    let span = fields.node.span.clone();
    if field_given.as_deref() == Some("") {
        let title = format!("`loaded_at_field` of {} is empty", fields.owner);
        let diagnostic = fields.error("MSV0103", title, &span);
        diagnostic
            .help
            .push("name a column, or take the key out".to_owned());
    }
    if field_given.is_some() && query_given.is_some() {
        let title = format!(
            "{} has both `loaded_at_field` and `loaded_at_query`",
            fields.owner
        );
        let diagnostic = fields.error("MSV0111", title, &span);
        diagnostic.help.push("keep one of the two".to_owned());
    }
    (field, query)
}

/// Tags that are no text are left out, as in dbt.
fn check_tags(fields: &mut Fields, config: &ConfigBlock) {
    let tags = match config.get("tags") {
        Some(Json::Array(tags)) => tags.as_slice(),
        Some(tag) => std::slice::from_ref(tag),
        None => return,
    };
    if tags.iter().all(Json::is_string) {
        return;
    }
    let span = config.span_of("tags").unwrap_or_default();
    fields.found.push(
        Diagnostic::warning("MSV0150", format!("a tag of {} is no text", fields.owner))
            .at(fields.document.place(&span), "left out")
            .help("put it in quotes")
            .event("ValidationWarning"),
    );
}
