//! The unique key of a snapshot: rows that share one, and keys that are null.
//!
//! Statements compare keys with `=`, which a server can hash and which never holds for a null. A
//! source row whose key has a null therefore shows as one to insert, and only then is the staging
//! table made again, with keys that are never null in the place of the real ones.

use minijinja::Value;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::dict::{self, Dict};
use crate::jinja::value::list::List;
use crate::relation::Relation;
use crate::run::event::{Event, Level};
use crate::run::worker::NodeRun;

/// Macros that say how keys are compared. Where a project has its own, its word holds for nulls.
const COMPARING: [&str; 8] = [
    "build_snapshot_staging_table",
    "default__snapshot_staging_table",
    "postgres__snapshot_staging_table",
    "snapshot_staging_table",
    "unique_key_fields",
    "unique_key_is_not_null",
    "unique_key_is_null",
    "unique_key_join_on",
];

/// The expressions that make up the key.
pub(super) fn unique_keys(strategy: &Value) -> Vec<String> {
    match key_of(strategy) {
        Some(key) if key.as_str().is_none() => key
            .try_iter()
            .map(|items| items.map(|item| item.to_string()).collect())
            .unwrap_or_default(),
        Some(key) => vec![key.to_string()],
        None => Vec::new(),
    }
}

/// What the staging table calls the columns of the key.
pub(super) fn staged_names(strategy: &Value) -> Vec<String> {
    match key_of(strategy) {
        Some(key) if key.as_str().is_some() => vec!["dbt_unique_key".to_owned()],
        _ => (1..=unique_keys(strategy).len())
            .map(|number| format!("dbt_unique_key_{number}"))
            .collect(),
    }
}

fn key_of(strategy: &Value) -> Option<Value> {
    let key = strategy.get_item(&Value::from("unique_key")).ok()?;
    (!key.is_none() && !key.is_undefined()).then_some(key)
}

/// Rows that need a word or a second look.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Keys without a null that several rows have.
    twins: i64,
    /// Rows with a null in their key.
    with_null: i64,
    /// Those of them that share their key with another row.
    null_twins: i64,
}

/// Counts the rows of a new history.
pub(super) fn count_all(run: &NodeRun<'_>, target: &Relation, strategy: &Value) -> Counted {
    count(run, target, &unique_keys(strategy), "true")
}

/// Counts the rows of the query that the staging table wants to insert.
pub(super) fn count_staged(run: &NodeRun<'_>, staging: &Relation, strategy: &Value) -> Counted {
    let mut filter = "dbt_change_type = 'insert'".to_owned();
    let deletes = strategy.get_item(&Value::from("hard_deletes"));
    if deletes.is_ok_and(|behaviour| behaviour.as_str() == Some("new_record")) {
        let names = run.node.config.snapshot_column_names();
        let name = names["dbt_is_deleted"].as_str().unwrap_or_default();
        // Records of what is gone are rows of the history.
        filter.push_str(&format!(" and {name} = 'False'"));
    }
    count(run, staging, &staged_names(strategy), &filter)
}

/// What cannot be counted is left uncounted, a warning must not fail a snapshot.
fn count(run: &NodeRun<'_>, relation: &Relation, keys: &[String], filter: &str) -> Counted {
    if keys.is_empty() {
        return Counted::default();
    }
    // In brackets, a key that is a number is no position.
    let grouped: Vec<String> = keys.iter().map(|key| format!("({key})")).collect();
    let count = format!(
        "select count(*) filter (where not has_null and row_count > 1), \
             coalesce(sum(row_count) filter (where has_null), 0)::bigint, \
             coalesce(sum(row_count) filter (where has_null and row_count > 1), 0)::bigint \
         from (select count(*) as row_count, bool_or({is_null}) as has_null from {relation} \
             where {filter} group by {keys}) as counted",
        is_null = any_is_null(keys),
        keys = grouped.join(", "),
    );
    let counted = (|| {
        let mut session = run.adapter.session();
        session.execute("savepoint msv_keys").ok()?;
        let rows = session.query(&count);
        if rows.is_err() {
            session.execute("rollback to savepoint msv_keys").ok()?;
        }
        session.execute("release savepoint msv_keys").ok()?;
        let rows = rows.ok()?;
        let row = rows.rows.first()?;
        Some(Counted {
            twins: row[0].as_i64()?,
            with_null: row[1].as_i64()?,
            null_twins: row[2].as_i64()?,
        })
    })();
    counted.unwrap_or_default()
}

fn any_is_null(keys: &[String]) -> String {
    let each: Vec<String> = keys.iter().map(|key| format!("({key}) is null")).collect();
    each.join(" or ")
}

