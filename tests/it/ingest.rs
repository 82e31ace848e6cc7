//! Loading against a real server: exactly once, whatever comes between.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use msv::market::feeds::FeedOptions;
use msv::market::load::{self, Outcome, Progress, Summary};
use msv::market::simulate;
use msv::postgres::{Datum, Session};

use crate::support::database::TestDatabase;

const HEADER: &str = "event_at,venue,symbol,event_type,order_id,account_id,side,price,quantity,\
                      order_type,time_in_force,trade_id,counterparty_order_id,is_aggressor\n";

/// Everything of the three tables but which file it came from.
const CONTENT: [&str; 3] = [
    "select to_jsonb(e) - 'file_id' - 'line_number' from raw.order_events as e order by event_seq",
    "select to_jsonb(t) - 'file_id' from raw.trades as t order by event_seq",
    "select to_jsonb(b) - 'file_id' from raw.bbo as b order by event_seq",
];

fn ingest(database: &TestDatabase, path: &Path) -> Result<Summary, Vec<String>> {
    ingest_with(database, path, &mut |_| {})
}

fn ingest_with(
    database: &TestDatabase,
    path: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, Vec<String>> {
    load::ingest(
        &FeedOptions::default(),
        &database.options(),
        &[path.to_owned()],
        progress,
    )
    .map_err(|diagnostics| diagnostics.iter().map(|d| d.render(false)).collect())
}

fn lines(session: &mut Session, sql: &str) -> Vec<String> {
    let rows = session.query(sql).expect("valid SQL");
    let text = |row: &Vec<Datum>| {
        let fields: Vec<_> = row
            .iter()
            .map(|datum| datum.to_text().unwrap_or("∅".into()))
            .collect();
        fields.join(" ")
    };
    rows.rows.iter().map(text).collect()
}

fn assert_same_content(left: &TestDatabase, right: &TestDatabase) {
    for sql in CONTENT {
        let (left, right) = (
            lines(&mut left.connect(), sql),
            lines(&mut right.connect(), sql),
        );
        let differing = left.iter().zip(&right).find(|(left, right)| left != right);
        assert_eq!(differing, None);
        assert_eq!(left.len(), right.len());
        assert!(!left.is_empty());
    }
}

fn simulated_day(folder: &Path, events: u64) -> PathBuf {
    let options = simulate::Options {
        seed: 7,
        events,
        symbols: 3,
        episodes_per_rule: Some(1),
        date: "2024-03-01".parse().expect("a date"),
    };
    simulate::simulate(&options, folder).expect("a simulated day");
    folder.join("order_events.csv")
}

#[test]
fn a_folder_loads_once_and_reference_rows_only_when_they_change() {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().expect("a folder");
    let events = simulated_day(folder.path(), 5_000);
    let first = ingest(&database, folder.path()).expect("a loaded folder");
    let written = fs::read_to_string(&events).expect("events").lines().count() as u64 - 1;
    assert_eq!((first.events(), first.rejects()), (written, 0));
    assert_eq!(first.files.iter().map(|file| file.flagged).sum::<u64>(), 0);
    let again = ingest(&database, folder.path()).expect("nothing to do");
    assert!(again.is_unchanged());

    let accounts = folder.path().join("accounts.csv");
    let text = fs::read_to_string(&accounts).expect("accounts");
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    let last = rows.len() - 1;
    let account = rows[last].split(',').next().expect("an id").to_owned();
    rows[last] = format!("{account},t,p,somebody_else,,false,false");
    fs::write(&accounts, rows.join("\n")).expect("a changed file");
    let changed = ingest(&database, folder.path()).expect("a changed row");
    let outcome: Vec<_> = changed
        .files
        .iter()
        .filter(|file| file.outcome != Outcome::Unchanged)
        .map(|file| (file.outcome, file.events))
        .collect();
    assert_eq!(outcome, [(Outcome::Reference, 1)]);

    let copy = folder.path().join("copy.csv");
    fs::copy(&events, &copy).expect("a copy");
    let copied = ingest(&database, &copy).expect("nothing to do");
    assert!(copied.files[0].loaded_as.is_some());
    let count = lines(
        &mut database.connect(),
        "select count(*) from raw.order_events",
    );
    assert_eq!(count, [written.to_string()]);
}

#[test]
fn a_file_that_grows_loads_as_if_it_came_whole() {
    let (whole, grown) = (TestDatabase::new(), TestDatabase::new());
    let folder = tempfile::tempdir().expect("a folder");
    let events = simulated_day(folder.path(), 5_000);
    ingest(&whole, folder.path()).expect("a loaded folder");

    let text = fs::read_to_string(&events).expect("events");
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&events, "").expect("an empty file");
    // A time's rows come together, as a venue writes them.
    let at = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
    let mut from = 0;
    for step in 1..=9 {
        let mut to = if step == 9 {
            all.len()
        } else {
            all.len() * step / 9
        };
        while to < all.len() && at(all[to]) == at(all[to - 1]) {
            to += 1;
        }
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&events)
            .expect("events");
        file.write_all(all[from..to].concat().as_bytes())
            .expect("more lines");
        drop(file);
        from = to;
        let part = ingest(&grown, folder.path()).expect("a loaded part");
        let outcome = part.files.last().expect("the events").outcome;
        assert_eq!(outcome == Outcome::Continued, step > 1);
    }
    assert_same_content(&whole, &grown);
    let files = lines(
        &mut grown.connect(),
        "select status, reject_count from raw.ingested_files where format = 'csv'",
    );
    assert_eq!(files, ["complete 0"]);
}

