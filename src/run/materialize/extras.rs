//! What a relation carries beside its rows and follows the project: comments, grants, a time limit
//! for its statements.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::convert::from_json;
use crate::parse::NodeValue;
use crate::relation::{Relation, RelationKind, quote_literal};
use crate::run::event::{Event, Level};
use crate::run::hooks::{Moment, has_hooks, run_hooks};
use crate::run::publish::{self, PublishOptions, Published};
use crate::run::worker::NodeRun;

use super::{kinded_value, mistake, relation_value, statement_macro};

/// True when `persist_docs` asks for the comment of the relation or of its columns.
fn persists(run: &NodeRun<'_>, part: &str) -> bool {
    run.node
        .config
        .get("persist_docs")
        .and_then(|docs| docs.get(part))
        .and_then(Json::as_bool)
        .unwrap_or(false)
}

/// True when the node's relation gets comments or grants.
pub(super) fn are_configured(run: &NodeRun<'_>) -> bool {
    persists(run, "relation") || persists(run, "columns") || wanted_grants(run).is_some()
}

/// Writes descriptions to the relation where `persist_docs` asks for it.
pub(super) fn persist_docs(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    kind: RelationKind,
) -> Result<(), Box<Diagnostic>> {
    if !persists(run, "relation") && !persists(run, "columns") {
        return Ok(());
    }
    let model = NodeValue::value(std::sync::Arc::clone(run.node));
    statement_macro(
        run,
        compiled,
        "persist_docs",
        &[kinded_value(on, kind), model],
    )
    .map(drop)
}

/// The roles that `grants` names, or `None` where the project says nothing about them.
pub(super) fn wanted_grants<'a>(run: &NodeRun<'a>) -> Option<&'a Json> {
    let grants = run.node.config.get("grants")?;
    grants.as_object().filter(|grants| !grants.is_empty())?;
    Some(grants)
}

/// Grants what the node's `grants` say; with `should_revoke`, takes away what they do not say.
pub(super) fn apply_grants(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    on: &Relation,
    should_revoke: bool,
) -> Result<(), Box<Diagnostic>> {
    let Some(Json::Object(wanted)) = wanted_grants(run) else {
        return Ok(());
    };
    let lists = wanted.iter().map(|(privilege, roles)| {
        let roles = match roles {
            Json::Array(_) => roles.clone(),
            Json::Null => Json::Array(Vec::new()),
            one => Json::Array(vec![one.clone()]),
        };
        (privilege.clone(), roles)
    });
    let wanted = from_json(&Json::Object(lists.collect()));
    let arguments = [relation_value(on), wanted, should_revoke.into()];
    statement_macro(run, compiled, "apply_grants", &arguments).map(drop)
}

/// Grants on a function what the node's `grants` say, and takes away what other roles have; what
/// everybody may do is left as it is.
pub(super) fn apply_function_grants(
    run: &NodeRun<'_>,
    signature: &str,
) -> Result<(), Box<Diagnostic>> {
    let Some(Json::Object(wanted)) = wanted_grants(run) else {
        return Ok(());
    };
    for (privilege, roles) in wanted {
        let roles: Vec<&str> = match roles {
            Json::Array(roles) => roles.iter().filter_map(Json::as_str).collect(),
            Json::String(role) => vec![role],
            _ => Vec::new(),
        };
        let named: Vec<String> = roles.iter().map(|role| quote_literal(role)).collect();
        let had = run.query(
            &format!(
                "select distinct quote_ident(role.rolname) from pg_catalog.pg_proc as proc \
                 cross join lateral pg_catalog.aclexplode(proc.proacl) as given \
                 inner join pg_catalog.pg_roles as role on role.oid = given.grantee \
                 where proc.oid = pg_catalog.to_regprocedure({}) and role.oid <> proc.proowner \
                 and lower(given.privilege_type) = lower({}) \
                 and role.rolname <> all (array[{}]::text[]) order by 1",
                quote_literal(signature),
                quote_literal(privilege),
                named.join(", ")
            ),
            None,
        )?;
        for role in had.rows.iter().filter_map(|row| row.first()?.as_str()) {
            let revoke = format!("revoke {privilege} on function {signature} from {role}");
            run.execute(&revoke, None)?;
        }
        if !roles.is_empty() {
            let roles = roles.join(", ");
            let grant = format!("grant {privilege} on function {signature} to {roles}");
            run.execute(&grant, None)?;
        }
    }
    Ok(())
}

