//! What goes wrong on the server while a build runs, and what people read then.

use std::process::{Child, Command, Stdio};

use msv::postgres::Session;
use msv::postgres::embedded::Cluster;

use crate::support::shop::Shop;

const IS_WAITING: &str = "select count(*) > 0 from pg_stat_activity \
    where datname = current_database() and wait_event_type = 'Lock'";
const LEFT_OVER: &str = "select count(*) from pg_class where relname ~ '^msv_(tmp|old)__'";

/// Builds only while nobody holds the advisory lock 1.
pub(crate) const SLOW: &str = "{{ config(materialized='table') }} \
    select 1 as id from (select pg_advisory_lock_shared(1)) as waited";

pub(crate) fn spawn(shop: &Shop, line: &str) -> Child {
    shop.command(line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn output(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    (output.status.success(), said)
}

/// A build that waits in the model `slow`; the session holds the lock it waits for.
pub(crate) fn waiting(shop: &Shop, line: &str) -> (Session, Child) {
    let mut gate = shop.connect();
    gate.execute("select pg_advisory_lock(1)").unwrap();
    let build = spawn(shop, line);
    shop.wait_until(IS_WAITING);
    (gate, build)
}

#[test]
fn a_node_whose_connection_is_lost_is_built_on_another() {
    // A table that is ready is built in a group, an incremental model by itself.
    for (materialized, told) in [
        ("table", "is tried again"),
        ("incremental", "is tried again in 0.2 s (1 of 4)"),
    ] {
        let model = SLOW.replace(
            "materialized='table'",
            &format!("materialized='{materialized}'"),
        );
        let shop = Shop::new(&[("models/slow.sql", &model)]);
        let (mut gate, build) = waiting(&shop, "msv build");
        gate.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .unwrap();
        gate.execute("select pg_advisory_unlock(1)").unwrap();
        let (is_success, said) = output(build);
        assert!(is_success && said.contains(told), "{said}");
        assert_eq!(shop.value("select count(*) from analytics.slow"), "1");
        assert_eq!(shop.value(LEFT_OVER), "0");
    }
}

/// True once somebody waited for a lock, and was ended.
const TERMINATED: &str = "select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity \
    where datname = current_database() and wait_event_type = 'Lock'";

/// A table with an index, and a test of it that waits for whoever holds the advisory lock 1.
fn tested_shop() -> Shop {
    let mut shop = Shop::new(&[
        (
            "models/orders.sql",
            "{{ config(materialized='table', indexes=[{'columns': ['id']}]) }} \
             select id from {{ source('raw', 'orders') }}",
        ),
        (
            "models/orders.yml",
            "sources: [{name: raw, tables: [{name: orders}]}]\n\
             models:\n  - name: orders\n    columns: [{name: id, data_tests: [unique]}]\n",
        ),
        (
            "tests/none_is_lost.sql",
            "select * from (select pg_advisory_lock_shared(1)::text as waited, \
             (select count(*) from {{ ref('orders') }}) as orders) as looked where waited <> ''",
        ),
    ]);
    shop.execute("create schema raw; create table raw.orders as select 1 as id");
    shop.quietly("msv build");
    shop
}

#[test]
fn a_node_that_loses_its_connection_while_it_is_tested_or_published_is_tested_again() {
    let shop = tested_shop();
    shop.execute("insert into raw.orders values (2)");
    let (mut gate, build) = waiting(&shop, "msv build --no-fused-tests");
    let mut reader = shop.connect();
    reader
        .execute("begin; select count(*) from analytics.orders")
        .unwrap();
    shop.wait_until(TERMINATED);
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    // Now it has passed its tests, and waits for the reader.
    shop.wait_until(TERMINATED);
    reader.execute("commit").unwrap();
    let (is_success, said) = output(build);
    assert!(is_success, "{said}");
    assert_eq!(said.matches("is tried again").count(), 2, "{said}");
    assert!(said.contains("Done. PASS=3 WARN=0 ERROR=0"), "{said}");
    assert!(
        said.contains("3 of 3") && !said.contains("4 of 3"),
        "{said}"
    );
    assert_eq!(shop.value("select count(*) from analytics.orders"), "2");
    assert_eq!(shop.value(LEFT_OVER), "0");
}

#[test]
fn what_fails_a_test_that_it_had_passed_before_the_connection_was_lost_is_not_published() {
    let shop = tested_shop();
    let mut reader = shop.connect();
    reader
        .execute("begin; select count(*) from analytics.orders")
        .unwrap();
    let build = spawn(&shop, "msv build");
    shop.wait_until(IS_WAITING);
    shop.execute("insert into raw.orders values (1)");
    shop.wait_until(TERMINATED);
    reader.execute("commit").unwrap();
    let (is_success, said) = output(build);
    assert!(!is_success, "{said}");
    assert!(
        said.contains("built again it fails data test `unique_orders_id`"),
        "{said}"
    );
    assert_eq!(shop.value("select count(*) from analytics.orders"), "1");
    let (is_success, said) = output(spawn(&shop, "msv retry"));
    assert!(!is_success && said.contains("MSV0501"), "{said}");
    assert_eq!(shop.value("select count(*) from analytics.orders"), "1");
}

#[test]
fn a_node_with_hooks_outside_its_transaction_is_not_repeated() {
    let shop = Shop::new(&[(
        "models/slow.sql",
        "{{ config(materialized='table', pre_hook={'sql': 'insert into raw.log values (1)', \
         'transaction': false}) }} select 1 as id from (select pg_advisory_lock_shared(1)) as w",
    )]);
    shop.execute("create schema raw; create table raw.log (id int)");
    let (mut gate, build) = waiting(&shop, "msv build");
    gate.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = current_database() and wait_event_type = 'Lock'",
    )
    .unwrap();
    let (is_success, said) = output(build);
    assert!(!is_success && said.contains("MSV0442"), "{said}");
    assert_eq!(shop.value("select count(*) from raw.log"), "1");
}

#[test]
fn a_deadlock_and_a_lock_held_too_long_pass() {
    let shop = Shop::new(&[(
        "models/history.sql",
        "{{ config(materialized='incremental', pre_hook='lock table raw.first; \
         select pg_advisory_lock_shared(1); lock table raw.second') }} select 1 as id",
    )]);
    shop.execute("create schema raw; create table raw.first (); create table raw.second ()");
    let (mut gate, build) = waiting(&shop, "msv run");
    gate.execute("begin; set local deadlock_timeout = '1h'; lock table raw.second")
        .unwrap();
    // The build gets this session's advisory lock and then waits for its table, in a circle.
    gate.execute("select pg_advisory_unlock(1)").unwrap();
    gate.execute("lock table raw.first").unwrap();
    gate.execute("commit").unwrap();
    let (is_success, said) = output(build);
    assert!(
        is_success && said.contains("(1 of 4): deadlock detected"),
        "{said}"
    );
    assert_eq!(shop.value("select count(*) from analytics.history"), "1");

    let profile = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    let limited = profile.replace(
        "schema: analytics",
        "schema: analytics\n      lock_timeout: 100",
    );
    assert_ne!(profile, limited);
    shop.write("profiles.yml", &limited);
    let mut holder = shop.connect();
    holder.execute("begin; lock table raw.first").unwrap();
    let mut build = spawn(&shop, "msv run");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(build.stdout.take().unwrap()));
    let told = lines.find(|line| {
        line.as_ref()
            .unwrap()
            .contains("canceling statement due to lock")
    });
    assert!(told.is_some(), "the wait is told");
    holder.execute("commit").unwrap();
    assert!(build.wait().unwrap().success());
    assert_eq!(shop.value("select count(*) from analytics.history"), "2");
}