#[test]
fn a_day_in_several_files_loads_as_if_it_were_one() {
    let (whole, split) = (TestDatabase::new(), TestDatabase::new());
    let folder = tempfile::tempdir().expect("a folder");
    let events = simulated_day(folder.path(), 5_000);
    ingest(&whole, folder.path()).expect("a loaded folder");
    let text = fs::read_to_string(&events).expect("events");
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let at = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
    let mut middle = all.len() / 2;
    while at(all[middle]) == at(all[middle - 1]) {
        middle += 1;
    }
    fs::remove_file(&events).expect("a removed file");
    let write = |name: &str, parts: &[&[&str]]| {
        let text: String = parts.iter().map(|part| part.concat()).collect();
        fs::write(folder.path().join(name), text).expect("a part");
    };
    write("order_events_1.csv", &[&all[..middle]]);
    write("order_events_2.csv", &[&all[..1], &all[middle..]]);
    ingest(&split, folder.path()).expect("both parts");
    assert_same_content(&whole, &split);
}

#[test]
fn a_load_that_is_cut_off_goes_on_where_it_stopped() {
    let (whole, cut) = (TestDatabase::new(), TestDatabase::new());
    let folder = tempfile::tempdir().expect("a folder");
    let events = simulated_day(folder.path(), 40_000);
    ingest(&whole, &events).expect("a loaded file");
    let mut commits = 0;
    let stopped = ingest_with(&cut, &events, &mut |progress| {
        if matches!(progress, Progress::Advanced { .. }) && commits == 0 {
            commits += 1;
            lines(
                &mut cut.connect(),
                "select pg_terminate_backend(pid) from pg_stat_activity \
                 where datname = current_database() and pid <> pg_backend_pid()",
            );
        }
    });
    let message = stopped.expect_err("a cut connection").join("\n");
    assert!(message.contains("MSV0613"), "{message}");
    let part = lines(&mut cut.connect(), "select count(*) from raw.order_events");
    assert_ne!(part, ["0"]);
    let rest = ingest(&cut, &events).expect("the rest");
    assert_eq!(rest.files[0].outcome, Outcome::Continued);
    assert_same_content(&whole, &cut);
}

#[test]
fn two_loads_of_one_file_at_once_load_it_once() {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().expect("a folder");
    let events = simulated_day(folder.path(), 5_000);
    let outcomes = std::thread::scope(|scope| {
        let load = || ingest(&database, &events).expect("a load").files[0].outcome;
        let threads = [scope.spawn(load), scope.spawn(load)];
        threads.map(|thread| thread.join().expect("no panic"))
    });
    assert!(outcomes.contains(&Outcome::Loaded) && outcomes.contains(&Outcome::Unchanged));
}

#[test]
fn a_file_that_changed_otherwise_is_refused_with_help() {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.csv");
    let line = "2024-03-01T09:30:00Z,X,A,new,1,,buy,10,5,limit,day,,,\n";
    fs::write(&path, format!("{HEADER}{line}")).expect("a file");
    ingest(&database, &path).expect("a loaded file");
    fs::write(&path, format!("{HEADER}{}", line.replace("buy", "sell"))).expect("a change");
    let refused = ingest(&database, &path)
        .expect_err("a changed file")
        .join("\n");
    assert!(refused.contains("MSV0608"), "{refused}");
    assert!(refused.contains("help: load the new content under a name of its own"));
}

