//! The unique key of a snapshot, and a word about rows that share one.

use minijinja::Value;

use crate::relation::Relation;
use crate::run::event::{Event, Level};
use crate::run::worker::NodeRun;

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

/// True when the key is written as a list, of one or of several.
pub(super) fn is_list(strategy: &Value) -> bool {
    key_of(strategy).is_some_and(|key| key.as_str().is_none())
}

fn key_of(strategy: &Value) -> Option<Value> {
    let key = strategy.get_item(&Value::from("unique_key")).ok()?;
    (!key.is_none() && !key.is_undefined()).then_some(key)
}

/// Warns when a key stands for several rows or for none: their history means little.
///
/// `staged` names the columns that hold the key when `relation` is the staging table.
///
/// What cannot be counted is left uncounted, a warning must not fail a snapshot.
pub(super) fn warn_about_twins(
    run: &NodeRun<'_>,
    relation: &Relation,
    strategy: &Value,
    staged: Option<&[String]>,
) {
    let keys = unique_keys(strategy);
    let filter = match staged {
        Some(_) => "dbt_change_type = 'insert'",
        None => "true",
    };
    let columns = staged.unwrap_or(&keys);
    if keys.is_empty() {
        return;
    }
    // In brackets, a key that is a number is no position.
    let grouped: Vec<String> = columns.iter().map(|key| format!("({key})")).collect();
    let is_null: Vec<String> = columns
        .iter()
        .map(|key| format!("({key}) is null"))
        .collect();
    let count = format!(
        "select count(*) filter (where not has_null and row_count > 1), \
             coalesce(sum(row_count) filter (where has_null), 0)::bigint \
         from (select count(*) as row_count, bool_or({is_null}) as has_null from {relation} \
             where {filter} group by {keys}) as counted",
        is_null = is_null.join(" or "),
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
        Some((row[0].as_i64()?, row[1].as_i64()?))
    })();
    let Some((twins, without_key)) = counted else {
        return;
    };
    let say = |text: String| {
        run.context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: format!("snapshot `{}`: {text}", run.node.name),
            node: Some(run.node.unique_id.clone()),
        });
    };
    if twins > 0 {
        say(format!(
            "several rows of its query have the same unique key ({}), and each gets a version of \
             its own: {twins} of the keys",
            keys.join(", ")
        ));
    }
    if without_key > 0 {
        say(format!(
            "rows of its query without a unique key are added again at every run: {without_key}"
        ));
    }
}
