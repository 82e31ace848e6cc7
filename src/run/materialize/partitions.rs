//! `partition_by`: a table in partitions, made for the rows that come and some time ahead.
//!
//! Only `{column, type}` means this: the same key with other entries belongs to other databases,
//! and projects that run on several of them have it in models for all.

use std::time::Duration;

use serde_json::Value as Json;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::postgres::catalog::{self, RelationInfo};
use crate::postgres::{Executed, Rows};
use crate::relation::{
    MAX_IDENTIFIER_BYTES, Relation, quote_identifier, quote_literal, truncate_identifier,
};
use crate::run::event::{Event, Level};
use crate::run::worker::NodeRun;

use super::{aside, mistake, relation_value, statement_macro};

/// Holds the newest value while partitions are made ahead of it.
const ROWS: &str = "msv_partition_rows";

/// What partitions have in common with the name of their table, at least.
const LONGEST_LABEL: usize = 30;

/// More partitions than this in one build are a wrong interval, or a wrong date.
const MOST_PARTITIONS: usize = 2_000;

/// How long, and how often, the upkeep of partitions tries to get past readers.
const UPKEEP_TIMEOUT_MS: u64 = 200;
const UPKEEP_ATTEMPTS: u32 = 20;

/// What `partition_by` says.
pub(super) struct Partitioning {
    column: String,
    kind: Kind,
}

enum Kind {
    Time {
        interval: &'static Interval,
        ahead: u64,
        retain: Option<u64>,
        /// What is older than `retain` is detached, not dropped.
        is_kept: bool,
    },
    Number {
        step: i64,
    },
    List {
        values: Vec<(String, Vec<Json>)>,
    },
    Hash {
        count: u64,
    },
}

/// A stretch of time, its length and how partitions are named after its beginning.
struct Interval {
    name: &'static str,
    length: &'static str,
    label: &'static str,
}

const INTERVALS: [Interval; 6] = [
    interval("hour", "1 hour", "YYYY_MM_DD_HH24"),
    interval("day", "1 day", "YYYY_MM_DD"),
    interval("week", "7 days", "IYYY_\"w\"IW"),
    interval("month", "1 month", "YYYY_MM"),
    interval("quarter", "3 months", "YYYY_\"q\"Q"),
    interval("year", "1 year", "YYYY"),
];

const fn interval(name: &'static str, length: &'static str, label: &'static str) -> Interval {
    Interval {
        name,
        length,
        label,
    }
}

/// Reads `partition_by`, where it is meant for PostgreSQL.
pub(super) fn configured(run: &NodeRun<'_>) -> Result<Option<Partitioning>, Box<Diagnostic>> {
    let Some(Json::Object(entries)) = run.node.config.get("partition_by") else {
        return Ok(None);
    };
    let (Some(Json::String(column)), Some(Json::String(kind))) =
        (entries.get("column"), entries.get("type"))
    else {
        return Ok(None);
    };
    let wrong = |title: &str, help: &str| Err(mistake(run, title, help));
    let number = |key: &str| entries.get(key).and_then(Json::as_u64);
    let kind = match kind.as_str() {
        "range" => match entries.get("interval") {
            Some(Json::String(name)) => {
                let Some(interval) = INTERVALS.iter().find(|known| known.name == name) else {
                    return wrong(
                        &format!("`interval` of `partition_by` is `{name}`"),
                        "use hour, day, week, month, quarter, year, or a number",
                    );
                };
                Kind::Time {
                    interval,
                    ahead: number("ahead").unwrap_or(0),
                    retain: number("retain"),
                    is_kept: entries.get("retired").and_then(Json::as_str) == Some("detach"),
                }
            }
            Some(Json::Number(step)) if step.as_i64().is_some_and(|step| step > 0) => {
                Kind::Number {
                    step: step.as_i64().unwrap_or(1),
                }
            }
            _ => {
                return wrong(
                    "`partition_by` by range needs an `interval`",
                    "write interval: month, or a number for a column of numbers",
                );
            }
        },
        "list" => {
            let Some(Json::Object(lists)) = entries.get("values") else {
                return wrong(
                    "`partition_by` by list needs `values`",
                    "write a list of values for each partition: values: {lit: [xvil, xris]}",
                );
            };
            let list = |values: &Json| match values {
                Json::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            let lists = lists
                .iter()
                .map(|(name, values)| (name.clone(), list(values)));
            Kind::List {
                values: lists.collect(),
            }
        }
        "hash" => match number("partitions") {
            Some(count) if count > 0 => Kind::Hash { count },
            _ => {
                return wrong(
                    "`partition_by` by hash needs `partitions`",
                    "write how many: partitions: 8",
                );
            }
        },
        other => {
            return wrong(
                &format!("`type` of `partition_by` is `{other}`"),
                "use range, list or hash",
            );
        }
    };
    Ok(Some(Partitioning {
        column: column.clone(),
        kind,
    }))
}

impl Partitioning {
    fn column(&self) -> String {
        quote_identifier(&self.column)
    }

    /// As PostgreSQL writes a partition key, before its column.
    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Time { .. } | Kind::Number { .. } => "RANGE",
            Kind::List { .. } => "LIST",
            Kind::Hash { .. } => "HASH",
        }
    }
}