#[test]
fn lines_that_are_no_events_are_kept_with_their_reason() {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.csv");
    let mut text = HEADER.as_bytes().to_vec();
    text.extend_from_slice(b"2024-03-01T09:30:00Z,X,A,new,1,,buy,10,5,limit,day,,,\r\n");
    text.extend_from_slice(b"03/01/2024 09:30,X,A,new,2,,buy,10,5,limit,day,,,\n");
    text.extend_from_slice(b"\n\xff\xfe,\0\n");
    text.extend_from_slice(b"2024-03-01T09:30:01Z,X,A,cancel,9,,,,,,,,,");
    fs::write(&path, text).expect("a file");
    let summary = ingest(&database, &path).expect("a loaded file");
    assert_eq!((summary.events(), summary.rejects()), (2, 2));
    let rejected = lines(
        &mut database.connect(),
        "select line_number, reason, raw_text from raw.rejected_events order by 1",
    );
    assert_eq!(
        rejected,
        [
            "3 event_at `03/01/2024 09:30` has a date whose day and month could be swapped; \
             write 2024-03-01T09:30:00Z 03/01/2024 09:30,X,A,new,2,,buy,10,5,limit,day,,,",
            "5 holds a NUL byte \u{fffd}\u{fffd},\u{2400}",
        ]
    );
    let flagged = lines(
        &mut database.connect(),
        "select line_number, quality_flags::text from raw.order_events order by 1",
    );
    assert_eq!(flagged, ["2 {}", "6 {unknown_order}"]);
}

#[test]
fn an_alias_and_a_local_day_lead_to_one_instrument() {
    let database = TestDatabase::new();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
    };
    write(
        "instruments.csv",
        "symbol,venue,tick_size,lot_size,currency,session_open,session_close,timezone,\
         liquidity_tier,aliases\n\
         AAPL,XNAS,0.01,1,USD,09:30,16:00,America/New_York,1,AAPL.O|AAPL US\n",
    );
    write(
        "order_events.csv",
        &format!(
            "{HEADER}\
             2024-03-01T14:29:59Z,xnas,aapl.o,N,1,,B,10.005,5,LMT,DAY,,,\n\
             2024-03-01T14:30:00Z,XNAS,AAPL US,new,2,,1,10,5,limit order,0,,,\n\
             2024-03-02T02:00:00Z,XNAS, AAPL,new,3,,S,11,5,Limit,,,,\n\
             2024-03-02T02:00:00Z,XNAS,MSFT,new,4,,S,11,5,Limit,,,,\n"
        ),
    );
    ingest(&database, folder.path()).expect("a loaded folder");
    let rows = lines(
        &mut database.connect(),
        "select trading_date, venue, symbol, side, order_type, order_level, distance_ticks, \
             session_phase, quality_flags::text \
         from raw.order_events order by event_seq",
    );
    assert_eq!(
        rows,
        [
            "2024-03-01 XNAS AAPL buy limit 0 ∅ pre_open {off_tick}",
            "2024-03-01 XNAS AAPL buy limit 2 0 continuous {}",
            "2024-03-01 XNAS AAPL sell limit 0 ∅ closed {}",
            "2024-03-02 XNAS MSFT sell limit 0 ∅ continuous {unknown_instrument}",
        ]
    );
}

/// The sample is not ours to ship: the test runs where `MSV_LOBSTER_SAMPLE` names the file
/// `AAPL_2012-06-21_34200000_37800000_message_50.csv` of lobsterdata.com's free samples.
#[test]
fn an_hour_of_nasdaq_loads_whole_and_never_crosses() {
    let Some(sample) = std::env::var_os("MSV_LOBSTER_SAMPLE").map(PathBuf::from) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: MSV_LOBSTER_SAMPLE names no file"
        );
        return;
    };
    let database = TestDatabase::new();
    let summary = ingest(&database, &sample).expect("a loaded file");
    assert_eq!((summary.events(), summary.rejects()), (91_997, 0));
    let figures = lines(
        &mut database.connect(),
        "select count(*) filter (where best_bid >= best_ask), \
             count(*) filter (where event_type = 'execute'), \
             count(*) filter (where event_type = 'execute' \
                 and order_level <> 1 and not 'unknown_order' = any (quality_flags)) \
         from raw.order_events",
    );
    assert_eq!(figures, ["0 4067 0"]);
}
