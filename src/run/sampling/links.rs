//! Guesses by which columns the rows of an input belong to rows that are known: equal names, or
//! the `id` of what another column's name speaks of. The data decides which guess is right.

use std::collections::HashMap;

use crate::compile::fixture_rows::TypedColumn;
use crate::relation::quote_identifier;

/// A set of rows: what stands behind `from`, and what its rows are called.
#[derive(Default)]
pub(super) struct RowSource {
    pub from: String,
    pub name: String,
    pub columns: Vec<TypedColumn>,
    /// True where the server can read some of its pages alone.
    pub is_table: bool,
    /// How many rows the server expects; 0 for what is looked at whole.
    pub estimate: i64,
    /// How many values columns have, as far as that is known.
    pub distinct: HashMap<String, f64>,
}

impl RowSource {
    /// The same once its rows are few.
    pub(super) fn rows_known(&self) -> RowSource {
        RowSource {
            from: self.from.clone(),
            name: self.name.clone(),
            columns: self.columns.clone(),
            ..RowSource::default()
        }
    }
}

/// Columns that may hold the same values: of the input, of the known rows.
pub(super) type Pair = (String, String);

/// The pairs of columns by which `input` may belong to `known`.
pub(super) fn possible_pairs(input: &RowSource, known: &RowSource) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (name, data_type) in &input.columns {
        for (other, other_type) in &known.columns {
            let is_named = name == other
                || is_id_of(name, &input.name, other)
                || is_id_of(other, &known.name, name);
            if is_named && family(data_type) == family(other_type) && is_comparable(data_type) {
                pairs.push((name.clone(), other.clone()));
            }
        }
    }
    pairs
}

/// True for `id` of `stg_shop__orders` and `order_id`.
fn is_id_of(id: &str, relation: &str, other: &str) -> bool {
    let thing = relation.rsplit("__").next().unwrap_or(relation);
    let thing = thing.split_once('_').map_or(thing, |(_, rest)| rest);
    let things = [
        relation,
        relation.rsplit("__").next().unwrap_or(relation),
        thing,
    ];
    let singular = |word: &str| {
        let word = word.to_lowercase();
        match word.strip_suffix("ies") {
            Some(stem) => format!("{stem}y"),
            None => word.trim_end_matches('s').to_owned(),
        }
    };
    matches!(id, "id" | "code" | "key")
        && things
            .iter()
            .any(|thing| other.eq_ignore_ascii_case(&format!("{}_{id}", singular(thing))))
}

/// Types whose values compare.
fn family(data_type: &str) -> &str {
    let word = data_type.split('(').next().unwrap_or(data_type).trim();
    match word {
        "smallint" | "integer" | "bigint" | "numeric" => "number",
        "text" | "character varying" | "character" => "text",
        other => other,
    }
}

/// Truth says nothing about what belongs together; JSON and shapes have no order, and an array's
/// values would be looked for one by one.
fn is_comparable(data_type: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "boolean", "json", "xml", "point", "polygon", "path", "box", "circle", "line", "lseg",
    ];
    !OTHERS.contains(&data_type) && !data_type.ends_with("[]")
}

/// The condition that rows `i` of the input and `k` of the known rows belong together.
pub(super) fn condition(pairs: &[Pair]) -> String {
    let equal = |(name, other): &Pair| {
        format!(
            "i.{} = k.{}",
            quote_identifier(name),
            quote_identifier(other)
        )
    };
    pairs.iter().map(equal).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_each_other() {
        let source = |name: &str, columns: &[(&str, &str)]| RowSource {
            from: String::new(),
            name: name.to_owned(),
            columns: columns
                .iter()
                .map(|(name, data_type)| ((*name).to_owned(), (*data_type).to_owned()))
                .collect(),
            ..RowSource::default()
        };
        let customers = source("raw_customers", &[("id", "integer"), ("name", "text")]);
        let orders = source(
            "stg_shop__orders",
            &[
                ("id", "integer"),
                ("customer_id", "bigint"),
                ("name", "date"),
            ],
        );
        let pairs = |input, known| possible_pairs(input, known);
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            pairs(&customers, &orders),
            [pair("id", "id"), pair("id", "customer_id")]
        );
        assert_eq!(
            pairs(&orders, &customers),
            [pair("id", "id"), pair("customer_id", "id")]
        );
        let lines = source("lines", &[("order_id", "integer")]);
        assert_eq!(pairs(&orders, &lines), [pair("id", "order_id")]);
    }
}
