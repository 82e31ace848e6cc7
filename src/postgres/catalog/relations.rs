//! Tables, views and the schemas they lie in.

use crate::catalog::{boolean, integer, literal_list, oid, optional_text, text, text_items};
use crate::error::Error;
use crate::session::Session;
use msv_relation::{RelationKind, quote_identifier, quote_literal};

/// A table, view, materialized view or foreign table as the catalog knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationInfo {
    pub oid: u32,
    pub database: String,
    pub schema: String,
    pub name: String,
    /// Foreign tables are [`RelationKind::External`], partitioned tables are tables.
    pub kind: RelationKind,
    pub owner: String,
    pub comment: Option<String>,
    /// Storage options, each `name=value`.
    pub options: Vec<String>,
    pub is_partitioned: bool,
    pub is_unlogged: bool,
    /// The planner's guess; `None` before the first analyze.
    pub estimated_rows: Option<i64>,
    /// False only where there is no index; true also for a while after the last one is gone.
    pub may_have_indexes: bool,
}

/// Lists the relations of several schemas, ordered by schema and name. Partitions are left out.
pub fn list_relations(session: &mut Session, schemas: &[&str]) -> Result<Vec<RelationInfo>, Error> {
    let filter = format!(
        "class.relnamespace in (select oid from pg_catalog.pg_namespace where nspname in ({})) \
         and not class.relispartition",
        literal_list(schemas)
    );
    select_relations(session, &filter)
}

/// Finds one relation by its exact name.
pub fn get_relation(
    session: &mut Session,
    schema: &str,
    name: &str,
) -> Result<Option<RelationInfo>, Error> {
    Ok(get_relations(session, schema, &[name])?.into_iter().next())
}

/// Finds those relations of a schema that have one of the names, ordered by name.
pub fn get_relations(
    session: &mut Session,
    schema: &str,
    names: &[&str],
) -> Result<Vec<RelationInfo>, Error> {
    // Planned faster than a join: one look into the index of names.
    let filter = format!(
        "class.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = {}) \
         and class.relname in ({})",
        quote_literal(schema),
        literal_list(names)
    );
    select_relations(session, &filter)
}

fn select_relations(session: &mut Session, filter: &str) -> Result<Vec<RelationInfo>, Error> {
    let rows = session.select(&format!(
        "select class.oid::bigint, pg_catalog.current_database()::text,
            (select nspname::text from pg_catalog.pg_namespace where oid = class.relnamespace),
            class.relname::text, class.relkind::text, pg_catalog.pg_get_userbyid(class.relowner)::text,
            pg_catalog.obj_description(class.oid, 'pg_class'), class.reloptions,
            class.relpersistence::text, class.reltuples::bigint, class.relhasindex
        from pg_catalog.pg_class as class
        where class.relkind in ('r', 'p', 'v', 'm', 'f') and {filter}
        order by 3, 4"
    ))?;
    Ok(rows
        .rows
        .iter()
        .map(|row| {
            let kind = text(row, 4);
            RelationInfo {
                oid: oid(row, 0),
                database: text(row, 1),
                schema: text(row, 2),
                name: text(row, 3),
                kind: match kind.as_str() {
                    "v" => RelationKind::View,
                    "m" => RelationKind::MaterializedView,
                    "f" => RelationKind::External,
                    _ => RelationKind::Table,
                },
                owner: text(row, 5),
                comment: optional_text(row, 6),
                options: text_items(row, 7),
                is_partitioned: kind == "p",
                is_unlogged: text(row, 8) == "u",
                estimated_rows: integer(row, 9).filter(|rows| *rows >= 0),
                may_have_indexes: boolean(row, 10),
            }
        })
        .collect())
}

/// Lists the schemas of the database, PostgreSQL's own left out.
pub fn list_schemas(session: &mut Session) -> Result<Vec<String>, Error> {
    let rows = session.select(
        "select nspname::text from pg_catalog.pg_namespace
        where nspname not like 'pg\\_%' and nspname <> 'information_schema' order by 1",
    )?;
    Ok(rows.rows.iter().map(|row| text(row, 0)).collect())
}

pub fn schema_exists(session: &mut Session, schema: &str) -> Result<bool, Error> {
    let rows = session.select(&format!(
        "select 1 from pg_catalog.pg_namespace where nspname = {}",
        quote_literal(schema)
    ))?;
    Ok(!rows.rows.is_empty())
}

/// Creates a schema unless it is there; two runs may do so at the same moment.
///
/// An existing schema needs no right to create one. True when it was created by this call.
pub fn create_schema_if_absent(session: &mut Session, schema: &str) -> Result<bool, Error> {
    if schema_exists(session, schema)? {
        return Ok(false);
    }
    let created = session.execute(&format!(
        "create schema if not exists {}",
        quote_identifier(schema)
    ));
    match created {
        Ok(_) => Ok(true),
        // `if not exists` still fails when another session commits the same name meanwhile.
        Err(error) if matches!(error.sqlstate.as_str(), "23505" | "42P06") => Ok(false),
        Err(error) => Err(error),
    }
}
