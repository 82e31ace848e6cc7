//! `partition_by`: tables in partitions.

use crate::support::shop::Shop;

const PARTITIONS: &str = "select class.relname || ' ' || pg_get_expr(class.relpartbound, class.oid) \
     from pg_inherits join pg_class as class on class.oid = inhrelid \
     where class.relkind = 'r' and inhparent = 'analytics.orders'::regclass order by 1";
const LEFT_OVER: &str = "select count(*) from pg_class where relname like 'msv%'";

fn shop(config: &str) -> Shop {
    let shop = Shop::new(&[(
        "models/orders.sql",
        &format!(
            "{{{{ config({config}, indexes=[{{'columns': ['id']}}]) }}}} \
             select id, day, at from raw.orders \
             {{% if is_incremental() %}}where id > (select max(id) from {{{{ this }}}}){{% endif %}}"
        ),
    )]);
    shop.execute(
        "create schema raw; create table raw.orders (id int, day date, at timestamptz); \
         insert into raw.orders values (1, '2024-01-31', '2024-01-31 23:30Z'), \
         (2, '2024-03-01', '2024-02-29 23:30Z'), (3, null, null), (4, 'infinity', '2024-02-01Z')",
    );
    shop
}

#[test]
fn a_table_has_the_partitions_its_rows_need_under_its_own_name() {
    let by_month = "materialized='table', \
        partition_by={'column': 'day', 'type': 'range', 'interval': 'month'}";
    let mut shop = shop(by_month);
    for _ in 0..2 {
        shop.quietly("msv run");
        assert_eq!(
            shop.rows(PARTITIONS),
            [
                "orders__2024_01 FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
                "orders__2024_02 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')",
                "orders__2024_03 FOR VALUES FROM ('2024-03-01') TO ('2024-04-01')",
                "orders__default DEFAULT",
            ]
        );
        assert_eq!(shop.value("select count(*) from analytics.orders"), "4");
        assert_eq!(
            shop.value("select count(*) from analytics.orders__default"),
            "2"
        );
        assert_eq!(shop.value(LEFT_OVER), "0");
    }
    assert_eq!(
        shop.value("select count(*) from pg_indexes where indexname like 'orders%'"),
        "5"
    );
}

#[test]
fn partitions_are_made_for_new_rows_and_retired_after_their_time() {
    let by_month = "materialized='incremental', partition_by={'column': 'at', 'type': 'range', \
        'interval': 'month', 'retain': 2, 'retired': 'detach'}";
    let mut shop = shop(by_month);
    // Ranges are those of UTC, wherever the one who builds is.
    shop.execute("do $$ begin execute format('alter database %I set timezone = ''Asia/Tokyo''', current_database()); end $$");
    shop.quietly("msv run");
    shop.execute("insert into raw.orders values (5, null, '2024-04-30 23:59Z')");
    shop.quietly("msv run");
    let names = "select relname from pg_class join pg_inherits on inhrelid = oid \
         where relkind = 'r' and inhparent = 'analytics.orders'::regclass order by 1";
    assert_eq!(
        shop.rows(names),
        ["orders__2024_02", "orders__2024_04", "orders__default"]
    );
    assert_eq!(shop.rows("select id from analytics.orders__2024_01"), ["1"]);
    assert_eq!(shop.rows("select id from analytics.orders__2024_04"), ["5"]);
    // A row that comes too late finds the default partition, and a rebuild another name.
    shop.execute("insert into raw.orders values (6, null, '2024-01-15Z')");
    shop.quietly("msv run");
    assert_eq!(
        shop.rows("select id from analytics.orders__default order by 1"),
        ["3", "6"]
    );
    shop.quietly("msv run --full-refresh");
    assert_eq!(shop.rows("select id from analytics.orders__2024_01"), ["1"]);
    assert_eq!(
        shop.value("select count(*) from analytics.orders where at < '2024-02-01'"),
        "2"
    );
    assert_eq!(shop.value(LEFT_OVER), "0");
    shop.execute("delete from raw.orders where id = 6; drop table analytics.orders");
    shop.execute("drop table analytics.orders__2024_01");
    shop.quietly("msv run").quietly("msv run");
    assert_eq!(shop.value("select count(*) from analytics.orders"), "4");
    assert_eq!(shop.value(LEFT_OVER), "0");
}

#[test]
fn partitions_are_made_ahead() {
    let by_year = "materialized='incremental', \
        partition_by={'column': 'day', 'type': 'range', 'interval': 'year', 'ahead': 2}";
    let mut shop = shop(by_year);
    let ahead = "select count(*) = 1 from pg_class where relname = 'orders__' || \
         extract(year from now() at time zone 'UTC' + interval '2 years')::text";
    shop.quietly("msv run");
    assert_eq!(shop.value(ahead), "true");
    shop.execute(
        "do $$ begin execute 'drop table analytics.orders__' || \
         extract(year from now() at time zone 'UTC' + interval '2 years')::text; end $$",
    );
    shop.quietly("msv run");
    assert_eq!(shop.value(ahead), "true");
}

