//! Data tests with their thresholds, and unit tests.

use insta::assert_snapshot;

use crate::support::shop::Shop;

const ORDERS: (&str, &str) = (
    "models/orders.sql",
    "select * from (values (1, 'AAA', 10), (2, 'BBB', null), (3, 'BBB', null), (3, 'CCC', 7)) as o (id, symbol, quantity)",
);

#[test]
fn thresholds_decide_between_pass_warning_and_failure() {
    let mut shop = Shop::new(&[
        ORDERS,
        (
            "models/orders.yml",
            "\
models:
  - name: orders
    columns:
      - name: quantity
        data_tests:
          - not_null: {name: warns, config: {severity: warn}}
          - not_null: {name: tolerates_two, config: {error_if: '> 2', warn_if: '> 2'}}
          - not_null: {name: warns_at_two, config: {error_if: '> 2', warn_if: '> 1'}}
          - not_null: {name: fails_at_two, config: {error_if: '>= 2'}}
          - not_null: {name: counts_one, config: {limit: 1, error_if: '> 1'}}
          - not_null: {name: looks_at_some, config: {where: \"symbol <> 'BBB'\"}}
          - not_null: {name: sums, config: {fail_calc: 'sum(id)', error_if: '> 4'}}
",
        ),
        (
            "tests/no_large_orders.sql",
            "{{ config(severity='warn') }}\nselect * from {{ ref('orders') }} where quantity > 8",
        ),
    ]);
    shop.run("msv build")
        .run("msv test --select fails_at_two --warn-error");
    shop.run("msv test --select warns --warn-error");
    assert_snapshot!(shop.transcript());
}

/// Name, status, failures and message of every test of the last command.
fn test_results(shop: &Shop) -> Vec<String> {
    let text = std::fs::read_to_string(shop.path().join("target/run_results.json")).unwrap();
    let artifact: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut results: Vec<String> = artifact["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result["unique_id"].as_str().unwrap().starts_with("test."))
        .map(|result| {
            let name = result["unique_id"].as_str().unwrap().split('.').nth(2);
            format!(
                "{} {} {} {}",
                name.unwrap(),
                result["status"],
                result["failures"],
                result["message"]
            )
        })
        .collect();
    results.sort();
    results
}

#[test]
fn tests_that_share_a_scan_tell_what_they_tell_alone() {
    let mut shop = Shop::new(&[
        (
            "models/orders.sql",
            "{{ config(materialized='table') }} select *, 'line ' || row_number() over () as line from (values (1, 'AAA', 10), \
             (2, 'BBB', null), (3, 'BBB', null), (3, 'CCC', 7)) as o (id, symbol, quantity)",
        ),
        (
            "macros/tests.sql",
            "\
{% test holds(model, expression) %}select 1 from {{ model }} where not({{ expression }}){% endtest %}
{% test first_holds(model, expression) %}
select id from {{ model }} where not({{ expression }}) order by id limit 1
{% endtest %}
{% test within(model, column_name, least) %}
with whole as (select * from {{ model }}),
outside as (select * from whole where -- too small )
    not {{ column_name }} >= {{ least }})
select * from outside
{% endtest %}
{% test apart(model, columns) %}
with found as (
    select {{ columns }} from {{ model }} group by {{ columns }} having count(*) > 1
)
select * from found
{% endtest %}",
        ),
        (
            "models/orders.yml",
            "\
models:
  - name: orders
    data_tests:
      - holds: {name: holds, arguments: {expression: 'id > 2'}}
      - first_holds: {name: alone_limited, arguments: {expression: 'id > 2'}}
      - apart: {name: apart, arguments: {columns: 'id, symbol'}}
      - apart: {name: together, arguments: {columns: 'symbol, quantity'}}
      - apart: {name: without_nulls, arguments: {columns: 'quantity'}}
    columns:
      - name: id
        data_tests:
          - unique: {name: repeated}
          - not_null: {name: there}
          - unique: {name: one_repeated, config: {error_if: '> 1', warn_if: '> 1'}}
          - within: {name: within, arguments: {least: 2}}
      - name: symbol
        data_tests:
          - accepted_values: {name: known, arguments: {values: [AAA, BBB, CCC]}}
          - accepted_values: {name: unknown, arguments: {values: [AAA]}}
          - unique: {name: repeated_of_some, config: {where: \"symbol <> 'BBB'\"}}
          - not_null: {name: there_in_some, config: {where: \"symbol <> 'BBB'\"}}
      - name: line
        data_tests: [{unique: {name: lines}}]
      - name: quantity
        data_tests:
          - unique: {name: nulls_repeat}
          - not_null: {name: warns, config: {severity: warn}}
          - not_null: {name: alone_by_sum, config: {fail_calc: 'sum(1)'}}
          - not_null: {name: alone_by_limit, config: {limit: 1}}
",
        ),
    ]);
    shop.quietly("msv run");
    // Tests that hinder nothing are told by the group of their model, and in full.
    let project = "name: shop\nprofile: shop\n";
    shop.write(
        "project.yml",
        &format!("{project}data_tests: {{+severity: warn}}\n"),
    );
    let warned = [
        "msv build",
        "msv build --no-fused-tests",
        "msv test --no-fused-tests",
    ]
    .map(|command| {
        shop.quietly(command);
        test_results(&shop)
    });
    assert!(
        warned.iter().all(|results| *results == warned[0]),
        "{warned:#?}"
    );
    shop.write("project.yml", project);
    let shared_statements = |shop: &Shop| {
        let log = shop.path().join("logs/dbt.log");
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        text.matches(" counted").count()
    };
    let mut told = Vec::new();
    let counted_as_large =
        "update pg_catalog.pg_class set reltuples = 5e6 where relname = 'orders'";
    let indexed = "create unique index on analytics.orders (line); \
         update pg_catalog.pg_class set reltuples = 5e6 where relname = 'orders'";
    for (change, command, shared) in [
        ("", "msv test", 2),
        ("", "msv test --no-fused-tests", 0),
        // In its group first, and by itself where a test fails.
        ("", "msv build", 4),
        ("", "msv build --no-fused-tests", 0),
        (counted_as_large, "msv test", 2),
        (indexed, "msv test", 2),
    ] {
        if !change.is_empty() {
            shop.execute(change);
        }
        let _ = std::fs::remove_file(shop.path().join("logs/dbt.log"));
        assert_eq!(
            shop.command(command).output().unwrap().status.code(),
            Some(1)
        );
        assert_eq!(shared_statements(&shop), shared, "{command}");
        told.push(test_results(&shop));
    }
    assert!(told.iter().all(|results| *results == told[0]), "{told:#?}");
    let _ = std::fs::remove_file(shop.path().join("logs/dbt.log"));
    shop.quietly("msv test --select lines");
    let log = std::fs::read_to_string(shop.path().join("logs/dbt.log")).unwrap();
    assert!(!log.contains("unique_field"), "an index says it: {log}");
    assert_snapshot!(told[0].join("\n"));
}

#[test]
fn failing_rows_are_stored_and_replaced() {
    let mut shop = Shop::new(&[
        ORDERS,
        (
            "models/orders.yml",
            "\
models:
  - name: orders
    columns:
      - name: id
        data_tests:
          - unique: {config: {store_failures: true}}
      - name: quantity
        data_tests:
          - not_null: {config: {store_failures_as: view, severity: warn}}
",
        ),
    ]);
    shop.quietly("msv run");
    shop.run("msv test");
    shop.ask("select * from analytics_dbt_test__audit.unique_orders_id");
    shop.ask("select * from analytics_dbt_test__audit.not_null_orders_quantity");
    shop.write("models/orders.sql", "select 4 as id, 1 as quantity");
    shop.run("msv build");
    shop.ask("select count(*) from analytics_dbt_test__audit.unique_orders_id");
    assert_snapshot!(shop.transcript());
}

const UNIT_TESTS: &str = "\
unit_tests:
  - name: counts_large_orders
    model: large
    given:
      - input: ref('orders')
        rows:
          - {id: 1, quantity: 50}
          - {id: 2, quantity: 200}
          - {id: 3, quantity: 300}
    expect:
      rows: [{id: 2, size: big}, {id: 3, size: big}]
  - name: follows_overrides
    model: large
    overrides:
      vars: {least: 10}
      macros: {size: \"'overridden'\"}
    given:
      - input: ref('orders')
        format: csv
        rows: |
          id,quantity
          1,9
          2,11
    expect:
      format: csv
      rows: |
        id,size
        2,overridden
  - name: expects_too_much
    model: large
    given:
      - input: ref('orders')
        format: sql
        rows: select 1 as id, 500 as quantity union all select 7, 1000
    expect:
      rows: [{id: 1, size: big}, {id: 7, size: small}, {id: 8, size: big}]
  - name: knows_only_new_rows
    model: grown
    overrides:
      macros: {is_incremental: true}
    given:
      - input: ref('orders')
        rows: [{id: 1}, {id: 2}]
      - input: this
        rows: [{id: 1}]
    expect:
      rows: [{id: 2}]
";

#[test]
fn unit_tests_run_on_given_rows_and_show_the_difference() {
    let mut shop = Shop::new(&[
        ORDERS,
        ("macros/size.sql", "{% macro size() %}'big'{% endmacro %}"),
        (
            "models/large.sql",
            "select id, {{ size() }} as size from {{ ref('orders') }} where quantity >= {{ var('least', 100) }}",
        ),
        (
            "models/grown.sql",
            "{{ config(materialized='incremental', incremental_strategy='append') }}\nselect id from {{ ref('orders') }}\n\
            {% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}",
        ),
        ("models/unit.yml", UNIT_TESTS),
    ]);
    shop.quietly("msv run --select orders");
    shop.run("msv test").run("msv build --select +large");
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_header_of_a_data_test_is_sent_where_the_flag_says_so() {
    let project = |flag: bool| {
        format!(
            "name: shop\nversion: '1.0'\nprofile: shop\n\
             flags: {{require_sql_header_in_test_configs: {flag}}}\n"
        )
    };
    let mut shop = Shop::new(&[
        ("project.yml", &project(true)),
        (
            "models/orders.yml",
            "\
models:
  - name: orders
    data_tests:
      - fewer_than: {config: {sql_header: create temporary table most as select 2 as rows}}
",
        ),
        ("models/orders.sql", "select 1 as id"),
        (
            "tests/generic/fewer_than.sql",
            "{% test fewer_than(model) %}select * from {{ model }} where id > (select rows from most){% endtest %}",
        ),
    ]);
    shop.run("msv build");
    let transcript = shop.transcript();
    assert!(transcript.contains("PASS=2 WARN=0 ERROR=0"), "{transcript}");
    shop.write("project.yml", &project(false));
    shop.run("msv test");
    let transcript = shop.transcript();
    assert!(
        transcript.contains("relation \"most\" does not exist"),
        "{transcript}"
    );
}

/// Types come from the seed's file and from the queries of models that read one another.
#[test]
fn a_unit_test_needs_nothing_built() {
    let mut shop = Shop::new(&[
        (
            "seeds/fees.csv",
            "venue,rate,since\nX,0.5,2026-01-31\nY,,\n",
        ),
        (
            "models/charged.sql",
            "{{ config(materialized='ephemeral') }}\nselect *, rate * 2 as twice from {{ ref('fees') }}",
        ),
        ("models/listed.sql", "select * from {{ ref('charged') }}"),
        (
            "models/fee_days.sql",
            "select venue, twice, since + 1 as next_day, {{ dbt.current_timestamp() }}::date as today\n\
             from {{ ref('listed') }}",
        ),
        (
            "models/rates.sql",
            "select venue, rate * 10 as rate, since from {{ ref('fees') }}",
        ),
        (
            "models/unit.yml",
            "\
unit_tests:
  - name: types_are_inferred
    model: fee_days
    overrides: {macros: {dbt.current_timestamp: \"'2026-02-01'\"}}
    given:
      - input: ref('listed')
        rows: [{since: 2026-01-31, twice: 3}]
    expect:
      rows: [{venue: null, twice: 3, next_day: 2026-02-01, today: 2026-02-01}]
  - name: rows_of_a_seed_are_those_of_its_file
    model: rates
    given:
      - input: ref('fees')
    expect:
      rows:
        - {venue: X, rate: 5, since: 2026-01-31}
        - {venue: Y, rate: null, since: null}
",
        ),
    ]);
    shop.run("msv test");
    let transcript = shop.transcript();
    assert!(transcript.contains("PASS=2 WARN=0 ERROR=0"), "{transcript}");
}

#[test]
fn own_generic_tests_and_relationships() {
    let mut shop = Shop::new(&[
        ORDERS,
        ("seeds/symbols.csv", "symbol\nAAA\nBBB\n"),
        (
            "macros/at_least.sql",
            "{% test at_least(model, column_name, least=0) %}\nselect * from {{ model }} where {{ column_name }} < {{ least }}\n{% endtest %}",
        ),
        (
            "models/orders.yml",
            "\
models:
  - name: orders
    columns:
      - name: symbol
        data_tests:
          - relationships: {arguments: {to: ref('symbols'), field: symbol}}
          - accepted_values: {arguments: {values: [AAA, BBB]}}
      - name: quantity
        data_tests:
          - at_least: {arguments: {least: 8}}
          - at_least
",
        ),
    ]);
    shop.run("msv build");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_quoted_column_is_tested_by_its_quoted_name() {
    let mut shop = Shop::new(&[
        ("models/odd.sql", "select 1 as \"Id\""),
        (
            "models/odd.yml",
            "models:\n  - name: odd\n    columns:\n      - {name: Id, quote: true, data_tests: [unique, not_null]}\n",
        ),
    ]);
    shop.run("msv build");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_test_that_names_nothing_waits_for_everything() {
    let mut shop = Shop::new(&[
        (
            "models/late.sql",
            "{{ config(materialized='table') }} select 1 as id from (select pg_sleep(0.3)) as slept",
        ),
        (
            "tests/late_is_there.sql",
            "select 'late' as missing where not exists \
             (select 1 from pg_class where relname = 'late')",
        ),
    ]);
    shop.quietly("msv build --threads 4");
}

#[test]
fn a_count_that_is_null_hinders_models_that_are_built_together_as_well() {
    let mut shop = Shop::new(&[
        ("models/ids.sql", "select 1 as id"),
        ("models/more_ids.sql", "select 2 as id"),
        (
            "models/ids.yml",
            "
models:
  - name: ids
    columns:
      - {name: id, data_tests: [{not_null: {name: null_sum, config: {fail_calc: 'sum(id)'}}}]}
  - name: more_ids
    columns: [{name: id, data_tests: [not_null]}]
",
        ),
    ]);
    let told = shop.run("msv build").transcript().to_owned();
    assert!(
        told.contains("error[MSV0505]") && told.contains("PASS=3") && told.contains("ERROR=1"),
        "{told}"
    );
    assert_eq!(shop.value("select to_regclass('analytics.ids')"), "null");
}
