//! Small tables that get new rows where they are: nobody waits, and what hangs on them stays.
//!
//! For tables that are nothing but rows and would be made the same way again. The statements belong
//! into one transaction: [`lock`], a probe of each ([`probe_relation`]), [`check`], the probes taken
//! back, [`refill`].

use std::collections::HashSet;

use crate::postgres::{Datum, Error, Session};
use crate::relation::{Relation, quote_literal};
use crate::run::publish::unchanged::probe_relation;

/// True of a table `old` that a plain `create table as` would make: views, grants, comments and
/// storage options may hang on it, and it may have been given columns by hand.
const IS_PLAIN: &str = "\
    old.relkind = 'r' and old.relpersistence = 'p' and old.reltablespace = 0 \
    and not (old.relhasindex or old.relhastriggers or old.relhasrules or old.relrowsecurity \
        or old.relforcerowsecurity or old.relispartition or old.relhassubclass) \
    and pg_catalog.pg_has_role(old.relowner, 'USAGE') \
    and not exists (select from pg_catalog.pg_constraint where conrelid = old.oid) \
    and not exists (select from pg_catalog.pg_inherits where inhrelid = old.oid) \
    and not exists (select from pg_catalog.pg_attribute \
        where attrelid = old.oid and attnum > 0 and (attidentity <> '' or atthasdef or attnotnull))";

/// Schema and name of the tables in these schemas that can be refilled, as it looks now.
///
/// # Errors
///
/// When the server refuses to be looked at.
pub fn refillable_tables(
    session: &mut Session,
    schemas: &[&str],
) -> Result<HashSet<(String, String)>, Error> {
    let quoted: Vec<String> = schemas.iter().map(|schema| quote_literal(schema)).collect();
    if quoted.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = session.select(&format!(
        "select namespace.nspname::text, old.relname::text from pg_catalog.pg_class as old
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = old.relnamespace
        where namespace.nspname in ({}) and {IS_PLAIN}",
        quoted.join(", ")
    ))?;
    let text = |row: &[Datum], at: usize| Some(row.get(at)?.as_str()?.to_owned());
    let names = rows.rows.iter();
    Ok(names
        .filter_map(|row| Some((text(row, 0)?, text(row, 1)?)))
        .collect())
}

/// Locks tables against whoever changes them, not against readers; refused where that would have to
/// be waited for.
pub fn lock(targets: &[&Relation]) -> String {
    let names: Vec<String> = targets
        .iter()
        .map(|target| target.without_database().to_string())
        .collect();
    format!(
        "lock table {} in share row exclusive mode nowait",
        names.join(", ")
    )
}

/// Is refused unless all tables can be refilled and have the columns of their probes.
pub fn check(targets: &[&Relation]) -> String {
    let literal = |relation: &Relation| quote_literal(&relation.without_database().to_string());
    let columns = |relation: &str| {
        format!(
            "(select pg_catalog.array_agg(row(attname, atttypid, atttypmod, attcollation)::text \
                order by attnum) from pg_catalog.pg_attribute \
                where attrelid = {relation} and attnum > 0 and not attisdropped)"
        )
    };
    let pairs: Vec<String> = targets
        .iter()
        .map(|target| {
            format!(
                "({}, {})",
                literal(target),
                literal(&probe_relation(target))
            )
        })
        .collect();
    format!(
        "select (case when pg_catalog.count(*) = {} then '0' else 'a table is to be another' end)\
         ::int from (values {}) as pair (target, probe) \
         inner join pg_catalog.pg_class as old on old.oid = pair.target::pg_catalog.regclass \
         where {IS_PLAIN} and {} = {}",
        targets.len(),
        pairs.join(", "),
        columns("old.oid"),
        columns("pair.probe::pg_catalog.regclass"),
    )
}

/// Gives a table the rows of a query, which still reads the old ones.
pub fn refill(target: &Relation, select_sql: &str) -> String {
    let name = target.without_database();
    // Counting the removed rows makes the removal come first.
    format!(
        "with msv_removed as (delete from {name} returning 1), \
         msv_counted as (select pg_catalog.count(*) as removed from msv_removed)\n\
         insert into {name} select fresh.* from (\n{select_sql}\n) as fresh \
         cross join msv_counted where msv_counted.removed >= 0"
    )
}