#[test]
fn a_build_makes_do_with_the_connections_it_gets() {
    let files: Vec<(String, String)> = (1..=6)
        .map(|at| {
            let sql = "{{ config(materialized='table') }} select 1 as id from pg_sleep(0.05)";
            (format!("models/m{at}.sql"), sql.to_owned())
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, sql)| (path.as_str(), sql.as_str()))
        .collect();
    let shop = Shop::new(&files);
    let role = limited_role(&shop, "connection limit 2");
    shop.execute(&format!("create schema analytics authorization {role}"));
    let (is_success, said) = output(spawn(&shop, "MSV_THREADS=4 msv build"));
    assert!(
        is_success && said.contains("Fewer nodes run at a time"),
        "{said}"
    );
    assert_eq!(
        shop.value("select count(*) from pg_tables where schemaname = 'analytics'"),
        "6"
    );
    drop_role(&shop, &role);
}

#[test]
fn a_table_is_not_replaced_without_its_security_label() {
    let mut shop = Shop::new(&[(
        "models/people.sql",
        "{{ config(materialized='table', indexes=[{'columns': ['id']}]) }} \
         select {{ var('id', 1) }} as id, 'Ann' as name",
    )]);
    shop.quietly("msv build");
    // Providers of labels are libraries; one that is missing refuses to label anything.
    shop.execute(
        "set allow_system_table_mods = on; insert into pg_seclabel \
         values ('analytics.people'::regclass, 'pg_class'::regclass, 2, 'anon', 'MASKED')",
    );
    let (is_success, said) = output(spawn(&shop, "msv build --vars 'id: 2'"));
    assert!(
        !is_success && said.contains("security label provider \"anon\" is not loaded"),
        "{said}"
    );
    let kept = "select id, (select label from pg_seclabels where objname = 'analytics.people.name') \
        from analytics.people";
    assert_eq!(shop.value(kept), "1 | MASKED");
}

