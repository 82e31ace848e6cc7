//! Commands that are killed, interrupted, or run twice at once.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use msv::market::simulate;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::shop::Shop;

/// Names under which runs build aside.
const LEFT_OVER: &str = "select count(*) from pg_class where relname ~ '^msv_(tmp|old)__'";

/// Builds only while nobody holds the advisory lock 1.
const SLOW: &str = "\
{{ config(materialized='table') }}
select 1 as id, pg_advisory_lock_shared(1)::text as waited";

const IS_WAITING: &str = "select count(*) > 0 from pg_stat_activity \
    where datname = current_database() and wait_event_type = 'Lock'";
const NOBODY_ELSE: &str = "select count(*) = 0 from pg_stat_activity \
    where datname = current_database() and pid <> pg_backend_pid()";

fn slow_shop() -> Shop {
    Shop::new(&[
        ("seeds/orders.csv", "id,symbol\n1,AAA\n2,BBB\n"),
        ("models/slow.sql", SLOW),
        (
            "models/after.sql",
            "{{ config(materialized='table') }}\nselect id from {{ ref('slow') }}",
        ),
        (
            "models/beside.sql",
            "{{ config(materialized='table') }}\nselect * from {{ ref('orders') }}",
        ),
    ])
}

fn spawn(shop: &Shop, line: &str) -> Child {
    shop.command(line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn said(shop: &Shop, output: &Output) -> String {
    format!(
        "{}{}[{}]",
        shop.steady(&output.stdout),
        shop.steady(&output.stderr),
        output.status
    )
}

fn assert_built(shop: &Shop) {
    assert_eq!(shop.value(LEFT_OVER), "0");
    let counts = "select (select count(*) from analytics.orders), \
        (select count(*) from analytics.slow), (select count(*) from analytics.after), \
        (select count(*) from analytics.beside)";
    assert_eq!(shop.value(counts), "2 | 1 | 1 | 2");
}

#[test]
fn a_build_killed_in_a_query_leaves_no_backend_and_is_completed_by_the_next() {
    let mut shop = slow_shop();
    let mut gate = shop.connect();
    gate.execute("select pg_advisory_lock(1)").unwrap();
    let build = spawn(&shop, "msv build");
    shop.wait_until(IS_WAITING);
    kill(build);
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    drop(gate);
    shop.wait_until(NOBODY_ELSE);
    shop.quietly("msv build");
    assert_built(&shop);
}

#[test]
fn a_query_of_a_killed_build_ends_although_it_waits() {
    let shop = slow_shop();
    let mut gate = shop.connect();
    gate.execute("select pg_advisory_lock(1)").unwrap();
    let build = spawn(&shop, "msv build --select slow");
    shop.wait_until(IS_WAITING);
    kill(build);
    shop.wait_until(
        "select count(*) = 1 from pg_stat_activity \
        where datname = current_database() and pid <> pg_backend_pid()",
    );
}

#[test]
fn a_build_killed_while_it_publishes_harms_no_reader_and_is_completed_by_the_next() {
    let mut shop = slow_shop();
    shop.quietly("msv build");
    // With an index it cannot just be given new rows.
    shop.execute("create index on analytics.slow (id)");
    let before = shop.value("select 'analytics.slow'::regclass::oid");
    let mut reader = shop.connect();
    reader.execute("begin").unwrap();
    reader.execute("select * from analytics.slow").unwrap();
    let build = spawn(&shop, "msv build --select slow");
    shop.wait_until(IS_WAITING);
    assert_eq!(shop.value(LEFT_OVER), "1");
    kill(build);
    reader
        .execute("select id, waited from analytics.slow")
        .unwrap();
    reader.execute("commit").unwrap();
    drop(reader);
    shop.wait_until(NOBODY_ELSE);
    assert_eq!(shop.value("select 'analytics.slow'::regclass::oid"), before);
    shop.quietly("msv build");
    assert_built(&shop);
}

#[test]
fn builds_killed_at_any_moment_are_completed_by_the_next() {
    let mut shop = slow_shop();
    for milliseconds in [15, 40, 70, 100, 140, 190, 250, 320] {
        let build = spawn(&shop, "MSV_THREADS=2 msv build");
        std::thread::sleep(Duration::from_millis(milliseconds));
        kill(build);
    }
    shop.quietly("msv build");
    shop.wait_until(NOBODY_ELSE);
    assert_built(&shop);
}

#[test]
fn a_killed_load_is_completed_by_the_next() {
    let mut shop = Shop::new(&[]);
    let options = simulate::Options {
        seed: 11,
        events: 60_000,
        symbols: 3,
        episodes_per_rule: Some(1),
        date: "2024-03-01".parse().unwrap(),
    };
    simulate::simulate(&options, &shop.path().join("day")).unwrap();
    let has_events = "select to_regclass('raw.order_events') is not null";
    let ingest = spawn(&shop, "msv ingest day");
    shop.wait_until(has_events);
    shop.wait_until("select count(*) > 0 from raw.order_events");
    kill(ingest);
    let after_kill: u64 = shop
        .value("select count(*) from raw.order_events")
        .parse()
        .unwrap();
    assert!(after_kill < 60_000, "killed too late: {after_kill}");
    for milliseconds in [50, 200, 450] {
        let ingest = spawn(&shop, "msv ingest day");
        std::thread::sleep(Duration::from_millis(milliseconds));
        kill(ingest);
    }
    shop.quietly("msv ingest day");
    shop.quietly("msv ingest day");
    let lines = std::fs::read_to_string(shop.path().join("day/order_events.csv")).unwrap();
    let expected = lines.lines().count() - 1;
    assert_eq!(
        shop.value(
            "select count(*), count(distinct event_seq), count(distinct line_number) \
            from raw.order_events"
        ),
        format!("{expected} | {expected} | {expected}")
    );
    shop.wait_until(NOBODY_ELSE);
}

#[test]
fn an_interrupted_build_cancels_its_queries_and_says_what_was_left() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut shop = slow_shop();
        let mut gate = shop.connect();
        gate.execute("select pg_advisory_lock(1)").unwrap();
        let build = spawn(&shop, "msv build --select slow after");
        shop.wait_until(IS_WAITING);
        send(&build, signal);
        let output = build.wait_with_output().unwrap();
        assert_snapshot!("interrupted", said(&shop, &output));
        assert_eq!(shop.value(LEFT_OVER), "0");
        // The gate is still closed: the query ended because it was cancelled.
        assert_eq!(
            shop.value(
                "select count(*) from pg_locks where not granted and database = \
                (select oid from pg_database where datname = current_database())"
            ),
            "0"
        );
        drop(gate);
        shop.quietly("msv retry");
        assert_eq!(shop.value("select count(*) from analytics.after"), "1");
    }
}

