//! Reads an entry of `saved_queries:`: metrics to be asked for together, and where to.

use serde_json::{Map, Value as Json, json};

use crate::node::{Node, Spanned};
use crate::properties::metric::{filter, inside};
use crate::properties::{ConfigBlock, Origin, Reader};

/// A question that is asked of metrics again and again.
#[derive(Clone, Debug)]
pub struct SavedQueryProperties {
    pub name: Spanned<String>,
    pub description: Option<String>,
    pub label: Option<String>,
    /// Every key of dbt's `query_params`.
    pub query_params: Json,
    pub metrics: Vec<Spanned<String>>,
    pub group_by: Vec<Spanned<String>>,
    pub order_by: Vec<Spanned<String>>,
    pub exports: Vec<ExportProperties>,
    pub tags: Vec<String>,
    pub config: ConfigBlock,
    pub origin: Origin,
}

/// A table or view that the answer is written to.
#[derive(Clone, Debug)]
pub struct ExportProperties {
    pub name: Spanned<String>,
    pub config: Map<String, Json>,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<SavedQueryProperties> {
    let mut fields = reader.open(node, "saved query")?;
    let owner = fields.owner.clone();
    let name = fields.required_text("name", "saved_query_name");
    let mut metrics = Vec::new();
    let mut group_by = Vec::new();
    let mut order_by = Vec::new();
    let mut query_params = Json::Null;
    if fields.present("query_params").is_none() {
        fields.missing("query_params", "{metrics: [metric_name]}");
    } else if let Some(mut inner) = inside(reader, &mut fields, "query_params") {
        metrics = inner.texts("metrics").unwrap_or_default();
        group_by = inner.texts("group_by").unwrap_or_default();
        order_by = inner.texts("order_by").unwrap_or_default();
        query_params = json!({
            "metrics": texts(&metrics),
            "group_by": texts(&group_by),
            "where": filter(&mut inner, "where"),
            "order_by": texts(&order_by),
            "limit": inner.integer("limit"),
        });
        reader.finish(inner);
    }
    let mut exports = Vec::new();
    for node in fields.list("exports") {
        let Some(mut export) = reader.open(node, "export") else {
            continue;
        };
        export.owner = format!("{} of {owner}", export.owner);
        let name = export.required_text("name", "export_name");
        let config = export.json_map("config");
        exports.extend(name.map(|name| ExportProperties { name, config }));
        reader.finish(export);
    }
    let query = SavedQueryProperties {
        name: name?,
        description: fields.string("description"),
        label: fields.string("label"),
        query_params,
        metrics,
        group_by,
        order_by,
        exports,
        tags: fields.strings("tags"),
        config: ConfigBlock::read(&mut fields, &[]),
        origin: reader.origin(node),
    };
    reader.finish(fields);
    Some(query)
}

fn texts(values: &[Spanned<String>]) -> Vec<&str> {
    values.iter().map(|value| value.value.as_str()).collect()
}
