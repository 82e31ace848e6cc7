//! Gives a table new rows where it cannot be exchanged: all of them, in one statement.

use std::collections::HashMap;

use crate::postgres::catalog::{self, ColumnInfo, Dependent, DependentKind, RelationInfo};
use crate::postgres::{Datum, Error, Session};
use crate::relation::{Relation, RelationKind, quote_identifier, quote_literal};
use crate::run::publish::attributes::{index_shape, rewrite_statements};
use crate::run::publish::error::PublishError;
use crate::run::publish::names::public_name;
use crate::run::publish::swap::{New, Setback};

/// True when the rows of `new` would go into the table that stands under `target`.
pub(in crate::run::publish) fn fits(
    session: &mut Session,
    target: &Relation,
    new: &New,
) -> Result<bool, Error> {
    let New::Table(private) = new else {
        return Ok(false);
    };
    let names = [target.name(), private.name()];
    let found = catalog::get_relations(session, target.schema_name(), &names)?;
    let are_tables = found.len() == 2 && found.iter().all(|it| it.kind == RelationKind::Table);
    Ok(are_tables && are_alike(session, target, private)?)
}

/// True when both tables have the same columns and are partitioned by the same key.
pub(in crate::run::publish) fn are_alike(
    session: &mut Session,
    target: &Relation,
    private: &Relation,
) -> Result<bool, Error> {
    let old = catalog::columns(session, target.schema_name(), target.name())?;
    let new = catalog::columns(session, private.schema_name(), private.name())?;
    Ok(difference(&old, &new).is_none())
}

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
    index_names: &HashMap<String, String>,
) -> Result<(), Setback> {
    let table = target.without_database().to_string();
    let source = private.without_database().to_string();
    session.execute(&format!("lock table {table} in share row exclusive mode"))?;
    let old_columns = catalog::columns(session, target.schema_name(), target.name())?;
    let new_columns = catalog::columns(session, private.schema_name(), private.name())?;
    let reason = match difference(&old_columns, &new_columns) {
        Some(reason) => Some(reason),
        None => hindrance(session, old, fresh)?,
    };
    if let Some(reason) = reason {
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
    make_partitions(session, target, old, private, fresh)
        .map_err(|error| other_partitions(target, dependents, error))?;
    let constraints = missing_constraints(session, &table, private, target, old, fresh)?;
    for statement in &constraints.drops {
        session.execute(statement)?;
    }
    // Rows of tables that inherit from this one are not its own.
    let only = if old.is_partitioned { "" } else { "only " };
    // One statement: what references the old rows is checked at its end, when the new ones are
    // there. Counting the removed rows makes the removal come first.
    session
        .execute(&format!(
            "with removed as (delete from {only}{table} returning 1),
                counted as (select pg_catalog.count(*) as removed_count from removed)
            insert into {table} ({names}) overriding system value
            select {names} from {source} cross join counted where counted.removed_count >= 0"
        ))
        .map_err(|error| refused_rows(target, dependents, error))?;
    add_missing_indexes(session, target, old.oid, fresh.oid, index_names)?;
    for statement in rewrite_statements(session, fresh, target)? {
        session.execute(&statement)?;
    }
    session.execute(&format!("drop table {source}"))?;
    for statement in &constraints.adds {
        session.execute(statement)?;
    }
    let mut options = fresh.options.iter().filter(|it| !old.options.contains(it));
    options.try_for_each(|option| {
        let (key, value) = option.split_once('=').unwrap_or((option, "true"));
        let value = quote_literal(value);
        session
            .execute(&format!("alter table {table} set ({key} = {value})"))
            .map(drop)
    })?;
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

/// Says what about the tables themselves keeps the rows of the one from becoming those of the other.
fn hindrance(
    session: &mut Session,
    old: &RelationInfo,
    fresh: &RelationInfo,
) -> Result<Option<String>, Error> {
    let rows = session.select(&format!(
        "select reason from (
            select 1, 'it is ' || coalesce('partitioned by '
                    || pg_catalog.pg_get_partkeydef({old}), 'not partitioned')
                || ' and becomes ' || coalesce('partitioned by '
                    || pg_catalog.pg_get_partkeydef({new}), 'not partitioned')
            where pg_catalog.pg_get_partkeydef({old})
                is distinct from pg_catalog.pg_get_partkeydef({new})
            union all
            select 2, pg_catalog.format('its rule %I would change what is written to it', rulename)
            from pg_catalog.pg_rewrite
            where ev_class = {old} and rulename <> '_RETURN' and ev_enabled <> 'D'
                and ev_type in ('3', '4')
            union all
            select 3, 'its row security is forced on its owner, who cannot replace all rows'
            from pg_catalog.pg_class
            where oid = {old} and relforcerowsecurity and relrowsecurity
                and not (select rolsuper or rolbypassrls from pg_catalog.pg_roles
                    where rolname = current_user)
        ) as reasons (place, reason) order by place limit 1",
        old = old.oid,
        new = fresh.oid
    ))?;
    Ok(rows.scalar().and_then(Datum::as_str).map(str::to_owned))
}

/// Makes the partitions that the new version has and the table has not.
fn make_partitions(
    session: &mut Session,
    target: &Relation,
    old: &RelationInfo,
    private: &Relation,
    fresh: &RelationInfo,
) -> Result<(), Error> {
    if !fresh.is_partitioned {
        return Ok(());
    }
    let bounds = |oid: u32| {
        format!(
            "select class.relname, class.relpersistence = 'u' as is_unlogged,
                pg_catalog.pg_get_expr(class.relpartbound, class.oid) as bound
            from pg_catalog.pg_inherits as inherits
            inner join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
            where inherits.inhparent = {oid}"
        )
    };
    let missing = session.select(&format!(
        "select new.relname::text, new.bound, new.is_unlogged from ({}) as new
        where new.bound not in (select old.bound from ({}) as old) order by 1",
        bounds(fresh.oid),
        bounds(old.oid)
    ))?;
    let table = target.without_database();
    for row in &missing.rows {
        let (Some(name), Some(bound)) = (row[0].as_str(), row[1].as_str()) else {
            continue;
        };
        let Some(name) = public_name(name, private.name(), target.name()) else {
            continue;
        };
        let unlogged = match row[2].as_bool() {
            Some(true) => "unlogged ",
            _ => "",
        };
        session.execute(&format!(
            "create {unlogged}table {} partition of {table} {bound}",
            table.clone().with_identifier(name)
        ))?;
    }
    Ok(())
}

fn other_partitions(target: &Relation, dependents: &[Dependent], error: Error) -> Setback {
    // Overlapping bounds, rows of the default partition, a partition of the same name.
    if !matches!(error.sqlstate.as_str(), "42P17" | "23514" | "42P07") {
        return error.into();
    }
    PublishError::DependentBlocks {
        target: target.to_string(),
        dependents: dependents.iter().map(|d| d.description.clone()).collect(),
        reason: format!("its partitions changed ({})", error.message),
    }
    .into()
}

/// Statements about constraints: those before the rows change, and those after.
#[derive(Default)]
struct Constraints {
    drops: Vec<String>,
    adds: Vec<String>,
}

/// Gives the table the constraints that the new version has and it has not.
fn missing_constraints(
    session: &mut Session,
    table: &str,
    private: &Relation,
    target: &Relation,
    old: &RelationInfo,
    fresh: &RelationInfo,
) -> Result<Constraints, Error> {
    let rows = session.select(&format!(
        "select pg_catalog.format('alter column %I set not null', new.attname), null
        from pg_catalog.pg_attribute as new
        inner join pg_catalog.pg_attribute as old
            on old.attrelid = {old} and old.attname = new.attname and not old.attisdropped
        where new.attrelid = {new} and new.attnum > 0 and new.attnotnull and not old.attnotnull
        union all
        select pg_catalog.pg_get_constraintdef(new.oid), new.conname::text
        from pg_catalog.pg_constraint as new
        where new.conrelid = {new} and new.contype in ('p', 'u', 'x', 'c', 'f')
            and not exists (select 1 from pg_catalog.pg_constraint as old
                where old.conrelid = {old} and pg_catalog.pg_get_constraintdef(old.oid)
                    = pg_catalog.pg_get_constraintdef(new.oid))
        order by 2 nulls first",
        old = old.oid,
        new = fresh.oid,
    ))?;
    let mut constraints = Constraints::default();
    for row in &rows.rows {
        let Some(text) = row[0].as_str() else {
            continue;
        };
        let Some(name) = row[1].as_str() else {
            constraints.adds.push(format!("alter table {table} {text}"));
            continue;
        };
        let name = public_name(name, private.name(), target.name()).unwrap_or(name.to_owned());
        let name = quote_identifier(&name);
        // One of the same name said something else.
        constraints.drops.push(format!(
            "alter table {table} drop constraint if exists {name}"
        ));
        constraints
            .adds
            .push(format!("alter table {table} add constraint {name} {text}"));
    }
    Ok(constraints)
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
    target: &Relation,
    old_oid: u32,
    new_oid: u32,
    names: &HashMap<String, String>,
) -> Result<(), Error> {
    let table = target.without_database();
    let known = catalog::indexes(session, old_oid)?;
    for index in catalog::indexes(session, new_oid)? {
        // A constraint brings its own.
        let is_known = known
            .iter()
            .any(|known| index_shape(&known.definition) == index_shape(&index.definition));
        if is_known || index.constraint_definition.is_some() {
            continue;
        }
        let unique = if index.is_unique { "unique " } else { "" };
        let name = names
            .get(&index.name)
            .filter(|name| known.iter().all(|known| known.name != **name))
            .map_or_else(String::new, |name| quote_identifier(name));
        if let Some((_, rest)) = index.definition.split_once(" USING ") {
            session.execute(&format!(
                "create {unique}index {name} on {table} using {rest}"
            ))?;
        }
    }
    Ok(())
}
