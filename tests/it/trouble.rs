//! What goes wrong on the server while a build runs, and what people read then.

use std::process::{Child, Command, Stdio};

use msv::postgres::Session;
use msv::postgres::embedded::Cluster;

use crate::support::shop::Shop;

const IS_WAITING: &str = "select count(*) > 0 from pg_stat_activity \
    where datname = current_database() and wait_event_type = 'Lock'";
const LEFT_OVER: &str = "select count(*) from pg_class where relname ~ '^msv_(tmp|old)__'";

/// Builds only while nobody holds the advisory lock 1.
const SLOW: &str = "{{ config(materialized='table') }} \
    select 1 as id from (select pg_advisory_lock_shared(1)) as waited";

fn spawn(shop: &Shop, line: &str) -> Child {
    shop.command(line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn output(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    (output.status.success(), said)
}

/// A build that waits in the model `slow`; the session holds the lock it waits for.
fn waiting(shop: &Shop, line: &str) -> (Session, Child) {
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

/// A project on a server of its own, which may write no file of more than 20 MiB.
#[test]
fn a_full_disk_leaves_what_people_read() {
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    std::fs::create_dir(folder.path().join("models")).unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    write("project.yml", "name: shop\nprofile: shop\n");
    write(
        "profiles.yml",
        "shop: {target: local, outputs: {local: {type: postgres, embedded: true, schema: analytics}}}\n",
    );
    write(
        "models/big.sql",
        "{{ config(materialized='table') }} \
         select generate_series(1, {{ var('rows', 10) }}) as id",
    );
    let msv = assert_cmd::cargo::cargo_bin!("msv");
    let run = |limits: &str, arguments: &str| {
        let script = format!("{limits} exec '{}' {arguments}", msv.display());
        let mut command = Command::new("bash");
        command.args(["-c", &script]).current_dir(folder.path());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        (output.status.success(), said)
    };
    // Not a whole number of pages: what is written short counts as a full disk.
    let (is_success, said) = run("ulimit -f 20481;", "build");
    assert!(is_success, "{said}");
    let (is_success, said) = run("", "build --vars '{rows: 2000000}'");
    assert!(
        !is_success && said.contains("could not extend file"),
        "{said}"
    );
    assert!(!said.contains("tried again"), "{said}");
    let cluster = Cluster::of_project(folder.path());
    let options = cluster
        .ensure_running(&mut |_| {})
        .unwrap_or_else(|refused| panic!("{refused}"));
    let mut session = Session::connect(&options).unwrap();
    let mut value = |sql: &str| {
        let rows = session.query(sql).unwrap();
        rows.scalar().and_then(|value| value.as_i64())
    };
    assert_eq!(value("select count(*) from analytics.big"), Some(10));
    assert_eq!(value(LEFT_OVER), Some(0));
    cluster.stop().unwrap();
}
