//! `parallel_by`: one table filled by several connections, each with the rows of some keys.
//!
//! PostgreSQL runs no window function in parallel. Where a key is what every window is partitioned
//! by, the filter that picks the rows of some keys goes down to the scan, and each connection does
//! its part of all the work. All read one snapshot, so that every row arrives once; the table is
//! a private one that nobody reads before all of them have ended.

use std::sync::{Mutex, PoisonError};

use serde_json::Value as Json;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::postgres::{Canceller, Datum, Error, Executed, Session, catalog};
use crate::relation::{Relation, quote_identifier, quote_literal};
use crate::run::event::{Event, Level};
use crate::run::hooks::{Moment, has_hooks};
use crate::run::query_comment::statement_comment;
use crate::run::runner::connect;
use crate::run::worker::NodeRun;

use super::table::drop_private;
use super::{mistake, relation_value, statement_macro};

/// The oldest server that hashes keys of any type, by the equality that windows use.
const OLDEST_SERVER: u32 = 140_000;

/// Seeds the hash of a key: by it the filter is found in a plan.
const SEED: i64 = 7_306_918_542_177;

/// Steps of a plan whose result depends on rows that a filter above them would take away.
const CHOOSING_STEPS: [&str; 8] = [
    "WindowAgg",
    "Aggregate",
    "Group",
    "Unique",
    "SetOp",
    "Limit",
    "CTE Scan",
    "WorkTable Scan",
];

/// What `parallel_by` says.
pub(super) struct Division {
    /// The expression over the model's columns whose values stay together.
    key: String,
    connections: usize,
}

impl Division {
    /// Holds for the rows of one of so many parts.
    ///
    /// One comparison, whose share of the rows the planner guesses to be a third.
    fn part(&self, part: usize, parts: usize) -> String {
        format!(
            "((pg_catalog.hash_record_extended(row({}), {SEED}) & 1073741823) + {}) % {parts} < 1",
            self.key,
            parts - part
        )
    }
}

/// Reads `parallel_by`.
pub(super) fn configured(run: &NodeRun<'_>) -> Result<Option<Division>, Box<Diagnostic>> {
    let threads = run.context.options.threads;
    let help = "write parallel_by: <column>, or {column, connections} or {expression, connections}";
    let wrong = |title: String| Err(mistake(run, &title, help));
    let (key, connections) = match run.node.config.get("parallel_by") {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(column)) => (quote_identifier(column), threads),
        Some(Json::Object(entries)) => {
            let known = ["column", "expression", "connections"];
            if let Some(other) = entries.keys().find(|key| !known.contains(&key.as_str())) {
                return wrong(format!("`parallel_by` has no entry `{other}`"));
            }
            let key = match (entries.get("column"), entries.get("expression")) {
                (Some(Json::String(column)), None) => quote_identifier(column),
                (None, Some(Json::String(expression))) => expression.clone(),
                _ => return wrong("`parallel_by` names no key".to_owned()),
            };
            let connections = match entries.get("connections") {
                None => threads,
                Some(count) => match count.as_u64().and_then(|count| usize::try_from(count).ok()) {
                    Some(count @ 1..=64) => count,
                    _ => return wrong(format!("`connections` of `parallel_by` is {count}")),
                },
            };
            (key, connections)
        }
        Some(other) => return wrong(format!("`parallel_by` is {other}")),
    };
    let refused = |with: &str| {
        let help = "leave one of them out";
        Err(mistake(
            run,
            &format!("`parallel_by` goes with no {with}"),
            help,
        ))
    };
    if has_hooks(run, Moment::Before) {
        return refused("pre-hook inside the transaction: other connections would not see it");
    }
    if run
        .node
        .config
        .get("partition_by")
        .is_some_and(Json::is_object)
    {
        return refused("`partition_by`");
    }
    if run.adapter.session().server_version_number() < OLDEST_SERVER {
        return Err(mistake(
            run,
            "`parallel_by` needs PostgreSQL 14",
            "leave it out on this server",
        ));
    }
    Ok(Some(Division { key, connections }))
}

/// Refuses `parallel_by` where nothing is filled by one query.
pub(super) fn refuse(run: &NodeRun<'_>, what: &str) -> Result<(), Box<Diagnostic>> {
    match run.node.config.get("parallel_by") {
        None | Some(Json::Null) => Ok(()),
        Some(_) => Err(mistake(
            run,
            &format!("`parallel_by` is for tables, and this is {what}"),
            "leave it out, or set materialized: table",
        )),
    }
}

