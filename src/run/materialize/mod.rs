//! Materializations: a compiled query in, a published relation out; one file each.

mod function;
mod incremental;
mod indexes;
mod seed;
mod table;
mod view;

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::relation;
use crate::postgres::catalog::{self, RelationInfo};
use crate::relation::{MAX_IDENTIFIER_BYTES, Relation, quote_identifier, quote_literal};

use super::event::{Event, Level, Status};
use super::publish::PublishError;
use super::worker::{Done, NodeRun};

pub(super) use function::function;
pub(super) use seed::seed;

/// Builds a model as its `materialized` says.
pub(super) fn model(run: &NodeRun<'_>, compiled: &Compiled) -> Result<Done, Box<Diagnostic>> {
    check_name(run)?;
    warn_about_contract(run);
    match run.node.config.materialized() {
        "view" => view::view(run, compiled),
        "table" => table::table(run, compiled),
        "incremental" => incremental::incremental(run, compiled),
        "ephemeral" => Ok(Done {
            status: Some(Status::NoOp),
            message: "NO-OP".to_owned(),
            ..Done::default()
        }),
        other => Err(Box::new(
            Diagnostic::error(
                "MSV0445",
                format!(
                    "model `{}` asks for materialization `{other}`, which msv does not have yet",
                    run.node.name
                ),
            )
            .at(run.node.place.clone(), "")
            .help("use view, table, incremental or ephemeral"),
        )),
    }
}

/// PostgreSQL would cut the name off, and the relation would never be found under its own name.
fn check_name(run: &NodeRun<'_>) -> Result<(), Box<Diagnostic>> {
    let target = target(run);
    if !target.is_too_long() {
        return Ok(());
    }
    let title = format!(
        "relation name `{}` is longer than {MAX_IDENTIFIER_BYTES} bytes",
        target.name()
    );
    Err(Box::new(
        Diagnostic::error("MSV0450", title)
            .at(run.node.place.clone(), "")
            .help("give it a shorter name: {{ config(alias='…') }}"),
    ))
}

/// Contracts are read but not checked: nobody may believe that one held.
fn warn_about_contract(run: &NodeRun<'_>) {
    let is_enforced = run
        .node
        .config
        .get("contract")
        .and_then(|contract| contract.get("enforced"))
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(false);
    if is_enforced {
        run.context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: format!(
                "the contract of model `{}` is not checked: msv does not have contracts yet",
                run.node.name
            ),
            node: Some(run.node.unique_id.clone()),
        });
    }
}

/// The relation the node is published as.
fn target(run: &NodeRun<'_>) -> Relation {
    let node = run.node;
    node.relation
        .clone()
        .unwrap_or_else(|| Relation::new(&node.database, &node.schema, &node.alias))
}

/// What stands under the node's name now.
fn existing(run: &NodeRun<'_>, target: &Relation) -> Result<Option<RelationInfo>, Box<Diagnostic>> {
    catalog::get_relation(
        &mut run.adapter.session(),
        target.schema_name(),
        target.name(),
    )
    .map_err(|error| run.refused(&error, "", None))
}

/// Calls a macro that writes a statement, as the node's package sees it.
fn statement_macro(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    name: &str,
    args: &[Value],
) -> Result<String, Box<Diagnostic>> {
    let host = std::sync::Arc::new(run.host(Some(compiled)));
    let made = run
        .context
        .compiler
        .engine
        .call_macro(name, args, &[], host)?;
    Ok(made.to_string())
}

fn relation_value(relation: &Relation) -> Value {
    relation::value(relation.clone())
}

/// True when the model is to be rebuilt from nothing: its own setting wins over the flag.
fn is_full_refresh(run: &NodeRun<'_>) -> bool {
    run.node
        .config
        .bool("full_refresh")
        .unwrap_or(run.context.options.is_full_refresh)
}

