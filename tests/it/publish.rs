//! Publishing under readers: nobody sees an error or a half, and nothing that hung on the old
//! relation is lost.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use msv::postgres::{Session, catalog};
use msv::relation::Relation;
use msv::run::publish::{
    PublishError, PublishOptions, Published, Way, claim, private_relation, publish_table,
    publish_view, sweep,
};

use crate::support::database::TestDatabase;

fn orders() -> Relation {
    let mut relation = Relation::new("", "shop", "orders");
    relation.database = None;
    relation
}

fn with_schema() -> (TestDatabase, Session) {
    let database = TestDatabase::new();
    let mut session = database.connect();
    run(&mut session, "create schema shop");
    (database, session)
}

fn run(session: &mut Session, sql: &str) {
    session
        .execute(sql)
        .unwrap_or_else(|error| panic!("{sql}\n{error}"));
}

/// All values of a result, separated by spaces.
fn show(session: &mut Session, sql: &str) -> String {
    let rows = session
        .query(sql)
        .unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let values = rows.rows.iter().flatten();
    let texts: Vec<String> = values
        .map(|datum| {
            datum
                .to_text()
                .map_or("null".into(), |text| text.into_owned())
        })
        .collect();
    texts.join(" ")
}

/// Builds the table aside with `select_sql` and publishes it.
fn try_rebuild(session: &mut Session, select_sql: &str) -> Result<Published, PublishError> {
    let private = private_relation(&orders(), "test");
    run(
        session,
        &format!("drop table if exists {private}; create table {private} as {select_sql}"),
    );
    publish_table(session, &orders(), &private, &PublishOptions::default())
}

fn rebuild(session: &mut Session, select_sql: &str) -> Published {
    try_rebuild(session, select_sql).unwrap_or_else(|error| panic!("{error}"))
}

fn view(session: &mut Session, select_sql: &str) -> Published {
    publish_view(session, &orders(), select_sql, &PublishOptions::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn swept(session: &mut Session) -> Vec<String> {
    let found = catalog::list_relations(session, &["shop"]).expect("valid SQL");
    sweep(session, &found).expect("valid SQL")
}

fn relation_names(session: &mut Session) -> String {
    show(
        session,
        "select relname from pg_class where relnamespace = 'shop'::regnamespace order by 1",
    )
}

#[test]
fn a_view_somebody_made_keeps_its_identity_and_grants() {
    let (_database, mut session) = with_schema();
    assert_eq!(
        rebuild(&mut session, "select 1 as id, 'a'::text as note").way,
        Way::Created
    );
    run(
        &mut session,
        "create role shop_reader;
         create view shop.mine with (security_barrier=true) as select * from shop.orders where id > 0;
         create view shop.above as select mine.id, orders.note from shop.mine inner join shop.orders using (id);
         grant select on shop.mine to shop_reader with grant option;
         grant select (id) on shop.orders to shop_reader; grant insert on shop.orders to public;
         comment on table shop.orders is 'it''s 100% ours'; comment on column shop.orders.id is 'key';
         alter table shop.orders set (fillfactor=70)",
    );
    let identity = "select oid, relacl, reloptions from pg_class
        where oid in ('shop.mine'::regclass, 'shop.above'::regclass) order by relname";
    let before = show(&mut session, identity);
    let facts =
        "select relacl, attacl, reloptions, obj_description(c.oid), col_description(c.oid, 1)
        from pg_class c, pg_attribute a
        where c.oid = 'shop.orders'::regclass and attrelid = c.oid and attnum = 1";
    let hanging = show(&mut session, facts);

    let published = rebuild(
        &mut session,
        "select 2 as id, 'b'::text as note, 7 as extra",
    );
    assert_eq!(published.way, Way::Swapped);
    assert_eq!(published.dependents, ["view shop.above", "view shop.mine"]);
    assert_eq!(show(&mut session, identity), before);
    assert_eq!(show(&mut session, facts), hanging);
    assert_eq!(show(&mut session, "select * from shop.above"), "2 b");
    assert_eq!(relation_names(&mut session), "above mine orders");
    run(
        &mut session,
        "drop owned by shop_reader; drop role shop_reader",
    );
}

#[test]
fn readers_see_no_error_while_a_table_is_rebuilt_under_them() {
    let (database, mut session) = with_schema();
    rebuild(
        &mut session,
        "select generate_series(1, 1000) as id, 0 as version",
    );
    run(
        &mut session,
        "create view shop.low as select * from shop.orders;
         create view shop.high as select low.id, orders.version from shop.orders inner join shop.low using (id)",
    );
    let is_done = AtomicBool::new(false);
    let reads = AtomicU32::new(0);
    let errors: Vec<String> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..6)
            .map(|number| {
                let (database, is_done, reads) = (&database, &is_done, &reads);
                scope.spawn(move || {
                    let mut session = database.connect();
                    let mut errors = Vec::new();
                    let name = ["orders", "low", "high"][number % 3];
                    while !is_done.load(Ordering::Relaxed) {
                        let sql =
                            format!("select count(*), count(distinct version) from shop.{name}");
                        match session.query(&sql) {
                            Ok(rows) if format!("{:?}", rows.rows[0]) == "[Int(1000), Int(1)]" => {}
                            Ok(rows) => errors.push(format!("half: {:?}", rows.rows)),
                            Err(error) => errors.push(error.to_string()),
                        }
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                    errors
                })
            })
            .collect();
        let failure = (1..=50).find_map(|version| {
            let select = format!("select generate_series(1, 1000) as id, {version} as version");
            try_rebuild(&mut session, &select).err()
        });
        is_done.store(true, Ordering::Relaxed);
        assert!(failure.is_none(), "{failure:?}");
        readers
            .into_iter()
            .flat_map(|reader| reader.join().expect("readers do not panic"))
            .collect()
    });
    assert_eq!(errors, Vec::<String>::new());
    assert!(reads.load(Ordering::Relaxed) > 50);
    assert_eq!(
        show(&mut session, "select max(version) from shop.high"),
        "50"
    );
}

