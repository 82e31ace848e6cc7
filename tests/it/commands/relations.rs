//! What a relation carries beside its rows: contract, constraints, indexes, grants, comments.

use insta::assert_snapshot;

use crate::support::shop::Shop;

const CONTRACT: &str = "
models:
  - name: orders
    config: {contract: {enforced: true}, materialized: table}
    constraints:
      - {type: check, name: quantity_fits, expression: quantity < 1000}
    columns:
      - {name: order_id, data_type: integer, constraints: [{type: primary_key}, {type: not_null}]}
      - {name: quantity, data_type: 'numeric(10,2)', constraints: [{type: check, expression: quantity > 0}]}
  - name: lines
    config: {contract: {enforced: true}, materialized: table}
    columns:
      - name: order_id
        data_type: integer
        constraints: [{type: foreign_key, to: ref('orders'), to_columns: [order_id]}]
      - {name: line, data_type: integer}
";

const CONSTRAINTS: &str =
    "select conrelid::regclass || ': ' || conname || ' ' || pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'analytics'::regnamespace order by 1";

fn contracted(orders: &str) -> Shop {
    Shop::new(&[
        ("models/orders.sql", orders),
        ("models/lines.sql", "select 1 as line, 1 as order_id"),
        ("models/models.yml", CONTRACT),
    ])
}

#[test]
fn a_contract_makes_columns_and_constraints_that_outlive_rebuilds() {
    let mut shop = contracted("select 5.5 as quantity, 1 as order_id");
    shop.quietly("msv run");
    let first = shop.rows(CONSTRAINTS);
    shop.ask(CONSTRAINTS);
    shop.ask(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = 'analytics.orders'::regclass and attnum > 0 order by attnum",
    );
    // The key of `lines` leads to the new table, although `lines` itself is not built again.
    shop.quietly("msv run --select orders");
    assert_eq!(shop.rows(CONSTRAINTS), first);
    // Rows that break a constraint publish nothing.
    shop.write(
        "models/orders.sql",
        "select -1.5 as quantity, 1 as order_id",
    );
    shop.run("msv run --select orders")
        .ask("select * from analytics.orders");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_foreign_key_never_hinders_the_table_it_leads_to() {
    let mut shop = contracted("select 5.5 as quantity, 1 as order_id");
    shop.quietly("msv run");
    shop.write("models/orders.sql", "select 5.5 as quantity, 2 as order_id");
    shop.run("msv run --select orders").ask(CONSTRAINTS);
    shop.write("models/lines.sql", "select 1 as line, 2 as order_id");
    shop.run("msv run").ask(CONSTRAINTS);
    assert_snapshot!(shop.transcript());
}

#[test]
fn views_that_this_run_builds_again_do_not_hinder_a_column_from_going() {
    let mut shop = Shop::new(&[
        (
            "models/orders.sql",
            "{{ config(materialized='table') }} select 1 as id, 2 as old_name",
        ),
        ("models/low.sql", "select old_name from {{ ref('orders') }}"),
        ("models/high.sql", "select old_name from {{ ref('low') }}"),
        (
            "models/kept.sql",
            "{{ config(materialized='materialized_view') }} select old_name from {{ ref('orders') }}",
        ),
    ]);
    shop.quietly("msv run");
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table') }} select 1 as id, 2 as new_name",
    );
    shop.write("models/low.sql", "select new_name from {{ ref('orders') }}");
    shop.write("models/high.sql", "select new_name from {{ ref('low') }}");
    shop.write(
        "models/kept.sql",
        "{{ config(materialized='materialized_view') }} select new_name from {{ ref('orders') }}",
    );
    shop.run("msv run --select orders");
    shop.run("msv run")
        .ask("select new_name from analytics.high");
    assert_snapshot!(shop.transcript());
}

