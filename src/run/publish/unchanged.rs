//! Leaves a view alone whose query means the same as before.

use crate::postgres::{Datum, Error, Session};
use crate::relation::{Relation, quote_literal};
use crate::run::publish::names::private_relation;

/// How long the look at a view waits for a lock before the publication itself has to.
const LOCK_TIMEOUT_MS: u64 = 100;

/// True when `target` is a view with that query and those columns already.
///
/// A view of the same query, which is taken back again, tells what the query means now: which
/// relations its names stand for, and which columns a star has. A refusal is told when the view
/// itself is replaced, at the place in its query.
///
/// # Errors
///
/// When the connection is lost.
pub(in crate::run::publish) fn is_same_view(
    session: &mut Session,
    target: &Relation,
    select_sql: &str,
) -> Result<bool, Error> {
    let probe = private_relation(target, "probe").without_database();
    let columns = |view: &str| {
        format!(
            "(select pg_catalog.array_agg(row(attname, atttypid, atttypmod, attcollation)::text \
                order by attnum) from pg_catalog.pg_attribute where attrelid = {view})"
        )
    };
    let probed = format!("{}::pg_catalog.regclass", quote_literal(&probe.to_string()));
    let name = quote_literal(&target.without_database().to_string());
    session.begin()?;
    session.later(&format!("set local lock_timeout = {LOCK_TIMEOUT_MS}"));
    let outcome = session.select(&format!(
        "create view {probe} as\n{select_sql}\n;\n\
        select pg_catalog.pg_get_viewdef(class.oid) = pg_catalog.pg_get_viewdef({probed}) \
            and {} = {} \
        from pg_catalog.pg_class as class \
        where class.oid = pg_catalog.to_regclass({name}) and class.relkind = 'v'",
        columns(&probed),
        columns("class.oid"),
    ));
    if let Err(error) = &outcome
        && error.is_connection_lost()
    {
        return Err(error.clone());
    }
    session.later("rollback");
    Ok(outcome.is_ok_and(|rows| rows.scalar().and_then(Datum::as_bool) == Some(true)))
}