#[test]
fn two_builders_and_readers_the_wrong_way_round_end_well() {
    let (database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id");
    run(
        &mut session,
        "create view shop.low as select * from shop.orders",
    );
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            // Table before view, in one statement and in one transaction: the way that deadlocks.
            scope.spawn(|| {
                let mut session = database.connect();
                while !is_done.load(Ordering::Relaxed) {
                    run(&mut session, "select from shop.orders, shop.low");
                    run(
                        &mut session,
                        "begin; select from shop.orders; select from shop.low; commit",
                    );
                }
            });
        }
        let builders: Vec<_> = (0..2)
            .map(|number| {
                let database = &database;
                scope.spawn(move || {
                    let mut session = database.connect();
                    for round in 0..5 {
                        let private = private_relation(&orders(), &format!("{number} {round}"));
                        run(
                            &mut session,
                            &format!("create table {private} as select {round} as id"),
                        );
                        publish_table(
                            &mut session,
                            &orders(),
                            &private,
                            &PublishOptions::default(),
                        )
                        .unwrap_or_else(|error| panic!("{error}"));
                    }
                })
            })
            .collect();
        // Readers end in any case, so that a failure is shown and not waited for.
        let outcomes: Vec<_> = builders.into_iter().map(|builder| builder.join()).collect();
        is_done.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(Result::is_ok));
    });
    assert_eq!(show(&mut session, "select * from shop.low"), "4");
    assert_eq!(relation_names(&mut session), "low orders");
}