/// Builds the table under its private name, in the open transaction: first the rows, then the
/// partitions they need.
pub(super) fn build(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    (target, private): (&Relation, &Relation),
    partitioning: &Partitioning,
) -> Result<Executed, Box<Diagnostic>> {
    let rows = private
        .clone()
        .with_identifier(format!("{}_rows", private.name()));
    let arguments = [
        false.into(),
        relation_value(&rows),
        compiled.sql.as_str().into(),
    ];
    let name = "get_create_table_as_sql";
    let create = statement_macro(run, Some(compiled), name, &arguments)?;
    run.keep_statement(&create.replace(rows.name(), target.name()));
    run.execute(&create, Some(compiled))?;
    let (name, rows_name) = (private.without_database(), rows.without_database());
    run.execute(
        &format!(
            "create table {name} (like {rows_name} including all) partition by {} ({})",
            partitioning.word(),
            partitioning.column()
        ),
        None,
    )?;
    aside::copy_keys(run, &rows, private)?;
    let source = rows_name.to_string();
    make_for(run, private, partitioning, &source, Ahead::Too)?;
    let done = run.execute(
        &format!("insert into {name} overriding system value select * from {rows_name}"),
        None,
    )?;
    run.execute(&format!("drop table {rows_name}"), None)?;
    Ok(Executed {
        command_tag: "SELECT".to_owned(),
        ..done
    })
}

/// Refuses to add rows to a table that is partitioned in another way.
pub(super) fn check(
    run: &NodeRun<'_>,
    found: &RelationInfo,
    partitioning: &Partitioning,
) -> Result<(), Box<Diagnostic>> {
    let rows = run.query(
        &format!(
            "select coalesce(pg_catalog.pg_get_partkeydef({}), 'not partitioned'),
                pg_catalog.format('{} (%I)', {}::text)",
            found.oid,
            partitioning.word(),
            quote_literal(&partitioning.column)
        ),
        None,
    )?;
    let cell = |at: usize| rows.rows.first().and_then(|row| row[at].as_str());
    match (cell(0), cell(1)) {
        (Some(is), Some(wanted)) if is != wanted => Err(changed(
            run,
            format!("it is {is}, and is to be {wanted}").to_lowercase(),
        )),
        _ => Ok(()),
    }
}

/// Words that the partitions a table has are not those that the project says.
fn changed(run: &NodeRun<'_>, note: String) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(
            "MSV0492",
            format!("the partitions of model `{}` changed", run.node.name),
        )
        .at(
            run.node.place.clone(),
            "rows are added to a table that is there",
        )
        .note(note)
        .help(format!(
            "rebuild it: msv build --full-refresh --select {}",
            run.node.name
        )),
    )
}

/// Whether partitions are made for times to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Too,
    No,
}

