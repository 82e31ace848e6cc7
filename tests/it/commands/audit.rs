//! `build` tests what it built before anybody reads it.

use insta::assert_snapshot;

use crate::support::shop::Shop;

fn shop() -> Shop {
    let tested = |name: &str| {
        format!("  - name: {name}\n    columns: [{{name: id, data_tests: [unique]}}]\n")
    };
    let models = ["as_table", "as_view", "as_incremental"]
        .map(tested)
        .concat();
    let shop = Shop::new(&[
        ("seeds/numbers.csv", "id\n1\n2\n"),
        ("seeds/seeds.yml", &format!("seeds:\n{}", tested("numbers"))),
        ("models/models.yml", &format!("models:\n{models}")),
        ("models/as_view.sql", "select id from raw.numbers"),
        (
            "models/as_table.sql",
            "{{ config(materialized='table') }} select id from raw.numbers",
        ),
        (
            "models/as_incremental.sql",
            "{{ config(materialized='incremental') }} select id from raw.numbers",
        ),
        (
            "models/child.sql",
            "{{ config(materialized='table') }} select id from {{ ref('as_table') }}",
        ),
        (
            "snapshots/history.yml",
            "snapshots:\n  - name: history\n    relation: source('raw', 'numbers')\n    \
             config: {strategy: check, unique_key: id, check_cols: all}\n    \
             columns: [{name: id, data_tests: [unique]}]\n",
        ),
        (
            "models/raw.yml",
            "sources: [{name: raw, tables: [{name: numbers}]}]\n",
        ),
    ]);
    shop.execute("create schema raw; create table raw.numbers as select 1 as id, 'a' as name");
    shop
}

const READ: &str = "select (select count(*) from analytics.as_table) as as_table, \
     (select count(*) from analytics.as_view) as as_view, \
     (select count(*) from analytics.as_incremental) as as_incremental, \
     (select count(*) from analytics.history) as history, \
     (select count(*) from analytics.numbers) as numbers, \
     (select count(*) from analytics.child) as child";

#[test]
fn what_fails_its_tests_is_not_published() {
    let mut shop = shop();
    shop.quietly("msv build");
    shop.ask(READ);
    let before =
        shop.rows("select oid, relname from pg_class where relname like 'as_%' order by 2");
    shop.execute("insert into raw.numbers values (1, 'b')");
    shop.write("seeds/numbers.csv", "id\n1\n1\n3\n");
    // The view reads the source itself: its query is tested under another name.
    shop.write(
        "models/as_view.sql",
        "select id from raw.numbers where true",
    );
    shop.run("msv build --exclude as_view").ask(READ);
    shop.run("msv build --select as_view");
    assert_eq!(
        before,
        shop.rows("select oid, relname from pg_class where relname like 'as_%' order by 2")
    );
    shop.ask("select pg_get_viewdef('analytics.as_view'::regclass) like '%true%' as is_new");
    shop.ask("select count(*) from pg_class where relname like 'msv%'");
    assert_snapshot!(shop.transcript());
}

#[test]
fn what_was_rejected_can_be_kept_for_a_look() {
    let mut shop = shop();
    shop.execute("insert into raw.numbers values (1, 'b')");
    shop.run("msv build --keep-rejected --select as_table");
    shop.ask("select count(*) from analytics.msv_rejected__as_table");
    shop.execute("insert into raw.numbers values (1, 'c')");
    shop.quietly("msv run --select as_view");
    shop.run("msv build --keep-rejected --select as_table");
    shop.ask("select count(*) from analytics.msv_rejected__as_table");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_test_that_looks_its_relation_up_by_name_finds_what_is_tested() {
    let mut shop = Shop::new(&[
        ("models/fresh.sql", "select 1 as id, 2 as n"),
        (
            "models/kept.sql",
            "{{ config(materialized='table') }} select 1 as id, 2 as n",
        ),
        (
            "models/models.yml",
            "models:\n  - {name: fresh, data_tests: [{has_columns: {arguments: {relation: fresh}}}]}\n  \
             - {name: kept, data_tests: [{has_columns: {arguments: {relation: kept}}}]}\n",
        ),
        (
            "macros/has_columns.sql",
            "{% test has_columns(model, relation) %}\n\
             {% set found = adapter.get_relation(target.database, target.schema, relation) %}\n\
             {% if execute and found is none %}{{ exceptions.raise_compiler_error('no ' ~ relation) }}{% endif %}\n\
             {% set columns = adapter.get_columns_in_relation(\
             api.Relation.create(database=target.database, schema=target.schema, identifier=relation)) %}\n\
             select * from {{ found }} where n <> 2 or {{ columns | length }} <> 2\n\
             {% endtest %}",
        ),
    ]);
    shop.run("msv build");
    assert_snapshot!(shop.transcript());
}
