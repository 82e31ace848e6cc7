//! What a project writes in place of msv's own: materializations, and macros that they call.

use insta::assert_snapshot;

use crate::support::shop::Shop;

/// Fills a table; what it does without committing is gone.
const MATERIALIZATIONS: &str = "
{% materialization filled, default %}
  {% set target = this.incorporate(type='table') %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks) }}
  {% call statement('main') %}
    {{ 'create table ' ~ target ~ ' as ' if load_cached_relation(this) is none else 'insert into ' ~ target }} ({{ sql }})
  {% endcall %}
  {{ log('main: ' ~ load_result('main').response ~ ', again: ' ~ load_result('main').response.rows_affected, info=True) }}
  {{ run_hooks(post_hooks) }}
  {% do adapter.commit() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% materialization uncommitted, default %}
  {% call statement('main') %} create table {{ this }} as ({{ sql }}) {% endcall %}
  {{ return({'relations': [this]}) }}
{% endmaterialization %}

{% materialization spoken, default %}{{ exceptions.raise_compiler_error('for others') }}{% endmaterialization %}
{% materialization spoken, adapter='postgres' %}
  {% call statement('main', fetch_result=true) %} select 42 as answer {% endcall %}
  {{ log('the answer is ' ~ load_result('main')['data'][0][0], info=True) }}
  {{ return({'relations': []}) }}
{% endmaterialization %}
";

#[test]
fn materializations_of_a_project_run_as_templates() {
    let mut shop = Shop::new(&[
        ("macros/materializations.sql", MATERIALIZATIONS),
        (
            "models/orders.sql",
            "{{ config(materialized='filled', post_hook=['insert into {{ this }} values (9)', \
            {'sql': 'vacuum {{ this }}', 'transaction': false}]) }} select 1 as order_id",
        ),
        (
            "models/lost.sql",
            "{{ config(materialized='uncommitted') }} select 1 as order_id",
        ),
        (
            "models/answer.sql",
            "{{ config(materialized='spoken') }} select 1 as order_id",
        ),
    ]);
    shop.run("msv run");
    shop.run("msv run --select orders");
    shop.ask("select order_id, count(*) from analytics.orders group by 1 order by 1");
    shop.ask("select to_regclass('analytics.lost') is null as is_lost");
    assert_snapshot!(shop.transcript());
}

const OVERRIDES: &str = "
{% macro create_table_as(temporary, relation, compiled_code, language='sql') %}
  create {{ 'temporary' if temporary }} table {{ relation }} as (select *, 'mine' as maker from ({{ compiled_code }}) as made)
{% endmacro %}
{% macro default__create_view_as(relation, sql) %}
  create view {{ relation }} as (select *, 'mine' as maker from ({{ sql }}) as made)
{% endmacro %}
{% macro get_incremental_twice_sql(arguments) %}
  {% set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) %}
  insert into {{ arguments['target_relation'] }} ({{ columns }})
  select {{ columns }} from {{ arguments['temp_relation'] }} cross join generate_series(1, 2)
{% endmacro %}
{% macro default__test_not_null(model, column_name) %}select * from {{ model }} where {{ column_name }} = 1{% endmacro %}
{% macro default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) %}
  select 7 as failures, true as should_warn, {{ 'where order_id = 1' in main_sql }} as should_error
{% endmacro %}
{% macro generate_alias_name(custom_alias_name=none, node=none) %}{{ 'my_' ~ node.name if node.resource_type == 'model' else node.name }}{% endmacro %}
";

#[test]
fn macros_of_a_project_replace_those_that_msv_calls() {
    let mut shop = Shop::new(&[
        ("macros/overrides.sql", OVERRIDES),
        (
            "models/in_table.sql",
            "{{ config(materialized='table') }} select 1 as order_id",
        ),
        ("models/in_view.sql", "select 1 as order_id"),
        (
            "models/in_history.sql",
            "{{ config(materialized='incremental', incremental_strategy='twice') }} select 1 as order_id",
        ),
        (
            "models/tests.yml",
            "models: [{name: in_view, columns: [{name: order_id, data_tests: [not_null, unique]}]}]",
        ),
    ]);
    shop.run("msv build");
    shop.quietly("msv run --select in_history in_view");
    for relation in ["my_in_table", "my_in_view", "my_in_history"] {
        shop.ask(&format!("select * from analytics.{relation}"));
    }
    assert_snapshot!(shop.transcript());
}

const SEED_OVERRIDES: &str = "
{% macro postgres__create_csv_table(model, agate_table) %}
  {% do run_query('create table ' ~ this ~ ' (id integer, name text, rate float8, since date, code text, note text)') %}
  {{ return('created') }}
{% endmacro %}
{% macro load_csv_rows(model, agate_table) %}
  {% set columns = get_seed_column_quoted_csv(model, agate_table.column_names) %}
  {% for row in agate_table.rows %}
    {% do adapter.add_query('insert into ' ~ this ~ ' (' ~ columns ~ \", note) values (%s, %s, %s, %s, %s, '100%%')\", bindings=row, abridge_sql_log=True) %}
  {% endfor %}
  {{ return('one by one') }}
{% endmacro %}
";

const SEED_MATERIALIZATION: &str = "
{% materialization seed, default %}
  {% set rows = load_agate_table() %}
  {% call statement('main') %} create or replace view {{ this.schema }}.fees_counted as select {{ rows.rows | length }} as rows {% endcall %}
  {% do adapter.commit() %}
  {{ return({'relations': [this]}) }}
{% endmaterialization %}
";

#[test]
fn a_project_that_loads_seeds_in_its_own_way_gets_their_rows() {
    let mut shop = Shop::new(&[
        ("macros/seeds.sql", SEED_OVERRIDES),
        (
            "seeds/fees.csv",
            "id,name,rate,since,code\n1,it's \\ here,0.5,2026-01-31,007\n2,,-1,,\n",
        ),
        (
            "seeds/fees.yml",
            "seeds: [{name: fees, config: {column_types: {code: text}}, columns: [{name: id, data_tests: [unique]}]}]",
        ),
    ]);
    let select = "select * from analytics.fees order by id";
    shop.run("msv seed").ask(select);
    shop.quietly("msv seed").quietly("msv seed --full-refresh");
    shop.run("msv build").ask(select);
    // What it does by itself cannot wait for others.
    shop.run("msv build --quiet --publish=together");
    shop.write("macros/materialization.sql", SEED_MATERIALIZATION);
    shop.run("msv seed");
    shop.ask("select rows from analytics.fees_counted");
    assert_snapshot!(shop.transcript());
}
