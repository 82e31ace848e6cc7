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
    let probe = probe_relation(target).without_database();
    session.begin()?;
    session.later(&format!("set local lock_timeout = {LOCK_TIMEOUT_MS}"));
    let outcome = session.select(&format!(
        "create view {probe} as\n{select_sql}\n;\n{}",
        is_same_statement(&[target])
    ));
    if let Err(error) = &outcome
        && error.is_connection_lost()
    {
        return Err(error.clone());
    }
    session.later("rollback");
    Ok(outcome.is_ok_and(|rows| rows.scalar().and_then(Datum::as_bool) == Some(true)))
}

/// The view that is made to find out what the query of `target` means now.
pub fn probe_relation(target: &Relation) -> Relation {
    private_relation(target, "probe")
}

/// Asks, a row for each target in their order, whether it is a view with the query and the columns of
/// its probe.
pub fn is_same_statement(targets: &[&Relation]) -> String {
    let columns = |view: &str| {
        format!(
            "(select pg_catalog.array_agg(row(attname, atttypid, atttypmod, attcollation)::text \
                order by attnum) from pg_catalog.pg_attribute where attrelid = {view})"
        )
    };
    let class_of = |relation: &Relation| quote_literal(&relation.without_database().to_string());
    let pairs: Vec<String> = targets
        .iter()
        .enumerate()
        .map(|(at, target)| {
            let probe = class_of(&probe_relation(target));
            format!("({at}, {}, {probe}::pg_catalog.regclass)", class_of(target))
        })
        .collect();
    format!(
        "select coalesce(class.relkind = 'v' \
            and pg_catalog.pg_get_viewdef(class.oid) = pg_catalog.pg_get_viewdef(pair.probe) \
            and {} = {}, false) \
        from (values {}) as pair (place, target, probe) \
        left join pg_catalog.pg_class as class \
            on class.oid = pg_catalog.to_regclass(pair.target) \
        order by pair.place",
        columns("pair.probe"),
        columns("class.oid"),
        pairs.join(", ")
    )
}