fn say(run: &NodeRun<'_>, text: &str) {
    run.context.listener.on_event(&Event::Message {
        level: Level::Warn,
        text: format!("snapshot `{}`: {text}", run.node.name),
        node: Some(run.node.unique_id.clone()),
    });
}

/// Warns when a key stands for several rows or for none: their history means little.
pub(super) fn warn(run: &NodeRun<'_>, strategy: &Value, counted: &Counted) {
    let say = |text: String| say(run, &text);
    let keys = unique_keys(strategy).join(", ");
    if counted.twins > 0 {
        say(format!(
            "several rows of its query have the same unique key ({keys}), and each gets a version \
             of its own: {} of the keys",
            counted.twins
        ));
    }
    if is_compared_by_project(run) {
        if counted.with_null > 0 {
            say(format!(
                "rows of its query have a null in their unique key ({keys}), and a macro of the \
                 project says whether they are added again at every run: {}",
                counted.with_null
            ));
        }
    } else if counted.null_twins > 0 {
        say(format!(
            "several rows of its query share a unique key that has a null ({keys}), and are added \
             again at every run: {}",
            counted.null_twins
        ));
    }
}

fn is_compared_by_project(run: &NodeRun<'_>) -> bool {
    run.context.compiler.engine.has_own_macro(&COMPARING)
}

/// Ends the versions of a key with a null where the next one begins.
///
/// A history that was written without matching such keys has an open version of each run.
fn close_followed(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    keys: &[String],
    target: &Relation,
) -> Result<(), Box<Diagnostic>> {
    let names = run.node.config.snapshot_column_names();
    let name = |key: &str| names[key].as_str().unwrap_or(key).to_owned();
    let (valid_from, valid_to) = (name("dbt_valid_from"), name("dbt_valid_to"));
    let is_open = match run.node.config.get("dbt_valid_to_current") {
        Some(end) => format!(
            "({valid_to} is null or {valid_to} = {})",
            end.as_str().unwrap_or("null").trim()
        ),
        None => format!("{valid_to} is null"),
    };
    let partition: Vec<String> = keys.iter().map(|key| format!("({key})")).collect();
    let close = format!(
        "update {target} as history set {valid_to} = followed.next_from from (\n\
             select ctid as place, lead({valid_from}) over (\
             partition by {keys} order by {valid_from}, ctid) as next_from\n\
             from {target} where {is_open} and ({is_null})\n\
         ) as followed where history.ctid = followed.place and followed.next_from is not null",
        keys = partition.join(", "),
        is_null = any_is_null(keys),
    );
    let done = run.execute(&close, Some(compiled))?;
    if done.rows_affected > 0 {
        say(
            run,
            &format!(
                "open versions of a unique key that has a null ({}) are closed where a later one \
                 begins: {}",
                keys.join(", "),
                done.rows_affected
            ),
        );
    }
    Ok(())
}

/// The strategy with a key that says the same without nulls, where the rows counted call for it.
///
/// A column of the key becomes two: itself with a value of the history in the place of null, and
/// whether it is null. Rows that share such a key keep a null, so that nothing matches them.
pub(super) fn without_nulls(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    strategy: &Value,
    target: &Relation,
    counted: &Counted,
) -> Result<Option<Value>, Box<Diagnostic>> {
    if counted.with_null == 0 || is_compared_by_project(run) {
        return Ok(None);
    }
    let keys = unique_keys(strategy);
    if counted.null_twins == 0 {
        close_followed(run, compiled, &keys, target)?;
    }
    let mut parts = Vec::new();
    if counted.null_twins > 0 {
        let partition: Vec<String> = keys.iter().map(|key| format!("({key})")).collect();
        parts.push(format!(
            "case when ({is_null}) and count(*) over (partition by {}) > 1 then null else true end",
            partition.join(", "),
            is_null = any_is_null(&keys),
        ));
    }
    for key in &keys {
        let some_value = format!("select ({key}) from {target} where ({key}) is not null limit 1");
        let found = run.query(&some_value, Some(compiled))?;
        // In a history where it is always null, being null is all that can match.
        if !found.rows.is_empty() {
            parts.push(format!("coalesce(({key}), ({some_value}))"));
        }
        parts.push(format!("(({key}) is null)"));
    }
    let parts = parts.into_iter().map(Value::from).collect();
    let mut entries = dict::pairs(strategy).unwrap_or_default();
    entries.push((Value::from("unique_key"), List::value(parts)));
    Ok(Some(Dict::from_pairs(entries)))
}
