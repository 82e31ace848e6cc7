//! Seeds: CSV files into typed tables.

use std::cell::RefCell;

use indexmap::IndexMap;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

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
    let rows = load_seed(session, &private, &read, None)?;
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

/// Spellings of each kind of value; the first kinds are those of nulls.
const SPELLINGS: &[&[&str]] = &[
    &["", "null", " "],
    &[
        "0",
        "7",
        "-12",
        "01",
        "1.0",
        "1e3",
        "$5",
        "1,000",
        "12%",
        "2147483647",
    ],
    &["2147483648", "-9000000000", "9223372036854775807"],
    &["12345678901234567890", "1e30"],
    &[
        "1.50",
        "-0.25",
        ".5",
        "3.",
        "1e-3",
        "NaN",
        "-inf",
        "0.1",
        "-0.0",
        "1234567.891",
    ],
    &["2026-01-31", "2024-2-29", "1899-12-31", "0001-01-01"],
    &[
        "2026-01-31 09:30:00",
        "2026-1-5 9:3:1",
        "1969-12-31 23:59:59",
    ],
    &[
        "2026-01-31T09:30:00",
        "2026-01-31T09:30:00.123456+01:00",
        "20260131T093000Z",
    ],
    &["true", "FALSE", "False"],
    &[
        "x",
        "a\tb\\N",
        "\"quoted\", \"\"\"",
        "two\nlines",
        "\\.",
        "é ‰ 漢",
        "1.2.3",
        "2026-13-01",
    ],
];

/// A file of one id and some columns, larger than what types are guessed from: each column keeps
/// to one kind of value, but for one row.
#[derive(Clone, Debug)]
struct Surprising {
    kinds: Vec<usize>,
    surprise: Vec<(usize, usize)>,
}

impl Surprising {
    fn text(&self, rows: usize, is_last: bool) -> String {
        let value = |kind: usize, at: usize| {
            let spellings = SPELLINGS[kind];
            let value = spellings[at % spellings.len()];
            format!("\"{}\"", value.replace('"', "\"\""))
        };
        let surprise: Vec<String> = self
            .surprise
            .iter()
            .map(|(kind, at)| value(*kind, *at))
            .collect();
        let surprise = format!("0,{}\n", surprise.join(","));
        let names: Vec<String> = (0..self.kinds.len()).map(|at| format!(",c{at}")).collect();
        let mut text = format!("id{}\n", names.concat());
        if !is_last {
            text.push_str(&surprise);
        }
        for row in 1..=rows {
            let values: Vec<String> = self.kinds.iter().map(|kind| value(*kind, row)).collect();
            text.push_str(&format!("{row},{}\n", values.join(",")));
        }
        if is_last {
            text.push_str(&surprise);
        }
        text
    }
}

fn surprising() -> impl Strategy<Value = Surprising> {
    let kind = || 0..SPELLINGS.len();
    prop::collection::vec(
        (
            kind(),
            prop_oneof![Just(None), (kind(), 0..20usize).prop_map(Some)],
        ),
        1..6,
    )
    .prop_map(|columns| Surprising {
        kinds: columns.iter().map(|(kind, _)| *kind).collect(),
        surprise: columns
            .iter()
            .map(|(kind, surprise)| surprise.unwrap_or((*kind, 0)))
            .collect(),
    })
}

/// Whatever types were guessed, and in whichever format rows were sent: the table is the same.
#[test]
fn a_table_is_what_all_values_say() {
    let database = TestDatabase::new();
    let session = RefCell::new(database.connect());
    let mut runner = TestRunner::new(Config::with_cases(12));
    let outcome = runner.run(&surprising(), |file| {
        let mut session = session.borrow_mut();
        // Past what is guessed from: a row has at least these many bytes.
        let rows = 75_000 / (6 + 3 * file.kinds.len());
        let mut contents = |text: &str, types: &[(&str, &str)]| {
            seed(&mut session, text, types).expect("loads");
            let columns = catalog::columns(&mut session, "public", "fees").expect("valid SQL");
            let types = columns
                .iter()
                .filter(|column| column.name != "form")
                .map(|column| format!("{} {}", column.name, column.type_name));
            let types: Vec<String> = types.collect();
            let names: Vec<String> = columns
                .iter()
                .filter(|column| column.name != "form")
                .map(|column| column.name.clone())
                .collect();
            let sum = show(
                &mut session,
                &format!(
                    "select count(*), min(id), md5(string_agg(row({})::text, ';' order by id)) from fees",
                    names.join(", ")
                ),
            );
            (types, sum)
        };
        let last = contents(&file.text(rows, true), &[]);
        let first = contents(&file.text(rows, false), &[]);
        prop_assert_eq!(&last, &first);
        // A type that is only written as text has all columns sent as text.
        let text = file.text(rows, true);
        let text = text.replacen('\n', ",form\n", 1);
        prop_assert_eq!(&contents(&text, &[("form", "char(1)")]), &last);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
