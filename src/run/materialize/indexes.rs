//! Makes a relation's `indexes`.
//!
//! On a relation built aside PostgreSQL names them after the private name; publishing renames them
//! after the target, or as their `name` says, so that their names are the same at every build.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::convert::from_json;
use crate::postgres::catalog::{self, IndexInfo};
use crate::relation::{Relation, quote_identifier};
use crate::run::publish::index_shape;
use crate::run::worker::NodeRun;

use super::{existing, mistake, relation_value, statement_macro};

/// The entries of `indexes`.
fn configured(run: &NodeRun<'_>) -> Result<Vec<Json>, Box<Diagnostic>> {
    match run.node.config.get("indexes") {
        Some(Json::Array(items)) => Ok(items.clone()),
        Some(other) => Err(mistake(
            run,
            &format!("`indexes` is {other}, not a list"),
            "write a list: indexes: [{columns: [id]}]",
        )),
        None => Ok(Vec::new()),
    }
}

pub(super) fn are_configured(run: &NodeRun<'_>) -> bool {
    run.node.config.get("indexes").is_some()
}

/// True when the table has as many indexes as the project says, or more.
pub(super) fn are_complete(run: &NodeRun<'_>, on: &Relation) -> Result<bool, Box<Diagnostic>> {
    let configured = configured(run)?.len();
    if configured == 0 {
        return Ok(true);
    }
    let Some(found) = existing(run, on)? else {
        return Ok(false);
    };
    let known = catalog::indexes(&mut run.adapter.session(), found.oid)
        .map_err(|error| run.refused(&error, "", None))?;
    Ok(known.len() >= configured)
}

fn statement(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    index: &Json,
) -> Result<String, Box<Diagnostic>> {
    let arguments = [relation_value(on), from_json(index)];
    statement_macro(run, compiled, "get_create_index_sql", &arguments)
}

/// Creates every configured index on a relation that was built aside.
///
/// The answer leads from a private index name to the name it is to have.
pub(super) fn create_aside(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    private: &Relation,
) -> Result<HashMap<String, String>, Box<Diagnostic>> {
    create_named_aside(run, compiled, private, configured(run)?)
}

/// Creates the configured indexes that a copy of an older table has not.
pub(super) fn complete_copy(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    private: &Relation,
) -> Result<HashMap<String, String>, Box<Diagnostic>> {
    let Some(copy) = existing(run, private)? else {
        return Ok(HashMap::new());
    };
    let changes = changes(run, compiled, private, copy.oid)?;
    create_named_aside(run, compiled, private, changes.missing)
}

fn create_named_aside(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    private: &Relation,
    indexes: Vec<Json>,
) -> Result<HashMap<String, String>, Box<Diagnostic>> {
    let mut names = HashMap::new();
    for (at, mut index) in indexes.into_iter().enumerate() {
        if let Some(entries) = index.as_object_mut() {
            // Nobody reads the new relation yet, so there is nobody to spare.
            entries.remove("concurrently");
            if let Some(name) = entries.get("name").and_then(Json::as_str) {
                let aside = format!("{}_n{at}", private.name());
                names.insert(aside.clone(), name.to_owned());
                entries.insert("name".to_owned(), Json::String(aside));
            }
        }
        let statement = statement(run, compiled, private, &index)?;
        if !statement.trim().is_empty() {
            run.execute(&statement, None)?;
        }
    }
    Ok(names)
}

/// How the indexes of a relation differ from what the project says.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Entries of `indexes` that no index answers to.
    pub missing: Vec<Json>,
    /// The same as PostgreSQL words them: `UNIQUE btree (a, b)`.
    pub missing_shapes: Vec<String>,
    /// Indexes that no entry asks for; those of constraints do not count.
    pub surplus: Vec<IndexInfo>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }
}