/// Creates and fills the private table; `None` where one connection is to do it.
pub(super) fn build(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    (target, private): (&Relation, &Relation),
    division: &Division,
) -> Result<Option<Executed>, Box<Diagnostic>> {
    if division.connections < 2 || !divides(run, compiled, division)? {
        return Ok(None);
    }
    let mut others = Vec::new();
    while others.len() + 1 < division.connections {
        // With fewer connections it is built all the same.
        let Ok(session) = connect(run.context) else {
            break;
        };
        others.push(session);
    }
    if others.is_empty() {
        return Ok(None);
    }
    let empty = format!("select * from (\n{}\n) as msv_rows limit 0", compiled.sql);
    let args = [
        minijinja::Value::from(false),
        relation_value(private),
        minijinja::Value::from(empty),
    ];
    let create = statement_macro(run, Some(compiled), "get_create_table_as_sql", &args)?;
    // An attempt whose connection was lost may have left one.
    let drop_left = format!("drop table if exists {}", private.without_database());
    run.adapter.session().later(&drop_left);
    let created = run.execute(&create, Some(compiled))?;
    let filled = fill(
        run,
        compiled,
        (target, private),
        division,
        &mut others,
        &create,
    );
    match filled {
        Ok(rows_affected) => Ok(Some(Executed {
            rows_affected,
            ..created
        })),
        Err(diagnostic) => {
            drop(others);
            drop_private(run, private, crate::relation::RelationKind::Table);
            Err(diagnostic)
        }
    }
}

/// True where the filter of a part is applied before anything is computed over several rows.
fn divides(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    division: &Division,
) -> Result<bool, Box<Diagnostic>> {
    let asked = statement(compiled, "explain (format json) select *", division, (0, 2));
    let header = header(run, compiled);
    if !header.is_empty() {
        run.execute(&format!("begin;\n{header}"), None)?;
    }
    let plan = run.query(&asked.sql, Some(&asked))?;
    if !header.is_empty() {
        run.execute("rollback", None)?;
    }
    let plan = plan.scalar().and_then(Datum::to_text);
    let plan: Json = plan
        .and_then(|plan| serde_json::from_str(&plan).ok())
        .unwrap_or_default();
    let is_divided = is_divided(&plan[0]["Plan"]);
    if !is_divided {
        let key = &division.key;
        run.context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: format!(
                "`{}` is built on one connection: its rows cannot be divided by {key} before it \
                 computes over several of them. Have {key} in every `partition by` and `group by`, \
                 and with queries that are read twice as `not materialized`",
                run.node.name
            ),
            node: Some(run.node.unique_id.clone()),
        });
    }
    Ok(is_divided)
}

fn is_divided(plan: &Json) -> bool {
    let filtering = steps(plan).into_iter().filter(|step| is_filtering(step));
    let filtering: Vec<&Json> = filtering.collect();
    let is_early = |step: &&Json| {
        let below = steps(step);
        below.iter().all(|step| {
            let name = step["Node Type"].as_str().unwrap_or_default();
            !CHOOSING_STEPS.contains(&name)
        })
    };
    !filtering.is_empty() && filtering.iter().all(is_early)
}

/// The step and all that are below it.
fn steps(plan: &Json) -> Vec<&Json> {
    let below = plan["Plans"].as_array().into_iter().flatten();
    std::iter::once(plan).chain(below.flat_map(steps)).collect()
}

fn is_filtering(step: &Json) -> bool {
    let seed = SEED.to_string();
    let mut entries = step.as_object().into_iter().flatten();
    entries.any(|(_, value)| value.as_str().is_some_and(|text| text.contains(&seed)))
}

/// What the model wants to be sent before its query, on each connection.
fn header(run: &NodeRun<'_>, compiled: &Compiled) -> String {
    let own = compiled.sql_header.as_deref();
    let header = own.or_else(|| run.node.config.str("sql_header"));
    header.map_or(String::new(), |header| {
        format!("{}\n;\n", header.trim().trim_end_matches(';'))
    })
}

/// `begin`, and the rows of a part.
fn statement(
    compiled: &Compiled,
    begin: &str,
    division: &Division,
    (part, parts): (usize, usize),
) -> Compiled {
    let mut statement = Compiled::default();
    statement.push_text(&format!("{begin} from (\n"));
    statement.push_part(compiled, 0..compiled.sql.len());
    let condition = division.part(part, parts);
    statement.push_text(&format!("\n) as msv_rows where {condition}"));
    statement
}

