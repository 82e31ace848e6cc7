//! Foreign keys of other tables that lead to a table.

use crate::catalog::{boolean, text};
use crate::error::Error;
use crate::session::Session;

/// A foreign key as seen from the table it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that has it, as SQL writes it: `shop.lines`.
    pub table: String,
    pub name: String,
    /// As `pg_get_constraintdef` writes it, without `NOT VALID`.
    pub definition: String,
    /// False when the rows that were there first have never been checked.
    pub is_valid: bool,
    /// True when this session may drop it and make it again.
    pub is_ours: bool,
}

/// Lists the foreign keys of other tables on the relation with that object id.
///
/// Their definitions name tables as the session's `search_path` asks for.
pub fn foreign_keys_to(session: &mut Session, relation_oid: u32) -> Result<Vec<ForeignKey>, Error> {
    let rows = session.select(&format!(
        "select pg_catalog.format('%I.%I', namespace.nspname, class.relname), con.conname::text,
            pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(con.oid), ' NOT VALID$', ''),
            con.convalidated, pg_catalog.pg_has_role(class.relowner, 'USAGE')
        from pg_catalog.pg_constraint as con
        inner join pg_catalog.pg_class as class on class.oid = con.conrelid
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
        where con.contype = 'f' and con.confrelid = {relation_oid}
            and con.conrelid <> {relation_oid} and con.conparentid = 0
        order by 1, 2"
    ))?;
    Ok(rows
        .rows
        .iter()
        .map(|row| ForeignKey {
            table: text(row, 0),
            name: text(row, 1),
            definition: text(row, 2),
            is_valid: boolean(row, 3),
            is_ours: boolean(row, 4),
        })
        .collect())
}
