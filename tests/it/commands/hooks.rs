//! Hooks: what a project runs around its nodes, and what is left when one of them fails.

use insta::assert_snapshot;

use crate::support::shop::Shop;

/// Hooks that leave a line each, the last one with a divisor.
fn hooked(materialized: &str) -> String {
    format!(
        "{{{{ config(materialized='{materialized}',
    pre_hook=[\"insert into public.log values ('pre {{{{ this.name }}}}')\",
        before_begin(\"insert into public.log values ('before begin')\")],
    post_hook=[after_commit(\"insert into public.log values ('after commit')\"),
        \"insert into public.log select 'post ' || max(id) || repeat('!', 1 / {{{{ var('divisor', 1) }}}}) from {{{{ this }}}}\"]) }}}}
select {{{{ var('id', 1) }}}} as id"
    )
}

fn shop_of(materialized: &str) -> Shop {
    let shop = Shop::new(&[("models/orders.sql", &hooked(materialized))]);
    shop.execute("create table public.log (line text)");
    shop
}

#[test]
fn a_post_hook_that_fails_leaves_what_people_read() {
    for materialized in ["table", "view", "incremental", "materialized_view"] {
        let mut shop = shop_of(materialized);
        shop.quietly("msv run");
        let log = || shop.rows("select line from public.log");
        assert_eq!(
            log(),
            ["before begin", "pre orders", "post 1!", "after commit"],
            "{materialized}"
        );
        shop.execute("truncate public.log");
        let failed = shop
            .command("msv run --full-refresh --vars '{id: 2, divisor: 0}'")
            .output()
            .unwrap();
        assert_eq!(failed.status.code(), Some(1), "{materialized}");
        assert_eq!(
            shop.value("select id from analytics.orders"),
            "1",
            "{materialized}"
        );
        let left = "select count(*) from pg_class inner join pg_namespace on \
            pg_namespace.oid = relnamespace where nspname = 'analytics'";
        assert_eq!(shop.value(left), "1", "{materialized}");
        shop.quietly("msv run --full-refresh --vars '{id: 3}'");
        assert_eq!(
            shop.value("select id from analytics.orders"),
            "3",
            "{materialized}"
        );
    }
}

#[test]
fn a_post_hook_that_fails_takes_a_refresh_back() {
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(materialized='materialized_view', indexes=[{'columns': ['id'], 'unique': true}],
            post_hook=\"select 1 / {{ var('divisor', 1) }}\") }} select id from public.feed",
    )]);
    shop.execute("create table public.feed as select 1 as id");
    shop.quietly("msv run");
    shop.execute("update public.feed set id = 2");
    let failing = "msv run --vars '{divisor: 0}'";
    assert_eq!(
        shop.command(failing).output().unwrap().status.code(),
        Some(1)
    );
    assert_eq!(shop.value("select id from analytics.orders"), "1");
    shop.quietly("msv run");
    assert_eq!(shop.value("select id from analytics.orders"), "2");
}

#[test]
fn hooks_of_the_project_run_around_the_nodes() {
    let mut shop = Shop::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\non-run-start:\n  \
             - create table if not exists public.log (line text)\n  \
             - insert into public.log values ('start {{ thread_id }}')\non-run-end:\n  \
             - >-\n    insert into public.log select 'end'\n    \
             {%- for result in results %} || ' {{ result.node.name }} {{ result.status }}'{% endfor %}\n    \
             {%- for schema in schemas %} || ' {{ schema }}'{% endfor %}\n    \
             {%- for database, schema in database_schemas %} || ' {{ schema }}'{% endfor %}\n  \
             - insert into public.log select 'last' from {{ var('last', '(select 1)') }} as x\n  \
             - insert into public.log values ('never after a failure')\n",
        ),
        ("models/good.sql", "select 1 as id"),
        (
            "models/bad.sql",
            "{{ config(schema='other') }} select 1 / 0 as id from generate_series(1, 1)",
        ),
        (
            "models/worse.sql",
            "{{ config(schema='other', materialized='table') }} select 1 / 0 as id",
        ),
    ]);
    let log = "select line from public.log";
    shop.run("msv run").ask(log);
    shop.execute("truncate public.log");
    shop.run("msv run --select good --vars '{last: nowhere}'")
        .ask(log);
    // A template that cannot be rendered ends the command.
    shop.write(
        "project.yml",
        "name: shop\nprofile: shop\non-run-start: \"{% do run_query('select 1 from nowhere') %}\"\n",
    );
    shop.run("msv run --select good");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_start_that_fails_may_be_ignored() {
    let project = |flag: &str| {
        format!(
            "name: shop\nprofile: shop\nflags:\n  skip_nodes_if_on_run_start_fails: {flag}\n\
             on-run-start: [select 1 / 0, select 2]\n"
        )
    };
    let mut shop = Shop::new(&[("models/good.sql", "select 1 as id")]);
    for flag in ["true", "false"] {
        shop.write("project.yml", &project(flag));
        shop.run("msv run");
    }
    assert_snapshot!(shop.transcript());
}

#[test]
fn hooks_of_all_places_add_up_in_dbt_s_order() {
    let mut shop = Shop::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\nmodels:\n  \
             +pre-hook: \"{{ note('project ' ~ model.name ~ ' ' ~ this.identifier) }}\"\n  \
             +post-hook:\n    - sql: \"{{ note('project after commit ' ~ this.type) }}\"\n      transaction: false\n\
             on-run-end: \"{{ note('end ' ~ this) }}\"\n",
        ),
        (
            "macros/note.sql",
            "{% macro note(text) %}insert into public.log values ('{{ text }}'){% endmacro %}",
        ),
        (
            "models/orders.sql",
            "{{ config(pre_hook=[note('first call'), before_begin(note('before begin'))]) }}
            {{ config({'pre-hook': {'sql': note('second call')}, 'post_hook': note('post')}) }}
            select 1 as id",
        ),
        (
            "models/orders.yml",
            "models:\n  - name: orders\n    config:\n      pre_hook: \"{{ note('properties') }}\"\n",
        ),
    ]);
    shop.execute("create table public.log (line text)");
    shop.quietly("msv run");
    assert_eq!(
        shop.rows("select line from public.log"),
        [
            "before begin",
            "project orders orders",
            "properties",
            "first call",
            "second call",
            "post",
            "project after commit None",
            "end None",
        ]
    );
}

#[test]
fn a_post_hook_knows_whether_rows_were_added() {
    let mut shop = Shop::new(&[(
        "models/orders.sql",
        "{{ config(materialized='incremental', post_hook=\"insert into public.log values \
         ('{{ is_incremental() }}')\") }} select 1 as id",
    )]);
    shop.execute("create table public.log (line text)");
    for command in ["msv run", "msv run", "msv run --full-refresh"] {
        shop.quietly(command);
    }
    assert_eq!(
        shop.rows("select line from public.log"),
        ["False", "True", "False"]
    );
}
