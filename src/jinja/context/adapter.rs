//! `adapter.*`: the database as templates ask about it, and `adapter.dispatch`.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::context::bindings::with_bindings;
use crate::context::relation_methods;
use crate::context::snapshot_methods;
use crate::host::{Database, Host, HostError, QueryResponse};
use crate::methods::Bound;
use crate::session::{Session, answered, raise};
use crate::value::column::Column;
use crate::value::data_type::DataType;
use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::table::Table;
use crate::value::unknown::unknown;
use crate::value::{Arguments, callable, failed, relation, unknown_method};
use msv_diagnostics::Diagnostic;
use msv_relation::{Relation, quote_identifier};

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("adapter", Value::from_object(Adapter));
    add("adapter_macro", callable(adapter_macro));
}

#[derive(Debug)]
struct Adapter;

/// Methods that need a connection, and what they answer while parsing.
fn while_parsing(method: &str) -> Option<Value> {
    Some(match method {
        "get_columns_in_relation"
        | "get_columns_in_table"
        | "get_missing_columns"
        | "get_column_schema_from_query"
        | "list_relations_without_caching"
        | "list_relations"
        | "list_schemas" => List::value(Vec::new()),
        "get_relation" | "get_partitions_metadata" => Value::from(()),
        "check_schema_exists" | "already_exists" => Value::from(false),
        "execute" => Value::from(Tuple::from([
            Value::from(""),
            Table::default().into_value(),
        ])),
        "add_query" => Value::from(Tuple::from([Value::from(()), Value::from("")])),
        "create_schema"
        | "drop_schema"
        | "drop_relation"
        | "rename_relation"
        | "truncate_relation"
        | "expand_target_column_types"
        | "valid_snapshot_target"
        | "assert_valid_snapshot_target_given_strategy"
        | "commit"
        | "commit_if_has_connection"
        | "begin"
        | "rollback" => Value::from(()),
        _ => return None,
    })
}

/// What `adapter.execute` returns beside the rows.
#[derive(Debug)]
struct Response(QueryResponse);

impl Object for Response {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "code" => Value::from(&self.0.code),
            "rows_affected" => self.0.rows_affected.map_or(Value::from(()), Value::from),
            "_message" | "message" => Value::from(&self.0.message),
            _ => return None,
        })
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// Asks the connection something.
fn ask<T>(
    state: &mut State<'_, '_>,
    method: &str,
    question: impl FnOnce(&dyn Database) -> Result<T, HostError>,
) -> Result<T, Error> {
    let host = Session::get(state)?.host.clone();
    let Some(database) = host.database() else {
        let diagnostic = Diagnostic::error(
            "MSV0306",
            format!(
                "the template asks the database through `{method}`, and there is no connection"
            ),
        )
        .help("guard it with `{% if execute %}`, or use a command that connects");
        return Err(raise(state, diagnostic));
    };
    let answer = question(database);
    answered(state, answer)
}

fn relation_of(arguments: &Arguments<'_>, index: usize, name: &str) -> Result<Relation, Error> {
    let value = arguments.required(index, name)?;
    relation::from_value(&value).ok_or_else(|| failed(format!("`{name}` is not a relation")))
}

/// The relation, or none when the argument is none.
fn optional_relation(
    arguments: &Arguments<'_>,
    index: usize,
    name: &str,
) -> Result<Option<Relation>, Error> {
    match arguments.get(index, name) {
        Some(value) if !value.is_none() && !value.is_undefined() => {
            relation_of(arguments, index, name).map(Some)
        }
        _ => Ok(None),
    }
}

fn columns(state: &mut State<'_, '_>, method: &str, of: &Relation) -> Result<Vec<Column>, Error> {
    ask(state, method, |database| database.columns(of))
}

fn column_list(columns: Vec<Column>) -> Value {
    List::value(columns.into_iter().map(Column::into_value).collect())
}

/// The methods that templates may also hand on as values.
const AVAILABLE: [&str; 37] = [
    "add_query",
    "already_exists",
    "assert_valid_snapshot_target_given_strategy",
    "cache_added",
    "cache_dropped",
    "cache_renamed",
    "check_schema_exists",
    "commit",
    "convert_type",
    "create_schema",
    "dispatch",
    "drop_relation",
    "drop_schema",
    "execute",
    "expand_target_column_types",
    "get_column_schema_from_query",
    "get_columns_in_relation",
    "get_columns_in_table",
    "get_hard_deletes_behavior",
    "get_incremental_strategy_macro",
    "get_missing_columns",
    "get_relation",
    "list_relations",
    "parse_index",
    "quote",
    "quote_as_configured",
    "quote_seed_column",
    "rename_relation",
    "render_raw_columns_constraints",
    "render_raw_model_constraints",
    "standardize_grants_dict",
    "truncate_relation",
    "type",
    "valid_incremental_strategies",
    "valid_snapshot_target",
    "verify_database",
    "get_pseudocolumns_for_relation",
];

