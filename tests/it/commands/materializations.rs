//! Materializations over several builds: what is in the database afterwards.

use insta::assert_snapshot;

use crate::support::shop::Shop;

const FEED: &str = "create table public.feed (id int, symbol text, quantity int); \
    insert into public.feed values (1, 'AAA', 10), (2, 'BBB', 20)";

/// An incremental model over `public.feed`, which then changes: 2 is corrected, 3 is new.
fn incremental(config: &str) -> Shop {
    let shop = Shop::new(&[(
        "models/history.sql",
        &format!(
            "{{{{ config(materialized='incremental', {config}) }}}}\n\
            select id, symbol, quantity from public.feed\n\
            {{% if is_incremental() %}}where id >= (select max(id) from {{{{ this }}}}){{% endif %}}"
        ),
    )]);
    shop.execute(FEED);
    shop
}

fn two_runs(config: &str) -> Shop {
    let mut shop = incremental(config);
    shop.run("msv run");
    shop.execute(
        "update public.feed set quantity = 25, symbol = 'CCC' where id = 2; \
        insert into public.feed values (3, 'DDD', 30)",
    );
    shop.run("msv run");
    shop.ask("select * from analytics.history order by id, quantity");
    shop
}

#[test]
fn append_adds_what_the_query_returns() {
    let mut shop = two_runs("incremental_strategy='append'");
    shop.run("msv run --full-refresh");
    shop.ask("select * from analytics.history order by id, quantity");
    assert_snapshot!(shop.transcript());
}

#[test]
fn delete_and_insert_replaces_rows_of_the_same_key() {
    assert_snapshot!(two_runs("unique_key='id'").transcript());
}

/// Text names several columns, a list has expressions, and predicates name columns as they are.
#[test]
fn a_key_may_be_written_in_many_ways() {
    let keys = [
        "'id, symbol'",
        "['id', \"lower(symbol)\"]",
        "\"concat(id, symbol)\"",
        "['id', 'symbol'], incremental_strategy=''",
    ];
    for key in keys {
        let mut shop = incremental(&format!(
            "unique_key={key}, incremental_predicates=['quantity > 10']"
        ));
        shop.execute("insert into public.feed values (2, null, 30), (2, null, 5)");
        shop.quietly("msv run").quietly("msv run");
        // All but the row that the predicate keeps is replaced.
        assert_eq!(
            shop.rows("select * from analytics.history order by id, quantity"),
            [
                "1 | AAA | 10",
                "2 | null | 5",
                "2 | null | 5",
                "2 | BBB | 20",
                "2 | null | 30",
            ],
            "{key}"
        );
    }
}

#[test]
fn merge_updates_rows_of_the_same_key() {
    let shop = two_runs(
        "unique_key='id', incremental_strategy='merge', merge_update_columns=['quantity']",
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn an_incremental_model_whose_columns_change() {
    let mut shop = incremental("incremental_strategy='append'");
    shop.quietly("msv run");
    let change = |shop: &Shop, on_schema_change: &str| {
        shop.write(
            "models/history.sql",
            &format!(
                "{{{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='{on_schema_change}') }}}}\n\
                select 9 as id, 'EEE' as symbol, 1.5::numeric as price"
            ),
        );
    };
    for on_schema_change in [
        "ignore",
        "fail",
        "append_new_columns",
        "sync_all_columns",
        "sync",
    ] {
        change(&shop, on_schema_change);
        shop.run("msv run");
    }
    shop.ask("select * from analytics.history order by id");
    assert_snapshot!(shop.transcript());
}

#[test]
fn columns_of_an_incremental_model_grow_below_the_views_on_it() {
    let model = |on_schema_change: &str, columns: &str| {
        format!(
            "{{{{ config(materialized='incremental', on_schema_change='{on_schema_change}') }}}}\n\
             select {columns}"
        )
    };
    let mut shop = Shop::new(&[(
        "models/history.sql",
        &model(
            "ignore",
            "1 as id, 'AAA'::varchar(3) as symbol, 5::smallint as quantity, 'x'::varchar(9) as note",
        ),
    )]);
    shop.quietly("msv run");
    shop.execute("create view public.desk as select symbol, quantity from analytics.history");
    let mut add = |on_schema_change: &str, columns: &str| {
        shop.write("models/history.sql", &model(on_schema_change, columns));
        shop.quietly("msv run");
        shop.value(
            "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)
             from pg_attribute
             where attrelid = 'analytics.history'::regclass and attnum > 0 and not attisdropped",
        )
    };
    // A longer text makes its column longer, whatever is configured.
    assert_eq!(
        add(
            "ignore",
            "2 as id, 'BBBBB'::varchar(5) as symbol, 6::smallint as quantity, 'y'::varchar(2) as note"
        ),
        "id integer, symbol character varying(5), quantity smallint, note character varying(9)"
    );
    // Other types are followed where that is asked for; a shorter text changes nothing.
    assert_eq!(
        add(
            "sync_all_columns",
            "3 as id, 'CCC'::varchar(3) as symbol, 7000000000 as quantity, 'z'::varchar(2) as note"
        ),
        "id integer, symbol character varying(5), quantity bigint, note character varying(9)"
    );
    assert_eq!(
        shop.value("select string_agg(symbol || quantity, ' ' order by quantity) from public.desk"),
        "AAA5 BBBBB6 CCC7000000000"
    );
}

#[test]
fn an_incremental_model_that_fails_changes_nothing() {
    let mut shop = incremental("unique_key='id', post_hook=\"select 1 / {{ var('divisor', 1) }}\"");
    shop.quietly("msv run");
    shop.execute("insert into public.feed values (3, 'DDD', 30)");
    shop.run("msv run --vars '{divisor: 0}'")
        .ask("select count(*) from analytics.history");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_view_somebody_made_on_a_model_survives() {
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(materialized='table') }}\nselect 1 as id, 'AAA' as symbol",
    )]);
    shop.quietly("msv run");
    shop.execute("create view public.desk as select symbol, id from analytics.orders");
    shop.execute(
        "create role desk_reader; grant select on analytics.orders, public.desk to desk_reader",
    );
    let before = shop.value("select 'public.desk'::regclass::oid");
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table') }}\nselect 2 as id, 'BBB' as symbol, true as is_new",
    );
    shop.run("msv run").ask("select * from public.desk");
    assert_eq!(shop.value("select 'public.desk'::regclass::oid"), before);
    shop.write("models/orders.sql", "select 3 as id, 'CCC' as symbol");
    shop.run("msv run").ask("select * from public.desk");
    shop.ask("select has_table_privilege('desk_reader', 'analytics.orders', 'select'), has_table_privilege('desk_reader', 'public.desk', 'select')");
    shop.execute("drop owned by desk_reader; drop role desk_reader");
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table') }}\nselect 3 as id",
    );
    shop.run("msv run").ask("select * from public.desk");
    assert_snapshot!(shop.transcript());
}