/// Makes the partitions that the rows of a temporary table need and the table has not.
pub(super) fn make_for_new_rows(
    run: &NodeRun<'_>,
    table: &Relation,
    partitioning: &Partitioning,
    rows: &Relation,
) -> Result<(), Box<Diagnostic>> {
    let rows = format!("pg_temp.{}", quote_identifier(rows.name()));
    make_for(run, table, partitioning, &rows, Ahead::No)
}

fn make_for(
    run: &NodeRun<'_>,
    table: &Relation,
    partitioning: &Partitioning,
    rows: &str,
    ahead: Ahead,
) -> Result<(), Box<Diagnostic>> {
    let partitions = partition_names(run, table)?;
    let known = names_in_use(run, table)?;
    let mut sql = String::new();
    let mut make = |label: &str, values: &str| {
        let name = partition_name(table, label);
        if !known.contains(&name) {
            sql.push_str(&create_partition(run, table, &name, values));
        }
    };
    match &partitioning.kind {
        Kind::Time { .. } | Kind::Number { .. } => {
            let ranges = ranges(run, table, partitioning, rows, ahead)?;
            for row in &ranges.rows {
                if let (Some(label), Some(from), Some(to)) =
                    (row[0].as_str(), row[1].as_str(), row[2].as_str())
                {
                    make(label, &format!("for values from ({from}) to ({to})"));
                }
            }
        }
        Kind::List { values } => {
            for (label, values) in values {
                let literals: Vec<String> = values.iter().map(literal).collect();
                make(label, &format!("for values in ({})", literals.join(", ")));
            }
        }
        Kind::Hash { count } => {
            for at in 0..*count {
                let values = format!("for values with (modulus {count}, remainder {at})");
                make(&at.to_string(), &values);
            }
        }
    }
    if !matches!(partitioning.kind, Kind::Hash { .. }) {
        make("default", "default");
    }
    if sql.is_empty() {
        return Ok(());
    }
    match run.adapter.execute(&sql) {
        Ok(_) => Ok(()),
        // They overlap those that are there, or rows of theirs lie in the default partition.
        Err(error)
            if !partitions.is_empty() && matches!(error.sqlstate.as_str(), "42P17" | "23514") =>
        {
            Err(changed(run, error.message.clone()))
        }
        Err(error) => Err(run.refused(&error, &sql, None)),
    }
}

/// The ranges that the rows fall into, each as label, beginning and end.
fn ranges(
    run: &NodeRun<'_>,
    table: &Relation,
    partitioning: &Partitioning,
    rows: &str,
    ahead: Ahead,
) -> Result<Rows, Box<Diagnostic>> {
    let column = partitioning.column();
    let sql = match &partitioning.kind {
        Kind::Time {
            interval,
            ahead: count,
            ..
        } => {
            let (plain, zone) = time_words(run, table, &partitioning.column)?;
            let (count, now) = match ahead {
                Ahead::Too if *count > 0 => (*count, "now() at time zone 'UTC'"),
                _ => (0, "null::timestamp"),
            };
            let Interval {
                name,
                length,
                label,
            } = interval;
            format!(
                "with bounds as (
                    select min({column}){plain} as oldest, greatest(max({column}){plain}, {now}) as newest
                    from {rows} where isfinite({column})
                ), starts as (
                    select generate_series(date_trunc('{name}', coalesce(oldest, newest)),
                        date_trunc('{name}', newest) + {count} * interval '{length}',
                        interval '{length}') as start from bounds
                )
                select to_char(start, {label}),
                    quote_literal(to_char(start, 'YYYY-MM-DD HH24:MI:SS') || '{zone}'),
                    quote_literal(to_char(start + interval '{length}', 'YYYY-MM-DD HH24:MI:SS')
                        || '{zone}')
                from starts order by start limit {limit}",
                label = quote_literal(label),
                limit = MOST_PARTITIONS + 1,
            )
        }
        Kind::Number { step } => format!(
            "select replace(start::text, '-', 'minus_'), start::text, (start + {step})::text
            from (select generate_series(floor(min({column})::numeric / {step}) * {step},
                floor(max({column})::numeric / {step}) * {step}, {step}) as start
                from {rows}) as starts order by start limit {limit}",
            limit = MOST_PARTITIONS + 1,
        ),
        Kind::List { .. } | Kind::Hash { .. } => return Ok(Rows::default()),
    };
    let found = run.query(&sql, None)?;
    if found.rows.len() > MOST_PARTITIONS {
        return Err(mistake(
            run,
            &format!("`partition_by` would make more than {MOST_PARTITIONS} partitions"),
            "choose a longer interval, or look at the smallest and the largest value",
        ));
    }
    Ok(found)
}

