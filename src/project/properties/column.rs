//! Reads `columns:`.

use serde_json::{Map, Value as Json};

use crate::node::{Node, Spanned};
use crate::properties::data_test::{self, TestProperties};
use crate::properties::{ConfigBlock, Reader};

/// One entry of `columns:`.
#[derive(Clone, Debug)]
pub struct ColumnProperties {
    pub name: Spanned<String>,
    pub description: String,
    pub data_type: Option<String>,
    pub quote: Option<bool>,
    pub tests: Vec<TestProperties>,
    pub constraints: Vec<Json>,
    pub tags: Vec<String>,
    pub meta: Map<String, Json>,
    pub granularity: Option<String>,
    /// `config:`, with `meta` and `tags` of the column where the block gives none.
    pub config: ConfigBlock,
}

/// Reads the columns of the entry that `node` holds under `columns`.
pub(super) fn read_all<'a>(
    reader: &mut Reader<'a>,
    nodes: &'a [Node],
    owner: &str,
) -> Vec<ColumnProperties> {
    nodes
        .iter()
        .filter_map(|node| read(reader, node, owner))
        .collect()
}

fn read<'a>(reader: &mut Reader<'a>, node: &'a Node, owner: &str) -> Option<ColumnProperties> {
    let mut fields = reader.open(node, "column")?;
    let name = fields.required_text("name", "column_name");
    let config = ConfigBlock::read(&mut fields, &["meta", "tags"]);
    let tests = data_test::read_all(
        reader,
        &mut fields,
        name.as_ref().map(|name| name.value.as_str()),
        owner,
    );
    let column = name.map(|name| ColumnProperties {
        name,
        description: fields.string("description").unwrap_or_default(),
        data_type: fields.string("data_type"),
        quote: fields.boolean("quote"),
        tests,
        constraints: fields.json_list("constraints"),
        tags: fields.strings("tags"),
        meta: fields.json_map("meta"),
        granularity: fields.string("granularity"),
        config,
    });
    for key in ["docs", "policy_tags", "dimension", "entity", "alias"] {
        fields.raw(key);
    }
    match column.is_some() {
        true => reader.finish(fields),
        false => reader.found.append(&mut fields.found),
    }
    column
}
