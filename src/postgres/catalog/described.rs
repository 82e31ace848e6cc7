//! Relations with their columns, comments and owners, as documentation shows them.

use crate::catalog::{integer, literal_list, optional_text, text};
use crate::error::Error;
use crate::session::Session;

/// A relation with its columns in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedRelation {
    pub database: String,
    pub schema: String,
    pub name: String,
    /// `BASE TABLE`, `VIEW` or `MATERIALIZED VIEW`.
    pub kind: String,
    pub comment: Option<String>,
    pub owner: String,
    pub columns: Vec<DescribedColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedColumn {
    pub name: String,
    /// From 1, with gaps for dropped columns.
    pub index: i64,
    /// With its modifier: `numeric(18,4)`.
    pub data_type: String,
    pub comment: Option<String>,
}

/// Describes every relation of the schemas that has columns, in one round trip, by schema and name.
pub fn describe_schemas(
    session: &mut Session,
    schemas: &[&str],
) -> Result<Vec<DescribedRelation>, Error> {
    let rows = session.query(&format!(
        "select pg_catalog.current_database()::text, namespace.nspname::text, class.relname::text,
            case class.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW'
                else 'BASE TABLE' end,
            pg_catalog.obj_description(class.oid, 'pg_class'),
            pg_catalog.pg_get_userbyid(class.relowner)::text,
            attribute.attname::text, attribute.attnum::bigint,
            pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
            pg_catalog.col_description(class.oid, attribute.attnum)
        from pg_catalog.pg_namespace as namespace
        inner join pg_catalog.pg_class as class on class.relnamespace = namespace.oid
        inner join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid
        where namespace.nspname in ({})
            and class.relkind in ('r', 'v', 'f', 'p', 'm')
            and class.relpersistence in ('p', 'u')
            and attribute.attnum > 0
            and not attribute.attisdropped
        order by namespace.nspname, class.relname, attribute.attnum",
        literal_list(schemas)
    ))?;
    let mut relations: Vec<DescribedRelation> = Vec::new();
    for row in &rows.rows {
        let (schema, name) = (text(row, 1), text(row, 2));
        let is_same = relations
            .last()
            .is_some_and(|last| last.schema == schema && last.name == name);
        if !is_same {
            relations.push(DescribedRelation {
                database: text(row, 0),
                schema,
                name,
                kind: text(row, 3),
                comment: optional_text(row, 4),
                owner: text(row, 5),
                columns: Vec::new(),
            });
        }
        if let Some(relation) = relations.last_mut() {
            relation.columns.push(DescribedColumn {
                name: text(row, 6),
                index: integer(row, 7).unwrap_or_default(),
                data_type: text(row, 8),
                comment: optional_text(row, 9),
            });
        }
    }
    Ok(relations)
}
