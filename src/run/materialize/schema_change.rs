//! `on_schema_change`: what becomes of an incremental table when its query returns other columns.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::diagnostics::Diagnostic;
use crate::jinja::value::column::Column;
use crate::postgres::catalog::{self, ColumnInfo};
use crate::relation::{Relation, quote_identifier};
use crate::run::event::{Event, Level};
use crate::run::publish;
use crate::run::worker::NodeRun;

/// What `on_schema_change` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnChange {
    Ignore,
    Fail,
    Append,
    Sync,
}

/// How the columns of the new rows differ from those of the table.
struct Changes<'c> {
    added: Vec<&'c ColumnInfo>,
    gone: Vec<&'c ColumnInfo>,
    retyped: Vec<&'c ColumnInfo>,
}

/// Holds the columns of the new rows against those of the table, changes the table as
/// `on_schema_change` says, and returns the columns that are written.
///
/// Views on the table stay, whatever type their columns get.
pub(super) fn settle_columns(
    run: &NodeRun<'_>,
    target: &Relation,
    temporary: &Relation,
) -> Result<Vec<Column>, Box<Diagnostic>> {
    let select = format!("select * from pg_temp.{temporary}");
    let new = catalog::query_columns(&mut run.adapter.session(), &select)
        .map_err(|error| run.refused(&error, "", None))?;
    let mut old = columns(run, target)?;
    if widen_texts(run, target, &new, &old)? {
        old = columns(run, target)?;
    }
    let on_change = on_change(run);
    let changes = Changes::between(&new, &old);
    match on_change {
        OnChange::Ignore => {}
        OnChange::Fail if changes.are_some() => return Err(changes.refused(run)),
        OnChange::Fail => {}
        OnChange::Append | OnChange::Sync => {
            let sql = changes.statements(target, on_change == OnChange::Sync);
            if !sql.is_empty() {
                alter(run, target, &sql)?;
                old = columns(run, target)?;
            }
        }
    }
    let is_new = |column: &ColumnInfo| new.iter().any(|known| known.name == column.name);
    if on_change == OnChange::Ignore
        && let Some(missing) = old.iter().find(|column| !is_new(column))
    {
        return Err(Box::new(
            Diagnostic::error(
                "MSV0446",
                format!(
                    "model `{}` no longer returns column `{}`",
                    run.node.name, missing.name
                ),
            )
            .at(run.node.place.clone(), "on_schema_change is `ignore`")
            .help("set on_schema_change: sync_all_columns, or rebuild with --full-refresh"),
        ));
    }
    let written = old.into_iter().filter(is_new);
    Ok(written.map(|column| as_column(&column)).collect())
}

fn columns(run: &NodeRun<'_>, target: &Relation) -> Result<Vec<ColumnInfo>, Box<Diagnostic>> {
    let mut session = run.adapter.session();
    catalog::columns(&mut session, target.schema_name(), target.name())
        .map_err(|error| run.refused(&error, "", None))
}

fn as_column(column: &ColumnInfo) -> Column {
    Column {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        char_size: column.character_maximum_length,
        numeric_precision: column.numeric_precision,
        numeric_scale: column.numeric_scale,
    }
}

fn on_change(run: &NodeRun<'_>) -> OnChange {
    match run.node.config.str("on_schema_change").unwrap_or("ignore") {
        "ignore" => OnChange::Ignore,
        "fail" => OnChange::Fail,
        "append_new_columns" => OnChange::Append,
        "sync_all_columns" => OnChange::Sync,
        other => {
            run.context.listener.on_event(&Event::Message {
                level: Level::Warn,
                text: format!(
                    "Invalid value for on_schema_change ({other}) specified. Setting default \
                     value of ignore."
                ),
                node: Some(run.node.unique_id.clone()),
            });
            OnChange::Ignore
        }
    }
}