/// Makes a role of the test's database and lets the project use it.
fn limited_role(shop: &Shop, limits: &str) -> String {
    let role = format!("{}_limited", shop.value("select current_database()"));
    shop.execute(&format!(
        "create role {role} login password 'secret' {limits}"
    ));
    let profile = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    let lines = profile.lines().map(|line| {
        let key = line.trim_start().split(':').next().unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        match key {
            "user" => format!("{indent}user: {role}"),
            "password" | "pass" => format!("{indent}password: secret"),
            _ => line.to_owned(),
        }
    });
    shop.write("profiles.yml", &lines.collect::<Vec<_>>().join("\n"));
    role
}

/// Roles belong to the server, not to the test's database.
fn drop_role(shop: &Shop, role: &str) {
    shop.execute(&format!("drop owned by {role} cascade; drop role {role}"));
}

#[test]
fn a_role_that_may_not_create_is_told_so() {
    let shop = Shop::new(&[("models/orders.sql", "select 1 as id")]);
    let role = limited_role(&shop, "");
    let (is_success, said) = output(spawn(&shop, "msv build"));
    assert!(!is_success, "{said}");
    assert!(
        said.contains("error[MSV0448]: schema `analytics` cannot be prepared"),
        "{said}"
    );
    shop.execute("create schema analytics; create view analytics.orders as select 7 as id");
    shop.execute(&format!("grant usage on schema analytics to {role}"));
    let (is_success, said) = output(spawn(&shop, "msv build"));
    assert!(!is_success && said.contains("must be owner"), "{said}");
    assert!(said.contains("ask the owner for the right"), "{said}");
    assert_eq!(shop.value("select id from analytics.orders"), "7");
    drop_role(&shop, &role);
}

#[test]
fn a_schema_that_is_dropped_meanwhile_is_made_again_by_the_next_build() {
    let mut shop = Shop::new(&[
        (
            "models/before.sql",
            "{{ config(materialized='table') }} select 1 as id",
        ),
        (
            "models/slow.sql",
            "-- depends_on: {{ ref('before') }}\n{{ config(materialized='table') }} \
             select 1 as id from (select pg_advisory_lock_shared(1)) as waited",
        ),
        ("models/after.sql", "select id from {{ ref('slow') }}"),
    ]);
    let (mut gate, build) = waiting(&shop, "msv build");
    gate.execute("drop schema analytics cascade; select pg_advisory_unlock(1)")
        .unwrap();
    drop(gate);
    let (is_success, said) = output(build);
    assert!(
        !is_success && said.contains("schema \"analytics\" does not exist"),
        "{said}"
    );
    shop.quietly("msv build");
    assert_eq!(shop.value("select count(*) from analytics.after"), "1");
    assert_eq!(shop.value(LEFT_OVER), "0");
}