/// Every part of a name is quoted, unless the project says otherwise.
fn parts_quoted() -> Value {
    Dict::from_pairs(["database", "schema", "identifier"].map(|part| (part, Value::from(true))))
}

fn target_name(host: &Arc<dyn Host>, key: &str) -> Option<String> {
    let target = host.context("target")?;
    let value = target.get_attr(key).ok()?;
    (!value.is_undefined() && !value.is_none()).then(|| value.to_string())
}

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "Relation" => Some(Value::from_object(relation::RelationClass)),
            "Column" => Some(Value::from_object(crate::value::column::ColumnClass)),
            name if AVAILABLE.contains(&name) => {
                Some(Bound::value(&Value::from_dyn_object(self.clone()), name))
            }
            "config" => Some(Dict::from_pairs([
                ("quoting", parts_quoted()),
                ("credentials", Value::from(())),
            ])),
            "behavior" => Some(Dict::from_pairs::<&str>([])),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let shown = format!("adapter.{method}");
        if !Session::get(state)?.is_execute
            && let Some(answer) = while_parsing(method)
        {
            return Ok(answer);
        }
        let none = Value::from(());
        match method {
            "dispatch" => dispatch(state, &arguments),
            "type" => Ok(Value::from("postgres")),
            "quote" => Ok(Value::from(quote_identifier(
                &arguments.text(0, "identifier")?,
            ))),
            "quote_as_configured" => Ok(Value::from(quote_identifier(
                &arguments.text(0, "identifier")?,
            ))),
            "quote_seed_column" => {
                let name = arguments.text(0, "column")?;
                let is_quoted = arguments
                    .get(1, "quote_config")
                    .filter(|value| !value.is_none() && !value.is_undefined())
                    .is_none_or(|value| value.is_true());
                Ok(Value::from(if is_quoted {
                    quote_identifier(&name)
                } else {
                    name
                }))
            }
            "verify_database" => verify_database(state, &arguments),
            "execute" => {
                let sql = arguments.text(0, "sql")?;
                let auto_begin = arguments.flag(1, "auto_begin", false);
                let fetch = arguments.flag(2, "fetch", false);
                let (response, table) = ask(state, &shown, |database| {
                    database.run(&sql, fetch, auto_begin)
                })?;
                Ok(Value::from(Tuple::from([
                    Value::from_object(Response(response)),
                    table.into_value(),
                ])))
            }
            "add_query" => {
                let sql = arguments.text(0, "sql")?;
                let auto_begin = arguments.flag(1, "auto_begin", true);
                let bindings = arguments.get(2, "bindings");
                let bindings = bindings.filter(|bindings| bindings.is_true());
                let sql = match bindings {
                    Some(bindings) => with_bindings(&sql, &bindings)?,
                    None => sql,
                };
                let (response, table) = ask(state, &shown, |database| {
                    database.run(&sql, true, auto_begin)
                })?;
                Ok(Value::from(Tuple::from([
                    Value::from_object(Response(response)),
                    table.into_value(),
                ])))
            }
            "get_relation" => {
                let host = Session::get(state)?.host.clone();
                let database = arguments
                    .optional_text(0, "database")
                    .or_else(|| target_name(&host, "dbname"));
                let schema = arguments.text(1, "schema")?;
                let identifier = arguments.text(2, "identifier")?;
                let found = ask(state, &shown, |connection| {
                    connection.get_relation(database.as_deref(), &schema, &identifier)
                })?;
                Ok(found.map_or(none, relation::value))
            }
            "already_exists" => {
                let schema = arguments.text(0, "schema")?;
                let identifier = arguments.text(1, "table")?;
                let found = ask(state, &shown, |connection| {
                    connection.get_relation(None, &schema, &identifier)
                })?;
                Ok(Value::from(found.is_some()))
            }
            "list_relations" | "list_relations_without_caching" => {
                let (database, schema) = match arguments.positional() {
                    [of] => {
                        let of = relation::from_value(of);
                        let of = of.ok_or_else(|| failed("the argument is not a relation"))?;
                        (of.database.clone(), of.schema_name().to_owned())
                    }
                    _ => (
                        arguments.optional_text(0, "database"),
                        arguments.text(1, "schema")?,
                    ),
                };
                let found = ask(state, &shown, |connection| {
                    connection.list_relations(database.as_deref(), &schema)
                })?;
                Ok(List::value(
                    found.into_iter().map(relation::value).collect(),
                ))
            }
            "check_schema_exists" => {
                let database = arguments.optional_text(0, "database");
                let schema = arguments.text(1, "schema")?;
                let exists = ask(state, &shown, |connection| {
                    connection.check_schema_exists(database.as_deref(), &schema)
                })?;
                Ok(Value::from(exists))
            }
            "get_columns_in_table" => {
                let (schema, name) = (
                    arguments.text(0, "schema_name")?,
                    arguments.text(1, "table_name")?,
                );
                let host = Session::get(state)?.host.clone();
                let mut of = Relation::new("", schema, name);
                of.database = target_name(&host, "dbname");
                Ok(column_list(columns(state, &shown, &of)?))
            }
            "get_columns_in_relation" => {
                let of = relation_of(&arguments, 0, "relation")?;
                Ok(column_list(columns(state, &shown, &of)?))
            }
            "get_missing_columns" => {
                let from = relation_of(&arguments, 0, "from_relation")?;
                let to = relation_of(&arguments, 1, "to_relation")?;
                let from = columns(state, &shown, &from)?;
                let to = columns(state, &shown, &to)?;
                let is_missing = |column: &Column| to.iter().all(|c| c.name != column.name);
                Ok(column_list(from.into_iter().filter(is_missing).collect()))
            }
            "get_column_schema_from_query" => relation_methods::column_schema(state, &arguments),
            "expand_target_column_types" => {
                let from = relation_of(&arguments, 0, "from_relation")?;
                let to = relation_of(&arguments, 1, "to_relation")?;
                expand(state, &shown, &from, &to)?;
                Ok(none)
            }
            "create_schema" => {
                let of = relation_of(&arguments, 0, "relation")?;
                ask(state, &shown, |connection| connection.create_schema(&of))?;
                Ok(none)
            }
            "drop_schema" => {
                let of = relation_of(&arguments, 0, "relation")?;
                ask(state, &shown, |connection| connection.drop_schema(&of))?;
                Ok(none)
            }
            "drop_relation" => {
                if let Some(of) = optional_relation(&arguments, 0, "relation")? {
                    ask(state, &shown, |connection| connection.drop_relation(&of))?;
                }
                Ok(none)
            }
            "truncate_relation" => {
                let of = relation_of(&arguments, 0, "relation")?;
                ask(state, &shown, |connection| {
                    connection.truncate_relation(&of)
                })?;
                Ok(none)
            }
            "rename_relation" => {
                let from = relation_of(&arguments, 0, "from_relation")?;
                let to = relation_of(&arguments, 1, "to_relation")?;
                ask(state, &shown, |connection| {
                    connection.rename_relation(&from, &to)
                })?;
                Ok(none)
            }
            "begin" => ask(state, &shown, |connection| connection.begin()).map(|()| none),
            "commit" | "commit_if_has_connection" => {
                ask(state, &shown, |connection| connection.commit()).map(|()| none)
            }
            "rollback" => ask(state, &shown, |connection| connection.rollback()).map(|()| none),
            "cache_added" | "cache_dropped" | "cache_renamed" | "clean_up_table" => {
                Ok(Value::from(""))
            }
            "standardize_grants_dict" => standardized_grants(&arguments),
            "get_incremental_strategy_macro" => {
                let strategy = arguments
                    .text(1, "model_context_strategy")
                    .or_else(|_| arguments.text(1, "strategy"))?;
                strategy_macro(state, &strategy)
            }
            "get_hard_deletes_behavior" => snapshot_methods::hard_deletes(state, &arguments),
            "valid_snapshot_target" | "assert_valid_snapshot_target_given_strategy" => {
                let of = relation_of(&arguments, 0, "relation")?;
                let columns = columns(state, &shown, &of)?;
                snapshot_methods::check_target(state, &arguments, &of, &columns)
            }
            "valid_incremental_strategies" => Ok(List::value(
                ["append", "delete+insert", "merge", "microbatch"]
                    .map(Value::from)
                    .to_vec(),
            )),
            "parse_index" => relation_methods::parse_index(state, &arguments),
            "convert_type" => convert_type(&arguments),
            "render_raw_columns_constraints" => relation_methods::raw_columns(state, &arguments),
            "render_raw_model_constraints" => relation_methods::raw_model(state, &arguments),
            "get_pseudocolumns_for_relation" => Ok(List::value(Vec::new())),
            "get_model_query_settings" => Ok(Value::from("")),
            // While parsing, what is not known may be guarded; it fails when it is run.
            _ if !Session::get(state)?.is_execute => Ok(unknown()),
            _ => Err(unknown_method()),
        }
    }
}

