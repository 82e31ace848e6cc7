//! `--publish=together`: everything appears at once, or nothing does.

use std::sync::atomic::{AtomicBool, Ordering};

use insta::assert_snapshot;

use crate::support::shop::Shop;

fn shop() -> Shop {
    let shop = Shop::new(&[
        ("seeds/sides.csv", "side\nbuy\nsell\n"),
        ("models/stage.sql", "select id, day from raw.orders"),
        (
            "models/orders.sql",
            "{{ config(materialized='table', indexes=[{'columns': ['id'], 'name': 'orders_by_id'}], \
             post_hook=\"insert into raw.log select '{{ this.name }}', count(*) from {{ ref('stage') }}\") }} \
             select id, day from {{ ref('stage') }}",
        ),
        (
            "models/days.sql",
            "{{ config(materialized='table') }} \
             select day, count(*) as order_count from {{ ref('orders') }} group by day",
        ),
        (
            "models/latest.sql",
            "select max(order_count) as most, (select count(*) from {{ ref('sides') }}) as sides \
             from {{ ref('days') }}",
        ),
        (
            "models/history.sql",
            "{{ config(materialized='incremental', unique_key='id') }} \
             select id, day from {{ ref('orders') }} \
             {% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}",
        ),
        (
            "snapshots/versions.yml",
            "snapshots:\n  - name: versions\n    relation: ref('orders')\n    \
             config: {strategy: check, unique_key: id, check_cols: all}\n",
        ),
        (
            "models/models.yml",
            "models:\n  - name: orders\n    columns: [{name: id, data_tests: [unique]}]\n  \
             - name: history\n    columns: [{name: id, data_tests: [not_null]}]\n  \
             - name: days\n    data_tests: [{relationships: \
             {column_name: day, to: ref('history'), field: day}}]\n    \
             columns: [{name: day, data_tests: [not_null]}]\n",
        ),
    ]);
    shop.execute(
        "create schema raw; create table raw.log (name text, rows bigint); \
         create table raw.orders as select 1 as id, 1 as day",
    );
    shop
}

const READ: &str = "select (select count(*) from analytics.orders) as orders, \
     (select sum(order_count) from analytics.days) as in_days, \
     (select count(*) from analytics.stage) as stage, \
     (select most || '/' || sides from analytics.latest) as latest, \
     (select count(*) from analytics.history) as history, \
     (select count(*) from analytics.versions) as versions, \
     (select string_agg(name || rows, ' ') from raw.log) as log";

const PRIVATE: &str = "select count(*) from pg_class where relname like 'msv%'";

#[test]
fn a_failure_anywhere_leaves_everything_as_it_was() {
    let mut shop = shop();
    shop.run("msv build --publish=together").ask(READ);
    let oids = "select relname, oid from pg_class where relnamespace = 'analytics'::regnamespace \
                and relkind = 'v' order by 1";
    let before = shop.rows(oids);
    shop.execute("insert into raw.orders values (2, 1), (3, 2)");
    shop.run("msv build --publish=together").ask(READ);
    assert_eq!(before, shop.rows(oids), "views stay the objects they are");
    shop.ask("select indexname from pg_indexes where schemaname = 'analytics' order by 1");
    shop.execute("insert into raw.orders values (4, null)");
    shop.run("msv build --publish=together")
        .ask(READ)
        .ask(PRIVATE);
    shop.execute("delete from raw.orders where day is null");
    shop.run("msv retry").ask(READ).ask(PRIVATE);
    assert_snapshot!(shop.transcript());
}

#[test]
fn readers_of_two_marts_never_see_a_mix() {
    let mut shop = shop();
    shop.quietly("msv run --publish=together --exclude latest");
    let is_over = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let readers: Vec<_> = ["orders", "days"]
            .into_iter()
            .map(|first| {
                let mut session = shop.connect();
                let is_over = &is_over;
                scope.spawn(move || {
                    let both = "(select count(*) from analytics.orders), \
                                (select sum(order_count) from analytics.days)";
                    let sql = match first {
                        "orders" => format!("select {both}"),
                        _ => "select (select sum(order_count) from analytics.days), \
                              (select count(*) from analytics.orders)"
                            .to_owned(),
                    };
                    let mut seen = Vec::new();
                    while !is_over.load(Ordering::SeqCst) {
                        let rows = session.query(&sql).expect("both are always there");
                        let row = &rows.rows[0];
                        let text = |at: usize| row[at].to_text().map(|text| text.into_owned());
                        seen.push((text(0), text(1)));
                    }
                    seen
                })
            })
            .collect();
        for id in 2..8 {
            shop.execute(&format!("insert into raw.orders values ({id}, {id} % 3)"));
            shop.quietly("msv run --publish=together --exclude latest");
        }
        is_over.store(true, Ordering::SeqCst);
        let seen = readers.into_iter().map(|reader| reader.join().unwrap());
        seen.flatten().collect::<Vec<_>>()
    });
    let mixed: Vec<_> = reads.iter().filter(|(left, right)| left != right).collect();
    assert!(mixed.is_empty(), "{mixed:?}");
    let different: std::collections::HashSet<_> = reads.iter().collect();
    assert!(different.len() > 2, "the readers saw several versions");
}
