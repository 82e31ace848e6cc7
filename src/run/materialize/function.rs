//! `function`: user-defined functions of one name, created or replaced in one transaction.
//!
//! The server replaces a function in place as long as its arguments keep their names and it
//! returns what it did. Otherwise the old one is dropped first, and the new one gets its owner,
//! its grants and its comment: callers see one or the other.

use std::sync::Arc;

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::parse::{Details, Function, Node};
use crate::postgres::{Error, Executed};
use crate::relation::{Relation, quote_literal};
use crate::run::event::{Event, Level};
use crate::run::hooks::{Moment, run_hooks};
use crate::run::worker::{Done, NodeRun};

use super::{extras, relation_value, statement_macro, target};

/// `create or replace` says so where a function must be dropped to be changed; a definition that
/// is a mistake has the same code.
const INVALID_DEFINITION: &str = "42P13";

const STILL_USED: &str = "2BP01";

pub(in crate::run) fn function(
    run: &NodeRun<'_>,
    compiled: &Compiled,
) -> Result<Done, Box<Diagnostic>> {
    let Details::Function(declared) = &run.node.details else {
        return Err(Box::new(Diagnostic::error(
            "MSV0444",
            format!("`{}` is no function", run.node.name),
        )));
    };
    check_language(run, declared)?;
    run_hooks(run, Some(compiled), Moment::BeforeBegin)?;
    run.execute("begin", None)?;
    run_hooks(run, Some(compiled), Moment::Before)?;
    let mut made = vec![create(run, compiled, declared)?];
    for overload in &declared.overloads {
        let function = declared.of_overload(overload);
        let node = Arc::new(Node {
            template: overload.template.clone(),
            details: Details::Function(Box::new(function.clone())),
            ..(**run.node).clone()
        });
        let part = NodeRun::of_test(run.context, run.adapter, &node, (run.audit, None));
        let compiler = &run.context.compiler;
        let compiled = compiler.compile(&node, Some(run.database()))?;
        made.push(create(&part, &compiled, &function)?);
    }
    let statements: Vec<&str> = made.iter().map(|made| made.statement.as_str()).collect();
    run.keep_statement(&statements.join("\n"));
    for made in &made {
        extras::apply_function_grants(run, &made.signature)?;
        extras::persist_function_docs(run, &made.signature)?;
    }
    tell_of_others(run, &made)?;
    run_hooks(run, Some(compiled), Moment::After)?;
    run.execute("commit", None)?;
    run_hooks(run, Some(compiled), Moment::AfterCommit)?;
    Ok(Done::statement(&made[0].done.command_tag, None))
}

/// A function that was created.
struct Made {
    done: Executed,
    statement: String,
    /// Its name with the types of its arguments, as statements about it want it.
    signature: String,
}

fn create(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    function: &Function,
) -> Result<Made, Box<Diagnostic>> {
    let target = target(run);
    let kind = run.node.config.str("type").unwrap_or("scalar");
    let arguments = [
        Value::from(format!("{kind}_function_{}", function.language)),
        relation_value(&target),
    ];
    let statement = statement_macro(run, Some(compiled), "get_create_function_sql", &arguments)?;
    let signature = signature(&target, function);
    let outcome = {
        let mut session = run.adapter.session();
        session.later("savepoint msv_function");
        session.execute(&statement)
    };
    let done = match outcome {
        Ok(done) => done,
        Err(error) if error.sqlstate == INVALID_DEFINITION => {
            run.execute("rollback to savepoint msv_function", None)?;
            replace(run, compiled, &signature, (&statement, &error))?
        }
        Err(error) => return Err(run.refused(&error, &statement, Some(compiled))),
    };
    Ok(Made {
        done,
        statement,
        signature,
    })
}

/// Drops the function that stands under the signature, and creates the new one with what people
/// gave the old one.
fn replace(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    signature: &str,
    (statement, refusal): (&str, &Error),
) -> Result<Executed, Box<Diagnostic>> {
    let kept = run.query(&kept_sql(signature), None)?;
    let Some([drop, restore]) = kept.rows.first().map(Vec::as_slice) else {
        // Nothing stands there: the definition itself is what the server refused.
        return Err(run.refused(refusal, statement, Some(compiled)));
    };
    let (drop, restore) = (
        drop.as_str().unwrap_or_default(),
        restore.as_str().unwrap_or_default(),
    );
    let dropped = run.adapter.execute(drop);
    match dropped {
        Err(error) if error.sqlstate == STILL_USED => {
            return Err(Box::new(still_used(run, refusal, &error)));
        }
        Err(error) => return Err(run.refused(&error, drop, None)),
        Ok(_) => {}
    }
    let done = run.execute(statement, Some(compiled))?;
    if !restore.is_empty() {
        run.execute(restore, None)?;
    }
    Ok(done)
}