#[test]
fn indexes_have_every_part_and_stable_names() {
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(materialized='table', indexes=[
            {'columns': ['symbol', 'lower(symbol)']},
            {'columns': ['id desc'], 'unique': true, 'include': ['symbol'], 'name': 'orders_by_id'},
            {'columns': ['symbol'], 'opclass': 'text_pattern_ops', 'where': 'id > 0', 'with': {'fillfactor': 70}},
            {'columns': ['id'], 'type': 'hash'},
        ], unlogged=true, storage_parameters={'fillfactor': 80}) }}
        select 1 as id, 'AAA'::text as symbol",
    )]);
    let indexes = "select pg_get_indexdef(indexrelid) from pg_index
        where indrelid = 'analytics.orders'::regclass order by 1";
    shop.quietly("msv run").ask(indexes);
    let first = shop.rows(indexes);
    shop.quietly("msv run");
    assert_eq!(shop.rows(indexes), first);
    shop.ask(
        "select relpersistence, reloptions from pg_class where oid = 'analytics.orders'::regclass",
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn an_incremental_table_gets_an_index_without_a_rebuild() {
    let model = |indexes: &str| {
        format!("{{{{ config(materialized='incremental', indexes={indexes}) }}}} select 1 as id")
    };
    let mut shop = Shop::new(&[("models/history.sql", &model("[]"))]);
    shop.quietly("msv run");
    shop.execute("create index by_hand on analytics.history ((id + 1))");
    shop.write("models/history.sql", &model("[{'columns': ['id']}]"));
    shop.quietly("msv run").quietly("msv run");
    shop.ask("select count(*) from analytics.history")
        .ask("select indexname from pg_indexes where tablename = 'history' order by 1");
    assert_snapshot!(shop.transcript());
}

#[test]
fn grants_are_those_of_the_project_or_those_that_were_there() {
    let shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(materialized=var('kind', 'table'), grants=var('grants', {})) }} select 1 as id",
    )]);
    shop.execute("create role \"Desk-1\"; create role desk_2");
    let mut shop = shop;
    let grants = "select coalesce(grantee::regrole::text, '') || ' ' || privilege_type
        from pg_class, aclexplode(relacl) where oid = 'analytics.orders'::regclass
        and grantee <> relowner order by 1";
    let command = |kind: &str, roles: &str| {
        format!("msv run --vars '{{kind: {kind}, grants: {{select: {roles}}}}}'")
    };
    for kind in ["table", "view", "incremental", "materialized_view"] {
        shop.quietly(&command(kind, "[Desk-1, public]")).ask(grants);
        shop.quietly(&command(kind, "[desk_2]")).ask(grants);
        shop.execute("grant insert on analytics.orders to \"Desk-1\"");
        shop.quietly(&format!("msv run --vars '{{kind: {kind}}}'"))
            .ask(grants);
    }
    shop.run(&command("table", "[nobody_of_this_name]"))
        .ask(grants);
    shop.execute("drop owned by \"Desk-1\", desk_2; drop role \"Desk-1\", desk_2");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_view_is_seen_with_its_grants_or_not_at_all() {
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(grants={'select': var('role', 'desk_3')}) }} select {{ var('id', 1) }} as id",
    )]);
    shop.execute("create role desk_3");
    shop.quietly("msv run");
    // A view that did not change is not written again, whatever is granted on it.
    let version = "select xmin::text from pg_rewrite where ev_class = 'analytics.orders'::regclass";
    let first = shop.value(version);
    shop.quietly("msv run");
    assert_eq!(shop.value(version), first);
    let refused = "msv run --vars '{role: nobody_of_this_name, id: 2}'";
    assert!(!shop.command(refused).output().unwrap().status.success());
    assert_eq!(shop.value("select id from analytics.orders"), "1");
    shop.execute("drop owned by desk_3; drop role desk_3");
}

#[test]
fn a_contract_may_name_types_that_all_databases_share() {
    let contract = |alias_types: bool| {
        format!(
            "models:\n  - name: orders\n    config: {{materialized: table, \
             contract: {{enforced: true, alias_types: {alias_types}}}}}\n    columns:\n      \
             - {{name: venue, data_type: STRING}}\n      - {{name: price, data_type: float}}\n"
        )
    };
    let mut shop = Shop::new(&[
        (
            "models/orders.sql",
            "select 1.5::float as price, 'XVIL'::text as venue",
        ),
        ("models/models.yml", &contract(true)),
    ]);
    shop.quietly("msv run");
    assert_eq!(shop.value("select venue from analytics.orders"), "XVIL");
    shop.write("models/models.yml", &contract(false));
    let refused = shop.command("msv run").output().unwrap();
    let told = String::from_utf8_lossy(&refused.stdout).into_owned()
        + &String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("type \"string\" does not exist"), "{told}");
}

