//! Snapshots over several runs: what the history says afterwards.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use proptest::prelude::*;

use crate::support::shop::Shop;

const FEED: &str = "create table public.feed \
    (id int, symbol varchar(3), quantity int, updated_at timestamp); \
    insert into public.feed values \
    (1, 'AAA', 10, '2024-01-01'), (2, 'BBB', null, '2024-01-01'), (3, 'CCC', 30, '2024-01-01')";

const SOURCE: (&str, &str) = (
    "models/sources.yml",
    "sources:\n  - name: desk\n    schema: public\n    tables:\n      - name: feed\n",
);

/// A snapshot of `public.feed` by its time.
const ORDERS: &str = "{% snapshot orders_history %}
{{ config(unique_key='id', strategy='timestamp', updated_at='updated_at', target_schema='archive',
    post_hook=\"select 1 / {{ var('divisor', 1) }}\") }}
select {{ var('columns', '*') }} from {{ source('desk', 'feed') }}
{% endsnapshot %}
";

#[test]
fn a_snapshot_follows_rows_and_columns() {
    let mut shop = Shop::new(&[
        SOURCE,
        ("snapshots/orders.sql", ORDERS),
        (
            "models/latest.sql",
            "select * from {{ ref('orders_history') }} where dbt_valid_to is null",
        ),
        (
            "snapshots/orders.yml",
            "snapshots:\n  - name: orders_history\n    columns:\n      - name: dbt_scd_id\n        \
             data_tests: [unique, not_null]\n",
        ),
    ]);
    shop.execute(FEED);
    let rows = "select id, symbol, quantity, dbt_valid_from::date, dbt_valid_to::date, \
        dbt_scd_id = md5(id::text || '|' || updated_at::text) from archive.orders_history \
        order by id, dbt_valid_from";
    shop.run("msv build").ask(rows).ask(
        "select string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) \
         from information_schema.columns where table_name = 'orders_history'",
    );
    shop.execute(
        "update public.feed set quantity = 11, updated_at = '2024-01-02' where id = 1; \
         update public.feed set quantity = 21 where id = 2; \
         delete from public.feed where id = 3; \
         alter table public.feed alter column symbol type varchar(9), add venue numeric(9,2); \
         insert into public.feed values (4, 'DDDDDD', 40, '2024-01-02', 7.25)",
    );
    // What fails at the end takes everything back, the columns too.
    shop.run("msv snapshot --vars '{divisor: 0}'").ask(rows);
    shop.run("msv snapshot").ask(rows);
    shop.quietly("msv snapshot --vars '{columns: \"id, updated_at\"}'");
    assert_eq!(shop.rows(rows).len(), 5);
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_strategy_of_the_project_decides_what_changed() {
    let mut shop = Shop::new(&[
        SOURCE,
        (
            "snapshots/orders.yml",
            "snapshots:\n  - name: orders_history\n    relation: source('desk', 'feed')\n    \
             config: {strategy: grown, unique_key: id, dbt_valid_to_current: \"date '9999-12-31'\"}\n",
        ),
        (
            "macros/grown.sql",
            "{% macro snapshot_grown_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
            {{ return({
                'unique_key': config.get('unique_key'),
                'updated_at': 'updated_at',
                'row_changed': current_rel ~ '.quantity > ' ~ snapshotted_rel ~ '.quantity',
                'scd_id': snapshot_hash_arguments(['id', 'quantity']),
            }) }}
            {% endmacro %}
            {% macro default__snapshot_hash_arguments(args) %}{{ args | join(\" || '-' || \") }}{% endmacro %}",
        ),
    ]);
    shop.execute(FEED);
    shop.quietly("msv snapshot");
    shop.execute(
        "update public.feed set quantity = quantity - 1, updated_at = '2024-01-02' where id = 1; \
         update public.feed set quantity = quantity + 1, updated_at = '2024-01-02' where id = 3",
    );
    shop.run("msv snapshot").ask(
        "select id, quantity, dbt_scd_id, dbt_valid_from::date, dbt_valid_to::date \
         from analytics.orders_history order by id, quantity",
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn rows_that_share_a_key_are_pointed_out() {
    let mut shop = Shop::new(&[
        SOURCE,
        (
            "snapshots/orders.yml",
            "snapshots:\n  - name: orders_history\n    relation: source('desk', 'feed')\n    \
             config: {strategy: check, unique_key: [symbol, quantity], check_cols: [updated_at]}\n",
        ),
    ]);
    shop.execute(FEED);
    shop.execute("insert into public.feed select * from public.feed where id = 1");
    shop.run("msv snapshot");
    shop.execute(
        "update public.feed set updated_at = '2024-02-01'; \
         insert into public.feed select * from public.feed where id = 2",
    );
    shop.run("msv snapshot").ask(
        "select symbol, quantity, count(*), count(dbt_valid_to) from analytics.orders_history \
         group by 1, 2 order by 1, 2",
    );
    assert_snapshot!(shop.transcript());
}

/// A history that dbt wrote has an open version of each run for a key that is null.
#[test]
fn open_versions_of_a_null_key_become_one() {
    let mut shop = Shop::new(&[
        SOURCE,
        (
            "snapshots/orders.yml",
            "snapshots:\n  - name: orders_history\n    relation: source('desk', 'feed')\n    \
             config: {strategy: check, unique_key: [symbol, quantity], check_cols: [id]}\n",
        ),
    ]);
    shop.execute(FEED);
    shop.quietly("msv snapshot");
    shop.execute(
        "insert into analytics.orders_history select id - n, symbol, quantity, updated_at, \
         'run ' || n, dbt_updated_at, dbt_valid_from - n * interval '1 day', null \
         from analytics.orders_history, generate_series(1, 3) as n where quantity is null; \
         update public.feed set id = 20 where quantity is null",
    );
    shop.run("msv snapshot");
    assert!(
        shop.transcript()
            .contains("are closed where a later one begins: 3")
    );
    let versions = shop.rows(
        "select id, dbt_valid_to = lead(dbt_valid_from) over (order by dbt_valid_from) \
         from analytics.orders_history where quantity is null order by dbt_valid_from",
    );
    let expected = ["-1 | true", "0 | true", "1 | true", "2 | true", "20 | null"];
    assert_eq!(versions, expected);
    shop.quietly("msv snapshot");
    assert_eq!(
        shop.value("select count(*) from analytics.orders_history"),
        "7"
    );
}

/// What a row says in one round: its value, and whether its time moves on.
type Entry = Option<(Option<u8>, bool)>;

/// One version as the history has it. Times are days for `updated_at`, rounds for the clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    key: usize,
    value: Option<u8>,
    valid_from: i64,
    valid_to: Option<i64>,
    is_deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletes {
    Ignore,
    Invalidate,
    NewRecord,
}

/// Rounds are told from days by their size.
const CLOCK: i64 = 1000;

/// What dbt's documentation says a snapshot does with the rows of a round.
fn apply(
    history: &mut Vec<Version>,
    rows: &BTreeMap<usize, (Option<u8>, i64)>,
    round: i64,
    is_check: bool,
    deletes: Deletes,
) {
    let now = CLOCK + round;
    let mut begun = Vec::new();
    let mut has_open = Vec::new();
    for version in history
        .iter_mut()
        .filter(|version| version.valid_to.is_none())
    {
        has_open.push(version.key);
        match rows.get(&version.key) {
            Some((value, updated_at)) => {
                let is_changed = match is_check {
                    true => version.value != *value,
                    false => version.valid_from < *updated_at,
                };
                if is_changed || version.is_deleted {
                    let at = if is_check { now } else { *updated_at };
                    version.valid_to = Some(at);
                    begun.push((version.key, *value, at, false));
                }
            }
            None if deletes == Deletes::Ignore || version.is_deleted => {}
            None => {
                version.valid_to = Some(now);
                if deletes == Deletes::NewRecord {
                    begun.push((version.key, version.value, now, true));
                }
            }
        }
    }
    for (key, (value, updated_at)) in rows {
        if !has_open.contains(key) {
            begun.push((
                *key,
                *value,
                if is_check { now } else { *updated_at },
                false,
            ));
        }
    }
    history.extend(
        begun
            .into_iter()
            .map(|(key, value, valid_from, is_deleted)| Version {
                key,
                value,
                valid_from,
                valid_to: None,
                is_deleted,
            }),
    );
}

const VARIANTS: [(&str, bool, Deletes); 6] = [
    ("timestamp_ignore", false, Deletes::Ignore),
    ("timestamp_invalidate", false, Deletes::Invalidate),
    ("timestamp_record", false, Deletes::NewRecord),
    ("check_ignore", true, Deletes::Ignore),
    ("check_invalidate", true, Deletes::Invalidate),
    ("check_record", true, Deletes::NewRecord),
];

/// The key of each row, alone and of two parts: each combination of nulls, and what looks like one.
const KEYS_WITH_NULLS: [&str; 5] = [
    "'', 2, 0",
    "null, 2, null",
    "'_null_', 4, 0",
    "'0', null, 0",
    "'1', null, null",
];

/// Half of the variants have a composite key, the others names and an end of their own.
fn declaration() -> String {
    let mut yaml = "snapshots:\n".to_owned();
    for (at, (name, is_check, deletes)) in VARIANTS.iter().enumerate() {
        let strategy = match is_check {
            true => "strategy: check\n      check_cols: [value]",
            false => "strategy: timestamp\n      updated_at: updated_at",
        };
        let deletes = match deletes {
            Deletes::Ignore => "ignore",
            Deletes::Invalidate => "invalidate",
            Deletes::NewRecord => "new_record",
        };
        let rest = match at % 2 {
            0 => "unique_key: [half / 2, side]",
            _ => {
                "unique_key: code\n      dbt_valid_to_current: \"'9999-01-01'::timestamp\"\n      \
                 snapshot_meta_column_names: {dbt_valid_to: until, dbt_is_deleted: gone}"
            }
        };
        yaml.push_str(&format!(
            "  - name: {name}\n    relation: source('desk', 'feed')\n    config:\n      {strategy}\n      \
             hard_deletes: {deletes}\n      {rest}\n"
        ));
    }
    yaml
}

/// The history in the database, times counted as the reference counts them.
fn read(shop: &Shop, name: &str, at: usize, rounds: &[String]) -> Vec<Version> {
    let (until, gone) = match at % 2 {
        0 => ("dbt_valid_to", "dbt_is_deleted"),
        _ => ("until", "gone"),
    };
    let boundaries: Vec<String> = rounds
        .iter()
        .map(|boundary| format!("(at >= '{boundary}'::timestamp)::int"))
        .collect();
    let count = |column: &str| {
        format!(
            "(select case when at < '2021-01-01' then extract(day from at)::bigint else {CLOCK} - 1 + {} end \
             from (select {column} as at) as moment)",
            boundaries.join(" + ")
        )
    };
    let gone = if VARIANTS[at].2 == Deletes::NewRecord {
        format!("{gone} = 'True'")
    } else {
        "false".to_owned()
    };
    let rows = shop.rows(&format!(
        "select row, value, {}, {}, {gone} from analytics.{name}",
        count("dbt_valid_from"),
        count(&format!("nullif({until}, '9999-01-01')"))
            .replace("case when", "case when at is null then null when"),
    ));
    let mut versions: Vec<Version> = rows
        .iter()
        .map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            Version {
                key: cells[0].parse().unwrap(),
                value: cells[1].parse().ok(),
                valid_from: cells[2].parse().unwrap(),
                valid_to: cells[3].parse().ok(),
                is_deleted: cells[4] == "true",
            }
        })
        .collect();
    versions.sort();
    versions
}

fn entry() -> impl Strategy<Value = Entry> {
    proptest::option::weighted(
        0.7,
        (proptest::option::weighted(0.8, 0..3u8), any::<bool>()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_what_the_reference_says(
        history in proptest::collection::vec(proptest::collection::vec(entry(), 5), 5),
        has_nulls in any::<bool>(),
    ) {
        let declaration = declaration();
        let mut shop = Shop::new(&[SOURCE, ("snapshots/all.yml", &declaration)]);
        shop.execute(
            "create table public.feed \
             (row int, code text, half int, side int, value int, updated_at timestamp)",
        );
        let mut expected = vec![Vec::new(); VARIANTS.len()];
        let mut days = [1i64; 5];
        let mut rounds = Vec::new();
        for (round, entries) in history.iter().enumerate() {
            let mut rows = BTreeMap::new();
            shop.execute("truncate public.feed");
            for (key, entry) in entries.iter().enumerate() {
                let Some((value, is_newer)) = entry else { continue };
                days[key] += i64::from(*is_newer);
                rows.insert(key, (*value, days[key]));
                let value = value.map_or("null".to_owned(), |value| value.to_string());
                let keys = match has_nulls {
                    true => KEYS_WITH_NULLS[key].to_owned(),
                    false => format!("'{key}', {key}, {}", key % 2),
                };
                shop.execute(&format!(
                    "insert into public.feed values ({key}, {keys}, {value}, '2020-01-{:02}')",
                    days[key]
                ));
            }
            rounds.push(shop.value("select localtimestamp"));
            shop.quietly("msv snapshot");
            for (at, (name, is_check, deletes)) in VARIANTS.iter().enumerate() {
                apply(&mut expected[at], &rows, round as i64, *is_check, *deletes);
                expected[at].sort();
                let found = read(&shop, name, at, &rounds);
                prop_assert_eq!(&found, &expected[at], "{} after round {}", name, round);
            }
        }
    }
}
