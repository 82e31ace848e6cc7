//! What people set on a relation, or made on it, is still there when it was built again.

use crate::support::shop::Shop;

const TABLE: &str = "{{ config(materialized='table', indexes=[{'columns': ['id']}]) }} \
     select 1 as id, 'x'::text as note";
const VIEW: &str = "select id, 'x'::text as note from raw.orders";

/// What stands under the model's name, and whether it was touched.
const IDENTITY: &str =
    "select oid || ' ' || xmin from pg_class where oid = 'analytics.orders'::regclass";
const LEFT_OVER: &str = "select count(*) from pg_class where relname like 'msv%'";

fn shop(model: &str) -> Shop {
    let mut shop = Shop::new(&[("models/orders.sql", model)]);
    shop.execute("create schema raw; create table raw.orders as select 1 as id");
    shop.quietly("msv run");
    shop
}

/// Runs again; true when the model's relation is another one now.
fn is_exchanged(shop: &mut Shop) -> bool {
    let before = shop.value(IDENTITY);
    shop.quietly("msv run");
    assert_eq!(shop.value(LEFT_OVER), "0");
    let oid = |identity: &str| identity.split(' ').next().map(str::to_owned);
    oid(&before) != oid(&shop.value(IDENTITY))
}

#[test]
fn what_is_set_on_a_table_outlives_its_rebuild() {
    let mut shop = shop(TABLE);
    shop.execute(
        "create table analytics.log (id int);
        create rule told as on insert to analytics.orders do also insert into analytics.log values (new.id);
        create rule \"kept %s\" as on delete to analytics.orders do instead nothing;
        alter table analytics.orders disable rule \"kept %s\";
        comment on rule told on analytics.orders is 'it''s told';
        alter table analytics.orders enable row level security, force row level security;
        create statistics analytics.both (dependencies) on id, note from analytics.orders;
        comment on statistics analytics.both is 'both';
        alter statistics analytics.both set statistics 300;
        alter table analytics.orders alter id set statistics 500, alter id set (n_distinct = -0.5),
            alter note set storage external, alter note set compression pglz,
            set (toast.autovacuum_enabled = false, fillfactor = 80), cluster on orders_id_idx,
            replica identity full;
        comment on index analytics.orders_id_idx is 'of ids'",
    );
    let facts = "select concat_ws(' / ', c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
            c.reloptions, toast.reloptions,
            (select string_agg(concat(attstattarget, attoptions, attstorage, attcompression), ' ' order by attnum)
                from pg_attribute where attrelid = c.oid and attnum > 0),
            (select concat(indisclustered, obj_description(indexrelid)) from pg_index where indrelid = c.oid),
            (select string_agg(pg_get_ruledef(oid) || ev_enabled::text || coalesce(obj_description(oid), ''), ' ' order by rulename)
                from pg_rewrite where ev_class = c.oid),
            (select concat(pg_get_statisticsobjdef(oid), stxstattarget, obj_description(oid))
                from pg_statistic_ext where stxrelid = c.oid))
        from pg_class as c join pg_class as toast on toast.oid = c.reltoastrelid
        where c.oid = 'analytics.orders'::regclass";
    let before = shop.value(facts);
    assert!(
        before.contains("of ids") && before.contains("DELETE TO"),
        "{before}"
    );
    assert!(is_exchanged(&mut shop));
    assert_eq!(shop.value(facts), before);
    // What the planner is told of was gathered, too.
    assert_eq!(
        shop.value("select count(*) from pg_statistic_ext_data"),
        "1"
    );

    // A rule that names a column which is gone hinders; statistics on it just end.
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table') }} select 1 as id",
    );
    assert!(is_exchanged(&mut shop));
    assert_eq!(shop.value("select count(*) from pg_statistic_ext"), "0");
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table') }} select 1 as other",
    );
    let told = shop.run("msv run").transcript().to_owned();
    assert!(
        told.contains("error[MSV0423]: rule told on table analytics.orders does not compile"),
        "{told}"
    );
}

