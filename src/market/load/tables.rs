//! The tables of schema `raw`: created once, a partition for each trading day on demand.

use std::collections::HashSet;

use crate::nanos::Day;
use msv_postgres::{Error, Session};
use msv_relation::quote_identifier;

/// Everything but the partitions. Times stand in two columns because timestamptz holds only
/// microseconds.
const TABLES: &str = include_str!("tables.sql");

/// The tables that have a partition for each trading day.
const DAILY: [&str; 3] = ["order_events", "trades", "bbo"];

/// Creates what is missing.
pub(crate) fn create(session: &mut Session) -> Result<(), Error> {
    session.execute(TABLES)?;
    session.take_notices();
    Ok(())
}

/// Names the partition of a day.
pub(crate) fn partition(table: &str, day: Day) -> String {
    format!("raw.{table}_{}", day.to_string().replace('-', "_"))
}

/// Lists the days that have a partition with rows.
pub(crate) fn loaded_days(session: &mut Session) -> Result<HashSet<Day>, Error> {
    let partitions = session.query(
        "select inhrelid::regclass::text from pg_catalog.pg_inherits \
         where inhparent = 'raw.order_events'::regclass",
    )?;
    let mut days = HashSet::new();
    for row in &partitions.rows {
        let Some(name) = row.first().and_then(|name| name.to_text()) else {
            continue;
        };
        let tail = name.rsplit("order_events_").next().unwrap_or_default();
        let Some(day) = Day::parse(&tail.replace('_', "-")) else {
            continue;
        };
        let any = session.query(&format!("select 1 from {name} limit 1"))?;
        if !any.rows.is_empty() {
            days.insert(day);
        }
    }
    Ok(days)
}

/// Creates the partitions of a day.
///
/// A table is made first and attached then: attaching locks out neither readers nor writers,
/// while `create table ... partition of` waits for every reader of the whole table.
pub(crate) fn create_partitions(session: &mut Session, day: Day) -> Result<(), Error> {
    let next = Day(day.0 + 1);
    for table in DAILY {
        let partition = partition(table, day);
        let exists = session.query(&format!("select to_regclass('{partition}')::text"))?;
        if exists.scalar().is_some_and(|name| !name.is_null()) {
            continue;
        }
        session.execute(&format!(
            "begin; \
             create table {partition} (like raw.{table} including defaults); \
             alter table raw.{table} attach partition {partition} \
                 for values from ('{day}') to ('{next}'); \
             commit"
        ))?;
    }
    Ok(())
}

/// Creates the index by instrument and time on each partition that lacks it.
///
/// It is made after a day's first load and not with the table: half a million rows are copied in
/// 2.5 s without it, 3.4 s when it is made afterwards, 5.3 s when it is there before (medians of
/// three, binary COPY, PostgreSQL 15, two busy cores).
pub(crate) fn create_indexes(session: &mut Session) -> Result<(), Error> {
    let lacking = session.query(
        "select partition.relname \
         from pg_catalog.pg_inherits \
         inner join pg_catalog.pg_class as partition on partition.oid = inhrelid \
         where inhparent in ('raw.order_events'::regclass, 'raw.trades'::regclass, \
             'raw.bbo'::regclass) \
         and to_regclass('raw.' || quote_ident(partition.relname || '_instrument_time')) is null",
    )?;
    for row in &lacking.rows {
        let Some(name) = row.first().and_then(|name| name.to_text()) else {
            continue;
        };
        let relation = format!("raw.{}", quote_identifier(&name));
        let index = quote_identifier(&format!("{name}_instrument_time"));
        session.execute(&format!(
            "create index {index} on {relation} (venue, symbol, event_ns)"
        ))?;
    }
    Ok(())
}

/// Gives the planner figures of the tables that just grew; nobody else does that for the
/// partitioned tables, and for their partitions only minutes later.
pub(crate) fn analyze(session: &mut Session) -> Result<(), Error> {
    // Only what queries filter, join and group by, from a sample of 9,000 rows: all columns from
    // the usual 30,000 take eight times as long, on a small file longer than loading it.
    session
        .execute(
            "begin; set local default_statistics_target = 30; analyze raw.order_events (trading_date, event_seq, event_ns, venue, symbol, \
                 event_type, order_id, account_id, side), \
             raw.trades (trading_date, event_seq, event_ns, venue, symbol, trade_id), \
             raw.bbo (trading_date, event_seq, event_ns, venue, symbol); commit",
        )
        .map(drop)
}