#[test]
fn names_that_would_be_the_same_after_63_bytes_are_refused() {
    let long = "o".repeat(62);
    let shop = Shop::new(&[
        (&format!("models/{long}aa.sql"), "select 1 as id"),
        (&format!("models/{long}ab.sql"), "select 2 as id"),
    ]);
    let (is_success, said) = output(spawn(&shop, "msv build"));
    assert!(!is_success, "{said}");
    assert_eq!(said.matches("error[MSV0450]").count(), 2, "{said}");
    assert_eq!(
        shop.value("select count(*) from pg_class where relname like 'ooo%'"),
        "0"
    );
}

/// A project on a server of its own, which is stopped with this value.
struct OwnServer {
    folder: tempfile::TempDir,
    cluster: Cluster,
}

impl OwnServer {
    fn new(models: &[(&str, &str)]) -> OwnServer {
        let folder = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .unwrap();
        let write =
            |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        write("project.yml", "name: shop\nprofile: shop\n");
        write(
            "profiles.yml",
            "shop: {target: local, outputs: {local: {type: postgres, embedded: true, \
             schema: analytics, threads: 2}}}\n",
        );
        for (name, sql) in models {
            write(&format!("models/{name}.sql"), sql);
        }
        let cluster = Cluster::of_project(folder.path());
        OwnServer { folder, cluster }
    }

    fn start(&self) {
        self.cluster
            .ensure_running(&mut |_| {})
            .unwrap_or_else(|refused| panic!("{refused}"));
    }

    fn stop(&self) {
        self.cluster
            .stop()
            .unwrap_or_else(|refused| panic!("{refused}"));
    }

    fn connect(&self) -> Session {
        let options = self.cluster.ensure_running(&mut |_| {});
        Session::connect(&options.unwrap_or_else(|refused| panic!("{refused}"))).unwrap()
    }

    fn value(&self, sql: &str) -> Option<i64> {
        let rows = self.connect().query(sql).unwrap();
        rows.scalar().and_then(|value| value.as_i64())
    }

