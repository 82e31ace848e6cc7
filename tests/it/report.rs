//! `msv report` against a database: no tables, no alerts, and alerts.

use std::fs;

use msv::cli::report::{ReportArgs, run};
use msv::report::page::AlertFacts;

use crate::support::database::TestDatabase;

const ORDERS: &str = "
create schema raw;
create table raw.order_events (trading_date date, event_seq bigint, primary key (trading_date, event_seq));
insert into raw.order_events values ('2024-03-01', 1), ('2024-03-01', 2), ('2024-03-04', 1);
create table raw.ingested_files (file_id bigint, event_count bigint, reject_count bigint);
insert into raw.ingested_files values (1, 3, 1), (2, 0, 0);
create table raw.instruments (venue text, symbol text, timezone text);
insert into raw.instruments values ('XNAS', 'ALFA', 'America/New_York'), ('XLON', 'BRVO', 'Europe/London');
";

const ALERTS: &str = "
create schema marts;
create table marts.fct_alerts (
    alert_id text, rule_id text, kind text, mode text, venue text, symbol text, owner_id text,
    trading_date date, started_at timestamptz, ended_at timestamptz, severity text, score numeric,
    score_magnitude numeric, score_conditionality numeric, score_price_effect numeric,
    score_repetition numeric, score_benefit numeric, episode_count int, estimated_gain numeric,
    narrative text
);
";

const ROWS: &str = "
insert into marts.fct_alerts values
('a1', 'spoofing', 'spoofing', 'participant', 'XNAS', 'ALFA', 'OWN-1', '2024-03-01',
 '2024-03-01 14:31:00.250Z', '2024-03-01 14:31:01Z', 'critical', 81.5, 1, 0.9, 0.5, 0.6, null, 2, null,
 'Bought 100 & withdrew 4,000 <of 4,000>.'),
('a2', 'wash_trade', null, 'anonymous', 'XNAS', 'ALFA', null, '2024-03-04',
 '2024-03-04 15:00:00Z', '2024-03-04 15:00:00Z', 'low', 12, 0, 0, 0, 0, 0, 1, 0, null);
";

fn report(database: &TestDatabase) -> (AlertFacts, String) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.html");
    let args = ReportArgs { out: out.clone() };
    let facts = run(&args, &mut database.connect(), "surveillance").unwrap();
    (facts, fs::read_to_string(out).unwrap())
}

#[test]
fn an_empty_database_gives_a_page_that_says_what_to_run() {
    let (facts, page) = report(&TestDatabase::new());
    assert_eq!(facts, AlertFacts::default());
    assert!(page.contains("No orders have been loaded"));
}

#[test]
fn orders_without_alerts_are_counted() {
    let database = TestDatabase::new();
    database.connect().execute(ORDERS).unwrap();
    let (facts, page) = report(&database);
    assert_eq!(facts.coverage.event_count, 3);
    assert_eq!(facts.coverage.reject_count, 1);
    assert_eq!(facts.coverage.day_count, 2);
    assert!(page.contains("The rules have not run"));

    database.connect().execute(ALERTS).unwrap();
    let (facts, page) = report(&database);
    assert_eq!((facts.alert_count, facts.coverage.file_count), (0, 1));
    assert!(page.contains("No rule fired"));
}

#[test]
fn alerts_are_shown_in_the_time_of_their_exchange() {
    let database = TestDatabase::new();
    let mut session = database.connect();
    for statements in [ORDERS, ALERTS, ROWS] {
        session.execute(statements).unwrap();
    }
    let (facts, page) = report(&database);
    assert_eq!(facts.timezone, "America/New_York");
    assert_eq!((facts.alert_count, facts.symbol_count), (2, 1));
    assert_eq!(facts.top_alerts[0].started_at, "09:31:00.250");
    assert_eq!(facts.top_alerts[0].duration_seconds, 0.75);
    assert_eq!(facts.by_minute[0].key, "09:31");
    assert!(page.contains("Bought 100 &amp; withdrew 4,000 &lt;of 4,000&gt;."));
    assert!(page.contains("unattributed"));
    assert!(page.contains("2024-03-01 to 2024-03-04"));

    let again = report(&database).0;
    assert_eq!(facts, again);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let args = ReportArgs {
        out: "/nowhere/report.html".into(),
    };
    let database = TestDatabase::new();
    let error = run(&args, &mut database.connect(), "surveillance").unwrap_err();
    assert_eq!(error.code, "MSV0701");
    assert!(error.title.contains("/nowhere/report.html"));
}