/// Holds the indexes of a relation against the configured ones.
///
/// PostgreSQL itself says whether two definitions are the same: the configured indexes are made on
/// an empty copy, and rolled back.
pub(super) fn changes(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    oid: u32,
) -> Result<Changes, Box<Diagnostic>> {
    let configured = configured(run)?;
    let refused = |error| run.refused(&error, "", None);
    let known = catalog::indexes(&mut run.adapter.session(), oid).map_err(refused)?;
    let mut known: Vec<(String, IndexInfo)> = known
        .into_iter()
        .map(|index| (index_shape(&index.definition), index))
        .collect();
    let mut changes = Changes::default();
    if !configured.is_empty() {
        let wanted = shapes(run, compiled, on, &configured)?;
        for (index, shape) in configured.into_iter().zip(wanted) {
            match known.iter().position(|(known, _)| *known == shape) {
                Some(at) => drop(known.swap_remove(at)),
                None => {
                    changes.missing.push(index);
                    changes.missing_shapes.push(shape);
                }
            }
        }
    }
    changes.surplus = known
        .into_iter()
        .map(|(_, index)| index)
        .filter(|index| index.constraint_definition.is_none())
        .collect();
    changes
        .surplus
        .sort_by(|left, right| left.name.cmp(&right.name));
    Ok(changes)
}

const COPY: &str = "msv_index_probe";

fn shapes(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    configured: &[Json],
) -> Result<Vec<String>, Box<Diagnostic>> {
    let is_inside = run.adapter.session().is_in_transaction();
    run.execute(
        if is_inside {
            "savepoint msv_indexes"
        } else {
            "begin"
        },
        None,
    )?;
    let found = shapes_on_copy(run, compiled, on, configured);
    let undo = if is_inside {
        "rollback to savepoint msv_indexes; release savepoint msv_indexes"
    } else {
        "rollback"
    };
    let undone = run.execute(undo, None);
    let found = found?;
    undone?;
    Ok(found)
}

fn shapes_on_copy(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    configured: &[Json],
) -> Result<Vec<String>, Box<Diagnostic>> {
    let copy = Relation {
        database: None,
        schema: None,
        identifier: Some(COPY.to_owned()),
        ..on.clone()
    };
    run.execute(&format!("create temporary table {COPY} (like {on})"), None)?;
    for index in configured {
        let mut index = index.clone();
        if let Some(entries) = index.as_object_mut() {
            entries.remove("name");
            entries.remove("concurrently");
        }
        let statement = statement(run, compiled, &copy, &index)?;
        run.execute(&statement, None)?;
    }
    let rows = run.query(
        &format!("select '{COPY}'::pg_catalog.regclass::pg_catalog.oid::bigint"),
        None,
    )?;
    let oid = rows.scalar().and_then(|oid| oid.as_i64()).unwrap_or(0);
    let oid = u32::try_from(oid).unwrap_or(0);
    let made = catalog::indexes(&mut run.adapter.session(), oid)
        .map_err(|error| run.refused(&error, "", None))?;
    Ok(made
        .iter()
        .map(|index| index_shape(&index.definition))
        .collect())
}

/// Makes the indexes that are missing on a relation people read.
pub(super) fn create_missing(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    missing: &[Json],
) -> Result<(), Box<Diagnostic>> {
    for index in missing {
        let mut index = index.clone();
        if run.adapter.session().is_in_transaction()
            && let Some(entries) = index.as_object_mut()
        {
            entries.remove("concurrently");
        }
        run.execute(&statement(run, compiled, on, &index)?, None)?;
    }
    Ok(())
}

/// Drops indexes by name.
pub(super) fn drop_surplus(
    run: &NodeRun<'_>,
    on: &Relation,
    surplus: &[IndexInfo],
) -> Result<(), Box<Diagnostic>> {
    for index in surplus {
        let schema = quote_identifier(on.schema_name());
        let name = quote_identifier(&index.name);
        run.execute(&format!("drop index if exists {schema}.{name}"), None)?;
    }
    Ok(())
}