/// Writes the description of a function where `persist_docs` asks for it.
pub(super) fn persist_function_docs(
    run: &NodeRun<'_>,
    signature: &str,
) -> Result<(), Box<Diagnostic>> {
    if !persists(run, "relation") {
        return Ok(());
    }
    let comment = quote_literal(&run.node.description);
    let sql = format!("comment on function {signature} is {comment}");
    run.execute(&sql, None).map(drop)
}

/// How the node's relation is to be published: what the project settles is not carried over from
/// the old relation, and relations that this run builds again may go.
pub(super) fn publish_options(run: &NodeRun<'_>) -> PublishOptions {
    let rebuilt = run.context.rebuilt.get_or_init(|| Arc::new(rebuilt(run)));
    PublishOptions {
        keeps_grants: wanted_grants(run).is_none(),
        keeps_comment: !persists(run, "relation"),
        keeps_column_comments: !persists(run, "columns"),
        leaves_open: has_hooks(run, Moment::After),
        rebuilt: Arc::clone(rebuilt),
        ..PublishOptions::default()
    }
}

/// Schema and name of all that this run builds.
fn rebuilt(run: &NodeRun<'_>) -> HashSet<(String, String)> {
    let compiler = &run.context.compiler;
    let selected = compiler.settings.selected_resources.iter();
    selected
        .filter_map(|id| compiler.graph.nodes.get(id)?.relation.as_ref())
        .map(|relation| {
            (
                relation.schema_name().to_owned(),
                relation.name().to_owned(),
            )
        })
        .collect()
}

/// Runs the node's post-hooks in the transaction of a publication that was left open for them, and
/// commits: when one fails, people keep the relation they had.
pub(super) fn settle(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    target: &Relation,
    published: &mut Published,
) -> Result<(), Box<Diagnostic>> {
    if run.adapter.session().is_in_transaction() {
        run_hooks(run, compiled, Moment::After)?;
        publish::complete(&mut run.adapter.session(), target, published)
            .map_err(|error| run.refused(&error, "", None))?;
    }
    tell(run, published);
    Ok(())
}

/// Tells what a publication could not carry over.
pub(super) fn tell(run: &NodeRun<'_>, published: &Published) {
    for text in &published.warnings {
        run.context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: text.clone(),
            node: Some(run.node.unique_id.clone()),
        });
    }
}

/// Limits the node's statements to its `statement_timeout`; the answer is the limit before.
pub(super) fn statement_timeout(run: &NodeRun<'_>) -> Result<Option<String>, Box<Diagnostic>> {
    let limit = match run.node.config.get("statement_timeout") {
        None => return Ok(None),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Number(number)) => number.to_string(),
        Some(other) => {
            return Err(mistake(
                run,
                &format!("`statement_timeout` is {other}"),
                "write a time such as '5min', or milliseconds",
            ));
        }
    };
    let before = run.query(
        &format!(
            "select current_setting('statement_timeout'), \
             set_config('statement_timeout', {}, false)",
            quote_literal(&limit)
        ),
        None,
    )?;
    Ok(before
        .scalar()
        .and_then(|value| value.as_str())
        .map(str::to_owned))
}

/// Gives the session its own limit back.
pub(super) fn restore_statement_timeout(run: &NodeRun<'_>, before: Option<String>) {
    let Some(before) = before else { return };
    let mut session = run.adapter.session();
    // A session that is lost is replaced by one that never had the node's limit.
    let _ = session.rollback();
    let _ = session.execute(&format!(
        "select set_config('statement_timeout', {}, false)",
        quote_literal(&before)
    ));
}