    fn spawn(&self, limits: &str, arguments: &str) -> Child {
        let msv = assert_cmd::cargo::cargo_bin!("msv");
        let script = format!("{limits} exec '{}' {arguments}", msv.display());
        Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a build, and waits until it runs a statement that sleeps.
    fn build_until_it_sleeps(&self, arguments: &str) -> Child {
        let build = self.spawn("", arguments);
        let sleeps = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        while self.value(sleeps) == Some(0) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        build
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Also when an assertion has failed; nothing is lost when it does not run.
        let _ = self.cluster.stop();
    }
}

#[test]
fn a_full_disk_leaves_what_people_read() {
    let shop = OwnServer::new(&[(
        "big",
        "{{ config(materialized='table') }} \
         select generate_series(1, {{ var('rows', 10) }}) as id",
    )]);
    // Not a whole number of pages: what is written short counts as a full disk.
    let (is_success, said) = output(shop.spawn("ulimit -f 20481;", "build"));
    assert!(is_success, "{said}");
    let (is_success, said) = output(shop.spawn("", "build --vars '{rows: 2000000}'"));
    assert!(
        !is_success && said.contains("could not extend file"),
        "{said}"
    );
    assert!(!said.contains("tried again"), "{said}");
    assert_eq!(shop.value("select count(*) from analytics.big"), Some(10));
    assert_eq!(shop.value(LEFT_OVER), Some(0));
}

/// A chain of a table that takes its time, rows that are added once, and a view.
const CHAIN: [(&str, &str); 3] = [
    (
        "slow",
        "{{ config(materialized='table') }} \
         select {{ var('build') }} as build from pg_sleep({{ var('seconds', 0) }})",
    ),
    (
        "history",
        "{{ config(materialized='incremental', incremental_strategy='append') }} \
         select build from {{ ref('slow') }}",
    ),
    ("seen", "select build from {{ ref('history') }}"),
];

#[test]
fn a_server_that_restarts_during_a_build_is_waited_for() {
    let shop = OwnServer::new(&CHAIN);
    let (is_success, said) = output(shop.spawn("", "build --vars '{build: 1}'"));
    assert!(is_success, "{said}");
    for (number, publish) in [(2, "each"), (3, "together")] {
        let build = shop.build_until_it_sleeps(&format!(
            "build --publish {publish} --vars '{{build: {number}, seconds: 2}}'"
        ));
        shop.stop();
        shop.start();
        let (is_success, said) = output(build);
        assert!(
            is_success && said.contains("`slow` is tried again"),
            "{said}"
        );
        let seen = "select count(*) * 10 + max(build) from analytics.seen";
        assert_eq!(shop.value(seen), Some(number * 11), "{said}");
        assert_eq!(shop.value(LEFT_OVER), Some(0), "{said}");
    }
}

#[test]
fn a_server_that_does_not_come_back_ends_the_run_and_retry_does_the_rest() {
    let models: Vec<String> = (1..=4).map(|at| format!("m{at}")).collect();
    let sql = "{{ config(materialized='table') }} \
        select 1 as id from pg_sleep({{ var('seconds', 0) }})";
    let models: Vec<(&str, &str)> = models.iter().map(|name| (name.as_str(), sql)).collect();
    let shop = OwnServer::new(&models);
    shop.start();
    let build = shop.build_until_it_sleeps("build --threads 1 --vars '{seconds: 1}'");
    shop.stop();
    let (is_success, said) = output(build);
    assert!(!is_success, "{said}");
    assert!(
        said.contains("Stopped: the server cannot be reached any more"),
        "{said}"
    );
    assert_eq!(said.matches("error[MSV0442]").count(), 1, "{said}");
    let (is_success, said) = output(shop.spawn("", "retry"));
    assert!(is_success, "{said}");
    let built = "select count(*) from pg_tables where schemaname = 'analytics'";
    assert_eq!(shop.value(built), Some(4), "{said}");
}

#[test]
fn nothing_is_built_where_nothing_could_be_told_of_it() {
    let shop = Shop::new(&[("models/orders.sql", "select 1 as id")]);
    shop.write("target", "a file stands here");
    let output = shop.command("msv build").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = shop.steady(&output.stderr);
    assert!(said.contains("error[MSV0801]: `/shop/target`"), "{said}");
    let is_missing = "select to_regclass('analytics.orders') is null";
    assert_eq!(shop.value(is_missing), "true");

    std::fs::remove_file(shop.path().join("target")).unwrap();
    std::fs::remove_dir_all(shop.path().join("logs")).unwrap();
    shop.write("logs", "a file stands here");
    let output = shop.command("msv build").output().unwrap();
    assert!(output.status.success());
    let said = shop.steady(&output.stderr);
    assert_eq!(said.matches("warning: the log").count(), 1, "{said}");
}

#[test]
fn output_that_cannot_be_written_does_not_look_like_success() {
    let shop = Shop::new(&[("models/orders.sql", "select 1 as id")]);
    let full = std::fs::File::create("/dev/full").unwrap();
    let build = shop.command("msv build").stdout(full).output().unwrap();
    assert_eq!(build.status.code(), Some(1));
    assert_eq!(
        shop.steady(&build.stderr),
        "error: the output cannot be written: No space left on device (os error 28)\n"
    );
    assert_eq!(shop.value("select id from analytics.orders"), "1");
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let build = shop.command("msv build").stdout(closed).output().unwrap();
    assert_eq!((build.status.code(), build.stderr.len()), (Some(0), 0));
}
