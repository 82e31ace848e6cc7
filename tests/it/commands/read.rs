//! Commands that read the project or the database: `compile`, `show`, `ls`, `parse`, `debug`, …

use insta::assert_snapshot;

use crate::support::shop::Shop;

fn shop() -> Shop {
    Shop::new(&[
        ("seeds/orders.csv", "id,symbol\n1,AAA\n2,BBB\n3,\n"),
        (
            "models/staging/stg_orders.sql",
            "{{ config(tags=['nightly']) }}\nselect id, symbol from {{ ref('orders') }}",
        ),
        (
            "models/marts/symbols.sql",
            "{{ config(materialized='table') }}\nselect symbol, count(*) as orders\nfrom {{ ref('stg_orders') }}\ngroup by symbol\norder by symbol",
        ),
        (
            "models/models.yml",
            "models:\n  - name: stg_orders\n    description: One row per order.\n    columns:\n      - {name: id, data_tests: [unique]}\nsources:\n  - name: raw\n    tables: [{name: ticks}]\n",
        ),
        (
            "tests/no_blank_symbols.sql",
            "select * from {{ ref('symbols') }} where symbol is null",
        ),
    ])
}

#[test]
fn compile_prints_or_writes_sql() {
    let mut shop = shop();
    shop.run("msv compile")
        .run("msv compile --select symbols")
        .run("msv compile --select symbols --output json")
        .run("msv compile --inline 'select * from {{ ref(\"stg_orders\") }}'")
        .run("msv compile --inline 'select {{ 1 + 1 }}' --output json")
        .run("msv compile --inline 'select * from {{ ref(\"stg_ordrs\") }}'")
        .run("msv compile --select no_blank_symbols --quiet");
    assert_snapshot!(shop.transcript());
}

#[test]
fn show_prints_the_first_rows() {
    let mut shop = shop();
    shop.run("msv show --select stg_orders");
    shop.quietly("msv build --exclude test_type:singular");
    shop.run("msv show --select stg_orders")
        .run("msv show --select orders --limit 1")
        .run("msv show --select symbols --output json --limit 2")
        .run("msv show --inline 'select 1 as a, null as b, 1.50 as c' --output json")
        .run("msv show --inline 'select generate_series(1, 7) as n' --limit -1")
        .run("msv show --inline 'select wrong'")
        .run("msv show --select no_blank_symbols")
        .run("msv show");
    assert_snapshot!(shop.transcript());
}

#[test]
fn ls_prints_one_node_a_line() {
    let mut shop = shop();
    shop.run("msv ls")
        .run("msv list --output name --select +symbols --resource-type model seed")
        .run("msv ls --output path --resource-type model")
        .run("msv ls --output json --select symbols --output-keys 'name unique_id config.materialized depends_on'")
        .run("msv ls --output json --select stg_orders --output-keys name tags")
        .run("msv ls --select tag:nightly --exclude test_type:generic")
        .run("msv ls --select 'sybmols'")
        .run("msv ls --select 'state:modified'");
    assert_snapshot!(shop.transcript());
}

#[test]
fn parse_debug_and_clean() {
    let mut shop = shop();
    shop.run("msv parse");
    assert!(shop.path().join("target/manifest.json").exists());
    shop.run("msv debug").run("msv debug --connection");
    shop.run("msv clean").run("msv clean");
    assert!(!shop.path().join("target").exists());
    shop.run("msv debug --target nowhere");
    assert_snapshot!(shop.transcript());
}

#[test]
fn usage_errors_end_with_2() {
    let mut shop = shop();
    shop.run("msv build --selct x")
        .run("msv bild")
        .run("msv ls --output xml")
        .run("msv explain MSV9999")
        .run("msv build --project-dir nowhere")
        .run("msv build --vars '{a: [}'")
        .run("msv build --threads none")
        .run("msv --version");
    let explained = shop.command("msv explain MSV0201").output().unwrap();
    assert!(
        explained.stdout.starts_with(b"# MSV0201: "),
        "{explained:?}"
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_latest_version_needs_no_suffix_and_tests_on_models_may_name_a_column() {
    let mut shop = Shop::new(&[
        ("dbt_project.yml", "name: shop\nprofile: shop\n"),
        ("models/orders.sql", "select 1 as id, 2 as amount"),
        ("models/orders_v1.sql", "select 1 as id"),
        (
            "models/orders.yml",
            "models:\n  - name: orders\n    latest_version: 2\n    versions:\n      - v: 1\n      - v: 2\n    \
             data_tests:\n      - unique:\n          arguments: {column_name: id}\n",
        ),
        (
            "models/report.sql",
            "select * from {{ ref('orders') }} union all select *, 0 from {{ ref('orders', v=1) }}",
        ),
    ]);
    shop.run("msv ls --output json --output-keys 'unique_id alias name depends_on.nodes'");
    assert_snapshot!(shop.transcript());
}
