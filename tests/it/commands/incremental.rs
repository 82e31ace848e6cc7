//! Incremental models hold what a rebuild from nothing would, whatever rows arrive and when.

use proptest::prelude::*;

use crate::support::shop::Shop;

/// One row that arrives: a version of a fact, late or not, about a key that may be null.
#[derive(Clone, Debug)]
struct Row {
    id: Option<u8>,
    venue: Option<bool>,
    day: Option<u8>,
    version: u8,
    is_deleted: bool,
}

/// What arrives between two runs; `forgets` deletes earlier prints of the days that get new ones.
#[derive(Clone, Debug)]
struct Arrivals {
    rows: Vec<Row>,
    forgets: bool,
}

const FEED: &str = "create table public.feed (
    seq bigint generated always as identity, batch int, id int, venue text, day date,
    version int, is_deleted boolean);
    create table public.prints (seq bigint, batch int, day date, id int)";

/// The newest version of each key, a deleted one too; all versions of a touched key are read again.
fn newest_by(keys: &str, config: &str) -> String {
    let same: Vec<String> = keys
        .split(", ")
        .map(|key| format!("newer.{key} is not distinct from feed.{key}"))
        .collect();
    format!(
        "{{{{ config(materialized='incremental', {config}) }}}}
        select distinct on ({keys}) id, venue, version, is_deleted, seq,
            (select max(batch) from public.feed) as seen_batch
        from public.feed as feed
        {{% if is_incremental() %}}
        where exists (
            select from public.feed as newer
            where newer.batch > (select max(seen_batch) from {{{{ this }}}}) and {}
        )
        {{% endif %}}
        order by {keys}, version desc, seq desc",
        same.join(" and ")
    )
}

/// Every row of a day; the key is not unique, and its rows make way together.
const WHOLE_DAYS: &str = "{{ config(materialized='incremental', unique_key='day') }}
    select day, id, seq, batch from public.prints as prints
    {% if is_incremental() %}
    where exists (
        select from public.prints as newer
        where newer.batch > (select max(batch) from {{ this }})
            and newer.day is not distinct from prints.day
    )
    {% endif %}";

/// The newest version of each key of a day: a batch has all that is known of its keys.
const BY_DAY: &str = "{{ config(materialized='incremental', incremental_strategy='microbatch',
        unique_key=['id', 'venue', 'day'], event_time='day', batch_size='day',
        begin='2026-01-01') }}
    select distinct on (id, venue, day) id, venue, day, version, seq
    from {{ source('public', 'feed') }}
    order by id, venue, day, version desc, seq desc";

/// The newest version of each key, with other columns in every other piece.
fn with_other_columns() -> String {
    newest_by("id", "unique_key='id', on_schema_change='sync_all_columns'").replace(
        "version, is_deleted",
        "version{% if var('piece') % 2 %}::bigint as version, 'x' || seq as name{% endif %},
            is_deleted{% if var('piece') % 3 %}::text as is_deleted{% endif %}",
    )
}

const SOURCE: &str = "sources:
  - name: public
    tables:
      - {name: feed, config: {event_time: day}}
";

/// Each model with the columns that both ways of building must agree on.
const MODELS: [(&str, &str); 9] = [
    ("by_id", "id, venue, version, is_deleted, seq"),
    ("by_both", "id, venue, version, is_deleted, seq"),
    ("merged_by_id", "id, venue, version, is_deleted, seq"),
    ("merged_by_both", "id, venue, version, is_deleted, seq"),
    ("whole_days", "day, id, seq, batch"),
    ("merged_below", "id, venue, version, is_deleted, seq"),
    ("in_partitions", "id, venue, version, is_deleted, seq"),
    ("by_day", "id, venue, day, version, seq"),
    ("other_columns", "id, venue, version, is_deleted, seq"),
];

