//! Columns of relations and of queries, with their full types.

use crate::catalog::{boolean, integer, literal_list, optional_text, text};
use crate::error::Error;
use crate::session::Session;
use msv_relation::{quote_identifier, quote_literal};

/// A column as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    pub schema: String,
    pub relation: String,
    pub name: String,
    /// From 1, without gaps for dropped columns.
    pub position: i64,
    /// With its modifier: `numeric(18,4)`.
    pub type_name: String,
    /// Without: `numeric`.
    pub data_type: String,
    pub character_maximum_length: Option<i64>,
    pub numeric_precision: Option<i64>,
    pub numeric_scale: Option<i64>,
    pub is_nullable: bool,
    pub default: Option<String>,
    pub comment: Option<String>,
}

/// Lists the columns of one relation in order; empty when it does not exist.
pub fn columns(session: &mut Session, schema: &str, name: &str) -> Result<Vec<ColumnInfo>, Error> {
    let filter = format!(
        "namespace.nspname = {} and class.relname = {}",
        quote_literal(schema),
        quote_literal(name)
    );
    select_columns(session, &filter)
}

/// Lists the columns of the relation that a name without a schema means, temporary ones first.
pub fn columns_on_search_path(session: &mut Session, name: &str) -> Result<Vec<ColumnInfo>, Error> {
    let name = quote_literal(&quote_identifier(name));
    select_columns(
        session,
        &format!("class.oid = pg_catalog.to_regclass({name})"),
    )
}

/// Lists the columns of every relation of several schemas, by schema, relation and position.
pub fn columns_of_schemas(
    session: &mut Session,
    schemas: &[&str],
) -> Result<Vec<ColumnInfo>, Error> {
    let filter = format!(
        "namespace.nspname in ({}) and not class.relispartition",
        literal_list(schemas)
    );
    select_columns(session, &filter)
}

const PROBE: &str = "create temporary view msv_query_columns as\n";

/// Finds the columns a query would have, with their full types, without running it.
///
/// A temporary view asks the server for what its answer does not tell: `numeric(18,4)`.
pub fn query_columns(session: &mut Session, select_sql: &str) -> Result<Vec<ColumnInfo>, Error> {
    with_probe(session, select_sql, |session| {
        select_columns(
            session,
            "class.oid = 'pg_temp.msv_query_columns'::pg_catalog.regclass",
        )
    })
}

/// Writes a query as `pg_get_viewdef` would, to hold it against that of a view.
pub fn query_definition(session: &mut Session, select_sql: &str) -> Result<String, Error> {
    with_probe(session, select_sql, |session| {
        let rows = session.select(
            "select pg_catalog.pg_get_viewdef('pg_temp.msv_query_columns'::pg_catalog.regclass)",
        )?;
        Ok(rows
            .rows
            .first()
            .map(|row| text(row, 0))
            .unwrap_or_default())
    })
}

/// Asks about a temporary view with that query, which is gone afterwards.
fn with_probe<T>(
    session: &mut Session,
    select_sql: &str,
    ask: impl FnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let is_inside = session.is_in_transaction();
    session.execute(if is_inside {
        "savepoint msv_columns"
    } else {
        "begin"
    })?;
    let found = session
        .execute(&format!("{PROBE}{select_sql}\n"))
        .map_err(|error| error.after_prefix(PROBE))
        .and_then(|_| ask(session));
    session.execute(if is_inside {
        "rollback to savepoint msv_columns; release savepoint msv_columns"
    } else {
        "rollback"
    })?;
    found
}

fn select_columns(session: &mut Session, filter: &str) -> Result<Vec<ColumnInfo>, Error> {
    // Lengths, precisions and scales are packed into the type modifier; the arithmetic is that of
    // `information_schema._pg_char_max_length` and its relatives, which hide other people's tables.
    let rows = session.select(&format!(
        "select namespace.nspname::text, class.relname::text, attribute.attname::text,
            pg_catalog.row_number() over (partition by class.oid order by attribute.attnum),
            pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
            pg_catalog.format_type(attribute.atttypid, null),
            case when attribute.atttypid in (1042, 1043) and attribute.atttypmod > 0
                then attribute.atttypmod - 4 end,
            case attribute.atttypid when 21 then 16 when 23 then 32 when 20 then 64 when 700 then 24
                when 701 then 53 when 1700 then case when attribute.atttypmod > 0
                    then ((attribute.atttypmod - 4) >> 16) & 65535 end end,
            case when attribute.atttypid in (20, 21, 23) then 0
                when attribute.atttypid = 1700 and attribute.atttypmod > 0
                then (((attribute.atttypmod - 4) & 2047) # 1024) - 1024 end,
            not attribute.attnotnull,
            pg_catalog.pg_get_expr(attrdef.adbin, attrdef.adrelid),
            pg_catalog.col_description(class.oid, attribute.attnum)
        from pg_catalog.pg_attribute as attribute
        inner join pg_catalog.pg_class as class on class.oid = attribute.attrelid
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
        left join pg_catalog.pg_attrdef as attrdef
            on attrdef.adrelid = attribute.attrelid and attrdef.adnum = attribute.attnum
        where attribute.attnum > 0 and not attribute.attisdropped
            and class.relkind in ('r', 'p', 'v', 'm', 'f') and {filter}
        order by 1, 2, attribute.attnum"
    ))?;
    Ok(rows
        .rows
        .iter()
        .map(|row| ColumnInfo {
            schema: text(row, 0),
            relation: text(row, 1),
            name: text(row, 2),
            position: integer(row, 3).unwrap_or(0),
            type_name: text(row, 4),
            data_type: text(row, 5),
            character_maximum_length: integer(row, 6),
            numeric_precision: integer(row, 7),
            numeric_scale: integer(row, 8),
            is_nullable: boolean(row, 9),
            default: optional_text(row, 10),
            comment: optional_text(row, 11),
        })
        .collect())
}
