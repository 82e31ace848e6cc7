//! `parallel_by`: tables filled by several connections.

use crate::support::shop::Shop;

const EVENTS: &str =
    "create schema raw; create table raw.events (symbol text, account int, at int, price numeric);
     insert into raw.events
     select nullif('S' || number % 37, 'S5'), number % 11, number / 3, number % 101
     from generate_series(1, 20000) as number;
     insert into raw.events select * from raw.events where at < 50";
const QUERY: &str = "
with events as not materialized (select * from raw.events),
quiet as (select symbol, at from events where price < 3)
select events.*,
    count(*) over (partition by events.symbol order by events.at) as so_far,
    lag(price) over (partition by account, events.symbol order by events.at, price) as before
from events left join quiet on quiet.symbol = events.symbol and quiet.at = events.at";
const DIFFERENCES: &str = "select count(*) from (
    (select * from analytics.alone except all select * from analytics.divided)
    union all (select * from analytics.divided except all select * from analytics.alone)) as x";
const LEFT_OVER: &str = "select count(*) from pg_class where relname like 'msv%'";

fn shop(divided: &str) -> Shop {
    let shop = Shop::new(&[
        (
            "models/alone.sql",
            &format!("{{{{ config(materialized='table') }}}}{QUERY}"),
        ),
        ("models/divided.sql", divided),
    ]);
    shop.execute(EVENTS);
    shop
}

/// How many parts of the table the last command inserted.
fn parts(shop: &Shop) -> usize {
    let kept = shop.path().join("target/run/shop/models/divided.sql");
    let kept = std::fs::read_to_string(kept).unwrap();
    kept.matches("as msv_rows where").count()
}

#[test]
fn a_divided_table_has_the_rows_it_has_alone() {
    let config = "{{ config(materialized='table', indexes=[{'columns': ['symbol']}], \
        parallel_by={'column': 'symbol', 'connections': 3}) }}";
    let mut shop = shop(&format!("{config}{QUERY}"));
    for command in ["msv run", "msv build --publish=together"] {
        shop.quietly(command);
        assert_eq!(parts(&shop), 3, "{command}");
        assert_eq!(shop.value(DIFFERENCES), "0");
        assert_eq!(
            shop.value("select count(*) > 20000 from analytics.divided"),
            "true"
        );
        assert_eq!(shop.value(LEFT_OVER), "0");
    }
    // A key that is computed, as many connections as threads, a contract.
    let config = "{{ config(materialized='table', parallel_by={'expression': 'lower(symbol)'}) }}";
    shop.write("models/divided.sql", &format!("{config}{QUERY}"));
    shop.write(
        "models/divided.yml",
        "models: [{name: divided, config: {contract: {enforced: true}}, columns: [\
         {name: symbol, data_type: text}, {name: account, data_type: integer}, \
         {name: at, data_type: integer}, {name: price, data_type: numeric}, \
         {name: so_far, data_type: bigint}, {name: before, data_type: numeric}]}]",
    );
    shop.quietly("msv run --threads 2");
    assert_eq!(parts(&shop), 2);
    assert_eq!(shop.value(DIFFERENCES), "0");
}

#[test]
fn a_part_that_fails_leaves_what_people_read() {
    let divided = |price: &str| {
        format!(
            "{{{{ config(materialized='table', parallel_by={{'column': 'symbol', 'connections': 4}}) }}}}
             select symbol, {price} as price, max(at) over (partition by symbol) as last
             from raw.events"
        )
    };
    let mut shop = shop(&divided("price"));
    shop.quietly("msv run");
    let before = shop.value("select count(*) || ' ' || sum(price) from analytics.divided");
    shop.write(
        "models/divided.sql",
        &divided("1 / nullif(price - 7, case when symbol = 'S7' then -1 else 0 end)"),
    );
    shop.execute("insert into raw.events values ('S7', 1, 1, 7)");
    shop.run("msv run --select divided");
    assert!(
        shop.transcript().contains("division by zero"),
        "{}",
        shop.transcript()
    );
    assert_eq!(
        shop.value("select count(*) || ' ' || sum(price) from analytics.divided"),
        before
    );
    assert_eq!(shop.value(LEFT_OVER), "0");
}

#[test]
fn what_cannot_be_divided_is_told() {
    let mut shop = shop(
        "{{ config(materialized='table', parallel_by={'column': 'symbol', 'connections': 2}) }}
         select symbol, row_number() over (order by at) as number from raw.events",
    );
    shop.run("msv run --select divided");
    assert_eq!(parts(&shop), 0);
    for config in [
        "materialized='view', parallel_by='symbol'",
        "materialized='incremental', parallel_by='symbol'",
        "materialized='table', parallel_by={'column': 'symbol', 'count': 2}",
        "materialized='table', parallel_by='symbol', pre_hook='select 1'",
        "materialized='table', parallel_by={'column': 'sybol', 'connections': 2}",
    ] {
        shop.write(
            "models/divided.sql",
            &format!("{{{{ config({config}) }}}} select symbol from raw.events"),
        );
        shop.run("msv run --select divided");
    }
    insta::assert_snapshot!(shop.transcript());
}