fn project() -> Shop {
    Shop::new(&[
        ("models/by_id.sql", &newest_by("id", "unique_key='id'")),
        (
            "models/by_both.sql",
            &newest_by("id, venue", "unique_key=['id', 'venue']"),
        ),
        (
            "models/merged_by_id.sql",
            &newest_by("id", "unique_key='id', incremental_strategy='merge'"),
        ),
        (
            "models/merged_by_both.sql",
            &newest_by(
                "id, venue",
                "unique_key=['id', 'venue'], incremental_strategy='merge'",
            ),
        ),
        ("models/whole_days.sql", WHOLE_DAYS),
        (
            "models/merged_below.sql",
            &newest_by(
                "venue, id",
                "unique_key=['id', 'venue'], incremental_strategy='merge',
                incremental_predicates=['coalesce(DBT_INTERNAL_DEST.id, 0) < 3']",
            ),
        ),
        (
            "models/in_partitions.sql",
            // A row moves to another partition when a version is of another kind.
            &newest_by(
                "id",
                "unique_key='id', partition_by={'column': 'version', 'type': 'range',
                'interval': 2}",
            ),
        ),
        ("models/by_day.sql", BY_DAY),
        ("models/other_columns.sql", &with_other_columns()),
        ("models/sources.yml", SOURCE),
    ])
}

fn literal(value: Option<impl std::fmt::Display>) -> String {
    value.map_or("null".to_owned(), |value| format!("'{value}'"))
}

fn arrive(shop: &Shop, batch: usize, arrivals: &Arrivals) {
    for row in &arrivals.rows {
        let day = literal(row.day.map(|day| format!("2026-01-0{}", day + 1)));
        if arrivals.forgets {
            shop.execute(&format!(
                "delete from public.prints
                where day is not distinct from {day}::date and batch < {batch} and seq % 2 = 0"
            ));
        }
        shop.execute(&format!(
            "with added as (
                insert into public.feed (batch, id, venue, day, version, is_deleted)
                values ({batch}, {}, {}, {day}, {}, {}) returning seq, batch, day, id
            )
            insert into public.prints select * from added",
            literal(row.id),
            literal(row.venue),
            row.version,
            row.is_deleted
        ));
    }
}

/// A run of all days.
fn run(piece: usize, option: &str) -> String {
    format!(
        "msv run --event-time-start 2026-01-01 --event-time-end 2026-01-04 \
         --vars '{{piece: {piece}}}'{option}"
    )
}

const COLUMNS: &str = "select attrelid::regclass::text, attname, format_type(atttypid, atttypmod)
    from pg_attribute inner join pg_class on pg_class.oid = attrelid
    where relnamespace = 'analytics'::regnamespace and attnum > 0 and not attisdropped
        and relkind in ('r', 'p') and not relispartition
    order by 1, 2";

fn contents(shop: &Shop) -> Vec<(String, Vec<String>)> {
    let rows = |(model, columns): &(&str, &str)| {
        let sql = format!("select {columns} from analytics.{model} order by seq, id");
        ((*model).to_owned(), shop.rows(&sql))
    };
    MODELS.iter().map(rows).collect()
}

fn row() -> impl Strategy<Value = Row> {
    let nullable = |most: u8| proptest::option::weighted(0.75, 0..most);
    (
        nullable(3),
        proptest::option::weighted(0.75, any::<bool>()),
        nullable(3),
        0..4u8,
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(id, venue, day, version, is_deleted)| Row {
            id,
            venue,
            day,
            version,
            is_deleted,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, max_shrink_iters: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_applied_in_pieces_equal_the_full_refresh(
        pieces in proptest::collection::vec(
            (proptest::collection::vec(row(), 1..6), any::<bool>())
                .prop_map(|(rows, forgets)| Arrivals { rows, forgets }),
            2..5,
        )
    ) {
        let mut shop = project();
        shop.execute(FEED);
        for (batch, arrivals) in pieces.iter().enumerate() {
            arrive(&shop, batch, arrivals);
            shop.quietly(&run(batch, ""));
        }
        let in_pieces = (contents(&shop), shop.rows(COLUMNS));
        shop.quietly(&run(pieces.len() - 1, " --full-refresh"));
        prop_assert_eq!(in_pieces, (contents(&shop), shop.rows(COLUMNS)));
    }
}