#[test]
fn ephemeral_models_are_part_of_those_that_read_them() {
    let mut shop = Shop::new(&[
        (
            "models/base.sql",
            "{{ config(materialized='ephemeral') }}\nselect 1 as id",
        ),
        (
            "models/middle.sql",
            "{{ config(materialized='ephemeral') }}\nselect id + 1 as id from {{ ref('base') }}",
        ),
        (
            "models/top.sql",
            "with own as (select id from {{ ref('middle') }}) select * from own",
        ),
        (
            "models/top.yml",
            "models:\n  - name: middle\n    columns:\n      - {name: id, data_tests: [unique]}\n",
        ),
    ]);
    shop.run("msv build").run("msv compile --select top");
    shop.ask("select id from analytics.top");
    shop.write(
        "models/base.sql",
        "{{ config(materialized='ephemeral') }}\nselect\n    wrong as id",
    );
    shop.run("msv run");
    assert_snapshot!(shop.transcript());
}

#[test]
fn grants_comments_and_indexes_follow_the_project() {
    let model = |grants: &str| {
        format!(
            "{{{{ config(materialized='table', grants={{'select': [{grants}]}}, \
            indexes=[{{'columns': ['id'], 'unique': true}}, {{'columns': ['symbol', 'id'], 'type': 'btree'}}]) }}}}\n\
            select 1 as id, 'AAA' as symbol"
        )
    };
    let mut shop = Shop::new(&[
        ("models/orders.sql", &model("'grants_a', 'grants_b'")),
        (
            "models/orders.yml",
            "\
models:
  - name: orders
    description: One row per order; it's quoted.
    config:
      persist_docs: {relation: true, columns: true}
    columns:
      - {name: id, description: Number of the order}
",
        ),
    ]);
    shop.execute("create role grants_a; create role grants_b; create role grants_c");
    let granted = "select acl.privilege_type, acl.grantee::regrole from pg_class, aclexplode(relacl) as acl \
        where oid = 'analytics.orders'::regclass and grantee <> relowner order by 2";
    shop.quietly("msv run").ask(granted);
    shop.ask("select obj_description('analytics.orders'::regclass), col_description('analytics.orders'::regclass, 1)");
    shop.ask("select pg_get_indexdef(indexrelid) from pg_index where indrelid = 'analytics.orders'::regclass order by 1");
    shop.write("models/orders.sql", &model("'grants_b', 'grants_c'"));
    shop.quietly("msv run").ask(granted);
    shop.write("models/orders.sql", &model("'grants_nobody'"));
    shop.run("msv run");
    shop.execute(
        "drop owned by grants_a, grants_b, grants_c; drop role grants_a, grants_b, grants_c",
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_materialization_can_change() {
    let mut shop = Shop::new(&[]);
    for materialized in ["view", "table", "incremental", "view", "ephemeral", "tabel"] {
        shop.write(
            "models/orders.sql",
            &format!("{{{{ config(materialized='{materialized}') }}}}\nselect 1 as id"),
        );
        shop.run("msv run");
        shop.ask(
            "select relname, relkind from pg_class where relnamespace = 'analytics'::regnamespace",
        );
    }
    assert_snapshot!(shop.transcript());
}

#[test]
fn an_index_on_long_names_is_named_after_its_table() {
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(materialized='table', indexes=[{'columns': ['a_column_with_a_long_name', 'another_column_with_one']}]) }}\n\
        select 1 as a_column_with_a_long_name, 2 as another_column_with_one",
    )]);
    let indexes =
        "select indexrelid::regclass from pg_index where indrelid = 'analytics.orders'::regclass";
    shop.quietly("msv run").ask(indexes);
    shop.quietly("msv run").ask(indexes);
    assert_snapshot!(shop.transcript());
}
