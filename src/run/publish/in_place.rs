//! Gives a table new rows where it cannot be exchanged: all of them, in one statement.

use crate::postgres::catalog::{self, ColumnInfo, Dependent, DependentKind, RelationInfo};
use crate::postgres::{Error, Session};
use crate::relation::{Relation, quote_identifier};
use crate::run::publish::attributes::{index_shape, rewrite_statements};
use crate::run::publish::error::PublishError;
use crate::run::publish::swap::Setback;

/// Replaces the rows of `target` by those of `private`, which is dropped.
///
/// Readers keep the rows they began with. References to the table are checked once, against the
/// new rows.
pub(in crate::run::publish) fn replace_rows(
    session: &mut Session,
    target: &Relation,
    old: &RelationInfo,
    private: &Relation,
    fresh: &RelationInfo,
    dependents: &[Dependent],
) -> Result<(), Setback> {
    let table = target.without_database().to_string();
    let source = private.without_database().to_string();
    session.execute(&format!("lock table {table} in share row exclusive mode"))?;
    let old_columns = catalog::columns(session, target.schema_name(), target.name())?;
    let new_columns = catalog::columns(session, private.schema_name(), private.name())?;
    if let Some(reason) = difference(&old_columns, &new_columns) {
        let hindering = dependents.iter().filter(|dependent| {
            dependent.kind != DependentKind::View && dependent.kind != DependentKind::ForeignKey
        });
        return Err(Setback::Unfit {
            error: Box::new(PublishError::DependentBlocks {
                target: target.to_string(),
                dependents: dependents.iter().map(|d| d.description.clone()).collect(),
                reason,
            }),
            dependents: hindering.cloned().collect(),
        });
    }
    let generated = generated_columns(session, old.oid)?;
    let names: Vec<String> = new_columns
        .iter()
        .filter(|column| !generated.contains(&column.name))
        .map(|column| quote_identifier(&column.name))
        .collect();
    let names = names.join(", ");
    // One statement: what references the old rows is checked at its end, when the new ones are
    // there. Counting the removed rows makes the removal come first.
    session
        .execute(&format!(
            "with removed as (delete from {table} returning 1),
                counted as (select pg_catalog.count(*) as removed_count from removed)
            insert into {table} ({names}) overriding system value
            select {names} from {source} cross join counted where counted.removed_count >= 0"
        ))
        .map_err(|error| refused_rows(target, dependents, error))?;
    add_missing_indexes(session, &table, old.oid, fresh.oid)?;
    for statement in rewrite_statements(session, fresh, target)? {
        session.execute(&statement)?;
    }
    session.execute(&format!("drop table {source}"))?;
    Ok(())
}

fn refused_rows(target: &Relation, dependents: &[Dependent], error: Error) -> Setback {
    if error.sqlstate != "23503" {
        return error.without_position().into();
    }
    let mut reason = format!("rows are still referenced: {}", error.message);
    if let Some(detail) = &error.detail {
        reason.push_str(&format!(" ({})", detail.trim_end_matches('.')));
    }
    PublishError::DependentBlocks {
        target: target.to_string(),
        dependents: dependents.iter().map(|d| d.description.clone()).collect(),
        reason,
    }
    .into()
}

/// Says what keeps rows of the one from fitting the other; the order of columns may differ.
fn difference(old: &[ColumnInfo], new: &[ColumnInfo]) -> Option<String> {
    for column in new {
        match old.iter().find(|known| known.name == column.name) {
            None => return Some(format!("the column `{}` is new", column.name)),
            Some(known) if known.type_name != column.type_name => {
                return Some(format!(
                    "the column `{}` was {} and becomes {}",
                    column.name, known.type_name, column.type_name
                ));
            }
            Some(_) => {}
        }
    }
    let gone = old
        .iter()
        .find(|known| new.iter().all(|column| column.name != known.name))?;
    Some(format!("the column `{}` is gone", gone.name))
}

fn generated_columns(session: &mut Session, oid: u32) -> Result<Vec<String>, Error> {
    let rows = session.select(&format!(
        "select attname::text from pg_catalog.pg_attribute
        where attrelid = {oid} and attgenerated <> ''"
    ))?;
    Ok(rows
        .rows
        .iter()
        .filter_map(|row| Some(row.first()?.as_str()?.to_owned()))
        .collect())
}

/// Makes the indexes that the new version has and the table has not.
fn add_missing_indexes(
    session: &mut Session,
    table: &str,
    old_oid: u32,
    new_oid: u32,
) -> Result<(), Error> {
    let known: Vec<String> = catalog::indexes(session, old_oid)?
        .iter()
        .map(|index| index_shape(&index.definition))
        .collect();
    for index in catalog::indexes(session, new_oid)? {
        if known.contains(&index_shape(&index.definition)) {
            continue;
        }
        let unique = if index.is_unique { "unique " } else { "" };
        if let Some((_, rest)) = index.definition.split_once(" USING ") {
            session.execute(&format!("create {unique}index on {table} using {rest}"))?;
        }
    }
    Ok(())
}