/// Writes descriptions to the relation where `persist_docs` asks for it.
fn comment_statements(run: &NodeRun<'_>, on: &Relation, word: &str, columns: &[String]) -> String {
    let node = run.node;
    let wants = |key: &str| {
        node.config
            .get("persist_docs")
            .and_then(|docs| docs.get(key))
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false)
    };
    let name = on.without_database();
    let mut sql = String::new();
    if wants("relation") && !node.description.is_empty() {
        sql.push_str(&format!(
            "comment on {word} {name} is {};\n",
            quote_literal(&node.description)
        ));
    }
    let mut missing = Vec::new();
    if wants("columns") {
        for column in node
            .columns
            .values()
            .filter(|column| !column.description.is_empty())
        {
            let found = columns.iter().find(|name| {
                **name == column.name
                    || name.eq_ignore_ascii_case(&column.name) && column.quote != Some(true)
            });
            if found.is_none() {
                missing.push(column.name.as_str());
            }
            if let Some(found) = found {
                sql.push_str(&format!(
                    "comment on column {name}.{} is {};\n",
                    quote_identifier(found),
                    quote_literal(&column.description)
                ));
            }
        }
    }
    if !missing.is_empty() {
        run.context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: format!(
                "The following columns are specified in the schema but are not present in the \
                 database: {}",
                missing.join(", ")
            ),
            node: Some(node.unique_id.clone()),
        });
    }
    sql
}

/// The names of a relation's columns, in order.
fn column_names(run: &NodeRun<'_>, relation: &Relation) -> Result<Vec<String>, Box<Diagnostic>> {
    let found = catalog::columns(
        &mut run.adapter.session(),
        relation.schema_name(),
        relation.name(),
    )
    .map_err(|error| run.refused(&error, "", None))?;
    Ok(found.into_iter().map(|column| column.name).collect())
}

/// Documents a published view or table in place.
fn persist_docs(run: &NodeRun<'_>, on: &Relation, word: &str) -> Result<(), Box<Diagnostic>> {
    if run
        .node
        .config
        .get("persist_docs")
        .is_none_or(|docs| docs == &serde_json::json!({}))
    {
        return Ok(());
    }
    let columns = column_names(run, on)?;
    let sql = comment_statements(run, on, word, &columns);
    if !sql.is_empty() {
        run.execute(&sql, None)?;
    }
    Ok(())
}

/// Grants what the node's `grants` say and revokes what they no longer say.
fn apply_grants(run: &NodeRun<'_>, on: &Relation) -> Result<(), Box<Diagnostic>> {
    let Some(serde_json::Value::Object(wanted)) = run.node.config.get("grants") else {
        return Ok(());
    };
    if wanted.is_empty() {
        return Ok(());
    }
    let name = on.without_database();
    let regclass = quote_literal(&name.to_string());
    let rows = run.query(
        &format!(
            "select lower(granted.privilege_type), granted.grantee::regrole::text from pg_class \
             cross join lateral aclexplode(relacl) as granted \
             where pg_class.oid = {regclass}::regclass and granted.grantee not in (0, relowner)"
        ),
        None,
    )?;
    let have: Vec<(String, String)> = rows
        .rows
        .iter()
        .filter_map(|row| {
            Some((
                row[0].as_str()?.to_owned(),
                row[1].as_str()?.trim_matches('"').to_owned(),
            ))
        })
        .collect();
    let mut want = Vec::new();
    for (privilege, roles) in wanted {
        let roles: Vec<&str> = match roles {
            serde_json::Value::Array(roles) => {
                roles.iter().filter_map(|role| role.as_str()).collect()
            }
            serde_json::Value::String(role) => vec![role.as_str()],
            _ => Vec::new(),
        };
        want.extend(
            roles
                .into_iter()
                .map(|role| (privilege.to_lowercase(), role.to_owned())),
        );
    }
    let mut sql = String::new();
    for (privilege, role) in have.iter().filter(|pair| !want.contains(pair)) {
        sql.push_str(&format!(
            "revoke {privilege} on {name} from {};\n",
            quote_identifier(role)
        ));
    }
    for (privilege, role) in want.iter().filter(|pair| !have.contains(pair)) {
        sql.push_str(&format!(
            "grant {privilege} on {name} to {};\n",
            quote_identifier(role)
        ));
    }
    if !sql.is_empty() {
        run.execute(&sql, None)?;
    }
    Ok(())
}

/// Words a publication that failed, at the template where the node's query is to blame.
fn publish_failed(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    error: &PublishError,
) -> Box<Diagnostic> {
    if let (PublishError::Database(error), Some(compiled)) = (error, compiled) {
        return run.refused(error, &compiled.sql, Some(compiled));
    }
    let diagnostic = error.diagnostic();
    Box::new(match diagnostic.place {
        None => diagnostic.at(run.node.place.clone(), "while publishing this"),
        Some(_) => diagnostic,
    })
}

/// Words a configuration that a model of this kind cannot have.
fn mistake(run: &NodeRun<'_>, title: &str, help: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error("MSV0326", format!("model `{}`: {title}", run.node.name))
            .at(run.node.place.clone(), "")
            .help(help),
    )
}