/// What turns the column into a time without zone, and what marks its literals.
///
/// The hours of a range must not depend on who builds it.
fn time_words(
    run: &NodeRun<'_>,
    table: &Relation,
    column: &str,
) -> Result<(&'static str, &'static str), Box<Diagnostic>> {
    let name = column_type(run, table, column)?;
    let has_zone = name.is_some_and(|name| name.ends_with("with time zone"));
    Ok(if has_zone {
        (" at time zone 'UTC'", "+00")
    } else {
        ("::timestamp", "")
    })
}

fn column_type(
    run: &NodeRun<'_>,
    table: &Relation,
    column: &str,
) -> Result<Option<String>, Box<Diagnostic>> {
    let columns = catalog::columns(
        &mut run.adapter.session(),
        table.schema_name(),
        table.name(),
    )
    .map_err(|error| run.refused(&error, "", None))?;
    let found = columns.into_iter().find(|known| known.name == column);
    Ok(found.map(|found| found.type_name))
}

/// True for names that differ in digits alone: those of partitions that others made do not.
fn is_of_same_form(name: &str, other: &str) -> bool {
    let mut pairs = name.bytes().zip(other.bytes());
    name.len() == other.len()
        && pairs
            .all(|(left, right)| left == right || (left.is_ascii_digit() && right.is_ascii_digit()))
}

fn literal(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::String(text) => quote_literal(text),
        other => quote_literal(&other.to_string()),
    }
}

/// `orders__2024_03`; the table's part is cut where there is no room.
fn partition_name(table: &Relation, label: &str) -> String {
    let rest = format!("__{label}");
    let room = MAX_IDENTIFIER_BYTES.saturating_sub(rest.len());
    format!("{}{rest}", truncate_identifier(table.name(), room))
}

fn create_partition(run: &NodeRun<'_>, table: &Relation, name: &str, values: &str) -> String {
    let config = &run.node.config;
    let is_unlogged = config.bool("unlogged").unwrap_or(false);
    let unlogged = if is_unlogged { "unlogged " } else { "" };
    let parameters = config.get("storage_parameters").and_then(Json::as_object);
    let parameters: Vec<String> = parameters
        .into_iter()
        .flatten()
        .map(|(key, value)| match value {
            Json::String(text) => format!("{key} = {text}"),
            other => format!("{key} = {other}"),
        })
        .collect();
    let with = match parameters.is_empty() {
        true => String::new(),
        false => format!(" with ({})", parameters.join(", ")),
    };
    let tablespace = config.str("tablespace").map_or(String::new(), |space| {
        format!(" tablespace {}", quote_identifier(space))
    });
    let partition = table.without_database().with_identifier(name);
    let table = table.without_database();
    format!("create {unlogged}table {partition} partition of {table} {values}{with}{tablespace};\n")
}

/// The names that no new partition can have: those of partitions, and of tables that were some once.
/// Rows of these go to the default partition.
fn names_in_use(run: &NodeRun<'_>, table: &Relation) -> Result<Vec<String>, Box<Diagnostic>> {
    let rows = run.query(
        &format!(
            "select class.relname::text from pg_catalog.pg_class as class
            inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
            where namespace.nspname = {} and pg_catalog.starts_with(class.relname::text, {})",
            quote_literal(table.schema_name()),
            quote_literal(truncate_identifier(
                table.name(),
                MAX_IDENTIFIER_BYTES - LONGEST_LABEL
            )),
        ),
        None,
    )?;
    let others = rows.rows.iter().filter_map(|row| row.first()?.as_str());
    let mut names = partition_names(run, table)?;
    names.extend(others.map(str::to_owned));
    Ok(names)
}

