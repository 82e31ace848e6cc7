//! Indexes of a relation and the constraints that stand on them.

use crate::catalog::{boolean, oid, optional_text, text};
use crate::error::Error;
use crate::session::Session;

/// An index, with the statement that makes it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexInfo {
    pub oid: u32,
    pub name: String,
    /// As `pg_get_indexdef` writes it.
    pub definition: String,
    pub is_unique: bool,
    pub is_primary: bool,
    pub is_valid: bool,
    /// The constraint that owns the index: its definition, as `PRIMARY KEY (a)`.
    pub constraint_definition: Option<String>,
    pub comment: Option<String>,
}

/// Lists the indexes of the relation with that object id, oldest first.
pub fn indexes(session: &mut Session, relation_oid: u32) -> Result<Vec<IndexInfo>, Error> {
    let rows = session.select(&format!(
        "select index_class.oid::bigint, index_class.relname::text,
            pg_catalog.pg_get_indexdef(index_class.oid),
            index.indisunique, index.indisprimary, index.indisvalid,
            pg_catalog.pg_get_constraintdef(con.oid),
            pg_catalog.obj_description(index_class.oid, 'pg_class')
        from pg_catalog.pg_index as index
        inner join pg_catalog.pg_class as index_class on index_class.oid = index.indexrelid
        left join pg_catalog.pg_constraint as con
            on con.conindid = index.indexrelid and con.conrelid = index.indrelid
                and con.contype in ('p', 'u', 'x')
        where index.indrelid = {relation_oid}
        order by index_class.oid"
    ))?;
    Ok(rows
        .rows
        .iter()
        .map(|row| IndexInfo {
            oid: oid(row, 0),
            name: text(row, 1),
            definition: text(row, 2),
            is_unique: boolean(row, 3),
            is_primary: boolean(row, 4),
            is_valid: boolean(row, 5),
            constraint_definition: optional_text(row, 6),
            comment: optional_text(row, 7),
        })
        .collect())
}
