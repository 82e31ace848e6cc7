//! Creates what nothing stands in the way of: in its own place, by one statement.

use crate::postgres::{Error, Session};
use crate::relation::Relation;
use crate::run::publish::{Published, Way};

/// Creates the view `target` of a query; `None` where that was refused, for whatever reason.
///
/// No transaction may be open.
pub fn create_view(
    session: &mut Session,
    target: &Relation,
    select_sql: &str,
) -> Option<Published> {
    let target = target.without_database();
    session
        .execute(&format!("create view {target} as\n{select_sql}"))
        .ok()
        .map(|_| Published::plain(Way::Created))
}

/// True when something stands under the name of a relation that was to be created.
pub fn is_taken(error: &Error) -> bool {
    match error.sqlstate.as_str() {
        "42P07" | "42710" => true,
        // Another session committed the same name at the same moment.
        "23505" => error.schema.as_deref() == Some("pg_catalog"),
        _ => false,
    }
}