#[test]
fn a_table_that_is_part_of_another_stays_a_part() {
    let mut shop = shop(TABLE);
    shop.execute(
        "create table analytics.all_orders (id int, note text) partition by list (id);
        alter table analytics.all_orders attach partition analytics.orders for values in (1)",
    );
    assert!(!is_exchanged(&mut shop));
    assert_eq!(shop.rows("select * from analytics.all_orders"), ["1 | x"]);

    // The rows of a table that inherits are its own.
    shop.execute(
        "alter table analytics.all_orders detach partition analytics.orders;
        create table analytics.special (reason text) inherits (analytics.orders);
        insert into analytics.special values (7, 'y', 'z')",
    );
    assert!(!is_exchanged(&mut shop));
    assert_eq!(
        shop.rows("select id from analytics.orders order by 1"),
        ["1", "7"]
    );
}

#[test]
fn a_key_made_by_hand_keeps_what_stands_on_it() {
    let mut shop = shop(TABLE);
    shop.execute(
        "alter table analytics.orders add primary key (id);
        create table analytics.lines (order_id int references analytics.orders);
        insert into analytics.lines values (1)",
    );
    assert!(!is_exchanged(&mut shop));
    let keys = "select count(*) from pg_constraint where confrelid = 'analytics.orders'::regclass";
    assert_eq!(shop.value(keys), "1");
    // The query of this view is only correct because of the key.
    shop.execute(
        "drop table analytics.lines;
        create view analytics.grouped as select id, note from analytics.orders group by id",
    );
    assert!(!is_exchanged(&mut shop));
    assert_eq!(shop.rows("select * from analytics.grouped"), ["1 | x"]);
}

#[test]
fn rows_that_are_replaced_bring_constraints_and_names_of_indexes_along() {
    let model = "{{ config(materialized='table', contract={'enforced': true}) }} \
         select 1 as id, 'x'::text as note";
    let mut shop = Shop::new(&[("models/orders.sql", model)]);
    let models = |id: &str, note: &str| {
        format!(
            "models: [{{name: orders, columns: [{{name: id, data_type: int, constraints: [{id}]}}, \
             {{name: note, data_type: text, constraints: [{note}]}}]}}]"
        )
    };
    shop.write(
        "models/orders.yml",
        &models("{type: check, expression: 'id < 9'}", ""),
    );
    shop.quietly("msv run");
    shop.execute("create materialized view analytics.stored as select * from analytics.orders");
    shop.write(
        "models/orders.yml",
        &models(
            "{type: not_null}, {type: check, expression: 'id > 9'}",
            "{type: unique}",
        ),
    );
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table', contract={'enforced': true}, \
         storage_parameters={'fillfactor': 70}, \
         indexes=[{'columns': ['id', 'note'], 'name': 'by_both'}]) }} \
         select 10 as id, 'x'::text as note",
    );
    assert!(!is_exchanged(&mut shop));
    assert_eq!(
        shop.rows(
            "select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
            where conrelid = 'analytics.orders'::regclass order by 1"
        ),
        [
            "orders_id_check CHECK ((id > 9))",
            "orders_note_key UNIQUE (note)"
        ]
    );
    assert_eq!(
        shop.rows("select indexname from pg_indexes where tablename = 'orders' order by 1"),
        ["by_both", "orders_note_key"]
    );
    let is_not_null = "select attnotnull from pg_attribute
        where attrelid = 'analytics.orders'::regclass and attname = 'id'";
    assert_eq!(shop.value(is_not_null), "true");
    let options = "select reloptions from pg_class where oid = 'analytics.orders'::regclass";
    assert_eq!(shop.value(options), "{fillfactor=70}");
    // Nothing of it is made twice.
    assert!(!is_exchanged(&mut shop));

    shop.execute("create rule kept as on delete to analytics.orders do instead nothing");
    let told = shop.run("msv run").transcript().to_owned();
    assert!(
        told.contains("its rule kept would change what is written to it"),
        "{told}"
    );
}

