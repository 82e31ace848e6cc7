//! What exists in the database: set-based questions, one round trip each.

mod columns;
mod dependents;
mod described;
mod foreign_keys;
mod indexes;
mod relations;

pub use self::columns::{
    ColumnInfo, columns, columns_of_schemas, columns_on_search_path, query_columns,
    query_definition,
};
pub use self::dependents::{Dependent, DependentKind, dependents};
pub use self::described::{DescribedColumn, DescribedRelation, describe_schemas};
pub use self::foreign_keys::{ForeignKey, foreign_keys_to};
pub use self::indexes::{IndexInfo, indexes};
pub use self::relations::{
    RelationInfo, create_schema_if_absent, get_relation, get_relations, list_relations,
    list_schemas, schema_exists,
};

use crate::datum::Datum;
use msv_relation::quote_literal;

/// Writes names as the inside of an SQL `in (…)` list; never empty.
fn literal_list(names: &[&str]) -> String {
    if names.is_empty() {
        return "null".into();
    }
    let quoted: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    quoted.join(", ")
}

/// The text of a field that the query never leaves null.
fn text(row: &[Datum], at: usize) -> String {
    optional_text(row, at).unwrap_or_default()
}

fn optional_text(row: &[Datum], at: usize) -> Option<String> {
    Some(row.get(at)?.to_text()?.into_owned())
}

fn integer(row: &[Datum], at: usize) -> Option<i64> {
    row.get(at)?.as_i64()
}

fn boolean(row: &[Datum], at: usize) -> bool {
    row.get(at).and_then(Datum::as_bool).unwrap_or(false)
}

/// An object id; the query gives it as bigint.
fn oid(row: &[Datum], at: usize) -> u32 {
    integer(row, at)
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or(0)
}

fn text_items(row: &[Datum], at: usize) -> Vec<String> {
    match row.get(at) {
        Some(Datum::Array(array)) => array
            .items
            .iter()
            .filter_map(|item| Some(item.to_text()?.into_owned()))
            .collect(),
        _ => Vec::new(),
    }
}