fn partition_names(run: &NodeRun<'_>, table: &Relation) -> Result<Vec<String>, Box<Diagnostic>> {
    let name = quote_literal(&table.without_database().to_string());
    let rows = run.query(
        &format!(
            "select class.relname::text from pg_catalog.pg_inherits as inherits
            inner join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
            where inherits.inhparent = pg_catalog.to_regclass({name})"
        ),
        None,
    )?;
    let names = rows.rows.iter().filter_map(|row| row.first()?.as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Makes partitions ahead and retires old ones, after the rows are committed: in transactions that
/// give way to readers. What cannot be done now is left to the next run.
pub(super) fn keep_up(
    run: &NodeRun<'_>,
    table: &Relation,
    partitioning: &Partitioning,
) -> Result<(), Box<Diagnostic>> {
    let Kind::Time {
        interval,
        ahead,
        retain,
        is_kept,
    } = &partitioning.kind
    else {
        return Ok(());
    };
    let column = partitioning.column();
    let name = table.without_database();
    let mut sql = String::new();
    if *ahead > 0 {
        run.execute(
            &format!(
                "drop table if exists pg_temp.{ROWS};
                create temporary table {ROWS} as select max({column}) as {column} from {name}"
            ),
            None,
        )?;
        let known = names_in_use(run, table)?;
        for row in &ranges(
            run,
            table,
            partitioning,
            &format!("pg_temp.{ROWS}"),
            Ahead::Too,
        )?
        .rows
        {
            let (Some(label), Some(from), Some(to)) =
                (row[0].as_str(), row[1].as_str(), row[2].as_str())
            else {
                continue;
            };
            let partition = partition_name(table, label);
            if !known.contains(&partition) {
                let values = format!("for values from ({from}) to ({to})");
                sql.push_str(&create_partition(run, table, &partition, &values));
            }
        }
        run.execute(&format!("drop table pg_temp.{ROWS}"), None)?;
    }
    if let Some(retain) = retain {
        let (plain, _) = time_words(run, table, &partitioning.column)?;
        let oldest = run.query(
            &format!(
                "select to_char(date_trunc('{}', max({column}){plain}) - {retain} * \
                 interval '{}', {}) from {name} where isfinite({column})",
                interval.name,
                interval.length,
                quote_literal(interval.label)
            ),
            None,
        )?;
        if let Some(oldest) = oldest.scalar().and_then(|label| label.as_str()) {
            // Labels of one interval are in the order of their times.
            let kept_from = partition_name(table, oldest);
            for partition in partition_names(run, table)? {
                if partition >= kept_from || !is_of_same_form(&partition, &kept_from) {
                    continue;
                }
                let partition = name.clone().with_identifier(partition);
                sql.push_str(&format!(
                    "alter table {name} detach partition {partition};\n"
                ));
                if !is_kept {
                    sql.push_str(&format!("drop table {partition};\n"));
                }
            }
        }
    }
    if sql.is_empty() {
        return Ok(());
    }
    for attempt in 0..UPKEEP_ATTEMPTS {
        let all = format!("begin;\nset local lock_timeout = {UPKEEP_TIMEOUT_MS};\n{sql}commit");
        match run.adapter.execute(&all) {
            Ok(_) => return Ok(()),
            Err(error) if error.is_transient() && !error.is_connection_lost() => {
                run.leave_no_transaction();
                std::thread::sleep(Duration::from_millis(20 << attempt.min(5)));
            }
            Err(error) => return Err(run.refused(&error, &all, None)),
        }
    }
    run.context.listener.on_event(&Event::Message {
        level: Level::Warn,
        text: format!(
            "`{}` is in use: its partitions are made ahead and retired by the next run",
            run.node.name
        ),
        node: Some(run.node.unique_id.clone()),
    });
    Ok(())
}