/// Gives text columns of the table the length that those of the new rows have grown to, whatever
/// `on_schema_change` says: rows must not be refused for their length. A contract fixes the types.
fn widen_texts(
    run: &NodeRun<'_>,
    target: &Relation,
    new: &[ColumnInfo],
    old: &[ColumnInfo],
) -> Result<bool, Box<Diagnostic>> {
    let contract = run.node.config.get("contract");
    let is_enforced = contract.and_then(|contract| contract.get("enforced"));
    if is_enforced.and_then(Json::as_bool) == Some(true) {
        return Ok(false);
    }
    let mut sql = String::new();
    for known in old {
        let found = new.iter().find(|column| column.name == known.name);
        let wider = found.and_then(|found| as_column(known).widened_to(&as_column(found)));
        if let Some(wider) = wider {
            sql.push_str(&retype(target, &known.name, &wider));
        }
    }
    if !sql.is_empty() {
        alter(run, target, &sql)?;
    }
    Ok(!sql.is_empty())
}

fn alter(run: &NodeRun<'_>, target: &Relation, sql: &str) -> Result<(), Box<Diagnostic>> {
    publish::alter_below_views(&mut run.adapter.session(), target, sql)
        .map_err(|error| run.refused(&error, sql, None))
}

fn retype(target: &Relation, column: &str, data_type: &str) -> String {
    let name = target.without_database();
    let quoted = quote_identifier(column);
    format!(
        "alter table {name} alter column {quoted} type {data_type} using {quoted}::{data_type};\n"
    )
}

impl<'c> Changes<'c> {
    fn between(new: &'c [ColumnInfo], old: &'c [ColumnInfo]) -> Changes<'c> {
        let find = |columns: &'c [ColumnInfo], name: &str| {
            columns.iter().find(|column| column.name == name)
        };
        let is_retyped = |column: &&ColumnInfo| {
            find(old, &column.name).is_some_and(|known| {
                // A longer text column holds shorter texts as it is.
                known.type_name != column.type_name
                    && as_column(column).widened_to(&as_column(known)).is_none()
            })
        };
        Changes {
            added: new
                .iter()
                .filter(|column| find(old, &column.name).is_none())
                .collect(),
            gone: old
                .iter()
                .filter(|column| find(new, &column.name).is_none())
                .collect(),
            retyped: new.iter().filter(is_retyped).collect(),
        }
    }

    fn are_some(&self) -> bool {
        !self.added.is_empty() || !self.gone.is_empty() || !self.retyped.is_empty()
    }

    fn statements(&self, target: &Relation, is_whole: bool) -> String {
        let name = target.without_database();
        let mut sql = String::new();
        for column in &self.added {
            let quoted = quote_identifier(&column.name);
            let _ = writeln!(
                sql,
                "alter table {name} add column {quoted} {};",
                column.type_name
            );
        }
        if is_whole {
            for column in &self.gone {
                let quoted = quote_identifier(&column.name);
                let _ = writeln!(sql, "alter table {name} drop column {quoted};");
            }
            for column in &self.retyped {
                sql.push_str(&retype(target, &column.name, &column.type_name));
            }
        }
        sql
    }

    fn refused(&self, run: &NodeRun<'_>) -> Box<Diagnostic> {
        let name = &run.node.name;
        let list = |word: &str, columns: &[&ColumnInfo]| {
            let names: Vec<String> = columns
                .iter()
                .map(|column| format!("{} {}", column.name, column.type_name))
                .collect();
            (!names.is_empty()).then(|| format!("{word}: {}", names.join(", ")))
        };
        let parts = [
            list("new", &self.added),
            list("gone", &self.gone),
            list("of another type", &self.retyped),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        Box::new(
            Diagnostic::error("MSV0446", format!("the columns of model `{name}` changed"))
                .at(run.node.place.clone(), "on_schema_change is `fail`")
                .note(parts.join("; "))
                .note("The source and target schemas on this incremental model are out of sync!")
                .help("set on_schema_change to append_new_columns or sync_all_columns")
                .help(format!(
                    "or rebuild it: msv build --full-refresh --select {name}"
                )),
        )
    }
}
