//! What people set on a relation beside grants and comments: rules, row security, extended
//! statistics, settings of columns, the replica identity, the order of a cluster, security labels.
//!
//! Most relations have none of it, which [`probe`] tells along with another question.

use crate::postgres::catalog::RelationInfo;
use crate::postgres::{Error, Session};
use crate::relation::{quote_identifier, quote_literal};
use crate::run::publish::attributes::{Rename, for_format};

/// A statement that makes one of them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run::publish) struct Mark {
    pub statement: String,
    /// What it makes, as `rule r on table s.t`.
    pub description: String,
    /// The statistics are to be gathered again.
    pub is_for_statistics: bool,
}

/// A query with a row when the relation has marks.
pub(in crate::run::publish) fn probe(oid: u32) -> String {
    format!(
        "select ''::text from pg_catalog.pg_class as class
        where class.oid = {oid} and (class.relkind <> 'm' and (class.relhasrules
            or class.relrowsecurity or class.relforcerowsecurity or class.relreplident <> 'd'
            or exists (select 1 from pg_catalog.pg_attribute
                where attrelid = class.oid and attnum > 0 and not attisdropped
                    and (attstattarget >= 0 or attoptions is not null or attcompression <> ''))
            or exists (select 1 from pg_catalog.pg_statistic_ext where stxrelid = class.oid)
            or exists (select 1 from pg_catalog.pg_index
                where indrelid = class.oid and (indisclustered
                    or pg_catalog.obj_description(indexrelid, 'pg_class') is not null))
            or exists (select 1 from pg_catalog.pg_constraint where conrelid = class.oid
                and pg_catalog.obj_description(oid, 'pg_constraint') is not null)
            or exists (select 1 from pg_catalog.pg_class as toast
                where toast.oid = class.reltoastrelid and toast.reloptions is not null))
            or exists (select 1 from pg_catalog.pg_seclabel where objoid = class.oid
                and classoid = 'pg_catalog.pg_class'::pg_catalog.regclass))"
    )
}

/// The marks of `old`, for `new` when it stands under `name`; `renames` are about to be made.
///
/// What is about columns that `new` has not, or has with another type, is left out.
pub(in crate::run::publish) fn marks(
    session: &mut Session,
    old: &RelationInfo,
    new: &RelationInfo,
    name: &str,
    renames: &[Rename],
) -> Result<Vec<Mark>, Error> {
    if old.kind != new.kind {
        return Ok(Vec::new());
    }
    let queries = [
        rules(old.oid, name),
        view_defaults(old.oid, new.oid, name),
        row_security(old.oid, name),
        statistics(old.oid, new.oid),
        columns(old.oid, new.oid, name),
        indexes(old.oid, &quote_identifier(&old.schema), name, renames),
        constraint_comments(old.oid, new.oid, name, renames),
        toast_options(old.oid, new.oid, name),
        security_labels(old.oid, new.oid, name),
    ];
    let rows = session.select(&queries.join("\nunion all\n"))?;
    let marks = rows.rows.iter().filter_map(|row| {
        Some(Mark {
            statement: row.first()?.to_text()?.into_owned(),
            description: row.get(1)?.to_text()?.into_owned(),
            is_for_statistics: row.get(2)?.as_bool()?,
        })
    });
    Ok(marks.collect())
}

/// The rules on a relation, with their comments, and disabled where they were.
pub(in crate::run::publish) fn rules(oid: u32, name: &str) -> String {
    let name = for_format(name);
    format!(
        "select pg_catalog.concat(pg_catalog.pg_get_ruledef(rewrite.oid),
                case rewrite.ev_enabled when 'O' then '' else
                    pg_catalog.format(e';\\nalter table {name} %s rule %I',
                        case rewrite.ev_enabled when 'D' then 'disable' when 'A' then 'enable always'
                            else 'enable replica' end, rewrite.rulename) end,
                pg_catalog.format(e';\\ncomment on rule %I on {name} is ', rewrite.rulename)
                    || pg_catalog.quote_literal(
                        pg_catalog.obj_description(rewrite.oid, 'pg_rewrite'))),
            pg_catalog.pg_describe_object('pg_catalog.pg_rewrite'::pg_catalog.regclass,
                rewrite.oid, 0), false
        from pg_catalog.pg_rewrite as rewrite
        where rewrite.ev_class = {oid} and rewrite.rulename <> '_RETURN'"
    )
}

