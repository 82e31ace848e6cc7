//! `build`, `run`, `test` and `seed`: what runs, what is skipped, how it is told.

use insta::assert_snapshot;

use crate::support::shop::Shop;

const ORDERS: (&str, &str) = ("seeds/orders.csv", "id,symbol\n1,AAA\n2,BBB\n2,CCC\n");

/// A tree: `orders` over `kept` and `doubled`; `doubled` breaks what hangs on it.
fn tree(doubled: &str) -> Shop {
    Shop::new(&[
        ORDERS,
        (
            "models/kept.sql",
            "select distinct id from {{ ref('orders') }}",
        ),
        ("models/doubled.sql", doubled),
        (
            "models/child.sql",
            "{{ config(materialized='table') }}\nselect * from {{ ref('doubled') }}",
        ),
        ("models/grandchild.sql", "select * from {{ ref('child') }}"),
        (
            "models/models.yml",
            "\
models:
  - name: kept
    columns:
      - name: id
        data_tests: [unique, not_null]
  - name: child
    columns:
      - name: id
        data_tests: [not_null]
",
        ),
    ])
}

#[test]
fn a_build_that_passes() {
    let mut shop = tree("select id, symbol from {{ ref('orders') }}");
    shop.run("msv build").run("msv build --select +kept");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_failed_test_skips_only_what_hangs_on_it() {
    let mut shop = tree("select id, symbol from {{ ref('orders') }}");
    shop.write(
        "models/doubled.yml",
        "models:\n  - name: doubled\n    columns:\n      - name: id\n        data_tests: [unique]\n",
    );
    shop.run("msv build");
    shop.ask("select table_name from information_schema.tables where table_schema = 'analytics' order by 1");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_refused_query_skips_only_what_hangs_on_it() {
    let mut shop = tree("select id,\n    {{ 'symbl' }}\nfrom {{ ref('orders') }}");
    shop.run("msv build").run("msv run --select doubled+");
    assert_snapshot!(shop.transcript());
}

#[test]
fn fail_fast_starts_nothing_more() {
    let mut shop = tree("select 1 / 0 as id from {{ ref('orders') }}");
    shop.write(
        "models/child.sql",
        "{{ config(materialized='table') }}\nselect 1 / 0 as id",
    );
    shop.run("msv run --fail-fast --exclude kept");
    shop.run("MSV_FAIL_FAST=1 msv run --exclude kept");
    assert_snapshot!(shop.transcript());
}

#[test]
fn run_test_and_seed_do_their_part_only() {
    let mut shop = tree("select id, symbol from {{ ref('orders') }}");
    shop.run("msv run")
        .run("msv seed")
        .run("msv run")
        .run("msv test")
        .run("msv test --select child");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_selection_of_nothing_is_no_failure() {
    let mut shop = tree("select 1 as id, 'A' as symbol");
    shop.run("msv build --select nobody")
        .run("msv run --select tag:nobody")
        .run("msv build --select kept --exclude kept");
    assert_snapshot!(shop.transcript());
}

#[test]
fn what_a_failed_build_built_aside_is_dropped() {
    let mut shop = Shop::new(&[
        (
            "models/indexed.sql",
            "{{ config(materialized='table', indexes=[{'columns': ['nothing']}]) }}\nselect 1 as id",
        ),
        ("seeds/broken.csv", "id\n1\nx\n"),
        (
            "seeds/broken.yml",
            "seeds:\n  - name: broken\n    config:\n      column_types: {id: integer}\n",
        ),
    ]);
    shop.run("msv build");
    shop.ask("select relname from pg_class where relnamespace = 'analytics'::regnamespace");
    assert_snapshot!(shop.transcript());
}

#[test]
fn hooks_run_in_their_order() {
    let mut shop = Shop::new(&[
        (
            "project.yml",
            "\
name: shop
profile: shop
on-run-start:
  - create table if not exists analytics.said (at serial, what text)
  - insert into analytics.said (what) values ('run starts')
on-run-end:
  - \"insert into analytics.said (what) values ('{{ results | length }} results, {{ schemas | join(', ') }}')\"
",
        ),
        (
            "macros/say.sql",
            "{% macro say(what) %}insert into analytics.said (what) values ('{{ what }} {{ this.name }}'){% endmacro %}",
        ),
        (
            "models/built.sql",
            "\
{{ config(
    materialized='table',
    pre_hook=[\"{{ say('before') }}\", {'sql': \"{{ say('outside, before') }}\", 'transaction': false}],
    post_hook=[\"{{ say('after') }}\", \"{{ say('twice after') }}\"],
) }}
select 1 as id",
        ),
    ]);
    shop.run("msv run")
        .ask("select what from analytics.said order by at");
    shop.write(
        "project.yml",
        "name: shop\nprofile: shop\non-run-start: [select 1 / 0]\n",
    );
    shop.run("msv run");
    shop.write(
        "project.yml",
        "name: shop\nprofile: shop\non-run-end:\n  - select no_such_column\n",
    );
    shop.run("msv run");
    shop.write("project.yml", "name: shop\nprofile: shop\n");
    shop.write(
        "models/built.sql",
        "{{ config(post_hook='select wrong from {{ this }}') }}\nselect 1 as id",
    );
    shop.run("msv run");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_new_project_builds() {
    let mut shop = Shop::new(&[]);
    let profiles = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    shop.run("msv init corner")
        .run("msv init corner")
        .run("msv init 1st");
    shop.write(
        "corner/profiles.yml",
        &profiles.replacen("shop:", "corner:", 1),
    );
    shop.run("msv build --project-dir corner");
    assert_snapshot!(shop.transcript());
}
