//! What hangs on a relation beside its rows: owner, grants, comments, options, index names.
//!
//! All of it is read as the statements that make it again. What few relations have is [`marks`]'s.

use std::collections::HashMap;

use crate::postgres::catalog::{self, Dependent, RelationInfo};
use crate::postgres::{Datum, Error, Session};
use crate::relation::{Relation, RelationKind, quote_identifier, quote_literal};
use crate::run::publish::PublishOptions;
use crate::run::publish::marks::{probe, rules, security_labels};
use crate::run::publish::names::{PREFIX, name_instead, public_name};
use crate::run::publish::sweep::drop_word;

/// Grants, comments and owner of the relation `oid`, as statements that give them to the relation
/// that stands under `name` when they run.
///
/// Comments and options that the new relation has of its own win; grants add up. True in the answer
/// says that the old relation has [`marks`](super::marks) too. `gives_owner` is about an owner who
/// is not this session's.
pub(in crate::run::publish) fn restore_statements(
    session: &mut Session,
    old: &RelationInfo,
    new: &RelationInfo,
    name: &Relation,
    options: &PublishOptions,
    gives_owner: bool,
) -> Result<(Vec<String>, bool), Error> {
    let name = name.without_database().to_string();
    let kind = drop_word(new.kind);
    let (old_oid, new_oid) = (old.oid, new.oid);
    let mut statements = Vec::new();
    let mut parts = Vec::new();
    if options.keeps_grants {
        parts.push(grants(old_oid, Some(new_oid), &name));
    }
    if options.keeps_comment {
        parts.push(comment(old_oid, Some(new_oid), kind, &name));
    }
    if options.keeps_column_comments {
        parts.push(column_comments(old_oid, Some(new_oid), &name));
    }
    parts.push(probe(old_oid));
    let mut told = texts(session, &parts)?;
    let all = told.len();
    told.retain(|text| !text.is_empty());
    let has_marks = told.len() < all;
    statements.extend(told);
    if new.kind == old.kind && new.kind != RelationKind::View {
        let own: Vec<&str> = new
            .options
            .iter()
            .filter_map(|o| o.split('=').next())
            .collect();
        for option in &old.options {
            let (key, value) = option.split_once('=').unwrap_or((option, "true"));
            if !own.contains(&key) {
                statements.push(format!(
                    "alter {kind} {name} set ({key} = '{}')",
                    value.replace('\'', "''")
                ));
            }
        }
    }
    if old.owner != new.owner && gives_owner {
        statements.push(format!(
            "alter {kind} {name} owner to {}",
            quote_identifier(&old.owner)
        ));
    }
    Ok((statements, has_marks))
}

/// Grants and comments of the new version, for a target that stays and gets its rows.
pub(in crate::run::publish) fn rewrite_statements(
    session: &mut Session,
    new: &RelationInfo,
    target: &Relation,
) -> Result<Vec<String>, Error> {
    let name = target.without_database().to_string();
    let parts = [
        grants(new.oid, None, &name),
        comment(new.oid, None, "table", &name),
        column_comments(new.oid, None, &name),
        type_comment(new.oid, &name),
    ];
    texts(session, &parts)
}

