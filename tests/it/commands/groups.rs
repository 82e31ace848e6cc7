//! Nodes that are ready at the same time are built in one call, and by themselves where it fails.

use insta::assert_snapshot;

use crate::support::shop::Shop;

/// Tables and views over a source, each with tests.
fn shop() -> Shop {
    let mut files = vec![(
        "models/raw.yml".to_owned(),
        "sources: [{name: raw, tables: [{name: numbers}]}]\n".to_owned(),
    )];
    let mut models = String::from("models:\n");
    for (name, materialized) in [("a", "view"), ("b", "table"), ("c", "view"), ("d", "table")] {
        files.push((
            format!("models/{name}.sql"),
            format!(
                "{{{{ config(materialized='{materialized}') }}}}\n\
                 select id, name from {{{{ source('raw', 'numbers') }}}} -- {name}"
            ),
        ));
        models.push_str(&format!(
            "  - name: {name}\n    columns:\n      - name: id\n        \
             data_tests: [unique, not_null]\n      - name: name\n        data_tests:\n          \
             - accepted_values: {{arguments: {{values: [x, y]}}, config: {{severity: warn}}}}\n"
        ));
    }
    files.push(("models/models.yml".to_owned(), models));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let shop = Shop::new(&files);
    shop.execute(
        "create schema raw; create table raw.numbers as
        select * from (values (1, 'x'), (2, 'y')) as numbers (id, name)",
    );
    shop
}

const TRANSACTIONS: &str = "select count(distinct xmin::text) from pg_class \
     where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'v')";
const OIDS: &str = "select relname, oid from pg_class \
     where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'v') order by 1";

#[test]
fn ready_nodes_are_built_in_one_transaction() {
    let mut shop = shop();
    shop.quietly("msv build");
    assert_eq!(shop.value(TRANSACTIONS), "1");
    let before = shop.rows(OIDS);
    shop.execute("insert into raw.numbers values (3, 'y')");
    shop.quietly("msv build");
    let after = shop.rows(OIDS);
    // Views that mean the same are not touched, and small tables stay where they are.
    assert_eq!(before, after);
    assert_eq!(shop.value("select count(*) from analytics.b"), "3");
    assert_eq!(
        shop.value(
            "select count(*) from pg_locks where locktype = 'advisory' and database =
            (select oid from pg_database where datname = current_database())"
        ),
        "0"
    );
}

#[test]
fn what_goes_wrong_in_a_group_goes_wrong_for_its_own_node() {
    let mut shop = shop();
    shop.execute("insert into raw.numbers values (3, 'z')");
    shop.write("models/c.sql", "select id, name from raw.nubmers");
    shop.run("msv build");
    shop.write(
        "models/d.sql",
        "{{ config(materialized='table') }}\nselect 1 as id, name from raw.numbers",
    );
    shop.write("models/c.sql", "select id, name from raw.numbers");
    shop.run("msv build");
    shop.ask(
        "select (select count(distinct id) from analytics.d) as kept, count(*) from analytics.c",
    );
    shop.ask("select count(*) from pg_class where relname like 'msv%'");
    assert_snapshot!(shop.transcript());
}

/// Only a table that would be made the same again may get its rows in place.
#[test]
fn a_table_with_other_columns_is_another_table() {
    let mut shop = shop();
    shop.quietly("msv run");
    shop.execute("create view public.on_b as select id from analytics.b");
    shop.write(
        "models/b.sql",
        "{{ config(materialized='table') }} select id, name::varchar(9), 1 as one \
         from {{ source('raw', 'numbers') }}",
    );
    shop.write(
        "models/d.sql",
        "{{ config(materialized='table') }} select name, id from {{ source('raw', 'numbers') }}",
    );
    shop.quietly("msv run");
    shop.ask(
        "select relname, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '
            order by attnum)
        from pg_attribute inner join pg_class on pg_class.oid = attrelid
        where attrelid in ('analytics.b'::regclass, 'analytics.d'::regclass) and attnum > 0
        group by 1 order by 1",
    );
    shop.ask("select count(*) from public.on_b");
    assert_snapshot!(shop.transcript());
}

#[test]
fn what_hangs_on_a_table_hangs_on_the_next_one() {
    let mut shop = shop();
    shop.quietly("msv run");
    shop.execute(
        "create view public.on_b as select id from analytics.b;
        comment on table analytics.d is 'by hand';
        alter table analytics.d set (fillfactor = 50)",
    );
    shop.quietly("msv run");
    assert_eq!(shop.value("select count(*) from public.on_b"), "2");
    assert_eq!(
        shop.value(
            "select obj_description(oid) || ' ' || reloptions::text from pg_class
            where oid = 'analytics.d'::regclass"
        ),
        "by hand {fillfactor=50}"
    );
}

/// A template that asks the server is rendered when its turn comes, and only then.
#[test]
fn templates_that_ask_the_server_do_so_once() {
    let mut shop = shop();
    shop.execute("create table raw.asked (at timestamptz)");
    shop.write(
        "models/c.sql",
        "{% if execute %}{% do run_query('insert into raw.asked values (now())') %}{% endif %}\
         select id, name from {{ source('raw', 'numbers') }}",
    );
    shop.quietly("msv build");
    assert_eq!(shop.value("select count(*) from raw.asked"), "1");
}

/// What takes long is built by itself, and is not cut off.
#[test]
fn a_slow_node_leaves_its_group() {
    let mut shop = shop();
    shop.write(
        "models/c.sql",
        "{{ config(materialized='table') }}\n\
         select id, name from {{ source('raw', 'numbers') }}, pg_sleep(0.4)",
    );
    shop.quietly("msv build");
    assert_eq!(shop.value("select count(*) from analytics.c"), "2");
    assert_eq!(shop.value("select count(*) from analytics.d"), "2");
}