#[test]
fn lists_hashes_and_numbers_divide_too() {
    for (config, partitions) in [
        (
            "'type': 'hash', 'partitions': 3",
            "orders__0 orders__1 orders__2",
        ),
        (
            "'type': 'list', 'values': {'first': [1, 2]}",
            "orders__default orders__first",
        ),
        (
            "'type': 'range', 'interval': 2",
            "orders__0 orders__2 orders__4 orders__default",
        ),
    ] {
        let config = format!("materialized='table', partition_by={{'column': 'id', {config}}}");
        let mut shop = shop(&config);
        shop.quietly("msv run");
        assert_eq!(
            shop.value(
                "select string_agg(relname, ' ' order by relname) from pg_class \
                 join pg_inherits on inhrelid = oid \
                 where relkind = 'r' and inhparent = 'analytics.orders'::regclass"
            ),
            partitions
        );
        assert_eq!(shop.value("select count(*) from analytics.orders"), "4");
    }
}

#[test]
fn the_key_of_other_databases_has_no_effect() {
    let mut shop = shop(
        "materialized='table', partition_by={'field': 'day', 'data_type': 'date', \
         'granularity': 'month'}",
    );
    shop.quietly("msv run");
    assert_eq!(
        shop.value("select relkind from pg_class where oid = 'analytics.orders'::regclass"),
        "r"
    );
}

#[test]
fn what_a_contract_and_the_configuration_say_holds_for_partitions() {
    let mut shop = shop(
        "materialized='table', unlogged=true, storage_parameters={'fillfactor': 70}, \
         partition_by={'column': 'id', 'type': 'hash', 'partitions': 2}",
    );
    shop.write(
        "models/orders.yml",
        "models:\n  - name: orders\n    config: {contract: {enforced: true}}\n    columns:\n      \
         - {name: id, data_type: int, constraints: [{type: not_null}, {type: primary_key}]}\n      \
         - {name: day, data_type: date}\n      - {name: at, data_type: timestamptz}\n",
    );
    for _ in 0..2 {
        shop.quietly("msv run");
        assert_eq!(
            shop.rows(
                "select relname, relpersistence, reloptions::text, \
                     (select string_agg(indexrelid::regclass::text, ' ' order by indexrelid::regclass::text) \
                      from pg_index where indrelid = class.oid) \
                 from pg_class as class where relname like 'orders\\_\\__' order by 1"
            ),
            [
                "orders__0 | u | {fillfactor=70} | analytics.orders__0_id_idx analytics.orders__0_pkey",
                "orders__1 | u | {fillfactor=70} | analytics.orders__1_id_idx analytics.orders__1_pkey",
            ]
        );
    }
}

#[test]
fn a_rebuild_has_other_partitions_or_none() {
    let by = |interval: &str| {
        format!(
            "materialized='incremental', \
             partition_by={{'column': 'day', 'type': 'range', 'interval': '{interval}', 'retain': 1}}"
        )
    };
    let mut shop = shop(&by("month"));
    shop.quietly("msv run");
    shop.execute(
        "create view analytics.mine as select id from analytics.orders;
        create table analytics.archive partition of analytics.orders
            for values from ('1990-01-01') to ('2000-01-01');
        insert into analytics.orders values (9, '1999-01-01')",
    );
    // What others attached is not retired, and what does not fit is told.
    shop.quietly("msv run");
    assert_eq!(shop.value("select id from analytics.archive"), "9");
    let model = "select id, day, at from raw.orders";
    shop.write(
        "models/orders.sql",
        &format!("{{{{ config({}) }}}} {model}", by("quarter")),
    );
    let told = shop.run("msv run").transcript().to_owned();
    assert!(
        told.contains("error[MSV0492]") && told.contains("--full-refresh"),
        "{told}"
    );
    shop.quietly("msv run --full-refresh");
    assert_eq!(
        shop.rows(PARTITIONS),
        [
            "orders__2024_q1 FOR VALUES FROM ('2024-01-01') TO ('2024-04-01')",
            "orders__default DEFAULT",
        ]
    );
    // New rows of a table that has to stay get their partitions as well.
    shop.execute(
        "create materialized view analytics.stored as select id from analytics.orders;
        insert into raw.orders values (10, '2024-05-01')",
    );
    shop.quietly("msv run --full-refresh");
    assert_eq!(shop.value("select id from analytics.orders__2024_q2"), "10");

    shop.write(
        "models/orders.sql",
        &format!("{{{{ config(materialized='table') }}}} {model}"),
    );
    let told = shop.run("msv run").transcript().to_owned();
    assert!(told.contains("becomes not partitioned"), "{told}");
    shop.execute("drop materialized view analytics.stored");
    shop.quietly("msv run");
    assert_eq!(shop.rows(PARTITIONS), Vec::<String>::new());
    assert_eq!(shop.value("select count(*) from analytics.mine"), "5");
    assert_eq!(shop.value(LEFT_OVER), "0");
}