/// The statements that make a dropped view again, as it was.
pub(in crate::run::publish) fn recreate_view_statements(
    session: &mut Session,
    view: &Dependent,
) -> Result<Vec<String>, Error> {
    let name = view_name(view);
    let mut statements = vec![create_view_statement(view, "create view")];
    let own = format!(
        "select pg_catalog.format('alter view {name} alter column %I set default %s',
                attribute.attname, pg_catalog.pg_get_expr(attrdef.adbin, attrdef.adrelid))
            from pg_catalog.pg_attrdef as attrdef
            inner join pg_catalog.pg_attribute as attribute
                on attribute.attrelid = attrdef.adrelid and attribute.attnum = attrdef.adnum
            where attrdef.adrelid = {oid}
            union all
            select pg_catalog.concat(pg_catalog.pg_get_triggerdef(oid),
                pg_catalog.format(e';\\ncomment on trigger %I on {name} is ', tgname)
                    || pg_catalog.quote_literal(
                        pg_catalog.obj_description(oid, 'pg_trigger')))
            from pg_catalog.pg_trigger where tgrelid = {oid} and not tgisinternal
            union all
            select statement from ({rules} union all {labels})
                as marks (statement, description, is_for_statistics)",
        name = for_format(&name),
        oid = view.oid,
        rules = rules(view.oid, &name),
        labels = security_labels(view.oid, view.oid, &name),
    );
    let parts = [
        own,
        grants(view.oid, None, &name),
        comment(view.oid, None, "view", &name),
        column_comments(view.oid, None, &name),
    ];
    statements.extend(texts(session, &parts)?);
    // Last: once it belongs to somebody else, the rest may not be ours to change.
    statements.push(format!(
        "alter view {name} owner to {}",
        quote_identifier(&view.owner)
    ));
    Ok(statements)
}

/// `create or replace view …` with the options and the text the view has.
pub(in crate::run::publish) fn create_view_statement(view: &Dependent, words: &str) -> String {
    let options = if view.options.is_empty() {
        String::new()
    } else {
        format!(" with ({})", view.options.join(", "))
    };
    let text = view.definition.as_deref().unwrap_or_default();
    format!(
        "{words} {}{options} as\n{}",
        view_name(view),
        text.trim_end().trim_end_matches(';')
    )
}

pub(in crate::run::publish) fn view_name(view: &Dependent) -> String {
    format!(
        "{}.{}",
        quote_identifier(&view.schema),
        quote_identifier(&view.name)
    )
}

/// Grants to others than the owner, on the relation and on columns that `new_oid` has too.
///
/// In capitals, as `pg_dump` writes them: a log tells them from what the project itself grants.
fn grants(old_oid: u32, new_oid: Option<u32>, name: &str) -> String {
    let column_filter = new_oid.map_or_else(String::new, |oid| {
        format!(
            "and exists (select 1 from pg_catalog.pg_attribute as kept
                where kept.attrelid = {oid} and kept.attname = attribute.attname
                    and not kept.attisdropped)"
        )
    });
    let grantee = "case when acl.grantee = 0 then 'public' \
        else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end, \
        case when acl.is_grantable then ' WITH GRANT OPTION' else '' end";
    format!(
        "select pg_catalog.format('GRANT %s ON {name} TO %s%s', acl.privilege_type, {grantee})
            from pg_catalog.pg_class as class, pg_catalog.aclexplode(class.relacl) as acl
            where class.oid = {old_oid} and acl.grantee <> class.relowner
            union all
            select pg_catalog.format('GRANT %s (%I) ON {name} TO %s%s', acl.privilege_type,
                attribute.attname, {grantee})
            from pg_catalog.pg_class as class
            inner join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid
            cross join lateral pg_catalog.aclexplode(attribute.attacl) as acl
            where class.oid = {old_oid} and not attribute.attisdropped
                and acl.grantee <> class.relowner {column_filter}",
        name = for_format(name)
    )
}

/// The relation's comment, where the new one has none of its own.
fn comment(old_oid: u32, new_oid: Option<u32>, kind: &str, name: &str) -> String {
    let filter = new_oid.map_or_else(String::new, |oid| {
        format!("and pg_catalog.obj_description({oid}, 'pg_class') is null")
    });
    format!(
        "select pg_catalog.format('comment on {kind} {name} is %L', description.text)
            from (select pg_catalog.obj_description({old_oid}, 'pg_class') as text) as description
            where description.text is not null {filter}",
        name = for_format(name)
    )
}

/// The comment of the row type, which tells where the rows come from.
fn type_comment(oid: u32, name: &str) -> String {
    format!(
        "select pg_catalog.format('comment on type {name} is %L',
                pg_catalog.obj_description(reltype, 'pg_type'))
            from pg_catalog.pg_class
            where oid = {oid} and pg_catalog.obj_description(reltype, 'pg_type') is not null",
        name = for_format(name)
    )
}