/// Columns of tables are filled by the model; those of a view are somebody's `insert`.
fn view_defaults(old_oid: u32, new_oid: u32, name: &str) -> String {
    format!(
        "select pg_catalog.format('alter view {name} alter column %I set default %s',
                old.attname, pg_catalog.pg_get_expr(attrdef.adbin, attrdef.adrelid)),
            'default of column ' || old.attname, false
        from pg_catalog.pg_class as class
        inner join pg_catalog.pg_attrdef as attrdef on attrdef.adrelid = class.oid
        inner join pg_catalog.pg_attribute as old
            on old.attrelid = class.oid and old.attnum = attrdef.adnum
        inner join pg_catalog.pg_attribute as new
            on new.attrelid = {new_oid} and new.attname = old.attname and not new.attisdropped
        where class.oid = {old_oid} and class.relkind = 'v'",
        name = for_format(name)
    )
}

/// Row security without a policy is still security: nobody but the owner sees a row.
fn row_security(oid: u32, name: &str) -> String {
    let name = for_format(name);
    format!(
        "select pg_catalog.concat(
                case when relrowsecurity then 'alter table {name} enable row level security;' end,
                case when relforcerowsecurity
                    then 'alter table {name} force row level security;' end,
                case relreplident when 'f' then 'alter table {name} replica identity full'
                    when 'n' then 'alter table {name} replica identity nothing' end),
            'row security of {name}', false
        from pg_catalog.pg_class where oid = {oid} and relkind in ('r', 'p')
            and (relrowsecurity or relforcerowsecurity or relreplident in ('f', 'n'))"
    )
}

/// Objects made with `create statistics`, where all their columns are as they were.
fn statistics(old_oid: u32, new_oid: u32) -> String {
    format!(
        "select pg_catalog.concat(pg_catalog.pg_get_statisticsobjdef(statistic.oid),
                case when statistic.stxstattarget >= 0 then
                    pg_catalog.format(e';\\nalter statistics %I.%I set statistics %s',
                        namespace.nspname, statistic.stxname, statistic.stxstattarget) end,
                pg_catalog.format(e';\\ncomment on statistics %I.%I is ', namespace.nspname,
                    statistic.stxname) || pg_catalog.quote_literal(
                        pg_catalog.obj_description(statistic.oid, 'pg_statistic_ext')),
                case when pg_catalog.pg_get_userbyid(statistic.stxowner) <> current_user
                    and pg_catalog.pg_has_role(statistic.stxowner, 'MEMBER')
                    and pg_catalog.has_schema_privilege(statistic.stxowner, namespace.oid, 'CREATE')
                    then
                    pg_catalog.format(e';\\nalter statistics %I.%I owner to %I', namespace.nspname,
                        statistic.stxname, pg_catalog.pg_get_userbyid(statistic.stxowner)) end),
            pg_catalog.format('statistics object %I.%I', namespace.nspname, statistic.stxname), true
        from pg_catalog.pg_statistic_ext as statistic
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = statistic.stxnamespace
        where statistic.stxrelid = {old_oid} and not exists (
            select 1 from pg_catalog.pg_depend as depend
            inner join pg_catalog.pg_attribute as old
                on old.attrelid = {old_oid} and old.attnum = depend.refobjsubid
            where depend.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
                and depend.objid = statistic.oid and depend.refobjid = {old_oid}
                and depend.refobjsubid > 0
                and not exists (select 1 from pg_catalog.pg_attribute as new
                    where new.attrelid = {new_oid} and not new.attisdropped
                        and new.attname = old.attname and new.atttypid = old.atttypid))"
    )
}

/// How columns are stored and how much is known of their values.
fn columns(old_oid: u32, new_oid: u32, name: &str) -> String {
    let name = for_format(name);
    format!(
        "select pg_catalog.concat(
                case when old.attstattarget >= 0 and old.attstattarget <> coalesce(new.attstattarget, -1)
                    then pg_catalog.format('alter table {name} alter column %I set statistics %s;',
                        old.attname, old.attstattarget) end,
                case when old.attoptions is not null
                    then pg_catalog.format('alter table {name} alter column %I set (%s);',
                        old.attname, pg_catalog.array_to_string(old.attoptions, ', ')) end,
                case when old.attstorage <> new.attstorage and old.attstorage <> kind.typstorage
                    then pg_catalog.format('alter table {name} alter column %I set storage %s;',
                        old.attname, case old.attstorage when 'p' then 'plain' when 'e' then 'external'
                            when 'm' then 'main' else 'extended' end) end,
                case when old.attcompression <> '' and new.attcompression = ''
                    then pg_catalog.format('alter table {name} alter column %I set compression %s;',
                        old.attname, case old.attcompression when 'l' then 'lz4' else 'pglz' end)
                    end),
            'settings of column ' || old.attname,
            old.attstattarget >= 0 or old.attoptions is not null
        from pg_catalog.pg_attribute as old
        inner join pg_catalog.pg_attribute as new on new.attrelid = {new_oid}
            and new.attname = old.attname and new.atttypid = old.atttypid and not new.attisdropped
        inner join pg_catalog.pg_type as kind on kind.oid = old.atttypid
        where old.attrelid = {old_oid} and old.attnum > 0 and not old.attisdropped
            and (old.attstattarget >= 0 or old.attoptions is not null or old.attcompression <> ''
                or old.attstorage <> kind.typstorage)
            and (select class.relkind in ('r', 'p') from pg_catalog.pg_class as class
                where class.oid = {old_oid})"
    )
}

