//! What is known of large tables before their tests are counted.
//!
//! All of it are hints: a statement that was written by a wrong one is slower and tells the same.

use std::collections::HashMap;

use crate::postgres::{Datum, Session};
use crate::relation::Relation;

/// From how many pages on a table is large, and from how many rows where its partitions have the
/// pages: a second of reading, or more.
const LARGE_PAGES: u32 = 4096;
const LARGE_ROWS: u32 = 1_000_000;

/// How values of a column are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are compared as one number.
    Number,
    Other,
    /// An index keeps them apart.
    Indexed,
}

/// The large tables of the database, with their columns.
#[derive(Debug, Default)]
pub(super) struct LargeTables(HashMap<(String, String), HashMap<String, Kind>>);

impl LargeTables {
    /// Asks for the large tables; without an answer there are none.
    pub(super) fn of_database(session: &mut Session) -> LargeTables {
        let unique = unique_index("attribute.attrelid", "attribute.attname");
        let rows = session.select(&format!(
            "select namespace.nspname::text, class.relname::text, attribute.attname::text,
                type.typbyval, exists ({unique})
            from pg_catalog.pg_class as class
            inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
            inner join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid
            inner join pg_catalog.pg_type as type on type.oid = attribute.atttypid
            where class.relkind in ('r', 'm', 'p') and attribute.attnum > 0
                and (class.relpages >= {LARGE_PAGES} or class.reltuples >= {LARGE_ROWS})
                and namespace.nspname not in ('pg_catalog', 'pg_toast', 'information_schema')"
        ));
        let mut found = LargeTables::default();
        for row in rows.map(|rows| rows.rows).unwrap_or_default() {
            let text = |at: usize| Some(row.get(at)?.as_str()?.to_owned());
            let holds = |at: usize| row.get(at).and_then(Datum::as_bool).unwrap_or(false);
            let (Some(schema), Some(name), Some(column)) = (text(0), text(1), text(2)) else {
                continue;
            };
            let kind = match (holds(3), holds(4)) {
                (_, true) => Kind::Indexed,
                (true, false) => Kind::Number,
                (false, false) => Kind::Other,
            };
            found
                .0
                .entry((schema, name))
                .or_default()
                .insert(column, kind);
        }
        found
    }

    /// The columns of the relation, where it is a large table.
    pub(super) fn get(&self, relation: &Relation) -> Option<&HashMap<String, Kind>> {
        let name = (
            relation.schema_name().to_owned(),
            relation.name().to_owned(),
        );
        self.0.get(&name)
    }
}

/// Answers with a row where a unique index keeps apart the values of the column, at all times and
/// by the equality that `group by` uses.
pub(super) fn unique_index(relation_oid: &str, column: &str) -> String {
    format!(
        "select from pg_catalog.pg_index as index
        inner join pg_catalog.pg_attribute as key
            on key.attrelid = index.indrelid and key.attnum = index.indkey[0]
        inner join pg_catalog.pg_opclass as class on class.oid = index.indclass[0]
        inner join pg_catalog.pg_class as indexed on indexed.oid = index.indrelid
        where index.indrelid = {relation_oid} and key.attname = {column}
            and index.indisunique and index.indimmediate and index.indisvalid and index.indislive
            and index.indnkeyatts = 1 and index.indpred is null and index.indexprs is null
            and class.opcdefault and index.indcollation[0] in (0, key.attcollation)
            and (indexed.relkind = 'p' or not indexed.relhassubclass)"
    )
}
