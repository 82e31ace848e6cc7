//! `adapter.*` for snapshots: what becomes of deleted rows, and whether a table is a snapshot's.

use minijinja::{Error, State, Value};
use msv_diagnostics::Diagnostic;
use msv_relation::Relation;

use crate::session::raise;
use crate::value::Arguments;
use crate::value::column::Column;
use crate::value::list::List;

/// Columns every snapshot has; `dbt_updated_at` came later and is not asked for.
const NEEDED: [&str; 3] = ["dbt_scd_id", "dbt_valid_from", "dbt_valid_to"];

/// `adapter.get_hard_deletes_behavior(config)`: `ignore`, `invalidate` or `new_record`.
pub(crate) fn hard_deletes(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
) -> Result<Value, Error> {
    let config = arguments.required(0, "config")?;
    let mut get = |key: &str| -> Result<Option<Value>, Error> {
        let value = config.call_method(state, "get", &[Value::from(key)])?;
        Ok(Some(value).filter(|value| !value.is_none() && !value.is_undefined()))
    };
    let given = get("hard_deletes")?;
    let legacy = get("invalidate_hard_deletes")?;
    let answer = match (&given, legacy) {
        (Some(_), Some(_)) => Err("You cannot set both the invalidate_hard_deletes and \
             hard_deletes config properties on the same snapshot."
            .to_owned()),
        (None, Some(legacy)) if legacy.is_true() => Ok("invalidate"),
        (None, _) => Ok("ignore"),
        (Some(given), None) => match given.as_str() {
            Some("ignore") => Ok("ignore"),
            Some("invalidate") => Ok("invalidate"),
            Some("new_record") => Ok("new_record"),
            _ => Err(format!(
                "Invalid setting for property hard_deletes: `{given}`"
            )),
        },
    };
    answer.map(Value::from).map_err(|note| {
        let diagnostic = Diagnostic::error("MSV0371", "what `hard_deletes` says is not clear")
            .note(note)
            .help("write hard_deletes: ignore, invalidate or new_record, and nothing else for it");
        raise(state, diagnostic)
    })
}

/// `adapter.valid_snapshot_target(relation, column_names)` and its sibling that also gets the
/// strategy: refuses a table that no snapshot wrote.
pub(crate) fn check_target(
    state: &mut State<'_, '_>,
    arguments: &Arguments<'_>,
    target: &Relation,
    columns: &[Column],
) -> Result<Value, Error> {
    let names = arguments.get(1, "column_names");
    let named = |key: &str| {
        names
            .as_ref()
            .and_then(|names| names.get_item(&Value::from(key)).ok())
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_else(|| key.to_owned())
    };
    let keeps_deletions = arguments
        .get(2, "strategy")
        .and_then(|strategy| strategy.get_item(&Value::from("hard_deletes")).ok())
        .is_some_and(|behaviour| behaviour.as_str() == Some("new_record"));
    let needed = NEEDED
        .into_iter()
        .chain(keeps_deletions.then_some("dbt_is_deleted"));
    let missing: Vec<String> = needed
        .map(named)
        .filter(|wanted| {
            let is_wanted = |column: &Column| column.name.eq_ignore_ascii_case(wanted);
            !columns.iter().any(is_wanted)
        })
        .collect();
    if missing.is_empty() {
        return Ok(Value::from(""));
    }
    let diagnostic = Diagnostic::error(
        "MSV0370",
        format!("the table {target} is not one that this snapshot wrote"),
    )
    .note(format!(
        "Snapshot target is missing configured columns (missing \"{}\").",
        missing.join("\", \"")
    ))
    .help(
        "say how its columns are called under `snapshot_meta_column_names`, add the columns, or \
         give the snapshot another alias",
    );
    Err(raise(state, diagnostic))
}

/// `api.Relation.scd_args(primary_key, updated_at)`: what identifies one version of a row.
pub(crate) fn scd_args(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let key = arguments.required(0, "primary_key")?;
    let mut args: Vec<Value> = match key.as_str() {
        Some(_) => vec![key],
        None => key.try_iter()?.collect(),
    };
    args.push(arguments.required(1, "updated_at")?);
    Ok(List::value(args))
}