/// Comments of indexes, and what orders or identifies rows by one: where the new table has it too.
fn indexes(oid: u32, schema: &str, name: &str, renames: &[Rename]) -> String {
    let names = names_to_be(renames);
    let (name, schema) = (for_format(name), for_format(schema));
    format!(
        "select pg_catalog.concat(
                pg_catalog.format('comment on index {schema}.%I is ', class.relname)
                    || pg_catalog.quote_literal(
                        pg_catalog.obj_description(class.oid, 'pg_class')) || ';',
                case when index.indisclustered
                    then pg_catalog.format('alter table {name} cluster on %I;', class.relname) end,
                case when index.indisreplident and index.indisunique
                    then pg_catalog.format('alter table {name} replica identity using index %I',
                        class.relname) end),
            'index ' || class.relname, false
        from pg_catalog.pg_index as index
        inner join pg_catalog.pg_class as class on class.oid = index.indexrelid
        where index.indrelid = {oid} and class.relname in ({names})
            and (index.indisclustered or index.indisreplident
                or pg_catalog.obj_description(class.oid, 'pg_class') is not null)"
    )
}

/// Comments of the constraints that the new table has too.
fn constraint_comments(old_oid: u32, new_oid: u32, name: &str, renames: &[Rename]) -> String {
    let (names, name) = (names_to_be(renames), for_format(name));
    format!(
        "select pg_catalog.format('comment on constraint %I on {name} is %L', old.conname,
                pg_catalog.obj_description(old.oid, 'pg_constraint')),
            'constraint ' || old.conname, false
        from pg_catalog.pg_constraint as old
        where old.conrelid = {old_oid}
            and pg_catalog.obj_description(old.oid, 'pg_constraint') is not null
            and (old.conname in ({names}) or exists (select 1 from pg_catalog.pg_constraint as new
                where new.conrelid = {new_oid} and new.conname = old.conname))"
    )
}

/// Storage options of the part of the table that holds long values.
fn toast_options(old_oid: u32, new_oid: u32, name: &str) -> String {
    let name = for_format(name);
    format!(
        "select pg_catalog.format('alter table {name} set (toast.%s)', option), 'storage options', false
        from pg_catalog.pg_class as class
        inner join pg_catalog.pg_class as toast on toast.oid = class.reltoastrelid
        cross join pg_catalog.unnest(toast.reloptions) as option
        where class.oid = {old_oid} and not exists (select 1 from pg_catalog.pg_class as new
            inner join pg_catalog.pg_class as own on own.oid = new.reltoastrelid
            cross join pg_catalog.unnest(own.reloptions) as kept
            where new.oid = {new_oid}
                and pg_catalog.split_part(kept, '=', 1) = pg_catalog.split_part(option, '=', 1))"
    )
}

/// What security modules and anonymizers know of the relation and of its columns.
pub(in crate::run::publish) fn security_labels(old_oid: u32, new_oid: u32, name: &str) -> String {
    let name = for_format(name);
    format!(
        "select pg_catalog.format('security label for %I on %s {name}%s is %L', label.provider,
                case when label.objsubid > 0 then 'column' when class.relkind = 'v' then 'view'
                    when class.relkind = 'm' then 'materialized view' else 'table' end,
                '.' || pg_catalog.quote_ident(new.attname), label.label),
            pg_catalog.concat('security label of ', label.provider), false
        from pg_catalog.pg_seclabel as label
        inner join pg_catalog.pg_class as class on class.oid = label.objoid
        left join pg_catalog.pg_attribute as old
            on old.attrelid = label.objoid and old.attnum = label.objsubid and label.objsubid > 0
        left join pg_catalog.pg_attribute as new on new.attrelid = {new_oid}
            and new.attname = old.attname and not new.attisdropped
        where label.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and label.objoid = {old_oid} and (label.objsubid = 0 or new.attname is not null)"
    )
}

/// The names that are given to indexes and constraints, as the inside of `in (…)`.
fn names_to_be(renames: &[Rename]) -> String {
    let names: Vec<String> = renames
        .iter()
        .filter(|rename| matches!(rename.kind, "index" | "constraint"))
        .map(|rename| quote_literal(&rename.to))
        .collect();
    match names.as_slice() {
        [] => "null".to_owned(),
        names => names.join(", "),
    }
}
