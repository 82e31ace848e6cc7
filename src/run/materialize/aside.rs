//! A copy of a table that rows are to be added to, where people must not see them yet.

use crate::diagnostics::Diagnostic;
use crate::postgres::catalog::{self, RelationInfo};
use crate::relation::{Relation, quote_identifier, quote_literal};
use crate::run::worker::NodeRun;

/// What hangs on a table and would not hang on its copy, as one list of sentences.
const NOT_COPIED: &str = "\
    select 'it is partitioned' from pg_catalog.pg_class where oid = {oid} and relkind = 'p'
    union all
    select 'it has the partition or child ' || inhrelid::pg_catalog.regclass
    from pg_catalog.pg_inherits where inhparent = {oid}
    union all
    select 'it inherits from ' || inhparent::pg_catalog.regclass
    from pg_catalog.pg_inherits where inhrelid = {oid}
    union all
    select 'it has the trigger ' || tgname from pg_catalog.pg_trigger
    where tgrelid = {oid} and not tgisinternal
    union all
    select 'it has row security' from pg_catalog.pg_class
    where oid = {oid} and (relrowsecurity or relforcerowsecurity)
    union all
    select 'it owns the sequence ' || class.relname from pg_catalog.pg_depend as depend
    inner join pg_catalog.pg_class as class on class.oid = depend.objid and class.relkind = 'S'
    where depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and depend.refobjid = {oid} and depend.deptype = 'a'
    union all
    select 'it is published for replication by ' || publication.pubname
    from pg_catalog.pg_publication_rel as published
    inner join pg_catalog.pg_publication as publication on publication.oid = published.prpubid
    where published.prrelid = {oid}";

/// Copies the table `found` with its rows, constraints and indexes, in the open transaction.
///
/// # Errors
///
/// When something hangs on the table that a copy would not have.
pub(super) fn copy(
    run: &NodeRun<'_>,
    target: &Relation,
    private: &Relation,
    found: &RelationInfo,
) -> Result<(), Box<Diagnostic>> {
    let oid = found.oid.to_string();
    let hindering = run.query(&NOT_COPIED.replace("{oid}", &oid), None)?;
    if let Some(reason) = hindering.scalar().and_then(|reason| reason.as_str()) {
        return Err(cannot_copy(run, target, reason));
    }
    let (from, to) = (target.without_database(), private.without_database());
    let refused = |error| run.refused(&error, "", None);
    let columns = catalog::columns(
        &mut run.adapter.session(),
        target.schema_name(),
        target.name(),
    )
    .map_err(refused)?;
    let rows = run.query(
        &format!(
            "select attname::text from pg_catalog.pg_attribute
            where attrelid = {oid} and attgenerated <> ''"
        ),
        None,
    )?;
    let is_generated = |name: &str| {
        let mut names = rows.rows.iter().filter_map(|row| row.first()?.as_str());
        names.any(|generated| generated == name)
    };
    let names: Vec<String> = columns
        .iter()
        .filter(|column| !is_generated(&column.name))
        .map(|column| quote_identifier(&column.name))
        .collect();
    let names = names.join(", ");
    let unlogged = if found.is_unlogged { "unlogged " } else { "" };
    let options = match found.options.as_slice() {
        [] => String::new(),
        options => format!(" with ({})", options.join(", ")),
    };
    run.execute(
        &format!(
            "lock table {from} in share row exclusive mode;
            drop table if exists {to};
            create {unlogged}table {to} (like {from} including all excluding statistics){options};
            insert into {to} ({names}) overriding system value select {names} from {from}"
        ),
        None,
    )?;
    copy_keys(run, target, private)
}

/// Copies the foreign keys of a table: `like` leaves them out.
pub(super) fn copy_keys(
    run: &NodeRun<'_>,
    from: &Relation,
    to: &Relation,
) -> Result<(), Box<Diagnostic>> {
    let (from, to) = (from.without_database(), to.without_database());
    let keys = run.query(
        &format!(
            "select pg_catalog.format('alter table {} add constraint %I %s', conname,
                pg_catalog.pg_get_constraintdef(oid))
            from pg_catalog.pg_constraint
            where conrelid = pg_catalog.to_regclass({from}) and contype = 'f'",
            to.to_string().replace('\'', "''").replace('%', "%%"),
            from = quote_literal(&from.to_string())
        ),
        None,
    )?;
    for key in keys.rows.iter().filter_map(|row| row.first()?.as_str()) {
        run.execute(key, None)?;
    }
    Ok(())
}

fn cannot_copy(run: &NodeRun<'_>, target: &Relation, reason: &str) -> Box<Diagnostic> {
    let kind = run.node.resource_type.as_str();
    Box::new(
        Diagnostic::error(
            "MSV0491",
            format!(
                "{kind} `{}` cannot be published together with others: {target} cannot be copied",
                run.node.name
            ),
        )
        .at(
            run.node.place.clone(),
            "rows are added to a table that is there",
        )
        .note(reason.to_owned())
        .help(format!(
            "leave it out: --exclude {}; or publish each relation when it is built",
            run.node.name
        )),
    )
}