fn dispatch(state: &mut State<'_, '_>, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let mut name = arguments.text(0, "macro_name")?;
    let mut namespace = arguments.optional_text(1, "macro_namespace");
    if let Some((package, inner)) = name.clone().split_once('.') {
        namespace.get_or_insert_with(|| package.to_owned());
        name = inner.to_owned();
    }
    let session = Session::get(state)?;
    let shared = session.shared.clone();
    let package = session.host.package().to_owned();
    let (found, tried) = shared.dispatched(&package, &name, namespace.as_deref());
    match found {
        Some(function) => Ok(function.clone()),
        None => {
            let diagnostic = Diagnostic::error(
                "MSV0303",
                format!("no macro answers to `adapter.dispatch('{name}')`"),
            )
            .note(format!(
                "In dispatch: No macro named '{name}' found within namespace: '{}'",
                namespace.as_deref().unwrap_or("None")
            ))
            .help(format!(
                "define one of these macros: `{}`",
                tried.join("`, `")
            ));
            Err(raise(state, diagnostic))
        }
    }
}

/// The old name of dispatch, which also makes the call.
fn adapter_macro(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let function = dispatch(state, &Arguments::new(&args[..args.len().min(1)])?)?;
    function.call(state, args.get(1..).unwrap_or_default())
}

