//! What a loaded table says of the file it came from, so that the same file is not loaded again.
//!
//! The mark is the comment of the table's row type, where nobody else writes: it comes and goes
//! with the table, belongs to the transaction that wrote the rows, and is in no dump. A table
//! whose rows or columns were changed since is known by comparing it with its mark.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};

use crate::diagnostics::Diagnostic;
use crate::postgres::{Datum, Error, Session};
use crate::relation::{Relation, quote_literal};
use crate::run::seed::Seed;

/// What tells one load from another: the bytes of the file, and all that was said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of the file as it is now, loaded as `configuration` says.
    ///
    /// # Errors
    ///
    /// MSV0449 when the file cannot be read.
    pub fn of(seed: &Seed, configuration: &str) -> Result<Fingerprint, Diagnostic> {
        // What a file becomes may differ between versions.
        let mut digest = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
        digest.update(configuration.len().to_le_bytes());
        digest.update(configuration);
        let mut piece = vec![0; 256 * 1024];
        let unreadable = |error| seed.unreadable(&error);
        let mut file = File::open(seed.path()).map_err(unreadable)?;
        loop {
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => digest.update(&piece[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        let bytes = digest.finalize();
        Ok(Fingerprint(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }
}

/// Names and types of a table's columns, as one value.
fn columns(table: &str) -> String {
    format!(
        "(select pg_catalog.hashtextextended(pg_catalog.string_agg(pg_catalog.format('%I %s %s', \
            attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull), ', ' \
            order by attnum), 0)::text \
        from pg_catalog.pg_attribute \
        where attrelid = {table} and attnum > 0 and not attisdropped)"
    )
}

/// Marks a table that was filled with so many rows in the transaction that is open.
pub(in crate::run::seed) fn leave(
    session: &mut Session,
    table: &str,
    fingerprint: &Fingerprint,
    rows: u64,
) -> Result<(), Error> {
    let known = format!("{}::pg_catalog.regclass", quote_literal(table));
    let found = session.select(&format!("select {}", columns(&known)))?;
    let columns = found.scalar().and_then(Datum::as_str).unwrap_or("");
    let mark = format!("msv seed {} {rows} {columns}", fingerprint.0);
    session.later(&format!(
        "comment on type {table} is {}",
        quote_literal(&mark)
    ));
    Ok(())
}

/// True when `table` holds what a load with this fingerprint made of it, row by row.
///
/// # Errors
///
/// When the server refuses to be looked at.
pub fn is_loaded(
    session: &mut Session,
    table: &Relation,
    fingerprint: &Fingerprint,
) -> Result<bool, Error> {
    let found = session.select(&format!(
        "select mark.description, {columns}, class.reltype::bigint
        from pg_catalog.pg_class as class
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
        inner join pg_catalog.pg_description as mark on mark.objoid = class.reltype
            and mark.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
        where namespace.nspname = {schema} and class.relname = {name} and class.relkind = 'r'",
        columns = columns("class.oid"),
        schema = quote_literal(table.schema_name()),
        name = quote_literal(table.name()),
    ))?;
    let Some([mark, columns, row_type]) = found.rows.first().map(Vec::as_slice) else {
        return Ok(false);
    };
    let (mark, columns) = (mark.as_str().unwrap_or(""), columns.as_str().unwrap_or(""));
    let (Some(row_type), Some(rows)) = (row_type.as_i64(), rows_of(mark, fingerprint, columns))
    else {
        return Ok(false);
    };
    // Rows that were added or changed later are of another transaction than the mark.
    let same = session.select(&format!(
        "select pg_catalog.count(*) = {rows} and pg_catalog.count(*) filter (where loaded.xmin <> (
            select mark.xmin from pg_catalog.pg_description as mark
            where mark.objoid = {row_type}
                and mark.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass)) = 0
        from only {} as loaded",
        table.without_database()
    ))?;
    Ok(same.scalar().and_then(Datum::as_bool).unwrap_or(false))
}

/// How many rows the mark tells of, where it is that of the fingerprint and the columns.
fn rows_of(mark: &str, fingerprint: &Fingerprint, columns: &str) -> Option<u64> {
    let told = mark.strip_prefix("msv seed ")?;
    let told = told.strip_prefix(fingerprint.0.as_str())?;
    let rows = told.strip_suffix(columns)?;
    rows.trim().parse().ok()
}
