//! Stretches of time: microbatch models batch by batch, and runs on a sample.

use insta::assert_snapshot;

use crate::support::shop::Shop;

const FEED: &str = "create schema raw; \
    create table raw.feed (id int, seen_at timestamp, amount int); \
    insert into raw.feed values (1, '2024-03-01 10:00', 10), (2, '2024-03-02 10:00', 20), \
        (3, '2024-03-03 10:00', 30), (4, '2024-03-09 10:00', 40)";

fn shop() -> Shop {
    let shop = Shop::new(&[
        (
            "models/sources.yml",
            "sources:\n- name: raw\n  tables:\n  - name: feed\n    config: {event_time: seen_at}\n",
        ),
        (
            "models/trades.sql",
            "{{ config(materialized='incremental', incremental_strategy='microbatch', \
             unique_key='id', event_time='seen_at', batch_size='day', begin=modules.datetime.datetime(2024, 3, 1), \
             pre_hook=\"insert into raw.log values ('before')\", \
             post_hook=\"insert into raw.log values ('after')\") }}\n\
             select id, seen_at, 100 / (amount - {{ var('broken', 0) }}) as share, \
             '{{ model.batch.id if model.batch }}' as batch, \
             {{ is_incremental() | lower }} as is_added\n\
             from {{ source('raw', 'feed') }}",
        ),
        (
            "models/everything.sql",
            "{{ config(materialized='table') }}\n\
             select count(*) as seen from {{ source('raw', 'feed') }}",
        ),
    ]);
    shop.execute(FEED);
    shop.execute("create table raw.log (moment text)");
    shop
}

#[test]
fn batches_are_built_one_by_one_and_again_as_far_as_lookback() {
    let mut shop = shop();
    shop.run("MSV_FAKE_NOW='2024-03-03 12:00:00' msv run --select trades")
        .ask("select * from analytics.trades order by id")
        .ask("select moment, count(*) from raw.log group by 1 order by 1");
    // 1 is out of reach of the batches that are built again, 2 and 3 are not; 5 came late.
    shop.execute(
        "update raw.feed set amount = 5; \
        insert into raw.feed values (5, '2024-03-02 23:00', 50), (6, '2024-03-04 09:00', 60)",
    );
    shop.run("MSV_FAKE_NOW='2024-03-03 23:00:00' msv run --select trades")
        .ask("select * from analytics.trades order by id")
        .run("msv run --select trades --event-time-start 2024-03-04 --event-time-end 2024-03-05")
        .ask("select * from analytics.trades order by id");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_batch_that_fails_leaves_the_others() {
    let mut shop = shop();
    let window = "--event-time-start 2024-03-01 --event-time-end 2024-03-04";
    shop.run(&format!(
        "msv run --select trades+ --vars '{{broken: 20}}' {window}"
    ))
    .ask("select id, batch from analytics.trades order by id");
    let results =
        std::fs::read_to_string(shop.path().join("target/run_results.json")).expect("written");
    let results: serde_json::Value = serde_json::from_str(&results).expect("JSON");
    let result = &results["results"][0];
    assert_eq!(result["status"], "partial success");
    assert_eq!(result["message"], "PARTIAL SUCCESS (2/3)");
    assert_eq!(
        result["batch_results"]["failed"],
        serde_json::json!([["2024-03-02T00:00:00+00:00", "2024-03-03T00:00:00+00:00"]])
    );
    shop.run("msv retry --vars '{broken: 0}'")
        .ask("select id, batch from analytics.trades order by id");
    // Without its first batch there may be no table at all: the others are not tried.
    shop.run(&format!(
        "msv run --select trades --full-refresh --vars '{{broken: 10}}' {window}"
    ))
    .ask("select id, batch from analytics.trades order by id");
    assert_snapshot!(shop.transcript());
}

/// Each batch after the first would fail for it.
#[test]
fn a_model_without_a_key_fails_before_its_first_batch() {
    let mut shop = shop();
    let path = shop.path().join("models/trades.sql");
    let model = std::fs::read_to_string(path).unwrap();
    let without = model.replace("unique_key", "no_key");
    assert_ne!(model, without);
    shop.write("models/trades.sql", &without);
    shop.run("msv run --select trades --event-time-start 2024-03-01 --event-time-end 2024-03-04");
    let told = shop.transcript();
    assert!(
        told.contains("'microbatch' requires a `unique_key` config"),
        "{told}"
    );
    assert!(!told.contains("Batch 1 of 3"), "{told}");
    let exists = "select to_regclass('analytics.trades') is not null";
    assert_eq!(shop.value(exists), "false");
}

#[test]
fn a_sample_reads_only_its_stretch_of_time() {
    let mut shop = shop();
    let now = "MSV_FAKE_NOW='2024-03-03 12:00:00'";
    shop.quietly(&format!("{now} msv run --sample '2 days'"))
        .ask("select seen from analytics.everything")
        .ask("select id, batch from analytics.trades order by id");
    shop.quietly("msv run --select everything --sample '{start: 2024-03-03, end: 2024-03-10}'")
        .ask("select seen from analytics.everything");
    shop.quietly("msv run --select everything --empty")
        .ask("select seen from analytics.everything");
    assert_snapshot!(shop.transcript());
}

/// Each batch but the first and the last waits until another one is there, too.
#[test]
fn batches_between_the_first_and_the_last_run_side_by_side() {
    let model = |config: &str| {
        format!(
            "{{{{ config(materialized='incremental', incremental_strategy='microbatch', \
             unique_key='id', event_time='seen_at', batch_size='day', begin='2024-03-01', \
             {config}) }}}}\nselect id, pg_backend_pid() as pid, \
             raw.meet('{{{{ model.batch.id if model.batch }}}}') from {{{{ source('raw', 'feed') }}}}"
        )
    };
    let mut shop = shop();
    shop.execute(
        "create function raw.meet(day text) returns int language plpgsql as $$ begin \
            perform pg_advisory_lock_shared(77); \
            for attempt in 1..(case when day between '20240302' and '20240305' then 1000 else 0 end) loop \
                exit when (select count(*) > 1 from pg_locks where locktype = 'advisory' and objid = 77); \
                perform pg_sleep(0.02); \
            end loop; \
            return 1; \
        end $$; \
        insert into raw.feed values (5, '2024-03-04 10:00', 1), (6, '2024-03-05 10:00', 1), \
            (7, '2024-03-06 10:00', 1)",
    );
    let run =
        "MSV_FAKE_NOW='2024-03-06 12:00:00' msv run --full-refresh --threads 2 --select trades";
    let connections = "select count(distinct pid) from analytics.trades";
    for (config, expected) in [
        ("", "2"),
        ("concurrent_batches=true", "2"),
        ("concurrent_batches=false", "1"),
    ] {
        shop.write("models/trades.sql", &model(config));
        if expected == "1" {
            shop.execute("create or replace function raw.meet(day text) returns int language sql as 'select 1'");
        }
        shop.quietly(run);
        assert_eq!(shop.value(connections), expected, "{config}");
        assert_eq!(
            shop.rows("select id from analytics.trades order by id"),
            ["1", "2", "3", "5", "6", "7"],
            "{config}"
        );
    }
}