/// Comments of columns, where the new relation has the column and no comment of its own.
fn column_comments(old_oid: u32, new_oid: Option<u32>, name: &str) -> String {
    let filter = new_oid.map_or_else(String::new, |oid| {
        format!(
            "and exists (select 1 from pg_catalog.pg_attribute as kept
                where kept.attrelid = {oid} and kept.attname = attribute.attname
                    and not kept.attisdropped
                    and pg_catalog.col_description({oid}, kept.attnum) is null)"
        )
    });
    format!(
        "select pg_catalog.format('comment on column {name}.%I is %L', attribute.attname,
                pg_catalog.col_description({old_oid}, attribute.attnum))
            from pg_catalog.pg_attribute as attribute
            where attribute.attrelid = {old_oid} and attribute.attnum > 0
                and not attribute.attisdropped
                and pg_catalog.col_description({old_oid}, attribute.attnum) is not null
                {filter}",
        name = for_format(name)
    )
}

/// A name that something on the new table gets once the old table is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run::publish) struct Rename {
    /// `index`, `sequence`, `constraint` or `table`.
    pub kind: &'static str,
    from: String,
    pub to: String,
}

/// Finds new names for the indexes, constraints and sequences of the new table.
///
/// An index with a `given` name gets it, one that the old table had too its old name back; what PostgreSQL named after the
/// private table is named after the target.
pub(in crate::run::publish) fn renames(
    session: &mut Session,
    old: Option<&RelationInfo>,
    new: &RelationInfo,
    private: &Relation,
    target: &Relation,
    given: &HashMap<String, String>,
) -> Result<Vec<Rename>, Error> {
    let mut old_names: HashMap<String, Vec<String>> = HashMap::new();
    if let Some(old) = old.filter(|old| old.may_have_indexes) {
        for index in catalog::indexes(session, old.oid)?.into_iter().rev() {
            old_names
                .entry(index_shape(&index.definition))
                .or_default()
                .push(index.name);
        }
    }
    let mut renames = Vec::new();
    let new_indexes = if new.may_have_indexes {
        catalog::indexes(session, new.oid)?
    } else {
        Vec::new()
    };
    for index in new_indexes {
        let old_name = old_names
            .get_mut(&index_shape(&index.definition))
            .and_then(Vec::pop)
            .filter(|name| !name.starts_with(PREFIX));
        let wanted = given
            .get(&index.name)
            .cloned()
            .or(old_name)
            .or_else(|| public_name(&index.name, private.name(), target.name()));
        if let Some(to) = wanted.filter(|wanted| *wanted != index.name) {
            renames.push(Rename {
                kind: "index",
                from: index.name,
                to,
            });
        }
    }
    let rows = session.select(&format!(
        "select true, class.relname::text from pg_catalog.pg_depend as depend
        inner join pg_catalog.pg_class as class on class.oid = depend.objid and class.relkind = 'S'
        where depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and depend.refobjid = {new_oid} and depend.deptype in ('a', 'i')
            and depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        union all
        select false, conname::text from pg_catalog.pg_constraint
        where conrelid = {new_oid} and contype not in ('p', 'u', 'x')",
        new_oid = new.oid
    ))?;
    if new.is_partitioned {
        renames.extend(renames_of_partitions(session, new, private, target)?);
    }
    for row in &rows.rows {
        let (Some(is_sequence), Some(name)) = (row[0].as_bool(), row[1].as_str()) else {
            continue;
        };
        if let Some(to) = public_name(name, private.name(), target.name()) {
            renames.push(Rename {
                kind: if is_sequence {
                    "sequence"
                } else {
                    "constraint"
                },
                from: name.to_owned(),
                to,
            });
        }
    }
    Ok(renames)
}

