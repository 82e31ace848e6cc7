//! What stands on a relation: views on views on it, and what cannot be moved to another one.

use crate::catalog::{boolean, integer, oid, optional_text, text, text_items};
use crate::datum::Datum;
use crate::error::Error;
use crate::session::Session;

/// How a dependent holds on to the relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependentKind {
    View,
    MaterializedView,
    /// A foreign key of another table that references this one.
    ForeignKey,
    Publication,
    Policy,
    Trigger,
    /// A rule, a parent or child table, a function written in SQL: see its description.
    Other,
}

/// One thing that depends on a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    pub kind: DependentKind,
    /// The view's object id; 0 for what is not a relation.
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// What to call it in a message: `view s.v`.
    pub description: String,
    /// The longest way down to the relation: 1 stands on it directly.
    pub depth: i64,
    /// True when its own text names the relation, false when it only stands on one that does.
    pub is_direct: bool,
    /// True when this session may change it as its owner.
    pub is_ours: bool,
    /// The query of a view, as `pg_get_viewdef` writes it.
    pub definition: Option<String>,
    pub owner: String,
    /// Storage options, each `name=value`.
    pub options: Vec<String>,
}

/// Lists all that depends on the relation with that object id, topmost first.
///
/// This is the order in which readers take their locks.
pub fn dependents(session: &mut Session, relation_oid: u32) -> Result<Vec<Dependent>, Error> {
    // Mostly there is nothing, which one look into an index tells.
    let any = session.select(&format!(
        "select exists (select 1 from pg_catalog.pg_depend
            where refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and refobjid = {relation_oid} and deptype in ('n', 'a'))
            or exists (select 1 from pg_catalog.pg_inherits where inhrelid = {relation_oid})"
    ))?;
    if any.scalar().and_then(Datum::as_bool) == Some(false) {
        return Ok(Vec::new());
    }
    let rows = session.select(&format!(
        "with recursive reached as (
            select {relation_oid}::oid as oid, 0 as depth
            union
            select rewrite.ev_class, reached.depth + 1
            from reached
            inner join pg_catalog.pg_depend as depend
                on depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and depend.refobjid = reached.oid
                    and depend.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            inner join pg_catalog.pg_rewrite as rewrite
                on rewrite.oid = depend.objid and rewrite.ev_class <> reached.oid
            inner join pg_catalog.pg_class as class
                on class.oid = rewrite.ev_class and class.relkind in ('v', 'm')
        ),
        views as (select oid, pg_catalog.max(depth) as depth, pg_catalog.min(depth) = 1 as is_direct
            from reached where depth > 0 group by oid)
        select case class.relkind when 'v' then 'view' else 'materialized view' end,
            class.oid::bigint, namespace.nspname::text, class.relname::text,
            pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, class.oid, 0),
            views.depth::bigint, pg_catalog.pg_get_viewdef(class.oid),
            pg_catalog.pg_get_userbyid(class.relowner)::text, class.reloptions,
            views.is_direct,
            pg_catalog.pg_has_role(class.relowner, 'USAGE')
                and namespace.nspname not like 'pg\\_temp\\_%'
        from views
        inner join pg_catalog.pg_class as class on class.oid = views.oid
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
        union all
        select case
                when con.oid is not null then 'foreign key'
                when publication.oid is not null then 'publication'
                when policy.oid is not null then 'policy'
                when tgr.oid is not null then 'trigger'
                else 'other' end,
            0, '', '', pg_catalog.pg_describe_object(depend.classid, depend.objid, depend.objsubid),
            1, null, '', null, true, false
        from (
            select distinct classid, objid, objsubid from pg_catalog.pg_depend
            where refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and refobjid = {relation_oid} and deptype in ('n', 'a')
                and classid <> 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        ) as depend
        left join pg_catalog.pg_constraint as con
            on depend.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
                and con.oid = depend.objid
        left join pg_catalog.pg_publication_rel as publication
            on depend.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass
                and publication.oid = depend.objid
        left join pg_catalog.pg_policy as policy
            on depend.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
                and policy.oid = depend.objid
        left join pg_catalog.pg_trigger as tgr
            on depend.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                and tgr.oid = depend.objid
        left join pg_catalog.pg_class as class
            on depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and class.oid = depend.objid
        left join pg_catalog.pg_attrdef as attrdef
            on depend.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                and attrdef.oid = depend.objid
        where (con.oid is null or (con.contype = 'f' and con.confrelid = {relation_oid}
                and con.conrelid <> {relation_oid}))
            -- Its own indexes, sequences, partitions and defaults go and come with the relation.
            and (class.oid is null or (class.relkind not in ('i', 'I', 'S', 't', 'v', 'm')
                and not class.relispartition))
            and (attrdef.oid is null or attrdef.adrelid <> {relation_oid})
            and (tgr.oid is null or not tgr.tgisinternal)
            and depend.classid <> 'pg_catalog.pg_type'::pg_catalog.regclass
            and depend.classid <> 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
        union all
        select 'other', 0, '', '', 'parent table ' || inhparent::pg_catalog.regclass, 1, null, '',
            null, true, false
        from pg_catalog.pg_inherits where inhrelid = {relation_oid}
        order by 6 desc, 3, 4"
    ))?;
    Ok(rows
        .rows
        .iter()
        .map(|row| Dependent {
            kind: match text(row, 0).as_str() {
                "view" => DependentKind::View,
                "materialized view" => DependentKind::MaterializedView,
                "foreign key" => DependentKind::ForeignKey,
                "publication" => DependentKind::Publication,
                "policy" => DependentKind::Policy,
                "trigger" => DependentKind::Trigger,
                _ => DependentKind::Other,
            },
            oid: oid(row, 1),
            schema: text(row, 2),
            name: text(row, 3),
            description: text(row, 4),
            depth: integer(row, 5).unwrap_or(1),
            definition: optional_text(row, 6),
            owner: text(row, 7),
            options: text_items(row, 8),
            is_direct: boolean(row, 9),
            is_ours: boolean(row, 10),
        })
        .collect())
}