/// Asks for the statement that drops a function, and for those that give its successor its owner,
/// grants and comment.
fn kept_sql(signature: &str) -> String {
    let signature = quote_literal(signature);
    format!(
        "select format('drop routine %s', name) as drop, concat_ws(';\n', \
         format('alter routine %s owner to %I', name, pg_catalog.pg_get_userbyid(owner)), \
         case when grants is not null then format('revoke all on routine %s from public', name) end, \
         (select string_agg(format('grant %s on routine %s to %s%s', lower(privilege_type), name, \
         case grantee when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(grantee)) end, \
         case when is_grantable then ' with grant option' else '' end), ';\n') \
         from pg_catalog.aclexplode(grants) where grantee <> owner), \
         case when comment is not null then format('comment on routine %s is %L', name, comment) end) \
         as restore \
         from (select oid::regprocedure::text as name, proowner as owner, proacl as grants, \
         pg_catalog.obj_description(oid, 'pg_proc') as comment from pg_catalog.pg_proc \
         where oid = pg_catalog.to_regprocedure({signature})) as known"
    )
}

fn still_used(run: &NodeRun<'_>, refusal: &Error, error: &Error) -> Diagnostic {
    let title = format!(
        "function `{}` cannot be replaced while others are built on it: {}",
        run.node.name, refusal.message
    );
    let mut diagnostic = Diagnostic::error("MSV0465", title).at(run.node.place.clone(), "");
    for line in error.detail.iter().flat_map(|detail| detail.lines()) {
        diagnostic = diagnostic.note(line);
    }
    diagnostic.help(
        "drop what is built on it, or give the new function a name of its own: `alias` in its \
         `config`",
    )
}

/// A signature that is not declared any more still answers calls that fit it better.
fn tell_of_others(run: &NodeRun<'_>, made: &[Made]) -> Result<(), Box<Diagnostic>> {
    let target = target(run);
    let declared: Vec<String> = made
        .iter()
        .map(|made| {
            format!(
                "pg_catalog.to_regprocedure({})::oid",
                quote_literal(&made.signature)
            )
        })
        .collect();
    let others = run.query(
        &format!(
            "select proc.oid::regprocedure::text from pg_catalog.pg_proc as proc \
             inner join pg_catalog.pg_namespace as space on space.oid = proc.pronamespace \
             where space.nspname = {} and proc.proname = {} \
             and proc.oid <> all (array_remove(array[{}], null)) order by 1",
            quote_literal(target.schema_name()),
            quote_literal(target.name()),
            declared.join(", ")
        ),
        None,
    )?;
    for other in others.rows.iter().filter_map(|row| row.first()?.as_str()) {
        run.context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: format!(
                "`{other}` stands beside what `{}` declares; if nobody needs it: drop function \
                 {other}",
                run.node.name
            ),
            node: Some(run.node.unique_id.clone()),
        });
    }
    Ok(())
}

fn signature(target: &Relation, function: &Function) -> String {
    let types: Vec<&str> = function
        .arguments
        .iter()
        .filter_map(|argument| argument.get("data_type")?.as_str())
        .collect();
    format!("{}({})", target.without_database(), types.join(", "))
}

/// Refuses a function whose language needs what is not configured.
fn check_language(run: &NodeRun<'_>, function: &Function) -> Result<(), Box<Diagnostic>> {
    let refused =
        |title: String| Diagnostic::error("MSV0464", title).at(run.node.place.clone(), "");
    if function.language == "python" {
        for key in ["runtime_version", "entry_point"] {
            if run.node.config.get(key).is_none() {
                let title = format!("A `{key}` is required for python functions");
                return Err(Box::new(refused(title)));
            }
        }
    }
    if function.returns.is_null() {
        let title = format!("function `{}` does not say what it returns", run.node.name);
        let help = "declare it below `functions:` of a properties file, with \
                    `returns: {data_type: …}`";
        return Err(Box::new(refused(title).help(help)));
    }
    Ok(())
}