#[test]
fn a_view_keeps_what_is_set_on_it() {
    let mut shop = shop(VIEW);
    shop.execute(
        "alter view analytics.orders set (security_barrier = true, check_option = 'local');
        alter view analytics.orders alter id set default 3;
        create rule kept as on insert to analytics.orders do instead nothing",
    );
    let untouched = shop.value(IDENTITY);
    shop.quietly("msv run");
    assert_eq!(shop.value(IDENTITY), untouched);
    // A hook runs all the same.
    shop.write(
        "models/orders.sql",
        &format!("{{{{ config(post_hook='create table hooked ()') }}}} {VIEW}"),
    );
    shop.quietly("msv run");
    assert_eq!(shop.value("select to_regclass('hooked')"), "hooked");
    assert_eq!(shop.value(IDENTITY), untouched);

    let facts = "select concat_ws(' / ', reloptions, pg_get_ruledef(r.oid), pg_get_expr(adbin, adrelid))
        from pg_class as c join pg_rewrite as r on ev_class = c.oid join pg_attrdef on adrelid = c.oid
        where c.oid = 'analytics.orders'::regclass and rulename = 'kept'";
    for (query, is_another) in [
        (
            "select 2 + id as id, 'x'::text as note from raw.orders",
            false,
        ),
        ("select 2::bigint as id, 'x'::text as note", true),
    ] {
        shop.write("models/orders.sql", query);
        assert_eq!(is_exchanged(&mut shop), is_another);
        let facts = shop.value(facts);
        assert!(
            facts.starts_with("{security_barrier=true} / CREATE RULE kept")
                && facts.ends_with("/ 3"),
            "{facts}"
        );
    }
}

#[test]
fn views_that_are_made_again_keep_their_rules_and_comments() {
    let mut shop = shop(TABLE);
    shop.execute(
        "create view analytics.mine as select * from analytics.orders;
        create rule kept as on insert to analytics.mine do instead nothing;
        comment on rule kept on analytics.mine is 'no inserts';
        create function analytics.nothing() returns trigger language plpgsql as 'begin return null; end';
        create trigger quiet instead of update on analytics.mine
            for each row execute function analytics.nothing();
        comment on trigger quiet on analytics.mine is 'no updates'",
    );
    let facts =
        "select obj_description(r.oid) || ', ' || obj_description(t.oid) from pg_rewrite as r
        join pg_trigger as t on tgrelid = ev_class where rulename = 'kept'";
    shop.write(
        "models/orders.sql",
        "{{ config(materialized='table') }} select 1::bigint as id, 'x'::text as note",
    );
    assert!(is_exchanged(&mut shop));
    assert_eq!(shop.value(facts), "no inserts, no updates");

    // A function that takes rows of the view cannot follow another type.
    shop.execute(
        "create function analytics.key(analytics.mine) returns bigint language sql as 'select ($1).id';
        create index on analytics.orders (id)",
    );
    assert!(is_exchanged(&mut shop));
    shop.write("models/orders.sql", TABLE);
    let told = shop.run("msv run").transcript().to_owned();
    assert!(
        told.contains("error[MSV0424]")
            && told.contains(
                "note: function analytics.key(analytics.mine) depends on type analytics.mine\n"
            ),
        "{told}"
    );
}

#[test]
fn a_name_that_a_sequence_or_a_type_has_is_told_at_once() {
    let mut shop = Shop::new(&[
        ("models/orders.sql", TABLE),
        ("models/latest.sql", "select 1 as id"),
    ]);
    shop.execute(
        "create schema analytics; create sequence analytics.orders;
        create type analytics.latest as enum ('a')",
    );
    let told = shop.run("msv run").transcript().to_owned();
    assert!(
        told.contains("cannot be published: the sequence analytics.orders has its name")
            && told.contains("cannot be published: the type analytics.latest has its name"),
        "{told}"
    );
    assert_eq!(shop.value(LEFT_OVER), "0");
}

#[test]
fn names_of_indexes_that_collide_are_the_same_at_every_build() {
    let long = "x".repeat(60);
    let model = |letter: &str| {
        format!(
            "{{{{ config(materialized='table', alias='{long}{letter}\\'s', \
             indexes=[{{'columns': ['id']}}, {{'columns': ['id'], 'name': 'by_id', 'unique': true}}], \
             grants={{'select': ['pg_monitor']}}) }}}} select 1 as id"
        )
    };
    let long_names = [("models/a.sql", model("a")), ("models/b.sql", model("b"))];
    let mut shop = Shop::new(
        &long_names
            .each_ref()
            .map(|(path, text)| (*path, text.as_str())),
    );
    let names = "select indexname from pg_indexes where schemaname = 'analytics' order by 1";
    shop.quietly("msv run");
    let before = shop.rows(names);
    assert!(
        before.len() == 4 && before.iter().all(|name| !name.starts_with("msv")),
        "{before:?}"
    );
    shop.quietly("msv run");
    assert_eq!(shop.rows(names), before);
}