#[test]
fn a_materialized_view_follows_the_project() {
    let model = |query: &str, index: &str, on_change: &str| {
        format!(
            "{{{{ config(materialized='materialized_view', on_configuration_change='{on_change}',
                indexes=[{{'columns': ['{index}'], 'unique': true}}]) }}}}\n{query}"
        )
    };
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        &model("select id, symbol from public.feed", "id", "apply"),
    )]);
    shop.execute("create table public.feed as select 1 as id, 'AAA' as symbol");
    shop.run("msv run");
    shop.execute("create view public.desk as select * from analytics.orders");
    let oid = shop.value("select 'analytics.orders'::regclass::oid");
    shop.execute("insert into public.feed values (2, 'BBB')");
    shop.run("msv run")
        .ask("select * from public.desk order by id");
    assert_eq!(shop.value("select 'analytics.orders'::regclass::oid"), oid);
    let indexes = "select indexdef from pg_indexes where tablename = 'orders'";
    for on_change in ["fail", "continue", "apply"] {
        let changed = model("select id, symbol from public.feed", "symbol", on_change);
        shop.write("models/orders.sql", &changed);
        shop.run("msv run").ask(indexes);
    }
    let changed = model(
        "select id, symbol || '!' as symbol from public.feed",
        "symbol",
        "apply",
    );
    shop.write("models/orders.sql", &changed);
    shop.run("msv run")
        .ask("select * from public.desk order by id")
        .ask(indexes);
    for kind in ["table", "view", "materialized_view"] {
        shop.write(
            "models/orders.sql",
            &format!("{{{{ config(materialized='{kind}') }}}} select id, symbol from public.feed"),
        );
        shop.run("msv run").ask("select count(*) from public.desk");
    }
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_header_goes_before_the_statement_with_its_names_resolved() {
    let mut shop = Shop::new(&[
        ("models/base.sql", "select 7 as n"),
        (
            "models/orders.sql",
            "{{ config(materialized=var('kind', 'table')) }}
            {% call set_sql_header(config) %}
            create or replace function pg_temp.seven() returns int language sql as
                $$ select n from {{ ref('base') }} $$;
            {%- endcall %}
            select pg_temp.seven() as n",
        ),
    ]);
    shop.run("msv run").ask("select * from analytics.orders");
    shop.run("msv run --vars '{kind: incremental}'")
        .ask("select * from analytics.orders");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_view_macro_of_the_project_makes_its_views() {
    let mut shop = Shop::new(&[
        ("models/orders.sql", "select 1 as id, 'AAA' as symbol"),
        (
            "macros/views.sql",
            "{% macro postgres__create_view_as(relation, sql) %}
                create view {{ relation }} with (security_barrier=true) as {{ sql }}
            {% endmacro %}",
        ),
    ]);
    let options = "select reloptions from pg_class where oid = 'analytics.orders'::regclass";
    shop.quietly("msv run").ask(options);
    shop.execute("create view public.desk as select symbol from analytics.orders");
    shop.write(
        "models/orders.sql",
        "select 2 as id, 'BBB' as symbol, 3 as more",
    );
    shop.run("msv run")
        .ask(options)
        .ask("select * from public.desk");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_statement_of_a_model_has_a_time_limit() {
    let mut shop = Shop::new(&[
        (
            "models/slow.sql",
            "{{ config(materialized='table', statement_timeout='20ms') }} select 1 from pg_sleep(5)",
        ),
        ("models/other.sql", "select 1 as id from pg_sleep(0.05)"),
    ]);
    shop.run("msv run").run("msv show --select other");
    assert_snapshot!(shop.transcript());
}

#[test]
fn statements_say_who_sent_them() {
    let seen = "{{ config(materialized='table') }}
        select substring(query from '/\\* (.*?) \\*/') as said
        from pg_stat_activity where pid = pg_backend_pid()";
    let mut shop = Shop::new(&[
        ("models/seen.sql", seen),
        (
            "macros/who.sql",
            "{% macro who(node) %}{{ return(tojson({'node': node.name if node else 'nobody'})) }}{% endmacro %}",
        ),
    ]);
    shop.quietly("msv run").ask("select * from analytics.seen");
    let project = "name: shop\nprofile: shop";
    for comment in [
        "\"{{ return(who(node)) }}\"",
        "{comment: 'by {{ connection_name }}', append: true}",
        "null",
    ] {
        shop.write(
            "project.yml",
            &format!("{project}\nquery-comment: {comment}\n"),
        );
        shop.quietly("msv run").ask("select * from analytics.seen");
    }
    shop.write(
        "project.yml",
        &format!("{project}\nquery-comment: \"{{{{ whom(node) }}}}\"\n"),
    );
    shop.run("msv run");
    // An error is still placed in the template.
    shop.write("project.yml", &format!("{project}\nquery-comment: \"é\"\n"));
    shop.write("models/seen.sql", "select 1 as id,\n    wrong as said");
    shop.run("msv run");
    assert_snapshot!(shop.transcript());
}

#[test]
fn macros_of_the_project_make_its_materialized_views() {
    let model = |index: &str| {
        format!(
            "{{{{ config(materialized='materialized_view', indexes=[{{'columns': ['{index}']}}]) }}}}
            select 1 as id, 'AAA' as symbol"
        )
    };
    let mut shop = Shop::new(&[
        ("models/orders.sql", &model("id")),
        (
            "macros/views.sql",
            "{% macro postgres__get_create_materialized_view_as_sql(relation, sql) %}
                create materialized view {{ relation }} with (fillfactor = 50) as {{ sql }};
                {{ get_create_index_sql(relation, config.get('indexes')[0]) }}
            {% endmacro %}",
        ),
    ]);
    let found = "select reloptions, (select indexdef from pg_indexes where tablename = relname)
        from pg_class where oid = 'analytics.orders'::regclass";
    shop.quietly("msv run").quietly("msv run").ask(found);
    shop.write("models/orders.sql", &model("symbol"));
    shop.run("msv run").ask(found);
    shop.quietly("msv run --full-refresh").ask(found);
    assert_snapshot!(shop.transcript());
}
