//! The statement that counts for several tests at once.
//!
//! Whether values repeat is told by counting the different ones, which takes a quarter of the time
//! that grouping them takes (measured on ten million rows, PostgreSQL 15). Values that are no
//! numbers are counted by a hash of 64 bits: as many hashes as values are as many values, and where
//! there are fewer, the test's own statement says why.

use std::collections::HashMap;

use crate::relation::{Relation, quote_literal};

use super::Share;
use super::form::Measure;
use super::large::{Kind, unique_index};

/// The oldest server that hashes rows of any type.
const HASHES_ROWS: u32 = 140_000;

/// How many conditions one scan of a large table looks at: about as much work as counting the
/// values of a column, which another process does meanwhile.
const CONDITIONS_OF_A_SCAN: usize = 10;

/// Where the statement will run.
pub(super) struct Terms<'a> {
    pub server_version: u32,
    pub relation: &'a Relation,
    /// The columns of the relation where it is a large table.
    pub large: Option<&'a HashMap<String, Kind>>,
}

impl Terms<'_> {
    /// The statement, which answers with one row: for each test its count, and whether it crosses
    /// either threshold. Where a count says too little it is null.
    pub(super) fn statement(&self, shares: &[Share]) -> String {
        let shown = shares.iter().enumerate().map(|(at, share)| {
            let (warn_if, error_if) = (&share.warn_if, &share.error_if);
            format!("failures_{at}, failures_{at} {warn_if}, failures_{at} {error_if}")
        });
        let shown: Vec<String> = shown.collect();
        let counted = if self.large.is_some() {
            self.side_by_side(shares)
        } else {
            self.one_by_one(shares)
        };
        format!("select {}\nfrom {counted}", shown.join(",\n"))
    }

    /// Scans in one process each, at the same time where the server has processes left.
    fn side_by_side(&self, shares: &[Share]) -> String {
        let mut scans: Vec<Vec<(usize, String)>> = Vec::new();
        let mut looked_up = Vec::new();
        let mut conditions = Vec::new();
        for (at, share) in shares.iter().enumerate() {
            match &share.measure {
                Measure::Rows { condition } | Measure::AnyRow { condition } => {
                    conditions.push((at, count_where(condition)));
                }
                Measure::Repeated {
                    columns,
                    keeps_nulls,
                } => match self.kind(columns).filter(|_| !keeps_nulls) {
                    Some((Kind::Indexed, name)) => looked_up.push((at, self.indexed(&name))),
                    Some((Kind::Number, _)) => scans.push(vec![(at, fewer_values(columns))]),
                    _ if self.server_version < HASHES_ROWS => {
                        let groups = self.groups(share, columns, *keeps_nulls);
                        looked_up.push((at, groups));
                    }
                    _ => scans.push(vec![(at, fewer_hashes(columns, *keeps_nulls))]),
                },
            }
        }
        let is_shared = scans.is_empty();
        if is_shared && !conditions.is_empty() {
            // Alone, one scan is shared out among processes.
            scans.push(conditions);
        } else {
            scans.extend(conditions.chunks(CONDITIONS_OF_A_SCAN).map(<[_]>::to_vec));
        }
        let source = shares.first().map_or("", |share| share.source.as_str());
        let all: Vec<usize> = scans.iter().flatten().map(|(at, _)| *at).collect();
        let select = |scan: &Vec<(usize, String)>| {
            let columns: Vec<String> = all
                .iter()
                .map(|at| {
                    let counted = scan.iter().find(|(counted, _)| counted == at);
                    let counted = counted.map_or("null::bigint", |(_, count)| count.as_str());
                    format!("{counted} as failures_{at}")
                })
                .collect();
            format!("select {} from {source}", columns.join(",\n"))
        };
        let selects: Vec<String> = scans.iter().map(select).collect();
        let mut columns: Vec<String> = all
            .iter()
            .map(|at| format!("max(failures_{at}) as failures_{at}"))
            .collect();
        columns.extend(
            looked_up
                .iter()
                .map(|(at, value)| format!("{value} as failures_{at}")),
        );
        let columns = columns.join(",\n");
        if selects.is_empty() {
            return format!("(select {columns}) counted");
        }
        let selects = selects.join("\nunion all\n");
        format!("(select {columns}\nfrom (\n{selects}\n) scans) counted")
    }

    /// One scan for all conditions, and one for each column whose values must not repeat.
    fn one_by_one(&self, shares: &[Share]) -> String {
        let mut counted = Vec::new();
        let mut parts = Vec::new();
        for (at, share) in shares.iter().enumerate() {
            match &share.measure {
                Measure::Rows { condition } | Measure::AnyRow { condition } => {
                    counted.push(format!("{} as failures_{at}", count_where(condition)));
                }
                Measure::Repeated {
                    columns,
                    keeps_nulls,
                } => {
                    let told = self.repeated(share, columns, *keeps_nulls);
                    parts.push(format!("(select {told} as failures_{at}) repeated_{at}"));
                }
            }
        }
        if let (Some(share), false) = (shares.first(), counted.is_empty()) {
            let counted = counted.join(",\n");
            parts.insert(
                0,
                format!("(select {counted}\nfrom {}) counted", share.source),
            );
        }
        parts.join("\ncross join ")
    }

    /// Tells whether values repeat, of whatever type they are.
    fn repeated(&self, share: &Share, columns: &str, keeps_nulls: bool) -> String {
        if self.server_version < HASHES_ROWS {
            return self.groups(share, columns, keeps_nulls);
        }
        let source = &share.source;
        let by_hash = format!(
            "(select {} from {source})",
            fewer_hashes(columns, keeps_nulls)
        );
        if keeps_nulls {
            return by_hash;
        }
        format!(
            "case when (select typbyval from pg_catalog.pg_type\n\
             where oid = pg_catalog.pg_typeof((select {columns} from {source} limit 0)))\n\
             then (select {} from {source}) else {by_hash} end",
            fewer_values(columns)
        )
    }

    /// Counts the groups of several rows.
    fn groups(&self, share: &Share, columns: &str, keeps_nulls: bool) -> String {
        let source = &share.source;
        let there = if keeps_nulls {
            String::new()
        } else {
            format!("where {columns} is not null ")
        };
        format!(
            "(select count(*) from (select from {source}\n\
             {there}group by {columns} having count(*) > 1) as several)"
        )
    }

    /// No failure, where an index sees to it.
    fn indexed(&self, name: &str) -> String {
        let relation = quote_literal(&self.relation.to_string());
        let oid = format!("pg_catalog.to_regclass({relation})");
        let index = unique_index(&oid, &quote_literal(name));
        format!("case when exists ({index}) then 0 end")
    }

    /// What is known of a column, and its name in the catalog.
    fn kind(&self, column: &str) -> Option<(Kind, String)> {
        let name = match column.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?.replace("\"\"", "\""),
            None => column.to_lowercase(),
        };
        Some((*self.large?.get(&name)?, name))
    }
}

fn count_where(condition: &str) -> String {
    format!("count(*) filter (where {condition}\n)")
}

/// How many more values there are than different ones.
fn fewer_values(column: &str) -> String {
    format!("count({column}) - count(distinct {column})")
}

fn fewer_hashes(columns: &str, keeps_nulls: bool) -> String {
    let counted = if keeps_nulls { "*" } else { columns };
    let there = if keeps_nulls {
        String::new()
    } else {
        format!(" filter (where {columns} is not null)")
    };
    format!(
        "count({counted}){there} - \
         count(distinct pg_catalog.hash_record_extended(row({columns}), 0)){there}"
    )
}