/// Fills the table from all connections; the answer is how many rows there are.
fn fill(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    (target, private): (&Relation, &Relation),
    division: &Division,
    others: &mut [Session],
    create: &str,
) -> Result<u64, Box<Diagnostic>> {
    let refused = |error: Error| run.refused(&error, "", None);
    let mut session = run.adapter.session();
    let columns = catalog::columns(&mut session, private.schema_name(), private.name())
        .map_err(|error| run.refused(&error, "", None))?;
    let columns = columns.iter().map(|column| quote_identifier(&column.name));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let insert = format!(
        "insert into {} ({columns})\nselect {columns}",
        private.without_database()
    );
    let parts = others.len() + 1;
    let part = |at: usize| statement(compiled, &insert, division, (at, parts));
    let statements: Vec<Compiled> = (0..parts).map(part).collect();
    let shown: Vec<&str> = statements.iter().map(|part| part.sql.as_str()).collect();
    let shown = format!("{create};\n\n{};", shown.join(";\n\n"));
    run.keep_statement(&shown.replace(private.name(), target.name()));
    let header = header(run, compiled);
    session
        .execute("begin isolation level repeatable read")
        .map_err(refused)?;
    let begin = share_snapshot(&mut session).map_err(refused)?;
    if !header.is_empty() {
        session.execute(&header).map_err(refused)?;
    }
    let comment = statement_comment(&run.context.compiler, Some(run.node))?;
    for other in others.iter_mut() {
        other.comment(comment.clone());
        other
            .execute(&format!("{begin};\n{header}"))
            .map_err(refused)?;
    }
    let failure = Failure {
        first: Mutex::default(),
        cancellers: std::iter::once(&*session)
            .chain(&*others)
            .map(Session::canceller)
            .collect(),
    };
    let rows = std::thread::scope(|scope| {
        let (first, rest) = statements
            .split_first()
            .expect("there are two parts or more");
        let failure = &failure;
        let others: Vec<_> = others
            .iter_mut()
            .zip(rest)
            .enumerate()
            .map(|(at, (other, part))| {
                scope.spawn(move || {
                    let inserted = other.execute(&part.sql);
                    failure.heed(at + 1, inserted)
                })
            })
            .collect();
        let own = failure.heed(0, session.execute(&first.sql));
        let others = others.into_iter().map(|part| part.join().unwrap_or(0));
        own + others.sum::<u64>()
    });
    let mut first = failure
        .first
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if first.is_none() {
        let ended = others.iter_mut().try_for_each(Session::commit);
        let ended = ended.and_then(|()| session.commit());
        first = ended.err().map(|error| (0, error));
    }
    drop(session);
    match first {
        None => Ok(rows),
        Some((at, error)) => {
            let sent = &statements[at];
            Err(run.refused(&error, &sent.sql, Some(sent)))
        }
    }
}

/// Exports the snapshot of the open transaction; the answer begins a transaction that reads the
/// same rows under the same settings, and ends when nobody waits for it any more.
fn share_snapshot(session: &mut Session) -> Result<String, Error> {
    let rows = session.select(
        "select pg_catalog.pg_export_snapshot(), (
            select pg_catalog.string_agg(pg_catalog.format(
                'select pg_catalog.set_config(%L, %L, true)', name, setting), ';' order by name)
            from pg_catalog.pg_settings
            where source = 'session' and context in ('user', 'superuser')
                and name not like 'transaction%'
        )",
    )?;
    let text = |at: usize| {
        let row = rows.rows.first()?;
        row.get(at)?.to_text().map(|text| text.into_owned())
    };
    Ok(format!(
        "begin isolation level repeatable read;\nset transaction snapshot {};\n{};\n\
         set local client_connection_check_interval = '1s'",
        quote_literal(&text(0).unwrap_or_default()),
        text(1).unwrap_or_default()
    ))
}

/// The first of the connections to fail stops the others.
struct Failure {
    first: Mutex<Option<(usize, Error)>>,
    cancellers: Vec<Canceller>,
}

impl Failure {
    /// How many rows a part has; none where it failed.
    fn heed(&self, part: usize, inserted: Result<Executed, Error>) -> u64 {
        let error = match inserted {
            Ok(inserted) => return inserted.rows_affected,
            Err(error) => error,
        };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            *first = Some((part, error));
            drop(first);
            for (at, canceller) in self.cancellers.iter().enumerate() {
                if at != part {
                    // A part that has ended, or cannot be asked to, is waited for.
                    let _ = canceller.cancel();
                }
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_above_a_choice_divides_nothing() {
        let scan = |filter: &str| json!({"Node Type": "Seq Scan", "Filter": filter});
        let seeded = format!("hash({SEED})");
        let over = |name: &str, below: Json| json!({"Node Type": name, "Plans": [below]});
        assert!(is_divided(&over("WindowAgg", scan(&seeded))));
        assert!(!is_divided(&over("WindowAgg", scan("a > 1"))));
        let above = json!({
            "Node Type": "Subquery Scan",
            "Filter": seeded,
            "Plans": [over("Limit", scan("a > 1"))],
        });
        assert!(!is_divided(&above));
        assert!(!is_divided(
            &json!({"Node Type": "CTE Scan", "Filter": seeded})
        ));
    }
}