#[test]
fn two_builds_at_once_build_each_relation_once() {
    let mut shop = slow_shop();
    shop.write(
        "models/history.sql",
        "{{ config(materialized='incremental', incremental_strategy='append') }}\n\
        select o.id, pg_advisory_lock_shared(1)::text as waited from {{ ref('orders') }} as o\n\
        {% if is_incremental() %}where o.id not in (select h.id from {{ this }} as h){% endif %}",
    );
    shop.quietly("msv seed");
    let mut gate = shop.connect();
    gate.execute("select pg_advisory_lock(1)").unwrap();
    let first = spawn(&shop, "msv build --select history");
    shop.wait_until(IS_WAITING);
    let mut second = spawn(&shop, "msv build --select history");
    let mut lines = BufReader::new(second.stdout.take().unwrap()).lines();
    let waits = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("waits for"))
        .expect("it says for whom it waits");
    assert_snapshot!(
        "waits_for_another_build",
        shop.steady(waits.as_bytes()).trim()
    );
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    drop(gate);
    assert!(first.wait_with_output().unwrap().status.success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(second.wait().unwrap().success(), "{rest:#?}");
    assert_eq!(shop.value("select count(*) from analytics.history"), "2");
    assert_eq!(shop.value(LEFT_OVER), "0");
}

#[test]
fn a_build_that_waits_for_another_can_be_interrupted() {
    let shop = slow_shop();
    let mut gate = shop.connect();
    gate.execute("select pg_advisory_lock(1)").unwrap();
    let first = spawn(&shop, "msv build --select slow");
    // In a group it would soon give up its claim, to be built by itself.
    shop.wait_until(&format!(
        "{IS_WAITING} and query like '%pg_try_advisory_lock(%'"
    ));
    let mut second = spawn(&shop, "msv build --select slow");
    let mut lines = BufReader::new(second.stdout.take().unwrap()).lines();
    lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("waits for"))
        .expect("it says for whom it waits");
    send(&second, Signal::INT);
    assert_eq!(second.wait().unwrap().code(), Some(1));
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    assert!(first.wait_with_output().unwrap().status.success());
}

#[test]
fn many_builds_at_once_all_end_well() {
    let shop = slow_shop();
    shop.write("models/seen.sql", "select * from {{ ref('beside') }}");
    shop.write(
        "models/seen.yml",
        "models:\n  - name: seen\n    columns:\n      - name: id\n        data_tests:\n          \
        - unique: {config: {store_failures: true}}\n          - not_null\n",
    );
    let builds: Vec<Child> = (0..3)
        .map(|_| spawn(&shop, "MSV_THREADS=2 msv build"))
        .collect();
    for build in builds {
        let output = build.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&shop, &output));
    }
    assert_built(&shop);
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let shop = slow_shop();
    for line in ["msv ls", "msv explain MSV0201", "msv compile --select slow"] {
        let mut command = spawn(&shop, line);
        drop(command.stdout.take());
        let output = command.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && !words.contains("panicked"),
            "{line}: {words}"
        );
    }
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = shop.command("msv ls").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!("full_disk", shop.steady(&output.stderr).trim());
}

#[test]
fn an_interrupted_last_node_ends_the_run() {
    let shop = slow_shop();
    shop.write(
        "project.yml",
        "name: shop\nprofile: shop\non-run-end: [create table analytics.ended ()]\n",
    );
    let mut gate = shop.connect();
    gate.execute("select pg_advisory_lock(1)").unwrap();
    let build = spawn(&shop, "msv run --select slow");
    shop.wait_until(IS_WAITING);
    send(&build, Signal::INT);
    let output = build.wait_with_output().unwrap();
    assert_snapshot!("interrupted_last", said(&shop, &output));
    assert_eq!(
        shop.value("select to_regclass('analytics.ended') is null"),
        "true"
    );
}