#[test]
fn what_a_killed_run_left_is_swept_and_a_living_runs_is_not() {
    let (database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id");
    let private = private_relation(&orders(), "killed");
    let mut killed = database.connect();
    let held = claim(&mut killed, &orders(), Duration::ZERO, &mut |_| {}).expect("free");
    assert!(held.is_on(&orders()));
    run(
        &mut killed,
        &format!("create table {private} as select 2 as id"),
    );
    run(&mut session, "create table shop.msv_tmp__of_a_user (a int)");
    assert_eq!(swept(&mut session), Vec::<String>::new());

    let mut told = String::new();
    let error = claim(
        &mut session,
        &orders(),
        Duration::from_millis(150),
        &mut |who| {
            told = who.to_owned();
        },
    )
    .expect_err("it is held");
    let pid = format!("pid {},", killed.backend_pid());
    assert!(
        told.starts_with(&pid) && error.to_string().contains(&pid),
        "{told} {error}"
    );

    let pid = killed.backend_pid();
    run(
        &mut session,
        &format!("select pg_terminate_backend({pid}, 10000)"),
    );
    assert_eq!(swept(&mut session), [private.name()]);
    assert_eq!(relation_names(&mut session), "msv_tmp__of_a_user orders");
    claim(&mut session, &orders(), Duration::ZERO, &mut |_| {})
        .expect("it was given back")
        .release(&mut session);
}

#[test]
fn a_table_becomes_a_view_and_a_table_again() {
    let (_database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id");
    run(
        &mut session,
        "create view shop.mine as select id from shop.orders; grant select on shop.orders to public",
    );
    let oid = show(&mut session, "select 'shop.mine'::regclass::oid");
    assert_eq!(view(&mut session, "select 2 as id").way, Way::Swapped);
    assert_eq!(show(&mut session, "select * from shop.mine"), "2");
    assert_eq!(
        view(&mut session, "select 3 as id, 4 as more").way,
        Way::ReplacedView
    );
    assert_eq!(rebuild(&mut session, "select 5 as id").way, Way::Swapped);
    assert_eq!(show(&mut session, "select * from shop.mine"), "5");
    assert_eq!(show(&mut session, "select 'shop.mine'::regclass::oid"), oid);
    assert_eq!(relation_names(&mut session), "mine orders");
    assert!(
        show(
            &mut session,
            "select relacl from pg_class where oid = 'shop.orders'::regclass"
        )
        .contains("=r/")
    );
}

#[test]
fn a_view_keeps_its_identity_while_its_columns_allow() {
    let (_database, mut session) = with_schema();
    assert_eq!(
        view(&mut session, "select 1 as id, 2 as extra").way,
        Way::Created
    );
    run(
        &mut session,
        "create view shop.mine as select id from shop.orders; comment on view shop.orders is 'ours'",
    );
    assert_eq!(
        view(&mut session, "select 3 as id, 2 as extra, 1 as more").way,
        Way::ReplacedView
    );
    assert_eq!(view(&mut session, "select 4 as id").way, Way::Swapped);
    assert_eq!(show(&mut session, "select * from shop.mine"), "4");
    assert_eq!(
        show(
            &mut session,
            "select obj_description('shop.orders'::regclass)"
        ),
        "ours"
    );

    let error = publish_view(
        &mut session,
        &orders(),
        "select nope",
        &PublishOptions::default(),
    )
    .expect_err("no such column");
    let position = error.database_error().and_then(|error| error.position);
    assert_eq!(position, Some(8), "{error}");
    let itself = publish_view(
        &mut session,
        &orders(),
        "select id::text as id from shop.orders",
        &PublishOptions::default(),
    );
    assert!(
        matches!(itself, Err(PublishError::ReadsItself { .. })),
        "{itself:?}"
    );
    assert_eq!(show(&mut session, "select * from shop.mine"), "4");
    assert!(!session.is_in_transaction());
}

#[test]
fn views_are_made_again_when_a_column_changes_its_type() {
    let (_database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id");
    run(
        &mut session,
        "create role shop_owner; grant all on schema shop to shop_owner;
         create view shop.low with (security_barrier=true) as select id from shop.orders;
         create view shop.high as select low.id as \"Id\" from shop.low inner join shop.orders using (id);
         comment on view shop.high is 'top'; comment on column shop.high.\"Id\" is 'key';
         alter view shop.low alter column id set default 5;
         grant select on shop.high to public; grant select on shop.orders to shop_owner;
         alter view shop.low owner to shop_owner",
    );
    let published = rebuild(&mut session, "select '10'::text as id");
    assert_eq!(published.way, Way::SwappedAndRecreated);
    assert_eq!(published.dependents, ["view shop.high", "view shop.low"]);
    assert_eq!(show(&mut session, "select * from shop.high"), "10");
    assert_eq!(
        show(
            &mut session,
            "select obj_description('shop.high'::regclass), col_description('shop.high'::regclass, 1),
                (select relacl is not null from pg_class where oid = 'shop.high'::regclass),
                (select pg_get_userbyid(relowner) from pg_class where oid = 'shop.low'::regclass),
                (select reloptions from pg_class where oid = 'shop.low'::regclass)"
        ),
        "top key true shop_owner {security_barrier=true}"
    );
    run(
        &mut session,
        "drop owned by shop_owner cascade; drop role shop_owner",
    );
}

#[test]
fn a_view_that_no_longer_compiles_is_named_and_nothing_is_published() {
    let (_database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id, 2 as amount");
    run(
        &mut session,
        "create view shop.mine as select amount from shop.orders",
    );
    let error = try_rebuild(&mut session, "select 3 as id").expect_err("a column is gone");
    let shown = error.to_string();
    assert!(shown.contains("view shop.mine does not compile"), "{shown}");
    assert_eq!(show(&mut session, "select * from shop.orders"), "1 2");
    assert_eq!(show(&mut session, "select * from shop.mine"), "2");
    swept(&mut session);
    assert_eq!(relation_names(&mut session), "mine orders");
}

#[test]
fn rows_are_replaced_under_what_cannot_be_moved() {
    let (_database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id, 2 as amount");
    run(
        &mut session,
        "alter table shop.orders add primary key (id);
         create table shop.line (order_id int references shop.orders); insert into shop.line values (1);
         create materialized view shop.stored as select amount from shop.orders",
    );
    let oid = show(&mut session, "select 'shop.orders'::regclass::oid");
    let private = private_relation(&orders(), "test");
    run(
        &mut session,
        &format!(
            "create table {private} as select 3 as amount, generate_series(1, 2) as id;
             create index on {private} (amount); comment on table {private} is 'new'"
        ),
    );
    let published = publish_table(
        &mut session,
        &orders(),
        &private,
        &PublishOptions::default(),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(published.way, Way::RowsReplaced);
    assert_eq!(
        show(
            &mut session,
            "select id, amount from shop.orders order by id"
        ),
        "1 3 2 3"
    );
    assert_eq!(
        show(&mut session, "select 'shop.orders'::regclass::oid"),
        oid
    );
    assert_eq!(
        show(
            &mut session,
            "select obj_description('shop.orders'::regclass)"
        ),
        "new"
    );
    assert_eq!(
        relation_names(&mut session),
        "line orders orders_amount_idx orders_pkey stored"
    );

    // The key of a line whose order is gone stays, unchecked; with the order back it holds again.
    let orphaned = rebuild(&mut session, "select 9 as id, 1 as amount").warnings;
    assert!(
        orphaned.len() == 1 && orphaned[0].contains("`line_order_id_fkey` of shop.line"),
        "{orphaned:?}"
    );
    assert_eq!(
        show(
            &mut session,
            "select convalidated from pg_constraint where conrelid = 'shop.line'::regclass"
        ),
        "false"
    );
    rebuild(
        &mut session,
        "select generate_series(1, 2) as id, 3 as amount",
    );
    let changed = try_rebuild(&mut session, "select 1 as id, 1::bigint as amount")
        .expect_err("another type")
        .to_string();
    assert!(
        changed.contains("`amount` was integer and becomes bigint"),
        "{changed}"
    );
    assert!(
        changed.contains("materialized view shop.stored"),
        "{changed}"
    );
    assert_eq!(
        show(
            &mut session,
            "select id, amount from shop.orders order by id"
        ),
        "1 3 2 3"
    );
}

#[test]
fn a_function_on_the_tables_rows_is_served_too() {
    let (_database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id");
    run(
        &mut session,
        "create function shop.key(shop.orders) returns int language sql as 'select ($1).id'",
    );
    assert_eq!(
        rebuild(&mut session, "select 2 as id").way,
        Way::RowsReplaced
    );
    assert_eq!(
        show(&mut session, "select shop.key(orders) from shop.orders"),
        "2"
    );
}

#[test]
fn indexes_constraints_and_sequences_keep_their_names() {
    let (_database, mut session) = with_schema();
    let private = private_relation(&orders(), "test");
    for _ in 0..2 {
        run(
            &mut session,
            &format!(
                "create table {private} (id int generated always as identity primary key,
                    amount int check (amount > 0), note text);
                 create index on {private} (amount); create index any_name on {private} (note)"
            ),
        );
        publish_table(
            &mut session,
            &orders(),
            &private,
            &PublishOptions::default(),
        )
        .unwrap_or_else(|error| panic!("{error}"));
        run(
            &mut session,
            "alter index if exists shop.any_name rename to by_note",
        );
    }
    assert_eq!(
        relation_names(&mut session),
        "by_note orders orders_amount_idx orders_id_seq orders_pkey"
    );
    assert_eq!(
        show(
            &mut session,
            "select conname from pg_constraint where conrelid = 'shop.orders'::regclass
                and contype in ('p', 'c') order by 1"
        ),
        "orders_amount_check orders_pkey"
    );
    run(&mut session, "insert into shop.orders (amount) values (1)");
}

#[test]
fn a_reader_who_stays_is_named() {
    let (database, mut session) = with_schema();
    rebuild(&mut session, "select 1 as id");
    let mut reader = database.connect();
    run(&mut reader, "begin; select * from shop.orders");
    let private = private_relation(&orders(), "test");
    run(
        &mut session,
        &format!("create table {private} as select 2 as id"),
    );
    let options = PublishOptions {
        give_up_after: Duration::from_millis(300),
        ..PublishOptions::default()
    };
    let error = publish_table(&mut session, &orders(), &private, &options).expect_err("in use");
    let pid = format!("pid {}", reader.backend_pid());
    assert!(error.to_string().contains(&pid), "{error}");
    run(&mut reader, "commit");
    assert_eq!(
        publish_table(&mut session, &orders(), &private, &options)
            .unwrap_or_else(|error| panic!("{error}"))
            .way,
        Way::Swapped
    );
}

#[test]
fn a_view_on_a_missing_table_fails_without_waiting_for_it() {
    let (_database, mut session) = with_schema();
    let options = PublishOptions {
        give_up_after: Duration::ZERO,
        ..PublishOptions::default()
    };
    let outcome = publish_view(
        &mut session,
        &orders(),
        "select * from shop.nowhere",
        &options,
    );
    let Err(PublishError::Database(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.sqlstate, "42P01");
    assert_eq!(error.position, Some(15));
}
