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
