//! Changes a column that views read: the views make way and come back as they were.

use crate::postgres::catalog::{self, DependentKind};
use crate::postgres::{Datum, Error, Session};
use crate::relation::{Relation, quote_literal};
use crate::run::publish::attributes::{recreate_view_statements, view_name};

/// Runs `alter table` statements on `target` inside the open transaction, views on it or not.
///
/// # Errors
///
/// The server's refusal of the statement, also where a materialized view or somebody else's view
/// reads the column. The transaction is usable only after a success.
pub fn alter_below_views(
    session: &mut Session,
    target: &Relation,
    alter: &str,
) -> Result<(), Error> {
    session.execute("savepoint msv_alter")?;
    let refusal = match session.execute(alter) {
        Ok(_) => return session.execute("release savepoint msv_alter").map(drop),
        Err(error) if error.sqlstate == "0A000" => error,
        Err(error) => return Err(error),
    };
    session.execute("rollback to savepoint msv_alter; release savepoint msv_alter")?;
    let Some(table) = catalog::get_relation(session, target.schema_name(), target.name())? else {
        return Err(refusal);
    };
    // The views' texts are read, and written again, with full names.
    let rows = session.select("select pg_catalog.current_setting('search_path')")?;
    let search_path = rows.scalar().and_then(Datum::as_str).unwrap_or_default();
    session.execute("set local search_path = ''")?;
    let views = catalog::dependents(session, table.oid)?;
    let is_movable = |view: &catalog::Dependent| view.kind == DependentKind::View && view.is_ours;
    if views.is_empty() || !views.iter().all(is_movable) {
        return Err(refusal);
    }
    let mut again = Vec::new();
    for view in &views {
        again.push(recreate_view_statements(session, view)?);
    }
    for view in &views {
        session.execute(&format!("drop view {}", view_name(view)))?;
    }
    session.execute(alter)?;
    for statement in again.iter().rev().flatten() {
        session.execute(statement)?;
    }
    session.execute(&format!(
        "select pg_catalog.set_config('search_path', {}, true)",
        quote_literal(search_path)
    ))?;
    Ok(())
}
