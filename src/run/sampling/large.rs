//! Looks at few rows of a large relation: pages of a table, the first rows of a query.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::postgres::catalog;
use crate::relation::{Relation, RelationKind, quote_identifier, quote_literal};

use super::links::{Pair, RowSource};
use super::{Outcome, Sampler, texts};

/// Relations with more rows are not read whole where it can be helped.
const LARGE: i64 = 100_000;

/// Rows of a large relation among which some are picked.
const PICKED_AMONG: usize = 10_000;

impl RowSource {
    pub(super) fn is_large(&self) -> bool {
        self.estimate > LARGE
    }

    /// What to pick rows from, in the order in which it is tried: the second when there are none.
    pub(super) fn some_rows(&self, filter: Option<&str>) -> Vec<String> {
        let from = &self.from;
        let condition = filter.map_or(String::new(), |filter| format!("where ({filter})\n"));
        if !self.is_large() {
            return vec![format!("(select * from {from} as msv_rows\n{condition})")];
        }
        let first = format!(
            "(select * from {from} as msv_rows\n{condition}limit {})",
            PICKED_AMONG
        );
        if filter.is_some() || !self.is_table {
            return vec![first];
        }
        let percent = 100.0 * PICKED_AMONG as f64 / self.estimate as f64;
        let pages = format!("(select * from {from} tablesample system ({percent}) repeatable (1))");
        vec![pages, first]
    }
}

impl Sampler<'_> {
    /// A relation as rows are taken from it.
    pub(super) fn relation_source(
        &self,
        relation: &Relation,
        columns: Vec<catalog::ColumnInfo>,
        name: &str,
    ) -> Outcome<RowSource> {
        let (schema, table) = (relation.schema_name(), relation.name());
        let found = catalog::get_relation(&mut self.adapter.session(), schema, table)
            .map_err(|error| self.refused("", &Default::default(), &error))?;
        let is_table = found.is_some_and(|found| {
            matches!(
                found.kind,
                RelationKind::Table | RelationKind::MaterializedView
            )
        });
        let from = relation.to_string();
        Ok(RowSource {
            estimate: self.estimate(&from)?,
            distinct: match is_table {
                true => self.distinct_values(schema, table)?,
                false => HashMap::new(),
            },
            from,
            name: name.to_owned(),
            columns: columns
                .into_iter()
                .map(|column| (column.name, column.type_name))
                .collect(),
            is_table,
        })
    }

    /// How many rows the server expects.
    pub(super) fn estimate(&self, from: &str) -> Outcome<i64> {
        let plan = self.ask(&format!(
            "explain (format json) select 1 from {from} as msv_rows"
        ))?;
        let plan = texts(&plan).into_iter().flatten().flatten().next();
        let plan: Json = plan
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        Ok(plan[0]["Plan"]["Plan Rows"].as_i64().unwrap_or(0))
    }

    /// How many values columns have, as far as the table was analyzed.
    fn distinct_values(&self, schema: &str, table: &str) -> Outcome<HashMap<String, f64>> {
        let rows = self.ask(&format!(
            "select attname::text, (case when n_distinct < 0 then -1e9 * n_distinct else n_distinct end)::text\n\
             from pg_catalog.pg_stats where schemaname = {} and tablename = {}",
            quote_literal(schema),
            quote_literal(table)
        ))?;
        let entry = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter().flatten();
            Some((cells.next()?, cells.next()?.parse().ok()?))
        };
        Ok(texts(&rows).into_iter().filter_map(entry).collect())
    }

    /// The values of a column of known rows, as an array that the server looks through at once.
    pub(super) fn known_values(
        &self,
        known: &RowSource,
        column: &str,
    ) -> Outcome<Option<(i64, String)>> {
        let quoted = quote_identifier(column);
        let rows = self.ask(&format!(
            "select count(distinct k.{quoted})::text, array_agg(distinct k.{quoted})::text\n\
             from {} as k where k.{quoted} is not null",
            known.from
        ))?;
        let cells: Vec<String> = texts(&rows).into_iter().flatten().flatten().collect();
        let data_type = known
            .columns
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, data_type)| data_type);
        let (Some(data_type), [count, values]) = (data_type, cells.as_slice()) else {
            return Ok(None);
        };
        let values = format!("{}::{data_type}[]", quote_literal(values));
        Ok(Some((count.parse().unwrap_or(0), values)))
    }

    /// The rows `i` of an input that belong to known rows, those that are looked at.
    pub(super) fn belonging(
        &self,
        input: &RowSource,
        known: &RowSource,
        pairs: &[Pair],
        limit: usize,
    ) -> Outcome<String> {
        let Some(((own, other), further)) = pairs.split_first() else {
            return Ok(input.from.clone());
        };
        let Some((_, values)) = self.known_values(known, other)? else {
            return Ok(format!("(select * from {} as i where false)", input.from));
        };
        let mut condition = format!("i.{} = any({values})", quote_identifier(own));
        if !further.is_empty() {
            condition.push_str(&format!(
                "\nand exists (select 1 from {} as k where {})",
                known.from,
                super::links::condition(pairs)
            ));
        }
        let end = match input.is_large() {
            true => format!("\nlimit {}", PICKED_AMONG.max(10 * limit)),
            false => String::new(),
        };
        Ok(format!(
            "(select i.* from {} as i where {condition}{end})",
            input.from
        ))
    }
}
