//! Seeds: CSV files into typed tables.

use indexmap::IndexMap;

use msv::diagnostics::Diagnostic;
use msv::postgres::{Session, catalog};
use msv::relation::Relation;
use msv::run::publish::{PublishOptions, private_relation, publish_table};
use msv::run::seed::{Seed, SeedOptions, load_seed};

use crate::support::database::TestDatabase;

fn table() -> Relation {
    Relation::new("", "public", "fees")
}

fn seed(session: &mut Session, text: &str, types: &[(&str, &str)]) -> Result<u64, Diagnostic> {
    let options = SeedOptions {
        column_types: types
            .iter()
            .map(|(column, sql_type)| ((*column).to_owned(), (*sql_type).to_owned()))
            .collect::<IndexMap<_, _>>(),
        ..SeedOptions::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fees.csv");
    std::fs::write(&path, text).expect("writable");
    let read = Seed::open("seeds/fees.csv", &path, &options)?;
    let private = private_relation(&table(), "test");
    session
        .execute(&format!(
            "drop table if exists {}",
            private.without_database()
        ))
        .expect("valid SQL");
    let rows = load_seed(session, &private, &read)?;
    publish_table(session, &table(), &private, &PublishOptions::default())
        .map_err(|error| error.diagnostic())?;
    Ok(rows)
}

fn show(session: &mut Session, sql: &str) -> String {
    let rows = session.query(sql).expect("valid SQL").rows;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let texts: Vec<String> = row
                .iter()
                .map(|datum| {
                    datum
                        .to_text()
                        .map_or("null".into(), |text| text.into_owned())
                })
                .collect();
            texts.join("|")
        })
        .collect();
    lines.join("\n")
}

#[test]
fn a_file_becomes_a_table_of_its_types() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    let text = "id,name,rate,since,at,is_open,code,order\n\
                1,\"a\tb\\, \"\"c\"\"\nd\",0.5,2026-01-31,2026-01-31T09:30:00,true,007,1\n\
                2,null,1.25,,2026-01-31T10:00:00Z,FALSE,12,\n";
    assert_eq!(
        seed(&mut session, text, &[("code", "varchar(4)")]).expect("loads"),
        2
    );
    let types = catalog::columns(&mut session, "public", "fees").expect("valid SQL");
    let types: Vec<&str> = types
        .iter()
        .map(|column| column.type_name.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "integer",
            "text",
            "double precision",
            "date",
            "timestamp without time zone",
            "boolean",
            "character varying(4)",
            "integer"
        ]
    );
    assert_eq!(
        show(&mut session, "select * from fees order by id"),
        "1|a\tb\\, \"c\"\nd|0.5|2026-01-31|2026-01-31 09:30:00|true|007|1\n\
         2|null|1.25|null|2026-01-31 10:00:00|false|12|null"
    );
}

#[test]
fn a_seed_replaces_its_table_and_keeps_views_on_it() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    seed(&mut session, "id\n1\n", &[]).expect("loads");
    session
        .execute("create view mine as select id from fees")
        .expect("valid SQL");
    assert_eq!(
        seed(&mut session, "id,more\n2,x\n3,y\n", &[]).expect("loads"),
        2
    );
    assert_eq!(show(&mut session, "select * from mine order by 1"), "2\n3");
    assert_eq!(seed(&mut session, "id\n", &[]).expect("loads"), 0);
    assert_eq!(show(&mut session, "select * from mine"), "");
}

#[test]
fn a_value_the_server_refuses_is_shown_in_the_file() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    let error = seed(
        &mut session,
        "id,note,amount\n1,\"two\nlines\",5\n2,y,abc\n",
        &[("amount", "numeric(9,2)")],
    )
    .expect_err("abc is no number");
    assert_eq!(
        error.to_string(),
        "error[MSV0431]: a row of the seed was refused: invalid input syntax for type numeric: \"abc\"
 --> seeds/fees.csv:4:5
  |
4 | 2,y,abc
  |     ^^^ row 2, column `amount` (numeric(9,2))
  |
help: correct the value, or the column's type in `column_types` of the seed's properties"
    );
    let unknown = seed(&mut session, "id\n1\n", &[("id", "nmeric")]).expect_err("no such type");
    assert!(
        unknown.title.contains("type \"nmeric\" does not exist"),
        "{unknown}"
    );
    session.execute("select 1").expect("the session goes on");
}
