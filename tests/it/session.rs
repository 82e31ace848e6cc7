//! Sessions against a real server.

use std::time::Duration;

use msv::postgres::{CopyText, Datum, Session, catalog};

use crate::support::database::TestDatabase;

#[test]
fn values_come_back_exactly() {
    let database = TestDatabase::new();
    let rows = database
        .connect()
        .query(
            "select 1; select 1::numeric(18,4) as n, array[1, null], '{\"a\": 1}'::jsonb,
             timestamptz '2026-01-31 09:30:00.123456+01', date '2026-01-31', bytea '\\x00ff',
             array['a b', 'c,d', 'NULL'], int4range(1, 3), 0.1::float8, null::text,
             9007199254740993::bigint, 'ä'::text, true",
        )
        .expect("valid SQL");
    let shown: Vec<String> = rows.rows[0]
        .iter()
        .map(|datum| datum.to_json().to_string())
        .collect();
    assert_eq!(
        shown,
        [
            "1.0",
            "[1,null]",
            "{\"a\":1}",
            "\"2026-01-31 08:30:00.123456+00\"",
            "\"2026-01-31\"",
            "\"\\\\x00ff\"",
            "[\"a b\",\"c,d\",\"NULL\"]",
            "\"[1,3)\"",
            "0.1",
            "null",
            "9007199254740993",
            "\"ä\"",
            "true"
        ]
    );
    assert_eq!(rows.rows[0][0], Datum::Numeric("1.0000".into()));
    assert_eq!(rows.columns[8 - 1].type_name, "int4range");
    assert_eq!(rows.columns[0].name, "n");
}

#[test]
fn an_empty_result_still_has_columns() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    let names = |session: &mut Session, sql: &str| -> Vec<String> {
        let rows = session.query(sql).expect("valid SQL");
        rows.columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.type_name))
            .collect()
    };
    assert_eq!(
        names(&mut session, "select 1 as a, 'x'::text as b where false"),
        ["a integer", "b text"]
    );
    session
        .execute("create table t (a int)")
        .expect("valid SQL");
    session.begin().expect("no transaction is open");
    assert_eq!(names(&mut session, "select * from t"), ["a integer"]);
    session
        .execute("alter table t add column b text")
        .expect("still in a working transaction");
    assert_eq!(
        names(&mut session, "select * from t"),
        ["a integer", "b text"]
    );
    session.commit().expect("nothing failed");
}

#[test]
fn a_commit_after_a_failed_statement_is_an_error() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    session.begin().expect("no transaction is open");
    let error = session.query("select nope").expect_err("no such column");
    assert_eq!(
        (error.sqlstate.as_str(), error.position),
        ("42703", Some(8))
    );
    assert!(session.commit().is_err());
    assert!(!session.is_in_transaction());
    session.execute("select 1").expect("the session goes on");
}

#[test]
fn a_copy_loads_all_or_nothing_and_leaves_the_session_in_step() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    session
        .execute("create table t (a int, b text)")
        .expect("valid SQL");
    let mut rows = CopyText::default();
    for number in 0..50_000 {
        rows.plain(number)
            .text("tab\t, line\n, back\\slash")
            .end_row();
    }
    let mut copy = session.copy_in("copy t from stdin").expect("t exists");
    copy.send(rows.as_bytes()).expect("the server listens");
    assert_eq!(copy.finish().expect("valid rows"), 50_000);

    let mut aborted = session.copy_in("copy t from stdin").expect("t exists");
    aborted.send(b"1\tx\n").expect("the server listens");
    aborted.abort("no more").expect("the server takes it");
    let mut refused = session.copy_in("copy t from stdin").expect("t exists");
    refused
        .send(b"not a number\tx\n")
        .expect("errors come later");
    for _ in 0..20 {
        refused.send(&[b'9'; 100_000]).expect("errors come later");
    }
    drop(refused);

    let mut bad = session.copy_in("copy t from stdin").expect("t exists");
    bad.send(b"not a number\tx\n").expect("errors come later");
    let error = bad.finish().expect_err("not a number");
    assert_eq!(error.sqlstate, "22P02");
    let count = session
        .query("select count(*), min(b) from t")
        .expect("in step");
    assert_eq!(count.rows[0][0], Datum::Int(50_000));
    assert_eq!(
        count.rows[0][1].as_str(),
        Some("tab\t, line\n, back\\slash")
    );
}

#[test]
fn a_running_statement_is_cancelled_from_another_thread() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    let canceller = session.canceller();
    let waiter = std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(50));
            if canceller.cancel().expect("the server answers") {
                return;
            }
        }
    });
    let error = loop {
        // A cancel that comes before the statement is lost: the next one is sent to the next.
        if let Err(error) = session.execute("select pg_sleep(600)") {
            break error;
        }
    };
    waiter.join().expect("it ended");
    assert!(error.is_cancelled());
    session.execute("select 1").expect("the session goes on");
}

#[test]
fn a_lost_connection_is_told_and_not_used_again() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    let pid = session.backend_pid();
    database
        .connect()
        .execute(&format!("select pg_terminate_backend({pid})"))
        .expect("the same role");
    let error = session.execute("select 1").expect_err("it was ended");
    assert!(error.is_connection_lost() && error.is_transient());
    assert!(!session.is_usable());
    assert!(session.execute("select 1").is_err());
}

#[test]
fn the_catalog_knows_types_with_their_modifiers() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    let columns = catalog::query_columns(
        &mut session,
        "select 1::numeric(18, 4) as a, 'x'::varchar(7) as b, array[1.5::numeric(5, 2)] as c",
    )
    .expect("valid SQL");
    let types: Vec<&str> = columns.iter().map(|c| c.type_name.as_str()).collect();
    assert_eq!(
        types,
        ["numeric(18,4)", "character varying(7)", "numeric(5,2)[]"]
    );
    assert_eq!(
        (columns[0].numeric_precision, columns[0].numeric_scale),
        (Some(18), Some(4))
    );
}

#[test]
fn dependents_come_topmost_first() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    session
        .execute(
            "create table t (a int primary key); create view low as select a from t;
             create view high as select low.a from low inner join t on t.a = low.a;
             create materialized view stored as select a from low;
             create table child (a int references t)",
        )
        .expect("valid SQL");
    let table = catalog::get_relation(&mut session, "public", "t")
        .expect("valid SQL")
        .expect("just made");
    let found: Vec<String> = catalog::dependents(&mut session, table.oid)
        .expect("valid SQL")
        .iter()
        .map(|dependent| dependent.description.clone())
        .collect();
    assert_eq!(found[..2], ["view high", "materialized view stored"]);
    assert!(found.contains(&"view low".to_owned()));
    assert!(found.iter().any(|text| text.contains("child_a_fkey")));
    assert_eq!(found.len(), 4);
}

#[test]
fn two_sessions_may_create_the_same_schema() {
    let database = TestDatabase::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                catalog::create_schema_if_absent(&mut database.connect(), "shared")
                    .expect("the second finds it")
            });
        }
    });
    let schemas = catalog::list_schemas(&mut database.connect()).expect("valid SQL");
    assert_eq!(schemas, ["public", "shared"]);
}

#[test]
fn a_profile_for_a_test_database_names_it() {
    let database = TestDatabase::new();
    let text = database.profiles_yml("shop", "analytics");
    assert!(text.starts_with("shop:\n"));
    assert!(text.contains(&format!("dbname: {}\n", database.options().dbname)));
}