/// Partitions and their indexes are named after the private table, too.
fn renames_of_partitions(
    session: &mut Session,
    new: &RelationInfo,
    private: &Relation,
    target: &Relation,
) -> Result<Vec<Rename>, Error> {
    let rows = session.select(&format!(
        "with partitions as (
            select relid from pg_catalog.pg_partition_tree({}) where level > 0
        )
        select class.relkind = 'i', class.relname::text from pg_catalog.pg_class as class
        where class.oid in (select relid from partitions) or class.oid in (
            select indexrelid from pg_catalog.pg_index
            where indrelid in (select relid from partitions)
        )
        order by 2",
        new.oid
    ))?;
    let mut renames = Vec::new();
    for row in &rows.rows {
        let (Some(is_index), Some(name)) = (row[0].as_bool(), row[1].as_str()) else {
            continue;
        };
        if let Some(to) = public_name(name, private.name(), target.name()) {
            renames.push(Rename {
                kind: if is_index { "index" } else { "table" },
                from: name.to_owned(),
                to,
            });
        }
    }
    Ok(renames)
}

/// Renames what is on `target`. A name that a stranger has is left to him: another one, which is the
/// same at every build, hinders no build either.
pub(in crate::run::publish) fn apply_renames(
    session: &mut Session,
    target: &Relation,
    renames: &[Rename],
) -> Result<(), Error> {
    let schema = quote_identifier(target.schema_name());
    for rename in renames {
        let from = quote_identifier(&rename.from);
        if rename.kind == "constraint" {
            let table = target.without_database();
            let to = quote_identifier(&rename.to);
            session.execute(&format!(
                "alter table {table} rename constraint {from} to {to}"
            ))?;
            continue;
        }
        for to in [rename.to.clone(), name_instead(&rename.to, target)] {
            let to = quote_identifier(&to);
            let taken = session.select(&format!(
                "select pg_catalog.to_regclass({}) is not null",
                quote_literal(&format!("{schema}.{to}"))
            ))?;
            if taken.scalar().and_then(Datum::as_bool) == Some(false) {
                session.execute(&format!(
                    "alter {} {schema}.{from} rename to {to}",
                    rename.kind
                ))?;
                break;
            }
        }
    }
    Ok(())
}

/// An index without its own name and its table's: `UNIQUE btree (a, b)`.
pub(in crate::run) fn index_shape(definition: &str) -> String {
    let unique = if definition.starts_with("CREATE UNIQUE") {
        "UNIQUE "
    } else {
        ""
    };
    let rest = definition
        .split_once(" USING ")
        .map_or(definition, |(_, rest)| rest);
    format!("{unique}{rest}")
}

/// True when this session may make `role` the owner of something in `schema`.
pub(in crate::run::publish) fn may_give_to(
    session: &mut Session,
    role: &str,
    schema: &str,
) -> Result<bool, Error> {
    let role = quote_literal(role);
    let schema = quote_literal(schema);
    let rows = session.select(&format!(
        "select (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
            or (pg_catalog.pg_has_role({role}, 'MEMBER')
                and pg_catalog.has_schema_privilege({role}, {schema}, 'CREATE'))"
    ))?;
    Ok(rows.scalar().and_then(Datum::as_bool).unwrap_or(false))
}

/// Doubles what `format` would take for a placeholder, inside an SQL literal.
pub(in crate::run::publish) fn for_format(name: &str) -> String {
    name.replace('%', "%%").replace('\'', "''")
}

/// Asks several queries that answer statements at once; the answers keep their order.
fn texts(session: &mut Session, queries: &[String]) -> Result<Vec<String>, Error> {
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.select(&queries.join("\nunion all\n"))?;
    Ok(rows
        .rows
        .iter()
        .filter_map(|row| Some(row.first()?.to_text()?.into_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_an_index_has_no_names() {
        assert_eq!(
            index_shape("CREATE UNIQUE INDEX x ON s.t USING btree (a, b) WHERE (a > 1)"),
            "UNIQUE btree (a, b) WHERE (a > 1)"
        );
    }
}