fn verify_database(state: &mut State<'_, '_>, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let wanted = arguments.text(0, "database")?;
    let wanted = wanted.trim_matches('"').to_owned();
    let host = Session::get(state)?.host.clone();
    match target_name(&host, "dbname").or_else(|| target_name(&host, "database")) {
        Some(own) if !own.eq_ignore_ascii_case(&wanted) => {
            let diagnostic = Diagnostic::error(
                "MSV0302",
                format!("the database `{wanted}` is not the target's database `{own}`"),
            )
            .help("PostgreSQL cannot read across databases: use one database");
            Err(raise(state, diagnostic))
        }
        _ => Ok(Value::from("")),
    }
}

/// Widens text columns of `to` where those of `from` are longer.
fn expand(
    state: &mut State<'_, '_>,
    method: &str,
    from: &Relation,
    to: &Relation,
) -> Result<(), Error> {
    let wider = columns(state, method, from)?;
    let narrower = columns(state, method, to)?;
    for column in narrower {
        let Some(other) = wider.iter().find(|other| other.name == column.name) else {
            continue;
        };
        if let Some(wider) = column.widened_to(other) {
            let sql = format!(
                "alter table {to} alter column {} type {wider}",
                quote_identifier(&column.name),
            );
            ask(state, method, |database| database.run(&sql, false, true))?;
        }
    }
    Ok(())
}

/// Turns rows of grantee and privilege into a dict of privilege to grantees.
fn standardized_grants(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let table = arguments.required(0, "grants_table")?;
    let mut grants: indexmap::IndexMap<String, Vec<Value>> = indexmap::IndexMap::new();
    for row in table.try_iter()? {
        let grantee = row.get_item(&Value::from("grantee"))?;
        let privilege = row.get_item(&Value::from("privilege_type"))?;
        grants
            .entry(privilege.to_string())
            .or_default()
            .push(grantee);
    }
    let grants = grants.into_iter();
    Ok(Dict::from_pairs(grants.map(|(privilege, grantees)| {
        (privilege, List::value(grantees))
    })))
}

fn strategy_macro(state: &mut State<'_, '_>, strategy: &str) -> Result<Value, Error> {
    let name = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    let session = Session::get(state)?;
    match session.names.get(&name) {
        Some(function) => Ok(function.clone()),
        None => {
            let diagnostic = Diagnostic::error(
                "MSV0303",
                format!("no incremental strategy is named `{strategy}`"),
            )
            .note(format!(
                "dbt could not find an incremental strategy macro with the name \"{name}\""
            ))
            .help(format!(
                "write append, delete+insert, merge or microbatch, or define the macro `{name}`"
            ));
            Err(raise(state, diagnostic))
        }
    }
}

/// The column type for a column of rows that came without one.
fn convert_type(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let table = arguments.required(0, "agate_table")?;
    let index = arguments.required(1, "col_idx")?;
    let column = table.get_attr("columns")?.get_item(&index)?;
    let values: Vec<Value> = column.try_iter()?.collect();
    Ok(Value::from(DataType::of(values.iter()).sql()))
}
